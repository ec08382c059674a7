/* SPDX-License-Identifier: MIT */
/* A server: connections taken from a listening socket, a coroutine for each. */
#ifndef CORO_SERVE_H
#define CORO_SERVE_H

#include <coro/stream.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_serve_opts - how a server serves
 * @size: sizeof(struct coro_serve_opts).
 * @max_connections: most at once, further ones wait in the socket; 0 for as many
 *	as there can be.
 * @grace_ns: how long connections may go on when the caller is cancelled; 0 to
 *	cancel them with it.
 * @stream: options of the connections' streams; NULL for defaults.
 */
struct coro_serve_opts {
	size_t size;
	unsigned int max_connections;
	int64_t grace_ns;
	const struct coro_stream_opts *stream;
};

/**
 * coro_serve() - serve connections until the caller is cancelled
 * @fd: listening socket; stays the caller's.
 * @fn: called for each connection in a coroutine of its own. When it has returned,
 *	what it wrote is sent, for a second at most, and the stream closed and freed.
 * @arg: passed to @fn.
 * @opts: NULL for defaults.
 *
 * A failure of @fn concerns its connection only; coro/report.h tells of it. When
 * descriptors or memory run out, it waits a little and goes on.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: when no connection is left: -ECANCELED; -EDEADLK, -EPERM; -EINVAL;
 * -E2BIG; -ENOMEM at the start; or a negative errno of accept(2) with which @fd
 * cannot be used.
 */
int coro_serve(int fd, long (*fn)(struct coro_stream *s, void *arg), void *arg,
	       const struct coro_serve_opts *opts);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SERVE_H */
