// SPDX-License-Identifier: GPL-2.0
/* The peer of kv_server: a thread and an SQLite connection for each client, sockets that block. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../examples/http_head.h"
#include "../examples/http_parse.h"
#include "../examples/kv_db.h"
#include "rounds.h"

#define ALLOW "GET, HEAD, PUT, DELETE"

struct conn {
	struct kv_db db;
	struct http_request req;
	size_t in_bytes;
	int fd;
	char in[8192];
	char out[16384];
};

static const char *path;
/* SQLite's own way to wait for another writer is to sleep and try again. */
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

static bool receive(struct conn *c)
{
	while (!http_parse(&c->req, ALLOW, c->in, c->in_bytes)) {
		ssize_t n = recv(c->fd, c->in + c->in_bytes,
				 sizeof(c->in) - c->in_bytes, 0);

		if (n <= 0)
			return false;
		c->in_bytes += (size_t)n;
	}
	return true;
}

static bool send_all(struct conn *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool answer(struct conn *c, const char *status, const char *body,
		   size_t size)
{
	size_t len = http_put_head(c->out, &c->req, ALLOW, status,
				   body ? "application/octet-stream" : NULL,
				   size);
	size_t first = sizeof(c->out) - len;

	if (first > size)
		first = size;
	if (first)
		memcpy(c->out + len, body, first);
	return send_all(c, c->out, len + first) &&
	       send_all(c, body + first, size - first);
}

static bool receive_body(struct conn *c, struct kv_op *op)
{
	size_t got = c->in_bytes - c->req.head_bytes;

	op->value_bytes = c->req.body_bytes;
	op->value = malloc(op->value_bytes + 1);
	must(!!op->value, "malloc");
	if (got > op->value_bytes)
		got = op->value_bytes;
	memcpy(op->value, c->in + c->req.head_bytes, got);
	c->req.head_bytes += got;
	while (got < op->value_bytes) {
		ssize_t n =
			recv(c->fd, op->value + got, op->value_bytes - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	c->req.keep_alive = c->req.may_stay;
	return true;
}

static void do_op(struct conn *c, struct kv_op *op)
{
	if (op->verb == KV_GET) {
		kv_db_read(&c->db, &op, 1);
		return;
	}
	pthread_mutex_lock(&writer);
	kv_db_write(&c->db, &op, 1);
	pthread_mutex_unlock(&writer);
}

static bool serve_one(struct conn *c)
{
	struct kv_op op = { .verb = *c->req.method == 'P' ? KV_PUT :
				    *c->req.method == 'D' ? KV_DELETE :
							    KV_GET,
			    .key = c->req.path + 1 };
	bool good = true;

	if (op.verb == KV_PUT)
		good = receive_body(c, &op);
	if (good) {
		do_op(c, &op);
		if (op.status == SQLITE_NOTFOUND)
			good = answer(c, "404 Not Found", "", 0);
		else if (op.status)
			good = answer(c, "500 Internal Server Error", "", 0);
		else if (op.verb == KV_GET)
			good = answer(c, "200 OK", op.value, op.value_bytes);
		else
			good = answer(c, "204 No Content", NULL, 0);
	}
	free(op.value);
	return good && c->req.keep_alive;
}

static void *serve(void *arg)
{
	struct conn *c = calloc(1, sizeof(*c));

	must(c && kv_db_open(&c->db, path), "opening the database");
	c->fd = (int)(intptr_t)arg;
	while (receive(c) && !c->req.refusal && serve_one(c)) {
		c->in_bytes -= c->req.head_bytes;
		memmove(c->in, c->in + c->req.head_bytes, c->in_bytes);
	}
	close(c->fd);
	kv_db_close(&c->db);
	free(c);
	return NULL;
}

/* kv_threads PORT DATABASE: until killed. */
int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), conn, one = 1;
	pthread_t thread;

	must(argc == 3, "counting arguments");
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	path = argv[2];
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	must(!bind(fd, (struct sockaddr *)&at, len) && !listen(fd, 4096) &&
		     !getsockname(fd, (struct sockaddr *)&at, &len),
	     "listening");
	printf("listening on port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		must(!pthread_create(&thread, NULL, serve,
				     (void *)(intptr_t)conn),
		     "pthread_create");
		pthread_detach(thread);
	}
	return 1;
}
