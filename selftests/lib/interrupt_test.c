// SPDX-License-Identifier: MIT
/* SIGINT and the loop that asked for it: one cancels, two end, and nothing is left behind. */
#include "lib_common.h"

LIB_FIXTURE(interrupt)

static volatile sig_atomic_t handled;

static void count(int sig)
{
	(void)sig;
	handled++;
}

static void set_sigint(void (*handler)(int sig))
{
	const struct sigaction sa = { .sa_handler = handler };

	handled = 0;
	EXPECT_EQ(0, sigaction(SIGINT, &sa, NULL));
}

static bool sigint_is(void (*handler)(int sig))
{
	struct sigaction sa;

	sigaction(SIGINT, NULL, &sa);
	return sa.sa_handler == handler;
}

static int run(long (*fn)(void *arg), void *arg, long *ret_value)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.flags = CORO_RUN_F_INTERRUPT,
	};

	return coro_run_opts(fn, arg, &opts, ret_value);
}

static long run_in_child(void *arg)
{
	long (**fn)(void *arg) = arg;

	return run(*fn, NULL, NULL);
}

/* The signal that ended a child that ran @fn in a loop, or 0. */
static int killed_by(long (*fn)(void *arg))
{
	int status = in_child(run_in_child, &fn);

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

struct sender {
	pthread_t main;
	bool from_outside; /* the handler runs on the sending thread */
	int ready[2];
};

static void *send_when_told(void *arg)
{
	struct sender *snd = arg;
	char byte;

	if (read(snd->ready[0], &byte, 1) != 1)
		return NULL;
	if (snd->from_outside)
		raise(SIGINT);
	else
		pthread_kill(snd->main, SIGINT);
	return NULL;
}

static void tell_sender(void *arg)
{
	struct sender *snd = arg;

	EXPECT_EQ(1, write(snd->ready[1], "x", 1));
}

static long wait_for_good(void *arg)
{
	/* Runs after this coroutine began to wait. */
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), tell_sender, arg));
	return coro_sleep_until(CORO_NEVER);
}

static void interrupt_a_poll(struct __test_metadata *_metadata, bool outside)
{
	struct sender snd = { .main = pthread_self(), .from_outside = outside };
	long value = POISON_LONG;
	pthread_t thread;

	set_sigint(SIG_DFL);
	ASSERT_EQ(0, pipe(snd.ready));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_when_told, &snd));
	EXPECT_EQ(-EINTR, run(wait_for_good, &snd, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_TRUE(sigint_is(SIG_DFL));
	pthread_join(thread, NULL);
	close(snd.ready[0]);
	close(snd.ready[1]);
}

/* LOP-17 */
TEST_F(interrupt, first_one_cancels_main_in_a_blocked_poll)
{
	interrupt_a_poll(_metadata, false);
}

/* LOP-17 */
TEST_F(interrupt, first_one_wakes_the_loop_from_any_thread)
{
	interrupt_a_poll(_metadata, true);
}

static long raise_and_wait(void *arg)
{
	(void)arg;
	errno_set(77);
	EXPECT_EQ(0, raise(SIGINT));
	EXPECT_EQ(77, errno_get());
	/* The turn in which the loop looks. */
	coro_sleep(0);
	return coro_sleep(FAR_NS);
}

/* LOP-17 */
TEST_F(interrupt, one_that_comes_while_main_runs_ends_its_next_wait)
{
	set_sigint(SIG_DFL);
	EXPECT_EQ(-EINTR, run(raise_and_wait, NULL, NULL));
	EXPECT_EQ(-EINTR, run(raise_and_wait, NULL, NULL));
}

static long clean_up(void *arg)
{
	EXPECT_EQ(-ECANCELED, raise_and_wait(arg));
	return 7;
}

/* LOP-17 */
TEST_F(interrupt, main_that_ends_otherwise_is_not_interrupted)
{
	long value = 0;

	set_sigint(SIG_DFL);
	EXPECT_EQ(0, run(clean_up, NULL, &value));
	EXPECT_EQ(7, value);
}

static long cancel_other(void *arg)
{
	EXPECT_EQ(0, coro_cancel(arg));
	return 0;
}

static long interrupted_and_cancelled(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_spawn(cancel_other, coro_self()));
	return raise_and_wait(NULL);
}

static long cancelled(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_spawn(cancel_other, coro_self()));
	return coro_sleep(FAR_NS);
}

/* LOP-19 */
TEST_F(interrupt, main_that_somebody_cancelled_is_cancelled)
{
	long value = 0;

	set_sigint(SIG_DFL);
	EXPECT_EQ(0, run(interrupted_and_cancelled, NULL, &value));
	EXPECT_EQ(-ECANCELED, value);
	value = 0;
	EXPECT_EQ(0, run(cancelled, NULL, &value));
	EXPECT_EQ(-ECANCELED, value);
}

static long raise_two(void *arg)
{
	(void)arg;
	raise(SIGINT);
	raise(SIGINT);
	_exit(0);
}

/* LOP-18 */
TEST_F(interrupt, second_one_ends_the_process_at_once)
{
	set_sigint(SIG_DFL);
	EXPECT_EQ(SIGINT, killed_by(raise_two));
}

static long raise_three(void *arg)
{
	raise(SIGINT);
	EXPECT_EQ(0, handled);
	raise(SIGINT);
	EXPECT_EQ(1, handled);
	raise(SIGINT);
	EXPECT_EQ(2, handled);
	return raise_and_wait(arg);
}

/* LOP-18 */
TEST_F(interrupt, second_one_runs_the_handler_that_was_there)
{
	set_sigint(count);
	EXPECT_EQ(-EINTR, run(raise_three, NULL, NULL));
	EXPECT_EQ(3, handled);
	EXPECT_TRUE(sigint_is(count));
}

static long raise_and_end(void *arg)
{
	raise(SIGINT);
	EXPECT_EQ(0, handled);
	return (long)arg;
}

/* LOP-17: one that main ended too early for has its old effect. */
TEST_F(interrupt, one_is_not_lost_at_the_end_of_main)
{
	long value = 0;

	set_sigint(count);
	EXPECT_EQ(0, run(raise_and_end, (void *)5L, &value));
	EXPECT_EQ(5, value);
	EXPECT_EQ(1, handled);
}

static long raise_in_cleanup(void *arg)
{
	(void)arg;
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_TRUE(sigint_is(count));
	raise(SIGINT);
	EXPECT_EQ(1, handled);
	return 0;
}

static long leave_one(void *arg)
{
	EXPECT_FALSE(sigint_is(count));
	EXPECT_EQ(0, coro_spawn(raise_in_cleanup, arg));
	return coro_sleep(0);
}

/* LOP-18 LOP-22 */
TEST_F(interrupt, handler_is_gone_when_main_has_ended)
{
	set_sigint(count);
	EXPECT_EQ(0, run(leave_one, NULL, NULL));
	EXPECT_EQ(1, handled);
}

static long see_handler(void *arg)
{
	(void)arg;
	EXPECT_TRUE(sigint_is(count));
	return 0;
}

static long nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* LOP-21: no handler unasked. */
TEST_F(interrupt, nothing_is_installed_unless_asked_for)
{
	set_sigint(count);
	EXPECT_EQ(0, coro_run(see_handler, NULL));
	EXPECT_EQ(0, run(nothing, NULL, NULL));
	EXPECT_TRUE(sigint_is(count));
}

static long set_own(void *arg)
{
	(void)arg;
	set_sigint(count);
	return 0;
}

/* LOP-21 */
TEST_F(interrupt, handler_that_main_installed_stays)
{
	set_sigint(SIG_DFL);
	EXPECT_EQ(0, run(set_own, NULL, NULL));
	EXPECT_TRUE(sigint_is(count));
}

static long ignore_it(void *arg)
{
	(void)arg;
	EXPECT_TRUE(sigint_is(SIG_IGN));
	raise(SIGINT);
	EXPECT_EQ(0, coro_sleep(0));
	/* Nobody could end this wait. */
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	return 0;
}

/* LOP-17: a program that the shell started in the background. */
TEST_F(interrupt, ignored_signal_stays_ignored)
{
	set_sigint(SIG_IGN);
	EXPECT_EQ(0, run(ignore_it, NULL, NULL));
	EXPECT_TRUE(sigint_is(SIG_IGN));
}

static long run_second(void *arg)
{
	(void)arg;
	return run(nothing, NULL, NULL);
}

static long run_beside(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EBUSY, in_thread(run_second, NULL));
	EXPECT_FALSE(sigint_is(SIG_DFL));
	return raise_and_wait(NULL);
}

/* LOP-09 */
TEST_F(interrupt, one_loop_of_a_process_has_the_signal)
{
	set_sigint(SIG_DFL);
	EXPECT_EQ(-EINTR, run(run_beside, NULL, NULL));
	EXPECT_EQ(0, in_thread(run_second, NULL));
}

/*
 * What is lost with a thread would count as leaked, and the thread sanitizer takes
 * no pthread_exit() from a coroutine.
 */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static long leave_thread(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static long run_and_leave(void *arg)
{
	(void)arg;
	return run(leave_thread, NULL, NULL);
}

/* LOP-22 THR-14 */
TEST_F(interrupt, thread_that_leaves_its_loop_gives_the_signal_back)
{
	set_sigint(count);
	in_thread(run_and_leave, NULL);
	EXPECT_TRUE(sigint_is(count));
	EXPECT_EQ(-EINTR, run(raise_and_wait, NULL, NULL));
}
#endif

/* OBJ-04 */
TEST_F(interrupt, unknown_flags_are_refused)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.flags = UINT64_C(1) << 63,
	};

	EXPECT_EQ(-EINVAL, coro_run_opts(nothing, NULL, &opts, NULL));
}

static long die_of_it(void *arg)
{
	(void)arg;
	if (sigint_is(SIG_DFL))
		raise(SIGINT);
	return 0;
}

static void fork_now(void *arg)
{
	*(int *)arg = in_child(die_of_it, NULL);
}

static long fork_beside(void *arg)
{
	/* Outside of coroutines, whose stacks a child has not. */
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), fork_now, arg));
	EXPECT_EQ(0, coro_sleep(0));
	return raise_and_wait(NULL);
}

/* LOP-22 */
TEST_F(interrupt, child_of_fork_has_the_old_effect)
{
	int status = 0;

	set_sigint(SIG_DFL);
	EXPECT_EQ(-EINTR, run(fork_beside, &status, NULL));
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGINT, WTERMSIG(status));
}

TEST_HARNESS_MAIN
