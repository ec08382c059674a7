/* SPDX-License-Identifier: MIT */
/*
 * Reaching coroutines of other threads and other processes.
 *
 * Every coroutine has a mailbox: it takes 64-bit messages with coro_recv(), in
 * the order in which they came, each once. Two things lead there from outside.
 * coro_wake() is for any thread of the process that has a reference to the
 * coroutine. A handle is made by coro_export() and is a capability: what it
 * allows is fixed by its rights. On the device it is a file descriptor, to be
 * inherited or sent over a socket, and its holder can be any process. The
 * portable backend does the same among the threads of one process, and says
 * -EOPNOTSUPP where only the module can do more.
 *
 * A handle outlives its coroutine, which it does not keep: whoever joins later
 * gets the same result. When the process that a coroutine lives in dies, or the
 * thread that made it ends before it, every join gets -EOWNERDEAD and every
 * message -EPIPE. From coro_export() on a coroutine belongs to the thread that
 * made it: no other may drive it, or put it while that thread lives.
 *
 * coro_call_soon() runs a function on the thread of another loop.
 *
 * No deadlock (see coro_run_opts()) is seen while a coroutine of the loop waits
 * in coro_recv(), coro_blocking() or for a handle, while one that was exported with
 * CORO_RIGHT_CANCEL has not ended, or while somebody has a reference to the loop:
 * then it is for others to go on.
 */
#ifndef CORO_REMOTE_H
#define CORO_REMOTE_H

#include <coro/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counted; any thread of the process may use it. */
struct coro_handle;

/**
 * coro_export() - make a handle to a coroutine
 * @c: a coroutine of the calling thread. It may have ended.
 * @rights: CORO_RIGHT_SEND, CORO_RIGHT_JOIN, CORO_RIGHT_CANCEL, together.
 * @ret_handle: the handle, with one reference.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @c or @ret_handle is NULL; no rights, or unknown ones
 * * -EXDEV	 - another thread made @c, or has it in its loop
 * * -ENOMEM	 - no memory
 * * -EMFILE, -ENFILE - device: no file descriptor
 */
int coro_export(struct coro *c, unsigned int rights,
		struct coro_handle **ret_handle);

/**
 * coro_handle_open() - make a handle of a file descriptor that came from elsewhere
 * @ret_handle: the handle, with one reference.
 * @fd: from SCM_RIGHTS, pidfd_getfd(2), or inherited. The handle's on success,
 *	and O_CLOEXEC from then on; still the caller's on error.
 *
 * What the handle allows is in the descriptor. Opens the thread's scheduler if
 * need be.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EOPNOTSUPP - the thread's backend is the portable one
 * * -EBADF	 - @fd is not open
 * * -EINVAL	 - @fd is something else, or @ret_handle is NULL
 * * -ENOMEM, -EMFILE, -ENFILE - no memory; no file descriptor to try it with
 * * others	 - opening the scheduler failed, see coro_thread_init()
 */
int coro_handle_open(struct coro_handle **ret_handle, int fd);

/**
 * coro_handle_fd() - the file descriptor of a handle
 * @h: a handle.
 *
 * To be passed on. It stays the handle's, which closes it at the end.
 *
 * Context: any thread. Does not suspend.
 * Return: the descriptor, which is O_CLOEXEC; -EOPNOTSUPP on the portable
 * backend; -EINVAL if @h is NULL.
 */
int coro_handle_fd(const struct coro_handle *h);

/**
 * coro_handle_restrict() - make a handle that allows less
 * @h: a handle.
 * @rights: CORO_RIGHT_*, of those that @h has.
 * @ret_handle: the new handle, with one reference. @h stays as it is.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @h or @ret_handle is NULL; no rights, or unknown ones
 * * -EBADF	 - @h has not all of them
 * * -ENOMEM	 - no memory
 * * -EMFILE, -ENFILE - device: no file descriptor
 * * -EOWNERDEAD - device: as for coro_handle_join()
 */
int coro_handle_restrict(struct coro_handle *h, unsigned int rights,
			 struct coro_handle **ret_handle);

/**
 * coro_handle_get() - take a reference
 * @h: a handle.
 *
 * Context: any thread. Does not suspend.
 * Return: @h.
 */
struct coro_handle *coro_handle_get(struct coro_handle *h);

/**
 * coro_handle_put() - give a reference back
 * @h: a handle, or NULL for nothing.
 *
 * With the last one the handle is gone, and nothing else changes: the coroutine
 * goes on, and so do other handles to it.
 *
 * Context: any thread. Does not suspend.
 */
void coro_handle_put(struct coro_handle *h);

/**
 * coro_handle_send() - send a message, waiting for room
 * @h: a handle with CORO_RIGHT_SEND; its reference must last through the call.
 * @value: any value.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * A mailbox holds 64 messages on the portable backend, and on the device what
 * the module was told, 64 by default. Those that one sender sends come in that
 * order; several that wait for room may get it in any. After success the message
 * is in the mailbox, which says nothing about whether it will be read.
 *
 * Context: coroutine of a running loop. Suspends if there is no room;
 * cancellation point.
 * Return:
 * * 0		 - sent
 * * -EPIPE	 - the coroutine has ended, or its thread or process
 * * -EBADF	 - @h lacks the right
 * * -ETIMEDOUT	 - @deadline_ns passed; not sent
 * * -ECANCELED	 - the caller was cancelled; not sent
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @h is NULL
 * * -ENOBUFS	 - device: the module's limit of messages of a user is reached
 * * -ENOMEM	 - device: no memory
 */
int coro_handle_send(struct coro_handle *h, uint64_t value,
		     int64_t deadline_ns);

/**
 * coro_handle_try_send() - send a message if there is room
 * @h: a handle with CORO_RIGHT_SEND.
 * @value: any value.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EAGAIN if the mailbox is full; -EPIPE, -EBADF, -EINVAL, -ENOBUFS
 * and -ENOMEM as of coro_handle_send().
 */
int coro_handle_try_send(struct coro_handle *h, uint64_t value);

/**
 * coro_handle_join() - wait for the end of a coroutine
 * @h: a handle with CORO_RIGHT_JOIN; its reference must last through the call.
 * @ret_value: the coroutine's result. May be NULL.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Any number may join, any number of times. However it ended there is a result:
 * CORO_EXIT of one that was dropped before its first step, or that went on
 * yielding when it was dropped.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point: the
 * coroutine of @h is not cancelled.
 * Return:
 * * 0		 - *@ret_value is the result
 * * -EOWNERDEAD - its process died, or its thread ended, before it
 * * -EBADF	 - @h lacks the right
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @h is NULL
 */
int coro_handle_join(struct coro_handle *h, long *ret_value,
		     int64_t deadline_ns);

/**
 * coro_handle_cancel() - ask a coroutine to end
 * @h: a handle with CORO_RIGHT_CANCEL.
 * @reason: what coro_cancel_reason() is to say.
 *
 * As coro_cancel(), when the loop of its thread comes to it. It reaches a
 * coroutine of that loop, and one that such a one awaits inline. What no loop
 * has yet is not entered when a loop gets it; and what is only ever resumed is
 * not reached. While a request is under way further ones change nothing.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - asked
 * * -ESRCH	 - it has ended
 * * -EOWNERDEAD - its process or thread has
 * * -EBADF	 - @h lacks the right
 * * -EINVAL	 - @h is NULL
 * * -ENOMEM	 - device: no memory
 */
int coro_handle_cancel(struct coro_handle *h, uint64_t reason);

/**
 * coro_cancel_reason() - why the calling coroutine is to end
 * @ret_reason: what the last coro_handle_cancel() that reached it said.
 *
 * Context: coroutine. Does not suspend.
 * Return: 0; -ENODATA if none did; -EPERM if not called from a coroutine.
 */
int coro_cancel_reason(uint64_t *ret_reason);

/**
 * coro_recv() - take the next message from the own mailbox
 * @ret_value: the message.
 * @deadline_ns: when to give up, or CORO_NEVER. If it has passed, only a message
 *	that is there is taken.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - *@ret_value is the message
 * * -ETIMEDOUT	 - @deadline_ns passed, and none came
 * * -ECANCELED	 - the caller was cancelled: before the call, or while it
 *		   waited and none came
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @ret_value is NULL
 * * -ENOMEM	 - no memory
 * * -EMFILE, -ENFILE - device, before Linux 6.7: no file descriptor
 */
int coro_recv(uint64_t *ret_value, int64_t deadline_ns);

/**
 * coro_wake() - put a message into the mailbox of a coroutine
 * @c: a coroutine of this process; somebody's reference must last through the
 *	call.
 * @value: any value.
 *
 * What comes before coro_recv() waits for it. References are not counted
 * atomically: take one for another thread in the thread that @c belongs to, and
 * give it back there, with coro_call_soon() for example; or use a handle.
 *
 * Context: any thread of the process. Does not suspend.
 * Return:
 * * 0		 - it is in the mailbox
 * * -EAGAIN	 - the mailbox is full; on the device also a limit of the module
 * * -EPIPE	 - @c has ended; or, once exported, its thread
 * * -EINVAL	 - @c is NULL
 * * -ENOMEM	 - no memory
 */
int coro_wake(struct coro *c, uint64_t value);

/* A loop, as other threads know it. Counted. */
struct coro_loop;

/**
 * coro_loop_self() - the loop of the calling thread
 *
 * Context: any thread. Does not suspend.
 * Return: the loop, valid until its coro_run() returns: take a reference for
 * other threads with coro_loop_get(). NULL if none runs.
 */
struct coro_loop *coro_loop_self(void);

/**
 * coro_loop_get() - take a reference
 * @l: a loop. The reference outlasts it, and does not keep it running.
 *
 * Context: any thread. Does not suspend.
 * Return: @l.
 */
struct coro_loop *coro_loop_get(struct coro_loop *l);

/**
 * coro_loop_put() - give a reference back
 * @l: a loop, or NULL for nothing.
 *
 * Context: any thread. Does not suspend.
 */
void coro_loop_put(struct coro_loop *l);

/**
 * coro_call_soon() - run a function on the thread of a loop
 * @l: the loop; the caller has a reference, or is its thread.
 * @fn: runs between the turns of coroutines, outside of all; must not block. It
 *	may start, cancel, wake and put coroutines.
 * @arg: passed to @fn.
 *
 * @fn runs in a copy of the caller's context, and what it sets there is gone when
 * it returns (coro/context.h). What one thread calls runs in that order. Every call
 * that succeeded runs before the loop's coro_run() returns. Wakes the loop if it
 * sleeps.
 *
 * Context: any thread of the process, not a signal handler. Does not suspend.
 * Return:
 * * 0		 - @fn runs, once
 * * -EPIPE	 - the loop has ended: @fn never runs
 * * -ENOMEM	 - no memory: @fn never runs
 * * -EINVAL	 - @l or @fn is NULL
 */
int coro_call_soon(struct coro_loop *l, void (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif /* CORO_REMOTE_H */
