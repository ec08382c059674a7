/* SPDX-License-Identifier: MIT */
/* The variables of a test of contexts, and which values were destroyed. */
#ifndef CORO_SELFTESTS_LIB_CONTEXT_H
#define CORO_SELFTESTS_LIB_CONTEXT_H

#include "lib_common.h"

FIXTURE(context){};

/* Of the running test: with a destructor that tells, and a plain one. */
static struct coro_var *var, *plain;
static struct trace destroyed;

static void destroy(void *value)
{
	trace_add(&destroyed, (char)(intptr_t)value);
}

static const struct coro_var_opts owning = {
	.size = sizeof(owning),
	.destroy = destroy,
};

FIXTURE_SETUP(context)
{
	bodies_expect(_metadata);
	memset(&destroyed, 0, sizeof(destroyed));
	ASSERT_EQ(0, coro_var_new(&var, "owned", &owning));
	ASSERT_EQ(0, coro_var_new(&plain, NULL, NULL));
}

FIXTURE_TEARDOWN(context)
{
	coro_var_free(var);
	coro_var_free(plain);
	EXPECT_EQ(0, leaked());
}

static void set(char value)
{
	EXPECT_EQ(0, coro_var_set(var, (void *)(intptr_t)value, NULL));
}

/* The current value, '-' for none. */
static char get(void)
{
	void *value = (void *)(intptr_t)'-';
	int err = coro_var_get(var, &value);

	EXPECT_TRUE(err == 0 || (err == -ENOENT && value == (void *)'-'));
	return (char)(intptr_t)value;
}

/* Runs the function in a thread, whose context is empty and ends with it. */
#define IN_THREAD(fn, arg) EXPECT_EQ(0, in_thread(fn, arg))

#endif /* CORO_SELFTESTS_LIB_CONTEXT_H */
