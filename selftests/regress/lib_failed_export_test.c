// SPDX-License-Identifier: MIT
/* A coroutine that could not be exported passed its end on to the next one of its stack. */
#include <sys/resource.h>

#include "lib/lib_common.h"

static long nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* With no descriptor left, the device has none for a handle; plain memory needs none. */
static int export_without_room(struct coro *c, struct coro_handle **ret_handle)
{
	struct rlimit old, none;
	int err;

	if (getrlimit(RLIMIT_NOFILE, &old))
		return -errno;
	none = old;
	none.rlim_cur = 0;
	if (setrlimit(RLIMIT_NOFILE, &none))
		return -errno;
	err = coro_export(c, CORO_RIGHT_JOIN, ret_handle);
	setrlimit(RLIMIT_NOFILE, &old);
	return err;
}

TEST(the_next_coroutine_takes_messages)
{
	struct coro_handle *h = NULL;
	struct coro *c = coro_new(nothing, NULL);
	int want = strcmp(coro_backend(), "device") ? 0 : -EMFILE;

	ASSERT_NE(NULL, c);
	EXPECT_EQ(want, export_without_room(c, &h));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	coro_handle_put(h);

	c = coro_new(nothing, NULL);
	ASSERT_NE(NULL, c);
	EXPECT_EQ(0, coro_wake(c, 1));
	coro_put(c);
}

TEST_HARNESS_MAIN
