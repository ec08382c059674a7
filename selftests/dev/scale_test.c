// SPDX-License-Identifier: GPL-2.0
/* Many contexts: what holds for one holds for a hundred thousand. */
#include "common.h"
#include "kselftest_harness.h"

/* Seconds: a plain kernel needs a few, one with all checks on many more. */
#define LIMIT 300

#define STACK 65536U

/* How many contexts: fewer where the kernel is slow. */
static __u32 many;

FIXTURE(scale)
{
	struct sched s;
	__u64 *ids;
};

FIXTURE_SETUP(scale)
{
	__u32 got = 0;
	long n;

	many = 100000 / slowdown();
	self->ids = malloc(many * sizeof(*self->ids));
	ASSERT_NE(NULL, self->ids);
	ASSERT_EQ(0, sched_new(&self->s, many, 4, STACK));
	while (got < many) {
		n = many - got < CORO_MAX_BATCH ? many - got : CORO_MAX_BATCH;
		ASSERT_EQ(n, ctx_alloc(self->s.fd, self->ids + got, n));
		got += n;
	}
}

FIXTURE_TEARDOWN(scale)
{
	sched_free(&self->s);
	free(self->ids);
}

/* Free all in batches: how many were freed. */
static long free_all(struct sched *s, const __u64 *ids, __u32 flags)
{
	__u32 done = 0, nr;
	long n;

	while (done < many) {
		nr = many - done < CORO_MAX_BATCH ? many - done :
						    CORO_MAX_BATCH;
		n = ctx_free(s->fd, ids + done, nr, flags);
		if (n < 0)
			return n;
		done += n;
	}
	return done;
}

TEST_F_TIMEOUT(scale, every_stack_holds_its_own_page_and_gives_it_back, LIMIT)
{
	__u32 i, wrong = 0;

	EXPECT_EQ(many, STAT(self->s.fd, contexts));
	EXPECT_EQ(0, STAT(self->s.fd, stacks_resident_bytes));
	for (i = 0; i < many; i++)
		*(__u64 *)stack_page(&self->s, self->ids[i], 0) = self->ids[i];
	EXPECT_EQ(many * PAGE, STAT(self->s.fd, stacks_resident_bytes));
	for (i = 0; i < many; i++)
		wrong += *(__u64 *)stack_page(&self->s, self->ids[i], 0) !=
			 self->ids[i];
	EXPECT_EQ(0U, wrong);
	EXPECT_EQ(many, free_all(&self->s, self->ids, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, STAT(self->s.fd, stacks_resident_bytes));
	EXPECT_EQ(0, STAT(self->s.fd, contexts));
	EXPECT_EQ(many, STAT(self->s.fd, contexts_peak));
}

TEST_F_TIMEOUT(scale, every_context_gets_its_message, LIMIT)
{
	struct coro_wake *wakes = malloc(many * sizeof(*wakes));
	struct coro_event *events = malloc(many * sizeof(*events));
	__u32 i, done, wrong = 0;
	long n;

	ASSERT_NE(NULL, wakes);
	ASSERT_NE(NULL, events);
	for (i = 0; i < many; i++)
		wakes[i] = (struct coro_wake){ self->ids[i], ~self->ids[i] };
	for (done = 0; done < many; done += n) {
		n = many - done < CORO_MAX_BATCH ? many - done : CORO_MAX_BATCH;
		ASSERT_EQ(n, ctx_wake_many(self->s.fd, wakes + done, n));
	}
	EXPECT_EQ(many, STAT(self->s.fd, events_pending));
	for (done = 0; done < many; done += n) {
		n = event_read(self->s.fd, events + done, many - done);
		ASSERT_LT(0, n);
	}
	for (i = 0; i < many; i++)
		wrong += events[i].id != self->ids[i] ||
			 events[i].value != ~self->ids[i];
	EXPECT_EQ(0U, wrong);
	free(wakes);
	free(events);
}

TEST_F_TIMEOUT(scale, death_with_everything_in_use_leaves_nothing, LIMIT)
{
	__u32 i;

	for (i = 0; i < many; i += 2) {
		*stack_page(&self->s, self->ids[i], 0) = 1;
		EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[i], i));
	}
	/* The teardown unmaps and closes; the next test of this fixture finds the memory. */
}

TEST_F_TIMEOUT(scale, guards_stand_everywhere, LIMIT)
{
	__u32 i, fell = 0;

	for (i = 0; i < many; i += 97)
		fell += probe(stack_guard(&self->s, self->ids[i]), true) !=
			SIGSEGV;
	EXPECT_EQ(0U, fell);
	EXPECT_EQ((many + 96) / 97, STAT(self->s.fd, overflows));
}

TEST(a_million_stacks_can_be_mapped)
{
	struct sched s;
	__u64 id;

	ASSERT_EQ(0, sched_new(&s, 1000000, 4, STACK));
	ASSERT_EQ(1000000U, s.args.out_max_contexts);
	ASSERT_EQ(1, ctx_alloc(s.fd, &id, 1));
	EXPECT_EQ(0, probe(s.stacks + 999999ULL * STACK + PAGE, true));
	EXPECT_EQ(SIGSEGV, probe(s.stacks + 999999ULL * STACK, true));
	EXPECT_EQ(999999, STAT(s.fd, overflow_id));
	EXPECT_EQ(PAGE, STAT(s.fd, stacks_resident_bytes));
	EXPECT_EQ(0, probe((char *)&s.table[999999], true));
	sched_free(&s);
}

TEST_HARNESS_MAIN
