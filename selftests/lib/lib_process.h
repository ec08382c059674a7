/* SPDX-License-Identifier: MIT */
/* A test that starts itself as another program, which does what its arguments say. */
#ifndef CORO_SELFTESTS_LIB_PROCESS_H
#define CORO_SELFTESTS_LIB_PROCESS_H

#include "lib_common.h"

#define SELF "/proc/self/exe"

static inline void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(99);
}

static inline bool ignored(int sig)
{
	struct sigaction sa;

	sigaction(sig, NULL, &sa);
	return sa.sa_handler == SIG_IGN;
}

static inline void say_signals(void)
{
	sigset_t set;
	int sig, nr = 0;

	sigprocmask(SIG_BLOCK, NULL, &set);
	for (sig = 1; sig <= SIGRTMAX; sig++)
		nr += sigismember(&set, sig) == 1;
	say(nr ? "blocked" : "open");
	say(ignored(SIGPIPE) || ignored(SIGCHLD) ? ",ignored" : ",default");
	say(ignored(SIGHUP) ? ",nohup" : ",hup");
}

/* Ends with its stdin. */
static inline void copy_stdin(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		if (write(STDOUT_FILENO, &byte, 1) != 1)
			break;
	}
}

static inline int role(const char *what, const char *arg)
{
	char path[PATH_MAX];

	if (!strcmp(what, "exit"))
		return atoi(arg);
	if (!strcmp(what, "raise"))
		raise(atoi(arg));
	else if (!strcmp(what, "copy"))
		copy_stdin();
	else if (!strcmp(what, "env"))
		say(getenv(arg) ? getenv(arg) : "none");
	else if (!strcmp(what, "cwd"))
		say(getcwd(path, sizeof(path)) ? path : "none");
	else if (!strcmp(what, "group"))
		say(getpgrp() == getpid() ? "own" : "inherited");
	else if (!strcmp(what, "signals"))
		say_signals();
	else if (!strcmp(what, "both"))
		return write(1, "out", 3) + write(2, "err", 3);
	return 3;
}

/* Before main(), and so before the harness looks at the arguments. */
static void __attribute__((constructor)) role_main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "role"))
		_exit(role(argv[2], argv[3]));
}

static inline int spawn_role(struct coro_process **ret_process,
			     const char *what, const char *arg,
			     struct coro_process_opts *opts)
{
	char *argv[] = { "self", "role", (char *)what, (char *)arg, NULL };
	struct coro_process_opts o = { .size = sizeof(o) };

	if (opts)
		o = *opts;
	o.size = sizeof(o);
	o.file = SELF;
	return coro_process_spawn(ret_process, argv, &o);
}

/* Nothing of the test's children is left, not even a zombie. */
static inline bool childless(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static inline int status_of(struct coro_process *p)
{
	int status = -1;

	EXPECT_EQ(0, coro_process_wait(p, &status, coro_after(FAR_NS)));
	return status;
}

#endif /* CORO_SELFTESTS_LIB_PROCESS_H */
