// SPDX-License-Identifier: GPL-2.0
/* The module and its device: init, exit and the file operations. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "handoff.h"
#include "ioctl.h"
#include "limits.h"
#include "mailbox.h"
#include "receive.h"
#include "sched.h"
#include "uring.h"
#include "wait.h"
#include "worker.h"

unsigned int coro_limit_max_contexts = CORO_DEFAULT_MAX_CONTEXTS;
module_param_named(max_contexts, coro_limit_max_contexts, uint, 0644);
MODULE_PARM_DESC(max_contexts, "most contexts of one scheduler");

unsigned int coro_limit_default_contexts = CORO_DEFAULT_CONTEXTS;
module_param_named(default_contexts, coro_limit_default_contexts, uint, 0644);
MODULE_PARM_DESC(default_contexts, "contexts of a scheduler that asks for 0");

unsigned int coro_limit_max_mailbox = CORO_DEFAULT_MAX_MAILBOX;
module_param_named(max_mailbox, coro_limit_max_mailbox, uint, 0644);
MODULE_PARM_DESC(max_mailbox, "most unread messages of one context");

unsigned int coro_limit_default_mailbox = CORO_DEFAULT_MAILBOX;
module_param_named(default_mailbox, coro_limit_default_mailbox, uint, 0644);
MODULE_PARM_DESC(default_mailbox, "mailbox of a scheduler that asks for 0");

unsigned long coro_limit_max_stack_bytes = CORO_DEFAULT_MAX_STACK_BYTES;
module_param_named(max_stack_bytes, coro_limit_max_stack_bytes, ulong, 0644);
MODULE_PARM_DESC(max_stack_bytes, "largest stack, its guard page included");

unsigned long coro_limit_default_stack_bytes = CORO_DEFAULT_STACK_BYTES;
module_param_named(default_stack_bytes, coro_limit_default_stack_bytes, ulong,
		   0644);
MODULE_PARM_DESC(default_stack_bytes, "stack of a scheduler that asks for 0");

unsigned long coro_limit_max_arena_bytes = CORO_DEFAULT_MAX_ARENA_BYTES;
module_param_named(max_arena_bytes, coro_limit_max_arena_bytes, ulong, 0644);
MODULE_PARM_DESC(max_arena_bytes,
		 "most address space for the stacks of one scheduler");

unsigned int coro_limit_max_events = CORO_DEFAULT_MAX_EVENTS;
module_param_named(max_events, coro_limit_max_events, uint, 0644);
MODULE_PARM_DESC(max_events, "most unread messages of one scheduler");

unsigned int coro_limit_user_schedulers = CORO_DEFAULT_USER_SCHEDULERS;
module_param_named(user_schedulers, coro_limit_user_schedulers, uint, 0644);
MODULE_PARM_DESC(user_schedulers, "most schedulers of one user");

unsigned int coro_limit_user_contexts = CORO_DEFAULT_USER_CONTEXTS;
module_param_named(user_contexts, coro_limit_user_contexts, uint, 0644);
MODULE_PARM_DESC(user_contexts,
		 "most contexts of one user, by pages of the table");

unsigned int coro_limit_user_events = CORO_DEFAULT_USER_EVENTS;
module_param_named(user_events, coro_limit_user_events, uint, 0644);
MODULE_PARM_DESC(user_events, "most unread messages of one user");

unsigned int coro_limit_max_workers = CORO_HARD_WORKERS;
module_param_named(max_workers, coro_limit_max_workers, uint, 0644);
MODULE_PARM_DESC(max_workers, "most attached threads of one scheduler");

unsigned int coro_limit_debounce_us = CORO_DEFAULT_DEBOUNCE_US;
module_param_named(debounce_us, coro_limit_debounce_us, uint, 0644);
MODULE_PARM_DESC(debounce_us,
		 "how long a worker blocks before another one is told");

static int coro_device_open(struct inode *inode, struct file *file)
{
	struct coro_sched *sched = coro_sched_new();

	if (!sched)
		return -ENOMEM;
	file->private_data = sched;
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int coro_device_release(struct inode *inode, struct file *file)
{
	coro_sched_put(file->private_data);
	return 0;
}

static ssize_t coro_device_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return coro_receive_read(iocb->ki_filp->private_data, iocb, to);
}

static __poll_t coro_device_poll(struct file *file, poll_table *wait)
{
	return coro_receive_poll(file->private_data, file, wait);
}

static int coro_device_mmap(struct file *file, struct vm_area_struct *vma)
{
	return coro_sched_mmap(file->private_data, vma);
}

static long coro_device_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct coro_subject on = { .sched = file->private_data };

	return coro_ioctl_run(&on, cmd, arg);
}

static int coro_device_uring_cmd(struct io_uring_cmd *cmd,
				 unsigned int issue_flags)
{
	struct coro_subject on = { .sched = cmd->file->private_data };

	return coro_uring_run(&on, cmd, issue_flags);
}

/* No compat_ioctl: the areas' offsets are out of reach of 32-bit programs. */
static const struct file_operations coro_fops = {
	.owner = THIS_MODULE,
	.open = coro_device_open,
	.release = coro_device_release,
	.read_iter = coro_device_read_iter,
	.poll = coro_device_poll,
	.unlocked_ioctl = coro_device_ioctl,
	.uring_cmd = coro_device_uring_cmd,
	.mmap = coro_device_mmap,
	.show_fdinfo = coro_sched_fdinfo,
};

static struct miscdevice coro_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "coro",
	.fops = &coro_fops,
	.mode = 0666,
};

static int __init coro_module_init(void)
{
	int ret;

	ret = coro_mailbox_setup();
	if (ret)
		return ret;
	ret = coro_wait_setup();
	if (ret)
		goto err_teardown_mailbox;
	ret = coro_worker_setup();
	if (ret)
		goto err_teardown_wait;
	ret = misc_register(&coro_misc);
	if (ret)
		goto err_teardown_worker;
	return 0;

err_teardown_worker:
	coro_worker_teardown();
err_teardown_wait:
	coro_wait_teardown();
err_teardown_mailbox:
	coro_mailbox_teardown();
	return ret;
}

static void __exit coro_module_exit(void)
{
	misc_deregister(&coro_misc);
	/*
	 * The close of a stack vma drops the last reference to the module by
	 * itself and then has some instructions of ours left, and the thread
	 * can be preempted in them; so has who completed the command that held
	 * the last file. Wait until all have left.
	 */
	synchronize_rcu_tasks();
	coro_worker_teardown();
	coro_handoff_teardown();
	coro_wait_teardown();
	coro_mailbox_teardown();
}

module_init(coro_module_init);
module_exit(coro_module_exit);

MODULE_DESCRIPTION("Coroutines that the kernel can see");
MODULE_LICENSE("GPL");
