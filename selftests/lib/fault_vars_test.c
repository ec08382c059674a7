// SPDX-License-Identifier: MIT
/* Deferred calls, keys and context variables without memory: told, and nothing lost or leaked. */
#include "lib_fault.h"

LIB_FIXTURE(fault_vars)

static int calls;

static void count_call(void *arg)
{
	(void)arg;
	calls++;
}

/* Runs @body of @c in a coroutine; what it returns. */
static long in_coroutine(long (*body)(void *arg), long at)
{
	long value = -EPROTO;
	struct coro *c;

	/* The scheduler's memory is for other tests. */
	c = coro_new(body, (void *)at);
	if (!c || coro_resume(c, 0, &value) != CORO_ENDED)
		value = -EPROTO;
	coro_put(c);
	return value;
}

enum { MANY = 100 };

static long defer_many(void *arg)
{
	int i, done = 0;
	long ret = 0;

	calls = 0;
	fault_arm((long)arg);
	for (i = 0; i < MANY && !ret; i++) {
		ret = coro_defer(count_call, NULL);
		done += !ret;
	}
	fault_disarm();
	if (coro_defer_mark() != (size_t)done)
		return -EPROTO;
	if (ret && coro_defer(count_call, NULL))
		return -EPROTO;
	if (ret)
		done++;
	if (coro_defer_run((size_t)done / 2) || calls != done / 2)
		return -EPROTO;
	return ret;
}

static long act_defer(long at)
{
	return in_coroutine(defer_many, at);
}

/* OBJ-05 */
TEST_F(fault_vars, deferring_fails_with_enomem_and_keeps_what_was_deferred)
{
	EXPECT_LT(1, sweep_run(act_defer, _metadata));
}

static long release_without_memory(void *arg)
{
	int i;

	(void)arg;
	calls = 0;
	for (i = 0; i < MANY; i++)
		coro_defer(count_call, NULL);
	fault_arm(FAULT_ALL);
	EXPECT_EQ(0, coro_defer_cancel(MANY / 2));
	EXPECT_EQ(0, coro_defer_run(MANY / 4));
	return 0;
}

static long end_without_memory(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, in_coroutine(release_without_memory, 0));
	fault_disarm();
	EXPECT_EQ(MANY / 2, calls);
	return 0;
}

/* OBJ-05: what cannot report it must not need memory. */
TEST_F(fault_vars, running_deferred_calls_needs_no_memory)
{
	EXPECT_EQ(0, in_thread(end_without_memory, NULL));
}

static struct coro_key *keys[MANY];

static long set_keys(void *arg)
{
	long ret = 0, i, done = 0;
	void *value;

	calls = 0;
	fault_arm((long)arg);
	for (i = 0; i < MANY && !ret; i++) {
		ret = coro_key_set(keys[i], &keys[i]);
		done += !ret;
	}
	/* What is there can be changed and removed. */
	if (coro_key_set(keys[0], NULL))
		ret = -EPROTO;
	for (i = 1; i < done; i++) {
		if (coro_key_set(keys[i], &keys[i]))
			ret = -EPROTO;
	}
	fault_disarm();
	for (i = 1; i < MANY; i++) {
		if (coro_key_get(keys[i], &value) ||
		    value != (i < done ? &keys[i] : NULL))
			return -EPROTO;
	}
	return ret;
}

static long act_keys(long at)
{
	long ret = 0;
	int i, made;

	fault_arm(at);
	for (made = 0; made < MANY; made++) {
		ret = coro_key_new(&keys[made], count_call);
		if (ret)
			break;
	}
	fault_disarm();
	/* After the keys' own allocations those of the values. */
	if (!ret)
		ret = in_coroutine(set_keys,
				   at > MANY ? at - MANY : FAULT_NONE);
	for (i = 0; i < made; i++)
		coro_key_free(keys[i]);
	return ret;
}

/* OBJ-05 */
TEST_F(fault_vars, keys_fail_with_enomem_and_keep_other_values)
{
	EXPECT_LT(MANY, sweep_run(act_keys, _metadata));
}

static struct coro_var *vars[MANY];

static const struct coro_var_opts counted = {
	.size = sizeof(counted),
	.destroy = count_call,
};

static long make_vars(void)
{
	long ret = 0;
	int i;

	for (i = 0; i < MANY && !ret; i++)
		ret = coro_var_new(&vars[i], "var", &counted);
	return ret;
}

static void free_vars(void)
{
	int i;

	for (i = 0; i < MANY; i++) {
		coro_var_free(vars[i]);
		vars[i] = NULL;
	}
}

static long act_vars(long at)
{
	struct coro_context *ctx = NULL;
	long ret;

	fault_arm(at);
	ret = make_vars();
	if (!ret)
		ret = coro_context_new(&ctx);
	fault_disarm();
	coro_context_put(ctx);
	free_vars();
	return ret;
}

/* OBJ-05 */
TEST_F(fault_vars, making_variables_and_contexts_fails_with_enomem)
{
	EXPECT_LT(MANY, sweep_run(act_vars, _metadata));
}

/* Sets all, twice where a copy shares them; says how many are set. */
static long set_vars(struct coro_context **ret_copy, int *ret_sets)
{
	struct coro_var_token token;
	long ret = 0;
	int i;

	for (i = 0; i < MANY && !ret; i++) {
		ret = coro_var_set(vars[i], &vars[i], NULL);
		*ret_sets += !ret;
	}
	if (!ret)
		ret = coro_context_copy(ret_copy, NULL);
	if (!ret)
		ret = coro_var_set(vars[0], NULL, &token);
	if (ret)
		return ret;
	++*ret_sets;
	ret = coro_var_reset(vars[0], &token);
	coro_var_token_drop(&token);
	return ret;
}

static long check_vars(int sets)
{
	int i;

	for (i = 0; i < MANY; i++) {
		void *want = i < sets ? &vars[i] : NULL;

		if (coro_var_get_or(vars[i], NULL) != want)
			return -EPROTO;
	}
	return 0;
}

static long set_in_context(void *arg)
{
	struct coro_context *copy = NULL;
	int sets = 0;
	long ret;

	calls = 0;
	fault_arm((long)arg);
	ret = set_vars(&copy, &sets);
	fault_disarm();
	coro_context_put(copy);
	if (check_vars(sets))
		return -EPROTO;
	/* The one that was reset. */
	return calls == (sets > MANY) ? ret : -EPROTO;
}

static long act_set(long at)
{
	struct coro_context *ctx = NULL;
	long ret, value = -EPROTO;

	ret = make_vars();
	if (!ret)
		ret = coro_context_new(&ctx);
	if (!ret)
		ret = coro_context_run(ctx, set_in_context, (void *)at, &value);
	coro_context_put(ctx);
	free_vars();
	return ret ? ret : value;
}

/* OBJ-05, CTX-10 */
TEST_F(fault_vars, setting_fails_with_enomem_and_changes_nothing)
{
	EXPECT_LT(MANY, sweep_run(act_set, _metadata));
}

static long reset_shared(void *arg)
{
	struct coro_context *copy = NULL;
	struct coro_var_token token;
	long ret;

	if (coro_var_set(vars[0], &vars[0], NULL) ||
	    coro_var_set(vars[0], NULL, &token) ||
	    coro_context_copy(&copy, NULL))
		return -EPROTO;
	fault_arm((long)arg);
	ret = coro_var_reset(vars[0], &token);
	fault_disarm();
	/* The token that failed is good for another try. */
	if (ret &&
	    (coro_var_get_or(vars[0], vars) || coro_var_reset(vars[0], &token)))
		ret = -EPROTO;
	if (coro_var_get_or(vars[0], NULL) != &vars[0])
		ret = -EPROTO;
	coro_context_put(copy);
	return ret;
}

static long act_reset(long at)
{
	struct coro_context *ctx = NULL;
	long value = -EPROTO;

	if (make_vars() || coro_context_new(&ctx) ||
	    coro_context_run(ctx, reset_shared, (void *)at, &value))
		value = -EPROTO;
	coro_context_put(ctx);
	free_vars();
	return value;
}

/* OBJ-05, CTX-07 */
TEST_F(fault_vars, reset_that_fails_can_be_repeated)
{
	EXPECT_LT(0, sweep_run(act_reset, _metadata));
}

static long spawn_without_memory(void *arg)
{
	struct coro *c = coro_new(set_in_context, NULL);
	struct coro_var_token token;

	(void)arg;
	EXPECT_EQ(0, coro_var_set(vars[0], &vars[0], &token));
	fault_arm(FAULT_ALL);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(NULL, coro_var_get_or(vars[1], NULL));
	coro_cancel(c);
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(0, coro_var_reset(vars[0], &token));
	fault_disarm();
	return 0;
}

static long loop_without_memory(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, make_vars());
	EXPECT_EQ(0, coro_run(spawn_without_memory, NULL));
	free_vars();
	return 0;
}

/* OBJ-05, CTX-01 */
TEST_F(fault_vars, capturing_a_context_needs_no_memory)
{
	EXPECT_EQ(0, in_thread(loop_without_memory, NULL));
}

TEST_HARNESS_MAIN
