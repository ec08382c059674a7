// SPDX-License-Identifier: MIT
/* A server: connections taken, served and outlasted. */
#include <sys/resource.h>

#include "lib_common.h"

LIB_FIXTURE(serve)

struct server {
	int fd;
	struct sockaddr_in addr;
	struct coro_serve_opts opts;
	struct coro *coro;
	int served, done;
	long result;
	int64_t pause_ns;
	bool leaves_open; /* a scope */
};

static long echo_line(struct coro_stream *s, void *arg)
{
	struct server *server = arg;
	struct coro_scope scope;
	ssize_t len;
	char *line;

	server->served++;
	if (server->leaves_open)
		EXPECT_EQ(0, coro_scope_enter(&scope, coro_after(FAR_NS)));
	len = coro_stream_read_line(s, &line, CORO_NEVER);
	if (len <= 0)
		return len;
	coro_stream_put(s, line, (size_t)len);
	server->done++;
	return server->result;
}

static long serve(void *arg)
{
	struct server *s = arg;

	return coro_serve(s->fd, echo_line, s, &s->opts);
}

static void open_server(struct server *s)
{
	s->opts.size = sizeof(s->opts);
	s->fd = tcp_listen(&s->addr, 16);
	EXPECT_LE(0, s->fd);
	s->coro = coro_new(serve, s);
	EXPECT_EQ(0, coro_start(s->coro));
}

static int dial(const struct server *s)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT_LE(0, fd);
	EXPECT_EQ(0, coro_io_connect(fd, (const void *)&s->addr,
				     sizeof(s->addr), coro_after(FAR_NS)));
	return fd;
}

/* Until the peer ends. */
static int read_to_end(int fd, char *buf, size_t len)
{
	size_t nr = 0;
	int ret;

	do {
		ret = coro_io_recv(fd, buf + nr, len - 1 - nr, 0,
				   coro_after(FAR_NS));
		nr += ret > 0 ? (size_t)ret : 0;
	} while (ret > 0);
	buf[nr] = '\0';
	return ret < 0 ? ret : (int)nr;
}

static void ask(int fd)
{
	EXPECT_EQ(4, coro_io_send(fd, "how\n", 4, 0, coro_after(FAR_NS)));
}

static void expect_answer(int fd)
{
	char buf[16];

	EXPECT_EQ(4, read_to_end(fd, buf, sizeof(buf)));
	EXPECT_STREQ("how\n", buf);
	close(fd);
}

static void end_server(struct server *s)
{
	EXPECT_EQ(0, coro_cancel(s->coro));
	EXPECT_EQ(-ECANCELED, coro_await(s->coro));
	close(s->fd);
}

static long serve_some(void *arg)
{
	struct server s = { .served = 0 };
	int fds[8];

	(void)arg;
	open_server(&s);
	for (int i = 0; i < 8; i++)
		fds[i] = dial(&s);
	for (int i = 7; i >= 0; i--)
		ask(fds[i]);
	for (int i = 0; i < 8; i++)
		expect_answer(fds[i]);
	EXPECT_EQ(8, s.done);
	end_server(&s);
	return 0;
}

TEST_F(serve, each_connection_has_its_coroutine_and_is_closed_after_it)
{
	EXPECT_EQ(0, coro_run(serve_some, NULL));
}

static long serve_scopes_left_open(void *arg)
{
	struct server s = { .leaves_open = true };

	(void)arg;
	open_server(&s);
	for (int i = 0; i < 3; i++) {
		int fd = dial(&s);

		ask(fd);
		expect_answer(fd);
	}
	EXPECT_EQ(3, s.done);
	end_server(&s);
	return 0;
}

TEST_F(serve, scope_that_a_connection_leaves_open_ends_with_its_function)
{
	EXPECT_EQ(0, coro_run(serve_scopes_left_open, NULL));
}

static int failures;

static void count_failure(void *arg, const struct coro_report *r)
{
	(void)arg;
	failures += r->kind == CORO_REPORT_NEVER_RETRIEVED &&
		    r->value == -EPROTO;
}

static long serve_with_a_failure(void *arg)
{
	struct server s = { .result = -EPROTO };
	int fd;

	(void)arg;
	open_server(&s);
	fd = dial(&s);
	ask(fd);
	expect_answer(fd);
	s.result = 0;
	fd = dial(&s);
	ask(fd);
	expect_answer(fd);
	end_server(&s);
	return 0;
}

/* AGS-26 */
TEST_F(serve, failure_of_one_is_told_and_harms_no_other)
{
	coro_report_to(count_failure, NULL);
	EXPECT_EQ(0, coro_run(serve_with_a_failure, NULL));
	EXPECT_EQ(1, failures);
	coro_report_to(NULL, NULL);
}

static long cancel_with_one_inside(void *arg)
{
	struct server s = { .served = 0 };
	char buf[4];
	int fd;

	(void)arg;
	open_server(&s);
	fd = dial(&s);
	while (!s.served)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	end_server(&s);
	EXPECT_EQ(0, s.done);
	EXPECT_EQ(0, read_to_end(fd, buf, sizeof(buf)));
	close(fd);
	return 0;
}

/* AGS-26, AGS-27, AGS-28: a cancelled handler is no failure */
TEST_F(serve, cancel_ends_connections_and_waits_for_them)
{
	coro_report_to(count_failure, NULL);
	EXPECT_EQ(0, coro_run(cancel_with_one_inside, NULL));
	EXPECT_EQ(0, failures);
	coro_report_to(NULL, NULL);
}

static long end_gently(void *arg)
{
	struct server s = { .opts.grace_ns = FAR_NS };
	int fd;

	(void)arg;
	open_server(&s);
	fd = dial(&s);
	while (!s.served)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	EXPECT_EQ(0, coro_cancel(s.coro));
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(s.coro));
	ask(fd);
	expect_answer(fd);
	EXPECT_EQ(-ECANCELED, coro_await(s.coro));
	close(s.fd);
	return 0;
}

/* AGS-27, AGS-28 */
TEST_F(serve, connections_may_go_on_for_their_grace)
{
	EXPECT_EQ(0, coro_run(end_gently, NULL));
}

static long serve_one_at_a_time(void *arg)
{
	struct server s = { .opts.max_connections = 1 };
	int one, two;

	(void)arg;
	open_server(&s);
	one = dial(&s);
	two = dial(&s);
	ask(two);
	while (!s.served)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	EXPECT_EQ(1, s.served);
	ask(one);
	expect_answer(one);
	expect_answer(two);
	EXPECT_EQ(2, s.served);
	end_server(&s);
	return 0;
}

TEST_F(serve, more_than_the_most_wait_in_the_socket)
{
	EXPECT_EQ(0, coro_run(serve_one_at_a_time, NULL));
}

static long serve_without_descriptors(void *arg)
{
	struct server s = { .served = 0 };
	struct rlimit old, none;
	int fd;

	(void)arg;
	open_server(&s);
	EXPECT_EQ(0, coro_sleep(0));
	fd = dial(&s);
	ask(fd);
	EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = 3;
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(0, coro_sleep(100 * CORO_MSEC));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(s.coro));
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	close(fd);
	fd = dial(&s);
	ask(fd);
	expect_answer(fd);
	end_server(&s);
	return 0;
}

/* AGS-29 */
TEST_F(serve, lack_of_descriptors_ends_nothing)
{
	EXPECT_EQ(0, coro_run(serve_without_descriptors, NULL));
}

static long serve_wrongly(void *arg)
{
	struct coro_serve_opts opts = { .size = sizeof(opts), .grace_ns = -1 };

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_serve(0, NULL, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_serve(0, echo_line, NULL, &opts));
	EXPECT_EQ(-EINVAL, coro_serve(-1, echo_line, NULL, NULL));
	return 0;
}

TEST_F(serve, wrong_arguments_are_refused)
{
	EXPECT_EQ(0, coro_run(serve_wrongly, NULL));
	EXPECT_EQ(-EPERM, coro_serve(0, echo_line, NULL, NULL));
}

TEST_HARNESS_MAIN
