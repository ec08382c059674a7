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
#include <linux/mm.h>
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

#endif /* CORO_COMPAT_H */
