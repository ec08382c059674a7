// SPDX-License-Identifier: MIT
/* Streams: copied, stacked, and used at random. */
#include "lib_stream.h"

FIXTURE(stream_copy)
{
	int sock[2][2]; /* the streams have the firsts */
	struct coro_stream *s[2];
	int fds;
};

FIXTURE_SETUP(stream_copy)
{
	int i;

	bodies_expect(_metadata);
	ASSERT_NE(NULL, coro_backend());
	self->fds = open_fds();
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
					self->sock[i]));
		ASSERT_EQ(0, coro_stream_new_fd(&self->s[i], self->sock[i][0],
						NULL));
	}
}

FIXTURE_TEARDOWN(stream_copy)
{
	int i;

	for (i = 0; i < 2; i++) {
		coro_stream_free(self->s[i]);
		if (self->sock[i][1] >= 0)
			close(self->sock[i][1]);
	}
	EXPECT_EQ(self->fds, open_fds());
	EXPECT_EQ(0, leaked());
}

#define ME(arg) ((struct _test_data_stream_copy *)(arg))

struct copy {
	struct coro_stream *to, *from;
	uint64_t bytes;
	int ret;
};

static long copy(void *arg)
{
	struct copy *c = arg;

	c->ret = POISON;
	c->ret = coro_stream_copy(c->to, c->from, &c->bytes, CORO_NEVER);
	return c->ret;
}

static struct coro *copy_start(struct copy *c)
{
	struct coro *co = coro_new(copy, c);

	EXPECT_EQ(0, coro_start(co));
	EXPECT_EQ(0, coro_sleep(0));
	settle(co, CORO_AWAITS_IO);
	return co;
}

/* The bytes that come to @fd while others run. */
static void expect_recv(int fd, const char *text)
{
	char buf[32];
	size_t got = 0;

	while (got < strlen(text)) {
		ssize_t ret =
			recv(fd, buf + got, strlen(text) - got, MSG_DONTWAIT);

		got += ret > 0 ? (size_t)ret : 0;
		if (coro_sleep(0))
			break;
	}
	EXPECT_EQ(0, memcmp(text, buf, got));
}

static long copy_to_the_end(void *arg)
{
	int in = ME(arg)->sock[0][1], out = ME(arg)->sock[1][1];
	struct copy c = { .to = ME(arg)->s[1], .from = ME(arg)->s[0] };
	struct coro *co;
	char buf[32];

	EXPECT_EQ(0, coro_stream_put(c.to, "head ", 5));
	EXPECT_EQ(4, send(in, "skip", 4, 0));
	EXPECT_EQ(2, coro_stream_read(c.from, buf, 2, CORO_NEVER));
	co = copy_start(&c);
	expect_recv(out, "head ip");
	EXPECT_EQ(4, send(in, "more", 4, 0));
	expect_recv(out, "more");
	close(in);
	ME(arg)->sock[0][1] = -1;
	EXPECT_EQ(0, coro_await(co));
	EXPECT_EQ(6, c.bytes);
	EXPECT_EQ(-1, recv(out, buf, sizeof(buf), MSG_DONTWAIT));
	return 0;
}

/* AGS-16 */
TEST_F(stream_copy, copy_sends_each_piece_and_ends_with_its_source)
{
	EXPECT_EQ(0, coro_run(copy_to_the_end, self));
}

static long copy_and_cancel(void *arg)
{
	static struct gate g = { .step = 4 };
	struct coro_stream *from = ME(arg)->s[0], *to;
	struct copy c = { .from = from };
	struct coro *co;
	char buf[16];

	EXPECT_EQ(0, pipe2(g.permits, O_CLOEXEC));
	EXPECT_EQ(0, coro_stream_new(&to, &gate_ops, &g, NULL));
	c.to = to;
	EXPECT_EQ(10, send(ME(arg)->sock[0][1], "0123456789", 10, 0));
	co = copy_start(&c);
	while (!g.waits)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EBUSY, coro_stream_read(from, buf, 1, CORO_NEVER));
	gate_open(&g, 1);
	while (g.waits < 2)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(co));
	EXPECT_EQ(-ECANCELED, coro_await(co));
	EXPECT_EQ(4, c.bytes);
	EXPECT_EQ(4, g.sunk);
	EXPECT_EQ(6, coro_stream_read(from, buf, 16, CORO_NEVER));
	EXPECT_EQ(0, memcmp("456789", buf, 6));
	coro_stream_free(to);
	close(g.permits[0]);
	close(g.permits[1]);
	return 0;
}

/* AGS-20, AGS-21 */
TEST_F(stream_copy, cancelled_copy_leaves_what_was_not_sent_in_its_source)
{
	EXPECT_EQ(0, coro_run(copy_and_cancel, self));
}

static long echo(void *arg)
{
	int peer = ME(arg)->sock[0][1];
	struct copy c = { .to = ME(arg)->s[0], .from = ME(arg)->s[0] };
	struct coro *co = copy_start(&c);
	char buf[8];

	EXPECT_EQ(4, send(peer, "ping", 4, 0));
	EXPECT_EQ(0, shutdown(peer, SHUT_WR));
	EXPECT_EQ(0, coro_await(co));
	EXPECT_EQ(4, recv(peer, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, coro_stream_close(c.to, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_stream_copy(c.to, c.from, NULL, 0));
	return 0;
}

/* AGS-30 */
TEST_F(stream_copy, stream_can_be_copied_to_itself)
{
	EXPECT_EQ(0, coro_run(echo, self));
}

/* A stream whose bytes are changed on their way to another one. */
struct mask {
	struct coro_stream *under;
	unsigned char key;
};

static void mask_apply(const struct mask *m, char *to, const char *from,
		       size_t len)
{
	while (len--)
		*to++ = *from++ ^ m->key;
}

static ssize_t mask_read(void *arg, void *buf, size_t len, int64_t deadline_ns)
{
	struct mask *m = arg;
	ssize_t ret = coro_stream_read(m->under, buf, len, deadline_ns);

	if (ret > 0)
		mask_apply(m, buf, buf, (size_t)ret);
	return ret;
}

static ssize_t mask_write(void *arg, const void *buf, size_t len,
			  int64_t deadline_ns)
{
	struct mask *m = arg;
	char masked[512];

	if (len > sizeof(masked))
		len = sizeof(masked);
	mask_apply(m, masked, buf, len);
	return coro_stream_write(m->under, masked, len, deadline_ns);
}

static int mask_shutdown(void *arg, int64_t deadline_ns)
{
	return coro_stream_shutdown(((struct mask *)arg)->under, deadline_ns);
}

static int mask_close(void *arg)
{
	coro_stream_free(((struct mask *)arg)->under);
	return 0;
}

static const struct coro_stream_ops mask_ops = { .size = sizeof(mask_ops),
						 .read = mask_read,
						 .write = mask_write,
						 .shutdown = mask_shutdown,
						 .close = mask_close };
static const struct coro_stream_opts unbuffered = { .size = sizeof(unbuffered),
						    .high_bytes = 1 };

static int mask_new(struct coro_stream **ret_s, struct mask *m, int fd,
		    const struct coro_stream_opts *opts)
{
	int err = coro_stream_new_fd(&m->under, fd, &unbuffered);

	return err ? err : coro_stream_new(ret_s, &mask_ops, m, opts);
}

static long talk_masked(void *arg)
{
	int *sock = ME(arg)->sock[0];
	struct mask m = { .key = 0x20 };
	struct call c = { 0 };
	struct coro *co;
	char *line;
	char buf[8];

	EXPECT_EQ(0, mask_new(&c.s, &m, sock[1], NULL));
	EXPECT_EQ(0, coro_stream_put(ME(arg)->s[0], "hELLO*\n", 7));
	EXPECT_EQ(0, coro_stream_flush(ME(arg)->s[0], CORO_NEVER));
	EXPECT_EQ(8,
		  coro_stream_read_until(c.s, "*", 1, &line, CORO_NEVER) + 1);
	EXPECT_STREQ("Hello\n*", line);
	co = call_start(call_read, &c, CORO_AWAITS_IO);
	EXPECT_EQ(3, coro_stream_printf(c.s, "%s", "aBc"));
	EXPECT_EQ(0, coro_stream_shutdown(c.s, CORO_NEVER));
	EXPECT_EQ(3, coro_stream_read_exact(ME(arg)->s[0], buf, 8, CORO_NEVER));
	EXPECT_EQ(0, memcmp("AbC", buf, 3));
	EXPECT_EQ(0, coro_stream_close(c.s, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_await(co));
	coro_stream_free(c.s);
	sock[1] = -1;
	return 0;
}

/* AGS-16, AGS-18, AGS-25, AGS-30 */
TEST_F(stream_copy, stream_can_stand_on_another)
{
	EXPECT_EQ(0, coro_run(talk_masked, self));
}

enum { RANDOM_BYTES = 1 << 18 };

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)(i * 2654435761U >> 16);
}

struct sender {
	struct coro_stream *s;
	uint64_t state, sent;
};

/* A deadline that has passed, is near, or never comes. */
static int64_t some_deadline(uint64_t *state)
{
	switch (rnd(state) % 4) {
	case 0:
		return INT64_MIN;
	case 1:
		return coro_after((int64_t)(rnd(state) % (50 * CORO_USEC)));
	default:
		return CORO_NEVER;
	}
}

static long send_random(void *arg)
{
	struct sender *se = arg;
	unsigned char block[600];
	ssize_t ret = 0;
	size_t i, len;

	while (se->sent < RANDOM_BYTES) {
		len = rnd(&se->state) % sizeof(block);
		for (i = 0; i < len; i++)
			block[i] = byte_at(se->sent + i);
		if (rnd(&se->state) % 2) {
			ret = coro_stream_put(se->s, block, len);
			if (!ret)
				ret = (ssize_t)len;
		} else {
			ret = coro_stream_write(se->s, block, len,
						some_deadline(&se->state));
		}
		if (ret > 0)
			se->sent += (uint64_t)ret;
		else if (ret && ret != -ETIMEDOUT && ret != -ENOBUFS)
			break;
		if (rnd(&se->state) % 8 == 0)
			coro_stream_flush(se->s, some_deadline(&se->state));
		if (ret == -ENOBUFS)
			coro_stream_drain(se->s, CORO_NEVER);
	}
	ret = coro_stream_shutdown(se->s, CORO_NEVER);
	EXPECT_EQ(0, ret);
	return ret;
}

static ssize_t receive_random(struct coro_stream *s, uint64_t *state,
			      const char **ret_data, char *buf, size_t room)
{
	int64_t deadline_ns = some_deadline(state);
	size_t len = 1 + rnd(state) % room;
	char delim = (char)byte_at(rnd(state) % 256);
	const void *data = NULL;
	char *lent = NULL;
	ssize_t ret;

	*ret_data = buf;
	switch (rnd(state) % 5) {
	case 0:
		return coro_stream_read(s, buf, len, deadline_ns);
	case 1:
		return coro_stream_read_exact(s, buf, len, deadline_ns);
	case 2:
		ret = coro_stream_read_until(s, &delim, 1, &lent, deadline_ns);
		*ret_data = lent;
		return ret;
	case 3:
		ret = coro_stream_peek(s, len % 64, &data, deadline_ns);
		if (ret > 0 && coro_stream_consume(s, (size_t)ret))
			return -EPROTO;
		*ret_data = data;
		return len % 64 || ret ? ret : -ETIMEDOUT;
	default:
		ret = coro_stream_peek(s, len % 64, &data, deadline_ns);
		return ret < 0 ? ret : -ETIMEDOUT;
	}
}

static long random_bytes(void *arg)
{
	struct coro_stream_opts opts = { .size = sizeof(opts),
					 .read_bytes = 128,
					 .high_bytes = 1024,
					 .max_bytes = 2048 };
	struct mask m[2] = { { .key = 0x77 }, { .key = 0x77 } };
	struct sender se = { .state = 20260101 };
	uint64_t state = 4711, got = 0;
	struct coro_stream *s = NULL;
	struct coro *co;
	const char *data;
	char buf[400];
	ssize_t ret, i;
	int sock[2];

	(void)arg;
	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	EXPECT_EQ(0, mask_new(&se.s, &m[0], sock[0], &opts));
	EXPECT_EQ(0, mask_new(&s, &m[1], sock[1], &opts));
	co = coro_new(send_random, &se);
	EXPECT_EQ(0, coro_start(co));
	for (;;) {
		ret = receive_random(s, &state, &data, buf, sizeof(buf));
		for (i = 0; i < ret; i++) {
			if ((unsigned char)data[i] != byte_at(got + i))
				return -EBADMSG;
		}
		if (ret > 0)
			got += (uint64_t)ret;
		else if (ret != -ETIMEDOUT && ret != -EMSGSIZE &&
			 ret != -ENODATA)
			break;
		/* Deadlines that have passed let nobody else run. */
		EXPECT_EQ(0, coro_sleep(0));
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, coro_await(co));
	EXPECT_EQ(se.sent, got);
	coro_stream_free(s);
	coro_stream_free(se.s);
	return 0;
}

/* AGS-16, AGS-17, AGS-18, AGS-20, TMO-02 */
TEST_F(stream_copy, deadlines_at_random_lose_no_byte)
{
	EXPECT_EQ(0, coro_run(random_bytes, self));
}

TEST_HARNESS_MAIN
