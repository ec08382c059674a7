/* SPDX-License-Identifier: MIT */
/* A stream inside the library: what was read ahead, what is to be sent, and who is inside. */
#ifndef CORO_USERLIB_STREAM_H
#define CORO_USERLIB_STREAM_H

#include <coro/stream.h>

#include "waitq.h"

/* Bytes from @start to @end of @room. All zero is an empty one without memory. */
struct coro__chunk {
	char *data;
	size_t start, end, room;
};

static inline size_t coro__chunk_bytes(const struct coro__chunk *c)
{
	return c->end - c->start;
}

struct coro__stream_in {
	struct coro__chunk ahead; /* its memory has a byte more than its room */
	size_t most;
	int err; /* of the connection, for good */
	bool busy; /* somebody is in the backend */
	bool ended;
	bool hungry; /* the last read filled all that there was */
	bool dropping; /* in the middle of a line that is too long */
	bool lent; /* a NUL stands for @saved at the start */
	char saved;
};

/*
 * Bytes are appended to @coming, and sent from @going, which stays in place
 * meanwhile. The counts say which of them a waiter waits for.
 */
struct coro__stream_out {
	struct coro__chunk going, coming;
	uint64_t put, sent;
	size_t high, low, most;
	int err; /* of the connection, for good */
	bool busy; /* somebody sends, or was told to */
	bool shut;
	struct coro_waiters flushing; /* their targets grow along the queue, */
	struct coro_waiters draining; /* and here: so the first tells enough */
	struct coro_waiters turns; /* want to send something of their own */
	struct coro_waiters idle; /* a pump, with nothing to send */
	bool pump;
};

struct coro__stream_fds {
	int read_fd, write_fd;
	bool read_sock, write_sock;
};

struct coro_stream {
	struct coro_stream_ops ops;
	void *arg;
	struct coro__stream_in in;
	struct coro__stream_out out;
	unsigned int inside; /* suspended in a call that looks at this again */
	bool closing; /* nobody may come in */
	bool closed; /* nor wait: the backend is told, or gone */
	bool over; /* it is gone, and nobody is inside */
	struct coro_waiters leaving; /* who closes, until nobody is inside */
	struct coro_waiters closers; /* others who close, until it is over */
	struct coro__stream_fds fds; /* the backend of stream_fd.c */
};

/* Around each suspension; the last one out tells who closes. */
static inline void coro__stream_enter(struct coro_stream *s)
{
	s->inside++;
}

void coro__stream_leave(struct coro_stream *s);

/* coro__wait_begin(), in which others may run, and close the stream. */
static inline int coro__stream_wait_begin(struct coro_stream *s,
					  struct coro__loop **ret_loop)
{
	int err;

	coro__stream_enter(s);
	err = coro__wait_begin(ret_loop);
	coro__stream_leave(s);
	return err;
}

/* Whether an error of a backend is one of the connection. */
bool coro__stream_for_good(int err, int64_t deadline_ns);

/* Makes @c, whose memory has @extra bytes more, hold @room at least. 0 or -ENOMEM. */
int coro__chunk_grow(struct coro__chunk *c, size_t room, size_t extra);
void coro__chunk_free(struct coro__chunk *c);

/* What moves the bytes: as in struct coro_stream_ops, and instead of it. */
typedef ssize_t coro__stream_read_fn(void *arg, void *buf, size_t len,
				     int64_t deadline_ns);
typedef ssize_t coro__stream_write_fn(void *arg, const void *buf, size_t len,
				      int64_t deadline_ns);

/* 0 if the calling coroutine may read; it has been a cancellation point. */
int coro__stream_read_begin(struct coro_stream *s);

/* One read by @read: bytes, 0 at the end, or an error, which is the stream's as well. */
ssize_t coro__stream_pull_by(struct coro_stream *s, coro__stream_read_fn *read,
			     void *arg, char *buf, size_t len,
			     int64_t deadline_ns);

/* As coro_stream_peek() of one byte, of a reader that has begun. */
ssize_t coro__stream_look(struct coro_stream *s, const char **ret_data,
			  int64_t deadline_ns);
void coro__stream_take(struct coro_stream *s, size_t len);

/* 0 if bytes can be put; else why not. */
int coro__stream_writable(const struct coro_stream *s);

/* Until the backend has all that was put so far. */
int coro__stream_flush(struct coro_stream *s, int64_t deadline_ns);

/*
 * Sends @len bytes behind all that was put. 0, or the error that came first;
 * *@ret_done of them were sent either way.
 */
int coro__stream_send(struct coro_stream *s, const char *data, size_t len,
		      size_t *ret_done, int64_t deadline_ns);

/* As above, by @write. */
int coro__stream_send_by(struct coro_stream *s, coro__stream_write_fn *write,
			 void *arg, const char *data, size_t len,
			 size_t *ret_done, int64_t deadline_ns);

/* Waits for @events of @fd, which @s owns; those that came, or an error. */
int coro__stream_fd_poll(struct coro_stream *s, int fd, unsigned int events,
			 int64_t deadline_ns);

/*
 * The pipe of one copy, on its stack. Bytes in it are neither stream's; none are
 * there between two pieces.
 */
struct coro__splice {
	struct coro_stream *to, *from;
	int fds[2]; /* -1: there is no pipe */
	size_t bytes; /* in it */
	unsigned int large; /* copied in a row */
	bool declined; /* this piece is better copied */
};

/*
 * Whether the piece after one of @last bytes goes by coro__splice_move(): makes the
 * pipe, where it pays.
 */
bool coro__splice_begin(struct coro__splice *sp, size_t last);

/*
 * Moves a piece, of which *@ret_done bytes were sent. 1 to go on; or the error
 * that came first. What was read and not sent is in @from.
 */
int coro__splice_move(struct coro__splice *sp, size_t *ret_done,
		      int64_t deadline_ns);

/* Puts what is in the pipe back into @from, and closes the pipe. */
void coro__splice_end(struct coro__splice *sp);

/* Ends the waits of all who wait to send. */
void coro__stream_wake_writers(struct coro_stream *s);

#endif /* CORO_USERLIB_STREAM_H */
