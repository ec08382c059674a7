// SPDX-License-Identifier: MIT
/* Policies of groups, and children that say when they are ready. */
#include "lib_scope.h"

LIB_FIXTURE(policy)

/* Lets as many turns pass, then returns the other half. */
struct later {
	int turns;
	long ret;
	int met;
};

static long end_later(void *arg)
{
	struct later *l = arg;

	while (l->turns-- > 0 && !l->met)
		l->met = coro_sleep(0);
	return l->met ? l->met : l->ret;
}

static long run_group(const struct coro_group_opts *opts, struct later *l,
		      int nr, unsigned int *ret_failed)
{
	struct coro_group g;
	long ret;
	int i;

	EXPECT_EQ(0, coro_group_open(&g, opts));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, end_later, &l[i]));
	ret = coro_group_close(&g, 9);
	EXPECT_EQ(0U, coro_group_live(&g));
	*ret_failed = coro_group_failed(&g);
	EXPECT_EQ(0, coro_check());
	return ret;
}

static long policy_all(void *arg)
{
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .policy = CORO_POLICY_ALL };
	struct later l[] = { { 3, 1, 0 }, { 1, -EIO, 0 }, { 9, -EPIPE, 0 } };
	unsigned int failed;

	(void)arg;
	EXPECT_EQ(-EIO, run_group(&opts, l, 3, &failed));
	EXPECT_EQ(1U, failed);
	EXPECT_EQ(-ECANCELED, l[0].met);
	EXPECT_EQ(-ECANCELED, l[2].met);
	return 0;
}

static long policy_each(void *arg)
{
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .policy = CORO_POLICY_EACH };
	struct later l[] = { { 3, 1, 0 }, { 1, -EIO, 0 }, { 9, -EPIPE, 0 } };
	struct coro_group g;
	unsigned int failed;

	(void)arg;
	EXPECT_EQ(9, run_group(&opts, l, 3, &failed));
	EXPECT_EQ(2U, failed);
	EXPECT_EQ(0, l[0].met);
	EXPECT_EQ(0, l[2].met);
	/* The opener's own failure counts, and cancels. */
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)-EPIPE));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EIO, coro_group_close(&g, -EIO));
	return 0;
}

static long policy_first(void *arg)
{
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .policy = CORO_POLICY_FIRST };
	struct later good[] = { { 3, -EIO, 0 }, { 1, 4, 0 }, { 9, 1, 0 } };
	struct later bad[] = { { 3, 1, 0 }, { 1, -EIO, 0 }, { 9, 1, 0 } };
	struct later same[] = { { 1, 4, 0 }, { 1, -EIO, 0 } };
	struct later none[] = { { 1, -ECANCELED, 0 }, { 3, 4, 0 } };
	unsigned int failed;

	(void)arg;
	EXPECT_EQ(9, run_group(&opts, good, 3, &failed));
	EXPECT_EQ(0U, failed);
	EXPECT_EQ(-ECANCELED, good[0].met);
	EXPECT_EQ(-ECANCELED, good[2].met);
	EXPECT_EQ(-EIO, run_group(&opts, bad, 3, &failed));
	EXPECT_EQ(-ECANCELED, bad[0].met);
	/* A failure in the same turn comes too late to count. */
	EXPECT_EQ(9, run_group(&opts, same, 2, &failed));
	EXPECT_EQ(1U, failed);
	/* One that ended cancelled is not an end. */
	EXPECT_EQ(9, run_group(&opts, none, 2, &failed));
	EXPECT_EQ(0, none[1].met);
	return 0;
}

static long policy_any(void *arg)
{
	struct coro_group_opts opts = { .size = sizeof(opts),
					.policy = CORO_POLICY_ANY };
	struct later one[] = { { 1, -EIO, 0 }, { 2, 4, 0 }, { 9, 1, 0 } };
	struct later two[] = {
		{ 1, 4, 0 }, { 2, -EIO, 0 }, { 3, 1, 0 }, { 9, 1, 0 }
	};
	struct later few[] = { { 1, 4, 0 }, { 3, -EIO, 0 }, { 2, -EPIPE, 0 } };
	unsigned int failed;

	(void)arg;
	EXPECT_EQ(9, run_group(&opts, one, 3, &failed));
	EXPECT_EQ(1U, failed);
	EXPECT_EQ(-ECANCELED, one[2].met);
	opts.need = 2;
	EXPECT_EQ(9, run_group(&opts, two, 4, &failed));
	EXPECT_EQ(0, two[2].met);
	EXPECT_EQ(-ECANCELED, two[3].met);
	/* Not enough: the first failure. */
	EXPECT_EQ(-EPIPE, run_group(&opts, few, 3, &failed));
	EXPECT_EQ(2U, failed);
	return 0;
}

/* TG-25, TG-11 */
TEST_F(policy, policy_says_what_the_end_of_a_child_means)
{
	EXPECT_EQ(0, coro_run(policy_all, NULL));
	EXPECT_EQ(0, coro_run(policy_each, NULL));
	EXPECT_EQ(0, coro_run(policy_first, NULL));
	EXPECT_EQ(0, coro_run(policy_any, NULL));
}

struct crash {
	int runs;
	int fails; /* of them, so many */
	bool leave_open;
	bool slow;
	long ret;
};

static long fail_some_times(void *arg)
{
	struct crash *cr = arg;
	struct coro_group_opts opts = { .size = sizeof(opts) };
	struct coro_scope s;
	struct coro_group g;

	cr->runs++;
	if (cr->leave_open) {
		opts.deadline_ns = coro_after(SOON_NS);
		EXPECT_EQ(0, coro_scope_enter(&s, 0));
		EXPECT_EQ(0, coro_group_open(&g, &opts));
	} else if (cr->slow) {
		long ret = coro_sleep(SOON_NS / 5);

		if (ret)
			return cr->ret ? cr->ret : ret;
	}
	return cr->runs <= cr->fails ? -EIO : cr->runs;
}

static long restart(void *arg)
{
	struct coro_group_opts opts = { .size = sizeof(opts),
					.policy = CORO_POLICY_RESTART,
					.restarts = 3 };
	struct crash twice = { .fails = 2, .slow = true };
	struct crash open = { .fails = 3, .leave_open = true };
	struct crash always = { .fails = INT_MAX };
	struct coro_spawn_opts spawn = { .size = sizeof(spawn) };
	struct coro_group g;
	struct coro *c;

	(void)arg;
	spawn.group = &g;
	/* The handle stays the same. */
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_spawn_opts(&c, fail_some_times, &twice, &spawn));
	EXPECT_EQ(3, coro_await(c));
	EXPECT_EQ(2U, coro_group_failed(&g));
	EXPECT_EQ(9, coro_group_close(&g, 9));
	/* One more than is allowed cancels the rest. */
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, fail_some_times, &always));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	EXPECT_EQ(-EIO, coro_group_close(&g, 9));
	EXPECT_EQ(4, always.runs);
	EXPECT_EQ(4U, coro_group_failed(&g));
	/* What a run left open does not last into the next. */
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, fail_some_times, &open));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_soon, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_soon, NULL));
	EXPECT_EQ(9, coro_group_close(&g, 9));
	EXPECT_EQ(4, open.runs);
	EXPECT_EQ(0, coro_sleep(2 * SOON_NS));
	return 0;
}

/* TG-25 */
TEST_F(policy, who_fails_starts_again_as_often_as_is_allowed)
{
	EXPECT_EQ(0, coro_run(restart, NULL));
}

static long cancel_restarts(void *arg)
{
	struct coro_group_opts opts = { .size = sizeof(opts),
					.policy = CORO_POLICY_RESTART,
					.restarts = 1000 };
	struct crash slow = { .fails = INT_MAX, .slow = true, .ret = -EPIPE };
	struct crash fast = { .fails = INT_MAX };
	struct coro_spawn_opts spawn = { .size = sizeof(spawn) };
	struct coro_group g;
	struct coro *c[2];
	long value;
	int runs;

	(void)arg;
	spawn.group = &g;
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_spawn_opts(&c[0], fail_some_times, &fast, &spawn));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	runs = fast.runs;
	EXPECT_LE(2, runs);
	/* It is between two runs, and has no other. */
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(-ECANCELED, coro_await(c[0]));
	EXPECT_EQ(runs, fast.runs);
	/* A failure of who is cancelled is one that counts. */
	EXPECT_EQ(0, coro_spawn_opts(&c[1], fail_some_times, &slow, &spawn));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(-EPIPE, coro_group_close(&g, 0));
	EXPECT_EQ(1, slow.runs);
	EXPECT_EQ(0, coro_result(c[1], &value));
	EXPECT_EQ(-EPIPE, value);
	coro_put(c[1]);
	return 0;
}

/* TG-24, TG-25 */
TEST_F(policy, who_is_cancelled_does_not_start_again)
{
	EXPECT_EQ(0, coro_run(cancel_restarts, NULL));
}

static long leave_restarting(void *arg)
{
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .policy = CORO_POLICY_RESTART,
					      .restarts = 1000 };
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, fail_some_times, arg));
	EXPECT_EQ(0, coro_sleep(0));
	return 2;
}

static long outlive_restarting(void *arg)
{
	struct crash fast = { .fails = INT_MAX };
	int runs;

	(void)arg;
	EXPECT_EQ(2, coro_await(coro_new(leave_restarting, &fast)));
	runs = fast.runs;
	EXPECT_LE(1, runs);
	EXPECT_EQ(0, coro_await(coro_new(sleep_soon, NULL)));
	EXPECT_EQ(runs, fast.runs);
	return 0;
}

TEST_F(policy, group_that_was_left_open_restarts_nobody)
{
	EXPECT_EQ(0, coro_run(outlive_restarting, NULL));
}

struct service {
	int turns;
	long ready;
	long ret;
	bool never;
	int twice;
	int met;
};

static long serve(void *arg)
{
	struct service *s = arg;

	while (s->turns-- > 0 && !s->met)
		s->met = coro_sleep(0);
	if (s->met)
		return s->met;
	if (s->never)
		return s->ret;
	EXPECT_EQ(0, coro_started(s->ready));
	s->twice = coro_started(s->ready);
	s->met = coro_sleep(FAR_NS);
	return s->ret;
}

static long start_services(void *arg)
{
	struct service good = { .turns = 3, .ready = 77 };
	struct service fails = { .turns = 2, .never = true, .ret = -EIO };
	struct service ends = { .never = true, .ret = 5 };
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .policy = CORO_POLICY_EACH };
	struct coro_group g;
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(-ESRCH, coro_started(1));
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_start(&g, serve, &good, &value));
	EXPECT_EQ(77, value);
	EXPECT_EQ(1U, coro_group_live(&g));
	good.turns = 0;
	EXPECT_EQ(0, coro_group_start(&g, serve, &good, NULL));
	EXPECT_EQ(2U, coro_group_live(&g));
	value = POISON_LONG;
	EXPECT_EQ(-EIO, coro_group_start(&g, serve, &fails, &value));
	EXPECT_EQ(-ECHILD, coro_group_start(&g, serve, &ends, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, NULL));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(-ECANCELED, coro_group_start(&g, serve, &good, &value));
	EXPECT_EQ(3, coro_group_close(&g, 3));
	EXPECT_EQ(-ESRCH, good.twice);
	EXPECT_EQ(-ECANCELED, good.met);
	return 0;
}

struct starter {
	struct service service;
	long value;
	int err;
};

static long start_one(void *arg)
{
	struct starter *s = arg;
	struct coro_group g;

	s->value = POISON_LONG;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	s->err = coro_group_start(&g, serve, &s->service, &s->value);
	return coro_group_close(&g, s->err);
}

static long cancel_starters(void *arg)
{
	struct starter s = { .service.turns = INT_MAX };
	struct coro *c = coro_new(start_one, &s);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, s.err);
	EXPECT_EQ(-ECANCELED, s.service.met);
	EXPECT_EQ(POISON_LONG, s.value);
	/* The child was ready when the cancel came. */
	s = (struct starter){ .service.ready = 5 };
	c = coro_new(start_one, &s);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_CONTEXT, coro_awaits(c, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_TURN, coro_awaits(c, NULL));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(5, s.value);
	return 0;
}

struct outsider {
	struct coro_group *g;
	struct service service;
	int err;
};

static long start_from_outside(void *arg)
{
	struct outsider *o = arg;

	o->err = coro_group_start(o->g, serve, &o->service, NULL);
	return 0;
}

static long cancel_an_outsider(void *arg)
{
	struct coro_group g;
	struct outsider o = { .g = &g, .service.turns = INT_MAX };
	struct coro *c = coro_new(start_from_outside, &o);

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_soon, NULL));
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_CONTEXT);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(2U, coro_group_live(&g));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, o.err);
	/* The child it started is cancelled as well, and nobody else. */
	EXPECT_EQ(3, coro_group_close(&g, 3));
	EXPECT_EQ(-ECANCELED, o.service.met);
	return 0;
}

/* TG-26 */
TEST_F(policy, start_waits_until_the_child_is_ready)
{
	EXPECT_EQ(-EPERM, coro_started(1));
	EXPECT_EQ(0, coro_run(start_services, NULL));
	EXPECT_EQ(0, coro_run(cancel_starters, NULL));
	EXPECT_EQ(0, coro_run(cancel_an_outsider, NULL));
}

TEST_HARNESS_MAIN
