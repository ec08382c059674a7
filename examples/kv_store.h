/* SPDX-License-Identifier: MIT */
/* The store: who asks queues, and each connection to the database takes all that wait. */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <coro.h>
#include "kv_db.h"

/* Many read at once, one writes: so it is with a journal of this kind. */
#define KV_READERS 4
/* Most that one call does: of reads, so that one that waits for the disk holds up few. */
#define KV_READ_BATCH 32
#define KV_WRITE_BATCH 64

#define KV_WORKERS (1 + KV_READERS)

/* A connection, and where its coroutine finds what is to be done. */
struct kv_worker {
	struct kv_db db;
	struct coro_queue *queue;
	void (*run)(struct kv_db *db, struct kv_op **ops, size_t nr);
	size_t most;
};

/* The first worker writes. */
struct kv_store {
	struct coro_queue *reads, *writes;
	struct kv_worker workers[KV_WORKERS];
};

/* What one call does. */
struct kv_batch {
	struct kv_worker *worker;
	size_t nr;
	struct kv_op *ops[KV_WRITE_BATCH];
};

static long kv_batch_run(void *arg)
{
	struct kv_batch *b = arg;

	b->worker->run(&b->worker->db, b->ops, b->nr);
	return 0;
}

/* While a call blocks others come: they are the next batch, and share its cost. */
static long kv_work(void *arg)
{
	struct kv_batch b = { .worker = arg };
	struct coro_queue *queue = b.worker->queue;
	void *op;

	while (!coro_queue_get(queue, &op, CORO_NEVER)) {
		b.nr = 0;
		do {
			b.ops[b.nr] = op;
			b.ops[b.nr++]->status = SQLITE_INTERRUPT;
		} while (b.nr < b.worker->most &&
			 !coro_queue_try_get(queue, &op));
		coro_blocking(kv_batch_run, &b, NULL);
		for (size_t i = 0; i < b.nr; i++)
			coro_event_set(b.ops[i]->owner);
	}
	return 0;
}

/* Blocks: after the loop. */
static void kv_store_close(struct kv_store *s)
{
	for (int i = 0; i < KV_WORKERS; i++)
		kv_db_close(&s->workers[i].db);
	coro_queue_free(s->reads);
	coro_queue_free(s->writes);
}

/* Blocks: before the loop. Returns whether it could, and says why not. */
static bool kv_store_open(struct kv_store *s, const char *path)
{
	*s = (struct kv_store){ 0 };
	for (int i = 0; i < KV_WORKERS; i++)
		if (!kv_db_open(&s->workers[i].db, path))
			return false;
	return true;
}

/* In the loop; it lasts until that ends, and whoever uses it must not. */
static int kv_store_start(struct kv_store *s)
{
	int err = coro_queue_new(&s->reads, NULL);

	if (!err)
		err = coro_queue_new(&s->writes, NULL);
	for (int i = 0; i < KV_WORKERS && !err; i++) {
		struct kv_worker *w = &s->workers[i];

		w->queue = i ? s->reads : s->writes;
		w->run = i ? kv_db_read : kv_db_write;
		w->most = i ? KV_READ_BATCH : KV_WRITE_BATCH;
		err = coro_spawn(kv_work, w);
	}
	return err;
}

static long kv_wait(void *done)
{
	return coro_event_wait(done, CORO_NEVER);
}

/* Waits until @op, which may be on the caller's stack, is done. Returns its status. */
static int kv_store_do(struct kv_store *s, struct kv_op *op)
{
	struct coro_event_flag done = CORO_EVENT_INIT(0);

	op->owner = &done;
	if (coro_queue_put(op->verb == KV_GET ? s->reads : s->writes, op,
			   CORO_NEVER))
		return SQLITE_INTERRUPT;
	/* A connection uses it until then, whoever is cancelled meanwhile. */
	coro_call_shielded(kv_wait, &done, CORO_NEVER);
	return op->status;
}

#endif /* KV_STORE_H */
