// SPDX-License-Identifier: GPL-2.0
/* For the test of the runner: a program that never ends and ignores being asked to. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	signal(SIGTERM, SIG_IGN);
	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	for (;;)
		pause();
}
