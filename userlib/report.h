/* SPDX-License-Identifier: MIT */
/* Where the library says what went wrong unseen. */
#ifndef CORO_USERLIB_REPORT_H
#define CORO_USERLIB_REPORT_H

#include <coro/report.h>

#include "coroutine.h"

/* Whether anybody listens; a word, so that those who could report ask first. */
extern bool coro__reports;

void coro__report_to(const struct coro_report *r);

/* A report about @c; nothing if nobody listens. */
void coro__report_about(struct coro *c, enum coro_report_kind kind, long value);

static inline void coro__report(struct coro *c, enum coro_report_kind kind,
				long value)
{
	if (__builtin_expect(__atomic_load_n(&coro__reports, __ATOMIC_RELAXED),
			     0))
		coro__report_about(c, kind, value);
}

/* @c, of a loop, has ended: unless somebody knows or will, that it failed. Once. */
void coro__report_failure(struct coro *c);

/* The same for all of @loop that have ended and are kept by somebody. */
void coro__report_failures(struct coro__loop *loop);

/* CORO_DEBUG in the environment, looked at once. */
void coro__report_from_env(void);

/* What @shm says, with the id that is @index's. @name has room for all of it. */
void coro__info_read(const struct coro_shm_context *shm, uint32_t index,
		     char *name, struct coro_info *info);

/* The same of an address that may be of a table which is gone: then false. */
bool coro__info_find(const struct coro_shm_context *shm, char *name,
		     struct coro_info *info);

/* A word for what is awaited. */
const char *coro__awaits_name(enum coro_awaits awaits);

/* Schedulers whose coroutines coro_list() shows. */
void coro__list_add(struct coro__sched *s);
void coro__list_del(struct coro__sched *s);
/* In the child of fork(): they are the parent's. */
void coro__list_forget(void);

/* A step of the loop begins with @task, or, if NULL, ends. */
void coro__watchdog_step(struct coro__watchdog *dog, const struct coro *task);

/* The thread ends. */
void coro__watchdog_end(struct coro__thread *t);

#endif /* CORO_USERLIB_REPORT_H */
