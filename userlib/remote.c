// SPDX-License-Identifier: MIT
/* What other threads and processes can reach of a coroutine: its port, and handles to it. */
#include "memory.h"
#include "remote.h"

#include <errno.h>

#define CORO__RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

static bool coro__rights_valid(unsigned int rights)
{
	return rights && !(rights & ~CORO__RIGHTS);
}

static void coro__port_export(struct coro *c, unsigned int rights)
{
	struct coro__port *p = coro__port_of(c);

	/* Others know it: the id must mean nobody else. */
	c->id_taken = true;
	if (!p->exported && !p->ended)
		list_add_tail(&c->sched->ports, &p->all);
	p->exported = true;
	if (p->ended)
		return;
	if (rights & CORO_RIGHT_CANCEL && !p->cancellable) {
		p->cancellable = true;
		c->sched->nr_cancellable++;
	}
	if (c->shm->state == CORO_STATE_CLOSED)
		coro__port_end(c);
}

static void coro__port_told(struct coro *c, bool dead)
{
	struct coro__port *p = coro__port_of(c);

	if (p->ended)
		return;
	p->ended = true;
	/* The backend knows the id as one that ended. */
	c->id_taken = true;
	list_del(&p->all);
	if (p->cancellable)
		c->sched->nr_cancellable--;
	c->sched->be->remote->end_port(c, dead);
}

void coro__port_end(struct coro *c)
{
	coro__port_told(c, false);
}

void coro__port_put(struct coro *c)
{
	if (c->shm->state != CORO_STATE_CLOSED)
		c->value = CORO_EXIT;
	coro__port_end(c);
	c->sched->be->remote->put_port(c);
}

void coro__ports_abandon(struct coro__sched *s)
{
	while (!list_empty(&s->ports)) {
		struct coro__port *p =
			container_of(s->ports.next, struct coro__port, all);

		coro__port_told(p->coro, true);
	}
}

/*
 * It reaches who runs it: the coroutine of the loop at the end of the chain of
 * those that await it. What is in no loop yet is told when it is.
 */
void coro__port_cancel(struct coro__loop *loop, struct coro *c, uint64_t reason)
{
	struct coro *task = c;

	if (c->port->ended)
		return;
	c->port->reason = reason;
	c->port->has_reason = true;
	while (task->awaiter)
		task = task->awaiter;
	if (task == loop->main)
		loop->main_cancels++;
	if (task->task.loop == loop)
		coro__scope_cancel(loop, &task->task.root);
	else
		c->port->cancelled = true;
}

int coro_cancel_reason(uint64_t *ret_reason)
{
	CORO__ENTRY;
	struct coro *c = coro_self();
	struct coro__port *p;

	if (!c)
		return -EPERM;
	p = coro__port_of(c);
	if (!p || !p->has_reason)
		return -ENODATA;
	*ret_reason = p->reason;
	return 0;
}

static int coro__handle_new(const struct coro__remote *remote,
			    struct coro_handle **ret_handle)
{
	struct coro_handle *h = coro__calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->refs = 1;
	h->remote = remote;
	*ret_handle = h;
	return 0;
}

/* Whether the calling thread may make @c known: it is its own, and no other runs it. */
static bool coro__exportable(const struct coro__thread *t, const struct coro *c)
{
	return c->sched == t->sched &&
	       (!c->task.loop || c->task.loop == t->loop ||
		c->shm->state == CORO_STATE_CLOSED);
}

int coro_export(struct coro *c, unsigned int rights,
		struct coro_handle **ret_handle)
{
	CORO__ENTRY;
	const struct coro__remote *remote;
	struct coro_handle *h;
	int err;

	if (!c || !ret_handle || !coro__rights_valid(rights))
		return -EINVAL;
	if (!coro__exportable(coro__thread(), c))
		return -EXDEV;
	remote = c->sched->be->remote;
	err = coro__handle_new(remote, &h);
	if (err)
		return err;
	err = remote->open_port(c);
	if (!err)
		err = coro__fault(CORO_FAULT_SYSCALL);
	if (!err)
		err = remote->export(c, rights, h);
	if (err) {
		free(h);
		return err;
	}
	coro__port_export(c, rights);
	*ret_handle = h;
	return 0;
}

int coro_handle_open(struct coro_handle **ret_handle, int fd)
{
	CORO__ENTRY;
	const struct coro__remote *remote;
	struct coro__thread *t;
	struct coro_handle *h;
	int err;

	if (!ret_handle)
		return -EINVAL;
	if (fd < 0)
		return -EBADF;
	err = coro__thread_ready(&t);
	if (err)
		return err;
	remote = t->sched->be->remote;
	err = coro__handle_new(remote, &h);
	if (err)
		return err;
	err = remote->adopt(h, fd);
	if (err) {
		free(h);
		return err;
	}
	*ret_handle = h;
	return 0;
}

int coro_handle_fd(const struct coro_handle *h)
{
	CORO__ENTRY;

	return h ? h->remote->fd(h) : -EINVAL;
}

int coro_handle_restrict(struct coro_handle *h, unsigned int rights,
			 struct coro_handle **ret_handle)
{
	CORO__ENTRY;
	struct coro_handle *to;
	int err;

	if (!h || !ret_handle || !coro__rights_valid(rights))
		return -EINVAL;
	err = coro__handle_new(h->remote, &to);
	if (err)
		return err;
	err = h->remote->narrow(h, rights, to);
	if (err) {
		free(to);
		return err;
	}
	*ret_handle = to;
	return 0;
}

struct coro_handle *coro_handle_get(struct coro_handle *h)
{
	CORO__ENTRY;

	__atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
	return h;
}

void coro_handle_put(struct coro_handle *h)
{
	CORO__ENTRY;

	if (!h || __atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL))
		return;
	h->remote->close(h);
	free(h);
}

int coro_handle_try_send(struct coro_handle *h, uint64_t value)
{
	CORO__ENTRY;
	int err = h ? coro__fault(CORO_FAULT_SYSCALL) : -EINVAL;

	return err ? err : h->remote->try_send(h, value);
}

int coro_handle_send(struct coro_handle *h, uint64_t value, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int err;

	if (!h)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	return err ? err : h->remote->send(loop, h, value, deadline_ns);
}

int coro_handle_join(struct coro_handle *h, long *ret_value,
		     int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	long value;
	int err;

	if (!h)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (!err)
		err = h->remote->join(loop, h, &value, deadline_ns);
	if (!err && ret_value)
		*ret_value = value;
	return err;
}

int coro_handle_cancel(struct coro_handle *h, uint64_t reason)
{
	CORO__ENTRY;
	int err = h ? coro__fault(CORO_FAULT_SYSCALL) : -EINVAL;

	return err ? err : h->remote->cancel(h, reason);
}

int coro_recv(uint64_t *ret_value, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro *c;
	int err;

	if (!ret_value)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	c = loop->thread->cur;
	return c->sched->be->remote->recv(loop, c, ret_value, deadline_ns);
}

/*
 * The state is read without a lock. A coroutine that ends meanwhile ended after
 * the message came, as far as anybody can tell: it was never read.
 */
int coro_wake(struct coro *c, uint64_t value)
{
	CORO__ENTRY;

	if (!c)
		return -EINVAL;
	if (__atomic_load_n(&c->shm->state, __ATOMIC_ACQUIRE) ==
	    CORO_STATE_CLOSED)
		return -EPIPE;
	__atomic_store_n(&c->woken, true, __ATOMIC_RELAXED);
	return c->sched->be->remote->wake(c, value);
}
