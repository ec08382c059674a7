/* SPDX-License-Identifier: MIT */
/* A file below the root, opened and measured through the ring. */
#ifndef HTTP_FILE_H
#define HTTP_FILE_H

#include <coro.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

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

#endif /* HTTP_FILE_H */
