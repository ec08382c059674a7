// SPDX-License-Identifier: MIT
/* A server: takes connections as long as its caller is not cancelled, and outlasts them. */
#include <coro/serve.h>
#include <coro/sync.h>

#include <errno.h>
#include <unistd.h>

#include "group.h"
#include "memory.h"
#include "opts.h"

/* When descriptors or memory ran out: how long to leave the socket alone. */
#define CORO__SERVE_PAUSE (20 * CORO_MSEC)
/* What was written and not sent when a connection's function has returned. */
#define CORO__SERVE_LINGER (1 * CORO_SEC)

struct coro__server {
	struct coro_serve_opts opts;
	struct coro_stream_opts stream;
	int fd;
	long (*fn)(struct coro_stream *s, void *arg);
	void *arg;
	struct coro_group connections;
	struct coro_semaphore room;
};

struct coro__connection {
	struct coro__server *server;
	struct coro_stream *stream;
};

/* Takes it apart, whether its function was entered or not. */
static void coro__connection_free(void *arg)
{
	struct coro__connection *c = arg;

	coro_stream_free(c->stream);
	if (c->server->opts.max_connections)
		coro_semaphore_release(&c->server->room);
	free(c);
}

static long coro__connection_close(void *arg)
{
	CORO__ENTRY;
	struct coro__connection *c = arg;

	return coro_stream_close(c->stream, coro_after(CORO__SERVE_LINGER));
}

static long coro__connection_serve(void *arg)
{
	const struct coro__connection *c = arg;

	return c->server->fn(c->stream, c->server->arg);
}

static long coro__connection_run(void *arg)
{
	CORO__ENTRY;
	struct coro__connection *c = arg;
	/* A call, so that what it leaves open ends with it. */
	long ret = coro_call(coro__connection_serve, c, CORO_NEVER);

	/* Also of one that is cancelled: its last words. */
	coro_call_shielded(coro__connection_close, c,
			   coro_after(CORO__SERVE_LINGER));
	coro__connection_free(c);
	return ret;
}

static int coro__serve_one(struct coro__server *s, int fd)
{
	struct coro_spawn_opts how = { .size = sizeof(how),
				       .name = "connection",
				       .group = &s->connections,
				       .dispose = coro__connection_free };
	struct coro__connection *c = coro__malloc(sizeof(*c));
	int err = c ? coro_stream_new_fd(&c->stream, fd,
					 s->opts.stream ? &s->stream : NULL) :
		      -ENOMEM;

	if (err) {
		free(c);
		close(fd);
		return err;
	}
	c->server = s;
	err = coro_spawn_opts(NULL, coro__connection_run, c, &how);
	if (err) {
		coro_stream_free(c->stream);
		free(c);
	}
	return err;
}

static bool coro__serve_passes(long err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM ||
	       err == -ENOBUFS || err == -ENOSPC || err == -EAGAIN;
}

/* Before a connection is taken, so that those who find no room wait in the socket. */
static int coro__serve_room(struct coro__server *s)
{
	return s->opts.max_connections ?
		       coro_semaphore_acquire(&s->room, CORO_NEVER) :
		       0;
}

static void coro__serve_room_back(struct coro__server *s)
{
	if (s->opts.max_connections)
		coro_semaphore_release(&s->room);
}

static int coro__serve_next(struct coro__server *s, struct coro_acceptor *a)
{
	int err = coro__serve_room(s);
	int fd;

	if (err)
		return err;
	fd = coro_acceptor_next(a, CORO_NEVER);
	err = fd < 0 ? fd : coro__serve_one(s, fd);
	if (!err)
		return 0;
	coro__serve_room_back(s);
	/* What the peer did is its own affair. */
	if (err == -ECONNABORTED || err == -EPROTO || err == -EINTR)
		return 0;
	return coro__serve_passes(err) ? coro_sleep(CORO__SERVE_PAUSE) : err;
}

static long coro__serve_accept(void *arg)
{
	CORO__ENTRY;
	struct coro__server *s = arg;
	struct coro_acceptor *a;
	int err = coro_acceptor_new(&a, s->fd, SOCK_CLOEXEC);

	if (err)
		return err;
	do {
		err = coro__serve_next(s, a);
	} while (!err);
	coro_acceptor_free(a);
	return err;
}

/*
 * The connections are in a shield, and who takes them is not: so a cancel ends
 * that one first, and them when their grace is over.
 */
static long coro__serve_all(struct coro__server *s, struct coro_group *outer)
{
	const struct coro_group_opts each = { .size = sizeof(each),
					      .policy = CORO_POLICY_EACH };
	struct coro_spawn_opts how = { .size = sizeof(how),
				       .name = "accept",
				       .group = outer };
	struct coro_scope shield;
	struct coro *accept;
	long value;
	int err;

	coro_scope_shield(&shield, CORO_NEVER);
	coro_group_open(&s->connections, &each);
	err = coro_spawn_opts(&accept, coro__serve_accept, s, &how);
	if (!err) {
		err = coro_await_value(accept, &value);
		if (!err) {
			err = (int)value;
		} else {
			/* Nothing goes on: nor must new ones come in. */
			coro_cancel(accept);
			coro_put(accept);
		}
	}
	coro_scope_set_deadline(coro_group_scope(&s->connections),
				coro_after(s->opts.grace_ns));
	coro_group_close(&s->connections, 0);
	return coro_scope_leave(&shield, err);
}

int coro_serve(int fd, long (*fn)(struct coro_stream *s, void *arg), void *arg,
	       const struct coro_serve_opts *opts)
{
	CORO__ENTRY;
	const struct coro_group_opts each = { .size = sizeof(each),
					      .policy = CORO_POLICY_EACH };
	struct coro__server s = { .fd = fd, .fn = fn, .arg = arg };
	struct coro_group outer;
	long err;

	if (!fn)
		return -EINVAL;
	err = coro__opts_copy(&s.opts, sizeof(s.opts), opts);
	if (!err && s.opts.grace_ns < 0)
		err = -EINVAL;
	if (!err)
		err = coro__opts_copy(&s.stream, sizeof(s.stream),
				      s.opts.stream);
	if (!err)
		err = coro_group_open(&outer, &each);
	if (err)
		return (int)err;
	if (s.opts.max_connections)
		coro_semaphore_init(&s.room, s.opts.max_connections,
				    s.opts.max_connections, 0);
	err = coro__serve_all(&s, &outer);
	return (int)coro_group_close(&outer, err);
}
