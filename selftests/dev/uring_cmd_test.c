// SPDX-License-Identifier: GPL-2.0
/* Commands of io_uring that need not wait: what each does at once, accepts and refuses. */
#include "uring.h"

#define DEPTH 4U

FIXTURE(cmd)
{
	struct sched s;
	struct ring r;
	__u64 id, other;
	int all; /* handles of id: all rights but RECV */
	int recv;
	struct coro_event events[8];
	struct coro_result result;
};

RING_VARIANTS(cmd);

FIXTURE_SETUP(cmd)
{
	ASSERT_EQ(0, ring_init(&self->r, variant->flags, variant->fixed,
			       variant->async));
	ASSERT_EQ(0, sched_new(&self->s, 8, DEPTH, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->other, 0));
	self->all = ctx_export(self->s.fd, self->id, SEND | JOIN | CANCEL, 0);
	self->recv = ctx_export(self->s.fd, self->id, RECV, 0);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->recv);
}

FIXTURE_TEARDOWN(cmd)
{
	ring_exit(&self->r);
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
}

static long run_park(FIXTURE_DATA(cmd) * self, int fd, __u64 id, __u32 nr,
		     __s64 deadline_ns)
{
	struct coro_uring_args args =
		args_park(id, self->events, nr, deadline_ns);

	return ring_run(&self->r, fd, CORO_URING_PARK, &args);
}

static long run_send(FIXTURE_DATA(cmd) * self, int fd, __u64 id, __u64 value,
		     __s64 deadline_ns)
{
	struct coro_uring_args args = args_send(id, value, deadline_ns);

	return ring_run(&self->r, fd, CORO_URING_SEND, &args);
}

static long run_join(FIXTURE_DATA(cmd) * self, int fd, __u64 id,
		     __s64 deadline_ns)
{
	struct coro_uring_args args = args_join(id, &self->result, deadline_ns);

	return ring_run(&self->r, fd, CORO_URING_JOIN, &args);
}

static long run_cancel(FIXTURE_DATA(cmd) * self, int fd, __u64 id, __u64 value)
{
	struct coro_uring_args args = args_cancel(id, value);

	return ring_run(&self->r, fd, CORO_URING_CANCEL, &args);
}

static long take(FIXTURE_DATA(cmd) * self, __u32 kind)
{
	return event_take(self->s.fd, self->id, kind);
}

/* True if event @i is message @value of @id. */
static bool got(FIXTURE_DATA(cmd) * self, int i, __u64 id, __u64 value)
{
	struct coro_event *e = &self->events[i];

	return e->id == id && e->kind == CORO_EVENT_MESSAGE && !e->reserved &&
	       e->value == value;
}

TEST_F(cmd, park_takes_what_is_there_for_a_context)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 2));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 3));
	EXPECT_EQ(2, run_park(self, self->s.fd, self->id, 8, CORO_NO_DEADLINE));
	EXPECT_TRUE(got(self, 0, self->id, 2));
	EXPECT_TRUE(got(self, 1, self->id, 3));
	EXPECT_EQ(POISON64, self->events[2].value);
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, event_take(self->s.fd, self->other, CORO_EVENT_MESSAGE));
}

TEST_F(cmd, park_of_no_id_takes_all_that_read_would_give)
{
	__u64 direct;

	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &direct, CORO_ALLOC_F_DIRECT));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, direct, 2));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 3));
	ASSERT_EQ(0, ctx_cancel(self->s.fd, direct, 4));
	EXPECT_EQ(3, run_park(self, self->s.fd, 0, 8, 0));
	EXPECT_TRUE(got(self, 0, self->other, 1));
	EXPECT_TRUE(got(self, 1, self->id, 3));
	EXPECT_EQ(direct, self->events[2].id);
	EXPECT_EQ(CORO_EVENT_CANCEL, self->events[2].kind);
	EXPECT_EQ(4ULL, self->events[2].value);
	EXPECT_EQ(-EAGAIN, run_park(self, self->s.fd, 0, 8, 0));
	EXPECT_EQ(1, run_park(self, self->s.fd, direct, 8, 0));
	EXPECT_TRUE(got(self, 0, direct, 2));
}

TEST_F(cmd, park_on_a_handle_takes_what_is_there_for_its_context)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->other, 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 2));
	EXPECT_EQ(1, run_park(self, self->recv, 0, 8, CORO_NO_DEADLINE));
	EXPECT_TRUE(got(self, 0, self->id, 2));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
}

TEST_F(cmd, park_of_no_id_takes_requests_to_cancel_and_a_handle_does_not)
{
	ASSERT_EQ(0, ctx_cancel(self->s.fd, self->id, 7));
	EXPECT_EQ(-EAGAIN, run_park(self, self->recv, 0, 8, 0));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 8));
	EXPECT_EQ(1, run_park(self, self->recv, 0, 8, 0));
	EXPECT_TRUE(got(self, 0, self->id, 8));
	EXPECT_EQ(1, run_park(self, self->s.fd, 0, 8, 0));
	EXPECT_EQ(CORO_EVENT_CANCEL, self->events[0].kind);
	EXPECT_EQ(7ULL, self->events[0].value);
}

TEST_F(cmd, park_takes_no_more_than_it_asks_for)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, i));
	EXPECT_EQ(1, run_park(self, self->s.fd, self->id, 1, 0));
	EXPECT_EQ(2, run_park(self, self->recv, 0, 2, 0));
	EXPECT_TRUE(got(self, 0, self->id, 1));
	EXPECT_TRUE(got(self, 1, self->id, 2));
	EXPECT_EQ(1, run_park(self, self->s.fd, 0, 8, 0));
	EXPECT_TRUE(got(self, 0, self->id, 3));
}

TEST_F(cmd, park_of_nothing_without_a_deadline_is_eagain)
{
	EXPECT_EQ(-EAGAIN, run_park(self, self->s.fd, 0, 8, 0));
	EXPECT_EQ(-EAGAIN, run_park(self, self->s.fd, self->id, 8, 0));
	EXPECT_EQ(-EAGAIN, run_park(self, self->recv, 0, 8, 0));
	EXPECT_EQ(POISON64, self->events[0].value);
}

TEST_F(cmd, park_after_the_end_gives_what_is_left_and_then_epipe)
{
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 2));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 3));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(1, run_park(self, self->s.fd, self->id, 1, 0));
	EXPECT_EQ(1, run_park(self, self->recv, 0, 8, CORO_NO_DEADLINE));
	EXPECT_TRUE(got(self, 0, self->id, 3));
	EXPECT_EQ(-EPIPE, run_park(self, self->s.fd, self->id, 1, 0));
	EXPECT_EQ(-EPIPE, run_park(self, self->recv, 0, 8, CORO_NO_DEADLINE));
}

TEST_F(cmd, park_of_one_that_was_freed_is_stale)
{
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-ESTALE,
		  run_park(self, self->s.fd, self->id, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE, run_park(self, self->recv, 0, 8, CORO_NO_DEADLINE));
}

TEST_F(cmd, send_puts_a_message_where_there_is_room)
{
	EXPECT_EQ(0, run_send(self, self->s.fd, self->id, UINT64_MAX, 0));
	EXPECT_EQ(0, run_send(self, self->all, 0, 5, CORO_NO_DEADLINE));
	EXPECT_EQ(1, event_read(self->s.fd, self->events, 1));
	EXPECT_TRUE(got(self, 0, self->id, UINT64_MAX));
	EXPECT_EQ(5, take(self, CORO_EVENT_MESSAGE));
	EXPECT_EQ(2, STAT(self->s.fd, events_total));
}

TEST_F(cmd, send_to_a_full_mailbox_without_a_deadline_is_eagain)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, run_send(self, self->all, 0, i, 0));
	EXPECT_EQ(-EAGAIN, run_send(self, self->all, 0, 9, 0));
	EXPECT_EQ(-EAGAIN, run_send(self, self->s.fd, self->id, 9, 0));
	EXPECT_EQ(0, run_send(self, self->s.fd, self->other, 9, 0));
	EXPECT_EQ(0, take(self, CORO_EVENT_MESSAGE));
	EXPECT_EQ(0, run_send(self, self->all, 0, 9, 0));
}

TEST_F(cmd, send_to_one_that_has_ended_is_epipe)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 1));
	EXPECT_EQ(-EPIPE,
		  run_send(self, self->s.fd, self->id, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EPIPE, run_send(self, self->all, 0, 1, CORO_NO_DEADLINE));
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-EPIPE, run_send(self, self->all, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE,
		  run_send(self, self->s.fd, self->id, 1, CORO_NO_DEADLINE));
}

TEST_F(cmd, join_gets_a_result_that_is_there)
{
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 0xabcdef0123456789ULL));
	EXPECT_EQ(0, run_join(self, self->s.fd, self->id, CORO_NO_DEADLINE));
	EXPECT_EQ(0xabcdef0123456789ULL, self->result.value);
	EXPECT_EQ(0ULL, self->result.reserved);
	EXPECT_EQ(0, run_join(self, self->all, 0, 0));
	EXPECT_EQ(0xabcdef0123456789ULL, self->result.value);
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(0, run_join(self, self->all, 0, 0));
	EXPECT_EQ(0xabcdef0123456789ULL, self->result.value);
	EXPECT_EQ(-ESTALE, run_join(self, self->s.fd, self->id, 0));
}

TEST_F(cmd, join_before_the_end_without_a_deadline_is_eagain)
{
	EXPECT_EQ(-EAGAIN, run_join(self, self->s.fd, self->id, 0));
	EXPECT_EQ(-EAGAIN, run_join(self, self->all, 0, 0));
	EXPECT_EQ(POISON64, self->result.value);
}

TEST_F(cmd, join_of_one_that_was_freed_is_stale)
{
	ASSERT_EQ(1, ctx_free(self->s.fd, &self->id, 1, 0));
	EXPECT_EQ(-ESTALE,
		  run_join(self, self->s.fd, self->id, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE, run_join(self, self->all, 0, CORO_NO_DEADLINE));
}

TEST_F(cmd, cancel_does_as_the_ioctl)
{
	EXPECT_EQ(0, run_cancel(self, self->s.fd, self->id, 7));
	EXPECT_EQ(0, run_cancel(self, self->all, 0, 8));
	EXPECT_EQ(7, take(self, CORO_EVENT_CANCEL));
	EXPECT_EQ(0, run_cancel(self, self->all, 0, 9));
	EXPECT_EQ(9, take(self, CORO_EVENT_CANCEL));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 0));
	EXPECT_EQ(-ESRCH, run_cancel(self, self->s.fd, self->id, 7));
	EXPECT_EQ(-ESRCH, run_cancel(self, self->all, 0, 7));
	EXPECT_EQ(2, STAT(self->s.fd, events_total));
}

TEST_F(cmd, withdraw_of_what_does_not_wait_is_enoent)
{
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, self->s.fd, TAG_A));
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, self->all, TAG_A));
	EXPECT_EQ(-ENOENT, ring_withdraw(&self->r, self->recv, TAG_RUN));
}

TEST_F(cmd, the_dead_refuse_everything)
{
	int fd = self->s.fd;

	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD,
		  run_park(self, fd, self->id, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOWNERDEAD, run_park(self, fd, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOWNERDEAD,
		  run_park(self, self->recv, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOWNERDEAD, run_join(self, fd, self->id, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOWNERDEAD, run_join(self, self->all, 0, CORO_NO_DEADLINE));
	EXPECT_EQ(-EPIPE, run_send(self, self->all, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOWNERDEAD, run_cancel(self, fd, self->id, 1));
	EXPECT_EQ(-EOWNERDEAD, run_cancel(self, self->all, 0, 1));
}

TEST_F(cmd, ids_of_no_context_are_refused)
{
	__u64 none = 7 | 1ULL << 32, old = self->id + (1ULL << 32);
	int fd = self->s.fd;

	EXPECT_EQ(-ENOENT, run_park(self, fd, none, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ENOENT, run_send(self, fd, none, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ENOENT, run_join(self, fd, none, CORO_NO_DEADLINE));
	EXPECT_EQ(-ENOENT, run_cancel(self, fd, none, 1));
	EXPECT_EQ(-ESTALE, run_park(self, fd, old, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE, run_send(self, fd, old, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE, run_join(self, fd, old, CORO_NO_DEADLINE));
	EXPECT_EQ(-ESTALE, run_cancel(self, fd, old, 1));
	EXPECT_EQ(0, STAT(fd, events_total));
}

TEST_F(cmd, what_a_handle_has_no_right_to_is_ebadf)
{
	int none;

	EXPECT_EQ(-EBADF, run_park(self, self->all, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EBADF, run_send(self, self->recv, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EBADF, run_join(self, self->recv, 0, CORO_NO_DEADLINE));
	EXPECT_EQ(-EBADF, run_cancel(self, self->recv, 0, 1));
	none = ctx_export(self->all, 0, JOIN, 0);
	EXPECT_EQ(-EBADF, run_send(self, none, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EBADF, run_cancel(self, none, 0, 1));
	none = ctx_export(self->all, 0, SEND | CANCEL, 0);
	EXPECT_EQ(-EBADF, run_join(self, none, 0, CORO_NO_DEADLINE));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(cmd, what_would_have_to_wait_is_refused_where_none_can)
{
	unsigned int i;

	if (sched_waits(&self->s))
		return; /* uring_park_test has it */
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, i));
	EXPECT_EQ(-EOPNOTSUPP,
		  run_send(self, self->all, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOPNOTSUPP,
		  run_send(self, self->s.fd, self->id, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOPNOTSUPP, run_join(self, self->all, 0, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOPNOTSUPP,
		  run_join(self, self->s.fd, self->id, CORO_NO_DEADLINE));
	EXPECT_EQ(DEPTH, event_read(self->s.fd, self->events, 8));
	EXPECT_EQ(-EOPNOTSUPP,
		  run_park(self, self->recv, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOPNOTSUPP,
		  run_park(self, self->s.fd, 0, 1, CORO_NO_DEADLINE));
	EXPECT_EQ(-EOPNOTSUPP, run_park(self, self->s.fd, self->id, 1,
					now_ns() + NSEC_PER_SEC));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->id, 6));
	EXPECT_EQ(6, take(self, CORO_EVENT_MESSAGE));
}

TEST_F(cmd, a_bad_address_loses_no_event_and_no_result)
{
	struct coro_uring_args args;

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 1));
	args = args_park(0, self->events, 1, 0);
	args.addr = 8;
	EXPECT_EQ(-EFAULT,
		  ring_run(&self->r, self->recv, CORO_URING_PARK, &args));
	args.addr = 0;
	EXPECT_EQ(-EFAULT,
		  ring_run(&self->r, self->s.fd, CORO_URING_PARK, &args));
	args.addr = (uintptr_t)stack_guard(&self->s, self->id);
	EXPECT_EQ(-EFAULT,
		  ring_run(&self->r, self->s.fd, CORO_URING_PARK, &args));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
	EXPECT_EQ(1, take(self, CORO_EVENT_MESSAGE));
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 5));
	args = args_join(0, &self->result, 0);
	args.addr = 8;
	EXPECT_EQ(-EFAULT,
		  ring_run(&self->r, self->all, CORO_URING_JOIN, &args));
	EXPECT_EQ(5, hnd_join(self->all));
}

TEST_F(cmd, a_link_runs_after_success_and_not_after_failure)
{
	struct coro_uring_args good = args_send(0, 1, 0);
	struct coro_uring_args next = args_send(0, 2, 0);
	struct coro_uring_args bad = args_join(0, &self->result, 0);

	ring_cmd(&self->r, self->all, CORO_URING_SEND, &good, TAG_A)->flags |=
		IOSQE_IO_LINK;
	ring_cmd(&self->r, self->all, CORO_URING_SEND, &next, TAG_B);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_A));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(1, take(self, CORO_EVENT_MESSAGE));
	EXPECT_EQ(2, take(self, CORO_EVENT_MESSAGE));
	ring_cmd(&self->r, self->all, CORO_URING_JOIN, &bad, TAG_A)->flags |=
		IOSQE_IO_LINK;
	ring_cmd(&self->r, self->all, CORO_URING_SEND, &next, TAG_B);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(-EAGAIN, ring_wait(&self->r, TAG_A));
	EXPECT_EQ(-ECANCELED, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(-EAGAIN, take(self, CORO_EVENT_MESSAGE));
}

TEST_F(cmd, what_a_park_took_is_there_for_the_next_in_its_link)
{
	struct coro_uring_args args = args_park(0, self->events, 1, 0);

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 3));
	ring_cmd(&self->r, self->recv, CORO_URING_PARK, &args, TAG_A)->flags |=
		IOSQE_IO_LINK;
	ring_sqe(&self->r, IORING_OP_NOP, -1, TAG_B);
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(1, ring_wait(&self->r, TAG_A));
	EXPECT_TRUE(got(self, 0, self->id, 3));
}

TEST_F(cmd, success_can_be_silent_and_failure_is_told)
{
	struct coro_uring_args good = args_send(0, 1, 0);
	struct coro_uring_args bad = args_join(0, &self->result, 0);

	ring_cmd(&self->r, self->all, CORO_URING_SEND, &good, TAG_A)->flags |=
		IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
	ring_sqe(&self->r, IORING_OP_NOP, -1, TAG_B);
	ring_cmd(&self->r, self->all, CORO_URING_JOIN, &bad, TAG_C)->flags |=
		IOSQE_CQE_SKIP_SUCCESS;
	ASSERT_EQ(0, ring_submit(&self->r));
	EXPECT_EQ(0, ring_wait(&self->r, TAG_B));
	EXPECT_EQ(-EAGAIN, ring_wait(&self->r, TAG_C));
	EXPECT_TRUE(ring_quiet(&self->r, TAG_A));
	EXPECT_EQ(1, take(self, CORO_EVENT_MESSAGE));
}

TEST_F(cmd, a_registered_file_works_when_its_descriptor_is_closed)
{
	int fd = self->s.fd;

	if (!variant->fixed)
		return;
	ASSERT_EQ(0, run_send(self, self->all, 0, 1, 0));
	ASSERT_EQ(1, run_park(self, fd, self->id, 1, 0));
	close(self->all);
	close(fd);
	self->s.fd = -1;
	EXPECT_EQ(0, run_send(self, self->all, 0, 2, 0));
	EXPECT_EQ(1, run_park(self, fd, self->id, 1, 0));
	EXPECT_TRUE(got(self, 0, self->id, 2));
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, run_park(self, fd, self->id, 1, 0));
}

TEST_F(cmd, a_thousand_in_a_row_each_do_their_part)
{
	unsigned int i, bad = 0;

	for (i = 0; i < 500; i++) {
		bad += run_send(self, self->all, 0, i, 0) != 0;
		bad += run_park(self, self->recv, 0, 1, 0) != 1;
		bad += self->events[0].value != i;
	}
	EXPECT_EQ(0U, bad);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
}

TEST_HARNESS_MAIN
