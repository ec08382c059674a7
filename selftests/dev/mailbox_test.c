// SPDX-License-Identifier: GPL-2.0
/* The mailbox: messages in, events out, exactly once and in order. */
#include <sys/epoll.h>
#include <sys/uio.h>

#include "common.h"
#include "kselftest_harness.h"

#define MAX 64U
#define DEPTH 16U

FIXTURE(mailbox)
{
	struct sched s;
	__u64 ids[MAX];
};

FIXTURE_SETUP(mailbox)
{
	ASSERT_EQ(0, sched_new(&self->s, MAX, DEPTH, 2 * PAGE));
	ASSERT_EQ(DEPTH, self->s.args.out_mailbox);
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
}

FIXTURE_TEARDOWN(mailbox)
{
	sched_free(&self->s);
}

TEST_F(mailbox, a_message_comes_out_as_an_event)
{
	struct coro_event event;

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[3], 0x0123456789abcdefULL));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(self->ids[3], event.id);
	EXPECT_EQ(CORO_EVENT_MESSAGE, event.kind);
	EXPECT_EQ(0U, event.reserved);
	EXPECT_EQ(0x0123456789abcdefULL, event.value);
}

TEST_F(mailbox, messages_come_out_in_the_order_they_went_in)
{
	struct coro_wake wakes[MAX];
	struct coro_event events[MAX];
	unsigned int i;

	for (i = 0; i < MAX; i++)
		wakes[i] =
			(struct coro_wake){ self->ids[(i * 5) % 7], 1000 + i };
	ASSERT_EQ(MAX, ctx_wake_many(self->s.fd, wakes, MAX));
	ASSERT_EQ(MAX, event_read(self->s.fd, events, MAX));
	for (i = 0; i < MAX; i++) {
		EXPECT_EQ(wakes[i].id, events[i].id);
		EXPECT_EQ(1000 + i, events[i].value);
	}
}

TEST_F(mailbox, any_value_is_a_message)
{
	static const __u64 values[] = { 0, 1, UINT64_MAX, 1ULL << 63,
					(__u64)-EAGAIN };
	struct coro_event events[8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], values[i]));
	ASSERT_EQ(ARRAY_SIZE(values), event_read(self->s.fd, events, 8));
	for (i = 0; i < ARRAY_SIZE(values); i++)
		EXPECT_EQ(values[i], events[i].value);
}

TEST_F(mailbox, a_read_takes_no_more_than_fits)
{
	struct coro_event events[4];
	unsigned int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[i], i));
	EXPECT_EQ(4, event_read(self->s.fd, events, 4));
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(2, event_read(self->s.fd, events, 4));
	EXPECT_EQ(4ULL, events[0].value);
	EXPECT_EQ(POISON64, events[2].value);
}

TEST_F(mailbox, a_full_mailbox_refuses)
{
	struct coro_event events[DEPTH];
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], i));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->ids[0], 99));
	/* Only that one is full. */
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 100));
	EXPECT_EQ(DEPTH + 1, STAT(self->s.fd, events_total));
	EXPECT_EQ(1, event_read(self->s.fd, events, 1));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 101));
	EXPECT_EQ(-EAGAIN, ctx_wake(self->s.fd, self->ids[0], 102));
}

TEST_F(mailbox, a_batch_stops_at_a_full_mailbox)
{
	struct coro_wake wakes[DEPTH + 2];
	unsigned int i;

	for (i = 0; i < DEPTH + 2; i++)
		wakes[i] = (struct coro_wake){ self->ids[i < DEPTH + 1 ? 0 : 1],
					       i };
	EXPECT_EQ(DEPTH, ctx_wake_many(self->s.fd, wakes, DEPTH + 2));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_pending));
	EXPECT_EQ(-EAGAIN, ctx_wake_many(self->s.fd, wakes + DEPTH, 2));
}

TEST_F(mailbox, free_drops_unread_messages)
{
	struct coro_event events[4];

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 2));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 3));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(3, STAT(self->s.fd, events_total));
	ASSERT_EQ(1, event_read(self->s.fd, events, 4));
	EXPECT_EQ(self->ids[1], events[0].id);
}

TEST_F(mailbox, the_next_life_begins_with_an_empty_mailbox)
{
	struct coro_event event;
	unsigned int i;
	__u64 id;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], i));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	ASSERT_EQ(1, ctx_alloc(self->s.fd, &id, 1));
	ASSERT_EQ(CORO_INDEX(self->ids[0]), CORO_INDEX(id));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, &event, 1));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(0, ctx_wake(self->s.fd, id, i));
}

TEST_F(mailbox, dropping_the_last_message_ends_readiness)
{
	struct coro_event event;

	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, poll_now(self->s.fd) & POLLIN);
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
}

TEST_F(mailbox, an_empty_one_would_block)
{
	struct coro_event event;

	ASSERT_EQ(0, set_nonblock(self->s.fd));
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, &event, 1));
}

TEST_F(mailbox, a_call_that_does_not_wait_would_block)
{
	struct coro_event event;
	struct iovec iov = { &event, sizeof(event) };

	EXPECT_EQ(-EAGAIN, sys(preadv2(self->s.fd, &iov, 1, -1, RWF_NOWAIT)));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ((long)sizeof(event),
		  sys(preadv2(self->s.fd, &iov, 1, -1, RWF_NOWAIT)));
}

TEST_F(mailbox, a_buffer_that_holds_no_event_is_refused)
{
	char buf[sizeof(struct coro_event)];
	struct coro_event event;

	EXPECT_EQ(-EINVAL, sys(read(self->s.fd, buf, 1)));
	EXPECT_EQ(-EINVAL, sys(read(self->s.fd, buf, sizeof(buf) - 1)));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EINVAL, sys(read(self->s.fd, buf, sizeof(buf) - 1)));
	EXPECT_EQ(1, event_read(self->s.fd, &event, 1));
}

TEST_F(mailbox, a_buffer_with_room_to_spare_gets_whole_events)
{
	char buf[2 * sizeof(struct coro_event) - 1];

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 2));
	EXPECT_EQ((long)sizeof(struct coro_event),
		  sys(read(self->s.fd, buf, sizeof(buf))));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
}

TEST_F(mailbox, an_event_may_be_split_over_buffers)
{
	struct coro_event event;
	struct iovec iov[2] = { { &event, 5 },
				{ (char *)&event + 5, sizeof(event) - 5 } };

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[2], 42));
	ASSERT_EQ((long)sizeof(event), sys(readv(self->s.fd, iov, 2)));
	EXPECT_EQ(self->ids[2], event.id);
	EXPECT_EQ(42ULL, event.value);
}

/* A read to an address that is not mapped, of which the compiler knows nothing. */
static long event_read_at(int fd, uintptr_t addr)
{
	return sys(syscall(SYS_read, fd, addr, 2 * sizeof(struct coro_event)));
}

TEST_F(mailbox, a_bad_buffer_loses_nothing)
{
	struct coro_event events[2];

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EFAULT, event_read_at(self->s.fd, 8));
	EXPECT_EQ(-EFAULT,
		  sys(read(self->s.fd, stack_guard(&self->s, self->ids[0]),
			   PAGE)));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	ASSERT_EQ(1, event_read(self->s.fd, events, 2));
	EXPECT_EQ(1ULL, events[0].value);
}

TEST_F(mailbox, a_buffer_that_ends_in_a_hole_loses_nothing)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Two events and a half fit. */
	struct coro_event *buf = (struct coro_event *)(page + PAGE - 60);
	struct coro_event rest[8];
	unsigned int i;
	long n;

	ASSERT_EQ(0, sys(mprotect(page + PAGE, PAGE, PROT_NONE)));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[i], i));
	n = sys(read(self->s.fd, buf, 5 * sizeof(*buf)));
	EXPECT_EQ(2L * (long)sizeof(*buf), n);
	n = n < 0 ? 0 : n / (long)sizeof(*buf);
	for (i = 0; i < n; i++)
		EXPECT_EQ(i, buf[i].value);
	ASSERT_EQ(5 - n, event_read(self->s.fd, rest, 8));
	for (i = n; i < 5; i++)
		EXPECT_EQ(i, rest[i - n].value);
}

TEST_F(mailbox, a_wake_before_anybody_reads_is_remembered)
{
	struct coro_event event;

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 5));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, event_read(self->s.fd, &event, 1));
}

TEST_F(mailbox, the_header_shows_what_is_pending)
{
	struct coro_event events[8];
	unsigned int i;

	EXPECT_EQ(0ULL, self->s.header->events_pending);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[i], i));
	EXPECT_EQ(5ULL, self->s.header->events_pending);
	ASSERT_EQ(2, event_read(self->s.fd, events, 2));
	EXPECT_EQ(3ULL, self->s.header->events_pending);
	ASSERT_EQ(3, event_read(self->s.fd, events, 8));
	EXPECT_EQ(0ULL, self->s.header->events_pending);
}

struct reader {
	pthread_t thread;
	int fd;
	pid_t tid;
	long ret;
	struct coro_event event;
};

static void *read_one(void *arg)
{
	struct reader *r = arg;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_SEQ_CST);
	r->ret = event_read(r->fd, &r->event, 1);
	return NULL;
}

/* Start a thread that reads and wait until it sleeps there. */
static int reader_start(struct reader *r, int fd)
{
	int ret;

	memset(r, 0, sizeof(*r));
	r->fd = fd;
	ret = -pthread_create(&r->thread, NULL, read_one, r);
	if (ret)
		return ret;
	while (!__atomic_load_n(&r->tid, __ATOMIC_SEQ_CST))
		sched_yield();
	return wait_asleep(getpid(), r->tid) ? 0 : -ESRCH;
}

TEST_F(mailbox, a_wake_ends_a_blocked_read)
{
	struct reader r;

	ASSERT_EQ(0, reader_start(&r, self->s.fd));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 17));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(1, r.ret);
	EXPECT_EQ(17ULL, r.event.value);
}

TEST_F(mailbox, two_messages_end_two_blocked_reads)
{
	struct coro_wake wakes[2] = { { self->ids[1], 1 },
				      { self->ids[2], 2 } };
	struct reader r[2];

	ASSERT_EQ(0, reader_start(&r[0], self->s.fd));
	ASSERT_EQ(0, reader_start(&r[1], self->s.fd));
	ASSERT_EQ(2, ctx_wake_many(self->s.fd, wakes, 2));
	pthread_join(r[0].thread, NULL);
	pthread_join(r[1].thread, NULL);
	EXPECT_EQ(1, r[0].ret);
	EXPECT_EQ(1, r[1].ret);
	EXPECT_EQ(3ULL, r[0].event.value + r[1].event.value);
}

static void on_usr1(int sig)
{
	(void)sig;
}

TEST_F(mailbox, a_signal_interrupts_a_blocked_read)
{
	struct sigaction act = { .sa_handler = on_usr1 };
	struct reader r;

	sigaction(SIGUSR1, &act, NULL);
	ASSERT_EQ(0, reader_start(&r, self->s.fd));
	ASSERT_EQ(0, pthread_kill(r.thread, SIGUSR1));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(-EINTR, r.ret);
}

TEST_F(mailbox, poll_says_when_a_read_would_not_block)
{
	struct coro_event event;

	EXPECT_EQ(0, poll_now(self->s.fd) & (POLLIN | POLLHUP | POLLERR));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(POLLIN, poll_now(self->s.fd) & (POLLIN | POLLHUP | POLLERR));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(0, poll_now(self->s.fd) & POLLIN);
}

struct waker {
	pthread_t thread;
	struct sched *s;
	__u64 id;
	pid_t reader;
	long ret;
};

static void *wake_the_sleeper(void *arg)
{
	struct waker *w = arg;

	if (!wait_asleep(getpid(), w->reader))
		return NULL;
	w->ret = ctx_wake(w->s->fd, w->id, 9);
	return NULL;
}

TEST_F(mailbox, a_wake_ends_a_blocked_poll)
{
	struct pollfd pfd = { .fd = self->s.fd, .events = POLLIN };
	struct waker w = {
		.s = &self->s, .id = self->ids[0], .reader = gettid(), .ret = -1
	};

	ASSERT_EQ(0, pthread_create(&w.thread, NULL, wake_the_sleeper, &w));
	EXPECT_EQ(1, poll(&pfd, 1, -1));
	EXPECT_EQ(POLLIN, pfd.revents & POLLIN);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(0, w.ret);
}

static int epoll_on(int fd, __u32 events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return -errno;
	return ep;
}

TEST_F(mailbox, level_epoll_reports_until_all_is_read)
{
	struct coro_event event;
	struct epoll_event ev;
	int ep = epoll_on(self->s.fd, EPOLLIN);

	ASSERT_LE(0, ep);
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 2));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
}

TEST_F(mailbox, edge_epoll_reports_each_batch_of_messages)
{
	struct coro_event event;
	struct epoll_event ev;
	int ep = epoll_on(self->s.fd, EPOLLIN | EPOLLET);

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 2));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	/* One more while one is unread is an edge too. */
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 3));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
}

#define SENDERS 4
#define READERS 2
#define PER_SENDER 2000

struct traffic {
	pthread_t thread;
	struct sched *s;
	__u64 *ids;
	unsigned int me;
	char *seen; /* one per message of all senders */
	long count, errors;
};

static void *send_all(void *arg)
{
	struct traffic *t = arg;
	__u64 id = t->ids[t->me];
	long ret, seq;

	for (seq = 0; seq < PER_SENDER; seq++) {
		while ((ret = ctx_wake(t->s->fd, id,
				       t->me * PER_SENDER + seq)) == -EAGAIN)
			sched_yield();
		t->errors += ret != 0;
	}
	return NULL;
}

/* Reads until a stop message comes. */
static void *read_all(void *arg)
{
	struct traffic *t = arg;
	struct coro_event events[8];
	long last[SENDERS];
	long i, n;

	memset(last, -1, sizeof(last));
	for (;;) {
		n = event_read(t->s->fd, events, t->me ? 1 : 8);
		t->errors += n < 0;
		for (i = 0; i < n; i++) {
			__u64 value = events[i].value;

			if (value == UINT64_MAX)
				return NULL;
			t->errors += value >= SENDERS * PER_SENDER ||
				     events[i].id !=
					     t->ids[value / PER_SENDER] ||
				     last[value / PER_SENDER] >= (long)value;
			t->errors += __atomic_exchange_n(&t->seen[value], 1,
							 __ATOMIC_SEQ_CST);
			last[value / PER_SENDER] = value;
			t->count++;
		}
		if (n < 0)
			return NULL;
	}
}

TEST_F(mailbox, every_message_arrives_exactly_once_and_in_order)
{
	static char seen[SENDERS * PER_SENDER];
	struct traffic send[SENDERS], recv[READERS];
	long count = 0;
	unsigned int i;

	for (i = 0; i < READERS; i++) {
		recv[i] = (struct traffic){ 0,	  &self->s, self->ids, i,
					    seen, 0,	    0 };
		ASSERT_EQ(0, pthread_create(&recv[i].thread, NULL, read_all,
					    &recv[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		send[i] = (struct traffic){ 0,	  &self->s, self->ids, i,
					    seen, 0,	    0 };
		ASSERT_EQ(0, pthread_create(&send[i].thread, NULL, send_all,
					    &send[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		pthread_join(send[i].thread, NULL);
		EXPECT_EQ(0, send[i].errors);
	}
	/* A reader may take both stop messages in one batch: send until both ended. */
	for (i = 0; i < READERS; i++) {
		do
			ctx_wake(self->s.fd, self->ids[60], UINT64_MAX);
		while (pthread_tryjoin_np(recv[i].thread, NULL) &&
		       !sched_yield());
		EXPECT_EQ(0, recv[i].errors);
		count += recv[i].count;
	}
	EXPECT_EQ(SENDERS * PER_SENDER, count);
	EXPECT_EQ(NULL, memchr(seen, 0, sizeof(seen)));
}

TEST_F(mailbox, stat_and_header_agree_after_traffic)
{
	struct coro_event events[MAX];
	long total = 0, left;
	__u64 seed = 42;
	unsigned int i;

	ASSERT_EQ(0, set_nonblock(self->s.fd));
	for (i = 0; i < 5000; i++) {
		if (rnd(&seed) % 3)
			total += !ctx_wake(self->s.fd,
					   self->ids[rnd(&seed) % MAX], i);
		else
			event_read(self->s.fd, events, 1 + rnd(&seed) % 4);
	}
	left = STAT(self->s.fd, events_pending);
	EXPECT_EQ(left, (long)self->s.header->events_pending);
	EXPECT_EQ(total, STAT(self->s.fd, events_total));
	while (left > 0) {
		long n = event_read(self->s.fd, events, MAX);

		ASSERT_LT(0, n);
		left -= n;
	}
	EXPECT_EQ(0, left);
	EXPECT_EQ(-EAGAIN, event_read(self->s.fd, events, 1));
}

TEST_HARNESS_MAIN
