/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, one per state change: an ABI that coro(4) documents. They are called under
 * whatever lock the change is made under, so that they come in its order; handoff_give in
 * hard interrupts too. A scheduler is named by its number, which its fdinfo shows, never
 * by an address.
 */
#if !defined(CORO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define CORO_TRACE_H

#undef TRACE_SYSTEM
#define TRACE_SYSTEM coro

#include <linux/tracepoint.h>

#include "job.h"
#include "sched.h"
#include "target.h"
#include "worker.h"

TRACE_DEFINE_ENUM(CORO_EVENT_MESSAGE);
TRACE_DEFINE_ENUM(CORO_EVENT_CANCEL);
TRACE_DEFINE_ENUM(CORO_JOB_PARK);
TRACE_DEFINE_ENUM(CORO_JOB_SEND);
TRACE_DEFINE_ENUM(CORO_JOB_JOIN);

TRACE_EVENT(sched_setup,
	TP_PROTO(const struct coro_sched *sched),
	TP_ARGS(sched),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(pid_t, owner)
		__field(u32, max_contexts)
		__field(u64, stack_size_bytes)
	),
	TP_fast_assign(
		__entry->sched = sched->number;
		__entry->owner = pid_nr(sched->owner);
		__entry->max_contexts = sched->max_contexts;
		__entry->stack_size_bytes = sched->arena.stack_bytes;
	),
	TP_printk("sched=%llu owner=%d max_contexts=%u stack_size_bytes=%llu",
		  __entry->sched, __entry->owner, __entry->max_contexts,
		  __entry->stack_size_bytes)
);

TRACE_EVENT(sched_die,
	TP_PROTO(const struct coro_sched *sched, u32 nr_contexts),
	TP_ARGS(sched, nr_contexts),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u32, contexts)
	),
	TP_fast_assign(
		__entry->sched = sched->number;
		__entry->contexts = nr_contexts;
	),
	TP_printk("sched=%llu contexts=%u", __entry->sched, __entry->contexts)
);

DECLARE_EVENT_CLASS(coro_context,
	TP_PROTO(const struct coro_sched *sched, u64 id),
	TP_ARGS(sched, id),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u64, id)
	),
	TP_fast_assign(
		__entry->sched = sched->number;
		__entry->id = id;
	),
	TP_printk("sched=%llu id=%llu", __entry->sched, __entry->id)
);

DEFINE_EVENT(coro_context, context_alloc,
	TP_PROTO(const struct coro_sched *sched, u64 id),
	TP_ARGS(sched, id));

DEFINE_EVENT(coro_context, context_free,
	TP_PROTO(const struct coro_sched *sched, u64 id),
	TP_ARGS(sched, id));

/* The id of what has the stack above the guard; of generation 0 if nothing has. */
DEFINE_EVENT(coro_context, arena_overflow,
	TP_PROTO(const struct coro_sched *sched, u64 id),
	TP_ARGS(sched, id));

DECLARE_EVENT_CLASS(coro_event,
	TP_PROTO(const struct coro_sched *sched, u64 id, u32 kind, u64 value),
	TP_ARGS(sched, id, kind, value),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u64, id)
		__field(u64, value)
		__field(u32, kind)
	),
	TP_fast_assign(
		__entry->sched = sched->number;
		__entry->id = id;
		__entry->value = value;
		__entry->kind = kind;
	),
	TP_printk("sched=%llu id=%llu kind=%s value=%llu", __entry->sched,
		  __entry->id,
		  __print_symbolic(__entry->kind,
				   { CORO_EVENT_MESSAGE, "message" },
				   { CORO_EVENT_CANCEL, "cancel" }),
		  __entry->value)
);

/* An event is there to be read: a message, or that somebody asks it to end. */
DEFINE_EVENT(coro_event, mailbox_send,
	TP_PROTO(const struct coro_sched *sched, u64 id, u32 kind, u64 value),
	TP_ARGS(sched, id, kind, value));

DEFINE_EVENT(coro_event, mailbox_take,
	TP_PROTO(const struct coro_sched *sched, u64 id, u32 kind, u64 value),
	TP_ARGS(sched, id, kind, value));

/* It could not be copied to its reader, and is there as before. */
DEFINE_EVENT(coro_event, mailbox_untake,
	TP_PROTO(const struct coro_sched *sched, u64 id, u32 kind, u64 value),
	TP_ARGS(sched, id, kind, value));

DECLARE_EVENT_CLASS(coro_result,
	TP_PROTO(const struct coro_target *tgt),
	TP_ARGS(tgt),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u64, id)
		__field(u64, result)
	),
	TP_fast_assign(
		__entry->sched = tgt->sched->number;
		__entry->id = tgt->id;
		__entry->result = tgt->result;
	),
	TP_printk("sched=%llu id=%llu result=%llu", __entry->sched,
		  __entry->id, __entry->result)
);

DEFINE_EVENT(coro_result, target_finish,
	TP_PROTO(const struct coro_target *tgt),
	TP_ARGS(tgt));

DEFINE_EVENT(coro_result, target_join,
	TP_PROTO(const struct coro_target *tgt),
	TP_ARGS(tgt));

#define coro_trace_job(kind)                          \
	__print_symbolic(kind,                        \
			 { CORO_JOB_PARK, "park" },   \
			 { CORO_JOB_SEND, "send" },   \
			 { CORO_JOB_JOIN, "join" })

DECLARE_EVENT_CLASS(coro_wait,
	TP_PROTO(const struct coro_job *job, u64 user_data),
	TP_ARGS(job, user_data),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u64, id)
		__field(u64, user_data)
		__field(u32, kind)
	),
	TP_fast_assign(
		__entry->sched = job->sched->number;
		__entry->id = job->tgt ? job->tgt->id : 0;
		__entry->user_data = user_data;
		__entry->kind = job->kind;
	),
	TP_printk("sched=%llu id=%llu kind=%s user_data=%llu", __entry->sched,
		  __entry->id, coro_trace_job(__entry->kind),
		  __entry->user_data)
);

/* A command of io_uring waits. */
DEFINE_EVENT(coro_wait, wait_park,
	TP_PROTO(const struct coro_job *job, u64 user_data),
	TP_ARGS(job, user_data));

/* It is off its queue, for whatever reason; it may park again. */
DEFINE_EVENT(coro_wait, wait_wake,
	TP_PROTO(const struct coro_job *job, u64 user_data),
	TP_ARGS(job, user_data));

TRACE_EVENT(wait_complete,
	TP_PROTO(const struct coro_job *job, u64 user_data, int res),
	TP_ARGS(job, user_data, res),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u64, id)
		__field(u64, user_data)
		__field(u32, kind)
		__field(int, res)
	),
	TP_fast_assign(
		__entry->sched = job->sched->number;
		__entry->id = job->tgt ? job->tgt->id : 0;
		__entry->user_data = user_data;
		__entry->kind = job->kind;
		__entry->res = res;
	),
	TP_printk("sched=%llu id=%llu kind=%s user_data=%llu res=%d",
		  __entry->sched, __entry->id, coro_trace_job(__entry->kind),
		  __entry->user_data, __entry->res)
);

DECLARE_EVENT_CLASS(coro_worker,
	TP_PROTO(const struct coro_worker *wrk),
	TP_ARGS(wrk),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u32, worker)
		__field(pid_t, tid)
	),
	TP_fast_assign(
		__entry->sched = wrk->sched->number;
		__entry->worker = wrk->slot->id;
		__entry->tid = wrk->tid;
	),
	TP_printk("sched=%llu worker=%u tid=%d", __entry->sched,
		  __entry->worker, __entry->tid)
);

DEFINE_EVENT(coro_worker, worker_attach,
	TP_PROTO(const struct coro_worker *wrk),
	TP_ARGS(wrk));

/* It has detached, or its thread has ended or executed another program. */
DEFINE_EVENT(coro_worker, worker_detach,
	TP_PROTO(const struct coro_worker *wrk),
	TP_ARGS(wrk));

/*
 * Its thread was asleep for as long as the debounce, or has ended, in what it may be
 * relieved of.
 */
DEFINE_EVENT(coro_worker, handoff_block,
	TP_PROTO(const struct coro_worker *wrk),
	TP_ARGS(wrk));

/* The worker's block is told to a thread that stands by. */
TRACE_EVENT(handoff_give,
	TP_PROTO(const struct coro_sched *sched, u32 worker, pid_t to_tid),
	TP_ARGS(sched, worker, to_tid),
	TP_STRUCT__entry(
		__field(u64, sched)
		__field(u32, worker)
		__field(pid_t, to_tid)
	),
	TP_fast_assign(
		__entry->sched = sched->number;
		__entry->worker = worker;
		__entry->to_tid = to_tid;
	),
	TP_printk("sched=%llu worker=%u to_tid=%d", __entry->sched,
		  __entry->worker, __entry->to_tid)
);

#endif /* CORO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
