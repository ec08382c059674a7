/* SPDX-License-Identifier: MIT */
/* Threads that take a loop over from each other when one of them blocks. */
#ifndef CORO_USERLIB_HANDOFF_H
#define CORO_USERLIB_HANDOFF_H

#include <linux/coro.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "doorbell.h"

struct coro__crew {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct coro__loop *loop; /* of who has it; gone when it is over */
	struct coro_loop *shared; /* with a reference */
	struct coro__thread *thread; /* lent to who has the loop */
	int fd; /* of the scheduler */
	size_t page;
	sigset_t mask; /* of who called coro_run() */
	/* Covered by @lock. */
	struct list hands; /* struct coro__hand.link */
	char *pages; /* of all workers; set once */
	size_t pages_bytes;
	unsigned int refs; /* of each thread, and of who called coro_run() */
	unsigned int nr_hands;
	unsigned int nr_idle; /* who stand by or will; also read without */
	unsigned int nr_away; /* who are in what they were relieved of */
	pthread_t last; /* to have ended, if any has: to be joined */
	bool has_last;
	bool gone; /* who called coro_run(): nobody joins any more */
	pthread_cond_t started;
	struct coro__note end; /* posted if an absent coroutine ends its thread */
	bool always; /* see coro__arm() */
	bool full; /* there can be no more of them before one is back; covered */
	bool fresh; /* nobody has had the loop */
	bool over; /* nobody will have it any more */
	bool lost; /* who had it has ended its thread */
};

/* A coroutine in whose own code its thread blocked, when the loop was taken over. */
struct coro__absent {
	struct coro *task, *cur;
	__u64 sp; /* of the thread's own stack */
	struct coro__mark mark; /* of that */
};

/* One of the threads; on its stack. */
struct coro__hand {
	struct coro__crew *crew;
	struct list link;
	uint32_t id; /* as a worker */
	uint64_t *word; /* in its page */
	uint64_t idle; /* what is there while it does not call */
	uint64_t armed; /* what is there while coro__armed */
	bool away; /* covered by the crew's lock */
	struct coro__absent
		absent; /* set by who took over; covered by the lock */
	unsigned int forks; /* in which process, see coro__forks() */
	sigjmp_buf relieved;
};

extern __thread struct coro__hand *coro__hand_self;

static inline bool coro__word_swap(uint64_t *word, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline uint64_t coro__word_next(uint64_t word)
{
	return (word | (CORO_WORKER_COUNT - 1)) + 1;
}

/* Who stands by or will. Who counts down has the lock. */
static inline unsigned int coro__crew_idle(const struct coro__crew *crew)
{
	return __atomic_load_n(&crew->nr_idle, __ATOMIC_RELAXED);
}

/* Whether @loop can be handed over: its user wants that, and the kernel has it. */
bool coro__crew_possible(const struct coro__loop *loop);

/*
 * Runs the loop, which has been set up, on threads of its own until its first
 * coroutine has ended. The caller waits, and has the loop back. 0, or an error:
 * nothing has run.
 */
int coro__crew_run(struct coro__loop *loop);

/* Whether somebody stands by, or will: what is called now may block. */
bool coro__crew_ready(struct coro__loop *loop);

/* The same of what is there already. @loop may be NULL. */
static inline bool coro__crew_stands(const struct coro__loop *loop)
{
	return loop && loop->crew && coro__crew_idle(loop->crew);
}

/*
 * Calls what may block, by the thread that runs the loop, which meanwhile may become
 * another's. True if it did not; else nothing of it may be touched, and
 * coro__crew_relieved() must follow.
 */
static inline bool coro__crew_call(const struct coro__crew *crew,
				   long (*fn)(void *arg), void *arg,
				   long *ret_value)
{
	struct coro__hand *h = coro__hand_self;
	uint64_t word = h->idle | CORO_WORKER_BLOCKING;

	h->idle = coro__word_next(word);
	coro__lent = NULL;
	/* Release: who takes over sees all that was done until here. */
	__atomic_store_n(h->word, word, __ATOMIC_RELEASE);
	*ret_value = fn(arg);
	if (!coro__word_swap(h->word, word, h->idle))
		return false;
	coro__lent = crew->thread;
	return true;
}

/* Whether all its threads have all of @set blocked, as who called coro_run(). */
bool coro__crew_blocks(const struct coro__crew *crew, const sigset_t *set);

/* Whom @h left the loop in, now that it was taken over. */
void coro__crew_absent(struct coro__hand *h, struct coro__absent *ret_absent);

/*
 * A thread that was relieved has done what it was in, and is about to tell. Of one that has
 * no crew, or is back, nothing.
 */
void coro__crew_back(void);

/* Leaves the stack to where the thread stands by. */
__attribute__((noreturn)) void coro__crew_relieved(void);

#endif /* CORO_USERLIB_HANDOFF_H */
