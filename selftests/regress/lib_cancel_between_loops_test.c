// SPDX-License-Identifier: MIT
/* A cancel by handle while a loop began was posted twice, and its inbox became a ring. */
#include "lib/lib_common.h"

enum { COROUTINES = 4, THREADS = 2, LOOPS = 4000 };
/* A machine that is emulated has fewer loops. */
#define LIMIT_NS (4 * CORO_SEC)

struct cancels {
	struct coro_handle *h[COROUTINES];
	int stop;
};

static void *cancel_all(void *arg)
{
	struct cancels *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < COROUTINES; i++)
			coro_handle_cancel(c->h[i], 1);
	}
	return NULL;
}

static long nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST(loops_begin_while_others_cancel)
{
	struct coro *coro[COROUTINES];
	struct cancels c = { .stop = 0 };
	int64_t end = coro_after(LIMIT_NS);
	pthread_t thread[THREADS];

	for (int i = 0; i < COROUTINES; i++) {
		coro[i] = coro_new(nothing, NULL);
		ASSERT_NE(NULL, coro[i]);
		ASSERT_EQ(0, coro_export(coro[i], CORO_RIGHT_CANCEL, &c.h[i]));
	}
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, cancel_all, &c));
	for (int i = 0; i < LOOPS && coro_now() < end; i++)
		EXPECT_EQ(0, coro_run(nothing, NULL));
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < COROUTINES; i++) {
		coro_put(coro[i]);
		coro_handle_put(c.h[i]);
	}
}

TEST_HARNESS_MAIN
