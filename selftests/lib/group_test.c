// SPDX-License-Identifier: MIT
/* Groups: who is waited for, who is cancelled, what close returns, and the policies. */
#include "lib_scope.h"

LIB_FIXTURE(group)

/* A child with a handle. */
static struct coro *spawn(struct coro_group *g, long (*fn)(void *), void *arg)
{
	struct coro_spawn_opts opts = { .size = sizeof(opts), .group = g };
	struct coro *c = NULL;

	EXPECT_EQ(0, coro_spawn_opts(&c, fn, arg, &opts));
	return c;
}

static long wait_for_all(void *arg)
{
	struct coro_group g;
	struct coro *c[3];
	long value;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0U, coro_group_live(&g));
	c[0] = spawn(&g, sleep_soon, NULL);
	c[1] = spawn(&g, give_arg, (void *)11L);
	c[2] = spawn(&g, give_arg, (void *)22L);
	EXPECT_EQ(3U, coro_group_live(&g));
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c[1]));
	EXPECT_EQ(-EAGAIN, coro_result(c[0], NULL));
	EXPECT_EQ(9, coro_group_close(&g, 9));
	EXPECT_EQ(0U, coro_group_live(&g));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c[i]));
		value = POISON_LONG;
		EXPECT_EQ(0, coro_result(c[i], &value));
		EXPECT_EQ(11 * i, value);
		coro_put(c[i]);
	}
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	return coro_group_close(&g, 0);
}

/* TG-01 */
TEST_F(group, close_waits_for_every_child_and_results_can_be_read)
{
	EXPECT_EQ(0, coro_run(wait_for_all, NULL));
}

struct family {
	struct coro_group *g;
	int generations;
	int born;
};

static long have_children(void *arg)
{
	struct family *f = arg;

	f->born++;
	if (f->generations-- > 0) {
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, coro_group_spawn(f->g, have_children, f));
	}
	return 0;
}

/* The last child has ended in this turn, and the closer did not go on yet. */
static long spawn_at_the_last_moment(void *arg)
{
	struct late *l = arg;

	while (coro_group_live(l->g))
		coro_sleep(0);
	l->err = coro_group_spawn(l->g, count_and_sleep, &l->ran);
	return 0;
}

static long spawn_while_closing(void *arg)
{
	struct coro_group g;
	struct family f = { .g = &g, .generations = 5 };
	struct late l = { .g = &g, .err = 1 };

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, have_children, &f));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(6, f.born);
	EXPECT_EQ(-EPIPE, coro_group_spawn(&g, have_children, &f));
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, NULL));
	EXPECT_EQ(0, coro_spawn(spawn_at_the_last_moment, &l));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(0U, coro_group_live(&g));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(l.err ? 0 : 1, l.ran);
	return coro_sleep(2 * SOON_NS);
}

/* TG-02 */
TEST_F(group, children_can_be_added_until_the_last_has_ended)
{
	EXPECT_EQ(0, coro_run(spawn_while_closing, NULL));
}

static long fail_in_the_body(void *arg)
{
	struct coro_group g;
	struct coro *c;
	long value;

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	c = spawn(&g, clean_up, (void *)5L);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EIO, coro_group_close(&g, -EIO));
	EXPECT_EQ(0, coro_result(c, &value));
	EXPECT_EQ(5, value);
	EXPECT_EQ(0U, coro_group_failed(&g));
	coro_put(c);
	return coro_sleep(0);
}

/* TG-03, TG-09 */
TEST_F(group, failure_of_the_body_cancels_the_children_and_is_returned)
{
	EXPECT_EQ(0, coro_run(fail_in_the_body, NULL));
}

static long fail_everywhere(void *arg)
{
	struct seen *s = arg;
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .ended = note_end,
					      .arg = s };
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, clean_up, (void *)(long)-EPIPE));
	EXPECT_EQ(0, coro_group_spawn(&g, clean_up, (void *)(long)-EPROTO));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)(long)-EIO));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	/* The child's was first. */
	EXPECT_EQ(-EIO, coro_group_close(&g, -EBADF));
	EXPECT_EQ(3U, coro_group_failed(&g));
	return coro_sleep(0);
}

/* TG-04, TG-09, TG-11 */
TEST_F(group, first_failure_is_returned_and_all_can_be_seen)
{
	struct seen s = { .nr = 0 };

	EXPECT_EQ(0, coro_run(fail_everywhere, &s));
	EXPECT_EQ(3, s.nr);
	EXPECT_EQ(-EIO, s.value[0]);
	EXPECT_EQ(-EPIPE, s.value[1]);
	EXPECT_EQ(-EPROTO, s.value[2]);
}

static long cancel_a_child(void *arg)
{
	struct coro_group g;
	struct coro *c;
	int ran = 0;

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	c = spawn(&g, sleep_far, NULL);
	EXPECT_EQ(0, coro_group_spawn(&g, count_and_sleep, &ran));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)(long)-ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(coro_group_scope(&g)));
	EXPECT_EQ(4, coro_group_close(&g, 4));
	EXPECT_EQ(0U, coro_group_failed(&g));
	EXPECT_EQ(1, ran);
	coro_put(c);
	return coro_sleep(0);
}

/* TG-05 */
TEST_F(group, child_that_ends_cancelled_by_itself_stops_nobody)
{
	EXPECT_EQ(0, coro_run(cancel_a_child, NULL));
}

struct parent {
	long child; /* what the child makes of the cancel */
	bool waits_in_body;
	long turns_into; /* what the body makes of it, or 0 */
	long closed;
	int next;
	bool cleaned;
};

static long sleep_and_note(void *arg)
{
	struct parent *p = arg;
	long ret = coro_sleep(SOON_NS);

	p->cleaned = true;
	return ret;
}

static long be_a_parent(void *arg)
{
	struct parent *p = arg;
	struct coro_group g;
	long ret = 0;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, clean_up, (void *)p->child));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	if (p->waits_in_body) {
		ret = coro_sleep(FAR_NS);
		EXPECT_EQ(-ECANCELED, ret);
		EXPECT_EQ(0, coro_call_shielded(sleep_and_note, p, CORO_NEVER));
	}
	p->closed = coro_group_close(&g, p->turns_into ? p->turns_into : ret);
	EXPECT_EQ(0U, coro_group_live(&g));
	p->next = coro_sleep(0);
	return 0;
}

/* What close returns when the parent is cancelled. */
static long cancel_parent(struct parent *p, int times)
{
	struct coro *c = coro_new(be_a_parent, p);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	while (times--) {
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	}
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, p->next);
	EXPECT_EQ(p->waits_in_body, p->cleaned);
	return p->closed;
}

static long cancel_parents(void *arg)
{
	struct parent body = { .waits_in_body = true };
	struct parent close = { .waits_in_body = false };
	struct parent value = { .child = 4, .waits_in_body = true };
	struct parent fails = { .child = -EIO };
	struct parent turns = { .waits_in_body = true, .turns_into = -EPIPE };
	struct parent often = { .waits_in_body = false };

	(void)arg;
	EXPECT_EQ(-ECANCELED, cancel_parent(&body, 1));
	EXPECT_EQ(-ECANCELED, cancel_parent(&close, 1));
	EXPECT_EQ(-ECANCELED, cancel_parent(&value, 1));
	EXPECT_EQ(-EIO, cancel_parent(&fails, 1));
	EXPECT_EQ(-EPIPE, cancel_parent(&turns, 1));
	EXPECT_EQ(-ECANCELED, cancel_parent(&often, 3));
	return 0;
}

/* TG-06, TG-07, TG-08, TG-18, TG-19, TG-20, TG-21 */
TEST_F(group, cancel_of_the_parent_cancels_the_children_and_is_never_lost)
{
	EXPECT_EQ(0, coro_run(cancel_parents, NULL));
}

static long inner_group(void *arg)
{
	struct seen *s = arg;
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .ended = note_end,
					      .arg = s };
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	if (s->nr)
		EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)-EIO));
	s->nr = 0;
	return coro_group_close(&g, 0);
}

static long nest_groups(void *arg)
{
	struct coro_group g;
	struct seen s = { .nr = 1 };

	(void)arg;
	/* A failure inside is one failure outside. */
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, inner_group, &s));
	EXPECT_EQ(-EIO, coro_group_close(&g, 0));
	EXPECT_EQ(1U, coro_group_failed(&g));
	EXPECT_EQ(2, s.nr);
	/* A failure outside cancels the inside, which adds none. */
	s.nr = 0;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, inner_group, &s));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)-EPIPE));
	EXPECT_EQ(-EPIPE, coro_group_close(&g, 0));
	EXPECT_EQ(1U, coro_group_failed(&g));
	EXPECT_EQ(1, s.nr);
	EXPECT_EQ(-ECANCELED, s.value[0]);
	return coro_sleep(0);
}

/* TG-10 */
TEST_F(group, groups_nest)
{
	EXPECT_EQ(0, coro_run(nest_groups, NULL));
}

static long misuse(void *arg)
{
	const struct coro_group_opts bad = { .size = sizeof(bad),
					     .policy = (enum coro_policy)9 };
	struct {
		struct coro_group_opts opts;
		long more;
	} big = { .opts.size = sizeof(big), .more = 1 };
	const struct coro_group_opts small = { .size = 1 };
	struct coro_group g, inner;
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_group_open(NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_group_open(&g, &bad));
	EXPECT_EQ(-EINVAL, coro_group_open(&g, &small));
	EXPECT_EQ(-E2BIG, coro_group_open(&g, &big.opts));
	EXPECT_EQ(-EINVAL, coro_group_cancel(NULL));
	EXPECT_EQ(-EINVAL, coro_group_close(NULL, 0));
	EXPECT_EQ(-EINVAL, coro_group_spawn(NULL, give_arg, NULL));
	EXPECT_EQ(-EINVAL, coro_group_start(NULL, give_arg, NULL, NULL));
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(-EBUSY, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_open(&inner, NULL));
	EXPECT_EQ(-EBUSY, coro_group_open(&g, NULL));
	EXPECT_EQ(-EINVAL, coro_group_close(&g, 0));
	EXPECT_EQ(0, coro_group_spawn(&inner, sleep_soon, NULL));
	/* Only close may leave it, or children would be without it. */
	EXPECT_EQ(-EINVAL, coro_scope_leave(coro_group_scope(&inner), 0));
	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_group_close(&inner, 0));
	EXPECT_EQ(0, coro_scope_leave(&s, 0));
	EXPECT_EQ(1U, coro_group_live(&inner));
	EXPECT_EQ(0, coro_group_close(&inner, 0));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(-EINVAL, coro_group_close(&g, 0));
	EXPECT_EQ(-EINVAL, coro_group_cancel(&g));
	return 0;
}

/* TG-14 */
TEST_F(group, misuse_is_refused_and_changes_nothing)
{
	struct coro_group g;

	EXPECT_EQ(-EPERM, coro_group_open(&g, NULL));
	EXPECT_EQ(-EPERM, coro_started(1));
	EXPECT_EQ(0, coro_run(misuse, NULL));
}

static void count_disposal(void *arg)
{
	++*(int *)arg;
}

static long spawn_too_late(void *arg)
{
	int disposed = 0;
	struct coro_group g;
	const struct coro_spawn_opts opts = { .size = sizeof(opts),
					      .group = &g,
					      .dispose = count_disposal };
	struct coro *c = arg;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)-EIO));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ECANCELED, coro_spawn_opts(&c, give_arg, &disposed, &opts));
	EXPECT_EQ(-ECANCELED, coro_group_spawn(&g, give_arg, NULL));
	EXPECT_EQ(-EIO, coro_group_close(&g, 0));
	EXPECT_EQ(-EPIPE, coro_spawn_opts(&c, give_arg, &disposed, &opts));
	EXPECT_EQ(-EPIPE, coro_group_start(&g, give_arg, NULL, NULL));
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(-ECANCELED, coro_spawn_opts(&c, give_arg, &disposed, &opts));
	EXPECT_EQ(0, coro_group_close(&g, -ECANCELED));
	EXPECT_EQ(arg, c);
	EXPECT_EQ(0, disposed);
	return coro_sleep(0);
}

/* TG-13 */
TEST_F(group, spawn_into_a_failing_cancelled_or_closed_group_is_refused)
{
	EXPECT_EQ(0, coro_run(spawn_too_late, self));
}

static long check_name(void *arg)
{
	EXPECT_STREQ(arg, coro_name(coro_self()));
	return 0;
}

static long name_children(void *arg)
{
	struct coro_group g;
	struct coro_spawn_opts opts = { .size = sizeof(opts),
					.name = "third",
					.group = &g };

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, check_name, "check_name"));
	EXPECT_EQ(0,
		  coro_group_spawn_named(&g, check_name, "second", "second"));
	EXPECT_EQ(0, coro_spawn_opts(NULL, check_name, "third", &opts));
	return coro_group_close(&g, 0);
}

/* TG-15 */
TEST_F(group, children_have_the_names_that_are_given)
{
	EXPECT_EQ(0, coro_run(name_children, NULL));
}

static uint64_t contexts_peak(void)
{
	struct coro_stats stats = { .size = sizeof(stats) };

	EXPECT_EQ(0, coro_stats_read(&stats));
	return stats.contexts_peak;
}

static long live_long(void *arg)
{
	uint64_t peak = 0;
	struct coro_group g;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (i = 0; i < 10000; i++) {
		EXPECT_EQ(0, coro_group_spawn(&g, give_arg, NULL));
		EXPECT_EQ(0, coro_group_spawn(&g, give_arg, NULL));
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0U, coro_group_live(&g));
		if (i == 100)
			peak = contexts_peak();
	}
	EXPECT_EQ(peak, contexts_peak());
	return coro_group_close(&g, 0);
}

/* TG-16 */
TEST_F(group, children_are_released_as_they_end)
{
	EXPECT_EQ(0, coro_run(live_long, NULL));
}

static void count_report(void *arg, const struct coro_report *report)
{
	(void)report;
	++*(int *)arg;
}

static long await_a_child(void *arg)
{
	struct seen *s = arg;
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .ended = note_end,
					      .arg = s };
	struct coro_group g;
	struct coro *c;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	c = spawn(&g, give_arg, (void *)-EIO);
	/* The result is there, as the cancel is; so this is handed over. */
	EXPECT_EQ(-EIO, coro_await(c));
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(-EIO, coro_group_close(&g, 0));
	return 0;
}

/* TG-17: nobody is told twice, nor that nobody looked. */
TEST_F(group, failure_that_was_also_awaited_is_told_once)
{
	struct seen s = { .nr = 0 };
	int reports = 0;

	coro_report_to(count_report, &reports);
	EXPECT_EQ(0, coro_run(await_a_child, &s));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(1, s.nr);
	EXPECT_EQ(0, reports);
}

static long ignore_cancels(void *arg)
{
	int *met = arg;

	while (*met < 5)
		*met += coro_sleep(FAR_NS) == -ECANCELED;
	return 6;
}

static long keep_the_group_open(void *arg)
{
	struct coro_group g;
	int met[2] = { 0 };

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, ignore_cancels, &met[0]));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)-EIO));
	/* It is not entered: it would start late. */
	EXPECT_EQ(0, coro_group_spawn(&g, ignore_cancels, &met[1]));
	EXPECT_EQ(-EIO, coro_group_close(&g, 0));
	EXPECT_EQ(5, met[0]);
	EXPECT_EQ(0, met[1]);
	return coro_sleep(0);
}

/* TG-18, TG-24: the better one holds: every wait of who ignores it fails again. */
TEST_F(group, child_that_ignores_the_cancel_meets_it_again)
{
	EXPECT_EQ(0, coro_run(keep_the_group_open, NULL));
}

static long end_early(void *arg)
{
	struct coro_group g;
	int disposed = 0;
	const struct coro_spawn_opts opts = { .size = sizeof(opts),
					      .group = &g,
					      .dispose = count_disposal };

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, clean_up, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_spawn_opts(NULL, sleep_far, &disposed, &opts));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(0, coro_group_close(&g, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_CANCELLED, coro_scope_state(coro_group_scope(&g)));
	EXPECT_EQ(1, disposed);
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(5, coro_group_close(&g, 5));
	return coro_sleep(0);
}

/* TG-23 */
TEST_F(group, cancel_of_the_group_ends_it_early_without_an_error)
{
	EXPECT_EQ(0, coro_run(end_early, NULL));
}

static long give_up(void *arg)
{
	struct coro_group g;

	(void)arg;
	/* With children or without, it is the opener's word. */
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, NULL));
	EXPECT_EQ(-ECANCELED, coro_group_close(&g, -ECANCELED));
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(-ECANCELED, coro_group_close(&g, -ECANCELED));
	return coro_sleep(0);
}

TEST_F(group, opener_that_says_cancelled_by_itself_has_said_so)
{
	EXPECT_EQ(0, coro_run(give_up, NULL));
}

TEST_HARNESS_MAIN
