/* SPDX-License-Identifier: MIT */
/* What coroutines of the tests of scopes and groups do: return, wait, and clean up. */
#ifndef CORO_SELFTESTS_LIB_SCOPE_H
#define CORO_SELFTESTS_LIB_SCOPE_H

#include "lib_common.h"

static inline long give_arg(void *arg)
{
	return (long)arg;
}

static inline long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static inline long sleep_soon(void *arg)
{
	(void)arg;
	return coro_sleep(SOON_NS);
}

static inline long wait_for_ever(void *arg)
{
	(void)arg;
	return coro_sleep_until(CORO_NEVER);
}

/* Meets the cancel, cleans up in a shield, and returns the argument. */
static inline long clean_up(void *arg)
{
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(0, coro_call_shielded(sleep_soon, NULL, CORO_NEVER));
	return (long)arg;
}

static inline long count_and_sleep(void *arg)
{
	int *count = arg;

	++*count;
	return coro_sleep(SOON_NS);
}

/* The ends that a group told of. */
struct seen {
	int nr;
	long value[16];
};

static inline void note_end(void *arg, struct coro *child, long value)
{
	struct seen *s = arg;

	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(child));
	EXPECT_EQ(NULL, coro_self());
	if (s->nr < 16)
		s->value[s->nr] = value;
	s->nr++;
}

/* A child that is spawned when others have ended. */
struct late {
	struct coro_group *g;
	int ran;
	int err;
};

#endif /* CORO_SELFTESTS_LIB_SCOPE_H */
