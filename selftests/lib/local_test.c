// SPDX-License-Identifier: MIT
/* Storage per coroutine: whose a value is, and when it is destroyed. */
#include "lib_common.h"

FIXTURE(local)
{
	struct coro_key *key;
	struct coro_key *other;
};

/* What the destructors were called with, in order. */
static struct trace destroyed;
static struct coro *destroyed_in;

static void destroy(void *value)
{
	trace_add(&destroyed, (char)(intptr_t)value);
	destroyed_in = coro_self();
}

static struct coro_key *key, *other;

FIXTURE_SETUP(local)
{
	bodies_expect(_metadata);
	memset(&destroyed, 0, sizeof(destroyed));
	destroyed_in = NULL;
	ASSERT_EQ(0, coro_key_new(&self->key, destroy));
	ASSERT_EQ(0, coro_key_new(&self->other, NULL));
	key = self->key;
	other = self->other;
}

FIXTURE_TEARDOWN(local)
{
	coro_key_free(self->key);
	coro_key_free(self->other);
	EXPECT_EQ(0, leaked());
}

static void *get(struct coro_key *k)
{
	void *value = (void *)POISON_LONG;

	EXPECT_EQ(0, coro_key_get(k, &value));
	return value;
}

static long set_and_yield(void *arg)
{
	EXPECT_EQ(NULL, get(key));
	EXPECT_EQ(NULL, get(other));
	EXPECT_EQ(0, coro_key_set(key, arg));
	EXPECT_EQ(0, coro_key_set(other, "other"));
	while (!coro_yield(0, NULL)) {
		EXPECT_EQ(arg, get(key));
		EXPECT_STREQ("other", get(other));
	}
	return (long)arg;
}

TEST_F(local, each_coroutine_has_its_own_values)
{
	struct coro *a = coro_new(set_and_yield, (void *)(intptr_t)'a');
	struct coro *b = coro_new(set_and_yield, (void *)(intptr_t)'b');
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(CORO_YIELDED, coro_resume(a, 0, NULL));
		EXPECT_EQ(CORO_YIELDED, coro_resume(b, 0, NULL));
	}
	EXPECT_STREQ("", destroyed.text);
	coro_put(b);
	EXPECT_STREQ("b", destroyed.text);
	coro_put(a);
	EXPECT_STREQ("ba", destroyed.text);
}

static long set_and_return(void *arg)
{
	EXPECT_EQ(NULL, get(key));
	EXPECT_EQ(0, coro_key_set(key, arg));
	return (long)arg;
}

static long set_around_an_await(void *arg)
{
	struct coro *inner = coro_new(set_and_return, (void *)(intptr_t)'i');

	EXPECT_EQ(0, coro_key_set(key, arg));
	EXPECT_EQ('i', coro_await(coro_get(inner)));
	EXPECT_STREQ("i", destroyed.text);
	EXPECT_EQ(inner, destroyed_in);
	EXPECT_EQ(arg, get(key));
	coro_put(inner);
	EXPECT_STREQ("i", destroyed.text);
	return 0;
}

/* OBJ-07 */
TEST_F(local, awaited_one_has_its_own_values_and_they_go_first)
{
	struct coro *c = coro_new(set_around_an_await, (void *)(intptr_t)'o');

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("io", destroyed.text);
	EXPECT_EQ(c, destroyed_in);
	coro_put(c);
}

static long join_a_task(void *arg)
{
	struct coro *c = coro_new(set_and_return, (void *)(intptr_t)'t');

	(void)arg;
	EXPECT_EQ(0, coro_key_set(key, (void *)(intptr_t)'m'));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ('t', coro_await(c));
	EXPECT_STREQ("t", destroyed.text);
	return 0;
}

/* OBJ-07 */
TEST_F(local, values_of_a_task_go_before_it_is_joined)
{
	EXPECT_EQ(0, coro_run(join_a_task, NULL));
	EXPECT_STREQ("tm", destroyed.text);
}

/* OBJ-07, STC-17 */
TEST_F(local, closing_one_that_never_ran_destroys_nothing)
{
	struct coro *c = coro_new(set_and_yield, (void *)(intptr_t)'a');

	EXPECT_EQ(0, coro_close(c, NULL));
	coro_put(c);
	EXPECT_STREQ("", destroyed.text);
}

static long set_and_ignore_exit(void *arg)
{
	EXPECT_EQ(0, coro_key_set(key, arg));
	for (;;)
		coro_yield(0, NULL);
	return 0;
}

/* OBJ-07 */
TEST_F(local, values_of_one_that_ignores_exit_are_destroyed_with_it)
{
	struct coro *c = coro_new(set_and_ignore_exit, (void *)(intptr_t)'a');

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_STREQ("a", destroyed.text);
	EXPECT_EQ(NULL, destroyed_in);
}

static long set_again(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_key_set(key, (void *)(intptr_t)'1'));
	EXPECT_EQ(0, coro_key_set(key, (void *)(intptr_t)'2'));
	EXPECT_EQ((void *)(intptr_t)'2', get(key));
	EXPECT_EQ(0, coro_key_set(key, NULL));
	EXPECT_EQ(NULL, get(key));
	EXPECT_EQ(0, coro_key_set(key, NULL));
	EXPECT_EQ(0, coro_key_set(key, (void *)(intptr_t)'3'));
	return 0;
}

TEST_F(local, value_that_is_replaced_is_the_callers_again)
{
	struct coro *c = coro_new(set_again, NULL);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("3", destroyed.text);
	coro_put(c);
}

static void note_value(void *arg)
{
	void *value = NULL;

	EXPECT_EQ(0, coro_key_get(key, &value));
	trace_add(arg, (char)(intptr_t)value);
}

static long set_and_defer(void *arg)
{
	EXPECT_EQ(0, coro_defer(note_value, arg));
	EXPECT_EQ(0, coro_key_set(key, (void *)(intptr_t)'v'));
	return 0;
}

/* AWT-12 */
TEST_F(local, deferred_calls_still_see_the_values)
{
	struct coro *c = coro_new(set_and_defer, &destroyed);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("vv", destroyed.text);
	coro_put(c);
}

static int rounds;

static void destroy_and_leave_more(void *value)
{
	destroy(value);
	if (rounds-- > 0) {
		EXPECT_EQ(0, coro_defer(note_value, &destroyed));
		EXPECT_EQ(0, coro_key_set(key, value));
	}
}

static long set_a_value(void *arg)
{
	return coro_key_set(key, arg);
}

TEST_F(local, what_a_destructor_leaves_is_seen_to)
{
	struct coro *c = coro_new(set_a_value, (void *)(intptr_t)'m');

	ASSERT_EQ(0, coro_key_new(&key, destroy_and_leave_more));
	rounds = 2;
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	/* The value again before the call that was deferred, which finds none. */
	EXPECT_EQ((size_t)5, destroyed.nr);
	EXPECT_STREQ("mmm", destroyed.text);
	coro_put(c);
	coro_key_free(key);
}

static long set_and_free_key(void *arg)
{
	struct coro_key *mine;

	EXPECT_EQ(0, coro_key_new(&mine, destroy));
	EXPECT_EQ(0, coro_key_set(mine, arg));
	coro_key_free(mine);
	EXPECT_STREQ("", destroyed.text);
	/* Perhaps where the other was: but another key. */
	EXPECT_EQ(0, coro_key_new(&mine, NULL));
	EXPECT_EQ(NULL, get(mine));
	coro_key_free(mine);
	return 0;
}

TEST_F(local, values_outlive_their_key)
{
	struct coro *c = coro_new(set_and_free_key, (void *)(intptr_t)'k');

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("k", destroyed.text);
	coro_put(c);
}

enum { MANY = 200 };

static long set_under_many_keys(void *arg)
{
	struct coro_key **keys = arg;
	long i;

	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_key_set(keys[i * 77 % MANY],
					  (void *)(i * 77 % MANY + 1)));
	for (i = 0; i < MANY; i += 2)
		EXPECT_EQ(0, coro_key_set(keys[i], NULL));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(i % 2 ? (void *)(i + 1) : NULL, get(keys[i]));
	return 0;
}

TEST_F(local, any_number_of_keys_is_kept_apart)
{
	struct coro_key *keys[MANY];
	struct coro *c = coro_new(set_under_many_keys, keys);
	int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, coro_key_new(&keys[i], destroy));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ((size_t)MANY / 2, destroyed.nr);
	coro_put(c);
	for (i = 0; i < MANY; i++)
		coro_key_free(keys[i]);
}

static long misuse(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EINVAL, coro_key_set(NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_key_get(key, NULL));
	EXPECT_EQ(-EINVAL, coro_key_get(NULL, &arg));
	return 0;
}

TEST_F(local, misuse_is_refused)
{
	void *value = (void *)POISON_LONG;
	struct coro *c = coro_new(misuse, NULL);

	EXPECT_EQ(-EPERM, coro_key_set(key, &value));
	EXPECT_EQ(-EPERM, coro_key_get(key, &value));
	EXPECT_EQ((void *)POISON_LONG, value);
	EXPECT_EQ(-EINVAL, coro_key_new(NULL, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	coro_key_free(NULL);
}

TEST_HARNESS_MAIN
