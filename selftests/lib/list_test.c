// SPDX-License-Identifier: MIT
/* The list of all coroutines: who is in it, and the chains in which they await one another. */
#include "lib_common.h"

LIB_FIXTURE(list)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

enum { CHAIN = 4 };

/* What the innermost of a chain saw of all its members. */
struct chain {
	uint64_t id[CHAIN];
	struct coro_info info[CHAIN];
	int depth;
	int looks;
};

static int record(void *arg, const struct coro_info *info)
{
	struct chain *chain = arg;
	int i;

	for (i = 0; i < CHAIN; i++) {
		if (info->id == chain->id[i])
			chain->info[i] = *info;
	}
	return 0;
}

/* Each member awaits the next, and the last one runs. */
static void look_at_chain(struct chain *chain)
{
	int i;

	memset(chain->info, 0, sizeof(chain->info));
	EXPECT_EQ(0, coro_list(record, chain));
	for (i = 0; i < CHAIN - 1; i++) {
		EXPECT_EQ(CORO_STATE_SUSPENDED, chain->info[i].state);
		EXPECT_EQ(CORO_AWAITS_CONTEXT, chain->info[i].awaits);
		EXPECT_EQ(chain->id[i + 1], chain->info[i].awaits_arg);
	}
	EXPECT_EQ(CORO_STATE_RUNNING, chain->info[i].state);
	EXPECT_EQ(CORO_AWAITS_NOTHING, chain->info[i].awaits);
	chain->looks++;
}

static long await_down(void *arg)
{
	struct chain *chain = arg;

	chain->id[chain->depth] = coro_id(coro_self());
	if (++chain->depth < CHAIN)
		return coro_await(coro_new(await_down, chain));
	look_at_chain(chain);
	while (chain->looks < 4) {
		coro_yield(0, NULL);
		look_at_chain(chain);
	}
	return 0;
}

/* STC-23, DIA-10 */
TEST_F(list, chain_can_be_listed_from_inside_after_a_resume_and_a_throw)
{
	struct chain chain = { .depth = 0 };
	struct coro *c = coro_new(await_down, &chain);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(1, chain.looks);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 1, NULL));
	EXPECT_EQ(CORO_YIELDED, coro_throw(c, -EIO, NULL));
	EXPECT_EQ(CORO_ENDED, coro_throw(c, CORO_EXIT, NULL));
	EXPECT_EQ(4, chain.looks);
	coro_put(c);
}

/* Which of the listed coroutines are there, by their names. */
struct seen {
	int eager, waits, fresh, ended, other, main;
};

static int see(void *arg, const struct coro_info *info)
{
	struct seen *s = arg;

	s->eager += !strcmp(info->name, "eager");
	s->waits += !strcmp(info->name, "waits") &&
		    info->state == CORO_STATE_SUSPENDED &&
		    info->awaits == CORO_AWAITS_TIMER;
	s->fresh += !strcmp(info->name, "fresh") &&
		    info->state == CORO_STATE_CREATED;
	s->ended += !strcmp(info->name, "ended");
	s->other += !strcmp(info->name, "other");
	s->main += !strcmp(info->name, "main");
	return 0;
}

static long look_at_all(void *arg)
{
	coro_set_name(coro_self(), "eager");
	EXPECT_EQ(0, coro_list(see, arg));
	return 0;
}

struct listing {
	pthread_barrier_t barrier;
	struct seen seen;
};

static void *have_one(void *arg)
{
	struct listing *l = arg;
	struct coro *c = coro_new_named(give_arg, NULL, "other");

	pthread_barrier_wait(&l->barrier);
	pthread_barrier_wait(&l->barrier);
	coro_close(c, NULL);
	coro_put(c);
	return NULL;
}

static long list_all(void *arg)
{
	const struct coro_spawn_opts eager = { .size = sizeof(eager),
					       .flags = CORO_SPAWN_EAGER };
	struct listing *l = arg;

	EXPECT_EQ(0, coro_spawn_named(sleep_far, NULL, "waits"));
	EXPECT_EQ(0, coro_spawn_named(give_arg, NULL, "ended"));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_spawn_named(give_arg, NULL, "fresh"));
	EXPECT_EQ(0, coro_spawn_opts(NULL, look_at_all, &l->seen, &eager));
	return 0;
}

/* TSK-39, TSK-34, DIA-16 */
TEST_F(list, list_has_all_that_have_not_ended)
{
	struct listing l = { .seen = { 0 } };
	pthread_t thread;

	pthread_barrier_init(&l.barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, have_one, &l));
	pthread_barrier_wait(&l.barrier);
	EXPECT_EQ(0, coro_run(list_all, &l));
	pthread_barrier_wait(&l.barrier);
	pthread_join(thread, NULL);
	EXPECT_EQ(1, l.seen.main);
	EXPECT_EQ(1, l.seen.eager);
	EXPECT_EQ(1, l.seen.waits);
	EXPECT_EQ(1, l.seen.fresh);
	EXPECT_EQ(1, l.seen.other);
	EXPECT_EQ(0, l.seen.ended);
}

TEST_HARNESS_MAIN
