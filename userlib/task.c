// SPDX-License-Identifier: MIT
/* A coroutine of a loop: started, parked, woken, cancelled and joined. */
#include <errno.h>

#include "group.h"
#include "handoff.h"
#include "meter.h"
#include "opts.h"
#include "remote.h"
#include "report.h"
#include "sim.h"

/* Waits that may begin one after the other before the others have their turn. */
#define CORO__BUDGET 256

/* Waits until @target ended. */
struct coro__join {
	struct coro__joiner joiner;
	struct coro__wait wait;
	struct coro *target;
};

static void coro__leave_to_loop(struct coro__thread *t);
static bool coro__queue_ready(struct coro__loop *loop, struct coro *task);

/* Out of line: who does not measure pays for no call. */
static __attribute__((noinline)) void
coro__give_marked_turn(struct coro__loop *loop)
{
	coro__meter_mark(loop, loop->thread->task);
	coro__leave_to_loop(loop->thread);
}

/* Lets every other ready coroutine run once. */
static void coro__give_turn(struct coro__loop *loop)
{
	coro__set_suspended(loop->thread->cur, CORO_AWAITS_TURN, 0);
	if (coro__queue_ready(loop, loop->thread->task))
		coro__give_marked_turn(loop);
	else
		coro__leave_to_loop(loop->thread);
}

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
	struct coro__thread *t = coro__thread();
	struct coro__loop *loop = t->loop;

	if (!t->task)
		return -EPERM;
	*ret_loop = loop;
	if (!--loop->budget) {
		coro__give_turn(loop);
		t = loop->thread;
	}
	if (t->sim && coro__sim_fault(t->sim, CORO_FAULT_CANCEL))
		coro__scope_cancel(loop, &t->task->task.root);
	if (!t->task->task.scope->cancelled)
		return 0;
	coro__scope_blame(t->task->task.scope);
	return -ECANCELED;
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

static void coro__wait_expire(struct coro__loop *loop, struct coro__timer *t)
{
	struct coro__wait *w = container_of(t, struct coro__wait, timer);

	w->interrupt(loop, w, -ETIMEDOUT);
}

int coro__park(struct coro__loop *loop, struct coro__wait *w,
	       int64_t deadline_ns, enum coro_awaits kind, uint64_t arg)
{
	struct coro__thread *t = loop->thread;

	w->task = t->task;
	w->task->task.wait = w;
	w->timer.armed = false;
	if (deadline_ns != CORO_NEVER)
		coro__timer_arm(&loop->timers, &w->timer, deadline_ns,
				coro__wait_expire);
	coro__set_suspended(t->cur, kind, arg);
	coro__leave_to_loop(t);
	return w->result;
}

/* Whether its turn is to be measured. */
static bool coro__queue_ready(struct coro__loop *loop, struct coro *task)
{
	list_add_tail(&loop->ready, &task->task.ready);
	return __builtin_expect(!--loop->until_marked, 0);
}

static void coro__make_ready(struct coro__loop *loop, struct coro *task)
{
	if (coro__queue_ready(loop, task))
		coro__meter_mark(loop, task);
}

void coro__task_taken(struct coro__loop *loop)
{
	struct coro__thread *t = loop->thread;
	struct coro *task = t->task;

	if (t->watchdog)
		coro__watchdog_step(t->watchdog, NULL);
	coro__meter_leave(loop);
	coro__doorbell_listen(loop);
	loop->taken = task;
	loop->outside++;
	loop->blocking++;
	task->task.act = t->act;
	task->task.cur = t->cur;
	t->act = NULL;
	t->cur = NULL;
	t->task = NULL;
}

void coro__wake(struct coro__loop *loop, struct coro__wait *w, int result)
{
	coro__timer_disarm(&loop->timers, &w->timer);
	w->result = result;
	w->task->task.wait = NULL;
	coro__set_woken(w->task->task.cur);
	coro__make_ready(loop, w->task);
}

static void coro__task_end(struct coro__loop *loop, struct coro *task)
{
	struct list *joiners = &task->task.joiners;

	coro__place_end(&task->task.place);
	while (!list_empty(joiners)) {
		struct coro__joiner *j =
			container_of(joiners->next, struct coro__joiner, link);

		list_del(&j->link);
		j->told(loop, j);
	}
	if (task->task.starter)
		coro__starter_tell(loop, task,
				   coro__is_error(task->value) ?
					   (int)task->value :
					   -ECHILD,
				   0);
	if (task->task.group)
		coro__group_ended(loop, task->task.group, task);
	coro__scope_del(&task->task.root);
	list_del(&task->task.all);
	coro_put(task);
}

/* After a step that somebody observed. */
static __attribute__((noinline)) void coro__step_ends(struct coro__thread *t,
						      const struct coro *task)
{
	bool measured = coro__meter_step_ends(t->loop, task);

	if (t->watchdog)
		coro__watchdog_step(t->watchdog, NULL);
	t->observed = t->watchdog || measured;
}

/* Jumps into it until it jumps back. */
static inline __attribute__((always_inline)) void
coro__task_enter(struct coro__loop *loop, struct coro *task)
{
	struct coro__thread *t = loop->thread;
	struct coro *cur = task->task.cur;
	int saved_errno = *t->errno_p;
	__u64 sp;

	t->task = task;
	t->act = task->task.act;
	t->cur = cur;
	*t->errno_p = cur->saved_errno;
	__atomic_store_n(&cur->shm->worker, (unsigned int)t->tid,
			 __ATOMIC_RELAXED);
	sp = coro__set_running(cur);
	if (t->watchdog)
		coro__watchdog_step(t->watchdog, task);
	if (coro__arms)
		coro__crew_ready(loop);
	if (__builtin_expect(!!task->task.marked_ns, 0))
		coro__meter_enter(loop, task);
	coro__jump(t, NULL, cur, &t->sp, sp);
	if (t->observed)
		coro__step_ends(t, task);
	t->task = NULL;
	*t->errno_p = saved_errno;
}

/* Until it parks, ends, gives its turn away, or starts another eagerly. */
static void coro__task_step(struct coro__loop *loop, struct coro *task)
{
	if (!task->task.root.cancelled ||
	    task->shm->state != CORO_STATE_CREATED) {
		coro__task_enter(loop, task);
		return;
	}
	if (task->task.dispose)
		task->task.dispose(task->arg);
	coro__close_created(task, -ECANCELED);
}

/* After a step of @task: who has the next one in the same turn, or NULL. */
static struct coro *coro__task_next(struct coro__loop *loop, struct coro *task)
{
	struct coro *next = loop->eager;

	if (next) {
		loop->eager = NULL;
		next->task.spawner = task;
		return next;
	}
	next = task->task.spawner;
	task->task.spawner = NULL;
	if (task->shm->state == CORO_STATE_CLOSED)
		coro__task_end(loop, task);
	/* All of them share a turn, which one can use up. */
	loop->budget += !loop->budget;
	return next;
}

void coro__task_left(struct coro__loop *loop, struct coro *task)
{
	task = coro__task_next(loop, task);
	while (task) {
		coro__task_step(loop, task);
		task = coro__task_next(loop, task);
	}
}

/* Eager starts nest, and are no recursion here. */
void coro__task_run(struct coro__loop *loop, struct coro *task)
{
	loop->budget = CORO__BUDGET;
	coro__task_step(loop, task);
	coro__task_left(loop, task);
}

void coro__task_interrupt(struct coro__loop *loop, struct coro *task, int why)
{
	if (task->task.wait)
		task->task.wait->interrupt(loop, task->task.wait, why);
}

/* Why @c may not become a task below @up; 0 if it may. */
static int coro__startable(struct coro__loop *loop, struct coro *c,
			   const struct coro__scope *up)
{
	struct coro__port *port;

	if (up->cancelled)
		return -ECANCELED;
	if (c->task.loop || coro__get_state(c) != CORO_STATE_CREATED)
		return -EBUSY;
	port = coro__port_of(c);
	if (port && port->exported && c->sched != loop->thread->sched)
		return -EXDEV;
	return 0;
}

static int coro__start(struct coro__loop *loop, struct coro *c,
		       const struct coro__spawn *how)
{
	struct coro__group *group = how->group;
	struct coro__scope *up = group ? &group->timed.scope : &loop->scope;
	struct coro__port *port = coro__port_of(c);
	int err;

	if (group && !group->timed.scope.open)
		return -EPIPE;
	if (group && group->timed.loop != loop)
		return -EXDEV;
	err = how->shield ? 0 : coro__startable(loop, c, up);
	if (!err && how->context)
		err = coro__context_claim(how->context, loop->thread);
	if (err)
		return err;
	c->task = (struct coro__task){
		.loop = loop,
		.key = ++loop->thread->last_key,
		.base = {
			.root = c,
			.sp = &loop->thread->sp,
			.held = 1,
		},
		.act = &c->task.base,
		.cur = c,
		.scope = &c->task.root,
		.group = group,
		.dispose = how->dispose,
	};
	coro__scope_add(&c->task.root, up, c, how->shield);
	if (port && port->cancelled)
		coro__scope_cancel(loop, &c->task.root);
	if (group) {
		group->live++;
		c->task.restarts = group->opts.policy == CORO_POLICY_RESTART;
	}
	coro__place_begin(&c->task.place, how->context, loop->thread);
	list_init(&c->task.joiners);
	list_add_tail(&loop->tasks, &c->task.all);
	coro_get(c);
	return 0;
}

int coro__start_in(struct coro *c, struct coro_context *ctx)
{
	const struct coro__spawn how = { .context = ctx };
	struct coro__loop *loop = coro__thread()->loop;
	int err;

	if (!c)
		return -EINVAL;
	if (!loop)
		return -EPERM;
	err = coro__start(loop, c, &how);
	if (!err)
		coro__make_ready(loop, c);
	return err;
}

CORO__DEFINE1(int, coro_start, struct coro *, c)
{
	return coro__start_in(c, NULL);
}

/* The caller stands still until @c waits or ends, and nobody runs in between. */
static void coro__run_eagerly(struct coro__loop *loop, struct coro *c)
{
	loop->eager = c;
	coro__leave_to_loop(loop->thread);
}

int coro__spawn(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		const struct coro__spawn *how)
{
	struct coro__thread *t = coro__thread();
	struct coro *c;
	int err;

	if (!t->loop || (how->eager && !t->task))
		return -EPERM;
	err = coro__create(&c, fn, arg, how->name, how->origin);
	if (err)
		return err;
	err = coro__start(t->loop, c, how);
	if (err) {
		coro_put(c);
		return err;
	}
	if (how->eager)
		coro__run_eagerly(t->loop, c);
	else
		coro__make_ready(t->loop, c);
	if (ret_coro)
		*ret_coro = c;
	else
		coro_put(c);
	return 0;
}

#undef coro_spawn
int coro_spawn(long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;
	const struct coro__spawn how = {
		.origin = __builtin_return_address(0),
	};

	return coro__spawn(NULL, fn, arg, &how);
}

int coro_spawn_named(long (*fn)(void *arg), void *arg, const char *name)
{
	CORO__ENTRY;
	const struct coro__spawn how = {
		.name = name,
		.origin = __builtin_return_address(0),
	};

	return coro__spawn(NULL, fn, arg, &how);
}

int coro_spawn_opts(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		    const struct coro_spawn_opts *opts)
{
	CORO__ENTRY;
	struct coro__spawn how = { .origin = __builtin_return_address(0) };
	struct coro_spawn_opts o;
	int err;

	err = coro__opts_copy(&o, sizeof(o), opts);
	if (err)
		return err;
	if (o.flags & ~CORO_SPAWN_EAGER)
		return -EINVAL;
	how.name = o.name;
	how.group = coro__group(o.group);
	how.dispose = o.dispose;
	how.context = o.context;
	how.eager = o.flags & CORO_SPAWN_EAGER;
	return coro__spawn(ret_coro, fn, arg, &how);
}

CORO__DEFINE1(int, coro_cancel, struct coro *, c)
{
	if (!c || !c->task.loop)
		return -EINVAL;
	if (coro__get_state(c) == CORO_STATE_CLOSED)
		return -ESRCH;
	if (c->task.loop != coro__thread()->loop)
		return -EXDEV;
	if (c == c->task.loop->main)
		c->task.loop->main_cancels++;
	coro__scope_cancel(c->task.loop, &c->task.root);
	return 0;
}

static void coro__join_interrupt(struct coro__loop *loop, struct coro__wait *w,
				 int why)
{
	struct coro__join *j = container_of(w, struct coro__join, wait);

	list_del(&j->joiner.link);
	coro__wake(loop, w, why);
}

static void coro__join_told(struct coro__loop *loop, struct coro__joiner *j)
{
	coro__wake(loop, &container_of(j, struct coro__join, joiner)->wait, 0);
}

struct coro *coro__joined(const struct coro *c)
{
	const struct coro__wait *w = c->task.loop ? c->task.wait : NULL;

	if (!w || w->interrupt != coro__join_interrupt)
		return NULL;
	return container_of(w, struct coro__join, wait)->target;
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
	struct coro__join j = {
		.wait.interrupt = coro__join_interrupt,
		.joiner.told = coro__join_told,
		.target = c,
	};
	struct coro__loop *loop;
	long value;
	int err;

	if (coro__get_state(c) != CORO_STATE_CLOSED) {
		if (c->task.loop != t->loop)
			return -EXDEV;
		err = coro__wait_begin(&loop);
		if (err)
			return err;
	}
	/* The others may have had a turn, in which it ended. */
	if (c->shm->state != CORO_STATE_CLOSED) {
		if (coro__join_cycle(c, t->task))
			return -EDEADLK;
		list_add_tail(&c->task.joiners, &j.joiner.link);
		err = coro__park(loop, &j.wait, CORO_NEVER, CORO_AWAITS_CONTEXT,
				 c->id);
		if (err)
			return err;
	}
	value = c->value;
	c->task.retrieved = true;
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

CORO__DEFINE1(int, coro_sleep_until, int64_t, deadline_ns)
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
	coro__give_turn(loop);
	return 0;
}

CORO__DEFINE1(int, coro_sleep, int64_t, duration_ns)
{
	return coro_sleep_until(duration_ns > 0 ? coro_after(duration_ns) :
						  INT64_MIN);
}
