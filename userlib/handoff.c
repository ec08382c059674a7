// SPDX-License-Identifier: MIT
/*
 * Threads that take a loop over from each other when one of them blocks.
 *
 * One of them runs the loop. While it calls a function that may block its word in the
 * kernel's page says so. If the kernel puts it to sleep in there, one that stands by
 * is told, and both try to change that word:
 *
 *	A, in the function		B, stands by
 *	word = w			is told that A blocks with w
 *	w -> w + 1: it runs on		w -> w + 1: fails, stands by
 *
 *	w -> w + 1: fails, posts	w -> w + 1: the loop is its own; the
 *	its result, stands by		caller of the function is parked
 *
 * What belongs to a thread that runs coroutines is lent to whoever has the loop:
 * the struct coro__thread of who called coro_run(), and waits.
 */
#define _GNU_SOURCE
#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "annotate.h"
#include "blocking.h"
#include "device.h"
#include "doorbell.h"
#include "entry.h"
#include "memory.h"

/* One of several that stand by ends when it had nothing to do for so long. */
#define CORO__HAND_IDLE (5 * CORO_SEC)
/* What is on its stack when it calls a function, and more. */
#define CORO__HAND_FRAMES (64U << 10)

/* A thread that begins; on the stack of who waits until it has. */
struct coro__start {
	struct coro__crew *crew;
	int err;
	bool done; /* covered by the crew's lock */
};

__thread struct coro__hand *coro__hand_self;

static void coro__crew_count_idle(struct coro__crew *crew, int change)
{
	__atomic_add_fetch(&crew->nr_idle, (unsigned int)change,
			   __ATOMIC_RELAXED);
}

bool coro__crew_possible(const struct coro__loop *loop)
{
	const struct coro__space *sp = &loop->thread->sched->space;

	return loop->opts.flags & CORO_RUN_F_HANDOFF && !loop->sim &&
	       sp->features & CORO_FEAT_HANDOFF;
}

static void coro__crew_free(struct coro__crew *crew)
{
	if (crew->pages)
		munmap(crew->pages, crew->pages_bytes);
	/* Not close(), where pthread_cancel() could end the thread. */
	syscall(SYS_close, crew->fd);
	coro__doorbell_drop(crew->shared);
	pthread_cond_destroy(&crew->ended);
	pthread_cond_destroy(&crew->started);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}

/* With the lock, which it gives back. */
static void coro__crew_unlock_put(struct coro__crew *crew)
{
	bool last = !--crew->refs;

	pthread_mutex_unlock(&crew->lock);
	if (last)
		coro__crew_free(crew);
}

static int coro__crew_new(struct coro__loop *loop, struct coro__crew **ret_crew)
{
	struct coro__thread *t = loop->thread;
	struct coro__crew *crew = coro__calloc(1, sizeof(*crew));
	int err = coro__fault(CORO_FAULT_SYSCALL);

	if (!crew)
		return -ENOMEM;
	crew->fd = err ? -1 : fcntl(t->sched->space.fd, F_DUPFD_CLOEXEC, 0);
	if (crew->fd < 0) {
		err = err ? err : -errno;
		free(crew);
		return err;
	}
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->ended, NULL);
	pthread_cond_init(&crew->started, NULL);
	list_init(&crew->hands);
	crew->loop = loop;
	crew->thread = t;
	crew->shared = loop->shared;
	coro__doorbell_hold(crew->shared);
	crew->page = t->sched->page_size;
	crew->refs = 1;
	crew->fresh = true;
	crew->always = loop->opts.flags & CORO_RUN_F_HANDOFF_ALWAYS;
	pthread_sigmask(SIG_SETMASK, NULL, &crew->mask);
	*ret_crew = crew;
	return 0;
}

/* With the lock. */
static int coro__crew_map(struct coro__crew *crew, unsigned int nr)
{
	size_t bytes = nr * crew->page;
	void *pages;

	if (crew->pages)
		return 0;
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, crew->fd,
		     (off_t)CORO_OFF_WORKERS);
	if (pages == MAP_FAILED)
		return -errno;
	crew->pages = pages;
	crew->pages_bytes = bytes;
	return 0;
}

static uint64_t *coro__crew_word(const struct coro__crew *crew, uint32_t id)
{
	return (uint64_t *)(crew->pages + id * crew->page);
}

static int coro__hand_attach(struct coro__hand *h)
{
	struct coro_attach_args args = { .size = sizeof(args) };
	struct coro__crew *crew = h->crew;
	int err = coro__device_ioctl(crew->fd, CORO_IOC_ATTACH, &args);

	if (err)
		return err;
	pthread_mutex_lock(&crew->lock);
	err = coro__crew_map(crew, args.out_max_workers);
	if (!err) {
		h->id = args.out_id;
		h->idle = args.out_word;
		h->word = coro__crew_word(crew, h->id);
		list_add_tail(&crew->hands, &h->link);
	}
	pthread_mutex_unlock(&crew->lock);
	return err;
}

/* The calling thread is the one of the loop from here on. */
static void coro__crew_lend(struct coro__crew *crew)
{
	struct coro__thread *t = crew->thread;

	coro__lent = t;
	t->errno_p = &errno;
	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELAXED);
	coro__mark_thread(t);
}

void coro__crew_relieved(void)
{
	siglongjmp(coro__hand_self->relieved, 1);
}

/* With the lock. NULL if its thread is ending, by pthread_exit() in a function. */
static struct coro__hand *coro__crew_hand(const struct coro__crew *crew,
					  uint32_t id)
{
	struct list *l = crew->hands.next;

	while (l != &crew->hands &&
	       container_of(l, struct coro__hand, link)->id != id)
		l = l->next;
	return l == &crew->hands ? NULL :
				   container_of(l, struct coro__hand, link);
}

/* With the lock. @h is in a coroutine's own code, and may return any time. */
static void coro__hand_leave_absent(struct coro__hand *h)
{
	const struct coro__thread *t = h->crew->thread;

	h->absent = (struct coro__absent){
		.task = t->task,
		.cur = t->cur,
		.sp = t->sp,
		.mark = t->mark,
	};
}

void coro__crew_absent(struct coro__hand *h, struct coro__absent *ret_absent)
{
	pthread_mutex_lock(&h->crew->lock);
	*ret_absent = h->absent;
	pthread_mutex_unlock(&h->crew->lock);
}

/* With the lock. The loop was taken from worker @id. */
static void coro__crew_relieve(struct coro__crew *crew, uint32_t id)
{
	struct coro__hand *h = coro__crew_hand(crew, id);

	coro__crew_count_idle(crew, -1);
	if (!h)
		return;
	h->away = true;
	crew->nr_away++;
	if (!crew->loop->call)
		coro__hand_leave_absent(h);
}

/* Whether the worker that is said to block was relieved. */
static bool coro__hand_take(struct coro__hand *h,
			    const struct coro_standby_args *sb)
{
	struct coro__crew *crew = h->crew;
	uint64_t *word = coro__crew_word(crew, sb->out_id);
	bool taken;

	/* With the lock, so that who counts those that are idle counts right. */
	pthread_mutex_lock(&crew->lock);
	taken = coro__word_swap(word, sb->out_word,
				coro__word_next(sb->out_word));
	if (taken)
		coro__crew_relieve(crew, sb->out_id);
	pthread_mutex_unlock(&crew->lock);
	if (!taken)
		return false;
	CORO__PROBE(coro_handoff, crew->thread->cur, crew->thread->cur->id,
		    crew->thread->tid);
	coro__crew_lend(crew);
	if (crew->loop->call)
		coro__blocking_taken(crew->loop);
	coro__task_taken(crew->loop);
	return true;
}

/* Who has nothing to do for long ends, but for the last. */
static bool coro__hand_lies_down(struct coro__hand *h, int err)
{
	struct coro__crew *crew = h->crew;
	bool goes_on;

	pthread_mutex_lock(&crew->lock);
	goes_on = !crew->over &&
		  (!err || (err == -ETIMEDOUT && coro__crew_idle(crew) == 1));
	crew->full = false;
	if (!goes_on)
		coro__crew_count_idle(crew, -1);
	pthread_mutex_unlock(&crew->lock);
	return goes_on;
}

/* True with the loop; false if the thread is to end. It is counted as idle. */
static bool coro__hand_stand_by(struct coro__hand *h)
{
	int err = 0;

	while (coro__hand_lies_down(h, err)) {
		struct coro_standby_args sb = {
			.size = sizeof(sb),
			.deadline_ns = coro_after(CORO__HAND_IDLE),
		};

		err = coro__device_ioctl(h->crew->fd, CORO_IOC_STANDBY, &sb);
		if (!err && sb.out_why == CORO_STANDBY_BLOCKED &&
		    coro__hand_take(h, &sb))
			return true;
	}
	return false;
}

/* With the lock. */
static void coro__hand_back(struct coro__hand *h)
{
	h->crew->nr_away -= h->away;
	h->away = false;
}

void coro__crew_back(void)
{
	struct coro__hand *h = coro__hand_self;

	if (!h)
		return;
	pthread_mutex_lock(&h->crew->lock);
	coro__hand_back(h);
	pthread_mutex_unlock(&h->crew->lock);
}

/* The first coroutine has ended: the loop goes back to who called coro_run(). */
static void coro__crew_over(struct coro__crew *crew)
{
	coro__lent = NULL;
	pthread_mutex_lock(&crew->lock);
	crew->over = true;
	for (struct list *l = crew->hands.next; l != &crew->hands;
	     l = l->next) {
		struct coro_kick_args args = {
			.size = sizeof(args),
			.id = container_of(l, struct coro__hand, link)->id,
		};

		coro__device_ioctl(crew->fd, CORO_IOC_KICK, &args);
	}
	pthread_cond_signal(&crew->ended);
	pthread_mutex_unlock(&crew->lock);
}

/* Until it is relieved, or the loop over. */
static void coro__hand_drive(struct coro__hand *h)
{
	if (!sigsetjmp(h->relieved, 0)) {
		coro__loop_drive(h->crew->loop);
		coro__crew_over(h->crew);
	}
	coro__crew_back();
	coro__crew_count_idle(h->crew, 1);
}

/* True for the first of all, which has the loop unasked. @start is gone after it. */
static bool coro__hand_started(struct coro__hand *h, struct coro__start *start,
			       int err)
{
	struct coro__crew *crew = h->crew;
	bool first = false;

	pthread_mutex_lock(&crew->lock);
	if (!err) {
		first = crew->fresh;
		crew->fresh = false;
		if (!first)
			coro__crew_count_idle(crew, 1);
	}
	start->err = err;
	start->done = true;
	/* The first may start another before who waits for it has seen this. */
	pthread_cond_broadcast(&crew->started);
	pthread_mutex_unlock(&crew->lock);
	return first;
}

/*
 * With the lock. Each joins the one that ended before it, and who called coro_run() the
 * last, so that has joined all; once it is gone, nobody joins. Who can be waited for
 * runs nothing of the program any more but destructors of what is the thread's.
 */
static bool coro__crew_chain(struct coro__crew *crew, pthread_t *ret_before)
{
	bool joins = crew->has_last;

	*ret_before = crew->last;
	crew->last = pthread_self();
	crew->has_last = true;
	return joins;
}

/* The kernel sees the end of the thread, and so that of the worker. */
static void coro__hand_end(struct coro__hand *h, bool joined)
{
	struct coro__crew *crew = h->crew;
	bool joins = false;
	pthread_t before;
	int old;

	coro__hand_self = NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_mutex_lock(&crew->lock);
	list_del(&h->link);
	coro__hand_back(h);
	crew->nr_hands--;
	if (joined && !crew->gone)
		joins = coro__crew_chain(crew, &before);
	else
		pthread_detach(pthread_self());
	pthread_cond_signal(&crew->ended);
	coro__crew_unlock_put(crew);
	if (joins)
		pthread_join(before, NULL);
}

static void coro__crew_put(struct coro__crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	coro__crew_unlock_put(crew);
}

static void coro__crew_end(struct coro__loop *loop, struct coro__note *note)
{
	(void)loop;
	coro__crew_put(container_of(note, struct coro__crew, end));
	pthread_exit(NULL);
}

/* Whether the thread, which ends in a coroutine, has the loop. Who has it ends too. */
static bool coro__crew_keeps(struct coro__hand *h)
{
	struct coro__crew *crew = h->crew;
	bool first;

	if (!coro__armed || coro__word_swap(h->word, h->armed, h->idle))
		return true;
	pthread_mutex_lock(&crew->lock);
	first = !crew->end.run;
	crew->end.run = coro__crew_end;
	crew->refs += first;
	pthread_mutex_unlock(&crew->lock);
	if (first && coro__post(crew->shared, &crew->end))
		coro__crew_put(crew);
	return false;
}

/*
 * By pthread_exit(). Out of a coroutine it ends the thread that called coro_run(), which is
 * told. Out of a function that must return, the kernel has the loop handed over.
 */
static void coro__hand_lost(void *arg)
{
	struct coro__hand *h = arg;

	/* In a child of fork() all others are the parent's. */
	if (h->forks != coro__forks())
		return;
	if (coro__lent && coro__crew_keeps(h)) {
		h->crew->lost = true;
		coro__crew_over(h->crew);
	}
	/* For destructors of what is the thread's: it is in no coroutine any more. */
	coro__armed = NULL;
	coro__lent = NULL;
	coro__hand_end(h, false);
}

static void coro__hand_work(struct coro__hand *h, struct coro__start *start)
{
	int err = coro__hand_attach(h);
	bool first = coro__hand_started(h, start, err);

	if (err)
		return;
	if (first) {
		coro__crew_lend(h->crew);
		coro__hand_drive(h);
	}
	while (coro__hand_stand_by(h))
		coro__hand_drive(h);
}

static void *coro__hand_main(void *arg)
{
	struct coro__start *start = arg;
	struct coro__hand h = { .crew = start->crew, .forks = coro__forks() };

	coro__thread_begin("coro-hand");
	list_init(&h.link);
	coro__hand_self = &h;
	coro__arms = h.crew->always;
	pthread_cleanup_push(coro__hand_lost, &h);
	coro__hand_work(&h, start);
	pthread_cleanup_pop(0);
	coro__hand_end(&h, true);
	return NULL;
}

/* The default comes from RLIMIT_STACK, which may be less than was promised. */
static void coro__hand_size(pthread_attr_t *attr)
{
	const size_t least = CORO__BLOCKING_STACK + CORO__HAND_FRAMES;
	size_t bytes;

	pthread_attr_getstacksize(attr, &bytes);
	if (bytes < least)
		pthread_attr_setstacksize(attr, least);
}

/* With the lock. One more thread, which stands by when this returns; or an error. */
static int coro__crew_start_locked(struct coro__crew *crew)
{
	struct coro__start start = { .crew = crew };
	int err = coro__fault(CORO_FAULT_SYSCALL);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t old;

	if (err)
		return err;
	pthread_attr_init(&attr);
	coro__hand_size(&attr);
	/* What it begins with is what the first coroutine began with. */
	pthread_sigmask(SIG_SETMASK, &crew->mask, &old);
	err = -pthread_create(&thread, &attr, coro__hand_main, &start);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return err;
	crew->refs++;
	crew->nr_hands++;
	while (!start.done)
		pthread_cond_wait(&crew->started, &crew->lock);
	return start.err;
}

static int coro__crew_grow(struct coro__crew *crew)
{
	unsigned int limit = coro__blocking_limit();
	int saved = errno;
	int err = -EAGAIN;
	int cancels;

	/* It waits with the lock, which the end of a cancelled thread takes. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancels);
	pthread_mutex_lock(&crew->lock);
	if (crew->nr_hands <= limit && !crew->full) {
		err = coro__crew_start_locked(crew);
		crew->full = err;
	}
	pthread_mutex_unlock(&crew->lock);
	pthread_setcancelstate(cancels, NULL);
	errno = saved;
	return err;
}

bool coro__crew_ready(struct coro__loop *loop)
{
	return coro__crew_stands(loop) ||
	       (loop->crew && !coro__crew_grow(loop->crew));
}

bool coro__crew_blocks(const struct coro__crew *crew, const sigset_t *set)
{
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(set, sig) == 1 &&
		    sigismember(&crew->mask, sig) != 1)
			return false;
	}
	return true;
}

/*
 * Until the loop is over and its threads have ended, but for those that are in
 * functions which were left behind. Whether its thread was lost.
 */
static bool coro__crew_wait(struct coro__crew *crew, bool begun)
{
	pthread_t last;
	bool lost, joins;

	pthread_mutex_lock(&crew->lock);
	crew->over |= !begun;
	while (!crew->over || (!crew->lost && crew->nr_hands > crew->nr_away))
		pthread_cond_wait(&crew->ended, &crew->lock);
	lost = crew->lost;
	joins = crew->has_last;
	last = crew->last;
	crew->gone = true;
	coro__crew_unlock_put(crew);
	if (joins)
		pthread_join(last, NULL);
	return lost;
}

static int coro__crew_run_firm(struct coro__loop *loop)
{
	struct coro__thread *t = loop->thread;
	struct coro__crew *crew = NULL;
	int err = coro__crew_new(loop, &crew);
	bool lost;

	if (err)
		return err;
	loop->crew = crew;
	err = coro__crew_grow(crew);
	lost = coro__crew_wait(crew, !err);
	loop->crew = NULL;
	t->errno_p = &errno;
	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELAXED);
	coro__mark_thread(t);
	if (lost) {
		coro__ring_exit(loop);
		pthread_exit(NULL);
	}
	return err;
}

/* pthread_cancel() of the caller has its effect later: others use its stack. */
int coro__crew_run(struct coro__loop *loop)
{
	int old, err;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	err = coro__crew_run_firm(loop);
	pthread_setcancelstate(old, NULL);
	return err;
}
