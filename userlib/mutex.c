// SPDX-License-Identifier: MIT
/* The mutex: goes from its holder to who waits longest, and is never free in between. */
#include "mutex.h"

#include <errno.h>

#include "select.h"

int coro_mutex_init(struct coro_mutex *m, unsigned int flags)
{
	CORO__ENTRY;

	m->holder = 0;
	m->holder_id = 0;
	return coro__waitq_init(&m->waiters, flags);
}

int coro_mutex_fini(struct coro_mutex *m)
{
	CORO__ENTRY;

	return coro_mutex_is_locked(m) ? -EBUSY : coro__waitq_fini(&m->waiters);
}

/* Locked, or not shared. */
static void coro__mutex_take(struct coro_mutex *m, const struct coro *task)
{
	m->holder = task->task.key;
	m->holder_id = task->id;
}

static int coro__mutex_wait(struct coro__loop *loop, struct coro_mutex *m,
			    int64_t deadline_ns, bool firm)
{
	const struct coro *task = loop->thread->task;
	struct coro__arm arm;

	coro__waitq_lock(&m->waiters);
	if (!m->holder) {
		coro__mutex_take(m, task);
		coro__waitq_unlock(&m->waiters);
		return 0;
	}
	if (m->holder == task->task.key) {
		coro__waitq_unlock(&m->waiters);
		return -EDEADLK;
	}
	if (firm)
		return coro__waitq_wait_firm(loop, &m->waiters, &arm,
					     CORO_AWAITS_LOCK);
	return coro__waitq_wait(loop, &m->waiters, &arm, deadline_ns,
				CORO_AWAITS_LOCK);
}

/* When it has to wait, is shared, or cannot go on. */
static __attribute__((noinline)) int coro__mutex_lock(struct coro_mutex *m,
						      int64_t deadline_ns)
{
	struct coro__loop *loop;
	int err = coro__wait_begin(&loop);

	return err ? err : coro__mutex_wait(loop, m, deadline_ns, false);
}

CORO__DEFINE2(int, coro_mutex_lock, struct coro_mutex *, m, int64_t,
	      deadline_ns)
{
	const struct coro__thread *t = coro__this();

	if (m->waiters.flags & CORO_SHARED || m->holder || !coro__wait_pass(t))
		return coro__mutex_lock(m, deadline_ns);
	coro__mutex_take(m, t->task);
	return 0;
}

int coro__mutex_relock(struct coro__loop *loop, struct coro_mutex *m)
{
	return coro__mutex_wait(loop, m, CORO_NEVER, true);
}

/* Locked, or not shared: false if somebody has it. */
static bool coro__mutex_try(struct coro_mutex *m)
{
	const struct coro *task = coro__thread()->task;

	if (m->holder)
		return false;
	if (task)
		coro__mutex_take(m, task);
	else
		m->holder = CORO__KEY_OUTSIDE;
	return true;
}

CORO__DEFINE1(int, coro_mutex_trylock, struct coro_mutex *, m)
{
	bool mine;

	coro__waitq_lock(&m->waiters);
	mine = coro__mutex_try(m);
	coro__waitq_unlock(&m->waiters);
	return mine ? 0 : -EBUSY;
}

/* Locked. To those whose loop ended without them nothing can be given. */
static void coro__mutex_hand_on(struct coro_mutex *m)
{
	struct coro__arm *arm;

	do {
		m->holder = 0;
		m->holder_id = 0;
		arm = coro__waitq_claim(&m->waiters);
		if (!arm)
			return;
		coro__mutex_take(m, arm->ticket->task);
	} while (coro__waitq_give(arm, 0));
}

static __attribute__((noinline)) int coro__mutex_unlock(struct coro_mutex *m)
{
	int err = -EPERM;

	coro__waitq_lock(&m->waiters);
	if (m->holder)
		err = coro__waitq_check(&m->waiters);
	if (!err)
		coro__mutex_hand_on(m);
	coro__waitq_unlock(&m->waiters);
	return err;
}

CORO__DEFINE1(int, coro_mutex_unlock, struct coro_mutex *, m)
{
	if (m->waiters.flags & CORO_SHARED || m->waiters.first || !m->holder)
		return coro__mutex_unlock(m);
	m->holder = 0;
	m->holder_id = 0;
	return 0;
}

long coro_mutex_call(struct coro_mutex *m, long (*fn)(void *arg), void *arg,
		     int64_t deadline_ns)
{
	CORO__ENTRY;
	long ret;

	if (!fn)
		return -EINVAL;
	ret = coro_mutex_lock(m, deadline_ns);
	if (ret)
		return ret;
	ret = coro__call_own(fn, arg);
	coro_mutex_unlock(m);
	return ret;
}

bool coro__mutex_mine(struct coro_mutex *m)
{
	bool mine;

	coro__waitq_lock(&m->waiters);
	mine = m->holder == coro__key();
	coro__waitq_unlock(&m->waiters);
	return mine;
}

bool coro_mutex_is_locked(struct coro_mutex *m)
{
	CORO__ENTRY;
	bool locked;

	coro__waitq_lock(&m->waiters);
	locked = m->holder;
	coro__waitq_unlock(&m->waiters);
	return locked;
}

uint64_t coro_mutex_holder(struct coro_mutex *m)
{
	CORO__ENTRY;
	uint64_t key, id;
	struct coro *c;

	coro__waitq_lock(&m->waiters);
	key = m->holder;
	id = m->holder_id;
	coro__waitq_unlock(&m->waiters);
	c = coro_find(id);
	if (!c)
		return id;
	/* The caller knows the id now. If the holder ended, it can be another's. */
	if (c->task.key == key)
		c->id_taken = true;
	else if (key >> CORO__KEY_BITS ==
		 coro__thread()->last_key >> CORO__KEY_BITS)
		id = 0;
	coro_put(c);
	return id;
}

unsigned int coro_mutex_waiters(struct coro_mutex *m)
{
	CORO__ENTRY;

	return coro__waitq_count(&m->waiters);
}

static struct coro_waiters *coro__case_waiters(struct coro_case *c)
{
	struct coro_mutex *m = c->object;

	return &m->waiters;
}

static int coro__case_attempt(struct coro_case *c)
{
	struct coro_mutex *m = c->object;

	if (coro__mutex_try(m))
		return 0;
	return m->holder == coro__key() ? -EDEADLK : -EAGAIN;
}

struct coro_case coro_case_lock(struct coro_mutex *m)
{
	CORO__ENTRY;
	static const struct coro__case_ops ops = {
		.waiters = coro__case_waiters,
		.attempt = coro__case_attempt,
		.awaits = CORO_AWAITS_LOCK,
	};
	struct coro_case c = { .object = m };

	c.ops = m ? &ops : NULL;
	return c;
}
