/* SPDX-License-Identifier: MIT */
/* A test of what coroutines wait for: one that waits, and both kinds of objects. */
#ifndef CORO_SELFTESTS_LIB_SYNC_H
#define CORO_SELFTESTS_LIB_SYNC_H

#include "lib_common.h"

/* Tests of @object, each with one that is its thread's and one that is shared. */
#define SYNC_FIXTURE(object)                 \
	FIXTURE(object){};                   \
	FIXTURE_VARIANT(object)              \
	{                                    \
		unsigned int flags;          \
	};                                   \
	FIXTURE_VARIANT_ADD(object, own){    \
		.flags = 0,                  \
	};                                   \
	FIXTURE_VARIANT_ADD(object, shared){ \
		.flags = CORO_SHARED,        \
	};                                   \
	FIXTURE_SETUP(object)                \
	{                                    \
		bodies_expect(_metadata);    \
	}                                    \
	FIXTURE_TEARDOWN(object)             \
	{                                    \
		EXPECT_EQ(0, leaked());      \
	}

/* The coroutine main of a test gets the flags as its argument. */
static inline long run_with(long (*body)(void *arg), unsigned int flags)
{
	return coro_run(body, (void *)(uintptr_t)flags);
}

static inline unsigned int flags_of(void *arg)
{
	return (unsigned int)(uintptr_t)arg;
}

/* A coroutine that waits for @object, then notes its name, then waits once more. */
struct user {
	void *object;
	int (*wait)(void *object, int64_t deadline_ns);
	int (*after)(void *object); /* if it got something */
	struct trace *trace;
	int64_t deadline_ns;
	char name;
	int ret;
	int next;
};

static inline long user_main(void *arg)
{
	struct user *u = arg;

	u->ret = u->wait(u->object, u->deadline_ns);
	if (u->trace)
		trace_add(u->trace, u->name);
	u->next = coro_sleep(0);
	return u->ret >= 0 && u->after ? u->after(u->object) : 0;
}

/* Started, and as far as it comes. */
static inline struct coro *user_start(struct user *u)
{
	struct coro *c = coro_new(user_main, u);

	u->ret = 1;
	u->next = 1;
	EXPECT_EQ(0, coro_start(c));
	coro_sleep(0);
	return c;
}

/* As many turns as a note from one coroutine to another of its loop takes, and more. */
static inline void turns(void)
{
	for (int i = 0; i < 8; i++)
		coro_sleep(0);
}

/* Whether others had a turn since. */
static inline long raise_flag(void *arg)
{
	*(bool *)arg = true;
	return 0;
}

#endif /* CORO_SELFTESTS_LIB_SYNC_H */
