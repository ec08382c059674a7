// SPDX-License-Identifier: MIT
/* The mailbox of a coroutine: in order, once, from any thread, and kept until it is read. */
#include "lib_common.h"

LIB_FIXTURE(mailbox)

/* What the portable backend has, and the module by default. */
enum { MAILBOX = 64 };

static long refuse_outside(void *arg)
{
	uint64_t value = POISON;

	EXPECT_EQ(-EPERM, coro_recv(&value, CORO_NEVER));
	EXPECT_EQ((uint64_t)POISON, value);
	return (long)arg;
}

TEST_F(mailbox, receiving_without_a_loop_is_refused)
{
	struct coro *c = coro_new(refuse_outside, (void *)3L);
	long value = POISON_LONG;

	EXPECT_EQ(3, refuse_outside((void *)3L));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
}

static long refuse_nothing(void *arg)
{
	EXPECT_EQ(-EINVAL, coro_recv(NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_wake(NULL, 1));
	return (long)arg;
}

TEST_F(mailbox, missing_arguments_are_refused)
{
	EXPECT_EQ(4, coro_run(refuse_nothing, (void *)4L));
}

static long read_what_came_before(void *arg)
{
	uint64_t value;
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_wake(coro_self(), (uint64_t)i - 1));
	for (i = 0; i < 3; i++) {
		value = POISON;
		EXPECT_EQ(0, coro_recv(&value, 0));
		EXPECT_EQ((uint64_t)i - 1, value);
	}
	value = POISON;
	EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, coro_after(SOON_NS)));
	EXPECT_EQ((uint64_t)POISON, value);
	return 0;
}

TEST_F(mailbox, messages_wait_for_their_reader_in_order)
{
	EXPECT_EQ(0, coro_run(read_what_came_before, NULL));
}

static long fill_it(void *arg)
{
	struct coro *self = coro_self();
	uint64_t value, i;

	(void)arg;
	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_wake(self, i));
	EXPECT_EQ(-EAGAIN, coro_wake(self, i));
	EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
	EXPECT_EQ((uint64_t)0, value);
	EXPECT_EQ(0, coro_wake(self, i));
	EXPECT_EQ(-EAGAIN, coro_wake(self, i));
	for (i = 1; i <= MAILBOX; i++) {
		EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
		EXPECT_EQ(i, value);
	}
	EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, 0));
	return 0;
}

TEST_F(mailbox, full_mailbox_refuses_until_its_reader_makes_room)
{
	EXPECT_EQ(0, coro_run(fill_it, NULL));
}

struct reader {
	struct coro *coro;
	struct coro_loop *loop;
	pthread_t thread;
	uint64_t value;
	int err;
	int next_err;
	int cancel;
};

static long read_one(void *arg)
{
	struct reader *r = arg;

	r->value = POISON;
	r->err = coro_recv(&r->value, CORO_NEVER);
	r->next_err = coro_sleep(0);
	return 0;
}

static long cancel_reader(void *arg)
{
	struct reader *r = arg;

	r->coro = coro_new(read_one, r);
	EXPECT_EQ(0, coro_start(r->coro));
	settle(r->coro, CORO_AWAITS_MESSAGE);
	EXPECT_EQ(CORO_AWAITS_MESSAGE, coro_awaits(r->coro, NULL));
	EXPECT_EQ(0, coro_cancel(r->coro));
	EXPECT_EQ(0, coro_await(r->coro));
	EXPECT_EQ(-ECANCELED, r->err);
	EXPECT_EQ(-ECANCELED, r->next_err);
	EXPECT_EQ((uint64_t)POISON, r->value);
	return 0;
}

/* TSK-12 */
TEST_F(mailbox, cancel_ends_the_wait_and_takes_nothing)
{
	struct reader r = { .err = 1 };

	EXPECT_EQ(0, coro_run(cancel_reader, &r));
}

static long cancel_after_the_message(void *arg)
{
	struct reader *r = arg;

	r->coro = coro_new(read_one, r);
	EXPECT_EQ(0, coro_start(r->coro));
	settle(r->coro, CORO_AWAITS_MESSAGE);
	EXPECT_EQ(0, coro_wake(r->coro, 11));
	EXPECT_EQ(0, coro_cancel(r->coro));
	EXPECT_EQ(0, coro_await(r->coro));
	EXPECT_EQ(0, r->err);
	EXPECT_EQ((uint64_t)11, r->value);
	EXPECT_EQ(-ECANCELED, r->next_err);
	return 0;
}

/* TSK-17 */
TEST_F(mailbox, message_that_was_there_beats_a_cancel)
{
	struct reader r = { .err = 1 };

	EXPECT_EQ(0, coro_run(cancel_after_the_message, &r));
}

static long read_many(void *arg)
{
	struct reader *r = arg;
	uint64_t value;
	int err;

	while ((err = coro_recv(&value, CORO_NEVER)) == 0)
		r->value += value;
	r->err = err;
	return 0;
}

static long cancel_among_messages(void *arg)
{
	uint64_t sent = 0, left = 0;
	int i, k;

	(void)arg;
	for (i = 0; i < 200; i++) {
		struct reader r = { .value = 0 };

		r.coro = coro_new(read_many, &r);
		EXPECT_EQ(0, coro_start(r.coro));
		settle(r.coro, CORO_AWAITS_MESSAGE);
		for (k = 0; k < i % 7; k++)
			sent += !coro_wake(r.coro, 1);
		EXPECT_EQ(0, coro_cancel(r.coro));
		EXPECT_EQ(0, coro_await(coro_get(r.coro)));
		EXPECT_EQ(-ECANCELED, r.err);
		left += r.value;
		EXPECT_EQ(-EPIPE, coro_wake(r.coro, 1));
		coro_put(r.coro);
	}
	EXPECT_TRUE(left <= sent);
	return 0;
}

TEST_F(mailbox, cancels_and_messages_can_cross)
{
	EXPECT_EQ(0, coro_run(cancel_among_messages, NULL));
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long wake_the_dead(void *arg)
{
	struct coro *c = coro_new(give_arg, arg);

	EXPECT_EQ(0, coro_wake(c, 1));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_wake(c, 2));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(-EPIPE, coro_wake(c, 3));
	EXPECT_EQ(6, coro_await(c));
	return 0;
}

TEST_F(mailbox, ended_coroutine_takes_no_message)
{
	EXPECT_EQ(0, coro_run(wake_the_dead, (void *)6L));
}

static long find_nothing(void *arg)
{
	uint64_t value;

	(void)arg;
	return coro_recv(&value, 0);
}

static long leave_messages(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 100; i++) {
		struct coro *c = coro_new(give_arg, NULL);

		EXPECT_EQ(0, coro_wake(c, 1));
		coro_put(c);
		c = coro_new(find_nothing, NULL);
		EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(-ETIMEDOUT, coro_await(c));
	}
	return 0;
}

TEST_F(mailbox, nobody_inherits_the_messages_of_another)
{
	EXPECT_EQ(0, coro_run(leave_messages, NULL));
}

static void *wake_later(void *arg)
{
	struct reader *r = arg;
	const struct timespec ts = { .tv_nsec = SOON_NS };

	nanosleep(&ts, NULL);
	r->cancel = coro_wake(r->coro, 77);
	return NULL;
}

static long wait_for_a_thread(void *arg)
{
	struct reader *r = arg;

	r->coro = coro_self();
	if (pthread_create(&r->thread, NULL, wake_later, r))
		return -EPROTO;
	return coro_recv(&r->value, CORO_NEVER);
}

/* DIA-20 */
TEST_F(mailbox, message_of_a_thread_wakes_a_loop_that_sleeps)
{
	struct reader r = { .cancel = 1 };

	EXPECT_EQ(0, coro_run(wait_for_a_thread, &r));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(0, r.cancel);
	EXPECT_EQ((uint64_t)77, r.value);
}

enum { SENDERS = 4, EACH = 5000 };

struct sender {
	struct coro *to;
	pthread_t thread;
	uint64_t nr;
	int err;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;
	uint64_t i;

	for (i = 0; i < EACH; i++) {
		do {
			s->err = coro_wake(s->to, s->nr << 32 | i);
			if (s->err == -EAGAIN)
				sched_yield();
		} while (s->err == -EAGAIN);
		if (s->err)
			break;
	}
	return NULL;
}

static long receive_all(void *arg)
{
	struct sender *s = arg;
	uint64_t next[SENDERS] = { 0 };
	uint64_t value;
	int i;

	for (i = 0; i < SENDERS; i++) {
		s[i].to = coro_self();
		s[i].nr = (uint64_t)i;
		if (pthread_create(&s[i].thread, NULL, send_all, &s[i]))
			return -EPROTO;
	}
	for (i = 0; i < SENDERS * EACH; i++) {
		if (coro_recv(&value, coro_after(FAR_NS)))
			return -EPROTO;
		if ((value & UINT32_MAX) != next[value >> 32]++)
			return -EILSEQ;
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(s[i].thread, NULL);
	return coro_recv(&value, 0);
}

TEST_F(mailbox, messages_of_four_threads_come_once_and_in_order)
{
	struct sender s[SENDERS] = { { .err = 0 } };
	int i;

	EXPECT_EQ(-ETIMEDOUT, coro_run(receive_all, s));
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, s[i].err);
}

static long read_within(void *arg)
{
	struct reader *r = arg;
	struct coro *inner = coro_new(read_one, r);

	r->coro = inner;
	return coro_await(inner);
}

static long wake_an_awaited_one(void *arg)
{
	struct reader *r = arg;
	struct coro *outer = coro_new(read_within, r);
	uint64_t value;

	EXPECT_EQ(0, coro_start(outer));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_wake(outer, 5));
	EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, coro_after(SOON_NS)));
	EXPECT_EQ((uint64_t)POISON, r->value);
	EXPECT_EQ(0, coro_wake(r->coro, 6));
	EXPECT_EQ(0, coro_await(outer));
	EXPECT_EQ((uint64_t)6, r->value);
	return 0;
}

TEST_F(mailbox, each_coroutine_reads_its_own)
{
	struct reader r = { .err = 1 };

	EXPECT_EQ(0, coro_run(wake_an_awaited_one, &r));
}

static long leave_a_reader(void *arg)
{
	struct reader *r = arg;

	EXPECT_EQ(0, coro_spawn(read_one, r));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return 5;
}

/* LOP-12 */
TEST_F(mailbox, reader_that_is_left_over_is_cancelled)
{
	struct reader r = { .err = 1 };

	EXPECT_EQ(5, coro_run(leave_a_reader, &r));
	EXPECT_EQ(-ECANCELED, r.err);
}

static long read_at_the_deadline(void *arg)
{
	struct reader *r = arg;
	uint64_t value;
	int i, err;

	(void)r;
	for (i = 0; i < 50; i++) {
		struct reader w = { .coro = coro_self() };
		int got = 0;

		EXPECT_EQ(0, coro_wake(w.coro, (uint64_t)i));
		err = coro_recv(&value, coro_after(i * 20 * CORO_USEC));
		got += !err;
		err = coro_recv(&value, coro_after(i * 20 * CORO_USEC));
		got += !err;
		EXPECT_EQ(1, got);
		EXPECT_EQ((uint64_t)i, value);
	}
	return 0;
}

/* TMO-17 */
TEST_F(mailbox, deadline_takes_no_message_away)
{
	EXPECT_EQ(0, coro_run(read_at_the_deadline, NULL));
}

TEST_HARNESS_MAIN
