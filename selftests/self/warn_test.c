// SPDX-License-Identifier: GPL-2.0
/* For the test of the runner: a program that passes and makes the kernel complain. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	static const char line[] = "<4>WARNING: CPU: 0 PID: 1 at warn_test.c:1";
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	printf("TAP version 13\n1..1\n");
	if (fd < 0 || write(fd, line, strlen(line)) < 0) {
		printf("not ok 1 cannot write to /dev/kmsg\n");
		return 1;
	}
	printf("ok 1 passes\n");
	return 0;
}
