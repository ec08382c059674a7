// SPDX-License-Identifier: MIT
/* A choice among several waits: one ticket, with an arm in each case. */
#include <coro/select.h>
#include <coro/sim.h>
#include <errno.h>
#include <limits.h>

#include "select.h"

static int coro__cases_check(const struct coro_case *cases, unsigned int nr)
{
	if (nr > INT_MAX || (nr && !cases))
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		if (!cases[i].ops)
			return -EINVAL;
	}
	return 0;
}

static struct coro_waiters *coro__case_lock(struct coro_case *c)
{
	return coro__waitq_first(c->ops->waiters(c));
}

/*
 * The cases whose objects have locks, each lock once, by address. All are held
 * from the first look at the objects until the arms are in their lists. So nobody
 * can claim the choice while it makes up its mind, and it never meets itself;
 * whom it finds waiting it has but to claim. Who holds one lock only, as all
 * others do, cannot close a circle.
 */
static struct coro_case *coro__cases_sort(struct coro_case *cases,
					  unsigned int nr)
{
	struct coro_case *first = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		struct coro_waiters *lock = coro__case_lock(&cases[i]);
		struct coro_case **at = &first;

		if (!(lock->flags & CORO_SHARED))
			continue;
		while (*at && (uintptr_t)coro__case_lock(*at) < (uintptr_t)lock)
			at = &(*at)->next_lock;
		if (*at && coro__case_lock(*at) == lock)
			continue;
		cases[i].next_lock = *at;
		*at = &cases[i];
	}
	return first;
}

static struct coro_case *coro__cases_lock(struct coro_case *cases,
					  unsigned int nr)
{
	struct coro_case *first = coro__cases_sort(cases, nr);

	for (struct coro_case *c = first; c; c = c->next_lock)
		coro__waitq_lock(coro__case_lock(c));
	return first;
}

static void coro__cases_unlock(struct coro_case *first)
{
	for (struct coro_case *c = first; c; c = c->next_lock)
		coro__waitq_unlock(coro__case_lock(c));
}

/*
 * Where to begin: drawn, since turns that are merely counted can fall into step
 * with the program. A linear congruential generator; Knuth names the multiplier.
 */
static unsigned int coro__cases_draw(unsigned int nr)
{
	struct coro__thread *t = coro__thread();

	t->lot = t->sim ? (unsigned int)coro_sim_random() :
			  t->lot * 1664525U + 1013904223U;
	return (unsigned int)((uint64_t)t->lot * nr >> 32);
}

/* With the objects locked. The index of the case that could be had, or -EAGAIN. */
static int coro__cases_attempt(struct coro_case *cases, unsigned int nr)
{
	unsigned int at = nr > 1 ? coro__cases_draw(nr) : 0;

	for (unsigned int i = 0; i < nr; i++) {
		int ret = cases[at].ops->attempt(&cases[at]);

		if (ret != -EAGAIN) {
			cases[at].result = ret;
			return (int)at;
		}
		at = at + 1 < nr ? at + 1 : 0;
	}
	return -EAGAIN;
}

/* With the objects locked. All arms or none. */
static int coro__cases_arm(struct coro_case *cases, unsigned int nr,
			   struct coro__ticket *t)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (coro__waitq_check(cases[i].ops->waiters(&cases[i])))
			return -EXDEV;
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct coro_case *c = &cases[i];

		if (c->ops->arm)
			c->ops->arm(c);
		coro__ticket_add(t, c->ops->waiters(c), &c->arm);
	}
	return 0;
}

static int coro__cases_wait(struct coro__loop *loop, struct coro_case *cases,
			    unsigned int nr, struct coro__ticket *t,
			    int64_t deadline_ns)
{
	struct coro_case *c;
	int ret;

	/* What it shows to wait for is the first. */
	ret = coro__ticket_wait(loop, t, deadline_ns,
				nr ? cases[0].ops->awaits : CORO_AWAITS_TIMER,
				nr ? cases[0].object : NULL);
	if (!t->winner)
		return ret;
	c = container_of(t->winner, struct coro_case, arm);
	c->result = ret;
	if (!ret && c->ops->won)
		c->ops->won(c);
	return (int)(c - cases);
}

int coro_select(struct coro_case *cases, unsigned int nr, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__ticket t;
	struct coro_case *locks;
	struct coro__loop *loop;
	int ret;

	ret = coro__cases_check(cases, nr);
	if (!ret)
		ret = coro__wait_begin(&loop);
	if (ret)
		return ret;
	locks = coro__cases_lock(cases, nr);
	ret = coro__cases_attempt(cases, nr);
	if (ret == -EAGAIN) {
		coro__ticket_init(loop, &t, locks);
		ret = coro__cases_arm(cases, nr, &t);
		coro__cases_unlock(locks);
		return ret ? ret :
			     coro__cases_wait(loop, cases, nr, &t, deadline_ns);
	}
	coro__cases_unlock(locks);
	return ret;
}

int coro_try_select(struct coro_case *cases, unsigned int nr)
{
	CORO__ENTRY;
	struct coro_case *locks;
	int ret;

	ret = coro__cases_check(cases, nr);
	if (ret)
		return ret;
	locks = coro__cases_lock(cases, nr);
	ret = coro__cases_attempt(cases, nr);
	coro__cases_unlock(locks);
	return ret;
}
