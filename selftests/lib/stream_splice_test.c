// SPDX-License-Identifier: MIT
/* Bulk data that is copied from socket to socket: through a pipe, where the kernel can. */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib_common.h"

enum { PATTERN = 1000003, BULK = 2000003, FEW = 20000, MOST_FDS = 64 };

static char pattern[PATTERN];
static bool had_pipe[MOST_FDS];

static bool can_splice(void)
{
	return kernel_at_least(6, 7);
}

/* Descriptors of pipes that were not there before, and the most that one holds. */
static int new_pipes(int *ret_bytes)
{
	char path[64], what[16];
	int nr = 0, bytes;

	*ret_bytes = 0;
	for (int fd = 0; fd < MOST_FDS; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (had_pipe[fd] || readlink(path, what, sizeof(what)) < 5 ||
		    memcmp(what, "pipe:", 5) != 0)
			continue;
		nr++;
		if (!ioctl(fd, FIONREAD, &bytes) && bytes > *ret_bytes)
			*ret_bytes = bytes;
	}
	return nr;
}

static bool has_pipe(void)
{
	int bytes;

	return new_pipes(&bytes) > 0;
}

/* One end of what goes through: sends the pattern up to @end, or reads and compares it. */
struct flow {
	int fd;
	uint64_t at, end, state;
	bool hold; /* waits, as long as this is set */
	bool wrong;
	int err;
	char buf[100000];
};

static void flow_init(struct flow *f, int fd, uint64_t end)
{
	*f = (struct flow){ .fd = fd, .end = end, .state = 11 + end };
}

static size_t flow_len(struct flow *f, size_t most)
{
	size_t left = PATTERN - f->at % PATTERN;
	size_t len = 1 + rnd(&f->state) % most;

	return len < left ? len : left;
}

static void flow_wait(struct flow *f)
{
	while (f->hold && !f->err)
		f->err = coro_sleep(0);
}

static long feed(void *arg)
{
	struct flow *f = arg;

	while (f->at < f->end && !f->err) {
		size_t len = flow_len(f, 300000);
		int ret;

		if (len > f->end - f->at)
			len = f->end - f->at;
		ret = coro_io_send(f->fd, pattern + f->at % PATTERN, len, 0,
				   CORO_NEVER);
		if (ret > 0)
			f->at += (uint64_t)ret;
		else
			f->err = ret ? ret : -EPROTO;
		flow_wait(f);
	}
	return 0;
}

static long sink(void *arg)
{
	struct flow *f = arg;
	int ret = 1;

	while (ret > 0) {
		flow_wait(f);
		ret = coro_io_recv(f->fd, f->buf, flow_len(f, sizeof(f->buf)),
				   0, CORO_NEVER);
		if (ret <= 0)
			break;
		f->wrong |= memcmp(f->buf, pattern + f->at % PATTERN,
				   (size_t)ret) != 0;
		f->at += (uint64_t)ret;
	}
	f->err = ret;
	return 0;
}

struct copy {
	struct coro_stream *to, *from;
	uint64_t bytes;
	int64_t deadline_ns;
	int ret;
};

static long copy(void *arg)
{
	struct copy *c = arg;

	c->ret = POISON;
	errno_set(POISON);
	c->ret = coro_stream_copy(c->to, c->from, &c->bytes, c->deadline_ns);
	EXPECT_EQ(POISON, errno_get());
	return c->ret;
}

/* The streams are in the middle: in[0] to in[1], copied to out[0], then out[1]. */
FIXTURE(stream_splice)
{
	int in[2], out[2];
	struct flow feed, sink;
	struct copy c;
	struct coro *feeder, *sinker, *copier;
	int fds;
};

#define ME(arg) ((struct _test_data_stream_splice *)(arg))

static int tcp_pair(int *fds)
{
	struct sockaddr_in addr;
	int fd = tcp_listen(&addr, 1);

	if (fd < 0)
		return fd;
	fds[0] = tcp_connect(&addr);
	fds[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
	return fds[0] < 0 || fds[1] < 0 ? -EIO : 0;
}

static int make_pair(int family, int type, int *fds)
{
	if (family == AF_INET)
		return tcp_pair(fds);
	return socketpair(family, type | SOCK_CLOEXEC, 0, fds) ? -errno : 0;
}

FIXTURE_SETUP(stream_splice)
{
	char path[64];
	struct stat st;

	bodies_expect(_metadata);
	ASSERT_NE(NULL, coro_backend());
	signal(SIGPIPE, SIG_DFL);
	for (uint32_t i = 0; i < PATTERN; i++)
		pattern[i] = (char)(i * 2654435761U >> 16);
	for (int fd = 0; fd < MOST_FDS; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		had_pipe[fd] = !stat(path, &st) && S_ISFIFO(st.st_mode);
	}
	self->fds = open_fds();
}

FIXTURE_TEARDOWN(stream_splice)
{
	EXPECT_EQ(self->fds, open_fds());
	EXPECT_EQ(0, leaked());
}

static void open_way(struct _test_data_stream_splice *me, int family, int type)
{
	EXPECT_EQ(0, make_pair(family, type, me->in));
	EXPECT_EQ(0, make_pair(family, type, me->out));
	EXPECT_EQ(0, coro_stream_new_fd(&me->c.from, me->in[1], NULL));
	EXPECT_EQ(0, coro_stream_new_fd(&me->c.to, me->out[0], NULL));
	me->c.deadline_ns = CORO_NEVER;
	me->c.bytes = 0;
	flow_init(&me->feed, me->in[0], BULK);
	flow_init(&me->sink, me->out[1], 0);
}

static struct coro *start(long (*fn)(void *arg), void *arg)
{
	struct coro *co = coro_new(fn, arg);

	EXPECT_NE(NULL, co);
	EXPECT_EQ(0, coro_start(co));
	return co;
}

static void start_all(struct _test_data_stream_splice *me)
{
	me->copier = start(copy, &me->c);
	me->feeder = start(feed, &me->feed);
	me->sinker = start(sink, &me->sink);
}

static void close_peer(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Lets all that was sent arrive, and ends. */
static void close_way(struct _test_data_stream_splice *me)
{
	coro_stream_free(me->c.from);
	coro_stream_free(me->c.to);
	if (me->sinker)
		EXPECT_EQ(0, coro_await(me->sinker));
	if (me->feeder)
		EXPECT_EQ(0, coro_await(me->feeder));
	EXPECT_FALSE(me->sink.wrong);
	close_peer(&me->in[0]);
	close_peer(&me->out[1]);
}

/* Until the copy has its pipe, which it must get soon. False where it cannot. */
static bool until_pipe(struct _test_data_stream_splice *me)
{
	uint64_t end = me->feed.at + (can_splice() ? 5 : 1) * (uint64_t)BULK;

	me->feed.end = UINT64_MAX;
	/* Who reads is slow, so that much waits to be copied. */
	for (int turn = 0; !has_pipe() && me->feed.at < end && !me->feed.err;
	     turn++) {
		me->sink.hold = turn % 8 != 0;
		EXPECT_EQ(0, coro_sleep(0));
	}
	me->sink.hold = false;
	EXPECT_EQ(can_splice(), has_pipe());
	return has_pipe();
}

static int until_no_more_is_sent(struct _test_data_stream_splice *me)
{
	uint64_t bytes;
	int held;

	do {
		bytes = me->c.bytes;
		for (int i = 0; i < 100; i++)
			EXPECT_EQ(0, coro_sleep(0));
	} while (bytes != me->c.bytes);
	new_pipes(&held);
	return held;
}

/* Nobody reads until the copy stands still, with bytes that it has read. */
static void until_stuck(struct _test_data_stream_splice *me)
{
	int held, tries = 0;
	bool piped;

	do {
		piped = until_pipe(me);
		me->sink.hold = true;
		held = until_no_more_is_sent(me);
		/* A small piece has it copied from then on. */
	} while (!held && piped && ++tries < 20);
	EXPECT_EQ(can_splice(), held > 0);
}

/* What the copy has left is read by hand, and is what follows. */
static void expect_the_rest(struct _test_data_stream_splice *me, bool some)
{
	const void *data;
	ssize_t len = coro_stream_peek(me->c.from, 0, &data, CORO_NEVER);

	EXPECT_LE(some, len);
	for (ssize_t i = 0; i < len; i++) {
		if (((const char *)data)[i] !=
		    pattern[(me->c.bytes + (uint64_t)i) % PATTERN]) {
			EXPECT_EQ(-1, i);
			return;
		}
	}
}

static long move_bulk(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	until_stuck(me);
	EXPECT_EQ(me->c.bytes >= 1, true);
	EXPECT_EQ(0, fcntl(me->out[0], F_GETFL) & O_NONBLOCK);
	me->feed.end = me->feed.at + BULK;
	me->sink.hold = false;
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	EXPECT_EQ(0, coro_stream_shutdown(me->c.to, CORO_NEVER));
	EXPECT_EQ(0, coro_await(me->sinker));
	me->sinker = NULL;
	EXPECT_EQ(0, me->sink.err);
	EXPECT_EQ(me->feed.at, me->c.bytes);
	EXPECT_EQ(me->feed.at, me->sink.at);
	EXPECT_FALSE(has_pipe());
	EXPECT_EQ(0, fcntl(me->out[0], F_GETFL) & O_NONBLOCK);
	close_way(me);
	return 0;
}

/* AGS-16: and errno is the caller's */
TEST_F(stream_splice, bulk_stays_in_the_kernel_and_comes_as_it_was)
{
	EXPECT_EQ(0, coro_run(move_bulk, self));
}

/* Both directions at once; the one that ends first leaves the other. */
static long move_both_ways(void *arg)
{
	struct _test_data_stream_splice *me = arg;
	static struct flow feed2, sink2;
	struct copy c2 = { .deadline_ns = CORO_NEVER };
	struct coro *co[3];

	open_way(me, AF_INET, SOCK_STREAM);
	flow_init(&feed2, me->out[1], 4 * BULK);
	flow_init(&sink2, me->in[0], 0);
	c2.from = me->c.to;
	c2.to = me->c.from;
	start_all(me);
	co[0] = start(copy, &c2);
	co[1] = start(feed, &feed2);
	co[2] = start(sink, &sink2);
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	EXPECT_EQ(0, coro_stream_shutdown(me->c.to, CORO_NEVER));
	EXPECT_EQ(0, coro_await(co[1]));
	EXPECT_EQ(0, shutdown(me->out[1], SHUT_WR));
	EXPECT_EQ(0, coro_await(co[0]));
	EXPECT_EQ(0, coro_stream_shutdown(me->c.from, CORO_NEVER));
	EXPECT_EQ(0, coro_await(co[2]));
	EXPECT_EQ(4 * BULK, sink2.at);
	EXPECT_FALSE(sink2.wrong);
	close_way(me);
	EXPECT_EQ(BULK, me->sink.at);
	return 0;
}

/* AGS-30 */
TEST_F(stream_splice, end_of_one_direction_leaves_the_other_in_its_pipe)
{
	EXPECT_EQ(0, coro_run(move_both_ways, self));
}

static long echo_bulk(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	coro_stream_free(me->c.to);
	me->c.to = me->c.from;
	close_peer(&me->out[1]);
	me->sink.fd = me->in[0];
	start_all(me);
	until_pipe(me);
	me->feed.end = me->feed.at;
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	me->c.to = NULL;
	close_way(me);
	EXPECT_EQ(me->feed.at, me->sink.at);
	return 0;
}

/* AGS-30 */
TEST_F(stream_splice, bulk_is_copied_to_where_it_comes_from)
{
	EXPECT_EQ(0, coro_run(echo_bulk, self));
}

/* One copy after the other, each ended somewhere; what it left is the next one's. */
static long interrupt_at_random(void *arg)
{
	struct _test_data_stream_splice *me = arg;
	uint64_t state = 20260202;
	int put_back = 0, held;
	const void *data;

	open_way(me, AF_INET, SOCK_STREAM);
	me->feed.end = UINT64_MAX;
	me->feeder = start(feed, &me->feed);
	me->sinker = start(sink, &me->sink);
	for (int round = 0; round < 200; round++) {
		uint64_t turns = rnd(&state) % 60;
		bool cancel = rnd(&state) % 2;

		me->c.deadline_ns =
			cancel ? CORO_NEVER :
				 coro_after((int64_t)(rnd(&state) %
						      (2 * CORO_MSEC)));
		me->copier = start(copy, &me->c);
		while (coro_state(me->copier) != CORO_STATE_CLOSED &&
		       (!cancel || turns--)) {
			me->sink.hold = rnd(&state) % 8;
			EXPECT_EQ(0, coro_sleep(0));
		}
		new_pipes(&held);
		if (cancel)
			EXPECT_EQ(0, coro_cancel(me->copier));
		EXPECT_EQ(cancel ? -ECANCELED : -ETIMEDOUT,
			  coro_await(me->copier));
		put_back += held && coro_stream_peek(me->c.from, 0, &data,
						     CORO_NEVER) > 0;
		EXPECT_FALSE(has_pipe());
	}
	EXPECT_TRUE(put_back || !can_splice());
	me->sink.hold = false;
	me->feed.end = me->feed.at;
	me->c.deadline_ns = CORO_NEVER;
	me->copier = start(copy, &me->c);
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	close_way(me);
	EXPECT_EQ(me->feed.at, me->c.bytes);
	EXPECT_EQ(me->feed.at, me->sink.at);
	return 0;
}

/* AGS-20, TMO-02 */
TEST_F(stream_splice, cancels_and_deadlines_at_random_lose_and_repeat_no_byte)
{
	EXPECT_EQ(0, coro_run(interrupt_at_random, self));
}

static long read_beside(void *arg)
{
	struct _test_data_stream_splice *me = arg;
	char buf[8];

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	until_stuck(me);
	EXPECT_EQ(-EBUSY, coro_stream_read(me->c.from, buf, 8, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_stream_consume(me->c.from, 0));
	me->sink.hold = false;
	me->feed.end = me->feed.at;
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	while (me->sink.at < me->feed.at)
		EXPECT_EQ(0, coro_sleep(0));
	/* Now it waits for more. */
	EXPECT_EQ(-EBUSY, coro_stream_read(me->c.from, buf, 8, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(me->copier));
	EXPECT_EQ(-ECANCELED, coro_await(me->copier));
	close_way(me);
	return 0;
}

/* AGS-21 */
TEST_F(stream_splice, second_reader_is_busy_while_bulk_is_in_the_pipe)
{
	EXPECT_EQ(0, coro_run(read_beside, self));
}

static void reset(int *fd)
{
	struct linger now = { .l_onoff = 1 };

	EXPECT_EQ(0, setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close_peer(fd);
}

static bool sigpipe_pending(void)
{
	sigset_t pending;

	return !sigpending(&pending) && sigismember(&pending, SIGPIPE);
}

static bool sigpipe_blocked(void)
{
	sigset_t mask;

	return !pthread_sigmask(SIG_BLOCK, NULL, &mask) &&
	       sigismember(&mask, SIGPIPE);
}

/* The reader is gone while the copy waits for it. */
static long lose_reader(struct _test_data_stream_splice *me, int family,
			int err)
{
	bool blocked = sigpipe_blocked();

	open_way(me, family, SOCK_STREAM);
	start_all(me);
	until_stuck(me);
	EXPECT_EQ(0, coro_cancel(me->sinker));
	EXPECT_EQ(0, coro_await(me->sinker));
	me->sinker = NULL;
	reset(&me->out[1]);
	EXPECT_EQ(err, coro_await(me->copier));
	EXPECT_EQ(err, coro_stream_write(me->c.to, "x", 1, CORO_NEVER));
	EXPECT_EQ(blocked, sigpipe_blocked());
	expect_the_rest(me, true);
	/* It may have been told. */
	coro_cancel(me->feeder);
	close_way(me);
	return 0;
}

static long lose_tcp_reader(void *arg)
{
	return lose_reader(arg, AF_INET, -ECONNRESET);
}

/* AGS-24: the error, told once by the kernel, is that of a send */
TEST_F(stream_splice, reset_by_the_reader_is_the_error_of_the_copy)
{
	EXPECT_EQ(0, coro_run(lose_tcp_reader, self));
	EXPECT_FALSE(sigpipe_pending());
}

static long lose_unix_reader(void *arg)
{
	return lose_reader(arg, AF_UNIX, -EPIPE);
}

/* AGS-24 */
TEST_F(stream_splice, reader_that_is_gone_raises_no_sigpipe)
{
	EXPECT_EQ(0, coro_run(lose_unix_reader, self));
	EXPECT_FALSE(sigpipe_pending());
}

/* AGS-24 */
TEST_F(stream_splice, sigpipe_of_somebody_else_stays)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &pipe, NULL));
	EXPECT_EQ(0, coro_run(lose_unix_reader, self));
	EXPECT_FALSE(sigpipe_pending());
	raise(SIGPIPE);
	EXPECT_EQ(0, coro_run(lose_unix_reader, self));
	EXPECT_TRUE(sigpipe_pending());
}

static long lose_writer(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	until_pipe(me);
	me->feed.end = me->feed.at;
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	while (me->sink.at < me->feed.at)
		EXPECT_EQ(0, coro_sleep(0));
	reset(&me->in[0]);
	EXPECT_EQ(-ECONNRESET, coro_await(me->copier));
	EXPECT_EQ(-ECONNRESET,
		  coro_stream_copy(me->c.to, me->c.from, NULL, CORO_NEVER));
	close_way(me);
	return 0;
}

/* AGS-22 */
TEST_F(stream_splice, reset_by_the_writer_is_no_end)
{
	EXPECT_EQ(0, coro_run(lose_writer, self));
}

static long close_one(struct _test_data_stream_splice *me, bool from)
{
	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	until_stuck(me);
	EXPECT_EQ(0,
		  coro_stream_close(from ? me->c.from : me->c.to, CORO_NEVER));
	me->sink.hold = false;
	EXPECT_EQ(-EBADF, coro_await(me->copier));
	EXPECT_FALSE(has_pipe());
	if (!from)
		expect_the_rest(me, true);
	/* It may have been told. */
	coro_cancel(me->feeder);
	close_way(me);
	EXPECT_EQ(me->c.bytes, me->sink.at);
	return 0;
}

static long close_to(void *arg)
{
	return close_one(arg, false);
}

/* AGS-25 */
TEST_F(stream_splice, closing_where_it_goes_ends_the_copy)
{
	EXPECT_EQ(0, coro_run(close_to, self));
}

static long close_from(void *arg)
{
	return close_one(arg, true);
}

/* AGS-25 */
TEST_F(stream_splice, closing_where_it_comes_from_ends_the_copy)
{
	EXPECT_EQ(0, coro_run(close_from, self));
}

static long close_idle(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	until_pipe(me);
	me->feed.hold = true;
	while (me->sink.at < me->feed.at)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_stream_close(me->c.from, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_await(me->copier));
	EXPECT_FALSE(has_pipe());
	me->feed.end = 0;
	me->feed.hold = false;
	close_way(me);
	return 0;
}

/* AGS-25 */
TEST_F(stream_splice, closing_where_nothing_comes_from_ends_the_copy)
{
	EXPECT_EQ(0, coro_run(close_idle, self));
}

static long run_out_of_fds(void *arg)
{
	struct _test_data_stream_splice *me = arg;
	struct rlimit old, few;

	open_way(me, AF_INET, SOCK_STREAM);
	EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = (rlim_t)dup(0);
	close((int)few.rlim_cur);
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	start_all(me);
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	close_way(me);
	EXPECT_EQ(BULK, me->sink.at);
	return 0;
}

/* AGS-16 */
TEST_F(stream_splice, without_descriptors_bulk_is_copied_all_the_same)
{
	EXPECT_EQ(0, coro_run(run_out_of_fds, self));
}

/* An urgent byte is no part of the stream; the next comes when this one was passed. */
static long send_urgent(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	for (int i = 0; i < 4; i++) {
		until_stuck(me);
		me->feed.hold = true;
		/* A send that is under way must not have it in its middle. */
		while (coro_awaits(me->feeder, NULL) == CORO_AWAITS_IO) {
			me->sink.hold = false;
			EXPECT_EQ(0, coro_sleep(0));
		}
		EXPECT_EQ(1,
			  coro_io_send(me->in[0], "!", 1, MSG_OOB, CORO_NEVER));
		me->feed.hold = false;
		me->feed.end = me->feed.at + BULK;
		me->sink.hold = false;
		while (me->sink.at < me->feed.end)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(POISON, me->c.ret);
		EXPECT_EQ(0, coro_await(me->feeder));
		me->feeder = start(feed, &me->feed);
	}
	me->feed.end = 0;
	EXPECT_EQ(0, coro_cancel(me->copier));
	EXPECT_EQ(-ECANCELED, coro_await(me->copier));
	close_way(me);
	return 0;
}

/* AGS-16 */
TEST_F(stream_splice, urgent_data_is_no_end)
{
	EXPECT_EQ(0, coro_run(send_urgent, self));
}

/* Messages that come one by one, each after its answer. */
static long talk(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	me->copier = start(copy, &me->c);
	me->sinker = start(sink, &me->sink);
	for (int i = 0; i < 200; i++) {
		me->feed.end = me->feed.at + FEW + (uint64_t)i;
		EXPECT_EQ(0, feed(&me->feed));
		while (me->sink.at < me->feed.at)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_FALSE(has_pipe());
	}
	EXPECT_EQ(0, coro_cancel(me->copier));
	EXPECT_EQ(-ECANCELED, coro_await(me->copier));
	close_way(me);
	return 0;
}

/* AGS-16 */
TEST_F(stream_splice, messages_one_by_one_need_no_pipe)
{
	EXPECT_EQ(0, coro_run(talk, self));
}

static long be_idle(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	start_all(me);
	for (int i = 0; i < 3; i++) {
		until_pipe(me);
		me->feed.hold = true;
		while (has_pipe())
			EXPECT_EQ(0, coro_sleep(CORO_MSEC));
		me->feed.hold = false;
	}
	me->feed.end = 0;
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	close_way(me);
	EXPECT_EQ(me->feed.at, me->sink.at);
	return 0;
}

/* AGS-16 */
TEST_F(stream_splice, idle_copy_gives_its_pipe_back_and_gets_it_again)
{
	EXPECT_EQ(0, coro_run(be_idle, self));
}

static long copy_messages(void *arg)
{
	struct _test_data_stream_splice *me = arg;
	struct coro_stream_opts opts = { .size = sizeof(opts),
					 .read_bytes = 32768 };

	open_way(me, AF_UNIX, SOCK_SEQPACKET);
	coro_stream_free(me->c.from);
	close_peer(&me->in[0]);
	EXPECT_EQ(0, make_pair(AF_UNIX, SOCK_SEQPACKET, me->in));
	EXPECT_EQ(0, coro_stream_new_fd(&me->c.from, me->in[1], &opts));
	me->copier = start(copy, &me->c);
	for (int i = 0; i < 40; i++) {
		EXPECT_EQ(32768, coro_io_send(me->in[0], pattern, 32768, 0,
					      CORO_NEVER));
		while (coro_io_poll(me->out[1], POLLIN, coro_after(0)) <= 0)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_FALSE(has_pipe());
		recv(me->out[1], pattern, sizeof(pattern), MSG_DONTWAIT);
	}
	EXPECT_EQ(0, coro_cancel(me->copier));
	EXPECT_EQ(-ECANCELED, coro_await(me->copier));
	close_way(me);
	return 0;
}

/* AGS-16 */
TEST_F(stream_splice, sockets_of_messages_are_copied)
{
	EXPECT_EQ(0, coro_run(copy_messages, self));
}

/* In a deterministic run, whose system calls fail when it says so. */
static struct {
	uint64_t state;
	bool armed;
} faults;

static int fail_some(void *arg, enum coro_fault what)
{
	(void)arg;
	if (what != CORO_FAULT_SYSCALL || !faults.armed ||
	    rnd(&faults.state) % 4)
		return 0;
	return -EAGAIN;
}

static long copy_with_faults(void *arg)
{
	long ret;

	faults.armed = true;
	ret = copy(arg);
	faults.armed = false;
	return ret;
}

static long fail_at_random(void *arg)
{
	struct _test_data_stream_splice *me = arg;

	open_way(me, AF_INET, SOCK_STREAM);
	me->copier = start(copy_with_faults, &me->c);
	me->feeder = start(feed, &me->feed);
	me->sinker = start(sink, &me->sink);
	EXPECT_EQ(0, coro_await(me->feeder));
	me->feeder = NULL;
	EXPECT_EQ(0, shutdown(me->in[0], SHUT_WR));
	EXPECT_EQ(0, coro_await(me->copier));
	close_way(me);
	EXPECT_EQ(BULK, me->sink.at);
	EXPECT_EQ(BULK, me->c.bytes);
	return 0;
}

static int run_with_faults(struct _test_data_stream_splice *me, uint64_t seed)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim),
					   .seed = seed,
					   .fault = fail_some };
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .sim = &sim };

	faults.state = seed;
	return coro_run_opts(fail_at_random, me, &opts, NULL);
}

/* AGS-20 */
TEST_F(stream_splice, system_calls_that_fail_lose_no_byte)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		EXPECT_EQ(0, run_with_faults(self, seed));
}

TEST_HARNESS_MAIN
