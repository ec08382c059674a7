/* SPDX-License-Identifier: GPL-2.0 */
/* Handles under test: their calls, threads that wait, and an owner in another process. */
#ifndef CORO_SELFTESTS_HANDLE_H
#define CORO_SELFTESTS_HANDLE_H

#include <sys/prctl.h>
#include <sys/socket.h>

#include "common.h"

#define SEND CORO_RIGHT_SEND
#define JOIN CORO_RIGHT_JOIN
#define CANCEL CORO_RIGHT_CANCEL
#define RECV CORO_RIGHT_RECV

/* What poll says of a handle without a result, or of a scheduler, that is gone. */
#define GONE (POLLHUP | POLLERR)

/* How a program that was exec'd by a test knows its part: the part and its file. */
#define ROLE_ENV "CORO_TEST_ROLE"

/* One message: 0, or -errno. */
static inline long hnd_send(int fd, __u64 value)
{
	long ret = sys(write(fd, &value, sizeof(value)));

	return ret == (long)sizeof(value) ? 0 : ret < 0 ? ret : -EPROTO;
}

/* How many messages went, or -errno. */
static inline long hnd_send_many(int fd, const __u64 *values, size_t nr)
{
	long ret = sys(write(fd, values, nr * sizeof(*values)));

	if (ret > 0 && ret % sizeof(*values))
		return -EPROTO;
	return ret < 0 ? ret : (long)(ret / sizeof(*values));
}

/* The result, where it is no negative number, or -errno. */
static inline long hnd_join(int fd)
{
	struct coro_result result;
	long ret;

	memset(&result, POISON, sizeof(result));
	ret = sys(read(fd, &result, sizeof(result)));
	if (ret < 0)
		return ret;
	if (ret != sizeof(result) || result.reserved)
		return -EPROTO;
	return result.value;
}

/* What poll says now about all that can be asked of a handle. */
static inline int hnd_poll(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT };
	int ret = sys(poll(&pfd, 1, 0));

	return ret < 0 ? ret : pfd.revents;
}

/* The value of the next event, which must be of @kind for @id; or -errno. */
static inline long event_take(int fd, __u64 id, __u32 kind)
{
	struct coro_event event;
	long n = event_read(fd, &event, 1);

	if (n < 0)
		return n;
	if (n != 1 || event.id != id || event.kind != kind || event.reserved)
		return -EPROTO;
	return event.value;
}

/* The number that the next descriptor will have. */
static inline int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* A thread that waits in one call, and what that returned. */
struct waiter {
	pthread_t thread;
	long (*call)(struct waiter *w);
	int fd;
	short events; /* to poll for */
	__u64 value; /* to send */
	pid_t tid;
	long ret;
};

static inline long wait_join(struct waiter *w)
{
	return hnd_join(w->fd);
}

static inline long wait_send(struct waiter *w)
{
	return hnd_send(w->fd, w->value);
}

/* The value of an event. */
static inline long wait_recv(struct waiter *w)
{
	struct coro_event event;
	long n = event_read(w->fd, &event, 1);

	return n == 1 ? (long)event.value : n < 0 ? n : -EPROTO;
}

static inline long wait_poll(struct waiter *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = w->events };
	int ret = sys(poll(&pfd, 1, -1));

	return ret < 0 ? ret : pfd.revents;
}

static inline void *waiter_run(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->ret = w->call(w);
	return NULL;
}

/* Start a thread and wait until it sleeps: 0, or -errno. */
static inline int waiter_start(struct waiter *w, long (*call)(struct waiter *),
			       int fd)
{
	int ret;

	w->call = call;
	w->fd = fd;
	w->tid = 0;
	w->ret = -EINPROGRESS;
	ret = -pthread_create(&w->thread, NULL, waiter_run, w);
	if (ret)
		return ret;
	while (!__atomic_load_n(&w->tid, __ATOMIC_SEQ_CST))
		sched_yield();
	return wait_asleep(getpid(), w->tid) ? 0 : -ESRCH;
}

static inline long waiter_end(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->ret;
}

static inline void on_usr1(int sig)
{
	(void)sig;
}

/* Let SIGUSR1 interrupt @w: what its call returned. */
static inline long waiter_interrupt(struct waiter *w)
{
	struct sigaction act = { .sa_handler = on_usr1 };

	sigaction(SIGUSR1, &act, NULL);
	pthread_kill(w->thread, SIGUSR1);
	return waiter_end(w);
}

/* Send @fd, or none if it is -1, with @word over a socket: 0, or -errno. */
static inline int fd_send(int sock, int fd, long word)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { &word, sizeof(word) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The descriptor that came with a word: it, or -errno; -ENOENT if none came. */
static inline int fd_recv(int sock, long *word)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { word, sizeof(*word) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	ssize_t len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	int fd;

	if (len < 0)
		return -errno;
	if (!len)
		return -EPIPE;
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return -ENOENT;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Runs in a program that was exec'd, before any test of it would. */
static inline void __attribute__((constructor)) play_role(void)
{
	char *role = getenv(ROLE_ENV);
	int fd;

	if (!role)
		return;
	fd = atoi(role + 1);
	switch (*role) {
	case 'p':
		for (;;)
			pause();
	case 'o': /* is it open? */
		_exit(fcntl(fd, F_GETFD) < 0 ? errno : 0);
	case 's':
		_exit(-hnd_send(fd, 77));
	default: /* what is the result? */
		_exit(labs(hnd_join(fd)));
	}
}

/* Become this program anew, to play @role with @fd; returns only an error. */
static inline long exec_role(char role, int fd)
{
	char env[32];
	char *const argv[] = { "role", NULL };
	char *const envp[] = { env, NULL };

	snprintf(env, sizeof(env), ROLE_ENV "=%c%d", role, fd);
	return sys(execve("/proc/self/exe", argv, envp));
}

/*
 * A process that owns a scheduler with two contexts and does with the first what
 * it is told: the parent sees only handles.
 */
struct owner {
	pid_t pid;
	int sock;
	__u32 flags; /* of ALLOC */
};

enum owner_order {
	OWNER_EXPORT, /* value: rights, of which context */
	OWNER_FINISH, /* value: the result */
	OWNER_FREE,
	OWNER_WAKE, /* value: the message */
	OWNER_READ, /* the answer is the event's value */
	OWNER_UNMAP, /* the table */
	OWNER_EXEC, /* these two are not answered */
	OWNER_EXIT,
};

/* With the rights: a second context, which never ends by itself. */
#define OTHER_CONTEXT (1ULL << 32)

struct owner_word {
	__u32 order;
	__u64 value;
};

static inline long owner_obey(struct sched *s, __u64 id,
			      const struct owner_word *word)
{
	struct coro_event event;
	long n;

	switch (word->order) {
	case OWNER_FINISH:
		return ctx_finish(s->fd, id, word->value);
	case OWNER_FREE:
		n = ctx_free(s->fd, &id, 1, 0);
		return n == 1 ? 0 : n;
	case OWNER_WAKE:
		return ctx_wake(s->fd, id, word->value);
	case OWNER_READ:
		n = event_read(s->fd, &event, 1);
		return n == 1 ? (long)event.value : n;
	case OWNER_UNMAP:
		return munmap(s->table, s->args.out_table_bytes);
	case OWNER_EXEC:
		return exec_role('p', 0);
	default:
		_exit(0);
	}
}

static inline long owner_serve(void *arg)
{
	struct owner *o = arg;
	struct owner_word word;
	struct sched s;
	__u64 id, other;
	long ret;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(0, sched_new(&s, 8, 8, 2 * PAGE));
	MUST(0, set_nonblock(s.fd));
	MUST(0, ctx_alloc_one(s.fd, &id, o->flags));
	MUST(0, ctx_alloc_one(s.fd, &other, o->flags));
	while (read(o->sock, &word, sizeof(word)) == sizeof(word)) {
		fd = -1;
		if (word.order == OWNER_EXPORT) {
			fd = ctx_export(s.fd,
					word.value & OTHER_CONTEXT ? other : id,
					(__u32)word.value, 0);
			ret = fd < 0 ? fd : 0;
		} else {
			ret = owner_obey(&s, id, &word);
		}
		MUST(0, fd_send(o->sock, fd, ret));
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static inline int owner_start(struct owner *o)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	o->sock = pair[1];
	fflush(NULL);
	o->pid = fork();
	if (!o->pid) {
		close(pair[0]);
		_exit(-owner_serve(o));
	}
	close(pair[1]);
	o->sock = pair[0];
	return sys(o->pid) < 0 ? -errno : 0;
}

/* What the owner answers. */
static inline long owner_do(struct owner *o, __u32 order, __u64 value)
{
	struct owner_word word = { order, value };
	long ret = -EPROTO;
	int fd;

	if (write(o->sock, &word, sizeof(word)) != sizeof(word))
		return -errno;
	fd = fd_recv(o->sock, &ret);
	return fd == -ENOENT ? ret : fd;
}

/* A handle of the owner's context, or -errno. */
static inline int owner_export(struct owner *o, __u64 rights)
{
	return owner_do(o, OWNER_EXPORT, rights);
}

/* How an owner can die. */
enum owner_death {
	DEATH_KILL,
	DEATH_EXIT,
	DEATH_EXEC,
	DEATH_UNMAP,
};

static inline void owner_die(struct owner *o, enum owner_death death)
{
	struct owner_word word = { death == DEATH_EXEC ? OWNER_EXEC :
							 OWNER_EXIT };

	if (death == DEATH_KILL)
		kill(o->pid, SIGKILL);
	else if (death == DEATH_UNMAP)
		owner_do(o, OWNER_UNMAP, 0);
	else if (write(o->sock, &word, sizeof(word)) < 0)
		perror("# owner");
}

/* The owner is gone after this, whatever it did. */
static inline void owner_end(struct owner *o)
{
	close(o->sock);
	kill(o->pid, SIGKILL);
	child_wait(o->pid);
}

#endif /* CORO_SELFTESTS_HANDLE_H */
