/* SPDX-License-Identifier: MIT */
/* Coroutines that use a queue, and tell what came of it. */
#ifndef CORO_SELFTESTS_LIB_QUEUE_H
#define CORO_SELFTESTS_LIB_QUEUE_H

#include "lib_common.h"

#define POISON_ITEM ((void *)POISON_LONG)
#define ITEM(n) ((void *)(long)(n))

/* Flags of the queues that the running test makes. */
static unsigned int queue_flags;

/* Tests of @object, once with queues of one loop and once with shared ones. */
#define QUEUE_FIXTURE(object)                                        \
	FIXTURE(object){};                                           \
	FIXTURE_VARIANT(object)                                      \
	{                                                            \
		unsigned int flags;                                  \
	};                                                           \
	FIXTURE_VARIANT_ADD(object, local){ .flags = 0 };            \
	FIXTURE_VARIANT_ADD(object, shared){ .flags = CORO_SHARED }; \
	FIXTURE_SETUP(object)                                        \
	{                                                            \
		queue_flags = variant->flags;                        \
		bodies_expect(_metadata);                            \
	}                                                            \
	FIXTURE_TEARDOWN(object)                                     \
	{                                                            \
		EXPECT_EQ(0, leaked());                              \
	}

/* One put or get. */
struct user {
	struct coro_queue *q;
	struct trace *trace; /* may be NULL */
	struct coro *c;
	void *item;
	int64_t deadline_ns; /* 0 for CORO_NEVER */
	int err;
	int next; /* what the wait after it says */
	char name;
};

static inline int64_t user_deadline(const struct user *u)
{
	return u->deadline_ns ? u->deadline_ns : CORO_NEVER;
}

static inline long user_ends(struct user *u)
{
	if (u->trace)
		trace_add(u->trace, u->name);
	u->next = coro_sleep(0);
	return u->err;
}

static inline long user_get(void *arg)
{
	struct user *u = arg;

	u->err = coro_queue_get(u->q, &u->item, user_deadline(u));
	return user_ends(u);
}

static inline long user_put(void *arg)
{
	struct user *u = arg;

	u->err = coro_queue_put(u->q, u->item, user_deadline(u));
	return user_ends(u);
}

static inline long user_join(void *arg)
{
	struct user *u = arg;

	u->err = coro_queue_join(u->q, user_deadline(u));
	return user_ends(u);
}

/* Starts @fn with @u, and lets it come to where it waits for the queue. */
static inline void user_start(struct user *u, long (*fn)(void *arg))
{
	u->err = 1;
	u->next = 1;
	u->c = coro_new(fn, u);
	if (coro_start(u->c))
		abort();
	settle(u->c, CORO_AWAITS_QUEUE);
}

static inline void getter_start(struct user *u, struct coro_queue *q)
{
	u->q = q;
	u->item = POISON_ITEM;
	user_start(u, user_get);
}

static inline void putter_start(struct user *u, struct coro_queue *q,
				void *item)
{
	u->q = q;
	u->item = item;
	user_start(u, user_put);
}

static inline void joiner_start(struct user *u, struct coro_queue *q)
{
	u->q = q;
	user_start(u, user_join);
}

/* Its result, when it has ended. */
static inline long user_await(struct user *u)
{
	return coro_await(u->c);
}

static inline struct coro_queue *queue_of(const struct coro_queue_opts *opts)
{
	struct coro_queue_opts o = { .size = sizeof(o) };
	struct coro_queue *q = NULL;

	if (opts)
		o = *opts;
	o.flags |= queue_flags;
	EXPECT_EQ(0, coro_queue_new(&q, &o));
	return q;
}

static inline struct coro_queue *queue_of_capacity(size_t capacity)
{
	struct coro_queue_opts opts = { .size = sizeof(opts),
					.capacity = capacity };

	return queue_of(&opts);
}

static inline struct coro_queue *rendezvous(void)
{
	struct coro_queue_opts opts = { .size = sizeof(opts),
					.flags = CORO_QUEUE_RENDEZVOUS };

	return queue_of(&opts);
}

static inline struct coro_queue_info info_of(struct coro_queue *q)
{
	struct coro_queue_info info = { .size = sizeof(info) };

	EXPECT_EQ(0, coro_queue_info_read(q, &info));
	return info;
}

/* The next item that is there, or POISON_ITEM. */
static inline void *take(struct coro_queue *q)
{
	void *item = POISON_ITEM;
	int err = coro_queue_try_get(q, &item);

	EXPECT_EQ(err ? POISON_ITEM : item, item);
	return item;
}

#endif /* CORO_SELFTESTS_LIB_QUEUE_H */
