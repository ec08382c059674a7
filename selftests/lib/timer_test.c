// SPDX-License-Identifier: MIT
/* Time: the clock, sleeping, the order of timers. Never judges how late a timer is. */
#include <time.h>

#include "lib_common.h"

LIB_FIXTURE(timer)

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * CORO_SEC + ts.tv_nsec;
}

/* LOP-07 */
TEST_F(timer, now_is_the_monotonic_clock)
{
	int64_t before = clock_ns();
	int64_t now = coro_now();

	EXPECT_LE(before, now);
	EXPECT_LE(now, clock_ns());
}

/* LOP-07 */
TEST_F(timer, after_counts_from_now)
{
	int64_t before = coro_now();
	int64_t deadline = coro_after(CORO_SEC);

	EXPECT_LE(before + CORO_SEC, deadline);
	EXPECT_LE(deadline, coro_now() + CORO_SEC);
	EXPECT_LE(coro_after(0), coro_now());
	EXPECT_GT(coro_now(), coro_after(-CORO_SEC));
}

/* LOP-06 */
TEST_F(timer, after_saturates)
{
	EXPECT_EQ(CORO_NEVER, coro_after(CORO_NEVER));
	EXPECT_EQ(CORO_NEVER, coro_after(CORO_NEVER - 1));
	EXPECT_EQ(CORO_NEVER, coro_after(CORO_NEVER - coro_now() + CORO_SEC));
	EXPECT_NE(CORO_NEVER, coro_after(CORO_NEVER / 2));
	EXPECT_GT(0, coro_after(INT64_MIN));
}

static long sleep_in_plain_coroutine(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EPERM, coro_sleep(0));
	EXPECT_EQ(-EPERM, coro_sleep_until(0));
	return 0;
}

TEST_F(timer, sleeping_outside_of_a_loop_is_refused)
{
	struct coro *c = coro_new(sleep_in_plain_coroutine, NULL);

	EXPECT_EQ(-EPERM, coro_sleep(0));
	EXPECT_EQ(-EPERM, coro_sleep(CORO_SEC));
	EXPECT_EQ(-EPERM, coro_sleep_until(0));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
}

static long sleep_a_little(void *arg)
{
	int64_t deadline = coro_after(SOON_NS);
	int64_t begin = coro_now();

	(void)arg;
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_LE(begin + SOON_NS, coro_now());
	deadline = coro_after(SOON_NS);
	EXPECT_EQ(0, coro_sleep_until(deadline));
	EXPECT_LE(deadline, coro_now());
	return 1;
}

/* TSK-40, LOP-05 */
TEST_F(timer, sleep_is_not_shorter_than_asked)
{
	EXPECT_EQ(1, coro_run(sleep_a_little, NULL));
}

static long note_turn(void *arg)
{
	trace_add(arg, 'b');
	return 0;
}

static long sleep_for_nothing(void *arg)
{
	const int64_t durations[] = { 0, -1, -CORO_SEC, INT64_MIN };
	struct trace *t = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(durations); i++) {
		EXPECT_EQ(0, coro_spawn(note_turn, t));
		trace_add(t, 'a');
		EXPECT_EQ(0, coro_sleep(durations[i]));
		trace_add(t, 'c');
	}
	return 0;
}

static long sleep_until_the_past(void *arg)
{
	const int64_t deadlines[] = { 0, -1, INT64_MIN, 1 };
	struct trace *t = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		EXPECT_EQ(0, coro_spawn(note_turn, t));
		trace_add(t, 'a');
		EXPECT_EQ(0, coro_sleep_until(deadlines[i]));
		trace_add(t, 'c');
	}
	return 0;
}

/* TSK-40 */
TEST_F(timer, sleep_of_no_time_lets_the_others_run_once)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(sleep_for_nothing, &t));
	EXPECT_STREQ("abcabcabcabc", t.text);
}

/* TSK-40 */
TEST_F(timer, sleep_until_the_past_lets_the_others_run_once)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(sleep_until_the_past, &t));
	EXPECT_STREQ("abcabcabcabc", t.text);
}

struct sleeper {
	struct trace *trace;
	int64_t deadline;
	char name;
};

static long sleep_and_note(void *arg)
{
	struct sleeper *s = arg;

	EXPECT_EQ(0, coro_sleep_until(s->deadline));
	trace_add(s->trace, s->name);
	return 0;
}

struct sleepers {
	struct trace trace;
	struct sleeper s[26];
	/* Which sleeps the longest, in steps: a permutation. */
	unsigned char rank[26];
	int64_t step;
};

static long start_sleepers(void *arg)
{
	struct sleepers *all = arg;
	/* Late enough for all to sleep before it, on a machine that is busy. */
	int64_t base = coro_after(40 * SOON_NS);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all->s); i++) {
		all->s[i].trace = &all->trace;
		all->s[i].deadline = base + all->rank[i] * all->step;
		all->s[i].name = 'a' + all->rank[i];
		EXPECT_EQ(0, coro_spawn(sleep_and_note, &all->s[i]));
	}
	EXPECT_EQ(0, coro_sleep_until(base + 26 * all->step));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* LOP-04 */
TEST_F(timer, equal_deadlines_wake_in_the_order_of_the_calls)
{
	struct sleepers all = { .step = 0 };
	unsigned int i;

	for (i = 0; i < 26; i++)
		all.rank[i] = i;
	EXPECT_EQ(0, coro_run(start_sleepers, &all));
	EXPECT_STREQ("abcdefghijklmnopqrstuvwxyz", all.trace.text);
}

/* LOP-04 */
TEST_F(timer, earlier_deadlines_wake_earlier)
{
	const int64_t steps[] = { CORO_MSEC, CORO_USEC, CORO_NSEC };
	uint64_t seed = 88172645463325252ULL;
	unsigned int round, i;

	for (round = 0; round < ARRAY_SIZE(steps); round++) {
		struct sleepers all = { .step = steps[round] };

		for (i = 0; i < 26; i++)
			all.rank[i] = i;
		for (i = 25; i; i--) {
			unsigned int k = rnd(&seed) % (i + 1);
			unsigned char swap = all.rank[i];

			all.rank[i] = all.rank[k];
			all.rank[k] = swap;
		}
		EXPECT_EQ(0, coro_run(start_sleepers, &all));
		EXPECT_STREQ("abcdefghijklmnopqrstuvwxyz", all.trace.text);
	}
}

struct far_sleep {
	int64_t deadline;
	int err;
};

static long sleep_far(void *arg)
{
	struct far_sleep *f = arg;

	f->err = coro_sleep_until(f->deadline);
	return 0;
}

static long cancel_far_sleepers(void *arg)
{
	struct far_sleep f[] = {
		{ .deadline = CORO_NEVER },
		{ .deadline = CORO_NEVER - 1 },
		{ .deadline = CORO_NEVER / 2 },
		{ .deadline = coro_after(CORO_NEVER / 4) },
	};
	struct coro *c[ARRAY_SIZE(f)];
	unsigned int i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(f); i++) {
		c[i] = coro_new(sleep_far, &f[i]);
		f[i].err = 1;
		EXPECT_EQ(0, coro_start(c[i]));
	}
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	for (i = 0; i < ARRAY_SIZE(f); i++) {
		EXPECT_EQ(1, f[i].err);
		EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c[i]));
		EXPECT_EQ(0, coro_cancel(c[i]));
	}
	for (i = 0; i < ARRAY_SIZE(f); i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(-ECANCELED, f[i].err);
	}
	return 1;
}

/* LOP-06, TSK-40: the run would not end if a timer were left. */
TEST_F(timer, far_deadlines_neither_come_early_nor_hold_the_loop)
{
	EXPECT_EQ(1, coro_run(cancel_far_sleepers, NULL));
}

static long ask_sleeper(void *arg)
{
	struct far_sleep f = { .deadline = coro_after(FAR_NS) };
	struct coro *c = coro_new(sleep_far, &f);
	uint64_t until = 0;

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_TIMER, coro_awaits(c, &until));
	EXPECT_EQ(f.deadline, (int64_t)until);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	return 0;
}

/* AWT-06 */
TEST_F(timer, sleeper_shows_until_when)
{
	EXPECT_EQ(0, coro_run(ask_sleeper, NULL));
}

static long sleep_random(void *arg)
{
	unsigned int *woken = arg;
	static uint64_t seed = 362436069;
	int64_t deadline = coro_after(rnd(&seed) % (20 * CORO_MSEC));

	if (coro_sleep_until(deadline) == 0 && coro_now() >= deadline)
		*woken += 1;
	return 0;
}

static long sleep_crowd(void *arg)
{
	struct coro **c = calloc(THOUSANDS, sizeof(*c));
	unsigned int i;

	for (i = 0; i < THOUSANDS; i++) {
		c[i] = coro_new(sleep_random, arg);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < THOUSANDS; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	free(c);
	return 0;
}

/* LOP-04 */
TEST_F(timer, ten_thousand_sleepers_all_wake)
{
	unsigned int woken = 0;

	EXPECT_EQ(0, coro_run(sleep_crowd, &woken));
	EXPECT_EQ((unsigned int)THOUSANDS, woken);
}

static long cancel_half_of_the_sleepers(void *arg)
{
	enum { NR = 1000 };
	struct far_sleep f[NR];
	struct coro *c[NR];
	unsigned int i;

	(void)arg;
	for (i = 0; i < NR; i++) {
		f[i].deadline = coro_after(i % 2 ? FAR_NS + i : SOON_NS);
		f[i].err = 1;
		c[i] = coro_new(sleep_far, &f[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	EXPECT_EQ(0, coro_sleep(0));
	for (i = 1; i < NR; i += 2)
		EXPECT_EQ(0, coro_cancel(c[i]));
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(i % 2 ? -ECANCELED : 0, f[i].err);
	}
	return 0;
}

/* TSK-40 */
TEST_F(timer, cancelled_timers_do_not_disturb_the_rest)
{
	EXPECT_EQ(0, coro_run(cancel_half_of_the_sleepers, NULL));
}

static long sleep_inner(void *arg)
{
	return coro_sleep((long)arg);
}

static long sleep_in_awaited(void *arg)
{
	struct coro *inner = coro_new(sleep_inner, (void *)(long)SOON_NS);
	int64_t begin = coro_now();

	(void)arg;
	EXPECT_EQ(0, coro_await(inner));
	EXPECT_LE(begin + SOON_NS, coro_now());
	return 0;
}

/* AWT-01, TSK-40 */
TEST_F(timer, awaited_coroutine_can_sleep)
{
	EXPECT_EQ(0, coro_run(sleep_in_awaited, NULL));
}

TEST_HARNESS_MAIN
