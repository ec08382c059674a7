// SPDX-License-Identifier: GPL-2.0
/*
 * For the test of the runner: a program that passes and leaves a process behind,
 * in a group of its own, as kselftest_harness.h makes for each case.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	if (!fork()) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	printf("ok 1 passes\n");
	return 0;
}
