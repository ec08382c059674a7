// SPDX-License-Identifier: GPL-2.0
/* The arena: the stacks of a scheduler, their guards, trimming and peak use. */
#include <linux/err.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "arena.h"
#include "compat.h"
#include "context.h"
#include "sched.h"
#include "trace.h"

/*
 * shmem's operations with ours in place of some. They are those of every arena
 * and live as long as the module: a vma can outlive the file and whatever else
 * belongs to the scheduler's owner.
 */
static struct vm_operations_struct coro_arena_vm_ops;
static vm_fault_t (*coro_arena_shmem_fault)(struct vm_fault *vmf);
static DEFINE_MUTEX(coro_arena_ops_lock);

struct file *coro_arena_new(u64 bytes)
{
	struct file *file = shmem_file_setup("coro", bytes, CORO_NORESERVE);

	/* shmem says so for an inode that it has no memory for. */
	if (file == ERR_PTR(-ENOSPC))
		return ERR_PTR(-ENOMEM);
	/*
	 * remap_file_pages() maps a vma's file anew, with shmem's own
	 * operations, which know of no guards. Nobody reads by this file, so
	 * let it be one that cannot be mapped for reading.
	 */
	if (!IS_ERR(file))
		file->f_mode &= ~FMODE_READ;
	return file;
}

/* An access to a guard page. Only those of the program itself are overflows. */
static void coro_arena_overflow(struct coro_sched *sched, struct vm_fault *vmf)
{
	struct coro_arena *arena = &sched->arena;
	u32 index;

	if (!(vmf->flags & FAULT_FLAG_USER) || (vmf->flags & FAULT_FLAG_REMOTE))
		return;
	index = vmf->pgoff / (arena->stack_bytes >> PAGE_SHIFT);
	spin_lock_bh(&sched->events_lock);
	arena->overflows++;
	arena->overflow_id = coro_context_id_at(sched, index);
	WRITE_ONCE(sched->header->overflow_id, arena->overflow_id);
	WRITE_ONCE(sched->header->overflows, arena->overflows);
	trace_arena_overflow(sched, arena->overflow_id);
	spin_unlock_bh(&sched->events_lock);
}

/*
 * Who only looks must not fill an arena of a terabyte with zeroes: core dumps
 * leave a hole for what was never touched, debuggers get an error.
 */
static bool coro_arena_must_exist(struct vm_fault *vmf)
{
	if (vmf->flags & FAULT_FLAG_WRITE)
		return false;
	return (vmf->flags & FAULT_FLAG_REMOTE) || coro_compat_dumping_core();
}

static vm_fault_t coro_arena_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct coro_sched *sched = vma->vm_private_data;

	/* MADV_DOFORK can make a child inherit a vma: it is of no use there. */
	if (unlikely(vma->vm_mm != sched->mm))
		return VM_FAULT_SIGSEGV;
	/* Nor is one whose owner took this off: huge pages cover guards. */
	if (unlikely(!(vma->vm_flags & VM_NOHUGEPAGE)))
		return VM_FAULT_SIGSEGV;
	if (vmf->pgoff % (sched->arena.stack_bytes >> PAGE_SHIFT) == 0) {
		coro_arena_overflow(sched, vmf);
		return VM_FAULT_SIGSEGV;
	}
	/* What is in swap has an entry there too. */
	if (unlikely(coro_arena_must_exist(vmf)) &&
	    !xa_load(&vma->vm_file->f_mapping->i_pages, vmf->pgoff))
		return VM_FAULT_SIGBUS;
	return coro_arena_shmem_fault(vmf);
}

/*
 * Map no neighbours of a faulting page: that would cover guards. It must exist
 * all the same, because without it the kernel takes a slower path for faults.
 */
static vm_fault_t coro_arena_map_pages(struct vm_fault *vmf, pgoff_t start,
				       pgoff_t end)
{
	return 0;
}

static void coro_arena_vma_open(struct vm_area_struct *vma)
{
	coro_sched_get(vma->vm_private_data);
}

static void coro_arena_vma_close(struct vm_area_struct *vma)
{
	coro_sched_put(vma->vm_private_data);
}

/*
 * shmem has the same operations for all its files; take them once. Only those
 * that know their place: what newer kernels add for userfaultfd would fill
 * guards.
 */
static void coro_arena_adopt(const struct vm_operations_struct *ops)
{
	mutex_lock(&coro_arena_ops_lock);
	if (!coro_arena_shmem_fault) {
		coro_arena_shmem_fault = ops->fault;
#ifdef CONFIG_NUMA
		coro_arena_vm_ops.set_policy = ops->set_policy;
		coro_arena_vm_ops.get_policy = ops->get_policy;
#endif
		coro_arena_vm_ops.fault = coro_arena_fault;
		coro_arena_vm_ops.map_pages = coro_arena_map_pages;
		coro_arena_vm_ops.open = coro_arena_vma_open;
		coro_arena_vm_ops.close = coro_arena_vma_close;
	}
	mutex_unlock(&coro_arena_ops_lock);
}

/*
 * The device's mmap of the stack area. Parts of it may be unmapped and
 * protected at will: guards are found by offset in the file.
 */
int coro_arena_mmap(struct coro_sched *sched, struct vm_area_struct *vma)
{
	int ret;

	lockdep_assert_held(&sched->lock);
	ret = coro_compat_mmap(sched->arena.file, vma);
	if (ret)
		return ret;
	coro_arena_adopt(vma->vm_ops);
	vma->vm_ops = &coro_arena_vm_ops;
	vma_set_file(vma, sched->arena.file);
	/*
	 * Huge pages would cover guards. Core dumps write holes out where they
	 * go to a pipe, and walk all of them anyway: a terabyte of nothing. The
	 * owner may ask for a part with MADV_DODUMP, which VM_DONTEXPAND would
	 * forbid; what mremap adds behind the end has no pages.
	 */
	vm_flags_set(vma, VM_NOHUGEPAGE | VM_DONTDUMP | VM_DONTCOPY);
	vma->vm_private_data = coro_sched_get(sched);
	return 0;
}

/* The file, with a reference; NULL if there is none any more. */
struct file *coro_arena_get_file(struct coro_sched *sched)
{
	struct file *file;

	spin_lock_bh(&sched->events_lock);
	file = sched->arena.file;
	if (file)
		get_file(file);
	spin_unlock_bh(&sched->events_lock);
	return file;
}

u64 coro_arena_resident_bytes(struct coro_sched *sched)
{
	lockdep_assert_held(&sched->events_lock);
	if (!sched->arena.file)
		return 0;
	return (u64)READ_ONCE(sched->arena.file->f_mapping->nrpages)
	       << PAGE_SHIFT;
}

static int coro_arena_compare(const void *a, const void *b)
{
	u32 x = CORO_INDEX(*(const u64 *)a), y = CORO_INDEX(*(const u64 *)b);

	return x < y ? -1 : x > y;
}

/*
 * Give back the memory of stacks that nobody can be given meanwhile. Sorts
 * @ids. Must not be called with a lock of ours: punching takes the inode's,
 * which is above ours.
 */
void coro_arena_trim(const struct coro_arena *arena, struct file *file,
		     u64 *ids, u32 nr)
{
	u64 start, end;

	sort(ids, nr, sizeof(*ids), coro_arena_compare, NULL);
	for (u32 i = 0, run; i < nr; i += run) {
		for (run = 1; i + run < nr; run++) {
			if (CORO_INDEX(ids[i + run]) !=
			    CORO_INDEX(ids[i]) + run)
				break;
		}
		start = CORO_INDEX(ids[i]) * arena->stack_bytes;
		end = start + run * arena->stack_bytes;
		/*
		 * The contexts are freed either way; what could not be
		 * punched stays where it is, as it does without trimming.
		 */
		vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      start, end - start);
		cond_resched();
	}
}

/*
 * From the top of a stack to the lowest page of it that was ever touched. This
 * moves the file's position, which nobody uses.
 */
u64 coro_arena_peak_bytes(const struct coro_arena *arena, struct file *file,
			  u32 index)
{
	u64 start = index * arena->stack_bytes;
	u64 end = start + arena->stack_bytes;
	loff_t data;

	data = vfs_llseek(file, start + PAGE_SIZE, SEEK_DATA);
	return data >= 0 && data < end ? end - data : 0;
}
