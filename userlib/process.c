// SPDX-License-Identifier: MIT
/* A child process: its pidfd, its status once somebody has reaped it, and who does in the end. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "memory.h"
#include "opts.h"

/* Not in the headers of older C libraries; numbers are ABI. */
#define CORO__P_PIDFD 3

enum coro__process_state {
	CORO__PROCESS_RUNS,
	CORO__PROCESS_ENDED, /* @status says how */
	CORO__PROCESS_LOST, /* somebody else reaped it */
};

struct coro_process {
	/* One for the user, then for who reaps it; one for each that waits. */
	unsigned int refs;
	unsigned int forks; /* in which process, see coro__forks() */
	pid_t pid;
	int pidfd; /* -1 if it was reaped before it was opened */
	int pipes[3];
	bool kill;
	pthread_mutex_t lock; /* to write the following two */
	enum coro__process_state state; /* read by any thread */
	int status;

	/* After coro_process_free(). */
	struct coro__op op;
	struct io_uring_sqe sqe;
	struct list link; /* in loop->orphans, or nowhere */
	struct coro_process *next; /* in coro__orphans */
};

/* Those that were freed and run, and that no loop is to reap. Any thread's. */
static struct coro_process *coro__orphans;

static enum coro__process_state
coro__process_state(const struct coro_process *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
}

static void coro__process_set_state(struct coro_process *p,
				    enum coro__process_state state)
{
	__atomic_store_n(&p->state, state, __ATOMIC_RELEASE);
}

static int coro__pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* Not waitid(), where pthread_cancel() could end a thread. */
static int coro__pidfd_wait(int pidfd, siginfo_t *info, int options)
{
	info->si_pid = 0;
	return syscall(SYS_waitid, CORO__P_PIDFD, pidfd, info,
		       options | WEXITED | WNOHANG | __WALL, NULL) ?
		       -errno :
		       0;
}

static int coro__process_new(struct coro_process **ret_process)
{
	struct coro_process *p = coro__calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->refs = 1;
	p->forks = coro__forks();
	p->pidfd = -1;
	for (int nr = 0; nr < 3; nr++)
		p->pipes[nr] = -1;
	pthread_mutex_init(&p->lock, NULL);
	list_init(&p->link);
	*ret_process = p;
	return 0;
}

static void coro__process_close_pipes(struct coro_process *p)
{
	for (int nr = 0; nr < 3; nr++) {
		if (p->pipes[nr] >= 0)
			syscall(SYS_close, p->pipes[nr]);
		p->pipes[nr] = -1;
	}
}

static void coro__process_put(struct coro_process *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	coro__process_close_pipes(p);
	if (p->pidfd >= 0)
		syscall(SYS_close, p->pidfd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int coro__status(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_DUMPED:
		return info->si_status | 0x80;
	default:
		return info->si_status;
	}
}

/* Reaps it if it has ended, and says whether it had, by whomever it was reaped. */
static bool coro__process_ended(struct coro_process *p)
{
	int saved = errno;
	siginfo_t info;
	bool ended;
	int err;

	/* Not our child, and the lock may be one that nobody gives back. */
	if (p->forks != coro__forks())
		return true;
	pthread_mutex_lock(&p->lock);
	if (p->state == CORO__PROCESS_RUNS) {
		err = coro__pidfd_wait(p->pidfd, &info, 0);
		if (err == -ECHILD) {
			coro__process_set_state(p, CORO__PROCESS_LOST);
		} else if (!err && info.si_pid) {
			p->status = coro__status(&info);
			coro__process_set_state(p, CORO__PROCESS_ENDED);
		}
	}
	ended = p->state != CORO__PROCESS_RUNS;
	pthread_mutex_unlock(&p->lock);
	errno = saved;
	return ended;
}

static void coro__orphan_add(struct coro_process *p)
{
	p->next = __atomic_load_n(&coro__orphans, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&coro__orphans, &p->next, p, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* No loop will reap it: now, or whoever looks next. */
static void coro__orphan_leave(struct coro_process *p)
{
	if (coro__process_ended(p))
		coro__process_put(p);
	else
		coro__orphan_add(p);
}

static void coro__orphans_reap(void)
{
	struct coro_process *p, *next;

	if (!__atomic_load_n(&coro__orphans, __ATOMIC_RELAXED))
		return;
	p = __atomic_exchange_n(&coro__orphans, NULL, __ATOMIC_ACQUIRE);
	for (; p; p = next) {
		next = p->next;
		coro__orphan_leave(p);
	}
}

static void coro__orphan_complete(struct coro__loop *loop, struct coro__op *op,
				  int res, uint32_t flags)
{
	struct coro_process *p = container_of(op, struct coro_process, op);
	int saved = errno;

	(void)res;
	(void)flags;
	/* Not in the list: the loop ends. */
	if (!list_empty(&p->link))
		loop->background--;
	list_del(&p->link);
	coro__orphan_leave(p);
	errno = saved;
}

/* Nothing goes on for its sake. */
static void coro__orphan_watch(struct coro__loop *loop, struct coro_process *p)
{
	io_uring_prep_poll_add(&p->sqe, p->pidfd, POLLIN);
	p->op.sqe = &p->sqe;
	p->op.complete = coro__orphan_complete;
	list_add_tail(&loop->orphans, &p->link);
	loop->background++;
	coro__op_start(loop, &p->op);
}

void coro__process_stop(struct coro__loop *loop)
{
	while (!list_empty(&loop->orphans)) {
		struct list *first = loop->orphans.next;
		struct coro_process *p =
			container_of(first, struct coro_process, link);

		/* Now it is one that the loop's end waits for. */
		list_del(first);
		loop->background--;
		if (coro__op_cancel(loop, &p->op))
			coro__orphan_leave(p);
	}
}

/*
 * The child may be gone already, if SIGCHLD is ignored or somebody reaps all, and
 * its number be another's: then it is lost.
 */
static int coro__process_attach(struct coro_process *p)
{
	siginfo_t info;
	int fd = coro__pidfd_open(p->pid);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd >= 0 && coro__pidfd_wait(fd, &info, WNOWAIT)) {
		syscall(SYS_close, fd);
		fd = -1;
	}
	if (fd < 0)
		p->state = CORO__PROCESS_LOST;
	else
		p->pidfd = fd;
	return 0;
}

/* Started, but nobody could wait for it. */
static void coro__process_undo(struct coro_process *p)
{
	kill(p->pid, SIGKILL);
	while (syscall(SYS_wait4, p->pid, NULL, 0, NULL) < 0 && errno == EINTR)
		;
}

static int coro__process_spawn(struct coro_process *p, char *const argv[],
			       const struct coro_process_opts *o)
{
	/* Room for the pidfd, so that want of it shows before anything runs. */
	int room = coro__pidfd_open(getpid());
	int err;

	if (room < 0)
		return room;
	err = coro__process_start(argv, o, &p->pid, p->pipes);
	syscall(SYS_close, room);
	if (err)
		return err;
	p->kill = o->flags & CORO_PROCESS_F_KILL;
	err = coro__process_attach(p);
	if (err)
		coro__process_undo(p);
	return err;
}

int coro_process_spawn(struct coro_process **ret_process, char *const argv[],
		       const struct coro_process_opts *opts)
{
	CORO__ENTRY;
	struct coro_process_opts o;
	struct coro_process *p;
	int saved = errno;
	int cancel, err;

	/* There are calls in which pthread_cancel() could end the thread. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	coro__orphans_reap();
	err = ret_process ? coro__opts_copy(&o, sizeof(o), opts) : -EINVAL;
	if (!err)
		err = coro__process_new(&p);
	if (err)
		goto out;
	err = coro__process_spawn(p, argv, &o);
	if (err)
		coro__process_put(p);
	else
		*ret_process = p;
out:
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return err;
}

int coro_process_open(struct coro_process **ret_process, pid_t pid)
{
	CORO__ENTRY;
	struct coro_process *p;
	int saved = errno;
	int err;

	if (!ret_process || pid <= 0)
		return -EINVAL;
	coro__orphans_reap();
	err = coro__process_new(&p);
	if (err)
		goto out;
	p->pid = pid;
	err = coro__process_attach(p);
	if (!err && p->pidfd < 0)
		err = -ECHILD;
	if (err)
		coro__process_put(p);
	else
		*ret_process = p;
out:
	errno = saved;
	return err;
}

pid_t coro_process_pid(const struct coro_process *p)
{
	CORO__ENTRY;

	return p ? p->pid : -EINVAL;
}

int coro_process_take_fd(struct coro_process *p, int nr)
{
	CORO__ENTRY;
	int fd;

	if (!p || nr < 0 || nr > 2)
		return -EINVAL;
	fd = p->pipes[nr];
	p->pipes[nr] = -1;
	return fd < 0 ? -EBADF : fd;
}

/*
 * Each waits with a poll of its own: a pidfd stays ready, so all see the end, and
 * whoever comes first reaps for all.
 */
static int coro__process_wait(struct coro_process *p, int *ret_status,
			      int64_t deadline_ns)
{
	while (!coro__process_ended(p)) {
		int ret = coro_io_poll(p->pidfd, POLLIN, deadline_ns);

		if (ret < 0)
			return ret;
	}
	if (coro__process_state(p) != CORO__PROCESS_ENDED)
		return -ECHILD;
	if (ret_status)
		*ret_status = p->status;
	return 0;
}

int coro_process_wait(struct coro_process *p, int *ret_status,
		      int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int err;

	if (!p)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	err = coro__process_wait(p, ret_status, deadline_ns);
	coro__process_put(p);
	return err;
}

int coro_process_kill(struct coro_process *p, int sig)
{
	CORO__ENTRY;
	int saved = errno;
	int err;

	if (!p)
		return -EINVAL;
	/* One that the kernel reaps by itself takes signals for a moment longer. */
	if (coro__process_state(p) != CORO__PROCESS_RUNS)
		return -ESRCH;
	err = syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) ? -errno :
								       0;
	errno = saved;
	return err;
}

void coro_process_free(struct coro_process *p)
{
	CORO__ENTRY;
	struct coro__loop *loop = coro__thread()->loop;
	int saved = errno;

	if (!p)
		return;
	coro__process_close_pipes(p);
	if (!coro__process_ended(p)) {
		if (p->kill)
			coro_process_kill(p, SIGKILL);
		if (loop && !loop->closing)
			coro__orphan_watch(loop, p);
		else
			coro__orphan_leave(p);
	} else {
		coro__process_put(p);
	}
	coro__orphans_reap();
	errno = saved;
}
