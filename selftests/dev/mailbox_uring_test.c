// SPDX-License-Identifier: GPL-2.0
/* The mailbox through io_uring: READ and POLL_ADD wait, complete and are cancelled. */
#include <liburing.h>
#include <sys/uio.h>

#include "common.h"
#include "kselftest_harness.h"

#define TAG_READ 1
#define TAG_OTHER 2

FIXTURE(ring)
{
	struct sched s;
	struct io_uring ring;
	__u64 ids[8];
	struct coro_event event;
};

FIXTURE_VARIANT(ring)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(ring, plain){
	.flags = 0,
};

FIXTURE_VARIANT_ADD(ring, defer){
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, variant->flags));
	ASSERT_EQ(0, sched_new(&self->s, 8, 8, 2 * PAGE));
	ASSERT_EQ(8, ctx_alloc(self->s.fd, self->ids, 8));
	memset(&self->event, POISON, sizeof(self->event));
}

FIXTURE_TEARDOWN(ring)
{
	io_uring_queue_exit(&self->ring);
	sched_free(&self->s);
}

static struct io_uring_sqe *add_read(FIXTURE_DATA(ring) * self)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	io_uring_prep_read(sqe, self->s.fd, &self->event, sizeof(self->event),
			   -1);
	sqe->user_data = TAG_READ;
	return sqe;
}

static struct io_uring_sqe *add_poll(FIXTURE_DATA(ring) * self)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	io_uring_prep_poll_add(sqe, self->s.fd, POLLIN);
	sqe->user_data = TAG_READ;
	return sqe;
}

/* The next completion, waited for: its tag, and its result in @ret_res. */
static __u64 next_of(FIXTURE_DATA(ring) * self, long *ret_res)
{
	struct io_uring_cqe *cqe;
	__u64 tag;

	*ret_res = -EPROTO;
	if (io_uring_wait_cqe(&self->ring, &cqe))
		return 0;
	tag = cqe->user_data;
	*ret_res = cqe->res;
	io_uring_cqe_seen(&self->ring, cqe);
	return tag;
}

/* The completion of @tag, waited for; others that come are forgotten. */
static long wait_for(FIXTURE_DATA(ring) * self, __u64 tag)
{
	__u64 got;
	long res;

	do {
		got = next_of(self, &res);
	} while (got && got != tag);
	return res;
}

/* True if nothing has completed. */
static bool is_quiet(FIXTURE_DATA(ring) * self)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(&self->ring);
	return io_uring_peek_cqe(&self->ring, &cqe) == -EAGAIN;
}

TEST_F(ring, a_read_of_what_is_there_completes_at_once)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 11));
	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
	EXPECT_EQ(self->ids[0], self->event.id);
	EXPECT_EQ(11ULL, self->event.value);
}

TEST_F(ring, a_pending_read_is_completed_by_a_wake)
{
	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(is_quiet(self));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 12));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
	EXPECT_EQ(self->ids[1], self->event.id);
	EXPECT_EQ(12ULL, self->event.value);
}

TEST_F(ring, a_pending_read_is_completed_by_a_wake_on_another_thread)
{
	pid_t pid;

	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	pid = vfork(); /* shares the address space, as a thread does */
	if (!pid)
		_exit(ctx_wake(self->s.fd, self->ids[1], 13) != 0);
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
	EXPECT_EQ(13ULL, self->event.value);
}

TEST_F(ring, a_pending_read_can_be_cancelled)
{
	struct io_uring_sqe *sqe;

	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_cancel64(sqe, TAG_READ, 0);
	sqe->user_data = TAG_OTHER;
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ECANCELED, wait_for(self, TAG_READ));
	/* It took nothing with it. */
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 14));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
}

TEST_F(ring, a_pending_read_can_be_timed_out)
{
	struct __kernel_timespec ts = { .tv_nsec = 1000000 };
	struct io_uring_sqe *sqe = add_read(self);
	__u64 first, second;
	long res[2];

	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_link_timeout(sqe, &ts, 0);
	sqe->user_data = TAG_OTHER;
	ASSERT_EQ(2, io_uring_submit(&self->ring));
	/* Kernels differ in which they complete first. */
	first = next_of(self, &res[0]);
	second = next_of(self, &res[1]);
	ASSERT_EQ(TAG_READ + TAG_OTHER, first + second);
	EXPECT_EQ(-ECANCELED, res[first != TAG_READ]);
	EXPECT_EQ(-ETIME, res[first == TAG_READ]);
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 15));
	EXPECT_EQ(1, event_read(self->s.fd, &self->event, 1));
}

TEST_F(ring, a_read_of_a_nonblocking_file_waits_too)
{
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(is_quiet(self));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 12));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
}

TEST_F(ring, a_read_that_asks_not_to_wait_does_not)
{
	add_read(self)->rw_flags = RWF_NOWAIT;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-EAGAIN, wait_for(self, TAG_READ));
}

TEST_F(ring, a_poll_is_completed_by_a_wake)
{
	add_poll(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(is_quiet(self));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(POLLIN, wait_for(self, TAG_READ) & POLLIN);
}

TEST_F(ring, a_multishot_poll_tells_of_every_wake)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	unsigned int i;

	io_uring_prep_poll_multishot(sqe, self->s.fd, POLLIN);
	sqe->user_data = TAG_READ;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], i));
		EXPECT_EQ(POLLIN, wait_for(self, TAG_READ) & POLLIN);
		ASSERT_EQ(1, event_read(self->s.fd, &self->event, 1));
	}
}

TEST_F(ring, a_poll_can_be_cancelled)
{
	struct io_uring_sqe *sqe;

	add_poll(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_cancel64(sqe, TAG_READ, 0);
	sqe->user_data = TAG_OTHER;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ECANCELED, wait_for(self, TAG_READ));
}

TEST_F(ring, death_completes_a_pending_read)
{
	add_read(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(is_quiet(self));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, wait_for(self, TAG_READ));
}

TEST_F(ring, death_completes_a_pending_poll)
{
	int want = POLLHUP | POLLERR;

	add_poll(self);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	sched_unmap(&self->s);
	EXPECT_EQ(want, wait_for(self, TAG_READ) & want);
}

TEST_F(ring, a_read_forced_to_a_worker_is_completed_by_a_wake)
{
	add_read(self)->flags |= IOSQE_ASYNC;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 16));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
	EXPECT_EQ(16ULL, self->event.value);
}

TEST_F(ring, a_registered_file_works_after_close)
{
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, io_uring_register_files(&self->ring, &self->s.fd, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 18));
	close(self->s.fd);
	self->s.fd = -1;
	sqe = add_read(self);
	sqe->fd = 0;
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ((long)sizeof(self->event), wait_for(self, TAG_READ));
	EXPECT_EQ(18ULL, self->event.value);
	/* One that waits does not keep the ring from its end. */
	sqe = add_read(self);
	sqe->fd = 0;
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
}

static long exit_with_pending_read(void *arg)
{
	FIXTURE_DATA(ring) self = { 0 };

	(void)arg;
	MUST(0, io_uring_queue_init(8, &self.ring, 0));
	MUST(0, sched_new(&self.s, 8, 8, 2 * PAGE));
	add_read(&self);
	add_poll(&self);
	add_read(&self)->flags |= IOSQE_ASYNC;
	MUST(3, io_uring_submit(&self.ring));
	return 0;
}

TEST(a_process_ends_with_reads_pending)
{
	EXPECT_EQ(0, in_child(exit_with_pending_read, NULL));
}

TEST_HARNESS_MAIN
