// SPDX-License-Identifier: MIT
/* The loop: takes turns among ready coroutines, until the first of them has ended. */
#include "interrupt.h"
#include "remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "annotate.h"
#include "gen.h"
#include "handoff.h"
#include "meter.h"
#include "opts.h"
#include "pool.h"
#include "process.h"
#include "report.h"
#include "sim.h"

#define CORO__RUN_FLAGS                                \
	(CORO_RUN_F_INTERRUPT | CORO_RUN_F_HANDOFF | \
	 CORO_RUN_F_HANDOFF_ALWAYS | CORO_RUN_F_METER)

static int coro__loop_opts(const struct coro_loop_opts *opts,
			   struct coro_loop_opts *out)
{
	int err = coro__opts_copy(out, sizeof(*out), opts);

	if (err)
		return err;
	if (out->recv_buffers & (out->recv_buffers - 1) ||
	    out->recv_buffers > 32768 || out->flags & ~CORO__RUN_FLAGS)
		return -EINVAL;
	if (out->flags & CORO_RUN_F_HANDOFF_ALWAYS)
		out->flags |= CORO_RUN_F_HANDOFF;
	return 0;
}

static void coro__loop_expire(struct coro__loop *loop)
{
	int64_t now;

	if (!loop->timers.root)
		return;
	now = coro_now();
	while (loop->timers.root && loop->timers.root->deadline_ns <= now) {
		struct coro__timer *t = loop->timers.root;

		coro__timer_disarm(&loop->timers, t);
		t->fire(loop, t);
	}
}

/* Whether others can reach in. The inbox last: who filled it may have left since. */
bool coro__loop_outside(const struct coro__loop *loop)
{
	return loop->outside || loop->lane ||
	       coro__sched_reachable(loop->thread->sched) ||
	       __atomic_load_n(&loop->shared->holders, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&loop->shared->inbox, __ATOMIC_SEQ_CST);
}

bool coro__loop_stuck(const struct coro__loop *loop)
{
	return list_empty(&loop->ready) && loop->inflight == loop->background &&
	       list_empty(&loop->queued) && !loop->timers.root &&
	       !coro__loop_outside(loop);
}

static struct coro *coro__loop_next(const struct coro__loop *loop,
				    const struct list *ready)
{
	return loop->sim ? coro__sim_pick(loop->sim, ready) :
			   container_of(ready->next, struct coro, task.ready);
}

static void coro__loop_round(struct coro__loop *loop)
{
	while (!list_empty(&loop->now)) {
		struct coro *task = coro__loop_next(loop, &loop->now);

		list_del(&task->task.ready);
		coro__task_run(loop, task);
	}
}

static void coro__loop_turn(struct coro__loop *loop)
{
	if (loop->lane)
		coro__lane_answer(loop);
	/* Only those that are ready now: what they wake has its turn after the ring. */
	if (!list_empty(&loop->ready)) {
		list_take(&loop->ready, &loop->now);
		coro__loop_round(loop);
	}
	if (loop->lane)
		coro__lane_turn(loop);
}

/*
 * Main is told first. If it cannot be, as when it waits for the children of a
 * group that do not end, everybody is.
 */
static void coro__loop_unstick(struct coro__loop *loop)
{
	for (struct list *l = loop->tasks.next; l != &loop->tasks; l = l->next)
		coro__report(container_of(l, struct coro, task.all)->task.cur,
			     CORO_REPORT_DEADLOCK, 0);
	coro__task_interrupt(loop, loop->main, -EDEADLK);
	for (struct list *l = loop->tasks.next;
	     l != &loop->tasks && list_empty(&loop->ready); l = l->next) {
		struct coro *task = container_of(l, struct coro, task.all);

		coro__task_interrupt(loop, task, -EDEADLK);
	}
}

/* What is left of a step after the turns. */
static void coro__loop_rest(struct coro__loop *loop)
{
	/* Main ended in this turn: what is left is cancelled before any wait. */
	if (!loop->closing && loop->main->shm->state == CORO_STATE_CLOSED)
		return;
	if (list_empty(&loop->tasks) && loop->inflight == loop->background &&
	    list_empty(&loop->queued))
		return;
	if (coro__loop_stuck(loop))
		coro__loop_unstick(loop);
	coro__loop_poll(loop);
	coro__loop_expire(loop);
}

static void coro__loop_step(struct coro__loop *loop)
{
	if (coro__doorbell_rang(loop))
		coro__doorbell_answer(loop);
	coro__loop_turn(loop);
	coro__loop_rest(loop);
}

/* From the middle of a step on, if somebody else was relieved there. */
void coro__loop_drive(struct coro__loop *loop)
{
	struct coro *task = loop->taken;

	if (task) {
		loop->taken = NULL;
		coro__task_left(loop, task);
		coro__loop_round(loop);
		coro__loop_rest(loop);
	}
	while (loop->main->shm->state != CORO_STATE_CLOSED)
		coro__loop_step(loop);
}

/* Cancels what is left, and waits until the kernel has let go of everything. */
static void coro__loop_end(struct coro__loop *loop)
{
	loop->closing = true;
	if (loop->lane)
		coro__lane_end(loop);
	coro__scope_cancel(loop, &loop->scope);
	/* Before the last task ends, in whose turn nothing else wakes the loop. */
	coro__multishots_stop(loop);
	coro__process_stop(loop);
	do {
		while (!list_empty(&loop->tasks))
			coro__loop_step(loop);
		coro__gens_end(loop);
	} while (!list_empty(&loop->tasks));
	loop->lane = NULL;
	loop->thread->sched->be->remote->end_loop(loop);
	coro__doorbell_close(loop);
	while (loop->inflight || !list_empty(&loop->queued))
		coro__loop_step(loop);
	coro__multishots_detach(loop);
}

static int coro__loop_init(struct coro__loop *loop, struct coro__thread *t,
			   const struct coro_loop_opts *opts)
{
	int err;

	memset(loop, 0, sizeof(*loop));
	loop->thread = t;
	list_init(&loop->ready);
	list_init(&loop->now);
	list_init(&loop->tasks);
	list_init(&loop->queued);
	list_init(&loop->cancels);
	list_init(&loop->unfound);
	list_init(&loop->multishots);
	list_init(&loop->gens);
	coro__scope_add(&loop->scope, NULL, NULL, false);
	coro_now(); /* what it said last may be another run's time */
	list_init(&loop->orphans);
	err = coro__loop_opts(opts, &loop->opts);
	if (!err)
		err = coro__sim_begin(loop);
	if (err)
		return err;
	err = coro__meter_begin(loop);
	if (err)
		goto err_sim;
	err = coro__doorbell_new(&loop->shared);
	if (err)
		goto err_meter;
	err = coro__ring_init(loop);
	if (err)
		goto err_doorbell;
	return 0;
err_doorbell:
	coro__doorbell_drop(loop->shared);
err_meter:
	coro__meter_end(loop);
err_sim:
	coro__sim_end(t);
	return err;
}

static int coro__loop_run(struct coro__loop *loop, long (*fn)(void *arg),
			  void *arg, void *origin, long *ret_value)
{
	int err;

	err = coro__create(&loop->main, fn, arg, "main", origin);
	if (err)
		return err;
	if (loop->opts.flags & CORO_RUN_F_INTERRUPT)
		err = coro__interrupt_begin(loop);
	if (err)
		goto out;
	err = coro__start_in(loop->main, loop->opts.context);
	if (err) {
		coro__interrupt_end(loop->shared);
		goto out;
	}
	loop->thread->sched->be->remote->begin_loop(loop);
	loop->main->task.retrieved = true;
	/* If there can be no threads for it this one runs it. */
	if (loop->thread->ferry)
		coro__crew_run(loop);
	coro__loop_drive(loop);
	coro__interrupt_end(loop->shared);
	coro__loop_end(loop);
	coro__report_failures(loop);
	if (coro__interrupt_ended(loop))
		err = -EINTR;
	else if (ret_value)
		*ret_value = loop->main->value;
out:
	coro_put(loop->main);
	return err;
}

int coro__run(long (*fn)(void *arg), void *arg,
	      const struct coro_loop_opts *opts, void *origin, long *ret_value)
{
	int saved = errno;
	struct coro__thread *t;
	struct coro__loop loop;
	int err;

	if (!fn)
		return -EINVAL;
	coro__report_from_env();
	err = coro__thread_ready(&t);
	if (err)
		return err;
	if (t->loop || t->cur)
		return -EBUSY;
	err = coro__loop_init(&loop, t, opts);
	if (err)
		goto out;
	t->loop = &loop;
	t->shared = loop.shared;
	err = coro__loop_run(&loop, fn, arg, origin, ret_value);
	t->loop = NULL;
	t->shared = NULL;
	while (coro__sched_trim(t->sched))
		;
	coro__buffers_free(&loop);
	coro__ring_exit(&loop);
	coro__doorbell_drop(loop.shared);
	coro__meter_end(&loop);
	coro__sim_end(t);
out:
	errno = saved;
	return err;
}

int coro_run_opts(long (*fn)(void *arg), void *arg,
		  const struct coro_loop_opts *opts, long *ret_value)
{
	CORO__ENTRY;

	return coro__run(fn, arg, opts, __builtin_return_address(0), ret_value);
}

long coro_run(long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;
	long value;
	int err = coro__run(fn, arg, NULL, __builtin_return_address(0), &value);

	return err ? err : value;
}
