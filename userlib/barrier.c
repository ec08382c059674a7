// SPDX-License-Identifier: MIT
/* The barrier: rounds of coroutines that wait until as many have come. */
#include <coro/sync.h>
#include <errno.h>
#include <limits.h>

#include "waitq.h"

int coro_barrier_init(struct coro_barrier *b, unsigned int parties,
		      unsigned int flags)
{
	CORO__ENTRY;

	if (!parties || parties > INT_MAX)
		return -EINVAL;
	b->parties = parties;
	b->broken = false;
	return coro__waitq_init(&b->waiters, flags);
}

int coro_barrier_fini(struct coro_barrier *b)
{
	CORO__ENTRY;

	return coro__waitq_fini(&b->waiters);
}

/* Locked: who stops waiting needs that, so all who are counted are claimed here. */
static int coro__barrier_open(struct coro_barrier *b)
{
	struct coro__arm *arm;
	int index = 0;

	while ((arm = coro__waitq_claim(&b->waiters)) != NULL)
		coro__waitq_give(arm, index++);
	return index;
}

int coro_barrier_wait(struct coro_barrier *b, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro__arm arm;
	int ret = coro__wait_begin(&loop);

	if (ret)
		return ret;
	coro__waitq_lock(&b->waiters);
	if (b->broken)
		ret = -EPIPE;
	else if (!b->parties || b->parties > INT_MAX)
		ret = -EINVAL;
	else
		ret = coro__waitq_check(&b->waiters);
	if (!ret && b->waiters.nr + 1 < b->parties)
		return coro__waitq_wait(loop, &b->waiters, &arm, deadline_ns,
					CORO_AWAITS_EVENT);
	if (!ret)
		ret = coro__barrier_open(b);
	coro__waitq_unlock(&b->waiters);
	return ret;
}

static int coro__barrier_fail(struct coro_barrier *b, bool broken)
{
	int err;

	coro__waitq_lock(&b->waiters);
	err = coro__waitq_check(&b->waiters);
	if (!err) {
		b->broken = broken;
		while (coro__waitq_wake(&b->waiters, -EPIPE))
			;
	}
	coro__waitq_unlock(&b->waiters);
	return err;
}

int coro_barrier_abort(struct coro_barrier *b)
{
	CORO__ENTRY;

	return coro__barrier_fail(b, true);
}

int coro_barrier_reset(struct coro_barrier *b)
{
	CORO__ENTRY;

	return coro__barrier_fail(b, false);
}

bool coro_barrier_is_broken(struct coro_barrier *b)
{
	CORO__ENTRY;
	bool broken;

	coro__waitq_lock(&b->waiters);
	broken = b->broken;
	coro__waitq_unlock(&b->waiters);
	return broken;
}

unsigned int coro_barrier_waiters(struct coro_barrier *b)
{
	CORO__ENTRY;

	return coro__waitq_count(&b->waiters);
}
