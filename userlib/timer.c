// SPDX-License-Identifier: MIT
/* Timers of a loop: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986). */
#define _GNU_SOURCE
#include "timer.h"

#include <coro/time.h>
#include <stddef.h>
#include <time.h>

#include "sim.h"

CORO__DEFINE0(int64_t, coro_now)
{
	struct coro__thread *t = coro__thread();
	struct timespec ts;

	if (t->sim) {
		t->now_ns = t->sim->now_ns;
	} else {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		t->now_ns = ts.tv_sec * CORO_SEC + ts.tv_nsec;
	}
	return t->now_ns;
}

CORO__DEFINE1(int64_t, coro_after, int64_t, duration_ns)
{
	int64_t at;

	if (__builtin_add_overflow(coro_now(), duration_ns, &at))
		return CORO_NEVER;
	return at;
}

static bool coro__timer_before(const struct coro__timer *a,
			       const struct coro__timer *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns;
	return a->seq < b->seq;
}

/* Two roots, neither NULL, become one. */
static struct coro__timer *coro__timer_meld(struct coro__timer *a,
					    struct coro__timer *b)
{
	struct coro__timer *top = coro__timer_before(a, b) ? a : b;
	struct coro__timer *sub = top == a ? b : a;

	sub->next = top->child;
	if (sub->next)
		sub->next->prev = sub;
	sub->prev = top;
	top->child = sub;
	top->next = NULL;
	top->prev = top;
	return top;
}

/* Melds siblings in pairs, left to right, then the pairs right to left. */
static struct coro__timer *coro__timer_meld_siblings(struct coro__timer *first)
{
	struct coro__timer *pairs = NULL;
	struct coro__timer *root = NULL;

	while (first) {
		struct coro__timer *a = first;
		struct coro__timer *b = a->next;

		first = b ? b->next : NULL;
		a = b ? coro__timer_meld(a, b) : a;
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct coro__timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		a->prev = a;
		root = root ? coro__timer_meld(root, a) : a;
	}
	return root;
}

void coro__timer_insert(struct coro__timers *heap, struct coro__timer *t)
{
	heap->root = coro__timer_meld(heap->root, t);
}

void coro__timer_remove(struct coro__timers *heap, struct coro__timer *t)
{
	struct coro__timer *sub = coro__timer_meld_siblings(t->child);

	if (t == heap->root) {
		heap->root = sub;
		return;
	}
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next)
		t->next->prev = t->prev;
	if (sub)
		heap->root = coro__timer_meld(heap->root, sub);
}
