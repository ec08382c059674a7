// SPDX-License-Identifier: MIT
/* Child processes: who gets their status, who reaps them, and what they cannot be mistaken for. */
#include "lib_process.h"

LIB_FIXTURE(process)

/* One that runs until @ret_stdin is closed. */
static struct coro_process *start_copy(int *ret_stdin, uint64_t flags)
{
	struct coro_process_opts o = {
		.flags = flags,
		.stdio = { CORO_PROCESS_PIPE, CORO_PROCESS_NULL },
	};
	struct coro_process *p = NULL;

	EXPECT_EQ(0, spawn_role(&p, "copy", "", &o));
	*ret_stdin = coro_process_take_fd(p, 0);
	EXPECT_LE(0, *ret_stdin);
	return p;
}

static long see_statuses(void *arg)
{
	struct coro_process *p[3] = { NULL };
	int status;

	(void)arg;
	EXPECT_EQ(0, spawn_role(&p[0], "exit", "42", NULL));
	EXPECT_EQ(0, spawn_role(&p[1], "raise", "9", NULL));
	EXPECT_EQ(0, spawn_role(&p[2], "raise", "6", NULL));
	status = status_of(p[0]);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(42, WEXITSTATUS(status));
	status = status_of(p[1]);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	status = status_of(p[2]);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGABRT, WTERMSIG(status));
	for (int i = 0; i < 3; i++)
		coro_process_free(p[i]);
	coro_process_free(NULL);
	EXPECT_TRUE(childless());
	return 0;
}

/* LOP-23 */
TEST_F(process, wait_tells_how_it_ended)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(see_statuses, NULL));
	EXPECT_EQ(fds, open_fds());
}

struct waiting {
	struct coro_process *p;
	int status;
	int ret;
};

static long wait_for_it(void *arg)
{
	struct waiting *w = arg;

	w->ret = coro_process_wait(w->p, &w->status, coro_after(FAR_NS));
	return 0;
}

static struct coro *start_wait(struct waiting *w, struct coro_process *p)
{
	struct coro *c = coro_new(wait_for_it, w);

	*w = (struct waiting){ .p = p, .status = POISON, .ret = POISON };
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_IO);
	return c;
}

static long cancel_one_wait(void *arg)
{
	struct waiting w[4];
	struct coro *c[3];
	int in, i;
	struct coro_process *p = start_copy(&in, 0);

	(void)arg;
	for (i = 0; i < 3; i++)
		c[i] = start_wait(&w[i], p);
	EXPECT_EQ(0, coro_cancel(c[1]));
	EXPECT_EQ(0, coro_await(c[1]));
	EXPECT_EQ(-ECANCELED, w[1].ret);
	EXPECT_EQ(POISON, w[1].status);
	EXPECT_EQ(-ETIMEDOUT, coro_process_wait(p, &w[1].status, 0));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_process_wait(p, &w[1].status, coro_after(SOON_NS)));
	EXPECT_EQ(POISON, w[1].status);
	/* It is there, and it runs. */
	EXPECT_EQ(0, coro_process_kill(p, 0));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c[0]));
	close(in);
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(0, coro_await(c[2]));
	for (i = 0; i < 3; i += 2) {
		EXPECT_EQ(0, w[i].ret);
		EXPECT_EQ(3, WEXITSTATUS(w[i].status));
	}
	EXPECT_EQ(0, coro_process_wait(p, NULL, 0));
	EXPECT_EQ(3, WEXITSTATUS(status_of(p)));
	coro_process_free(p);
	return 0;
}

/* LOP-23 AWT-13 */
TEST_F(process, every_waiter_gets_the_status_and_a_cancelled_one_harms_nobody)
{
	EXPECT_EQ(0, coro_run(cancel_one_wait, NULL));
}

static long wait_in_loop(void *arg)
{
	return coro_run(wait_for_it, arg);
}

static long wait_and_close(void *arg)
{
	struct waiting *w = arg;
	struct coro *c = start_wait(&w[1], w[0].p);
	int in = w[0].status;

	close(in);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, w[1].ret);
	EXPECT_EQ(3, WEXITSTATUS(w[1].status));
	return 0;
}

static void *wait_in_thread(void *arg)
{
	return (void *)wait_in_loop(arg);
}

/* LOP-23 THR-14 */
TEST_F(process, coroutines_of_several_loops_wait_for_one)
{
	struct waiting other, mine[2];
	pthread_t thread;

	mine[0].p = start_copy(&mine[0].status, 0);
	other = (struct waiting){ .p = mine[0].p, .ret = POISON };
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in_thread, &other));
	EXPECT_EQ(0, coro_run(wait_and_close, mine));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, other.ret);
	EXPECT_EQ(3, WEXITSTATUS(other.status));
	coro_process_free(mine[0].p);
	EXPECT_TRUE(childless());
}

static long kill_it(void *arg)
{
	int in, status;
	struct coro_process *p = start_copy(&in, 0);

	(void)arg;
	EXPECT_LT(0, coro_process_pid(p));
	EXPECT_EQ(-EINVAL, coro_process_kill(p, 1000));
	EXPECT_EQ(-EINVAL, coro_process_kill(NULL, SIGTERM));
	EXPECT_EQ(0, coro_process_kill(p, SIGTERM));
	status = status_of(p);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
	EXPECT_EQ(-ESRCH, coro_process_kill(p, SIGTERM));
	coro_process_free(p);
	close(in);
	return 0;
}

/* LOP-23 */
TEST_F(process, signal_reaches_it_and_nobody_after_it)
{
	EXPECT_EQ(0, coro_run(kill_it, NULL));
}

static long lose_it(void *arg)
{
	int in, status = POISON;
	struct coro_process *p = start_copy(&in, 0);

	(void)arg;
	close(in);
	/* Somebody takes whatever there is. */
	EXPECT_EQ(coro_process_pid(p), waitpid(-1, NULL, 0));
	EXPECT_EQ(-ECHILD, coro_process_wait(p, &status, coro_after(FAR_NS)));
	EXPECT_EQ(-ECHILD, coro_process_wait(p, &status, 0));
	EXPECT_EQ(-ESRCH, coro_process_kill(p, SIGTERM));
	EXPECT_EQ(POISON, status);
	coro_process_free(p);
	return 0;
}

/* LOP-23 */
TEST_F(process, status_that_somebody_else_took_is_lost)
{
	EXPECT_EQ(0, coro_run(lose_it, NULL));
}

static long ignore_children(void *arg)
{
	int in, i;
	struct coro_process *p = start_copy(&in, 0);
	struct waiting w;
	struct coro *c = start_wait(&w, p);

	(void)arg;
	close(in);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECHILD, w.ret);
	EXPECT_EQ(POISON, w.status);
	coro_process_free(p);
	/* Some of these are gone before the call looks. */
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, spawn_role(&p, "exit", "0", NULL));
		EXPECT_EQ(-ECHILD, coro_process_wait(p, NULL, CORO_NEVER));
		EXPECT_EQ(-ESRCH, coro_process_kill(p, SIGTERM));
		coro_process_free(p);
	}
	return 0;
}

/* LOP-23 */
TEST_F(process, ignored_sigchld_leaves_no_status)
{
	signal(SIGCHLD, SIG_IGN);
	EXPECT_EQ(0, coro_run(ignore_children, NULL));
}

static bool gone(pid_t pid)
{
	return kill(pid, 0) && errno == ESRCH;
}

static long free_while_it_runs(void *arg)
{
	int in;
	struct coro_process *p = start_copy(&in, 0);
	pid_t pid = coro_process_pid(p);

	(void)arg;
	coro_process_free(p);
	/* Nothing is awaited for its sake. */
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	EXPECT_EQ(0, kill(pid, 0));
	close(in);
	while (!gone(pid) && !coro_sleep(0))
		;
	EXPECT_TRUE(childless());
	return 0;
}

/* LOP-23 */
TEST_F(process, freed_one_goes_on_and_leaves_no_zombie)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(free_while_it_runs, NULL));
	EXPECT_EQ(fds, open_fds());
}

static long free_and_end(void *arg)
{
	int *in = arg;

	coro_process_free(start_copy(in, 0));
	return coro_sleep(0);
}

/* Until the kernel has made zombies of all children. */
static void wait_for_zombie(void)
{
	siginfo_t info;

	EXPECT_EQ(0, waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
}

/* LOP-23 LOP-12 */
TEST_F(process, freed_one_outlives_the_loop_and_is_reaped_later)
{
	struct coro_process *p;
	int in[2], fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(free_and_end, &in[0]));
	close(in[0]);
	wait_for_zombie();
	/* And one that no loop was there for. */
	p = start_copy(&in[1], 0);
	/* The first is no zombie any more, and the second runs. */
	EXPECT_EQ(0, waitpid(-1, NULL, WNOHANG));
	coro_process_free(p);
	EXPECT_FALSE(childless());
	close(in[1]);
	wait_for_zombie();
	EXPECT_EQ(-ECHILD, coro_process_open(&p, getpid()));
	EXPECT_TRUE(childless());
	EXPECT_EQ(fds, open_fds());
}

static long free_and_kill(void *arg)
{
	int in;
	struct coro_process *p = start_copy(&in, CORO_PROCESS_F_KILL);
	pid_t pid = coro_process_pid(p);

	(void)arg;
	coro_process_free(p);
	while (!gone(pid) && !coro_sleep(0))
		;
	close(in);
	return 0;
}

/* LOP-23 */
TEST_F(process, freed_one_is_killed_if_that_was_asked)
{
	EXPECT_EQ(0, coro_run(free_and_kill, NULL));
	EXPECT_TRUE(childless());
}

static long free_under_waiter(void *arg)
{
	int in;
	struct coro_process *p = start_copy(&in, 0);
	struct waiting w;
	struct coro *c = start_wait(&w, p);

	(void)arg;
	coro_process_free(p);
	close(in);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, w.ret);
	EXPECT_EQ(3, WEXITSTATUS(w.status));
	return 0;
}

/* LOP-23 */
TEST_F(process, freeing_it_disturbs_nobody_who_waits)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(free_under_waiter, NULL));
	EXPECT_TRUE(childless());
	EXPECT_EQ(fds, open_fds());
}

static long wait_for_forked(void *arg)
{
	EXPECT_EQ(7, WEXITSTATUS(status_of(arg)));
	return 0;
}

/* LOP-23 */
TEST_F(process, child_of_fork_can_be_opened_until_it_is_reaped)
{
	struct coro_process *p = NULL;
	pid_t pid = fork();

	if (!pid)
		_exit(7);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, coro_process_open(&p, pid));
	EXPECT_EQ(pid, coro_process_pid(p));
	EXPECT_EQ(-EBADF, coro_process_take_fd(p, 0));
	EXPECT_EQ(0, coro_run(wait_for_forked, p));
	coro_process_free(p);
	p = (void *)POISON_LONG;
	EXPECT_EQ(-ECHILD, coro_process_open(&p, pid));
	EXPECT_EQ(-ECHILD, coro_process_open(&p, getpid()));
	EXPECT_EQ(-ECHILD, coro_process_open(&p, getppid()));
	EXPECT_EQ(-EINVAL, coro_process_open(&p, 0));
	EXPECT_EQ(-EINVAL, coro_process_open(&p, -1));
	EXPECT_EQ(-EINVAL, coro_process_open(NULL, pid));
	EXPECT_EQ(POISON_LONG, (long)p);
}

static long wait_as_sibling(void *arg)
{
	EXPECT_EQ(-ECHILD, coro_process_wait(arg, NULL, CORO_NEVER));
	return 0;
}

static long use_in_child(void *arg)
{
	EXPECT_EQ(0, coro_run(wait_as_sibling, arg));
	coro_process_free(arg);
	return !_metadata->passed;
}

/* LOP-23 */
TEST_F(process, child_of_fork_has_none_of_its_parents)
{
	int in;
	struct coro_process *p = start_copy(&in, CORO_PROCESS_F_KILL);

	EXPECT_EQ(0, in_child(use_in_child, p));
	EXPECT_EQ(0, coro_process_kill(p, 0));
	EXPECT_EQ(0, waitpid(coro_process_pid(p), NULL, WNOHANG));
	close(in);
	EXPECT_EQ(coro_process_pid(p), waitpid(coro_process_pid(p), NULL, 0));
	coro_process_free(p);
}

static long keep_errno(void *arg)
{
	struct coro_process *p = NULL;

	(void)arg;
	errno_set(77);
	EXPECT_EQ(0, spawn_role(&p, "exit", "0", NULL));
	EXPECT_EQ(0, coro_process_wait(p, NULL, coro_after(FAR_NS)));
	EXPECT_EQ(-ESRCH, coro_process_kill(p, SIGTERM));
	coro_process_free(p);
	EXPECT_EQ(77, errno_get());
	return 0;
}

/* STC-15 */
TEST_F(process, errno_is_the_callers)
{
	EXPECT_EQ(0, coro_run(keep_errno, NULL));
}

/* LOP-23 */
TEST_F(process, waiting_needs_a_loop)
{
	struct coro_process *p = NULL;

	ASSERT_EQ(0, spawn_role(&p, "exit", "0", NULL));
	EXPECT_EQ(-EPERM, coro_process_wait(p, NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_process_wait(NULL, NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_process_pid(NULL));
	EXPECT_EQ(coro_process_pid(p), waitpid(-1, NULL, 0));
	coro_process_free(p);
}

TEST_HARNESS_MAIN
