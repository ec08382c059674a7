// SPDX-License-Identifier: MIT
/* The event: a flag, and all who wait for it. */
#include <coro/sync.h>

#include "select.h"

int coro_event_init(struct coro_event_flag *e, unsigned int flags)
{
	CORO__ENTRY;

	e->set = false;
	return coro__waitq_init(&e->waiters, flags);
}

int coro_event_fini(struct coro_event_flag *e)
{
	CORO__ENTRY;

	return coro__waitq_fini(&e->waiters);
}

CORO__DEFINE1(int, coro_event_set, struct coro_event_flag *, e)
{
	int err;

	coro__waitq_lock(&e->waiters);
	err = coro__waitq_check(&e->waiters);
	if (!err) {
		e->set = true;
		while (coro__waitq_wake(&e->waiters, 0))
			;
	}
	coro__waitq_unlock(&e->waiters);
	return err;
}

void coro_event_clear(struct coro_event_flag *e)
{
	CORO__ENTRY;

	coro__waitq_lock(&e->waiters);
	e->set = false;
	coro__waitq_unlock(&e->waiters);
}

CORO__DEFINE2(int, coro_event_wait, struct coro_event_flag *, e, int64_t,
	      deadline_ns)
{
	struct coro__loop *loop;
	struct coro__arm arm;
	int err = coro__wait_begin(&loop);

	if (err)
		return err;
	coro__waitq_lock(&e->waiters);
	if (!e->set)
		return coro__waitq_wait(loop, &e->waiters, &arm, deadline_ns,
					CORO_AWAITS_EVENT);
	coro__waitq_unlock(&e->waiters);
	return 0;
}

bool coro_event_is_set(struct coro_event_flag *e)
{
	CORO__ENTRY;
	bool set;

	coro__waitq_lock(&e->waiters);
	set = e->set;
	coro__waitq_unlock(&e->waiters);
	return set;
}

unsigned int coro_event_waiters(struct coro_event_flag *e)
{
	CORO__ENTRY;

	return coro__waitq_count(&e->waiters);
}

static struct coro_waiters *coro__case_waiters(struct coro_case *c)
{
	struct coro_event_flag *e = c->object;

	return &e->waiters;
}

static int coro__case_attempt(struct coro_case *c)
{
	const struct coro_event_flag *e = c->object;

	return e->set ? 0 : -EAGAIN;
}

struct coro_case coro_case_event(struct coro_event_flag *e)
{
	CORO__ENTRY;
	static const struct coro__case_ops ops = {
		.waiters = coro__case_waiters,
		.attempt = coro__case_attempt,
		.awaits = CORO_AWAITS_EVENT,
	};
	struct coro_case c = { .object = e };

	c.ops = e ? &ops : NULL;
	return c;
}
