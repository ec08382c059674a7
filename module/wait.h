/* SPDX-License-Identifier: GPL-2.0 */
/* A command of io_uring that waits: parked, claimed by one, completed once. */
#ifndef CORO_WAIT_H
#define CORO_WAIT_H

#include <linux/list.h>
#include <linux/types.h>

#include "limits.h"

struct coro_job;
struct coro_message;
struct coro_sched;
struct coro_target;
struct io_uring_cmd;

/*
 * Who is to be woken: gathered under events_lock, woken after it. Holds
 * references to the targets. At most one target for each message of a burst.
 */
struct coro_kick {
	struct list_head waits; /* claimed ones; coro_wait.link */
	struct {
		struct coro_target *tgt;
		__poll_t events; /* EPOLLIN: messages; EPOLLOUT: room */
	} files[CORO_BURST];
	u32 nr_files;
};

int coro_wait_setup(void);
void coro_wait_teardown(void);

void coro_wait_free_spare(struct coro_sched *sched);

void coro_kick_init(struct coro_kick *kick);
void coro_kick_files(struct coro_kick *kick, struct coro_target *tgt,
		     __poll_t events);
bool coro_kick_wait(struct coro_kick *kick, struct list_head *queue);
struct coro_message *coro_kick_send(struct coro_kick *kick,
				    struct list_head *queue);
void coro_kick_run(struct coro_kick *kick);

void coro_waits_wake_all(struct coro_sched *sched, struct list_head *queue);
int coro_wait_park(const struct coro_job *job, struct io_uring_cmd *cmd,
		   s64 deadline_ns, unsigned int issue_flags);
int coro_wait_withdraw(struct coro_sched *sched, struct io_uring_cmd *cmd,
		       u64 tag);
void coro_wait_abort(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* CORO_WAIT_H */
