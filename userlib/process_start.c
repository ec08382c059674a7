// SPDX-License-Identifier: MIT
/* The start of a program: its descriptors, its signals, and the call that reports errors. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <unistd.h>

#define CORO__PROCESS_FLAGS (CORO_PROCESS_F_GROUP | CORO_PROCESS_F_KILL)

/* What becomes a standard descriptor. */
struct coro__stdio {
	int from[3]; /* a descriptor of ours; -1 for as it is */
	bool close[3]; /* opened for this, and of no use later */
	int pipes[3]; /* the caller's ends, or -1 */
};

/*
 * One that is in nobody's way: what one of the first three is made of could have
 * been replaced by then. Takes @fd, unless it is the user's.
 */
static int coro__stdio_above(int fd, bool ours)
{
	int above, saved;

	if (fd > 2)
		return fd;
	above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	saved = above < 0 ? -errno : above;
	if (ours)
		close(fd);
	return saved;
}

static int coro__stdio_pipe(struct coro__stdio *io, int nr)
{
	int fds[2], theirs;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	theirs = coro__stdio_above(fds[nr ? 1 : 0], true);
	if (theirs < 0) {
		close(fds[nr ? 0 : 1]);
		return theirs;
	}
	io->from[nr] = theirs;
	io->close[nr] = true;
	io->pipes[nr] = fds[nr ? 0 : 1];
	return 0;
}

static int coro__stdio_null(struct coro__stdio *io, int nr)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fd = fd < 0 ? -errno : coro__stdio_above(fd, true);
	if (fd < 0)
		return fd;
	io->from[nr] = fd;
	io->close[nr] = true;
	return 0;
}

static int coro__stdio_fd(struct coro__stdio *io, int nr, int fd)
{
	int above;

	if (fd < 0)
		return -EBADF;
	above = fd == nr ? fd : coro__stdio_above(fd, false);
	if (above < 0)
		return above;
	io->from[nr] = above;
	io->close[nr] = above != fd;
	return 0;
}

static int coro__stdio_open(struct coro__stdio *io, int nr,
			    const struct coro_process_opts *o)
{
	switch (o->stdio[nr]) {
	case CORO_PROCESS_INHERIT:
		return 0;
	case CORO_PROCESS_PIPE:
		return coro__stdio_pipe(io, nr);
	case CORO_PROCESS_NULL:
		return coro__stdio_null(io, nr);
	case CORO_PROCESS_FD:
		return coro__stdio_fd(io, nr, o->fds[nr]);
	case CORO_PROCESS_STDOUT:
		/* Is made of the new one, after that. */
		io->from[nr] = STDOUT_FILENO;
		return nr == STDERR_FILENO ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static void coro__stdio_close(struct coro__stdio *io, bool pipes)
{
	for (int nr = 0; nr < 3; nr++) {
		if (io->close[nr])
			close(io->from[nr]);
		if (pipes && io->pipes[nr] >= 0)
			close(io->pipes[nr]);
	}
}

static int coro__start_actions(posix_spawn_file_actions_t *actions,
			       const struct coro__stdio *io, const char *cwd)
{
	int err = 0;

	if (cwd)
		err = posix_spawn_file_actions_addchdir_np(actions, cwd);
	for (int nr = 0; nr < 3 && !err; nr++) {
		int from = io->from[nr];

		if (from >= 0)
			err = posix_spawn_file_actions_adddup2(actions, from,
							       nr);
	}
	return -err;
}

/* None of these needs memory. */
static void coro__start_attributes(posix_spawnattr_t *attr, uint64_t flags)
{
	short bits = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t set;

	/* What is blocked is so for the sake of streams of signals. */
	sigemptyset(&set);
	posix_spawnattr_setsigmask(attr, &set);
	/* What is ignored for the sake of this program, unlike SIGHUP by nohup. */
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(attr, &set);
	if (flags & CORO_PROCESS_F_GROUP)
		bits |= POSIX_SPAWN_SETPGROUP;
	posix_spawnattr_setflags(attr, bits);
}

static int coro__start_spawn(char *const argv[],
			     const struct coro_process_opts *o,
			     const struct coro__stdio *io, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err;

	err = -posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	err = -posix_spawnattr_init(&attr);
	if (err)
		goto out;
	coro__start_attributes(&attr, o->flags);
	err = coro__start_actions(&actions, io, o->cwd);
	if (!err)
		err = -posix_spawnp(ret_pid, o->file ? o->file : argv[0],
				    &actions, &attr, argv,
				    o->envp ? o->envp : environ);
	posix_spawnattr_destroy(&attr);
out:
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

int coro__process_start(char *const argv[],
			const struct coro_process_opts *opts, pid_t *ret_pid,
			int ret_pipes[3])
{
	struct coro__stdio io = { { -1, -1, -1 }, { false }, { -1, -1, -1 } };
	int err = 0;

	if (!argv || !argv[0] || opts->flags & ~CORO__PROCESS_FLAGS)
		return -EINVAL;
	for (int nr = 0; nr < 3 && !err; nr++)
		err = coro__stdio_open(&io, nr, opts);
	if (!err)
		err = coro__start_spawn(argv, opts, &io, ret_pid);
	coro__stdio_close(&io, err);
	for (int nr = 0; nr < 3; nr++)
		ret_pipes[nr] = err ? -1 : io.pipes[nr];
	return err;
}
