/* SPDX-License-Identifier: MIT */
/* Another process, and what the kernel lets this one see of it. */
#ifndef CORO_TOOLS_PROCESS_H
#define CORO_TOOLS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ctl_process {
	pid_t pid;
	int pidfd;
};

/* 0 or a negative errno, as of all below. */
int ctl_process_open(struct ctl_process *p, pid_t pid);
void ctl_process_close(struct ctl_process *p);

/*
 * Whether it still runs. If it does, all that was read by its number was its own: no
 * other process can have got the number.
 */
bool ctl_process_alive(const struct ctl_process *p);

/* All of it, or -EFAULT. */
int ctl_process_read(const struct ctl_process *p, uint64_t addr, void *to,
		     size_t bytes);

/* A word of it; 0 if it cannot be read. */
uint64_t ctl_process_word(const struct ctl_process *p, uint64_t addr);

/* One part after the other, in that order, all of them or -EFAULT. */
int ctl_process_gather(pid_t pid, const struct iovec *from, unsigned int nr,
		       void *to);

/* Its descriptor as one of this process, or a negative errno. */
int ctl_process_fd(const struct ctl_process *p, int fd);

/* Its name as ps has it. */
void ctl_process_name(const struct ctl_process *p, char *to, size_t bytes);

/* What to do about an error, on stderr. */
void ctl_process_complain(pid_t pid, int err);

#endif /* CORO_TOOLS_PROCESS_H */
