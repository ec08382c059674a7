/* SPDX-License-Identifier: MIT */
/* A thread that submits what others put into a ring. */
#ifndef CORO_USERLIB_FERRY_H
#define CORO_USERLIB_FERRY_H

#include <liburing.h>
#include <stdbool.h>

/*
 * What the kernel has to do for an operation it does in the task that submitted it,
 * and so never while that sleeps in disk I/O. Threads that may do so at any time leave
 * submitting to one that does nothing else. In the queue of what is to be submitted
 * they write and the kernel reads, in calls of the ferry; completions are theirs.
 *
 * All but the ferry's thread are one at a time, in an order that they see to.
 */
struct coro__ferry;

/*
 * For @ring, of which nobody calls what submits, and whose descriptor and memory outlast
 * it. 0 or a negative errno.
 */
int coro__ferry_new(struct coro__ferry **ret_ferry, struct io_uring *ring);

/*
 * What was sent and not submitted never is. What was submitted goes no further, as
 * after the end of any thread that submits; it is complete at the end of the ring.
 */
void coro__ferry_free(struct coro__ferry *f);

/*
 * The next entry to be filled. If there is none it sends the others, and waits until
 * one is free; NULL if the kernel refuses them. Keeps errno.
 */
struct io_uring_sqe *coro__ferry_sqe(struct coro__ferry *f);

/* Whether some were filled and not sent. */
bool coro__ferry_has(const struct coro__ferry *f);

/* Those that were filled are the ferry's. Does not wait, keeps errno. */
void coro__ferry_send(struct coro__ferry *f);

#endif /* CORO_USERLIB_FERRY_H */
