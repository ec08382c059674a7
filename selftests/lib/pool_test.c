// SPDX-License-Identifier: MIT
/* A pool: work spreads over its loops, moves before it starts, and is joined from anywhere. */
#include "lib_pool.h"

LIB_FIXTURE(pool)

enum { PARENTS = 40, CHILDREN = 50 };

static int total;

static long leaf(void *arg)
{
	long nr = (long)arg;

	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
	if (nr % 3 == 0)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC / 10));
	return nr;
}

static long parent(void *arg)
{
	struct coro_work *w[CHILDREN];
	long value, sum = 0;

	(void)arg;
	for (long i = 0; i < CHILDREN; i++)
		w[i] = start_work(leaf, (void *)i, NULL);
	for (int i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(0, coro_work_join(w[i], &value, CORO_NEVER));
		coro_work_put(w[i]);
		sum += value;
	}
	return sum;
}

static long grandparent(void *arg)
{
	struct coro_work *w[PARENTS];

	(void)arg;
	for (int i = 0; i < PARENTS; i++)
		w[i] = start_work(parent, NULL, NULL);
	for (int i = 0; i < PARENTS; i++)
		EXPECT_EQ(CHILDREN * (CHILDREN - 1) / 2, end_work(w[i]));
	return 0;
}

TEST_F(pool, all_work_runs_once_and_is_joined_across_loops)
{
	for (unsigned int loops = 1; loops <= 5; loops++) {
		total = 0;
		EXPECT_EQ(0, run_pool(loops, grandparent, NULL));
		EXPECT_EQ(PARENTS * CHILDREN, total);
	}
}

/* A loop that computes until somebody else has done what was given to it. */
static long hold_loop_up(void *arg)
{
	sem_t *done = arg;

	sem_wait(done);
	return 0;
}

static long let_it_go(void *arg)
{
	sem_post(arg);
	return 0;
}

static long give_to_busy_loops(void *arg)
{
	const struct coro_work_opts there = { .size = sizeof(there),
					      .loop = 1,
					      .flags = CORO_WORK_F_LOOP };
	struct coro_work *busy, *w[8];
	sem_t done;

	(void)arg;
	sem_init(&done, 0, 0);
	busy = start_work(hold_loop_up, &done, &there);
	/* Half of them go to the other loop, which will not come to them. */
	for (int i = 0; i < 8; i++)
		w[i] = start_work(let_it_go, &done, NULL);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, end_work(w[i]));
	EXPECT_EQ(0, end_work(busy));
	sem_destroy(&done);
	return 0;
}

TEST_F(pool, work_that_has_not_started_moves_away_from_a_busy_loop)
{
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, run_pool(2, give_to_busy_loops, NULL));
}

static long where(void *arg)
{
	(void)arg;
	return coro_pool_index();
}

static long ask_each(void *arg)
{
	struct coro_work_opts there = { .size = sizeof(there),
					.flags = CORO_WORK_F_LOOP };

	EXPECT_EQ(0, coro_pool_index());
	EXPECT_EQ(4, coro_pool_loops(coro_pool_self()));
	for (there.loop = 0; there.loop < 4; there.loop++) {
		struct coro_work *w = start_work(where, arg, &there);

		EXPECT_EQ((long)there.loop, end_work(w));
	}
	return 0;
}

TEST_F(pool, named_loop_is_where_work_runs)
{
	EXPECT_EQ(0, run_pool(4, ask_each, NULL));
}

static long sleep_long(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static long cancel_some(void *arg)
{
	struct coro_work *w[30];

	(void)arg;
	for (int i = 0; i < 30; i++)
		w[i] = start_work(sleep_long, NULL, NULL);
	for (int i = 0; i < 30; i += 2)
		EXPECT_EQ(0, coro_work_cancel(w[i]));
	for (int i = 0; i < 30; i += 2) {
		EXPECT_EQ(-ECANCELED, end_work(w[i]));
		coro_work_put(w[i + 1]);
	}
	return 7;
}

TEST_F(pool, cancelled_work_ends_and_so_does_all_at_the_end)
{
	EXPECT_EQ(7, run_pool(3, cancel_some, NULL));
}

static long say_hello(struct coro_stream *s, void *arg)
{
	unsigned int *seen = arg;

	__atomic_add_fetch(&seen[coro_pool_index()], 1, __ATOMIC_RELAXED);
	return coro_stream_printf(s, "hello\n");
}

enum { SERVERS = 3, CLIENTS = 100 };

struct service {
	int fds[SERVERS];
	unsigned int seen[SERVERS];
};

static long serve_on_all(void *arg)
{
	struct service *s = arg;

	return coro_pool_serve(s->fds, say_hello, s->seen, NULL);
}

static void greet(int listener)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	char line[6];

	EXPECT_EQ(0, getsockname(listener, (struct sockaddr *)&addr, &len));
	for (int i = 0; i < CLIENTS; i++) {
		int fd = tcp_connect(&addr);

		EXPECT_LE(0, fd);
		EXPECT_EQ(6,
			  coro_io_recv(fd, line, 6, MSG_WAITALL, CORO_NEVER));
		EXPECT_EQ(0, memcmp(line, "hello\n", 6));
		coro_io_close(fd);
	}
}

static long serve_and_greet(void *arg)
{
	struct service *s = arg;
	struct coro *server = coro_new(serve_on_all, s);

	EXPECT_EQ(0,
		  coro_net_listen_each("127.0.0.1", "0", 0, s->fds, SERVERS));
	coro_start(server);
	greet(s->fds[0]);
	coro_cancel(server);
	EXPECT_EQ(-ECANCELED, coro_await(server));
	for (int i = 0; i < SERVERS; i++)
		close(s->fds[i]);
	return 0;
}

TEST_F(pool, connections_are_served_on_all_loops)
{
	struct service s = { .seen = { 0 } };
	unsigned int all = 0;

	EXPECT_EQ(0, run_pool(SERVERS, serve_and_greet, &s));
	for (int i = 0; i < SERVERS; i++) {
		/* 100 ports, hashed: none has none but once in 10^17. */
		EXPECT_LT(0, s.seen[i]);
		all += s.seen[i];
	}
	EXPECT_EQ(CLIENTS, all);
}

TEST_HARNESS_MAIN
