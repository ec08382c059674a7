/* SPDX-License-Identifier: MIT */
/* Timers of a loop: a pairing heap whose nodes live in those who wait, so that none can fail. */
#ifndef CORO_USERLIB_TIMER_H
#define CORO_USERLIB_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coro__loop;

struct coro__timer {
	/* Its time has come, and it is not armed any more. */
	void (*fire)(struct coro__loop *loop, struct coro__timer *t);
	int64_t deadline_ns;
	uint64_t seq; /* equal deadlines: first come, first served */
	struct coro__timer *child; /* its first */
	struct coro__timer *next; /* sibling */
	struct coro__timer
		*prev; /* sibling, or parent of the first; itself if root */
	bool armed;
};

struct coro__timers {
	struct coro__timer *root; /* the next to expire */
	uint64_t seq;
};

/* What is left of the two below when there are others. */
void coro__timer_insert(struct coro__timers *heap, struct coro__timer *t);
void coro__timer_remove(struct coro__timers *heap, struct coro__timer *t);

/* O(1). @t must not be armed. */
static inline void coro__timer_arm(struct coro__timers *heap,
				   struct coro__timer *t, int64_t deadline_ns,
				   void (*fire)(struct coro__loop *loop,
						struct coro__timer *t))
{
	t->fire = fire;
	t->deadline_ns = deadline_ns;
	t->seq = heap->seq++;
	t->child = NULL;
	t->next = NULL;
	t->prev = t;
	t->armed = true;
	if (heap->root)
		coro__timer_insert(heap, t);
	else
		heap->root = t;
}

/* O(log n) amortised. Nothing if @t is not armed. */
static inline void coro__timer_disarm(struct coro__timers *heap,
				      struct coro__timer *t)
{
	if (!t->armed)
		return;
	t->armed = false;
	if (heap->root == t && !t->child)
		heap->root = NULL;
	else
		coro__timer_remove(heap, t);
}

#endif /* CORO_USERLIB_TIMER_H */
