/* SPDX-License-Identifier: GPL-2.0 */
/* A handle: one context as a file, with rights. */
#ifndef CORO_HANDLE_H
#define CORO_HANDLE_H

#include <linux/types.h>

struct coro_target;
struct file;
struct seq_file;

/* All handles are made for one file, and go with it. All constant. */
struct coro_handle {
	struct coro_target *tgt; /* a reference */
	u32 rights; /* CORO_RIGHT_* */
};

struct file *coro_handle_new(struct coro_target *tgt, u32 rights,
			     bool nonblock);
int coro_handle_check_rights(u32 rights);
void coro_handle_fdinfo(struct seq_file *m, struct file *file);

#endif /* CORO_HANDLE_H */
