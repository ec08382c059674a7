/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The interface of /dev/coro: coroutines that the kernel can see.
 *
 * One open file is one scheduler. It owns contexts (the kernel's half of a
 * coroutine), one arena of guarded stacks, a table that both sides can see and
 * a queue of events.
 *
 *	fd = open("/dev/coro", O_RDWR | O_CLOEXEC);
 *	ioctl(fd, CORO_IOC_SETUP, &setup);
 *	table  = mmap(NULL, setup.out_table_bytes, PROT_READ | PROT_WRITE,
 *		      MAP_SHARED, fd, setup.out_table_off);
 *	stacks = mmap(NULL, setup.out_stacks_bytes, PROT_READ | PROT_WRITE,
 *		      MAP_SHARED, fd, setup.out_stacks_off);
 *	ioctl(fd, CORO_IOC_ALLOC, &alloc);
 *
 * Context i has entry i of the table and bytes [i * stack_size,
 * (i + 1) * stack_size) of the stack area. The lowest page of each stack is a
 * guard that can never be touched; therefore no huge pages: who asks for them
 * with MADV_HUGEPAGE gets SIGSEGV. An id names one life of a context: index in
 * the low half, generation in the high half, so that an id that outlived its
 * context is refused. No id is 0.
 *
 * Ownership. SETUP binds the file to the address space that made the call.
 * Only that one may change the scheduler; others that came to hold the file
 * (fork, SCM_RIGHTS, pidfd_getfd) may look: STAT, PEAK, fdinfo, poll, and
 * mapping the header and the table read-only. A page of the table comes into
 * being with the first context in it or the owner's first touch; others get
 * SIGBUS until then, and for what was not mapped when the scheduler died.
 *
 * Death. The scheduler dies when its owner's last mapping of the table goes:
 * exit, exec, a signal, munmap. (It has no contexts before that is mapped, so
 * until then there is nothing to die.) From then on CORO_IOC_WAKE gets EPIPE, read and
 * all else EOWNERDEAD, poll EPOLLHUP | EPOLLERR; what waited is woken.
 *
 * Growth. Every argument begins with its size, set by the caller to
 * sizeof(*args). A kernel that knows less accepts what it does not know only
 * as zeroes; a kernel that knows more takes what is missing as zeroes. The
 * size that is encoded in the ioctl number is not looked at.
 *
 * Batches. Commands with an array go through it in order and stop at the first
 * entry that fails. If any entry was done the call returns 0 and out_nr says
 * how many; if none was, it returns the first entry's error. So after a short
 * count, repeat the call with the rest to learn why. An array that cannot be
 * read or written as a whole is EFAULT, and nothing was done.
 *
 * Errors that every command can return:
 *
 *	EINVAL		size too small, an unknown flag, a reserved field set, a
 *			value out of range, nr 0 or more than CORO_MAX_BATCH
 *	E2BIG		size above a page, or a tail that this kernel does not
 *			know and that is not zero
 *	EFAULT		an address that cannot be read or written
 *	EBADFD		too early: before SETUP, or the table is not mapped
 *	EPERM		the file was set up by another address space
 *	EOWNERDEAD	the scheduler is dead (EPIPE for WAKE)
 *	ENOMEM		memory, the memory cgroup's included, is short
 *	ENOTTY		no such command
 *
 * mmap:  EINVAL offset or length that are not an area's, or MAP_PRIVATE;
 *	  EACCES PROT_EXEC, or more than a stranger to the address space may;
 *	  EBADFD before SETUP; EOWNERDEAD after death. munmap, mremap and
 *	  mprotect of a part of the header or table: EINVAL. Header and table do
 *	  not grow (mremap: EFAULT), and behind the end of the stacks is nothing
 *	  (SIGBUS). No area is inherited by fork.
 * core dumps leave the stacks out, except what MADV_DODUMP asks for.
 * read:  whole struct coro_event records. EINVAL if not one fits; EAGAIN if
 *	  none is there and the file or call does not block; EINTR.
 */
#ifndef _UAPI_LINUX_CORO_H
#define _UAPI_LINUX_CORO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** CORO_IOC_MAGIC - type of all ioctl numbers of this device. */
#define CORO_IOC_MAGIC		0xC2

/** CORO_MAX_BATCH - most entries that one call takes. */
#define CORO_MAX_BATCH		4096

/** CORO_NAME_LEN - bytes of a context's name, its final NUL included. */
#define CORO_NAME_LEN		16

/** CORO_INDEX - index of a context in table and stack area, from its id. */
#define CORO_INDEX(id)		((__u32)(id))
/** CORO_GENERATION - which life of that context the id means. */
#define CORO_GENERATION(id)	((__u32)((__u64)(id) >> 32))

/* mmap offsets of the areas; the same values come back from SETUP. */
/** CORO_OFF_STACKS - the stack area; 0, so that offsets in it are stack offsets. */
#define CORO_OFF_STACKS		0x0ULL
/** CORO_OFF_HEADER - one page, struct coro_shm_header. */
#define CORO_OFF_HEADER		0x100000000000ULL
/** CORO_OFF_TABLE - max_contexts entries of struct coro_shm_context. */
#define CORO_OFF_TABLE		0x200000000000ULL

/**
 * CORO_SCHED_F_CLAMP - SETUP: grant less where limits allow less.
 *
 * Without it a wish above a limit of the module is ENOSPC.
 */
#define CORO_SCHED_F_CLAMP	(1U << 0)

/**
 * struct coro_setup_args - argument of CORO_IOC_SETUP
 * @size: in: sizeof(struct coro_setup_args).
 * @flags: in: CORO_SCHED_F_*; other bits must be 0.
 * @max_contexts: in: most contexts alive at once; 0 for the module's default.
 * @mailbox: in: most unread messages per context; 0 for the default.
 * @stack_size_bytes: in: size of one stack with its guard page, rounded up to
 *	whole pages, at least two; 0 for the default.
 * @out_features: out: CORO_FEAT_*; no bit is defined yet, ignore unknown ones.
 * @out_max_contexts: out: granted.
 * @out_mailbox: out: granted.
 * @out_stack_size_bytes: out: granted; the distance from stack to stack.
 * @out_header_off: out: mmap offset of the header.
 * @out_header_bytes: out: length to map it with.
 * @out_table_off: out: mmap offset of the context table.
 * @out_table_bytes: out: length to map it with.
 * @out_stacks_off: out: mmap offset of the stacks.
 * @out_stacks_bytes: out: length to map them with.
 *
 * Make the open file a scheduler that belongs to the caller's address space.
 * Nothing is allocated for contexts or stacks until they are used.
 * Errors: EBUSY set up already; ENOSPC above a limit of the module or of the
 * user, see CORO_SCHED_F_CLAMP; EINVAL a stack of fewer than two pages.
 */
struct coro_setup_args {
	__u32 size;
	__u32 flags;
	__u32 max_contexts;
	__u32 mailbox;
	__aligned_u64 stack_size_bytes;
	__aligned_u64 out_features;
	__u32 out_max_contexts;
	__u32 out_mailbox;
	__aligned_u64 out_stack_size_bytes;
	__aligned_u64 out_header_off;
	__aligned_u64 out_header_bytes;
	__aligned_u64 out_table_off;
	__aligned_u64 out_table_bytes;
	__aligned_u64 out_stacks_off;
	__aligned_u64 out_stacks_bytes;
};

/**
 * struct coro_alloc_args - argument of CORO_IOC_ALLOC
 * @size: in: sizeof(struct coro_alloc_args).
 * @flags: in: must be 0.
 * @nr: in: how many contexts.
 * @out_nr: out: how many were allocated.
 * @ids: in: address of an array of @nr __u64, filled with the new ids.
 *
 * The context that was freed last is given first: its stack is warm. A new
 * context's table entry holds its generation and zeroes; a stack that was not
 * trimmed holds what its last user left there.
 * Errors: ENOSPC max_contexts or the user's limit is reached.
 */
struct coro_alloc_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__aligned_u64 ids;
};

/**
 * CORO_FREE_F_TRIM - FREE: give the memory of these stacks back.
 *
 * Neighbouring stacks go in one operation, so free them together.
 */
#define CORO_FREE_F_TRIM	(1U << 0)

/**
 * struct coro_free_args - argument of CORO_IOC_FREE
 * @size: in: sizeof(struct coro_free_args).
 * @flags: in: CORO_FREE_F_*; other bits must be 0.
 * @nr: in: how many ids.
 * @out_nr: out: how many were freed.
 * @ids: in: address of an array of @nr __u64.
 *
 * Ends a context: its id is stale from now on and its unread messages are
 * dropped. Errors, of an entry: ENOENT no context of that index was allocated
 * yet, ESTALE the context is not of that generation, or not any more.
 */
struct coro_free_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__aligned_u64 ids;
};

/**
 * struct coro_wake - one message
 * @id: whom.
 * @value: what; any value.
 */
struct coro_wake {
	__aligned_u64 id;
	__aligned_u64 value;
};

/**
 * struct coro_wake_args - argument of CORO_IOC_WAKE
 * @size: in: sizeof(struct coro_wake_args).
 * @flags: in: must be 0.
 * @nr: in: how many messages.
 * @out_nr: out: how many were delivered.
 * @wakes: in: address of an array of @nr struct coro_wake.
 *
 * Puts messages into mailboxes, from any thread of the owner. Each comes out
 * of read once, in the order in which they went in. Nobody needs to be reading.
 * Errors, of an entry: EAGAIN the mailbox is full, or the module's limit of
 * unread messages per scheduler is reached; ENOENT, ESTALE as for FREE.
 */
struct coro_wake_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__aligned_u64 wakes;
};

/**
 * struct coro_peak - how deep one stack has been
 * @id: in: which context.
 * @out_bytes: out: from the top of the stack to the lowest page that was
 *	touched since the stack was last trimmed; 0 if none was. Whole pages,
 *	swapped out ones included. A recycled stack remembers earlier users.
 */
struct coro_peak {
	__aligned_u64 id;
	__aligned_u64 out_bytes;
};

/**
 * struct coro_peak_args - argument of CORO_IOC_PEAK
 * @size: in: sizeof(struct coro_peak_args).
 * @flags: in: must be 0.
 * @nr: in: how many stacks.
 * @out_nr: out: how many were measured.
 * @peaks: in: address of an array of @nr struct coro_peak.
 *
 * Errors, of an entry: ENOENT, ESTALE as for FREE.
 */
struct coro_peak_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__aligned_u64 peaks;
};

/**
 * struct coro_stat_args - argument of CORO_IOC_STAT
 * @size: in: sizeof(struct coro_stat_args).
 * @flags: in: must be 0.
 * @out_contexts: out: contexts allocated now.
 * @out_contexts_peak: out: most that were allocated at once.
 * @out_events_pending: out: messages sent and not read.
 * @out_events_total: out: messages sent since SETUP.
 * @out_stacks_resident_bytes: out: stack memory in use, without what is in swap.
 * @out_overflows: out: accesses from user space that hit a guard page.
 * @out_overflow_id: out: context of the newest of them, 0 if there was none;
 *	of generation 0 if that context was not allocated.
 *
 * The same figures as in fdinfo. Never sleeps on another caller's work.
 */
struct coro_stat_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 out_contexts;
	__aligned_u64 out_contexts_peak;
	__aligned_u64 out_events_pending;
	__aligned_u64 out_events_total;
	__aligned_u64 out_stacks_resident_bytes;
	__aligned_u64 out_overflows;
	__aligned_u64 out_overflow_id;
};

#define CORO_IOC_SETUP	_IOWR(CORO_IOC_MAGIC, 0x00, struct coro_setup_args)
#define CORO_IOC_ALLOC	_IOWR(CORO_IOC_MAGIC, 0x01, struct coro_alloc_args)
#define CORO_IOC_FREE	_IOWR(CORO_IOC_MAGIC, 0x02, struct coro_free_args)
#define CORO_IOC_WAKE	_IOWR(CORO_IOC_MAGIC, 0x03, struct coro_wake_args)
#define CORO_IOC_PEAK	_IOWR(CORO_IOC_MAGIC, 0x04, struct coro_peak_args)
#define CORO_IOC_STAT	_IOWR(CORO_IOC_MAGIC, 0x05, struct coro_stat_args)

/**
 * enum coro_event_kind - what an event tells
 * @CORO_EVENT_MESSAGE: a message came for the context; value is the message.
 *
 * Readers skip kinds that they do not know.
 */
enum coro_event_kind {
	CORO_EVENT_MESSAGE = 1,
};

/**
 * struct coro_event - one record of read
 * @id: the context that it is for.
 * @kind: enum coro_event_kind.
 * @reserved: 0.
 * @value: depends on @kind.
 */
struct coro_event {
	__aligned_u64 id;
	__u32 kind;
	__u32 reserved;
	__aligned_u64 value;
};

/** CORO_SHM_MAGIC - first word of the header page: "coro", little endian. */
#define CORO_SHM_MAGIC		0x6f726f63U
/** CORO_SHM_VERSION - changes when a field of the shared layouts changes place. */
#define CORO_SHM_VERSION	1

/**
 * struct coro_shm_header - the header page
 * @magic: CORO_SHM_MAGIC.
 * @version: CORO_SHM_VERSION.
 * @max_contexts: as granted by SETUP.
 * @entry_bytes: sizeof(struct coro_shm_context).
 * @stack_size_bytes: as granted by SETUP.
 * @contexts: contexts allocated now.
 * @events_pending: messages that read would return now. A loop may look here
 *	before it spends a system call.
 * @overflows: accesses from user space that hit a guard page.
 * @overflow_id: the context of the newest of them.
 *
 * Written by the kernel and never read back: what the owner writes here
 * misleads only its own tools. The live counters are each exact when written,
 * not a snapshot together.
 */
struct coro_shm_header {
	__u32 magic;
	__u32 version;
	__u32 max_contexts;
	__u32 entry_bytes;
	__aligned_u64 stack_size_bytes;
	__aligned_u64 contexts;
	__aligned_u64 events_pending;
	__aligned_u64 overflows;
	__aligned_u64 overflow_id;
};

/**
 * enum coro_state - state of a coroutine, written by its runtime
 * @CORO_STATE_FREE: no coroutine uses the context.
 * @CORO_STATE_CREATED: made, its function not entered.
 * @CORO_STATE_RUNNING: on a processor, or driving another that is.
 * @CORO_STATE_SUSPENDED: its function was entered and waits.
 * @CORO_STATE_CLOSED: its function ended, or never will be entered.
 */
enum coro_state {
	CORO_STATE_FREE = 0,
	CORO_STATE_CREATED = 1,
	CORO_STATE_RUNNING = 2,
	CORO_STATE_SUSPENDED = 3,
	CORO_STATE_CLOSED = 4,
};

/**
 * enum coro_awaits - what a suspended coroutine waits for
 * @CORO_AWAITS_NOTHING: it is not suspended; the argument is 0.
 * @CORO_AWAITS_RESUME: the next resume, after a yield; the argument is 0.
 * @CORO_AWAITS_CONTEXT: another coroutine; the argument is its id.
 * @CORO_AWAITS_TIMER: a time; CLOCK_MONOTONIC in nanoseconds.
 * @CORO_AWAITS_IO: an io_uring operation; opcode in the high half, file
 *	descriptor (or what the SQE has in its place) in the low half.
 * @CORO_AWAITS_TURN: it is ready to run; the argument is 0.
 */
enum coro_awaits {
	CORO_AWAITS_NOTHING = 0,
	CORO_AWAITS_RESUME = 1,
	CORO_AWAITS_CONTEXT = 2,
	CORO_AWAITS_TIMER = 3,
	CORO_AWAITS_IO = 4,
	CORO_AWAITS_TURN = 5,
};

/**
 * struct coro_shm_context - one entry of the context table
 * @generation: by the kernel: of the life that goes on; while the context is
 *	free, of the next one.
 * @state: enum coro_state.
 * @worker: thread id (gettid) that ran it last.
 * @awaits_kind: enum coro_awaits.
 * @awaits: argument of @awaits_kind.
 * @sp: saved stack pointer while it does not run.
 * @entry: address of its function.
 * @origin: address that it was created from.
 * @name: NUL terminated.
 *
 * The kernel writes the whole entry at ALLOC and FREE and never reads it; all
 * else is between the owner and those who look. One cache line.
 */
struct coro_shm_context {
	__u32 generation;
	__u32 state;
	__u32 worker;
	__u32 awaits_kind;
	__aligned_u64 awaits;
	__aligned_u64 sp;
	__aligned_u64 entry;
	__aligned_u64 origin;
	char name[CORO_NAME_LEN];
};

#endif /* _UAPI_LINUX_CORO_H */
