/* SPDX-License-Identifier: MIT */
/*
 * Streams: bytes in both directions, buffered, over a descriptor or functions of
 * yours.
 *
 * Reading. One coroutine reads at a time; a second one is refused with -EBUSY and
 * the first does not notice. Bytes leave the stream only with a call that returns
 * them: one that ends with an error, a deadline or a cancel has taken nothing, so
 * the next reader finds all that had come. The two that may take more than the
 * buffer holds, coro_stream_read_exact() and coro_stream_write(), then return the
 * shorter count of what was moved so far; the next call tells what came between.
 *
 * Data that came before an error or the end is handed over first. The end, and an
 * error of the connection, stay: every later call that needs more than is there
 * returns them again.
 *
 * Writing. Bytes are taken, in the order of the calls, and sent later, by the
 * first of these that has to: a write, drain or flush that waits, or a coroutine
 * in coro_stream_pump(). Without any of them nothing is sent. So call
 * coro_stream_flush() before you wait for an answer.
 *
 * What was taken is never lost by a cancel or a deadline, nor sent twice: who
 * sends and is interrupted leaves the rest in the buffer, in order, and hands the
 * sending to the next who waits. An error of the connection drops the buffer,
 * stays, and is what every writer gets from then on.
 *
 * The directions know nothing of each other: an end, an error or a cancel of one
 * leaves the other as it is.
 *
 * A stream belongs to one thread at a time. Errors beyond those named below, for
 * every call that suspends:
 *
 *	-ETIMEDOUT	the deadline passed
 *	-ECANCELED	the coroutine was cancelled
 *	-EPERM		not called from a coroutine of a running loop
 *	-EDEADLK	see coro_run_opts()
 *	-EBADF		the stream is closed, or cannot do that direction
 *	others		of the connection
 *
 * An echo by lines::
 *
 *	while ((len = coro_stream_read_line(s, &line, CORO_NEVER)) > 0) {
 *		coro_stream_write(s, line, len, CORO_NEVER);
 *		coro_stream_flush(s, CORO_NEVER);
 *	}
 */
#ifndef CORO_STREAM_H
#define CORO_STREAM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coro_stream;

/**
 * struct coro_stream_ops - what moves the bytes of a stream
 * @size: sizeof(struct coro_stream_ops).
 * @read: puts 1 to @len bytes into @buf and returns how many; 0 at the end. NULL
 *	if there is nothing to read.
 * @write: takes 1 to @len bytes of @buf and returns how many. NULL if nothing
 *	can be written.
 * @shutdown: tells the other side that nothing follows. Returns 0. May be NULL.
 * @close: lets go of everything. Called once, and last; @read and @write that are
 *	under way must return soon, with whatever they like, and the stream waits
 *	for them. Must not count on its waits, which may all be cancelled. Returns
 *	0. May be NULL.
 *
 * They return a negative errno if they fail. -ECANCELED, -EINTR, -EDEADLK,
 * -ENOMEM, and -ETIMEDOUT after the deadline mean that nothing was moved and the
 * call can be repeated; every other one is an error of the connection, for good.
 *
 * One coroutine is in @read at a time, one in @write or @shutdown. Both may
 * suspend. Streams stack: @arg can hold another stream, whose coro_stream_read()
 * and coro_stream_write() are called here. Give that one a @high_bytes of 1, so
 * that what was written has been sent.
 */
struct coro_stream_ops {
	size_t size;
	ssize_t (*read)(void *arg, void *buf, size_t len, int64_t deadline_ns);
	ssize_t (*write)(void *arg, const void *buf, size_t len,
			 int64_t deadline_ns);
	int (*shutdown)(void *arg, int64_t deadline_ns);
	int (*close)(void *arg);
};

/**
 * struct coro_stream_opts - how much a stream keeps
 * @size: sizeof(struct coro_stream_opts).
 * @read_bytes: most that is read ahead, and the longest line or message; 0 for
 *	65,536. The buffer starts with less and grows.
 * @high_bytes: taken and not sent: above this writers wait; 0 for 65,536. With 1
 *	coro_stream_write() sends all that it is given before it returns.
 * @low_bytes: they wait until no more than this is left; 0 for a quarter of
 *	@high_bytes.
 * @max_bytes: most that coro_stream_put() lets wait; 0 for 16 times @high_bytes.
 *
 * Buffers are allocated when they are first needed.
 */
struct coro_stream_opts {
	size_t size;
	size_t read_bytes;
	size_t high_bytes;
	size_t low_bytes;
	size_t max_bytes;
};

/**
 * coro_stream_new() - make a stream over functions
 * @ret_stream: the stream.
 * @ops: the functions; copied.
 * @arg: passed to them; must live until the stream is closed or freed.
 * @opts: NULL for defaults.
 *
 * Context: any. Does not suspend.
 * Return: 0; -EINVAL for NULL, or if @opts has a low mark above the high one or
 * a high one above the most; -E2BIG if @ops or @opts have fields that this
 * library does not know; -ENOMEM.
 */
int coro_stream_new(struct coro_stream **ret_stream,
		    const struct coro_stream_ops *ops, void *arg,
		    const struct coro_stream_opts *opts);

/**
 * coro_stream_new_fd() - make a stream over a descriptor
 * @ret_stream: the stream. It owns @fd and closes it.
 * @fd: a connected socket, a pipe, a terminal or a file, which is read and
 *	written at its position. O_NONBLOCK makes no difference. Stays the caller's
 *	if the call fails.
 * @opts: NULL for defaults.
 *
 * Writing to a socket raises no SIGPIPE; to a pipe without readers it does, so
 * ignore that signal.
 *
 * Context: any. Does not suspend.
 * Return: 0; -EBADF; or an error of coro_stream_new().
 */
int coro_stream_new_fd(struct coro_stream **ret_stream, int fd,
		       const struct coro_stream_opts *opts);

/**
 * coro_stream_new_fds() - make a stream over a descriptor for each direction
 * @ret_stream: the stream. It owns both and closes them.
 * @read_fd: where to read; -1 for nowhere.
 * @write_fd: where to write; -1 for nowhere.
 * @opts: NULL for defaults.
 *
 * For two pipes to a child process, say. The rest as for coro_stream_new_fd().
 *
 * Context: any. Does not suspend.
 * Return: as coro_stream_new_fd(); -EINVAL also if both are -1.
 */
int coro_stream_new_fds(struct coro_stream **ret_stream, int read_fd,
			int write_fd, const struct coro_stream_opts *opts);

/**
 * coro_stream_read() - read what is there
 * @s: the stream.
 * @buf: filled up to the result.
 * @len: room in @buf. One that is at least as large as the stream's buffer, which
 *	has nothing, is filled directly.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. Suspends if nothing is there;
 * cancellation point.
 * Return: bytes, at least one; 0 at the end, or if @len is 0; -EBUSY if another
 * coroutine reads; -ENOMEM; or see the top.
 */
ssize_t coro_stream_read(struct coro_stream *s, void *buf, size_t len,
			 int64_t deadline_ns);

/**
 * coro_stream_read_exact() - read so many bytes
 * @s: the stream.
 * @buf: filled up to the result.
 * @len: how many.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * If @len is at most what the stream reads ahead, nothing is taken unless all
 * is, or the stream ends. More goes directly to @buf: then a deadline, a cancel
 * or an error lets the call return what came before, if anything did.
 *
 * Context: coroutine of a running loop. Suspends unless all is there;
 * cancellation point.
 * Return: @len; less if the stream ended, or as above; -EBUSY if another
 * coroutine reads; -ENOMEM; or see the top.
 */
ssize_t coro_stream_read_exact(struct coro_stream *s, void *buf, size_t len,
			       int64_t deadline_ns);

/**
 * coro_stream_read_until() - read through a delimiter
 * @s: the stream.
 * @delim: the bytes that end a message.
 * @len: how many, at least one.
 * @ret_data: the message with @delim, then a NUL that does not count. In the
 *	stream's buffer: yours, also to change, until the next call that reads.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. Suspends unless a message is there;
 * cancellation point.
 * Return:
 * * above 0	 - bytes at *@ret_data
 * * 0		 - the stream ended and nothing is left
 * * -ENODATA	 - it ended without @delim; what is left can be read otherwise
 * * -EMSGSIZE	 - as many bytes as it reads ahead have no @delim; they are kept
 * * -EBUSY	 - another coroutine reads
 * * -EINVAL	 - @len is 0 or more than is read ahead
 * * -ENOMEM	 - nothing was taken
 * * others	 - see the top
 */
ssize_t coro_stream_read_until(struct coro_stream *s, const void *delim,
			       size_t len, char **ret_data,
			       int64_t deadline_ns);

/**
 * coro_stream_read_line() - read a line
 * @s: the stream.
 * @ret_line: the line with its newline, as coro_stream_read_until() gives it.
 *	The last one may have no newline.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * A line that is longer than the stream reads ahead is dropped, to its newline
 * however far that is, and the next call reads the line behind it.
 *
 * Context: coroutine of a running loop. Suspends unless a line is there;
 * cancellation point.
 * Return: bytes at *@ret_line; 0 if the stream ended and nothing is left;
 * -EMSGSIZE if a line was dropped; -EBUSY if another coroutine reads; -ENOMEM; or
 * see the top.
 */
ssize_t coro_stream_read_line(struct coro_stream *s, char **ret_line,
			      int64_t deadline_ns);

/**
 * coro_stream_peek() - look at what comes, without taking it
 * @s: the stream.
 * @min: how many bytes to wait for; 0 to see what is buffered.
 * @ret_data: the bytes, in the stream's buffer; valid until the next call that
 *	reads. coro_stream_consume() takes them.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. Suspends if fewer are there; cancellation
 * point.
 * Return: bytes at *@ret_data, all that is buffered; fewer than @min if the
 * stream ended; -EMSGSIZE if @min is more than is read ahead; -EBUSY if another
 * coroutine reads; -ENOMEM; or see the top.
 */
ssize_t coro_stream_peek(struct coro_stream *s, size_t min,
			 const void **ret_data, int64_t deadline_ns);

/**
 * coro_stream_consume() - take what was seen
 * @s: the stream.
 * @len: bytes, at most what coro_stream_peek() returned.
 *
 * Context: any. Does not suspend.
 * Return: 0; -EINVAL if fewer are buffered; -EBUSY if another coroutine reads.
 */
int coro_stream_consume(struct coro_stream *s, size_t len);

/**
 * coro_stream_put() - take bytes to be sent, without waiting
 * @s: the stream.
 * @data: copied.
 * @len: bytes in @data.
 *
 * All or nothing. Follow with coro_stream_drain() where much is written.
 *
 * Context: any. Does not suspend. Not a cancellation point.
 * Return: 0; -ENOBUFS if more than the most would wait; -ENOMEM; -EPIPE after
 * coro_stream_shutdown(); -EBADF if the stream is closed or cannot be written; or
 * the error of the connection.
 */
int coro_stream_put(struct coro_stream *s, const void *data, size_t len);

/**
 * coro_stream_printf() - coro_stream_put() of a text
 * @s: the stream.
 * @format: as for printf(3).
 *
 * Context: any. Does not suspend. Not a cancellation point.
 * Return: bytes; -EILSEQ if @format fails; or an error of coro_stream_put().
 */
int coro_stream_printf(struct coro_stream *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * coro_stream_vprintf() - coro_stream_printf() with a list of arguments
 * @s: the stream.
 * @format: as for vprintf(3).
 * @args: its arguments.
 *
 * Context: any. Does not suspend. Not a cancellation point.
 * Return: as coro_stream_printf().
 */
int coro_stream_vprintf(struct coro_stream *s, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/**
 * coro_stream_write() - have bytes sent
 * @s: the stream.
 * @data: the bytes.
 * @len: how many.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Up to a quarter of the high mark: waits while the buffer would be above that
 * mark, then takes all; or fails and took nothing. More is sent directly from
 * @data, after what was taken before: then a deadline, a cancel or an error lets
 * the call return what was sent of it, if anything was. The bytes of one call
 * stand together.
 *
 * Context: coroutine of a running loop. Suspends as above; cancellation point.
 * Return: @len, or less as above; -EPIPE after coro_stream_shutdown(); or see the
 * top. Bytes up to the result were taken, the others were not.
 */
ssize_t coro_stream_write(struct coro_stream *s, const void *data, size_t len,
			  int64_t deadline_ns);

/**
 * coro_stream_drain() - wait while too much is to be sent
 * @s: the stream.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Does nothing unless the buffer is above its high mark. Else returns once what
 * is left of that is no more than the low mark.
 *
 * Context: coroutine of a running loop. Suspends as above; cancellation point.
 * Return: 0; or see the top.
 */
int coro_stream_drain(struct coro_stream *s, int64_t deadline_ns);

/**
 * coro_stream_flush() - wait until all is sent
 * @s: the stream.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * All that was taken before the call. What others add meanwhile does not count.
 *
 * Context: coroutine of a running loop. Suspends if something is to be sent;
 * cancellation point.
 * Return: 0: the backend has it; or see the top.
 */
int coro_stream_flush(struct coro_stream *s, int64_t deadline_ns);

/**
 * coro_stream_pump() - send whatever is put, until the stream is done
 * @s: the stream.
 *
 * For a coroutine of its own, where those who put do not want to wait: a chat,
 * whose members are written to by all others.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: 0 once the stream was shut down or closed; -EBUSY if it has a pump; or
 * see the top.
 */
int coro_stream_pump(struct coro_stream *s);

/**
 * coro_stream_pending() - how much was taken and not sent
 * @s: the stream.
 *
 * Context: any. Does not suspend.
 * Return: bytes.
 */
size_t coro_stream_pending(const struct coro_stream *s);

/**
 * coro_stream_copy() - move all that comes from one stream to another
 * @to: is written to.
 * @from: is read, to its end.
 * @total_bytes: grows by each piece that @to has sent, also if the call fails in
 *	the end. May be NULL.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Each piece is sent before the next is waited for. What was read and not sent
 * stays in @from. Reads and writes as one coroutine: nobody else reads @from
 * meanwhile, nor uses its socket or that of @to in another process or thread. @to
 * is neither shut down nor closed.
 *
 * Between stream sockets, from Linux 6.7 on, bulk data does not come into the
 * program: it goes through a pipe by splice(2). Its two descriptors are closed
 * when less comes, or nothing for a second; without them it is copied. While the
 * call writes to it, for moments, the socket of @to has O_NONBLOCK.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: 0 at the end of @from; or the error of either, see the top.
 */
int coro_stream_copy(struct coro_stream *to, struct coro_stream *from,
		     uint64_t *total_bytes, int64_t deadline_ns);

/**
 * coro_stream_shutdown() - end writing; the other side sees an end
 * @s: the stream.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * After all that was taken before. Reading goes on. If the call fails nothing has
 * changed, and it can be repeated; once it succeeded, again is nothing.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: 0; -EOPNOTSUPP if it has no such thing (a descriptor that is no socket
 * and serves both directions); or see the top.
 */
int coro_stream_shutdown(struct coro_stream *s, int64_t deadline_ns);

/**
 * coro_stream_close() - send the rest and close
 * @s: the stream.
 * @deadline_ns: when to give the rest up, or CORO_NEVER.
 *
 * Always closes, at the latest after @deadline_ns; a cancel makes that now. Who
 * waits in the stream gets -EBADF, as does everybody later. Returns when all of
 * them are out and @arg of coro_stream_new() is free. Unread data is dropped.
 * Again is nothing, but waits for the first. @s must be freed all the same.
 *
 * Context: coroutine of a running loop. Suspends. Once closing has begun not a
 * cancellation point.
 * Return: 0: all was sent, or closed before; -EPERM and it is not closed, if not
 * called from a coroutine of a running loop; else why the rest was lost, or the
 * error of closing.
 */
int coro_stream_close(struct coro_stream *s, int64_t deadline_ns);

/**
 * coro_stream_free() - end a stream
 * @s: the stream, or NULL for nothing. Closes it if it is open, as
 *	coro_stream_close() does with a deadline that has passed.
 *
 * Context: coroutine of a running loop, where it suspends if @s is open; or any,
 * if nobody waits in @s. Not a cancellation point.
 */
void coro_stream_free(struct coro_stream *s);

#ifdef __cplusplus
}
#endif
#endif /* CORO_STREAM_H */
