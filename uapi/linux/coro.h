/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The interface of /dev/coro: coroutines that the kernel can see.
 *
 * One open file is one scheduler. It owns contexts (the kernel's half of a
 * coroutine), one arena of guarded stacks, a table that both sides can see and
 * a queue of events. A handle is a file too: one context, as seen by others.
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
 * mapping the header, the table and the workers' pages read-only. A page of the table comes into
 * being with the first context in it or the owner's first touch; others get
 * SIGBUS until then, and for what was not mapped when the scheduler died.
 *
 * Death. The scheduler dies when its owner's last mapping of the table goes:
 * exit, exec, a signal, munmap. (It has no contexts before that is mapped, so
 * until then there is nothing to die.) From then on CORO_IOC_WAKE gets EPIPE, read and
 * all else EOWNERDEAD, poll EPOLLHUP | EPOLLERR; what waited is woken.
 *
 * Handles. EXPORT makes a file descriptor of a context, for use by whoever is
 * given it: inherited, sent over a socket, taken with pidfd_getfd. It is a
 * capability: what it allows is fixed by its rights, and nothing else names a
 * context outside its owner. A right that a handle lacks is EBADF, as of a file
 * that is not open for it.
 *
 *	write	SEND: one message for each __u64. It waits for room for the
 *		first, or returns EAGAIN; a short count says how many fitted.
 *		EPIPE: the coroutine has ended, or its owner died. ENOBUFS: the
 *		module's limit of messages of a scheduler or user. EINVAL: not a
 *		multiple of 8 bytes. There is no SIGPIPE.
 *	read	JOIN: struct coro_result once the coroutine has ended, to every
 *		reader; until then it waits, or returns EAGAIN. EOWNERDEAD: the
 *		owner died first. ESTALE: the context was freed without an end.
 *		RECV: whole struct coro_event records, the messages of this
 *		context but not requests to cancel it; EPIPE when it has ended
 *		and none is left. ESTALE, EOWNERDEAD likewise.
 *	poll	EPOLLIN: read would not wait. EPOLLOUT: write would not wait.
 *		EPOLLHUP | EPOLLERR: gone without a result.
 *	ioctl	CORO_IOC_CANCEL, and CORO_IOC_EXPORT for a handle with less rights.
 *
 * Workers. The kernel can tell when a thread that runs coroutines blocks: ATTACH
 * makes it a worker, with a word of memory that says whether that matters, and
 * STANDBY lets another worker wait for it. See struct coro_standby_args.
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
 * read or written as a whole is EFAULT, and nothing was done. (Memory that
 * another thread takes away during the call is found too late: then ALLOC, EXPORT,
 * ATTACH and STANDBY take back what they did, all others have happened.)
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
 *
 * io_uring. READ, WRITE and POLL_ADD work on schedulers and handles as on other
 * files. IORING_OP_URING_CMD is a faster way, see struct coro_uring_args.
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
/** CORO_OFF_WORKERS - a page for each worker, struct coro_shm_worker at its start. */
#define CORO_OFF_WORKERS	0x300000000000ULL

/**
 * CORO_SCHED_F_CLAMP - SETUP: grant less where limits allow less.
 *
 * Without it a wish above a limit of the module is ENOSPC.
 */
#define CORO_SCHED_F_CLAMP	(1U << 0)

/**
 * CORO_FEAT_URING_WAIT - commands of io_uring may wait.
 *
 * Clear where the kernel could not cancel them; what would have to wait is
 * EOPNOTSUPP there, and READ, WRITE and POLL_ADD do the same.
 */
#define CORO_FEAT_URING_WAIT	(1ULL << 0)
/**
 * CORO_FEAT_HANDOFF - the kernel tells when a worker blocks.
 *
 * Clear where it has no preempt notifiers, or the module was built to use none; then
 * ATTACH is EOPNOTSUPP.
 */
#define CORO_FEAT_HANDOFF	(1ULL << 1)

/**
 * struct coro_setup_args - argument of CORO_IOC_SETUP
 * @size: in: sizeof(struct coro_setup_args).
 * @flags: in: CORO_SCHED_F_*; other bits must be 0.
 * @max_contexts: in: most contexts alive at once; 0 for the module's default.
 * @mailbox: in: most unread messages per context; 0 for the default.
 * @stack_size_bytes: in: size of one stack with its guard page, rounded up to
 *	whole pages, at least two; 0 for the default.
 * @out_features: out: CORO_FEAT_*; ignore unknown ones.
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
 * CORO_ALLOC_F_DIRECT - ALLOC: messages wait at their context.
 *
 * They do not come out of read, nor of a PARK of the whole scheduler, but only
 * of a PARK of their context and of handles with CORO_RIGHT_RECV; so a mailbox
 * that is full stays full until its own reader makes room. Requests to cancel
 * come out of read all the same.
 */
#define CORO_ALLOC_F_DIRECT	(1U << 0)

/**
 * struct coro_alloc_args - argument of CORO_IOC_ALLOC
 * @size: in: sizeof(struct coro_alloc_args).
 * @flags: in: CORO_ALLOC_F_*; other bits must be 0.
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
 * dropped. Handles keep the result of one that was finished; for others every
 * join gets ESTALE. Errors, of an entry: ENOENT no context of that index was allocated
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
 * unread messages per scheduler or user is reached; EPIPE the coroutine was
 * finished; ENOENT, ESTALE as for FREE.
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
 * @out_events_pending: out: messages and requests to cancel, sent and not read.
 * @out_events_total: out: those sent since SETUP.
 * @out_stacks_resident_bytes: out: stack memory in use, without what is in swap.
 * @out_overflows: out: accesses from user space that hit a guard page.
 * @out_overflow_id: out: context of the newest of them, 0 if there was none;
 *	of generation 0 if that context was not allocated.
 *
 * fdinfo has these figures, too. Never sleeps on another caller's work.
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

/**
 * struct coro_finish - the end of one coroutine
 * @id: which.
 * @value: its result.
 */
struct coro_finish {
	__aligned_u64 id;
	__aligned_u64 value;
};

/**
 * struct coro_finish_args - argument of CORO_IOC_FINISH
 * @size: in: sizeof(struct coro_finish_args).
 * @flags: in: must be 0.
 * @nr: in: how many coroutines.
 * @out_nr: out: how many were finished.
 * @finishes: in: address of an array of @nr struct coro_finish.
 *
 * The coroutine has ended: every join, waiting or to come, gets the result, and
 * every send EPIPE. Messages that are there can still be read. Only needed for
 * contexts that somebody else may wait for.
 * Errors, of an entry: EBUSY it was finished before; ENOENT, ESTALE as for FREE.
 */
struct coro_finish_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__aligned_u64 finishes;
};

/** CORO_RIGHT_SEND - the handle takes messages: write, CORO_URING_SEND. */
#define CORO_RIGHT_SEND		(1U << 0)
/** CORO_RIGHT_JOIN - the handle tells the result: read, CORO_URING_JOIN. */
#define CORO_RIGHT_JOIN		(1U << 1)
/** CORO_RIGHT_CANCEL - the handle takes CORO_IOC_CANCEL and CORO_URING_CANCEL. */
#define CORO_RIGHT_CANCEL	(1U << 2)
/**
 * CORO_RIGHT_RECV - the handle gives the context's messages: read, CORO_URING_PARK.
 *
 * For the coroutine itself. Not together with CORO_RIGHT_JOIN, because read can
 * mean only one of them.
 */
#define CORO_RIGHT_RECV		(1U << 3)

/** CORO_EXPORT_F_NONBLOCK - EXPORT: the handle is O_NONBLOCK. */
#define CORO_EXPORT_F_NONBLOCK	(1U << 0)
/** CORO_EXPORT_F_CLOEXEC - EXPORT: the descriptor is closed by exec. */
#define CORO_EXPORT_F_CLOEXEC	(1U << 1)

/**
 * struct coro_export_args - argument of CORO_IOC_EXPORT
 * @size: in: sizeof(struct coro_export_args).
 * @flags: in: CORO_EXPORT_F_*; other bits must be 0.
 * @id: in: which context; on a handle 0, for its own.
 * @rights: in: CORO_RIGHT_*, at least one.
 * @out_fd: out: the handle.
 *
 * Make a handle: of one's own context, or of a handle with no more rights than
 * that one has, whether its context lives or not. Until it succeeds @out_fd is
 * not written.
 * Errors: EINVAL no rights, unknown ones, or both RECV and JOIN; EBADF the
 * handle has not all of the rights; EMFILE, ENFILE; ENOENT, ESTALE as for FREE.
 */
struct coro_export_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__u32 rights;
	__s32 out_fd;
};

/**
 * struct coro_cancel_args - argument of CORO_IOC_CANCEL
 * @size: in: sizeof(struct coro_cancel_args).
 * @flags: in: must be 0.
 * @id: in: which context; on a handle 0, for its own.
 * @value: in: a reason; the owner gets it with the event.
 *
 * Ask a coroutine to end: its scheduler gets a CORO_EVENT_CANCEL. While one is
 * unread, further ones change nothing. Room in the mailbox is not needed.
 * Errors: ESRCH it has ended; EOWNERDEAD, or on a handle ESTALE the context
 * was freed; ENOENT, ESTALE as for FREE.
 */
struct coro_cancel_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 value;
};

/**
 * CORO_WORKER_BLOCKING - bit of a worker's word: hand over if the thread blocks.
 */
#define CORO_WORKER_BLOCKING	(1ULL << 0)
/**
 * CORO_WORKER_USER - bit of a worker's word that the kernel does not look at.
 */
#define CORO_WORKER_USER	(1ULL << 1)
/** CORO_WORKER_COUNT - lowest bit of the count in a worker's word. */
#define CORO_WORKER_COUNT	(1ULL << 2)

/**
 * struct coro_attach_args - argument of CORO_IOC_ATTACH
 * @size: in: sizeof(struct coro_attach_args).
 * @flags: in: must be 0.
 * @out_id: out: the worker's number, unique in the scheduler while it is one; its
 *	page is that many pages behind CORO_OFF_WORKERS.
 * @out_max_workers: out: how many there can be. The area is that many pages, and
 *	is mapped as a whole; those of numbers never given are SIGBUS.
 * @out_word: out: what is in the worker's word.
 *
 * Make the calling thread a worker of the scheduler, until it detaches, ends or has
 * called exec and sleeps. The word has a count that it did not have before, and no
 * bit set: a compare-and-swap that is late finds another one. A number whose last
 * worker left CORO_WORKER_BLOCKING in its word is not given while there are others.
 * Errors: EOPNOTSUPP CORO_FEAT_HANDOFF is clear; EBUSY the thread is a worker of this
 * scheduler already; ENOSPC there are as many workers as the module allows, some of
 * them perhaps threads that are just ending, or the thread is one of four schedulers.
 */
struct coro_attach_args {
	__u32 size;
	__u32 flags;
	__u32 out_id;
	__u32 out_max_workers;
	__aligned_u64 out_word;
};

/**
 * struct coro_detach_args - argument of CORO_IOC_DETACH
 * @size: in: sizeof(struct coro_detach_args).
 * @flags: in: must be 0.
 *
 * The calling thread is a worker no longer. Works on a dead scheduler as well.
 * What it was told to hand over and nobody took yet stays to be taken.
 * Errors: ESRCH it is none.
 */
struct coro_detach_args {
	__u32 size;
	__u32 flags;
};

/**
 * enum coro_standby_why - why a STANDBY returned
 * @CORO_STANDBY_BLOCKED: a worker blocks; out_id and out_word say which, and where.
 * @CORO_STANDBY_KICKED: somebody wanted it to.
 */
enum coro_standby_why {
	CORO_STANDBY_BLOCKED = 1,
	CORO_STANDBY_KICKED = 2,
};

/**
 * struct coro_standby_args - argument of CORO_IOC_STANDBY
 * @size: in: sizeof(struct coro_standby_args).
 * @flags: in: must be 0.
 * @deadline_ns: in: until when, CLOCK_MONOTONIC, or CORO_NO_DEADLINE.
 * @out_id: out: number of the worker that blocks.
 * @out_why: out: enum coro_standby_why.
 * @out_word: out: its word when it blocked.
 *
 * Wait until another worker blocks with CORO_WORKER_BLOCKING in its word, longer
 * than about the module's debounce_us. One block ends one STANDBY, of the worker that
 * came last; a block while none stands by is told to the next one, unless the
 * word has changed by then. Blocks with the same word are one block: so change the
 * count whenever the bit is set anew. Standing by is blocking as well: with the bit
 * in its word the caller hands over itself.
 *
 * Who is told of a block takes over by a compare-and-swap of the other's word from
 * @out_word to one with another count; and the blocked worker, once it goes on,
 * tries the same: one of them succeeds, and clears the bit. A worker that ends with
 * the bit set counts as one that blocks for ever.
 *
 * A kick comes before a block, and both before the deadline. A signal interrupts:
 * EINTR, or with SA_RESTART it waits on.
 * Errors: ESRCH the caller is not a worker; ETIMEDOUT; EINTR; EOWNERDEAD.
 */
struct coro_standby_args {
	__u32 size;
	__u32 flags;
	__s64 deadline_ns;
	__u32 out_id;
	__u32 out_why;
	__aligned_u64 out_word;
};

/**
 * struct coro_kick_args - argument of CORO_IOC_KICK
 * @size: in: sizeof(struct coro_kick_args).
 * @flags: in: must be 0.
 * @id: in: number of a worker.
 * @reserved: must be 0.
 *
 * End the STANDBY of a worker, or if it is in none its next one. Kicks do not add up.
 * Errors: ENOENT no worker has that number.
 */
struct coro_kick_args {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 reserved;
};

#define CORO_IOC_SETUP	_IOWR(CORO_IOC_MAGIC, 0x00, struct coro_setup_args)
#define CORO_IOC_ALLOC	_IOWR(CORO_IOC_MAGIC, 0x01, struct coro_alloc_args)
#define CORO_IOC_FREE	_IOWR(CORO_IOC_MAGIC, 0x02, struct coro_free_args)
#define CORO_IOC_WAKE	_IOWR(CORO_IOC_MAGIC, 0x03, struct coro_wake_args)
#define CORO_IOC_PEAK	_IOWR(CORO_IOC_MAGIC, 0x04, struct coro_peak_args)
#define CORO_IOC_STAT	_IOWR(CORO_IOC_MAGIC, 0x05, struct coro_stat_args)
#define CORO_IOC_FINISH	_IOWR(CORO_IOC_MAGIC, 0x06, struct coro_finish_args)
#define CORO_IOC_EXPORT	_IOWR(CORO_IOC_MAGIC, 0x07, struct coro_export_args)
#define CORO_IOC_CANCEL	_IOWR(CORO_IOC_MAGIC, 0x08, struct coro_cancel_args)
#define CORO_IOC_ATTACH	_IOWR(CORO_IOC_MAGIC, 0x09, struct coro_attach_args)
#define CORO_IOC_DETACH	_IOWR(CORO_IOC_MAGIC, 0x0a, struct coro_detach_args)
#define CORO_IOC_STANDBY _IOWR(CORO_IOC_MAGIC, 0x0b, struct coro_standby_args)
#define CORO_IOC_KICK	_IOWR(CORO_IOC_MAGIC, 0x0c, struct coro_kick_args)

/** CORO_NO_DEADLINE - a deadline that never comes. */
#define CORO_NO_DEADLINE	0x7fffffffffffffffLL

/**
 * struct coro_uring_args - argument of commands in io_uring
 * @size: in: sizeof(struct coro_uring_args).
 * @flags: in: must be 0.
 * @id: in: on a scheduler, which context; on a handle 0, for its own.
 * @deadline_ns: in: how long to wait: 0 not at all, CORO_NO_DEADLINE as long as
 *	it takes, else until then, CLOCK_MONOTONIC.
 * @value: in: SEND: the message; CANCEL: the reason; WITHDRAW: the user_data of
 *	the command that is to end; else 0.
 * @addr: in: PARK: of an array of @nr struct coro_event; JOIN: of a struct
 *	coro_result; else 0.
 * @nr: in: PARK: most events to take, at most CORO_MAX_BATCH; else 0.
 * @reserved: must be 0.
 *
 * An SQE of IORING_OP_URING_CMD on a scheduler or handle has one of CORO_URING_*
 * in cmd_op, the address of this structure in the first eight bytes of its
 * payload, and 0 in the other eight. The structure, and what @addr leads to,
 * must stay until the completion.
 *
 * Every command does at once what it can, and its result is 0 if nothing else
 * is said. What has to wait, waits without a thread, until its deadline
 * (ETIMEDOUT), a WITHDRAW or the end of its ring, its process or the thread that
 * submitted it (ECANCELED), or the owner's death. What it waited for comes
 * first: a command is not withdrawn and does not expire when its result is
 * there. Once its ring is closed it takes nothing any more. LINK_TIMEOUT and
 * ASYNC_CANCEL do not reach commands that wait; deadline and WITHDRAW are their
 * place. A command that follows another by IOSQE_IO_LINK is run when that one
 * succeeded; its SQE must stay as it is until then, because some kernels (6.12)
 * look at it again: EINVAL if they find another. Completions are the work of the
 * thread that submitted, so a PARK of the whole scheduler whose ring is not
 * entered can hold an event up for others.
 *
 * Errors of all, in the completion: EAGAIN it would have to wait and
 * @deadline_ns is 0; EOPNOTSUPP it would have to wait and CORO_FEAT_URING_WAIT
 * is clear, or the ring is IORING_SETUP_IOPOLL; EBADF a right that the handle
 * lacks; EINVAL, E2BIG, EFAULT, EBADFD, EPERM, ENOMEM as for ioctl; ENOTTY no
 * such command; on a scheduler ENOENT, ESTALE as for FREE.
 */
struct coro_uring_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__s64 deadline_ns;
	__aligned_u64 value;
	__aligned_u64 addr;
	__u32 nr;
	__u32 reserved;
};

/**
 * CORO_URING_PARK - wait for events, and take them.
 *
 * On a scheduler: messages of the context @id, or with 0 all that read would
 * give. On a handle with CORO_RIGHT_RECV: its messages. Result: how many events.
 * EBUSY: it would have to wait, and another PARK waits for the same context.
 * ESTALE: it was freed. EPIPE: it was finished, and no message is left.
 * EOWNERDEAD.
 */
#define CORO_URING_PARK	_IOWR(CORO_IOC_MAGIC, 0x20, struct coro_uring_args)
/**
 * CORO_URING_SEND - send one message; wait for room in the mailbox.
 *
 * Errors: EPIPE, ENOBUFS as for write on a handle.
 */
#define CORO_URING_SEND	_IOWR(CORO_IOC_MAGIC, 0x21, struct coro_uring_args)
/**
 * CORO_URING_JOIN - wait for the end of a coroutine, and get its result.
 *
 * Errors: EOWNERDEAD, ESTALE as for read on a handle.
 */
#define CORO_URING_JOIN	_IOWR(CORO_IOC_MAGIC, 0x22, struct coro_uring_args)
/** CORO_URING_CANCEL - as CORO_IOC_CANCEL. */
#define CORO_URING_CANCEL _IOWR(CORO_IOC_MAGIC, 0x23, struct coro_uring_args)
/**
 * CORO_URING_WITHDRAW - end a command that waits.
 *
 * Of the same ring, and on a scheduler or handle of the same scheduler. 0: it
 * was found, and ends with ECANCELED or with what it waited for. If several have
 * that user_data, one of them is found. ENOENT: none waits.
 */
#define CORO_URING_WITHDRAW _IOWR(CORO_IOC_MAGIC, 0x24, struct coro_uring_args)

/**
 * enum coro_event_kind - what an event tells
 * @CORO_EVENT_MESSAGE: a message came for the context; value is the message.
 * @CORO_EVENT_CANCEL: somebody asks the coroutine to end; value is the reason.
 *
 * Readers skip kinds that they do not know.
 */
enum coro_event_kind {
	CORO_EVENT_MESSAGE = 1,
	CORO_EVENT_CANCEL = 2,
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

/**
 * struct coro_result - how a coroutine ended
 * @value: its result.
 * @reserved: 0.
 */
struct coro_result {
	__aligned_u64 value;
	__aligned_u64 reserved;
};

/** CORO_SHM_MAGIC - first word of the header page: "coro", little endian. */
#define CORO_SHM_MAGIC		0x6f726f63U
/** CORO_SHM_VERSION - changes when a field of the shared layouts changes place or size. */
#define CORO_SHM_VERSION	2

/**
 * struct coro_shm_header - the header page
 * @magic: CORO_SHM_MAGIC.
 * @version: CORO_SHM_VERSION.
 * @max_contexts: as granted by SETUP.
 * @entry_bytes: sizeof(struct coro_shm_context).
 * @stack_size_bytes: as granted by SETUP.
 * @contexts: contexts allocated now.
 * @events_pending: events that read would return now. A loop may look here
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
 * @CORO_AWAITS_NOTHING: it was never suspended.
 * @CORO_AWAITS_RESUME: the next resume, after a yield; the argument is 0.
 * @CORO_AWAITS_CONTEXT: another coroutine; the argument is its id.
 * @CORO_AWAITS_TIMER: a time; CLOCK_MONOTONIC in nanoseconds.
 * @CORO_AWAITS_IO: an io_uring operation; opcode in the high half, file
 *	descriptor (or what the SQE has in its place) in the low half.
 * @CORO_AWAITS_TURN: it is ready to run; the argument is 0.
 * @CORO_AWAITS_MESSAGE: a message in its mailbox; the argument is 0.
 * @CORO_AWAITS_HANDLE: the end of somebody else's coroutine, or room in its
 *	mailbox; the argument is 0.
 * @CORO_AWAITS_LOCK: a lock or permits; the argument is its address, as below.
 * @CORO_AWAITS_EVENT: an event, a condition or a barrier.
 * @CORO_AWAITS_QUEUE: an item, or room for one.
 * @CORO_AWAITS_GROUP: the end of all coroutines of a group.
 * @CORO_AWAITS_BLOCKING: a function that blocks elsewhere; the argument is its
 *	address.
 */
enum coro_awaits {
	CORO_AWAITS_NOTHING = 0,
	CORO_AWAITS_RESUME = 1,
	CORO_AWAITS_CONTEXT = 2,
	CORO_AWAITS_TIMER = 3,
	CORO_AWAITS_IO = 4,
	CORO_AWAITS_TURN = 5,
	CORO_AWAITS_MESSAGE = 6,
	CORO_AWAITS_HANDLE = 7,
	CORO_AWAITS_LOCK = 8,
	CORO_AWAITS_EVENT = 9,
	CORO_AWAITS_QUEUE = 10,
	CORO_AWAITS_GROUP = 11,
	CORO_AWAITS_BLOCKING = 12,
};

/**
 * struct coro_shm_context - one entry of the context table
 * @generation: by the kernel: of the life that goes on; while the context is
 *	free, of the next one.
 * @state: enum coro_state.
 * @reserved: 0.
 * @runs: counts how often a coroutine was made here or began to run; wraps.
 * @worker: thread id (gettid) that ran it last.
 * @awaits_kind: enum coro_awaits; of a meaning only while it is SUSPENDED.
 * @awaits: argument of @awaits_kind.
 * @sp: saved stack pointer; 0 while it is on a processor.
 * @entry: address of its function.
 * @origin: address that it was created from.
 * @name: NUL terminated. A name that changes is empty meanwhile.
 *
 * The kernel writes the whole entry at ALLOC and FREE and never reads it; all
 * else is between the owner and those who look. One cache line.
 *
 * Readers do not stop the owner, and the owner does not wait for them. It writes
 * in an order in which the entry is true after each store:
 *
 *	made:	runs + 1, all else, state = CREATED
 *	runs:	runs + 1, state = RUNNING, sp = 0
 *	waits:	awaits, awaits_kind, state = SUSPENDED, sp
 *	woken:	awaits_kind = TURN, awaits = 0
 *	ends:	state = CLOSED; state = FREE
 *
 * So between two changes of @runs each field but @name goes through its values
 * once, and only a mixture of older and newer ones can be false. To take none,
 * copy the entry four times, one copy after the other, in any way. If
 * the first and the last agree in @generation and @runs, and the second and the third in all,
 * these two are true. @runs must not have wrapped meanwhile: that takes longer
 * than 100 us. SUSPENDED with an @sp of 0 is on its way to its wait. What does not come
 * to rest in a few attempts is running.
 */
struct coro_shm_context {
	__u32 generation;
	__u8 state;
	__u8 reserved;
	__u16 runs;
	__u32 worker;
	__u32 awaits_kind;
	__aligned_u64 awaits;
	__aligned_u64 sp;
	__aligned_u64 entry;
	__aligned_u64 origin;
	char name[CORO_NAME_LEN];
};

/**
 * struct coro_shm_worker - the page of a worker
 * @word: CORO_WORKER_BLOCKING, CORO_WORKER_USER, and a count in the bits from
 *	CORO_WORKER_COUNT up.
 *
 * Written by the owner's threads; the kernel reads it when the worker leaves its
 * processor, and writes it at ATTACH. What is written here decides whether somebody
 * is woken, and nothing else.
 */
struct coro_shm_worker {
	__aligned_u64 word;
};

#endif /* _UAPI_LINUX_CORO_H */
