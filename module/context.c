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

void coro_contexts_fini(struct coro_contexts *ctxs)
{
	struct coro_chunk *chunk;
	unsigned long i;

	xa_for_each(&ctxs->chunks, i, chunk) {
		put_page(chunk->page);
		kvfree(chunk);
		cond_resched();
	}
	xa_destroy(&ctxs->chunks);
}

/* The chunk with that number, made if there is none yet; NULL without memory. */
static struct coro_chunk *coro_chunk_get(struct coro_sched *sched,
					 unsigned long nr)
{
	struct coro_chunk *chunk;

	lockdep_assert_held(&sched->lock);
	chunk = xa_load(&sched->ctxs.chunks, nr);
	if (chunk)
		return chunk;
	chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	chunk->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!chunk->page)
		goto err_free_chunk;
	/* Readers without lock see it from here on: it is complete. */
	if (xa_err(xa_store(&sched->ctxs.chunks, nr, chunk, GFP_KERNEL)))
		goto err_free_page;
	return chunk;

err_free_page:
	put_page(chunk->page);
err_free_chunk:
	kvfree(chunk);
	return NULL;
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

static u32 coro_generation_next(u32 generation)
{
	/* 0 is of no life, so that no id is 0. */
	return generation == U32_MAX ? 1 : generation + 1;
}

static int coro_context_alloc_one(struct coro_sched *sched, u64 *ret_id)
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
		if (!coro_chunk_get(sched, index / CORO_CHUNK_CONTEXTS))
			return -ENOMEM;
	}
	ctx = coro_context_at(sched, index);

	spin_lock(&sched->events_lock);
	if (index == ctxs->high) {
		ctx->generation = 1;
		ctxs->high++;
	} else {
		ctxs->free = ctx->next;
	}
	ctx->allocated = true;
	spin_unlock(&sched->events_lock);

	coro_context_show(sched, index, ctx->generation);
	*ret_id = coro_context_id(index, ctx->generation);
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

/* Returns how many were allocated, or why the first was not. */
int coro_context_alloc(struct coro_sched *sched, u64 *ids, u32 nr)
{
	u32 granted, done = 0;
	int ret;

	mutex_lock(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_TABLE);
	if (ret)
		goto out_unlock;
	ret = -ENOSPC;
	granted = coro_user_charge(sched->user, nr);
	while (done < granted) {
		ret = coro_context_alloc_one(sched, &ids[done]);
		if (ret)
			break;
		done++;
	}
	coro_user_uncharge(sched->user, granted - done);
	coro_context_count(sched, sched->ctxs.nr + done);
out_unlock:
	mutex_unlock(&sched->lock);
	return done ?: ret;
}

/* End one life. What was in its mailbox goes to @dropped, to be freed. */
static int coro_context_end(struct coro_sched *sched, u64 id,
			    struct list_head *dropped)
{
	struct coro_context *ctx;
	u32 generation;
	int ret;

	lockdep_assert_held(&sched->lock);
	spin_lock(&sched->events_lock);
	ret = coro_context_find(sched, id, &ctx);
	if (!ret) {
		generation = coro_generation_next(ctx->generation);
		ctx->generation = generation;
		ctx->allocated = false;
		coro_mailbox_drop(sched, ctx, dropped);
	}
	spin_unlock(&sched->events_lock);
	if (!ret)
		coro_context_show(sched, CORO_INDEX(id), generation);
	return ret;
}

/*
 * Chain contexts that were just ended, the last one first. Until the chain is
 * put on the free list nobody can be given them, so that their stacks can be
 * trimmed without a lock.
 */
static void coro_context_chain(struct coro_sched *sched, const u64 *ids, u32 nr)
{
	u32 next = CORO_CONTEXT_NONE;

	lockdep_assert_held(&sched->lock);
	for (u32 i = 0; i < nr; i++) {
		coro_context_at(sched, CORO_INDEX(ids[i]))->next = next;
		next = CORO_INDEX(ids[i]);
	}
}

/* Put a chain on the free list. */
static void coro_context_recycle(struct coro_sched *sched, u32 first, u32 last)
{
	struct coro_context *ctx;

	lockdep_assert_held(&sched->lock);
	ctx = coro_context_at(sched, last);
	ctx->next = sched->ctxs.free;
	sched->ctxs.free = first;
}

/*
 * Returns how many were freed, or why the first was not. Changes the order of
 * @ids.
 */
int coro_context_free(struct coro_sched *sched, u64 *ids, u32 nr, u32 flags)
{
	struct file *file = NULL;
	u32 done, first, last;
	LIST_HEAD(dropped);
	int ret;

	mutex_lock(&sched->lock);
	ret = coro_sched_check(sched, CORO_NEEDS_TABLE);
	for (done = 0; !ret && done < nr; done++) {
		ret = coro_context_end(sched, ids[done], &dropped);
		if (ret)
			break;
	}
	if (!done) {
		mutex_unlock(&sched->lock);
		return ret;
	}
	last = CORO_INDEX(ids[0]);
	first = CORO_INDEX(ids[done - 1]);
	coro_context_chain(sched, ids, done);
	coro_user_uncharge(sched->user, done);
	coro_context_count(sched, sched->ctxs.nr - done);
	if (flags & CORO_FREE_F_TRIM)
		file = coro_arena_get_file(sched);
	else
		coro_context_recycle(sched, first, last);
	mutex_unlock(&sched->lock);

	coro_mailbox_discard(&dropped);
	if (!file)
		return done;
	coro_arena_trim(&sched->arena, file, ids, done);
	fput(file);
	/* If it died meanwhile the free list is of no use, and no harm. */
	mutex_lock(&sched->lock);
	coro_context_recycle(sched, first, last);
	mutex_unlock(&sched->lock);
	return done;
}

/* A page of the table is touched for the first time. */
vm_fault_t coro_context_fault(struct coro_sched *sched, pgoff_t page_index,
			      struct page **ret_page)
{
	struct coro_chunk *chunk;

	if (page_index >=
	    DIV_ROUND_UP(sched->max_contexts, CORO_CHUNK_CONTEXTS))
		return VM_FAULT_SIGBUS;
	mutex_lock(&sched->lock);
	chunk = coro_chunk_get(sched, page_index);
	mutex_unlock(&sched->lock);
	if (!chunk)
		return VM_FAULT_OOM;
	*ret_page = chunk->page;
	return 0;
}
