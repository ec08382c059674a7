// SPDX-License-Identifier: MIT
/* A loop for which a thread submits, on its own thread: the rest of handing over is left out. */
#include <liburing.h>

#include "lib_common.h"

struct coro__loop;

/* As if the device could hand over, and no thread be had to hand over to. */
bool __wrap_coro__crew_possible(const struct coro__loop *loop);
int __wrap_coro__crew_run(struct coro__loop *loop);

static int with_ferry;

bool __wrap_coro__crew_possible(const struct coro__loop *loop)
{
	(void)loop;
	return true;
}

int __wrap_coro__crew_run(struct coro__loop *loop)
{
	(void)loop;
	with_ferry++;
	return -EAGAIN;
}

/* Of the calls that submit one in so many fails; 0: none. And the first ones. */
static unsigned int enter_fails, first_fail;

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
	static unsigned int calls;
	unsigned int call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);

	if (call <= first_fail || (enter_fails && !(call % enter_fails)))
		return -ENOMEM;
	return __real_io_uring_enter(fd, to_submit, min_complete, flags, set);
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

LIB_FIXTURE(ferry_loop)

/* With a ring of 8 entries, and as many completions. */
static long run_small(long (*fn)(void *arg), void *arg)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 8,
				       .cq_entries = 8 };
	long value = POISON_LONG;
	int err = coro_run_opts(fn, arg, &opts, &value);

	return err ? err : value;
}

/* In a machine that is emulated these take their time. */
enum { MANY = THOUSANDS / 10 };

struct crowd {
	int fds[2];
	int done;
	int errors;
	int late;
};

static long do_nothing(void *arg)
{
	struct crowd *cr = arg;
	struct io_uring_sqe sqe;

	io_uring_prep_nop(&sqe);
	for (int i = 0; i < 3; i++) {
		if (coro_io_await(&sqe, CORO_NEVER, NULL))
			cr->errors++;
	}
	cr->done++;
	return 0;
}

static long read_a_byte(void *arg)
{
	struct crowd *cr = arg;
	char byte;

	if (coro_io_read(cr->fds[0], &byte, 1, CORO_NEVER) == 1)
		cr->done++;
	else
		cr->errors++;
	return 0;
}

static long read_until_late(void *arg)
{
	struct crowd *cr = arg;
	char byte;

	if (coro_io_read(cr->fds[0], &byte, 1, coro_after(SOON_NS)) ==
	    -ETIMEDOUT)
		cr->late++;
	return 0;
}

/* So many of each; and all end for which there is a reason. */
static long crowd_in(void *arg)
{
	struct crowd *cr = arg;

	for (int i = 0; i < MANY; i++) {
		EXPECT_EQ(0, coro_spawn(do_nothing, cr));
		EXPECT_EQ(0, coro_spawn(read_until_late, cr));
		EXPECT_EQ(0, coro_spawn(read_a_byte, cr));
	}
	while (cr->done < MANY || cr->late < MANY)
		EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(0, cr->errors);
	return 0;
}

static void run_crowd(struct __test_metadata *test)
{
	struct crowd cr = { .done = 0 };

	_metadata = test;
	ASSERT_EQ(0, pipe(cr.fds));
	EXPECT_EQ(0, run_small(crowd_in, &cr));
	EXPECT_EQ(1, with_ferry);
	EXPECT_EQ(MANY, cr.done);
	EXPECT_EQ(MANY, cr.late);
	/* Those who read without an end were cancelled with the loop. */
	EXPECT_EQ(MANY, cr.errors);
	close(cr.fds[0]);
	close(cr.fds[1]);
}

TEST_F(ferry_loop, crowd_goes_through_a_ring_of_8)
{
	run_crowd(_metadata);
}

TEST_F(ferry_loop, crowd_goes_through_a_ring_of_8_that_refuses_at_times)
{
	enter_fails = 40;
	run_crowd(_metadata);
}

static long feed_and_read(void *arg)
{
	struct crowd *cr = arg;
	char buf[256] = "";

	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(0, coro_spawn(read_a_byte, cr));
	/* What ends the others comes last into the ring. */
	for (int left = 1000; left > 0; left -= (int)sizeof(buf))
		EXPECT_LT(0, coro_io_write(cr->fds[1], buf,
					   left < 256 ? (size_t)left : 256,
					   CORO_NEVER));
	while (cr->done < 1000)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	return 0;
}

TEST_F(ferry_loop, operations_that_end_others_are_not_held_up_by_them)
{
	struct crowd cr = { .done = 0 };

	ASSERT_EQ(0, pipe(cr.fds));
	EXPECT_EQ(0, run_small(feed_and_read, &cr));
	EXPECT_EQ(0, cr.errors);
	EXPECT_EQ(1, with_ferry);
	close(cr.fds[0]);
	close(cr.fds[1]);
}

static long read_eight(void *arg)
{
	struct crowd *cr = arg;

	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, coro_spawn(read_a_byte, cr));
	EXPECT_EQ(0, coro_sleep(0));
	/* There is no room for this, nor does anything else wake the loop. */
	EXPECT_EQ(8, coro_io_write(cr->fds[1], "12345678", 8, CORO_NEVER));
	while (cr->done < 8)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	return 0;
}

TEST_F(ferry_loop, what_found_no_room_is_submitted_when_there_is_some)
{
	struct crowd cr = { .done = 0 };

	first_fail = 5;
	ASSERT_EQ(0, pipe(cr.fds));
	EXPECT_EQ(0, run_small(read_eight, &cr));
	EXPECT_EQ(0, cr.errors);
	close(cr.fds[0]);
	close(cr.fds[1]);
}

static long receive_all(void *arg)
{
	struct crowd *cr = arg;
	struct coro_receiver *r = NULL;
	const void *data;
	int ret;

	EXPECT_EQ(0, coro_receiver_new(&r, cr->fds[0]));
	while ((ret = coro_receiver_next(r, &data, CORO_NEVER)) > 0)
		cr->done += ret;
	coro_receiver_free(r);
	return ret;
}

static long send_to_receiver(void *arg)
{
	struct crowd *cr = arg;
	struct coro *c = coro_new(receive_all, cr);

	EXPECT_EQ(0, coro_start(c));
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(4,
			  coro_io_send(cr->fds[1], "data", 4, 0, CORO_NEVER));
	EXPECT_EQ(0, coro_io_close(cr->fds[1]));
	return coro_await(c);
}

/* Buffers are the ring's, whoever submits. */
TEST_F(ferry_loop, receiver_gets_all_that_was_sent)
{
	struct crowd cr = { .done = 0 };

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, cr.fds));
	EXPECT_EQ(0, run_small(send_to_receiver, &cr));
	EXPECT_EQ(4000, cr.done);
	EXPECT_EQ(1, with_ferry);
	close(cr.fds[0]);
}

/* Threads that submit. */
static int ferries(void)
{
	return threads_called("coro-submit");
}

static long count_ferries(void *arg)
{
	struct io_uring_sqe sqe;

	(void)arg;
	/* Once it has done something it has its name. */
	io_uring_prep_nop(&sqe);
	EXPECT_EQ(0, coro_io_await(&sqe, CORO_NEVER, NULL));
	return ferries();
}

/* One that was joined may take some more to be gone. */
static void until_no_ferry(void)
{
	while (ferries())
		usleep(1000);
}

TEST_F(ferry_loop, thread_and_descriptors_go_with_the_loop)
{
	int fds;

	EXPECT_EQ(1, run_small(count_ferries, NULL));
	until_no_ferry();
	fds = open_fds();
	EXPECT_EQ(1, run_small(count_ferries, NULL));
	until_no_ferry();
	EXPECT_EQ(fds, open_fds());
}

TEST_F(ferry_loop, without_its_thread_the_loop_submits_itself)
{
	int fds;

	EXPECT_EQ(1, run_small(count_ferries, NULL));
	until_no_ferry();
	fds = open_fds();
	no_threads = true;
	EXPECT_EQ(0, run_small(count_ferries, NULL));
	EXPECT_EQ(1, with_ferry);
	EXPECT_EQ(fds, open_fds());
}

static long do_nothing_armed(void *arg)
{
	coro_io_read(*(int *)arg, (char[1]){ 0 }, 1, coro_after(SOON_NS));
	return 0;
}

static void *run_and_be_cancelled(void *arg)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	return (void *)run_small(do_nothing_armed, arg);
}

TEST_F(ferry_loop, cancelled_caller_ends_it_all_the_same)
{
	pthread_t thread;
	int fd[2], fds;
	void *ret;

	ASSERT_EQ(0, pipe(fd));
	EXPECT_EQ(1, run_small(count_ferries, NULL));
	fds = open_fds();
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_and_be_cancelled, fd));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	until_no_ferry();
	EXPECT_EQ(fds, open_fds());
}

/* The sanitizers know no pthread_exit() on another stack. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static long leave(void *arg)
{
	struct crowd *cr = arg;

	EXPECT_EQ(0, coro_spawn(read_a_byte, cr));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	pthread_exit(NULL);
}

static void *run_and_leave(void *arg)
{
	run_small(leave, arg);
	return (void *)1;
}

TEST_F(ferry_loop, thread_that_leaves_its_loop_ends_what_it_had_submitted)
{
	struct crowd cr = { .done = 0 };
	pthread_t thread;
	char byte;
	void *ret;

	ASSERT_EQ(0, pipe(cr.fds));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_and_leave, &cr));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	until_no_ferry();
	/* Nobody reads there any more. */
	EXPECT_EQ(1, write(cr.fds[1], "x", 1));
	EXPECT_EQ(1, read(cr.fds[0], &byte, 1));
	close(cr.fds[0]);
	close(cr.fds[1]);
}
#endif

TEST_HARNESS_MAIN
