// SPDX-License-Identifier: GPL-2.0
/* Receiving through a handle, and contexts whose messages wait for that. */
#include <sys/uio.h>

#include "handle.h"
#include "kselftest_harness.h"

#define DEPTH 4U

FIXTURE(recv)
{
	struct sched s;
	__u64 id, other;
	int hnd;
};

FIXTURE_VARIANT(recv)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(recv, shared){
	.flags = 0,
};

FIXTURE_VARIANT_ADD(recv, direct){
	.flags = CORO_ALLOC_F_DIRECT,
};

FIXTURE_SETUP(recv)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, variant->flags));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->other, 0));
	self->hnd = ctx_export(self->s.fd, self->id, RECV | SEND, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(recv)
{
	close(self->hnd);
	sched_free(&self->s);
}

/* The next message of the handle's context. */
static long take(FIXTURE_DATA(recv) * self)
{
	return event_take(self->hnd, self->id, CORO_EVENT_MESSAGE);
}

TEST_F(recv, only_messages_of_its_own_context_come_out)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 2));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 3));
	ASSERT_EQ(0, set_nonblock(self->hnd));
	EXPECT_EQ(2, take(self));
	EXPECT_EQ(-EAGAIN, take(self));
	EXPECT_EQ(1, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
	EXPECT_EQ(3, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
	EXPECT_EQ(-EAGAIN,
		  event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(recv, messages_come_out_in_order_and_no_more_than_fit)
{
	struct coro_event events[3];
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, hnd_send(self->hnd, i));
	ASSERT_EQ(3, event_read(self->hnd, events, 3));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(self->id, events[i].id);
		EXPECT_EQ(CORO_EVENT_MESSAGE, events[i].kind);
		EXPECT_EQ(0U, events[i].reserved);
		EXPECT_EQ(i, events[i].value);
	}
	ASSERT_EQ(1, event_read(self->hnd, events, 3));
	EXPECT_EQ(3ULL, events[0].value);
	EXPECT_EQ(POISON64, events[1].value);
}

TEST_F(recv, a_buffer_that_holds_no_event_is_refused)
{
	char buf[2 * sizeof(struct coro_event)];

	EXPECT_EQ(-EINVAL, sys(read(self->hnd, buf, 1)));
	EXPECT_EQ(-EINVAL, sys(read(self->hnd, buf, 23)));
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	EXPECT_EQ(-EINVAL, sys(read(self->hnd, buf, 23)));
	ASSERT_EQ(0, hnd_send(self->hnd, 2));
	EXPECT_EQ(24, sys(read(self->hnd, buf, 47)));
	EXPECT_EQ(2, take(self));
}

TEST_F(recv, a_bad_buffer_loses_nothing)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	EXPECT_EQ(-EFAULT, sys(syscall(SYS_read, self->hnd, 8UL, 48UL)));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, take(self));
}

TEST_F(recv, a_buffer_that_ends_in_a_hole_loses_nothing)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct coro_event *buf = (struct coro_event *)(page + PAGE - 60);
	long n, i;

	ASSERT_NE(MAP_FAILED, (void *)page);
	ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_NONE));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, hnd_send(self->hnd, i));
	n = sys(read(self->hnd, buf, DEPTH * sizeof(*buf)));
	EXPECT_EQ(2 * (long)sizeof(*buf), n);
	n = n < 0 ? 0 : n / (long)sizeof(*buf);
	for (i = 0; i < n; i++)
		EXPECT_EQ(i, buf[i].value);
	for (; i < DEPTH; i++)
		EXPECT_EQ(i, take(self));
}

TEST_F(recv, an_empty_one_would_block)
{
	struct coro_event event;
	struct iovec iov = { &event, sizeof(event) };

	EXPECT_EQ(-EAGAIN, sys(preadv2(self->hnd, &iov, 1, -1, RWF_NOWAIT)));
	ASSERT_EQ(0, set_nonblock(self->hnd));
	EXPECT_EQ(-EAGAIN, take(self));
	/* What others have does not change that. */
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 1));
	EXPECT_EQ(-EAGAIN, take(self));
}

TEST_F(recv, a_message_ends_a_blocked_read)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 6));
	EXPECT_EQ(6, waiter_end(&w));
}

TEST_F(recv, a_message_for_another_does_not_end_a_blocked_read)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 5));
	EXPECT_TRUE(wait_asleep(getpid(), w.tid));
	EXPECT_EQ(5, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 6));
	EXPECT_EQ(6, waiter_end(&w));
}

TEST_F(recv, two_messages_end_two_blocked_reads)
{
	struct coro_wake wakes[2] = { { self->id, 1 }, { self->id, 2 } };
	struct waiter w[2] = { 0 };

	ASSERT_EQ(0, waiter_start(&w[0], wait_recv, self->hnd));
	ASSERT_EQ(0, waiter_start(&w[1], wait_recv, self->hnd));
	ASSERT_EQ(2, ctx_wake_many(self->s.fd, wakes, 2));
	EXPECT_EQ(3, waiter_end(&w[0]) + waiter_end(&w[1]));
}

TEST_F(recv, a_signal_interrupts_a_blocked_read)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	EXPECT_EQ(-EINTR, waiter_interrupt(&w));
}

TEST_F(recv, after_the_end_messages_come_first_and_then_epipe)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	ASSERT_EQ(0, hnd_send(self->hnd, 2));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 9));
	EXPECT_EQ(1, take(self));
	EXPECT_EQ(2, take(self));
	EXPECT_EQ(-EPIPE, take(self));
	EXPECT_EQ(-EPIPE, take(self));
}

TEST_F(recv, the_end_ends_a_blocked_read)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 9));
	EXPECT_EQ(-EPIPE, waiter_end(&w));
}

TEST_F(recv, free_drops_what_is_unread_and_ends_a_blocked_read)
{
	struct waiter w = { 0 };
	__u64 next;

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-ESTALE, waiter_end(&w));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, variant->flags));
	ASSERT_EQ(CORO_INDEX(self->id), CORO_INDEX(next));
	ASSERT_EQ(0, ctx_wake(self->s.fd, next, 1));
	EXPECT_EQ(-ESTALE, take(self));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	ASSERT_EQ(1, ctx_free(self->s.fd, &next, 1, 0));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
}

TEST_F(recv, death_ends_a_blocked_read)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->hnd));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, waiter_end(&w));
	EXPECT_EQ(-EOWNERDEAD, take(self));
}

TEST_F(recv, a_message_that_was_taken_makes_room)
{
	struct waiter w = { .value = 55 };
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, hnd_send(self->hnd, i));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->id, 99));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(0, waiter_end(&w));
	for (i = 1; i < DEPTH; i++)
		EXPECT_EQ(i, take(self));
	EXPECT_EQ(55, take(self));
}

TEST_F(recv, the_figures_count_what_was_taken)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	ASSERT_EQ(0, hnd_send(self->hnd, 2));
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, take(self));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(2, take(self));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(2, STAT(self->s.fd, events_total));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
}

TEST_F(recv, requests_to_cancel_are_for_the_scheduler_only)
{
	ASSERT_EQ(0, set_nonblock(self->hnd));
	ASSERT_EQ(0, ctx_cancel(self->s.fd, self->id, 7));
	EXPECT_EQ(0, hnd_poll(self->hnd) & POLLIN);
	EXPECT_EQ(-EAGAIN, take(self));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 8));
	EXPECT_EQ(8, take(self));
	EXPECT_EQ(-EAGAIN, take(self));
	EXPECT_EQ(7, event_take(self->s.fd, self->id, CORO_EVENT_CANCEL));
}

static long take_as_stranger(void *arg)
{
	return -(take(arg) != 1);
}

TEST_F(recv, whoever_holds_the_handle_may_receive)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	EXPECT_EQ(0, in_child(take_as_stranger, self));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

#define PER_SENDER 1000
#define SENDERS 2
#define READERS 3

struct traffic {
	pthread_t thread;
	int fd;
	unsigned int me;
	char *seen; /* one per message */
	long count, errors;
};

static void *send_all(void *arg)
{
	struct traffic *t = arg;
	unsigned int i;

	for (i = 0; i < PER_SENDER; i++)
		t->errors += hnd_send(t->fd, t->me * PER_SENDER + i) != 0;
	return NULL;
}

static bool seen_before(struct traffic *t, __u64 value)
{
	return __atomic_exchange_n(&t->seen[value], 1, __ATOMIC_SEQ_CST);
}

static void *read_all(void *arg)
{
	struct traffic *t = arg;
	struct coro_event events[3];
	long n, i;

	while ((n = event_read(t->fd, events, 3)) > 0) {
		for (i = 0; i < n; i++)
			t->errors += seen_before(t, events[i].value);
		t->count += n;
	}
	t->errors += n != -EPIPE;
	return NULL;
}

TEST_F(recv, many_readers_take_each_message_once_and_all_see_the_end)
{
	static char seen[SENDERS * PER_SENDER];
	struct traffic send[SENDERS] = { 0 }, recv[READERS] = { 0 };
	long count = 0;
	int i;

	for (i = 0; i < READERS; i++) {
		recv[i].seen = seen;
		recv[i].fd = ctx_export(self->hnd, 0, RECV, 0);
		ASSERT_EQ(0, pthread_create(&recv[i].thread, NULL, read_all,
					    &recv[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		send[i].me = i;
		send[i].fd = self->hnd;
		ASSERT_EQ(0, pthread_create(&send[i].thread, NULL, send_all,
					    &send[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		pthread_join(send[i].thread, NULL);
		EXPECT_EQ(0, send[i].errors);
	}
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 0));
	for (i = 0; i < READERS; i++) {
		pthread_join(recv[i].thread, NULL);
		EXPECT_EQ(0, recv[i].errors);
		count += recv[i].count;
	}
	EXPECT_EQ(SENDERS * PER_SENDER, count);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

/* What only a context has whose messages wait for its own reader. */
FIXTURE(direct)
{
	struct sched s;
	__u64 id, other;
	int hnd;
};

FIXTURE_SETUP(direct)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, CORO_ALLOC_F_DIRECT));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->other, 0));
	self->hnd = ctx_export(self->s.fd, self->id, RECV, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(direct)
{
	close(self->hnd);
	sched_free(&self->s);
}

TEST_F(direct, its_messages_do_not_come_out_of_read)
{
	struct coro_event events[4];

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, events, 4));
	EXPECT_EQ(0, poll_now(self->s.fd) & POLLIN);
	EXPECT_EQ(0ULL, self->s.header->events_pending);
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 2));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, event_read(self->s.fd, events, 4));
	EXPECT_EQ(self->other, events[0].id);
	EXPECT_EQ(1, event_take(self->hnd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(direct, a_full_mailbox_stays_full_until_its_own_reader_makes_room)
{
	struct coro_event events[4];
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, i));
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, events, 4));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->id, 9));
	EXPECT_EQ(0, event_take(self->hnd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->id, 9));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->id, 9));
}

TEST_F(direct, requests_to_cancel_come_out_of_read_all_the_same)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	ASSERT_EQ(0, ctx_cancel(self->s.fd, self->id, 77));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(POLLIN, poll_now(self->s.fd) & POLLIN);
	EXPECT_EQ(77, event_take(self->s.fd, self->id, CORO_EVENT_CANCEL));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
	EXPECT_EQ(-EAGAIN, event_take(self->s.fd, self->id, CORO_EVENT_CANCEL));
	EXPECT_EQ(1, event_take(self->hnd, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(direct, a_message_does_not_end_a_blocked_read_of_the_scheduler)
{
	struct waiter w = { 0 };
	int fd = self->s.fd;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	ASSERT_EQ(0, waiter_start(&w, wait_recv, fd));
	ASSERT_EQ(0, ctx_wake(fd, self->id, 1));
	EXPECT_TRUE(wait_asleep(getpid(), w.tid));
	ASSERT_EQ(0, ctx_wake(fd, self->other, 2));
	EXPECT_EQ(2, waiter_end(&w));
}

TEST_F(direct, free_drops_its_messages)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 2));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(2, STAT(self->s.fd, events_total));
}

TEST_F(direct, the_next_life_is_what_its_own_alloc_says)
{
	__u64 next;

	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	ASSERT_EQ(CORO_INDEX(self->id), CORO_INDEX(next));
	ASSERT_EQ(0, ctx_wake(self->s.fd, next, 3));
	EXPECT_EQ(3, event_take(self->s.fd, next, CORO_EVENT_MESSAGE));
}

TEST_HARNESS_MAIN
