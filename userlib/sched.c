// SPDX-License-Identifier: MIT
/* A thread's scheduler: its contexts, and the ended coroutines whose stacks are kept warm. */
#include "sched.h"

#include <string.h>
#include <unistd.h>

#include "annotate.h"
#include "memory.h"
#include "opts.h"
#include "report.h"

#define CORO__DEFAULT_STACK (64 * 1024)
#define CORO__DEFAULT_MAX (1U << 20)
#define CORO__DEFAULT_CACHED 4096U
#define CORO__FIRST_BATCH 8U

static int coro__sched_opts(const struct coro_thread_opts *opts,
			    struct coro_thread_opts *out)
{
	int err = coro__opts_copy(out, sizeof(*out), opts);

	if (err)
		return err;
	if (!out->stack_size_bytes)
		out->stack_size_bytes = CORO__DEFAULT_STACK;
	if (!out->max_coroutines)
		out->max_coroutines = CORO__DEFAULT_MAX;
	if (!out->max_cached)
		out->max_cached = CORO__DEFAULT_CACHED;
	return 0;
}

static int coro__sched_open(struct coro__sched *s)
{
	const char *want = getenv("CORO_BACKEND");
	struct coro__space wish = s->space;
	int err;

	if (want && *want && strcmp(want, "device") && strcmp(want, "portable"))
		return -EINVAL;
	if (!want || strcmp(want, "portable")) {
		s->be = &coro__backend_device;
		err = s->be->open(&s->space);
		if (!err || (want && *want))
			return err;
		s->space = wish;
	}
	s->be = &coro__backend_portable;
	return s->be->open(&s->space);
}

/* So that at rest there can be one and some more. */
static unsigned int coro__chunk(unsigned int max_cached)
{
	unsigned int chunk = max_cached / 2;

	return chunk > CORO__BATCH ? CORO__BATCH : chunk ? chunk : 1;
}

int coro__sched_new(const struct coro_thread_opts *opts,
		    struct coro__sched **ret_sched)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct coro_thread_opts o;
	struct coro__sched *s;
	int err;

	err = coro__sched_opts(opts, &o);
	if (err)
		return err;
	/* A guard page, and room for the object, a first frame and a signal's. */
	if (o.stack_size_bytes < 4 * page || o.stack_size_bytes > SIZE_MAX / 2)
		return -EINVAL;
	s = coro__calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->page_size = page;
	s->max_cached = o.max_cached;
	coro__cache_init(&s->cache, coro__chunk(o.max_cached));
	s->batch = CORO__FIRST_BATCH;
	s->space.stack_size = (o.stack_size_bytes + page - 1) & ~(page - 1);
	s->space.max = o.max_coroutines;
	s->space.fd = -1;
	list_init(&s->ports);
	list_init(&s->cancels);
	err = coro__sched_open(s);
	if (err) {
		free(s);
		return err;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->thread = coro__thread();
	coro__list_add(s);
	*ret_sched = s;
	return 0;
}

/* Contexts whose memory goes. */
static void coro__sched_forget(const struct coro__sched *s, const uint64_t *ids,
			       unsigned int nr)
{
	if (!coro__mark_on_valgrind())
		return;
	for (unsigned int i = 0; i < nr; i++)
		coro__mark_no_stack(coro__sched_object(s, ids[i]));
}

static void coro__sched_forget_cached(struct coro__sched *s)
{
	if (!coro__mark_on_valgrind())
		return;
	do {
		for (const struct coro *c = s->cache.top; c; c = c->next)
			coro__mark_no_stack(c);
		s->cache.top = NULL;
		coro__cache_pop(&s->cache);
	} while (s->cache.top);
}

static void coro__sched_free(struct coro__sched *s)
{
	coro__list_del(s);
	coro__sched_forget(s, s->stale, s->nr_stale);
	coro__sched_forget_cached(s);
	s->be->close(&s->space);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Atomic for coro_list() of other threads, which only reads. */
static void coro__sched_count(struct coro__sched *s, int change)
{
	__atomic_store_n(&s->nr_coroutines,
			 s->nr_coroutines + (uint64_t)(int64_t)change,
			 __ATOMIC_RELAXED);
}

/* Takes back what other threads put. */
static void coro__sched_drain(struct coro__sched *s)
{
	struct coro *c, *next;

	pthread_mutex_lock(&s->lock);
	c = s->remote;
	s->remote = NULL;
	pthread_mutex_unlock(&s->lock);
	for (; c; c = next) {
		next = c->next;
		coro__sched_give(s, c, true);
	}
}

void coro__sched_release(struct coro__sched *s)
{
	bool last;

	coro__sched_drain(s);
	pthread_mutex_lock(&s->lock);
	/* Those that came since the drain are not counted down yet. */
	for (struct coro *c = s->remote; c; c = c->next) {
		coro__sched_count(s, -1);
		coro__mark_no_stack(c);
	}
	s->remote = NULL;
	s->orphan = true;
	s->thread = NULL;
	last = !s->nr_coroutines;
	pthread_mutex_unlock(&s->lock);
	if (last)
		coro__sched_free(s);
}

static void coro__sched_flush_stale(struct coro__sched *s)
{
	coro__sched_forget(s, s->stale, s->nr_stale);
	if (s->nr_stale)
		s->be->free(&s->space, s->stale, s->nr_stale, true);
	s->nr_stale = 0;
}

static int coro__sched_fetch(struct coro__sched *s)
{
	int nr;

	coro__sched_drain(s);
	if (!s->cache.top)
		coro__cache_pop(&s->cache);
	if (s->cache.top)
		return 0;
	nr = coro__fault(CORO_FAULT_SYSCALL);
	if (nr)
		return nr;
	nr = s->be->alloc(&s->space, s->spare, s->batch);
	if (nr < 0 && s->nr_stale) {
		/* What ended may be all that there is. */
		coro__sched_flush_stale(s);
		nr = s->be->alloc(&s->space, s->spare, 1);
	}
	if (nr < 0)
		return nr;
	s->nr_spare = (unsigned int)nr;
	if (s->batch < CORO__BATCH && s->batch < s->max_cached)
		s->batch *= 2;
	return 0;
}

struct coro *coro__sched_object(const struct coro__sched *s, uint64_t id)
{
	char *top = coro__stack_base(&s->space, id) + s->space.stack_size;

	return (struct coro *)(top - CORO__OBJECT_BYTES);
}

static struct coro *coro__sched_touch(struct coro__sched *s)
{
	/* Ids come lowest first, so take them from the front: neighbours stay neighbours. */
	uint64_t id = s->spare[0];
	char *low = coro__stack_base(&s->space, id);
	struct coro *c = coro__sched_object(s, id);

	memmove(s->spare, s->spare + 1, --s->nr_spare * sizeof(*s->spare));
	coro__mark_fresh(low + s->page_size, low + s->space.stack_size);
	c->id = id;
	c->sched = s;
	c->shm = &s->space.table[CORO_INDEX(id)];
	coro__mark_stack(c);
	return c;
}

int coro__sched_take(struct coro__sched *s, struct coro **ret_coro)
{
	struct coro *c;

	if (!s->cache.top)
		coro__cache_pop(&s->cache);
	if (!s->cache.top && !s->nr_spare) {
		int err = coro__sched_fetch(s);

		if (err)
			return err;
	}
	c = s->cache.top;
	if (c) {
		s->cache.top = c->next;
		s->cache.nr--;
		coro__mark_fresh(coro__stack_low(c), (char *)c);
	} else {
		c = coro__sched_touch(s);
	}
	coro__sched_count(s, 1);
	*ret_coro = c;
	return 0;
}

static void coro__sched_drop_oldest(struct coro__sched *s)
{
	struct coro *c = coro__cache_oldest(&s->cache);
	uint64_t ids[CORO__BATCH];
	unsigned int nr = 0;

	for (; c; c = c->next)
		ids[nr++] = c->id;
	coro__sched_forget(s, ids, nr);
	s->be->free(&s->space, ids, nr, true);
}

static bool coro__sched_keeps_many(const struct coro__sched *s)
{
	return coro__cache_room(&s->cache) + s->nr_spare > s->max_cached;
}

bool coro__sched_trim(struct coro__sched *s)
{
	if (!coro__sched_keeps_many(s))
		return false;
	if (s->nr_spare)
		s->be->free(&s->space, s->spare, s->nr_spare, false);
	else
		coro__sched_drop_oldest(s);
	s->nr_spare = 0;
	return true;
}

bool coro__sched_turn(struct coro__sched *s, bool idle)
{
	if (!coro__sched_keeps_many(s))
		return false;
	if (!idle && !coro__cache_turn(&s->cache))
		return false;
	return coro__sched_trim(s);
}

/* Those that end in one turn of a loop are often needed in the next. */
static void coro__sched_fold(struct coro__sched *s)
{
	coro__cache_push(&s->cache);
	while (!s->thread->loop && coro__sched_trim(s))
		;
}

static void coro__sched_give_remote(struct coro__sched *s, struct coro *c)
{
	bool last = false;

	pthread_mutex_lock(&s->lock);
	if (s->orphan) {
		coro__mark_no_stack(c);
		coro__sched_count(s, -1);
		last = !s->nr_coroutines;
	} else {
		c->next = s->remote;
		s->remote = c;
	}
	pthread_mutex_unlock(&s->lock);
	if (last)
		coro__sched_free(s);
}

void coro__sched_give(struct coro__sched *s, struct coro *c, bool owner)
{
	coro__set_state(c, CORO_STATE_FREE);
	coro__mark_gone(c);
	if (!owner) {
		coro__sched_give_remote(s, c);
		return;
	}
	coro__sched_count(s, -1);
	if (c->id_taken || __atomic_load_n(&c->woken, __ATOMIC_RELAXED)) {
		s->stale[s->nr_stale++] = c->id;
		if (s->nr_stale == CORO__BATCH)
			coro__sched_flush_stale(s);
		return;
	}
	c->next = s->cache.top;
	s->cache.top = c;
	if (++s->cache.nr == s->cache.chunk)
		coro__sched_fold(s);
}
