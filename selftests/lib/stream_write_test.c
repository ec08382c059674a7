// SPDX-License-Identifier: MIT
/* Streams: writing, and what ends a stream. */
#include "lib_stream.h"

/* Marks that a few letters reach. */
static const struct coro_stream_opts small = { .size = sizeof(small),
					       .high_bytes = 16,
					       .low_bytes = 4,
					       .max_bytes = 64 };

FIXTURE(stream_write)
{
	struct gate g;
	struct coro_stream *s; /* over the gate */
	int sock[2];
	int fds;
};

FIXTURE_SETUP(stream_write)
{
	bodies_expect(_metadata);
	ASSERT_NE(NULL, coro_backend());
	self->fds = open_fds();
	memset(&self->g, 0, sizeof(self->g));
	self->g.step = 4;
	ASSERT_EQ(0, pipe2(self->g.permits, O_CLOEXEC));
	ASSERT_EQ(0, coro_stream_new(&self->s, &gate_ops, &self->g, &small));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->sock));
}

FIXTURE_TEARDOWN(stream_write)
{
	int i;

	coro_stream_free(self->s);
	EXPECT_EQ(1, self->g.closed);
	for (i = 0; i < 2; i++) {
		close(self->g.permits[i]);
		if (self->sock[i] >= 0)
			close(self->sock[i]);
	}
	EXPECT_EQ(self->fds, open_fds());
	EXPECT_EQ(0, leaked());
}

#define ME(arg) ((struct _test_data_stream_write *)(arg))

static void expect_sunk(struct gate *g, const char *text)
{
	EXPECT_EQ(strlen(text), g->sunk);
	EXPECT_EQ(0, memcmp(text, g->sink, strlen(text)));
}

/* Lets @co run until it waits for @what again. */
static void step(struct coro *co, enum coro_awaits what)
{
	EXPECT_EQ(0, coro_sleep(0));
	settle(co, what);
}

/* The permits that are there are used up, and @co waits for the next. */
static void step_through(struct gate *g, struct coro *co)
{
	/* Read is not yet told: what reads it may be a thread of the kernel's. */
	while (g->writes < g->opened || g->waits == g->writes)
		EXPECT_EQ(0, coro_sleep(0));
	step(co, CORO_AWAITS_IO);
}

static long put_and_flush(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct gate *g = &ME(arg)->g;

	gate_open(g, 8);
	EXPECT_EQ(0, coro_stream_put(s, "ab", 2));
	EXPECT_EQ(5, coro_stream_printf(s, "%d-%s", 12, "xy"));
	EXPECT_EQ(3, coro_stream_write(s, "end", 3, CORO_NEVER));
	EXPECT_EQ(10, coro_stream_pending(s));
	EXPECT_EQ(0, coro_stream_drain(s, CORO_NEVER));
	EXPECT_EQ(0, g->writes);
	EXPECT_EQ(0, coro_stream_flush(s, CORO_NEVER));
	expect_sunk(g, "ab12-xyend");
	EXPECT_EQ(0, coro_stream_pending(s));
	EXPECT_EQ(0, coro_stream_flush(s, CORO_NEVER));
	EXPECT_EQ(3, g->writes);
	EXPECT_EQ(0, coro_stream_put(s, "again", 5));
	EXPECT_EQ(0, coro_stream_flush(s, CORO_NEVER));
	expect_sunk(g, "ab12-xyendagain");
	return 0;
}

/* AGS-23: unlike there, sending is the program's to begin. */
TEST_F(stream_write, what_is_put_is_sent_in_order_when_flushed)
{
	EXPECT_EQ(0, coro_run(put_and_flush, self));
}

static long drain_all(void *arg)
{
	struct gate *g = &ME(arg)->g;
	struct call c[3], f;
	struct coro *co[3], *fl;
	int i;

	EXPECT_EQ(0, coro_stream_put(ME(arg)->s, "0123456789abcdefg", 17));
	for (i = 0; i < 3; i++) {
		c[i].s = ME(arg)->s;
		co[i] = call_start(call_drain, &c[i],
				   i ? CORO_AWAITS_QUEUE : CORO_AWAITS_IO);
	}
	f.s = ME(arg)->s;
	fl = call_start(call_flush, &f, CORO_AWAITS_QUEUE);
	gate_open(g, 3);
	step_through(g, co[0]);
	/* 5 bytes are left, and that is above the low mark. */
	EXPECT_EQ(12, g->sunk);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(POISON_LONG, c[i].ret);
	gate_open(g, 1);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_await(co[i]));
	EXPECT_EQ(POISON_LONG, f.ret);
	gate_open(g, 1);
	EXPECT_EQ(0, coro_await(fl));
	expect_sunk(g, "0123456789abcdefg");
	return 0;
}

/* AGS-23 */
TEST_F(stream_write, drain_waits_for_the_low_mark_and_wakes_all)
{
	EXPECT_EQ(0, coro_run(drain_all, self));
}

static long write_waits(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct call c = { .s = s, .data = "ABC", .len = 3 };
	struct coro *co;

	EXPECT_EQ(0, coro_stream_put(s, "0123456789abcd", 14));
	EXPECT_EQ(2, coro_stream_write(s, "ef", 2, CORO_NEVER));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_write(s, "no", 2, INT64_MIN));
	EXPECT_EQ(16, coro_stream_pending(s));
	co = call_start(call_write, &c, CORO_AWAITS_IO);
	EXPECT_EQ(0, coro_cancel(co));
	EXPECT_EQ(-ECANCELED, coro_await(co));
	EXPECT_EQ(16, coro_stream_pending(s));
	co = call_start(call_write, &c, CORO_AWAITS_IO);
	gate_open(&ME(arg)->g, 3);
	EXPECT_EQ(3, coro_await(co));
	EXPECT_EQ(7, coro_stream_pending(s));
	gate_open(&ME(arg)->g, 2);
	EXPECT_EQ(0, coro_stream_flush(s, CORO_NEVER));
	expect_sunk(&ME(arg)->g, "0123456789abcdefABC");
	return 0;
}

/* AGS-20, AGS-23, TMO-02 */
TEST_F(stream_write, short_write_is_taken_whole_or_not_at_all)
{
	EXPECT_EQ(0, coro_run(write_waits, self));
}

static long write_long(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct gate *g = &ME(arg)->g;
	struct call c = { .s = s, .data = "0123456789", .len = 10 };
	struct coro *co;

	EXPECT_EQ(0, coro_stream_put(s, "ab", 2));
	gate_open(g, 3);
	co = call_start(call_write, &c, CORO_AWAITS_IO);
	step_through(g, co);
	EXPECT_EQ(0, coro_cancel(co));
	EXPECT_EQ(8, coro_await(co));
	expect_sunk(g, "ab01234567");
	EXPECT_EQ(0, coro_stream_pending(s));
	EXPECT_EQ(-ETIMEDOUT, coro_stream_write(s, c.data, 10, INT64_MIN));
	expect_sunk(g, "ab01234567");
	return 0;
}

/* AGS-20, TMO-02 */
TEST_F(stream_write, long_write_returns_what_was_sent_before_a_cancel)
{
	EXPECT_EQ(0, coro_run(write_long, self));
}

static long write_together(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct gate *g = &ME(arg)->g;
	struct call c[2] = { { .s = s, .data = "0123456789", .len = 10 },
			     { .s = s, .data = "ABCDEFGHIJ", .len = 10 } };
	struct coro *co[2];

	co[0] = call_start(call_write, &c[0], CORO_AWAITS_IO);
	co[1] = call_start(call_write, &c[1], CORO_AWAITS_QUEUE);
	EXPECT_EQ(0, coro_stream_put(s, "put", 3));
	gate_open(g, 1);
	step_through(g, co[0]);
	EXPECT_EQ(2, coro_stream_write(s, "wr", 2, CORO_NEVER));
	gate_open(g, 7);
	EXPECT_EQ(10, coro_await(co[0]));
	EXPECT_EQ(10, coro_await(co[1]));
	expect_sunk(g, "0123456789putwrABCDEFGHIJ");
	return 0;
}

/* AGS-23 */
TEST_F(stream_write, bytes_of_one_write_stand_together)
{
	EXPECT_EQ(0, coro_run(write_together, self));
}

static long cancel_flusher(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct gate *g = &ME(arg)->g;
	struct call c[3] = { { .s = s }, { .s = s }, { .s = s } };
	struct coro *co[3];
	int i;

	EXPECT_EQ(0, coro_stream_put(s, "0123456789", 10));
	for (i = 0; i < 3; i++)
		co[i] = call_start(call_flush, &c[i],
				   i ? CORO_AWAITS_QUEUE : CORO_AWAITS_IO);
	gate_open(g, 1);
	step_through(g, co[0]);
	EXPECT_EQ(0, coro_cancel(co[1]));
	EXPECT_EQ(-ECANCELED, coro_await(co[1]));
	EXPECT_EQ(0, coro_cancel(co[0]));
	EXPECT_EQ(-ECANCELED, coro_await(co[0]));
	EXPECT_EQ(6, coro_stream_pending(s));
	/* The next in the queue sends from where the first had come. */
	step(co[2], CORO_AWAITS_IO);
	EXPECT_EQ(POISON_LONG, c[2].ret);
	gate_open(g, 2);
	EXPECT_EQ(0, coro_await(co[2]));
	expect_sunk(g, "0123456789");
	return 0;
}

/* AGS-20, AGS-30 */
TEST_F(stream_write, cancelled_flush_loses_nothing_and_the_next_one_sends)
{
	EXPECT_EQ(0, coro_run(cancel_flusher, self));
}

static long put_too_much(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	char many[65];

	memset(many, 'm', sizeof(many));
	EXPECT_EQ(-ENOBUFS, coro_stream_put(s, many, 65));
	EXPECT_EQ(60, coro_stream_printf(s, "%.60s", many));
	EXPECT_EQ(-ENOBUFS, coro_stream_put(s, many, 5));
	EXPECT_EQ(-ENOBUFS, coro_stream_printf(s, "%.5s", many));
	EXPECT_EQ(4, coro_stream_printf(s, "%.4s", many));
	EXPECT_EQ(0, coro_stream_put(s, "", 0));
	EXPECT_EQ(0, coro_stream_printf(s, "%s", ""));
	EXPECT_EQ(64, coro_stream_pending(s));
	gate_open(&ME(arg)->g, 16);
	EXPECT_EQ(0, coro_stream_flush(s, CORO_NEVER));
	EXPECT_EQ(64, ME(arg)->g.sunk);
	return 0;
}

/* AGS-23 */
TEST_F(stream_write, put_takes_all_or_nothing_up_to_the_most)
{
	EXPECT_EQ(0, coro_run(put_too_much, self));
}

static long write_to_the_dead(void *arg)
{
	struct coro_stream *s;
	char block[1024] = "";
	ssize_t ret;

	EXPECT_EQ(0, coro_stream_new_fd(&s, ME(arg)->sock[0], NULL));
	ME(arg)->sock[0] = -1;
	close(ME(arg)->sock[1]);
	ME(arg)->sock[1] = -1;
	do {
		ret = coro_stream_write(s, block, sizeof(block), CORO_NEVER);
		if (ret > 0)
			ret = coro_stream_drain(s, CORO_NEVER);
	} while (ret >= 0);
	EXPECT_EQ(-EPIPE, ret);
	EXPECT_EQ(0, coro_stream_pending(s));
	EXPECT_EQ(-EPIPE, coro_stream_put(s, "x", 1));
	EXPECT_EQ(-EPIPE, coro_stream_printf(s, "x"));
	EXPECT_EQ(-EPIPE, coro_stream_write(s, "x", 1, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_stream_drain(s, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_stream_flush(s, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_stream_pump(s));
	EXPECT_EQ(-EPIPE, coro_stream_shutdown(s, CORO_NEVER));
	/* The other direction has its own end. */
	EXPECT_EQ(0, coro_stream_read(s, block, 1, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_stream_close(s, CORO_NEVER));
	coro_stream_free(s);
	return 0;
}

/* AGS-24, AGS-22 */
TEST_F(stream_write, writing_to_a_dead_connection_fails_and_goes_on_failing)
{
	signal(SIGPIPE, SIG_DFL);
	EXPECT_EQ(0, coro_run(write_to_the_dead, self));
}

static long fail_all(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct call c[4] = { { .s = s },
			     { .s = s },
			     { .s = s, .data = "0123456789", .len = 10 },
			     { .s = s } };
	long (*const fn[])(void *) = { call_flush, call_drain, call_write,
				       call_pump };
	struct coro *co[4];
	int i;

	EXPECT_EQ(0, coro_stream_put(s, "0123456789abcdefghi", 19));
	for (i = 0; i < 4; i++)
		co[i] = call_start(fn[i], &c[i],
				   i ? CORO_AWAITS_QUEUE : CORO_AWAITS_IO);
	ME(arg)->g.fails = -ECONNRESET;
	gate_open(&ME(arg)->g, 1);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(-ECONNRESET, coro_await(co[i]));
	EXPECT_EQ(1, ME(arg)->g.writes);
	return 0;
}

/* AGS-22, AGS-24 */
TEST_F(stream_write, error_is_told_to_all_who_wait)
{
	EXPECT_EQ(0, coro_run(fail_all, self));
}

static long pump_all(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct gate *g = &ME(arg)->g;
	struct call c = { .s = s };
	struct coro *co = call_start(call_pump, &c, CORO_AWAITS_QUEUE);
	int i;

	EXPECT_EQ(-EBUSY, coro_stream_pump(s));
	gate_open(g, 6);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, coro_stream_put(s, "012", 3));
		EXPECT_EQ(0, coro_stream_put(s, "345", 3));
		step(co, CORO_AWAITS_QUEUE);
		while (coro_stream_pending(s))
			EXPECT_EQ(0, coro_sleep(0));
	}
	expect_sunk(g, "012345012345012345");
	step(co, CORO_AWAITS_QUEUE);
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	EXPECT_EQ(0, coro_await(co));
	return 0;
}

/* AGS-23 */
TEST_F(stream_write, pump_sends_what_others_put_until_the_end)
{
	EXPECT_EQ(0, coro_run(pump_all, self));
}

static long half_close(void *arg)
{
	int peer = ME(arg)->sock[1];
	struct call c = { .s = NULL }, p;
	struct coro *co, *pump;
	char buf[16];

	EXPECT_EQ(0, coro_stream_new_fd(&c.s, ME(arg)->sock[0], NULL));
	ME(arg)->sock[0] = -1;
	p.s = c.s;
	pump = call_start(call_pump, &p, CORO_AWAITS_QUEUE);
	co = call_start(call_read, &c, CORO_AWAITS_IO);
	EXPECT_EQ(0, coro_stream_put(c.s, "last", 4));
	EXPECT_EQ(0, coro_stream_shutdown(c.s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_shutdown(c.s, CORO_NEVER));
	EXPECT_EQ(0, coro_await(pump));
	EXPECT_EQ(4, recv(peer, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, recv(peer, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(-EPIPE, coro_stream_put(c.s, "x", 1));
	EXPECT_EQ(-EPIPE, coro_stream_write(c.s, "x", 1, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_flush(c.s, CORO_NEVER));
	EXPECT_EQ(POISON_LONG, c.ret);
	EXPECT_EQ(2, send(peer, "hi", 2, 0));
	EXPECT_EQ(2, coro_await(co));
	EXPECT_EQ(0, coro_stream_close(c.s, CORO_NEVER));
	coro_stream_free(c.s);
	return 0;
}

/* AGS-30 */
TEST_F(stream_write, shutdown_sends_the_rest_and_leaves_reading_alone)
{
	EXPECT_EQ(0, coro_run(half_close, self));
}

/* Fills a socket, so that the next write waits. */
static struct coro *block_writer(struct call *w)
{
	static char bulk[1 << 20];

	w->data = bulk;
	w->len = sizeof(bulk);
	return call_start(call_write, w, CORO_AWAITS_IO);
}

static long cancel_either(void *arg)
{
	int peer = ME(arg)->sock[1];
	struct call r = { .s = NULL }, w = { .s = NULL };
	struct coro *rc, *wc;
	long sent;
	char byte;

	EXPECT_EQ(0, coro_stream_new_fd(&r.s, ME(arg)->sock[0], NULL));
	ME(arg)->sock[0] = -1;
	w.s = r.s;
	rc = call_start(call_read, &r, CORO_AWAITS_IO);
	wc = block_writer(&w);
	EXPECT_EQ(POISON_LONG, w.ret);
	EXPECT_EQ(0, coro_cancel(rc));
	EXPECT_EQ(-ECANCELED, coro_await(rc));
	EXPECT_EQ(POISON_LONG, w.ret);
	rc = call_start(call_read, &r, CORO_AWAITS_IO);
	EXPECT_EQ(0, coro_cancel(wc));
	sent = coro_await(wc);
	EXPECT_TRUE(sent > 0 || sent == -ECANCELED);
	EXPECT_EQ(POISON_LONG, r.ret);
	EXPECT_EQ(1, send(peer, "x", 1, 0));
	EXPECT_EQ(1, coro_await(rc));
	EXPECT_EQ(sent > 0 ? 1 : -1, recv(peer, &byte, 1, MSG_DONTWAIT));
	coro_stream_free(r.s);
	return 0;
}

/* AGS-30 */
TEST_F(stream_write, cancel_of_one_direction_leaves_the_other_alone)
{
	EXPECT_EQ(0, coro_run(cancel_either, self));
}

static long close_twice(void *arg)
{
	int peer = ME(arg)->sock[1];
	struct coro_stream *s;
	char buf[16];

	EXPECT_EQ(0, coro_stream_new_fd(&s, ME(arg)->sock[0], NULL));
	ME(arg)->sock[0] = -1;
	EXPECT_EQ(6, send(peer, "unread", 6, 0));
	EXPECT_EQ(2, coro_stream_read(s, buf, 2, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_put(s, "rest", 4));
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	EXPECT_EQ(4, recv(peer, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, recv(peer, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(-EBADF, coro_stream_read(s, buf, 2, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_stream_put(s, "x", 1));
	EXPECT_EQ(-EBADF, coro_stream_flush(s, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_stream_shutdown(s, CORO_NEVER));
	coro_stream_free(s);
	return 0;
}

/* AGS-25 */
TEST_F(stream_write, close_sends_the_rest_and_again_is_nothing)
{
	EXPECT_EQ(0, coro_run(close_twice, self));
}

static long close_gives_up(void *arg)
{
	struct coro_stream *s = ME(arg)->s;
	struct call f = { .s = s }, c[2] = { { .s = s }, { .s = s } };
	struct coro *fl, *co[2];

	EXPECT_EQ(0, coro_stream_put(s, "0123456789", 10));
	fl = call_start(call_flush, &f, CORO_AWAITS_IO);
	co[0] = call_start(call_close, &c[0], CORO_AWAITS_QUEUE);
	co[1] = call_start(call_close, &c[1], CORO_AWAITS_QUEUE);
	EXPECT_EQ(-EBADF, coro_stream_put(s, "x", 1));
	EXPECT_EQ(0, ME(arg)->g.closed);
	EXPECT_EQ(0, coro_cancel(co[0]));
	EXPECT_EQ(-ECANCELED, coro_await(co[0]));
	EXPECT_EQ(0, coro_await(co[1]));
	EXPECT_EQ(1, ME(arg)->g.closed);
	EXPECT_EQ(-EBADF, coro_await(fl));
	EXPECT_EQ(0, ME(arg)->g.sunk);
	return 0;
}

/* AGS-25 */
TEST_F(stream_write, cancelled_close_closes_and_all_closers_wait_for_it)
{
	EXPECT_EQ(0, coro_run(close_gives_up, self));
}

static long close_under(struct coro_stream *s, bool writes)
{
	struct call r = { .s = s }, w = { .s = s };
	struct coro *rc = call_start(call_read, &r, CORO_AWAITS_IO), *wc = NULL;
	long ret;

	if (writes)
		wc = block_writer(&w);
	/* It may find the write's rest to be sent. */
	coro_stream_close(s, INT64_MIN);
	EXPECT_EQ(-EBADF, r.ret);
	EXPECT_EQ(-EBADF, coro_await(rc));
	if (writes) {
		EXPECT_NE(POISON_LONG, w.ret);
		ret = coro_await(wc);
		/* Of its own bytes perhaps none had been sent. */
		EXPECT_TRUE(ret > 0 || ret == -EBADF);
	}
	coro_stream_free(s);
	return 0;
}

static long close_under_sockets(void *arg)
{
	struct coro_stream *s;

	EXPECT_EQ(0, coro_stream_new_fd(&s, ME(arg)->sock[0], NULL));
	ME(arg)->sock[0] = -1;
	return close_under(s, true);
}

static long close_under_pipes(void *arg)
{
	struct coro_stream *s;
	int in[2], out[2];

	(void)arg;
	EXPECT_EQ(0, pipe2(in, O_CLOEXEC));
	EXPECT_EQ(0, pipe2(out, O_CLOEXEC));
	EXPECT_EQ(0, coro_stream_new_fds(&s, in[0], out[1], NULL));
	close_under(s, kernel_at_least(5, 19));
	close(in[1]);
	close(out[0]);
	return 0;
}

/* AGS-25 */
TEST_F(stream_write, close_ends_those_who_wait_for_a_socket)
{
	EXPECT_EQ(0, coro_run(close_under_sockets, self));
}

/* AGS-25 */
TEST_F(stream_write, close_ends_those_who_wait_for_a_pipe)
{
	EXPECT_EQ(0, coro_run(close_under_pipes, self));
}

static long leave_to_the_end(void *arg)
{
	struct call *c = arg;

	call_start(call_read, c, CORO_AWAITS_IO);
	return coro_stream_put(c->s, "never sent", 10);
}

/* AGS-25 */
TEST_F(stream_write, stream_can_be_freed_after_its_loop)
{
	struct call c;
	char buf[4];

	ASSERT_EQ(0, coro_stream_new_fd(&c.s, self->sock[0], NULL));
	self->sock[0] = -1;
	EXPECT_EQ(0, coro_run(leave_to_the_end, &c));
	EXPECT_EQ(-ECANCELED, c.ret);
	coro_stream_free(c.s);
	EXPECT_EQ(0, recv(self->sock[1], buf, sizeof(buf), MSG_DONTWAIT));
	coro_stream_free(NULL);
}

TEST_HARNESS_MAIN
