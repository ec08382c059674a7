// SPDX-License-Identifier: GPL-2.0
/* Ends: FINISH tells a result, joins get it, and learn of every end without one. */
#include <sys/uio.h>

#include "handle.h"
#include "kselftest_harness.h"

FIXTURE(join)
{
	struct sched s;
	__u64 ids[6];
	int hnd;
};

FIXTURE_SETUP(join)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, 4, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(6, ctx_alloc(self->s.fd, self->ids, 6));
	self->hnd = ctx_export(self->s.fd, self->ids[0], JOIN, 0);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(join)
{
	close(self->hnd);
	sched_free(&self->s);
}

TEST_F(join, any_value_is_a_result)
{
	static const __u64 values[] = { 0, 1, UINT64_MAX, (__u64)-EAGAIN };
	struct coro_result result;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		fd = ctx_export(self->s.fd, self->ids[i], JOIN, 0);
		ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[i], values[i]));
		memset(&result, POISON, sizeof(result));
		EXPECT_EQ(16, sys(read(fd, &result, sizeof(result))));
		EXPECT_EQ(values[i], result.value);
		EXPECT_EQ(0ULL, result.reserved);
		close(fd);
	}
}

TEST_F(join, a_result_can_be_read_again_and_again_through_every_handle)
{
	int second = ctx_export(self->s.fd, self->ids[0], JOIN, 0);
	int i;

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 31));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(31, hnd_join(self->hnd));
		EXPECT_EQ(31, hnd_join(second));
	}
}

TEST_F(join, before_the_end_it_would_block)
{
	struct coro_result result;
	struct iovec iov = { &result, sizeof(result) };

	EXPECT_EQ(-EAGAIN, sys(preadv2(self->hnd, &iov, 1, -1, RWF_NOWAIT)));
	ASSERT_EQ(0, set_nonblock(self->hnd));
	EXPECT_EQ(-EAGAIN, hnd_join(self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 31));
	EXPECT_EQ(31, hnd_join(self->hnd));
	EXPECT_EQ(16, sys(preadv2(self->hnd, &iov, 1, -1, RWF_NOWAIT)));
}

TEST_F(join, a_result_needs_a_buffer_that_holds_it)
{
	char buf[64];
	size_t len;

	for (len = 1; len < sizeof(struct coro_result); len++)
		EXPECT_EQ(-EINVAL, sys(read(self->hnd, buf, len)));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 31));
	for (len = 1; len < sizeof(struct coro_result); len++)
		EXPECT_EQ(-EINVAL, sys(read(self->hnd, buf, len)));
	memset(buf, POISON, sizeof(buf));
	EXPECT_EQ(16, sys(read(self->hnd, buf, sizeof(buf))));
	EXPECT_EQ((char)POISON, buf[16]);
}

TEST_F(join, a_result_may_be_split_over_buffers)
{
	struct coro_result result;
	struct iovec iov[2] = { { &result, 3 }, { (char *)&result + 3, 13 } };

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 0x1234567890ULL));
	ASSERT_EQ(16, sys(readv(self->hnd, iov, 2)));
	EXPECT_EQ(0x1234567890ULL, result.value);
}

TEST_F(join, a_bad_buffer_loses_no_result)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 31));
	EXPECT_EQ(-EFAULT, sys(syscall(SYS_read, self->hnd, 8UL, 16UL)));
	EXPECT_EQ(-EFAULT,
		  sys(read(self->hnd, stack_guard(&self->s, self->ids[0]),
			   PAGE)));
	EXPECT_EQ(31, hnd_join(self->hnd));
}

TEST_F(join, finish_ends_every_blocked_join)
{
	struct waiter w[4] = { 0 };
	int second = ctx_export(self->hnd, 0, JOIN, 0);
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, waiter_start(&w[i], wait_join,
					  i & 1 ? second : self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 9));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(9, waiter_end(&w[i]));
}

TEST_F(join, only_the_end_of_its_own_context_ends_it)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_join, self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[1], 9));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, ctx_cancel(self->s.fd, self->ids[0], 1));
	EXPECT_TRUE(wait_asleep(getpid(), w.tid));
	EXPECT_EQ(-EINPROGRESS, w.ret);
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 10));
	EXPECT_EQ(10, waiter_end(&w));
}

TEST_F(join, a_signal_interrupts_a_blocked_join)
{
	struct waiter w = { 0 };

	ASSERT_EQ(0, waiter_start(&w, wait_join, self->hnd));
	EXPECT_EQ(-EINTR, waiter_interrupt(&w));
}

TEST_F(join, one_that_was_freed_without_an_end_is_stale)
{
	struct waiter w[2] = { 0 };
	__u64 next;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, waiter_start(&w[i], wait_join, self->hnd));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-ESTALE, waiter_end(&w[i]));
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	ASSERT_EQ(CORO_INDEX(self->ids[0]), CORO_INDEX(next));
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
	ASSERT_EQ(0, ctx_finish(self->s.fd, next, 1));
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
	sched_unmap(&self->s);
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
}

TEST_F(join, a_result_outlives_free_and_the_owner)
{
	__u64 next;

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 12));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(12, hnd_join(self->hnd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	ASSERT_EQ(CORO_INDEX(self->ids[0]), CORO_INDEX(next));
	ASSERT_EQ(0, ctx_finish(self->s.fd, next, 99));
	EXPECT_EQ(12, hnd_join(self->hnd));
	sched_free(&self->s);
	EXPECT_EQ(12, hnd_join(self->hnd));
}

TEST_F(join, a_new_life_has_no_result_of_the_old_one)
{
	__u64 next;
	int fd;

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 12));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &next, 0));
	fd = ctx_export(self->s.fd, next, JOIN | SEND, CORO_EXPORT_F_NONBLOCK);
	EXPECT_EQ(-EAGAIN, hnd_join(fd));
	EXPECT_EQ(0, hnd_send(fd, 1));
	EXPECT_EQ(0, ctx_wake(self->s.fd, next, 1));
	EXPECT_EQ(0, ctx_finish(self->s.fd, next, 13));
	EXPECT_EQ(13, hnd_join(fd));
	EXPECT_EQ(12, hnd_join(self->hnd));
}

TEST_F(join, an_end_comes_once)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EBUSY, ctx_finish(self->s.fd, self->ids[0], 2));
	EXPECT_EQ(1, hnd_join(self->hnd));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(-ESTALE, ctx_finish(self->s.fd, self->ids[0], 2));
	EXPECT_EQ(1, hnd_join(self->hnd));
}

TEST_F(join, only_contexts_of_this_life_can_end)
{
	EXPECT_EQ(-ENOENT, ctx_finish(self->s.fd, 7 | 1ULL << 32, 1));
	EXPECT_EQ(-ESTALE,
		  ctx_finish(self->s.fd, self->ids[0] + (1ULL << 32), 1));
	EXPECT_EQ(-ESTALE, ctx_finish(self->s.fd, CORO_INDEX(self->ids[0]), 1));
	ASSERT_EQ(0, set_nonblock(self->hnd));
	EXPECT_EQ(-EAGAIN, hnd_join(self->hnd));
}

TEST_F(join, a_batch_of_ends_stops_at_the_first_that_fails)
{
	struct coro_finish f[4];
	int fds[4], i;

	for (i = 0; i < 4; i++) {
		fds[i] = ctx_export(self->s.fd, self->ids[i], JOIN,
				    CORO_EXPORT_F_NONBLOCK);
		f[i] = (struct coro_finish){ self->ids[i], 10 + i };
	}
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[2], 5));
	EXPECT_EQ(2, ctx_finish_many(self->s.fd, f, 4));
	EXPECT_EQ(10, hnd_join(fds[0]));
	EXPECT_EQ(11, hnd_join(fds[1]));
	EXPECT_EQ(5, hnd_join(fds[2]));
	EXPECT_EQ(-EAGAIN, hnd_join(fds[3]));
	EXPECT_EQ(-EBUSY, ctx_finish_many(self->s.fd, f + 2, 2));
	EXPECT_EQ(1, ctx_finish_many(self->s.fd, f + 3, 1));
	EXPECT_EQ(13, hnd_join(fds[3]));
}

TEST_F(join, one_batch_ends_a_context_once)
{
	struct coro_finish f[2] = { { self->ids[0], 1 }, { self->ids[0], 2 } };

	EXPECT_EQ(1, ctx_finish_many(self->s.fd, f, 2));
	EXPECT_EQ(1, hnd_join(self->hnd));
}

TEST_F(join, after_the_end_messages_are_refused_and_those_there_can_be_read)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 5));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 6));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EPIPE, ctx_wake(self->s.fd, self->ids[0], 7));
	EXPECT_EQ(2, STAT(self->s.fd, events_pending));
	EXPECT_EQ(5, event_take(self->s.fd, self->ids[0], CORO_EVENT_MESSAGE));
	EXPECT_EQ(6, event_take(self->s.fd, self->ids[0], CORO_EVENT_MESSAGE));
	EXPECT_EQ(-EPIPE, ctx_wake(self->s.fd, self->ids[0], 7));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 7));
}

TEST_F(join, a_batch_of_wakes_stops_at_one_that_has_ended)
{
	struct coro_wake wakes[3] = { { self->ids[0], 1 },
				      { self->ids[1], 2 },
				      { self->ids[2], 3 } };

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[1], 1));
	EXPECT_EQ(1, ctx_wake_many(self->s.fd, wakes, 3));
	EXPECT_EQ(-EPIPE, ctx_wake_many(self->s.fd, wakes + 1, 2));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
}

TEST_F(join, one_that_has_ended_is_allocated_until_it_is_freed)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(6, STAT(self->s.fd, contexts));
	*stack_page(&self->s, self->ids[0], 0) = 1;
	EXPECT_EQ((long)PAGE, ctx_peak(self->s.fd, self->ids[0]));
	EXPECT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(5, STAT(self->s.fd, contexts));
}

FIXTURE(owner)
{
	struct owner o;
	int hnd;
	long uses;
};

FIXTURE_VARIANT(owner)
{
	enum owner_death death;
};

FIXTURE_VARIANT_ADD(owner, killed){
	.death = DEATH_KILL,
};

FIXTURE_VARIANT_ADD(owner, exits){
	.death = DEATH_EXIT,
};

FIXTURE_VARIANT_ADD(owner, execs){
	.death = DEATH_EXEC,
};

FIXTURE_VARIANT_ADD(owner, unmaps){
	.death = DEATH_UNMAP,
};

FIXTURE_SETUP(owner)
{
	self->uses = module_uses();
	ASSERT_EQ(0, owner_start(&self->o));
	self->hnd = owner_export(&self->o, SEND | JOIN | CANCEL);
	ASSERT_LE(0, self->hnd);
}

FIXTURE_TEARDOWN(owner)
{
	close(self->hnd);
	owner_end(&self->o);
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F(owner, death_ends_a_blocked_join)
{
	struct waiter w[2] = { 0 };
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, waiter_start(&w[i], wait_join, self->hnd));
	owner_die(&self->o, variant->death);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EOWNERDEAD, waiter_end(&w[i]));
	EXPECT_EQ(-EOWNERDEAD, hnd_join(self->hnd));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 1));
	EXPECT_EQ(-EOWNERDEAD, ctx_cancel(self->hnd, 0, 1));
}

TEST_F(owner, death_ends_a_blocked_write)
{
	struct waiter w = { .value = 8 };
	unsigned int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, hnd_send(self->hnd, i));
	ASSERT_EQ(0, waiter_start(&w, wait_send, self->hnd));
	owner_die(&self->o, variant->death);
	EXPECT_EQ(-EPIPE, waiter_end(&w));
}

TEST_F(owner, death_ends_a_blocked_poll)
{
	struct waiter w = { .events = POLLIN };

	ASSERT_EQ(0, waiter_start(&w, wait_poll, self->hnd));
	owner_die(&self->o, variant->death);
	EXPECT_EQ(GONE, waiter_end(&w) & GONE);
	EXPECT_EQ(GONE, hnd_poll(self->hnd) & GONE);
}

/* Return once the scheduler is dead, known by a join that waits through another context. */
static long owner_die_and_wait(FIXTURE_DATA(owner) * self,
			       enum owner_death death, int witness)
{
	struct pollfd pfd = { .fd = witness, .events = POLLERR };

	owner_die(&self->o, death);
	return poll(&pfd, 1, 20000) == 1 ? pfd.revents & GONE : -ETIMEDOUT;
}

TEST_F(owner, a_result_that_came_before_death_stays)
{
	int witness = owner_export(&self->o, OTHER_CONTEXT | JOIN);

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, owner_do(&self->o, OWNER_FINISH, 21));
	EXPECT_EQ(GONE, owner_die_and_wait(self, variant->death, witness));
	EXPECT_EQ(21, hnd_join(self->hnd));
	EXPECT_EQ(POLLIN, hnd_poll(self->hnd) & (POLLIN | GONE));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 1));
	close(witness);
}

TEST_F(owner, one_that_was_freed_before_death_stays_stale)
{
	int witness = owner_export(&self->o, OTHER_CONTEXT | JOIN);

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, owner_do(&self->o, OWNER_FREE, 0));
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
	EXPECT_EQ(GONE, owner_die_and_wait(self, variant->death, witness));
	EXPECT_EQ(-ESTALE, hnd_join(self->hnd));
	EXPECT_EQ(-EPIPE, hnd_send(self->hnd, 1));
	close(witness);
}

TEST_HARNESS_MAIN
