// SPDX-License-Identifier: MIT
/* Ended coroutines of a scheduler whose stacks are kept warm, and when they are let go. */
#include "cache.h"

#include "coroutine.h"

/* Turns after which it is looked at what was needed. */
#define CORO__WHILE 4096

void coro__cache_init(struct coro__cache *cache, unsigned int chunk)
{
	*cache = (struct coro__cache){ .chunk = chunk };
	list_init(&cache->chunks);
}

void coro__cache_push(struct coro__cache *cache)
{
	list_add_tail(&cache->chunks, &cache->top->task.all);
	cache->nr_chunks++;
	cache->top = NULL;
	cache->nr = 0;
}

static struct coro *coro__cache_take(struct coro__cache *cache, struct list *l)
{
	list_del(l);
	cache->nr_chunks--;
	if (cache->low > cache->nr_chunks)
		cache->low = cache->nr_chunks;
	return container_of(l, struct coro, task.all);
}

void coro__cache_pop(struct coro__cache *cache)
{
	if (!cache->nr_chunks)
		return;
	cache->top = coro__cache_take(cache, cache->chunks.prev);
	cache->nr = cache->chunk;
}

struct coro *coro__cache_oldest(struct coro__cache *cache)
{
	if (cache->unused)
		cache->unused--;
	return coro__cache_take(cache, cache->chunks.next);
}

/*
 * Bonwick's working set (Magazines and Vmem, 2001): the chunks that were there
 * all the while were not needed. Half of them go, so that a load that comes and
 * goes finds some.
 */
bool coro__cache_turn(struct coro__cache *cache)
{
	if (++cache->turns == CORO__WHILE) {
		cache->unused = (cache->low + 1) / 2;
		cache->low = cache->nr_chunks;
		cache->turns = 0;
	}
	return cache->unused;
}
