// SPDX-License-Identifier: GPL-2.0
/* Commands that wait while a ring, a process or a scheduler ends: all goes, nobody hangs. */
#include "uring.h"

#define NR_MANY 100
#define FOREVER CORO_NO_DEADLINE

/* A child that leaves commands behind, on its own scheduler and on a handle of its parent. */
FIXTURE(life)
{
	struct sched s;
	__u64 id;
	int all, recv;
	long uses; /* of the module before */
};

RING_VARIANTS(life);

FIXTURE_SETUP(life)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
	ASSERT_EQ(0, sched_new(&self->s, 8, 4, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	self->all = ctx_export(self->s.fd, self->id, SEND | JOIN | CANCEL, 0);
	self->recv = ctx_export(self->s.fd, self->id, RECV, 0);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->recv);
}

FIXTURE_TEARDOWN(life)
{
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
	EXPECT_TRUE(uses_become(self->uses));
}

struct leaver {
	FIXTURE_DATA(life) * self;
	const FIXTURE_VARIANT(life) * v;
	struct door ready;
	enum { LEAVE_KILLED, LEAVE_EXIT, LEAVE_EXEC, LEAVE_CLOSE } way;
};

/* Memory of commands under way: it must not be on a stack that goes. */
static struct ring ring;
static struct sched own;
static struct coro_uring_args args[NR_MANY];
static struct coro_result results[NR_MANY];
static struct coro_event events[2];

/* Joins on two schedulers, and a park on each: as many as wait. */
static long leave_commands(FIXTURE_DATA(life) * self,
			   const FIXTURE_VARIANT(life) * v)
{
	struct coro_uring_args *a = args;
	unsigned int i;
	__u64 id;

	MUST(0, ring_init(&ring, v->flags, v->fixed, v->async));
	MUST(0, sched_new(&own, 8, 4, 2 * PAGE));
	MUST(0, ctx_alloc_one(own.fd, &id, 0));
	for (i = 0; i < NR_MANY - 2; i++, a++) {
		bool mine = i & 1;

		*a = args_join(mine ? id : 0, &results[i],
			       i & 2 ? FOREVER :
				       now_ns() + 3600 * NSEC_PER_SEC);
		ring_cmd(&ring, mine ? own.fd : self->all, CORO_URING_JOIN, a,
			 TAG_MANY + i);
	}
	*a = args_park(id, &events[0], 1, FOREVER);
	ring_cmd(&ring, own.fd, CORO_URING_PARK, a++, TAG_A);
	*a = args_park(0, &events[1], 1, FOREVER);
	ring_cmd(&ring, self->recv, CORO_URING_PARK, a, TAG_B);
	return ring_submit(&ring);
}

static long leave(void *arg)
{
	struct leaver *l = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(0, leave_commands(l->self, l->v));
	MUST(0, door_open(&l->ready));
	switch (l->way) {
	case LEAVE_KILLED:
		for (;;)
			pause();
	case LEAVE_EXEC:
		return exec_role('o', 1);
	case LEAVE_CLOSE:
		ring_exit(&ring);
		return 0;
	default:
		return 0;
	}
}

/* Let a child leave in @way: 0 if it went as it should and the context is as if it had not been. */
static long child_leaves(struct leaver *l, int way)
{
	FIXTURE_DATA(life) *self = l->self;
	pid_t pid;

	l->way = way;
	MUST(0, door_init(&l->ready));
	pid = child_start(leave, l);
	MUST(0, door_pass(&l->ready));
	close(l->ready.fd[0]);
	if (way == LEAVE_KILLED)
		kill(pid, SIGKILL);
	MUST(way == LEAVE_KILLED ? CHILD_SIGNALED(SIGKILL) : 0,
	     child_wait(pid));
	MUST(0, hnd_send(self->all, 5));
	return 0;
}

/* The next message of the context, which no command of a ring that was closed may have. */
static long message_take(FIXTURE_DATA(life) * self)
{
	return event_take(self->s.fd, self->id, CORO_EVENT_MESSAGE);
}

/*
 * 0 when no command waits for the context any more: the end of a ring goes on
 * when its process is gone, and until then another park is refused.
 */
static long nothing_is_left(FIXTURE_DATA(life) * self)
{
	static struct ring again;
	struct coro_event event;
	struct coro_uring_args a = args_park(0, &event, 1, 0);
	time_t start = 0;
	long ret;

	MUST(0, ring_init(&again, 0, false, false));
	do {
		a.deadline_ns = now_ns() + 1000000;
		ret = ring_run(&again, self->recv, CORO_URING_PARK, &a);
	} while (ret == -EBUSY && time_left(&start, 10));
	ring_exit(&again);
	return ret == (sched_waits(&self->s) ? -ETIMEDOUT : -EOPNOTSUPP) ? 0 :
									   ret;
}

TEST_F(life, a_killed_process_leaves_nothing)
{
	struct leaver l = { .self = self, .v = variant };

	ASSERT_EQ(0, child_leaves(&l, LEAVE_KILLED));
	EXPECT_EQ(5, message_take(self));
	EXPECT_EQ(0, nothing_is_left(self));
}

TEST_F(life, a_process_that_exits_leaves_nothing)
{
	struct leaver l = { .self = self, .v = variant };

	ASSERT_EQ(0, child_leaves(&l, LEAVE_EXIT));
	EXPECT_EQ(5, message_take(self));
	EXPECT_EQ(0, nothing_is_left(self));
}

TEST_F(life, exec_leaves_nothing)
{
	struct leaver l = { .self = self, .v = variant };

	ASSERT_EQ(0, child_leaves(&l, LEAVE_EXEC));
	EXPECT_EQ(5, message_take(self));
	EXPECT_EQ(0, nothing_is_left(self));
}

TEST_F(life, a_ring_that_is_closed_leaves_nothing)
{
	struct leaver l = { .self = self, .v = variant };

	ASSERT_EQ(0, child_leaves(&l, LEAVE_CLOSE));
	EXPECT_EQ(5, message_take(self));
	EXPECT_EQ(0, nothing_is_left(self));
}

TEST_F(life, what_a_ring_left_takes_no_message)
{
	ASSERT_EQ(0, leave_commands(self, variant));
	ring_exit(&ring);
	ASSERT_EQ(0, hnd_send(self->all, 5));
	EXPECT_EQ(5, message_take(self));
	EXPECT_EQ(0, nothing_is_left(self));
	sched_free(&own);
}

TEST_F(life, the_scheduler_may_die_before_the_ring)
{
	unsigned int i, bad = 0;
	long res;

	ASSERT_EQ(0, leave_commands(self, variant));
	sched_unmap(&own);
	sched_unmap(&self->s);
	for (i = 0; i < NR_MANY - 2; i++) {
		res = ring_wait(&ring, TAG_MANY + i);
		bad += res != -EOWNERDEAD &&
		       (sched_waits(&self->s) || res != -EOPNOTSUPP);
	}
	res = ring_wait(&ring, TAG_A);
	bad += res != -EOWNERDEAD &&
	       (sched_waits(&self->s) || res != -EOPNOTSUPP);
	EXPECT_EQ(0U, bad);
	ring_exit(&ring);
	sched_free(&own);
}

TEST_F(life, the_files_may_go_before_the_ring)
{
	ASSERT_EQ(0, leave_commands(self, variant));
	close(self->all);
	close(self->recv);
	close(self->s.fd);
	close(own.fd);
	self->all = -1;
	self->recv = -1;
	self->s.fd = -1;
	own.fd = -1;
	ring_exit(&ring);
	sched_free(&own);
}

static void *submit_and_end(void *arg)
{
	FIXTURE_DATA(life) *self = arg;

	args[0] = args_park(0, &events[0], 1, FOREVER);
	ring_cmd(&ring, self->recv, CORO_URING_PARK, &args[0], TAG_A);
	return (void *)(long)ring_submit(&ring);
}

TEST_F(life, a_thread_that_ends_loses_no_message)
{
	pthread_t thread;
	void *ret;
	long res;

	/* Others do not let two threads submit. */
	if (variant->flags & IORING_SETUP_SINGLE_ISSUER)
		return;
	ASSERT_EQ(0, ring_init(&ring, variant->flags, variant->fixed,
			       variant->async));
	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_and_end, self));
	pthread_join(thread, &ret);
	ASSERT_EQ(NULL, ret);
	ASSERT_EQ(0, hnd_send(self->all, 5));
	if (sched_waits(&self->s)) {
		res = ring_wait(&ring, TAG_A);
		/* With SQPOLL the ring's own thread has submitted it. */
		EXPECT_EQ(variant->flags & IORING_SETUP_SQPOLL ? 1 : -ECANCELED,
			  res);
		EXPECT_EQ(5, res == 1 ? (long)events[0].value :
					message_take(self));
	}
	ring_exit(&ring);
}

struct sender {
	pthread_t thread;
	int fd;
	unsigned int nr;
	long sent;
};

static void *send_while_it_ends(void *arg)
{
	struct sender *s = arg;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		s->sent += hnd_send(s->fd, i + 1) == 0;
	return NULL;
}

/*
 * A ring ends while messages come: one at most is taken by its command, before
 * the end, and the others are there.
 */
TEST_F(life, the_end_of_a_ring_races_with_messages)
{
	struct sender sender = { .fd = self->all, .nr = 3 };
	unsigned int round;
	long res, n, left;

	for (round = 0; round < 20; round++) {
		sender.sent = 0;
		ASSERT_EQ(0, leave_commands(self, variant));
		ASSERT_EQ(0, pthread_create(&sender.thread, NULL,
					    send_while_it_ends, &sender));
		if (round & 1)
			sched_yield();
		n = ring_take(&ring, TAG_B, &res) && res == 1;
		ring_exit(&ring);
		pthread_join(sender.thread, NULL);
		EXPECT_EQ(3, sender.sent);
		sched_free(&own);
		for (left = 0; STAT(self->s.fd, events_pending); left++)
			ASSERT_LT(0, message_take(self));
		EXPECT_LE(2, left);
		EXPECT_GE(3 - n, left);
	}
}

/* A ring that two processes have ends when both are gone. */
static long hold_ring(void *arg)
{
	struct leaver *l = arg;

	MUST(0, door_pass(&l->ready));
	return 0;
}

TEST_F(life, a_ring_that_a_child_holds_ends_with_the_child)
{
	struct leaver l = { .self = self, .v = variant };
	pid_t pid;

	ASSERT_EQ(0, door_init(&l.ready));
	ASSERT_EQ(0, leave_commands(self, variant));
	pid = child_start(hold_ring, &l);
	ring_exit(&ring);
	EXPECT_LT(self->uses, module_uses());
	ASSERT_EQ(0, door_open(&l.ready));
	EXPECT_EQ(0, child_wait(pid));
	sched_free(&own);
	EXPECT_EQ(0, nothing_is_left(self));
}

TEST_HARNESS_MAIN
