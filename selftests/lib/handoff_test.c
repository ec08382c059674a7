// SPDX-License-Identifier: MIT
/* A loop that is handed over when a function blocks its thread. */
#include <fenv.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib_blocking.h"

LIB_FIXTURE(handoff)

static long run_handoff(long (*fn)(void *arg), void *arg)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .flags = CORO_RUN_F_HANDOFF };
	long value = POISON_LONG;
	int err = coro_run_opts(fn, arg, &opts, &value);

	return err ? err : value;
}

/* Whether the kernel hands over here; else all of this holds with the pool's threads. */
static bool hands_over(void)
{
	return strcmp(coro_backend(), "device") == 0 &&
	       !getenv("CORO_TEST_NO_HANDOFF");
}

/* How each ring that any thread can drive fails, and how many did. */
#define SHARED_RING (IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE)
static int ring_err;
static int rings_failed;

int __real_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p);

int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *p)
{
	if (!ring_err || p->flags != SHARED_RING)
		return __real_io_uring_queue_init_params(entries, ring, p);
	rings_failed++;
	return ring_err;
}

static long tid_now(void *arg)
{
	(void)arg;
	return gettid();
}

static long nap(void *arg)
{
	usleep((unsigned int)(long)arg);
	return gettid();
}

/* In D, as for a disk: the parent of vfork waits until its child ends. */
static long sleep_in_d(void *arg)
{
	pid_t pid = vfork();

	if (!pid) {
		usleep((unsigned int)(long)arg);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return gettid();
}

static long give_zero(void *arg)
{
	(void)arg;
	return 0;
}

static long call_twice(void *arg)
{
	long first = 0, second = 0;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(tid_now, NULL, &first));
	EXPECT_EQ(0, coro_blocking(tid_now, NULL, &second));
	EXPECT_LT(0, first);
	EXPECT_LT(0, second);
	return gettid() == first && first == second;
}

TEST_F(handoff, function_that_does_not_block_is_called_in_place)
{
	EXPECT_EQ(hands_over(), run_handoff(call_twice, NULL));
}

static long call_elsewhere(void *arg)
{
	long tid = 0;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(tid_now, NULL, &tid));
	EXPECT_LT(0, tid);
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	return tid == gettid();
}

TEST_F(handoff, loop_without_such_a_ring_uses_the_pool)
{
	const int errs[] = { -EPERM, -ENOMEM, -EINVAL, -ENOSYS, -EAGAIN };

	for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
		ring_err = errs[i];
		EXPECT_EQ(0, run_handoff(call_elsewhere, NULL));
		EXPECT_EQ(hands_over() ? (int)i + 1 : 0, rings_failed);
	}
}

struct beat {
	bool stop;
	int beats;
};

static long keep_beating(void *arg)
{
	struct beat *b = arg;

	while (!b->stop && !coro_sleep(CORO_MSEC))
		b->beats++;
	return 0;
}

static long block_while_another_beats(void *arg)
{
	long (*fn)(void *arg) = (long (*)(void *))arg;
	struct beat b = { .beats = 0 };
	struct coro *c = coro_new(keep_beating, &b);
	long value = 0;

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_blocking(fn, (void *)200000L, &value));
	EXPECT_LT(0, value);
	b.stop = true;
	EXPECT_EQ(0, coro_await(c));
	return b.beats;
}

TEST_F(handoff, others_go_on_while_a_function_sleeps)
{
	EXPECT_LT(10, run_handoff(block_while_another_beats, (void *)nap));
}

TEST_F(handoff, others_go_on_while_a_function_sleeps_in_disk_io)
{
	EXPECT_LT(10,
		  run_handoff(block_while_another_beats, (void *)sleep_in_d));
}

/* The same, until there is something to read. */
static long sleep_in_d_at(void *arg)
{
	pid_t pid = vfork();
	char c;

	if (!pid)
		_exit(read((int)(long)arg, &c, 1) != 1);
	waitpid(pid, NULL, 0);
	return gettid();
}

struct echo {
	int fd[2];
	int said[2]; /* a pipe, for who waits until all was said */
	int nr;
};

static long echo_all(void *arg)
{
	struct echo *e = arg;
	char c;

	while (coro_io_recv(e->fd[0], &c, 1, 0, CORO_NEVER) == 1) {
		__atomic_add_fetch(&e->nr, 1, __ATOMIC_RELAXED);
		coro_io_send(e->fd[0], &c, 1, 0, CORO_NEVER);
	}
	return 0;
}

static void *talk(void *arg)
{
	struct echo *e = arg;
	char c = 'x';

	for (int i = 0; i < 20; i++) {
		usleep(2000);
		if (send(e->fd[1], &c, 1, 0) != 1 ||
		    recv(e->fd[1], &c, 1, 0) != 1)
			break;
	}
	return (void *)(long)write(e->said[1], &c, 1);
}

/* The receive was submitted by the thread that then sleeps in D. */
static long serve_while_in_d(void *arg)
{
	struct echo e = { .nr = 0 };
	struct coro *c = coro_new(echo_all, &e);
	pthread_t thread;

	(void)arg;
	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, e.fd));
	EXPECT_EQ(0, pipe(e.said));
	EXPECT_EQ(0, coro_start(c));
	/* So that its receive is the kernel's when this thread sleeps. */
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	EXPECT_EQ(0, pthread_create(&thread, NULL, talk, &e));
	/* It sleeps until all have been answered, or for ever. */
	EXPECT_EQ(0,
		  coro_blocking(sleep_in_d_at, (void *)(long)e.said[0], NULL));
	EXPECT_EQ(20, __atomic_load_n(&e.nr, __ATOMIC_RELAXED));
	pthread_join(thread, NULL);
	close(e.fd[1]);
	EXPECT_EQ(0, coro_await(c));
	close(e.fd[0]);
	close(e.said[0]);
	close(e.said[1]);
	return 0;
}

TEST_F(handoff, connections_are_served_while_a_function_sleeps_in_disk_io)
{
	EXPECT_EQ(0, run_handoff(serve_while_in_d, NULL));
}

static long nap_often(void *arg)
{
	for (int i = 0; i < 50; i++) {
		long us = (long)arg % 7 * 100, value = 0;

		EXPECT_EQ(0, coro_blocking(i % 3 ? nap : tid_now, (void *)us,
					   &value));
		EXPECT_LT(0, value);
	}
	return 0;
}

static long nap_from_all_sides(void *arg)
{
	struct coro *c[16];

	(void)arg;
	for (long i = 0; i < 16; i++) {
		c[i] = coro_new(nap_often, (void *)i);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	return 0;
}

TEST_F(handoff, many_block_at_once)
{
	EXPECT_EQ(0, run_handoff(nap_from_all_sides, NULL));
}

static long change_thread(void *arg)
{
	long before = gettid(), called = 0;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(sleep_in_d, (void *)50000L, &called));
	EXPECT_NE(called, gettid());
	return called == before;
}

TEST_F(handoff, coroutine_goes_on_on_the_thread_that_took_over)
{
	EXPECT_EQ(hands_over(), run_handoff(change_thread, NULL));
	/* What the loop had was lent: the caller has it back. */
	EXPECT_EQ(0, coro_run(give_zero, NULL));
}

/* More than a coroutine has. The thread sanitizer takes much of a thread's. */
#ifdef __SANITIZE_THREAD__
#define DEEP (16 << 10)
#else
#define DEEP (200 << 10)
#endif

static long look_around(void *arg)
{
	bool zero = !errno;
	volatile char deep[DEEP];

	deep[0] = 1;
	errno = EXDEV;
	return zero && !coro_self() && coro_sleep(0) == -EPERM && deep[0] &&
	       coro_blocking(arg ? nap : tid_now, NULL, NULL) == -EPERM &&
	       !coro_loop_self();
}

static long keep_errno(void *arg)
{
	long good = 0;

	errno = ENOTTY;
	EXPECT_EQ(0, coro_blocking(look_around, arg, &good));
	EXPECT_EQ(1, good);
	EXPECT_EQ(ENOTTY, errno);
	return 0;
}

TEST_F(handoff, function_is_outside_of_coroutines_with_a_large_stack)
{
	EXPECT_EQ(0, run_handoff(keep_errno, NULL));
}

/* What RLIMIT_STACK of 128 KiB makes of it. The sanitizers' stacks need more. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(handoff, stack_is_as_large_as_promised_where_the_default_is_small)
{
	pthread_attr_t attr;

	ASSERT_EQ(0, pthread_attr_init(&attr));
	ASSERT_EQ(0, pthread_attr_setstacksize(&attr, 128 << 10));
	ASSERT_EQ(0, pthread_setattr_default_np(&attr));
	EXPECT_EQ(0, run_handoff(keep_errno, NULL));
	EXPECT_EQ(0, run_handoff(keep_errno, (void *)1));
}
#endif

#ifdef FE_UPWARD
static long give_rounding(void *arg)
{
	usleep((unsigned int)(long)arg);
	return fegetround();
}

static long round_up(void *arg)
{
	long inside = POISON_LONG;

	/* The threads, too, which this starts. */
	fesetround(FE_UPWARD);
	EXPECT_EQ(0, coro_blocking(give_rounding, arg, &inside));
	EXPECT_EQ(FE_UPWARD, fegetround());
	fesetround(FE_TONEAREST);
	return inside;
}

TEST_F(handoff, rounding_mode_is_the_callers_alone)
{
	EXPECT_EQ(FE_TONEAREST, run_handoff(round_up, NULL));
	EXPECT_EQ(FE_TONEAREST, run_handoff(round_up, (void *)20000L));
}
#endif

/* They end when they find that the loop is over; the pool's by and by. */
static void until_alone(void)
{
	const struct timespec ts = { .tv_nsec = SOON_NS };

	while (threads_called("coro-"))
		nanosleep(&ts, NULL);
}

TEST_F(handoff, threads_and_descriptors_go_with_the_loop)
{
	int fds;

	EXPECT_EQ(0, run_handoff(keep_errno, NULL));
	until_alone();
	fds = open_fds();
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, run_handoff(nap_from_all_sides, NULL));
	until_alone();
	EXPECT_EQ(fds, open_fds());
}

static long leave_behind(void *arg)
{
	struct coro *c = job_start(arg, call_block);

	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	return 0;
}

TEST_F(handoff, loop_ends_while_a_function_that_was_left_behind_blocks)
{
	struct job j;

	job_init(&j, 7)->disposes = true;
	EXPECT_EQ(0, run_handoff(leave_behind, &j));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(0, j.nr_disposed);
	sem_post(&j.go);
	sem_take(&j.disposed);
	EXPECT_EQ(7, j.disposed_value);
}

/* The sanitizers know no pthread_exit() on another stack. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static long end_thread(void *arg)
{
	EXPECT_EQ(0, coro_blocking(nap, (void *)20000L, NULL));
	pthread_exit(arg);
}

static void *run_and_end(void *arg)
{
	run_handoff(end_thread, arg);
	return (void *)1;
}

TEST_F(handoff, thread_that_ends_in_a_coroutine_is_the_callers)
{
	pthread_t thread;
	void *ret = (void *)2;

	ASSERT_EQ(0, pthread_create(&thread, NULL, run_and_end, NULL));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(0, run_handoff(keep_errno, NULL));
}
#endif

TEST_F(handoff, lack_of_descriptors_fails_or_costs_the_handing_over)
{
	struct rlimit old, few;

	EXPECT_EQ(0, run_handoff(keep_errno, NULL));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	for (int more = 0; more < 8; more++) {
		long ret;

		few.rlim_cur = (rlim_t)(open_fds() + more);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
		ret = run_handoff(keep_errno, NULL);
		EXPECT_TRUE(ret == 0 || ret == -EMFILE);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	}
}

#define PAIRS 400

static long receive_one(void *arg)
{
	char c;

	return coro_io_recv((int)(long)arg, &c, 1, 0, CORO_NEVER);
}

static long send_one(void *arg)
{
	return coro_io_send((int)(long)arg, "x", 1, 0, CORO_NEVER);
}

/* More operations in one round than the ring has entries; the last end the first. */
static long fill_the_ring(void *arg)
{
	struct coro *c[2 * PAIRS];
	int fd[PAIRS][2];

	(void)arg;
	for (long i = 0; i < PAIRS; i++) {
		EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]));
		c[i] = coro_new(receive_one, (void *)(long)fd[i][0]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (long i = 0; i < PAIRS; i++) {
		c[PAIRS + i] = coro_new(send_one, (void *)(long)fd[i][1]);
		EXPECT_EQ(0, coro_start(c[PAIRS + i]));
	}
	for (int i = 0; i < 2 * PAIRS; i++)
		EXPECT_EQ(1, coro_await(c[i]));
	for (int i = 0; i < PAIRS; i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
	return 0;
}

TEST_F(handoff, more_operations_than_the_ring_holds_are_all_done)
{
	struct rlimit lim;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = lim.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &lim));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, run_handoff(fill_the_ring, NULL));
}

static struct coro_signals *signals_of(int sig, int *ret_err)
{
	struct coro_signals *s = NULL;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	*ret_err = coro_signals_new(&s, &set);
	return s;
}

static long want_signals(void *arg)
{
	int err;

	(void)arg;
	coro_signals_free(signals_of(SIGTERM, &err));
	return err;
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

TEST_F(handoff, stream_of_signals_that_were_not_blocked_is_refused)
{
	EXPECT_EQ(hands_over() ? -EOPNOTSUPP : 0,
		  run_handoff(want_signals, NULL));
	block(SIGHUP);
	EXPECT_EQ(hands_over() ? -EOPNOTSUPP : 0,
		  run_handoff(want_signals, NULL));
	block(SIGTERM);
	EXPECT_EQ(0, run_handoff(want_signals, NULL));
}

static long send_after_a_nap(void *arg)
{
	nap(arg);
	return kill(getpid(), SIGTERM);
}

static void *send_often(void *arg)
{
	for (int i = 0; i < 20; i++) {
		nap((void *)2000L);
		kill(getpid(), SIGTERM);
		sem_take(arg);
	}
	return NULL;
}

/* Sent before, by a function that has lost the loop, and by a thread. */
static long fetch_signals(void *arg)
{
	struct signalfd_siginfo info = { 0 };
	struct coro_signals *s;
	pthread_t thread;
	sem_t fetched;
	int err;

	(void)arg;
	s = signals_of(SIGTERM, &err);
	EXPECT_EQ(0, err);
	EXPECT_EQ(-ETIMEDOUT, coro_signals_next(s, NULL, coro_after(SOON_NS)));
	EXPECT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(SIGTERM, coro_signals_next(s, &info, CORO_NEVER));
	EXPECT_EQ((uint32_t)getpid(), info.ssi_pid);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(0, coro_blocking(send_after_a_nap, (void *)20000L,
					   NULL));
		EXPECT_EQ(SIGTERM, coro_signals_next(s, NULL, CORO_NEVER));
	}
	sem_init(&fetched, 0, 0);
	EXPECT_EQ(0, pthread_create(&thread, NULL, send_often, &fetched));
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(SIGTERM, coro_signals_next(s, NULL, CORO_NEVER));
		EXPECT_EQ(0, coro_blocking(nap, (void *)(i % 4 * 1000L), NULL));
		sem_post(&fetched);
	}
	pthread_join(thread, NULL);
	coro_signals_free(s);
	return 0;
}

TEST_F(handoff, signals_that_were_blocked_are_fetched_on_whatever_thread)
{
	sigset_t mask;

	block(SIGTERM);
	EXPECT_EQ(0, run_handoff(fetch_signals, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	EXPECT_EQ(1, sigismember(&mask, SIGTERM));
}

static void *run_and_tell(void *arg)
{
	*(long *)arg = run_handoff(keep_errno, NULL);
	pthread_testcancel();
	return NULL;
}

/* Others use its stack until then. */
TEST_F(handoff, cancelled_caller_ends_after_the_loop)
{
	pthread_t thread;

	for (int i = 0; i < 20; i++) {
		long ret = POISON_LONG;
		void *end;

		ASSERT_EQ(0, pthread_create(&thread, NULL, run_and_tell, &ret));
		if (hands_over())
			EXPECT_EQ(0, pthread_cancel(thread));
		ASSERT_EQ(0, pthread_join(thread, &end));
		EXPECT_TRUE(ret == 0 || ret == POISON_LONG);
	}
}

TEST_HARNESS_MAIN
