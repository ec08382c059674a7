// SPDX-License-Identifier: GPL-2.0
/* Every call of contexts, handles and rings, failing wherever the kernel can fail it. */
#include "fault.h"

static long do_export(FIXTURE_DATA(fault) * self)
{
	self->made = ctx_export(self->s.fd, self->ids[0], SEND | JOIN, 0);
	return self->made < 0 ? self->made : 0;
}

static long do_export_again(FIXTURE_DATA(fault) * self)
{
	self->made = ctx_export(self->all, 0, JOIN, 0);
	return self->made < 0 ? self->made : 0;
}

/* The first handle of a context makes what later ones share. */
static long do_export_first(FIXTURE_DATA(fault) * self)
{
	self->made = ctx_export(self->s.fd, self->ids[1], SEND | JOIN, 0);
	return self->made < 0 ? self->made : 0;
}

static long undo_export(FIXTURE_DATA(fault) * self)
{
	close(self->made);
	return as_it_was(self);
}

static long undo_export_first(FIXTURE_DATA(fault) * self)
{
	close(self->made);
	MUST(1, ctx_free(self->s.fd, &self->ids[1], 1, 0));
	MUST(0, ctx_alloc_one(self->s.fd, &self->ids[1], 0));
	return as_it_was(self);
}

TEST_F(fault, export)
{
	const struct step steps[] = {
		{ do_export, as_it_was, undo_export },
		{ do_export_again, as_it_was, undo_export },
		{ do_export_first, as_it_was, undo_export_first },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_LT(0, sweep(self, &steps[i]));
}

static long do_alloc(FIXTURE_DATA(fault) * self)
{
	/* Far enough that a page of the table has to come. */
	return ctx_alloc_one(self->s.fd, &self->taken, CORO_ALLOC_F_DIRECT);
}

static long undo_alloc(FIXTURE_DATA(fault) * self)
{
	MUST(1, ctx_free(self->s.fd, &self->taken, 1, CORO_FREE_F_TRIM));
	return as_it_was(self);
}

static long do_alloc_many(FIXTURE_DATA(fault) * self)
{
	static __u64 ids[252];
	long n = ctx_alloc(self->s.fd, ids, 252);

	fail_stop(self);
	if (n < 0)
		return n;
	/* A short count is what there is. */
	MUST(4 + n, STAT(self->s.fd, contexts));
	MUST(n, ctx_free(self->s.fd, ids, n, 0));
	return n == 252 ? 0 : -ENOMEM;
}

TEST_F(fault, alloc)
{
	const struct step one = { do_alloc, as_it_was, undo_alloc };
	const struct step many = { do_alloc_many, as_it_was, as_it_was };

	EXPECT_LT(0, sweep(self, &one));
	EXPECT_LT(0, sweep(self, &many));
}

static long do_finish(FIXTURE_DATA(fault) * self)
{
	return ctx_finish(self->s.fd, self->taken, 9);
}

static long not_finished(FIXTURE_DATA(fault) * self)
{
	MUST(-EAGAIN, hnd_join(self->made));
	MUST(0, ctx_wake(self->s.fd, self->taken, 1));
	MUST(1, event_take(self->s.fd, self->taken, CORO_EVENT_MESSAGE));
	return 0;
}

static bool was_finished(FIXTURE_DATA(fault) * self)
{
	return hnd_join(self->made) == 9;
}

static long new_context(FIXTURE_DATA(fault) * self)
{
	MUST(0, ctx_alloc_one(self->s.fd, &self->taken, 0));
	self->made = ctx_export(self->s.fd, self->taken, JOIN,
				CORO_EXPORT_F_NONBLOCK);
	return self->made < 0 ? self->made : 0;
}

static long undo_finish(FIXTURE_DATA(fault) * self)
{
	MUST(9, hnd_join(self->made));
	close(self->made);
	MUST(1, ctx_free(self->s.fd, &self->taken, 1, 0));
	return new_context(self);
}

TEST_F(fault, finish)
{
	const struct step step = { do_finish, not_finished, undo_finish,
				   was_finished };

	ASSERT_EQ(0, new_context(self));
	EXPECT_LT(0, sweep(self, &step));
	close(self->made);
}

static long do_wake(FIXTURE_DATA(fault) * self)
{
	return ctx_wake(self->s.fd, self->ids[0], 5);
}

static long do_write(FIXTURE_DATA(fault) * self)
{
	return hnd_send(self->all, 5);
}

static long undo_message(FIXTURE_DATA(fault) * self)
{
	MUST(5, event_take(self->s.fd, self->ids[0], CORO_EVENT_MESSAGE));
	return as_it_was(self);
}

static bool was_sent(FIXTURE_DATA(fault) * self)
{
	return STAT(self->s.fd, events_pending) == 1;
}

static long do_cancel(FIXTURE_DATA(fault) * self)
{
	return ctx_cancel(self->s.fd, self->ids[0], 5);
}

static long do_cancel_by_handle(FIXTURE_DATA(fault) * self)
{
	return ctx_cancel(self->all, 0, 5);
}

static long undo_cancel(FIXTURE_DATA(fault) * self)
{
	MUST(5, event_take(self->s.fd, self->ids[0], CORO_EVENT_CANCEL));
	return as_it_was(self);
}

TEST_F(fault, messages_and_requests_to_cancel)
{
	const struct step steps[] = {
		{ do_wake, as_it_was, undo_message, was_sent },
		{ do_write, as_it_was, undo_message },
		{ do_cancel, as_it_was, undo_cancel },
		{ do_cancel_by_handle, as_it_was, undo_cancel },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_LT(0, sweep(self, &steps[i]))
		{
			TH_LOG("step %u", i);
		}
}

/* A read of a message, which is there again if it failed. */
static long do_read(FIXTURE_DATA(fault) * self)
{
	long n = event_read(self->made, self->events, 1);

	return n == 1 ? 0 : n;
}

static long put_message(FIXTURE_DATA(fault) * self)
{
	return ctx_wake(self->s.fd, self->ids[0], 5);
}

static long message_is_there(FIXTURE_DATA(fault) * self)
{
	return STAT(self->s.fd, events_pending) == 1 ? 0 : -EPROTO;
}

TEST_F(fault, reads)
{
	const struct step step = { do_read, message_is_there, put_message };
	const int fds[] = { self->s.fd, self->recv };
	unsigned int i;

	ASSERT_EQ(0, put_message(self));
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		self->made = fds[i];
		EXPECT_LT(0, sweep(self, &step));
		EXPECT_EQ(0, message_is_there(self));
	}
}

/* A command without waiting, once for each point: the ring itself may fail too. */
static long do_command(FIXTURE_DATA(fault) * self, int fd, __u32 op)
{
	int ret;

	if (io_uring_sq_ready(&self->r.ring) == 0)
		ring_cmd(&self->r, fd, op, &self->args, TAG_RUN);
	ret = io_uring_submit(&self->r.ring);
	fail_stop(self);
	if (ret < 0)
		return ret == -EAGAIN ? -ENOMEM : ret;
	return ring_wait(&self->r, TAG_RUN);
}

static long do_uring_send(FIXTURE_DATA(fault) * self)
{
	self->args = args_send(0, 5, 0);
	return do_command(self, self->all, CORO_URING_SEND);
}

static long do_uring_cancel(FIXTURE_DATA(fault) * self)
{
	self->args = args_cancel(0, 5);
	return do_command(self, self->all, CORO_URING_CANCEL);
}

static long do_uring_park(FIXTURE_DATA(fault) * self)
{
	long ret;

	self->args = args_park(0, self->events, 1, 0);
	ret = do_command(self, self->recv, CORO_URING_PARK);
	return ret == 1 ? 0 : ret;
}

/* What waits is withdrawn again. */
static long do_uring_wait(FIXTURE_DATA(fault) * self)
{
	long ret;

	self->args = args_join(0, &self->result, CORO_NO_DEADLINE);
	if (io_uring_sq_ready(&self->r.ring) == 0)
		ring_cmd(&self->r, self->all, CORO_URING_JOIN, &self->args,
			 TAG_A);
	ret = io_uring_submit(&self->r.ring);
	fail_stop(self);
	if (ret < 0)
		return ret == -EAGAIN ? -ENOMEM : ret;
	if (ring_take(&self->r, TAG_A, &ret))
		return ret == -EOPNOTSUPP && !sched_waits(&self->s) ? 0 : ret;
	return 0;
}

static long undo_wait(FIXTURE_DATA(fault) * self)
{
	if (sched_waits(&self->s)) {
		MUST(0, ring_withdraw(&self->r, self->all, TAG_A));
		MUST(-ECANCELED, ring_wait(&self->r, TAG_A));
	}
	return as_it_was(self);
}

TEST_F(fault, commands)
{
	const struct step steps[] = {
		{ do_uring_send, as_it_was, undo_message },
		{ do_uring_cancel, as_it_was, undo_cancel },
		{ do_uring_wait, as_it_was, undo_wait },
	};
	const struct step park = { do_uring_park, message_is_there,
				   put_message };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_LT(0, sweep(self, &steps[i]))
		{
			TH_LOG("step %u", i);
		}
	ASSERT_EQ(0, put_message(self));
	EXPECT_LT(0, sweep(self, &park));
}

/* poll has no error of its own for a file: it fails as a whole or not at all. */
static long do_poll(FIXTURE_DATA(fault) * self)
{
	struct pollfd pfd[3] = { { self->s.fd, POLLIN, 0 },
				 { self->all, POLLIN, 0 },
				 { self->recv, POLLIN, 0 } };
	int ret = sys(poll(pfd, 3, 0));

	return ret > 0 ? -EPROTO : ret;
}

TEST_F(fault, poll)
{
	const struct step step = { do_poll, as_it_was, as_it_was };

	EXPECT_LT(0, sweep(self, &step));
}

static long setup_again(FIXTURE_DATA(fault) * self)
{
	struct coro_setup_args args;

	return dev_setup(self->made, &args, 8, 8, 2 * PAGE);
}

static long do_open_and_setup(FIXTURE_DATA(fault) * self)
{
	self->made = dev_open(0);
	return self->made < 0 ? self->made : setup_again(self);
}

/* One that failed is as before, and may be tried again. */
static long not_set_up(FIXTURE_DATA(fault) * self)
{
	if (self->made >= 0) {
		MUST(0, setup_again(self));
		close(self->made);
	}
	return as_it_was(self);
}

static bool was_set_up(FIXTURE_DATA(fault) * self)
{
	struct coro_stat_args stat;

	return self->made >= 0 && !sched_stat(self->made, &stat);
}

TEST_F(fault, open_and_setup)
{
	const struct step step = { do_open_and_setup, not_set_up, undo_export,
				   was_set_up };

	EXPECT_LT(0, sweep(self, &step));
}

/* An mmap that failed leaves no scheduler that is neither alive nor dead: a new one is made. */
static long do_map(FIXTURE_DATA(fault) * self)
{
	struct sched s;
	__u64 id;
	long ret;

	ret = sched_new(&s, 8, 8, 2 * PAGE);
	if (!ret)
		ret = ctx_alloc_one(s.fd, &id, 0);
	fail_stop(self);
	/* A fault in user space is tried again for ever: not for a sweep. */
	if (!ret)
		*stack_page(&s, id, 0) = 1;
	if (s.fd >= 0)
		sched_free(&s);
	return ret;
}

TEST_F(fault, mappings)
{
	const struct step step = { do_map, as_it_was, as_it_was };

	EXPECT_LT(0, sweep(self, &step));
}

TEST_HARNESS_MAIN
