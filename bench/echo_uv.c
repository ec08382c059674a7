// SPDX-License-Identifier: GPL-2.0
/* The echo server on libuv: callbacks, on epoll. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "echo.h"
#include "rounds.h"

struct conn {
	uv_tcp_t tcp;
	uv_write_t write;
	char data[ECHO_BYTES];
};

static void closed(uv_handle_t *h)
{
	free(h);
}

static void close_conn(struct conn *c)
{
	uv_close((uv_handle_t *)&c->tcp, closed);
}

static void room(uv_handle_t *h, size_t wish, uv_buf_t *ret_buf)
{
	struct conn *c = (struct conn *)h;

	(void)wish;
	*ret_buf = uv_buf_init(c->data, sizeof(c->data));
}

static void received(uv_stream_t *s, ssize_t len, const uv_buf_t *buf);

static void sent(uv_write_t *write, int status)
{
	struct conn *c = write->data;

	if (status < 0 || uv_read_start((uv_stream_t *)&c->tcp, room, received))
		close_conn(c);
}

/* What fits is sent at once; nothing is read while the rest waits. */
static void received(uv_stream_t *s, ssize_t len, const uv_buf_t *buf)
{
	struct conn *c = (struct conn *)s;
	uv_buf_t rest;
	int n;

	if (!len)
		return;
	if (len < 0) {
		close_conn(c);
		return;
	}
	rest = uv_buf_init(buf->base, len);
	n = uv_try_write(s, &rest, 1);
	if (n == len)
		return;
	if (n > 0)
		rest = uv_buf_init(buf->base + n, len - n);
	uv_read_stop(s);
	c->write.data = c;
	if (uv_write(&c->write, s, &rest, 1, sent))
		close_conn(c);
}

static void connected(uv_stream_t *listener, int status)
{
	struct conn *c;

	if (status < 0)
		return;
	c = malloc(sizeof(*c));
	must(c && !uv_tcp_init(listener->loop, &c->tcp), "uv_tcp_init");
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) ||
	    uv_read_start((uv_stream_t *)&c->tcp, room, received))
		close_conn(c);
}

void echo_uv(int listener)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t tcp;

	must(!uv_tcp_init(loop, &tcp) && !uv_tcp_open(&tcp, listener) &&
		     !uv_listen((uv_stream_t *)&tcp, 4096, connected),
	     "uv_listen");
	uv_run(loop, UV_RUN_DEFAULT);
}
