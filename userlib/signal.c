// SPDX-License-Identifier: MIT
/* A stream of signals: a signalfd, and what the thread blocks for its sake. */
#define _GNU_SOURCE
#include <coro/signal.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "handoff.h"
#include "memory.h"
#include "multishot.h"

struct coro_signals {
	struct coro__multishot multishot; /* a poll, while somebody waits */
	struct coro_signals *next; /* of the same thread */
	sigset_t set;
	sigset_t blocked; /* of them, those that are to be unblocked */
	unsigned int forks; /* in which process, see coro__forks() */
	int fd;
	int err; /* why the poll failed, until fetched */
};

/* Those of the thread that have not been freed. */
static __thread struct coro_signals *coro__signals;

static bool coro__signal_waits(int sig)
{
	switch (sig) {
	case SIGKILL:
	case SIGSTOP:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGSEGV:
		return false;
	default:
		/* Between the two are those of the C library. */
		return sig < __SIGRTMIN || sig >= SIGRTMIN;
	}
}

static bool coro__signals_valid(const sigset_t *set)
{
	bool any = false;

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (!sigismember(set, sig))
			continue;
		if (!coro__signal_waits(sig))
			return false;
		any = true;
	}
	return any;
}

static void coro__signals_block(struct coro_signals *s)
{
	sigset_t old;

	pthread_sigmask(SIG_BLOCK, &s->set, &old);
	sigemptyset(&s->blocked);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(&s->set, sig) == 1 && !sigismember(&old, sig))
			sigaddset(&s->blocked, sig);
	}
	s->next = coro__signals;
	coro__signals = s;
}

/* What @s is to unblock and another stream has, is that one's to unblock. */
static void coro__signals_hand_over(struct coro_signals *s)
{
	for (struct coro_signals *o = coro__signals; o; o = o->next) {
		for (int sig = 1; sig <= SIGRTMAX; sig++) {
			if (sigismember(&s->blocked, sig) != 1 ||
			    sigismember(&o->set, sig) != 1)
				continue;
			sigdelset(&s->blocked, sig);
			sigaddset(&o->blocked, sig);
		}
	}
}

static void coro__signals_unblock(struct coro_signals *s)
{
	const struct timespec now = { 0 };
	struct coro_signals **link = &coro__signals;

	while (*link && *link != s)
		link = &(*link)->next;
	/* In a child of fork(): of a thread that it does not have. */
	if (!*link)
		return;
	*link = s->next;
	coro__signals_hand_over(s);
	/* Not sigtimedwait(), see coro__signals_read(). */
	while (syscall(SYS_rt_sigtimedwait, &s->blocked, NULL, &now,
		       _NSIG / 8) > 0 ||
	       errno == EINTR)
		;
	pthread_sigmask(SIG_UNBLOCK, &s->blocked, NULL);
}

static void coro__signals_complete(struct coro__loop *loop, struct coro__op *op,
				   int res, uint32_t flags)
{
	struct coro_signals *s =
		container_of(op, struct coro_signals, multishot.op);

	(void)loop;
	(void)flags;
	if (res < 0 && !op->cancelled)
		s->err = res;
	coro__multishot_notify(&s->multishot);
	coro__multishot_completed(&s->multishot);
}

static void coro__signals_drain(struct coro__multishot *m)
{
	/* What nobody fetched is still the kernel's. */
	(void)m;
}

static void coro__signals_destroy(struct coro__multishot *m)
{
	struct coro_signals *s =
		container_of(m, struct coro_signals, multishot);
	int saved = errno;

	/* Not before the poll is over: it may have the number only. */
	syscall(SYS_close, s->fd);
	free(s);
	errno = saved;
}

static int coro__signals_open(const sigset_t *set, struct coro__loop *loop,
			      struct coro_signals **ret_signals)
{
	struct coro_signals *s = coro__calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		err = -errno;
		free(s);
		return err;
	}
	s->set = *set;
	s->forks = coro__forks();
	if (!loop->crew)
		coro__signals_block(s);
	io_uring_prep_poll_add(&s->multishot.sqe, s->fd, POLLIN);
	s->multishot.op.complete = coro__signals_complete;
	s->multishot.drain = coro__signals_drain;
	s->multishot.destroy = coro__signals_destroy;
	coro__multishot_init(&s->multishot, loop);
	*ret_signals = s;
	return 0;
}

int coro_signals_new(struct coro_signals **ret_signals, const sigset_t *set)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int saved = errno;
	int err;

	err = coro__wait_begin_uncancelled(&loop);
	if (err)
		return err;
	if (!ret_signals || !set || !coro__signals_valid(set))
		return -EINVAL;
	/* Nobody can block it in threads that stand by, or are in a function. */
	if (loop->crew && !coro__crew_blocks(loop->crew, set))
		return -EOPNOTSUPP;
	err = coro__signals_open(set, loop, ret_signals);
	errno = saved;
	return err;
}

/*
 * A signal, or 0 if none is pending. The thread reads by itself: what is pending
 * is its own or the process's, and the kernel's workers would read theirs. Not read(), where
 * pthread_cancel() could end the thread.
 */
static int coro__signals_read(struct coro_signals *s,
			      struct signalfd_siginfo *ret_info)
{
	struct signalfd_siginfo info;
	int saved = errno;
	long len;
	int ret = 0;

	do {
		len = syscall(SYS_read, s->fd, &info, sizeof(info));
	} while (len < 0 && errno == EINTR);
	if (len == sizeof(info))
		ret = (int)info.ssi_signo;
	else if (len < 0 && errno != EAGAIN)
		ret = -errno;
	if (ret > 0 && ret_info)
		*ret_info = info;
	errno = saved;
	return ret;
}

int coro_signals_next(struct coro_signals *s, struct signalfd_siginfo *ret_info,
		      int64_t deadline_ns)
{
	CORO__ENTRY;
	int err, ret;

	if (s->forks != coro__forks())
		return -EPERM;
	err = coro__multishot_usable(&s->multishot);
	if (err)
		return err;
	for (;;) {
		ret = coro__signals_read(s, ret_info);
		if (ret)
			return ret;
		if (s->err) {
			err = s->err;
			s->err = 0;
			return err;
		}
		coro__multishot_arm(&s->multishot);
		err = coro__multishot_wait(&s->multishot, deadline_ns);
		if (err)
			return err;
	}
}

void coro_signals_free(struct coro_signals *s)
{
	CORO__ENTRY;
	int saved = errno;

	if (!s)
		return;
	coro__signals_unblock(s);
	/* The loop and its ring are the parent's. */
	if (s->forks != coro__forks())
		coro__signals_destroy(&s->multishot);
	else
		coro__multishot_end(&s->multishot);
	errno = saved;
}
