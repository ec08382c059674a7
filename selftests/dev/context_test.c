// SPDX-License-Identifier: GPL-2.0
/* Contexts: their ids, their generations, their entries in the table. */
#include "common.h"
#include "kselftest_harness.h"

#define MAX 64U

FIXTURE(context)
{
	struct sched s;
	__u64 ids[MAX + 1];
};

FIXTURE_SETUP(context)
{
	ASSERT_EQ(0, sched_new(&self->s, MAX, 8, 4 * PAGE));
	ASSERT_EQ(MAX, self->s.args.out_max_contexts);
}

FIXTURE_TEARDOWN(context)
{
	sched_free(&self->s);
}

static __u64 make_id(__u32 index, __u32 generation)
{
	return (__u64)generation << 32 | index;
}

/* What each command that names a context says to @id, if all say the same. */
static long verdict(int fd, __u64 id)
{
	long ret = ctx_wake(fd, id, 1);

	if (ctx_peak(fd, id) != ret || ctx_free(fd, &id, 1, 0) != ret)
		return -EPROTO;
	return ret;
}

/* True if all of @entry but its generation is zero. */
static bool entry_is_blank(const struct coro_shm_context *entry)
{
	static const struct coro_shm_context zero;

	return !memcmp((const char *)entry + sizeof(entry->generation),
		       (const char *)&zero + sizeof(entry->generation),
		       sizeof(zero) - sizeof(entry->generation));
}

TEST_F(context, ids_are_unique_and_never_zero)
{
	bool seen[MAX] = { false };
	unsigned int i;

	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	for (i = 0; i < MAX; i++) {
		EXPECT_NE(0ULL, self->ids[i]);
		ASSERT_GT(MAX, CORO_INDEX(self->ids[i]));
		EXPECT_FALSE(seen[CORO_INDEX(self->ids[i])]);
		seen[CORO_INDEX(self->ids[i])] = true;
	}
}

TEST_F(context, a_full_scheduler_refuses_more)
{
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	EXPECT_EQ(-ENOSPC, ctx_alloc(self->s.fd, self->ids + MAX, 1));
	EXPECT_EQ(MAX, STAT(self->s.fd, contexts));
}

TEST_F(context, a_batch_that_does_not_fit_is_cut)
{
	ASSERT_EQ(MAX - 4, ctx_alloc(self->s.fd, self->ids, MAX - 4));
	EXPECT_EQ(4, ctx_alloc(self->s.fd, self->ids + MAX - 4, 5));
	EXPECT_EQ(POISON64, self->ids[MAX]);
	EXPECT_EQ(MAX, STAT(self->s.fd, contexts));
}

TEST_F(context, room_comes_back_with_free)
{
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids + 7, 1, 0));
	EXPECT_EQ(1, ctx_alloc(self->s.fd, self->ids + 7, 2));
}

TEST_F(context, what_was_freed_last_is_given_first)
{
	__u64 again[4];
	unsigned int i;

	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
	ASSERT_EQ(4, ctx_free(self->s.fd, self->ids, 4, 0));
	ASSERT_EQ(4, ctx_alloc(self->s.fd, again, 4));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(CORO_INDEX(self->ids[3 - i]), CORO_INDEX(again[i]));
}

TEST_F(context, a_trimmed_context_is_recycled_in_the_same_order)
{
	__u64 again[4];
	unsigned int i;

	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
	ASSERT_EQ(4, ctx_free(self->s.fd, self->ids, 4, CORO_FREE_F_TRIM));
	ASSERT_EQ(4, ctx_alloc(self->s.fd, again, 4));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(CORO_INDEX(self->ids[3 - i]), CORO_INDEX(again[i]));
}

TEST_F(context, each_life_has_a_generation_of_its_own)
{
	__u64 id, last = 0;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(1, ctx_alloc(self->s.fd, &id, 1));
		if (last) {
			ASSERT_EQ(CORO_INDEX(last), CORO_INDEX(id));
			ASSERT_LT(CORO_GENERATION(last), CORO_GENERATION(id));
		}
		ASSERT_EQ(1, ctx_free(self->s.fd, &id, 1, 0));
		last = id;
	}
}

TEST_F(context, a_freed_id_is_stale)
{
	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(-ESTALE, verdict(self->s.fd, self->ids[0]));
	EXPECT_EQ(0, STAT(self->s.fd, contexts));
}

TEST_F(context, a_freed_id_is_stale_in_the_next_life_too)
{
	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids + 1, 1));
	EXPECT_EQ(-ESTALE, verdict(self->s.fd, self->ids[0]));
	EXPECT_EQ(1, STAT(self->s.fd, contexts));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(context, an_index_never_allocated_is_no_entry)
{
	unsigned int i;

	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	for (i = 0; i < MAX; i++) {
		if (i == CORO_INDEX(self->ids[0]))
			continue;
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, make_id(i, 1)));
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, make_id(i, 0)));
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, make_id(i, UINT32_MAX)));
	}
	EXPECT_EQ(1, STAT(self->s.fd, contexts));
}

TEST_F(context, an_index_beyond_the_last_is_no_entry)
{
	static const __u32 beyond[] = { MAX, MAX + 1, 0x7fffffff, 0x80000000,
					UINT32_MAX };
	unsigned int i;

	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, make_id(beyond[i], 0)));
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, make_id(beyond[i], 1)));
	}
}

TEST_F(context, id_zero_names_nothing)
{
	EXPECT_EQ(-ENOENT, verdict(self->s.fd, 0));
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	EXPECT_GT(0, verdict(self->s.fd, 0));
	EXPECT_EQ(MAX, STAT(self->s.fd, contexts));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(context, a_generation_that_never_lived_is_refused)
{
	__u32 index, generation;

	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	index = CORO_INDEX(self->ids[0]);
	generation = CORO_GENERATION(self->ids[0]);
	EXPECT_GT(0, verdict(self->s.fd, make_id(index, generation + 1)));
	EXPECT_GT(0, verdict(self->s.fd, make_id(index, generation + 2)));
	EXPECT_GT(0, verdict(self->s.fd,
			     make_id(index, generation ^ 0x80000000U)));
	EXPECT_EQ(1, STAT(self->s.fd, contexts));
}

TEST_F(context, a_free_context_is_not_named_by_the_generation_in_its_entry)
{
	__u32 index;

	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	index = CORO_INDEX(self->ids[0]);
	EXPECT_EQ(-ESTALE,
		  verdict(self->s.fd,
			  make_id(index, self->s.table[index].generation)));
	EXPECT_EQ(0, STAT(self->s.fd, contexts));
}

TEST_F(context, a_duplicate_in_one_free_is_stale)
{
	__u64 twice[3];

	ASSERT_EQ(2, ctx_alloc(self->s.fd, self->ids, 2));
	twice[0] = self->ids[0];
	twice[1] = self->ids[0];
	twice[2] = self->ids[1];
	EXPECT_EQ(1, ctx_free(self->s.fd, twice, 3, CORO_FREE_F_TRIM));
	EXPECT_EQ(1, STAT(self->s.fd, contexts));
	EXPECT_EQ(-ESTALE,
		  ctx_free(self->s.fd, twice + 1, 2, CORO_FREE_F_TRIM));
	EXPECT_EQ(1, ctx_free(self->s.fd, twice + 2, 1, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, STAT(self->s.fd, contexts));
}

TEST_F(context, a_batch_stops_at_the_first_entry_that_fails)
{
	__u64 batch[3];

	ASSERT_EQ(3, ctx_alloc(self->s.fd, self->ids, 3));
	batch[0] = self->ids[0];
	batch[1] = make_id(MAX, 1);
	batch[2] = self->ids[2];
	EXPECT_EQ(1, ctx_free(self->s.fd, batch, 3, 0));
	EXPECT_EQ(2, STAT(self->s.fd, contexts));
	EXPECT_EQ(-ENOENT, ctx_free(self->s.fd, batch + 1, 2, 0));
	EXPECT_EQ(2, STAT(self->s.fd, contexts));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[2], 1));
}

TEST_F(context, ids_of_another_scheduler_reach_nothing_here)
{
	struct sched other;
	unsigned int i;

	ASSERT_EQ(0, sched_new(&other, 2 * MAX, 8, 4 * PAGE));
	/* Two lives each: indices and generations that do not exist here. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(MAX, ctx_alloc(other.fd, self->ids, MAX));
		if (!i)
			ASSERT_EQ(MAX, ctx_free(other.fd, self->ids, MAX, 0));
	}
	for (i = 0; i < MAX; i++)
		EXPECT_EQ(-ENOENT, verdict(self->s.fd, self->ids[i]));
	EXPECT_EQ(MAX, STAT(other.fd, contexts));
	EXPECT_EQ(0, STAT(other.fd, events_total));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
	sched_free(&other);
}

TEST_F(context, a_new_entry_holds_its_generation_and_zeroes)
{
	unsigned int i;

	memset(self->s.table, POISON, self->s.args.out_table_bytes);
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	for (i = 0; i < MAX; i++) {
		struct coro_shm_context *entry =
			&self->s.table[CORO_INDEX(self->ids[i])];

		EXPECT_EQ(CORO_GENERATION(self->ids[i]), entry->generation);
		EXPECT_TRUE(entry_is_blank(entry));
	}
}

TEST_F(context, a_freed_entry_is_free_and_not_younger)
{
	struct coro_shm_context *entry;

	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	entry = &self->s.table[CORO_INDEX(self->ids[0])];
	memset(entry, POISON, sizeof(*entry));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	EXPECT_EQ(CORO_STATE_FREE, entry->state);
	EXPECT_TRUE(entry_is_blank(entry));
	EXPECT_LE(CORO_GENERATION(self->ids[0]), entry->generation);
	EXPECT_GE(CORO_GENERATION(self->ids[0]) + 1, entry->generation);
}

TEST_F(context, what_the_owner_wrote_into_the_table_changes_no_id)
{
	__u64 id;

	ASSERT_EQ(1, ctx_alloc(self->s.fd, self->ids, 1));
	self->s.table[CORO_INDEX(self->ids[0])].generation = 77;
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	self->s.table[CORO_INDEX(self->ids[0])].generation = 99;
	ASSERT_EQ(1, ctx_alloc(self->s.fd, &id, 1));
	EXPECT_LT(CORO_GENERATION(self->ids[0]), CORO_GENERATION(id));
	EXPECT_GT(77U, CORO_GENERATION(id));
	EXPECT_EQ(CORO_GENERATION(id),
		  self->s.table[CORO_INDEX(id)].generation);
}

TEST_F(context, a_neighbours_entry_is_left_alone)
{
	struct coro_shm_context want;
	struct coro_shm_context *entry;

	ASSERT_EQ(3, ctx_alloc(self->s.fd, self->ids, 3));
	memset(&want, 0x5a, sizeof(want));
	entry = &self->s.table[CORO_INDEX(self->ids[1])];
	*entry = want;
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, CORO_FREE_F_TRIM));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids + 2, 1, CORO_FREE_F_TRIM));
	ASSERT_EQ(2, ctx_alloc(self->s.fd, self->ids, 2));
	EXPECT_EQ(0, memcmp(&want, entry, sizeof(want)));
}

TEST(every_entry_of_a_large_table_can_be_read)
{
	const struct coro_shm_context *entry;
	__u32 used = 0, bad = 0;
	struct sched s;
	__u64 i, id;

	ASSERT_EQ(0, sched_new(&s, 100000, 8, 4 * PAGE));
	ASSERT_EQ(1, ctx_alloc(s.fd, &id, 1));
	for (i = 0; i < s.args.out_max_contexts; i++) {
		entry = &s.table[i];
		used += entry->generation && i == CORO_INDEX(id);
		bad += !entry_is_blank(entry);
	}
	EXPECT_EQ(1U, used);
	EXPECT_EQ(0U, bad);
	/* What lies between the last entry and the end of its page too. */
	EXPECT_EQ(0,
		  probe((char *)s.table + s.args.out_table_bytes - 1, false));
	sched_free(&s);
}

TEST(the_last_context_can_be_written_in_the_table)
{
	static __u64 ids[1000];
	struct sched s;
	unsigned int i;

	ASSERT_EQ(0, sched_new(&s, 1000, 8, 4 * PAGE));
	ASSERT_EQ(1000, ctx_alloc(s.fd, ids, 1000));
	for (i = 0; i < 1000; i++)
		memset(&s.table[CORO_INDEX(ids[i])], 0x11, sizeof(s.table[0]));
	EXPECT_EQ(1000, ctx_free(s.fd, ids, 1000, 0));
	for (i = 0; i < 1000; i++)
		EXPECT_TRUE(entry_is_blank(&s.table[i]));
	sched_free(&s);
}

TEST_F(context, stat_knows_how_many_live_and_how_many_did)
{
	ASSERT_EQ(10, ctx_alloc(self->s.fd, self->ids, 10));
	ASSERT_EQ(7, ctx_free(self->s.fd, self->ids, 7, 0));
	ASSERT_EQ(2, ctx_alloc(self->s.fd, self->ids, 2));
	EXPECT_EQ(5, STAT(self->s.fd, contexts));
	EXPECT_EQ(10, STAT(self->s.fd, contexts_peak));
	EXPECT_EQ(5U, self->s.header->contexts);
}

TEST(the_largest_batch_is_accepted)
{
	static __u64 ids[CORO_MAX_BATCH];
	struct sched s;

	ASSERT_EQ(0, sched_new(&s, CORO_MAX_BATCH, 8, 2 * PAGE));
	EXPECT_EQ(CORO_MAX_BATCH, ctx_alloc(s.fd, ids, CORO_MAX_BATCH));
	EXPECT_EQ(CORO_MAX_BATCH,
		  ctx_free(s.fd, ids, CORO_MAX_BATCH, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, STAT(s.fd, contexts));
	sched_free(&s);
}

#define RACERS 4
#define RACE_ROUNDS 300
#define RACE_BATCH 12

struct racer {
	pthread_t thread;
	struct sched *s;
	int *owned; /* per index: how many hold it; never above 1 */
	long errors;
};

static void *race_alloc_free(void *arg)
{
	struct racer *r = arg;
	__u64 ids[RACE_BATCH];
	long i, n, round;
	int *owned;

	for (round = 0; round < RACE_ROUNDS; round++) {
		n = ctx_alloc(r->s->fd, ids, RACE_BATCH);
		if (n != RACE_BATCH) {
			r->errors++;
			continue;
		}
		for (i = 0; i < n; i++) {
			owned = &r->owned[CORO_INDEX(ids[i])];
			r->errors += __atomic_fetch_add(owned, 1,
							__ATOMIC_SEQ_CST) != 0;
		}
		for (i = 0; i < n; i++) {
			owned = &r->owned[CORO_INDEX(ids[i])];
			__atomic_fetch_sub(owned, 1, __ATOMIC_SEQ_CST);
		}
		r->errors += ctx_free(r->s->fd, ids, n, round & 1) != n;
	}
	return NULL;
}

TEST_F(context, threads_never_get_the_same_context)
{
	struct racer racers[RACERS] = { 0 };
	int owned[MAX] = { 0 };
	unsigned int i;

	for (i = 0; i < RACERS; i++) {
		racers[i].s = &self->s;
		racers[i].owned = owned;
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
					    race_alloc_free, &racers[i]));
	}
	for (i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		EXPECT_EQ(0, racers[i].errors);
	}
	EXPECT_EQ(0, STAT(self->s.fd, contexts));
	EXPECT_GE(RACERS * RACE_BATCH, STAT(self->s.fd, contexts_peak));
}

TEST_HARNESS_MAIN
