// SPDX-License-Identifier: GPL-2.0
/* Contexts: ids, generations and the table that is shared with user space. */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "arena.h"
#include "context.h"
#include "limits.h"
#include "mailbox.h"
#include "sched.h"
#include "target.h"
#include "trace.h"
#include "user.h"

#define CORO_CHUNK_CONTEXTS (PAGE_SIZE / sizeof(struct coro_shm_context))

/* As many contexts as fit in a page of the table. */
struct coro_chunk {
	struct page *page;
	struct coro_context ctxs[CORO_CHUNK_CONTEXTS];
};

void coro_contexts_init(struct coro_contexts *ctxs)
{
	xa_init_flags(&ctxs->chunks, XA_FLAGS_ACCOUNT);
	ctxs->free = CORO_CONTEXT_NONE;
}

static void coro_chunk_free(struct coro_chunk *chunk)
{
	if (chunk->page)
		put_page(chunk->page);
	kvfree(chunk);
}

static struct coro_chunk *coro_chunk_new(void)
{
	struct coro_chunk *chunk;

	chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	chunk->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (chunk->page)
		return chunk;
	coro_chunk_free(chunk);
	return NULL;
}

/*
 * Nobody finds a context any more: at death, when the high-water mark fell to 0
 * under both locks, and at the end. Pages of the table that are mapped stay with
 * their mappings. Can be called twice.
 */
void coro_contexts_fini(struct coro_contexts *ctxs)
{
	struct coro_chunk *chunk;
	unsigned long i;

	xa_for_each(&ctxs->chunks, i, chunk) {
		coro_chunk_free(chunk);
		cond_resched();
	}
	xa_destroy(&ctxs->chunks);
}

/*
 * Put a chunk in its place, which was reserved; 0 also if there is one already,
 * and then the chunk remains the caller's.
 */
static int coro_chunk_insert(struct coro_sched *sched, unsigned long nr,
			     struct coro_chunk **chunk)
{
	int ret;

	lockdep_assert_held(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_READY);
	if (ret || xa_load(&sched->ctxs.chunks, nr))
		return ret;
	ret = coro_user_charge_contexts(sched->user, CORO_CHUNK_CONTEXTS);
	if (ret)
		return ret;
	/* Readers without lock see it from here on: it is complete. */
	ret = xa_err(xa_store(&sched->ctxs.chunks, nr, *chunk, GFP_NOWAIT));
	if (ret) {
		coro_user_uncharge_contexts(sched->user, CORO_CHUNK_CONTEXTS);
		return ret;
	}
	sched->ctxs.nr_chunks++;
	*chunk = NULL;
	return 0;
}

/*
 * See to it that the chunk with that number exists. Takes the lock, but not
 * while it waits for memory: a caller whose memory cgroup throttles it would
 * hold up all others, and death.
 */
static int coro_chunk_make(struct coro_sched *sched, unsigned long nr)
{
	struct coro_chunk *chunk = coro_chunk_new();
	int ret;

	if (!chunk)
		return -ENOMEM;
	ret = xa_reserve(&sched->ctxs.chunks, nr, GFP_KERNEL);
	if (!ret) {
		mutex_lock(&sched->lock);
		ret = coro_chunk_insert(sched, nr, &chunk);
		mutex_unlock(&sched->lock);
	}
	if (chunk)
		coro_chunk_free(chunk);
	return ret;
}

/* The context at an index below the high-water mark: its chunk exists. */
static struct coro_context *coro_context_at(struct coro_sched *sched, u32 index)
{
	struct coro_chunk *chunk;

	chunk = xa_load(&sched->ctxs.chunks, index / CORO_CHUNK_CONTEXTS);
	return &chunk->ctxs[index % CORO_CHUNK_CONTEXTS];
}

/* Write all of a table entry; what user space put there is not looked at. */
static void coro_context_show(struct coro_sched *sched, u32 index,
			      u32 generation)
{
	struct coro_shm_context *entry;
	struct coro_chunk *chunk;

	chunk = xa_load(&sched->ctxs.chunks, index / CORO_CHUNK_CONTEXTS);
	entry = page_address(chunk->page);
	entry += index % CORO_CHUNK_CONTEXTS;
	memset(entry, 0, sizeof(*entry));
	WRITE_ONCE(entry->generation, generation);
}

/*
 * Find the context that an id means. It remains that only as long as
 * events_lock is held.
 */
int coro_context_find(struct coro_sched *sched, u64 id,
		      struct coro_context **ret_ctx)
{
	u32 index = CORO_INDEX(id);
	struct coro_context *ctx;

	lockdep_assert_held(&sched->events_lock);
	if (index >= sched->ctxs.high)
		return -ENOENT;
	ctx = coro_context_at(sched, index);
	if (!ctx->allocated || ctx->generation != CORO_GENERATION(id))
		return -ESTALE;
	*ret_ctx = ctx;
	return 0;
}

/* The id of what lives at an index now; of generation 0 if nothing does. */
u64 coro_context_id_at(struct coro_sched *sched, u32 index)
{
	struct coro_context *ctx;

	lockdep_assert_held(&sched->events_lock);
	if (index >= sched->ctxs.high)
		return coro_context_id(index, 0);
	ctx = coro_context_at(sched, index);
	return coro_context_id(index, ctx->allocated ? ctx->generation : 0);
}

/*
 * After the last generation comes 0, which is of no life: the context is retired,
 * so that no id comes again, and no id is 0.
 */
static u32 coro_generation_next(u32 generation)
{
	return generation + 1;
}

/* EAGAIN: make the chunk at the high-water mark, then again. */
static int coro_context_alloc_one(struct coro_sched *sched, u32 flags,
				  u64 *ret_id)
{
	struct coro_contexts *ctxs = &sched->ctxs;
	struct coro_context *ctx;
	u32 index;

	lockdep_assert_held(&sched->lock);
	index = ctxs->free;
	if (index == CORO_CONTEXT_NONE) {
		index = ctxs->high;
		if (index >= sched->max_contexts)
			return -ENOSPC;
		if (!xa_load(&ctxs->chunks, index / CORO_CHUNK_CONTEXTS))
			return -EAGAIN;
	}
	ctx = coro_context_at(sched, index);

	spin_lock_bh(&sched->events_lock);
	if (index == ctxs->high) {
		ctx->generation = 1;
		ctxs->high++;
	} else {
		ctxs->free = ctx->next;
	}
	INIT_LIST_HEAD(&ctx->messages);
	ctx->allocated = true;
	ctx->direct = flags & CORO_ALLOC_F_DIRECT;
	*ret_id = coro_context_id(index, ctx->generation);
	/* Whoever guesses the id finds it from here on. */
	trace_context_alloc(sched, *ret_id);
	spin_unlock_bh(&sched->events_lock);

	coro_context_show(sched, index, ctx->generation);
	return 0;
}

/* Show how many contexts there are. */
static void coro_context_count(struct coro_sched *sched, u32 nr)
{
	struct coro_contexts *ctxs = &sched->ctxs;

	lockdep_assert_held(&sched->lock);
	WRITE_ONCE(ctxs->nr, nr);
	if (nr > ctxs->peak)
		WRITE_ONCE(ctxs->peak, nr);
	WRITE_ONCE(sched->header->contexts, nr);
}

/* As many as there are chunks for; with EAGAIN, *chunk is which to make. */
static int coro_context_alloc_some(struct coro_sched *sched, u64 *ids, u32 nr,
				   u32 flags, u32 *done, unsigned long *chunk)
{
	u32 before = *done;
	int ret;

	mutex_lock(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_TABLE);
	while (!ret && *done < nr) {
		ret = coro_context_alloc_one(sched, flags, &ids[*done]);
		if (!ret)
			++*done;
	}
	if (*done > before)
		coro_context_count(sched, sched->ctxs.nr + *done - before);
	*chunk = sched->ctxs.high / CORO_CHUNK_CONTEXTS;
	mutex_unlock(&sched->lock);
	return ret;
}

/* Returns how many were allocated, or why the first was not. */
int coro_context_alloc(struct coro_sched *sched, u64 *ids, u32 nr, u32 flags)
{
	unsigned long chunk;
	u32 done = 0;
	int ret;

	do {
		ret = coro_context_alloc_some(sched, ids, nr, flags, &done,
					      &chunk);
		if (ret == -EAGAIN)
			ret = coro_chunk_make(sched, chunk);
	} while (!ret && done < nr);
	return done ?: ret;
}

/*
 * End one life. What was in its mailbox goes to @dropped, to be freed, and the
 * target of its handles to @gone, to be told.
 */
static int coro_context_end(struct coro_sched *sched, u64 id,
			    struct list_head *dropped, struct list_head *gone)
{
	struct coro_context *ctx;
	u32 generation;
	int ret;

	lockdep_assert_held(&sched->lock);
	spin_lock_bh(&sched->events_lock);
	ret = coro_context_find(sched, id, &ctx);
	if (!ret) {
		generation = coro_generation_next(ctx->generation);
		ctx->generation = generation;
		ctx->allocated = false;
		coro_mailbox_drop(sched, ctx, dropped);
		coro_target_detach(sched, ctx, gone);
		trace_context_free(sched, id);
	}
	spin_unlock_bh(&sched->events_lock);
	if (!ret)
		coro_context_show(sched, CORO_INDEX(id), generation);
	return ret;
}

/* Contexts that have ended and are on their way to the free list. */
struct coro_chain {
	u32 first, last;
};

/*
 * Chain contexts that were just ended, the last one first. Until the chain is
 * put on the free list nobody can be given them, so that their stacks can be
 * trimmed without a lock.
 */
static struct coro_chain coro_context_chain(struct coro_sched *sched,
					    const u64 *ids, u32 nr)
{
	struct coro_chain chain = { CORO_CONTEXT_NONE, CORO_CONTEXT_NONE };
	struct coro_context *ctx;

	lockdep_assert_held(&sched->lock);
	for (u32 i = 0; i < nr; i++) {
		ctx = coro_context_at(sched, CORO_INDEX(ids[i]));
		if (!ctx->generation)
			continue;
		ctx->next = chain.first;
		chain.first = CORO_INDEX(ids[i]);
		if (ctx->next == CORO_CONTEXT_NONE)
			chain.last = chain.first;
	}
	return chain;
}

/* Put a chain on the free list. */
static void coro_context_recycle(struct coro_sched *sched,
				 struct coro_chain chain)
{
	lockdep_assert_held(&sched->lock);
	if (chain.first == CORO_CONTEXT_NONE)
		return;
	coro_context_at(sched, chain.last)->next = sched->ctxs.free;
	sched->ctxs.free = chain.first;
}

/*
 * Returns how many were freed, or why the first was not. Changes the order of
 * @ids.
 */
int coro_context_free(struct coro_sched *sched, u64 *ids, u32 nr, u32 flags)
{
	struct coro_chain chain;
	struct file *file = NULL;
	u32 done;
	LIST_HEAD(dropped);
	LIST_HEAD(gone);
	int ret;

	mutex_lock(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_TABLE);
	for (done = 0; !ret && done < nr; done++) {
		ret = coro_context_end(sched, ids[done], &dropped, &gone);
		if (ret)
			break;
		cond_resched();
	}
	if (!done) {
		mutex_unlock(&sched->lock);
		return ret;
	}
	chain = coro_context_chain(sched, ids, done);
	coro_context_count(sched, sched->ctxs.nr - done);
	if (flags & CORO_FREE_F_TRIM)
		file = coro_arena_get_file(sched);
	else
		coro_context_recycle(sched, chain);
	mutex_unlock(&sched->lock);

	coro_mailbox_discard(&dropped);
	coro_targets_hangup(sched, &gone);
	if (!file)
		return done;
	coro_arena_trim(&sched->arena, file, ids, done);
	fput(file);
	mutex_lock(&sched->lock);
	/* If it died meanwhile the contexts are gone. */
	if (!coro_sched_check(sched, CORO_NEEDS_READY))
		coro_context_recycle(sched, chain);
	mutex_unlock(&sched->lock);
	return done;
}

/* Forget all contexts; what that costs the user. The chunks are to be freed. */
u32 coro_contexts_drop_locked(struct coro_sched *sched)
{
	struct coro_contexts *ctxs = &sched->ctxs;
	u32 charged = ctxs->nr_chunks * CORO_CHUNK_CONTEXTS;

	lockdep_assert_held(&sched->lock);
	lockdep_assert_held(&sched->events_lock);
	ctxs->high = 0;
	WRITE_ONCE(ctxs->nr, 0);
	ctxs->free = CORO_CONTEXT_NONE;
	ctxs->nr_chunks = 0;
	return charged;
}

/* A page of the table, with a reference; NULL if there is none. */
static struct page *coro_chunk_get_page(struct coro_sched *sched,
					unsigned long nr)
{
	struct coro_chunk *chunk = NULL;

	mutex_lock(&sched->lock);
	if (!coro_sched_check(sched, CORO_NEEDS_READY))
		chunk = xa_load(&sched->ctxs.chunks, nr);
	if (chunk)
		get_page(chunk->page);
	mutex_unlock(&sched->lock);
	return chunk ? chunk->page : NULL;
}

/*
 * A page of the table is touched for the first time. Those who only look, the
 * owner's debuggers and core dumps among them, make none.
 */
vm_fault_t coro_context_fault(struct coro_sched *sched, unsigned long nr,
			      bool make, struct page **ret_page)
{
	int ret;

	if (nr >= DIV_ROUND_UP(sched->max_contexts, CORO_CHUNK_CONTEXTS))
		return VM_FAULT_SIGBUS;
	*ret_page = coro_chunk_get_page(sched, nr);
	if (*ret_page)
		return 0;
	if (!make)
		return VM_FAULT_SIGBUS;
	ret = coro_chunk_make(sched, nr);
	if (ret)
		return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	*ret_page = coro_chunk_get_page(sched, nr);
	return *ret_page ? 0 : VM_FAULT_SIGBUS;
}
