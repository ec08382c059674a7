// SPDX-License-Identifier: MIT
/* Pools and work: memory, descriptors and threads run out at each point; all is accounted for. */
#include <sys/resource.h>

#include "lib_fault.h"
#include "lib_pool.h"

LIB_FIXTURE(fault_pool)

/* Which of the next threads cannot be made; 0 for none. */
static long thread_at;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	int err = EAGAIN;

	if (!thread_at || --thread_at)
		err = __real_pthread_create(thread, attr, fn, arg);
	return err;
}

/* A thread for which there is no memory cannot be made. */
static long no_memory(long ret)
{
	return ret == -EAGAIN ? -ENOMEM : ret;
}

static long disarm(void *arg)
{
	fault_disarm();
	count(arg);
	return 4;
}

static long run_armed(long at)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts), .loops = 3 };
	long value = POISON_LONG;
	int entered = 0;
	int err;

	fault_arm(at);
	err = coro_pool_run(disarm, &entered, &opts, &value);
	fault_disarm();
	if (entered != !err || value != (err ? POISON_LONG : 4))
		return -EPROTO;
	return no_memory(err);
}

/* Each goes through all failures, in an emulator, too. */
TEST_F_TIMEOUT(fault_pool, run_fails_with_enomem_and_leaks_nothing, 120)
{
	EXPECT_LT(5, sweep_run(run_armed, _metadata));
}

static long run_once(void *arg)
{
	long *ret = arg;

	*ret = run_armed(FAULT_NONE);
	return 0;
}

/* The same in a new thread. */
static long run_apart(void)
{
	long ret = POISON_LONG;

	EXPECT_EQ(0, in_thread(run_once, &ret));
	return ret;
}

TEST_F(fault_pool, run_fails_with_eagain_if_there_can_be_no_thread)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts), .loops = 5 };
	long value = POISON_LONG;
	int fds, entered = 0;

	/* The thread's scheduler stays. */
	EXPECT_EQ(0, run_armed(FAULT_NONE));
	fds = open_fds();
	for (long at = 1; at < 5; at++) {
		thread_at = at;
		EXPECT_EQ(-EAGAIN,
			  coro_pool_run(disarm, &entered, &opts, &value));
		EXPECT_EQ(0, thread_at);
		EXPECT_EQ(POISON_LONG, value);
		EXPECT_EQ(fds, open_fds());
	}
	EXPECT_EQ(0, entered);
	EXPECT_EQ(0, coro_pool_run(disarm, &entered, &opts, &value));
}

/* So many descriptors and no more, from the first that is free on. */
static void allow_fds(rlim_t nr)
{
	struct rlimit limit;
	int lowest;

	EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	lowest = dup(STDIN_FILENO);
	EXPECT_LE(0, lowest);
	close(lowest);
	limit.rlim_cur = (rlim_t)lowest + nr;
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static int fds_now(void)
{
	int nr;

	allow_fds(8);
	nr = open_fds();
	return nr;
}

TEST_F_TIMEOUT(fault_pool, run_fails_with_emfile_at_each_descriptor, 120)
{
	int before, failed = 0;
	long ret;

	EXPECT_EQ(0, run_apart());
	before = fds_now();
	do {
		allow_fds((rlim_t)failed);
		ret = run_apart();
		EXPECT_TRUE(ret == 0 || ret == -EMFILE);
		failed += !!ret;
		EXPECT_EQ(before, fds_now());
	} while (ret && failed < 100);
	/* Each loop has two at the least. */
	EXPECT_LE(6, failed);
	EXPECT_GT(100, failed);
}

TEST_F(fault_pool, listening_fails_with_emfile_at_each_socket)
{
	int before = fds_now();

	for (rlim_t nr = 0; nr <= 3; nr++) {
		int fds[3] = { -1, -1, -1 };
		int err;

		allow_fds(nr);
		err = coro_net_listen_each("127.0.0.1", "0", 0, fds, 3);
		EXPECT_EQ(nr < 3 ? -EMFILE : 0, err);
		for (int i = 0; i < 3; i++) {
			EXPECT_EQ(!err, fds[i] >= 0);
			if (fds[i] >= 0)
				close(fds[i]);
		}
		EXPECT_EQ(before, fds_now());
	}
}

#ifdef __SANITIZE_THREAD__
enum { NR = 12 };
#else
enum { NR = 150 };
#endif

static int entered, disposed;

static void dispose(void *arg)
{
	(void)arg;
	count_disposal(&disposed);
}

static long enter(void *arg)
{
	/* So that many are there at once. */
	EXPECT_EQ(0, coro_sleep(CORO_MSEC / 2));
	count(&entered);
	return (long)arg;
}

/* 0; -ENOMEM if that was why one of them was not entered. */
static long start_and_join(void *arg)
{
	struct coro_work *w[NR];
	long at = *(long *)arg, ret = 0, value;
	int given = 0;

	entered = 0;
	disposed = 0;
	fault_arm(at);
	for (unsigned int i = 0; i < NR; i++) {
		struct coro_work_opts opts = on_loop(i % 3);
		int err;

		if (i % 2)
			opts = (struct coro_work_opts){ .size = sizeof(opts) };
		opts.dispose = dispose;
		err = coro_work_start(&w[given], coro_pool_self(), enter,
				      (void *)7L, &opts);
		given += !err;
		ret = err ? err : ret;
	}
	for (int i = 0; i < given; i++) {
		value = end_work(w[i]);
		if (value != 7)
			ret = value;
	}
	fault_disarm();
	return given == entered + disposed ? ret : -EPROTO;
}

static long act_start(long at)
{
	return no_memory(run_pool(3, start_and_join, &at));
}

TEST_F_TIMEOUT(fault_pool, work_without_memory_is_refused_or_disposed_of, 120)
{
	EXPECT_LE(NR, sweep_run(act_start, _metadata));
}

static long call_one(void *arg)
{
	struct coro_work_opts opts = on_loop((unsigned int)(long)arg % 3);
	long value = POISON_LONG;
	int err;

	opts.dispose = dispose;
	err = coro_pool_call(coro_pool_self(), enter, (void *)7L, &opts,
			     &value);
	EXPECT_EQ(!!err, value == POISON_LONG);
	return err ? err : value;
}

static long call_all(void *arg)
{
	struct coro *c[NR];
	long at = *(long *)arg, ret = 0;
	int refused = 0;

	entered = 0;
	disposed = 0;
	for (long i = 0; i < NR; i++)
		c[i] = coro_new(call_one, (void *)i);
	fault_arm(at);
	for (int i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_start(c[i]));
	for (int i = 0; i < NR; i++) {
		long value = coro_await(c[i]);

		refused += value != 7;
		ret = value == 7 ? ret : value;
	}
	fault_disarm();
	return entered == NR - refused && disposed <= refused ? ret : -EPROTO;
}

static long act_call(long at)
{
	return no_memory(run_pool(3, call_all, &at));
}

TEST_F_TIMEOUT(fault_pool, call_without_memory_fails, 120)
{
	EXPECT_LE(NR, sweep_run(act_call, _metadata));
}

struct service {
	int fds[3];
	int seen[3]; /* connections that each loop has served */
	long at;
};

static bool all_serve(const struct service *s)
{
	for (int i = 0; i < 3; i++) {
		if (!counted(&s->seen[i]))
			return false;
	}
	return true;
}

static long be_seen(struct coro_stream *stream, void *arg)
{
	struct service *s = arg;

	(void)stream;
	count(&s->seen[coro_pool_index()]);
	return 0;
}

static long serve_armed(void *arg)
{
	struct service *s = arg;

	fault_arm(s->at);
	return coro_pool_serve(s->fds, be_seen, s, NULL);
}

/* Whoever serves on that loop, or does not, a connection comes to one of them. */
static void ask(const struct service *s)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	char byte;
	int fd;

	EXPECT_EQ(0, getsockname(s->fds[0], (struct sockaddr *)&addr, &len));
	fd = tcp_connect(&addr);
	EXPECT_LE(0, fd);
	coro_io_recv(fd, &byte, 1, 0, coro_after(4 * SOON_NS));
	close(fd);
}

static long serve_a_little(void *arg)
{
	struct coro *c = coro_new(serve_armed, arg);
	long ret;

	EXPECT_EQ(0, coro_start(c));
	while (coro_state(c) != CORO_STATE_CLOSED && !all_serve(arg))
		ask(arg);
	fault_disarm();
	coro_cancel(c);
	ret = coro_await(c);
	return ret == -ECANCELED ? 0 : ret;
}

static long act_serve(long at)
{
	struct service s = { .at = at };
	long ret;

	ret = coro_net_listen_each("127.0.0.1", "0", 0, s.fds, 3);
	if (ret)
		return -EPROTO;
	ret = run_pool(3, serve_a_little, &s);
	for (int i = 0; i < 3; i++)
		close(s.fds[i]);
	return no_memory(ret);
}

TEST_F_TIMEOUT(fault_pool, server_without_memory_at_the_start_ends_on_all_loops,
	       120)
{
	EXPECT_LT(3, sweep_run(act_serve, _metadata));
}

TEST_HARNESS_MAIN
