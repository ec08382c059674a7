// SPDX-License-Identifier: GPL-2.0
/* The table of commands and the one gate through which arguments pass. */
#include <linux/build_bug.h>
#include <linux/coro.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "arena.h"
#include "context.h"
#include "handle.h"
#include "ioctl.h"
#include "mailbox.h"
#include "sched.h"
#include "target.h"
#include "worker.h"

/* How all arguments begin. */
struct coro_any_args {
	u32 size;
	u32 flags;
};

/* How those of commands with an array begin. */
struct coro_batch_args {
	u32 size;
	u32 flags;
	u32 nr;
	u32 out_nr;
	u64 array;
};

union coro_args {
	struct coro_any_args any;
	struct coro_batch_args batch;
	struct coro_setup_args setup;
	struct coro_alloc_args alloc;
	struct coro_free_args free;
	struct coro_wake_args wake;
	struct coro_peak_args peak;
	struct coro_stat_args stat;
	struct coro_finish_args finish;
	struct coro_export_args export;
	struct coro_cancel_args cancel;
	struct coro_attach_args attach;
	struct coro_detach_args detach;
	struct coro_standby_args standby;
	struct coro_kick_args kick;
};

/* One call, on its way through the gate. */
struct coro_call {
	const struct coro_subject *on;
	union coro_args args;
	void *array;
	struct file *file; /* a result, for the descriptor args.export.out_fd */
};

#define CORO_DIR_IN BIT(0)
#define CORO_DIR_OUT BIT(1)

#define CORO_ON_SCHED BIT(0)
#define CORO_ON_HANDLE BIT(1)

/*
 * A command. The gate calls it with kernel memory only and without locks.
 * Those with an array return how many entries they did, or why the first
 * failed; the others return 0 or an error.
 */
struct coro_op {
	u16 size; /* what this kernel knows of the arguments */
	u16 min; /* what the first version had of them */
	u16 out; /* the outputs are from here ... */
	u16 out_end; /* ... to here */
	u32 flags; /* that are known */
	u16 entry; /* size of an array entry; 0 without array */
	u8 dir; /* CORO_DIR_* of the array */
	u8 on; /* CORO_ON_* */
	enum coro_sched_needs needs; /* on a scheduler */
	int dead; /* once the scheduler is dead, if not EOWNERDEAD */
	int (*run)(struct coro_call *call);
	/* Take back what run did, because the caller cannot be told. */
	void (*undo)(struct coro_call *call);
};

static int coro_do_setup(struct coro_call *call)
{
	return coro_sched_setup(call->on->sched, &call->args.setup);
}

static int coro_do_alloc(struct coro_call *call)
{
	return coro_context_alloc(call->on->sched, call->array,
				  call->args.alloc.nr, call->args.alloc.flags);
}

static void coro_undo_alloc(struct coro_call *call)
{
	u64 *ids = call->array;

	/* Whatever another thread of the caller freed already is no harm. */
	for (u32 nr = call->args.alloc.out_nr; nr; nr--)
		coro_context_free(call->on->sched, &ids[nr - 1], 1, 0);
}

static int coro_do_free(struct coro_call *call)
{
	return coro_context_free(call->on->sched, call->array,
				 call->args.free.nr, call->args.free.flags);
}

static int coro_do_wake(struct coro_call *call)
{
	int ret = coro_mailbox_wake(call->on->sched, call->array,
				    call->args.wake.nr);

	return ret == -ENOBUFS ? -EAGAIN : ret;
}

static int coro_do_peak(struct coro_call *call)
{
	struct coro_sched *sched = call->on->sched;
	struct file *file = coro_arena_get_file(sched);
	struct coro_peak *peaks = call->array;
	struct coro_context *ctx;
	u32 done, index;
	int ret = 0;

	if (!file)
		return -EOWNERDEAD;
	for (done = 0; done < call->args.peak.nr; done++) {
		spin_lock_bh(&sched->events_lock);
		ret = coro_context_find(sched, peaks[done].id, &ctx);
		spin_unlock_bh(&sched->events_lock);
		if (ret)
			break;
		index = CORO_INDEX(peaks[done].id);
		peaks[done].out_bytes =
			coro_arena_peak_bytes(&sched->arena, file, index);
		cond_resched();
	}
	fput(file);
	return done ?: ret;
}

static int coro_do_stat(struct coro_call *call)
{
	return coro_sched_stat(call->on->sched, &call->args.stat);
}

static int coro_do_finish(struct coro_call *call)
{
	const struct coro_finish *finishes = call->array;
	int ret = 0;
	u32 done;

	for (done = 0; done < call->args.finish.nr; done++) {
		ret = coro_target_finish(call->on->sched, finishes[done].id,
					 finishes[done].value);
		if (ret)
			break;
		cond_resched();
	}
	return done ?: ret;
}

/*
 * Whom a command means, with a reference: on a handle its own context, if the
 * handle has @right. On a scheduler its caller was found to be the owner.
 */
int coro_ioctl_target(const struct coro_subject *on, u64 id, u32 right,
		      struct coro_target **ret_tgt)
{
	if (!on->hnd)
		return coro_target_find(on->sched, id, ret_tgt);
	if (id)
		return -EINVAL;
	if ((on->hnd->rights & right) != right)
		return -EBADF;
	*ret_tgt = coro_target_get(on->hnd->tgt);
	return 0;
}

/* The descriptor is the caller's once the gate has told it. */
static int coro_do_export(struct coro_call *call)
{
	struct coro_export_args *args = &call->args.export;
	struct coro_target *tgt;
	int cloexec, fd, ret;

	ret = coro_handle_check_rights(args->rights);
	if (ret)
		return ret;
	ret = coro_ioctl_target(call->on, args->id, args->rights, &tgt);
	if (ret)
		return ret;
	cloexec = args->flags & CORO_EXPORT_F_CLOEXEC ? O_CLOEXEC : 0;
	fd = get_unused_fd_flags(cloexec);
	if (fd < 0) {
		ret = fd;
		goto out_put_target;
	}
	call->file = coro_handle_new(tgt, args->rights,
				     args->flags & CORO_EXPORT_F_NONBLOCK);
	if (IS_ERR(call->file)) {
		ret = PTR_ERR(call->file);
		put_unused_fd(fd);
	} else {
		args->out_fd = fd;
	}
out_put_target:
	coro_target_put(tgt);
	return ret;
}

static void coro_undo_export(struct coro_call *call)
{
	put_unused_fd(call->args.export.out_fd);
	fput(call->file);
}

static int coro_do_cancel(struct coro_call *call)
{
	struct coro_target *tgt;
	int ret;

	ret = coro_ioctl_target(call->on, call->args.cancel.id,
				CORO_RIGHT_CANCEL, &tgt);
	if (ret)
		return ret;
	ret = coro_mailbox_cancel(tgt, call->args.cancel.value);
	coro_target_put(tgt);
	return ret;
}

static int coro_do_attach(struct coro_call *call)
{
	return coro_worker_attach(call->on->sched, &call->args.attach);
}

static void coro_undo_attach(struct coro_call *call)
{
	coro_worker_detach(call->on->sched);
}

static int coro_do_detach(struct coro_call *call)
{
	return coro_worker_detach(call->on->sched);
}

static int coro_do_standby(struct coro_call *call)
{
	return coro_worker_standby(call->on->sched, &call->args.standby);
}

static void coro_undo_standby(struct coro_call *call)
{
	coro_worker_unstandby(call->on->sched, &call->args.standby);
}

static int coro_do_kick(struct coro_call *call)
{
	if (call->args.kick.reserved)
		return -EINVAL;
	return coro_worker_kick(call->on->sched, call->args.kick.id);
}

#define CORO_OP(_cmd, _verb, _first, _last, ...)                       \
	[_IOC_NR(_cmd)] = {                                            \
		.size = sizeof(struct coro_##_verb##_args),            \
		.min = offsetofend(struct coro_##_verb##_args, _last), \
		.out = offsetof(struct coro_##_verb##_args, _first),   \
		.run = coro_do_##_verb,                                \
		__VA_ARGS__                                            \
	}

/* clang-format off */
static const struct coro_op coro_ops[] = {
	CORO_OP(CORO_IOC_SETUP, setup, out_features, out_stacks_bytes,
		.out_end = offsetofend(struct coro_setup_args, out_stacks_bytes),
		.flags = CORO_SCHED_F_CLAMP,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_NEW),
	CORO_OP(CORO_IOC_ALLOC, alloc, out_nr, ids,
		.out_end = offsetofend(struct coro_alloc_args, out_nr),
		.flags = CORO_ALLOC_F_DIRECT,
		.entry = sizeof(u64), .dir = CORO_DIR_OUT,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE,
		.undo = coro_undo_alloc),
	CORO_OP(CORO_IOC_FREE, free, out_nr, ids,
		.out_end = offsetofend(struct coro_free_args, out_nr),
		.flags = CORO_FREE_F_TRIM,
		.entry = sizeof(u64), .dir = CORO_DIR_IN,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE),
	CORO_OP(CORO_IOC_WAKE, wake, out_nr, wakes,
		.out_end = offsetofend(struct coro_wake_args, out_nr),
		.entry = sizeof(struct coro_wake), .dir = CORO_DIR_IN,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EPIPE),
	CORO_OP(CORO_IOC_PEAK, peak, out_nr, peaks,
		.out_end = offsetofend(struct coro_peak_args, out_nr),
		.entry = sizeof(struct coro_peak),
		.dir = CORO_DIR_IN | CORO_DIR_OUT,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_READY),
	CORO_OP(CORO_IOC_STAT, stat, out_contexts, out_overflow_id,
		.out_end = offsetofend(struct coro_stat_args, out_overflow_id),
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_READY),
	CORO_OP(CORO_IOC_FINISH, finish, out_nr, finishes,
		.out_end = offsetofend(struct coro_finish_args, out_nr),
		.entry = sizeof(struct coro_finish), .dir = CORO_DIR_IN,
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE),
	CORO_OP(CORO_IOC_EXPORT, export, out_fd, out_fd,
		.out_end = offsetofend(struct coro_export_args, out_fd),
		.flags = CORO_EXPORT_F_NONBLOCK | CORO_EXPORT_F_CLOEXEC,
		.on = CORO_ON_SCHED | CORO_ON_HANDLE,
		.needs = CORO_NEEDS_TABLE,
		.undo = coro_undo_export),
	CORO_OP(CORO_IOC_CANCEL, cancel, value, value,
		.out_end = offsetof(struct coro_cancel_args, value),
		.on = CORO_ON_SCHED | CORO_ON_HANDLE,
		.needs = CORO_NEEDS_TABLE),
	CORO_OP(CORO_IOC_ATTACH, attach, out_id, out_word,
		.out_end = offsetofend(struct coro_attach_args, out_word),
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE,
		.undo = coro_undo_attach),
	CORO_OP(CORO_IOC_DETACH, detach, flags, flags,
		.out_end = offsetof(struct coro_detach_args, flags),
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_NOTHING),
	CORO_OP(CORO_IOC_STANDBY, standby, out_id, out_word,
		.out_end = offsetofend(struct coro_standby_args, out_word),
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE,
		.undo = coro_undo_standby),
	CORO_OP(CORO_IOC_KICK, kick, id, reserved,
		.out_end = offsetof(struct coro_kick_args, id),
		.on = CORO_ON_SCHED,
		.needs = CORO_NEEDS_TABLE),
};

#define CORO_ASSERT_SIZE(_type, _bytes) \
	static_assert(sizeof(struct _type) == (_bytes))
#define CORO_ASSERT_AT(_type, _field, _offset) \
	static_assert(offsetof(struct _type, _field) == (_offset))
#define CORO_ASSERT_BATCH(_verb, _array)                                  \
	static_assert(sizeof(struct coro_##_verb##_args) == 24 &&          \
		      offsetof(struct coro_##_verb##_args, size) == 0 &&   \
		      offsetof(struct coro_##_verb##_args, flags) == 4 &&  \
		      offsetof(struct coro_##_verb##_args, nr) == 8 &&     \
		      offsetof(struct coro_##_verb##_args, out_nr) == 12 && \
		      offsetof(struct coro_##_verb##_args, _array) == 16)

CORO_ASSERT_BATCH(batch, array);
CORO_ASSERT_BATCH(alloc, ids);
CORO_ASSERT_BATCH(free, ids);
CORO_ASSERT_BATCH(wake, wakes);
CORO_ASSERT_BATCH(peak, peaks);
CORO_ASSERT_BATCH(finish, finishes);

CORO_ASSERT_SIZE(coro_setup_args, 96);
CORO_ASSERT_AT(coro_setup_args, size, 0);
CORO_ASSERT_AT(coro_setup_args, flags, 4);
CORO_ASSERT_AT(coro_setup_args, max_contexts, 8);
CORO_ASSERT_AT(coro_setup_args, mailbox, 12);
CORO_ASSERT_AT(coro_setup_args, stack_size_bytes, 16);
CORO_ASSERT_AT(coro_setup_args, out_features, 24);
CORO_ASSERT_AT(coro_setup_args, out_max_contexts, 32);
CORO_ASSERT_AT(coro_setup_args, out_mailbox, 36);
CORO_ASSERT_AT(coro_setup_args, out_stack_size_bytes, 40);
CORO_ASSERT_AT(coro_setup_args, out_header_off, 48);
CORO_ASSERT_AT(coro_setup_args, out_header_bytes, 56);
CORO_ASSERT_AT(coro_setup_args, out_table_off, 64);
CORO_ASSERT_AT(coro_setup_args, out_table_bytes, 72);
CORO_ASSERT_AT(coro_setup_args, out_stacks_off, 80);
CORO_ASSERT_AT(coro_setup_args, out_stacks_bytes, 88);

CORO_ASSERT_SIZE(coro_wake, 16);
CORO_ASSERT_AT(coro_wake, id, 0);
CORO_ASSERT_AT(coro_wake, value, 8);

CORO_ASSERT_SIZE(coro_peak, 16);
CORO_ASSERT_AT(coro_peak, id, 0);
CORO_ASSERT_AT(coro_peak, out_bytes, 8);

CORO_ASSERT_SIZE(coro_stat_args, 64);
CORO_ASSERT_AT(coro_stat_args, size, 0);
CORO_ASSERT_AT(coro_stat_args, flags, 4);
CORO_ASSERT_AT(coro_stat_args, out_contexts, 8);
CORO_ASSERT_AT(coro_stat_args, out_contexts_peak, 16);
CORO_ASSERT_AT(coro_stat_args, out_events_pending, 24);
CORO_ASSERT_AT(coro_stat_args, out_events_total, 32);
CORO_ASSERT_AT(coro_stat_args, out_stacks_resident_bytes, 40);
CORO_ASSERT_AT(coro_stat_args, out_overflows, 48);
CORO_ASSERT_AT(coro_stat_args, out_overflow_id, 56);

CORO_ASSERT_SIZE(coro_finish, 16);
CORO_ASSERT_AT(coro_finish, id, 0);
CORO_ASSERT_AT(coro_finish, value, 8);

CORO_ASSERT_SIZE(coro_export_args, 24);
CORO_ASSERT_AT(coro_export_args, size, 0);
CORO_ASSERT_AT(coro_export_args, flags, 4);
CORO_ASSERT_AT(coro_export_args, id, 8);
CORO_ASSERT_AT(coro_export_args, rights, 16);
CORO_ASSERT_AT(coro_export_args, out_fd, 20);

CORO_ASSERT_SIZE(coro_cancel_args, 24);
CORO_ASSERT_AT(coro_cancel_args, size, 0);
CORO_ASSERT_AT(coro_cancel_args, flags, 4);
CORO_ASSERT_AT(coro_cancel_args, id, 8);
CORO_ASSERT_AT(coro_cancel_args, value, 16);

CORO_ASSERT_SIZE(coro_attach_args, 24);
CORO_ASSERT_AT(coro_attach_args, size, 0);
CORO_ASSERT_AT(coro_attach_args, flags, 4);
CORO_ASSERT_AT(coro_attach_args, out_id, 8);
CORO_ASSERT_AT(coro_attach_args, out_max_workers, 12);
CORO_ASSERT_AT(coro_attach_args, out_word, 16);

CORO_ASSERT_SIZE(coro_detach_args, 8);
CORO_ASSERT_AT(coro_detach_args, size, 0);
CORO_ASSERT_AT(coro_detach_args, flags, 4);

CORO_ASSERT_SIZE(coro_standby_args, 32);
CORO_ASSERT_AT(coro_standby_args, size, 0);
CORO_ASSERT_AT(coro_standby_args, flags, 4);
CORO_ASSERT_AT(coro_standby_args, deadline_ns, 8);
CORO_ASSERT_AT(coro_standby_args, out_id, 16);
CORO_ASSERT_AT(coro_standby_args, out_why, 20);
CORO_ASSERT_AT(coro_standby_args, out_word, 24);

CORO_ASSERT_SIZE(coro_kick_args, 16);
CORO_ASSERT_AT(coro_kick_args, size, 0);
CORO_ASSERT_AT(coro_kick_args, flags, 4);
CORO_ASSERT_AT(coro_kick_args, id, 8);
CORO_ASSERT_AT(coro_kick_args, reserved, 12);

CORO_ASSERT_SIZE(coro_shm_worker, 8);
CORO_ASSERT_AT(coro_shm_worker, word, 0);

CORO_ASSERT_SIZE(coro_result, 16);
CORO_ASSERT_AT(coro_result, value, 0);
CORO_ASSERT_AT(coro_result, reserved, 8);

CORO_ASSERT_SIZE(coro_uring_args, 48);
CORO_ASSERT_AT(coro_uring_args, size, 0);
CORO_ASSERT_AT(coro_uring_args, flags, 4);
CORO_ASSERT_AT(coro_uring_args, id, 8);
CORO_ASSERT_AT(coro_uring_args, deadline_ns, 16);
CORO_ASSERT_AT(coro_uring_args, value, 24);
CORO_ASSERT_AT(coro_uring_args, addr, 32);
CORO_ASSERT_AT(coro_uring_args, nr, 40);
CORO_ASSERT_AT(coro_uring_args, reserved, 44);

CORO_ASSERT_SIZE(coro_event, 24);
CORO_ASSERT_AT(coro_event, id, 0);
CORO_ASSERT_AT(coro_event, kind, 8);
CORO_ASSERT_AT(coro_event, reserved, 12);
CORO_ASSERT_AT(coro_event, value, 16);

CORO_ASSERT_SIZE(coro_shm_header, 56);
CORO_ASSERT_AT(coro_shm_header, magic, 0);
CORO_ASSERT_AT(coro_shm_header, version, 4);
CORO_ASSERT_AT(coro_shm_header, max_contexts, 8);
CORO_ASSERT_AT(coro_shm_header, entry_bytes, 12);
CORO_ASSERT_AT(coro_shm_header, stack_size_bytes, 16);
CORO_ASSERT_AT(coro_shm_header, contexts, 24);
CORO_ASSERT_AT(coro_shm_header, events_pending, 32);
CORO_ASSERT_AT(coro_shm_header, overflows, 40);
CORO_ASSERT_AT(coro_shm_header, overflow_id, 48);

CORO_ASSERT_SIZE(coro_shm_context, 64);
CORO_ASSERT_AT(coro_shm_context, generation, 0);
CORO_ASSERT_AT(coro_shm_context, state, 4);
CORO_ASSERT_AT(coro_shm_context, worker, 8);
CORO_ASSERT_AT(coro_shm_context, awaits_kind, 12);
CORO_ASSERT_AT(coro_shm_context, awaits, 16);
CORO_ASSERT_AT(coro_shm_context, sp, 24);
CORO_ASSERT_AT(coro_shm_context, entry, 32);
CORO_ASSERT_AT(coro_shm_context, origin, 40);
CORO_ASSERT_AT(coro_shm_context, name, 48);
/* clang-format on */

/* The outputs that the caller has room for. */
static size_t coro_ioctl_out_bytes(const struct coro_op *op,
				   const union coro_args *args)
{
	return min_t(size_t, args->any.size, op->out_end) - op->out;
}

static int coro_ioctl_copy_out(const struct coro_op *op,
			       const union coro_args *args, void __user *uargs)
{
	if (copy_to_user(uargs + op->out, (const void *)args + op->out,
			 coro_ioctl_out_bytes(op, args)))
		return -EFAULT;
	return 0;
}

/* Run a command with an array, which passes through here both ways. */
static int coro_ioctl_batch(const struct coro_op *op, struct coro_call *call,
			    void __user *uargs)
{
	struct coro_batch_args *args = &call->args.batch;
	void __user *uarray = u64_to_user_ptr(args->array);
	size_t bytes = array_size(args->nr, op->entry);
	u64 small[32];
	int done, ret = -EFAULT;

	call->array = small;
	if (bytes > sizeof(small)) {
		call->array = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
		if (!call->array)
			return -ENOMEM;
	}
	if ((op->dir & CORO_DIR_IN) &&
	    copy_from_user(call->array, uarray, bytes))
		goto out_free;
	done = op->run(call);
	if (done < 0) {
		ret = done;
		goto out_free;
	}
	args->out_nr = done;
	if (!(op->dir & CORO_DIR_OUT) ||
	    !copy_to_user(uarray, call->array, (size_t)done * op->entry))
		ret = coro_ioctl_copy_out(op, &call->args, uargs);
	if (ret && op->undo)
		op->undo(call);
out_free:
	if (call->array != small)
		kvfree(call->array);
	return ret;
}

/* Run a command without one; what it made is published last. */
static int coro_ioctl_single(const struct coro_op *op, struct coro_call *call,
			     void __user *uargs)
{
	int ret = op->run(call);

	if (ret)
		return ret;
	ret = coro_ioctl_copy_out(op, &call->args, uargs);
	if (ret && op->undo)
		op->undo(call);
	else if (!ret && call->file)
		fd_install(call->args.export.out_fd, call->file);
	return ret;
}

/*
 * Copy arguments in, as many as the caller and this kernel both know: it knows
 * @known bytes, and the first version had @least. All arguments begin alike.
 */
int coro_ioctl_copy_in(void *args, size_t known, size_t least,
		       void __user *uargs)
{
	struct coro_any_args *any = args;
	u32 size;
	int ret;

	if (get_user(size, (u32 __user *)uargs))
		return -EFAULT;
	if (size < least)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(args, known, uargs, size);
	if (ret)
		return ret;
	/* It may read differently the second time; the first one counts. */
	any->size = size;
	return 0;
}

static int coro_ioctl_check(const struct coro_op *op,
			    const struct coro_call *call)
{
	const union coro_args *args = &call->args;
	int ret;

	if (args->any.flags & ~op->flags)
		return -EINVAL;
	if (op->entry && (!args->batch.nr || args->batch.nr > CORO_MAX_BATCH))
		return -EINVAL;
	if (call->on->hnd)
		return 0;
	ret = coro_sched_check(call->on->sched, op->needs);
	return ret == -EOWNERDEAD && op->dead ? op->dead : ret;
}

long coro_ioctl_run(const struct coro_subject *on, unsigned int cmd,
		    unsigned long arg)
{
	void __user *uargs = (void __user *)arg;
	struct coro_call call = { .on = on };
	unsigned int nr = _IOC_NR(cmd);
	const struct coro_op *op;
	int ret;

	if (_IOC_TYPE(cmd) != CORO_IOC_MAGIC || nr >= ARRAY_SIZE(coro_ops))
		return -ENOTTY;
	op = &coro_ops[array_index_nospec(nr, ARRAY_SIZE(coro_ops))];
	if (!(op->on & (on->hnd ? CORO_ON_HANDLE : CORO_ON_SCHED)))
		return -ENOTTY;
	ret = coro_ioctl_copy_in(&call.args, op->size, op->min, uargs);
	if (ret)
		return ret;
	ret = coro_ioctl_check(op, &call);
	if (ret)
		return ret;
	/*
	 * Find out that the outputs cannot be stored before anything is done:
	 * who gets EFAULT will think that nothing was. What remains is a
	 * caller that takes the memory away during the call. A file is made
	 * public last, so it can be taken back; and 0 is a descriptor too.
	 */
	if (op->run != coro_do_export &&
	    clear_user(uargs + op->out, coro_ioctl_out_bytes(op, &call.args)))
		return -EFAULT;
	return op->entry ? coro_ioctl_batch(op, &call, uargs) :
			   coro_ioctl_single(op, &call, uargs);
}
