// SPDX-License-Identifier: MIT
/* Scopes: where a cancel reaches, and what becomes of it where they are left. */
#include "scope.h"

#include <assert.h>
#include <errno.h>

#include "group.h"
#include "report.h"
#include "sched.h"

static_assert(sizeof(struct coro__timed) <= sizeof(struct coro_scope),
	      "struct coro_scope has no room for what is in it");

/* A coroutine waits in the innermost of its scopes, and fails there. */
static inline __attribute__((always_inline)) void
coro__scope_mark(struct coro__loop *loop, struct coro__scope *s)
{
	s->cancelled = true;
	if (s->task && s->task->task.scope == s) {
		CORO__PROBE(coro_cancel, s->task, s->task->id);
		coro__task_interrupt(loop, s->task, -ECANCELED);
	}
}

static bool coro__scope_enters(const struct coro__scope *s)
{
	return !s->shield && !s->cancelled;
}

/*
 * Depth first without a stack. Nothing that an interrupt does changes the tree:
 * whom it wakes runs later.
 */
void coro__scope_cancel(struct coro__loop *loop, struct coro__scope *s)
{
	struct coro__scope *at = s;
	struct list *next = s->inner.next;

	s->asked = true;
	if (s->cancelled)
		return;
	coro__scope_mark(loop, s);
	for (;;) {
		if (next != &at->inner) {
			struct coro__scope *in =
				container_of(next, struct coro__scope, link);

			next = in->link.next;
			if (coro__scope_enters(in)) {
				coro__scope_mark(loop, in);
				at = in;
				next = at->inner.next;
			}
			continue;
		}
		if (at == s)
			return;
		next = at->link.next;
		at = at->up;
	}
}

void coro__scope_blame(struct coro__scope *s)
{
	for (; s->up && s->cancelled; s = s->up) {
		struct coro__timed *timed =
			container_of(s, struct coro__timed, scope);

		/* Only one in a struct coro_scope is asked to while it is due. */
		if (s->asked && s != &s->task->task.root && timed->due) {
			timed->due = false;
			timed->expired = true;
			return;
		}
		if (s->shield)
			return;
	}
}

/* A coroutine's stack ends in its object. */
static bool coro__on_stack_of(const struct coro *c, const void *at)
{
	return (uintptr_t)c - (uintptr_t)at < c->sched->space.stack_size;
}

/* Whether the running coroutine is inside @s. */
static inline bool coro__scope_inside(const struct coro *task,
				      const struct coro__scope *s)
{
	const struct coro__scope *in = task->task.scope;

	/* On its stack there are none of those around it. */
	if (coro__on_stack_of(task, s)) {
		while (in != &task->task.root && in != s)
			in = in->up;
	} else {
		while (in && in != s)
			in = in->up;
	}
	return in == s;
}

static void coro__timed_expire(struct coro__loop *loop, struct coro__timer *t)
{
	struct coro__timed *s = container_of(t, struct coro__timed, timer);

	if (s->scope.asked)
		return;
	s->expired = true;
	coro__scope_cancel(loop, &s->scope);
}

static void coro__timed_arm(struct coro__timed *s, int64_t deadline_ns)
{
	if (deadline_ns != CORO_NEVER)
		coro__timer_arm(&s->loop->timers, &s->timer, deadline_ns,
				coro__timed_expire);
}

static bool coro__has_passed(const struct coro__thread *t, int64_t deadline_ns)
{
	/* What was computed from coro_now() is no later than this if it has. */
	return deadline_ns <= t->now_ns;
}

/* In the running coroutine. */
static inline void coro__timed_enter(struct coro__thread *t,
				     struct coro__timed *s, int64_t deadline_ns,
				     bool shield)
{
	struct coro *task = t->task;

	coro__scope_add(&s->scope, task->task.scope, task, shield);
	task->task.scope = &s->scope;
	s->loop = t->loop;
	s->in = t->cur;
	s->in->open = &s->scope;
	s->timer.armed = false;
	s->expired = false;
	s->deadline_ns = deadline_ns;
	/* Its first wait is to fail, which no timer could see to. */
	s->due = coro__has_passed(t, deadline_ns);
	if (s->due) {
		s->scope.asked = true;
		s->scope.cancelled = true;
	} else {
		coro__timed_arm(s, deadline_ns);
	}
}

inline void coro__timed_leave(struct coro__timed *s)
{
	coro__timer_disarm(&s->loop->timers, &s->timer);
	s->in->open = coro__scope_below(&s->scope);
	s->scope.task->task.scope = s->scope.up;
	coro__scope_del(&s->scope);
	s->scope.open = false;
}

void coro__scope_abandon(struct coro *c, const struct coro__scope *until,
			 void *room)
{
	__asm__ volatile("" : : "r"(room) : "memory");
	while (c->open != until) {
		struct coro__timed *s =
			container_of(c->open, struct coro__timed, scope);

		coro__report(c, CORO_REPORT_SCOPE_OPEN, 0);
		if (s->scope.group)
			coro__group_abandon(s->loop,
					    container_of(s, struct coro__group,
							 timed));
		coro__timed_leave(s);
	}
}

inline long coro__timed_result(struct coro__timed *s, long result)
{
	if (result != -ECANCELED || !s->scope.asked)
		return result;
	/* Whoever says so has met it, as by a spawn that was refused. */
	s->expired |= s->due;
	if (s->scope.up->cancelled && !s->scope.shield)
		return result;
	return s->expired ? -ETIMEDOUT : 0;
}

inline bool coro__timed_innermost(const struct coro__thread *t,
				  const struct coro__timed *s)
{
	return t->task && t->task->task.scope == &s->scope && s->in == t->cur;
}

static inline int coro__scope_begin(struct coro_scope *s, int64_t deadline_ns,
				    bool shield)
{
	struct coro__thread *t = coro__this();

	if (!s)
		return -EINVAL;
	if (!t->task)
		return -EPERM;
	if (coro__scope_inside(t->task, &coro__timed(s)->scope))
		return -EBUSY;
	coro__timed_enter(t, coro__timed(s), deadline_ns, shield);
	return 0;
}

CORO__DEFINE2(int, coro_scope_enter, struct coro_scope *, s, int64_t,
	      deadline_ns)
{
	return coro__scope_begin(s, deadline_ns, false);
}

int coro_scope_shield(struct coro_scope *s, int64_t deadline_ns)
{
	CORO__ENTRY;

	return coro__scope_begin(s, deadline_ns, true);
}

CORO__DEFINE2(long, coro_scope_leave, struct coro_scope *, s, long, result)
{
	const struct coro__thread *t = coro__this();
	struct coro__timed *in = coro__timed(s);

	/* A group's is left when its children have ended. */
	if (!s || !coro__timed_innermost(t, in) || in->scope.group)
		return -EINVAL;
	coro__timed_leave(in);
	return coro__timed_result(in, result);
}

int coro_scope_cancel(struct coro_scope *s)
{
	CORO__ENTRY;
	struct coro__timed *in = coro__timed(s);

	if (!s || !in->scope.open)
		return -EINVAL;
	in->due = false;
	if (!in->scope.asked)
		coro__scope_cancel(in->loop, &in->scope);
	return 0;
}

/* It was given a deadline that has passed. */
static __attribute__((noinline)) int coro__timed_pass(struct coro__timed *s)
{
	/* As in coro__timed_enter(), unless others are inside, who may wait. */
	s->due = !s->scope.group && s->scope.task == s->loop->thread->task;
	s->expired = !s->due;
	coro__scope_cancel(s->loop, &s->scope);
	return 0;
}

int coro_scope_set_deadline(struct coro_scope *s, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__timed *in = coro__timed(s);
	struct coro__loop *loop;

	if (!s || !in->scope.open)
		return -EINVAL;
	if (in->scope.asked)
		return -EALREADY;
	loop = in->loop;
	coro__timer_disarm(&loop->timers, &in->timer);
	in->deadline_ns = deadline_ns;
	if (coro__has_passed(loop->thread, deadline_ns))
		return coro__timed_pass(in);
	coro__timed_arm(in, deadline_ns);
	return 0;
}

int64_t coro_scope_deadline(const struct coro_scope *s)
{
	CORO__ENTRY;

	return coro__timed(s)->deadline_ns;
}

enum coro_scope_state coro_scope_state(const struct coro_scope *s)
{
	CORO__ENTRY;
	const struct coro__timed *in = coro__timed(s);
	bool expired = in->expired;
	bool cancelled = in->scope.asked && !in->due;

	if (in->scope.open)
		return expired	 ? CORO_SCOPE_EXPIRING :
		       cancelled ? CORO_SCOPE_CANCELLING :
				   CORO_SCOPE_ACTIVE;
	return expired	 ? CORO_SCOPE_EXPIRED :
	       cancelled ? CORO_SCOPE_CANCELLED :
			   CORO_SCOPE_LEFT;
}

static int64_t coro__deadline(bool shields)
{
	struct coro__thread *t = coro__thread();
	int64_t at = CORO_NEVER;
	const struct coro__scope *s;

	if (!t->task)
		return at;
	for (s = t->task->task.scope; s; s = s->up) {
		const struct coro__timed *timed =
			container_of(s, struct coro__timed, scope);

		if (s->cancelled)
			return INT64_MIN;
		if (s->up && s != &s->task->task.root &&
		    timed->deadline_ns < at)
			at = timed->deadline_ns;
		if (s->shield && shields)
			break;
	}
	return at;
}

CORO__DEFINE0(int64_t, coro_deadline)
{
	return coro__deadline(true);
}

int64_t coro_deadline_unshielded(void)
{
	CORO__ENTRY;

	return coro__deadline(false);
}

CORO__DEFINE0(int, coro_check)
{
	struct coro__thread *t = coro__thread();

	if (!t->task)
		return -EPERM;
	if (!t->task->task.scope->cancelled)
		return 0;
	coro__scope_blame(t->task->task.scope);
	return -ECANCELED;
}

CORO__PLAIN static long coro__call(long (*fn)(void *arg), void *arg,
				   int64_t deadline_ns, bool shield)
{
	struct coro_scope s;
	struct coro__timed *in = coro__timed(&s);
	long ret;

	if (!fn)
		return -EINVAL;
	ret = coro__scope_begin(&s, deadline_ns, shield);
	if (ret)
		return ret;
	ret = coro__call_own(fn, arg);
	if (__builtin_expect(in->in->open != &in->scope, 0))
		CORO__SCOPE_ABANDON(in->in, &in->scope);
	return coro_scope_leave(&s, ret);
}

CORO__DEFINE3(long, coro_call, coro__fn *, fn, void *, arg, int64_t,
	      deadline_ns)
{
	return coro__call(fn, arg, deadline_ns, false);
}

long coro_call_shielded(long (*fn)(void *arg), void *arg, int64_t deadline_ns)
{
	CORO__ENTRY;

	return coro__call(fn, arg, deadline_ns, true);
}
