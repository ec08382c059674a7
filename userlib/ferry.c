// SPDX-License-Identifier: MIT
/* A thread that submits what others put into a ring. */
#define _GNU_SOURCE
#include "ferry.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "coroutine.h"
#include "memory.h"

struct coro__ferry {
	pthread_t thread;
	int fd;
	unsigned int *head; /* up to where the kernel has read, */
	unsigned int *tail; /* and what is there */
	struct io_uring *ring; /* the owner's: it may be gone before the ferry */
	/* Who sleeps until it is 0: the ferry, and who has found the ring full. */
	unsigned int idle, full;
	bool refused; /* the last call submitted nothing */
	bool stop;
};

/* A system call of its own: no point where pthread_cancel() could end a thread. */
static void coro__ferry_futex(unsigned int *word, int op, unsigned int value)
{
	int saved = errno;

	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
	errno = saved;
}

/*
 * Of what each writes, and reads of the other, one sees the other's:
 *
 *	owner: tail = more		ferry: idle = 1
 *	owner: idle? wake		ferry: tail? do not sleep
 *
 *	owner: full = 1			kernel: head = more; or ferry: refused = true
 *	owner: either? do not sleep	ferry: full? wake
 *
 * All are sequentially consistent, but for the kernel's release of the head, and that
 * the ferry reads by an exchange, behind it. selftests/models/ferry.pml goes through
 * all orders of these.
 */
static void coro__ferry_wake(unsigned int *word)
{
	if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST))
		coro__ferry_futex(word, FUTEX_WAKE, 1);
}

static unsigned int coro__ferry_tail(const struct coro__ferry *f)
{
	return __atomic_load_n(f->tail, __ATOMIC_SEQ_CST);
}

static unsigned int coro__ferry_head(const struct coro__ferry *f)
{
	return __atomic_load_n(f->head, __ATOMIC_SEQ_CST);
}

static bool coro__ferry_stopped(const struct coro__ferry *f)
{
	return __atomic_load_n(&f->stop, __ATOMIC_SEQ_CST);
}

/* The kernel refuses, for want of memory most likely: do not spin meanwhile. */
static void coro__ferry_backoff(void)
{
	const struct timespec ts = { .tv_nsec = CORO_MSEC };

	nanosleep(&ts, NULL);
}

/* Submits what was sent, until there is no more of it. */
static void coro__ferry_carry(struct coro__ferry *f)
{
	unsigned int nr;

	while ((nr = coro__ferry_tail(f) - coro__ferry_head(f)) &&
	       !coro__ferry_stopped(f)) {
		int ret = io_uring_enter((unsigned int)f->fd, nr, 0, 0, NULL);

		__atomic_store_n(&f->refused, ret <= 0, __ATOMIC_SEQ_CST);
		coro__ferry_wake(&f->full);
		if (ret <= 0)
			coro__ferry_backoff();
	}
}

static bool coro__ferry_bored(const struct coro__ferry *f)
{
	return coro__ferry_tail(f) == coro__ferry_head(f) &&
	       !coro__ferry_stopped(f);
}

/* False if it is to end. */
static bool coro__ferry_wait(struct coro__ferry *f)
{
	while (coro__ferry_bored(f)) {
		__atomic_store_n(&f->idle, 1, __ATOMIC_SEQ_CST);
		if (coro__ferry_bored(f))
			coro__ferry_futex(&f->idle, FUTEX_WAIT, 1);
		__atomic_store_n(&f->idle, 0, __ATOMIC_RELAXED);
	}
	return !coro__ferry_stopped(f);
}

static void *coro__ferry_main(void *arg)
{
	coro__thread_begin("coro-submit");
	while (coro__ferry_wait(arg))
		coro__ferry_carry(arg);
	return NULL;
}

static int coro__ferry_start(struct coro__ferry *f)
{
	int err = coro__fault(CORO_FAULT_SYSCALL);
	sigset_t mask, old;

	if (err)
		return err;
	coro__faults_only(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	err = -pthread_create(&f->thread, NULL, coro__ferry_main, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int coro__ferry_new(struct coro__ferry **ret_ferry, struct io_uring *ring)
{
	struct coro__ferry *f = coro__calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->ring = ring;
	f->fd = ring->ring_fd;
	f->head = ring->sq.khead;
	f->tail = ring->sq.ktail;
	err = coro__ferry_start(f);
	if (err) {
		free(f);
		return err;
	}
	*ret_ferry = f;
	return 0;
}

/* pthread_cancel() of the caller has its effect later. */
void coro__ferry_free(struct coro__ferry *f)
{
	int old;

	__atomic_store_n(&f->stop, true, __ATOMIC_SEQ_CST);
	coro__ferry_wake(&f->idle);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_join(f->thread, NULL);
	pthread_setcancelstate(old, NULL);
	free(f);
}

/* Acquires what the kernel has read: those entries are free. */
static bool coro__ferry_is_full(const struct coro__ferry *f)
{
	const struct io_uring_sq *sq = &f->ring->sq;

	return sq->sqe_tail - coro__ferry_head(f) == sq->ring_entries;
}

/* It is worth waiting: the ferry is to make room, and can. */
static bool coro__ferry_is_behind(const struct coro__ferry *f)
{
	return coro__ferry_is_full(f) &&
	       !__atomic_load_n(&f->refused, __ATOMIC_SEQ_CST);
}

/*
 * A ring behind: meanwhile the ferry does what a loop that submits would do itself. If
 * it sleeps in the kernel no completion comes either, as they take its thread, too.
 */
static void coro__ferry_catch_up(struct coro__ferry *f)
{
	coro__ferry_send(f);
	while (coro__ferry_is_behind(f)) {
		__atomic_store_n(&f->full, 1, __ATOMIC_SEQ_CST);
		if (coro__ferry_is_behind(f))
			coro__ferry_futex(&f->full, FUTEX_WAIT, 1);
		__atomic_store_n(&f->full, 0, __ATOMIC_RELAXED);
	}
}

struct io_uring_sqe *coro__ferry_sqe(struct coro__ferry *f)
{
	if (coro__ferry_is_full(f))
		coro__ferry_catch_up(f);
	return coro__ferry_is_full(f) ? NULL : io_uring_get_sqe(f->ring);
}

bool coro__ferry_has(const struct coro__ferry *f)
{
	return f->ring->sq.sqe_tail != coro__ferry_tail(f);
}

void coro__ferry_send(struct coro__ferry *f)
{
	if (!coro__ferry_has(f))
		return;
	__atomic_store_n(f->tail, f->ring->sq.sqe_tail, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&f->idle, __ATOMIC_SEQ_CST))
		coro__ferry_wake(&f->idle);
}
