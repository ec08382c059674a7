// SPDX-License-Identifier: MIT
/* Work that a thread hands to another's loop: its result, its failure, its cancel. */
#include <semaphore.h>

#include "lib_common.h"

LIB_FIXTURE(work)

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

/* A thread whose loop does what others hand in. */
struct office {
	pthread_t thread;
	sem_t ready;
	struct coro_loop *loop;
	struct coro *main;
	long ret;
};

/* Handed in by coro_call_soon(); @done is passed when @handle or @err is there. */
struct order {
	long (*fn)(void *arg);
	void *arg;
	struct coro *coro;
	struct coro_handle *handle;
	sem_t done;
	pthread_t ran_in;
	int err;
};

static long serve(void *arg)
{
	struct office *o = arg;

	o->main = coro_self();
	o->loop = coro_loop_get(coro_loop_self());
	sem_post(&o->ready);
	return coro_sleep_until(CORO_NEVER);
}

static void *office_main(void *arg)
{
	struct office *o = arg;

	o->ret = coro_run(serve, o);
	return NULL;
}

static void office_open(struct office *o)
{
	sem_init(&o->ready, 0, 0);
	EXPECT_EQ(0, pthread_create(&o->thread, NULL, office_main, o));
	EXPECT_EQ(0, sem_wait(&o->ready));
}

static void close_up(void *arg)
{
	struct office *o = arg;

	EXPECT_EQ(0, coro_cancel(o->main));
}

static void office_close(struct office *o)
{
	EXPECT_EQ(0, coro_call_soon(o->loop, close_up, o));
	coro_loop_put(o->loop);
	pthread_join(o->thread, NULL);
	EXPECT_EQ(-ECANCELED, o->ret);
}

static void take_order(void *arg)
{
	struct order *o = arg;

	o->ran_in = pthread_self();
	o->err = coro_spawn_opts(&o->coro, o->fn, o->arg, NULL);
	if (!o->err)
		o->err = coro_export(o->coro, ALL_RIGHTS, &o->handle);
	sem_post(&o->done);
}

static void drop_order(void *arg)
{
	struct order *o = arg;

	coro_put(o->coro);
	sem_post(&o->done);
}

static void order_give(struct office *office, struct order *o)
{
	sem_init(&o->done, 0, 0);
	EXPECT_EQ(0, coro_call_soon(office->loop, take_order, o));
	EXPECT_EQ(0, sem_wait(&o->done));
}

/* The reference goes back where it was taken. */
static void order_end(struct office *office, struct order *o)
{
	coro_handle_put(o->handle);
	EXPECT_EQ(0, coro_call_soon(office->loop, drop_order, o));
	EXPECT_EQ(0, sem_wait(&o->done));
}

static long sleep_and_give(void *arg)
{
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return (long)arg;
}

static long have_it_done(void *arg)
{
	struct office *office = arg;
	const long results[] = { 7, -EIO, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		struct order o = { .fn = sleep_and_give,
				   .arg = (void *)results[i] };
		long value = POISON_LONG;

		order_give(office, &o);
		EXPECT_EQ(0, o.err);
		EXPECT_TRUE(pthread_equal(office->thread, o.ran_in));
		EXPECT_EQ(0, coro_handle_join(o.handle, &value, CORO_NEVER));
		EXPECT_EQ(results[i], value);
		order_end(office, &o);
	}
	return 0;
}

/* THR-04 */
TEST_F(work, result_and_failure_reach_the_thread_that_handed_it_in)
{
	struct office office = { .ret = 1 };

	office_open(&office);
	EXPECT_EQ(0, coro_run(have_it_done, &office));
	office_close(&office);
}

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static long give_up_then_cancel(void *arg)
{
	struct office *office = arg;
	struct order o = { .fn = sleep_far };
	long value = POISON_LONG;

	order_give(office, &o);
	EXPECT_EQ(-ETIMEDOUT,
		  coro_handle_join(o.handle, &value, coro_after(SOON_NS)));
	EXPECT_EQ(POISON_LONG, value);
	/* It goes on there: it can still be cancelled, and then has ended. */
	EXPECT_EQ(0, coro_handle_cancel(o.handle, 1));
	EXPECT_EQ(0, coro_handle_join(o.handle, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, value);
	EXPECT_EQ(-ESRCH, coro_handle_cancel(o.handle, 1));
	order_end(office, &o);
	return 0;
}

/* THR-05 */
TEST_F(work, deadline_is_the_threads_alone_and_a_cancel_reaches_the_work)
{
	struct office office = { .ret = 1 };

	office_open(&office);
	EXPECT_EQ(0, coro_run(give_up_then_cancel, &office));
	office_close(&office);
}

static void cancel_order(void *arg)
{
	struct order *o = arg;

	EXPECT_EQ(0, coro_cancel(o->coro));
}

static long see_it_cancelled(void *arg)
{
	struct office *office = arg;
	struct order o = { .fn = sleep_far };
	long value = POISON_LONG;

	order_give(office, &o);
	EXPECT_EQ(0, coro_call_soon(office->loop, cancel_order, &o));
	EXPECT_EQ(0, coro_handle_join(o.handle, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, value);
	order_end(office, &o);
	return 0;
}

/* THR-06 */
TEST_F(work, cancel_on_its_loop_is_seen_by_the_thread)
{
	struct office office = { .ret = 1 };

	office_open(&office);
	EXPECT_EQ(0, coro_run(see_it_cancelled, &office));
	office_close(&office);
}

/* THR-07 */
TEST_F(work, thread_is_told_what_could_not_be_started)
{
	struct office office = { .ret = 1 };
	struct order o = { .fn = NULL, .err = 1 };

	office_open(&office);
	order_give(&office, &o);
	EXPECT_EQ(-EINVAL, o.err);
	EXPECT_EQ(NULL, o.handle);
	office_close(&office);
}

/* THR-07, LOP-11 */
TEST_F(work, ended_loop_takes_no_work)
{
	struct office office = { .ret = 1 };
	struct order o = { .fn = sleep_far };
	struct coro_loop *loop;

	office_open(&office);
	loop = coro_loop_get(office.loop);
	office_close(&office);
	EXPECT_EQ(-EPIPE, coro_call_soon(loop, take_order, &o));
	EXPECT_EQ(NULL, o.coro);
	coro_loop_put(loop);
}

static long end_with_work(void *arg)
{
	struct office *office = arg;
	struct order o = { .fn = sleep_far };
	long value = POISON_LONG;

	order_give(office, &o);
	EXPECT_EQ(0, coro_call_soon(office->loop, close_up, office));
	EXPECT_EQ(0, coro_handle_join(o.handle, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, value);
	coro_handle_put(o.handle);
	coro_loop_put(office->loop);
	pthread_join(office->thread, NULL);
	EXPECT_EQ(-ECANCELED, office->ret);
	coro_put(o.coro);
	return 0;
}

/* THR-06, LOP-12 */
TEST_F(work, end_of_the_loop_cancels_the_work_and_tells)
{
	struct office office = { .ret = 1 };

	office_open(&office);
	EXPECT_EQ(0, coro_run(end_with_work, &office));
}

TEST_HARNESS_MAIN
