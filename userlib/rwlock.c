// SPDX-License-Identifier: MIT
/* The rwlock: readers that came in a row together, writers alone, all in order. */
#include <coro/sync.h>
#include <errno.h>

#include "mutex.h"

enum coro__rwlock_kind {
	CORO__READS,
	CORO__WRITES,
};

int coro_rwlock_init(struct coro_rwlock *l, unsigned int flags)
{
	CORO__ENTRY;

	l->readers = 0;
	l->writer = 0;
	return coro__waitq_init(&l->waiters, flags);
}

int coro_rwlock_fini(struct coro_rwlock *l)
{
	CORO__ENTRY;

	if (coro_rwlock_readers(l) || coro_rwlock_is_writing(l))
		return -EBUSY;
	return coro__waitq_fini(&l->waiters);
}

/* Locked. Whether nobody has to wait for it who comes now. */
static bool coro__rwlock_open(const struct coro_rwlock *l, unsigned int kind)
{
	return coro__waitq_empty(&l->waiters) && !l->writer &&
	       (kind == CORO__READS || !l->readers);
}

/* Locked. */
static void coro__rwlock_take(struct coro_rwlock *l, unsigned int kind,
			      uint64_t key)
{
	if (kind == CORO__READS)
		l->readers++;
	else
		l->writer = key;
}

/* Locked: lets one of those in front in. */
static bool coro__rwlock_admit(struct coro_rwlock *l, unsigned int kind)
{
	struct coro__arm *arm;
	uint64_t key;

	do {
		arm = coro__waitq_claim_kind(&l->waiters, kind);
		if (!arm)
			return false;
		key = arm->ticket->task->task.key;
	} while (coro__waitq_give(arm, 0));
	coro__rwlock_take(l, kind, key);
	return true;
}

/* Locked: lets those in front in for whom the way is free. */
static void coro__rwlock_advance(struct coro_rwlock *l)
{
	if (l->writer || coro__waitq_empty(&l->waiters))
		return;
	if (!l->readers && coro__rwlock_admit(l, CORO__WRITES))
		return;
	while (coro__rwlock_admit(l, CORO__READS))
		;
}

static int coro__rwlock_wait(struct coro_rwlock *l, unsigned int kind,
			     int64_t deadline_ns)
{
	struct coro__arm arm = { .kind = kind };
	struct coro__loop *loop;
	int ret = coro__wait_begin(&loop);
	uint64_t key;

	if (ret)
		return ret;
	key = loop->thread->task->task.key;
	coro__waitq_lock(&l->waiters);
	if (coro__rwlock_open(l, kind)) {
		coro__rwlock_take(l, kind, key);
		coro__waitq_unlock(&l->waiters);
		return 0;
	}
	if (l->writer == key) {
		coro__waitq_unlock(&l->waiters);
		return -EDEADLK;
	}
	ret = coro__waitq_wait(loop, &l->waiters, &arm, deadline_ns,
			       CORO_AWAITS_LOCK);
	/* Who gave up may have held others back. */
	if (ret && ret != -EXDEV) {
		coro__waitq_lock(&l->waiters);
		coro__rwlock_advance(l);
		coro__waitq_unlock(&l->waiters);
	}
	return ret;
}

int coro_rwlock_read(struct coro_rwlock *l, int64_t deadline_ns)
{
	CORO__ENTRY;

	return coro__rwlock_wait(l, CORO__READS, deadline_ns);
}

int coro_rwlock_write(struct coro_rwlock *l, int64_t deadline_ns)
{
	CORO__ENTRY;

	return coro__rwlock_wait(l, CORO__WRITES, deadline_ns);
}

static int coro__rwlock_try(struct coro_rwlock *l, unsigned int kind)
{
	int err = -EBUSY;

	coro__waitq_lock(&l->waiters);
	if (coro__rwlock_open(l, kind)) {
		coro__rwlock_take(l, kind, coro__key());
		err = 0;
	}
	coro__waitq_unlock(&l->waiters);
	return err;
}

int coro_rwlock_try_read(struct coro_rwlock *l)
{
	CORO__ENTRY;

	return coro__rwlock_try(l, CORO__READS);
}

int coro_rwlock_try_write(struct coro_rwlock *l)
{
	CORO__ENTRY;

	return coro__rwlock_try(l, CORO__WRITES);
}

int coro_rwlock_unlock(struct coro_rwlock *l)
{
	CORO__ENTRY;
	int err = -EPERM;

	coro__waitq_lock(&l->waiters);
	if (l->writer || l->readers)
		err = coro__waitq_check(&l->waiters);
	if (!err) {
		if (l->writer)
			l->writer = 0;
		else
			l->readers--;
		coro__rwlock_advance(l);
	}
	coro__waitq_unlock(&l->waiters);
	return err;
}

int coro_rwlock_downgrade(struct coro_rwlock *l)
{
	CORO__ENTRY;
	int err = -EPERM;

	coro__waitq_lock(&l->waiters);
	if (l->writer)
		err = coro__waitq_check(&l->waiters);
	if (!err) {
		l->writer = 0;
		l->readers = 1;
		coro__rwlock_advance(l);
	}
	coro__waitq_unlock(&l->waiters);
	return err;
}

uint64_t coro_rwlock_readers(struct coro_rwlock *l)
{
	CORO__ENTRY;
	uint64_t nr;

	coro__waitq_lock(&l->waiters);
	nr = l->readers;
	coro__waitq_unlock(&l->waiters);
	return nr;
}

bool coro_rwlock_is_writing(struct coro_rwlock *l)
{
	CORO__ENTRY;
	bool writing;

	coro__waitq_lock(&l->waiters);
	writing = l->writer;
	coro__waitq_unlock(&l->waiters);
	return writing;
}

unsigned int coro_rwlock_waiters(struct coro_rwlock *l)
{
	CORO__ENTRY;

	return coro__waitq_count(&l->waiters);
}
