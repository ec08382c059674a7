// SPDX-License-Identifier: MIT
/* A ring for which a thread submits: what goes in comes out, whatever the kernel says. */
#include <liburing.h>

#include "../../userlib/ferry.h"
#include "lib_common.h"

#define ENTRIES 8
#define MANY 5000U

/* How the next calls that submit fail, how many of them, and how many there were. */
static int enter_err;
static int enter_fails;
static int enters;

int __real_io_uring_enter(unsigned int fd, unsigned int to_submit,
			  unsigned int min_complete, unsigned int flags,
			  sigset_t *set);
int __wrap_io_uring_enter(unsigned int fd, unsigned int to_submit,
			  unsigned int min_complete, unsigned int flags,
			  sigset_t *set);

int __wrap_io_uring_enter(unsigned int fd, unsigned int to_submit,
			  unsigned int min_complete, unsigned int flags,
			  sigset_t *set)
{
	int left = __atomic_load_n(&enter_fails, __ATOMIC_ACQUIRE);

	EXPECT_LT(0U, to_submit);
	__atomic_add_fetch(&enters, 1, __ATOMIC_RELEASE);
	if (!left)
		return __real_io_uring_enter(fd, to_submit, min_complete, flags,
					     set);
	/* For ever, if it is negative. */
	if (left > 0)
		__atomic_sub_fetch(&enter_fails, 1, __ATOMIC_RELEASE);
	return __atomic_load_n(&enter_err, __ATOMIC_RELAXED);
}

static void fail_enters(int err, int times)
{
	__atomic_store_n(&enter_err, err, __ATOMIC_RELAXED);
	__atomic_store_n(&enter_fails, times, __ATOMIC_RELEASE);
}

static int enters_until_now(void)
{
	return __atomic_load_n(&enters, __ATOMIC_ACQUIRE);
}

/* Whether no thread can be made. */
static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	return no_threads ? EAGAIN :
			    __real_pthread_create(thread, attr, fn, arg);
}

FIXTURE(ferry)
{
	struct io_uring ring;
	struct coro__ferry *f;
};

FIXTURE_SETUP(ferry)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = 2 * MANY,
	};

	bodies_expect(_metadata);
	ASSERT_EQ(0, io_uring_queue_init_params(ENTRIES, &self->ring, &p));
	ASSERT_EQ(0, coro__ferry_new(&self->f, &self->ring));
}

FIXTURE_TEARDOWN(ferry)
{
	if (self->f)
		coro__ferry_free(self->f);
	io_uring_queue_exit(&self->ring);
	EXPECT_EQ(0, leaked());
}

/* An entry that does nothing, by whoever is the owner; false if there is no room. */
static bool put_nop(struct coro__ferry *f, uint64_t data)
{
	struct io_uring_sqe *sqe = coro__ferry_sqe(f);

	if (!sqe)
		return false;
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, data);
	return true;
}

/* The result of the next completion, which is that of @data. */
static int complete(struct io_uring *ring, uint64_t data)
{
	struct io_uring_cqe *cqe = NULL;
	int res;

	EXPECT_EQ(0, io_uring_wait_cqe(ring, &cqe));
	EXPECT_EQ(data, cqe->user_data);
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

TEST_F(ferry, more_entries_than_the_ring_has_are_done_in_their_order)
{
	for (uint64_t i = 0; i < MANY; i++)
		EXPECT_TRUE(put_nop(self->f, i));
	EXPECT_TRUE(coro__ferry_has(self->f));
	coro__ferry_send(self->f);
	EXPECT_FALSE(coro__ferry_has(self->f));
	for (uint64_t i = 0; i < MANY; i++)
		EXPECT_EQ(0, complete(&self->ring, i));
}

TEST_F(ferry, one_at_a_time_wakes_the_thread_each_time)
{
	for (uint64_t i = 0; i < MANY; i++) {
		EXPECT_TRUE(put_nop(self->f, i));
		coro__ferry_send(self->f);
		EXPECT_EQ(0, complete(&self->ring, i));
	}
	/* Which calls the kernel for what there is, and for nothing else. */
	EXPECT_GE((int)MANY, enters_until_now());
}

TEST_F(ferry, nothing_is_submitted_before_it_is_sent)
{
	struct io_uring_cqe *cqe;

	EXPECT_TRUE(put_nop(self->f, 1));
	EXPECT_TRUE(put_nop(self->f, 2));
	usleep(1000);
	EXPECT_EQ(0, enters_until_now());
	EXPECT_EQ(-EAGAIN, io_uring_peek_cqe(&self->ring, &cqe));
	coro__ferry_send(self->f);
	EXPECT_EQ(0, complete(&self->ring, 1));
	EXPECT_EQ(0, complete(&self->ring, 2));
	EXPECT_EQ(1, enters_until_now());
}

TEST_F(ferry, links_that_are_sent_together_stay_together)
{
	for (uint64_t i = 0; i < 1000; i++) {
		char byte;

		for (uint64_t j = 0; j < ENTRIES; j++) {
			struct io_uring_sqe *sqe = coro__ferry_sqe(self->f);

			ASSERT_NE(NULL, sqe);
			/* The first fails, and all others with it. */
			io_uring_prep_read(sqe, j ? 0 : -1, &byte, 1, 0);
			if (j)
				io_uring_prep_nop(sqe);
			sqe->flags |= j < ENTRIES - 1 ? IOSQE_IO_LINK : 0;
			io_uring_sqe_set_data64(sqe, j);
		}
		coro__ferry_send(self->f);
		EXPECT_EQ(-EBADF, complete(&self->ring, 0));
		for (uint64_t j = 1; j < ENTRIES; j++)
			EXPECT_EQ(-ECANCELED, complete(&self->ring, j));
	}
}

TEST_F(ferry, what_the_kernel_refuses_is_tried_again)
{
	const int errs[] = { -EAGAIN, -ENOMEM, -EBUSY, -EINTR, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
		fail_enters(errs[i], 3);
		EXPECT_TRUE(put_nop(self->f, i));
		coro__ferry_send(self->f);
		EXPECT_EQ(0, complete(&self->ring, i));
		EXPECT_EQ(0, __atomic_load_n(&enter_fails, __ATOMIC_ACQUIRE));
	}
}

TEST_F(ferry, full_ring_is_waited_for_no_longer_than_the_kernel_refuses)
{
	uint64_t nr = 0;

	fail_enters(-ENOMEM, -1);
	while (put_nop(self->f, nr))
		nr++;
	EXPECT_EQ(ENTRIES, nr);
	EXPECT_FALSE(put_nop(self->f, nr));
	EXPECT_LE(1, enters_until_now());
	fail_enters(0, 0);
	while (!put_nop(self->f, nr))
		;
	coro__ferry_send(self->f);
	for (uint64_t i = 0; i <= nr; i++)
		EXPECT_EQ(0, complete(&self->ring, i));
}

TEST_F(ferry, errno_is_the_callers)
{
	fail_enters(-ENOMEM, -1);
	errno = ENOTTY;
	for (uint64_t i = 0; i <= ENTRIES; i++)
		EXPECT_EQ(i < ENTRIES, put_nop(self->f, i));
	coro__ferry_send(self->f);
	EXPECT_EQ(ENOTTY, errno);
}

/* The thread waits a while between two tries. */
static void be_refused(struct coro__ferry *f)
{
	fail_enters(-ENOMEM, -1);
	EXPECT_TRUE(put_nop(f, 1));
	coro__ferry_send(f);
	while (!enters_until_now())
		usleep(100);
}

TEST_F(ferry, end_does_not_wait_for_a_kernel_that_refuses)
{
	struct io_uring_cqe *cqe;

	be_refused(self->f);
	coro__ferry_free(self->f);
	self->f = NULL;
	EXPECT_EQ(-EAGAIN, io_uring_peek_cqe(&self->ring, &cqe));
}

TEST_F(ferry, what_was_submitted_goes_no_further_without_the_thread)
{
	struct io_uring_sqe *sqe;
	char byte = POISON;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	sqe = coro__ferry_sqe(self->f);
	io_uring_prep_read(sqe, fd[0], &byte, 1, 0);
	io_uring_sqe_set_data64(sqe, 7);
	EXPECT_TRUE(put_nop(self->f, 8));
	coro__ferry_send(self->f);
	EXPECT_EQ(0, complete(&self->ring, 8));
	coro__ferry_free(self->f);
	self->f = NULL;
	EXPECT_EQ(1, write(fd[1], "x", 1));
	EXPECT_EQ(-ECANCELED, complete(&self->ring, 7));
	EXPECT_EQ(POISON, byte);
	EXPECT_EQ(1, read(fd[0], &byte, 1));
	close(fd[0]);
	close(fd[1]);
}

/* Several are the owner in turn. */
struct turns {
	struct coro__ferry *f;
	struct io_uring *ring;
	pthread_mutex_t lock;
	uint64_t put, done;
};

static void *take_turns(void *arg)
{
	struct turns *t = arg;

	for (unsigned int i = 0; i < MANY / 4; i++) {
		pthread_mutex_lock(&t->lock);
		for (unsigned int j = 0; j < i % 20; j++)
			EXPECT_TRUE(put_nop(t->f, t->put++));
		coro__ferry_send(t->f);
		if (i % 3) {
			while (t->done < t->put)
				EXPECT_EQ(0, complete(t->ring, t->done++));
		}
		pthread_mutex_unlock(&t->lock);
	}
	return NULL;
}

TEST_F(ferry, owners_take_turns)
{
	struct turns t = { .f = self->f, .ring = &self->ring };
	pthread_t thread[4];

	pthread_mutex_init(&t.lock, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, take_turns, &t));
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	while (t.done < t.put)
		EXPECT_EQ(0, complete(&self->ring, t.done++));
	pthread_mutex_destroy(&t.lock);
}

TEST_F(ferry, without_a_thread_there_is_none)
{
	struct coro__ferry *f = (struct coro__ferry *)POISON_LONG;

	no_threads = true;
	EXPECT_EQ(-EAGAIN, coro__ferry_new(&f, &self->ring));
	EXPECT_EQ((struct coro__ferry *)POISON_LONG, f);
}

static void *free_it(void *arg)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	coro__ferry_free(arg);
	return arg;
}

TEST_F(ferry, cancelled_thread_ends_it_all_the_same)
{
	pthread_t thread;
	void *ret;

	/* So that it is waited for. */
	be_refused(self->f);
	ASSERT_EQ(0, pthread_create(&thread, NULL, free_it, self->f));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(self->f, ret);
	self->f = NULL;
}

TEST_HARNESS_MAIN
