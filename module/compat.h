/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels, found by probing; no other file knows.
 *
 * The sources are written for the newest kernel and this file makes older ones
 * look like it. Probes use the preprocessor and the type system, not version
 * numbers, because distributions backport.
 */
#ifndef CORO_COMPAT_H
#define CORO_COMPAT_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/io_uring.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>

/*
 * vm_flags_set() and vm_flags_clear() came when vm_flags became const. Where
 * they exist these lines repeat their declaration; where they do not the calls
 * below are dead code, and no symbol of these names is asked for.
 */
void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags);
void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags);

#define CORO_HAVE_VM_FLAGS_SET                                  \
	__same_type(&((struct vm_area_struct *)NULL)->vm_flags, \
		    (const vm_flags_t *)NULL)

static inline void coro_compat_vm_flags_set(struct vm_area_struct *vma,
					    vm_flags_t flags)
{
	if (CORO_HAVE_VM_FLAGS_SET)
		vm_flags_set(vma, flags);
	else
		*(vm_flags_t *)&vma->vm_flags |= flags;
}

static inline void coro_compat_vm_flags_clear(struct vm_area_struct *vma,
					      vm_flags_t flags)
{
	if (CORO_HAVE_VM_FLAGS_SET)
		vm_flags_clear(vma, flags);
	else
		*(vm_flags_t *)&vma->vm_flags &= ~flags;
}

#define vm_flags_set(vma, flags) coro_compat_vm_flags_set(vma, flags)
#define vm_flags_clear(vma, flags) coro_compat_vm_flags_clear(vma, flags)

/*
 * Call the mmap of another file on a vma that is being made. On newer kernels
 * files may only prepare a vma, and this function does the rest: weak, because
 * older ones have neither, nor do they ask for it.
 */
int __weak compat_vma_mmap(struct file *file, struct vm_area_struct *vma);

static inline int coro_compat_mmap(struct file *file,
				   struct vm_area_struct *vma)
{
	if (file->f_op->mmap)
		return file->f_op->mmap(file, vma);
	return compat_vma_mmap ? compat_vma_mmap(file, vma) : -ENODEV;
}

/* The flags of shmem_file_setup() were a word before they were a bitmap. */
#ifdef mk_vma_flags
/* clang-format off */
#define CORO_SHMEM_SETUP(flags_t) struct file *(*)(const char *, loff_t, flags_t)
#define CORO_NORESERVE							\
	_Generic(&shmem_file_setup,					\
		 CORO_SHMEM_SETUP(vm_flags_t): VM_NORESERVE,		\
		 CORO_SHMEM_SETUP(vma_flags_t): mk_vma_flags(VMA_NORESERVE_BIT))
/* clang-format on */
#else
#define CORO_NORESERVE VM_NORESERVE
#endif

/* Whether the current thread writes a core dump of its process. */
static inline bool coro_compat_dumping_core(void)
{
	return current->flags & PF_DUMPCORE;
}

/*
 * hrtimer_setup() took the place of hrtimer_init(). Weak, because a kernel has
 * only one of them.
 */
void __weak hrtimer_setup(struct hrtimer *timer,
			  enum hrtimer_restart (*fn)(struct hrtimer *timer),
			  clockid_t clock_id, enum hrtimer_mode mode);
void __weak hrtimer_init(struct hrtimer *timer, clockid_t clock_id,
			 enum hrtimer_mode mode);

static inline void
coro_compat_hrtimer_setup(struct hrtimer *timer,
			  enum hrtimer_restart (*fn)(struct hrtimer *timer),
			  clockid_t clock_id, enum hrtimer_mode mode)
{
	if (hrtimer_setup) {
		hrtimer_setup(timer, fn, clock_id, mode);
		return;
	}
	hrtimer_init(timer, clock_id, mode);
	*(typeof(fn) *)&timer->function = fn;
}

/*
 * Preempt notifiers. They come with KVM; without them no thread becomes a worker,
 * and what is said of watching them is dead code. Who builds with CORO_NO_HANDOFF
 * defined does without as well.
 */
#if defined(CONFIG_PREEMPT_NOTIFIERS) && !defined(CORO_NO_HANDOFF)
static inline bool coro_compat_can_handoff(void)
{
	return true;
}

/* How many notifiers the calling thread has that are for @ops. */
static inline unsigned int
coro_compat_count_notifiers(const struct preempt_ops *ops)
{
	struct preempt_notifier *notifier;
	unsigned int nr = 0;

	/* Only the thread itself changes them; but none may go on the way. */
	preempt_disable();
	hlist_for_each_entry(notifier, &current->preempt_notifiers, link)
		nr += notifier->ops == ops;
	preempt_enable();
	return nr;
}
#else
/* Names of our own: the kernel's may be there and are not to be used. */
#define preempt_ops coro_compat_preempt_ops
#define preempt_notifier coro_compat_preempt_notifier
#define preempt_notifier_init coro_compat_preempt_notifier_init
#define preempt_notifier_inc coro_compat_preempt_notifier_inc
#define preempt_notifier_dec coro_compat_preempt_notifier_dec
#define preempt_notifier_register coro_compat_preempt_notifier_register
#define preempt_notifier_unregister coro_compat_preempt_notifier_unregister

struct preempt_notifier;

struct preempt_ops {
	void (*sched_in)(struct preempt_notifier *notifier, int cpu);
	void (*sched_out)(struct preempt_notifier *notifier,
			  struct task_struct *next);
};

struct preempt_notifier {
	struct hlist_node link;
	struct preempt_ops *ops;
};

static inline unsigned int
coro_compat_count_notifiers(const struct preempt_ops *ops)
{
	return 0;
}

static inline bool coro_compat_can_handoff(void)
{
	return false;
}

static inline void preempt_notifier_init(struct preempt_notifier *notifier,
					 struct preempt_ops *ops)
{
	notifier->ops = ops;
}

static inline void preempt_notifier_inc(void)
{
}

static inline void preempt_notifier_dec(void)
{
}

static inline void preempt_notifier_register(struct preempt_notifier *notifier)
{
}

static inline void
preempt_notifier_unregister(struct preempt_notifier *notifier)
{
}
#endif

/*
 * Whether a task that leaves its processor sleeps. Those that do were always
 * taken off the queue at once, until the kernel that has this policy.
 */
static inline bool coro_compat_task_blocks(struct task_struct *task)
{
#ifdef SCHED_EXT
	return !task_is_runnable(task);
#else
	return !task->on_rq;
#endif
}

static inline bool coro_compat_task_is_dead(const struct task_struct *task)
{
	return READ_ONCE(task->__state) == TASK_DEAD;
}

/*
 * Commands of io_uring. Those that wait must be cancelled when their ring ends,
 * which came with the header that is probed for. Without it they would make
 * exec hang, so there they do not wait, and what is said of waiting here is dead
 * code.
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>

static inline bool coro_compat_cmd_can_wait(void)
{
	return true;
}

/* The 16 bytes of the command; user memory, which changes at any time. */
static inline const void *
coro_compat_cmd_payload(const struct io_uring_cmd *cmd)
{
	return cmd->sqe->cmd;
}

static inline bool coro_compat_cmd_is_cancel(unsigned int issue_flags)
{
	return issue_flags & IO_URING_F_CANCEL;
}

/* Its ring is for polled completions, which commands of ours do not have. */
static inline bool coro_compat_cmd_is_polled(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx->flags & IORING_SETUP_IOPOLL;
}

static inline void coro_compat_cmd_mark_cancelable(struct io_uring_cmd *cmd,
						   unsigned int issue_flags)
{
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
}

/* Its ring is closed: nobody would see the completion. */
static inline bool coro_compat_cmd_ring_ends(struct io_uring_cmd *cmd)
{
	return percpu_ref_is_dying(&cmd_to_io_kiocb(cmd)->ctx->refs);
}

/* The thread that issued it has ended; nothing cancels it for that. */
static inline bool coro_compat_cmd_is_orphan(struct io_uring_cmd *cmd)
{
	return READ_ONCE(io_uring_cmd_get_task(cmd)->flags) & PF_EXITING;
}

/*
 * Its submission entry has been used again, before the command was run: some
 * kernels copy the entries of commands that wait for others in a link, some do
 * not.
 */
static inline bool coro_compat_cmd_is_overwritten(struct io_uring_cmd *cmd)
{
	return READ_ONCE(cmd->sqe->user_data) !=
	       cmd_to_io_kiocb(cmd)->cqe.user_data;
}

/* Which ring a command is of; to compare with. */
static inline const void *coro_compat_cmd_ring(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx;
}

static inline u64 coro_compat_cmd_tag(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->cqe.user_data;
}
#else
static inline bool coro_compat_cmd_can_wait(void)
{
	return false;
}

static inline const void *
coro_compat_cmd_payload(const struct io_uring_cmd *cmd)
{
	return cmd->cmd;
}

static inline bool coro_compat_cmd_is_cancel(unsigned int issue_flags)
{
	return false;
}

/* The kernel refuses those by itself. */
static inline bool coro_compat_cmd_is_polled(struct io_uring_cmd *cmd)
{
	return false;
}

static inline void coro_compat_cmd_mark_cancelable(struct io_uring_cmd *cmd,
						   unsigned int issue_flags)
{
}

static inline bool coro_compat_cmd_ring_ends(struct io_uring_cmd *cmd)
{
	return false;
}

static inline bool coro_compat_cmd_is_orphan(struct io_uring_cmd *cmd)
{
	return false;
}

static inline bool coro_compat_cmd_is_overwritten(struct io_uring_cmd *cmd)
{
	return false;
}

static inline const void *coro_compat_cmd_ring(struct io_uring_cmd *cmd)
{
	return NULL;
}

static inline u64 coro_compat_cmd_tag(struct io_uring_cmd *cmd)
{
	return 0;
}
#endif

/* Complete a command. The second result was an argument of its own before. */
static inline void coro_compat_cmd_done(struct io_uring_cmd *cmd, int ret,
					unsigned int issue_flags)
{
	typeof(void(struct io_uring_cmd *, s32, unsigned int)) *done;
	typeof(void(struct io_uring_cmd *, ssize_t, u64, unsigned int)) *done2;

	done = (void *)io_uring_cmd_done;
	done2 = (void *)io_uring_cmd_done;
	if (__same_type(&io_uring_cmd_done, done))
		done(cmd, ret, issue_flags);
	else
		done2(cmd, ret, 0, issue_flags);
}

/*
 * CORO_COMPAT_TASK_WORK(fn) makes fn(cmd, issue_flags) a function that
 * coro_compat_cmd_run_in_task(cmd, fn) can have run in the task that issued the
 * command. The macro comes with the newer form of such functions.
 */
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
#define CORO_COMPAT_TASK_WORK(fn)                                  \
	static void fn##_tw(struct io_tw_req tw_req, io_tw_token_t tw) \
	{                                                          \
		fn(io_uring_cmd_from_tw(tw_req),                   \
		   IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);            \
	}                                                          \
	static_assert(true)
#else
#define CORO_COMPAT_TASK_WORK(fn)                                      \
	static void fn##_tw(struct io_uring_cmd *cmd,                  \
			    unsigned int issue_flags)                  \
	{                                                              \
		fn(cmd, issue_flags);                                  \
	}                                                              \
	static_assert(true)
#endif
#define coro_compat_cmd_run_in_task(cmd, fn) \
	io_uring_cmd_complete_in_task(cmd, fn##_tw)

#endif /* CORO_COMPAT_H */
