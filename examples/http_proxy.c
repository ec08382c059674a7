// SPDX-License-Identifier: MIT
/* An HTTP proxy, with CONNECT: http_proxy PORT, until SIGINT. */
#include <coro.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server_main.h"

#define HEAD_NS (30 * CORO_SEC)

/* A request's first line, taken apart, and where it leads. */
struct request {
	struct coro_stream *client, *server;
	char method[16], target[4096], host[256], port[6];
	const char *path; /* in @target; NULL for CONNECT */
};

struct direction {
	struct coro_stream *from, *to;
};

/* Passes the end on as well: the other direction stays open. */
static long relay(void *arg)
{
	const struct direction *d = arg;
	int err = coro_stream_flush(d->to, CORO_NEVER);

	if (!err)
		err = coro_stream_copy(d->to, d->from, NULL, CORO_NEVER);
	return err ? err : coro_stream_shutdown(d->to, CORO_NEVER);
}

/* Returns when both directions have ended, or one has failed. */
static long relay_both(struct request *r)
{
	struct direction up = { r->client, r->server };
	struct direction down = { r->server, r->client };
	struct coro_job jobs[] = { { .fn = relay, .arg = &up },
				   { .fn = relay, .arg = &down } };

	return coro_gather(jobs, 2);
}

/* "host:port", "[host]:port" or, of a URL, the same with a port that may be missing. */
static int parse_target(struct request *r)
{
	const char *at = r->target, *end;
	size_t len;

	r->path = NULL;
	strcpy(r->port, "80");
	if (strcmp(r->method, "CONNECT") != 0) {
		if (strncmp(at, "http://", 7) != 0)
			return -EINVAL;
		at += 7;
		r->path = at + strcspn(at, "/");
	}
	end = *at == '[' ? strchr(at, ']') : at + strcspn(at, ":/");
	if (!end)
		return -EINVAL;
	at += *at == '[';
	len = (size_t)(end - at);
	end += *end == ']';
	if (!len || len >= sizeof(r->host))
		return -EINVAL;
	memcpy(r->host, at, len);
	r->host[len] = '\0';
	if (*end == ':' && sscanf(end, ":%5[0-9]", r->port) != 1)
		return -EINVAL;
	return 0;
}

static int read_request(struct request *r)
{
	char *line;
	ssize_t len = coro_stream_read_line(r->client, &line, CORO_NEVER);

	if (len <= 0)
		return len ? (int)len : -ENODATA;
	if (len >= (ssize_t)sizeof(r->target) || line[len - 1] != '\n')
		return -EINVAL;
	line[len - 1] = '\0';
	if (sscanf(line, "%15[A-Z] %4095s HTTP/1.", r->method, r->target) != 2)
		return -EINVAL;
	return parse_target(r);
}

/* Passes the header on, or drops it if the server is not to see it. */
static int pass_header(struct request *r)
{
	char *line;
	ssize_t len;

	if (r->path)
		coro_stream_printf(r->server, "%s %s HTTP/1.1\r\n", r->method,
				   *r->path ? r->path : "/");
	while ((len = coro_stream_read_line(r->client, &line, CORO_NEVER)) > 2)
		if (r->path && strncasecmp(line, "Proxy-", 6) != 0 &&
		    strncasecmp(line, "Connection:", 11) != 0)
			coro_stream_put(r->server, line, (size_t)len);
	if (len < 0)
		return (int)len;
	/* One request per connection, so that none needs to be told from the next. */
	if (r->path)
		coro_stream_printf(r->server, "Connection: close\r\n\r\n");
	return 0;
}

static long open_way(void *arg)
{
	struct request *r = arg;
	int err = read_request(r), fd;

	if (err)
		return err;
	fd = coro_net_connect(r->host, r->port, CORO_NEVER);
	err = fd < 0 ? fd : coro_stream_new_fd(&r->server, fd, NULL);
	if (!err)
		err = pass_header(r);
	return err;
}

static const char *status_of(long err)
{
	return err == -EINVAL	 ? "400 Bad Request" :
	       err == -ETIMEDOUT ? "504 Gateway Timeout" :
				   "502 Bad Gateway";
}

static long serve(struct coro_stream *client, void *arg)
{
	struct request r = { .client = client };
	long err = coro_call(open_way, &r, coro_after(HEAD_NS));

	(void)arg;
	if (err && err != -ENODATA)
		coro_stream_printf(client, "HTTP/1.1 %s\r\n\r\n",
				   status_of(err));
	else if (!err && !r.path)
		coro_stream_printf(client, "HTTP/1.1 200 OK\r\n\r\n");
	if (!err)
		relay_both(&r);
	coro_stream_free(r.server);
	return 0;
}

int main(int argc, char **argv)
{
	return server_main(argc, argv, serve);
}
