// SPDX-License-Identifier: MIT
/* A stream: two directions over one backend, and its end, once nobody is inside. */
#include "stream.h"

#include <errno.h>

#include "memory.h"
#include "opts.h"

#define CORO__STREAM_BYTES 65536U

int coro__chunk_grow(struct coro__chunk *c, size_t room, size_t extra)
{
	char *data = coro__realloc(c->data, room + extra);

	if (!data)
		return -ENOMEM;
	c->data = data;
	c->room = room;
	return 0;
}

void coro__chunk_free(struct coro__chunk *c)
{
	free(c->data);
	*c = (struct coro__chunk){ 0 };
}

bool coro__stream_for_good(int err, int64_t deadline_ns)
{
	switch (err) {
	case -ECANCELED:
	case -EINTR:
	case -EDEADLK:
	case -ENOMEM:
		return false;
	case -ETIMEDOUT:
		/* Connections time out as well. */
		return coro_now() < deadline_ns;
	default:
		return true;
	}
}

void coro__stream_leave(struct coro_stream *s)
{
	if (!--s->inside && s->closed)
		coro__waitq_wake(&s->leaving, 0);
}

static int coro__stream_set_up(struct coro_stream *s,
			       const struct coro_stream_opts *opts)
{
	struct coro_stream_opts o;
	int err = coro__opts_copy(&o, sizeof(o), opts);

	if (err)
		return err;
	if (!o.high_bytes)
		o.high_bytes = CORO__STREAM_BYTES;
	s->in.most = o.read_bytes ? o.read_bytes : CORO__STREAM_BYTES;
	s->out.high = o.high_bytes;
	s->out.low = o.low_bytes ? o.low_bytes : o.high_bytes / 4;
	s->out.most = o.max_bytes ? o.max_bytes : 16 * o.high_bytes;
	/* Half the address space, so that no sum of two overflows. */
	if (s->in.most > SIZE_MAX / 2 || s->out.most > SIZE_MAX / 2 ||
	    s->out.low > s->out.high || s->out.high > s->out.most)
		return -EINVAL;
	return 0;
}

int coro_stream_new(struct coro_stream **ret_stream,
		    const struct coro_stream_ops *ops, void *arg,
		    const struct coro_stream_opts *opts)
{
	CORO__ENTRY;
	struct coro_stream *s;
	int err;

	if (!ret_stream || !ops)
		return -EINVAL;
	s = coro__calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = coro__opts_copy(&s->ops, sizeof(s->ops), ops);
	if (!err)
		err = coro__stream_set_up(s, opts);
	if (!err && !s->ops.read && !s->ops.write)
		err = -EINVAL;
	if (err) {
		free(s);
		return err;
	}
	s->arg = arg;
	*ret_stream = s;
	return 0;
}

/* Sends a piece, as coro__splice_move() does, or says 0 at the end. */
static int coro__stream_copy_some(struct coro_stream *to,
				  struct coro_stream *from, size_t *ret_done,
				  int64_t deadline_ns)
{
	const char *data;
	ssize_t ret = coro__stream_look(from, &data, deadline_ns);

	if (ret <= 0)
		return (int)ret;
	/* What is seen must stay where it is. */
	from->in.busy = true;
	ret = coro__stream_send(to, data, (size_t)ret, ret_done, deadline_ns);
	from->in.busy = false;
	coro__stream_take(from, *ret_done);
	return ret ? (int)ret : 1;
}

int coro_stream_copy(struct coro_stream *to, struct coro_stream *from,
		     uint64_t *total_bytes, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__splice sp = { .to = to, .from = from, .fds = { -1, -1 } };
	int ret = coro__stream_read_begin(from);
	size_t done = 0;

	if (!ret)
		ret = coro__stream_writable(to);
	if (ret)
		return ret;
	from->in.dropping = false;
	do {
		bool spliced = coro__splice_begin(&sp, done);

		done = 0;
		ret = spliced ? coro__splice_move(&sp, &done, deadline_ns) :
				coro__stream_copy_some(to, from, &done,
						       deadline_ns);
		if (total_bytes)
			*total_bytes += done;
		if (ret > 0 && from->closing)
			ret = -EBADF;
	} while (ret > 0);
	coro__splice_end(&sp);
	return ret;
}

/*
 * Ends the backend, and returns when all are out. Should nothing be left that
 * could let them out, a backend does not keep its word, and the memory stays.
 */
static int coro__stream_end(struct coro_stream *s)
{
	struct coro__loop *loop;
	int err = 0, stuck = 0;

	s->closed = true;
	coro__stream_wake_writers(s);
	if (s->ops.close)
		err = s->ops.close(s->arg);
	while (s->inside && !stuck && !coro__wait_begin_uncancelled(&loop)) {
		struct coro__arm me = { 0 };

		stuck = coro__waitq_wait_firm(loop, &s->leaving, &me,
					      CORO_AWAITS_QUEUE);
	}
	s->over = true;
	while (coro__waitq_wake(&s->closers, 0))
		;
	return stuck ? stuck : err;
}

/* Somebody else closes; once that is over, @s may be gone as well. */
static int coro__stream_await_end(struct coro_stream *s,
				  struct coro__loop *loop)
{
	struct coro__arm me = { 0 };

	if (s->over)
		return 0;
	return coro__waitq_wait_firm(loop, &s->closers, &me, CORO_AWAITS_QUEUE);
}

int coro_stream_close(struct coro_stream *s, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int lost, err;

	err = coro__wait_begin_uncancelled(&loop);
	if (err)
		return err;
	if (s->closing)
		return coro__stream_await_end(s, loop);
	s->closing = true;
	lost = s->out.err;
	if (!lost)
		lost = coro__stream_flush(s, deadline_ns);
	err = coro__stream_end(s);
	return lost ? lost : err;
}

void coro_stream_free(struct coro_stream *s)
{
	CORO__ENTRY;
	struct coro__loop *loop;

	if (!s)
		return;
	if (!s->closing) {
		s->closing = true;
		coro__stream_end(s);
	} else if (!coro__wait_begin_uncancelled(&loop) &&
		   coro__stream_await_end(s, loop)) {
		return;
	}
	if (s->inside)
		return;
	coro__chunk_free(&s->in.ahead);
	coro__chunk_free(&s->out.going);
	coro__chunk_free(&s->out.coming);
	free(s);
}
