/* SPDX-License-Identifier: MIT */
/*
 * Signals as a stream: a coroutine waits for them as it waits for data.
 *
 * No handler is installed and no disposition changed: what a stream has is
 * blocked in the thread of its loop, stays pending in the kernel until somebody
 * fetches it, and runs no code in signal context. A signal that is sent to the
 * process goes to any thread that does not block it, so a program with several
 * threads blocks what it wants to fetch in all of them: before it makes them,
 * for they inherit it.
 *
 * A loop with CORO_RUN_F_HANDOFF has several threads, whose mask is that of who called
 * coro_run(). So there a stream can have what that one had blocked before, as any
 * program with several threads blocks it, and the mask stays as it is. It is
 * given what is sent to the process, by kill(2) or sigqueue(3). What is sent to
 * a thread, as by raise(3), is pending there and may never be fetched.
 *
 * As everywhere, a signal below SIGRTMIN that is sent again before it was fetched
 * comes once; real-time signals queue.
 *
 * Programs that are started by coro_process_spawn() have no signal blocked. Those
 * that fork() and exec() start inherit the blocked ones, and must see to it
 * themselves. In a child of fork() a stream is of no use, since it belongs to the
 * parent's loop: coro_signals_next() says -EPERM there, and coro_signals_free()
 * gives the child its mask back and does nothing to the parent.
 */
#ifndef CORO_SIGNAL_H
#define CORO_SIGNAL_H

#include <stdint.h>
#include <sys/signalfd.h> /* and sigset_t, in strict C99 too */

#ifdef __cplusplus
extern "C" {
#endif

struct coro_signals;

/**
 * coro_signals_new() - fetch signals as a stream
 * @ret_signals: the stream.
 * @set: which ones; copied.
 *
 * Blocks them in the calling thread, until coro_signals_free(); but not in a loop
 * that can be handed over, where they must have been blocked. Several streams
 * may be there at once. What is in the sets of two goes to who fetches it first.
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @ret_signals or @set is NULL; the set is empty; or it has a
 *		   signal that nobody can wait for: SIGKILL and SIGSTOP, one that
 *		   a fault of the thread raises (SIGBUS, SIGFPE, SIGILL, SIGSEGV),
 *		   or one that the C library keeps for itself
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EOPNOTSUPP - the loop can be handed over (see CORO_RUN_F_HANDOFF), and a signal
 *		   of @set was not blocked in who called coro_run()
 * * -ENOMEM	 - no memory
 * * -EMFILE, -ENFILE - no file descriptor
 */
int coro_signals_new(struct coro_signals **ret_signals, const sigset_t *set);

/**
 * coro_signals_next() - fetch the next signal
 * @s: the stream.
 * @ret_info: who sent it and why, see signalfd(2). May be NULL.
 * @deadline_ns: when to give up, or CORO_NEVER. The stream goes on.
 *
 * Used by one coroutine at a time. A signal that nobody has fetched stays
 * pending, whatever happened to those who waited for it.
 *
 * Context: coroutine of the loop of @s. Suspends if none is pending;
 * cancellation point.
 * Return:
 * * > 0	 - the number of the signal
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled, or the stream freed meanwhile
 * * -EBUSY	 - another coroutine waits here
 * * -EPERM	 - not called from a coroutine of the loop of @s
 * * -ENOMEM	 - the kernel has no memory; the call may be repeated
 */
int coro_signals_next(struct coro_signals *s, struct signalfd_siginfo *ret_info,
		      int64_t deadline_ns);

/**
 * coro_signals_free() - let signals have their effect again
 * @s: the stream, or NULL. Who waits in it gets -ECANCELED.
 *
 * Signals that the stream blocked and no other of the thread has are unblocked.
 * Those of them that are pending were meant for the stream, and are dropped. The
 * end of the loop stops a stream as well, but leaves it to be freed: until then
 * the signals stay blocked.
 *
 * Context: thread of the loop of @s, also after that loop. Does not suspend.
 */
void coro_signals_free(struct coro_signals *s);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SIGNAL_H */
