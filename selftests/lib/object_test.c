// SPDX-License-Identifier: MIT
/* The coroutine object: creation, states, references. Needs no io_uring. */
#include "lib_common.h"

LIB_FIXTURE(object)

static long set_flag(void *arg)
{
	*(int *)arg += 1;
	return 0;
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

/* OBJ-01 */
TEST_F(object, creating_runs_none_of_the_function)
{
	int entered = 0;
	struct coro *c = coro_new(set_flag, &entered);

	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	EXPECT_EQ(0, entered);
	coro_put(c);
	EXPECT_EQ(0, entered);
}

/* OBJ-01 */
TEST_F(object, creating_opens_no_file)
{
	struct coro *c;
	int before;

	ASSERT_NE(NULL, coro_backend());
	before = open_fds();
	c = coro_new(give_arg, NULL);
	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(before, open_fds());
	coro_put(c);
}

/* STC-05 */
TEST_F(object, argument_and_result_pass_unchanged)
{
	const long values[] = { 0,	  1,	     -1,	 LONG_MIN,
				LONG_MAX, CORO_EXIT, -ECANCELED, -4096 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct coro *c = coro_new(give_arg, (void *)values[i]);
		long value = POISON_LONG;

		ASSERT_NE(NULL, c);
		EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
		EXPECT_EQ(values[i], value);
		coro_put(c);
	}
}

struct watch {
	struct coro *co;
	enum coro_state seen;
	enum coro_state outer_seen;
};

static long see_own_state(void *arg)
{
	struct watch *w = arg;

	w->seen = coro_state(coro_self());
	coro_yield(0, NULL);
	w->seen = coro_state(coro_self());
	return 0;
}

/* OBJ-02 */
TEST_F(object, states_come_in_their_order)
{
	struct watch w = { .seen = CORO_STATE_FREE };
	struct coro *c = coro_new(see_own_state, &w);

	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_STATE_RUNNING, w.seen);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	w.seen = CORO_STATE_FREE;
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_STATE_RUNNING, w.seen);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	coro_put(c);
}

static long look_at_other(void *arg)
{
	struct watch *w = arg;

	w->seen = coro_state(w->co);
	return 0;
}

static long resume_a_looker(void *arg)
{
	struct watch *w = arg;
	struct coro *looker;

	w->co = coro_self();
	looker = coro_new(look_at_other, w);
	EXPECT_EQ(CORO_ENDED, coro_resume(looker, 0, NULL));
	coro_put(looker);
	return 0;
}

/* OBJ-02 */
TEST_F(object, resumer_is_running_while_what_it_resumed_runs)
{
	struct watch w = { .seen = CORO_STATE_FREE };
	struct coro *c = coro_new(resume_a_looker, &w);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_STATE_RUNNING, w.seen);
	coro_put(c);
}

/* OBJ-02 */
TEST_F(object, suspended_one_is_suspended_for_a_third_party)
{
	struct watch w = { .seen = CORO_STATE_FREE };
	struct coro *c = coro_new(yield_once, NULL);
	struct coro *looker = coro_new(look_at_other, &w);

	w.co = c;
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(looker, 0, NULL));
	EXPECT_EQ(CORO_STATE_SUSPENDED, w.seen);
	coro_put(looker);
	coro_put(c);
}

/* OBJ-03 */
TEST_F(object, failing_before_the_first_suspension_closes)
{
	struct coro *c = coro_new(give_arg, (void *)(long)-EIO);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	coro_put(c);
}

/* OBJ-04 */
TEST_F(object, null_function_is_refused_at_creation)
{
	struct coro *c = (struct coro *)POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_create(&c, NULL, NULL, "name"));
	EXPECT_EQ((struct coro *)POISON_LONG, c);
	EXPECT_EQ(NULL, coro_new_named(NULL, NULL, NULL));
}

/* OBJ-04 */
TEST_F(object, null_output_is_refused_at_creation)
{
	int entered = 0;

	EXPECT_EQ(-EINVAL, coro_create(NULL, set_flag, &entered, NULL));
	EXPECT_EQ(0, entered);
}

/* OBJ-06 */
TEST_F(object, size_is_the_stack_without_its_guard)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_EQ(65536 - (size_t)getpagesize(), coro_size(c));
	coro_put(c);
}

static long init_with_large_stacks(void *arg)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .stack_size_bytes = 200001 };
	size_t page = getpagesize();
	struct coro *c;
	size_t size;

	(void)arg;
	EXPECT_EQ(0, coro_thread_init(&opts));
	c = coro_new(give_arg, NULL);
	size = coro_size(c);
	coro_put(c);
	EXPECT_EQ((200001 + page - 1) / page * page - page, size);
	return 0;
}

/* OBJ-06 */
TEST_F(object, size_follows_the_stack_size_rounded_up_to_pages)
{
	EXPECT_EQ(0, in_thread(init_with_large_stacks, NULL));
}

static void count_down(int **counter)
{
	**counter -= 1;
}

static long hold_then_yield(void *arg)
{
	__attribute__((cleanup(count_down))) int *held = arg;

	*held += 1;
	return coro_yield(0, NULL);
}

/* OBJ-07 */
TEST_F(object, locals_are_cleaned_up_when_the_resumer_sees_the_end)
{
	int held = 0;
	struct coro *c = coro_new(hold_then_yield, &held);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(1, held);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, held);
	coro_put(c);
}

/* OBJ-07 */
TEST_F(object, locals_are_cleaned_up_when_close_returns)
{
	int held = 0;
	struct coro *c = coro_new(hold_then_yield, &held);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, NULL));
	EXPECT_EQ(0, held);
	coro_put(c);
}

/* OBJ-11, OBJ-19 */
TEST_F(object, dropping_a_created_one_prints_nothing)
{
	int held = 0, saved, fds[2];
	struct coro *c;

	ASSERT_EQ(0, pipe(fds));
	saved = dup(STDERR_FILENO);
	ASSERT_LE(0, saved);
	fflush(stderr);
	dup2(fds[1], STDERR_FILENO);
	c = coro_new(hold_then_yield, &held);
	coro_put(c);
	c = coro_new(hold_then_yield, &held);
	coro_close(c, NULL);
	coro_put(c);
	c = coro_new(hold_then_yield, &held);
	coro_resume(c, 0, NULL);
	coro_put(c);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	EXPECT_EQ(0, readable(fds[0]));
	close(fds[0]);
	close(fds[1]);
	close(saved);
}

/* OBJ-13 */
TEST_F(object, cleanup_of_a_dropped_one_leaves_the_callers_errno)
{
	int held = 0;
	struct coro *c = coro_new(hold_then_yield, &held);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	errno_set(ERANGE);
	coro_put(c);
	EXPECT_EQ(ERANGE, errno_get());
	EXPECT_EQ(0, held);
}

struct revival {
	struct coro *kept;
	int finished;
};

static long revive_in_cleanup(void *arg)
{
	struct revival *r = arg;

	coro_yield(0, NULL);
	r->kept = coro_get(coro_self());
	r->finished++;
	return 9;
}

/* OBJ-14 */
TEST_F(object, cleanup_may_take_a_new_reference)
{
	struct revival r = { .kept = NULL };
	struct coro *c = coro_new(revive_in_cleanup, &r);
	uint64_t id = coro_id(c);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(1, r.finished);
	ASSERT_EQ(c, r.kept);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(r.kept));
	EXPECT_EQ(0, coro_close(r.kept, &value));
	EXPECT_EQ(9, value);
	coro_put(r.kept);
	EXPECT_EQ(1, r.finished);
	EXPECT_EQ(NULL, coro_find(id));
}

struct dropping {
	int cleaned;
	char text[64];
};

static void dropping_clean(struct dropping **d)
{
	(*d)->cleaned++;
}

static long drop_self_and_return(void *arg)
{
	__attribute__((cleanup(dropping_clean))) struct dropping *d = arg;
	volatile char local[256];

	memset((void *)local, 'x', sizeof(local));
	coro_put(coro_self());
	snprintf(d->text, sizeof(d->text), "%s %c", coro_name(coro_self()),
		 local[255]);
	return 77;
}

/* OBJ-18 */
TEST_F(object, dropping_the_last_reference_inside_waits_for_the_end)
{
	struct dropping d = { .cleaned = 0 };
	struct coro *c = coro_new_named(drop_self_and_return, &d, "self");
	uint64_t id = coro_id(c);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(77, value);
	EXPECT_STREQ("self x", d.text);
	EXPECT_EQ(1, d.cleaned);
	EXPECT_EQ(NULL, coro_find(id));
}

static long drop_self_and_yield(void *arg)
{
	__attribute__((cleanup(dropping_clean))) struct dropping *d = arg;
	int err;

	coro_put(coro_self());
	err = coro_yield(3, NULL);
	snprintf(d->text, sizeof(d->text), "%d", err == CORO_EXIT);
	return 0;
}

/* OBJ-18 */
TEST_F(object, dropping_the_last_reference_inside_closes_at_the_next_yield)
{
	struct dropping d = { .cleaned = 0 };
	struct coro *c = coro_new(drop_self_and_yield, &d);
	uint64_t id = coro_id(c);

	EXPECT_LE(0, coro_resume(c, 0, NULL));
	EXPECT_STREQ("1", d.text);
	EXPECT_EQ(1, d.cleaned);
	EXPECT_EQ(NULL, coro_find(id));
}

static long leave_some_alive(void *arg)
{
	int held = 0;
	struct coro *c;

	(void)arg;
	c = coro_new(hold_then_yield, &held);
	coro_resume(c, 0, NULL);
	c = coro_new(hold_then_yield, &held);
	exit(c && held == 1 ? 0 : 1);
}

/* OBJ-19 */
TEST_F(object, exit_with_live_ones_is_quiet)
{
	EXPECT_EQ(0, in_child(leave_some_alive, NULL));
}

static long suspend_one(void *arg)
{
	struct coro *c = coro_new(yield_once, (void *)4L);

	*(struct coro **)arg = c;
	return coro_resume(c, 0, NULL);
}

/* OBJ-19 */
TEST_F(object, live_ones_outlive_their_thread)
{
	struct coro *c = NULL;
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, in_thread(suspend_one, &c));
	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(0, value);
	coro_put(c);
}

struct stubborn {
	int exits;
	int went_on;
};

static long yield_in_answer(void *arg)
{
	struct stubborn *s = arg;

	if (coro_yield(0, NULL) == CORO_EXIT)
		s->exits++;
	coro_yield(0, NULL);
	s->went_on++;
	return 0;
}

/* OBJ-13, STC-19 */
TEST_F(object, dropped_one_that_yields_in_answer_to_exit_ends_there)
{
	struct stubborn s = { .exits = 0 };
	struct coro *c = coro_new(yield_in_answer, &s);
	uint64_t id = coro_id(c);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(1, s.exits);
	EXPECT_EQ(0, s.went_on);
	EXPECT_EQ(NULL, coro_find(id));
}

/* OBJ-18 */
TEST_F(object, lives_as_long_as_one_reference)
{
	int held = 0;
	struct coro *c = coro_new(hold_then_yield, &held);

	EXPECT_EQ(c, coro_get(c));
	EXPECT_EQ(c, coro_get(c));
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	coro_put(c);
	EXPECT_EQ(1, held);
	coro_put(c);
	EXPECT_EQ(0, held);
	coro_put(NULL);
}

TEST_F(object, thread_is_initialised_once)
{
	EXPECT_EQ(0, coro_thread_init(NULL));
	EXPECT_EQ(-EBUSY, coro_thread_init(NULL));
}

TEST_F(object, first_creation_initialises_the_thread)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_EQ(-EBUSY, coro_thread_init(NULL));
	coro_put(c);
}

/* OBJ-04 */
TEST_F(object, options_without_a_right_size_are_refused)
{
	struct coro_thread_opts opts = { .size = 0 };

	EXPECT_EQ(-EINVAL, coro_thread_init(&opts));
	opts.size = sizeof(opts.size) - 1;
	EXPECT_EQ(-EINVAL, coro_thread_init(&opts));
	EXPECT_EQ(0, coro_thread_init(NULL));
}

/* OBJ-04 */
TEST_F(object, options_of_a_newer_library_are_taken_as_far_as_known)
{
	struct {
		struct coro_thread_opts opts;
		unsigned char tail[16];
	} newer = { .opts.size = sizeof(newer) };

	newer.tail[15] = 1;
	EXPECT_EQ(-E2BIG, coro_thread_init(&newer.opts));
	newer.tail[15] = 0;
	EXPECT_EQ(0, coro_thread_init(&newer.opts));
}

/* OBJ-04 */
TEST_F(object, limit_of_coroutines_is_kept)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .max_coroutines = 4 };
	struct coro *c[4], *more = (struct coro *)POISON_LONG;
	unsigned int i;

	ASSERT_EQ(0, coro_thread_init(&opts));
	for (i = 0; i < ARRAY_SIZE(c); i++)
		ASSERT_EQ(0, coro_create(&c[i], give_arg, NULL, NULL));
	EXPECT_EQ(-ENOSPC, coro_create(&more, give_arg, NULL, NULL));
	EXPECT_EQ((struct coro *)POISON_LONG, more);
	EXPECT_EQ(NULL, coro_new(give_arg, NULL));
	coro_put(c[2]);
	EXPECT_EQ(0, coro_create(&c[2], give_arg, NULL, NULL));
	EXPECT_EQ(-ENOSPC, coro_create(&more, give_arg, NULL, NULL));
	for (i = 0; i < ARRAY_SIZE(c); i++)
		coro_put(c[i]);
}

static long create_anew(void *arg)
{
	struct coro *c = coro_new(give_arg, (void *)6L);
	long value = POISON_LONG;

	(void)arg;
	if (!c || coro_self() || coro_resume(c, 0, &value) != CORO_ENDED)
		return 1;
	coro_put(c);
	return value != 6;
}

/* THR-15 */
TEST_F(object, child_of_fork_starts_afresh)
{
	int held = 0;
	struct coro *c = coro_new(hold_then_yield, &held);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, in_child(create_anew, NULL));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, held);
	coro_put(c);
}

TEST_HARNESS_MAIN
