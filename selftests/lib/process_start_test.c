// SPDX-License-Identifier: MIT
/* How child processes start: what they are given, and what is said when they cannot. */
#include <sys/resource.h>

#include "lib_process.h"

LIB_FIXTURE(process_start)

static long refuse(void *arg)
{
	struct coro_process_opts bad = { .cwd = "/nonexistent" };
	struct coro_process *p = arg;
	char *none[] = { NULL }, *dir[] = { "/", NULL };
	char *missing[] = { "/nonexistent", NULL };
	int fds = open_fds();

	EXPECT_EQ(-ENOENT, coro_process_spawn(&p, missing, NULL));
	EXPECT_EQ(-EACCES, coro_process_spawn(&p, dir, NULL));
	EXPECT_EQ(-EINVAL, coro_process_spawn(&p, none, NULL));
	EXPECT_EQ(-EINVAL, coro_process_spawn(&p, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_process_spawn(NULL, missing, NULL));
	EXPECT_EQ(-ENOENT, spawn_role(&p, "exit", "0", &bad));
	bad = (struct coro_process_opts){ .flags = UINT64_C(1) << 63 };
	EXPECT_EQ(-EINVAL, spawn_role(&p, "exit", "0", &bad));
	bad = (struct coro_process_opts){ .stdio = { CORO_PROCESS_PIPE, 99 } };
	EXPECT_EQ(-EINVAL, spawn_role(&p, "exit", "0", &bad));
	bad = (struct coro_process_opts){ .stdio = { CORO_PROCESS_STDOUT } };
	EXPECT_EQ(-EINVAL, spawn_role(&p, "exit", "0", &bad));
	bad = (struct coro_process_opts){
		.stdio = { CORO_PROCESS_PIPE, CORO_PROCESS_FD },
		.fds = { 0, 12345 },
	};
	EXPECT_EQ(-EBADF, spawn_role(&p, "exit", "0", &bad));
	bad.fds[1] = -1;
	EXPECT_EQ(-EBADF, spawn_role(&p, "exit", "0", &bad));
	EXPECT_EQ(arg, p);
	EXPECT_EQ(fds, open_fds());
	EXPECT_TRUE(childless());
	return 0;
}

/* OBJ-04 */
TEST_F(process_start, call_says_why_a_program_does_not_run)
{
	EXPECT_EQ(0, coro_run(refuse, (void *)POISON_LONG));
	EXPECT_EQ(0, refuse((void *)POISON_LONG));
}

/* What @fd says until its end. */
static const char *read_all(int fd)
{
	static char text[PATH_MAX];
	size_t nr = 0;
	int ret;

	do {
		ret = coro_io_read(fd, text + nr, sizeof(text) - 1 - nr,
				   coro_after(FAR_NS));
		nr += ret > 0 ? ret : 0;
	} while (ret > 0);
	text[nr] = 0;
	EXPECT_EQ(0, ret);
	close(fd);
	return text;
}

static const char *ask(const char *what, const char *arg,
		       struct coro_process_opts *opts)
{
	struct coro_process_opts o = { 0 };
	struct coro_process *p = NULL;
	const char *text;

	if (opts)
		o = *opts;
	o.stdio[1] = CORO_PROCESS_PIPE;
	EXPECT_EQ(0, spawn_role(&p, what, arg, &o));
	text = read_all(coro_process_take_fd(p, 1));
	EXPECT_EQ(3, WEXITSTATUS(status_of(p)));
	coro_process_free(p);
	return text;
}

static long use_pipes(void *arg)
{
	struct coro_process_opts o = {
		.stdio = { CORO_PROCESS_PIPE, CORO_PROCESS_PIPE,
			   CORO_PROCESS_PIPE },
	};
	struct coro_process *p = NULL;
	int fd[2];

	(void)arg;
	EXPECT_EQ(0, spawn_role(&p, "copy", "", &o));
	fd[0] = coro_process_take_fd(p, 0);
	fd[1] = coro_process_take_fd(p, 1);
	EXPECT_EQ(-EBADF, coro_process_take_fd(p, 1));
	EXPECT_EQ(-EINVAL, coro_process_take_fd(p, 3));
	EXPECT_EQ(-EINVAL, coro_process_take_fd(NULL, 0));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd[0], F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd[1], F_GETFD));
	EXPECT_EQ(4, coro_io_write(fd[0], "ping", 4, coro_after(FAR_NS)));
	close(fd[0]);
	EXPECT_STREQ("ping", read_all(fd[1]));
	EXPECT_EQ(3, WEXITSTATUS(status_of(p)));
	coro_process_free(p);
	o.stdio[2] = CORO_PROCESS_STDOUT;
	EXPECT_EQ(0, spawn_role(&p, "both", "", &o));
	EXPECT_EQ(-EBADF, coro_process_take_fd(p, 2));
	EXPECT_STREQ("outerr", read_all(coro_process_take_fd(p, 1)));
	EXPECT_EQ(6, WEXITSTATUS(status_of(p)));
	coro_process_free(p);
	return 0;
}

/* LOP-23 */
TEST_F(process_start, pipes_lead_to_it_and_back)
{
	int fds;

	ASSERT_NE(NULL, coro_backend());
	fds = open_fds();
	EXPECT_EQ(0, coro_run(use_pipes, NULL));
	EXPECT_EQ(fds, open_fds());
}

static long cross_over(void *arg)
{
	int *in = arg, *out = in + 2;
	struct coro_process_opts o = {
		.stdio = { CORO_PROCESS_FD, CORO_PROCESS_FD },
		.fds = { 1, 0 },
	};
	struct coro_process *p = NULL;
	int saved[2] = { dup(0), dup(1) };
	int err;

	/* The test's own are the wrong way round while it starts. */
	dup2(in[0], 1);
	dup2(out[1], 0);
	err = spawn_role(&p, "copy", "", &o);
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(saved[0]);
	close(saved[1]);
	close(in[0]);
	close(out[1]);
	EXPECT_EQ(0, err);
	EXPECT_EQ(4, coro_io_write(in[1], "ping", 4, coro_after(FAR_NS)));
	close(in[1]);
	EXPECT_STREQ("ping", read_all(out[0]));
	EXPECT_EQ(3, WEXITSTATUS(status_of(p)));
	coro_process_free(p);
	return 0;
}

/* LOP-23 */
TEST_F(process_start, descriptors_are_not_replaced_before_they_are_used)
{
	int fds[4], nr;

	ASSERT_NE(NULL, coro_backend());
	nr = open_fds();
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(fds + 2, O_CLOEXEC));
	EXPECT_EQ(0, coro_run(cross_over, fds));
	EXPECT_EQ(nr, open_fds());
}

static long see_settings(void *arg)
{
	char *env[] = { "COLOUR=green", NULL };
	struct coro_process_opts o = { .envp = env };

	(void)arg;
	EXPECT_STREQ("green", ask("env", "COLOUR", &o));
	EXPECT_STREQ("none", ask("env", "SHAPE", &o));
	EXPECT_STREQ("round", ask("env", "SHAPE", NULL));
	o = (struct coro_process_opts){ .cwd = "/proc" };
	EXPECT_STREQ("/proc", ask("cwd", "", &o));
	EXPECT_STREQ("inherited", ask("group", "", NULL));
	o = (struct coro_process_opts){ .flags = CORO_PROCESS_F_GROUP };
	EXPECT_STREQ("own", ask("group", "", &o));
	return 0;
}

/* LOP-23 */
TEST_F(process_start, environment_folder_and_group_are_as_asked)
{
	ASSERT_EQ(0, setenv("SHAPE", "round", 1));
	EXPECT_EQ(0, coro_run(see_settings, NULL));
}

static long see_signals(void *arg)
{
	struct coro_signals *s = NULL;
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	EXPECT_EQ(0, coro_signals_new(&s, &set));
	EXPECT_STREQ("open,default,nohup", ask("signals", "", NULL));
	EXPECT_EQ(SIGCHLD, coro_signals_next(s, NULL, coro_after(FAR_NS)));
	coro_signals_free(s);
	return 0;
}

/* LOP-22: what a stream blocks is blocked here only. */
TEST_F(process_start, signals_of_the_program_are_no_matter_of_the_child)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	EXPECT_EQ(0, coro_run(see_signals, NULL));
}

/* OBJ-05: want of descriptors, at each of them. */
TEST_F(process_start, without_descriptors_nothing_runs_and_nothing_leaks)
{
	struct coro_process_opts o = {
		.stdio = { CORO_PROCESS_PIPE, CORO_PROCESS_PIPE,
			   CORO_PROCESS_NULL },
	};
	struct rlimit limit;
	struct coro_process *p = NULL;
	int fds = open_fds(), nr = 0, err;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	do {
		/* Numbers above those that are in use. */
		limit.rlim_cur = dup(0) + nr++;
		close(limit.rlim_cur - nr + 1);
		setrlimit(RLIMIT_NOFILE, &limit);
		err = spawn_role(&p, "exit", "0", &o);
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		EXPECT_TRUE(!err || err == -EMFILE);
		if (err)
			EXPECT_TRUE(childless());
		EXPECT_EQ(fds + (err ? 0 : 3), open_fds());
	} while (err && nr < 100);
	EXPECT_EQ(0, err);
	EXPECT_LT(4, nr);
	waitpid(coro_process_pid(p), NULL, 0);
	coro_process_free(p);
}

TEST_HARNESS_MAIN
