// SPDX-License-Identifier: MIT
/* A queue: its items in their order; who waits for one, for room, or for the work to be done. */
#include <coro/queue.h>

#include "memory.h"
#include "opts.h"
#include "select.h"

/* Room that a queue without bound keeps when it has become empty. */
#define CORO__QUEUE_KEEP ((size_t)1024)
#define CORO__QUEUE_FIRST_ROOM ((size_t)16)

struct coro__ranked {
	void *item;
	uint64_t seq; /* equal items: first come, first served */
};

/* A ring, whose end is the top of a LIFO; or a heap in an array. */
struct coro__items {
	void **ring;
	struct coro__ranked *heap; /* instead, of CORO_QUEUE_PRIORITY */
	size_t first; /* of the ring */
	size_t nr;
	size_t room; /* a power of two, or 0 */
	size_t keep; /* more room than that is given back when empty */
	uint64_t seq;
	unsigned int order;
	int (*compare)(const void *a, const void *b);
};

/*
 * Getters wait only while there is no item, and putters only while there is no
 * room; of a rendezvous, while the others do not.
 */
struct coro_queue {
	struct coro_waiters getters; /* the first list: its lock covers all */
	struct coro_waiters putters;
	struct coro_waiters joiners;
	struct coro__items items;
	size_t capacity;
	size_t unfinished;
	void (*destroy)(void *item);
	bool plain; /* one thread's, FIFO, and open: see coro_queue_put() */
	bool shut;
};

static bool coro__ranked_before(const struct coro__items *s,
				const struct coro__ranked *a,
				const struct coro__ranked *b)
{
	int order = s->compare(a->item, b->item);

	return order ? order < 0 : a->seq < b->seq;
}

static void coro__heap_push(struct coro__items *s, void *item)
{
	struct coro__ranked new = { .item = item, .seq = s->seq++ };
	size_t at = s->nr++;

	while (at) {
		size_t up = (at - 1) / 2;

		if (!coro__ranked_before(s, &new, &s->heap[up]))
			break;
		s->heap[at] = s->heap[up];
		at = up;
	}
	s->heap[at] = new;
}

static void *coro__heap_pop(struct coro__items *s)
{
	void *item = s->heap[0].item;
	struct coro__ranked last = s->heap[--s->nr];
	size_t at = 0, sub;

	while ((sub = 2 * at + 1) < s->nr) {
		if (sub + 1 < s->nr &&
		    coro__ranked_before(s, &s->heap[sub + 1], &s->heap[sub]))
			sub++;
		if (!coro__ranked_before(s, &s->heap[sub], &last))
			break;
		s->heap[at] = s->heap[sub];
		at = sub;
	}
	s->heap[at] = last;
	return item;
}

static __attribute__((cold)) void coro__items_free(struct coro__items *s)
{
	free(s->ring);
	free(s->heap);
	s->ring = NULL;
	s->heap = NULL;
	s->first = 0;
	s->room = 0;
}

/* @room is a power of two that holds what is there. */
static int coro__items_resize(struct coro__items *s, size_t room)
{
	void **ring;

	if (room > SIZE_MAX / sizeof(struct coro__ranked))
		return -ENOMEM;
	if (s->order == CORO_QUEUE_PRIORITY) {
		struct coro__ranked *heap =
			coro__realloc(s->heap, room * sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		s->heap = heap;
		s->room = room;
		return 0;
	}
	ring = coro__malloc(room * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < s->nr; i++)
		ring[i] = s->ring[(s->first + i) & (s->room - 1)];
	free(s->ring);
	s->ring = ring;
	s->first = 0;
	s->room = room;
	return 0;
}

static int coro__items_grow(struct coro__items *s)
{
	return coro__items_resize(s, s->room ? 2 * s->room :
					       CORO__QUEUE_FIRST_ROOM);
}

/* There is room. */
static inline void coro__ring_add(struct coro__items *s, void *item)
{
	s->ring[(s->first + s->nr++) & (s->room - 1)] = item;
}

/* There is one. */
static inline void *coro__ring_take(struct coro__items *s)
{
	void *item = s->ring[s->first];

	s->first = (s->first + 1) & (s->room - 1);
	if (!--s->nr && s->room > s->keep)
		coro__items_free(s);
	return item;
}

static inline int coro__items_add(struct coro__items *s, void *item)
{
	if (s->nr == s->room) {
		int err = coro__items_grow(s);

		if (err)
			return err;
	}
	if (s->order == CORO_QUEUE_PRIORITY)
		coro__heap_push(s, item);
	else
		coro__ring_add(s, item);
	return 0;
}

/* There is one. */
static inline void *coro__items_take(struct coro__items *s)
{
	void *item;

	if (s->order == CORO_QUEUE_FIFO)
		return coro__ring_take(s);
	if (s->order == CORO_QUEUE_LIFO)
		item = s->ring[(s->first + --s->nr) & (s->room - 1)];
	else
		item = coro__heap_pop(s);
	if (!s->nr && s->room > s->keep)
		coro__items_free(s);
	return item;
}

static void coro__items_destroy(struct coro__items *s,
				void (*destroy)(void *item))
{
	while (s->nr) {
		void *item = coro__items_take(s);

		if (destroy)
			destroy(item);
	}
	coro__items_free(s);
}

static int coro__queue_opts(const struct coro_queue_opts *opts,
			    struct coro_queue_opts *out)
{
	int err = coro__opts_copy(out, sizeof(*out), opts);
	bool ranks;

	if (err)
		return err;
	if (out->flags & ~(CORO_SHARED | CORO_QUEUE_RENDEZVOUS))
		return -EINVAL;
	if (out->order > CORO_QUEUE_PRIORITY)
		return -EINVAL;
	/* Nothing else compares, and it cannot do without. */
	ranks = out->order == CORO_QUEUE_PRIORITY;
	if (ranks != !!out->compare)
		return -EINVAL;
	if (out->flags & CORO_QUEUE_RENDEZVOUS &&
	    (out->capacity || out->order != CORO_QUEUE_FIFO))
		return -EINVAL;
	return 0;
}

/* All room of a bounded queue, so that no put fails for want of it. */
static int coro__queue_init_items(struct coro_queue *q,
				  const struct coro_queue_opts *opts)
{
	size_t room = 1;

	q->items.order = opts->order;
	q->items.compare = opts->compare;
	q->items.keep = CORO__QUEUE_KEEP;
	q->capacity = opts->capacity;
	if (opts->flags & CORO_QUEUE_RENDEZVOUS)
		return 0;
	if (!opts->capacity) {
		q->capacity = SIZE_MAX;
		return 0;
	}
	if (opts->capacity > SIZE_MAX / 2)
		return -ENOMEM;
	while (room < opts->capacity)
		room *= 2;
	q->items.keep = room;
	return coro__items_resize(&q->items, room);
}

int coro_queue_new(struct coro_queue **ret_queue,
		   const struct coro_queue_opts *opts)
{
	CORO__ENTRY;
	struct coro_queue_opts o;
	struct coro_queue *q;
	int err;

	if (!ret_queue)
		return -EINVAL;
	err = coro__queue_opts(opts, &o);
	if (err)
		return err;
	q = coro__calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->destroy = o.destroy;
	q->plain = !(o.flags & CORO_SHARED) && o.order == CORO_QUEUE_FIFO;
	err = coro__queue_init_items(q, &o);
	if (!err)
		err = coro__waitq_init(&q->getters, o.flags & CORO_SHARED);
	if (err) {
		coro__items_free(&q->items);
		free(q);
		return err;
	}
	coro__waitq_init_with(&q->putters, &q->getters);
	coro__waitq_init_with(&q->joiners, &q->getters);
	*ret_queue = q;
	return 0;
}

int coro_queue_free(struct coro_queue *q)
{
	CORO__ENTRY;
	int err;

	if (!q)
		return 0;
	if (coro__waitq_count(&q->putters) || coro__waitq_count(&q->joiners))
		return -EBUSY;
	err = coro__waitq_fini(&q->getters);
	if (err)
		return err;
	coro__items_destroy(&q->items, q->destroy);
	free(q);
	return 0;
}

static void coro__queue_wake_all(struct coro_waiters *list, int result)
{
	while (coro__waitq_wake(list, result))
		;
}

/* To who waits longest; false if nobody does. */
static bool coro__queue_hand(struct coro_queue *q, void *item)
{
	struct coro__arm *arm;

	while ((arm = coro__waitq_claim(&q->getters)) != NULL) {
		arm->item = item;
		if (!coro__waitq_give(arm, 0))
			return true;
	}
	return false;
}

/* The item of the put that waits longest, which has succeeded; false if none does. */
static bool coro__queue_fetch(struct coro_queue *q, void **ret_item)
{
	struct coro__arm *arm;

	while ((arm = coro__waitq_claim(&q->putters)) != NULL) {
		void *item = arm->item;

		if (coro__waitq_give(arm, 0))
			continue;
		q->unfinished++;
		*ret_item = item;
		return true;
	}
	return false;
}

/* With the queue locked. -EAGAIN if there is no room. */
static inline int coro__queue_put(struct coro_queue *q, void *item)
{
	int err;

	if (q->shut)
		return -ESHUTDOWN;
	if (q->getters.first) {
		err = coro__waitq_check(&q->getters);
		if (err)
			return err;
		if (coro__queue_hand(q, item)) {
			q->unfinished++;
			return 0;
		}
	}
	if (q->items.nr >= q->capacity)
		return -EAGAIN;
	err = coro__items_add(&q->items, item);
	if (!err)
		q->unfinished++;
	return err;
}

/* With the queue locked. -EAGAIN if there is no item. */
static inline int coro__queue_get(struct coro_queue *q, void **ret_item)
{
	void *item;
	int err;

	if (!coro__waitq_empty(&q->putters)) {
		err = coro__waitq_check(&q->putters);
		if (err)
			return err;
		if (!q->items.nr && coro__queue_fetch(q, ret_item))
			return 0;
	}
	if (!q->items.nr)
		return q->shut ? -ESHUTDOWN : -EAGAIN;
	*ret_item = coro__items_take(&q->items);
	/* The room that there is now needs no memory: adding cannot fail. */
	if (!coro__waitq_empty(&q->putters) && coro__queue_fetch(q, &item))
		coro__items_add(&q->items, item);
	return 0;
}

static __attribute__((noinline)) int
coro__queue_put_wait(struct coro_queue *q, void *item, int64_t deadline_ns)
{
	struct coro__loop *loop;
	struct coro__arm arm;
	int err;

	if (!q)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	coro__waitq_lock(&q->getters);
	err = coro__queue_put(q, item);
	if (err != -EAGAIN) {
		coro__waitq_unlock(&q->getters);
		return err;
	}
	arm.item = item;
	return coro__waitq_wait(loop, &q->putters, &arm, deadline_ns,
				CORO_AWAITS_QUEUE);
}

/* What is done most, in few instructions: nobody waits, and there is room. */
CORO__DEFINE3(int, coro_queue_put, struct coro_queue *, q, void *, item,
	      int64_t, deadline_ns)
{
	if (!q || !q->plain || q->getters.first || q->items.nr >= q->capacity ||
	    q->items.nr == q->items.room || !coro__wait_pass(coro__thread()))
		return coro__queue_put_wait(q, item, deadline_ns);
	coro__ring_add(&q->items, item);
	q->unfinished++;
	return 0;
}

CORO__DEFINE2(int, coro_queue_try_put, struct coro_queue *, q, void *, item)
{
	int err;

	if (!q)
		return -EINVAL;
	coro__waitq_lock(&q->getters);
	err = coro__queue_put(q, item);
	coro__waitq_unlock(&q->getters);
	return err;
}

static __attribute__((noinline)) int
coro__queue_get_wait(struct coro_queue *q, void **ret_item, int64_t deadline_ns)
{
	struct coro__loop *loop;
	struct coro__arm arm;
	int err;

	if (!q || !ret_item)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	coro__waitq_lock(&q->getters);
	err = coro__queue_get(q, ret_item);
	if (err != -EAGAIN) {
		coro__waitq_unlock(&q->getters);
		return err;
	}
	err = coro__waitq_wait(loop, &q->getters, &arm, deadline_ns,
			       CORO_AWAITS_QUEUE);
	if (!err)
		*ret_item = arm.item;
	return err;
}

/* What is done most, in few instructions: nobody waits, and there is an item. */
CORO__DEFINE3(int, coro_queue_get, struct coro_queue *, q, void **, ret_item,
	      int64_t, deadline_ns)
{
	if (!q || !ret_item || !q->plain || q->putters.first || !q->items.nr ||
	    !coro__wait_pass(coro__thread()))
		return coro__queue_get_wait(q, ret_item, deadline_ns);
	*ret_item = coro__ring_take(&q->items);
	return 0;
}

CORO__DEFINE2(int, coro_queue_try_get, struct coro_queue *, q, void **,
	      ret_item)
{
	int err;

	if (!q || !ret_item)
		return -EINVAL;
	coro__waitq_lock(&q->getters);
	err = coro__queue_get(q, ret_item);
	coro__waitq_unlock(&q->getters);
	return err == -EAGAIN ? -ENODATA : err;
}

/* With the queue locked. */
static void coro__queue_finished(struct coro_queue *q, size_t nr)
{
	q->unfinished -= nr;
	if (!q->unfinished)
		coro__queue_wake_all(&q->joiners, 0);
}

int coro_queue_task_done(struct coro_queue *q)
{
	CORO__ENTRY;
	int err;

	if (!q)
		return -EINVAL;
	coro__waitq_lock(&q->getters);
	err = coro__waitq_check(&q->joiners);
	if (!err && !q->unfinished)
		err = -ERANGE;
	if (!err)
		coro__queue_finished(q, 1);
	coro__waitq_unlock(&q->getters);
	return err;
}

int coro_queue_join(struct coro_queue *q, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro__arm arm;
	int err;

	if (!q)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	coro__waitq_lock(&q->getters);
	if (!q->unfinished) {
		coro__waitq_unlock(&q->getters);
		return 0;
	}
	return coro__waitq_wait(loop, &q->joiners, &arm, deadline_ns,
				CORO_AWAITS_QUEUE);
}

/* Unlocks the queue, which is shut down: nothing comes in. */
static void coro__queue_discard(struct coro_queue *q)
{
	struct coro__items rest = q->items;
	size_t nr;

	q->items.nr = 0;
	q->items.ring = NULL;
	q->items.heap = NULL;
	q->items.room = 0;
	coro__waitq_unlock(&q->getters);
	nr = rest.nr;
	coro__items_destroy(&rest, q->destroy);
	coro__waitq_lock(&q->getters);
	coro__queue_finished(q, nr < q->unfinished ? nr : q->unfinished);
	coro__waitq_unlock(&q->getters);
}

int coro_queue_shutdown(struct coro_queue *q, unsigned int flags)
{
	CORO__ENTRY;

	if (!q || flags & ~CORO_QUEUE_DISCARD)
		return -EINVAL;
	coro__waitq_lock(&q->getters);
	if (coro__waitq_check(&q->getters) || coro__waitq_check(&q->putters) ||
	    coro__waitq_check(&q->joiners)) {
		coro__waitq_unlock(&q->getters);
		return -EXDEV;
	}
	q->shut = true;
	/* Of a shared one it never was set, and is read without the lock. */
	if (q->plain)
		q->plain = false;
	coro__queue_wake_all(&q->putters, -ESHUTDOWN);
	/* They wait, so there is nothing left for them. */
	coro__queue_wake_all(&q->getters, -ESHUTDOWN);
	if (flags & CORO_QUEUE_DISCARD)
		coro__queue_discard(q);
	else
		coro__waitq_unlock(&q->getters);
	return 0;
}

size_t coro_queue_size(struct coro_queue *q)
{
	CORO__ENTRY;
	size_t nr;

	coro__waitq_lock(&q->getters);
	nr = q->items.nr;
	coro__waitq_unlock(&q->getters);
	return nr;
}

bool coro_queue_empty(struct coro_queue *q)
{
	CORO__ENTRY;

	return !coro_queue_size(q);
}

bool coro_queue_full(struct coro_queue *q)
{
	CORO__ENTRY;

	return coro_queue_size(q) >= q->capacity;
}

int coro_queue_info_read(struct coro_queue *q, struct coro_queue_info *info)
{
	CORO__ENTRY;
	struct coro_queue_info all;
	size_t size;

	if (!q || !info ||
	    info->size < offsetof(struct coro_queue_info, capacity))
		return -EINVAL;
	size = info->size;
	memset(&all, 0, sizeof(all));
	coro__waitq_lock(&q->getters);
	all.size = size;
	all.items = q->items.nr;
	all.capacity = q->capacity;
	all.getters = q->getters.nr;
	all.putters = q->putters.nr;
	all.joiners = q->joiners.nr;
	all.unfinished = q->unfinished;
	all.shut = q->shut;
	coro__waitq_unlock(&q->getters);
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}

static struct coro_waiters *coro__case_getters(struct coro_case *c)
{
	struct coro_queue *q = c->object;

	return &q->getters;
}

static int coro__case_get(struct coro_case *c)
{
	return coro__queue_get(c->object, c->item);
}

static void coro__case_got(struct coro_case *c)
{
	*(void **)c->item = c->arm.item;
}

struct coro_case coro_case_get(struct coro_queue *q, void **ret_item)
{
	CORO__ENTRY;
	static const struct coro__case_ops ops = {
		.waiters = coro__case_getters,
		.attempt = coro__case_get,
		.won = coro__case_got,
		.awaits = CORO_AWAITS_QUEUE,
	};
	struct coro_case c = { .object = q, .item = ret_item };

	c.ops = q && ret_item ? &ops : NULL;
	return c;
}

static struct coro_waiters *coro__case_putters(struct coro_case *c)
{
	struct coro_queue *q = c->object;

	return &q->putters;
}

static int coro__case_put(struct coro_case *c)
{
	return coro__queue_put(c->object, c->item);
}

static void coro__case_arm_put(struct coro_case *c)
{
	c->arm.item = c->item;
}

struct coro_case coro_case_put(struct coro_queue *q, void *item)
{
	CORO__ENTRY;
	static const struct coro__case_ops ops = {
		.waiters = coro__case_putters,
		.attempt = coro__case_put,
		.arm = coro__case_arm_put,
		.awaits = CORO_AWAITS_QUEUE,
	};
	struct coro_case c = { .object = q, .item = item };

	c.ops = q ? &ops : NULL;
	return c;
}
