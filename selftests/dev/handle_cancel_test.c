// SPDX-License-Identifier: GPL-2.0
/* Requests to cancel: the scheduler gets one event, whatever the mailbox holds. */
#include "handle.h"
#include "kselftest_harness.h"

#define DEPTH 4U

FIXTURE(cancel)
{
	struct sched s;
	__u64 ids[4];
	int hnd;
};

FIXTURE_VARIANT(cancel)
{
	bool through_handle;
};

FIXTURE_VARIANT_ADD(cancel, scheduler){
	.through_handle = false,
};

FIXTURE_VARIANT_ADD(cancel, handle){
	.through_handle = true,
};

FIXTURE_SETUP(cancel)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
	self->hnd = ctx_export(self->s.fd, self->ids[0], CANCEL, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(cancel)
{
	close(self->hnd);
	sched_free(&self->s);
}

static long cancel(const FIXTURE_DATA(cancel) * self,
		   const FIXTURE_VARIANT(cancel) * v, __u64 value)
{
	if (v->through_handle)
		return ctx_cancel(self->hnd, 0, value);
	return ctx_cancel(self->s.fd, self->ids[0], value);
}

TEST_F(cancel, the_scheduler_gets_an_event_with_the_reason)
{
	struct coro_event event;

	ASSERT_EQ(0, cancel(self, variant, 0xfedcba9876543210ULL));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	EXPECT_EQ(POLLIN, poll_now(self->s.fd) & POLLIN);
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(self->ids[0], event.id);
	EXPECT_EQ(CORO_EVENT_CANCEL, event.kind);
	EXPECT_EQ(0U, event.reserved);
	EXPECT_EQ(0xfedcba9876543210ULL, event.value);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
	EXPECT_EQ(0, poll_now(self->s.fd) & POLLIN);
}

TEST_F(cancel, while_one_is_unread_others_change_nothing)
{
	ASSERT_EQ(0, cancel(self, variant, 1));
	EXPECT_EQ(0, cancel(self, variant, 2));
	EXPECT_EQ(0, ctx_cancel(self->s.fd, self->ids[0], 3));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, event_take(self->s.fd, self->ids[0], CORO_EVENT_CANCEL));
	EXPECT_EQ(-EAGAIN,
		  event_take(self->s.fd, self->ids[0], CORO_EVENT_CANCEL));
}

TEST_F(cancel, after_it_was_read_another_can_come)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, cancel(self, variant, i));
		EXPECT_EQ(i, event_take(self->s.fd, self->ids[0],
					CORO_EVENT_CANCEL));
	}
}

TEST_F(cancel, each_context_has_its_own)
{
	ASSERT_EQ(0, cancel(self, variant, 1));
	EXPECT_EQ(0, ctx_cancel(self->s.fd, self->ids[1], 2));
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, event_take(self->s.fd, self->ids[0], CORO_EVENT_CANCEL));
	EXPECT_EQ(2, event_take(self->s.fd, self->ids[1], CORO_EVENT_CANCEL));
}

TEST_F(cancel, a_full_mailbox_is_no_hindrance)
{
	struct coro_event events[DEPTH + 2];
	unsigned int i, cancels = 0;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], i));
	EXPECT_EQ(0, cancel(self, variant, 5));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->ids[0], 9));
	ASSERT_EQ(DEPTH + 1, event_read(self->s.fd, events, DEPTH + 2));
	for (i = 0; i < DEPTH + 1; i++)
		cancels += events[i].kind == CORO_EVENT_CANCEL;
	EXPECT_EQ(1U, cancels);
}

TEST_F(cancel, it_takes_no_room_in_the_mailbox)
{
	unsigned int i;

	ASSERT_EQ(0, cancel(self, variant, 5));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], i));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->ids[0], 9));
}

TEST_F(cancel, it_ends_a_blocked_read_of_the_owner)
{
	struct waiter w = { 0 };
	int fd = self->s.fd;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	ASSERT_EQ(0, waiter_start(&w, wait_recv, fd));
	ASSERT_EQ(0, cancel(self, variant, 61));
	EXPECT_EQ(61, waiter_end(&w));
}

TEST_F(cancel, one_that_has_ended_is_esrch)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 0));
	EXPECT_EQ(-ESRCH, cancel(self, variant, 5));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(cancel, one_that_was_freed_is_stale)
{
	__u64 next;

	ASSERT_EQ(0, cancel(self, variant, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
	EXPECT_EQ(-ESTALE, cancel(self, variant, 5));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	ASSERT_EQ(CORO_INDEX(self->ids[0]), CORO_INDEX(next));
	EXPECT_EQ(-ESTALE, cancel(self, variant, 5));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
	/* The next life has its own. */
	EXPECT_EQ(0, ctx_cancel(self->s.fd, next, 6));
	EXPECT_EQ(6, event_take(self->s.fd, next, CORO_EVENT_CANCEL));
}

TEST_F(cancel, one_that_ended_and_was_freed_is_refused)
{
	long ret;

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 0));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	ret = cancel(self, variant, 5);
	EXPECT_TRUE(ret == -ESTALE || ret == -ESRCH);
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(cancel, the_dead_cannot_be_cancelled)
{
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, cancel(self, variant, 5));
}

TEST_F(cancel, ids_of_no_context_are_refused)
{
	int fd = self->s.fd;

	EXPECT_EQ(-ENOENT, ctx_cancel(fd, 7 | 1ULL << 32, 1));
	EXPECT_EQ(-ESTALE, ctx_cancel(fd, self->ids[0] + (1ULL << 32), 1));
	EXPECT_EQ(-ESTALE, ctx_cancel(fd, 0, 1));
	EXPECT_EQ(0, STAT(fd, events_total));
}

#define THREADS 4
#define ROUNDS 200

struct crowd {
	pthread_t thread;
	pthread_barrier_t *start;
	int fd;
	long errors;
};

static void *cancel_at_once(void *arg)
{
	struct crowd *c = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(c->start);
		c->errors += ctx_cancel(c->fd, 0, i) != 0;
		pthread_barrier_wait(c->start);
	}
	return NULL;
}

TEST(of_many_requests_at_once_one_event_comes)
{
	struct crowd c[THREADS] = { 0 };
	pthread_barrier_t start;
	long bad = 0;
	struct sched s;
	__u64 id;
	int i;

	pthread_barrier_init(&start, NULL, THREADS + 1);
	ASSERT_EQ(0, sched_new(&s, 8, 8, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(s.fd));
	ASSERT_EQ(0, ctx_alloc_one(s.fd, &id, 0));
	for (i = 0; i < THREADS; i++) {
		c[i].start = &start;
		c[i].fd = ctx_export(s.fd, id, CANCEL, 0);
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, cancel_at_once,
					    &c[i]));
	}
	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&start);
		bad += event_take(s.fd, id, CORO_EVENT_CANCEL) != i;
		bad += event_take(s.fd, id, CORO_EVENT_CANCEL) != -EAGAIN;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].errors);
	}
	EXPECT_EQ(0, bad);
	sched_free(&s);
}

TEST_HARNESS_MAIN
