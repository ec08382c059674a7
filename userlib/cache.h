/* SPDX-License-Identifier: MIT */
/* Ended coroutines of a scheduler whose stacks are kept warm, and when they are let go. */
#ifndef CORO_USERLIB_CACHE_H
#define CORO_USERLIB_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct coro;

/*
 * Last in, first out. All but the newest are in chunks of @chunk, the newest
 * chunk last; a chunk is a chain by coro.next, and its first coroutine is in the
 * list by coro.task.all.
 */
struct coro__cache {
	struct coro *top;
	unsigned int nr; /* from @top */
	unsigned int chunk; /* at most so many */
	struct list chunks;
	unsigned int nr_chunks;
	unsigned int low; /* the fewest chunks since @turns was 0 */
	unsigned int turns;
	unsigned int unused; /* chunks that nobody needed for a while */
};

void coro__cache_init(struct coro__cache *cache, unsigned int chunk);

/* @cache->nr is @cache->chunk: makes a chunk of them. */
void coro__cache_push(struct coro__cache *cache);

/* @cache->top is NULL: makes it the newest chunk if there is one. */
void coro__cache_pop(struct coro__cache *cache);

/* Takes the oldest chunk out, a chain by coro.next; there is one. */
struct coro *coro__cache_oldest(struct coro__cache *cache);

/* A turn of a busy loop has passed. Whether there are chunks that nobody needs. */
bool coro__cache_turn(struct coro__cache *cache);

/* How many there can be before the next chunk is made. */
static inline uint64_t coro__cache_room(const struct coro__cache *cache)
{
	return (cache->nr_chunks + UINT64_C(1)) * cache->chunk - 1;
}

#endif /* CORO_USERLIB_CACHE_H */
