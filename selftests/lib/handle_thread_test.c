// SPDX-License-Identifier: MIT
/* Handles among the threads of one process: none sees which way they went. */
#include "lib_common.h"

LIB_FIXTURE(handle_thread)

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

enum { THREADS = 4, EACH = 3000 };

/* A thread that runs a loop, and what it shares with that of the test. */
struct peer {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct coro_handle *own; /* of the peer's main */
	struct coro_handle *other; /* of the test's */
	uint64_t nr;
	uint64_t reason;
	long value;
	int err;
	long ret;
};

static struct peer *peer_start(struct peer *p, void *(*fn)(void *arg))
{
	if (pthread_create(&p->thread, NULL, fn, p))
		abort();
	return p;
}

static struct coro_handle *export_self(void)
{
	struct coro_handle *h = NULL;

	EXPECT_EQ(0, coro_export(coro_self(), ALL_RIGHTS, &h));
	return h;
}

static long send_all(void *arg)
{
	struct peer *p = arg;
	uint64_t i;

	for (i = 0; i < EACH && !p->err; i++)
		p->err = coro_handle_send(p->other, p->nr << 32 | i,
					  coro_after(FAR_NS));
	coro_handle_put(p->other);
	return 7;
}

static void *run_send_all(void *arg)
{
	struct peer *p = arg;

	p->ret = coro_run(send_all, p);
	return NULL;
}

static long receive_all(void *arg)
{
	struct peer *peers = arg;
	uint64_t next[THREADS] = { 0 };
	struct coro_handle *h = export_self();
	uint64_t value;
	int i;

	for (i = 0; i < THREADS; i++) {
		peers[i].nr = (uint64_t)i;
		peers[i].other = coro_handle_get(h);
		peer_start(&peers[i], run_send_all);
	}
	coro_handle_put(h);
	for (i = 0; i < THREADS * EACH; i++) {
		if (coro_recv(&value, coro_after(FAR_NS)))
			return -EPROTO;
		if ((value & UINT32_MAX) != next[value >> 32]++)
			return -EILSEQ;
	}
	return coro_recv(&value, coro_after(SOON_NS));
}

TEST_F(handle_thread, messages_of_four_loops_come_once_and_in_order)
{
	struct peer peers[THREADS] = { { .err = 0 } };
	int i;

	EXPECT_EQ(-ETIMEDOUT, coro_run(receive_all, peers));
	for (i = 0; i < THREADS; i++) {
		pthread_join(peers[i].thread, NULL);
		EXPECT_EQ(0, peers[i].err);
		EXPECT_EQ(7, peers[i].ret);
	}
}

static long echo(void *arg)
{
	struct peer *p = arg;
	uint64_t value = 0;

	p->own = export_self();
	pthread_barrier_wait(p->barrier);
	while (!p->err && value != UINT64_MAX) {
		p->err = coro_recv(&value, CORO_NEVER);
		if (!p->err)
			p->err = coro_handle_send(p->other, value, CORO_NEVER);
	}
	return 17;
}

static void *run_echo(void *arg)
{
	struct peer *p = arg;

	p->ret = coro_run(echo, p);
	return NULL;
}

static long ask(void *arg)
{
	struct peer *p = arg;
	struct coro_handle *h = export_self();
	uint64_t value = 0, i;
	long end = POISON_LONG;

	p->other = h;
	peer_start(p, run_echo);
	pthread_barrier_wait(p->barrier);
	for (i = 0; i < EACH; i++) {
		EXPECT_EQ(0, coro_handle_send(p->own, i, CORO_NEVER));
		EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
		EXPECT_EQ(i, value);
	}
	EXPECT_EQ(0, coro_handle_try_send(p->own, UINT64_MAX));
	EXPECT_EQ(0, coro_handle_join(p->own, &end, CORO_NEVER));
	EXPECT_EQ(17, end);
	EXPECT_EQ(0, coro_recv(&value, 0));
	EXPECT_EQ(UINT64_MAX, value);
	return 0;
}

TEST_F(handle_thread, two_loops_ask_and_answer)
{
	pthread_barrier_t barrier;
	struct peer p = { .barrier = &barrier };

	pthread_barrier_init(&barrier, NULL, 2);
	EXPECT_EQ(0, coro_run(ask, &p));
	pthread_join(p.thread, NULL);
	EXPECT_EQ(0, p.err);
	EXPECT_EQ(17, p.ret);
	coro_handle_put(p.own);
	coro_handle_put(p.other);
}

static long join_other(void *arg)
{
	struct peer *p = arg;

	pthread_barrier_wait(p->barrier);
	p->value = POISON_LONG;
	p->err = coro_handle_join(p->other, &p->value, CORO_NEVER);
	return 0;
}

static void *run_join_other(void *arg)
{
	struct peer *p = arg;

	p->ret = coro_run(join_other, p);
	return NULL;
}

static long be_joined(void *arg)
{
	struct peer *peers = arg;
	struct coro_handle *h = export_self();
	int i;

	for (i = 0; i < THREADS; i++) {
		peers[i].other = h;
		peer_start(&peers[i], run_join_other);
	}
	pthread_barrier_wait(peers[0].barrier);
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return 99;
}

/* THR-04 */
TEST_F(handle_thread, several_threads_join_one)
{
	pthread_barrier_t barrier;
	struct peer peers[THREADS];
	int i;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		peers[i] = (struct peer){ .barrier = &barrier };
	EXPECT_EQ(99, coro_run(be_joined, peers));
	for (i = 0; i < THREADS; i++) {
		pthread_join(peers[i].thread, NULL);
		EXPECT_EQ(0, peers[i].err);
		EXPECT_EQ(99, peers[i].value);
	}
	coro_handle_put(peers[0].other);
}

static void *cancel_other(void *arg)
{
	struct peer *p = arg;

	p->err = coro_handle_cancel(p->other, 321);
	return NULL;
}

static long wait_for_a_cancel(void *arg)
{
	struct peer *p = arg;
	int err;

	p->other = export_self();
	peer_start(p, cancel_other);
	err = coro_sleep_until(CORO_NEVER);
	EXPECT_EQ(0, coro_cancel_reason(&p->reason));
	return err;
}

/* THR-05 */
TEST_F(handle_thread, thread_without_a_loop_cancels)
{
	int i;

	for (i = 0; i < 50; i++) {
		struct peer p = { .err = 1 };

		EXPECT_EQ(-ECANCELED, coro_run(wait_for_a_cancel, &p));
		pthread_join(p.thread, NULL);
		EXPECT_EQ(0, p.err);
		EXPECT_EQ((uint64_t)321, p.reason);
		EXPECT_EQ(-ESRCH, coro_handle_cancel(p.other, 1));
		coro_handle_put(p.other);
	}
}

static long give_arg(void *arg)
{
	return (long)arg;
}

/* Ends a thread that exported one coroutine and left it; the test has a reference. */
struct left {
	struct coro *coro;
	struct coro_handle *h;
};

static long leave_one(void *arg)
{
	struct left *l = arg;

	l->coro = coro_new(give_arg, (void *)1L);
	return coro_export(l->coro, ALL_RIGHTS, &l->h);
}

static long meet_the_left(void *arg)
{
	struct left *l = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-EOWNERDEAD, coro_handle_join(l->h, &value, CORO_NEVER));
	EXPECT_EQ(-EOWNERDEAD, coro_handle_join(l->h, &value, 0));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(-EPIPE, coro_handle_send(l->h, 1, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_handle_try_send(l->h, 1));
	EXPECT_EQ(-EPIPE, coro_wake(l->coro, 1));
	EXPECT_EQ(-EOWNERDEAD, coro_handle_cancel(l->h, 1));
	return 0;
}

TEST_F(handle_thread, end_of_its_thread_is_told)
{
	struct left l = { .coro = NULL };

	ASSERT_EQ(0, in_thread(leave_one, &l));
	EXPECT_EQ(0, coro_run(meet_the_left, &l));
	/* It can still be put, by anybody. */
	coro_put(l.coro);
	EXPECT_EQ(0, coro_run(give_arg, NULL));
	coro_handle_put(l.h);
}

static long yield_and_mark(void *arg)
{
	if (coro_yield(1, NULL) == CORO_EXIT)
		*(int *)arg = 1;
	return 0;
}

struct cleaned {
	struct left left;
	int marked;
};

static long leave_a_suspended_one(void *arg)
{
	struct cleaned *cl = arg;
	int err;

	cl->left.coro = coro_new(yield_and_mark, &cl->marked);
	err = coro_export(cl->left.coro, ALL_RIGHTS, &cl->left.h);
	if (!err && coro_resume(cl->left.coro, 0, NULL) != CORO_YIELDED)
		err = -EPROTO;
	return err;
}

/* OBJ-19 */
TEST_F(handle_thread, what_a_thread_left_is_still_cleaned_up)
{
	struct cleaned cl = { .marked = 0 };

	ASSERT_EQ(0, in_thread(leave_a_suspended_one, &cl));
	EXPECT_EQ(0, coro_run(meet_the_left, &cl.left));
	EXPECT_EQ(0, cl.marked);
	coro_put(cl.left.coro);
	EXPECT_EQ(1, cl.marked);
	EXPECT_EQ(0, coro_run(give_arg, NULL));
	coro_handle_put(cl.left.h);
}

/* What is lost with a thread would count as leaked. */
#ifndef __SANITIZE_ADDRESS__
static void *leave_joined(void *arg)
{
	struct peer *p = arg;
	struct coro *c = coro_new(give_arg, NULL);

	p->err = coro_export(c, ALL_RIGHTS, &p->own);
	pthread_barrier_wait(p->barrier);
	pthread_barrier_wait(p->barrier);
	/* The coroutine is lost with the thread. */
	return NULL;
}

static long signal_and_join(void *arg)
{
	struct peer *p = arg;

	return coro_handle_join(p->own, NULL, CORO_NEVER);
}

static long join_and_let_go(void *arg)
{
	struct peer *p = arg;
	struct coro *c = coro_new(signal_and_join, p);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_HANDLE);
	pthread_barrier_wait(p->barrier);
	return coro_await(c);
}

TEST_F(handle_thread, join_that_waits_is_told_of_the_threads_end)
{
	pthread_barrier_t barrier;
	struct peer p = { .barrier = &barrier };

	pthread_barrier_init(&barrier, NULL, 2);
	peer_start(&p, leave_joined);
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(-EOWNERDEAD, coro_run(join_and_let_go, &p));
	pthread_join(p.thread, NULL);
	coro_handle_put(p.own);
}

/* The thread sanitizer takes no pthread_exit() from a coroutine. */
#ifndef __SANITIZE_THREAD__
static long exit_thread(void *arg)
{
	struct peer *p = arg;

	p->own = export_self();
	pthread_exit(NULL);
	return 0;
}

static void *run_exit_thread(void *arg)
{
	coro_run(exit_thread, arg);
	return NULL;
}

TEST_F(handle_thread, thread_that_exits_in_a_coroutine_is_told_of)
{
	struct peer p = { .own = NULL };

	peer_start(&p, run_exit_thread);
	pthread_join(p.thread, NULL);
	ASSERT_NE(NULL, p.own);
	EXPECT_EQ(-EOWNERDEAD, coro_run(signal_and_join, &p));
	coro_handle_put(p.own);
}
#endif
#endif

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static long join_within(void *arg)
{
	struct peer *p = arg;

	p->err = coro_handle_join(p->other, &p->value, coro_after(p->nr));
	return 0;
}

static void *run_join_within(void *arg)
{
	struct peer *p = arg;
	int i;

	/* Deadlines around the end. */
	for (i = 0; i < 50; i++) {
		p->nr = (uint64_t)i * 20 * CORO_USEC;
		p->value = POISON_LONG;
		p->ret = coro_run(join_within, p);
		if (p->err != -ETIMEDOUT && p->err)
			break;
		if (!p->err && p->value != -ECANCELED)
			break;
	}
	return NULL;
}

static long end_among_joins(void *arg)
{
	struct peer *peers = arg;
	struct coro *c = coro_new(sleep_far, NULL);
	struct coro_handle *h;
	int i;

	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(0, coro_start(c));
	for (i = 0; i < THREADS; i++) {
		peers[i].other = h;
		peer_start(&peers[i], run_join_within);
	}
	EXPECT_EQ(0, coro_sleep(2 * SOON_NS));
	EXPECT_EQ(0, coro_handle_cancel(h, 0));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	for (i = 0; i < THREADS; i++)
		pthread_join(peers[i].thread, NULL);
	coro_handle_put(h);
	return 0;
}

/* TMO-17 */
TEST_F(handle_thread, ends_and_deadlines_can_cross)
{
	struct peer peers[THREADS] = { { .err = 1 } };
	int i;

	EXPECT_EQ(0, coro_run(end_among_joins, peers));
	for (i = 0; i < THREADS; i++) {
		EXPECT_EQ(0, peers[i].err);
		EXPECT_EQ(-ECANCELED, peers[i].value);
	}
}

static void *hold_and_drop(void *arg)
{
	struct peer *p = arg;
	int i;

	for (i = 0; i < EACH; i++) {
		struct coro_handle *h = coro_handle_get(p->other);
		struct coro_handle *less = NULL;

		if (i % 100 == 0 &&
		    !coro_handle_restrict(h, CORO_RIGHT_SEND, &less))
			p->err |= coro_handle_try_send(less, 1) == -EBADF;
		coro_handle_put(less);
		coro_handle_put(h);
	}
	coro_handle_put(p->other);
	return NULL;
}

TEST_F(handle_thread, references_are_counted_across_threads)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct peer peers[THREADS] = { { .err = 0 } };
	struct coro_handle *h;
	int i;

	ASSERT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	for (i = 0; i < THREADS; i++) {
		peers[i].other = coro_handle_get(h);
		peer_start(&peers[i], hold_and_drop);
	}
	coro_handle_put(h);
	coro_put(c);
	for (i = 0; i < THREADS; i++) {
		pthread_join(peers[i].thread, NULL);
		EXPECT_EQ(0, peers[i].err);
	}
}

struct handed {
	struct coro_loop *loop;
	struct coro *coro;
	int err;
};

static void put_it(void *arg)
{
	coro_put(arg);
}

static void *wake_and_give_back(void *arg)
{
	struct handed *h = arg;

	h->err = coro_wake(h->coro, 66);
	coro_call_soon(h->loop, put_it, h->coro);
	coro_loop_put(h->loop);
	return NULL;
}

static long receive_one(void *arg)
{
	uint64_t value;
	int err = coro_recv(&value, CORO_NEVER);

	(void)arg;
	return err ? err : (long)value;
}

static long hand_out(void *arg)
{
	struct handed *h = arg;
	struct coro *c = coro_new(receive_one, NULL);
	pthread_t thread;
	long ret;

	EXPECT_EQ(0, coro_start(c));
	h->coro = coro_get(c);
	h->loop = coro_loop_get(coro_loop_self());
	if (pthread_create(&thread, NULL, wake_and_give_back, h))
		return -EPROTO;
	ret = coro_await(c);
	pthread_join(thread, NULL);
	return ret;
}

TEST_F(handle_thread, reference_of_a_waker_goes_back_by_a_call)
{
	struct handed h = { .err = 1 };

	EXPECT_EQ(66, coro_run(hand_out, &h));
	EXPECT_EQ(0, h.err);
}

TEST_HARNESS_MAIN
