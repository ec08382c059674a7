// SPDX-License-Identifier: GPL-2.0
/* Life and death: what keeps a scheduler alive, what ends it, who learns of it. */
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common.h"
#include "kselftest_harness.h"

#define DEAD (POLLHUP | POLLERR)
/* How a program that was exec'd by a test knows its part: the part and its file. */
#define ROLE_ENV "CORO_TEST_ROLE"

/* What the file of a dead scheduler says to everything: 0 if it is as promised. */
static long is_dead(int fd)
{
	struct coro_setup_args setup;
	struct coro_stat_args stat;
	struct coro_event event;
	__u64 id = 1ULL << 32;
	void *area;

	MUST(-EPIPE, ctx_wake(fd, id, 1));
	MUST(-EOWNERDEAD, event_read(fd, &event, 1));
	MUST(-EOWNERDEAD, ctx_free(fd, &id, 1, 0));
	MUST(-EOWNERDEAD, ctx_peak(fd, id));
	MUST(-EOWNERDEAD, sched_stat(fd, &stat));
	MUST(-EOWNERDEAD, dev_setup(fd, &setup, 8, 8, 2 * PAGE));
	MUST(-EOWNERDEAD, ctx_alloc(fd, &id, 1));
	MUST(-EOWNERDEAD,
	     area_map(fd, CORO_OFF_HEADER, PAGE, PROT_READ, &area));
	MUST(-EOWNERDEAD, area_map(fd, CORO_OFF_TABLE, PAGE, PROT_READ, &area));
	MUST(DEAD, poll_now(fd) & DEAD);
	return 0;
}

/* Runs in a program that was exec'd, before any test of it would. */
static void __attribute__((constructor)) play_role(void)
{
	char *role = getenv(ROLE_ENV);
	struct coro_event event;
	int fd;

	if (!role)
		return;
	fd = atoi(role + 1);
	if (*role == 'w') {
		for (;;)
			pause();
	}
	if (*role == 'd')
		_exit(-is_dead(fd));
	_exit(-event_read(fd, &event, 1));
}

/* Become this program anew, to play @role with @fd; returns only an error. */
static long exec_role(char role, int fd)
{
	char env[32];
	char *const argv[] = { "lifetime_test", NULL };
	char *const envp[] = { env, NULL };

	snprintf(env, sizeof(env), ROLE_ENV "=%c%d", role, fd);
	fcntl(fd, F_SETFD, 0);
	return sys(execve("/proc/self/exe", argv, envp));
}

FIXTURE(life)
{
	struct sched s;
	__u64 ids[8];
	long uses; /* of the module before */
};

FIXTURE_SETUP(life)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
	ASSERT_EQ(0, sched_new(&self->s, 256, 8, 4 * PAGE));
	ASSERT_EQ(8, ctx_alloc(self->s.fd, self->ids, 8));
}

FIXTURE_TEARDOWN(life)
{
	sched_free(&self->s);
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F(life, mappings_outlive_the_file)
{
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_EQ(0, probe(stack_page(&self->s, self->ids[0], 0), true));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[0]), true));
	EXPECT_EQ(0, probe((char *)&self->s.table[255], true));
	EXPECT_EQ(0, probe((char *)&self->s.table[200], false));
	EXPECT_EQ(1ULL, self->s.header->overflows);
	EXPECT_LT(self->uses, module_uses());
}

TEST_F(life, a_scheduler_dies_with_its_table)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, munmap(self->s.table, self->s.args.out_table_bytes));
	self->s.table = NULL;
	EXPECT_EQ(0, is_dead(self->s.fd));
}

TEST_F(life, header_and_stacks_may_go_before)
{
	munmap(self->s.header, self->s.args.out_header_bytes);
	self->s.header = NULL;
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	munmap(self->s.stacks, self->s.args.out_stacks_bytes);
	self->s.stacks = NULL;
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(8, ctx_free(self->s.fd, self->ids, 8, CORO_FREE_F_TRIM));
	EXPECT_EQ(8, ctx_alloc(self->s.fd, self->ids, 8));
}

TEST_F(life, the_last_mapping_of_the_table_counts)
{
	__u64 bytes = self->s.args.out_table_bytes;
	void *second = NULL;

	ASSERT_EQ(0, area_map(self->s.fd, CORO_OFF_TABLE, bytes, PROT_READ,
			      &second));
	munmap(self->s.table, bytes);
	self->s.table = NULL;
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	munmap(second, bytes);
	EXPECT_EQ(0, is_dead(self->s.fd));
}

TEST_F(life, the_other_areas_stay_after_death)
{
	munmap(self->s.table, self->s.args.out_table_bytes);
	self->s.table = NULL;
	EXPECT_EQ(0, probe((char *)self->s.header, false));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[0]), true));
	probe(stack_page(&self->s, self->ids[0], 0), true);
}

struct waiter {
	pthread_t thread;
	int fd;
	pid_t tid;
	long ret;
};

static void *wait_by_read(void *arg)
{
	struct waiter *w = arg;
	struct coro_event event;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->ret = event_read(w->fd, &event, 1);
	return NULL;
}

static void *wait_by_poll(void *arg)
{
	struct waiter *w = arg;
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->ret = poll(&pfd, 1, -1) == 1 ? pfd.revents : -errno;
	return NULL;
}

static void *wait_by_epoll(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, w->fd, &ev);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->ret = epoll_wait(ep, &ev, 1, -1) == 1 ? (long)ev.events : -errno;
	close(ep);
	return NULL;
}

/* Start a thread that runs @fn on @fd and wait until it sleeps. */
static int waiter_start(struct waiter *w, void *(*fn)(void *), int fd)
{
	int ret;

	*w = (struct waiter){ .fd = fd };
	ret = -pthread_create(&w->thread, NULL, fn, w);
	if (ret)
		return ret;
	while (!__atomic_load_n(&w->tid, __ATOMIC_SEQ_CST))
		sched_yield();
	return wait_asleep(getpid(), w->tid) ? 0 : -ESRCH;
}

TEST_F(life, death_wakes_whoever_waits)
{
	struct waiter r[2], p, e;

	ASSERT_EQ(0, waiter_start(&r[0], wait_by_read, self->s.fd));
	ASSERT_EQ(0, waiter_start(&r[1], wait_by_read, self->s.fd));
	ASSERT_EQ(0, waiter_start(&p, wait_by_poll, self->s.fd));
	ASSERT_EQ(0, waiter_start(&e, wait_by_epoll, self->s.fd));
	ASSERT_EQ(0, munmap(self->s.table, self->s.args.out_table_bytes));
	self->s.table = NULL;
	pthread_join(r[0].thread, NULL);
	pthread_join(r[1].thread, NULL);
	pthread_join(p.thread, NULL);
	pthread_join(e.thread, NULL);
	EXPECT_EQ(-EOWNERDEAD, r[0].ret);
	EXPECT_EQ(-EOWNERDEAD, r[1].ret);
	EXPECT_EQ(DEAD, p.ret & DEAD);
	EXPECT_EQ(DEAD, e.ret & DEAD);
}

TEST_F(life, a_duplicate_of_the_file_is_the_same_scheduler)
{
	int fd = dup(self->s.fd);

	close(self->s.fd);
	self->s.fd = fd;
	EXPECT_EQ(0, ctx_wake(fd, self->ids[0], 1));
	munmap(self->s.table, self->s.args.out_table_bytes);
	self->s.table = NULL;
	EXPECT_EQ(0, is_dead(fd));
}

TEST(the_areas_may_go_in_any_order)
{
	long uses = module_uses();
	unsigned int order, left, i, n, pick;
	struct sched s;
	__u64 id;

	for (order = 0; order < 24; order++) {
		char *area[3];
		__u64 bytes[3];

		ASSERT_EQ(0, sched_new(&s, 16, 8, 4 * PAGE));
		ASSERT_EQ(1, ctx_alloc(s.fd, &id, 1));
		*stack_page(&s, id, 0) = 1;
		ASSERT_EQ(0, ctx_wake(s.fd, id, 1));
		area[0] = (char *)s.header;
		area[1] = (char *)s.table;
		area[2] = s.stacks;
		bytes[0] = s.args.out_header_bytes;
		bytes[1] = s.args.out_table_bytes;
		bytes[2] = s.args.out_stacks_bytes;
		/* Number @order of the 24 orders of three areas and the file. */
		for (left = 15, n = 4, i = order; n; i /= n, n--) {
			int skip = i % n;

			for (pick = 0; !(left & (1 << pick)) || skip--; pick++)
				;
			left &= ~(1 << pick);
			EXPECT_EQ(0, pick < 3 ?
					     munmap(area[pick], bytes[pick]) :
					     close(s.fd));
		}
		EXPECT_TRUE(uses_become(uses));
	}
}

TEST(a_file_alone_holds_the_module)
{
	long uses = module_uses();
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_LT(uses, module_uses());
	close(fd);
	EXPECT_TRUE(uses_become(uses));
}

static long just_end(void *arg)
{
	(void)arg;
	return 0;
}

static long map_and_end(void *arg)
{
	struct sched *s = arg;
	void *area;

	MUST(0, area_map(s->fd, CORO_OFF_TABLE, s->args.out_table_bytes,
			 PROT_READ, &area));
	return 0;
}

TEST_F(life, the_end_of_a_child_is_not_death)
{
	EXPECT_EQ(0, in_child(just_end, NULL));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(0, in_child(map_and_end, &self->s));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

/* A child that holds what fork gave it until it is let go. */
struct holder {
	struct sched *s;
	struct door ready, go;
	__u64 id;
};

static long hold(void *arg)
{
	struct holder *h = arg;

	MUST(0, door_open(&h->ready));
	MUST(0, door_pass(&h->go));
	return 0;
}

static long hold_mapped(void *arg)
{
	struct holder *h = arg;
	struct coro_shm_context *table = NULL;

	MUST(0, area_map(h->s->fd, CORO_OFF_TABLE, h->s->args.out_table_bytes,
			 PROT_READ, &table));
	MUST(0, probe((char *)&table[0], false));
	MUST(0, door_open(&h->ready));
	MUST(0, door_pass(&h->go));
	MUST(0, is_dead(h->s->fd));
	/* What was mapped stays so; what was not is gone. */
	MUST(0, probe((char *)&table[0], false));
	MUST(SIGBUS, probe((char *)&table[255], false));
	return 0;
}

TEST_F(life, a_strangers_mapping_keeps_nothing_alive)
{
	struct holder h = { .s = &self->s };
	pid_t pid;

	ASSERT_EQ(0, door_init(&h.ready));
	ASSERT_EQ(0, door_init(&h.go));
	pid = child_start(hold_mapped, &h);
	ASSERT_EQ(0, door_pass(&h.ready));
	munmap(self->s.table, self->s.args.out_table_bytes);
	self->s.table = NULL;
	EXPECT_EQ(0, is_dead(self->s.fd));
	EXPECT_EQ(0, door_open(&h.go));
	EXPECT_EQ(0, child_wait(pid));
}

static void dofork(const struct sched *s)
{
	madvise(s->header, s->args.out_header_bytes, MADV_DOFORK);
	madvise(s->table, s->args.out_table_bytes, MADV_DOFORK);
	madvise(s->stacks, s->args.out_stacks_bytes, MADV_DOFORK);
}

TEST_F(life, a_copy_made_by_dofork_keeps_nothing_alive)
{
	struct holder h = { .s = &self->s };
	pid_t pid;

	ASSERT_EQ(0, door_init(&h.ready));
	ASSERT_EQ(0, door_init(&h.go));
	dofork(&self->s);
	pid = child_start(hold, &h);
	/* Memory may be too short for it, or the device refuse it: all the better. */
	if (pid > 0) {
		ASSERT_EQ(0, door_pass(&h.ready));
		munmap(self->s.table, self->s.args.out_table_bytes);
		self->s.table = NULL;
		EXPECT_EQ(0, is_dead(self->s.fd));
		EXPECT_EQ(0, door_open(&h.go));
		EXPECT_EQ(0, child_wait(pid));
	}
}

static long scribble_copy(void *arg)
{
	struct holder *h = arg;

	MUST(-EPERM, ctx_wake(h->s->fd, h->id, 1));
	probe((char *)h->s->table, true);
	probe(stack_page(h->s, h->id, 0), true);
	MUST(SIGSEGV, probe(stack_guard(h->s, h->id), true));
	return 0;
}

TEST_F(life, the_end_of_a_copy_made_by_dofork_is_not_death)
{
	struct holder h = { .s = &self->s, .id = self->ids[2] };

	dofork(&self->s);
	EXPECT_EQ(0, in_child(scribble_copy, &h));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(0, probe((char *)self->s.table, true));
}

TEST_F(life, a_child_that_shares_the_address_space_is_the_owner)
{
	volatile long woke = -1, read = -1;
	struct coro_event event;
	pid_t pid;

	pid = vfork();
	if (!pid) {
		woke = ctx_wake(self->s.fd, self->ids[0], 1);
		read = event_read(self->s.fd, &event, 1);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, woke);
	EXPECT_EQ(1, read);
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

static long exec_and_check(void *arg)
{
	struct sched s;

	MUST(0, sched_new(&s, 8, 8, 4 * PAGE));
	return exec_role(*(char *)arg, s.fd);
}

TEST(a_program_that_was_execd_finds_its_file_dead)
{
	EXPECT_EQ(0, in_child(exec_and_check, "d"));
	EXPECT_EQ(-EOWNERDEAD, in_child(exec_and_check, "r"));
}

static long end_with_blocked_readers(void *arg)
{
	struct waiter w[3];
	struct sched s;

	MUST(0, sched_new(&s, 8, 8, 4 * PAGE));
	MUST(0, waiter_start(&w[0], wait_by_read, s.fd));
	MUST(0, waiter_start(&w[1], wait_by_read, s.fd));
	MUST(0, waiter_start(&w[2], wait_by_poll, s.fd));
	return *(char *)arg == 'e' ? exec_role('d', s.fd) : 0;
}

TEST(a_process_ends_with_readers_blocked)
{
	EXPECT_EQ(0, in_child(end_with_blocked_readers, "x"));
}

TEST(a_process_execs_with_readers_blocked)
{
	EXPECT_EQ(0, in_child(end_with_blocked_readers, "e"));
}

static int fd_send(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct iovec iov = { "f", 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int fd_recv(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

enum hold_by { BY_RIGHTS, BY_PIDFD, BY_FORK };
enum end_by { BY_EXIT, BY_KILL, BY_EXEC, BY_MUNMAP, BY_THREADS };

/* A scheduler whose owner is a child, while the test holds its file. */
FIXTURE(owner)
{
	pid_t pid;
	int fd;
	int sock[2];
	struct door go;
	enum hold_by hold_by;
	enum end_by end_by;
	long uses;
};

FIXTURE_VARIANT(owner)
{
	enum hold_by hold_by;
	enum end_by end_by;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(owner, rights_exit) { BY_RIGHTS, BY_EXIT, };
FIXTURE_VARIANT_ADD(owner, rights_kill) { BY_RIGHTS, BY_KILL, };
FIXTURE_VARIANT_ADD(owner, rights_exec) { BY_RIGHTS, BY_EXEC, };
FIXTURE_VARIANT_ADD(owner, rights_munmap) { BY_RIGHTS, BY_MUNMAP, };
FIXTURE_VARIANT_ADD(owner, rights_threads) { BY_RIGHTS, BY_THREADS, };
FIXTURE_VARIANT_ADD(owner, pidfd_exit) { BY_PIDFD, BY_EXIT, };
FIXTURE_VARIANT_ADD(owner, pidfd_kill) { BY_PIDFD, BY_KILL, };
FIXTURE_VARIANT_ADD(owner, pidfd_exec) { BY_PIDFD, BY_EXEC, };
FIXTURE_VARIANT_ADD(owner, fork_exit) { BY_FORK, BY_EXIT, };
FIXTURE_VARIANT_ADD(owner, fork_kill) { BY_FORK, BY_KILL, };
FIXTURE_VARIANT_ADD(owner, fork_exec) { BY_FORK, BY_EXEC, };
FIXTURE_VARIANT_ADD(owner, fork_munmap) { BY_FORK, BY_MUNMAP, };
/* clang-format on */

static long own(void *arg)
{
	FIXTURE_DATA(owner) *self = arg;
	struct waiter w[2];
	struct sched s = { .fd = self->fd };
	__u64 id;

	if (self->hold_by != BY_FORK)
		s.fd = dev_open(0);
	MUST(0, dev_setup(s.fd, &s.args, 64, 8, 4 * PAGE));
	MUST(0, sched_map(&s));
	MUST(1, ctx_alloc(s.fd, &id, 1));
	*stack_page(&s, id, 0) = 1;
	MUST(0, self->hold_by == BY_RIGHTS ? fd_send(self->sock[1], s.fd) : 0);
	MUST((long)sizeof(int), sys(write(self->sock[1], &s.fd, sizeof(int))));
	if (self->end_by == BY_THREADS) {
		MUST(0, waiter_start(&w[0], wait_by_read, s.fd));
		MUST(0, waiter_start(&w[1], wait_by_read, s.fd));
	}
	MUST(0, door_pass(&self->go));
	if (self->end_by == BY_EXEC)
		return exec_role('w', s.fd);
	if (self->end_by == BY_MUNMAP)
		munmap(s.table, s.args.out_table_bytes);
	if (self->end_by == BY_MUNMAP || self->end_by == BY_KILL)
		pause();
	return 0;
}

FIXTURE_SETUP(owner)
{
	int fd, pidfd;

	self->uses = module_uses();
	self->hold_by = variant->hold_by;
	self->end_by = variant->end_by;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
	ASSERT_EQ(0, door_init(&self->go));
	self->fd = variant->hold_by == BY_FORK ? dev_open(0) : -1;
	self->pid = child_start(own, self);
	ASSERT_LT(0, self->pid);
	if (variant->hold_by == BY_RIGHTS)
		self->fd = fd_recv(self->sock[0]);
	ASSERT_EQ((long)sizeof(fd), read(self->sock[0], &fd, sizeof(fd)));
	if (variant->hold_by == BY_PIDFD) {
		pidfd = syscall(SYS_pidfd_open, self->pid, 0);
		self->fd = sys(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
		close(pidfd);
	}
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(owner)
{
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	close(self->fd);
	EXPECT_TRUE(uses_become(self->uses));
}

/* Let the owner end in the way of the variant. */
static void owner_end(FIXTURE_DATA(owner) * self)
{
	door_open(&self->go);
	if (self->end_by == BY_KILL)
		kill(self->pid, SIGKILL);
}

TEST_F(owner, lives_until_its_end)
{
	__u64 id = 1ULL << 32;

	EXPECT_EQ(0, poll_now(self->fd) & DEAD);
	EXPECT_EQ(1, STAT(self->fd, contexts));
	EXPECT_EQ(-EPERM, ctx_wake(self->fd, id, 1));
	EXPECT_EQ(-EPERM, ctx_alloc(self->fd, &id, 1));
}

TEST_F(owner, its_end_is_known_to_whoever_holds_the_file)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };

	owner_end(self);
	EXPECT_EQ(1, poll(&pfd, 1, -1));
	EXPECT_EQ(DEAD, pfd.revents & DEAD);
	EXPECT_EQ(0, is_dead(self->fd));
}

TEST_F(owner, its_end_wakes_a_stranger_that_polls)
{
	struct waiter w[2];

	ASSERT_EQ(0, waiter_start(&w[0], wait_by_poll, self->fd));
	ASSERT_EQ(0, waiter_start(&w[1], wait_by_epoll, self->fd));
	owner_end(self);
	pthread_join(w[0].thread, NULL);
	pthread_join(w[1].thread, NULL);
	EXPECT_EQ(DEAD, w[0].ret & DEAD);
	EXPECT_EQ(DEAD, w[1].ret & DEAD);
}

static long die_with_file_in_flight(void *arg)
{
	int sock[2];
	struct sched s;

	(void)arg;
	MUST(0, sched_new(&s, 8, 8, 4 * PAGE));
	MUST(0, sys(socketpair(AF_UNIX, SOCK_STREAM, 0, sock)));
	MUST(0, fd_send(sock[0], s.fd));
	/* The socket sends itself too: only garbage collection ends this. */
	MUST(0, fd_send(sock[0], sock[1]));
	return 0;
}

TEST(a_file_that_is_never_received_is_let_go)
{
	long uses = module_uses();
	int sock[2];

	ASSERT_EQ(0, in_child(die_with_file_in_flight, NULL));
	/* Closing a socket collects what is in flight nowhere. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	close(sock[0]);
	close(sock[1]);
	EXPECT_TRUE(uses_become(uses));
}

#define KILL_ROUNDS 200

static void *live_randomly(void *arg)
{
	__u64 seed = *(__u64 *)arg, ids[16];
	struct coro_event events[8];
	struct sched s;
	unsigned int i;
	long n;

	for (;;) {
		n = sched_new(&s, 16 + rnd(&seed) % 256, 4, 4 * PAGE);
		if (n)
			_exit(-n);
		set_nonblock(s.fd);
		for (i = rnd(&seed) % 8; i; i--) {
			n = ctx_alloc(s.fd, ids, 1 + rnd(&seed) % 16);
			if (n < 0)
				_exit(-n);
			*stack_page(&s, ids[rnd(&seed) % n], rnd(&seed) % 3) =
				1;
			ctx_wake(s.fd, ids[rnd(&seed) % n], i);
			event_read(s.fd, events, 8);
			ctx_free(s.fd, ids, n, rnd(&seed) & 1);
		}
		if (rnd(&seed) & 1)
			sched_free(&s);
		else
			close(s.fd);
	}
	return NULL;
}

static long live_until_killed(void *arg)
{
	pthread_t thread;
	__u64 seed = *(__u64 *)arg ^ 0x5bd1e995;

	pthread_create(&thread, NULL, live_randomly, arg);
	live_randomly(&seed);
	return 0;
}

TEST(a_process_killed_at_any_moment_leaves_nothing)
{
	__u64 seed = 20240229, child;
	long uses = module_uses();
	unsigned int i;
	pid_t pid;

	for (i = 0; i < KILL_ROUNDS; i++) {
		child = rnd(&seed);
		pid = child_start(live_until_killed, &child);
		ASSERT_LT(0, pid);
		/* The moment is the subject here, nothing waits for it. */
		usleep(rnd(&seed) % 20000);
		kill(pid, SIGKILL);
		EXPECT_EQ(CHILD_SIGNALED(SIGKILL), child_wait(pid));
	}
	EXPECT_TRUE(uses_become(uses));
}

TEST_HARNESS_MAIN
