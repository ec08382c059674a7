// SPDX-License-Identifier: GPL-2.0
/* Handles on their way: fork, exec, sockets, what they keep alive, what fdinfo shows. */
#include "handle.h"
#include "kselftest_harness.h"

FIXTURE(life)
{
	struct sched s;
	__u64 id;
	int hnd;
	long uses; /* of the module before */
};

FIXTURE_SETUP(life)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
	ASSERT_EQ(0, sched_new(&self->s, 8, 4, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	self->hnd = ctx_export(self->s.fd, self->id, SEND | JOIN | CANCEL, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(life)
{
	close(self->hnd);
	sched_free(&self->s);
	EXPECT_TRUE(uses_become(self->uses));
}

static long use_inherited(void *arg)
{
	FIXTURE_DATA(life) *self = arg;

	MUST(0, hnd_send(self->hnd, 11));
	MUST(0, ctx_cancel(self->hnd, 0, 12));
	MUST(13, hnd_join(self->hnd));
	return 0;
}

TEST_F(life, a_child_that_inherits_it_may_use_it)
{
	pid_t pid = child_start(use_inherited, self);
	int fd = self->s.fd;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	EXPECT_EQ(11, event_take(fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(12, event_take(fd, self->id, CORO_EVENT_CANCEL));
	ASSERT_EQ(0, ctx_finish(fd, self->id, 13));
	EXPECT_EQ(0, child_wait(pid));
}

static long exec_and_join(void *arg)
{
	return exec_role('j', ((FIXTURE_DATA(life) *)arg)->hnd);
}

static long exec_and_send(void *arg)
{
	return exec_role('s', ((FIXTURE_DATA(life) *)arg)->hnd);
}

TEST_F(life, it_survives_exec_of_who_holds_it)
{
	pid_t pid = child_start(exec_and_join, self);

	EXPECT_EQ(0, in_child(exec_and_send, self));
	EXPECT_EQ(77, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 33));
	EXPECT_EQ(-33, child_wait(pid));
}

struct party {
	int sock[2];
	int pid;
	int fd;
};

static long use_received(void *arg)
{
	struct party *p = arg;
	long word;
	int fd;

	close(p->sock[0]);
	fd = fd_recv(p->sock[1], &word);
	MUST(1, fd >= 0);
	MUST(0, hnd_send(fd, 5));
	return -hnd_join(fd);
}

TEST_F(life, it_can_be_sent_over_a_socket)
{
	struct party p;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p.sock));
	pid = child_start(use_received, &p);
	fd = ctx_export(self->hnd, 0, SEND | JOIN, CORO_EXPORT_F_CLOEXEC);
	ASSERT_EQ(0, fd_send(p.sock[0], fd, 1));
	close(fd);
	fd = self->s.fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	EXPECT_EQ(5, event_take(fd, self->id, CORO_EVENT_MESSAGE));
	ASSERT_EQ(0, ctx_finish(fd, self->id, 44));
	EXPECT_EQ(-44, child_wait(pid));
	close(p.sock[0]);
	close(p.sock[1]);
}

TEST_F(life, it_lives_in_a_socket_that_nobody_reads)
{
	long word;
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	ASSERT_EQ(0, fd_send(sock[0], self->hnd, 1));
	close(self->hnd);
	sched_free(&self->s);
	EXPECT_LT(self->uses, module_uses());
	fd = fd_recv(sock[1], &word);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOWNERDEAD, hnd_join(fd));
	/* Back into a socket that is closed with it. */
	ASSERT_EQ(0, fd_send(sock[0], fd, 1));
	close(fd);
	close(sock[0]);
	close(sock[1]);
	self->hnd = -1;
}

static long take_by_pidfd(void *arg)
{
	struct party *p = arg;
	int pidfd = sys(syscall(SYS_pidfd_open, p->pid, 0));
	int fd;

	MUST(1, pidfd >= 0);
	fd = sys(syscall(SYS_pidfd_getfd, pidfd, p->fd, 0));
	MUST(1, fd >= 0);
	MUST(0, hnd_send(fd, 6));
	MUST(-EBADF, hnd_join(fd));
	return 0;
}

TEST_F(life, it_can_be_taken_with_pidfd_getfd)
{
	struct party p = { .pid = getpid() };

	p.fd = ctx_export(self->hnd, 0, SEND, CORO_EXPORT_F_CLOEXEC);
	ASSERT_LE(0, p.fd);
	EXPECT_EQ(0, in_child(take_by_pidfd, &p));
	EXPECT_EQ(6, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	close(p.fd);
}

TEST_F(life, it_outlives_the_file_of_the_scheduler)
{
	close(self->s.fd);
	EXPECT_EQ(0, hnd_send(self->hnd, 1));
	EXPECT_EQ(0, ctx_cancel(self->hnd, 0, 1));
	EXPECT_EQ(2ULL, self->s.header->events_pending);
	EXPECT_EQ(POLLOUT, hnd_poll(self->hnd));
	self->s.fd = -1;
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, hnd_join(self->hnd));
}

TEST_F(life, it_holds_the_module)
{
	sched_free(&self->s);
	EXPECT_LT(self->uses, module_uses());
	EXPECT_EQ(-EOWNERDEAD, hnd_join(self->hnd));
	close(self->hnd);
	self->hnd = -1;
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F(life, a_result_does_not_keep_the_scheduler)
{
	struct sched s;
	int fd;

	ASSERT_EQ(0, sched_new(&s, 8, 4, 2 * PAGE));
	ASSERT_EQ(0, ctx_alloc_one(s.fd, &self->id, 0));
	fd = ctx_export(s.fd, self->id, JOIN, 0);
	ASSERT_EQ(0, ctx_finish(s.fd, self->id, 4));
	ASSERT_EQ(1, ctx_free(s.fd, &self->id, 1, 0));
	sched_free(&s);
	EXPECT_EQ(4, hnd_join(fd));
	close(fd);
}

TEST_F(life, closing_it_ends_nothing_of_the_coroutine)
{
	close(self->hnd);
	self->hnd = -1;
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	EXPECT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	self->hnd = ctx_export(self->s.fd, self->id, JOIN, 0);
	EXPECT_EQ(1, hnd_join(self->hnd));
}

TEST_F(life, a_handle_that_is_closed_while_it_is_joined_still_ends)
{
	struct waiter w[2] = { 0 };

	ASSERT_EQ(0, waiter_start(&w[0], wait_join, self->hnd));
	ASSERT_EQ(0, waiter_start(&w[1], wait_join, self->hnd));
	close(self->hnd);
	self->hnd = -1;
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 3));
	EXPECT_EQ(3, waiter_end(&w[0]));
	EXPECT_EQ(3, waiter_end(&w[1]));
}

TEST_F(life, a_handle_that_is_closed_while_it_is_written_still_ends)
{
	struct waiter w = { .value = 4 };
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, hnd_send(self->hnd, i));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	close(self->hnd);
	self->hnd = -1;
	sched_unmap(&self->s);
	EXPECT_EQ(-EPIPE, waiter_end(&w));
}

static long hold_and_end(void *arg)
{
	struct party *p = arg;
	char c;

	/* It holds copies of the file, and no memory: its end is not death. */
	close(p->sock[0]);
	MUST(0, sys(read(p->sock[1], &c, 1)));
	return 0;
}

TEST_F(life, copies_in_other_processes_do_not_keep_the_owner_alive)
{
	struct party p;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, p.sock));
	pid = child_start(hold_and_end, &p);
	close(p.sock[1]);
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, hnd_join(self->hnd));
	close(p.sock[0]);
	EXPECT_EQ(0, child_wait(pid));
}

/* Promised to tools. */
#define KEY_STATE "coro-state"
#define KEY_ID "coro-id"
#define KEY_RIGHTS "coro-rights"
#define KEY_OWNER "coro-owner-pid"
#define KEY_MESSAGES "coro-messages"

/* 0 if fdinfo of @fd says @state. */
static long state_is(int fd, const char *state)
{
	char word[64];
	long ret = fdinfo_word(getpid(), fd, KEY_STATE, word, sizeof(word));

	if (!ret && strcmp(word, state)) {
		fprintf(stderr, "# it says %s\n", word);
		return -EPROTO;
	}
	return ret;
}

TEST_F(life, fdinfo_shows_whose_it_is_and_what_it_may)
{
	char word[64];

	EXPECT_EQ(0, state_is(self->hnd, "live"));
	EXPECT_EQ((long)self->id, fdinfo_get(getpid(), self->hnd, KEY_ID));
	EXPECT_EQ(getpid(), fdinfo_get(getpid(), self->hnd, KEY_OWNER));
	EXPECT_EQ(0, fdinfo_word(getpid(), self->hnd, KEY_RIGHTS, word,
				 sizeof(word)));
	EXPECT_LT(0U, strlen(word));
}

TEST_F(life, fdinfo_counts_the_messages)
{
	EXPECT_EQ(0, fdinfo_get(getpid(), self->hnd, KEY_MESSAGES));
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	ASSERT_EQ(0, hnd_send(self->hnd, 2));
	EXPECT_EQ(2, fdinfo_get(getpid(), self->hnd, KEY_MESSAGES));
	EXPECT_EQ(1, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(1, fdinfo_get(getpid(), self->hnd, KEY_MESSAGES));
}

TEST_F(life, fdinfo_shows_the_end)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(0, state_is(self->hnd, "finished"));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_LE(0, fdinfo_get(getpid(), self->hnd, KEY_ID));
}

TEST_F(life, fdinfo_shows_that_it_was_freed)
{
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(0, state_is(self->hnd, "freed"));
	EXPECT_EQ(0, fdinfo_get(getpid(), self->hnd, KEY_MESSAGES));
}

TEST_F(life, fdinfo_shows_death)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	sched_unmap(&self->s);
	EXPECT_EQ(0, state_is(self->hnd, "dead"));
	EXPECT_EQ(0, fdinfo_get(getpid(), self->hnd, KEY_MESSAGES));
	sched_free(&self->s);
	EXPECT_EQ(0, state_is(self->hnd, "dead"));
}

struct viewer {
	pid_t pid;
	int fd;
};

static long view_owner(void *arg)
{
	struct viewer *v = arg;

	return fdinfo_get(getpid(), v->fd, KEY_OWNER) == v->pid ? 0 : -EPROTO;
}

TEST_F(life, fdinfo_names_the_owner_to_others)
{
	struct viewer v = { getpid(), self->hnd };

	EXPECT_EQ(0, in_child(view_owner, &v));
}

#define MANY 500

TEST_F(life, many_handles_can_be_made_and_closed)
{
	static int fds[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		fds[i] = ctx_export(self->s.fd, self->id, JOIN, 0);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 6));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(6, hnd_join(fds[i]));
		close(fds[i]);
	}
}

TEST_HARNESS_MAIN
