// SPDX-License-Identifier: GPL-2.0
/* The scheduler: what one open file of the device owns, its areas, its death. */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "limits.h"
#include "sched.h"
#include "target.h"
#include "trace.h"
#include "user.h"
#include "wait.h"

static_assert(sizeof(long) == 8, "offsets of the areas need 64 bits");

static atomic64_t coro_sched_last_number;

struct coro_sched *coro_sched_new(void)
{
	struct coro_sched *sched;

	sched = kzalloc(sizeof(*sched), GFP_KERNEL_ACCOUNT);
	if (!sched)
		return NULL;
	/* Vmas of the stacks outlive the file, and run our code. */
	__module_get(THIS_MODULE);
	refcount_set(&sched->refs, 1);
	sched->number = atomic64_inc_return(&coro_sched_last_number);
	mutex_init(&sched->lock);
	spin_lock_init(&sched->events_lock);
	coro_contexts_init(&sched->ctxs);
	coro_mailbox_init(&sched->mailbox);
	coro_handoff_init(&sched->handoff);
	INIT_LIST_HEAD(&sched->targets);
	sched->waits = RB_ROOT;
	return sched;
}

struct coro_sched *coro_sched_get(struct coro_sched *sched)
{
	refcount_inc(&sched->refs);
	return sched;
}

/*
 * The last reference can go anywhere: in a worker that finishes an address
 * space, under mmap_lock, or in the owner. So nothing here asks for current.
 */
void coro_sched_put(struct coro_sched *sched)
{
	if (!refcount_dec_and_test(&sched->refs))
		return;
	/* Not there if it died; there if its table was never mapped. */
	if (sched->arena.file)
		fput(sched->arena.file);
	if (sched->user)
		coro_user_put(sched->user);
	WARN_ON_ONCE(sched->mailbox.nr || !list_empty(&sched->targets) ||
		     !RB_EMPTY_ROOT(&sched->waits));
	coro_contexts_fini(&sched->ctxs);
	coro_mailbox_fini(&sched->mailbox);
	coro_workers_fini(&sched->workers);
	coro_wait_free_spare(sched);
	if (sched->header_page)
		put_page(sched->header_page);
	put_pid(sched->owner);
	if (sched->mm)
		mmdrop(sched->mm);
	mutex_destroy(&sched->lock);
	kfree(sched);
	module_put(THIS_MODULE);
}

/*
 * Whether the caller may go on. Holds for as long as the caller holds lock;
 * without it, it is a first look, that spares work.
 */
int coro_sched_check(struct coro_sched *sched, enum coro_sched_needs needs)
{
	/* Pairs with the release in coro_sched_publish(). */
	enum coro_sched_state state = smp_load_acquire(&sched->state);

	if (needs == CORO_NEEDS_NOTHING)
		return 0;
	if (state == CORO_SCHED_DEAD)
		return -EOWNERDEAD;
	if (state == CORO_SCHED_NEW)
		return needs == CORO_NEEDS_NEW ? 0 : -EBADFD;
	if (needs == CORO_NEEDS_READY)
		return 0;
	if (current->mm != sched->mm)
		return -EPERM;
	if (needs == CORO_NEEDS_NEW)
		return -EBUSY;
	if (needs == CORO_NEEDS_TABLE && !READ_ONCE(sched->nr_tables))
		return -EBADFD;
	return 0;
}

/* What a dead scheduler does not need, to be let go without locks. */
struct coro_sched_remains {
	struct coro_user *user;
	u32 nr_contexts;
	struct file *file;
	struct list_head messages;
	struct list_head targets;
};

/*
 * The owner's last mapping of the table is gone. From here on every check
 * fails; whoever passed one without a lock takes one and checks again before
 * it changes anything.
 *
 * The memory must not stay because a stranger keeps the file open: contexts
 * and messages cannot be reached any more, stacks belong to who still maps
 * them.
 */
static void coro_sched_die_locked(struct coro_sched *sched,
				  struct coro_sched_remains *remains)
{
	lockdep_assert_held(&sched->lock);
	INIT_LIST_HEAD(&remains->messages);
	INIT_LIST_HEAD(&remains->targets);
	spin_lock_bh(&sched->events_lock);
	WRITE_ONCE(sched->state, CORO_SCHED_DEAD);
	trace_sched_die(sched, sched->ctxs.nr);
	coro_mailbox_drop_all(sched, &remains->messages);
	list_splice_init(&sched->targets, &remains->targets);
	remains->nr_contexts = coro_contexts_drop_locked(sched);
	remains->file = sched->arena.file;
	sched->arena.file = NULL;
	spin_unlock_bh(&sched->events_lock);
	remains->user = sched->user;
	sched->user = NULL;
	WRITE_ONCE(sched->header->contexts, 0);
}

static void coro_sched_bury(struct coro_sched *sched,
			    struct coro_sched_remains *remains)
{
	coro_mailbox_hangup(sched);
	coro_targets_hangup(sched, &remains->targets);
	coro_handoff_hangup(sched);
	coro_mailbox_discard(&remains->messages);
	coro_contexts_fini(&sched->ctxs);
	coro_user_uncharge_contexts(remains->user, remains->nr_contexts);
	coro_user_put(remains->user);
	fput(remains->file);
}

static void coro_area_vma_open(struct vm_area_struct *vma)
{
	coro_sched_get(vma->vm_private_data);
}

static void coro_area_vma_close(struct vm_area_struct *vma)
{
	coro_sched_put(vma->vm_private_data);
}

static void coro_table_vma_open(struct vm_area_struct *vma)
{
	struct coro_sched *sched = coro_sched_get(vma->vm_private_data);

	mutex_lock(&sched->lock);
	if (vma->vm_mm == sched->mm)
		WRITE_ONCE(sched->nr_tables, sched->nr_tables + 1);
	mutex_unlock(&sched->lock);
}

/*
 * A mapping that moves is opened at its new place before it is closed at the
 * old one, so the count reaches 0 only when the last one goes for good.
 */
static void coro_table_vma_close(struct vm_area_struct *vma)
{
	struct coro_sched *sched = vma->vm_private_data;
	struct coro_sched_remains remains;
	bool last = false;

	mutex_lock(&sched->lock);
	if (vma->vm_mm == sched->mm) {
		/* The last one stays counted: who looks must find it dead. */
		last = sched->nr_tables == 1;
		if (!last)
			WRITE_ONCE(sched->nr_tables, sched->nr_tables - 1);
	}
	if (last)
		coro_sched_die_locked(sched, &remains);
	mutex_unlock(&sched->lock);
	if (last)
		coro_sched_bury(sched, &remains);
	coro_sched_put(sched);
}

static int coro_area_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

/*
 * A stranger that could write has a copy of the owner's mapping, by fork after
 * MADV_DOFORK. It gets nothing, whatever it does to its protection.
 */
static bool coro_area_allows(struct coro_sched *sched,
			     struct vm_area_struct *vma)
{
	return vma->vm_mm == sched->mm || !(vma->vm_flags & VM_MAYWRITE);
}

/* Whether this access may cost memory: the owner's own. */
static bool coro_area_may_grow(struct coro_sched *sched, struct vm_fault *vmf)
{
	return vmf->vma->vm_mm == sched->mm &&
	       !(vmf->flags & FAULT_FLAG_REMOTE) && !coro_compat_dumping_core();
}

static vm_fault_t coro_header_fault(struct vm_fault *vmf)
{
	struct coro_sched *sched = vmf->vma->vm_private_data;

	if (!coro_area_allows(sched, vmf->vma))
		return VM_FAULT_SIGSEGV;
	get_page(sched->header_page);
	vmf->page = sched->header_page;
	return 0;
}

static vm_fault_t coro_table_fault(struct vm_fault *vmf)
{
	struct coro_sched *sched = vmf->vma->vm_private_data;
	pgoff_t index = vmf->pgoff - (CORO_OFF_TABLE >> PAGE_SHIFT);
	struct page *page;
	vm_fault_t ret;

	if (!coro_area_allows(sched, vmf->vma))
		return VM_FAULT_SIGSEGV;
	ret = coro_context_fault(sched, index, coro_area_may_grow(sched, vmf),
				 &page);
	if (!ret)
		vmf->page = page;
	return ret;
}

static vm_fault_t coro_workers_fault(struct vm_fault *vmf)
{
	struct coro_sched *sched = vmf->vma->vm_private_data;
	pgoff_t index = vmf->pgoff - (CORO_OFF_WORKERS >> PAGE_SHIFT);
	struct page *page;

	if (!coro_area_allows(sched, vmf->vma))
		return VM_FAULT_SIGSEGV;
	page = coro_worker_page(sched, index);
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct coro_header_vm_ops = {
	.open = coro_area_vma_open,
	.close = coro_area_vma_close,
	.may_split = coro_area_may_split,
	.fault = coro_header_fault,
};

static const struct vm_operations_struct coro_table_vm_ops = {
	.open = coro_table_vma_open,
	.close = coro_table_vma_close,
	.may_split = coro_area_may_split,
	.fault = coro_table_fault,
};

static const struct vm_operations_struct coro_workers_vm_ops = {
	.open = coro_area_vma_open,
	.close = coro_area_vma_close,
	.may_split = coro_area_may_split,
	.fault = coro_workers_fault,
};

static u64 coro_sched_table_bytes(const struct coro_sched *sched)
{
	return PAGE_ALIGN(sched->max_contexts *
			  sizeof(struct coro_shm_context));
}

static u64 coro_sched_stacks_bytes(const struct coro_sched *sched)
{
	return sched->max_contexts * sched->arena.stack_bytes;
}

static int coro_sched_mmap_pages(struct coro_sched *sched,
				 struct vm_area_struct *vma,
				 const struct vm_operations_struct *ops)
{
	if (vma->vm_mm != sched->mm) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTCOPY);
	vma->vm_ops = ops;
	vma->vm_private_data = coro_sched_get(sched);
	if (ops == &coro_table_vm_ops && vma->vm_mm == sched->mm)
		WRITE_ONCE(sched->nr_tables, sched->nr_tables + 1);
	return 0;
}

static int coro_sched_mmap_locked(struct coro_sched *sched,
				  struct vm_area_struct *vma)
{
	u64 bytes = vma->vm_end - vma->vm_start;
	int ret;

	lockdep_assert_held(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_READY);
	if (ret)
		return ret;
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	vm_flags_clear(vma, VM_MAYEXEC);

	switch ((u64)vma->vm_pgoff << PAGE_SHIFT) {
	case CORO_OFF_STACKS:
		if (bytes != coro_sched_stacks_bytes(sched))
			return -EINVAL;
		if (vma->vm_mm != sched->mm)
			return -EACCES;
		return coro_arena_mmap(sched, vma);
	case CORO_OFF_HEADER:
		if (bytes != PAGE_SIZE)
			return -EINVAL;
		return coro_sched_mmap_pages(sched, vma, &coro_header_vm_ops);
	case CORO_OFF_TABLE:
		if (bytes != coro_sched_table_bytes(sched))
			return -EINVAL;
		return coro_sched_mmap_pages(sched, vma, &coro_table_vm_ops);
	case CORO_OFF_WORKERS:
		if (bytes != (u64)CORO_HARD_WORKERS << PAGE_SHIFT)
			return -EINVAL;
		return coro_sched_mmap_pages(sched, vma, &coro_workers_vm_ops);
	default:
		return -EINVAL;
	}
}

int coro_sched_mmap(struct coro_sched *sched, struct vm_area_struct *vma)
{
	int ret;

	mutex_lock(&sched->lock);
	ret = coro_sched_mmap_locked(sched, vma);
	mutex_unlock(&sched->lock);
	return ret;
}

/* A wish above a limit is refused, or cut where the caller agreed to that. */
static int coro_sched_grant(u64 *value, u64 limit, bool clamp)
{
	if (*value <= limit)
		return 0;
	if (!clamp || !limit)
		return -ENOSPC;
	*value = limit;
	return 0;
}

/* What the caller gets of what it asked for; goes to the outputs of @args. */
static int coro_sched_plan(struct coro_setup_args *args)
{
	u64 max_stack = READ_ONCE(coro_limit_max_stack_bytes) & PAGE_MASK;
	u64 max_arena = min_t(u64, READ_ONCE(coro_limit_max_arena_bytes),
			      CORO_HARD_ARENA_BYTES);
	u32 max_contexts =
		min(READ_ONCE(coro_limit_max_contexts), CORO_HARD_CONTEXTS);
	u32 max_mailbox =
		min(READ_ONCE(coro_limit_max_mailbox), CORO_HARD_MAILBOX);
	bool clamp = args->flags & CORO_SCHED_F_CLAMP;
	u64 contexts = args->max_contexts, mailbox = args->mailbox;
	u64 stack = args->stack_size_bytes;
	bool any = !contexts;
	int ret;

	/* Defaults are no wishes: limits may cut them without a word. */
	if (!contexts)
		contexts = READ_ONCE(coro_limit_default_contexts) ?: 1;
	if (!mailbox)
		mailbox = min(READ_ONCE(coro_limit_default_mailbox) ?: 1,
			      max_mailbox);
	if (!stack)
		stack = clamp_t(u64, READ_ONCE(coro_limit_default_stack_bytes),
				2 * PAGE_SIZE, max(max_stack, 2 * PAGE_SIZE));
	if (stack <= PAGE_SIZE)
		return -EINVAL;

	ret = coro_sched_grant(&stack, max_stack, clamp);
	if (ret)
		return ret;
	stack = PAGE_ALIGN(stack);
	if (stack < 2 * PAGE_SIZE)
		return -ENOSPC;
	ret = coro_sched_grant(&mailbox, max_mailbox, clamp);
	if (ret)
		return ret;
	ret = coro_sched_grant(&contexts,
			       min_t(u64, max_contexts, max_arena / stack),
			       clamp || any);
	if (ret)
		return ret;
	args->out_max_contexts = contexts;
	args->out_mailbox = mailbox;
	args->out_stack_size_bytes = stack;
	return 0;
}

/* What SETUP makes before it takes the lock. */
struct coro_sched_parts {
	struct coro_user *user;
	struct page *header_page;
	struct file *file;
};

static int coro_sched_parts_init(struct coro_sched_parts *parts, u64 bytes)
{
	int ret = -ENOMEM;

	parts->user = coro_user_get(current_uid());
	if (IS_ERR(parts->user))
		return PTR_ERR(parts->user);
	parts->header_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!parts->header_page)
		goto err_put_user;
	parts->file = coro_arena_new(bytes);
	if (IS_ERR(parts->file)) {
		ret = PTR_ERR(parts->file);
		goto err_put_page;
	}
	return 0;

err_put_page:
	put_page(parts->header_page);
err_put_user:
	coro_user_put(parts->user);
	return ret;
}

static void coro_sched_parts_fini(struct coro_sched_parts *parts)
{
	fput(parts->file);
	put_page(parts->header_page);
	coro_user_put(parts->user);
}

static void coro_sched_publish(struct coro_sched *sched,
			       struct coro_sched_parts *parts,
			       const struct coro_setup_args *args)
{
	struct coro_shm_header *header = page_address(parts->header_page);

	lockdep_assert_held(&sched->lock);
	header->magic = CORO_SHM_MAGIC;
	header->version = CORO_SHM_VERSION;
	header->max_contexts = args->out_max_contexts;
	header->entry_bytes = sizeof(struct coro_shm_context);
	header->stack_size_bytes = args->out_stack_size_bytes;

	mmgrab(current->mm);
	sched->mm = current->mm;
	sched->owner = get_task_pid(current, PIDTYPE_TGID);
	sched->user = parts->user;
	sched->header_page = parts->header_page;
	sched->header = header;
	sched->max_contexts = args->out_max_contexts;
	sched->mailbox.max = args->out_mailbox;
	sched->arena.stack_bytes = args->out_stack_size_bytes;

	spin_lock_bh(&sched->events_lock);
	sched->arena.file = parts->file;
	/* Pairs with the acquire in coro_sched_check(). */
	smp_store_release(&sched->state, CORO_SCHED_READY);
	spin_unlock_bh(&sched->events_lock);
	trace_sched_setup(sched);
}

static u64 coro_sched_features(void)
{
	u64 features = 0;

	if (coro_compat_cmd_can_wait())
		features |= CORO_FEAT_URING_WAIT;
	if (coro_compat_can_handoff())
		features |= CORO_FEAT_HANDOFF;
	return features;
}

int coro_sched_setup(struct coro_sched *sched, struct coro_setup_args *args)
{
	struct coro_sched_parts parts;
	int ret;

	ret = coro_sched_plan(args);
	if (ret)
		return ret;
	ret = coro_sched_parts_init(&parts, (u64)args->out_max_contexts *
						    args->out_stack_size_bytes);
	if (ret)
		return ret;
	mutex_lock(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_NEW);
	if (!ret)
		coro_sched_publish(sched, &parts, args);
	mutex_unlock(&sched->lock);
	if (ret) {
		coro_sched_parts_fini(&parts);
		return ret;
	}
	args->out_features = coro_sched_features();
	args->out_header_off = CORO_OFF_HEADER;
	args->out_header_bytes = PAGE_SIZE;
	args->out_table_off = CORO_OFF_TABLE;
	args->out_table_bytes = coro_sched_table_bytes(sched);
	args->out_stacks_off = CORO_OFF_STACKS;
	args->out_stacks_bytes = coro_sched_stacks_bytes(sched);
	return 0;
}

/* The figures, for STAT and fdinfo. Takes no lock that anybody sleeps with. */
int coro_sched_stat(struct coro_sched *sched, struct coro_stat_args *stat)
{
	int ret = coro_sched_check(sched, CORO_NEEDS_READY);

	if (ret)
		return ret;
	stat->out_contexts = READ_ONCE(sched->ctxs.nr);
	stat->out_contexts_peak = READ_ONCE(sched->ctxs.peak);
	spin_lock_bh(&sched->events_lock);
	stat->out_events_pending = sched->mailbox.nr;
	stat->out_events_total = sched->mailbox.total;
	stat->out_stacks_resident_bytes = coro_arena_resident_bytes(sched);
	stat->out_overflows = sched->arena.overflows;
	stat->out_overflow_id = sched->arena.overflow_id;
	spin_unlock_bh(&sched->events_lock);
	return 0;
}
