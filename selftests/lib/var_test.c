// SPDX-License-Identifier: MIT
/* Context variables: how values are set, looked up, restored and destroyed. */
#include "lib_context.h"

static long reset_in_order(void *arg)
{
	struct coro_var_token token[3], spent;

	(void)arg;
	EXPECT_EQ(0, coro_var_set(var, (void *)'a', &token[0]));
	EXPECT_EQ(0, coro_var_set(var, (void *)'b', &token[1]));
	EXPECT_EQ(0, coro_var_set(plain, NULL, &token[2]));
	EXPECT_STREQ("", destroyed.text);
	EXPECT_EQ(-EINVAL, coro_var_reset(plain, &token[1]));
	EXPECT_EQ(-EINVAL, coro_var_reset(NULL, &token[1]));
	EXPECT_EQ(-EINVAL, coro_var_reset(var, NULL));
	EXPECT_EQ('b', get());
	EXPECT_EQ(0, coro_var_reset(var, &token[1]));
	EXPECT_EQ('a', get());
	EXPECT_STREQ("b", destroyed.text);
	EXPECT_EQ(-EALREADY, coro_var_reset(var, &token[1]));
	EXPECT_EQ('a', get());
	EXPECT_EQ(0, coro_var_reset(var, &token[0]));
	EXPECT_EQ('-', get());
	EXPECT_STREQ("ba", destroyed.text);
	spent = token[0];
	EXPECT_EQ(-EALREADY, coro_var_reset(var, &spent));
	EXPECT_EQ(0, coro_var_reset(plain, &token[2]));
	return 0;
}

/* CTX-07 */
TEST_F(context, token_restores_once_and_only_its_variable)
{
	IN_THREAD(reset_in_order, NULL);
}

static long reset_out_of_order(void *arg)
{
	struct coro_var_token first, second;

	(void)arg;
	set('0');
	EXPECT_EQ(0, coro_var_set(var, (void *)'a', &first));
	EXPECT_EQ(0, coro_var_set(var, (void *)'b', &second));
	set('c');
	EXPECT_EQ(0, coro_var_reset(var, &first));
	EXPECT_EQ('0', get());
	EXPECT_EQ(0, coro_var_reset(var, &second));
	EXPECT_EQ('a', get());
	EXPECT_STREQ("bc0", destroyed.text);
	return 0;
}

/* CTX-07: to what was before that set, whatever came since. */
TEST_F(context, token_restores_exactly)
{
	IN_THREAD(reset_out_of_order, NULL);
	EXPECT_STREQ("bc0a", destroyed.text);
}

static long drop_tokens(void *arg)
{
	struct coro_var_token first, second;

	(void)arg;
	EXPECT_EQ(0, coro_var_set(var, (void *)'a', &first));
	EXPECT_EQ(0, coro_var_set(var, (void *)'b', &second));
	coro_var_token_drop(&first);
	EXPECT_STREQ("", destroyed.text);
	coro_var_token_drop(&second);
	EXPECT_STREQ("a", destroyed.text);
	coro_var_token_drop(&second);
	coro_var_token_drop(NULL);
	EXPECT_EQ(-EALREADY, coro_var_reset(var, &second));
	EXPECT_EQ('b', get());
	return 0;
}

/* CTX-07, CTX-10 */
TEST_F(context, dropped_token_holds_nothing)
{
	IN_THREAD(drop_tokens, NULL);
	EXPECT_STREQ("ab", destroyed.text);
}

struct lent {
	struct coro_var_token token;
	struct coro_context *ctx;
	int err;
};

static long reset_lent(void *arg)
{
	struct lent *l = arg;

	l->err = coro_var_reset(var, &l->token);
	return get();
}

static long set_lent(void *arg)
{
	struct lent *l = arg;

	return coro_var_set(var, (void *)'l', &l->token);
}

static long lend_token(void *arg)
{
	struct lent *l = arg;
	struct coro *c = coro_new(reset_lent, l);
	long value = 0;

	/* Of a context that has ended, whose memory may be another's now. */
	EXPECT_EQ(0, coro_await(coro_new(set_lent, l)));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ('l', coro_await(c));
	EXPECT_EQ(-EXDEV, l->err);
	EXPECT_EQ(0, coro_context_copy(&l->ctx, NULL));
	EXPECT_EQ(0, coro_context_run(l->ctx, reset_lent, l, &value));
	EXPECT_EQ(-EXDEV, l->err);
	EXPECT_EQ('l', value);
	coro_context_put(l->ctx);
	EXPECT_EQ('-', reset_lent(l));
	EXPECT_EQ(0, l->err);
	return 0;
}

static long start_setter(void *arg)
{
	struct lent *l = arg;
	struct coro *c = coro_new(set_lent, l);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	c = coro_new(reset_lent, l);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ('-', coro_await(c));
	EXPECT_EQ(-EXDEV, l->err);
	coro_var_token_drop(&l->token);
	return 0;
}

/* CTX-07 */
TEST_F(context, token_works_in_its_context_only)
{
	struct lent l = { .err = 0 };

	EXPECT_EQ(0, coro_run(lend_token, &l));
	EXPECT_STREQ("l", destroyed.text);
	/* The second task may be where the first was. */
	EXPECT_EQ(0, coro_run(start_setter, &l));
}

static long look_up(void *arg)
{
	const struct coro_var_opts opts = {
		.size = sizeof(opts),
		.default_value = (void *)'d',
		.has_default = 1,
	};
	struct coro_var *with;
	void *value = arg;

	EXPECT_EQ(0, coro_var_new(&with, "with default", &opts));
	EXPECT_EQ(-ENOENT, coro_var_get(var, &value));
	EXPECT_EQ(arg, value);
	EXPECT_EQ((void *)'x', coro_var_get_or(var, (void *)'x'));
	EXPECT_EQ(0, coro_var_get(with, &value));
	EXPECT_EQ((void *)'d', value);
	EXPECT_EQ((void *)'x', coro_var_get_or(with, (void *)'x'));
	EXPECT_EQ(NULL, coro_var_get_or(with, NULL));
	EXPECT_EQ(0, coro_var_set(with, NULL, NULL));
	EXPECT_EQ(0, coro_var_get(with, &value));
	EXPECT_EQ(NULL, value);
	EXPECT_EQ(NULL, coro_var_get_or(with, (void *)'x'));
	coro_var_free(with);
	return 0;
}

/* CTX-08 */
TEST_F(context, lookup_takes_value_then_calls_default_then_own)
{
	IN_THREAD(look_up, &destroyed);
}

static long do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static long set_and_free(void *arg)
{
	struct coro_var *mine;

	(void)arg;
	EXPECT_EQ(0, coro_var_new(&mine, "mine", &owning));
	EXPECT_STREQ("mine", coro_var_name(mine));
	EXPECT_EQ(0, coro_var_set(mine, (void *)'m', NULL));
	coro_var_free(mine);
	EXPECT_STREQ("", destroyed.text);
	return 0;
}

/* CTX-10 */
TEST_F(context, values_outlive_their_variable)
{
	IN_THREAD(set_and_free, NULL);
	EXPECT_STREQ("m", destroyed.text);
}

static struct coro_var *others[64];

static long set_many(void *arg)
{
	char *values = arg;
	long i;

	for (i = 0; i < 64; i++)
		EXPECT_EQ(0, coro_var_set(others[i * 29 % 64],
					  values + i * 29 % 64, NULL));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(values + i, coro_var_get_or(others[i], NULL));
	return 0;
}

static long copy_many(void *arg)
{
	struct coro_var_token token[64];
	struct coro *c;
	int i;

	set_many(arg);
	for (i = 0; i < 64; i += 2)
		EXPECT_EQ(0, coro_var_set(others[i], &token, &token[i]));
	c = coro_new(set_many, arg);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	for (i = 0; i < 64; i += 2)
		EXPECT_EQ(0, coro_var_reset(others[i], &token[i]));
	for (i = 0; i < 64; i++)
		EXPECT_EQ((char *)arg + i, coro_var_get_or(others[i], NULL));
	return 0;
}

/* CTX-01, CTX-07 */
TEST_F(context, any_number_of_variables_is_kept_apart)
{
	char values[64];
	int i;

	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, coro_var_new(&others[i], NULL, NULL));
	EXPECT_EQ(0, coro_run(copy_many, values));
	for (i = 0; i < 64; i++)
		coro_var_free(others[i]);
}

static void set_once_more(void *value)
{
	destroy(value);
	if (destroyed.nr == 1)
		set((char)((intptr_t)value + 1));
}

static long set_for_the_end(void *arg)
{
	return coro_var_set(arg, (void *)'e', NULL);
}

/* CTX-10 */
TEST_F(context, what_a_destructor_sets_at_the_end_of_a_thread_is_destroyed)
{
	const struct coro_var_opts opts = {
		.size = sizeof(opts),
		.destroy = set_once_more,
	};
	struct coro_var *stubborn;

	ASSERT_EQ(0, coro_var_new(&stubborn, NULL, &opts));
	IN_THREAD(set_for_the_end, stubborn);
	EXPECT_STREQ("ef", destroyed.text);
	coro_var_free(stubborn);
}

static long look_in_child(void *arg)
{
	(void)arg;
	return get() != 'p' || coro_run(do_nothing, NULL);
}

static long fork_with_value(void *arg)
{
	set('p');
	return in_child(look_in_child, arg);
}

/* CTX-01: of a process as well. */
TEST_F(context, child_of_fork_starts_with_its_parents_context)
{
	IN_THREAD(fork_with_value, NULL);
	EXPECT_STREQ("p", destroyed.text);
}

/* CTX-08 */
TEST_F(context, misuse_is_refused)
{
	struct coro_var_opts small = { .size = 1 };
	struct coro_context *ctx = NULL;
	struct coro_var *v = NULL;
	void *value;

	EXPECT_EQ(-EINVAL, coro_var_new(NULL, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_var_new(&v, NULL, &small));
	EXPECT_EQ(NULL, v);
	EXPECT_EQ(-EINVAL, coro_var_get(NULL, &value));
	EXPECT_EQ(-EINVAL, coro_var_get(var, NULL));
	EXPECT_EQ(-EINVAL, coro_var_set(NULL, NULL, NULL));
	EXPECT_EQ((void *)'x', coro_var_get_or(NULL, (void *)'x'));
	EXPECT_EQ(-EINVAL, coro_context_new(NULL));
	EXPECT_EQ(-EINVAL, coro_context_copy(NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_context_run(NULL, do_nothing, NULL, NULL));
	ASSERT_EQ(0, coro_context_new(&ctx));
	EXPECT_EQ(-EINVAL, coro_context_run(ctx, NULL, NULL, NULL));
	coro_context_put(ctx);
	coro_context_put(NULL);
	coro_var_free(NULL);
	EXPECT_STREQ("", coro_var_name(plain));
}

TEST_HARNESS_MAIN
