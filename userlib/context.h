/* SPDX-License-Identifier: MIT */
/* The context that a task or a thread runs in. */
#ifndef CORO_USERLIB_CONTEXT_H
#define CORO_USERLIB_CONTEXT_H

#include <coro/context.h>

struct coro__thread;
struct coro__values;

/*
 * What a context holds. The values are shared with copies, and not changed while
 * they are; NULL for none.
 */
struct coro__env {
	struct coro__values *values;
	uint64_t serial; /* names it in tokens; 0 until one is made */
};

/* A task or a thread: all zeroes is one in an empty context of its own. */
struct coro__place {
	struct coro__env *cur; /* NULL is @own: so the object may be moved */
	struct coro__env own;
	struct coro_context *given; /* a task's, instead of @own; referenced */
};

/* The calling task's, or the calling thread's. */
struct coro__place *coro__place_now(struct coro__thread *t);

static inline struct coro__env *coro__place_env(struct coro__place *p)
{
	return p->cur ? p->cur : &p->own;
}

/* One more user of values that are not NULL. */
void coro__values_share(struct coro__values *values);

/* One less: destroys those that nobody else holds. Nothing for NULL. */
void coro__values_put(struct coro__values *values);

/* What a copy of the context of @p begins with. */
static inline struct coro__values *coro__place_capture(struct coro__place *p)
{
	struct coro__values *values = coro__place_env(p)->values;

	if (values)
		coro__values_share(values);
	return values;
}

/* The thread may use @ctx, until it has released it as often: 0 or -EBUSY. */
int coro__context_claim(struct coro_context *ctx, struct coro__thread *t);
void coro__context_release(struct coro_context *ctx);

/*
 * A new task's, all zeroes: in @ctx, which was claimed for it, or for NULL in a
 * copy of the caller's context.
 */
void coro__place_begin(struct coro__place *p, struct coro_context *ctx,
		       struct coro__thread *t);

/* The task ended, or the thread does. */
void coro__place_drop(struct coro__place *p);

static inline void coro__place_end(struct coro__place *p)
{
	if (p->own.values || p->given)
		coro__place_drop(p);
}

#endif /* CORO_USERLIB_CONTEXT_H */
