// SPDX-License-Identifier: GPL-2.0
/* Handles as plain files of io_uring: READ, WRITE and POLL_ADD wait, complete and are cancelled. */
#include "uring.h"

#define DEPTH 4U

FIXTURE(file)
{
	struct sched s;
	struct ring r;
	__u64 id;
	int all; /* handles of id: all rights but RECV */
	int recv;
	struct coro_event event;
	struct coro_result result;
	__u64 value;
};

RING_VARIANTS(file);

FIXTURE_SETUP(file)
{
	ASSERT_EQ(0, ring_init(&self->r, variant->flags, variant->fixed,
			       variant->async));
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	self->all = ctx_export(self->s.fd, self->id, SEND | JOIN | CANCEL, 0);
	self->recv = ctx_export(self->s.fd, self->id, RECV, 0);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->recv);
	memset(&self->event, POISON, sizeof(self->event));
	memset(&self->result, POISON, sizeof(self->result));
}

FIXTURE_TEARDOWN(file)
{
	ring_exit(&self->r);
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
}

static struct io_uring_sqe *add_rw(FIXTURE_DATA(file) * self, __u8 op, int fd,
				   void *buf, unsigned int len, __u64 tag)
{
	struct io_uring_sqe *sqe = ring_sqe(&self->r, op, fd, tag);

	sqe->addr = (uintptr_t)buf;
	sqe->len = len;
	sqe->off = (__u64)-1;
	return sqe;
}

static struct io_uring_sqe *add_join(FIXTURE_DATA(file) * self)
{
	return add_rw(self, IORING_OP_READ, self->all, &self->result,
		      sizeof(self->result), TAG_A);
}

static struct io_uring_sqe *add_recv(FIXTURE_DATA(file) * self, int fd)
{
	return add_rw(self, IORING_OP_READ, fd, &self->event,
		      sizeof(self->event), TAG_A);
}

static struct io_uring_sqe *add_send(FIXTURE_DATA(file) * self, __u64 value)
{
	self->value = value;
	return add_rw(self, IORING_OP_WRITE, self->all, &self->value,
		      sizeof(self->value), TAG_A);
}

static struct io_uring_sqe *add_poll(FIXTURE_DATA(file) * self, int fd,
				     __u32 events, __u32 flags)
{
	struct io_uring_sqe *sqe =
		ring_sqe(&self->r, IORING_OP_POLL_ADD, fd, TAG_A);

	sqe->poll32_events = events;
	sqe->len = flags;
	return sqe;
}

/* Whether A waits after all was submitted. */
static bool waits(FIXTURE_DATA(file) * self)
{
	return !ring_submit(&self->r) && ring_quiet(&self->r, TAG_A);
}

static long wait_a(FIXTURE_DATA(file) * self)
{
	return ring_wait(&self->r, TAG_A);
}

static long run_a(FIXTURE_DATA(file) * self)
{
	long ret = ring_submit(&self->r);

	return ret ? ret : wait_a(self);
}

/* Cancel A: what the cancellation said. A worker may not have begun with it, or be at it. */
/*
 * A worker of io_uring that is told while it only tries may wait again, in a
 * poll, and in between it is not found: tell it until it is over.
 */
static long cancel_a(FIXTURE_DATA(file) * self)
{
	struct io_uring_sqe *sqe;
	long ret;

	do {
		sqe = ring_sqe(&self->r, IORING_OP_ASYNC_CANCEL, -1, TAG_B);
		sqe->flags &= ~IOSQE_ASYNC;
		sqe->addr = TAG_A;
		ret = ring_submit(&self->r);
		ret = ret ? ret : ring_wait(&self->r, TAG_B);
	} while ((ret == -EALREADY || ret == -ENOENT) &&
		 ring_quiet(&self->r, TAG_A));
	return ring_quiet(&self->r, TAG_A) ? ret : 0;
}

/* True if a request of a worker, or one that was waiting, was cancelled. */
static bool is_cancelled(long res)
{
	return res == -ECANCELED || res == -EINTR;
}

static int fill(FIXTURE_DATA(file) * self)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		MUST(0, ctx_wake(self->s.fd, self->id, 100 + i));
	return 0;
}

TEST_F(file, a_read_of_a_result_waits_for_it)
{
	add_join(self);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(16, wait_a(self));
	EXPECT_EQ(21ULL, self->result.value);
	EXPECT_EQ(0ULL, self->result.reserved);
	memset(&self->result, POISON, sizeof(self->result));
	add_join(self);
	EXPECT_EQ(16, run_a(self));
	EXPECT_EQ(21ULL, self->result.value);
}

TEST_F(file, a_read_of_messages_waits_for_one)
{
	add_recv(self, self->recv);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, hnd_send(self->all, 22));
	EXPECT_EQ(24, wait_a(self));
	EXPECT_EQ(self->id, self->event.id);
	EXPECT_EQ(22ULL, self->event.value);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(file, a_write_waits_for_room)
{
	unsigned int i;

	ASSERT_EQ(0, fill(self));
	add_send(self, 55);
	ASSERT_TRUE(waits(self));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
	EXPECT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(8, wait_a(self));
	for (i = 1; i < DEPTH; i++)
		EXPECT_EQ(100 + i,
			  event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(55, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(file, a_write_to_where_there_is_room_completes_at_once)
{
	add_send(self, 55);
	EXPECT_EQ(8, run_a(self));
	EXPECT_EQ(55, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
}

TEST_F(file, a_write_to_one_that_has_ended_is_epipe)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	add_send(self, 55);
	EXPECT_EQ(-EPIPE, run_a(self));
}

TEST_F(file, what_a_handle_has_no_right_to_is_ebadf)
{
	add_rw(self, IORING_OP_WRITE, self->recv, &self->value, 8, TAG_A);
	EXPECT_EQ(-EBADF, run_a(self));
	self->recv = ctx_export(self->all, 0, SEND, 0);
	add_recv(self, self->recv);
	EXPECT_EQ(-EBADF, run_a(self));
}

TEST_F(file, the_end_ends_what_waits)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, 55);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(-EPIPE, wait_a(self));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(file, the_end_ends_a_read_of_messages)
{
	add_recv(self, self->recv);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(-EPIPE, wait_a(self));
}

TEST_F(file, free_ends_what_waits)
{
	add_join(self);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-ESTALE, wait_a(self));
	add_recv(self, self->recv);
	EXPECT_EQ(-ESTALE, run_a(self));
}

TEST_F(file, death_ends_a_read_of_a_result)
{
	add_join(self);
	ASSERT_TRUE(waits(self));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, wait_a(self));
}

TEST_F(file, death_ends_a_read_of_messages)
{
	add_recv(self, self->recv);
	ASSERT_TRUE(waits(self));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, wait_a(self));
}

TEST_F(file, death_ends_a_write)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, 55);
	ASSERT_TRUE(waits(self));
	sched_unmap(&self->s);
	EXPECT_EQ(-EPIPE, wait_a(self));
}

TEST_F(file, a_read_that_waits_can_be_cancelled)
{
	long said;

	add_join(self);
	ASSERT_TRUE(waits(self));
	said = cancel_a(self);
	EXPECT_EQ(0, said);
	EXPECT_TRUE(is_cancelled(wait_a(self)));
	add_recv(self, self->recv);
	ASSERT_TRUE(waits(self));
	EXPECT_EQ(0, cancel_a(self));
	EXPECT_TRUE(is_cancelled(wait_a(self)));
	/* It took nothing with it. */
	ASSERT_EQ(0, hnd_send(self->all, 5));
	EXPECT_EQ(5, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(file, a_write_that_waits_can_be_cancelled)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, 55);
	ASSERT_TRUE(waits(self));
	EXPECT_EQ(0, cancel_a(self));
	EXPECT_TRUE(is_cancelled(wait_a(self)));
	EXPECT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

static void add_link_timeout(FIXTURE_DATA(file) * self,
			     struct __kernel_timespec *ts)
{
	struct io_uring_sqe *sqe =
		ring_sqe(&self->r, IORING_OP_LINK_TIMEOUT, -1, TAG_B);

	sqe->flags &= ~IOSQE_ASYNC;
	sqe->addr = (uintptr_t)ts;
	sqe->len = 1;
}

/* As cancel_a(), but first by a timeout, which is over with one attempt. */
static long time_out_a(FIXTURE_DATA(file) * self)
{
	struct __kernel_timespec ts = { .tv_nsec = 5000000 };
	long ret;

	add_link_timeout(self, &ts);
	ret = ring_submit(&self->r);
	ret = ret ? ret : ring_wait(&self->r, TAG_B);
	if (ret == -EALREADY || ret == -ENOENT)
		cancel_a(self);
	return wait_a(self);
}

TEST_F(file, what_waits_can_be_timed_out)
{
	add_join(self)->flags |= IOSQE_IO_LINK;
	EXPECT_TRUE(is_cancelled(time_out_a(self)));
	add_recv(self, self->recv)->flags |= IOSQE_IO_LINK;
	EXPECT_TRUE(is_cancelled(time_out_a(self)));
	ASSERT_EQ(0, fill(self));
	add_send(self, 55)->flags |= IOSQE_IO_LINK;
	EXPECT_TRUE(is_cancelled(time_out_a(self)));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(file, a_timeout_does_not_end_what_came_in_time)
{
	struct __kernel_timespec ts = { .tv_sec = 3600 };

	add_join(self)->flags |= IOSQE_IO_LINK;
	add_link_timeout(self, &ts);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(16, wait_a(self));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_B));
}

TEST_F(file, nonblocking_handles_wait_too)
{
	if (variant->async)
		return; /* a worker does what the file says */
	ASSERT_EQ(0, set_nonblock(self->all));
	add_join(self);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(16, wait_a(self));
}

TEST_F(file, a_call_that_asks_not_to_wait_does_not)
{
	add_join(self)->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, run_a(self));
	add_recv(self, self->recv)->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, run_a(self));
	ASSERT_EQ(0, fill(self));
	add_send(self, 5)->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, run_a(self));
}

TEST_F(file, a_poll_waits_for_the_result)
{
	add_poll(self, self->all, POLLIN, 0);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(POLLIN, wait_a(self) & (POLLIN | GONE));
}

TEST_F(file, a_poll_waits_for_room)
{
	ASSERT_EQ(0, fill(self));
	add_poll(self, self->all, POLLOUT, 0);
	ASSERT_TRUE(waits(self));
	EXPECT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(POLLOUT, wait_a(self) & (POLLOUT | GONE));
}

TEST_F(file, a_poll_waits_for_a_message)
{
	add_poll(self, self->recv, POLLIN, 0);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, hnd_send(self->all, 5));
	EXPECT_EQ(POLLIN, wait_a(self) & (POLLIN | GONE));
}

TEST_F(file, death_ends_a_poll)
{
	add_poll(self, self->all, POLLIN, 0);
	ASSERT_TRUE(waits(self));
	sched_unmap(&self->s);
	EXPECT_EQ(GONE, wait_a(self) & GONE);
}

TEST_F(file, a_poll_can_be_cancelled)
{
	add_poll(self, self->all, POLLIN, 0);
	ASSERT_TRUE(waits(self));
	EXPECT_EQ(0, cancel_a(self));
	EXPECT_EQ(-ECANCELED, wait_a(self));
}

TEST_F(file, a_multishot_poll_tells_of_every_message)
{
	unsigned int i;

	if (variant->async)
		return; /* where it is refused */
	add_poll(self, self->recv, POLLIN, IORING_POLL_ADD_MULTI);
	ASSERT_TRUE(waits(self));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, hnd_send(self->all, i));
		EXPECT_EQ(POLLIN, wait_a(self) & POLLIN);
		ASSERT_EQ(i,
			  event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
	}
}

TEST_F(file, a_multishot_poll_tells_of_room_each_time)
{
	unsigned int i;

	if (variant->async)
		return;
	ASSERT_EQ(0, fill(self));
	add_poll(self, self->all, POLLOUT, IORING_POLL_ADD_MULTI);
	ASSERT_TRUE(waits(self));
	for (i = 0; i < 5; i++) {
		ASSERT_LE(0,
			  event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
		EXPECT_EQ(POLLOUT, wait_a(self) & POLLOUT);
		ASSERT_EQ(0, hnd_send(self->all, i));
	}
}

TEST_F(file, a_read_of_the_scheduler_gives_what_was_sent_and_asked)
{
	add_recv(self, self->s.fd);
	if (variant->async) { /* a worker does what the file says */
		ASSERT_EQ(0, hnd_send(self->all, 6));
		ASSERT_EQ(0, ring_submit(&self->r));
	} else {
		ASSERT_TRUE(waits(self));
		ASSERT_EQ(0, hnd_send(self->all, 6));
	}
	EXPECT_EQ(24, wait_a(self));
	EXPECT_EQ(6ULL, self->event.value);
	ASSERT_EQ(0, ctx_cancel(self->all, 0, 7));
	add_recv(self, self->s.fd);
	EXPECT_EQ(24, run_a(self));
	EXPECT_EQ(CORO_EVENT_CANCEL, self->event.kind);
	EXPECT_EQ(7ULL, self->event.value);
}

TEST_F(file, a_poll_of_the_scheduler_waits_for_a_request_to_cancel)
{
	add_poll(self, self->s.fd, POLLIN, 0);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, ctx_cancel(self->all, 0, 7));
	EXPECT_EQ(POLLIN, wait_a(self) & POLLIN);
}

TEST_F(file, a_chain_reads_and_answers)
{
	self->value = 66;
	add_recv(self, self->recv)->flags |= IOSQE_IO_LINK;
	add_rw(self, IORING_OP_WRITE, self->all, &self->value, 8, TAG_B);
	ASSERT_TRUE(waits(self));
	ASSERT_EQ(0, hnd_send(self->all, 5));
	EXPECT_EQ(24, wait_a(self));
	EXPECT_EQ(5ULL, self->event.value);
	EXPECT_EQ(8, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(66, event_take(self->recv, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(file, a_registered_handle_works_when_its_descriptor_is_closed)
{
	if (!variant->fixed)
		return;
	add_join(self);
	ASSERT_TRUE(waits(self));
	close(self->all);
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 21));
	EXPECT_EQ(16, wait_a(self));
	add_join(self);
	EXPECT_EQ(16, run_a(self));
	EXPECT_EQ(21ULL, self->result.value);
	self->all = -1;
}

TEST_F(file, a_ring_may_end_with_all_of_them_pending)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, 5);
	add_poll(self, self->all, POLLIN, 0);
	add_join(self);
	add_join(self)->flags |= IOSQE_ASYNC;
	add_poll(self, self->recv, POLLHUP, 0);
	ASSERT_TRUE(waits(self));
}

static long exit_with_all_pending(void *arg)
{
	FIXTURE_DATA(file) *self = arg;

	MUST(0, ring_init(&self->r, 0, false, false));
	add_send(self, 5);
	add_poll(self, self->all, POLLIN, 0);
	add_join(self);
	add_join(self)->flags |= IOSQE_ASYNC;
	return ring_submit(&self->r);
}

TEST_F(file, a_process_may_end_with_all_of_them_pending)
{
	ASSERT_EQ(0, fill(self));
	EXPECT_EQ(0, in_child(exit_with_all_pending, self));
	EXPECT_EQ(DEPTH, event_read(self->s.fd, (struct coro_event[8]){}, 8));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_HARNESS_MAIN
