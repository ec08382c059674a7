/* SPDX-License-Identifier: MIT */
/*
 * A storm: coroutines of one thread or several put, get and choose at random, with
 * deadlines, and cancel each other. Afterwards every item whose put succeeded was
 * got once, and every other one never.
 */
#ifndef CORO_SELFTESTS_LIB_QUEUE_STORM_H
#define CORO_SELFTESTS_LIB_QUEUE_STORM_H

#include "lib_queue.h"

enum {
	STORM_QUEUES = 4,
	STORM_PUTS = 3, /* of a coroutine in one round, at most */
	STORM_WAIT_NS = 200 * 1000,
};

struct storm_item {
	unsigned int put;
	unsigned int got; /* by any thread */
};

struct storm {
	struct coro_queue *q[STORM_QUEUES];
	struct storm_item *items;
	unsigned int nr_items;
	unsigned int used; /* by any thread */
	unsigned int wrong; /* results that no call may have */
};

struct stormer {
	struct storm *s;
	struct stormer *others; /* of the same loop */
	unsigned int nr_others;
	unsigned int rounds;
	uint64_t dice;
	struct coro_scope scope;
	bool inside;
};

static inline void storm_got(void *item)
{
	struct storm_item *i = item;

	__atomic_add_fetch(&i->got, 1, __ATOMIC_RELAXED);
}

static inline int storm_compare(const void *a, const void *b)
{
	return (a > b) - (a < b);
}

/* One of each kind: a rendezvous, and room for one, two, or any number. */
static inline void storm_init(struct storm *s, unsigned int nr_items)
{
	struct coro_queue_opts opts[STORM_QUEUES] = {
		{ .flags = CORO_QUEUE_RENDEZVOUS },
		{ .capacity = 1 },
		{ .capacity = 2, .order = CORO_QUEUE_LIFO },
		{ .order = CORO_QUEUE_PRIORITY, .compare = storm_compare },
	};
	int i;

	memset(s, 0, sizeof(*s));
	s->nr_items = nr_items;
	s->items = calloc(nr_items, sizeof(*s->items));
	for (i = 0; i < STORM_QUEUES; i++) {
		opts[i].size = sizeof(opts[i]);
		opts[i].destroy = storm_got;
		s->q[i] = queue_of(&opts[i]);
	}
}

static inline struct storm_item *storm_item_new(struct storm *s)
{
	unsigned int at = __atomic_fetch_add(&s->used, 1, __ATOMIC_RELAXED);

	if (at >= s->nr_items)
		abort();
	return &s->items[at];
}

static inline void storm_note_put(struct storm *s, struct storm_item *i,
				  int err)
{
	if (!err)
		i->put = 1;
	else if (err != -ETIMEDOUT && err != -ECANCELED && err != -EAGAIN &&
		 err != -ENOMEM)
		__atomic_add_fetch(&s->wrong, 1, __ATOMIC_RELAXED);
}

static inline void storm_note_get(struct storm *s, struct coro_queue *q,
				  void *item, int err)
{
	if (!err) {
		storm_got(item);
		err = coro_queue_task_done(q) ? -EPROTO : -EAGAIN;
	}
	if (err != -ETIMEDOUT && err != -ECANCELED && err != -EAGAIN &&
	    err != -ENODATA)
		__atomic_add_fetch(&s->wrong, 1, __ATOMIC_RELAXED);
}

static inline void storm_choose(struct stormer *me, int64_t deadline_ns)
{
	struct storm_item *put[STORM_PUTS] = { NULL };
	struct coro_queue *q[STORM_PUTS];
	struct coro_case c[STORM_PUTS];
	void *got[STORM_PUTS];
	int i, ret;

	for (i = 0; i < STORM_PUTS; i++) {
		q[i] = me->s->q[rnd(&me->dice) % STORM_QUEUES];
		if (rnd(&me->dice) % 2) {
			put[i] = storm_item_new(me->s);
			c[i] = coro_case_put(q[i], put[i]);
		} else {
			c[i] = coro_case_get(q[i], &got[i]);
		}
	}
	ret = rnd(&me->dice) % 4 ? coro_select(c, STORM_PUTS, deadline_ns) :
				   coro_try_select(c, STORM_PUTS);
	if (ret < 0)
		storm_note_get(me->s, NULL, NULL, ret);
	else if (put[ret])
		storm_note_put(me->s, put[ret], c[ret].result);
	else
		storm_note_get(me->s, q[ret], got[ret], c[ret].result);
}

static inline void storm_act(struct stormer *me)
{
	uint64_t wait = rnd(&me->dice) % STORM_WAIT_NS;
	int64_t deadline_ns = wait % 4 ? coro_after((int64_t)wait) : 0;
	struct coro_queue *q = me->s->q[rnd(&me->dice) % STORM_QUEUES];
	struct storm_item *item;
	void *got = NULL;
	int err;

	switch (rnd(&me->dice) % 8) {
	case 0:
	case 1:
		item = storm_item_new(me->s);
		storm_note_put(me->s, item,
			       coro_queue_put(q, item, deadline_ns));
		break;
	case 2:
	case 3:
		err = coro_queue_get(q, &got, deadline_ns);
		storm_note_get(me->s, q, got, err);
		break;
	case 4:
		item = storm_item_new(me->s);
		storm_note_put(me->s, item, coro_queue_try_put(q, item));
		break;
	case 5:
		err = coro_queue_try_get(q, &got);
		storm_note_get(me->s, q, got, err);
		break;
	default:
		storm_choose(me, deadline_ns);
	}
}

static inline long storm_body(void *arg)
{
	struct stormer *me = arg;

	while (me->rounds--) {
		struct stormer *other;

		coro_scope_enter(&me->scope, CORO_NEVER);
		me->inside = true;
		storm_act(me);
		me->inside = false;
		coro_scope_leave(&me->scope, 0);
		other = &me->others[rnd(&me->dice) % me->nr_others];
		if (other->inside && rnd(&me->dice) % 4 == 0)
			coro_scope_cancel(&other->scope);
		if (rnd(&me->dice) % 4 == 0)
			coro_sleep(0);
	}
	return 0;
}

/* In a loop: @nr coroutines with @rounds each; @seed is not 0. */
static inline void storm_run(struct storm *s, unsigned int nr,
			     unsigned int rounds, uint64_t seed)
{
	struct stormer *all = calloc(nr, sizeof(*all));
	struct coro **c = calloc(nr, sizeof(*c));
	unsigned int i;

	for (i = 0; i < nr; i++) {
		all[i] = (struct stormer){
			.s = s,
			.others = all,
			.nr_others = nr,
			.rounds = rounds,
			.dice = seed + ((uint64_t)i << 32),
		};
		c[i] = coro_new(storm_body, &all[i]);
		if (!c[i] || coro_start(c[i]))
			abort();
	}
	for (i = 0; i < nr; i++) {
		if (coro_await(c[i]))
			abort();
	}
	free(c);
	free(all);
}

/* After it: what is left is got, and then all must be in order. Counts what is not. */
static inline unsigned int storm_end(struct storm *s)
{
	unsigned int wrong = s->wrong, delivered = 0;
	unsigned int i;

	for (i = 0; i < STORM_QUEUES; i++) {
		struct coro_queue_info info = info_of(s->q[i]);

		wrong += info.getters || info.putters || info.joiners;
		wrong += info.unfinished != info.items;
		if (i % 2)
			wrong += !!coro_queue_shutdown(s->q[i],
						       CORO_QUEUE_DISCARD);
		wrong += !!coro_queue_free(s->q[i]);
	}
	for (i = 0; i < s->used; i++) {
		wrong += s->items[i].put != s->items[i].got;
		delivered += s->items[i].got;
	}
	/* A storm in which nothing happens shows nothing. */
	wrong += !delivered || delivered == s->used;
	free(s->items);
	return wrong;
}

#endif /* CORO_SELFTESTS_LIB_QUEUE_STORM_H */
