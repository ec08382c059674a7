// SPDX-License-Identifier: MIT
/*
 * Coroutines whose loop is handed over wherever they block.
 *
 * As in a function of coro_blocking() the word of the thread says that it may block,
 * while it is in a coroutine's own code. If the kernel puts it to sleep there
 * another thread takes the loop over, and the coroutine is absent: it runs
 * beside the loop, on its stack and its old thread, until it next calls the library.
 *
 *	A, in a coroutine		B, stands by
 *	word = w, blocks		is told that A blocks with w
 *	runs on				w -> w + 1: the loop is its own
 *	calls: w -> w + 1: fails	runs other coroutines
 *	leaves the coroutine's stack,
 *	posts a note, stands by		runs the note: the coroutine is ready
 *
 * The note comes from A's own stack, for B may run the coroutine at once.
 * selftests/models/absent.pml goes through all orders.
 */
#include "entry.h"

#include <errno.h>

#include "annotate.h"
#include "handoff.h"
#include "sched.h"
#include "switch.h"

__thread struct coro__hand *coro__armed;
__thread bool coro__arms;

/* A coroutine that comes back; on its stack. */
struct coro__return {
	struct coro__note note;
	struct coro__wait wait;
	struct coro__absent from;
	struct coro_loop *shared;
};

#ifndef __x86_64__
__attribute__((noinline)) bool coro__is_armed(void)
{
	return coro__armed;
}
#endif

__attribute__((noinline)) void coro__arm(void)
{
	const struct coro__thread *t = coro__lent;
	struct coro__hand *h = coro__hand_self;

	/* Else it is a callback of the loop's, or a function that may block. */
	if (!coro__arms || !t || !t->task || coro__armed)
		return;
	h->armed = h->idle | CORO_WORKER_BLOCKING;
	h->idle = coro__word_next(h->armed);
	coro__armed = h;
	/* Release: who takes over sees all that was done until here. */
	__atomic_store_n(h->word, h->armed, __ATOMIC_RELEASE);
}

static void coro__return_run(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__return *r = container_of(note, struct coro__return, note);

	loop->blocking--;
	loop->outside--;
	coro__wake(loop, &r->wait, 0);
}

/* Plain, for it begins and ends on different stacks as the sanitizers see them. */
static CORO__PLAIN void coro__return_post(void *arg)
{
	struct coro__return *r = arg;

	coro__mark_arrive(&r->from.mark);
	coro__lent = NULL;
	coro__crew_back();
	/* Refused if the loop's caller is gone: then nobody ever runs it. */
	coro__post(r->shared, &r->note);
	coro__crew_relieved();
}

static void coro__return(struct coro__hand *h)
{
	struct coro__return r = { .shared = h->crew->shared,
				  .note.run = coro__return_run };
	struct coro *me;

	coro__crew_absent(h, &r.from);
	me = r.from.cur;
	r.wait.task = r.from.task;
	me->saved_errno = errno;
	coro__set_suspended(me, CORO_AWAITS_TURN, 0);
	coro__mark_return(me, &r.from.mark);
	coro__switch_call(&me->shm->sp, r.from.sp, coro__return_post, &r);
	coro__mark_arrive(&me->mark);
}

__attribute__((noinline)) void coro__disarm(void)
{
	struct coro__hand *h = coro__armed;

	coro__armed = NULL;
	if (!coro__word_swap(h->word, h->armed, h->idle))
		coro__return(h);
}

/* Below the caller's frame and @held, which it keeps. */
static __attribute__((noinline)) void coro__disarm_below(const void *held)
{
	__asm__ volatile("" : : "r"(held) : "memory");
	coro__disarm();
}

/* What @fn left open is below this frame still, for CORO__SCOPE_ABANDON() of the caller. */
CORO__PLAIN long coro__call_armed(coro__fn *fn, void *arg)
{
	const struct coro *c = coro__thread()->cur;
	size_t held;
	long value;

	coro__arm();
	value = fn(arg);
	if (coro__is_armed()) {
		held = coro__scope_held(c, NULL, __builtin_frame_address(0));
		coro__disarm_below(__builtin_alloca(held));
	}
	return value;
}
