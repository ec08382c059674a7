/* SPDX-License-Identifier: MIT */
/* A file below the root as an answer: opened, measured and read through the ring. */
#ifndef HTTP_FILE_H
#define HTTP_FILE_H

#include <coro.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "http_conn.h"

static int http_root;

/* Opens below the root: "..", links and "/" cannot lead out of it. */
static int http_open(const char *path, struct statx *stx)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	struct io_uring_sqe sqe = { 0 };
	int file, ret;

	io_uring_prep_openat2(&sqe, http_root, path, &how);
	file = coro_io_await(&sqe, CORO_NEVER, NULL);
	if (file < 0)
		return file;
	ret = coro_io_statx(file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE,
			    stx, CORO_NEVER);
	if (!ret && S_ISREG(stx->stx_mode))
		return file;
	if (!ret)
		ret = S_ISDIR(stx->stx_mode) ? -EISDIR : -EACCES;
	coro_io_close(file);
	return ret;
}

/* The status that says why a file cannot be had. */
static const char *http_status(int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return "404 Not Found";
	case EACCES:
	case EPERM:
	case ELOOP:
	case EISDIR:
		return "403 Forbidden";
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return "503 Service Unavailable";
	}
	return "500 Internal Server Error";
}

/* The media type that goes with a name. */
static const char *http_type(const char *path)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".js", "text/javascript" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(dot, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

/* Sends the head together with the first bytes, then the rest piece by piece. */
static int http_send_file(struct http_conn *c, int file, uint64_t size)
{
	size_t room,
		len = http_begin(c, "200 OK", http_type(c->req.path), size);
	uint64_t at = 0;
	int n, ret;

	if (c->req.is_head)
		return http_send(c, c->out, len);
	do {
		room = sizeof(c->out) - len;
		n = coro_io_pread(file, c->out + len,
				  size - at < room ? size - at : room, at,
				  CORO_NEVER);
		if (n < 0 || (!n && at < size))
			return n ? n : -EIO;
		ret = http_send(c, c->out, len + (size_t)n);
		at += (uint64_t)n;
		len = 0;
	} while (!ret && at < size);
	return ret;
}

static int http_answer_file(struct http_conn *c)
{
	struct statx stx;
	int file, ret;

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

#endif /* HTTP_FILE_H */
