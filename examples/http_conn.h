/* SPDX-License-Identifier: MIT */
/* One connection of the server: requests in, files out, in straight lines. */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <coro.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "http_file.h"
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
static unsigned long http_requests, http_refused, http_broken;

/* Waits for a request. Returns 1; 0 if no more will come; or a negative errno. */
static int http_receive(struct http_conn *c)
{
	int64_t deadline_ns = coro_after(http_limit_ns);
	int n;

	while (!http_parse(&c->req, c->in, c->in_bytes)) {
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

static int http_send(struct http_conn *c, size_t len)
{
	int n;

	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = coro_io_send(c->fd, c->out + sent, len - sent, 0,
				 coro_after(http_limit_ns));
		if (n < 0)
			return n;
	}
	return 0;
}

/* Begins an answer in c->out. Returns the length of its head. */
static size_t http_put_head(struct http_conn *c, const char *status,
			    const char *type, uint64_t body_bytes)
{
	const char *allow = strncmp(status, "405", 3) ? "" :
							"Allow: GET, HEAD\r\n";
	time_t now = time(NULL);
	char date[32];
	struct tm tm;
	int len;

	strftime(date, sizeof(date), "%a, %d %b %Y %T", gmtime_r(&now, &tm));
	len = snprintf(c->out, sizeof(c->out),
		       "HTTP/1.1 %s\r\nDate: %s GMT\r\nConnection: %s\r\n"
		       "Content-Type: %s\r\nContent-Length: %" PRIu64
		       "\r\n%s\r\n",
		       status, date, c->req.keep_alive ? "keep-alive" : "close",
		       type, body_bytes, allow);
	return (size_t)len;
}

static int http_refuse(struct http_conn *c, const char *status)
{
	size_t size = strlen(status) + 1;
	size_t len = http_put_head(c, status, "text/plain", size);

	http_refused++;
	snprintf(c->out + len, sizeof(c->out) - len, "%s\n", status);
	return http_send(c, c->req.is_head ? len : len + size);
}

/* Sends the head together with the first bytes, then the rest piece by piece. */
static int http_send_file(struct http_conn *c, int file, uint64_t size)
{
	const char *type = http_type(c->req.path);
	size_t room, len = http_put_head(c, "200 OK", type, size);
	uint64_t at = 0;
	int n, ret;

	if (c->req.is_head)
		return http_send(c, len);
	do {
		room = sizeof(c->out) - len;
		n = coro_io_pread(file, c->out + len,
				  size - at < room ? size - at : room, at,
				  CORO_NEVER);
		if (n < 0 || (!n && at < size))
			return n ? n : -EIO;
		ret = http_send(c, len + (size_t)n);
		at += (uint64_t)n;
		len = 0;
	} while (!ret && at < size);
	return ret;
}

static int http_answer(struct http_conn *c)
{
	struct statx stx;
	int file, ret;

	http_requests++;
	if (c->req.refusal)
		return http_refuse(c, c->req.refusal);
	file = http_open(c->req.path, &stx);
	if (file == -EISDIR) {
		snprintf(c->out, sizeof(c->out), "%s/index.html", c->req.path);
		file = http_open(c->out, &stx);
		c->req.path = "index.html";
	}
	if (file < 0)
		return http_refuse(c, http_status(file));
	ret = http_send_file(c, file, stx.stx_size);
	coro_io_close(file);
	return ret;
}

/* The coroutine of a connection; @arg is its socket. */
static long http_serve(void *arg)
{
	struct http_conn c;
	int ret;

	c.fd = (int)(long)arg;
	c.in_bytes = 0;
	while ((ret = http_receive(&c)) > 0) {
		ret = http_answer(&c);
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

#endif /* HTTP_CONN_H */
