// SPDX-License-Identifier: MIT
/* Where a coroutine that blocked comes back to, and what is left if it does not. */
#include <coro/net.h>
#include <coro/pool.h>
#include <coro/serve.h>

#include "lib_gate.h"

LIB_FIXTURE(handoff_edge)

static long leave_open(void *arg)
{
	struct gate *g = gate_begin_left();
	struct coro_scope s;

	EXPECT_EQ(0, coro_scope_enter(&s, coro_after(FAR_NS)));
	gate_read(g);
	return (long)arg;
}

static long leave_scopes_open(void *arg)
{
	struct coro *c = coro_new(leave_open, (void *)3L);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(3, coro_await(c));
	EXPECT_EQ(4, coro_call(leave_open, (void *)4L, CORO_NEVER));
	EXPECT_EQ(5, coro_call_shielded(leave_open, (void *)5L, CORO_NEVER));
	EXPECT_EQ(0, coro_check());
	EXPECT_EQ(CORO_NEVER, coro_deadline());
	return (long)arg;
}

TEST_F(handoff_edge, scope_ends_with_a_function_that_returns_beside_the_loop)
{
	EXPECT_EQ(1, run_always(leave_scopes_open, (void *)1L));
}

static long nap_briefly(void *arg)
{
	usleep(5000);
	return (long)arg;
}

static void resume_who_blocks(void *arg)
{
	struct coro *c = coro_new(nap_briefly, NULL);
	bool *done = arg;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	*done = true;
}

static long wait_for_callback(void *arg)
{
	struct coro_loop *l = coro_loop_get(coro_loop_self());
	bool done = false;

	EXPECT_EQ(0, coro_call_soon(l, resume_who_blocks, &done));
	while (!done)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	coro_loop_put(l);
	return (long)arg;
}

TEST_F(handoff_edge, coroutine_in_a_callback_of_the_loop_keeps_it)
{
	EXPECT_EQ(1, run_always(wait_for_callback, (void *)1L));
}

static long wait_in_vain(void *arg)
{
	struct coro_event_flag e;

	EXPECT_EQ(2, pass_gate((void *)2L));
	EXPECT_EQ(0, coro_event_init(&e, 0));
	EXPECT_EQ(-EDEADLK, coro_event_wait(&e, CORO_NEVER));
	EXPECT_EQ(0, coro_event_fini(&e));
	return (long)arg;
}

TEST_F(handoff_edge, deadlock_is_seen_once_all_are_back)
{
	EXPECT_EQ(1, run_always(wait_in_vain, (void *)1L));
}

static long pass_and_count(struct coro_stream *s, void *arg)
{
	struct gate *g = arg;

	gate_read(g);
	EXPECT_EQ(0, coro_stream_shutdown(s, CORO_NEVER));
	return 0;
}

struct service {
	int fd;
	struct gate gate;
};

static long serve_all(void *arg)
{
	struct service *s = arg;

	return coro_serve(s->fd, pass_and_count, &s->gate, NULL);
}

/* The connection is served by who blocks until it is here. */
static long be_served(void *arg)
{
	struct service s = { .fd = coro_net_listen("127.0.0.1", "0", 1) };
	struct coro *c = coro_new(serve_all, &s);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	gate_init(&s.gate);
	EXPECT_EQ(0, getsockname(s.fd, (struct sockaddr *)&addr, &len));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_io_connect(fd, (struct sockaddr *)&addr, len,
				     CORO_NEVER));
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	gate_open(&s.gate);
	EXPECT_EQ(0, coro_io_recv(fd, &byte, 1, 0, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	close(fd);
	close(s.fd);
	close(s.gate.fd);
	return (long)arg;
}

TEST_F(handoff_edge, function_of_a_server_may_block)
{
	EXPECT_EQ(1, run_always(be_served, (void *)1L));
}

TEST_F(handoff_edge, functions_of_a_pool_may_block)
{
	const struct coro_loop_opts loop = {
		.size = sizeof(loop), .flags = CORO_RUN_F_HANDOFF_ALWAYS
	};
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .loop = &loop };
	long value = 0;

	EXPECT_EQ(0, coro_pool_run(pass_gate, (void *)5L, &opts, &value));
	EXPECT_EQ(5, value);
}

/* Slow steps that were told of while no coroutine had a step. */
static int nr_slow;
static bool away;

static void count_slow(void *arg, const struct coro_report *r)
{
	(void)arg;
	nr_slow += r->kind == CORO_REPORT_SLOW_STEP &&
		   __atomic_load_n(&away, __ATOMIC_SEQ_CST);
}

static long be_away_for_long(void *arg)
{
	EXPECT_EQ(0, coro_sleep(0));
	__atomic_store_n(&away, hands_over(), __ATOMIC_SEQ_CST);
	if (away)
		usleep(500000);
	__atomic_store_n(&away, false, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, coro_sleep(0));
	return (long)arg;
}

TEST_F(handoff_edge, coroutine_beside_the_loop_is_no_slow_step)
{
	const struct coro_watchdog_opts opts = {
		.size = sizeof(opts), .threshold_ns = 100 * CORO_MSEC
	};

	coro_report_to(count_slow, NULL);
	EXPECT_EQ(0, coro_watchdog_start(&opts));
	EXPECT_EQ(1, run_always(be_away_for_long, (void *)1L));
	EXPECT_EQ(0, coro_watchdog_stop());
	coro_report_to(NULL, NULL);
	EXPECT_EQ(0, nr_slow);
}

/* What a thread of the library has, when its own is destroyed. */
static struct {
	pthread_key_t key;
	sem_t done;
	int err;
} left;

static void begin_anew(void *arg)
{
	(void)arg;
	coro_now();
	left.err = coro_thread_init(NULL);
	sem_post(&left.done);
}

static void left_init(void)
{
	EXPECT_EQ(0, pthread_key_create(&left.key, begin_anew));
	sem_init(&left.done, 0, 0);
	left.err = 1;
}

static long leave_a_value(void *arg)
{
	struct gate g;

	gate_begin(&g);
	EXPECT_EQ(0, pthread_setspecific(left.key, &left));
	gate_pass(&g);
	gate_end(&g);
	return (long)arg;
}

TEST_F(handoff_edge, thread_that_was_relieved_is_like_any_other)
{
	left_init();
	EXPECT_EQ(1, run_always(leave_a_value, (void *)1L));
	if (!hands_over())
		return;
	sem_take(&left.done);
	EXPECT_EQ(0, left.err);
}

/* The sanitizers know no pthread_exit() on another stack. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void *run_and_end(void *arg)
{
	run_always((long (*)(void *))arg, NULL);
	return (void *)1;
}

/* What the thread returned that ran the loop of @fn: NULL if that ended it. */
static void *end_by(long (*fn)(void *arg))
{
	pthread_t thread;
	void *ret = (void *)2;

	EXPECT_EQ(0, pthread_create(&thread, NULL, run_and_end, (void *)fn));
	EXPECT_EQ(0, pthread_join(thread, &ret));
	return ret;
}

static long exit_with_a_value(void *arg)
{
	EXPECT_EQ(0, pthread_setspecific(left.key, &left));
	coro_now();
	pthread_exit(arg);
}

static long exit_absent_with_a_value(void *arg)
{
	EXPECT_EQ(0, pthread_setspecific(left.key, &left));
	usleep(5000);
	pthread_exit(arg);
}

TEST_F(handoff_edge, destructors_of_a_thread_that_ended_may_call_the_library)
{
	left_init();
	EXPECT_EQ(NULL, end_by(exit_with_a_value));
	sem_take(&left.done);
	EXPECT_EQ(NULL, end_by(exit_absent_with_a_value));
	sem_take(&left.done);
}

static int turns;

static long count_turns(void *arg)
{
	while (!coro_sleep(CORO_MSEC))
		__atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
	return (long)arg;
}

static long exit_beside_others(void *arg)
{
	EXPECT_EQ(0, coro_spawn(count_turns, NULL));
	EXPECT_EQ(0, coro_sleep(2 * CORO_MSEC));
	usleep(5000);
	pthread_exit(arg);
}

TEST_F(handoff_edge, loop_ends_with_a_thread_that_ended_beside_it)
{
	int seen;

	EXPECT_EQ(NULL, end_by(exit_beside_others));
	seen = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
	usleep(50000);
	EXPECT_EQ(seen, __atomic_load_n(&turns, __ATOMIC_SEQ_CST));
}

static long nap_and_exit(void *arg)
{
	usleep(50000);
	pthread_exit(arg);
}

static long nap_in_the_end(void *arg)
{
	coro_sleep(FAR_NS);
	usleep(100000);
	return (long)arg;
}

/* The note that tells of the end outlives the threads that it is of. */
static long end_before_one_that_exits(void *arg)
{
	EXPECT_EQ(0, coro_spawn(nap_in_the_end, NULL));
	EXPECT_EQ(0, coro_spawn(nap_and_exit, NULL));
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	return (long)arg;
}

TEST_F(handoff_edge, thread_may_end_while_the_loop_does)
{
	EXPECT_EQ(NULL, end_by(end_before_one_that_exits));
}
#endif

TEST_HARNESS_MAIN
