// SPDX-License-Identifier: MIT
/* The stack of calls that a coroutine deferred to its end. */
#include <coro/defer.h>

#include "coroutine.h"
#include "memory.h"

struct coro__deferred {
	void (*fn)(void *arg);
	void *arg;
};

/* 256 bytes. Only the top one may be empty, so that calls at its edge cost no memory. */
struct coro__defers {
	struct coro__defers *below;
	size_t depth; /* calls in those below */
	size_t nr;
	struct coro__deferred calls[14];
};

static size_t coro__defer_depth(const struct coro *c)
{
	return c->defers ? c->defers->depth + c->defers->nr : 0;
}

/* There is at least one call. */
static struct coro__deferred coro__defer_pop(struct coro *c)
{
	struct coro__defers *top = c->defers;

	if (!top->nr) {
		c->defers = top->below;
		free(top);
		top = c->defers;
	}
	return top->calls[--top->nr];
}

/* A call may defer, run and cancel others: so look anew after each. */
static void coro__defer_unwind(struct coro *c, size_t depth)
{
	while (coro__defer_depth(c) > depth) {
		struct coro__deferred call = coro__defer_pop(c);

		call.fn(call.arg);
	}
}

void coro__defers_end(struct coro *c)
{
	coro__defer_unwind(c, 0);
	while (c->defers) {
		struct coro__defers *top = c->defers;

		c->defers = top->below;
		free(top);
	}
}

int coro_defer(void (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;
	struct coro__defers *top;

	if (!c)
		return -EPERM;
	if (!fn)
		return -EINVAL;
	top = c->defers;
	if (!top || top->nr == sizeof(top->calls) / sizeof(top->calls[0])) {
		top = coro__malloc(sizeof(*top));
		if (!top)
			return -ENOMEM;
		top->below = c->defers;
		top->depth = coro__defer_depth(c);
		top->nr = 0;
		c->defers = top;
	}
	top->calls[top->nr++] = (struct coro__deferred){ fn, arg };
	return 0;
}

size_t coro_defer_mark(void)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;

	return c ? coro__defer_depth(c) : 0;
}

int coro_defer_release(size_t mark)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;

	if (!c)
		return -EPERM;
	if (mark > coro__defer_depth(c))
		return -EINVAL;
	coro__defer_unwind(c, mark);
	return 0;
}

int coro_defer_run(size_t nr)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;

	if (!c)
		return -EPERM;
	if (nr > coro__defer_depth(c))
		return -EINVAL;
	coro__defer_unwind(c, coro__defer_depth(c) - nr);
	return 0;
}

int coro_defer_cancel(size_t nr)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;

	if (!c)
		return -EPERM;
	if (nr > coro__defer_depth(c))
		return -EINVAL;
	while (nr--)
		coro__defer_pop(c);
	return 0;
}
