/* SPDX-License-Identifier: MIT */
/* Backends of streams that a test leads: what comes, and how much may go. */
#ifndef CORO_SELFTESTS_LIB_STREAM_H
#define CORO_SELFTESTS_LIB_STREAM_H

#include "lib_common.h"

/* What a scripted backend does next: bytes that come, or a result. */
struct step {
	const char *bytes;
	int ret;
};

struct script {
	const struct step *steps; /* then the end */
	int nr, reads, closed;
	void *buf; /* of the last read */
	size_t len;
};

static inline ssize_t script_read(void *arg, void *buf, size_t len,
				  int64_t deadline_ns)
{
	struct script *sc = arg;
	const struct step *step = &sc->steps[sc->reads];

	(void)deadline_ns;
	sc->buf = buf;
	sc->len = len;
	if (sc->reads == sc->nr)
		return 0;
	sc->reads++;
	if (!step->bytes)
		return step->ret;
	if (strlen(step->bytes) < len)
		len = strlen(step->bytes);
	memcpy(buf, step->bytes, len);
	return (ssize_t)len;
}

static inline int script_close(void *arg)
{
	struct script *sc = arg;

	sc->closed++;
	return 0;
}

static const struct coro_stream_ops script_ops __attribute__((unused)) = {
	.size = sizeof(script_ops),
	.read = script_read,
	.close = script_close,
};

/* A backend that takes @step bytes for each permit that is in the pipe. */
struct gate {
	int permits[2];
	size_t step;
	char sink[1 << 16];
	size_t sunk;
	int opened; /* permits that were given */
	int waits, writes, closed;
	int fails; /* the result of each write, if not 0 */
};

static inline void gate_open(struct gate *g, int nr)
{
	g->opened += nr;
	while (nr--)
		EXPECT_EQ(1, write(g->permits[1], "", 1));
}

static inline ssize_t gate_write(void *arg, const void *buf, size_t len,
				 int64_t deadline_ns)
{
	struct gate *g = arg;
	char permit;
	int ret;

	g->waits++;
	ret = coro_io_read(g->permits[0], &permit, 1, deadline_ns);
	g->writes++;
	if (ret != 1 || g->fails)
		return ret != 1 ? ret : g->fails;
	if (len > g->step)
		len = g->step;
	if (len > sizeof(g->sink) - g->sunk)
		return -ENOSPC;
	memcpy(g->sink + g->sunk, buf, len);
	g->sunk += len;
	return (ssize_t)len;
}

/* Ends a write that waits by its permit. */
static inline int gate_close(void *arg)
{
	struct gate *g = arg;

	g->closed++;
	g->fails = -ENXIO;
	gate_open(g, 1);
	return 0;
}

static const struct coro_stream_ops gate_ops __attribute__((unused)) = {
	.size = sizeof(gate_ops),
	.write = gate_write,
	.close = gate_close,
};

/* One call of a stream in a coroutine of its own. */
struct call {
	struct coro_stream *s;
	char buf[256];
	const void *data;
	size_t len;
	int64_t deadline_ns;
	long ret;
};

static inline long call_read(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_read(c->s, c->buf, sizeof(c->buf), CORO_NEVER);
	return c->ret;
}

static inline long call_exact(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_read_exact(c->s, c->buf, c->len, CORO_NEVER);
	return c->ret;
}

static inline long call_line(void *arg)
{
	struct call *c = arg;
	char *line;

	c->ret = coro_stream_read_line(c->s, &line, CORO_NEVER);
	return c->ret;
}

static inline long call_write(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_write(c->s, c->data, c->len, CORO_NEVER);
	return c->ret;
}

static inline long call_flush(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_flush(c->s, CORO_NEVER);
	return c->ret;
}

static inline long call_drain(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_drain(c->s, CORO_NEVER);
	return c->ret;
}

static inline long call_pump(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_pump(c->s);
	return c->ret;
}

static inline long call_close(void *arg)
{
	struct call *c = arg;

	c->ret = coro_stream_close(c->s, CORO_NEVER);
	return c->ret;
}

/* Starts @fn, and lets it run until it waits for @what, or has ended. */
static inline struct coro *call_start(long (*fn)(void *arg), struct call *c,
				      enum coro_awaits what)
{
	struct coro *co = coro_new(fn, c);

	c->ret = POISON_LONG;
	EXPECT_NE(NULL, co);
	EXPECT_EQ(0, coro_start(co));
	/* It has to run before it can wait. */
	EXPECT_EQ(0, coro_sleep(0));
	settle(co, what);
	return co;
}

#endif /* CORO_SELFTESTS_LIB_STREAM_H */
