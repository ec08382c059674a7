/* SPDX-License-Identifier: GPL-2.0 */
/* The table of commands and the one gate through which arguments pass. */
#ifndef CORO_IOCTL_H
#define CORO_IOCTL_H

#include <linux/fs.h>

long coro_ioctl_run(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* CORO_IOCTL_H */
