// SPDX-License-Identifier: GPL-2.0
/* Figure "await": turns of a loop, and operations of a ring, without a network in the way. */
#define _GNU_SOURCE
#include <coro.h>
#include <liburing.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

#define TASKS 64

/* What a coroutine has to do, how often. */
struct work {
	void (*once)(void);
	long n;
};

static void sleep_once(void)
{
	if (coro_sleep(0))
		abort();
}

static void nop_once(void)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_nop(&sqe);
	if (coro_io_await(&sqe, CORO_NEVER, NULL))
		abort();
}

static long worker(void *arg)
{
	const struct work *w = arg;

	for (long i = 0; i < w->n; i++)
		w->once();
	return 0;
}

static long starter(void *arg)
{
	struct coro *c[TASKS];

	for (int i = 0; i < TASKS; i++) {
		must(!coro_create(&c[i], worker, arg, "worker"), "coro_create");
		must(!coro_start(c[i]), "coro_start");
	}
	for (int i = 0; i < TASKS; i++)
		must(!coro_await_value(c[i], NULL), "coro_await_value");
	return 0;
}

static void run_loop(void (*once)(void), long n)
{
	struct work w = { .once = once, .n = n / TASKS };

	must(!coro_run(starter, &w), "coro_run");
}

static void coro_turns(long n)
{
	run_loop(sleep_once, n);
}

static void coro_nops(long n)
{
	run_loop(nop_once, n);
}

/* As the library makes its ring, see userlib/ring.c. */
static struct io_uring *ring_ready(void)
{
	static struct io_uring ring;
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4096,
	};

	must(!io_uring_queue_init_params(256, &ring, &p), "io_uring_setup");
	must(io_uring_register_ring_fd(&ring) == 1, "io_uring_register");
	return &ring;
}

/* A state machine for each operation: how many are left. */
static void ring_nop(struct io_uring *ring, long *left)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, left);
}

static void ring_nops(long n)
{
	struct io_uring *ring = ring_ready();
	struct io_uring_cqe *cqes[64];
	long left[TASKS];
	int busy = TASKS;
	unsigned int nr;

	for (int i = 0; i < TASKS; i++) {
		left[i] = n / TASKS;
		ring_nop(ring, &left[i]);
	}
	while (busy) {
		io_uring_submit_and_wait(ring, 1);
		nr = io_uring_peek_batch_cqe(ring, cqes, 64);
		for (unsigned int i = 0; i < nr; i++) {
			long *mine = io_uring_cqe_get_data(cqes[i]);

			if (cqes[i]->res)
				abort();
			if (--*mine)
				ring_nop(ring, mine);
			else
				busy--;
		}
		io_uring_cq_advance(ring, nr);
	}
	io_uring_queue_exit(ring);
}

static const struct contender turns[] = {
	{ "libcoro", "", coro_turns },
};

static const struct contender nops[] = {
	{ "libcoro", "", coro_nops },
	{ "liburing", "liburing-dev", ring_nops },
};

/* A loop is made and ended in each turn: many steps make that small. */
#define STEP (TASKS * 256L)

static const struct figure figures[] = {
	{ "turn", "coro_sleep(0)", STEP, turns,
	  sizeof(turns) / sizeof(*turns) },
	{ "await", "NOP", STEP, nops, sizeof(nops) / sizeof(*nops) },
};

int main(int argc, char **argv)
{
	return rounds_main(argc, argv, figures,
			   sizeof(figures) / sizeof(*figures));
}
