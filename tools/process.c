// SPDX-License-Identifier: MIT
/* Another process, and what the kernel lets this one see of it. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CTL_STAT_BYTES 1024
/* Of the flags in /proc/PID/stat. */
#define CTL_PF_EXITING 0x4

int ctl_process_open(struct ctl_process *p, pid_t pid)
{
	p->pid = pid;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Of a thread that is no process: ENOENT or, before Linux 6.9, EINVAL. */
	if (p->pidfd < 0 && (errno == EINVAL || errno == ENOENT))
		return -ESRCH;
	return p->pidfd < 0 ? -errno : 0;
}

void ctl_process_close(struct ctl_process *p)
{
	close(p->pidfd);
}

/* All of a small file of /proc as a string; empty if it cannot be read. */
static void ctl_process_file(const struct ctl_process *p, const char *name,
			     char *to, size_t bytes)
{
	ssize_t got = -1;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", p->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = read(fd, to, bytes - 1);
		close(fd);
	}
	to[got > 0 ? got : 0] = '\0';
}

/* Whether it is on its way out: its memory goes before it does. */
static bool ctl_process_exits(const struct ctl_process *p)
{
	char text[CTL_STAT_BYTES];
	unsigned int flags;
	const char *rest;

	ctl_process_file(p, "stat", text, sizeof(text));
	/* The name can have any character, but it is the last that ends with that one. */
	rest = strrchr(text, ')');
	return !rest ||
	       sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
	       flags & CTL_PF_EXITING;
}

bool ctl_process_alive(const struct ctl_process *p)
{
	struct pollfd ended = { .fd = p->pidfd, .events = POLLIN };

	return !ctl_process_exits(p) && !poll(&ended, 1, 0);
}

/* Of a kernel without CONFIG_CROSS_MEMORY_ATTACH: by the same rules, and slower. */
static int ctl_process_gather_by_file(pid_t pid, const struct iovec *from,
				      unsigned int nr, char *to)
{
	char path[64];
	int err = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (unsigned int i = 0; i < nr && !err; i++) {
		ssize_t got = pread(fd, to, from[i].iov_len,
				    (off_t)(uintptr_t)from[i].iov_base);

		to += from[i].iov_len;
		if (got != (ssize_t)from[i].iov_len)
			err = -EFAULT;
	}
	close(fd);
	return err;
}

int ctl_process_gather(pid_t pid, const struct iovec *from, unsigned int nr,
		       void *to)
{
	struct iovec local = { .iov_base = to };
	ssize_t got;

	for (unsigned int i = 0; i < nr; i++)
		local.iov_len += from[i].iov_len;
	got = process_vm_readv(pid, &local, 1, from, nr, 0);
	if (got < 0 && errno == ENOSYS)
		return ctl_process_gather_by_file(pid, from, nr, to);
	if (got < 0)
		return -errno;
	return (size_t)got == local.iov_len ? 0 : -EFAULT;
}

int ctl_process_read(const struct ctl_process *p, uint64_t addr, void *to,
		     size_t bytes)
{
	const struct iovec from = { (void *)(uintptr_t)addr, bytes };

	return ctl_process_gather(p->pid, &from, 1, to);
}

uint64_t ctl_process_word(const struct ctl_process *p, uint64_t addr)
{
	uint64_t word;

	return ctl_process_read(p, addr, &word, sizeof(word)) ? 0 : word;
}

int ctl_process_fd(const struct ctl_process *p, int fd)
{
	int got = (int)syscall(SYS_pidfd_getfd, p->pidfd, fd, 0);

	return got < 0 ? -errno : got;
}

void ctl_process_name(const struct ctl_process *p, char *to, size_t bytes)
{
	ctl_process_file(p, "comm", to, bytes);
	to[strcspn(to, "\n")] = '\0';
}

void ctl_process_complain(pid_t pid, int err)
{
	fprintf(stderr, "coroctl: process %d: ", pid);
	switch (err) {
	case -ESRCH:
		fprintf(stderr,
			"there is none, or it has ended; \"coroctl ps\" lists those with coroutines\n");
		break;
	case -EPERM:
	case -EACCES:
		fprintf(stderr,
			"the kernel does not let you look; be its user or root, and see ptrace(2) if that is not enough (CAP_SYS_PTRACE, prctl PR_SET_DUMPABLE, kernel.yama.ptrace_scope)\n");
		break;
	case -ENODATA:
		fprintf(stderr,
			"it has no coroutines of libcoro; \"coroctl ps\" lists those that have\n");
		break;
	case -EPROTO:
		fprintf(stderr,
			"its libcoro is of another version; use the coroctl that was built with it\n");
		break;
	case -EAGAIN:
		fprintf(stderr,
			"its threads come and go too fast to be listed; try again\n");
		break;
	case -EMFILE:
		fprintf(stderr,
			"this shell allows too few open files; see ulimit -n\n");
		break;
	default:
		fprintf(stderr, "cannot be looked at: %s\n", strerror(-err));
	}
}
