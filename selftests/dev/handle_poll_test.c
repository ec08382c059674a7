// SPDX-License-Identifier: GPL-2.0
/* Readiness of handles: what poll and epoll say, and when they wake. */
#include <sys/epoll.h>

#include "handle.h"
#include "kselftest_harness.h"

#define DEPTH 2U

FIXTURE(poll)
{
	struct sched s;
	__u64 id;
	int all; /* handles of the same context, by their rights */
	int join;
	int send;
	int recv;
	int ep;
};

FIXTURE_SETUP(poll)
{
	int fd;

	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	fd = self->s.fd;
	ASSERT_EQ(0, set_nonblock(fd));
	ASSERT_EQ(0, ctx_alloc_one(fd, &self->id, 0));
	self->all = ctx_export(fd, self->id, SEND | JOIN | CANCEL, 0);
	self->join = ctx_export(fd, self->id, JOIN, 0);
	self->send = ctx_export(fd, self->id, SEND, 0);
	self->recv = ctx_export(fd, self->id, RECV, 0);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->join);
	ASSERT_LE(0, self->send);
	ASSERT_LE(0, self->recv);
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->ep);
	close(self->all);
	close(self->join);
	close(self->send);
	close(self->recv);
	sched_free(&self->s);
}

static int fill(FIXTURE_DATA(poll) * self)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		MUST(0, ctx_wake(self->s.fd, self->id, 100 + i));
	return 0;
}

TEST_F(poll, before_the_end_there_is_room_and_no_result)
{
	EXPECT_EQ(POLLOUT, hnd_poll(self->all));
	EXPECT_EQ(POLLOUT, hnd_poll(self->send) & (POLLOUT | GONE));
	EXPECT_EQ(0, hnd_poll(self->join) & (POLLIN | GONE));
	EXPECT_EQ(0, hnd_poll(self->recv) & (POLLIN | GONE));
}

TEST_F(poll, a_full_mailbox_is_not_ready_for_writes)
{
	ASSERT_EQ(0, fill(self));
	EXPECT_EQ(0, hnd_poll(self->all));
	EXPECT_EQ(0, hnd_poll(self->send) & POLLOUT);
	EXPECT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(POLLOUT, hnd_poll(self->all));
	ASSERT_EQ(0, hnd_send(self->all, 1));
	EXPECT_EQ(0, hnd_poll(self->all));
}

TEST_F(poll, a_result_makes_it_readable)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLIN, hnd_poll(self->join) & (POLLIN | GONE));
	/* A write would not wait either: it is refused. */
	EXPECT_EQ(POLLIN | POLLOUT, hnd_poll(self->all));
	EXPECT_EQ(POLLOUT, hnd_poll(self->send) & (POLLOUT | GONE));
	ASSERT_EQ(1, hnd_join(self->join));
	EXPECT_EQ(POLLIN, hnd_poll(self->join) & (POLLIN | GONE));
}

TEST_F(poll, a_result_behind_a_full_mailbox_makes_it_readable)
{
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLIN | POLLOUT, hnd_poll(self->all));
}

TEST_F(poll, a_result_stays_readable_after_free_and_death)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, hnd_poll(self->all));
	EXPECT_EQ(POLLIN, hnd_poll(self->join) & (POLLIN | GONE));
	sched_unmap(&self->s);
	EXPECT_EQ(POLLIN | POLLOUT, hnd_poll(self->all));
	EXPECT_EQ(POLLIN, hnd_poll(self->join) & (POLLIN | GONE));
}

TEST_F(poll, one_that_was_freed_without_an_end_is_gone)
{
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | GONE, hnd_poll(self->all));
	EXPECT_EQ(POLLIN | GONE, hnd_poll(self->join) & (POLLIN | GONE));
	EXPECT_EQ(POLLIN | GONE, hnd_poll(self->recv) & (POLLIN | GONE));
	EXPECT_EQ(POLLOUT | GONE, hnd_poll(self->send) & (POLLOUT | GONE));
}

TEST_F(poll, one_whose_owner_died_is_gone)
{
	sched_unmap(&self->s);
	EXPECT_EQ(POLLIN | POLLOUT | GONE, hnd_poll(self->all));
	EXPECT_EQ(POLLIN | GONE, hnd_poll(self->join) & (POLLIN | GONE));
	EXPECT_EQ(POLLIN | GONE, hnd_poll(self->recv) & (POLLIN | GONE));
	EXPECT_EQ(POLLOUT | GONE, hnd_poll(self->send) & (POLLOUT | GONE));
}

TEST_F(poll, a_message_makes_a_receiver_readable_until_it_is_taken)
{
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_EQ(POLLIN, hnd_poll(self->recv) & (POLLIN | GONE));
	EXPECT_EQ(0, hnd_poll(self->join) & POLLIN);
	ASSERT_EQ(1, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, hnd_poll(self->recv) & POLLIN);
	/* The scheduler may take it as well. */
	ASSERT_EQ(0, hnd_send(self->send, 2));
	ASSERT_EQ(2, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, hnd_poll(self->recv) & POLLIN);
}

TEST_F(poll, the_end_makes_a_receiver_readable)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLIN, hnd_poll(self->recv) & POLLIN);
	EXPECT_EQ(-EPIPE, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(poll, what_a_receiver_took_is_not_pending_for_the_scheduler)
{
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_EQ(POLLIN, poll_now(self->s.fd) & POLLIN);
	ASSERT_EQ(1, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, poll_now(self->s.fd) & POLLIN);
}

TEST_F(poll, a_result_ends_a_blocked_poll)
{
	struct waiter w = { .events = POLLIN };

	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->all));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLIN, waiter_end(&w));
}

TEST_F(poll, room_ends_a_blocked_poll)
{
	struct waiter w = { .events = POLLOUT };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->all));
	ASSERT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(POLLOUT, waiter_end(&w));
}

TEST_F(poll, the_end_ends_a_blocked_poll_for_room)
{
	struct waiter w = { .events = POLLOUT };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->send));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLOUT, waiter_end(&w));
}

TEST_F(poll, a_message_ends_a_blocked_poll_of_a_receiver)
{
	struct waiter w = { .events = POLLIN };

	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->recv));
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_EQ(POLLIN, waiter_end(&w));
}

TEST_F(poll, free_ends_blocked_polls)
{
	struct waiter w[3] = { { .events = POLLIN },
			       { .events = POLLOUT },
			       { .events = POLLIN } };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(2, event_read(self->s.fd, (struct coro_event[2]){}, 2));
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w[0], wait_poll, self->join));
	ASSERT_EQ(0, waiter_start(&w[1], wait_poll, self->send));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(POLLIN | GONE, waiter_end(&w[0]));
	EXPECT_EQ(POLLOUT | GONE, waiter_end(&w[1]));
}

TEST_F(poll, death_ends_blocked_polls)
{
	struct waiter w[3] = { { .events = POLLIN },
			       { .events = 0 },
			       { .events = POLLIN } };

	ASSERT_EQ(0, waiter_start(&w[0], wait_poll, self->join));
	ASSERT_EQ(0, waiter_start(&w[1], wait_poll, self->all));
	ASSERT_EQ(0, waiter_start(&w[2], wait_poll, self->recv));
	sched_unmap(&self->s);
	EXPECT_EQ(POLLIN | GONE, waiter_end(&w[0]));
	EXPECT_EQ(GONE, waiter_end(&w[1]));
	EXPECT_EQ(POLLIN | GONE, waiter_end(&w[2]));
}

TEST_F(poll, a_message_alone_does_not_end_a_blocked_poll_for_the_result)
{
	struct waiter w = { .events = POLLIN };

	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->join));
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_TRUE(wait_asleep(getpid(), w.tid));
	EXPECT_EQ(-EINPROGRESS, w.ret);
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(POLLIN, waiter_end(&w));
}

static int epoll_add(int ep, int fd, __u32 events)
{
	struct epoll_event ev = { .events = events };

	return sys(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

/* What epoll reports now of the one file that it watches: 0 if nothing. */
static long epoll_now(int ep)
{
	struct epoll_event ev;
	int n = sys(epoll_wait(ep, &ev, 1, 0));

	return n == 1 ? (long)ev.events : n;
}

TEST_F(poll, level_epoll_reports_as_long_as_it_holds)
{
	ASSERT_EQ(0, epoll_add(self->ep, self->all, EPOLLIN | EPOLLOUT));
	EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
	EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
	ASSERT_EQ(0, fill(self));
	EXPECT_EQ(0, epoll_now(self->ep));
	ASSERT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, epoll_now(self->ep));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, epoll_now(self->ep));
}

TEST_F(poll, edge_epoll_reports_each_time_room_comes_back)
{
	int i;

	ASSERT_EQ(0, epoll_add(self->ep, self->send, EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, fill(self));
		EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->id, 1));
		EXPECT_EQ(0, epoll_now(self->ep));
		ASSERT_EQ(2,
			  event_read(self->s.fd, (struct coro_event[2]){}, 2));
		EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
		EXPECT_EQ(0, epoll_now(self->ep));
	}
}

TEST_F(poll, edge_epoll_reports_room_that_a_receiver_made)
{
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, epoll_add(self->ep, self->send, EPOLLOUT | EPOLLET));
	EXPECT_EQ(0, epoll_now(self->ep));
	ASSERT_EQ(100, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(EPOLLOUT, epoll_now(self->ep));
	EXPECT_EQ(0, epoll_now(self->ep));
}

TEST_F(poll, edge_epoll_reports_each_message_to_a_receiver)
{
	int i;

	ASSERT_EQ(0, epoll_add(self->ep, self->recv, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, epoll_now(self->ep));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, hnd_send(self->send, i));
		EXPECT_EQ(EPOLLIN, epoll_now(self->ep) & EPOLLIN);
		EXPECT_EQ(0, epoll_now(self->ep));
		ASSERT_EQ(i,
			  event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	}
	/* One more while one is unread is an edge too. */
	ASSERT_EQ(0, hnd_send(self->send, 8));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep) & EPOLLIN);
	ASSERT_EQ(0, hnd_send(self->send, 9));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep) & EPOLLIN);
}

TEST_F(poll, edge_epoll_reports_the_result_once)
{
	ASSERT_EQ(0, epoll_add(self->ep, self->join, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, epoll_now(self->ep));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep));
	EXPECT_EQ(0, epoll_now(self->ep));
}

TEST_F(poll, edge_epoll_reports_death)
{
	ASSERT_EQ(0, epoll_add(self->ep, self->join, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, epoll_now(self->ep));
	sched_unmap(&self->s);
	EXPECT_EQ(EPOLLIN | EPOLLHUP | EPOLLERR, epoll_now(self->ep));
}

TEST_F(poll, a_oneshot_epoll_reports_once_until_it_is_armed_again)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };

	ASSERT_EQ(0, epoll_add(self->ep, self->recv, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep));
	ASSERT_EQ(0, hnd_send(self->send, 2));
	EXPECT_EQ(0, epoll_now(self->ep));
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_MOD, self->recv, &ev));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep));
}

static long wait_epoll(struct waiter *w)
{
	struct epoll_event ev;
	int n = sys(epoll_wait(w->fd, &ev, 1, -1));

	return n == 1 ? (long)ev.events : n;
}

TEST_F(poll, exclusive_epolls_lose_no_wake_up)
{
	struct waiter w[3] = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		w[i].fd = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_EQ(0, epoll_add(w[i].fd, self->join,
				       EPOLLIN | EPOLLEXCLUSIVE));
		ASSERT_EQ(0, waiter_start(&w[i], wait_epoll, w[i].fd));
	}
	/* What stays true is seen by all, whoever is woken. */
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EPOLLIN, waiter_end(&w[i]));
		close(w[i].fd);
	}
}

TEST_F(poll, an_exclusive_epoll_is_woken_by_each_message)
{
	struct waiter w;
	int i;

	ASSERT_EQ(0, epoll_add(self->ep, self->recv, EPOLLIN | EPOLLEXCLUSIVE));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, waiter_start(&w, wait_epoll, self->ep));
		ASSERT_EQ(0, hnd_send(self->send, i));
		EXPECT_EQ(EPOLLIN, waiter_end(&w));
		ASSERT_EQ(i,
			  event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	}
}

TEST_F(poll, a_handle_that_is_closed_leaves_the_epoll)
{
	ASSERT_EQ(0, epoll_add(self->ep, self->join, EPOLLIN));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(EPOLLIN, epoll_now(self->ep));
	close(self->join);
	self->join = -1;
	EXPECT_EQ(0, epoll_now(self->ep));
}

TEST_F(poll, one_epoll_watches_a_scheduler_and_its_handles)
{
	struct epoll_event ev[4];

	ASSERT_EQ(0, epoll_add(self->ep, self->s.fd, EPOLLIN));
	ASSERT_EQ(0, epoll_add(self->ep, self->join, EPOLLIN));
	ASSERT_EQ(0, epoll_add(self->ep, self->recv, EPOLLIN));
	EXPECT_EQ(0, epoll_wait(self->ep, ev, 4, 0));
	ASSERT_EQ(0, hnd_send(self->send, 1));
	EXPECT_EQ(2, epoll_wait(self->ep, ev, 4, 0));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(3, epoll_wait(self->ep, ev, 4, 0));
}

TEST_HARNESS_MAIN
