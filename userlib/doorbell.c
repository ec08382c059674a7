// SPDX-License-Identifier: MIT
/* The way into a running loop from other threads: an inbox, and a bell for when it sleeps. */
#define _GNU_SOURCE
#include "doorbell.h"
#include "memory.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "annotate.h"
#include "pool.h"

/* What the inbox of a loop that has ended holds; never run. */
static struct coro__note coro__closed;
#define CORO__CLOSED (&coro__closed)

struct coro__call {
	struct coro__note note;
	void (*fn)(void *arg);
	void *arg;
	struct coro__values *values; /* of its caller's context */
};

int coro__doorbell_new(struct coro_loop **ret_loop)
{
	struct coro_loop *l = coro__calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	/* Blocking: of one that is not, some kernels fail the READ with EAGAIN. */
	coro__mark_had();
	err = coro__fault(CORO_FAULT_SYSCALL);
	l->fd = err ? -1 : eventfd(0, EFD_CLOEXEC);
	if (l->fd < 0) {
		err = err ? err : -errno;
		free(l);
		return err;
	}
	l->refs = 1;
	l->forks = coro__forks();
	*ret_loop = l;
	return 0;
}

void coro__doorbell_drop(struct coro_loop *l)
{
	int saved = errno;

	if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL))
		return;
	/* Not close(): see coro__doorbell_ring(). */
	coro__mark_given();
	syscall(SYS_close, l->fd);
	free(l);
	errno = saved;
}

static void coro__doorbell_event(struct coro__loop *loop,
				 struct coro__watch *watch, int res)
{
	/* What it was rung for is in the inbox. */
	(void)loop;
	(void)watch;
	(void)res;
}

void coro__doorbell_listen(struct coro__loop *loop)
{
	struct coro_loop *l = loop->shared;

	if (loop->listens)
		return;
	loop->listens = true;
	io_uring_prep_read(&l->watch.sqe, l->fd, &l->rings, sizeof(l->rings),
			   0);
	l->watch.event = coro__doorbell_event;
	coro__watch_start(loop, &l->watch);
}

/*
 * Of what a caller writes and what the loop writes, one sees the other's:
 *
 *	caller: inbox = note		loop: asleep = true
 *	caller: asleep? ring		loop: inbox? do not sleep
 *
 * All four are sequentially consistent. With less, both reads could come before
 * both writes, the loop would sleep on a full inbox, and nobody would ring. The
 * bell itself remembers: an eventfd that was written before the READ ends it.
 * selftests/models/doorbell.pml goes through all orders of these.
 */
bool coro__doorbell_ring(struct coro_loop *l)
{
	const uint64_t one = 1;
	int saved = errno;

	if (!coro__doorbell_sleeps(l) ||
	    !__atomic_exchange_n(&l->asleep, false, __ATOMIC_SEQ_CST))
		return false;
	/* Not write(), where pthread_cancel() could end a thread that holds locks. */
	while (syscall(SYS_write, l->fd, &one, sizeof(one)) < 0 &&
	       errno == EINTR)
		;
	errno = saved;
	return true;
}

void coro__doorbell_get_up(struct coro__loop *loop)
{
	/* Late is no harm: that rings in vain. In a pool it is a call that is lost. */
	if (!loop->lane) {
		__atomic_store_n(&loop->shared->asleep, false,
				 __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&loop->shared->asleep, false, __ATOMIC_SEQ_CST);
	coro__lane_get_up(loop->lane);
}

bool coro__doorbell_lie_down(struct coro__loop *loop)
{
	struct coro_loop *l = loop->shared;
	bool idle;

	if (!loop->listens)
		return true;
	__atomic_store_n(&l->asleep, true, __ATOMIC_SEQ_CST);
	idle = !loop->lane || coro__lane_lie_down(loop->lane);
	/* The last holder may have left as well: then nobody is left to ring. */
	if (idle && !__atomic_load_n(&l->inbox, __ATOMIC_SEQ_CST) &&
	    !coro__loop_stuck(loop))
		return true;
	coro__doorbell_get_up(loop);
	return false;
}

bool coro__doorbell_is_closed(const struct coro_loop *l)
{
	return __atomic_load_n(&l->inbox, __ATOMIC_ACQUIRE) == CORO__CLOSED;
}

int coro__post(struct coro_loop *l, struct coro__note *note)
{
	struct coro__note *head = __atomic_load_n(&l->inbox, __ATOMIC_RELAXED);

	do {
		if (head == CORO__CLOSED)
			return -EPIPE;
		note->next = head;
	} while (!__atomic_compare_exchange_n(&l->inbox, &head, note, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	coro__doorbell_ring(l);
	return 0;
}

static void coro__doorbell_empty(struct coro__loop *loop,
				 struct coro__note *leave)
{
	struct coro__note *last, *first = NULL;

	last = __atomic_exchange_n(&loop->shared->inbox, leave,
				   __ATOMIC_ACQ_REL);
	while (last) {
		struct coro__note *note = last;

		last = note->next;
		note->next = first;
		first = note;
	}
	/* What these post has its turn after the ring. */
	while (first) {
		struct coro__note *note = first;

		first = note->next;
		note->run(loop, note);
	}
}

void coro__doorbell_answer(struct coro__loop *loop)
{
	coro__doorbell_empty(loop, NULL);
}

void coro__doorbell_close(struct coro__loop *loop)
{
	/* At once: what posts itself again would never let it get empty. */
	coro__doorbell_empty(loop, CORO__CLOSED);
	if (loop->listens)
		coro__watch_stop(loop, &loop->shared->watch);
	loop->listens = false;
}

void coro__doorbell_abandon(struct coro_loop *l)
{
	__atomic_store_n(&l->inbox, CORO__CLOSED, __ATOMIC_RELEASE);
}

struct coro_loop *coro_loop_self(void)
{
	CORO__ENTRY;
	struct coro__loop *loop = coro__thread()->loop;

	if (!loop)
		return NULL;
	coro__doorbell_listen(loop);
	return loop->shared;
}

struct coro_loop *coro_loop_get(struct coro_loop *l)
{
	CORO__ENTRY;

	coro__doorbell_hold(l);
	__atomic_add_fetch(&l->holders, 1, __ATOMIC_RELAXED);
	return l;
}

void coro_loop_put(struct coro_loop *l)
{
	CORO__ENTRY;

	if (!l)
		return;
	/* Without holders it may be stuck, and must look. */
	if (!__atomic_sub_fetch(&l->holders, 1, __ATOMIC_SEQ_CST) &&
	    l->forks == coro__forks())
		coro__doorbell_ring(l);
	coro__doorbell_drop(l);
}

static void coro__call_run(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__call *call = container_of(note, struct coro__call, note);
	void (*fn)(void *arg) = call->fn;
	void *arg = call->arg;
	struct coro__place *p = &loop->thread->place;
	struct coro__env env = { .values = call->values };
	struct coro__env *outer = p->cur;

	free(call);
	p->cur = &env;
	fn(arg);
	p->cur = outer;
	coro__values_put(env.values);
}

int coro_call_soon(struct coro_loop *l, void (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;
	struct coro__call *call;
	int err;

	if (!l || !fn)
		return -EINVAL;
	/* In a child of fork() this is the parent's. */
	if (l->forks != coro__forks())
		return -EPIPE;
	call = coro__malloc(sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->note.run = coro__call_run;
	call->fn = fn;
	call->arg = arg;
	call->values = coro__place_capture(coro__place_now(coro__thread()));
	err = coro__post(l, &call->note);
	if (err) {
		coro__values_put(call->values);
		free(call);
	}
	return err;
}
