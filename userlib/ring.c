// SPDX-License-Identifier: MIT
/* A loop's ring: operations go in, completions come out, and nothing is lost between. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>

#include "annotate.h"
#include "doorbell.h"
#include "ferry.h"
#include "handoff.h"
#include "pool.h"
#include "sched.h"
#include "sim.h"

#define CORO__SQ_ENTRIES 256
#define CORO__CQ_ENTRIES 4096
/* Waits are cut to this, so that no sum overflows in the kernel. */
#define CORO__LONGEST_WAIT (INT64_C(86400) * CORO_SEC)
/* A cancel that found nothing is tried again after this, then twice that, and so on. */
#define CORO__AGAIN (CORO_MSEC / 10)
#define CORO__AGAIN_DOUBLED 13
/* In user_data, beside an operation's address: it is that of its cancel. */
#define CORO__CANCEL 1U

static bool coro__ring_knows(struct coro__loop *loop, int opcode)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&loop->ring);
	bool knows = probe && io_uring_opcode_supported(probe, opcode);

	io_uring_free_probe(probe);
	return knows;
}

static int coro__ring_open(struct coro__loop *loop, struct io_uring_params *p,
			   unsigned int flags)
{
	const struct coro_loop_opts *o = &loop->opts;
	unsigned int sq = o->sq_entries ? o->sq_entries : CORO__SQ_ENTRIES;
	int err = coro__fault(CORO_FAULT_SYSCALL);

	memset(p, 0, sizeof(*p));
	p->flags = flags | IORING_SETUP_CQSIZE;
	p->cq_entries = o->cq_entries ? o->cq_entries : CORO__CQ_ENTRIES;
	if (p->cq_entries < sq)
		p->cq_entries = sq;
	return err ? err : io_uring_queue_init_params(sq, &loop->ring, p);
}

/* One that any thread can drive, as none of them submits. */
static int coro__ring_open_shared(struct coro__loop *loop,
				  struct io_uring_params *p)
{
	int err = coro__ring_open(loop, p, IORING_SETUP_SUBMIT_ALL);

	if (err)
		return err;
	err = coro__ferry_new(&loop->thread->ferry, &loop->ring);
	if (err)
		io_uring_queue_exit(&loop->ring);
	return err;
}

int coro__ring_init(struct coro__loop *loop)
{
	/* Best first: 6.1, 5.19, any. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			IORING_SETUP_SUBMIT_ALL,
		0,
	};
	struct io_uring_params p;
	int err = -EINVAL;

	/* Its thread may be one too many: then nobody hands over. */
	if (coro__crew_possible(loop) && !coro__ring_open_shared(loop, &p))
		err = 0;
	for (size_t i = 0; err == -EINVAL && i < sizeof(flags) / sizeof(*flags);
	     i++)
		err = coro__ring_open(loop, &p, flags[i]);
	if (err)
		return err;
	coro__mark_had();
	if (!(p.features & IORING_FEAT_EXT_ARG) ||
	    !(p.features & IORING_FEAT_NODROP)) {
		coro__ring_exit(loop);
		return -EOPNOTSUPP;
	}
	/* Saves a look-up per call of this thread; without it all works. */
	if (!loop->thread->ferry)
		io_uring_register_ring_fd(&loop->ring);
	loop->since_6_7 = coro__ring_knows(loop, CORO__OP_WAITID);
	return 0;
}

void coro__ring_exit(struct coro__loop *loop)
{
	if (loop->thread->ferry)
		coro__ferry_free(loop->thread->ferry);
	loop->thread->ferry = NULL;
	coro__mark_given();
	io_uring_queue_exit(&loop->ring);
}

static struct io_uring_sqe *coro__ring_sqe(struct coro__loop *loop)
{
	struct coro__ferry *f = loop->thread->ferry;
	struct io_uring_sqe *sqe;
	int saved = errno;

	if (f)
		return coro__ferry_sqe(f);
	sqe = io_uring_get_sqe(&loop->ring);
	if (sqe)
		return sqe;
	io_uring_submit(&loop->ring);
	errno = saved;
	return io_uring_get_sqe(&loop->ring);
}

static bool coro__op_push(struct coro__loop *loop, struct coro__op *op)
{
	struct io_uring_sqe *sqe = coro__ring_sqe(loop);

	if (!sqe)
		return false;
	*sqe = *op->sqe;
	op->sqe = NULL;
	io_uring_sqe_set_data(sqe, op);
	loop->inflight++;
	return true;
}

void coro__op_start(struct coro__loop *loop, struct coro__op *op)
{
	op->inflight = true;
	op->cancelled = false;
	op->cancelling = false;
	op->over = false;
	op->unfound = 0;
	list_init(&op->link);
	if (!list_empty(&loop->queued) || !coro__op_push(loop, op))
		list_add_tail(&loop->queued, &op->link);
}

/*
 * A cancel names its operation by address, which the next operation of the same
 * coroutine may have too. It cannot hit that one: an operation is not complete
 * before its cancel is.
 */
static bool coro__op_push_cancel(struct coro__loop *loop, struct coro__op *op)
{
	struct io_uring_sqe *sqe = coro__ring_sqe(loop);

	if (!sqe)
		return false;
	io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)op | CORO__CANCEL);
	op->cancelling = true;
	return true;
}

bool coro__op_cancel(struct coro__loop *loop, struct coro__op *op)
{
	if (op->cancelled)
		return false;
	op->cancelled = true;
	if (op->sqe) {
		list_del(&op->link);
		op->inflight = false;
		return true;
	}
	if (!list_empty(&loop->cancels) || !coro__op_push_cancel(loop, op))
		list_add_tail(&loop->cancels, &op->link);
	return false;
}

static void coro__ring_ask_again(struct coro__loop *loop, struct coro__timer *t)
{
	(void)t;
	while (!list_empty(&loop->unfound)) {
		struct list *first = loop->unfound.next;

		list_del(first);
		list_add_tail(&loop->cancels, first);
	}
}

/*
 * The kernel looks for an operation where those are that wait. One that is on
 * its way there is not found, and would then wait for ever:
 *
 *   loop                      kernel
 *                             A, a read(): the poll fired, a worker is to have it
 *   cancel of A: -ENOENT
 *                             the worker has it, and blocks
 *   cancel of A: -EALREADY    the worker has a signal, A completes with -EINTR
 *
 * Nor does the signal end a worker that only tries: that has the poll wait anew. What
 * cannot be ended at all, as a request that a disk has, is why the delay grows.
 */
static void coro__ring_unfound(struct coro__loop *loop, struct coro__op *op)
{
	int64_t at = coro_after(CORO__AGAIN << op->unfound);

	if (op->unfound < CORO__AGAIN_DOUBLED)
		op->unfound++;
	list_add_tail(&loop->unfound, &op->link);
	if (loop->again.armed && loop->again.deadline_ns <= at)
		return;
	coro__timer_disarm(&loop->timers, &loop->again);
	coro__timer_arm(&loop->timers, &loop->again, at, coro__ring_ask_again);
}

/* What found no room before. Cancels first: they may be what makes room. */
static void coro__ring_refill(struct coro__loop *loop)
{
	while (!list_empty(&loop->cancels)) {
		struct coro__op *op =
			container_of(loop->cancels.next, struct coro__op, link);

		if (!coro__op_push_cancel(loop, op))
			return;
		list_del(&op->link);
	}
	while (!list_empty(&loop->queued)) {
		struct coro__op *op =
			container_of(loop->queued.next, struct coro__op, link);

		if (!coro__op_push(loop, op))
			return;
		list_del(&op->link);
	}
}

static void coro__watch_complete(struct coro__loop *loop, struct coro__op *op,
				 int res, uint32_t flags)
{
	struct coro__watch *watch = container_of(op, struct coro__watch, op);

	(void)flags;
	if (!watch->stopped)
		loop->background--;
	watch->event(loop, watch, res);
	if (!watch->stopped)
		coro__watch_start(loop, watch);
}

void coro__watch_start(struct coro__loop *loop, struct coro__watch *watch)
{
	if (watch->op.inflight)
		return;
	watch->stopped = false;
	watch->op.complete = coro__watch_complete;
	watch->op.sqe = &watch->sqe;
	loop->background++;
	coro__op_start(loop, &watch->op);
}

void coro__watch_stop(struct coro__loop *loop, struct coro__watch *watch)
{
	if (watch->stopped || !watch->op.inflight)
		return;
	/* Now it is one that the loop's end waits for. */
	watch->stopped = true;
	loop->background--;
	coro__op_cancel(loop, &watch->op);
}

/* The last completion of @op, and that of its cancel, have come. */
static void coro__op_end(struct coro__loop *loop, struct coro__op *op, int res,
			 uint32_t flags)
{
	loop->inflight--;
	op->inflight = false;
	list_del(&op->link);
	if (op->unfound && list_empty(&loop->unfound))
		coro__timer_disarm(&loop->timers, &loop->again);
	op->complete(loop, op, res, flags);
}

static void coro__ring_cancelled(struct coro__loop *loop, struct coro__op *op,
				 int res)
{
	op->cancelling = false;
	if (op->over)
		coro__op_end(loop, op, op->res, op->flags);
	else if (res == -ENOENT || res == -EALREADY)
		coro__ring_unfound(loop, op);
}

static void coro__ring_complete(struct coro__loop *loop,
				const struct io_uring_cqe *cqe)
{
	uintptr_t data = (uintptr_t)cqe->user_data;
	struct coro__op *op =
		(struct coro__op *)(data & ~(uintptr_t)CORO__CANCEL);

	if (data & CORO__CANCEL) {
		coro__ring_cancelled(loop, op, cqe->res);
	} else if (cqe->flags & IORING_CQE_F_MORE) {
		op->complete(loop, op, cqe->res, cqe->flags);
	} else if (op->cancelling) {
		op->over = true;
		op->res = cqe->res;
		op->flags = cqe->flags;
	} else {
		coro__op_end(loop, op, cqe->res, cqe->flags);
	}
}

static unsigned int coro__ring_reap(struct coro__loop *loop)
{
	struct io_uring_cqe *cqes[64];
	unsigned int nr, all = 0;

	do {
		nr = io_uring_peek_batch_cqe(&loop->ring, cqes, 64);
		for (unsigned int i = 0; i < nr; i++)
			coro__ring_complete(loop, cqes[i]);
		io_uring_cq_advance(&loop->ring, nr);
		all += nr;
	} while (nr == 64);
	return all;
}

/* The kernel refuses, for want of memory most likely: do not spin meanwhile. */
static void coro__ring_backoff(void)
{
	const struct timespec ts = { .tv_nsec = CORO_MSEC };

	nanosleep(&ts, NULL);
}

/* Submits, and waits for a completion, at most for @ts. */
static int coro__ring_enter(struct coro__loop *loop,
			    struct __kernel_timespec *ts)
{
	struct coro__ferry *f = loop->thread->ferry;
	struct io_uring_cqe *cqe;

	if (!f)
		return io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1,
							ts, NULL);
	coro__ferry_send(f);
	/* What found no room is submitted by nobody if this sleeps. */
	if (!list_empty(&loop->cancels) || !list_empty(&loop->queued))
		return -EAGAIN;
	return io_uring_wait_cqes(&loop->ring, &cqe, 1, ts, NULL);
}

static int coro__ring_wait(struct coro__loop *loop)
{
	struct coro__timer *next = loop->timers.root;
	struct __kernel_timespec ts;
	int64_t left;

	if (coro__fault(CORO_FAULT_SYSCALL))
		return -EINTR;
	if (!next)
		return coro__ring_enter(loop, NULL);
	if (loop->sim) {
		left = coro__sim_patience(loop);
		if (!left)
			return 0;
	} else {
		left = coro_now();
		left = next->deadline_ns > left ? next->deadline_ns - left : 0;
	}
	if (left > CORO__LONGEST_WAIT)
		left = CORO__LONGEST_WAIT;
	ts.tv_sec = left / CORO_SEC;
	ts.tv_nsec = left % CORO_SEC;
	return coro__ring_enter(loop, &ts);
}

/* Submits, and fetches what only a system call brings; none if there is neither. */
static int coro__ring_submit(struct coro__loop *loop)
{
	struct coro__ferry *f = loop->thread->ferry;
	unsigned int flags = IO_URING_READ_ONCE(*loop->ring.sq.kflags) &
			     (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);

	if (f) {
		coro__ferry_send(f);
		return flags ? io_uring_get_events(&loop->ring) : 0;
	}
	if (!io_uring_sq_ready(&loop->ring) && !flags)
		return 0;
	return io_uring_submit_and_get_events(&loop->ring);
}

void coro__loop_poll(struct coro__loop *loop)
{
	bool wait = list_empty(&loop->ready) &&
		    !(loop->lane && coro__lane_look(loop));
	int ret = 0;

	wait = !coro__sched_turn(loop->thread->sched, wait) && wait &&
	       coro__doorbell_lie_down(loop);

	coro__ring_refill(loop);
	if (wait) {
		ret = coro__ring_wait(loop);
		coro__doorbell_get_up(loop);
	} else {
		ret = coro__ring_submit(loop);
	}
	/* EINTR and ETIME are as good as a wake; for EBUSY reaping makes room. */
	if (coro__ring_reap(loop))
		return;
	if (loop->sim && wait && (ret >= 0 || ret == -ETIME))
		coro__sim_jump(loop);
	else if (wait && ret < 0 && ret != -EINTR && ret != -ETIME &&
		 ret != -EBUSY)
		coro__ring_backoff();
}
