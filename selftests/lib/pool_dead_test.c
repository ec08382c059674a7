// SPDX-License-Identifier: MIT
/* Threads of a pool that end by pthread_exit(), and children of fork(): each in a process. */
#include "lib_pool.h"

LIB_FIXTURE(pool_dead)

static struct coro_pool *pool;

/* The thread sanitizer takes no pthread_exit() from a coroutine. */
#ifndef __SANITIZE_THREAD__
/* What a thread loses in its end is no leak of the test. */
static long run_in_child(void *arg)
{
	long (**fn)(void *arg) = arg;

	alarm(60);
	(*fn)(NULL);
	return !_metadata->passed;
}

static int child(long (*fn)(void *arg))
{
	return in_child(run_in_child, &fn);
}

enum { PINNED, FREE, RUNNING, KINDS, NR = 20 };

/* What the loop that ends had. */
static struct {
	struct coro_work *work[KINDS][NR];
	int entered[KINDS], disposed[KINDS];
	struct coro_work *last, *joined, *joiner;
} lost;

static long enter_pinned(void *arg)
{
	(void)arg;
	count(&lost.entered[PINNED]);
	return 0;
}

static void dispose_pinned(void *arg)
{
	(void)arg;
	EXPECT_EQ(NULL, coro_self());
	count(&lost.disposed[PINNED]);
}

static long enter_free(void *arg)
{
	count(&lost.entered[FREE]);
	return (long)arg;
}

static void dispose_free(void *arg)
{
	(void)arg;
	count(&lost.disposed[FREE]);
}

static long run_for_ever(void *arg)
{
	(void)arg;
	count(&lost.entered[RUNNING]);
	return coro_sleep_until(CORO_NEVER);
}

static void dispose_running(void *arg)
{
	(void)arg;
	count(&lost.disposed[RUNNING]);
}

static long join_from_lost(void *arg)
{
	return coro_work_join(arg, NULL, CORO_NEVER);
}

/* On the loop: gives it work of all kinds, of which it starts but the last. */
static long exit_amid_work(void *arg)
{
	unsigned int here = (unsigned int)coro_pool_index();
	struct coro_work_opts pinned = on_loop(here), running = pinned;
	struct coro_work_opts free = { .size = sizeof(free) };

	pinned.dispose = dispose_pinned;
	running.dispose = dispose_running;
	free.dispose = dispose_free;
	lost.joiner = start_on(here, join_from_lost, lost.joined);
	for (int i = 0; i < NR; i++)
		lost.work[RUNNING][i] = start_work(run_for_ever, arg, &running);
	while (counted(&lost.entered[RUNNING]) < NR)
		EXPECT_EQ(0, coro_sleep(0));
	for (long i = 0; i < NR; i++) {
		lost.work[PINNED][i] = start_work(enter_pinned, arg, &pinned);
		lost.work[FREE][i] = start_work(enter_free, (void *)i, &free);
	}
	pthread_exit(NULL);
}

static void expect_lost(long free)
{
	EXPECT_EQ(-EOWNERDEAD, end_work(lost.last));
	EXPECT_EQ(-EOWNERDEAD, end_work(lost.joiner));
	for (long i = 0; i < NR; i++) {
		EXPECT_EQ(-EOWNERDEAD, end_work(lost.work[RUNNING][i]));
		EXPECT_EQ(-ESRCH, coro_work_cancel(lost.work[PINNED][i]));
		EXPECT_EQ(-EOWNERDEAD, end_work(lost.work[PINNED][i]));
		EXPECT_EQ(free ? free : i, end_work(lost.work[FREE][i]));
	}
	EXPECT_EQ(0, counted(&lost.entered[PINNED]));
	EXPECT_EQ(NR, counted(&lost.disposed[PINNED]));
	EXPECT_EQ(free ? 0 : NR, counted(&lost.entered[FREE]));
	EXPECT_EQ(free ? NR : 0, counted(&lost.disposed[FREE]));
	EXPECT_EQ(NR, counted(&lost.entered[RUNNING]));
	EXPECT_EQ(0, counted(&lost.disposed[RUNNING]));
}

static long take_message(void *arg)
{
	uint64_t value;

	__atomic_store_n((struct coro **)arg, coro_self(), __ATOMIC_RELEASE);
	return coro_recv(&value, CORO_NEVER);
}

static long lose_a_loop(void *arg)
{
	unsigned int last = coro_pool_loops(coro_pool_self()) - 1;
	const struct coro_work_opts gone = on_loop(last);
	struct coro *taker = NULL;
	struct coro_work *w = (void *)POISON_LONG;
	int ran = 0;

	lost.joined = start_on(0, take_message, &taker);
	while (!taker)
		EXPECT_EQ(0, coro_sleep(0));
	lost.last = start_on(last, exit_amid_work, arg);
	EXPECT_EQ(-EOWNERDEAD, coro_work_join(lost.last, NULL, CORO_NEVER));
	expect_lost(0);
	EXPECT_EQ(-EPIPE, coro_work_start(&w, coro_pool_self(), count_entry,
					  &ran, &gone));
	EXPECT_EQ(POISON_LONG, (long)w);
	/* Nobody waits there any more: nothing happens. */
	EXPECT_EQ(0, coro_wake(taker, 1));
	EXPECT_EQ(0, end_work(lost.joined));
	/* Others take what may run anywhere, however much they have. */
	for (int i = 0; i < 50; i++)
		coro_work_put(start_work(sleep_far, NULL, NULL));
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(0, end_work(start_work(count_entry, &ran, NULL)));
	EXPECT_EQ(50, ran);
	return 33;
}

static long lose_one_of_two(void *arg)
{
	EXPECT_EQ(33, run_pool(2, lose_a_loop, arg));
	return 0;
}

static long lose_one_of_four(void *arg)
{
	EXPECT_EQ(33, run_pool(4, lose_a_loop, arg));
	return 0;
}

TEST_F(pool_dead, pool_goes_on_without_a_loop_whose_thread_has_ended)
{
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, child(lose_one_of_two));
		EXPECT_EQ(0, child(lose_one_of_four));
	}
}

static struct coro_work *other;

static struct hold held[2];
static pthread_t holder;

static void *let_go_at_the_end(void *arg)
{
	while (!coro_pool_spawn(pool, give_arg, arg))
		usleep(100);
	sem_post(&held[0].go);
	sem_post(&held[1].go);
	return NULL;
}

static void hold_others_up(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		hold_up(&held[i], i + 1);
		coro_work_put(held[i].work);
	}
	EXPECT_EQ(0, pthread_create(&holder, NULL, let_go_at_the_end, NULL));
}

static long lose_first(void *arg)
{
	struct coro *taker = NULL;

	pool = coro_pool_get(coro_pool_self());
	other = start_on(1, sleep_far, NULL);
	lost.joined = start_on(1, take_message, &taker);
	while (!__atomic_load_n(&taker, __ATOMIC_ACQUIRE))
		EXPECT_EQ(0, coro_sleep(0));
	hold_others_up();
	lost.last = start_on(0, exit_amid_work, arg);
	coro_sleep(FAR_NS);
	return 0;
}

static long run_and_lose_first(void *arg)
{
	return run_pool(3, lose_first, arg);
}

/* From a loop of its own, after the end of what ran the pool. */
static long look_at_lost(void *arg)
{
	struct coro_work *w = (void *)POISON_LONG;

	(void)arg;
	EXPECT_EQ(-ECANCELED, end_work(other));
	EXPECT_EQ(-ECANCELED, end_work(lost.joined));
	EXPECT_EQ(-EPIPE, coro_work_start(&w, pool, give_arg, NULL, NULL));
	EXPECT_EQ(-EPIPE, coro_pool_spawn(pool, give_arg, NULL));
	expect_lost(-ECANCELED);
	coro_pool_put(pool);
	return 0;
}

static long lose_the_first(void *arg)
{
	EXPECT_EQ(POISON_LONG, in_thread(run_and_lose_first, arg));
	pthread_join(holder, NULL);
	EXPECT_EQ(0, coro_run(look_at_lost, arg));
	return 0;
}

TEST_F(pool_dead, pool_ends_with_the_thread_that_ran_it)
{
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, child(lose_the_first));
}

static long exit_at_once(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static long call_the_dead(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	const struct coro_work_opts opts = on_loop(1);
	long value = POISON_LONG;

	EXPECT_EQ(-EOWNERDEAD,
		  coro_pool_call(p, exit_at_once, arg, &opts, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

static long run_call_the_dead(void *arg)
{
	EXPECT_EQ(0, run_pool(2, call_the_dead, arg));
	return 0;
}

TEST_F(pool_dead, call_tells_that_its_thread_ended)
{
	EXPECT_EQ(0, child(run_call_the_dead));
}
#endif

/* In the child of a fork() on a loop's thread: the parent's pool is none of its own. */
static long be_a_child(void *arg)
{
	struct coro_work *w = arg;
	long value = POISON_LONG;

	EXPECT_EQ(NULL, coro_pool_self());
	EXPECT_EQ(-EPERM, coro_pool_index());
	EXPECT_EQ(-EPIPE, coro_pool_spawn(pool, give_arg, NULL));
	EXPECT_EQ(-EPIPE, coro_work_start(NULL, pool, give_arg, NULL, NULL));
	EXPECT_EQ(-ESRCH, coro_work_cancel(w));
	EXPECT_EQ(-EOWNERDEAD, coro_work_join(w, &value, CORO_NEVER));
	EXPECT_EQ(POISON_LONG, value);
	coro_work_put(w);
#ifndef __SANITIZE_THREAD__ /* which takes no new threads there */
	EXPECT_EQ(9, run_pool(3, give_arg, (void *)9L));
#endif
	return !_metadata->passed;
}

static void fork_and_look(void *arg)
{
	struct coro_work *w = arg;
	int status = -1;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit((int)be_a_child(w));
	EXPECT_LT(0, pid);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* On the device a child has no stacks of coroutines. */
static long fork_in_work(void *arg)
{
	if (!strcmp(coro_backend(), "portable"))
		fork_and_look(arg);
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), fork_and_look, arg));
	return coro_sleep(0);
}

static long fork_on_each(void *arg)
{
	struct coro_work *w = start_on(1, sleep_far, arg);

	pool = coro_pool_self();
	for (unsigned int i = 0; i < 3; i++)
		EXPECT_EQ(0, end_work(start_on(i, fork_in_work, w)));
	/* The parent's is as it was. */
	EXPECT_EQ(0, coro_work_cancel(w));
	EXPECT_EQ(-ECANCELED, end_work(w));
	return 0;
}

TEST_F(pool_dead, child_of_fork_has_no_part_in_the_pool)
{
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, run_pool(3, fork_on_each, NULL));
}

TEST_HARNESS_MAIN
