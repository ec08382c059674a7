/* SPDX-License-Identifier: MIT */
/* Child processes inside the library: how they start, and who reaps those that nobody waits for. */
#ifndef CORO_USERLIB_PROCESS_H
#define CORO_USERLIB_PROCESS_H

#include <coro/process.h>
#include <sys/types.h>

struct coro__loop;

/*
 * Runs a program. @ret_pipes: the caller's ends of the pipes, -1 where there is
 * none. Closes all that it opened if it fails.
 */
int coro__process_start(char *const argv[],
			const struct coro_process_opts *opts, pid_t *ret_pid,
			int ret_pipes[3]);

/* The loop ends: what it was to reap is left to others. */
void coro__process_stop(struct coro__loop *loop);

#endif /* CORO_USERLIB_PROCESS_H */
