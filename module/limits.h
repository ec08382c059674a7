/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The limits: everything that user space can make grow, and where it stops.
 *
 * What is a variable is a parameter of the module, defined in main.c, and may
 * change at any time: read it once, with READ_ONCE(). What SETUP grants is copied
 * into the scheduler, so that a change concerns later ones; what is counted
 * (events, and all of a user's) is compared at each step.
 */
#ifndef CORO_LIMITS_H
#define CORO_LIMITS_H

#include <linux/coro.h>
#include <linux/sizes.h>
#include <linux/types.h>

/*
 * Contexts of one scheduler: an index must fit in 32 bits with room for a value
 * that is none, and the table must fit behind its offset.
 */
#define CORO_HARD_CONTEXTS ((u32)SZ_256M)

/* Bytes of one arena: its offsets end where those of the header begin. */
#define CORO_HARD_ARENA_BYTES CORO_OFF_HEADER

/*
 * Messages of one context: FREE drops them under a spinlock, so this bounds
 * how long it is held.
 */
#define CORO_HARD_MAILBOX 4096U

/*
 * Events that are queued or taken, and commands that are woken, in one go: bounds
 * how long the spinlock is held and how much is on the stack.
 */
#define CORO_BURST 8U

/*
 * Contexts: a million, because the kernel's 120 bytes each (the table's page
 * and the private half) make that 120 MiB, a fair share of a small machine.
 * One that was exported has a target besides, less than 256 bytes. Handles and
 * commands that wait are bounded by what bounds files and requests of io_uring;
 * all of it is charged to the memory cgroup of who makes it.
 */
#define CORO_DEFAULT_MAX_CONTEXTS SZ_1M
extern unsigned int coro_limit_max_contexts;

/* What a caller without a wish gets: plenty, and 1 GiB of address space. */
#define CORO_DEFAULT_CONTEXTS 16384U
extern unsigned int coro_limit_default_contexts;

/* A mailbox is for a burst; who sends more should wait for room. */
#define CORO_DEFAULT_MAX_MAILBOX 4096U
extern unsigned int coro_limit_max_mailbox;

#define CORO_DEFAULT_MAILBOX 64U
extern unsigned int coro_limit_default_mailbox;

/* As large as main threads have by default, many times over. */
#define CORO_DEFAULT_MAX_STACK_BYTES SZ_1G
extern unsigned long coro_limit_max_stack_bytes;

/* Fits what libraries expect of a small thread, and a million make 64 GiB. */
#define CORO_DEFAULT_STACK_BYTES SZ_64K
extern unsigned long coro_limit_default_stack_bytes;

/* Address space, not memory: 1 TiB leaves most of 47 bits to the program. */
#define CORO_DEFAULT_MAX_ARENA_BYTES (1024UL * SZ_1G)
extern unsigned long coro_limit_max_arena_bytes;

/* Unread messages of a scheduler: 64 bytes each, so 64 MiB, charged. */
#define CORO_DEFAULT_MAX_EVENTS SZ_1M
extern unsigned int coro_limit_max_events;

/* Schedulers of a user: some for each processor of each program. */
#define CORO_DEFAULT_USER_SCHEDULERS 4096U
extern unsigned int coro_limit_user_schedulers;

/*
 * Contexts of a user, a few full schedulers. By pages of the table, which stay
 * until the scheduler dies: that is what holds memory.
 */
#define CORO_DEFAULT_USER_CONTEXTS SZ_4M
extern unsigned int coro_limit_user_contexts;

/* Unread messages of a user: as many as one scheduler may have. */
#define CORO_DEFAULT_USER_EVENTS SZ_1M
extern unsigned int coro_limit_user_events;

/*
 * Workers of one scheduler: one runs, the others wait in a call that blocks or for
 * one that will. A page each, charged.
 */
#define CORO_HARD_WORKERS 256U
extern unsigned int coro_limit_max_workers;

/*
 * Schedulers that one thread may be a worker of: it is looked at for each of them
 * whenever it leaves its processor, with interrupts off.
 */
#define CORO_HARD_ATTACHED 4U

/*
 * How long a worker must be blocked until somebody is told: about what it costs to
 * hand over and to come back, some 15,000 instructions and a cold cache. So who waits
 * for nothing never pays more than twice what would have been best.
 */
#define CORO_DEFAULT_DEBOUNCE_US 10U
extern unsigned int coro_limit_debounce_us;

#endif /* CORO_LIMITS_H */
