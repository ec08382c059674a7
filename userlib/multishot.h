/* SPDX-License-Identifier: MIT */
/* What multishot operations share: one operation, one user, two who may leave first. */
#ifndef CORO_USERLIB_MULTISHOT_H
#define CORO_USERLIB_MULTISHOT_H

#include "loop.h"

/*
 * Belongs to its user, until coro__multishot_end(). The operation may outlive
 * that, and the user the loop; the last one out destroys it.
 */
struct coro__multishot {
	struct coro__op op;
	struct io_uring_sqe sqe;
	struct list all; /* in loop->multishots */
	struct coro__loop *loop; /* NULL once the loop has ended */
	struct coro__wait *waiter;
	bool busy; /* somebody is between park and return */
	bool ended; /* the user is done with it */
	/* Gives back what is the loop's, and what nobody will fetch. */
	void (*drain)(struct coro__multishot *m);
	void (*destroy)(struct coro__multishot *m);
};

void coro__multishot_init(struct coro__multishot *m, struct coro__loop *loop);

/* Starts the operation anew if it is over and the loop goes on. */
void coro__multishot_arm(struct coro__multishot *m);

/* Asks the kernel to stop it; completions may still come. */
void coro__multishot_stop(struct coro__multishot *m);

/* Waits for coro__multishot_notify(). 0 or the error of the wait. */
int coro__multishot_wait(struct coro__multishot *m, int64_t deadline_ns);
void coro__multishot_notify(struct coro__multishot *m);

/* The user is done: destroyed now, or by who still needs it. */
void coro__multishot_end(struct coro__multishot *m);

/* To be called last in each completion: destroys one that ended. */
void coro__multishot_completed(struct coro__multishot *m);

/* 0 if the calling coroutine may use @m and nobody else waits in it. */
int coro__multishot_usable(struct coro__multishot *m);

#endif /* CORO_USERLIB_MULTISHOT_H */
