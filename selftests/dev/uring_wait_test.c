// SPDX-License-Identifier: GPL-2.0
/* Commands of io_uring that wait and shall not: deadlines and withdrawals. */
#include "uring.h"

#define DEPTH 4U
#define FOREVER CORO_NO_DEADLINE

FIXTURE(wait)
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

RING_VARIANTS(wait);

FIXTURE_SETUP(wait)
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

FIXTURE_TEARDOWN(wait)
{
	ring_exit(&self->r);
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
}

static void add_park(FIXTURE_DATA(wait) * self, int fd, __u64 id, __u32 nr,
		     __s64 deadline_ns)
{
	self->a = args_park(id, self->events, nr, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_PARK, &self->a, TAG_A);
}

static void add_send(FIXTURE_DATA(wait) * self, int fd, __u64 id, __u64 value,
		     __s64 deadline_ns)
{
	self->b = args_send(id, value, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_SEND, &self->b, TAG_B);
}

static void add_join(FIXTURE_DATA(wait) * self, int fd, __u64 id,
		     __s64 deadline_ns)
{
	self->c = args_join(id, &self->result, deadline_ns);
	ring_cmd(&self->r, fd, CORO_URING_JOIN, &self->c, TAG_C);
}

/* True if @tag waits; where commands cannot, it was refused and the case is over. */
#define PARKS(tag) ring_parks(_metadata, &self->r, &self->s, tag)

static long wait_a(FIXTURE_DATA(wait) * self)
{
	return ring_wait(&self->r, TAG_A);
}

static bool got(FIXTURE_DATA(wait) * self, int i, __u64 id, __u64 value)
{
	struct coro_event *e = &self->events[i];

	return e->id == id && e->kind == CORO_EVENT_MESSAGE && !e->reserved &&
	       e->value == value;
}

static int fill(FIXTURE_DATA(wait) * self)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		MUST(0, ctx_wake(self->s.fd, self->id, 100 + i));
	return 0;
}

TEST_F(wait, a_deadline_ends_a_park_and_the_message_stays)
{
	__s64 deadline = now_ns() + 20000000;

	add_park(self, self->s.fd, self->id, 8, deadline);
	ASSERT_EQ(0, ring_submit(&self->r));
	if (!sched_waits(&self->s)) {
		EXPECT_EQ(-EOPNOTSUPP, wait_a(self));
		return;
	}
	EXPECT_EQ(-ETIMEDOUT, wait_a(self));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(POISON64, self->events[0].value);
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(5, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
}

TEST_F(wait, a_deadline_in_the_past_has_passed)
{
	static const __s64 past[] = { 1, 1000, NSEC_PER_SEC / 1000 };
	unsigned int i;
	long res;

	for (i = 0; i < ARRAY_SIZE(past); i++) {
		add_park(self, self->s.fd, self->id, 8, past[i]);
		ASSERT_EQ(0, ring_submit(&self->r));
		res = wait_a(self);
		/* Without waiting it would have had to wait for that. */
		EXPECT_TRUE(res == -ETIMEDOUT ||
			    (!sched_waits(&self->s) && res == -EOPNOTSUPP));
		add_join(self, self->all, 0, past[i]);
		ASSERT_EQ(0, ring_submit(&self->r));
		res = ring_wait(&self->r, TAG_C);
		EXPECT_TRUE(res == -ETIMEDOUT ||
			    (!sched_waits(&self->s) && res == -EOPNOTSUPP));
	}
	/* What is there comes first. */
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	add_park(self, self->s.fd, self->id, 8, 1);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(1, wait_a(self));
}

TEST_F(wait, a_deadline_ends_a_send_and_a_join)
{
	__s64 deadline = now_ns() + 20000000;

	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, deadline);
	add_join(self, self->all, 0, deadline);
	ASSERT_EQ(0, ring_submit(&self->r));
	if (!sched_waits(&self->s)) {
		EXPECT_EQ(-EOPNOTSUPP, ring_wait(&self->r, TAG_B));
		EXPECT_EQ(-EOPNOTSUPP, ring_wait(&self->r, TAG_C));
		return;
	}
	EXPECT_EQ(-ETIMEDOUT, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(-ETIMEDOUT, ring_wait(&self->r, TAG_C));
	EXPECT_LE(deadline, now_ns());
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
	ASSERT_EQ(DEPTH, event_read(self->s.fd, self->events, 8));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(wait, what_comes_before_the_deadline_is_the_result)
{
	add_park(self, self->s.fd, self->id, 8, now_ns() + 60 * NSEC_PER_SEC);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
}

TEST_F(wait, withdraw_ends_a_park_and_the_message_stays)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	EXPECT_EQ(0, ring_end(&self->r, self->s.fd, TAG_A));
	EXPECT_EQ(-ECANCELED, wait_a(self));
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, self->s.fd, TAG_A));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(5, event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE));
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	EXPECT_TRUE(PARKS(TAG_A));
}

TEST_F(wait, withdraw_ends_a_send_and_a_join)
{
	ASSERT_EQ(0, fill(self));
	add_send(self, self->all, 0, 9, FOREVER);
	if (!PARKS(TAG_B))
		return;
	add_join(self, self->s.fd, self->id, FOREVER);
	ASSERT_TRUE(PARKS(TAG_C));
	EXPECT_EQ(0, ring_end(&self->r, self->all, TAG_B));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_B));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_C));
	EXPECT_EQ(0, ring_end(&self->r, self->all, TAG_C));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_C));
	EXPECT_EQ(DEPTH, event_read(self->s.fd, self->events, 8));
	EXPECT_EQ(DEPTH, STAT(self->s.fd, events_total));
}

TEST_F(wait, withdraw_reaches_all_files_of_the_scheduler)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	EXPECT_EQ(0, ring_end(&self->r, self->recv, TAG_A));
	EXPECT_EQ(-ECANCELED, wait_a(self));
	add_park(self, self->recv, 0, 8, FOREVER);
	ASSERT_TRUE(PARKS(TAG_A));
	EXPECT_EQ(0, ring_end(&self->r, self->s.fd, TAG_A));
	EXPECT_EQ(-ECANCELED, wait_a(self));
}

TEST_F(wait, withdraw_does_not_reach_other_schedulers_and_rings)
{
	static struct ring second;
	struct sched s;

	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, sched_new(&s, 8, 8, 2 * PAGE));
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, s.fd, TAG_A));
	ASSERT_EQ(0, ring_init(&second, 0, false, false));
	EXPECT_EQ(-ENOENT, ring_withdraw(&second, self->s.fd, TAG_A));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	ring_exit(&second);
	sched_free(&s);
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	EXPECT_EQ(1, wait_a(self));
}

TEST_F(wait, withdraw_of_another_tag_is_enoent)
{
	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, self->s.fd, TAG_B));
	EXPECT_EQ(-ENOENT,
		  ring_withdraw(&self->r, self->s.fd, TAG_A | 1ULL << 32));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
}

TEST_F(wait, of_two_with_one_tag_withdraw_ends_one)
{
	struct coro_result result;
	struct coro_uring_args args = args_join(0, &result, FOREVER);

	add_join(self, self->all, 0, FOREVER);
	if (!PARKS(TAG_C))
		return;
	ring_cmd(&self->r, self->all, CORO_URING_JOIN, &args, TAG_C);
	ASSERT_TRUE(PARKS(TAG_C));
	EXPECT_EQ(0, ring_end(&self->r, self->all, TAG_C));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_C));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_C));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 4));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_C));
}

TEST_F(wait, a_result_that_is_there_is_not_withdrawn)
{
	struct coro_uring_args args = args_cancel(0, TAG_A);
	long res;

	add_park(self, self->s.fd, self->id, 8, FOREVER);
	if (!PARKS(TAG_A))
		return;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	ring_cmd(&self->r, self->s.fd, CORO_URING_WITHDRAW, &args, TAG_B);
	ASSERT_EQ(0, ring_submit(&self->r));
	/* It may still find what is about to complete. */
	res = ring_wait(&self->r, TAG_B);
	EXPECT_TRUE(res == -ENOENT || res == 0);
	EXPECT_EQ(1, wait_a(self));
	EXPECT_TRUE(got(self, 0, self->id, 5));
}

TEST_HARNESS_MAIN
