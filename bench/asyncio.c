// SPDX-License-Identifier: GPL-2.0
/* Python's asyncio as a contender: a process of its own, told through a pipe what to do. */
#define _GNU_SOURCE
#include "asyncio.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rounds.h"

/* It ends with the pipe. */
static void asyncio_start(int in, int out)
{
	char *argv[] = { "python3", "-BS", getenv("ASYNCIO"), NULL };
	posix_spawn_file_actions_t files;
	pid_t pid;

	must(!!argv[2], "finding ASYNCIO, the script, in the environment");
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	must(!posix_spawnp(&pid, argv[0], &files, NULL, argv, environ),
	     "posix_spawnp");
	posix_spawn_file_actions_destroy(&files);
}

void asyncio(const char *figure, long n)
{
	static FILE *to, *from;
	char line[16];
	int in[2], out[2];

	if (!to) {
		must(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC), "pipe");
		asyncio_start(in[0], out[1]);
		close(in[0]);
		close(out[1]);
		to = fdopen(in[1], "w");
		from = fdopen(out[0], "r");
	}
	fprintf(to, "%s %ld\n", figure, n);
	fflush(to);
	must(!!fgets(line, sizeof(line), from), "python3");
}
