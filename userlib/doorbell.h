/* SPDX-License-Identifier: MIT */
/* The way into a running loop from other threads: an inbox, and a bell for when it sleeps. */
#ifndef CORO_USERLIB_DOORBELL_H
#define CORO_USERLIB_DOORBELL_H

#include <coro/remote.h>

#include "loop.h"

/* Runs once on the loop's thread, outside of coroutines; its memory lives until then. */
struct coro__note {
	struct coro__note *next;
	void (*run)(struct coro__loop *loop, struct coro__note *note);
};

/*
 * SIGINT, for a loop that asked for it: see interrupt.h. Here, because the stack
 * that the loop is on is gone when its thread exits in a coroutine.
 */
struct coro__interrupt {
	struct coro__note note;
	bool active; /* while the first coroutine runs */
	bool holds; /* has a reference to the loop */
	bool posted; /* by the handler, on any thread */
	bool told; /* the loop ran the note */
};

/* Outlives its loop for as long as somebody has a reference. */
struct coro_loop {
	/* One for the loop, for each holder, and for each thread that runs a job of it. */
	unsigned int refs;
	unsigned int holders; /* users who took a reference: they may call */
	unsigned int forks; /* in which process, see coro__forks() */
	int fd; /* an eventfd */
	struct coro__note *inbox; /* last first, or CORO__CLOSED */
	bool asleep; /* or about to be: whoever clears it rings */
	/* The loop's alone. */
	uint64_t rings; /* what the READ writes */
	struct coro__watch watch;
	struct coro__interrupt interrupt;
};

int coro__doorbell_new(struct coro_loop **ret_loop);
void coro__doorbell_drop(struct coro_loop *l);

static inline void coro__doorbell_hold(struct coro_loop *l)
{
	__atomic_add_fetch(&l->refs, 1, __ATOMIC_RELAXED);
}

/* The loop has ended, or never will: no note is taken any more. */
bool coro__doorbell_is_closed(const struct coro_loop *l);

/* From now on others may post to the loop. Cannot fail. */
void coro__doorbell_listen(struct coro__loop *loop);

/* Runs what others left. */
void coro__doorbell_answer(struct coro__loop *loop);

/* Runs what is left, and refuses what comes. */
void coro__doorbell_close(struct coro__loop *loop);

/* The thread ends, and the loop never did. */
void coro__doorbell_abandon(struct coro_loop *l);

/* Whether the loop may sleep now: if so, it is rung out of it. */
bool coro__doorbell_lie_down(struct coro__loop *loop);

void coro__doorbell_get_up(struct coro__loop *loop);

static inline bool coro__doorbell_sleeps(const struct coro_loop *l)
{
	return __atomic_load_n(&l->asleep, __ATOMIC_SEQ_CST);
}

/* Wakes the loop: false if it did not sleep. What for was written before, SEQ_CST. */
bool coro__doorbell_ring(struct coro_loop *l);

static inline bool coro__doorbell_rang(const struct coro__loop *loop)
{
	return loop->listens &&
	       __atomic_load_n(&loop->shared->inbox, __ATOMIC_RELAXED);
}

/* 0, or -EPIPE: the loop has ended and @note is the caller's. @l stays valid meanwhile. */
int coro__post(struct coro_loop *l, struct coro__note *note);

#endif /* CORO_USERLIB_DOORBELL_H */
