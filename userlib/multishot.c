// SPDX-License-Identifier: MIT
/* What multishot operations share: one operation, one user, two who may leave first. */
#include "multishot.h"

#include <errno.h>

struct coro__multishot_wait {
	struct coro__wait wait;
	struct coro__multishot *multishot;
};

static struct coro__multishot *coro__multishot_of(struct list *l)
{
	return container_of(l, struct coro__multishot, all);
}

void coro__multishot_init(struct coro__multishot *m, struct coro__loop *loop)
{
	m->loop = loop;
	list_add_tail(&loop->multishots, &m->all);
}

void coro__multishot_arm(struct coro__multishot *m)
{
	if (m->op.inflight || m->loop->closing)
		return;
	m->op.sqe = &m->sqe;
	coro__op_start(m->loop, &m->op);
}

void coro__multishot_stop(struct coro__multishot *m)
{
	if (m->op.inflight)
		coro__op_cancel(m->loop, &m->op);
}

static void coro__multishot_interrupt(struct coro__loop *loop,
				      struct coro__wait *w, int why)
{
	struct coro__multishot_wait *mw =
		container_of(w, struct coro__multishot_wait, wait);

	mw->multishot->waiter = NULL;
	coro__wake(loop, w, why);
}

/*
 * Who was notified has not run yet: until it has, the multishot is its own, so
 * that what it was woken for cannot be taken by a second user, nor the memory
 * be freed under it.
 */
int coro__multishot_wait(struct coro__multishot *m, int64_t deadline_ns)
{
	struct coro__multishot_wait mw = {
		.wait.interrupt = coro__multishot_interrupt,
		.multishot = m,
	};
	int err;

	m->waiter = &mw.wait;
	m->busy = true;
	err = coro__park(m->loop, &mw.wait, deadline_ns, CORO_AWAITS_IO,
			 (uint64_t)m->sqe.opcode << 32 | (uint32_t)m->sqe.fd);
	m->busy = false;
	if (!m->ended)
		return err;
	coro__multishot_completed(m);
	return -ECANCELED;
}

void coro__multishot_notify(struct coro__multishot *m)
{
	struct coro__wait *w = m->waiter;

	m->waiter = NULL;
	if (w)
		coro__wake(m->loop, w, 0);
}

void coro__multishot_end(struct coro__multishot *m)
{
	m->ended = true;
	list_del(&m->all);
	coro__multishot_stop(m);
	coro__multishot_notify(m);
	coro__multishot_completed(m);
}

void coro__multishot_completed(struct coro__multishot *m)
{
	if (!m->ended || m->op.inflight || m->busy)
		return;
	if (m->loop)
		m->drain(m);
	m->destroy(m);
}

int coro__multishot_usable(struct coro__multishot *m)
{
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin(&loop);
	if (err)
		return err;
	if (loop != m->loop)
		return -EPERM;
	return m->busy ? -EBUSY : 0;
}

void coro__multishots_stop(struct coro__loop *loop)
{
	struct list *all = &loop->multishots;

	for (struct list *l = all->next; l != all; l = l->next)
		coro__multishot_stop(coro__multishot_of(l));
}

void coro__multishots_detach(struct coro__loop *loop)
{
	while (!list_empty(&loop->multishots)) {
		struct coro__multishot *m =
			coro__multishot_of(loop->multishots.next);

		list_del(&m->all);
		m->drain(m);
		m->loop = NULL;
	}
}
