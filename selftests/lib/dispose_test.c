// SPDX-License-Identifier: MIT
/* Coroutines that are disposed of: what is reported, and that it stays there. */
#include "lib_common.h"

/* What was reported last, and how often. */
struct reports {
	int nr;
	enum coro_report_kind kind;
	uint64_t id;
	char name[CORO_NAME_LEN];
	long value;
	void *origins[CORO_ORIGIN_MAX];
	size_t nr_origins;
	struct coro *drop; /* dropped inside the first report */
};

static void take_report(void *arg, const struct coro_report *report)
{
	struct reports *r = arg;
	struct coro *drop = r->drop;

	r->nr++;
	r->kind = report->kind;
	r->id = report->info->id;
	strncpy(r->name, report->info->name, sizeof(r->name) - 1);
	r->value = report->value;
	r->nr_origins = report->nr_origins;
	memcpy(r->origins, report->origins,
	       report->nr_origins * sizeof(r->origins[0]));
	r->drop = NULL;
	coro_put(drop);
	errno_set(EDOM);
}

FIXTURE(dispose)
{
	struct reports r;
};

FIXTURE_SETUP(dispose)
{
	bodies_expect(_metadata);
	coro_report_to(take_report, &self->r);
}

FIXTURE_TEARDOWN(dispose)
{
	coro_report_to(NULL, NULL);
	EXPECT_EQ(0, leaked());
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static long fail_in_cleanup(void *arg)
{
	return coro_yield(0, NULL) == CORO_EXIT ? (long)arg : 0;
}

static long yield_in_answer(void *arg)
{
	coro_yield(0, NULL);
	coro_yield(0, NULL);
	*(int *)arg += 1;
	return 0;
}

static long await_given(void *arg)
{
	return coro_await(arg);
}

/* OBJ-11: what was only dropped is reported, so the rest of these tests can fail. */
TEST_F(dispose, one_that_never_began_is_reported_once)
{
	struct coro *c = coro_new_named(give_arg, NULL, "unborn");
	uint64_t id = coro_id(c);

	coro_get(c);
	coro_put(c);
	EXPECT_EQ(0, self->r.nr);
	coro_put(c);
	EXPECT_EQ(1, self->r.nr);
	EXPECT_EQ(CORO_REPORT_NEVER_STARTED, self->r.kind);
	EXPECT_EQ(id, self->r.id);
	EXPECT_STREQ("unborn", self->r.name);
	EXPECT_EQ(0, self->r.value);
}

/* OBJ-11 */
TEST_F(dispose, closing_or_throwing_disposes_of_one_that_never_began)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_EQ(0, coro_close(c, NULL));
	coro_put(c);
	c = coro_new(give_arg, NULL);
	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EIO, NULL));
	coro_put(c);
	EXPECT_EQ(0, self->r.nr);
}

/* OBJ-11 */
TEST_F(dispose, one_that_began_is_not_reported_as_unborn)
{
	struct coro *c = coro_new(give_arg, (void *)(long)-EIO);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	c = coro_new(yield_once, NULL);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	c = coro_new(await_given, coro_new(give_arg, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(0, self->r.nr);
}

/* OBJ-09 */
TEST_F(dispose, report_has_as_many_creation_frames_as_asked_for)
{
	void *frames[CORO_ORIGIN_MAX];
	struct coro *c;
	size_t nr;

	coro_put(coro_new(give_arg, NULL));
	EXPECT_EQ((size_t)1, self->r.nr_origins);
	EXPECT_LE(0, coro_set_origin_depth(3));
	c = coro_new(give_arg, NULL);
	nr = coro_origin(c, frames, CORO_ORIGIN_MAX);
	EXPECT_LT((size_t)1, nr);
	EXPECT_GE((size_t)3, nr);
	coro_put(c);
	EXPECT_EQ(2, self->r.nr);
	EXPECT_EQ(nr, self->r.nr_origins);
	EXPECT_EQ(0, memcmp(frames, self->r.origins, nr * sizeof(frames[0])));
}

/* OBJ-12 */
TEST_F(dispose, errno_of_a_report_is_not_the_droppers)
{
	errno_set(ERANGE);
	coro_put(coro_new(give_arg, NULL));
	EXPECT_EQ(1, self->r.nr);
	EXPECT_EQ(ERANGE, errno_get());
}

/* OBJ-12 */
TEST_F(dispose, report_may_bring_about_another)
{
	self->r.drop = coro_new_named(give_arg, NULL, "second");
	coro_put(coro_new_named(give_arg, NULL, "first"));
	EXPECT_EQ(2, self->r.nr);
}

static void report_no_more(void *arg, const struct coro_report *report)
{
	take_report(arg, report);
	coro_report_to(NULL, NULL);
}

/* OBJ-12 */
TEST_F(dispose, report_may_end_the_reporting)
{
	coro_report_to(report_no_more, &self->r);
	coro_put(coro_new(give_arg, NULL));
	coro_put(coro_new(give_arg, NULL));
	EXPECT_EQ(1, self->r.nr);
}

/* OBJ-13 */
TEST_F(dispose, failure_of_cleanup_is_reported_and_not_the_droppers)
{
	struct coro *c =
		coro_new_named(fail_in_cleanup, (void *)(long)-EDQUOT, "dirty");
	uint64_t id = coro_id(c);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	errno_set(ERANGE);
	coro_put(c);
	EXPECT_EQ(ERANGE, errno_get());
	EXPECT_EQ(1, self->r.nr);
	EXPECT_EQ(CORO_REPORT_CLEANUP, self->r.kind);
	EXPECT_EQ(-EDQUOT, self->r.value);
	EXPECT_EQ(id, self->r.id);
	EXPECT_STREQ("dirty", self->r.name);
	EXPECT_EQ(NULL, coro_find(id));
}

/* OBJ-13 */
TEST_F(dispose, yield_in_answer_to_a_drop_is_reported)
{
	int went_on = 0;
	struct coro *c = coro_new(yield_in_answer, &went_on);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(1, self->r.nr);
	EXPECT_EQ(CORO_REPORT_CLEANUP, self->r.kind);
	EXPECT_EQ(-EAGAIN, self->r.value);
	EXPECT_EQ(0, went_on);
}

/* OBJ-13 */
TEST_F(dispose, cleanup_that_went_well_is_not_reported)
{
	const long results[] = { 0, 5, CORO_EXIT, -4096 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		struct coro *c = coro_new(fail_in_cleanup, (void *)results[i]);

		EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
		coro_put(c);
	}
	EXPECT_EQ(0, self->r.nr);
}

/* STC-21, OBJ-13: who closes has the failure in hand, and it is reported to nobody. */
TEST_F(dispose, failure_that_close_hands_over_is_not_reported)
{
	struct coro *c = coro_new(fail_in_cleanup, (void *)(long)-EDQUOT);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(-EDQUOT, value);
	coro_put(c);
	EXPECT_EQ(0, self->r.nr);
}

/* OBJ-20 */
TEST_F(dispose, awaited_one_stays_when_its_last_reference_is_dropped)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_given, inner);
	uint64_t id = coro_id(inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	coro_put(inner);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(inner));
	EXPECT_EQ(CORO_AWAITS_RESUME, coro_awaits(inner, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 6, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(NULL, coro_find(id));
	coro_put(outer);
	EXPECT_EQ(0, self->r.nr);
}

/* OBJ-15 */
TEST_F(dispose, report_names_the_coroutine_as_it_is_called_now)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_EQ(0, coro_set_name(c, "renamed"));
	coro_put(c);
	EXPECT_STREQ("renamed", self->r.name);
	coro_put(coro_new(give_arg, NULL));
	EXPECT_STREQ("give_arg", self->r.name);
}

TEST_HARNESS_MAIN
