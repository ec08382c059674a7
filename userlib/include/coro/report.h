/* SPDX-License-Identifier: MIT */
/*
 * Reports of what went wrong unseen, and lists of what is there.
 *
 * The library tells a function of the program, if one was given, what no return
 * value could: coroutines that nobody ever awaited, failures that nobody looked
 * at, deadlocks, steps that hold up a loop. coro_report_print() is such a function,
 * and CORO_DEBUG=1 in the environment gives it to a program that sets none.
 */
#ifndef CORO_REPORT_H
#define CORO_REPORT_H

#include <coro/object.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_info - a coroutine, as others see it
 * @size: sizeof(struct coro_info).
 * @id: as coro_id().
 * @name: as coro_name(); never NULL.
 * @state: enum coro_state. One that awaits another inline is SUSPENDED here.
 * @awaits: what it is suspended in.
 * @awaits_arg: the argument that enum coro_awaits describes.
 * @tid: the thread that ran it last.
 * @entry: its function.
 * @origin: where it was created.
 */
struct coro_info {
	size_t size;
	uint64_t id;
	const char *name;
	enum coro_state state;
	enum coro_awaits awaits;
	uint64_t awaits_arg;
	unsigned int tid;
	void *entry;
	void *origin;
};

/**
 * enum coro_report_kind - what is reported
 * @CORO_REPORT_NEVER_STARTED: the last reference to a CREATED coroutine went. It
 *	was neither awaited, resumed nor started, nor closed.
 * @CORO_REPORT_NEVER_RETRIEVED: a coroutine of a loop failed, and is gone or its
 *	loop has ended, and nobody awaited it or asked for its result. The value is the
 *	failure.
 * @CORO_REPORT_DEADLOCK: nothing can run any more, and this coroutine is one of
 *	those that wait. One report for each, before anybody is told -EDEADLK.
 * @CORO_REPORT_SCOPE_OPEN: its function returned inside a scope or group.
 * @CORO_REPORT_CLEANUP: it was dropped half-way, and answered CORO_EXIT with
 *	a value: a failure of its cleanup, or -EAGAIN for another coro_yield().
 * @CORO_REPORT_SLOW_STEP: it has run for duration_ns without a wait, and still
 *	does: see coro_watchdog_start().
 * @CORO_REPORT_LEFT_BEHIND: the loop ends, and a function that it called by
 *	coro_blocking_opts() goes on.
 */
enum coro_report_kind {
	CORO_REPORT_NEVER_STARTED = 1,
	CORO_REPORT_NEVER_RETRIEVED = 2,
	CORO_REPORT_DEADLOCK = 3,
	CORO_REPORT_SCOPE_OPEN = 4,
	CORO_REPORT_CLEANUP = 5,
	CORO_REPORT_SLOW_STEP = 6,
	CORO_REPORT_LEFT_BEHIND = 7,
};

/**
 * struct coro_report - something that went wrong
 * @size: sizeof(struct coro_report).
 * @kind: what.
 * @info: which coroutine; valid during the call.
 * @value: see @kind.
 * @duration_ns: see @kind.
 * @origins: where it was created, innermost first: one frame, or as many as
 *	coro_set_origin_depth() asked for.
 * @nr_origins: how many.
 * @stack: CORO_REPORT_SLOW_STEP: where it is, innermost first, if that is known.
 * @nr_stack: how many.
 */
struct coro_report {
	size_t size;
	enum coro_report_kind kind;
	const struct coro_info *info;
	long value;
	int64_t duration_ns;
	void *const *origins;
	size_t nr_origins;
	void *const *stack;
	size_t nr_stack;
};

/**
 * coro_report_to() - where reports go
 * @fn: called with each, in the thread where it happened; of a slow step in the
 *	watchdog's. Must not wait, nor touch the coroutine. Its errno stays its own.
 *	NULL for nowhere, as at the start.
 * @arg: passed to @fn.
 *
 * For the whole process, from now on.
 *
 * Context: any thread. Does not suspend.
 */
void coro_report_to(void (*fn)(void *arg, const struct coro_report *report),
		    void *arg);

/**
 * coro_report_print() - print a report
 * @file: a FILE; NULL for standard error.
 * @report: the report.
 *
 * One line, and one for each frame. To be given to coro_report_to().
 *
 * Context: any thread. Does not suspend.
 */
void coro_report_print(void *file, const struct coro_report *report);

/**
 * coro_list() - look at all coroutines of the process
 * @fn: called with each, thread by thread; *@info and its name are valid during
 *	the call. If it returns not 0, that ends the list. Must not call the
 *	library.
 * @arg: passed to @fn.
 *
 * Of other threads it is a view of something that goes on meanwhile: each field is
 * some recent value.
 *
 * Context: any thread. Does not suspend.
 * Return: 0, or what @fn returned last.
 */
int coro_list(int (*fn)(void *arg, const struct coro_info *info), void *arg);

/**
 * coro_list_print() - print all coroutines of the process
 * @file: where to; NULL for standard error.
 *
 * One line each: thread, id, state, name, what it awaits, its function and where
 * it was created.
 *
 * Context: any thread. Does not suspend.
 */
void coro_list_print(FILE *file);

/**
 * struct coro_watchdog_opts - how a watchdog watches
 * @size: sizeof(struct coro_watchdog_opts).
 * @threshold_ns: how long a step may take; 0 for 100 ms.
 * @signal: sent to the thread to see where it is, by a handler that this
 *	installs; 0 for none, and then reports have no stack.
 */
struct coro_watchdog_opts {
	size_t size;
	int64_t threshold_ns;
	int signal;
};

/**
 * coro_watchdog_start() - report steps of the calling thread's loops while they last
 * @opts: NULL for defaults.
 *
 * A thread of its own looks at the loop every quarter of the threshold. The loop
 * pays two stores per step. Each slow step is reported once.
 *
 * Context: thread, inside or outside of a loop. Does not suspend.
 * Return: 0; -EBUSY if the thread is watched; -EINVAL; -E2BIG; -ENOMEM; -EAGAIN
 * if there can be no more threads; or a negative errno of sigaction(2).
 */
int coro_watchdog_start(const struct coro_watchdog_opts *opts);

/**
 * coro_watchdog_stop() - end what coro_watchdog_start() began
 *
 * Description: The end of the thread does it as well.
 *
 * Context: the thread that is watched. Waits for the watchdog to end.
 * Return: 0; -ESRCH if the thread is not watched.
 */
int coro_watchdog_stop(void);

#ifdef __cplusplus
}
#endif
#endif /* CORO_REPORT_H */
