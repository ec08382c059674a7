/* SPDX-License-Identifier: GPL-2.0 */
/* The table of commands and the one gate through which arguments pass. */
#ifndef CORO_IOCTL_H
#define CORO_IOCTL_H

#include <linux/compiler_types.h>
#include <linux/types.h>

struct coro_handle;
struct coro_sched;
struct coro_target;

/* What a command is about: the file that it was called on. */
struct coro_subject {
	struct coro_sched *sched;
	const struct coro_handle *hnd; /* NULL: the scheduler's own file */
};

long coro_ioctl_run(const struct coro_subject *on, unsigned int cmd,
		    unsigned long arg);
int coro_ioctl_copy_in(void *args, size_t known, size_t least,
		       void __user *uargs);
int coro_ioctl_target(const struct coro_subject *on, u64 id, u32 right,
		      struct coro_target **ret_tgt);

#endif /* CORO_IOCTL_H */
