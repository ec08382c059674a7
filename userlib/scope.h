/* SPDX-License-Identifier: MIT */
/* The tree of scopes of a loop, which knows what is cancelled. */
#ifndef CORO_USERLIB_SCOPE_H
#define CORO_USERLIB_SCOPE_H

#include <coro/scope.h>

#include "list.h"
#include "timer.h"

struct coro;
struct coro__loop;
struct coro__thread;

/*
 * A node: the loop itself, a coroutine of it, or what struct coro_scope holds. A
 * cancel is written into each node that it reaches, so that a wait reads one word.
 */
struct coro__scope {
	struct coro__scope *up; /* NULL: the loop's */
	struct list inner; /* those whose @up it is, first come first */
	struct list link;
	struct coro *task; /* which is inside; NULL: the loop's */
	bool cancelled; /* every wait directly inside fails */
	bool shield;
	bool asked; /* by itself: so it absorbs what comes of it */
	bool group; /* it is a struct coro__group's */
	bool open; /* of a timed one: entered and not left */
};

/* What struct coro_scope is inside. */
struct coro__timed {
	struct coro__scope scope;
	struct coro__loop *loop;
	struct coro *in; /* who entered it: @scope.task, or one that runs in it */
	int64_t deadline_ns;
	struct coro__timer timer;
	bool due; /* was given a deadline that had passed: no wait met it yet */
	bool expired;
} __attribute__((may_alias));

static inline struct coro__timed *coro__timed(const struct coro_scope *s)
{
	return (struct coro__timed *)(uintptr_t)s;
}

/* Puts @s below @up, whose state it inherits unless it is a shield. */
static inline void coro__scope_add(struct coro__scope *s,
				   struct coro__scope *up, struct coro *task,
				   bool shield)
{
	s->up = up;
	s->task = task;
	s->cancelled = up && up->cancelled && !shield;
	s->shield = shield;
	s->asked = false;
	s->group = false;
	s->open = true;
	list_init(&s->inner);
	if (up)
		list_add_tail(&up->inner, &s->link);
	else
		list_init(&s->link);
}

/* For good: what it is linked to is not looked at again. */
static inline void coro__scope_del(struct coro__scope *s)
{
	s->link.prev->next = s->link.next;
	s->link.next->prev = s->link.prev;
}

/* Cancels @s and all that is inside, as far as no shield is between. */
void coro__scope_cancel(struct coro__loop *loop, struct coro__scope *s);

/* A wait in @s met a cancel: the scope whose deadline had passed has expired. */
void coro__scope_blame(struct coro__scope *s);

/* Ends one in the running coroutine. */
void coro__timed_leave(struct coro__timed *s);

/* What comes of @result when @s is left: see coro_scope_leave(). */
long coro__timed_result(struct coro__timed *s, long result);

/* Whether the caller may leave @s: it entered it, and nothing further. */
bool coro__timed_innermost(const struct coro__thread *t,
			   const struct coro__timed *s);

/* Use CORO__SCOPE_ABANDON(). */
void __attribute__((noinline))
coro__scope_abandon(struct coro *c, const struct coro__scope *until,
		    void *room);

#endif /* CORO_USERLIB_SCOPE_H */
