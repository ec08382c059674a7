/* SPDX-License-Identifier: MIT */
/* What another process finds of the library in memory: its schedulers, and where what is. */
#ifndef CORO_USERLIB_ROOT_H
#define CORO_USERLIB_ROOT_H

#include <stdint.h>

/*
 * In each program and library that has libcoro inside is an ELF note of this name and
 * type. It is loaded, and no strip takes it away. What it holds is a word: the
 * distance from that word to a struct coro__root.
 */
#define CORO__ROOT_NOTE "libcoro"
#define CORO__ROOT_TYPE 1

/* Changes when anything below changes its meaning or place; what is new comes last. */
#define CORO__ROOT_VERSION 1

/*
 * The key of a task has the number of its thread, from 1 up, above so many bits, and
 * below them how many tasks that thread has started.
 */
#define CORO__KEY_BITS 40

/*
 * @scheds is the address of a struct list of all schedulers. Who follows it reads @seq,
 * even, before and after: if that is the same, the list was whole. A scheduler is its
 * address and its serial: whose table was read, was there meanwhile if it is
 * still listed afterwards.
 *
 * The rest are offsets, in the structure that the name begins with. Those in struct
 * coro are of the object of a context, which lies @object_bytes below the
 * top of its stack, and mean something while the context is not FREE.
 */
struct coro__root {
	char name[8]; /* CORO__ROOT_NOTE */
	uint32_t version;
	uint32_t bytes; /* of this structure */
	uint64_t seq; /* odd while the list changes */
	uint64_t scheds;
	uint64_t serials; /* given so far */
	uint32_t object_bytes;
	uint32_t sched_all; /* the list's link */
	uint32_t sched_serial;
	uint32_t sched_table;
	uint32_t sched_nr_open; /* portable: entries from here on were never used */
	uint32_t sched_stacks;
	uint32_t sched_stack_size;
	uint32_t sched_fd; /* device; else -1 */
	uint32_t coro_awaiting; /* whom it awaits without a loop in between, or NULL */
	uint32_t coro_task_loop; /* that runs it, or NULL */
	uint32_t coro_task_key;
	uint32_t coro_task_group; /* whose child it is, or NULL */
	uint32_t mutex_holder; /* its task.key */
	uint32_t mutex_holder_id;
	uint32_t coro_awaiter; /* who awaits it without a loop in between, or NULL */
	uint32_t coro_task_wait; /* what it is parked in, or NULL */
	uint32_t wait_armed; /* a bool: it has a deadline, */
	uint32_t wait_deadline; /* this one, of CLOCK_MONOTONIC unless its clock is virtual */
	uint32_t wait_arms; /* of who waits for a lock: a list, one for each object */
	uint32_t arm_also; /* the next in it, or NULL */
	uint32_t coro_figures; /* struct coro__figures, if that loop measures */
	uint32_t loop_meter; /* of what is at coro_task_loop: what it measures, or NULL */
	uint32_t meter_total; /* struct coro__figures */
	uint32_t meter_times; /* struct coro_meter_times */
};

/* What was measured of turns, as struct coro_meter tells it. */
struct coro__figures {
	uint64_t turns, measured;
	uint64_t run_ns, run_max_ns;
	uint64_t ready_ns, ready_max_ns;
};

#endif /* CORO_USERLIB_ROOT_H */
