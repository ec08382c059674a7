// SPDX-License-Identifier: MIT
/* A program to be traced: does what its argument names, and tells who is who. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <coro.h>

#define FIRST ((void *)41)
#define SECOND ((void *)42)
#define REFUSED (-5)

static struct coro_mutex lock = CORO_MUTEX_INIT(0);

static void say(const char *what, uint64_t value)
{
	printf("value %s %" PRIu64 "\n", what, value);
}

static struct coro *say_coro(struct coro *c)
{
	printf("coro %s %" PRIu64 " %" PRIu64 "\n", coro_name(c),
	       (uint64_t)(uintptr_t)c, coro_id(c));
	return c;
}

static struct coro *make(long (*fn)(void *arg), void *arg, const char *name)
{
	return say_coro(coro_new_named(fn, arg, name));
}

static long holds(void *arg)
{
	int64_t deadline_ns = coro_after(CORO_MSEC);

	say("deadline", (uint64_t)deadline_ns);
	coro_mutex_lock(&lock, CORO_NEVER);
	coro_sleep_until(deadline_ns);
	coro_mutex_unlock(&lock);
	return (long)arg;
}

static long waits(void *arg)
{
	coro_mutex_lock(&lock, CORO_NEVER);
	coro_mutex_unlock(&lock);
	return (long)arg;
}

/* Two coroutines of a loop, of which one waits for what the other has. */
static long pair(void *arg)
{
	struct coro *holder = make(holds, FIRST, "holder");
	struct coro *waiter = make(waits, SECOND, "waiter");

	say_coro(coro_self());
	coro_start(holder);
	coro_start(waiter);
	coro_await(holder);
	coro_await(waiter);
	return (long)arg;
}

static long sleeps(void *arg)
{
	(void)arg;
	return coro_sleep_until(CORO_NEVER);
}

static long cancels(void *arg)
{
	struct coro *sleeper = make(sleeps, arg, "sleeper");

	say_coro(coro_self());
	coro_start(sleeper);
	coro_sleep(0);
	coro_cancel(sleeper);
	coro_await(sleeper);
	return 0;
}

static long shielded(void *arg)
{
	coro_cancel(coro_self());
	return (long)arg;
}

static long shields(void *arg)
{
	say_coro(coro_self());
	return coro_call_shielded(shielded, arg, CORO_NEVER);
}

static long expires(void *arg)
{
	say_coro(coro_self());
	coro_call(sleeps, arg, coro_after(CORO_MSEC));
	return 0;
}

static long hurries(void *arg)
{
	struct coro_spawn_opts opts = {
		.size = sizeof(opts),
		.flags = CORO_SPAWN_EAGER,
		.name = "eager",
	};
	struct coro *eager;

	say_coro(coro_self());
	coro_spawn_opts(&eager, waits, arg, &opts);
	say_coro(eager);
	coro_await(eager);
	return 0;
}

/* What it resumes waits in the loop, and it with that. */
static long resumes(void *arg)
{
	struct coro *c = make(holds, arg, "resumed");

	say_coro(coro_self());
	coro_resume(c, 0, NULL);
	coro_put(c);
	return 0;
}

static long blocks(void *arg)
{
	return (long)arg;
}

static long calls(void *arg)
{
	say_coro(coro_self());
	coro_blocking(blocks, arg, NULL);
	return 0;
}

static long yields(void *arg)
{
	coro_yield(1, NULL);
	return (long)arg;
}

static void generate(void)
{
	struct coro *c = make(yields, FIRST, "generator");

	coro_resume(c, 0, NULL);
	coro_resume(c, 0, NULL);
	coro_put(c);
}

static long awaits(void *arg)
{
	return coro_await(make(yields, arg, "inner"));
}

static void chain(void)
{
	struct coro *c = make(awaits, SECOND, "outer");

	coro_resume(c, 0, NULL);
	coro_resume(c, 0, NULL);
	coro_put(c);
}

static void refuse(void)
{
	struct coro *c = make(yields, NULL, "refused");

	coro_throw(c, REFUSED, NULL);
	coro_put(c);
}

static long stays(void *arg)
{
	while (coro_yield(1, NULL))
		;
	coro_yield(2, NULL);
	coro_yield(3, NULL);
	return (long)arg;
}

/* It yields again when it is to end. */
static void abandon(void)
{
	struct coro *c = make(stays, NULL, "stubborn");

	coro_resume(c, 0, NULL);
	coro_resume(c, 0, NULL);
	coro_put(c);
}

static void say_addresses(void)
{
	const struct {
		const char *name;
		long (*fn)(void *arg);
	} functions[] = {
		{ "pair", pair },	{ "holds", holds },
		{ "waits", waits },	{ "cancels", cancels },
		{ "sleeps", sleeps },	{ "shields", shields },
		{ "expires", expires }, { "hurries", hurries },
		{ "resumes", resumes }, { "calls", calls },
		{ "blocks", blocks },	{ "yields", yields },
		{ "awaits", awaits },	{ "stays", stays },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		say(functions[i].name, (uintptr_t)functions[i].fn);
	say("lock", (uintptr_t)&lock);
}

static const struct {
	const char *name;
	long (*main)(void *arg); /* of a loop */
	void (*alone)(void); /* or without one */
} ways[] = {
	{ "pair", pair, NULL },		{ "cancel", cancels, NULL },
	{ "shield", shields, NULL },	{ "deadline", expires, NULL },
	{ "eager", hurries, NULL },	{ "resumed", resumes, NULL },
	{ "blocking", calls, NULL },	{ "generator", NULL, generate },
	{ "chain", NULL, chain },	{ "refused", NULL, refuse },
	{ "abandoned", NULL, abandon },
};

int main(int argc, char **argv)
{
	say_addresses();
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(argv[1], ways[i].name))
			continue;
		if (ways[i].main)
			coro_run(ways[i].main, NULL);
		else
			ways[i].alone();
		return 0;
	}
	return 2;
}
