// SPDX-License-Identifier: MIT
/* Streams of signals: what they fetch, what they block, and what is left when they go. */
#include "lib_common.h"

LIB_FIXTURE(signal)

static sigset_t signals(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

/* Whether the calling thread blocks @sig. */
static int blocked(int sig)
{
	sigset_t now;

	pthread_sigmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, sig);
}

static int pending(int sig)
{
	sigset_t now;

	sigpending(&now);
	return sigismember(&now, sig);
}

static struct coro_signals *open_stream(int a, int b)
{
	struct coro_signals *s = NULL;
	sigset_t set = signals(a, b);

	EXPECT_EQ(0, coro_signals_new(&s, &set));
	return s;
}

struct fetch {
	struct coro_signals *s;
	struct signalfd_siginfo info;
	int ret;
};

static long fetch_one(void *arg)
{
	struct fetch *f = arg;

	f->ret = coro_signals_next(f->s, &f->info, coro_after(FAR_NS));
	return 0;
}

static struct coro *start_fetch(struct fetch *f, struct coro_signals *s)
{
	struct coro *c = coro_new(fetch_one, f);

	memset(f, POISON, sizeof(*f));
	f->s = s;
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_IO);
	return c;
}

static long fetch_pending(void *arg)
{
	struct coro_signals *s = open_stream(SIGUSR1, SIGUSR2);
	struct signalfd_siginfo info;

	(void)arg;
	EXPECT_EQ(0, kill(getpid(), SIGUSR2));
	EXPECT_EQ(SIGUSR2, coro_signals_next(s, &info, coro_after(FAR_NS)));
	EXPECT_EQ(SIGUSR2, (int)info.ssi_signo);
	EXPECT_EQ(getpid(), (pid_t)info.ssi_pid);
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(SIGUSR1, coro_signals_next(s, NULL, coro_after(FAR_NS)));
	EXPECT_EQ(-ETIMEDOUT, coro_signals_next(s, NULL, 0));
	coro_signals_free(s);
	coro_signals_free(NULL);
	return 0;
}

/* LOP-20: what asyncio runs as a callback is a coroutine that goes on here. */
TEST_F(signal, pending_ones_are_fetched_with_who_sent_them)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(fetch_pending, NULL));
	EXPECT_EQ(fds, open_fds());
}

struct sender {
	pthread_t to;
	int ready[2];
};

static void *send_when_told(void *arg)
{
	struct sender *snd = arg;
	char byte;

	if (read(snd->ready[0], &byte, 1) == 1)
		pthread_kill(snd->to, SIGUSR1);
	return NULL;
}

static void tell_sender(void *arg)
{
	struct sender *snd = arg;

	EXPECT_EQ(1, write(snd->ready[1], "x", 1));
}

static long wait_in_poll(void *arg)
{
	struct coro_signals *s = open_stream(SIGUSR1, 0);
	struct coro_loop *loop = coro_loop_self();
	int ret;

	/* Runs after this coroutine began to wait. */
	EXPECT_EQ(0, coro_call_soon(loop, tell_sender, arg));
	ret = coro_signals_next(s, NULL, coro_after(FAR_NS));
	coro_signals_free(s);
	return ret;
}

/* LOP-20 */
TEST_F(signal, one_that_lands_in_a_blocked_poll_is_fetched)
{
	struct sender snd = { .to = pthread_self() };
	pthread_t thread;

	ASSERT_EQ(0, pipe(snd.ready));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_when_told, &snd));
	EXPECT_EQ(SIGUSR1, coro_run(wait_in_poll, &snd));
	pthread_join(thread, NULL);
	close(snd.ready[0]);
	close(snd.ready[1]);
}

static long end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

/* Not in a coroutine, whose stack a child has not. */
static long fork_one(void *arg)
{
	return in_child(end_at_once, arg);
}

static long fetch_process_wide(void *arg)
{
	struct coro_signals *s = open_stream(SIGTERM, SIGCHLD);
	struct fetch f;
	struct coro *c = start_fetch(&f, s);

	(void)arg;
	EXPECT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(SIGTERM, f.ret);
	c = start_fetch(&f, s);
	EXPECT_EQ(0, in_thread(fork_one, NULL));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(SIGCHLD, f.ret);
	coro_signals_free(s);
	return 0;
}

/* LOP-20: also one whose default is to be ignored. */
TEST_F(signal, waiting_coroutine_gets_what_the_process_is_sent)
{
	EXPECT_EQ(0, coro_run(fetch_process_wide, NULL));
}

static long fetch_from_two(void *arg)
{
	struct coro_signals *a = open_stream(SIGUSR1, 0);
	struct coro_signals *b = open_stream(SIGUSR2, 0);
	struct fetch fa, fb;
	struct coro *ca = start_fetch(&fa, a), *cb = start_fetch(&fb, b);

	(void)arg;
	EXPECT_EQ(0, raise(SIGUSR2));
	EXPECT_EQ(0, coro_await(cb));
	EXPECT_EQ(SIGUSR2, fb.ret);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(ca));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, coro_await(ca));
	EXPECT_EQ(SIGUSR1, fa.ret);
	coro_signals_free(a);
	coro_signals_free(b);
	return 0;
}

/* LOP-20 */
TEST_F(signal, streams_have_what_their_sets_say)
{
	EXPECT_EQ(0, coro_run(fetch_from_two, NULL));
}

static long queue_up(void *arg)
{
	struct coro_signals *s = open_stream(SIGRTMIN + 1, SIGUSR1);
	struct signalfd_siginfo info;
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		union sigval value = { .sival_int = i };

		EXPECT_EQ(0, sigqueue(getpid(), SIGRTMIN + 1, value));
		EXPECT_EQ(0, raise(SIGUSR1));
	}
	EXPECT_EQ(SIGUSR1, coro_signals_next(s, NULL, coro_after(FAR_NS)));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(SIGRTMIN + 1,
			  coro_signals_next(s, &info, coro_after(FAR_NS)));
		EXPECT_EQ(i, info.ssi_int);
	}
	EXPECT_EQ(-ETIMEDOUT, coro_signals_next(s, NULL, 0));
	coro_signals_free(s);
	return 0;
}

/* LOP-20 */
TEST_F(signal, real_time_ones_queue_and_others_come_once)
{
	EXPECT_EQ(0, coro_run(queue_up, NULL));
}

static long cancel_fetch(void *arg)
{
	struct coro_signals *s = open_stream(SIGUSR1, 0);
	struct signalfd_siginfo info;
	struct fetch f;
	struct coro *c = start_fetch(&f, s);

	(void)arg;
	EXPECT_EQ(-EBUSY, coro_signals_next(s, NULL, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, f.ret);
	EXPECT_TRUE(untouched(&f.info, sizeof(f.info)));
	memset(&info, POISON, sizeof(info));
	EXPECT_EQ(-ETIMEDOUT, coro_signals_next(s, &info, coro_after(SOON_NS)));
	EXPECT_TRUE(untouched(&info, sizeof(info)));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(SIGUSR1, coro_signals_next(s, NULL, coro_after(FAR_NS)));
	coro_signals_free(s);
	return 0;
}

/* LOP-22 TMO-02 AGS-06: a second waiter is refused, the first undisturbed. */
TEST_F(signal, stream_goes_on_after_cancel_deadline_and_second_waiter)
{
	EXPECT_EQ(0, coro_run(cancel_fetch, NULL));
}

static long cancel_what_was_fetched(void *arg)
{
	struct coro_signals *s = open_stream(SIGUSR1, 0);
	struct fetch f;
	struct coro *c = start_fetch(&f, s);

	(void)arg;
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, coro_await(c));
	if (f.ret == -ECANCELED)
		f.ret = coro_signals_next(s, NULL, coro_after(FAR_NS));
	EXPECT_EQ(SIGUSR1, f.ret);
	coro_signals_free(s);
	return 0;
}

/* AGS-20 */
TEST_F(signal, cancelled_wait_loses_none)
{
	EXPECT_EQ(0, coro_run(cancel_what_was_fetched, NULL));
}

static long free_under_waiter(void *arg)
{
	struct coro_signals *s = open_stream(SIGUSR1, 0);
	struct fetch f;
	struct coro *c = start_fetch(&f, s);

	(void)arg;
	coro_signals_free(s);
	EXPECT_EQ(0, blocked(SIGUSR1));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, f.ret);
	return 0;
}

/* LOP-22 */
TEST_F(signal, freeing_a_stream_ends_the_wait_in_it)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(free_under_waiter, NULL));
	EXPECT_EQ(fds, open_fds());
}

static long restore_mask(void *arg)
{
	struct coro_signals *a, *b, *c;

	(void)arg;
	EXPECT_EQ(0, blocked(SIGUSR1));
	EXPECT_EQ(1, blocked(SIGHUP));
	a = open_stream(SIGUSR1, SIGHUP);
	b = open_stream(SIGUSR1, SIGUSR2);
	c = open_stream(SIGUSR1, 0);
	EXPECT_EQ(1, blocked(SIGUSR1));
	EXPECT_EQ(1, blocked(SIGUSR2));
	coro_signals_free(a);
	EXPECT_EQ(1, blocked(SIGUSR1));
	EXPECT_EQ(1, blocked(SIGUSR2));
	coro_signals_free(b);
	EXPECT_EQ(1, blocked(SIGUSR1));
	EXPECT_EQ(0, blocked(SIGUSR2));
	coro_signals_free(c);
	EXPECT_EQ(0, blocked(SIGUSR1));
	EXPECT_EQ(1, blocked(SIGHUP));
	return 0;
}

/* LOP-21 */
TEST_F(signal, last_stream_of_a_signal_gives_the_mask_back)
{
	sigset_t hup = signals(SIGHUP, 0), before, after;

	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &hup, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	EXPECT_EQ(0, coro_run(restore_mask, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	EXPECT_EQ(0, memcmp(&before, &after, _NSIG / 8));
}

static long free_with_pending(void *arg)
{
	struct coro_signals *s = open_stream(SIGTERM, SIGUSR1);

	(void)arg;
	EXPECT_EQ(0, raise(SIGTERM));
	EXPECT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(1, pending(SIGTERM));
	coro_signals_free(s);
	EXPECT_EQ(0, pending(SIGTERM));
	/* What was blocked before is not the stream's to drop. */
	EXPECT_EQ(1, pending(SIGUSR1));
	return 0;
}

/* LOP-22 */
TEST_F(signal, unfetched_one_of_a_freed_stream_is_dropped)
{
	sigset_t usr1 = signals(SIGUSR1, 0);

	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &usr1, NULL));
	EXPECT_EQ(0, coro_run(free_with_pending, NULL));
}

static long die_of_it(void *arg)
{
	struct coro_signals *s = open_stream(SIGTERM, 0);

	(void)arg;
	coro_signals_free(s);
	raise(SIGTERM);
	return 0;
}

static long run_and_die(void *arg)
{
	return coro_run(die_of_it, arg);
}

/* LOP-21 */
TEST_F(signal, without_its_stream_it_has_its_effect_again)
{
	int status = in_child(run_and_die, NULL);

	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

static long refuse(void *arg)
{
	static const int bad[] = { SIGKILL, SIGSTOP, SIGSEGV,
				   SIGBUS,  SIGFPE,  SIGILL };
	struct coro_signals *s = arg;
	sigset_t set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set = signals(bad[i], SIGUSR1);
		EXPECT_EQ(-EINVAL, coro_signals_new(&s, &set));
	}
	sigemptyset(&set);
	EXPECT_EQ(-EINVAL, coro_signals_new(&s, &set));
	/* What sigaddset() refuses: the C library's own. */
	((unsigned long *)&set)[0] = 1UL << (33 - 1);
	EXPECT_EQ(-EINVAL, coro_signals_new(&s, &set));
	EXPECT_EQ(-EINVAL, coro_signals_new(&s, NULL));
	set = signals(SIGUSR1, 0);
	EXPECT_EQ(-EINVAL, coro_signals_new(NULL, &set));
	EXPECT_EQ(arg, s);
	EXPECT_EQ(0, blocked(SIGUSR1));
	return 0;
}

/* LOP-21 */
TEST_F(signal, those_that_nobody_can_wait_for_are_refused)
{
	struct coro_signals *poison = (void *)POISON_LONG;
	sigset_t set = signals(SIGUSR1, 0);

	EXPECT_EQ(0, coro_run(refuse, poison));
	EXPECT_EQ(-EPERM, coro_signals_new(&poison, &set));
	EXPECT_EQ(POISON_LONG, (long)poison);
}

static long leave_stream(void *arg)
{
	struct fetch *f = arg;
	struct coro_signals *s = open_stream(SIGUSR1, 0);

	start_fetch(f, s);
	return 0;
}

/* LOP-22: the end of the loop stops a stream, and who made it frees it. */
TEST_F(signal, stream_outlives_its_loop_without_effect)
{
	struct fetch f;
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(leave_stream, &f));
	EXPECT_EQ(-ECANCELED, f.ret);
	EXPECT_EQ(1, blocked(SIGUSR1));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(-EPERM, coro_signals_next(f.s, NULL, CORO_NEVER));
	coro_signals_free(f.s);
	EXPECT_EQ(0, blocked(SIGUSR1));
	EXPECT_EQ(fds, open_fds());
}

static long fetch_own(void *arg)
{
	struct fetch *f = arg;
	struct coro_signals *mine = open_stream(SIGUSR2, 0);

	EXPECT_EQ(-EPERM, coro_signals_next(f->s, NULL, CORO_NEVER));
	EXPECT_EQ(0, raise(SIGUSR2));
	EXPECT_EQ(SIGUSR2, coro_signals_next(mine, NULL, coro_after(FAR_NS)));
	coro_signals_free(mine);
	return 0;
}

static long use_in_child(void *arg)
{
	struct fetch *f = arg;
	int fds;

	EXPECT_EQ(1, blocked(SIGUSR1));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, coro_run(fetch_own, f));
	fds = open_fds();
	coro_signals_free(f->s);
	EXPECT_EQ(0, blocked(SIGUSR1));
	EXPECT_EQ(fds - 1, open_fds());
	return !_metadata->passed;
}

struct forking {
	struct fetch f;
	int status;
};

static void fork_now(void *arg)
{
	struct forking *fk = arg;

	fk->status = in_child(use_in_child, &fk->f);
}

static long fork_beside(void *arg)
{
	struct forking *fk = arg;
	struct coro_signals *s = open_stream(SIGUSR1, 0);
	struct coro *c = start_fetch(&fk->f, s);

	/* Outside of coroutines, whose stacks a child has not. */
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), fork_now, fk));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, fk->status);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(SIGUSR1, fk->f.ret);
	coro_signals_free(s);
	return 0;
}

/* LOP-22 */
TEST_F(signal, child_of_fork_has_the_mask_and_leaves_the_stream_alone)
{
	struct forking fk = { .status = -1 };

	EXPECT_EQ(0, coro_run(fork_beside, &fk));
}

static long keep_errno(void *arg)
{
	struct coro_signals *s;

	(void)arg;
	errno_set(77);
	s = open_stream(SIGUSR1, 0);
	EXPECT_EQ(-ETIMEDOUT, coro_signals_next(s, NULL, 0));
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, coro_signals_next(s, NULL, CORO_NEVER));
	coro_signals_free(s);
	EXPECT_EQ(77, errno_get());
	return 0;
}

/* STC-15 */
TEST_F(signal, errno_is_the_callers)
{
	EXPECT_EQ(0, coro_run(keep_errno, NULL));
}

TEST_HARNESS_MAIN
