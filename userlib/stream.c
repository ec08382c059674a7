// SPDX-License-Identifier: MIT
/* What multishot operations share: one operation, one user, two who may leave first. */
#include "stream.h"

#include <errno.h>

struct coro__stream_wait {
	struct coro__wait wait;
	struct coro__stream *stream;
};

void coro__stream_init(struct coro__stream *s, struct coro__loop *loop)
{
	s->loop = loop;
	list_add_tail(&loop->streams, &s->all);
}

void coro__stream_arm(struct coro__stream *s)
{
	if (s->op.inflight || s->loop->closing)
		return;
	s->op.sqe = &s->sqe;
	coro__op_start(s->loop, &s->op);
}

void coro__stream_stop(struct coro__stream *s)
{
	if (s->op.inflight)
		coro__op_cancel(s->loop, &s->op);
}

static void coro__stream_interrupt(struct coro__loop *loop,
				   struct coro__wait *w, int why)
{
	struct coro__stream_wait *sw =
		container_of(w, struct coro__stream_wait, wait);

	sw->stream->waiter = NULL;
	coro__wake(loop, w, why);
}

/*
 * Who was notified has not run yet: until it has, the stream is its own, so
 * that what it was woken for cannot be taken by a second user, nor the stream
 * be freed under it.
 */
int coro__stream_wait(struct coro__stream *s, int64_t deadline_ns)
{
	struct coro__stream_wait sw = {
		.wait.interrupt = coro__stream_interrupt,
		.stream = s,
	};
	int err;

	s->waiter = &sw.wait;
	s->busy = true;
	err = coro__park(s->loop, &sw.wait, deadline_ns, CORO_AWAITS_IO,
			 (uint64_t)s->sqe.opcode << 32 | (uint32_t)s->sqe.fd);
	s->busy = false;
	if (!s->ended)
		return err;
	coro__stream_completed(s);
	return -ECANCELED;
}

void coro__stream_notify(struct coro__stream *s)
{
	struct coro__wait *w = s->waiter;

	s->waiter = NULL;
	if (w)
		coro__wake(s->loop, w, 0);
}

void coro__stream_end(struct coro__stream *s)
{
	s->ended = true;
	list_del(&s->all);
	coro__stream_stop(s);
	coro__stream_notify(s);
	coro__stream_completed(s);
}

void coro__stream_completed(struct coro__stream *s)
{
	if (!s->ended || s->op.inflight || s->busy)
		return;
	if (s->loop)
		s->drain(s);
	s->destroy(s);
}

int coro__stream_usable(struct coro__stream *s)
{
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin(&loop);
	if (err)
		return err;
	if (loop != s->loop)
		return -EPERM;
	return s->busy ? -EBUSY : 0;
}

void coro__streams_stop(struct coro__loop *loop)
{
	for (struct list *l = loop->streams.next; l != &loop->streams;
	     l = l->next)
		coro__stream_stop(container_of(l, struct coro__stream, all));
}

void coro__streams_detach(struct coro__loop *loop)
{
	while (!list_empty(&loop->streams)) {
		struct coro__stream *s = container_of(loop->streams.next,
						      struct coro__stream, all);

		list_del(&s->all);
		s->drain(s);
		s->loop = NULL;
	}
}
