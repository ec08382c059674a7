// SPDX-License-Identifier: MIT
/* The end of a task: when those who wait for it go on, with what, and what they cannot disturb. */
#include "lib_common.h"

LIB_FIXTURE(join)

struct waiting {
	struct trace *trace;
	char name;
	int turns; /* to give up first */
	long ret; /* what it returns, unless 0 */
	struct coro *target;
	struct coro *victim; /* whom it cancels when it goes on */
	long got;
	int err;
	int again;
};

static long give_arg(void *arg)
{
	return (long)arg;
}

/* Waits for its target, and says so. */
static long wait_for_target(void *arg)
{
	struct waiting *w = arg;

	while (w->turns--)
		EXPECT_EQ(0, coro_sleep(0));
	w->got = POISON_LONG;
	w->err = coro_await_value(w->target, &w->got);
	if (w->trace)
		trace_add(w->trace, w->name);
	if (w->victim) {
		EXPECT_EQ(0, coro_cancel(w->victim));
		w->again = coro_await_value(coro_get(w->target), NULL);
	}
	return w->ret ? w->ret : w->got;
}

/* Gives up turns, then ends. */
static long end_after_turns(void *arg)
{
	struct waiting *w = arg;

	while (w->turns--)
		EXPECT_EQ(0, coro_sleep(0));
	if (w->trace)
		trace_add(w->trace, w->name);
	return w->ret;
}

static long ask_for_results(void *arg)
{
	struct waiting w = { .turns = 1, .ret = -EIO };
	struct coro *c = coro_new(end_after_turns, &w);
	struct coro *unborn = coro_new(give_arg, NULL);
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_result(NULL, &value));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(-EAGAIN, coro_result(coro_self(), &value));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_result(c, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(0, coro_result(c, NULL));
	EXPECT_EQ(0, coro_start(unborn));
	EXPECT_EQ(0, coro_cancel(unborn));
	EXPECT_EQ(-EAGAIN, coro_result(unborn, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_result(unborn, &value));
	EXPECT_EQ(-ECANCELED, value);
	coro_put(unborn);
	coro_put(c);
	return 0;
}

/* TSK-01 */
TEST_F(join, result_is_not_there_before_the_end)
{
	EXPECT_EQ(0, coro_run(ask_for_results, NULL));
}

static long wait_in_reverse(void *arg)
{
	struct waiting target = { .trace = arg, .name = 'e', .turns = 4 };
	struct waiting other = { .trace = arg, .name = 'o', .turns = 4 };
	struct waiting w[3];
	struct coro *c = coro_new(end_after_turns, &target);
	struct coro *last = NULL;
	int i;

	EXPECT_EQ(0, coro_start(c));
	for (i = 0; i < 3; i++) {
		w[i] = (struct waiting){
			.trace = arg,
			.name = '1' + i,
			.turns = 2 - i,
			.target = coro_get(c),
		};
		last = coro_new(wait_for_target, &w[i]);
		EXPECT_EQ(0, coro_start(last));
		if (i < 2)
			coro_put(last);
	}
	EXPECT_EQ(0, coro_spawn(end_after_turns, &other));
	EXPECT_EQ(0, coro_await(last));
	EXPECT_EQ(0, coro_sleep(0));
	coro_put(c);
	return 0;
}

/* TSK-02, TSK-09 */
TEST_F(join, waiters_run_after_the_turn_of_the_end_in_the_order_of_their_waits)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(wait_in_reverse, &t));
	EXPECT_STREQ("eo321", t.text);
}

/* The first of three waiters cancels the second and waits anew. */
static long disturb_others(void *arg)
{
	struct waiting target = { .ret = 17 };
	struct waiting w[3];
	struct coro *c = coro_new(end_after_turns, &target);
	struct coro *waiters[3];
	int i;

	for (i = 0; i < 3; i++) {
		w[i] = (struct waiting){ .trace = arg,
					 .name = '1' + i,
					 .target = coro_get(c),
					 .again = 1 };
		waiters[i] = coro_new(wait_for_target, &w[i]);
		EXPECT_EQ(0, coro_start(waiters[i]));
	}
	w[0].victim = waiters[1];
	EXPECT_EQ(0, coro_start(c));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(17, coro_await(waiters[i]));
		EXPECT_EQ(0, w[i].err);
		EXPECT_EQ(17, w[i].got);
	}
	EXPECT_EQ(0, w[0].again);
	coro_put(c);
	return 0;
}

/* TSK-03, TSK-17: the better one holds: the one cancelled gets the result that was there. */
TEST_F(join, waiter_that_goes_on_disturbs_no_other)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(disturb_others, &t));
	EXPECT_STREQ("123", t.text);
}

static long fail_one_of_two(void *arg)
{
	struct waiting target = { .turns = 1, .ret = 17 };
	struct coro *c = coro_new(end_after_turns, &target);
	struct waiting w[2] = {
		{ .target = c, .ret = -EIO },
		{ .target = coro_get(c) },
	};
	struct coro *second = coro_new(wait_for_target, &w[1]);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_spawn(wait_for_target, &w[0]));
	EXPECT_EQ(0, coro_start(second));
	EXPECT_EQ(17, coro_await(second));
	EXPECT_EQ(17, w[0].got);
	return coro_sleep(0);
}

/* TSK-04, LOP-03 */
TEST_F(join, waiter_that_fails_stops_nobody)
{
	EXPECT_EQ(0, coro_run(fail_one_of_two, NULL));
}

struct failures {
	int nr;
	long value;
	char name[CORO_NAME_LEN];
};

static void note_failure(void *arg, const struct coro_report *report)
{
	struct failures *f = arg;

	if (report->kind != CORO_REPORT_NEVER_RETRIEVED)
		return;
	f->nr++;
	f->value = report->value;
	strncpy(f->name, report->info->name, sizeof(f->name) - 1);
}

static long fail_unseen(void *arg)
{
	struct coro *joined = coro_new(give_arg, (void *)(long)-EIO);
	struct coro *asked = coro_new(give_arg, (void *)(long)-EIO);

	EXPECT_EQ(0, coro_start(joined));
	EXPECT_EQ(0, coro_start(asked));
	EXPECT_EQ(0, coro_spawn_named(give_arg, (void *)(long)-EIO, "lost"));
	EXPECT_EQ(-EIO, coro_await(joined));
	EXPECT_EQ(0, coro_result(asked, NULL));
	coro_put(asked);
	return (long)arg;
}

/* LOP-03, DIA-01: of three failures one is joined, one asked for. */
TEST_F(join, failure_that_nobody_looks_at_is_reported_and_stops_nothing)
{
	struct failures f = { .nr = 0 };

	coro_report_to(note_failure, &f);
	EXPECT_EQ(4, coro_run(fail_unseen, (void *)4L));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(1, f.nr);
	EXPECT_EQ(-EIO, f.value);
	EXPECT_STREQ("lost", f.name);
}

static long fail_when_left(void *arg)
{
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	return (long)arg;
}

static long leave_one_that_fails(void *arg)
{
	EXPECT_EQ(0, coro_spawn_named(fail_when_left, (void *)(long)-EDQUOT,
				      "leftover"));
	EXPECT_EQ(0, coro_spawn(fail_when_left, (void *)(long)-ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	return (long)arg;
}

/* LOP-13, TSK-26, DIA-03 */
TEST_F(join, failure_of_a_leftover_is_reported_and_a_cancel_is_not)
{
	struct failures f = { .nr = 0 };

	coro_report_to(note_failure, &f);
	EXPECT_EQ(4, coro_run(leave_one_that_fails, (void *)4L));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(1, f.nr);
	EXPECT_EQ(-EDQUOT, f.value);
	EXPECT_STREQ("leftover", f.name);
}

static long join_cancelled(void *arg)
{
	struct coro *c = coro_new(fail_when_left, (void *)(long)-ECANCELED);
	struct waiting w = { .target = coro_get(c) };
	struct coro *waiter = coro_new(wait_for_target, &w);
	long value;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_start(waiter));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(waiter));
	EXPECT_EQ(0, w.err);
	for (i = 0; i < 3; i++) {
		value = POISON_LONG;
		EXPECT_EQ(0, coro_await_value(coro_get(c), &value));
		EXPECT_EQ(-ECANCELED, value);
	}
	coro_put(c);
	/* That the result is a cancel is no cancel of who asked. */
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* TSK-26 */
TEST_F(join, cancelled_one_tells_so_each_time)
{
	EXPECT_EQ(0, coro_run(join_cancelled, NULL));
}

static long fail_in_cleanup(void *arg)
{
	return coro_sleep(FAR_NS) == -ECANCELED ? (long)arg : 0;
}

static long join_dirty(void *arg)
{
	struct coro *c = coro_new(fail_in_cleanup, arg);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	return coro_await(c);
}

/* TSK-21, TSK-19 */
TEST_F(join, what_cleanup_returns_after_a_cancel_is_the_result)
{
	EXPECT_EQ(-EDQUOT, coro_run(join_dirty, (void *)(long)-EDQUOT));
	EXPECT_EQ(60, coro_run(join_dirty, (void *)60L));
}

static long cancel_who_waits(void *arg)
{
	struct waiting target = { .turns = 3, .ret = 17 };
	struct coro *c = coro_new(end_after_turns, &target);
	struct waiting w = { .target = c, .err = 1 };
	struct coro *waiter = coro_new(wait_for_target, &w);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_start(waiter));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_CONTEXT, coro_awaits(waiter, NULL));
	EXPECT_EQ(0, coro_cancel(waiter));
	EXPECT_EQ(1, w.err);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, w.err);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(waiter));
	EXPECT_NE(CORO_STATE_CLOSED, coro_state(c));
	coro_put(waiter);
	EXPECT_EQ(17, coro_await(c));
	return 0;
}

/* AWT-11, TSK-14, TSK-16: the better one holds, awaiting is not owning. */
TEST_F(join, cancelled_waiter_is_out_of_the_wait_and_the_task_goes_on)
{
	EXPECT_EQ(0, coro_run(cancel_who_waits, NULL));
}

struct link;

struct chain {
	struct coro **tasks;
	struct link *links;
	long nr;
	long unwound;
};

struct link {
	struct chain *chain;
	long at;
};

static long join_next(void *arg)
{
	struct link *l = arg;
	struct chain *chain = l->chain;
	long ret;

	if (l->at + 1 < chain->nr)
		ret = coro_await(chain->tasks[l->at + 1]);
	else
		ret = coro_sleep(FAR_NS);
	chain->unwound += ret == -ECANCELED;
	return ret;
}

/* As many as the machine has room for, and on the device all of them. */
static void chain_new(struct chain *chain)
{
	long i;

	chain->tasks = calloc(chain->nr, sizeof(*chain->tasks));
	chain->links = calloc(chain->nr, sizeof(*chain->links));
	for (i = 0; i < chain->nr; i++) {
		struct link *l = &chain->links[i];

		*l = (struct link){ .chain = chain, .at = i };
		if (coro_create(&chain->tasks[i], join_next, l, NULL))
			chain->nr = i;
	}
}

static void chain_free(struct chain *chain)
{
	free(chain->tasks);
	free(chain->links);
}

static long cancel_chain(void *arg)
{
	struct chain *chain = arg;
	struct coro *last;
	long i;

	chain_new(chain);
	last = chain->tasks[chain->nr - 1];
	for (i = 0; i < chain->nr; i++)
		EXPECT_EQ(0, coro_start(chain->tasks[i]));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_TIMER, coro_awaits(last, NULL));
	EXPECT_EQ(0, coro_cancel(last));
	EXPECT_EQ(-ECANCELED, coro_await(chain->tasks[0]));
	EXPECT_EQ(chain->nr, chain->unwound);
	chain_free(chain);
	return 0;
}

/* TSK-30, TSK-08 */
TEST_F(join, cancel_passes_along_a_chain_of_a_hundred_thousand)
{
	struct chain chain = { .nr = MOST };

	EXPECT_EQ(0, coro_run(cancel_chain, &chain));
	EXPECT_LE(THOUSANDS, chain.nr);
}

static long leave_chain(void *arg)
{
	struct chain *chain = arg;
	long i;

	chain_new(chain);
	for (i = 0; i < chain->nr; i++)
		EXPECT_EQ(0, coro_start(chain->tasks[i]));
	return coro_sleep(0);
}

/* TSK-30, LOP-12 */
TEST_F(join, end_of_the_loop_unwinds_a_chain_of_ten_thousand)
{
	struct chain chain = { .nr = THOUSANDS };
	long i;

	EXPECT_EQ(0, coro_run(leave_chain, &chain));
	EXPECT_EQ(chain.nr, chain.unwound);
	for (i = 0; i < chain.nr; i++)
		coro_put(chain.tasks[i]);
	chain_free(&chain);
}

static long tell_name(void *arg)
{
	snprintf(arg, CORO_NAME_LEN, "%s", coro_name(coro_self()));
	return 0;
}

static long name_tasks(void *arg)
{
	char name[CORO_NAME_LEN] = "";
	struct coro *c;

	(void)arg;
	EXPECT_STREQ("main", coro_name(coro_self()));
	EXPECT_EQ(0, coro_spawn(tell_name, name));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_STREQ("tell_name", name);
	EXPECT_EQ(0, coro_spawn_named(tell_name, name, "given"));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_STREQ("given", name);
	c = coro_new(tell_name, name);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_set_name(c, "later"));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_STREQ("later", name);
	return 0;
}

/* TSK-31 */
TEST_F(join, task_has_its_functions_name_or_a_given_one)
{
	EXPECT_EQ(0, coro_run(name_tasks, NULL));
}

TEST_HARNESS_MAIN
