// SPDX-License-Identifier: MIT
/* Streams: reading. */
#include "lib_stream.h"

FIXTURE(stream)
{
	int sock[2]; /* the stream has the first */
	struct coro_stream *s;
	int fds;
};

FIXTURE_SETUP(stream)
{
	struct coro_stream_opts opts = { .size = sizeof(opts),
					 .read_bytes = 16 };

	bodies_expect(_metadata);
	ASSERT_NE(NULL, coro_backend());
	self->fds = open_fds();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->sock));
	ASSERT_EQ(0, coro_stream_new_fd(&self->s, self->sock[0], &opts));
}

FIXTURE_TEARDOWN(stream)
{
	coro_stream_free(self->s);
	if (self->sock[1] >= 0)
		close(self->sock[1]);
	EXPECT_EQ(self->fds, open_fds());
	EXPECT_EQ(0, leaked());
}

#define ME(arg) ((struct _test_data_stream *)(arg))

static void feed(void *arg, const char *text)
{
	EXPECT_EQ((ssize_t)strlen(text),
		  send(ME(arg)->sock[1], text, strlen(text), 0));
}

static void feed_end(void *arg)
{
	close(ME(arg)->sock[1]);
	ME(arg)->sock[1] = -1;
}

#define EXPECT_TEXT(text, buf, ret)                            \
	do {                                                   \
		EXPECT_EQ((long)strlen(text), (long)(ret));    \
		EXPECT_EQ(0, memcmp(text, buf, strlen(text))); \
	} while (0)

static void expect_line(void *arg, const char *text)
{
	char *line = NULL;
	ssize_t ret = coro_stream_read_line(ME(arg)->s, &line, CORO_NEVER);

	EXPECT_EQ((ssize_t)strlen(text), ret);
	if (ret > 0)
		EXPECT_STREQ(text, line);
}

static long read_some(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char buf[32];

	memset(buf, POISON, sizeof(buf));
	EXPECT_EQ(0, coro_stream_read(s, buf, 0, CORO_NEVER));
	feed(arg, "hello");
	EXPECT_TEXT("he", buf, coro_stream_read(s, buf, 2, CORO_NEVER));
	EXPECT_TEXT("llo", buf, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_read(s, buf, 8, coro_after(SOON_NS)));
	feed(arg, "end");
	feed_end(arg);
	EXPECT_TEXT("end", buf, coro_stream_read(s, buf, 32, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_read(s, buf, 32, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_read(s, buf, 32, CORO_NEVER));
	return 0;
}

/* AGS-16 */
TEST_F(stream, read_returns_what_is_there_and_zero_at_the_end)
{
	EXPECT_EQ(0, coro_run(read_some, self));
}

static long read_exactly(void *arg)
{
	struct call c = { .s = ME(arg)->s, .len = 6 };
	struct coro *co;

	feed(arg, "ab");
	co = call_start(call_exact, &c, CORO_AWAITS_IO);
	feed(arg, "cd");
	EXPECT_EQ(0, coro_sleep(0));
	settle(co, CORO_AWAITS_IO);
	EXPECT_EQ(POISON_LONG, c.ret);
	feed(arg, "efgh");
	EXPECT_EQ(6, coro_await(co));
	EXPECT_EQ(0, memcmp("abcdef", c.buf, 6));
	EXPECT_EQ(0, coro_stream_read_exact(c.s, c.buf, 0, CORO_NEVER));
	feed_end(arg);
	EXPECT_TEXT("gh", c.buf,
		    coro_stream_read_exact(c.s, c.buf, 16, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_read_exact(c.s, c.buf, 16, CORO_NEVER));
	return 0;
}

/* AGS-16, AGS-17: sizes are not negative here; the partial data is the shorter count. */
TEST_F(stream, read_exact_waits_for_all_or_the_end)
{
	EXPECT_EQ(0, coro_run(read_exactly, self));
}

static long read_exactly_long(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char buf[64];

	feed(arg, "0123456789");
	EXPECT_TEXT("01", buf, coro_stream_read_exact(s, buf, 2, CORO_NEVER));
	EXPECT_TEXT("23456789", buf,
		    coro_stream_read_exact(s, buf, 64, coro_after(SOON_NS)));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_stream_read_exact(s, buf, 64, coro_after(SOON_NS)));
	feed(arg, "0123456789012345678901234567890123456789");
	EXPECT_EQ(40, coro_stream_read_exact(s, buf, 40, CORO_NEVER));
	EXPECT_EQ('9', buf[39]);
	return 0;
}

/* AGS-17, AGS-20 */
TEST_F(stream, long_read_exact_returns_what_came_before_a_deadline)
{
	EXPECT_EQ(0, coro_run(read_exactly_long, self));
}

static long read_until(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char *data = NULL;
	char buf[32];

	EXPECT_EQ(-EINVAL, coro_stream_read_until(s, "", 0, &data, 0));
	EXPECT_EQ(-EINVAL, coro_stream_read_until(s, buf, 17, &data, 0));
	feed(arg, "one\r");
	EXPECT_EQ(-ETIMEDOUT, coro_stream_read_until(s, "\r\n", 2, &data,
						     coro_after(SOON_NS)));
	EXPECT_EQ(NULL, data);
	feed(arg, "\ntwo\r\n");
	EXPECT_EQ(5, coro_stream_read_until(s, "\r\n", 2, &data, CORO_NEVER));
	EXPECT_STREQ("one\r\n", data);
	EXPECT_EQ(5, coro_stream_read_until(s, "\r\n", 2, &data, CORO_NEVER));
	EXPECT_STREQ("two\r\n", data);
	feed(arg, "exactly sixteen.too much");
	EXPECT_EQ(16, coro_stream_read_until(s, ".", 1, &data, CORO_NEVER));
	EXPECT_STREQ("exactly sixteen.", data);
	feed(arg, "        |");
	EXPECT_EQ(-EMSGSIZE,
		  coro_stream_read_until(s, "|", 1, &data, CORO_NEVER));
	EXPECT_TEXT("too much", buf, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(9, coro_stream_read_until(s, "|", 1, &data, CORO_NEVER));
	feed(arg, "rest");
	feed_end(arg);
	EXPECT_EQ(-ENODATA,
		  coro_stream_read_until(s, "|", 1, &data, CORO_NEVER));
	EXPECT_TEXT("rest", buf, coro_stream_read(s, buf, 32, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_read_until(s, "|", 1, &data, CORO_NEVER));
	return 0;
}

/* AGS-18 */
TEST_F(stream, read_until_returns_through_the_delimiter_and_keeps_what_has_none)
{
	EXPECT_EQ(0, coro_run(read_until, self));
}

static long read_lines(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char *line;

	feed(arg, "a\n\nbcd\n");
	expect_line(arg, "a\n");
	expect_line(arg, "\n");
	expect_line(arg, "bcd\n");
	feed(arg, "a line that is much longer than sixteen");
	/* It does not end yet: what was dropped is not told before. */
	EXPECT_EQ(-ETIMEDOUT,
		  coro_stream_read_line(s, &line, coro_after(SOON_NS)));
	feed(arg, " and goes on and on and on\nnext\n");
	EXPECT_EQ(-EMSGSIZE, coro_stream_read_line(s, &line, CORO_NEVER));
	expect_line(arg, "next\n");
	feed(arg, "tail");
	feed_end(arg);
	expect_line(arg, "tail");
	expect_line(arg, "");
	return 0;
}

/* AGS-19 */
TEST_F(stream, line_that_is_too_long_is_dropped_and_the_next_is_read)
{
	EXPECT_EQ(0, coro_run(read_lines, self));
}

static long drop_until_end(void *arg)
{
	char *line;

	feed(arg, "a line that is much longer than sixteen");
	feed_end(arg);
	EXPECT_EQ(-EMSGSIZE,
		  coro_stream_read_line(ME(arg)->s, &line, CORO_NEVER));
	expect_line(arg, "");
	return 0;
}

/* AGS-19 */
TEST_F(stream, long_line_without_an_end_is_dropped_too)
{
	EXPECT_EQ(0, coro_run(drop_until_end, self));
}

static long drop_and_read(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char *line, buf[4];

	feed(arg, "a line that is much longer than sixteen");
	EXPECT_EQ(-ETIMEDOUT,
		  coro_stream_read_line(s, &line, coro_after(SOON_NS)));
	feed(arg, "\nnext\n");
	EXPECT_TEXT("\n", buf, coro_stream_read(s, buf, 1, CORO_NEVER));
	expect_line(arg, "next\n");
	return 0;
}

/* AGS-19 */
TEST_F(stream, reading_otherwise_ends_the_dropping_of_a_line)
{
	EXPECT_EQ(0, coro_run(drop_and_read, self));
}

static long change_lines(void *arg)
{
	char *line;

	feed(arg, "abc\ndef\n");
	EXPECT_EQ(4, coro_stream_read_line(ME(arg)->s, &line, CORO_NEVER));
	memset(line, 'X', 4);
	EXPECT_EQ('\0', line[4]);
	expect_line(arg, "def\n");
	return 0;
}

/* AGS-19: here a line is lent, and ends with a NUL where the next one begins. */
TEST_F(stream, lent_line_may_be_changed_and_the_next_stays_whole)
{
	EXPECT_EQ(0, coro_run(change_lines, self));
}

static long cancel_readers(void *arg)
{
	long (*const fn[])(void *) = { call_exact, call_line };
	struct call c = { .s = ME(arg)->s, .len = 8 };
	char buf[8];
	size_t i;

	for (i = 0; i < 2; i++) {
		struct coro *co;

		feed(arg, "abc");
		co = call_start(fn[i], &c, CORO_AWAITS_IO);
		EXPECT_EQ(0, coro_cancel(co));
		EXPECT_EQ(-ECANCELED, coro_await(co));
		EXPECT_EQ(-ECANCELED, c.ret);
		EXPECT_TEXT("abc", buf,
			    coro_stream_read(c.s, buf, 8, CORO_NEVER));
	}
	return 0;
}

/* AGS-20 */
TEST_F(stream, cancelled_read_loses_nothing)
{
	EXPECT_EQ(0, coro_run(cancel_readers, self));
}

static long two_readers(void *arg)
{
	struct call c = { .s = ME(arg)->s };
	struct coro *co = call_start(call_read, &c, CORO_AWAITS_IO);
	const void *data;
	char *line, byte;

	EXPECT_EQ(-EBUSY, coro_stream_read(c.s, &byte, 1, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_stream_read_exact(c.s, &byte, 1, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_stream_read_line(c.s, &line, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_stream_peek(c.s, 0, &data, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_stream_consume(c.s, 0));
	EXPECT_EQ(-EBUSY, coro_stream_copy(c.s, c.s, NULL, CORO_NEVER));
	feed(arg, "first");
	EXPECT_EQ(5, coro_await(co));
	EXPECT_EQ(0, memcmp("first", c.buf, 5));
	return 0;
}

/* AGS-21 */
TEST_F(stream, second_reader_is_refused_and_the_first_undisturbed)
{
	EXPECT_EQ(0, coro_run(two_readers, self));
}

static long peek_and_consume(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	const void *data = NULL;

	EXPECT_EQ(0, coro_stream_peek(s, 0, &data, CORO_NEVER));
	EXPECT_EQ(-EMSGSIZE, coro_stream_peek(s, 17, &data, CORO_NEVER));
	feed(arg, "abcdef");
	EXPECT_TEXT("abcdef", data, coro_stream_peek(s, 3, &data, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_stream_consume(s, 7));
	EXPECT_EQ(0, coro_stream_consume(s, 2));
	EXPECT_TEXT("cdef", data, coro_stream_peek(s, 0, &data, CORO_NEVER));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_stream_peek(s, 5, &data, coro_after(SOON_NS)));
	feed(arg, "ghijklmnopqr");
	EXPECT_TEXT("cdefghijklmnopqr", data,
		    coro_stream_peek(s, 16, &data, CORO_NEVER));
	feed_end(arg);
	EXPECT_EQ(0, coro_stream_consume(s, 14));
	EXPECT_TEXT("qr", data, coro_stream_peek(s, 16, &data, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_consume(s, 2));
	EXPECT_EQ(0, coro_stream_peek(s, 1, &data, CORO_NEVER));
	return 0;
}

/* AGS-16, AGS-20 */
TEST_F(stream, what_was_seen_stays_until_it_is_consumed)
{
	EXPECT_EQ(0, coro_run(peek_and_consume, self));
}

static long read_after_error(void *arg)
{
	static const struct step steps[] = { { .bytes = "abc" },
					     { .ret = -ENOMEM },
					     { .bytes = "d" },
					     { .ret = -ECONNRESET },
					     { .bytes = "late" } };
	struct script sc = { .steps = steps, .nr = 5 };
	struct coro_stream *s;
	char buf[8];

	(void)arg;
	EXPECT_EQ(0, coro_stream_new(&s, &script_ops, &sc, NULL));
	EXPECT_EQ(-ENOMEM, coro_stream_read_exact(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ECONNRESET, coro_stream_read_exact(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ECONNRESET, coro_stream_read_exact(s, buf, 8, CORO_NEVER));
	EXPECT_TEXT("abcd", buf, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ECONNRESET, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ECONNRESET, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(4, sc.reads);
	coro_stream_free(s);
	EXPECT_EQ(1, sc.closed);
	return 0;
}

/* AGS-22: what came before the error is not thrown away, as "better" 5 asks. */
TEST_F(stream, error_of_the_connection_stays_and_data_comes_before_it)
{
	EXPECT_EQ(0, coro_run(read_after_error, self));
}

static long read_time_outs(void *arg)
{
	static const struct step steps[] = { { .ret = -ETIMEDOUT },
					     { .bytes = "a" },
					     { .ret = -ETIMEDOUT },
					     { .bytes = "late" } };
	struct script sc = { .steps = steps, .nr = 4 };
	struct coro_stream *s;
	char buf[8];

	(void)arg;
	EXPECT_EQ(0, coro_stream_new(&s, &script_ops, &sc, NULL));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_read(s, buf, 8, INT64_MIN));
	EXPECT_EQ(1, coro_stream_read(s, buf, 8, INT64_MIN));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_read(s, buf, 8, CORO_NEVER));
	coro_stream_free(s);
	return 0;
}

/* AGS-22 */
TEST_F(stream, connection_that_timed_out_is_no_deadline)
{
	EXPECT_EQ(0, coro_run(read_time_outs, self));
}

static long read_reset(void *arg)
{
	struct linger hard = { .l_onoff = 1 };
	struct sockaddr_in addr;
	int listener = tcp_listen(&addr, 1), peer = tcp_connect(&addr);
	struct call c = { 0 };
	struct coro *co;
	char byte;

	(void)arg;
	EXPECT_EQ(0, coro_stream_new_fd(&c.s, accept4(listener, NULL, NULL, 0),
					NULL));
	co = call_start(call_read, &c, CORO_AWAITS_IO);
	EXPECT_EQ(0,
		  setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	close(peer);
	EXPECT_EQ(-ECONNRESET, coro_await(co));
	EXPECT_EQ(-ECONNRESET, coro_stream_read(c.s, &byte, 1, CORO_NEVER));
	coro_stream_free(c.s);
	close(listener);
	return 0;
}

/* AGS-22 */
TEST_F(stream, reset_is_told_to_the_pending_read_and_to_later_ones)
{
	EXPECT_EQ(0, coro_run(read_reset, self));
}

static long read_bypass(void *arg)
{
	static const struct step steps[] = { { .bytes = "abc" },
					     { .bytes = "de" } };
	struct coro_stream_opts opts = { .size = sizeof(opts),
					 .read_bytes = 64 };
	struct script sc = { .steps = steps, .nr = 2 };
	struct coro_stream *s;
	static char buf[1 << 17];

	(void)arg;
	EXPECT_EQ(0, coro_stream_new(&s, &script_ops, &sc, &opts));
	EXPECT_EQ(3, coro_stream_read(s, buf, sizeof(buf), CORO_NEVER));
	EXPECT_EQ(buf + 0, (char *)sc.buf);
	EXPECT_EQ(sizeof(buf), sc.len);
	EXPECT_EQ(2, coro_stream_read_exact(s, buf, 65, CORO_NEVER));
	EXPECT_EQ(buf + 2, (char *)sc.buf);
	coro_stream_free(s);
	return 0;
}

/* AGS-16 */
TEST_F(stream, large_reads_go_past_the_buffer)
{
	EXPECT_EQ(0, coro_run(read_bypass, self));
}

static ssize_t overdo(void *arg, void *buf, size_t len, int64_t deadline_ns)
{
	(void)arg;
	(void)buf;
	(void)deadline_ns;
	return (ssize_t)len + 1;
}

static ssize_t take_nothing(void *arg, const void *buf, size_t len,
			    int64_t deadline_ns)
{
	(void)arg;
	(void)buf;
	(void)len;
	(void)deadline_ns;
	return 0;
}

static long distrust(void *arg)
{
	struct coro_stream_ops ops = { .size = sizeof(ops),
				       .read = overdo,
				       .write = take_nothing };
	struct coro_stream *s;
	char byte;

	(void)arg;
	EXPECT_EQ(0, coro_stream_new(&s, &ops, NULL, NULL));
	EXPECT_EQ(-EPROTO, coro_stream_read(s, &byte, 1, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_put(s, "x", 1));
	EXPECT_EQ(-EPROTO, coro_stream_flush(s, CORO_NEVER));
	coro_stream_free(s);
	return 0;
}

/* AGS-24 */
TEST_F(stream, backend_that_says_nonsense_is_an_error)
{
	EXPECT_EQ(0, coro_run(distrust, self));
}

/* OBJ-04 */
TEST_F(stream, bad_options_are_refused)
{
	struct coro_stream_opts opts = { .size = sizeof(opts),
					 .high_bytes = 10,
					 .low_bytes = 11 };
	struct coro_stream_ops ops = { .size = sizeof(ops) };
	struct coro_stream *s = NULL;

	EXPECT_EQ(-EINVAL, coro_stream_new_fd(&s, self->sock[1], &opts));
	opts.low_bytes = 0;
	opts.max_bytes = 9;
	EXPECT_EQ(-EINVAL, coro_stream_new_fd(&s, self->sock[1], &opts));
	EXPECT_EQ(-EINVAL, coro_stream_new_fd(&s, -1, NULL));
	EXPECT_EQ(-EBADF, coro_stream_new_fd(&s, 1000000, NULL));
	EXPECT_EQ(-EINVAL, coro_stream_new_fd(NULL, self->sock[1], NULL));
	EXPECT_EQ(-EINVAL, coro_stream_new(&s, NULL, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_stream_new(&s, &ops, NULL, NULL));
	EXPECT_EQ(NULL, s);
	EXPECT_LE(0, fcntl(self->sock[1], F_GETFD));
}

/* LOP-08 */
TEST_F(stream, waiting_calls_need_a_running_loop)
{
	char byte;

	EXPECT_EQ(-EPERM, coro_stream_read(self->s, &byte, 1, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_stream_write(self->s, "x", 1, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_stream_flush(self->s, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_stream_close(self->s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_put(self->s, "x", 1));
}

static long read_file(void *arg)
{
	char path[] = "/tmp/coro-stream-XXXXXX";
	int fd = mkstemp(path);
	struct coro_stream *s;
	char *line;
	int i;

	(void)arg;
	unlink(path);
	EXPECT_EQ(0, coro_stream_new_fd(&s, dup(fd), NULL));
	for (i = 0; i < 3000; i++)
		EXPECT_LT(0, coro_stream_printf(s, "line %d\n", i));
	EXPECT_EQ(-EOPNOTSUPP, coro_stream_shutdown(s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	coro_stream_free(s);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(0, coro_stream_new_fds(&s, fd, -1, NULL));
	EXPECT_EQ(-EBADF, coro_stream_put(s, "x", 1));
	for (i = 0; i < 3000; i++) {
		EXPECT_LT(0, coro_stream_read_line(s, &line, CORO_NEVER));
		EXPECT_EQ(i, atoi(line + 5));
	}
	EXPECT_EQ(0, coro_stream_read_line(s, &line, CORO_NEVER));
	coro_stream_free(s);
	return 0;
}

/* AGS-16, AGS-19 */
TEST_F(stream, file_is_written_and_read_by_lines)
{
	EXPECT_EQ(0, coro_run(read_file, self));
}

static long non_blocking(void *arg)
{
	struct call c = { 0 };
	struct coro *co;
	int fds[2];

	(void)arg;
	EXPECT_EQ(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	EXPECT_EQ(0, coro_stream_new_fds(&c.s, fds[0], fds[1], NULL));
	co = call_start(call_read, &c, CORO_AWAITS_IO);
	EXPECT_EQ(5, coro_stream_printf(c.s, "%s", "hello"));
	EXPECT_EQ(0, coro_stream_flush(c.s, CORO_NEVER));
	EXPECT_EQ(5, coro_await(co));
	/* The end of writing is the end of that pipe. */
	EXPECT_EQ(0, coro_stream_shutdown(c.s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_shutdown(c.s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_read(c.s, c.buf, 1, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_stream_put(c.s, "x", 1));
	coro_stream_free(c.s);
	return 0;
}

/* AGS-16, AGS-30 */
TEST_F(stream, two_pipes_and_o_nonblock_work)
{
	EXPECT_EQ(0, coro_run(non_blocking, self));
}

TEST_HARNESS_MAIN
