// SPDX-License-Identifier: MIT
/* Turns of a loop: who has one when, I/O in between, the last one, and loops one after another. */
#include <sys/resource.h>

#include "lib_common.h"

LIB_FIXTURE(turn)

struct turns {
	struct trace trace;
	struct coro *main;
	int fds[2];
	long nr;
	bool done;
};

static long read_byte(void *arg)
{
	struct turns *t = arg;
	char byte;

	EXPECT_EQ(1, coro_io_read(t->fds[0], &byte, 1, CORO_NEVER));
	t->done = true;
	return 0;
}

static long stay_ready(void *arg)
{
	struct turns *t = arg;

	EXPECT_EQ(0, coro_spawn(read_byte, t));
	while (!t->done && t->nr++ < 1000000)
		EXPECT_EQ(0, coro_sleep(0));
	/* After the end it would be read all the same. */
	EXPECT_TRUE(t->done);
	return 0;
}

/* LOP-02 */
TEST_F(turn, always_ready_one_does_not_starve_io)
{
	struct turns t = { .nr = 0 };

	ASSERT_EQ(0, pipe(t.fds));
	ASSERT_EQ(1, write(t.fds[1], "x", 1));
	EXPECT_EQ(0, coro_run(stay_ready, &t));
	close(t.fds[0]);
	close(t.fds[1]);
}

static long note_c(void *arg)
{
	struct turns *t = arg;

	trace_add(&t->trace, 'c');
	return 0;
}

static long spawn_in_a_turn(void *arg)
{
	struct turns *t = arg;

	trace_add(&t->trace, 'b');
	EXPECT_EQ(0, coro_spawn(note_c, t));
	return 0;
}

static long note_a_twice(void *arg)
{
	struct turns *t = arg;

	EXPECT_EQ(0, coro_spawn(spawn_in_a_turn, t));
	trace_add(&t->trace, 'a');
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(&t->trace, 'a');
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* LOP-02, TSK-06 */
TEST_F(turn, what_becomes_ready_in_a_turn_has_the_next)
{
	struct turns t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(note_a_twice, &t));
	EXPECT_STREQ("abac", t.trace.text);
}

static long meet_the_end(void *arg)
{
	struct turns *t = arg;

	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(t->main));
	EXPECT_EQ(0, coro_check());
	trace_add(&t->trace, 'r');
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	trace_add(&t->trace, 'c');
	return 0;
}

static long spawn_last(void *arg)
{
	return coro_spawn(meet_the_end, arg);
}

/* Is ready because of one that ended before spawn_last() had its turn. */
static long end_in_a_turn(void *arg)
{
	struct turns *t = arg;
	struct coro *first = coro_new(note_c, t);

	t->main = coro_get(coro_self());
	EXPECT_EQ(0, coro_start(first));
	EXPECT_EQ(0, coro_spawn(spawn_last, t));
	EXPECT_EQ(0, coro_await(first));
	trace_add(&t->trace, 'm');
	return 4;
}

/* LOP-10 */
TEST_F(turn, those_ready_when_main_ends_have_their_turn_and_then_are_cancelled)
{
	struct turns t = { .nr = 0 };

	EXPECT_EQ(4, coro_run(end_in_a_turn, &t));
	EXPECT_STREQ("cmrc", t.trace.text);
	coro_put(t.main);
}

static long look_around(void *arg)
{
	struct turns *t = arg;

	trace_add(&t->trace, 'l');
	return 0;
}

/* Has a message at hand whenever it asks for one, so it never has to wait. */
static long take_messages(void *arg)
{
	struct turns *t = arg;
	uint64_t value;

	EXPECT_EQ(0, coro_spawn(look_around, t));
	while (t->nr && !t->trace.nr) {
		EXPECT_EQ(0, coro_wake(coro_self(), t->nr));
		EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
		EXPECT_EQ((uint64_t)t->nr, value);
		t->nr--;
	}
	return 0;
}

/* LOP-24, IOU-11 */
TEST_F(turn, who_never_has_to_wait_gives_others_a_turn_all_the_same)
{
	struct turns t = { .nr = 1000 };

	EXPECT_EQ(0, coro_run(take_messages, &t));
	EXPECT_STREQ("l", t.trace.text);
	EXPECT_LT(0, t.nr);
}

static long hand_out_loop(void *arg)
{
	struct coro_loop **loop = arg;

	*loop = coro_loop_get(coro_loop_self());
	return coro_sleep(SOON_NS);
}

static void never_called(void *arg)
{
	*(int *)arg += 1;
}

/* LOP-11, LOP-15 */
TEST_F(turn, thread_runs_one_loop_after_another_and_ended_ones_are_refused)
{
	struct coro_loop *loops[3];
	int called = 0;
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, coro_run(hand_out_loop, &loops[i]));
		EXPECT_EQ(NULL, coro_loop_self());
		EXPECT_EQ(-EPIPE,
			  coro_call_soon(loops[i], never_called, &called));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EPIPE,
			  coro_call_soon(loops[i], never_called, &called));
		coro_loop_put(loops[i]);
	}
	EXPECT_EQ(0, called);
}

static long nap(void *arg)
{
	struct turns *t = arg;
	int i;

	for (i = 0; i < 10; i++) {
		int64_t begin = coro_now();

		EXPECT_EQ(0, coro_sleep(t->nr));
		EXPECT_LE(t->nr, coro_now() - begin);
	}
	return 0;
}

/* LOP-05: the thread gives up its processor; one that spins is never seen to. */
TEST_F(turn, sleeping_is_no_spinning)
{
	struct turns t = { .nr = 20 * CORO_MSEC + 1 };
	struct rusage before, after;

	ASSERT_EQ(0, getrusage(RUSAGE_THREAD, &before));
	EXPECT_EQ(0, coro_run(nap, &t));
	ASSERT_EQ(0, getrusage(RUSAGE_THREAD, &after));
	EXPECT_LT(before.ru_nvcsw, after.ru_nvcsw);
}

static long sleep_a_day(void *arg)
{
	struct turns *t = arg;
	int64_t begin = coro_now();

	EXPECT_EQ(0, coro_sleep(24 * 3600 * CORO_SEC));
	t->nr = coro_now() - begin;
	return 0;
}

/* LOP-25 */
TEST_F(turn, virtual_clock_jumps_to_the_next_deadline)
{
	struct coro_sim_opts sim = { .size = sizeof(sim), .start_ns = 1000 };
	struct coro_loop_opts opts = { .size = sizeof(opts), .sim = &sim };
	struct turns t = { .nr = 0 };

	EXPECT_EQ(0, coro_run_opts(sleep_a_day, &t, &opts, NULL));
	EXPECT_EQ(24 * 3600 * CORO_SEC, t.nr);
}

struct letter {
	struct trace *trace;
	char name;
};

static long write_twice(void *arg)
{
	struct letter *l = arg;

	trace_add(l->trace, l->name);
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(l->trace, l->name);
	return 0;
}

static long write_letters(void *arg)
{
	struct letter l[20];
	int i;

	for (i = 0; i < 20; i++) {
		l[i] = (struct letter){ .trace = arg, .name = 'a' + i };
		EXPECT_EQ(0, coro_spawn(write_twice, &l[i]));
	}
	return coro_sleep(CORO_SEC);
}

static struct trace order_of(uint64_t seed)
{
	struct coro_sim_opts sim = { .size = sizeof(sim), .seed = seed };
	struct coro_loop_opts opts = { .size = sizeof(opts), .sim = &sim };
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run_opts(write_letters, &t, &opts, NULL));
	EXPECT_EQ((size_t)40, t.nr);
	return t;
}

/* LOP-25 */
TEST_F(turn, seed_fixes_the_order)
{
	struct trace first = order_of(1), again = order_of(1);
	struct trace other = order_of(2), plain = order_of(0);

	EXPECT_STREQ(first.text, again.text);
	EXPECT_STRNE(first.text, other.text);
	EXPECT_STREQ("abcdefghijklmnopqrstabcdefghijklmnopqrst", plain.text);
	EXPECT_STRNE(first.text, plain.text);
}

TEST_HARNESS_MAIN
