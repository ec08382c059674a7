// SPDX-License-Identifier: MIT
/* The process's SIGINT while a loop has it: a handler that posts to the loop, once. */
#define _GNU_SOURCE
#include "interrupt.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

/* Whose the signal is. Taken by coro__interrupt_begin(), given back at the end. */
static struct coro_loop *coro__interrupt_owner;
/* The same until the first signal: who takes it out posts the note. */
static struct coro_loop *coro__interrupt_armed;
/* Threads that are between taking it out and having posted. */
static unsigned int coro__interrupt_posting;
static struct sigaction coro__interrupt_old;

static void coro__interrupt_signal(int sig);

/* Signal safe. Nothing if somebody has changed the disposition since. */
static void coro__interrupt_restore(void)
{
	struct sigaction now;

	if (!sigaction(SIGINT, NULL, &now) &&
	    now.sa_handler == coro__interrupt_signal)
		sigaction(SIGINT, &coro__interrupt_old, NULL);
}

/*
 * Runs on any thread that does not block the signal, perhaps on several at once.
 * The loop's memory stays while one is counted here:
 *
 *	handler: posting++		end: armed = NULL
 *	handler: armed? post it		end: wait until posting is 0
 *
 * The second signal finds nothing armed and the old disposition back: it is sent
 * again, to have its effect when this returns.
 */
static void coro__interrupt_signal(int sig)
{
	struct coro_loop *l;
	int saved = errno;

	__atomic_add_fetch(&coro__interrupt_posting, 1, __ATOMIC_SEQ_CST);
	l = __atomic_exchange_n(&coro__interrupt_armed, NULL, __ATOMIC_SEQ_CST);
	coro__interrupt_restore();
	if (l) {
		__atomic_store_n(&l->interrupt.posted, true, __ATOMIC_RELAXED);
		coro__post(l, &l->interrupt.note);
	}
	__atomic_sub_fetch(&coro__interrupt_posting, 1, __ATOMIC_SEQ_CST);
	if (!l)
		raise(sig);
	errno = saved;
}

static void coro__interrupt_release(struct coro_loop *l)
{
	if (!l->interrupt.holds)
		return;
	l->interrupt.holds = false;
	coro_loop_put(l);
}

static void coro__interrupt_run(struct coro__loop *loop,
				struct coro__note *note)
{
	struct coro__interrupt *in =
		container_of(note, struct coro__interrupt, note);

	/* The first coroutine ended meanwhile, and the signal was sent again. */
	if (!in->active)
		return;
	in->told = true;
	coro_cancel(loop->main);
	/* From now on nobody can end a wait by a signal. */
	coro__interrupt_release(loop->shared);
}

int coro__interrupt_begin(struct coro__loop *loop)
{
	const struct sigaction sa = {
		.sa_handler = coro__interrupt_signal,
		/* Calls of others go on; coroutines have small stacks. */
		.sa_flags = SA_RESTART | SA_ONSTACK,
	};
	struct coro_loop *l = loop->shared;
	struct coro_loop *none = NULL;

	if (!__atomic_compare_exchange_n(&coro__interrupt_owner, &none, l,
					 false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return -EBUSY;
	l->interrupt.note.run = coro__interrupt_run;
	l->interrupt.active = true;
	sigaction(SIGINT, NULL, &coro__interrupt_old);
	/* As in a program that was started in the background: it stays so. */
	if (coro__interrupt_old.sa_handler == SIG_IGN)
		return 0;
	coro__doorbell_listen(loop);
	coro_loop_get(l);
	l->interrupt.holds = true;
	__atomic_store_n(&coro__interrupt_armed, l, __ATOMIC_SEQ_CST);
	sigaction(SIGINT, &sa, NULL);
	return 0;
}

void coro__interrupt_end(struct coro_loop *l)
{
	if (!l->interrupt.active)
		return;
	l->interrupt.active = false;
	coro__interrupt_restore();
	__atomic_store_n(&coro__interrupt_armed, NULL, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&coro__interrupt_posting, __ATOMIC_SEQ_CST))
		sched_yield();
	coro__interrupt_release(l);
	__atomic_store_n(&coro__interrupt_owner, NULL, __ATOMIC_RELEASE);
	/* The first coroutine ended before it heard of it. */
	if (l->interrupt.posted && !l->interrupt.told)
		raise(SIGINT);
}

bool coro__interrupt_ended(const struct coro__loop *loop)
{
	return loop->shared->interrupt.told && loop->main_cancels == 1 &&
	       loop->main->value == -ECANCELED;
}

void coro__interrupt_forked(void)
{
	if (!coro__interrupt_owner)
		return;
	coro__interrupt_restore();
	coro__interrupt_armed = NULL;
	coro__interrupt_owner = NULL;
	coro__interrupt_posting = 0;
}
