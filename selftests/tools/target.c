// SPDX-License-Identifier: MIT
/* A program to be looked at by coroctl: that hangs, that has many coroutines, that never rests. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <coro.h>

#define NOINLINE __attribute__((noinline))

static struct coro_mutex left = CORO_MUTEX_INIT(0);
static struct coro_mutex right = CORO_MUTEX_INIT(0);

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* Takes one, and then the other. */
static NOINLINE long philosopher(void *arg)
{
	struct coro_mutex *first = arg;

	coro_mutex_lock(first, CORO_NEVER);
	coro_sleep(0);
	coro_mutex_lock(first == &left ? &right : &left, CORO_NEVER);
	return (long)arg;
}

/* So that a deadlock is none to the loop; it says when the others stand where they are to. */
static NOINLINE long ticks(void *arg)
{
	while (!coro_mutex_waiters(&left) || !coro_mutex_waiters(&right))
		coro_sleep(0);
	for (int i = 0; i < 8; i++)
		coro_sleep(0);
	ready();
	for (;;)
		coro_sleep(10 * CORO_MSEC);
	return (long)arg;
}

static NOINLINE long sleeps(void *arg)
{
	return coro_sleep(600 * CORO_SEC) + (long)arg;
}

static NOINLINE long awaits_inline(void *arg)
{
	return coro_await(coro_new_named(sleeps, arg, "sleeps")) + 1;
}

static NOINLINE long joins(void *arg)
{
	return coro_await(arg) + 1;
}

static NOINLINE long has_children(void *arg)
{
	struct coro_spawn_opts opts = { .size = sizeof(opts) };
	struct coro_group group;

	coro_group_open(&group, NULL);
	opts.group = &group;
	opts.name = "child";
	for (int i = 0; i < 2; i++)
		coro_spawn_opts(NULL, sleeps, arg, &opts);
	return coro_group_close(&group, 0);
}

static NOINLINE void dine(void)
{
	coro_spawn_named(philosopher, &left, "plato");
	coro_spawn_named(philosopher, &right, "kant");
}

static NOINLINE long hang(void *arg)
{
	struct coro *chain = coro_new_named(awaits_inline, arg, "chain");
	struct coro *odd =
		coro_new_named(sleeps, arg, "\"\\\n\x1b\xc3\xa9\xff,\x7f");
	struct coro *ended = coro_new_named(ticks, arg, "ended");

	coro_close(ended, NULL);
	coro_start(chain);
	coro_start(odd);
	coro_spawn_named(joins, chain, "joins");
	coro_spawn_named(has_children, arg, "parent");
	dine();
	coro_new_named(sleeps, arg, "fresh");
	coro_spawn_named(ticks, arg, "ticks");
	return coro_sleep(600 * CORO_SEC);
}

static struct coro_mutex lost = CORO_MUTEX_INIT(0);
static struct coro_mutex lost_too = CORO_MUTEX_INIT(0);
static struct coro_mutex outside = CORO_MUTEX_INIT(0);
/* Where a mutex has who holds it, this has what could be somebody. */
static struct coro_semaphore permits = CORO_SEMAPHORE_INIT(0, 1U << 20, 0);
static struct coro_rwlock reading = CORO_RWLOCK_INIT(0);

static NOINLINE long locks(void *arg)
{
	return coro_mutex_lock(arg, CORO_NEVER);
}

static NOINLINE long locks_inline(void *arg)
{
	return coro_await(coro_new_named(locks, arg, "locks inline"));
}

/* What it waits for may never come, and it does not wait for ever. */
static NOINLINE long locks_until(void *arg)
{
	return coro_mutex_lock(arg, coro_after(600 * CORO_SEC));
}

static NOINLINE long awaits_until(void *arg)
{
	return coro_await(coro_new_named(locks_until, arg, "until inline"));
}

static NOINLINE long selects(void *arg)
{
	struct coro_case cases[] = { coro_case_lock(arg),
				     coro_case_acquire(&permits) };

	return coro_select(cases, 2, CORO_NEVER);
}

static NOINLINE long acquires(void *arg)
{
	return coro_semaphore_acquire(arg, CORO_NEVER);
}

static NOINLINE long writes(void *arg)
{
	return coro_rwlock_write(arg, CORO_NEVER);
}

static NOINLINE long yields(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static NOINLINE long has_stuck_child(void *arg)
{
	struct coro_spawn_opts opts = { .size = sizeof(opts) };
	struct coro_group group;

	coro_group_open(&group, NULL);
	opts.group = &group;
	opts.name = "stuck child";
	coro_spawn_opts(NULL, locks, arg, &opts);
	opts.name = "good child";
	coro_spawn_opts(NULL, sleeps, NULL, &opts);
	return coro_group_close(&group, 0);
}

/* It takes the mutex with it. */
static NOINLINE void lock_and_end(struct coro_mutex *m, bool keep)
{
	struct coro *c = coro_new_named(locks, m, "robber");

	coro_start(c);
	coro_sleep(0);
	if (!keep)
		coro_put(c);
	coro_spawn_named(locks, m, keep ? "robbed too" : "robbed");
}

/* What @outer awaits is brought to its end by somebody else. */
static NOINLINE void await_and_end(void *arg)
{
	struct coro *inner = coro_new_named(yields, arg, "inner");
	struct coro *outer = coro_new_named(joins, inner, "outer");

	coro_resume(outer, 0, NULL);
	coro_resume(inner, 0, NULL);
}

static NOINLINE void be_healthy(void *arg)
{
	coro_rwlock_read(&reading, CORO_NEVER);
	coro_spawn_named(sleeps, arg, "sleeps");
	coro_spawn_named(locks, &outside, "locks outside");
	coro_spawn_named(acquires, &permits, "acquires");
	coro_spawn_named(writes, &reading, "writes");
}

static NOINLINE long leak(void *arg)
{
	struct coro *chain;

	be_healthy(arg);
	dine();
	coro_sleep(0);
	chain = coro_new_named(locks, &left, "behind");
	coro_start(chain);
	coro_spawn_named(joins, chain, "behind it");
	coro_spawn_named(has_stuck_child, &right, "parent");
	lock_and_end(&lost, false);
	lock_and_end(&lost_too, true);
	coro_spawn_named(locks_inline, &lost, "awaits inline");
	coro_spawn_named(locks_until, &lost, "until");
	coro_spawn_named(awaits_until, &lost, "awaits until");
	coro_spawn_named(selects, &lost, "selects");
	coro_spawn_named(locks_until, &left, "until behind");
	await_and_end(arg);
	coro_new_named(sleeps, arg, "unstarted");
	coro_close(coro_new_named(ticks, arg, "ended"), NULL);
	coro_spawn_named(ticks, arg, "ticks");
	return coro_sleep(600 * CORO_SEC);
}

/* Nobody gives in: the loop has no turn. */
static NOINLINE long spins(void *arg)
{
	volatile bool ever = true;

	coro_sleep(0);
	coro_spawn_named(sleeps, arg, "started");
	coro_new_named(sleeps, arg, "to be started");
	ready();
	while (ever)
		;
	return (long)arg;
}

static NOINLINE long spin(void *arg)
{
	coro_spawn_named(spins, arg, "spins");
	coro_spawn_named(sleeps, arg, "waits");
	return coro_sleep(600 * CORO_SEC);
}

static NOINLINE long many(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		if (coro_spawn_named(sleeps, NULL, "sleeps"))
			exit(1);
	coro_sleep(0);
	ready();
	return coro_sleep(600 * CORO_SEC);
}

/* What a reader must never see: a name with another's function. */
static NOINLINE long short_one(void *arg)
{
	coro_mutex_lock(&left, CORO_NEVER);
	coro_sleep(0);
	coro_mutex_unlock(&left);
	return (long)arg;
}

static NOINLINE long other_one(void *arg)
{
	coro_sleep(1);
	return (long)arg;
}

static NOINLINE long churns(void *arg)
{
	struct coro *a, *b;

	for (;;) {
		a = coro_new_named(short_one, arg, "short_one");
		b = coro_new_named(other_one, arg, "other_one");
		coro_start(a);
		coro_start(b);
		coro_await(a);
		coro_await(b);
	}
	return 0;
}

/* What it waits for is by turns an address and a time. */
static NOINLINE long mixes(void *arg)
{
	for (;;) {
		coro_mutex_lock(&right, CORO_NEVER);
		coro_sleep(0);
		coro_mutex_unlock(&right);
		coro_sleep(1);
	}
	return (long)arg;
}

static NOINLINE long turns(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		coro_sleep(0);
	return coro_sleep(20 * CORO_MSEC);
}

/* Its entry has many turns from a life before, and is free half of the time. */
static NOINLINE long seldom(void *arg)
{
	struct coro *first = coro_new_named(turns, (void *)40000, "turns");

	coro_start(first);
	coro_await(first);
	ready();
	for (;;) {
		coro_spawn_named(turns, NULL, "turns");
		coro_sleep(40 * CORO_MSEC);
	}
	return (long)arg;
}

static NOINLINE long churn(void *arg)
{
	for (int i = 0; i < 8; i++) {
		coro_spawn_named(churns, arg, "churns");
		coro_spawn_named(mixes, arg, "mixes");
	}
	coro_sleep(0);
	ready();
	return coro_sleep(600 * CORO_SEC);
}

/* In the kernel, with its loop; nobody is to end that. */
static NOINLINE long naps(void *arg)
{
	const struct timespec ever = { .tv_sec = 600 };

	ready();
	if (clock_nanosleep(CLOCK_MONOTONIC, 0, &ever, NULL))
		abort();
	return (long)arg;
}

static NOINLINE long nap(void *arg)
{
	coro_spawn_named(naps, arg, "naps");
	return coro_sleep(600 * CORO_SEC);
}

/* A loop that lasts for a moment, with its scheduler. */
static void *visits(void *arg)
{
	coro_run(other_one, arg);
	return NULL;
}

static NOINLINE long says_ready(void *arg)
{
	ready();
	return (long)arg;
}

/* It sleeps when that is said. */
static NOINLINE long stays_on(void *arg)
{
	coro_spawn_named(says_ready, arg, "says_ready");
	return sleeps(arg);
}

static void *stays_here(void *arg)
{
	coro_run(stays_on, arg);
	return NULL;
}

static int come_and_go(void)
{
	pthread_t threads[4], stays;

	if (pthread_create(&stays, NULL, stays_here, NULL))
		return 1;
	for (;;) {
		for (int i = 0; i < 4; i++)
			if (pthread_create(&threads[i], NULL, visits, NULL))
				return 1;
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (!strcmp(how, "hang"))
		return (int)coro_run(hang, NULL);
	if (!strcmp(how, "leak")) {
		coro_mutex_trylock(&outside);
		return (int)coro_run(leak, NULL);
	}
	if (!strcmp(how, "spin"))
		return (int)coro_run(spin, NULL);
	if (!strcmp(how, "many") && argc > 2)
		return (int)coro_run(many, (void *)atol(argv[2]));
	if (!strcmp(how, "naps"))
		return (int)coro_run(nap, NULL);
	if (!strcmp(how, "churn"))
		return (int)coro_run(churn, NULL);
	if (!strcmp(how, "seldom"))
		return (int)coro_run(seldom, NULL);
	if (!strcmp(how, "threads"))
		return come_and_go();
	fprintf(stderr,
		"usage: target hang|leak|naps|spin|many NUMBER|churn|seldom|threads\n");
	return 2;
}
