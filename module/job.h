/* SPDX-License-Identifier: GPL-2.0 */
/* What a command of io_uring is to do, as often as it takes. */
#ifndef CORO_JOB_H
#define CORO_JOB_H

#include <linux/types.h>

struct coro_sched;
struct coro_target;

enum coro_job_kind {
	CORO_JOB_PARK,
	CORO_JOB_SEND,
	CORO_JOB_JOIN,
};

struct coro_job {
	enum coro_job_kind kind;
	u32 nr; /* PARK */
	struct coro_sched *sched;
	struct coro_target *tgt; /* NULL: PARK of the whole scheduler */
	u64 value; /* SEND */
	u64 addr; /* PARK, JOIN: user memory */
};

int coro_job_try(const struct coro_job *job);
bool coro_job_ready_locked(const struct coro_job *job);
void coro_job_pass_on(const struct coro_job *job);

#endif /* CORO_JOB_H */
