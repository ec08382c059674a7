// SPDX-License-Identifier: MIT
/* Functions from other threads: each runs once, in order, and wakes a loop that sleeps. */
#include "lib_common.h"

LIB_FIXTURE(call_soon)

/* What a test's threads and loop share. */
struct calls {
	struct coro_loop *loop;
	pthread_barrier_t barrier;
	pthread_t thread;
	struct trace trace;
	pthread_t ran_in;
	struct coro *waiter;
	long ret;
	int nr;
};

static void note(void *arg)
{
	struct calls *calls = arg;

	calls->ran_in = pthread_self();
	calls->nr++;
}

static void note_and_cancel(void *arg)
{
	struct calls *calls = arg;

	EXPECT_EQ(NULL, coro_self());
	note(arg);
	EXPECT_EQ(0, coro_cancel(calls->waiter));
}

static void *call_once(void *arg)
{
	struct calls *calls = arg;

	calls->ret = coro_call_soon(calls->loop, note_and_cancel, calls);
	coro_loop_put(calls->loop);
	return NULL;
}

static long wait_to_be_called(void *arg)
{
	struct calls *calls = arg;

	calls->waiter = coro_self();
	calls->loop = coro_loop_get(coro_loop_self());
	if (pthread_create(&calls->thread, NULL, call_once, calls))
		return -EPROTO;
	return coro_sleep(FAR_NS);
}

/* THR-01, TSK-38 */
TEST_F(call_soon, call_wakes_a_loop_that_sleeps)
{
	struct calls calls = { .ret = POISON };

	EXPECT_EQ(-ECANCELED, coro_run(wait_to_be_called, &calls));
	pthread_join(calls.thread, NULL);
	EXPECT_EQ(0, calls.ret);
	EXPECT_EQ(1, calls.nr);
	EXPECT_TRUE(pthread_equal(pthread_self(), calls.ran_in));
}

static long sleep_until_cancelled(void *arg)
{
	struct calls *calls = arg;

	calls->waiter = coro_self();
	calls->loop = coro_loop_get(coro_loop_self());
	if (pthread_create(&calls->thread, NULL, call_once, calls))
		return -EPROTO;
	return coro_sleep_until(CORO_NEVER);
}

/* DIA-20 */
TEST_F(call_soon, held_loop_is_not_deadlocked)
{
	struct calls calls = { .ret = POISON };

	EXPECT_EQ(-ECANCELED, coro_run(sleep_until_cancelled, &calls));
	pthread_join(calls.thread, NULL);
	EXPECT_EQ(0, calls.ret);
}

static void *leave_in_a_while(void *arg)
{
	struct calls *calls = arg;
	const struct timespec ts = { .tv_nsec = SOON_NS };

	nanosleep(&ts, NULL);
	coro_loop_put(calls->loop);
	return NULL;
}

static long sleep_while_held(void *arg)
{
	struct calls *calls = arg;

	calls->loop = coro_loop_get(coro_loop_self());
	if (pthread_create(&calls->thread, NULL, leave_in_a_while, calls))
		return -EPROTO;
	return coro_sleep_until(CORO_NEVER);
}

/* DIA-20 */
TEST_F(call_soon, deadlock_is_seen_when_the_last_holder_leaves)
{
	struct calls calls = { .ret = POISON };
	int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EDEADLK, coro_run(sleep_while_held, &calls));
		pthread_join(calls.thread, NULL);
	}
}

static long only_look(void *arg)
{
	EXPECT_NE(NULL, coro_loop_self());
	EXPECT_EQ(coro_loop_self(), coro_loop_self());
	return coro_sleep_until(CORO_NEVER) == -EDEADLK ? (long)arg : -1;
}

/* DIA-20 */
TEST_F(call_soon, looking_at_the_loop_keeps_nothing_alive)
{
	int before;

	EXPECT_EQ(NULL, coro_loop_self());
	EXPECT_EQ(5, coro_run(only_look, (void *)5L));
	before = open_fds();
	EXPECT_EQ(6, coro_run(only_look, (void *)6L));
	EXPECT_EQ(before, open_fds());
	EXPECT_EQ(NULL, coro_loop_self());
	coro_loop_put(NULL);
}

static long call_oneself(void *arg)
{
	struct calls *calls = arg;

	EXPECT_EQ(-EINVAL, coro_call_soon(NULL, note, calls));
	EXPECT_EQ(-EINVAL, coro_call_soon(coro_loop_self(), NULL, calls));
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), note, calls));
	EXPECT_EQ(0, calls->nr);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(1, calls->nr);
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), note, calls));
	return 0;
}

/* LOP-01 */
TEST_F(call_soon, calls_from_the_own_thread_run_after_its_turn)
{
	struct calls calls = { .nr = 0 };

	EXPECT_EQ(0, coro_run(call_oneself, &calls));
	EXPECT_EQ(2, calls.nr);
}

static long hand_out(void *arg)
{
	struct calls *calls = arg;

	calls->loop = coro_loop_get(coro_loop_self());
	return 0;
}

/* LOP-11 */
TEST_F(call_soon, call_of_an_ended_loop_is_refused)
{
	struct calls calls = { .nr = 0 };

	EXPECT_EQ(0, coro_run(hand_out, &calls));
	EXPECT_EQ(-EPIPE, coro_call_soon(calls.loop, note, &calls));
	EXPECT_EQ(0, calls.nr);
	coro_loop_put(calls.loop);
}

static void call_again(void *arg)
{
	struct calls *calls = arg;

	trace_add(&calls->trace, 'c');
	if (calls->nr++ < 3)
		EXPECT_EQ(0,
			  coro_call_soon(coro_loop_self(), call_again, calls));
}

static long take_turns(void *arg)
{
	struct calls *calls = arg;
	int i;

	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), call_again, calls));
	for (i = 0; i < 4; i++) {
		trace_add(&calls->trace, 't');
		EXPECT_EQ(0, coro_sleep(0));
	}
	return 0;
}

/* LOP-02 */
TEST_F(call_soon, what_a_call_calls_runs_in_the_next_turn)
{
	struct calls calls = { .nr = 0 };

	EXPECT_EQ(0, coro_run(take_turns, &calls));
	EXPECT_STREQ("tctctctc", calls.trace.text);
}

static long give_seven(void *arg)
{
	*(int *)arg += 7;
	return 7;
}

static void start_one(void *arg)
{
	struct calls *calls = arg;

	EXPECT_EQ(0, coro_spawn(give_seven, &calls->nr));
}

static long let_start(void *arg)
{
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), start_one, arg));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return 0;
}

/* LOP-01 */
TEST_F(call_soon, call_may_start_a_coroutine)
{
	struct calls calls = { .nr = 0 };

	EXPECT_EQ(0, coro_run(let_start, &calls));
	EXPECT_EQ(7, calls.nr);
}

enum { THREADS = 4, STORM = 20000 };

struct storm;

struct caller {
	struct storm *storm;
	pthread_t thread;
	long next; /* the loop's: what is to come */
	long accepted; /* the thread's */
	long misordered;
	int err;
};

struct storm {
	struct coro_loop *loop;
	struct caller caller[THREADS];
	struct coro *main;
	long ran;
	bool pauses;
};

struct drop {
	struct caller *caller;
	long seq;
};

static void fall(void *arg)
{
	struct drop *drop = arg;
	struct caller *caller = drop->caller;

	caller->misordered += drop->seq != caller->next++;
	if (++caller->storm->ran == (long)THREADS * STORM)
		coro_cancel(caller->storm->main);
	free(drop);
}

static void *rain(void *arg)
{
	struct caller *caller = arg;
	const struct timespec ts = { .tv_nsec = 20000 };
	long i;

	for (i = 0; i < STORM; i++) {
		struct drop *drop = malloc(sizeof(*drop));

		drop->caller = caller;
		drop->seq = i;
		caller->err = coro_call_soon(caller->storm->loop, fall, drop);
		if (caller->err) {
			free(drop);
			break;
		}
		caller->accepted++;
		/* Now and then the loop falls asleep. */
		if (caller->storm->pauses && i % 64 == 0)
			nanosleep(&ts, NULL);
	}
	coro_loop_put(caller->storm->loop);
	return NULL;
}

static int storm_begin(struct storm *storm)
{
	int i;

	storm->main = coro_self();
	storm->loop = coro_loop_self();
	for (i = 0; i < THREADS; i++) {
		struct caller *caller = &storm->caller[i];

		caller->storm = storm;
		coro_loop_get(storm->loop);
		if (pthread_create(&caller->thread, NULL, rain, caller))
			return -EPROTO;
	}
	return 0;
}

static void storm_end(struct storm *storm)
{
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_join(storm->caller[i].thread, NULL);
}

static long sit_out(void *arg)
{
	int err = storm_begin(arg);

	return err ? err : coro_sleep(FAR_NS);
}

/* THR-01, THR-02, THR-03 */
TEST_F(call_soon, storm_on_a_sleeping_loop_runs_each_call_once_in_order)
{
	struct storm storm = { .pauses = true };
	int i;

	EXPECT_EQ(-ECANCELED, coro_run(sit_out, &storm));
	storm_end(&storm);
	for (i = 0; i < THREADS; i++) {
		EXPECT_EQ(0, storm.caller[i].err);
		EXPECT_EQ(0, storm.caller[i].misordered);
		EXPECT_EQ(STORM, storm.caller[i].next);
	}
}

static long sit_out_busily(void *arg)
{
	int err = storm_begin(arg);

	while (!err)
		err = coro_sleep(0);
	return err;
}

/* THR-01, THR-02 */
TEST_F(call_soon, storm_on_a_busy_loop_runs_each_call_once_in_order)
{
	struct storm storm = { .pauses = false };
	int i;

	EXPECT_EQ(-ECANCELED, coro_run(sit_out_busily, &storm));
	storm_end(&storm);
	for (i = 0; i < THREADS; i++) {
		EXPECT_EQ(0, storm.caller[i].misordered);
		EXPECT_EQ(STORM, storm.caller[i].next);
	}
}

static long leave_early(void *arg)
{
	struct storm *storm = arg;
	int err = storm_begin(storm);

	while (!err && storm->ran < STORM / 4)
		err = coro_sleep(0);
	return err;
}

/* LOP-11, THR-01: what was taken ran, what was refused never does. */
TEST_F(call_soon, loop_that_ends_in_a_storm_runs_what_it_took)
{
	int i, round;

	for (round = 0; round < 10; round++) {
		struct storm storm = { .pauses = false };
		long accepted = 0, ran;

		EXPECT_EQ(0, coro_run(leave_early, &storm));
		ran = storm.ran;
		storm_end(&storm);
		EXPECT_EQ(ran, storm.ran);
		for (i = 0; i < THREADS; i++) {
			struct caller *caller = &storm.caller[i];

			accepted += caller->accepted;
			EXPECT_EQ(0, caller->misordered);
			EXPECT_EQ(caller->accepted, caller->next);
			EXPECT_TRUE(!caller->err || caller->err == -EPIPE);
		}
		EXPECT_EQ(accepted, ran);
	}
}

static long call_from_child(void *arg)
{
	struct calls *calls = arg;

	return coro_call_soon(calls->loop, note, calls) != -EPIPE;
}

static void fork_there(void *arg)
{
	struct calls *calls = arg;

	calls->loop = coro_loop_self();
	calls->ret = in_child(call_from_child, calls);
}

static long fork_between_turns(void *arg)
{
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), fork_there, arg));
	return coro_sleep(0);
}

/* THR-15 */
TEST_F(call_soon, child_cannot_reach_its_parents_loop)
{
	struct calls calls = { .ret = POISON };

	EXPECT_EQ(0, coro_run(fork_between_turns, &calls));
	EXPECT_EQ(0, calls.ret);
	EXPECT_EQ(0, calls.nr);
}

TEST_HARNESS_MAIN
