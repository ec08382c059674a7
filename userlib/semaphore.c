// SPDX-License-Identifier: MIT
/* The semaphore: permits, of which none is free while somebody waits. */
#include <coro/sync.h>
#include <errno.h>
#include <limits.h>

#include "select.h"

int coro_semaphore_init(struct coro_semaphore *s, unsigned int value,
			unsigned int max, unsigned int flags)
{
	CORO__ENTRY;

	if (max && value > max)
		return -EINVAL;
	s->value = value;
	s->max = max;
	return coro__waitq_init(&s->waiters, flags);
}

int coro_semaphore_fini(struct coro_semaphore *s)
{
	CORO__ENTRY;

	return coro__waitq_fini(&s->waiters);
}

/* When it has to wait, is shared, or cannot go on. */
static __attribute__((noinline)) int
coro__semaphore_acquire(struct coro_semaphore *s, int64_t deadline_ns)
{
	struct coro__loop *loop;
	struct coro__arm arm;
	int err = coro__wait_begin(&loop);

	if (err)
		return err;
	coro__waitq_lock(&s->waiters);
	if (!s->value)
		return coro__waitq_wait(loop, &s->waiters, &arm, deadline_ns,
					CORO_AWAITS_LOCK);
	s->value--;
	coro__waitq_unlock(&s->waiters);
	return 0;
}

CORO__DEFINE2(int, coro_semaphore_acquire, struct coro_semaphore *, s, int64_t,
	      deadline_ns)
{
	if (s->waiters.flags & CORO_SHARED || !s->value ||
	    !coro__wait_pass(coro__this()))
		return coro__semaphore_acquire(s, deadline_ns);
	s->value--;
	return 0;
}

CORO__DEFINE1(int, coro_semaphore_try_acquire, struct coro_semaphore *, s)
{
	int err = -EBUSY;

	coro__waitq_lock(&s->waiters);
	if (s->value) {
		s->value--;
		err = 0;
	}
	coro__waitq_unlock(&s->waiters);
	return err;
}

CORO__DEFINE1(int, coro_semaphore_release, struct coro_semaphore *, s)
{
	unsigned int max = s->max ? s->max : UINT_MAX;
	int err;

	coro__waitq_lock(&s->waiters);
	err = coro__waitq_check(&s->waiters);
	if (!err && !coro__waitq_wake(&s->waiters, 0)) {
		if (s->value < max)
			s->value++;
		else
			err = -EOVERFLOW;
	}
	coro__waitq_unlock(&s->waiters);
	return err;
}

unsigned int coro_semaphore_value(struct coro_semaphore *s)
{
	CORO__ENTRY;
	unsigned int value;

	coro__waitq_lock(&s->waiters);
	value = s->value;
	coro__waitq_unlock(&s->waiters);
	return value;
}

unsigned int coro_semaphore_waiters(struct coro_semaphore *s)
{
	CORO__ENTRY;

	return coro__waitq_count(&s->waiters);
}

static struct coro_waiters *coro__case_waiters(struct coro_case *c)
{
	struct coro_semaphore *s = c->object;

	return &s->waiters;
}

static int coro__case_attempt(struct coro_case *c)
{
	struct coro_semaphore *s = c->object;

	if (!s->value)
		return -EAGAIN;
	s->value--;
	return 0;
}

struct coro_case coro_case_acquire(struct coro_semaphore *s)
{
	CORO__ENTRY;
	static const struct coro__case_ops ops = {
		.waiters = coro__case_waiters,
		.attempt = coro__case_attempt,
		.awaits = CORO_AWAITS_LOCK,
	};
	struct coro_case c = { .object = s };

	c.ops = s ? &ops : NULL;
	return c;
}
