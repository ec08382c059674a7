// SPDX-License-Identifier: GPL-2.0
/* Sending through a handle: every number of a write is one message, or was refused. */
#include <sys/uio.h>

#include "handle.h"
#include "kselftest_harness.h"

#define DEPTH 4U

FIXTURE(send)
{
	struct sched s;
	__u64 id, other;
	int hnd;
};

FIXTURE_SETUP(send)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->other, 0));
	self->hnd = ctx_export(self->s.fd, self->id, SEND, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(send)
{
	close(self->hnd);
	sched_free(&self->s);
}

/* The next message of the context under test. */
static long take(FIXTURE_DATA(send) * self)
{
	return event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE);
}

/* Fill the mailbox with 100, 101 ... */
static int fill(FIXTURE_DATA(send) * self)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		MUST(0, ctx_wake(self->s.fd, self->id, 100 + i));
	return 0;
}

TEST_F(send, a_number_is_a_message)
{
	struct coro_event event;

	ASSERT_EQ(0, hnd_send(self->hnd, 0xfedcba9876543210ULL));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(self->id, event.id);
	EXPECT_EQ(CORO_EVENT_MESSAGE, event.kind);
	EXPECT_EQ(0U, event.reserved);
	EXPECT_EQ(0xfedcba9876543210ULL, event.value);
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, &event, 1));
}

TEST_F(send, several_numbers_are_messages_in_their_order)
{
	static const __u64 values[] = { 3, 1, UINT64_MAX, 0 };
	struct coro_event events[8];
	unsigned int i;

	ASSERT_EQ(4, hnd_send_many(self->hnd, values, 4));
	ASSERT_EQ(4, event_read(self->s.fd, events, 8));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(self->id, events[i].id);
		EXPECT_EQ(values[i], events[i].value);
	}
}

TEST_F(send, handles_and_wake_share_one_mailbox)
{
	int second = ctx_export(self->hnd, 0, SEND, CORO_EXPORT_F_NONBLOCK);
	unsigned int i;

	ASSERT_LE(0, second);
	ASSERT_EQ(0, hnd_send(self->hnd, 0));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	ASSERT_EQ(0, hnd_send(second, 2));
	ASSERT_EQ(0, hnd_send(self->hnd, 3));
	EXPECT_EQ(-EAGAIN, hnd_send(second, 4));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->id, 4));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i, take(self));
}

TEST_F(send, a_number_may_be_split_over_buffers)
{
	__u64 values[2] = { 0x1122334455667788ULL, 7 };
	struct iovec iov[3] = { { values, 5 },
				{ (char *)values + 5, 4 },
				{ (char *)values + 9, 7 } };

	ASSERT_EQ(16, sys(writev(self->hnd, iov, 3)));
	EXPECT_EQ(0x1122334455667788LL, take(self));
	EXPECT_EQ(7, take(self));
}

TEST_F(send, what_is_no_multiple_of_a_number_is_refused)
{
	static const char bytes[8 * DEPTH + 8];
	size_t len;

	for (len = 1; len < sizeof(bytes); len++) {
		if (len % 8 == 0)
			continue;
		EXPECT_EQ(-EINVAL, sys(write(self->hnd, bytes, len)))
		{
			TH_LOG("%zu bytes", len);
		}
	}
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(send, nothing_is_sent_at_once_even_to_a_full_mailbox)
{
	__u64 value = 1;

	EXPECT_EQ(0, sys(write(self->hnd, &value, 0)));
	ASSERT_EQ(0, fill(self));
	EXPECT_EQ(0, sys(write(self->hnd, &value, 0)));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(send, a_full_mailbox_would_block)
{
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, set_nonblock(self->hnd));
	EXPECT_EQ(-EAGAIN, hnd_send(self->hnd, 1));
	EXPECT_EQ(100, take(self));
	EXPECT_EQ(0, hnd_send(self->hnd, 1));
	EXPECT_EQ(-EAGAIN, hnd_send(self->hnd, 2));
}

TEST_F(send, a_call_that_does_not_wait_would_block)
{
	__u64 value = 6;
	struct iovec iov = { &value, sizeof(value) };

	EXPECT_EQ(8, sys(pwritev2(self->hnd, &iov, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(6, take(self));
	ASSERT_EQ(0, fill(self));
	EXPECT_EQ(-EAGAIN, sys(pwritev2(self->hnd, &iov, 1, -1, RWF_NOWAIT)));
}

TEST_F(send, a_short_count_says_how_many_fitted)
{
	__u64 values[DEPTH + 3];
	unsigned int i;

	for (i = 0; i < DEPTH + 3; i++)
		values[i] = i;
	/* It waits only for the first, so this does not wait. */
	EXPECT_EQ(DEPTH, hnd_send_many(self->hnd, values, DEPTH + 3));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_pending));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(1, hnd_send_many(self->hnd, values + DEPTH, 3));
	for (i = 1; i < DEPTH + 1; i++)
		EXPECT_EQ(i, take(self));
}

TEST_F(send, a_large_write_sends_what_fits)
{
	static __u64 values[1 << 17];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = i;
	EXPECT_EQ(DEPTH, hnd_send_many(self->hnd, values, ARRAY_SIZE(values)));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(i, take(self));
	EXPECT_EQ(-EAGAIN, take(self));
}

TEST_F(send, only_the_context_of_the_handle_gets_it)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 5));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 6));
	EXPECT_EQ(5, take(self));
	EXPECT_EQ(6, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
}

TEST_F(send, the_figures_count_it)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 5));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	EXPECT_EQ(5, take(self));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
}

static long unblock(int fd)
{
	return sys(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK));
}

TEST_F(send, it_ends_a_blocked_read_of_the_owner)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, unblock(self->s.fd));
	ASSERT_EQ(0, waiter_start(&w, wait_recv, self->s.fd));
	ASSERT_EQ(0, hnd_send(self->hnd, 44));
	EXPECT_EQ(44, waiter_end(&w));
}

TEST_F(send, a_blocked_write_goes_on_when_the_owner_reads)
{
	struct waiter w = { .value = 55 };
	unsigned int i;

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	EXPECT_EQ(100, take(self));
	EXPECT_EQ(0, waiter_end(&w));
	for (i = 1; i < DEPTH; i++)
		EXPECT_EQ(100 + i, take(self));
	EXPECT_EQ(55, take(self));
}

TEST_F(send, room_for_one_lets_one_of_three_writers_go_on_at_a_time)
{
	struct waiter w[3] = { { .value = 1 }, { .value = 2 }, { .value = 4 } };
	struct coro_event events[DEPTH + 3];
	long sum = 0;
	unsigned int i;

	ASSERT_EQ(0, fill(self));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, waiter_start(&w[i], wait_send, self->hnd));
	ASSERT_EQ(1, event_read(self->s.fd, events, 1));
	while (STAT(self->s.fd, events_pending) < DEPTH)
		sched_yield();
	EXPECT_EQ(DEPTH + 1, STAT(self->s.fd, events_total));
	ASSERT_EQ(2, event_read(self->s.fd, events, 2));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, waiter_end(&w[i]));
	ASSERT_EQ(DEPTH, event_read(self->s.fd, events, DEPTH + 3));
	for (i = 1; i < DEPTH; i++)
		sum += events[i].value;
	EXPECT_EQ(103, events[0].value);
	EXPECT_EQ(7, sum);
}

TEST_F(send, a_signal_interrupts_a_blocked_write_and_nothing_is_sent)
{
	struct waiter w = { .value = 55 };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	EXPECT_EQ(-EINTR, waiter_interrupt(&w));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
	EXPECT_EQ(100, take(self));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(send, to_one_that_has_ended_is_epipe_and_no_signal)
{
	ASSERT_EQ(0, hnd_send(self->hnd, 1));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 0));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 2));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 2));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(send, to_one_that_was_freed_is_epipe_even_if_its_place_is_used_again)
{
	__u64 next;

	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 2));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	ASSERT_EQ(CORO_INDEX(self->id), CORO_INDEX(next));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 2));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(send, to_the_dead_is_epipe)
{
	sched_unmap(&self->s);
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 2));
}

TEST_F(send, finish_ends_a_blocked_write)
{
	struct waiter w = { .value = 55 };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 0));
	EXPECT_EQ(-EPIPE, waiter_end(&w));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(send, free_ends_a_blocked_write)
{
	struct waiter w = { .value = 55 };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-EPIPE, waiter_end(&w));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(send, death_ends_a_blocked_write)
{
	struct waiter w = { .value = 55 };

	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	sched_unmap(&self->s);
	EXPECT_EQ(-EPIPE, waiter_end(&w));
}

/* A write from memory of which the compiler knows nothing. */
static long write_from(int fd, uintptr_t addr, size_t bytes)
{
	return sys(syscall(SYS_write, fd, addr, bytes));
}

TEST_F(send, what_cannot_be_read_is_not_sent)
{
	EXPECT_EQ(-EFAULT, write_from(self->hnd, 8, 8));
	EXPECT_EQ(-EFAULT, write_from(self->hnd, 8, 80));
	EXPECT_EQ(-EFAULT,
		  sys(write(self->hnd, stack_guard(&self->s, self->id), 16)));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(send, a_write_that_runs_into_a_hole_sends_as_much_as_it_says)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u64 *values = (__u64 *)(page + PAGE) - 2;
	long n, i;

	ASSERT_NE(MAP_FAILED, (void *)page);
	ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_NONE));
	values[0] = 1;
	values[1] = 2;
	n = hnd_send_many(self->hnd, values, 4);
	EXPECT_TRUE(n == -EFAULT || (n > 0 && n <= 2));
	n = n < 0 ? 0 : n;
	EXPECT_EQ(n, STAT(self->s.fd, events_total));
	for (i = 0; i < n; i++)
		EXPECT_EQ(i + 1, take(self));
	EXPECT_EQ(-EAGAIN, take(self));
}

#define WRITERS 4
#define PER_WRITER 1000

struct flood {
	pthread_t thread;
	int fd;
	unsigned int me;
	long errors;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	__u64 values[3];
	long sent = 0, n, i, nr;

	while (sent < PER_WRITER) {
		nr = PER_WRITER - sent < 3 ? PER_WRITER - sent : 3;
		for (i = 0; i < nr; i++)
			values[i] = f->me * PER_WRITER + sent + i;
		n = hnd_send_many(f->fd, values, nr);
		if (n <= 0) {
			f->errors++;
			break;
		}
		sent += n;
	}
	return NULL;
}

TEST_F(send, every_message_of_many_writers_arrives_once_and_in_order)
{
	struct flood f[WRITERS] = { 0 };
	long last[WRITERS], got = 0, bad = 0, n, i;
	struct coro_event events[8];

	memset(last, -1, sizeof(last));
	ASSERT_EQ(0, unblock(self->s.fd));
	for (i = 0; i < WRITERS; i++) {
		f[i].me = i;
		f[i].fd = ctx_export(self->hnd, 0, SEND, 0);
		ASSERT_LE(0, f[i].fd);
		ASSERT_EQ(0, pthread_create(&f[i].thread, NULL, flood, &f[i]));
	}
	while (got < WRITERS * PER_WRITER) {
		n = event_read(self->s.fd, events, 8);
		ASSERT_LT(0, n);
		for (i = 0; i < n; i++, got++) {
			long *seen =
				&last[events[i].value / PER_WRITER % WRITERS];
			long seq = events[i].value % PER_WRITER;

			bad += seq != *seen + 1;
			*seen = seq;
		}
	}
	for (i = 0; i < WRITERS; i++) {
		pthread_join(f[i].thread, NULL);
		EXPECT_EQ(0, f[i].errors);
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_HARNESS_MAIN
