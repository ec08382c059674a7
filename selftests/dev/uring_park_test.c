// SPDX-License-Identifier: GPL-2.0
/* Commands of io_uring that wait: what completes them, and what they lose, which is nothing. */
#include "uring.h"

#define DEPTH 4U
#define FOREVER CORO_NO_DEADLINE

FIXTURE(park)
{
	struct sched s;
	struct ring r;
	__u64 id, other, direct;
	int all; /* handles of id: all rights but RECV */
	int recv;
	struct coro_event events[8];
	struct coro_result result;
	struct coro_uring_args a, b, c; /* of the commands under way */
};

RING_VARIANTS(park);

FIXTURE_SETUP(park)
{
	int fd;

	ASSERT_EQ(0, ring_init(&self->r, variant->flags, variant->fixed,
			       variant->async));
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	fd = self->s.fd;
	ASSERT_EQ(0, set_nonblock(fd));
	ASSERT_EQ(0, ctx_alloc_one(fd, &self->id, 0));
	ASSERT_EQ(0, ctx_alloc_one(fd, &self->other, 0));
	ASSERT_EQ(0, ctx_alloc_one(fd, &self->direct, CORO_ALLOC_F_DIRECT));
	self->all = ctx_export(fd, self->id, SEND | JOIN | CANCEL, 0);
	self->recv = ctx_export(fd, self->id, RECV, 0);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->recv);
}

FIXTURE_TEARDOWN(park)
{
	ring_exit(&self->r);
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
}

static void add_park(FIXTURE_DATA(park) * self, int fd, __u64 id, __u32 nr,
		     __s64 deadline_ns)
{
	self->a = args_park(id, self->events, nr, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_PARK, &self->a, TAG_A);
}

static void add_send(FIXTURE_DATA(park) * self, int fd, __u64 id, __u64 value,
		     __s64 deadline_ns)
{
	self->b = args_send(id, value, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_SEND, &self->b, TAG_B);
}

static void add_join(FIXTURE_DATA(park) * self, int fd, __u64 id,
		     __s64 deadline_ns)
{
	self->c = args_join(id, &self->result, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_JOIN, &self->c, TAG_C);
}

/* True if @tag waits; where commands cannot, it was refused and the case is over. */
#define PARKS(tag) ring_parks(_metadata, &self->r, &self->s, tag)

static long wait_a(FIXTURE_DATA(park) * self)
{
	return ring_wait(&self->r, TAG_A);
}

static bool got(FIXTURE_DATA(park) * self, int i, __u64 id, __u64 value)
{
	struct coro_event *e = &self->events[i];

	return e->id == id && e->kind == CORO_EVENT_MESSAGE && !e->reserved &&
	       e->value == value;
}

static int fill(FIXTURE_DATA(park) * self)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		MUST(0, ctx_wake(self->s.fd, self->id, 100 + i));
	return 0;
}

TEST_F(park, a_message_ends_the_park_of_its_context)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(park, any_message_ends_the_park_of_the_scheduler)
{
	add_park(self, self->s.fd, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->other, 5));
}

TEST_F(park, a_message_ends_the_park_of_a_handle)
{
	add_park(self, self->recv, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, hnd_send(self->all, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(park, a_message_of_another_does_not_end_the_park_of_a_context)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 4));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	EXPECT_EQ(4, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
}

TEST_F(park, a_direct_message_does_not_end_the_park_of_the_scheduler)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->direct, 3));
	add_park(self, self->s.fd, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->direct, 4));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	add_park(self, self->s.fd, self->direct, 8, FOREVER);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(2, wait_a(self));
	EXPECT_TRUE(got(self, 1, self->direct, 4));
}

TEST_F(park, a_direct_message_ends_the_park_of_its_context)
{
	add_park(self, self->s.fd, self->direct, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->direct, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->direct, 5));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(park, a_request_to_cancel_ends_the_park_of_the_scheduler)
{
	add_park(self, self->s.fd, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_cancel(self->all, 0, 6));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_EQ(self->id, self->events[0].id);
	EXPECT_EQ(CORO_EVENT_CANCEL, self->events[0].kind);
	EXPECT_EQ(6ULL, self->events[0].value);
}

TEST_F(park, a_request_to_cancel_does_not_end_the_park_of_a_handle)
{
	add_park(self, self->recv, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_cancel(self->all, 0, 6));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	EXPECT_EQ(6, event_take(self->s.fd, self->id, CORO_EVENT_CANCEL));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
}

TEST_F(park, of_many_messages_at_once_none_is_lost)
{
	struct coro_wake wakes[3] = { { self->id, 1 },
				      { self->id, 2 },
				      { self->id, 3 } };
	long n, i;

	add_park(self, self->s.fd, self->id, 2, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(3, ctx_wake_many(self->s.fd, wakes, 3));
	n = wait_a(self);
	EXPECT_TRUE(n == 1 || n == 2);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(got(self, i, self->id, i + 1));
	for (; i < 3; i++)
		EXPECT_EQ(i + 1,
			  event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

static void *wake_from_thread(void *arg)
{
	FIXTURE_DATA(park) *self = arg;

	return (void *)ctx_wake(self->s.fd, self->id, 5);
}

TEST_F(park, another_thread_ends_a_park)
{
	pthread_t thread;
	void *ret;

	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, pthread_create(&thread, NULL, wake_from_thread, self));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
}

static long send_from_process(void *arg)
{
	return hnd_send(((FIXTURE_DATA(park) *)arg)->all, 5);
}

TEST_F(park, another_process_ends_a_park)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	EXPECT_EQ(0, in_child(send_from_process, self));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
}

TEST_F(park, a_second_park_of_a_context_is_busy)
{
	struct coro_event event;
	struct coro_uring_args args = args_park(self->id, &event, 1, FOREVER);

	add_park(self, self->recv, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	if (variant->async) /* it may not wait yet */
		return;
	EXPECT_EQ(-EBUSY,
		  ring_run(&self->r, self->s.fd, CORO_URING_PARK, &args));
	args.id = 0;
	EXPECT_EQ(-EBUSY,
		  ring_run(&self->r, self->recv, CORO_URING_PARK, &args));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	args.deadline_ns = 0;
	EXPECT_EQ(-EAGAIN,
		  ring_run(&self->r, self->recv, CORO_URING_PARK, &args));
}

TEST_F(park, free_ends_what_waits)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, FOREVER);
	if (!PARKS(TAG_B))
		return;
	add_join(self, self->s.fd, self->id, FOREVER);
	ASSERT_TRUE(PARKS(TAG_C));
	add_park(self, self->s.fd, self->other, 8, FOREVER);
	ASSERT_TRUE(PARKS(TAG_A));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->other, 1, 0));
	EXPECT_EQ(-ESTALE, wait_a(self));
	EXPECT_EQ(-EPIPE, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(-ESTALE, ring_wait(&self->r, TAG_C));
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_F(park, the_end_ends_what_waits)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, FOREVER);
	if (!PARKS(TAG_B))
		return;
	add_join(self, self->all, 0, FOREVER);
	ASSERT_TRUE(PARKS(TAG_C));
	add_park(self, self->s.fd, self->other, 8, FOREVER);
	ASSERT_TRUE(PARKS(TAG_A));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 31));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->other, 32));
	EXPECT_EQ(-EPIPE, wait_a(self));
	EXPECT_EQ(-EPIPE, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_C));
	EXPECT_EQ(31ULL, self->result.value);
	EXPECT_EQ(0ULL, self->result.reserved);
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_pending));
}

TEST_F(park, death_ends_what_waits)
{
	struct coro_event event;
	struct coro_uring_args args = args_park(0, &event, 1, FOREVER);

	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, FOREVER);
	if (!PARKS(TAG_B))
		return;
	add_join(self, self->all, 0, FOREVER);
	ASSERT_TRUE(PARKS(TAG_C));
	add_park(self, self->s.fd, self->direct, 8, FOREVER);
	ASSERT_TRUE(PARKS(TAG_A));
	/* The first read may give what waits for the room that it makes, too. */
	ASSERT_LE(DEPTH, event_read(self->s.fd, self->events + 1, 7));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	while (event_read(self->s.fd, self->events + 1, 7) > 0)
		;
	ring_cmd(&self->r, self->s.fd, CORO_URING_PARK, &args, TAG_MANY);
	ASSERT_TRUE(PARKS(TAG_MANY));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, wait_a(self));
	EXPECT_EQ(-EOWNERDEAD, ring_wait(&self->r, TAG_C));
	EXPECT_EQ(-EOWNERDEAD, ring_wait(&self->r, TAG_MANY));
}

TEST_F(park, death_ends_a_send_that_waits)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, FOREVER);
	if (!PARKS(TAG_B))
		return;
	sched_unmap(&self->s);
	EXPECT_EQ(-EPIPE, ring_wait(&self->r, TAG_B));
}

TEST_F(park, a_send_goes_on_when_there_is_room)
{
	unsigned int i;

	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 55, FOREVER);
	if (!PARKS(TAG_B))
		return;
	EXPECT_EQ(100, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	for (i = 1; i < DEPTH; i++)
		EXPECT_EQ(100 + i,
			  event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	EXPECT_EQ(55, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(park, a_park_makes_room_for_a_send)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, self->s.fd, self->id, 55, FOREVER);
	if (!PARKS(TAG_B))
		return;
	add_park(self, self->recv, 0, 1, FOREVER);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 100));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_pending));
}

TEST_F(park, where_the_events_cannot_go_they_stay)
{
	struct coro_event *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)page);
	self->a = args_park(self->id, page, 8, FOREVER);
	ring_cmd(&self->r, self->s.fd, CORO_URING_PARK, &self->a, TAG_A);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, munmap(page, PAGE));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(-EFAULT, wait_a(self));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(5, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(park, where_the_result_cannot_go_it_stays)
{
	struct coro_result *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)page);
	self->c = args_join(0, page, FOREVER);
	ring_cmd(&self->r, self->all, CORO_URING_JOIN, &self->c, TAG_C);
	if (!PARKS(TAG_C))
		return;
	ASSERT_EQ(0, munmap(page, PAGE));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 5));
	EXPECT_EQ(-EFAULT, ring_wait(&self->r, TAG_C));
	EXPECT_EQ(5, hnd_join(self->all));
}

TEST_F(park, a_link_goes_on_when_what_it_waited_for_came)
{
	self->a = args_park(0, self->events, 8, FOREVER);
	ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A)
		->flags |= IOSQE_IO_LINK;
	self->b = args_send(self->other, 6, FOREVER);
	ring_cmd(&self->r, self->s.fd, CORO_URING_SEND, &self->b, TAG_B);
	if (!PARKS(TAG_A))
		return;
	EXPECT_TRUE(ring_quiet(&self->r, TAG_B));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(6, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
}

TEST_F(park, a_link_ends_when_what_it_waited_for_did_not_come)
{
	self->a = args_park(0, self->events, 8, FOREVER);
	ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A)
		->flags |= IOSQE_IO_LINK;
	self->b = args_send(self->other, 6, FOREVER);
	ring_cmd(&self->r, self->s.fd, CORO_URING_SEND, &self->b, TAG_B);
	if (!PARKS(TAG_A)) {
		EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_B));
		return;
	}
	ASSERT_EQ(0, ring_end(&self->r, self->recv, TAG_A));
	EXPECT_EQ(-ECANCELED, wait_a(self));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(park, success_can_be_silent_and_failure_is_told)
{
	struct io_uring_sqe *sqe;

	self->a = args_park(0, self->events, 8, FOREVER);
	sqe = ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	while (STAT(self->s.fd, events_pending))
		EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	sqe = ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	ASSERT_TRUE(PARKS(TAG_A));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 5));
	EXPECT_EQ(-EPIPE, wait_a(self));
}

TEST_F(park, link_timeout_and_async_cancel_do_not_reach_it)
{
	struct __kernel_timespec ts = { .tv_nsec = 1000000 };
	struct io_uring_sqe *sqe;

	self->a = args_park(0, self->events, 8, FOREVER);
	sqe = ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A);
	if (!PARKS(TAG_A) || variant->async)
		return;
	sqe = ring_sqe(&self->r, IORING_OP_ASYNC_CANCEL, -1, TAG_B);
	sqe->addr = TAG_A;
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_GT(0, ring_wait(&self->r, TAG_B));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	sqe = ring_cmd(&self->r, self->recv, CORO_URING_PARK, &self->a, TAG_A);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = ring_sqe(&self->r, IORING_OP_LINK_TIMEOUT, -1, TAG_B);
	sqe->addr = (uintptr_t)&ts;
	sqe->len = 1;
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_GT(0, ring_wait(&self->r, TAG_B));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 6));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 6));
}

TEST_F(park, a_descriptor_that_is_closed_does_not_end_it)
{
	add_park(self, self->recv, 0, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	if (variant->async) /* it may not have its file yet */
		return;
	close(self->recv);
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
	self->recv = -1;
	add_join(self, self->all, 0, FOREVER);
	ASSERT_TRUE(PARKS(TAG_C));
	close(self->all);
	close(self->s.fd);
	self->all = -1;
	self->s.fd = -1;
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, ring_wait(&self->r, TAG_C));
}

TEST_F(park, what_read_and_park_take_is_taken_once)
{
	struct coro_event event;
	long bad = 0, n, i, got = 0;

	for (i = 0; i < 50; i++) {
		add_park(self, self->s.fd, self->id, 1, FOREVER);
		if (!PARKS(TAG_A))
			return;
		bad += ctx_wake(self->s.fd, self->id, 2 * i) != 0;
		bad += ctx_wake(self->s.fd, self->id, 2 * i + 1) != 0;
		n = event_read(self->s.fd, &event, 1);
		got += n == 1;
		bad += wait_a(self) != 1;
		got++;
		if (n != 1)
			got += event_read(self->s.fd, &event, 1) == 1;
		bad += event.value + self->events[0].value !=
		       (__u64)(4 * i + 1);
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(100, got);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

#define NR_MANY 1000

TEST_F(park, a_thousand_joins_end_together)
{
	static struct coro_result results[NR_MANY];
	static struct coro_uring_args args[NR_MANY];
	unsigned int i, bad = 0;

	for (i = 0; i < NR_MANY; i++) {
		args[i] = args_join(0, &results[i], FOREVER);
		ring_cmd(&self->r, self->all, CORO_URING_JOIN, &args[i],
			 TAG_MANY + i);
	}
	ASSERT_EQ(0, ring_submit(&self->r));
	if (sched_waits(&self->s)) {
		EXPECT_TRUE(ring_quiet(&self->r, TAG_MANY));
		ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 8));
	}
	for (i = 0; i < NR_MANY; i++) {
		bad += ring_wait(&self->r, TAG_MANY + i) !=
		       (sched_waits(&self->s) ? 0 : -EOPNOTSUPP);
		bad += results[i].value !=
		       (sched_waits(&self->s) ? 8 : POISON64);
	}
	EXPECT_EQ(0U, bad);
}

TEST_F(park, many_sends_wait_for_room_and_each_arrives_once)
{
	static struct coro_uring_args args[100];
	static char seen[100];
	unsigned int i, bad = 0;
	long n, k, got = 0;

	if (!sched_waits(&self->s))
		return; /* the first that waits is refused: shown above */
	for (i = 0; i < 100; i++) {
		args[i] = args_send(0, i, FOREVER);
		ring_cmd(&self->r, self->all, CORO_URING_SEND, &args[i],
			 TAG_MANY + i);
	}
	ASSERT_EQ(0, ring_submit(&self->r));
	while (got < 100) {
		n = event_read(self->s.fd, self->events, 3);
		ring_reap(&self->r);
		for (k = 0; k < n; k++)
			bad += seen[self->events[k].value]++;
		got += n > 0 ? n : 0;
	}
	for (i = 0; i < 100; i++)
		bad += ring_wait(&self->r, TAG_MANY + i) != 0;
	EXPECT_EQ(0U, bad);
	EXPECT_EQ(100, STAT(self->s.fd, events_total));
}

TEST_HARNESS_MAIN
