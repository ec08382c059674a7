// SPDX-License-Identifier: MIT
/* Values by key over HTTP, kept by SQLite, whose calls block: GET, PUT and DELETE /KEY. */
#define _GNU_SOURCE
#include <coro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_conn.h"
#include "kv_store.h"
#include "server_main.h"

static struct kv_store store;

static const char *status_of(const struct kv_op *op)
{
	switch (op->status) {
	case SQLITE_OK:
		return op->verb == KV_GET ? "200 OK" : "204 No Content";
	case SQLITE_NOTFOUND:
		return "404 Not Found";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_INTERRUPT:
		return "503 Service Unavailable";
	}
	return "500 Internal Server Error";
}

/* Does what was asked for, and tells how that went. */
static int carry_out(struct http_conn *c, struct kv_op *op)
{
	const char *status;

	kv_store_do(&store, op);
	status = status_of(op);
	if (*status != '2')
		return http_refuse(c, status);
	if (op->verb == KV_GET)
		return http_send_answer(c, status, "application/octet-stream",
					op->value, op->value_bytes);
	return http_send_answer(c, status, NULL, NULL, 0);
}

static int answer_get(struct http_conn *c, const char *key)
{
	struct kv_op op = { .verb = KV_GET, .key = key };
	int ret = carry_out(c, &op);

	free(op.value);
	return ret;
}

static int answer_put(struct http_conn *c, const char *key)
{
	struct kv_op op = { .verb = KV_PUT, .key = key };
	int ret;

	if (!c->req.lengths)
		return http_refuse(c, "411 Length Required");
	if (c->req.body_bytes > KV_VALUE_BYTES)
		return http_refuse(c, "413 Content Too Large");
	op.value_bytes = c->req.body_bytes;
	op.value = malloc(op.value_bytes + 1);
	if (!op.value)
		return http_refuse(c, "503 Service Unavailable");
	ret = http_receive_body(c, op.value);
	if (!ret)
		ret = carry_out(c, &op);
	free(op.value);
	return ret;
}

static int answer(struct http_conn *c)
{
	const char *key = c->req.path + 1;
	struct kv_op op = { .verb = KV_DELETE, .key = key };

	if (!*key)
		return http_refuse(c, HTTP_BAD_REQUEST);
	if (strlen(key) > KV_KEY_BYTES)
		return http_refuse(c, "414 URI Too Long");
	switch (*c->req.method) {
	case 'P':
		return answer_put(c, key);
	case 'D':
		return carry_out(c, &op);
	}
	return answer_get(c, key);
}

static long run(void *arg)
{
	const struct server *s = arg;
	int err = kv_store_start(&store);

	return err ? err : http_accept(s->fd);
}

int main(int argc, char **argv)
{
	struct server s = { .host = "127.0.0.1",
			    .run = run,
			    .flags = CORO_RUN_F_HANDOFF };
	int help = argc == 2 && !strcmp(argv[1], "--help"), ret = 1;

	if (argc != 3 || help) {
		fprintf(help ? stdout : stderr,
			"usage: kv_server [--help] PORT DATABASE\n\n"
			"GET, PUT and DELETE /KEY on 127.0.0.1, until SIGINT; what is\n"
			"answered is on the disk. PORT 0 takes any that is free;\n"
			"DATABASE is a file of SQLite, made if it is not there.\n");
		return help ? 0 : 2;
	}
	s.port = argv[1];
	http_allow = "GET, HEAD, PUT, DELETE";
	http_answer = answer;
	if (kv_store_open(&store, argv[2]))
		ret = server_start(&s, argv[0]);
	kv_store_close(&store);
	return ret;
}
