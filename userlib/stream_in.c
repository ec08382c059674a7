// SPDX-License-Identifier: MIT
/* The reading half of a stream: bytes read ahead, which leave with the call that returns them. */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <string.h>

#define CORO__READ_AHEAD 4096U

static size_t coro__stream_ahead(const struct coro_stream *s)
{
	return coro__chunk_bytes(&s->in.ahead);
}

/* What was lent becomes the stream's again. */
static void coro__stream_reclaim(struct coro__stream_in *in)
{
	if (in->lent)
		in->ahead.data[in->ahead.start] = in->saved;
	in->lent = false;
}

int coro__stream_read_begin(struct coro_stream *s)
{
	struct coro__loop *loop;
	int err;

	err = coro__stream_wait_begin(s, &loop);
	if (err)
		return err;
	if (s->closing || !s->ops.read)
		return -EBADF;
	if (s->in.busy)
		return -EBUSY;
	coro__stream_reclaim(&s->in);
	return 0;
}

ssize_t coro__stream_pull_by(struct coro_stream *s, coro__stream_read_fn *read,
			     void *arg, char *buf, size_t len,
			     int64_t deadline_ns)
{
	struct coro__stream_in *in = &s->in;
	ssize_t ret;

	if (in->err || in->ended)
		return in->err;
	in->busy = true;
	coro__stream_enter(s);
	ret = read(arg, buf, len, deadline_ns);
	coro__stream_leave(s);
	in->busy = false;
	if (s->closed)
		return -EBADF;
	if (ret > 0 && (size_t)ret > len)
		ret = -EPROTO;
	if (ret < 0 && coro__stream_for_good((int)ret, deadline_ns))
		in->err = (int)ret;
	in->ended = !ret;
	return ret;
}

/* One read of the backend: bytes, 0 at the end, or an error. */
static ssize_t coro__stream_pull(struct coro_stream *s, char *buf, size_t len,
				 int64_t deadline_ns)
{
	return coro__stream_pull_by(s, s->ops.read, s->arg, buf, len,
				    deadline_ns);
}

/* Room at the end of the buffer. 0, or -EMSGSIZE if it is full and must not grow. */
static int coro__stream_make_room(struct coro__stream_in *in)
{
	struct coro__chunk *c = &in->ahead;
	size_t bytes = coro__chunk_bytes(c);
	size_t room = c->room ? 2 * c->room : CORO__READ_AHEAD;
	int err = 0;

	if (bytes == in->most)
		return -EMSGSIZE;
	if (!bytes) {
		c->start = 0;
		c->end = 0;
	}
	if (c->end < c->room && (bytes || !in->hungry))
		return 0;
	if (c->start)
		memmove(c->data, c->data + c->start, bytes);
	c->start = 0;
	c->end = bytes;
	if (c->room < in->most && (in->hungry || bytes >= c->room / 2))
		err = coro__chunk_grow(c, room < in->most ? room : in->most, 1);
	in->hungry = false;
	/* More would be nice where some is there. */
	return c->end < c->room ? 0 : err;
}

/* At least one byte more in the buffer. As coro__stream_pull(), or -ENOMEM, -EMSGSIZE. */
static ssize_t coro__stream_fill(struct coro_stream *s, int64_t deadline_ns)
{
	struct coro__stream_in *in = &s->in;
	struct coro__chunk *c = &in->ahead;
	ssize_t ret;

	if (in->err || in->ended)
		return in->err;
	ret = coro__stream_make_room(in);
	if (ret)
		return ret;
	ret = coro__stream_pull(s, c->data + c->end, c->room - c->end,
				deadline_ns);
	if (ret <= 0)
		return ret;
	c->end += (size_t)ret;
	in->hungry = c->end == c->room;
	return ret;
}

void coro__stream_take(struct coro_stream *s, size_t len)
{
	s->in.ahead.start += len;
}

static size_t coro__stream_copy_out(struct coro_stream *s, char *buf,
				    size_t len)
{
	size_t ahead = coro__stream_ahead(s);

	if (len > ahead)
		len = ahead;
	if (len)
		memcpy(buf, s->in.ahead.data + s->in.ahead.start, len);
	coro__stream_take(s, len);
	return len;
}

ssize_t coro_stream_read(struct coro_stream *s, void *buf, size_t len,
			 int64_t deadline_ns)
{
	CORO__ENTRY;
	ssize_t ret = coro__stream_read_begin(s);
	size_t room = s->in.ahead.room;

	if (ret || !len)
		return ret;
	s->in.dropping = false;
	if (!coro__stream_ahead(s)) {
		if (len >= (room ? room : CORO__READ_AHEAD))
			return coro__stream_pull(s, buf, len, deadline_ns);
		ret = coro__stream_fill(s, deadline_ns);
		if (ret <= 0)
			return ret;
	}
	return (ssize_t)coro__stream_copy_out(s, buf, len);
}

/* Waits until @min bytes are buffered, or the end. 0 or an error. */
static int coro__stream_want(struct coro_stream *s, size_t min,
			     int64_t deadline_ns)
{
	ssize_t ret;

	while (coro__stream_ahead(s) < min) {
		ret = coro__stream_fill(s, deadline_ns);
		if (ret <= 0)
			return (int)ret;
	}
	return 0;
}

/* More than fits into the buffer: what comes goes to its place. */
static ssize_t coro__stream_read_long(struct coro_stream *s, char *buf,
				      size_t len, int64_t deadline_ns)
{
	size_t done = coro__stream_copy_out(s, buf, len);
	ssize_t ret = 1;

	while (done < len && ret > 0) {
		ret = coro__stream_pull(s, buf + done, len - done, deadline_ns);
		if (ret > 0)
			done += (size_t)ret;
	}
	return done ? (ssize_t)done : ret;
}

ssize_t coro_stream_read_exact(struct coro_stream *s, void *buf, size_t len,
			       int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_read_begin(s);

	if (err || !len)
		return err;
	s->in.dropping = false;
	if (len > s->in.most)
		return coro__stream_read_long(s, buf, len, deadline_ns);
	err = coro__stream_want(s, len, deadline_ns);
	if (err)
		return err;
	return (ssize_t)coro__stream_copy_out(s, buf, len);
}

/* Takes @len bytes and lends them out with a NUL behind. */
static ssize_t coro__stream_lend(struct coro_stream *s, size_t len,
				 char **ret_data)
{
	struct coro__chunk *c = &s->in.ahead;

	*ret_data = c->data + c->start;
	coro__stream_take(s, len);
	s->in.saved = c->data[c->start];
	s->in.lent = true;
	c->data[c->start] = '\0';
	return (ssize_t)len;
}

/*
 * The length of what ends with @delim, once it is buffered; 0 if the stream ended
 * before, -EMSGSIZE if the buffer is full.
 */
static ssize_t coro__stream_find(struct coro_stream *s, const void *delim,
				 size_t len, int64_t deadline_ns)
{
	const struct coro__chunk *c = &s->in.ahead;
	size_t seen = 0; /* from the start: a delimiter does not begin in it */
	ssize_t ret;

	for (;;) {
		size_t bytes = coro__stream_ahead(s);

		if (bytes >= len) {
			const char *from = c->data + c->start;
			const char *at =
				memmem(from + seen, bytes - seen, delim, len);

			if (at)
				return at - from + (ssize_t)len;
			seen = bytes - len + 1;
		}
		ret = coro__stream_fill(s, deadline_ns);
		if (ret <= 0)
			return ret;
	}
}

ssize_t coro_stream_read_until(struct coro_stream *s, const void *delim,
			       size_t len, char **ret_data, int64_t deadline_ns)
{
	CORO__ENTRY;
	ssize_t ret;

	if (!len || len > s->in.most)
		return -EINVAL;
	ret = coro__stream_read_begin(s);
	if (ret)
		return ret;
	s->in.dropping = false;
	ret = coro__stream_find(s, delim, len, deadline_ns);
	if (ret > 0)
		return coro__stream_lend(s, (size_t)ret, ret_data);
	return !ret && coro__stream_ahead(s) ? -ENODATA : ret;
}

/* Drops what is left of a line, and tells so. */
static ssize_t coro__stream_drop_line(struct coro_stream *s,
				      int64_t deadline_ns)
{
	const struct coro__chunk *c = &s->in.ahead;
	const char *from, *at;
	ssize_t ret = 1;

	s->in.dropping = true;
	while (ret > 0) {
		from = c->data + c->start;
		at = memchr(from, '\n', coro__stream_ahead(s));
		coro__stream_take(s, at ? (size_t)(at - from) + 1 :
					  coro__stream_ahead(s));
		ret = at ? 0 : coro__stream_fill(s, deadline_ns);
	}
	if (ret)
		return ret;
	s->in.dropping = false;
	return -EMSGSIZE;
}

ssize_t coro_stream_read_line(struct coro_stream *s, char **ret_line,
			      int64_t deadline_ns)
{
	CORO__ENTRY;
	ssize_t ret = coro__stream_read_begin(s);

	if (ret)
		return ret;
	if (s->in.dropping)
		return coro__stream_drop_line(s, deadline_ns);
	ret = coro__stream_find(s, "\n", 1, deadline_ns);
	if (ret == -EMSGSIZE)
		return coro__stream_drop_line(s, deadline_ns);
	if (!ret)
		ret = (ssize_t)coro__stream_ahead(s);
	return ret > 0 ? coro__stream_lend(s, (size_t)ret, ret_line) : ret;
}

ssize_t coro__stream_look(struct coro_stream *s, const char **ret_data,
			  int64_t deadline_ns)
{
	int err = coro__stream_want(s, 1, deadline_ns);

	if (err)
		return err;
	*ret_data = s->in.ahead.data + s->in.ahead.start;
	return (ssize_t)coro__stream_ahead(s);
}

ssize_t coro_stream_peek(struct coro_stream *s, size_t min,
			 const void **ret_data, int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_read_begin(s);

	if (err)
		return err;
	if (min > s->in.most)
		return -EMSGSIZE;
	err = coro__stream_want(s, min, deadline_ns);
	if (err)
		return err;
	*ret_data = s->in.ahead.data + s->in.ahead.start;
	return (ssize_t)coro__stream_ahead(s);
}

int coro_stream_consume(struct coro_stream *s, size_t len)
{
	CORO__ENTRY;

	if (s->in.busy)
		return -EBUSY;
	if (len > coro__stream_ahead(s))
		return -EINVAL;
	coro__stream_reclaim(&s->in);
	s->in.dropping = false;
	coro__stream_take(s, len);
	return 0;
}
