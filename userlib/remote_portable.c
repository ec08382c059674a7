// SPDX-License-Identifier: MIT
/* Mailboxes and ends of coroutines in plain memory, for the threads of one process. */
#include "memory.h"
#include "remote.h"

#include <errno.h>

/* As many as the module gives by default. */
#define CORO__MAILBOX 64U

enum coro__box_state {
	CORO__BOX_LIVE,
	CORO__BOX_ENDED, /* with @value */
	CORO__BOX_DEAD, /* its thread ended, and it had not */
};

/* A port, and all that others share of it. */
struct coro__box {
	struct coro__port port;
	/* Of the coroutine, each handle, each wait, and a request to cancel. */
	unsigned int refs;
	unsigned int forks; /* in which process, see coro__forks() */
	/* Covers the rest. Before the scheduler's. */
	pthread_mutex_t lock;
	enum coro__box_state state;
	long value;
	unsigned int first, nr;
	uint64_t messages[CORO__MAILBOX];
	/* struct coro__far: the coroutine itself; for room, when it is full; for the end. */
	struct list receivers, senders, joiners;
	struct list cancel; /* in sched->cancels, under the scheduler's lock */
	bool cancelling; /* it is there */
	uint64_t reason;
};

/*
 * Waits for what another thread does. On the stack of the coroutine: so once it
 * is out of its list, only the note can wake it, and nothing else may.
 */
struct coro__far {
	struct coro__wait wait;
	struct coro__note note;
	struct coro_loop *loop; /* it waits there */
	struct coro__box *box;
	struct list link; /* in a list of @box */
	uint64_t value; /* to be sent, or that came */
	int result;
	bool over; /* the note is under way */
};

static struct coro__box *coro__box_of(struct coro *c)
{
	struct coro__port *port = coro__port_of(c);

	return port ? container_of(port, struct coro__box, port) : NULL;
}

static void coro__box_put(struct coro__box *box)
{
	if (__atomic_sub_fetch(&box->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&box->lock);
	free(box);
}

static struct coro__box *coro__box_get(struct coro__box *box)
{
	__atomic_add_fetch(&box->refs, 1, __ATOMIC_RELAXED);
	return box;
}

/* In a child of fork() nothing ever happens to what it inherited. */
static bool coro__box_is_inherited(const struct coro__box *box)
{
	return box->forks != coro__forks();
}

/* By any thread: whoever comes first makes it. */
static int coro__portable_open_port(struct coro *c)
{
	struct coro__port *none = NULL;
	struct coro__box *box;

	if (coro__box_of(c))
		return 0;
	box = coro__calloc(1, sizeof(*box));
	if (!box)
		return -ENOMEM;
	box->refs = 1;
	box->forks = coro__forks();
	box->port.coro = c;
	pthread_mutex_init(&box->lock, NULL);
	list_init(&box->port.all);
	list_init(&box->receivers);
	list_init(&box->senders);
	list_init(&box->joiners);
	list_init(&box->cancel);
	if (!__atomic_compare_exchange_n(&c->port, &none, &box->port, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		coro__box_put(box);
	return 0;
}

/*
 * With the box locked: the wait of @far is over. Its loop lives while it waits,
 * but perhaps no longer once it has the note: hence the reference.
 */
static void coro__far_end(struct coro__far *far, int result)
{
	struct coro_loop *l = far->loop;

	list_del(&far->link);
	far->result = result;
	far->over = true;
	coro__doorbell_hold(l);
	coro__post(l, &far->note);
	coro__doorbell_drop(l);
}

static void coro__far_note(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__far *far = container_of(note, struct coro__far, note);

	coro__wake(loop, &far->wait, far->result);
}

static void coro__far_interrupt(struct coro__loop *loop, struct coro__wait *w,
				int why)
{
	struct coro__far *far = container_of(w, struct coro__far, wait);
	bool over;

	pthread_mutex_lock(&far->box->lock);
	over = far->over;
	list_del(&far->link);
	pthread_mutex_unlock(&far->box->lock);
	if (!over)
		coro__wake(loop, w, why);
}

/* With the box locked; unlocks it. */
static int coro__far_wait(struct coro__loop *loop, struct coro__far *far,
			  struct coro__box *box, struct list *queue,
			  int64_t deadline_ns)
{
	enum coro_awaits kind = queue == &box->receivers ? CORO_AWAITS_MESSAGE :
							   CORO_AWAITS_HANDLE;
	int ret;

	far->wait.interrupt = coro__far_interrupt;
	far->note.run = coro__far_note;
	far->loop = loop->shared;
	far->box = coro__box_get(box);
	far->over = false;
	list_add_tail(queue, &far->link);
	pthread_mutex_unlock(&box->lock);
	coro__doorbell_listen(loop);
	loop->outside++;
	ret = coro__park(loop, &far->wait, deadline_ns, kind, 0);
	loop->outside--;
	coro__box_put(box);
	return ret;
}

/* With the box locked. 0, -EAGAIN or -EPIPE. */
static int coro__box_give(struct coro__box *box, uint64_t value)
{
	if (box->state != CORO__BOX_LIVE)
		return -EPIPE;
	if (!list_empty(&box->receivers)) {
		struct coro__far *far = container_of(box->receivers.next,
						     struct coro__far, link);

		far->value = value;
		coro__far_end(far, 0);
		return 0;
	}
	if (box->nr == CORO__MAILBOX)
		return -EAGAIN;
	box->messages[(box->first + box->nr++) % CORO__MAILBOX] = value;
	return 0;
}

/* With the box locked and a message in it. The first who waits for room has it. */
static uint64_t coro__box_take(struct coro__box *box)
{
	uint64_t value = box->messages[box->first];

	box->first = (box->first + 1) % CORO__MAILBOX;
	box->nr--;
	if (!list_empty(&box->senders)) {
		struct coro__far *far =
			container_of(box->senders.next, struct coro__far, link);

		coro__box_give(box, far->value);
		coro__far_end(far, 0);
	}
	return value;
}

static void coro__box_end_all(struct list *queue, int result)
{
	while (!list_empty(queue))
		coro__far_end(container_of(queue->next, struct coro__far, link),
			      result);
}

static void coro__portable_end_port(struct coro *c, bool dead)
{
	struct coro__box *box = coro__box_of(c);
	bool cancelling;

	if (coro__box_is_inherited(box))
		return;
	pthread_mutex_lock(&box->lock);
	box->state = dead ? CORO__BOX_DEAD : CORO__BOX_ENDED;
	box->value = c->value;
	coro__box_end_all(&box->senders, -EPIPE);
	coro__box_end_all(&box->joiners, dead ? -EOWNERDEAD : 0);
	cancelling = box->cancelling;
	box->cancelling = false;
	if (cancelling) {
		pthread_mutex_lock(&c->sched->lock);
		list_del(&box->cancel);
		pthread_mutex_unlock(&c->sched->lock);
	}
	pthread_mutex_unlock(&box->lock);
	if (cancelling)
		coro__box_put(box);
}

static void coro__portable_put_port(struct coro *c)
{
	coro__box_put(coro__box_of(c));
}

static int coro__portable_wake(struct coro *c, uint64_t value)
{
	struct coro__box *box;
	int err;

	err = coro__portable_open_port(c);
	if (err)
		return err;
	box = coro__box_of(c);
	if (coro__box_is_inherited(box))
		return -EPIPE;
	pthread_mutex_lock(&box->lock);
	err = coro__box_give(box, value);
	pthread_mutex_unlock(&box->lock);
	return err;
}

static int coro__portable_recv(struct coro__loop *loop, struct coro *c,
			       uint64_t *ret_value, int64_t deadline_ns)
{
	struct coro__far far;
	struct coro__box *box;
	int err;

	err = coro__portable_open_port(c);
	if (err)
		return err;
	box = coro__box_of(c);
	pthread_mutex_lock(&box->lock);
	if (box->nr) {
		*ret_value = coro__box_take(box);
		pthread_mutex_unlock(&box->lock);
		return 0;
	}
	err = coro__far_wait(loop, &far, box, &box->receivers, deadline_ns);
	if (!err)
		*ret_value = far.value;
	return err;
}

/* The next request to cancel, which has a reference to its box; or NULL. */
static struct coro__box *coro__cancels_pop(struct coro__sched *s)
{
	struct coro__box *box = NULL;

	pthread_mutex_lock(&s->lock);
	if (!list_empty(&s->cancels)) {
		box = container_of(s->cancels.next, struct coro__box, cancel);
		list_del(&box->cancel);
	} else {
		s->noted = false;
	}
	pthread_mutex_unlock(&s->lock);
	return box;
}

static void coro__cancels_note(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__sched *s = container_of(note, struct coro__sched, note);
	struct coro__box *box;

	while ((box = coro__cancels_pop(s)) != NULL) {
		uint64_t reason;
		bool live;

		pthread_mutex_lock(&box->lock);
		/* Who ends it is this thread, so it lives on. */
		live = box->cancelling;
		box->cancelling = false;
		reason = box->reason;
		pthread_mutex_unlock(&box->lock);
		if (live) {
			coro__port_cancel(loop, box->port.coro, reason);
			coro__box_put(box);
		}
	}
}

/* With the scheduler's lock. The note is in an inbox at most once: only its run takes it out. */
static void coro__cancels_post(struct coro__sched *s)
{
	if (!s->loop || s->noted)
		return;
	s->noted = true;
	s->note.run = coro__cancels_note;
	coro__post(s->loop, &s->note);
}

static void coro__portable_begin_loop(struct coro__loop *loop)
{
	struct coro__sched *s = loop->thread->sched;

	if (!list_empty(&s->ports))
		coro__doorbell_listen(loop);
	/* What came before is answered before the first turn. */
	pthread_mutex_lock(&s->lock);
	s->loop = loop->shared;
	if (!list_empty(&s->cancels))
		coro__cancels_post(s);
	pthread_mutex_unlock(&s->lock);
}

static void coro__portable_end_loop(struct coro__loop *loop)
{
	struct coro__sched *s = loop->thread->sched;

	pthread_mutex_lock(&s->lock);
	s->loop = NULL;
	pthread_mutex_unlock(&s->lock);
}

static int coro__portable_export(struct coro *c, unsigned int rights,
				 struct coro_handle *h)
{
	struct coro__loop *loop = coro__thread()->loop;

	h->rights = rights;
	h->box = coro__box_get(coro__box_of(c));
	if (loop && !loop->closing)
		coro__doorbell_listen(loop);
	return 0;
}

static int coro__portable_adopt(struct coro_handle *h, int fd)
{
	(void)h;
	(void)fd;
	return -EOPNOTSUPP;
}

static int coro__portable_narrow(struct coro_handle *h, unsigned int rights,
				 struct coro_handle *to)
{
	if (rights & ~h->rights)
		return -EBADF;
	to->rights = rights;
	to->box = coro__box_get(h->box);
	return 0;
}

static int coro__portable_fd(const struct coro_handle *h)
{
	(void)h;
	return -EOPNOTSUPP;
}

static void coro__portable_close(struct coro_handle *h)
{
	coro__box_put(h->box);
}

static int coro__portable_try_send(struct coro_handle *h, uint64_t value)
{
	struct coro__box *box = h->box;
	int err;

	if (!(h->rights & CORO_RIGHT_SEND))
		return -EBADF;
	if (coro__box_is_inherited(box))
		return -EPIPE;
	pthread_mutex_lock(&box->lock);
	err = coro__box_give(box, value);
	pthread_mutex_unlock(&box->lock);
	return err;
}

static int coro__portable_send(struct coro__loop *loop, struct coro_handle *h,
			       uint64_t value, int64_t deadline_ns)
{
	struct coro__far far = { .value = value };
	struct coro__box *box = h->box;
	int err;

	if (!(h->rights & CORO_RIGHT_SEND))
		return -EBADF;
	if (coro__box_is_inherited(box))
		return -EPIPE;
	pthread_mutex_lock(&box->lock);
	err = coro__box_give(box, value);
	if (err == -EAGAIN)
		return coro__far_wait(loop, &far, box, &box->senders,
				      deadline_ns);
	pthread_mutex_unlock(&box->lock);
	return err;
}

static int coro__portable_join(struct coro__loop *loop, struct coro_handle *h,
			       long *ret_value, int64_t deadline_ns)
{
	struct coro__box *box = h->box;
	struct coro__far far;
	int err = 0;

	if (!(h->rights & CORO_RIGHT_JOIN))
		return -EBADF;
	if (coro__box_is_inherited(box))
		return -EOWNERDEAD;
	coro__box_get(box);
	pthread_mutex_lock(&box->lock);
	if (box->state == CORO__BOX_LIVE) {
		err = coro__far_wait(loop, &far, box, &box->joiners,
				     deadline_ns);
	} else {
		if (box->state == CORO__BOX_DEAD)
			err = -EOWNERDEAD;
		pthread_mutex_unlock(&box->lock);
	}
	/* It ended once and for all. */
	if (!err)
		*ret_value = box->value;
	coro__box_put(box);
	return err;
}

/* With the box locked and live, so that its scheduler is there. */
static void coro__box_cancel(struct coro__box *box, uint64_t reason)
{
	struct coro__sched *s = box->port.coro->sched;

	box->cancelling = true;
	box->reason = reason;
	coro__box_get(box);
	pthread_mutex_lock(&s->lock);
	list_add_tail(&s->cancels, &box->cancel);
	coro__cancels_post(s);
	pthread_mutex_unlock(&s->lock);
}

static int coro__portable_cancel(struct coro_handle *h, uint64_t reason)
{
	struct coro__box *box = h->box;
	int err = 0;

	if (!(h->rights & CORO_RIGHT_CANCEL))
		return -EBADF;
	if (coro__box_is_inherited(box))
		return -EOWNERDEAD;
	pthread_mutex_lock(&box->lock);
	if (box->state == CORO__BOX_ENDED)
		err = -ESRCH;
	else if (box->state == CORO__BOX_DEAD)
		err = -EOWNERDEAD;
	else if (!box->cancelling)
		coro__box_cancel(box, reason);
	pthread_mutex_unlock(&box->lock);
	return err;
}

const struct coro__remote coro__remote_portable = {
	.open_port = coro__portable_open_port,
	.end_port = coro__portable_end_port,
	.put_port = coro__portable_put_port,
	.wake = coro__portable_wake,
	.recv = coro__portable_recv,
	.begin_loop = coro__portable_begin_loop,
	.end_loop = coro__portable_end_loop,
	.export = coro__portable_export,
	.adopt = coro__portable_adopt,
	.narrow = coro__portable_narrow,
	.fd = coro__portable_fd,
	.close = coro__portable_close,
	.try_send = coro__portable_try_send,
	.send = coro__portable_send,
	.join = coro__portable_join,
	.cancel = coro__portable_cancel,
};
