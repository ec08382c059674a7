/* SPDX-License-Identifier: GPL-2.0 */
/* A target: what all handles of one context share, and whoever waits for it. */
#ifndef CORO_TARGET_H
#define CORO_TARGET_H

#include <linux/coro.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>

struct coro_context;
struct coro_sched;
struct coro_wait;

/* How far a coroutine is, for its handles. Once it has left LIVE it stays. */
enum coro_target_state {
	CORO_TARGET_LIVE,
	CORO_TARGET_FINISHED, /* there is a result */
	CORO_TARGET_FREED, /* there will be none */
	CORO_TARGET_DEAD, /* likewise: the scheduler died; never stored */
};

/*
 * Made when it is first needed; one for each life of a context. Its fields are
 * covered by sched->events_lock, if nothing else is said.
 */
struct coro_target {
	/*
	 * One for the context, until FREE or death; one for each handle and
	 * each command that waits; one for each call in progress.
	 */
	refcount_t refs;
	/* Read without lock with acquire; FINISHED publishes result. */
	enum coro_target_state state;
	struct coro_sched *sched; /* constant; a reference */
	u64 id; /* constant */
	struct coro_context *ctx; /* until FREE or death: look for that first */
	u64 result;
	u32 nr_messages; /* a copy, which outlives the context */
	u32 nr_recvs; /* handles with CORO_RIGHT_RECV */
	struct list_head link; /* in sched->targets */
	struct list_head parks; /* coro_wait.link; at most one */
	struct coro_wait *parker; /* that one, also while it is claimed */
	struct list_head sends;
	struct list_head joins;
	/*
	 * Those who wait in files, by what they wait for. A poll of io_uring
	 * takes the key of a wake-up for the result, so each key must be true
	 * of every file whose poll is on that queue.
	 */
	wait_queue_head_t wait_end; /* CORO_RIGHT_JOIN, or none of these */
	wait_queue_head_t wait_room; /* CORO_RIGHT_SEND */
	wait_queue_head_t wait_message; /* CORO_RIGHT_RECV */
};

int coro_target_find(struct coro_sched *sched, u64 id,
		     struct coro_target **ret_tgt);
struct coro_target *coro_target_get(struct coro_target *tgt);
void coro_target_put(struct coro_target *tgt);
enum coro_target_state coro_target_state(const struct coro_target *tgt);
int coro_target_join(const struct coro_target *tgt, struct coro_result *result);
bool coro_target_has_room(const struct coro_target *tgt);
void coro_target_count(struct coro_target *tgt, u32 nr_messages);
int coro_target_finish(struct coro_sched *sched, u64 id, u64 result);
void coro_target_detach(struct coro_sched *sched, struct coro_context *ctx,
			struct list_head *gone);
void coro_targets_hangup(struct coro_sched *sched, struct list_head *gone);

#endif /* CORO_TARGET_H */
