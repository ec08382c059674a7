/* SPDX-License-Identifier: MIT */
/* One connection of a server: requests in, answers out, in straight lines. */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <coro.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "http_head.h"
#include "http_parse.h"

/* Lives on the stack of its coroutine: pages that are not used cost nothing. */
struct http_conn {
	int fd;
	size_t in_bytes;
	struct http_request req;
	char in[8192];
	char out[16384];
};

/* For a request to arrive, a send to move on, an idle connection to speak. */
static int64_t http_limit_ns = 10 * CORO_SEC;
static const char *http_allow = "GET, HEAD";
/* The program's: sends the answer to c->req. Returns 0, or a negative errno to hang up. */
static int (*http_answer)(struct http_conn *c);
static unsigned long http_connections, http_accept_errors;
static unsigned long http_requests, http_refused, http_broken;

/* Waits for a request. Returns 1; 0 if no more will come; or a negative errno. */
static int http_receive(struct http_conn *c)
{
	int64_t deadline_ns = coro_after(http_limit_ns);
	int n;

	while (!http_parse(&c->req, http_allow, c->in, c->in_bytes)) {
		if (c->in_bytes == sizeof(c->in)) {
			c->req.refusal = "414 URI Too Long";
			if (memchr(c->in, '\n', c->in_bytes))
				c->req.refusal =
					"431 Request Header Fields Too Large";
			return 1;
		}
		n = coro_io_recv(c->fd, c->in + c->in_bytes,
				 sizeof(c->in) - c->in_bytes, 0, deadline_ns);
		if (n == -ETIMEDOUT) {
			c->req.refusal = "408 Request Timeout";
			return c->in_bytes > 0;
		}
		if (n <= 0)
			return n;
		if (!c->in_bytes)
			deadline_ns = coro_after(http_limit_ns);
		c->in_bytes += (size_t)n;
	}
	return 1;
}

static int http_send(struct http_conn *c, const char *data, size_t len)
{
	int n;

	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = coro_io_send(c->fd, data + sent, len - sent, 0,
				 coro_after(http_limit_ns));
		if (n < 0)
			return n;
	}
	return 0;
}

/* Begins an answer in c->out. Returns the length of its head. */
static size_t http_begin(struct http_conn *c, const char *status,
			 const char *type, uint64_t body_bytes)
{
	return http_put_head(c->out, &c->req, http_allow, status, type,
			     body_bytes);
}

/* A whole answer. Its head leaves together with the first bytes of @body. */
static inline int http_send_answer(struct http_conn *c, const char *status,
				   const char *type, const char *body,
				   size_t size)
{
	size_t len = http_begin(c, status, type, size);
	size_t first = sizeof(c->out) - len;
	int ret;

	if (c->req.is_head)
		size = 0;
	if (first > size)
		first = size;
	if (first)
		memcpy(c->out + len, body, first);
	ret = http_send(c, c->out, len + first);
	return ret ? ret : http_send(c, body + first, size - first);
}

static int http_refuse(struct http_conn *c, const char *status)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s\n", status);

	http_refused++;
	return http_send_answer(c, status, "text/plain", line, (size_t)len);
}

/* Takes the request's body, all of it. Returns 0 or a negative errno. */
static inline int http_receive_body(struct http_conn *c, char *body)
{
	int64_t deadline_ns = coro_after(http_limit_ns);
	size_t size = c->req.body_bytes;
	size_t got = c->in_bytes - c->req.head_bytes;
	int n;

	if (got > size)
		got = size;
	if (got < size && c->req.expects) {
		n = http_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		if (n)
			return n;
	}
	memcpy(body, c->in + c->req.head_bytes, got);
	/* What is in c->in from here on is the next request. */
	c->req.head_bytes += got;
	for (; got < size; got += (size_t)n) {
		n = coro_io_recv(c->fd, body + got, size - got, 0, deadline_ns);
		if (n <= 0)
			return n ? n : -ECONNRESET;
	}
	c->req.keep_alive = c->req.may_stay;
	return 0;
}

/* The coroutine of a connection; @arg is its socket. */
static long http_serve(void *arg)
{
	struct http_conn c;
	int ret;

	c.fd = (int)(long)arg;
	c.in_bytes = 0;
	while ((ret = http_receive(&c)) > 0) {
		http_requests++;
		ret = c.req.refusal ? http_refuse(&c, c.req.refusal) :
				      http_answer(&c);
		if (ret < 0 || !c.req.keep_alive)
			break;
		c.in_bytes -= c.req.head_bytes;
		memmove(c.in, c.in + c.req.head_bytes, c.in_bytes);
	}
	http_broken += ret < 0 && ret != -ECANCELED;
	/* Unread data would reset the connection before the answer is read. */
	if (!ret && !coro_io_shutdown(c.fd, SHUT_WR, CORO_NEVER)) {
		int64_t end_ns = coro_after(CORO_SEC);

		while (coro_io_recv(c.fd, c.in, sizeof(c.in), 0, end_ns) > 0)
			;
	}
	coro_io_close(c.fd);
	return 0;
}

/* Takes connections until cancelled, and ends those that are still open then. */
static int http_accept(int listen_fd)
{
	struct coro_acceptor *acceptor;
	struct coro_group g;
	int fd, ret;

	ret = coro_acceptor_new(&acceptor, listen_fd, SOCK_CLOEXEC);
	if (ret)
		return ret;
	coro_group_open(&g, NULL);
	while ((fd = coro_acceptor_next(acceptor, CORO_NEVER)) != -ECANCELED) {
		ret = fd < 0 ? fd :
			       coro_group_spawn(&g, http_serve,
						(void *)(long)fd);
		if (!ret) {
			http_connections++;
			continue;
		}
		/* Out of descriptors or memory: connections that end give back. */
		if (!http_accept_errors++)
			fprintf(stderr,
				"%s: connections must wait: %s; raise ulimit -n\n",
				program_invocation_short_name, strerror(-ret));
		if (fd >= 0)
			coro_io_close(fd);
		if (coro_sleep(50 * CORO_MSEC))
			break;
	}
	coro_acceptor_free(acceptor);
	coro_group_close(&g, 0);
	return -ECANCELED;
}

#endif /* HTTP_CONN_H */
