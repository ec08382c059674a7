/* SPDX-License-Identifier: MIT */
/* What multishot operations share: one operation, one user, two who may leave first. */
#ifndef CORO_USERLIB_STREAM_H
#define CORO_USERLIB_STREAM_H

#include "loop.h"

/*
 * Belongs to its user, until coro__stream_end(). The operation may outlive that,
 * and the user the loop; the last one out destroys it.
 */
struct coro__stream {
	struct coro__op op;
	struct io_uring_sqe sqe;
	struct list all; /* in loop->streams */
	struct coro__loop *loop; /* NULL once the loop has ended */
	struct coro__wait *waiter;
	bool busy; /* somebody is between park and return */
	bool ended; /* the user is done with it */
	/* Gives back what is the loop's, and what nobody will fetch. */
	void (*drain)(struct coro__stream *s);
	void (*destroy)(struct coro__stream *s);
};

void coro__stream_init(struct coro__stream *s, struct coro__loop *loop);

/* Starts the operation anew if it is over and the loop goes on. */
void coro__stream_arm(struct coro__stream *s);

/* Asks the kernel to stop it; completions may still come. */
void coro__stream_stop(struct coro__stream *s);

/* Waits for coro__stream_notify(). 0 or the error of the wait. */
int coro__stream_wait(struct coro__stream *s, int64_t deadline_ns);
void coro__stream_notify(struct coro__stream *s);

/* The user is done: destroyed now, or by who still needs it. */
void coro__stream_end(struct coro__stream *s);

/* To be called last in each completion: destroys a stream that ended. */
void coro__stream_completed(struct coro__stream *s);

/* 0 if the calling coroutine may use @s and nobody else waits in it. */
int coro__stream_usable(struct coro__stream *s);

#endif /* CORO_USERLIB_STREAM_H */
