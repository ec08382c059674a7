// SPDX-License-Identifier: MIT
/* Which coroutine it is: names, ids, origin, self. Needs no io_uring. */
#include "lib_common.h"

LIB_FIXTURE(identity)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

/* OBJ-08 */
TEST_F(identity, ended_one_can_be_asked_until_its_last_reference_goes)
{
	struct coro *c = coro_new(give_arg, (void *)5L);
	uint64_t id = coro_id(c);
	uint64_t awaits = 1;
	struct coro *found;
	void *origin = NULL;
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_STREQ("give_arg", coro_name(c));
	EXPECT_EQ(id, coro_id(c));
	EXPECT_NE((size_t)0, coro_size(c));
	EXPECT_EQ((size_t)1, coro_origin(c, &origin, 1));
	EXPECT_NE(NULL, origin);
	EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(c, &awaits));
	EXPECT_EQ((uint64_t)0, awaits);
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(5, value);
	found = coro_find(id);
	EXPECT_EQ(c, found);
	coro_put(found);
	coro_put(c);
	EXPECT_EQ(NULL, coro_find(id));
}

/* Bounds of these sections are symbols that the linker makes. */
extern char __start_origin_inner[], __stop_origin_inner[];
extern char __start_origin_outer[], __stop_origin_outer[];

static NOINLINE __attribute__((section("origin_inner"))) struct coro *
create_inner(void *arg)
{
	struct coro *c = coro_new(give_arg, arg);

	__asm__ volatile("" : "+r"(c));
	return c;
}

static NOINLINE __attribute__((section("origin_outer"))) struct coro *
create_outer(void *arg)
{
	struct coro *c = create_inner(arg);

	__asm__ volatile("" : "+r"(c));
	return c;
}

static bool in_inner(void *addr)
{
	return (char *)addr > __start_origin_inner &&
	       (char *)addr <= __stop_origin_inner;
}

static bool in_outer(void *addr)
{
	return (char *)addr > __start_origin_outer &&
	       (char *)addr <= __stop_origin_outer;
}

/* OBJ-09 */
TEST_F(identity, origin_is_the_caller_of_new)
{
	void *frames[2] = { NULL, NULL };
	struct coro *c = create_outer(NULL);

	EXPECT_EQ((size_t)1, coro_origin(c, frames, 2));
	EXPECT_TRUE(in_inner(frames[0]));
	EXPECT_EQ(NULL, frames[1]);
	EXPECT_EQ((size_t)1, coro_origin(c, NULL, 0));
	coro_put(c);
}

/* OBJ-09 */
TEST_F(identity, origin_has_as_many_frames_as_asked_for)
{
	void *frames[3] = { NULL, NULL, NULL };
	struct coro *c;

	EXPECT_LE(0, coro_set_origin_depth(2));
	c = create_outer(NULL);
	EXPECT_EQ((size_t)2, coro_origin(c, frames, 3));
	EXPECT_TRUE(in_inner(frames[0]));
	EXPECT_TRUE(in_outer(frames[1]));
	EXPECT_EQ(NULL, frames[2]);
	frames[1] = NULL;
	EXPECT_EQ((size_t)2, coro_origin(c, frames, 1));
	EXPECT_EQ(NULL, frames[1]);
	coro_put(c);
	EXPECT_EQ(2, coro_set_origin_depth(1));
	c = create_outer(NULL);
	EXPECT_EQ((size_t)1, coro_origin(c, frames, 3));
	coro_put(c);
}

static long create_here(void *arg)
{
	*(struct coro **)arg = create_outer(NULL);
	return 0;
}

/* OBJ-09 */
TEST_F(identity, origin_stops_at_the_end_of_the_creators_stack)
{
	void *frames[CORO_ORIGIN_MAX] = { NULL };
	struct coro *made = NULL;
	struct coro *c;
	size_t nr;

	EXPECT_LE(0, coro_set_origin_depth(CORO_ORIGIN_MAX));
	c = coro_new(create_here, &made);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	ASSERT_NE(NULL, made);
	nr = coro_origin(made, frames, ARRAY_SIZE(frames));
	EXPECT_LE((size_t)3, nr);
	EXPECT_GT((size_t)CORO_ORIGIN_MAX, nr);
	EXPECT_TRUE(in_inner(frames[0]));
	EXPECT_TRUE(in_outer(frames[1]));
	coro_put(made);
	coro_put(c);
}

static long former_depth(void *arg)
{
	(void)arg;
	return coro_set_origin_depth(0);
}

/* OBJ-10 */
TEST_F(identity, origin_depth_out_of_range_changes_nothing)
{
	EXPECT_LE(0, coro_set_origin_depth(7));
	EXPECT_EQ(-EINVAL, coro_set_origin_depth(-1));
	EXPECT_EQ(-EINVAL, coro_set_origin_depth(CORO_ORIGIN_MAX + 1));
	EXPECT_EQ(7, coro_set_origin_depth(CORO_ORIGIN_MAX));
	EXPECT_EQ(CORO_ORIGIN_MAX, coro_set_origin_depth(0));
}

/* OBJ-10 */
TEST_F(identity, origin_depth_is_per_thread)
{
	EXPECT_LE(0, coro_set_origin_depth(7));
	EXPECT_GE(1, in_thread(former_depth, NULL));
	EXPECT_EQ(7, coro_set_origin_depth(0));
}

/* OBJ-15 */
TEST_F(identity, name_is_the_function_unless_given)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_STREQ("give_arg", coro_name(c));
	coro_put(c);
	c = coro_new_named(give_arg, NULL, "worker");
	EXPECT_STREQ("worker", coro_name(c));
	coro_put(c);
	ASSERT_EQ(0, coro_create(&c, give_arg, NULL, NULL));
	EXPECT_STREQ("", coro_name(c));
	coro_put(c);
}

/* OBJ-15 */
TEST_F(identity, name_given_at_creation_is_copied_and_cut)
{
	char text[] = "abcdefghijklmnopqrstuvwxyz";
	struct coro *c = coro_new_named(give_arg, NULL, text);

	memset(text, 'X', sizeof(text) - 1);
	EXPECT_STREQ("abcdefghijklmno", coro_name(c));
	coro_put(c);
}

/* OBJ-15 */
TEST_F(identity, name_can_be_set_in_every_state)
{
	char text[] = "2";
	struct coro *c = coro_new(yield_once, NULL);

	EXPECT_EQ(0, coro_set_name(c, "abcdefghijklmno"));
	EXPECT_STREQ("abcdefghijklmno", coro_name(c));
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_set_name(c, text));
	text[0] = 'X';
	EXPECT_STREQ("2", coro_name(c));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_set_name(c, ""));
	EXPECT_STREQ("", coro_name(c));
	coro_put(c);
}

/* OBJ-15 */
TEST_F(identity, name_that_is_refused_leaves_the_old_one)
{
	struct coro *c = coro_new_named(give_arg, NULL, "old");

	EXPECT_EQ(-ERANGE, coro_set_name(c, "abcdefghijklmnop"));
	EXPECT_STREQ("old", coro_name(c));
	EXPECT_EQ(-EINVAL, coro_set_name(c, NULL));
	EXPECT_STREQ("old", coro_name(c));
	EXPECT_EQ(-EINVAL, coro_set_name(NULL, "new"));
	coro_put(c);
}

/* OBJ-17 */
TEST_F(identity, find_gives_a_reference_of_its_own)
{
	struct coro *c = coro_new(yield_once, NULL);
	struct coro *found = coro_find(coro_id(c));

	EXPECT_EQ(c, found);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(found));
	coro_put(found);
}

/* OBJ-17 */
TEST_F(identity, id_of_a_gone_one_finds_nothing)
{
	struct coro *c = coro_new(give_arg, NULL);
	uint64_t old = coro_id(c);
	unsigned int i;

	coro_put(c);
	EXPECT_EQ(NULL, coro_find(old));
	EXPECT_EQ(NULL, coro_find(0));
	EXPECT_EQ(NULL, coro_find(UINT64_MAX));
	for (i = 0; i < 1000; i++) {
		c = coro_new(give_arg, NULL);
		EXPECT_NE(old, coro_id(c));
		EXPECT_EQ(NULL, coro_find(old));
		coro_put(c);
	}
}

/* OBJ-17 */
TEST_F(identity, ids_are_unique_and_never_0)
{
	struct coro *c[100];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = coro_new(give_arg, NULL);
		EXPECT_NE((uint64_t)0, coro_id(c[i]));
		for (k = 0; k < i; k++)
			EXPECT_NE(coro_id(c[k]), coro_id(c[i]));
	}
	for (i = 0; i < ARRAY_SIZE(c); i++)
		coro_put(c[i]);
}

struct selves {
	struct coro *outer;
	struct coro *inner;
	struct coro *again;
};

static long note_inner(void *arg)
{
	((struct selves *)arg)->inner = coro_self();
	return 0;
}

static long note_outer(void *arg)
{
	struct selves *s = arg;
	struct coro *c = coro_new(note_inner, s);

	s->outer = coro_self();
	coro_resume(c, 0, NULL);
	s->again = coro_self();
	EXPECT_EQ(c, s->inner);
	coro_put(c);
	return 0;
}

/* TSK-38 */
TEST_F(identity, self_is_the_innermost_that_runs)
{
	struct selves s = { .outer = NULL };
	struct coro *c = coro_new(note_outer, &s);

	EXPECT_EQ(NULL, coro_self());
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(NULL, coro_self());
	EXPECT_EQ(c, s.outer);
	EXPECT_EQ(c, s.again);
	EXPECT_NE(c, s.inner);
	coro_put(c);
}

TEST_HARNESS_MAIN
