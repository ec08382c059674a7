/* SPDX-License-Identifier: MIT */
/*
 * Child processes: started, waited for by any number of coroutines, signalled
 * without races.
 *
 * A child is known by its pidfd, so nothing here looks at SIGCHLD, and no pid of
 * another process is ever meant by mistake. Its status belongs to the object:
 * whoever else reaps it (waitpid() of -1, SIGCHLD ignored or with SA_NOCLDWAIT)
 * takes it away, and every wait says -ECHILD then.
 *
 * In a child of fork() the objects of the parent are of no use but to be freed:
 * their processes are not its children.
 */
#ifndef CORO_PROCESS_H
#define CORO_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Any thread of the process may use it. */
struct coro_process;

/**
 * enum coro_process_stdio - what a standard descriptor of a new process is
 * @CORO_PROCESS_INHERIT: what it is in the caller.
 * @CORO_PROCESS_PIPE: a new pipe; coro_process_take_fd() gives the other end.
 * @CORO_PROCESS_NULL: /dev/null.
 * @CORO_PROCESS_FD: a descriptor of the caller, which stays open there.
 * @CORO_PROCESS_STDOUT: stderr only: where stdout goes.
 */
enum coro_process_stdio {
	CORO_PROCESS_INHERIT = 0,
	CORO_PROCESS_PIPE = 1,
	CORO_PROCESS_NULL = 2,
	CORO_PROCESS_FD = 3,
	CORO_PROCESS_STDOUT = 4,
};

/**
 * CORO_PROCESS_F_GROUP - the new process leads a process group of its own
 *
 * What is typed at a terminal, Ctrl-C for one, does not reach it then.
 */
#define CORO_PROCESS_F_GROUP UINT64_C(1)

/**
 * CORO_PROCESS_F_KILL - coro_process_free() sends SIGKILL to one that still runs
 */
#define CORO_PROCESS_F_KILL UINT64_C(2)

/**
 * struct coro_process_opts - how a process is started
 * @size: sizeof(struct coro_process_opts).
 * @file: the program, looked up in the caller's PATH if there is no slash in it;
 *	NULL for argv[0].
 * @envp: its environment; NULL for the caller's.
 * @cwd: its working directory, to which a relative @file is relative as well;
 *	NULL for the caller's.
 * @flags: CORO_PROCESS_F_*, or 0.
 * @stdio: enum coro_process_stdio of stdin, stdout and stderr.
 * @fds: for CORO_PROCESS_FD: which descriptor.
 */
struct coro_process_opts {
	size_t size;
	const char *file;
	char *const *envp;
	const char *cwd;
	uint64_t flags;
	uint32_t stdio[3];
	int fds[3];
};

/**
 * coro_process_spawn() - start a program
 * @ret_process: the process.
 * @argv: its arguments, NULL at the end.
 * @opts: NULL for defaults.
 *
 * It inherits what is open without O_CLOEXEC, as all that the library opens is
 * not. It has no signal blocked, SIGCHLD and SIGPIPE have their default effect,
 * and other ignored signals stay ignored.
 *
 * Context: any thread, inside or outside coroutines. Does not suspend, but blocks
 * the thread until the program has begun, as posix_spawn(3) does.
 * Return:
 * * 0		 - it runs
 * * -EINVAL	 - @ret_process or @argv is NULL, or @argv empty; bad options
 * * -E2BIG	 - options that this library does not know; too many arguments
 * * -ENOENT, -EACCES, -ENOEXEC and others - of execve(2) or chdir(2)
 * * -EBADF	 - a descriptor of CORO_PROCESS_FD is not open
 * * -ENOMEM, -EAGAIN - no memory; too many processes
 * * -EMFILE, -ENFILE - no file descriptor
 */
int coro_process_spawn(struct coro_process **ret_process, char *const argv[],
		       const struct coro_process_opts *opts);

/**
 * coro_process_open() - wait for a child that the caller made
 * @ret_process: the process.
 * @pid: of a child, by fork() for instance, that nobody has reaped yet.
 *
 * From then on its status is the object's.
 *
 * Context: any thread, inside or outside coroutines. Does not suspend.
 * Return:
 * * 0		 - success
 * * -ECHILD	 - @pid is no child of this process, or no longer
 * * -EINVAL	 - @ret_process is NULL or @pid not positive
 * * -ENOMEM	 - no memory
 * * -EMFILE, -ENFILE - no file descriptor
 */
int coro_process_open(struct coro_process **ret_process, pid_t pid);

/**
 * coro_process_pid() - the number of a process
 * @p: the process.
 *
 * To be shown. Once the process has ended and was waited for, another one may
 * have it.
 *
 * Context: any. Does not suspend.
 * Return: the number; -EINVAL if @p is NULL.
 */
pid_t coro_process_pid(const struct coro_process *p);

/**
 * coro_process_take_fd() - the caller's end of a pipe to a process
 * @p: the process.
 * @nr: 0 to write to its stdin, 1 or 2 to read from its stdout or stderr.
 *
 * The descriptor is O_CLOEXEC, blocking, and the caller's to close; the process
 * sees the end of its stdin with that. coro_process_free() closes what nobody
 * took.
 *
 * Context: any thread, one at a time. Does not suspend.
 * Return: the descriptor; -EBADF if it was no CORO_PROCESS_PIPE or was taken;
 * -EINVAL if @p is NULL or there is no such @nr.
 */
int coro_process_take_fd(struct coro_process *p, int nr);

/**
 * coro_process_wait() - wait for the end of a process
 * @p: the process.
 * @ret_status: as of waitpid(2), for WIFEXITED() and the rest. May be NULL.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Any number of coroutines may wait, of several loops too: each gets the status,
 * and so does who asks later. A wait that ends early changes nothing: the process
 * goes on, and its status is kept for the next one.
 *
 * Context: coroutine of a running loop. Suspends if it still runs; cancellation
 * point.
 * Return:
 * * 0		 - it has ended
 * * -ECHILD	 - somebody else reaped it, or the kernel did because SIGCHLD is
 *		   ignored; or the caller is not its parent. How it ended is lost
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @p is NULL
 */
int coro_process_wait(struct coro_process *p, int *ret_status,
		      int64_t deadline_ns);

/**
 * coro_process_kill() - send a signal to a process
 * @p: the process.
 * @sig: which; 0 only looks whether it could be sent.
 *
 * Context: any thread, inside or outside coroutines. Does not suspend.
 * Return:
 * * 0		 - sent, perhaps to one that has ended and was not waited for
 * * -ESRCH	 - it has ended
 * * -EINVAL	 - @p is NULL, or there is no such signal
 * * -EPERM	 - it runs as somebody else
 */
int coro_process_kill(struct coro_process *p, int sig);

/**
 * coro_process_free() - let go of a process
 * @p: the process, or NULL.
 *
 * One that still runs goes on, unless it was started with CORO_PROCESS_F_KILL.
 * It leaves no zombie: the loop of the calling thread reaps it when it ends; if
 * none runs, or not for so long, the next call of coro_process_spawn(),
 * coro_process_open() or coro_process_free() does. Who waits still gets the
 * status.
 *
 * Context: any thread, inside or outside coroutines. Does not suspend.
 */
void coro_process_free(struct coro_process *p);

#ifdef __cplusplus
}
#endif
#endif /* CORO_PROCESS_H */
