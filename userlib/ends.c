// SPDX-License-Identifier: MIT
/* A watch on several coroutines of the loop, which gives them as they end. */
#include <errno.h>

#include "group.h"
#include "memory.h"

struct coro__end {
	struct coro__joiner joiner; /* at the coroutine, until it ended */
	struct list ended; /* in coro_ends.ended */
	struct coro_ends *ends;
	struct coro *coro;
};

struct coro_ends {
	struct list ended; /* struct coro__end.ended: not yet given */
	size_t nr;
	size_t left; /* neither given nor ended */
	size_t nr_ended, nr_failed;
	bool busy; /* somebody in coro_ends_next() */
	bool waits; /* who is parked in @wait */
	struct coro__wait wait;
	struct coro__end all[];
};

static void coro__end_add(struct coro__end *e)
{
	struct coro_ends *ends = e->ends;

	list_add_tail(&ends->ended, &e->ended);
	ends->left--;
	ends->nr_ended++;
	ends->nr_failed += coro__is_failure(e->coro->value);
}

static void coro__end_told(struct coro__loop *loop, struct coro__joiner *j)
{
	struct coro__end *e = container_of(j, struct coro__end, joiner);
	struct coro_ends *ends = e->ends;

	coro__end_add(e);
	if (ends->waits)
		coro__wake(loop, &ends->wait, 0);
	ends->waits = false; /* whoever is woken has it, with more to come */
}

static int coro__ends_refuse(struct coro__thread *t, struct coro *const *coros,
			     size_t nr)
{
	if (!t->task)
		return -EPERM;
	if (!nr || !coros)
		return -EINVAL;
	for (size_t i = 0; i < nr; i++) {
		if (!coros[i] || !coros[i]->task.loop)
			return -EINVAL;
		if (coros[i] == t->task)
			return -EDEADLK;
		if (coros[i]->task.loop != t->loop &&
		    coro__get_state(coros[i]) != CORO_STATE_CLOSED)
			return -EXDEV;
	}
	return 0;
}

/* Each once. */
static void coro__ends_fill(struct coro_ends *e, struct coro *const *coros,
			    size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (coros[i]->task.seen)
			continue;
		coros[i]->task.seen = true;
		e->all[e->nr++].coro = coros[i];
	}
	for (size_t i = 0; i < nr; i++)
		coros[i]->task.seen = false;
}

int coro_ends_new(struct coro_ends **ret_ends, struct coro *const *coros,
		  size_t nr)
{
	CORO__ENTRY;
	struct coro_ends *e;
	int err;

	if (!ret_ends)
		return -EINVAL;
	err = coro__ends_refuse(coro__thread(), coros, nr);
	if (err)
		return err;
	if (nr > SIZE_MAX / 2 / sizeof(*e->all))
		return -ENOMEM;
	e = coro__calloc(1, sizeof(*e) + nr * sizeof(*e->all));
	if (!e)
		return -ENOMEM;
	list_init(&e->ended);
	coro__ends_fill(e, coros, nr);
	e->left = e->nr;
	for (size_t i = 0; i < e->nr; i++) {
		struct coro__end *end = &e->all[i];

		end->ends = e;
		end->joiner.told = coro__end_told;
		list_init(&end->joiner.link);
		list_init(&end->ended);
		if (end->coro->shm->state == CORO_STATE_CLOSED)
			coro__end_add(end);
		else
			list_add_tail(&end->coro->task.joiners,
				      &end->joiner.link);
	}
	*ret_ends = e;
	return 0;
}

static void coro__ends_interrupt(struct coro__loop *loop, struct coro__wait *w,
				 int why)
{
	container_of(w, struct coro_ends, wait)->waits = false;
	coro__wake(loop, w, why);
}

static int coro__ends_wait(struct coro__loop *loop, struct coro_ends *e,
			   int64_t deadline_ns)
{
	int err;

	e->busy = true;
	e->waits = true;
	e->wait.interrupt = coro__ends_interrupt;
	err = coro__park(loop, &e->wait, deadline_ns, CORO_AWAITS_GROUP,
			 (uintptr_t)e);
	e->busy = false;
	return err;
}

int coro_ends_next(struct coro_ends *e, struct coro **ret_coro,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro__end *end;
	int err;

	if (!e || !ret_coro)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	if (e->busy)
		return -EBUSY;
	if (list_empty(&e->ended)) {
		if (!e->left)
			return 0;
		err = coro__ends_wait(loop, e, deadline_ns);
		if (err)
			return err;
	}
	end = container_of(e->ended.next, struct coro__end, ended);
	list_del(&end->ended);
	end->coro->task.retrieved = true;
	*ret_coro = end->coro;
	return 1;
}

void coro_ends_free(struct coro_ends *e)
{
	CORO__ENTRY;

	if (!e)
		return;
	for (size_t i = 0; i < e->nr; i++)
		list_del(&e->all[i].joiner.link);
	free(e);
}

static bool coro__ends_enough(const struct coro_ends *e, enum coro_until until)
{
	return !e->left || (until == CORO_UNTIL_FIRST && e->nr_ended) ||
	       (until == CORO_UNTIL_FAILURE && e->nr_failed);
}

int coro_wait(struct coro *const *coros, size_t nr, enum coro_until until,
	      int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro_ends *e;
	int err, done;

	if ((unsigned int)until > CORO_UNTIL_FAILURE)
		return -EINVAL;
	err = coro_ends_new(&e, coros, nr);
	if (err)
		return err;
	/* A cancellation point, whether it must wait or not. */
	err = coro__wait_begin(&loop);
	while (!err && !coro__ends_enough(e, until))
		err = coro__ends_wait(loop, e, deadline_ns);
	done = (int)e->nr_ended;
	coro_ends_free(e);
	return err && err != -ETIMEDOUT ? err : done;
}

int coro_result(const struct coro *c, long *ret_value)
{
	CORO__ENTRY;

	if (!c)
		return -EINVAL;
	if (c->shm->state != CORO_STATE_CLOSED)
		return -EAGAIN;
	((struct coro *)(uintptr_t)c)->task.retrieved = true;
	if (ret_value)
		*ret_value = c->value;
	return 0;
}
