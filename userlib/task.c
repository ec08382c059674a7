// SPDX-License-Identifier: MIT
/* A coroutine of a loop: started, parked, woken, cancelled and joined. */
#include <errno.h>

#include "remote.h"

/* Waits until @target ended. */
struct coro__join {
	struct coro__wait wait;
	struct coro *target;
	struct list link; /* in target->task.joiners */
};

int coro__wait_begin_uncancelled(struct coro__loop **ret_loop)
{
	struct coro__thread *t = coro__thread();

	if (!t->task)
		return -EPERM;
	*ret_loop = t->loop;
	return 0;
}

int coro__wait_begin(struct coro__loop **ret_loop)
{
	int err = coro__wait_begin_uncancelled(ret_loop);
	struct coro__task *task;

	if (err)
		return err;
	task = &(*ret_loop)->thread->task->task;
	if (task->cancel || (*ret_loop)->closing) {
		task->cancel = 0;
		return -ECANCELED;
	}
	return 0;
}

/* From the running coroutine of the loop back to the loop. */
static void coro__leave_to_loop(struct coro__thread *t)
{
	struct coro__task *task = &t->task->task;
	struct coro *me = t->cur;

	task->act = t->act;
	task->cur = me;
	me->saved_errno = *t->errno_p;
	t->act = NULL;
	t->cur = NULL;
	t->task = NULL;
	coro__jump(t, me, NULL, &me->shm->sp, t->sp);
}

int coro__park(struct coro__loop *loop, struct coro__wait *w,
	       int64_t deadline_ns, enum coro_awaits kind, uint64_t arg)
{
	struct coro__thread *t = loop->thread;

	w->task = t->task;
	w->task->task.wait = w;
	w->timer.armed = false;
	if (deadline_ns != CORO_NEVER)
		coro__timer_arm(&loop->timers, &w->timer, deadline_ns);
	coro__set_suspended(t->cur, kind, arg);
	coro__leave_to_loop(t);
	return w->result;
}

static void coro__make_ready(struct coro__loop *loop, struct coro *task)
{
	list_add_tail(&loop->ready, &task->task.ready);
}

void coro__wake(struct coro__loop *loop, struct coro__wait *w, int result)
{
	coro__timer_disarm(&loop->timers, &w->timer);
	w->result = result;
	w->task->task.wait = NULL;
	w->task->task.told = result == -ECANCELED;
	coro__set_awaits(w->task->task.cur, CORO_AWAITS_TURN, 0);
	coro__make_ready(loop, w->task);
}

static void coro__task_end(struct coro__loop *loop, struct coro *task)
{
	struct list *joiners = &task->task.joiners;

	while (!list_empty(joiners)) {
		struct coro__join *j =
			container_of(joiners->next, struct coro__join, link);

		list_del(&j->link);
		coro__wake(loop, &j->wait, 0);
	}
	list_del(&task->task.all);
	coro_put(task);
}

void coro__task_run(struct coro__loop *loop, struct coro *task)
{
	struct coro__thread *t = loop->thread;
	struct coro *cur = task->task.cur;
	int saved_errno = *t->errno_p;

	if (task->task.cancel && task->shm->state == CORO_STATE_CREATED) {
		coro__close_created(task, task->task.cancel);
		coro__task_end(loop, task);
		return;
	}
	task->task.told = false;
	t->task = task;
	t->act = task->task.act;
	t->cur = cur;
	*t->errno_p = cur->saved_errno;
	cur->shm->worker = (unsigned int)t->tid;
	coro__set_running(cur);
	coro__jump(t, NULL, cur, &t->sp, cur->shm->sp);
	t->task = NULL;
	*t->errno_p = saved_errno;
	if (task->shm->state == CORO_STATE_CLOSED)
		coro__task_end(loop, task);
}

void coro__task_interrupt(struct coro__loop *loop, struct coro *task, int why)
{
	if (task->task.wait)
		task->task.wait->interrupt(loop, task->task.wait, why);
	else if (!task->task.told)
		task->task.cancel = why;
}

int coro_start(struct coro *c)
{
	struct coro__loop *loop = coro__thread()->loop;
	struct coro__port *port;

	if (!c)
		return -EINVAL;
	if (!loop)
		return -EPERM;
	if (loop->closing)
		return -ECANCELED;
	if (c->shm->state != CORO_STATE_CREATED || c->task.loop)
		return -EBUSY;
	port = coro__port_of(c);
	if (port && port->exported && c->sched != loop->thread->sched)
		return -EXDEV;
	c->task = (struct coro__task){
		.loop = loop,
		.base = {
			.root = c,
			.sp = &loop->thread->sp,
			.loop = true,
		},
		.act = &c->task.base,
		.cur = c,
	};
	if (port && port->cancelled)
		c->task.cancel = -ECANCELED;
	list_init(&c->task.joiners);
	list_add_tail(&loop->tasks, &c->task.all);
	coro_get(c);
	coro__make_ready(loop, c);
	return 0;
}

static int coro__spawn(long (*fn)(void *arg), void *arg, const char *name,
		       void *origin)
{
	struct coro *c;
	int err;

	err = coro__create(&c, fn, arg, name, origin);
	if (err)
		return err;
	err = coro_start(c);
	coro_put(c);
	return err;
}

#undef coro_spawn
int coro_spawn(long (*fn)(void *arg), void *arg)
{
	return coro__spawn(fn, arg, NULL, __builtin_return_address(0));
}

int coro_spawn_named(long (*fn)(void *arg), void *arg, const char *name)
{
	return coro__spawn(fn, arg, name, __builtin_return_address(0));
}

int coro_cancel(struct coro *c)
{
	if (!c || !c->task.loop)
		return -EINVAL;
	if (c->shm->state == CORO_STATE_CLOSED)
		return -ESRCH;
	if (c->task.loop != coro__thread()->loop)
		return -EXDEV;
	coro__task_interrupt(c->task.loop, c, -ECANCELED);
	return 0;
}

static void coro__join_interrupt(struct coro__loop *loop, struct coro__wait *w,
				 int why)
{
	struct coro__join *j = container_of(w, struct coro__join, wait);

	list_del(&j->link);
	coro__wake(loop, w, why);
}

/* Whether @c waits, perhaps through others, for @task. */
static bool coro__join_cycle(const struct coro *c, const struct coro *task)
{
	while (c != task) {
		const struct coro__wait *w = c->task.wait;

		if (!w || w->interrupt != coro__join_interrupt)
			return false;
		c = container_of(w, struct coro__join, wait)->target;
	}
	return true;
}

int coro__join(struct coro__thread *t, struct coro *c, long *ret_value)
{
	struct coro__join j = { .wait.interrupt = coro__join_interrupt,
				.target = c };
	struct coro__loop *loop;
	long value;
	int err;

	if (c->shm->state != CORO_STATE_CLOSED) {
		if (c->task.loop != t->loop)
			return -EXDEV;
		err = coro__wait_begin(&loop);
		if (err)
			return err;
		if (coro__join_cycle(c, t->task))
			return -EDEADLK;
		list_add_tail(&c->task.joiners, &j.link);
		c->id_taken = true; /* coro_awaits() tells it */
		err = coro__park(loop, &j.wait, CORO_NEVER, CORO_AWAITS_CONTEXT,
				 c->id);
		if (err)
			return err;
	}
	value = c->value;
	coro_put(c);
	if (ret_value)
		*ret_value = value;
	return 0;
}

static void coro__sleep_interrupt(struct coro__loop *loop, struct coro__wait *w,
				  int why)
{
	coro__wake(loop, w, why == -ETIMEDOUT ? 0 : why);
}

int coro_sleep_until(int64_t deadline_ns)
{
	struct coro__wait w = { .interrupt = coro__sleep_interrupt };
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin(&loop);
	if (err)
		return err;
	if (deadline_ns > coro_now())
		return coro__park(loop, &w, deadline_ns, CORO_AWAITS_TIMER,
				  (uint64_t)deadline_ns);
	coro__set_suspended(loop->thread->cur, CORO_AWAITS_TURN, 0);
	coro__make_ready(loop, loop->thread->task);
	coro__leave_to_loop(loop->thread);
	return 0;
}

int coro_sleep(int64_t duration_ns)
{
	return coro_sleep_until(duration_ns > 0 ? coro_after(duration_ns) :
						  INT64_MIN);
}
