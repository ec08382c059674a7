// SPDX-License-Identifier: MIT
/* Where work runs: unstarted goes to who has time, pinned and started stays; any giver. */
#include <sched.h>

#include "lib_pool.h"

LIB_FIXTURE(pool_move)

enum { WORKS = 64, MOST_LOOPS = 5 };

/* What a thread outside gives to a pool, and says when it has. */
struct outside {
	pthread_t thread;
	struct coro_pool *pool;
	struct coro *waiter;
	struct coro_work *work[WORKS];
	int runs;
};

static long give_all(void *arg)
{
	struct outside *o = arg;

	for (int i = 0; i < WORKS; i++)
		EXPECT_EQ(0, coro_work_start(&o->work[i], o->pool, count_entry,
					     &o->runs, NULL));
	return coro_wake(o->waiter, 0);
}

static void *give_from_thread(void *arg)
{
	EXPECT_EQ(0, give_all(arg));
	return NULL;
}

static void outside_init(struct outside *o)
{
	o->pool = coro_pool_self();
	o->waiter = coro_self();
	o->runs = 0;
}

/* The caller sleeps most of the time. */
static void await_works(struct outside *o)
{
	uint64_t message;

	EXPECT_EQ(0, coro_recv(&message, CORO_NEVER));
	for (int i = 0; i < WORKS; i++)
		EXPECT_EQ(0, end_work(o->work[i]));
	EXPECT_EQ(WORKS, counted(&o->runs));
}

static void outside_begin(struct outside *o)
{
	outside_init(o);
	EXPECT_EQ(0, pthread_create(&o->thread, NULL, give_from_thread, o));
}

static void outside_end(struct outside *o)
{
	await_works(o);
	pthread_join(o->thread, NULL);
}

/* All loops but the first compute. That one sleeps, and must be woken for all of it. */
static long be_the_only_one_with_time(void *arg)
{
	unsigned int nr = coro_pool_loops(coro_pool_self());
	struct hold h[MOST_LOOPS];
	struct outside o;

	(void)arg;
	for (unsigned int i = 1; i < nr; i++)
		hold_up(&h[i], i);
	outside_begin(&o);
	outside_end(&o);
	for (unsigned int i = 1; i < nr; i++)
		let_go(&h[i]);
	return 0;
}

TEST_F(pool_move, work_from_outside_moves_to_a_loop_that_sleeps)
{
	for (unsigned int loops = 2; loops <= MOST_LOOPS; loops++) {
		for (int i = 0; i < 10; i++)
			EXPECT_EQ(0, run_pool(loops, be_the_only_one_with_time,
					      NULL));
	}
}

/* A loop that gets up to compute until work has run that it was given as it slept. */
struct riser {
	long (*rise)(void *arg); /* on that loop: ends with the computation */
	void *(*give)(void *arg); /* in a thread */
	unsigned int loop, turns;
	struct coro_pool *pool;
	int fd[2];
	sem_t done;
	struct coro_event_flag computed;
};

static long read_and_compute(void *arg)
{
	struct riser *r = arg;
	char byte;

	EXPECT_EQ(1, coro_io_read(r->fd[0], &byte, 1, CORO_NEVER));
	sem_take(&r->done);
	return 0;
}

static long compute(void *arg)
{
	struct riser *r = arg;

	sem_take(&r->done);
	return coro_event_set(&r->computed);
}

static long await_computation(void *arg)
{
	struct riser *r = arg;

	EXPECT_EQ(0, coro_event_init(&r->computed, 0));
	EXPECT_EQ(0, coro_event_wait(&r->computed, CORO_NEVER));
	return coro_event_fini(&r->computed);
}

static long end_computation(void *arg)
{
	struct riser *r = arg;

	sem_post(&r->done);
	return 0;
}

/* Most often the loop has not got up when it gets the work. */
static void *wake_and_give(void *arg)
{
	struct riser *r = arg;

	EXPECT_EQ(1, write(r->fd[1], "x", 1));
	EXPECT_EQ(0, coro_pool_spawn(r->pool, end_computation, r));
	return NULL;
}

static void *give_and_pin(void *arg)
{
	const struct coro_work_opts pinned = on_loop(1);
	struct riser *r = arg;

	EXPECT_EQ(0, coro_pool_spawn(r->pool, end_computation, r));
	EXPECT_EQ(0, coro_work_start(NULL, r->pool, compute, r, &pinned));
	return NULL;
}

/* It is the loop with less to do. The caller's sleeps until the end. */
static long give_as_it_sleeps(void *arg)
{
	struct riser *r = arg;
	struct coro_work *w;
	pthread_t thread;

	r->pool = coro_pool_self();
	EXPECT_EQ(0, pipe2(r->fd, O_CLOEXEC));
	sem_init(&r->done, 0, 0);
	for (int i = 0; i < 5; i++)
		coro_work_put(start_on(0, sleep_far, NULL));
	w = start_on(r->loop, r->rise, r);
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	pthread_create(&thread, NULL, r->give, r);
	EXPECT_EQ(0, end_work(w));
	pthread_join(thread, NULL);
	sem_destroy(&r->done);
	close(r->fd[0]);
	close(r->fd[1]);
	return 0;
}

TEST_F(pool_move, work_moves_away_from_a_loop_that_woke_to_compute)
{
	struct riser r = { .rise = read_and_compute,
			   .give = wake_and_give,
			   .loop = 1 };

	for (int i = 0; i < 40; i++)
		EXPECT_EQ(0, run_pool(2, give_as_it_sleeps, &r));
}

TEST_F(pool_move, work_moves_away_from_a_loop_whose_pinned_work_computes)
{
	struct riser r = { .rise = await_computation,
			   .give = give_and_pin,
			   .loop = 1 };

	for (int i = 0; i < 40; i++)
		EXPECT_EQ(0, run_pool(2, give_as_it_sleeps, &r));
}

/* One loop computes; of the two that sleep, who gets up takes what computes as well. */
static void *give_two(void *arg)
{
	struct riser *r = arg;

	EXPECT_EQ(0, coro_pool_spawn(r->pool, compute, r));
	EXPECT_EQ(0, coro_pool_spawn(r->pool, end_computation, r));
	return NULL;
}

static long sleep_beside_a_busy_loop(void *arg)
{
	struct riser *r = arg;
	pthread_t thread;
	struct hold h;

	r->pool = coro_pool_self();
	for (unsigned int i = 0; i < 10; i++)
		coro_work_put(start_on(i % 2 * 2, sleep_far, NULL));
	hold_up(&h, 1);
	/* Whose turn it is to be given work differs. */
	for (unsigned int i = 0; i < r->turns; i++)
		EXPECT_EQ(0, end_work(start_work(give_arg, NULL, NULL)));
	EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	pthread_create(&thread, NULL, r->give, r);
	EXPECT_EQ(0, coro_event_wait(&r->computed, CORO_NEVER));
	pthread_join(thread, NULL);
	let_go(&h);
	return 0;
}

TEST_F(pool_move, thief_that_computes_calls_another)
{
	struct riser r = { .give = give_two };

	sem_init(&r.done, 0, 0);
	for (r.turns = 0; r.turns < 40; r.turns++) {
		EXPECT_EQ(0, coro_event_init(&r.computed, CORO_SHARED));
		EXPECT_EQ(0, run_pool(3, sleep_beside_a_busy_loop, &r));
		EXPECT_EQ(0, coro_event_fini(&r.computed));
	}
	sem_destroy(&r.done);
}

/* A loop falls asleep as work is given to one that computes, again and again. */
struct sleeper {
	struct coro_pool *pool;
	struct coro *coro;
	int next; /* how many are asked for */
};

static long wake_sleeper(void *arg)
{
	struct sleeper *s = arg;

	return coro_wake(s->coro, 1);
}

enum { SLEEPS = 3000 };

static void *give_one_by_one(void *arg)
{
	struct sleeper *s = arg;
	uint64_t dice = 1;

	for (int i = 0; i < SLEEPS; i++) {
		while (counted(&s->next) <= i)
			sched_yield();
		for (volatile int n = (int)(rnd(&dice) % 3000); n > 0; n--)
			;
		EXPECT_EQ(0, coro_pool_spawn(s->pool, wake_sleeper, s));
	}
	return NULL;
}

static long fall_asleep(void *arg)
{
	struct sleeper s = { .pool = coro_pool_self(), .coro = coro_self() };
	pthread_t thread;
	struct hold h;
	uint64_t message;

	(void)arg;
	for (int i = 0; i < 5; i++)
		coro_work_put(start_on(0, sleep_far, NULL));
	hold_up(&h, 1);
	pthread_create(&thread, NULL, give_one_by_one, &s);
	for (int i = 0; i < SLEEPS; i++) {
		count(&s.next);
		EXPECT_EQ(0, coro_recv(&message, CORO_NEVER));
	}
	pthread_join(thread, NULL);
	let_go(&h);
	return 0;
}

TEST_F(pool_move, work_that_is_given_as_a_loop_falls_asleep_is_found)
{
	EXPECT_EQ(0, run_pool(2, fall_asleep, NULL));
}

/* The loop that is called for a third one's work gets up to compute. */
static long give_beside_a_busy_loop(void *arg)
{
	struct hold h;
	long ret;

	hold_up(&h, 1);
	ret = give_as_it_sleeps(arg);
	let_go(&h);
	return ret;
}

TEST_F(pool_move, loop_that_is_called_and_computes_calls_another)
{
	struct riser r = { .rise = read_and_compute,
			   .give = wake_and_give,
			   .loop = 2 };

	for (int i = 0; i < 60; i++)
		EXPECT_EQ(0, run_pool(3, give_beside_a_busy_loop, &r));
}

static long where_always(void *arg)
{
	int loop = coro_pool_index();

	for (long i = 0; i < (long)arg; i++) {
		EXPECT_EQ(0,
			  i % 2 ? coro_sleep(CORO_MSEC / 10) : coro_sleep(0));
		EXPECT_EQ(loop, coro_pool_index());
	}
	return loop;
}

static long give_pinned(void *arg)
{
	struct coro_work *pinned[WORKS], *free[WORKS];
	struct hold h;

	(void)arg;
	hold_up(&h, 2);
	for (int i = 0; i < WORKS; i++) {
		pinned[i] = start_on(2, where_always, (void *)1L);
		free[i] = start_work(where_always, (void *)4L, NULL);
	}
	for (int i = 0; i < WORKS; i++)
		EXPECT_NE(2, end_work(free[i]));
	/* The others had all the time for it. */
	for (int i = 0; i < WORKS; i++)
		EXPECT_EQ(-ETIMEDOUT, coro_work_join(pinned[i], NULL, 0));
	let_go(&h);
	for (int i = 0; i < WORKS; i++)
		EXPECT_EQ(2, end_work(pinned[i]));
	return 0;
}

TEST_F(pool_move, pinned_and_started_work_never_moves)
{
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, run_pool(4, give_pinned, NULL));
}

enum { GIVERS = 8 };

static long be_given_by_one(void *arg)
{
	struct outside o;

	(void)arg;
	outside_begin(&o);
	outside_end(&o);
	return 0;
}

static long be_given_by_many(void *arg)
{
	struct coro *c[GIVERS];

	(void)arg;
	for (int i = 0; i < GIVERS; i++) {
		c[i] = coro_new(be_given_by_one, NULL);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (int i = 0; i < GIVERS; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	return 0;
}

TEST_F(pool_move, any_thread_gives_work)
{
	for (unsigned int loops = 1; loops <= 4; loops++)
		EXPECT_EQ(0, run_pool(loops, be_given_by_many, NULL));
}

static void give_in_call(void *arg)
{
	EXPECT_EQ(0, give_all(arg));
}

static long give_from_functions(void *arg)
{
	struct outside o;
	long value = POISON_LONG;

	(void)arg;
	outside_init(&o);
	EXPECT_EQ(0, coro_blocking(give_all, &o, &value));
	EXPECT_EQ(0, value);
	await_works(&o);
	outside_init(&o);
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), give_in_call, &o));
	await_works(&o);
	return 0;
}

TEST_F(pool_move, functions_that_block_or_are_called_soon_give_work)
{
	EXPECT_EQ(0, run_pool(1, give_from_functions, NULL));
	EXPECT_EQ(0, run_pool(3, give_from_functions, NULL));
}

/* What works on different loops share. */
struct shared {
	struct coro_mutex mutex;
	struct coro_event_flag go;
	struct coro_queue *queue;
	long sum;
	int users;
};

static long add_to(void *arg)
{
	struct shared *s = arg;
	void *item;

	EXPECT_EQ(0, coro_event_wait(&s->go, CORO_NEVER));
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(0, coro_queue_get(s->queue, &item, CORO_NEVER));
		EXPECT_EQ(0, coro_mutex_lock(&s->mutex, CORO_NEVER));
		EXPECT_EQ(1, ++s->users);
		s->sum += (long)item;
		if (i % 4 == 0)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, --s->users);
		EXPECT_EQ(0, coro_mutex_unlock(&s->mutex));
	}
	return 0;
}

static long share(void *arg)
{
	const struct coro_queue_opts opts = { .size = sizeof(opts),
					      .capacity = 4,
					      .flags = CORO_SHARED };
	struct shared s = { .sum = 0 };
	struct coro_work *w[9];

	(void)arg;
	EXPECT_EQ(0, coro_mutex_init(&s.mutex, CORO_SHARED));
	EXPECT_EQ(0, coro_event_init(&s.go, CORO_SHARED));
	EXPECT_EQ(0, coro_queue_new(&s.queue, &opts));
	for (unsigned int i = 0; i < 9; i++)
		w[i] = start_on(i % 3, add_to, &s);
	EXPECT_EQ(0, coro_event_set(&s.go));
	for (long i = 1; i <= 180; i++)
		EXPECT_EQ(0, coro_queue_put(s.queue, (void *)i, CORO_NEVER));
	for (int i = 0; i < 9; i++)
		EXPECT_EQ(0, end_work(w[i]));
	EXPECT_EQ(180 * 181 / 2, s.sum);
	EXPECT_EQ(0, coro_queue_free(s.queue));
	EXPECT_EQ(0, coro_mutex_fini(&s.mutex));
	EXPECT_EQ(0, coro_event_fini(&s.go));
	return 0;
}

TEST_F(pool_move, shared_objects_are_used_across_loops)
{
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, run_pool(3, share, NULL));
}

static long export_one(void *arg)
{
	struct coro *c = coro_new(give_arg, arg);
	struct coro_handle *h = NULL;

	EXPECT_EQ(0, coro_export(c, CORO_RIGHT_JOIN, &h));
	EXPECT_EQ(0, coro_start(c));
	coro_put(c);
	return (long)h;
}

static long foreign_coroutine(void *arg)
{
	struct coro *c = arg;

	EXPECT_EQ(-EXDEV, coro_cancel(c));
	EXPECT_EQ(-EXDEV, coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER));
	return 0;
}

static long join_exported(void *arg)
{
	struct coro *c = coro_new(sleep_far, NULL);
	struct coro_handle *h;
	long value = POISON_LONG;

	h = (struct coro_handle *)end_work(start_on(1, export_one, arg));
	EXPECT_EQ(0, coro_handle_join(h, &value, CORO_NEVER));
	EXPECT_EQ((long)arg, value);
	coro_handle_put(h);
	/* Without one, coroutines are their loop's. */
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, end_work(start_on(1, foreign_coroutine, c)));
	coro_put(c);
	return 0;
}

TEST_F(pool_move, handles_are_joined_on_other_loops)
{
	EXPECT_EQ(0, run_pool(2, join_exported, (void *)11L));
}

/* Pinned work that is there for ever, as each gives the next. */
static struct {
	long links;
	bool passed;
} chain;

static long next_link(void *arg)
{
	const struct coro_work_opts here = on_loop(0);

	if (!chain.passed && chain.links++ < 100000)
		EXPECT_EQ(0, coro_work_start(NULL, coro_pool_self(), next_link,
					     arg, &here));
	return 0;
}

static long pass(void *arg)
{
	chain.passed = true;
	return (long)arg;
}

static long pass_the_chain(void *arg)
{
	struct coro_work *first = start_on(0, next_link, NULL);
	struct coro_work *other = start_work(pass, arg, NULL);

	EXPECT_EQ(0, end_work(other));
	EXPECT_EQ(0, end_work(first));
	return chain.links;
}

TEST_F(pool_move, pinned_work_keeps_no_other_waiting)
{
	EXPECT_GT(1000, run_pool(1, pass_the_chain, NULL));
}

TEST_HARNESS_MAIN
