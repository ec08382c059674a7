/* SPDX-License-Identifier: MIT */
/* Coroutines that block outside of the library until another one lets them go. */
#ifndef CORO_SELFTESTS_LIB_GATE_H
#define CORO_SELFTESTS_LIB_GATE_H

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "lib_blocking.h"

/* Whether they may, here: else each gate is open. */
static inline bool hands_over(void)
{
	return strcmp(coro_backend(), "device") == 0 &&
	       !getenv("CORO_TEST_NO_HANDOFF");
}

static inline long run_always(long (*fn)(void *arg), void *arg)
{
	run_flags = CORO_RUN_F_HANDOFF_ALWAYS;
	return run_loop(fn, arg);
}

/* Through a call: the compiler takes the thread of one side of a wait for the other's. */
static NOINLINE pid_t tid_now(void)
{
	__asm__ volatile("");
	return (pid_t)syscall(SYS_gettid);
}

/* What a coroutine blocks at until another one opens it. */
struct gate {
	int fd; /* an eventfd, as a semaphore */
	pid_t opener;
	int opened;
	struct coro *later; /* who opens it, or NULL */
	bool left; /* it is that one's alone */
};

static inline struct gate *gate_init(struct gate *g)
{
	memset(g, 0, sizeof(*g));
	g->fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	return g;
}

static inline void gate_open(struct gate *g)
{
	const uint64_t one = 1;

	__atomic_add_fetch(&g->opened, 1, __ATOMIC_RELAXED);
	EXPECT_EQ(sizeof(one), (size_t)write(g->fd, &one, sizeof(one)));
}

/* Outside of the library. Where nothing is handed over it must be open. */
static inline void gate_read(struct gate *g)
{
	uint64_t count = 0;

	if (!hands_over())
		gate_open(g);
	EXPECT_EQ(sizeof(count), (size_t)read(g->fd, &count, sizeof(count)));
}

static inline void gate_pass(struct gate *g)
{
	gate_read(g);
	EXPECT_LT(0, __atomic_load_n(&g->opened, __ATOMIC_RELAXED));
}

/* Once somebody could have come to it. */
static inline long open_later(void *arg)
{
	struct gate *g = arg;

	coro_sleep(CORO_MSEC);
	gate_open(g);
	g->opener = tid_now();
	if (g->left) {
		close(g->fd);
		free(g);
	}
	return 0;
}

static inline struct gate *gate_begin(struct gate *g)
{
	gate_init(g);
	g->later = coro_new(open_later, g);
	EXPECT_EQ(0, coro_start(g->later));
	return g;
}

static inline void gate_end(struct gate *g)
{
	EXPECT_EQ(0, coro_await(g->later));
	close(g->fd);
}

static inline long pass_gate(void *arg)
{
	struct gate g;

	gate_begin(&g);
	gate_pass(&g);
	gate_end(&g);
	return (long)arg;
}

/* One that is its opener's alone, which has begun: a cancel does not keep it from its end. */
static inline struct gate *gate_begin_left(void)
{
	struct gate *g = gate_begin(malloc(sizeof(*g)));

	coro_put(g->later);
	g->left = true;
	EXPECT_EQ(0, coro_sleep(0));
	return g;
}

/* The same, with no call of the library after it. */
static inline long pass_and_return(void *arg)
{
	gate_read(gate_begin_left());
	return (long)arg;
}

#endif /* CORO_SELFTESTS_LIB_GATE_H */
