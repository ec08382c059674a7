/* SPDX-License-Identifier: GPL-2.0 */
/* Contexts: ids, generations and the table that is shared with user space. */
#ifndef CORO_CONTEXT_H
#define CORO_CONTEXT_H

#include <linux/coro.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct coro_message;
struct coro_sched;
struct coro_target;

/* The kernel's own half of a context; covered by sched->events_lock. */
struct coro_context {
	struct list_head messages;	/* coro_message.of_context, in order */
	struct coro_message *cancel;	/* asked for and unread, or NULL */
	struct coro_target *tgt;	/* a reference, or NULL */
	u32 nr_messages;
	u32 generation;			/* of the newest life; 0 before any */
	u32 next;			/* in the free list; sched->lock */
	bool allocated;
	bool direct;			/* CORO_ALLOC_F_DIRECT */
};

/* The contexts of a scheduler. Changed under sched->lock. */
struct coro_contexts {
	struct xarray chunks;	/* of struct coro_chunk; they stay until death */
	u32 free;		/* index freed last, or CORO_CONTEXT_NONE */
	u32 high;		/* first index never used; under events_lock too */
	u32 nr;			/* allocated; read without lock for figures */
	u32 peak;
	u32 nr_chunks;
};

#define CORO_CONTEXT_NONE U32_MAX

static inline u64 coro_context_id(u32 index, u32 generation)
{
	return (u64)generation << 32 | index;
}

void coro_contexts_init(struct coro_contexts *ctxs);
void coro_contexts_fini(struct coro_contexts *ctxs);
int coro_context_find(struct coro_sched *sched, u64 id,
		      struct coro_context **ret_ctx);
u64 coro_context_id_at(struct coro_sched *sched, u32 index);
int coro_context_alloc(struct coro_sched *sched, u64 *ids, u32 nr, u32 flags);
int coro_context_free(struct coro_sched *sched, u64 *ids, u32 nr, u32 flags);
u32 coro_contexts_drop_locked(struct coro_sched *sched);
vm_fault_t coro_context_fault(struct coro_sched *sched, unsigned long nr,
			      bool make, struct page **ret_page);

#endif /* CORO_CONTEXT_H */
