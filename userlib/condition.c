// SPDX-License-Identifier: MIT
/* The condition: waits for a signal with a mutex given up meanwhile. */
#include <coro/sync.h>
#include <errno.h>

#include "mutex.h"

int coro_condition_init(struct coro_condition *c, unsigned int flags)
{
	CORO__ENTRY;

	c->mutex = NULL;
	return coro__waitq_init(&c->waiters, flags);
}

int coro_condition_fini(struct coro_condition *c)
{
	CORO__ENTRY;

	return coro__waitq_fini(&c->waiters);
}

/* Locked. Whether the caller may use @c with @m. */
static int coro__condition_check(struct coro_condition *c, struct coro_mutex *m)
{
	if (m->waiters.flags & ~c->waiters.flags)
		return -EINVAL;
	if (!c->waiters.first)
		return 0;
	return c->mutex == m ? coro__waitq_check(&c->waiters) : -EINVAL;
}

/*
 * The mutex is given up under the lock of the condition: who takes it then and
 * signals finds the caller. That lock is the outer one.
 */
static int coro__condition_sleep(struct coro__loop *loop,
				 struct coro_condition *c, struct coro_mutex *m,
				 int64_t deadline_ns)
{
	struct coro__arm arm;
	int err, ret;

	if (!coro__mutex_mine(m))
		return -EPERM;
	coro__waitq_lock(&c->waiters);
	err = coro__condition_check(c, m);
	if (!err)
		err = coro_mutex_unlock(m);
	if (err) {
		coro__waitq_unlock(&c->waiters);
		return err;
	}
	c->mutex = m;
	ret = coro__waitq_wait(loop, &c->waiters, &arm, deadline_ns,
			       CORO_AWAITS_EVENT);
	return coro__mutex_relock(loop, m) ? -ENOTRECOVERABLE : ret;
}

int coro_condition_wait(struct coro_condition *c, struct coro_mutex *m,
			int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int err = coro__wait_begin(&loop);

	return err ? err : coro__condition_sleep(loop, c, m, deadline_ns);
}

int coro_condition_wait_until(struct coro_condition *c, struct coro_mutex *m,
			      int (*ready)(void *arg), void *arg,
			      int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int err = coro__wait_begin(&loop);
	int ret;

	if (err)
		return err;
	if (!ready)
		return -EINVAL;
	if (!coro__mutex_mine(m))
		return -EPERM;
	for (;;) {
		ret = ready(arg);
		if (ret || err == -ETIMEDOUT)
			return ret ? ret : err;
		err = coro_condition_wait(c, m, deadline_ns);
		if (err && err != -ETIMEDOUT)
			return err;
	}
}

/* Wakes one or all. */
static int coro__condition_notify(struct coro_condition *c,
				  struct coro_mutex *m, bool all)
{
	int err;

	if (!coro__mutex_mine(m))
		return -EPERM;
	coro__waitq_lock(&c->waiters);
	err = coro__condition_check(c, m);
	while (!err && coro__waitq_wake(&c->waiters, 0) && all)
		;
	coro__waitq_unlock(&c->waiters);
	return err;
}

int coro_condition_signal(struct coro_condition *c, struct coro_mutex *m)
{
	CORO__ENTRY;

	return coro__condition_notify(c, m, false);
}

int coro_condition_broadcast(struct coro_condition *c, struct coro_mutex *m)
{
	CORO__ENTRY;

	return coro__condition_notify(c, m, true);
}

unsigned int coro_condition_waiters(struct coro_condition *c)
{
	CORO__ENTRY;

	return coro__waitq_count(&c->waiters);
}
