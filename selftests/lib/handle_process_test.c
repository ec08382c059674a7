// SPDX-License-Identifier: MIT
/* Handles among processes, on the device: passed as descriptors, told of every end. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "lib_common.h"

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

enum { MAILBOX = 64, MANY = 2000 };

/* A child on the other end of a socket; the loops of both come after the fork. */
FIXTURE(process)
{
	int sock;
	pid_t child;
	struct coro_handle *h; /* of the child's main */
};

FIXTURE_SETUP(process)
{
	bodies_expect(_metadata);
	self->sock = -1;
	self->child = -1;
	self->h = NULL;
}

FIXTURE_TEARDOWN(process)
{
	coro_handle_put(self->h);
	close(self->sock);
	EXPECT_EQ(0, leaked());
}

#define PROCESS(arg) ((FIXTURE_DATA(process) *)(arg))

static bool on_device(void)
{
	const char *want = getenv("CORO_BACKEND");

	return !(want && !strcmp(want, "portable")) &&
	       !access("/dev/coro", R_OK | W_OK);
}

static int fd_send(int sock, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	char byte = 'h';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int fd_recv(int sock)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPROTO;
	if (!CMSG_FIRSTHDR(&msg))
		return -ENODATA;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* The other's handle out of @sock, or NULL. */
static struct coro_handle *handle_recv(int sock)
{
	struct coro_handle *h = NULL;
	int fd = fd_recv(sock);

	if (fd >= 0 && coro_handle_open(&h, fd))
		close(fd);
	return h;
}

static int handle_send(int sock, struct coro *c)
{
	struct coro_handle *h;
	int err = coro_export(c, ALL_RIGHTS, &h);

	if (err)
		return err;
	err = fd_send(sock, coro_handle_fd(h));
	coro_handle_put(h);
	return err;
}

/* In a child: its main coroutine, which has sent a handle to itself. */
struct body {
	long (*fn)(int sock);
	int sock;
};

static long run_body(void *arg)
{
	struct body *body = arg;
	int err = handle_send(body->sock, coro_self());

	return err ? err : body->fn(body->sock);
}

static int process_start(FIXTURE_DATA(process) * self, long (*fn)(int sock))
{
	struct body body = { .fn = fn };
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		return -errno;
	self->child = fork();
	if (!self->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		body.sock = socks[1];
		_exit(coro_run(run_body, &body) & 0x7f);
	}
	close(socks[1]);
	self->sock = socks[0];
	self->h = handle_recv(self->sock);
	return self->h ? 0 : -EPROTO;
}

/* Exit code of the child, or 1000 and a signal. */
static int process_end(FIXTURE_DATA(process) * self)
{
	int status = -1;

	if (waitpid(self->child, &status, 0) != self->child)
		return -errno;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static long return_at_once(int sock)
{
	(void)sock;
	return 42;
}

static long join_child(void *arg)
{
	long value = POISON_LONG;
	int err = coro_handle_join(PROCESS(arg)->h, &value, CORO_NEVER);

	return err ? err : value;
}

TEST_F(process, result_crosses_and_outlives_the_process)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, return_at_once));
	EXPECT_EQ(42, coro_run(join_child, self));
	EXPECT_EQ(42, process_end(self));
	EXPECT_EQ(42, coro_run(join_child, self));
}

static long sleep_child(int sock)
{
	(void)sock;
	return coro_sleep_until(CORO_NEVER) == -ECANCELED ? 43 : 1;
}

static long cancel_child(void *arg)
{
	EXPECT_EQ(0, coro_handle_cancel(PROCESS(arg)->h, 5));
	return join_child(arg);
}

TEST_F(process, cancel_crosses)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, sleep_child));
	EXPECT_EQ(43, coro_run(cancel_child, self));
	EXPECT_EQ(43, process_end(self));
	EXPECT_EQ(-ESRCH, coro_handle_cancel(self->h, 5));
	EXPECT_EQ(-EPIPE, coro_handle_try_send(self->h, 5));
}

static long kill_it(void *arg)
{
	coro_sleep(SOON_NS);
	kill(PROCESS(arg)->child, SIGKILL);
	return 0;
}

static long kill_child(void *arg)
{
	FIXTURE_DATA(process) *self = arg;
	uint64_t i;
	int err;

	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_try_send(self->h, i));
	EXPECT_EQ(0, coro_spawn(kill_it, arg));
	err = coro_handle_send(self->h, 99, CORO_NEVER);
	EXPECT_EQ(-EPIPE, err);
	return join_child(arg);
}

TEST_F(process, killed_process_is_told_of)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, sleep_child));
	EXPECT_EQ(-EOWNERDEAD, coro_run(kill_child, self));
	EXPECT_EQ(1000 + SIGKILL, process_end(self));
	EXPECT_EQ(-EOWNERDEAD, coro_run(join_child, self));
	EXPECT_EQ(-EPIPE, coro_handle_try_send(self->h, 1));
	EXPECT_EQ(-EOWNERDEAD, coro_handle_cancel(self->h, 1));
}

static long be_killed_in_recv(int sock)
{
	uint64_t value;

	(void)sock;
	return coro_recv(&value, CORO_NEVER);
}

static long kill_and_join(void *arg)
{
	EXPECT_EQ(0, coro_spawn(kill_it, arg));
	return join_child(arg);
}

TEST_F(process, join_that_waits_is_told_of_a_kill)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, be_killed_in_recv));
	EXPECT_EQ(-EOWNERDEAD, coro_run(kill_and_join, self));
	EXPECT_EQ(1000 + SIGKILL, process_end(self));
}

static long exit_in_a_coroutine(int sock)
{
	(void)sock;
	_exit(44);
}

TEST_F(process, exit_in_a_coroutine_is_a_death)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, exit_in_a_coroutine));
	EXPECT_EQ(-EOWNERDEAD, coro_run(join_child, self));
	EXPECT_EQ(44, process_end(self));
}

static long sum_child(int sock)
{
	struct coro_handle *h = handle_recv(sock);
	uint64_t value, next = 0;
	int err;

	while (next < MANY) {
		err = coro_recv(&value, CORO_NEVER);
		if (err || value != next++)
			return 1;
		err = coro_handle_send(h, value * 3, CORO_NEVER);
		if (err)
			return 2;
	}
	coro_handle_put(h);
	return 45;
}

static long send_to_child(void *arg)
{
	uint64_t i;

	for (i = 0; i < MANY; i++) {
		if (coro_handle_send(PROCESS(arg)->h, i, CORO_NEVER))
			return -EPROTO;
	}
	return 0;
}

static long work_with_child(void *arg)
{
	uint64_t value, i;

	EXPECT_EQ(0, handle_send(PROCESS(arg)->sock, coro_self()));
	EXPECT_EQ(0, coro_spawn(send_to_child, arg));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
		if (value != i * 3)
			return -EILSEQ;
	}
	return join_child(arg);
}

TEST_F(process, messages_cross_both_ways_once_and_in_order)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, sum_child));
	EXPECT_EQ(45, coro_run(work_with_child, self));
	EXPECT_EQ(45, process_end(self));
}

static long cancel_the_waits(void *arg)
{
	FIXTURE_DATA(process) *self = arg;
	struct coro *send, *join;
	uint64_t i;

	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_try_send(self->h, i));
	EXPECT_EQ(-EAGAIN, coro_handle_try_send(self->h, i));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_handle_send(self->h, i, coro_after(SOON_NS)));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_handle_join(self->h, NULL, coro_after(SOON_NS)));
	send = coro_new(send_to_child, arg);
	join = coro_new(join_child, arg);
	EXPECT_EQ(0, coro_start(send));
	EXPECT_EQ(0, coro_start(join));
	settle(send, CORO_AWAITS_HANDLE);
	settle(join, CORO_AWAITS_HANDLE);
	EXPECT_EQ(0, coro_cancel(send));
	EXPECT_EQ(0, coro_cancel(join));
	EXPECT_EQ(-EPROTO, coro_await(send));
	EXPECT_EQ(-ECANCELED, coro_await(join));
	return cancel_child(arg);
}

TEST_F(process, waits_for_another_process_can_be_cancelled)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, sleep_child));
	EXPECT_EQ(43, coro_run(cancel_the_waits, self));
	EXPECT_EQ(43, process_end(self));
}

/* The descriptor may be O_NONBLOCK by now: others have it, too. */
TEST_F(process, nonblocking_descriptor_waits_all_the_same)
{
	int fd;

	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, sleep_child));
	fd = coro_handle_fd(self->h);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	EXPECT_EQ(43, coro_run(cancel_the_waits, self));
	EXPECT_EQ(43, process_end(self));
}

static long fill_and_leave(void *arg)
{
	FIXTURE_DATA(process) *self = arg;
	uint64_t value;
	int i;

	/* Answers that were sent before the death are there after it. */
	EXPECT_EQ(0, handle_send(self->sock, coro_self()));
	EXPECT_EQ(-EOWNERDEAD, join_child(arg));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, coro_recv(&value, 0));
		EXPECT_EQ((uint64_t)i, value);
	}
	EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, 0));
	return 6;
}

static long answer_and_die(int sock)
{
	struct coro_handle *h = handle_recv(sock);
	uint64_t i;

	for (i = 0; i < 10; i++) {
		if (coro_handle_try_send(h, i))
			return 1;
	}
	kill(getpid(), SIGKILL);
	return 2;
}

TEST_F(process, message_outlives_its_sender)
{
	if (!on_device())
		return;
	ASSERT_EQ(0, process_start(self, answer_and_die));
	EXPECT_EQ(6, coro_run(fill_and_leave, self));
	EXPECT_EQ(1000 + SIGKILL, process_end(self));
}

static long give_arg(void *arg)
{
	return (long)arg;
}

/* A child of fork() has the handles of its parent, on the device. */
static long use_inherited(void *arg)
{
	struct coro_handle *h = arg;
	int err = coro_handle_try_send(h, 12);

	if (!on_device())
		return err != -EPIPE || coro_handle_cancel(h, 1) != -EOWNERDEAD;
	return err;
}

TEST_F(process, child_inherits_what_it_may_use)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_handle *h;

	ASSERT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(0, in_child(use_inherited, h));
	coro_handle_put(h);
	coro_put(c);
}

TEST_HARNESS_MAIN
