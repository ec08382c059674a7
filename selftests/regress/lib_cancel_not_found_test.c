// SPDX-License-Identifier: MIT
/*
 * A cancel that comes while the kernel moves an operation finds nothing: here it
 * is made to name what is not there. The read then waited for ever.
 */
#include "../lib/lib_common.h"

#include <liburing.h>

static unsigned int misses; /* how many cancels are to find nothing */
static unsigned int missed;

int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring,
					    struct io_uring_cqe **cqe,
					    unsigned int nr,
					    struct __kernel_timespec *ts,
					    sigset_t *mask);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);

/* Cancels among what is about to be submitted. */
static void mislead(struct io_uring *ring)
{
	for (unsigned int i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe =
			&ring->sq.sqes[i & *ring->sq.kring_mask];

		if (sqe->opcode != IORING_OP_ASYNC_CANCEL || missed == misses ||
		    !sqe->addr)
			continue;
		sqe->addr = 8;
		missed++;
	}
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring,
					    struct io_uring_cqe **cqe,
					    unsigned int nr,
					    struct __kernel_timespec *ts,
					    sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring,
					    struct io_uring_cqe **cqe,
					    unsigned int nr,
					    struct __kernel_timespec *ts,
					    sigset_t *mask)
{
	mislead(ring);
	return __real_io_uring_submit_and_wait_timeout(ring, cqe, nr, ts, mask);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
	mislead(ring);
	return __real_io_uring_submit_and_get_events(ring);
}

FIXTURE(cancel_not_found)
{
	int pipe[2];
};

FIXTURE_SETUP(cancel_not_found)
{
	bodies_expect(_metadata);
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
	misses = 0;
	missed = 0;
}

FIXTURE_TEARDOWN(cancel_not_found)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_EQ(0, leaked());
}

struct reader {
	int fd;
	int64_t deadline;
};

static long read_one(void *arg)
{
	const struct reader *r = arg;
	char c;

	return coro_io_read(r->fd, &c, 1, r->deadline);
}

static long read_late(void *arg)
{
	struct reader r = { *(int *)arg, coro_after(SOON_NS) };

	EXPECT_EQ(-ETIMEDOUT, read_one(&r));
	/* Nothing is left that would keep the time. */
	return coro_sleep(0);
}

TEST_F(cancel_not_found, deadline_ends_a_read_all_the_same)
{
	misses = 3;
	EXPECT_EQ(0, coro_run(read_late, &self->pipe[0]));
	EXPECT_EQ(3, missed);
}

static long cancel_two(void *arg)
{
	struct reader r = { *(int *)arg, CORO_NEVER };
	struct coro *c[2];
	long value;

	for (int i = 0; i < 2; i++) {
		c[i] = coro_new(read_one, &r);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	coro_sleep(SOON_NS);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, coro_cancel(c[i]));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_await_value(c[i], &value));
		EXPECT_EQ(-ECANCELED, value);
	}
	return 0;
}

TEST_F(cancel_not_found, cancel_ends_reads_all_the_same)
{
	misses = 5;
	EXPECT_EQ(0, coro_run(cancel_two, &self->pipe[0]));
	EXPECT_EQ(5, missed);
}

static long write_after_the_cancel(void *arg)
{
	const int *pipe = arg;
	struct reader r = { pipe[0], CORO_NEVER };
	struct coro *c = coro_new(read_one, &r);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_start(c));
	coro_sleep(SOON_NS);
	EXPECT_EQ(0, coro_cancel(c));
	coro_sleep(SOON_NS);
	EXPECT_EQ(1, write(pipe[1], "x", 1));
	EXPECT_EQ(0, coro_await_value(c, &value));
	EXPECT_EQ(1, value);
	return 0;
}

TEST_F(cancel_not_found, what_is_never_found_may_still_complete)
{
	misses = 1000000;
	EXPECT_EQ(0, coro_run(write_after_the_cancel, self->pipe));
	EXPECT_LE(2, missed);
	/* It is asked for ever more rarely. */
	EXPECT_GE(100, missed);
}

static long leave_a_reader(void *arg)
{
	struct reader r = { *(int *)arg, CORO_NEVER };

	EXPECT_EQ(0, coro_spawn(read_one, &r));
	return coro_sleep(SOON_NS);
}

TEST_F(cancel_not_found, loop_ends_all_the_same)
{
	misses = 2;
	EXPECT_EQ(0, coro_run(leave_a_reader, &self->pipe[0]));
	EXPECT_EQ(2, missed);
}

static long read_in_a_worker(void *arg)
{
	struct io_uring_sqe sqe = { 0 };
	char c;

	io_uring_prep_read(&sqe, *(int *)arg, &c, 1, 0);
	sqe.flags |= IOSQE_ASYNC;
	return coro_io_await(&sqe, CORO_NEVER, NULL);
}

static long cancel_workers(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		struct coro *c = coro_new(read_in_a_worker, arg);
		long value = POISON_LONG;

		EXPECT_EQ(0, coro_start(c));
		for (int turn = 0; turn <= i % 8; turn++)
			coro_sleep(0);
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(0, coro_await_value(c, &value));
		EXPECT_EQ(-ECANCELED, value);
	}
	return 0;
}

/* It may be on its way to a worker, tried by it, back in a poll, or block there. */
TEST_F(cancel_not_found, worker_is_cancelled_wherever_it_is)
{
	EXPECT_EQ(0, coro_run(cancel_workers, &self->pipe[0]));
}

TEST_HARNESS_MAIN
