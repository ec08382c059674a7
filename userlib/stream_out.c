// SPDX-License-Identifier: MIT
/* The writing half of a stream: bytes that were taken, and who sends them. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CORO__WRITE_ROOM 1024U

/* What a waiter is told when the sending is handed to it, with @out->busy set. */
#define CORO__YOUR_TURN 1

/* What a waiter waits for: until so many bytes are sent. On its stack. */
struct coro__target {
	struct coro__arm arm;
	uint64_t sent;
};

size_t coro_stream_pending(const struct coro_stream *s)
{
	CORO__ENTRY;

	return s->out.err ? 0 : (size_t)(s->out.put - s->out.sent);
}

int coro__stream_writable(const struct coro_stream *s)
{
	if (s->closing || !s->ops.write)
		return -EBADF;
	if (s->out.err)
		return s->out.err;
	return s->out.shut ? -EPIPE : 0;
}

/* Those of @q whose target is reached, or who need not hope for it. */
static void coro__stream_give_reached(struct coro_stream *s,
				      struct coro_waiters *q)
{
	while (q->first) {
		struct coro__target *t =
			container_of(q->first, struct coro__target, arm);

		if (t->sent > s->out.sent && !s->out.err && !s->closed)
			return;
		coro__waitq_wake(q, 0);
	}
}

static void coro__stream_give_all_reached(struct coro_stream *s)
{
	coro__stream_give_reached(s, &s->out.draining);
	coro__stream_give_reached(s, &s->out.flushing);
}

/*
 * Who sent is done, or was interrupted. The next one has the turn from here on,
 * not when it runs: a newcomer cannot get between.
 */
static void coro__stream_pass(struct coro_stream *s)
{
	struct coro__stream_out *out = &s->out;

	coro__stream_give_all_reached(s);
	out->busy = coro__waitq_wake(&out->turns, CORO__YOUR_TURN) ||
		    coro__waitq_wake(&out->flushing, CORO__YOUR_TURN) ||
		    coro__waitq_wake(&out->draining, CORO__YOUR_TURN);
}

void coro__stream_wake_writers(struct coro_stream *s)
{
	coro__stream_give_all_reached(s);
	while (coro__waitq_wake(&s->out.idle, 0))
		;
	if (!s->out.busy)
		coro__stream_pass(s);
}

static int coro__stream_wait(struct coro_stream *s, struct coro__loop *loop,
			     struct coro_waiters *q, uint64_t target,
			     int64_t deadline_ns)
{
	struct coro__target t = { .sent = target };
	int ret;

	coro__stream_enter(s);
	ret = coro__waitq_wait(loop, q, &t.arm, deadline_ns, CORO_AWAITS_QUEUE);
	coro__stream_leave(s);
	return ret;
}

/* The connection is gone, and what was to be sent with it. */
static void coro__stream_break(struct coro_stream *s, int err)
{
	struct coro__stream_out *out = &s->out;

	out->err = err;
	coro__chunk_free(&out->going);
	coro__chunk_free(&out->coming);
	coro__stream_wake_writers(s);
}

/* With the turn: one write by @write. Bytes, or an error. */
static ssize_t coro__stream_push(struct coro_stream *s,
				 coro__stream_write_fn *write, void *arg,
				 const char *data, size_t len,
				 int64_t deadline_ns)
{
	ssize_t ret;

	if (s->closed)
		return -EBADF;
	if (s->out.err)
		return s->out.err;
	coro__stream_enter(s);
	ret = write(arg, data, len, deadline_ns);
	coro__stream_leave(s);
	if (s->closed)
		return ret > 0 ? ret : -EBADF;
	if (!ret || (ret > 0 && (size_t)ret > len))
		ret = -EPROTO;
	if (ret < 0 && coro__stream_for_good((int)ret, deadline_ns))
		coro__stream_break(s, (int)ret);
	return ret;
}

/* Nothing is in @c: it starts anew, and what a burst left is given back. */
static void coro__stream_emptied(struct coro__stream_out *out,
				 struct coro__chunk *c)
{
	c->start = 0;
	c->end = 0;
	if (c->room > out->high && c->room > CORO__WRITE_ROOM)
		coro__chunk_free(c);
}

/* With the turn, and something to send: sends from the front. 0 or an error. */
static int coro__stream_send_some(struct coro_stream *s, int64_t deadline_ns)
{
	struct coro__stream_out *out = &s->out;
	struct coro__chunk *c = &out->going;
	ssize_t ret;

	if (!coro__chunk_bytes(c)) {
		struct coro__chunk empty = *c;

		*c = out->coming;
		out->coming = empty;
	}
	ret = coro__stream_push(s, s->ops.write, s->arg, c->data + c->start,
				coro__chunk_bytes(c), deadline_ns);
	if (ret < 0)
		return (int)ret;
	c->start += (size_t)ret;
	out->sent += (uint64_t)ret;
	if (!coro__chunk_bytes(c))
		coro__stream_emptied(out, c);
	coro__stream_give_all_reached(s);
	return 0;
}

/*
 * Takes the turn, or waits for it in @q until @target bytes are sent: 1 with the
 * turn, 0 if they are, or the error.
 */
static int coro__stream_turn(struct coro_stream *s, struct coro_waiters *q,
			     uint64_t target, int64_t deadline_ns)
{
	struct coro__stream_out *out = &s->out;
	struct coro__loop *loop;
	int ret;

	while (out->sent < target) {
		if (out->err || s->closed)
			return out->err ? out->err : -EBADF;
		ret = coro__stream_wait_begin(s, &loop);
		/* Others may have run. */
		if (out->err || s->closed || out->sent >= target)
			continue;
		if (ret)
			return ret;
		if (!out->busy) {
			out->busy = true;
			return CORO__YOUR_TURN;
		}
		ret = coro__stream_wait(s, loop, q, target, deadline_ns);
		if (ret)
			return ret;
	}
	return 0;
}

/* Until @target bytes are sent, by the caller or somebody else. */
static int coro__stream_reach(struct coro_stream *s, struct coro_waiters *q,
			      uint64_t target, int64_t deadline_ns)
{
	int ret = coro__stream_turn(s, q, target, deadline_ns);

	if (ret != CORO__YOUR_TURN)
		return ret;
	ret = 0;
	while (!ret && s->out.sent < target)
		ret = coro__stream_send_some(s, deadline_ns);
	coro__stream_pass(s);
	return ret;
}

int coro__stream_flush(struct coro_stream *s, int64_t deadline_ns)
{
	return coro__stream_reach(s, &s->out.flushing, s->out.put, deadline_ns);
}

/* Until at most the low mark is left of what was put so far. */
static int coro__stream_lower(struct coro_stream *s, int64_t deadline_ns)
{
	if (coro_stream_pending(s) <= s->out.low)
		return 0;
	return coro__stream_reach(s, &s->out.draining, s->out.put - s->out.low,
				  deadline_ns);
}

/* The turn, with all that was put sent. 0, and coro__stream_pass() must follow. */
static int coro__stream_alone(struct coro_stream *s, int64_t deadline_ns)
{
	/* More than is ever sent: only the turn will do. */
	int ret = coro__stream_turn(s, &s->out.turns, UINT64_MAX, deadline_ns);

	if (ret != CORO__YOUR_TURN)
		return ret;
	ret = 0;
	while (!ret && coro_stream_pending(s))
		ret = coro__stream_send_some(s, deadline_ns);
	if (!ret && s->closed)
		ret = -EBADF;
	if (!ret)
		ret = s->out.err ? s->out.err : s->out.shut ? -EPIPE : 0;
	if (ret)
		coro__stream_pass(s);
	return ret;
}

int coro__stream_send_by(struct coro_stream *s, coro__stream_write_fn *write,
			 void *arg, const char *data, size_t len,
			 size_t *ret_done, int64_t deadline_ns)
{
	size_t done = 0;
	ssize_t ret = coro__stream_alone(s, deadline_ns);

	*ret_done = 0;
	if (ret)
		return (int)ret;
	do {
		ret = coro__stream_push(s, write, arg, data + done, len - done,
					deadline_ns);
		if (ret > 0)
			done += (size_t)ret;
	} while (ret > 0 && done < len);
	coro__stream_pass(s);
	*ret_done = done;
	return ret < 0 ? (int)ret : 0;
}

int coro__stream_send(struct coro_stream *s, const char *data, size_t len,
		      size_t *ret_done, int64_t deadline_ns)
{
	return coro__stream_send_by(s, s->ops.write, s->arg, data, len,
				    ret_done, deadline_ns);
}

static ssize_t coro__stream_write_long(struct coro_stream *s, const void *data,
				       size_t len, int64_t deadline_ns)
{
	size_t done;
	int err = coro__stream_send(s, data, len, &done, deadline_ns);

	return done ? (ssize_t)done : err;
}

/* Whether @len bytes more may wait, and room for @bytes. 0, -ENOBUFS or -ENOMEM. */
static int coro__stream_reserve(struct coro_stream *s, size_t len, size_t bytes)
{
	struct coro__chunk *c = &s->out.coming;
	size_t room = c->room ? c->room : CORO__WRITE_ROOM;

	if (len > s->out.most || coro_stream_pending(s) > s->out.most - len)
		return -ENOBUFS;
	if (c->room - c->end >= bytes)
		return 0;
	while (room < c->end + bytes)
		room *= 2;
	return coro__chunk_grow(c, room, 0);
}

/* One buffer is enough as long as nobody puts while another sends. */
static void coro__stream_reuse(struct coro__stream_out *out)
{
	if (out->coming.data || out->busy || coro__chunk_bytes(&out->going))
		return;
	out->coming = out->going;
	memset(&out->going, 0, sizeof(out->going));
}

/* @len bytes were appended. */
static void coro__stream_appended(struct coro_stream *s, size_t len)
{
	s->out.coming.end += len;
	s->out.put += len;
	coro__waitq_wake(&s->out.idle, 0);
}

int coro_stream_put(struct coro_stream *s, const void *data, size_t len)
{
	CORO__ENTRY;
	struct coro__chunk *c = &s->out.coming;
	int err = coro__stream_writable(s);

	if (err || !len)
		return err;
	coro__stream_reuse(&s->out);
	err = coro__stream_reserve(s, len, len);
	if (err)
		return err;
	memcpy(c->data + c->end, data, len);
	coro__stream_appended(s, len);
	return 0;
}

int coro_stream_vprintf(struct coro_stream *s, const char *format, va_list args)
{
	CORO__ENTRY;
	struct coro__chunk *c = &s->out.coming;
	int err = coro__stream_writable(s);
	va_list again;
	int len;

	if (err)
		return err;
	coro__stream_reuse(&s->out);
	va_copy(again, args);
	len = vsnprintf(c->data ? c->data + c->end : NULL, c->room - c->end,
			format, args);
	if (len >= 0) {
		/* With its NUL, which is overwritten by what follows. */
		bool fits = (size_t)len < c->room - c->end;

		err = coro__stream_reserve(s, (size_t)len, (size_t)len + 1);
		if (!err && !fits)
			vsnprintf(c->data + c->end, (size_t)len + 1, format,
				  again);
	}
	va_end(again);
	if (len < 0)
		return -EILSEQ;
	if (err)
		return err;
	coro__stream_appended(s, (size_t)len);
	return len;
}

int coro_stream_printf(struct coro_stream *s, const char *format, ...)
{
	CORO__ENTRY;
	va_list args;
	int ret;

	va_start(args, format);
	ret = coro_stream_vprintf(s, format, args);
	va_end(args);
	return ret;
}

/* 0 if the calling coroutine may write; it has been a cancellation point. */
static int coro__stream_write_begin(struct coro_stream *s)
{
	struct coro__loop *loop;
	int err;

	err = coro__stream_wait_begin(s, &loop);
	if (err)
		return err;
	return coro__stream_writable(s);
}

ssize_t coro_stream_write(struct coro_stream *s, const void *data, size_t len,
			  int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_write_begin(s);

	if (err || !len)
		return err;
	if (len > s->out.high / 4)
		return coro__stream_write_long(s, data, len, deadline_ns);
	if (coro_stream_pending(s) + len > s->out.high) {
		err = coro__stream_lower(s, deadline_ns);
		if (err)
			return err;
	}
	err = coro_stream_put(s, data, len);
	/* What cannot be kept can be sent. */
	if (err == -ENOMEM || err == -ENOBUFS)
		return coro__stream_write_long(s, data, len, deadline_ns);
	return err ? err : (ssize_t)len;
}

int coro_stream_drain(struct coro_stream *s, int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_write_begin(s);

	if (err == -EPIPE && s->out.shut)
		return 0;
	if (err || coro_stream_pending(s) <= s->out.high)
		return err;
	return coro__stream_lower(s, deadline_ns);
}

int coro_stream_flush(struct coro_stream *s, int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_write_begin(s);

	if (err == -EPIPE && s->out.shut)
		return 0;
	return err ? err : coro__stream_flush(s, deadline_ns);
}

/* Waits for something to send. */
static int coro__stream_idle(struct coro_stream *s)
{
	struct coro__loop *loop;
	int err = coro__stream_wait_begin(s, &loop);

	if (err)
		return err;
	if (coro_stream_pending(s) || s->out.err || s->out.shut || s->closed)
		return 0;
	return coro__stream_wait(s, loop, &s->out.idle, 0, CORO_NEVER);
}

int coro_stream_pump(struct coro_stream *s)
{
	CORO__ENTRY;
	struct coro__stream_out *out = &s->out;
	int err = coro__stream_write_begin(s);

	if (err == -EPIPE && out->shut)
		return 0;
	if (err)
		return err;
	if (out->pump)
		return -EBUSY;
	out->pump = true;
	while (!err && !out->err && !out->shut && !s->closed)
		err = coro_stream_pending(s) ?
			      coro__stream_flush(s, CORO_NEVER) :
			      coro__stream_idle(s);
	out->pump = false;
	if (s->closed || out->shut)
		return 0;
	return out->err ? out->err : err;
}

static int coro__stream_shut(struct coro_stream *s, int64_t deadline_ns)
{
	int err;

	if (!s->ops.shutdown)
		return -EOPNOTSUPP;
	coro__stream_enter(s);
	err = s->ops.shutdown(s->arg, deadline_ns);
	coro__stream_leave(s);
	if (s->closed)
		return -EBADF;
	s->out.shut = !err;
	if (!err)
		coro__stream_wake_writers(s);
	return err;
}

int coro_stream_shutdown(struct coro_stream *s, int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__stream_write_begin(s);

	if (!err)
		err = coro__stream_alone(s, deadline_ns);
	if (err)
		return err == -EPIPE && s->out.shut ? 0 : err;
	err = coro__stream_shut(s, deadline_ns);
	coro__stream_pass(s);
	return err;
}
