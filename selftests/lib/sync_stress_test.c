// SPDX-License-Identifier: MIT
/* Random programs of acquire, release, cancel and timeout over every object of coro/sync.h. */
#include "lib_sync.h"

SYNC_FIXTURE(sync_stress)

/* Of one seed. CORO_SYNC_SEED in the environment runs that one alone. */
enum { WORKERS = 8, OPS = 24, SEEDS = 40, PERMITS = 3, PARTIES = 5 };

struct worker {
	struct world *w;
	struct coro_scope scope;
	bool open;
	bool writes;
	uint64_t rnd;
};

struct kind;

/* All that a random program works on, and what it must add up to. */
struct world {
	const struct kind *kind;
	struct coro_mutex m;
	struct coro_event_flag e;
	struct coro_semaphore s;
	struct coro_condition c;
	struct coro_barrier b;
	struct coro_rwlock l;
	struct worker workers[WORKERS];
	unsigned int live;
	uint64_t rnd;
	unsigned int inside; /* who has what only so many may have */
	unsigned int writing;
	unsigned long due; /* waits that were ended by a set or a signal */
	unsigned long got; /* and that returned so */
	unsigned long index[PARTIES];
	unsigned long ends[3]; /* granted, cancelled, timed out */
};

struct kind {
	int (*wait)(struct worker *k, int64_t deadline_ns);
	void (*enter)(struct worker *k); /* has it */
	void (*leave)(struct worker *k); /* gives it back */
	void (*poke)(struct world *w); /* from outside, now and then */
	void (*check)(struct world *w); /* between any two steps */
};

static unsigned int chance(uint64_t *state, unsigned int of)
{
	return (unsigned int)(rnd(state) >> 33) % of;
}

static void nothing(struct worker *k)
{
	(void)k;
}

static int mutex_wait(struct worker *k, int64_t deadline_ns)
{
	return coro_mutex_lock(&k->w->m, deadline_ns);
}

static void mutex_enter(struct worker *k)
{
	EXPECT_EQ(1, ++k->w->inside);
}

static void mutex_leave(struct worker *k)
{
	k->w->inside--;
	EXPECT_EQ(0, coro_mutex_unlock(&k->w->m));
}

static void mutex_poke(struct world *w)
{
	if (!coro_mutex_trylock(&w->m)) {
		EXPECT_EQ(0, w->inside);
		EXPECT_EQ(0, coro_mutex_unlock(&w->m));
	}
}

static void mutex_check(struct world *w)
{
	EXPECT_TRUE(coro_mutex_is_locked(&w->m) || !coro_mutex_waiters(&w->m));
}

static const struct kind mutex = {
	mutex_wait, mutex_enter, mutex_leave, mutex_poke, mutex_check,
};

static int semaphore_wait(struct worker *k, int64_t deadline_ns)
{
	return coro_semaphore_acquire(&k->w->s, deadline_ns);
}

static void semaphore_enter(struct worker *k)
{
	EXPECT_GE(PERMITS, ++k->w->inside);
}

static void semaphore_leave(struct worker *k)
{
	k->w->inside--;
	EXPECT_EQ(0, coro_semaphore_release(&k->w->s));
}

static void semaphore_poke(struct world *w)
{
	if (!coro_semaphore_try_acquire(&w->s)) {
		EXPECT_GT(PERMITS, w->inside);
		EXPECT_EQ(0, coro_semaphore_release(&w->s));
	}
}

static void semaphore_check(struct world *w)
{
	EXPECT_TRUE(!coro_semaphore_value(&w->s) ||
		    !coro_semaphore_waiters(&w->s));
}

static const struct kind semaphore = {
	semaphore_wait, semaphore_enter, semaphore_leave,
	semaphore_poke, semaphore_check,
};

static int rwlock_wait(struct worker *k, int64_t deadline_ns)
{
	k->writes = !chance(&k->rnd, 3);
	return k->writes ? coro_rwlock_write(&k->w->l, deadline_ns) :
			   coro_rwlock_read(&k->w->l, deadline_ns);
}

static void rwlock_enter(struct worker *k)
{
	struct world *w = k->w;

	w->inside++;
	w->writing += k->writes;
	EXPECT_TRUE(!w->writing || w->inside == 1);
	if (k->writes && chance(&k->rnd, 2)) {
		EXPECT_EQ(0, coro_rwlock_downgrade(&w->l));
		k->writes = false;
		w->writing--;
	}
}

static void rwlock_leave(struct worker *k)
{
	k->w->inside--;
	k->w->writing -= k->writes;
	EXPECT_EQ(0, coro_rwlock_unlock(&k->w->l));
}

static void rwlock_poke(struct world *w)
{
	bool reads = !coro_rwlock_try_read(&w->l);

	if (reads || !coro_rwlock_try_write(&w->l)) {
		EXPECT_TRUE(reads ? !w->writing : !w->inside);
		EXPECT_EQ(0, coro_rwlock_unlock(&w->l));
	}
}

static void rwlock_check(struct world *w)
{
	/* A writer that gave up and has not run yet still holds others back. */
	EXPECT_TRUE(!coro_rwlock_is_writing(&w->l) ||
		    !coro_rwlock_readers(&w->l));
}

static const struct kind rwlock = {
	rwlock_wait, rwlock_enter, rwlock_leave, rwlock_poke, rwlock_check,
};

static int event_wait(struct worker *k, int64_t deadline_ns)
{
	bool set = coro_event_is_set(&k->w->e);
	int ret = coro_event_wait(&k->w->e, deadline_ns);

	k->w->got += !set && !ret;
	return ret;
}

static void event_poke(struct world *w)
{
	unsigned int what = chance(&w->rnd, 3);

	if (what) {
		w->due += coro_event_waiters(&w->e);
		EXPECT_EQ(0, coro_event_set(&w->e));
	}
	if (what < 2)
		coro_event_clear(&w->e);
}

static void event_check(struct world *w)
{
	EXPECT_TRUE(!coro_event_is_set(&w->e) || !coro_event_waiters(&w->e));
}

static const struct kind event = {
	event_wait, nothing, nothing, event_poke, event_check,
};

/* What it waits for is the signal; the mutex is had in between. */
static int condition_wait(struct worker *k, int64_t deadline_ns)
{
	struct world *w = k->w;
	int ret = coro_mutex_lock(&w->m, CORO_NEVER);

	if (ret)
		return ret;
	mutex_enter(k);
	w->inside--;
	ret = coro_condition_wait(&w->c, &w->m, deadline_ns);
	w->got += !ret;
	if (!ret)
		return 0;
	mutex_enter(k);
	mutex_leave(k);
	return ret;
}

static void condition_poke(struct world *w)
{
	unsigned int nr = coro_condition_waiters(&w->c);

	if (coro_mutex_trylock(&w->m))
		return;
	EXPECT_EQ(0, w->inside);
	if (chance(&w->rnd, 4)) {
		w->due += !!nr;
		EXPECT_EQ(0, coro_condition_signal(&w->c, &w->m));
	} else {
		w->due += nr;
		EXPECT_EQ(0, coro_condition_broadcast(&w->c, &w->m));
	}
	EXPECT_EQ(0, coro_mutex_unlock(&w->m));
}

static const struct kind condition = {
	condition_wait, mutex_enter, mutex_leave, condition_poke, mutex_check,
};

static int barrier_wait(struct worker *k, int64_t deadline_ns)
{
	int ret = coro_barrier_wait(&k->w->b, deadline_ns);

	if (ret >= PARTIES)
		return -EPROTO;
	if (ret >= 0)
		k->w->index[ret]++;
	return ret;
}

static void barrier_poke(struct world *w)
{
	int err = 0;

	if (!chance(&w->rnd, 16))
		err = coro_barrier_abort(&w->b);
	else if (coro_barrier_is_broken(&w->b))
		err = coro_barrier_reset(&w->b);
	EXPECT_EQ(0, err);
}

static void barrier_check(struct world *w)
{
	EXPECT_GT(PARTIES, coro_barrier_waiters(&w->b));
}

static const struct kind barrier = {
	barrier_wait, nothing, nothing, barrier_poke, barrier_check,
};

static void count_end(struct world *w, int ret)
{
	w->ends[0] += ret >= 0;
	w->ends[1] += ret == -ECANCELED;
	w->ends[2] += ret == -ETIMEDOUT;
	EXPECT_TRUE(ret >= 0 || ret == -ECANCELED || ret == -ETIMEDOUT ||
		    ret == -EPIPE);
}

static int64_t until(struct worker *k)
{
	unsigned int us = chance(&k->rnd, 20);

	return us < 10 ? coro_after(us * CORO_USEC) : CORO_NEVER;
}

static long work(void *arg)
{
	struct worker *k = arg;
	const struct kind *kind = k->w->kind;
	unsigned int i, hold;
	int ret;

	for (i = 0; i < OPS; i++) {
		EXPECT_EQ(0, coro_scope_enter(&k->scope, CORO_NEVER));
		k->open = true;
		ret = kind->wait(k, until(k));
		k->open = false;
		coro_scope_leave(&k->scope, 0);
		count_end(k->w, ret);
		if (ret >= 0)
			kind->enter(k);
		for (hold = chance(&k->rnd, 3); hold; hold--)
			EXPECT_EQ(0, coro_sleep(0));
		if (ret >= 0)
			kind->leave(k);
	}
	k->w->live--;
	return 0;
}

static void meddle(struct world *w)
{
	struct worker *k = &w->workers[chance(&w->rnd, WORKERS)];

	if (!chance(&w->rnd, 3))
		w->kind->poke(w);
	if (k->open && !chance(&w->rnd, 2))
		EXPECT_EQ(0, coro_scope_cancel(&k->scope));
	if (!chance(&w->rnd, 3))
		w->kind->poke(w);
	w->kind->check(w);
}

static void world_begin(struct world *w, const struct kind *kind,
			unsigned int flags, uint64_t seed)
{
	w->kind = kind;
	w->rnd = seed * 0x9e3779b97f4a7c15u;
	EXPECT_EQ(0, coro_mutex_init(&w->m, flags));
	EXPECT_EQ(0, coro_event_init(&w->e, flags));
	EXPECT_EQ(0, coro_semaphore_init(&w->s, PERMITS, PERMITS, flags));
	EXPECT_EQ(0, coro_condition_init(&w->c, flags));
	EXPECT_EQ(0, coro_barrier_init(&w->b, PARTIES, flags));
	EXPECT_EQ(0, coro_rwlock_init(&w->l, flags));
	for (unsigned int i = 0; i < WORKERS; i++) {
		w->workers[i].w = w;
		w->workers[i].open = false;
		w->workers[i].rnd = rnd(&w->rnd);
		w->live++;
		EXPECT_EQ(0, coro_spawn(work, &w->workers[i]));
	}
}

/* Nobody has anything, waits for anything, or was told of what did not come. */
static void world_end(struct world *w)
{
	EXPECT_EQ(0, w->inside);
	EXPECT_EQ(w->due, w->got);
	for (unsigned int i = 1; i < PARTIES; i++)
		EXPECT_EQ(w->index[0], w->index[i]);
	EXPECT_EQ(PERMITS, coro_semaphore_value(&w->s));
	EXPECT_EQ(0, coro_mutex_fini(&w->m));
	EXPECT_EQ(0, coro_event_fini(&w->e));
	EXPECT_EQ(0, coro_semaphore_fini(&w->s));
	EXPECT_EQ(0, coro_condition_fini(&w->c));
	EXPECT_EQ(0, coro_barrier_fini(&w->b));
	EXPECT_EQ(0, coro_rwlock_fini(&w->l));
}

struct run {
	const struct kind *kind;
	unsigned int flags;
	uint64_t seed;
	unsigned long ends[3];
};

static long run_seed(void *arg)
{
	struct run *r = arg;
	struct world w = { .live = 0 };

	world_begin(&w, r->kind, r->flags, r->seed);
	while (w.live) {
		meddle(&w);
		/* Time goes on only when all wait. */
		EXPECT_EQ(0, coro_sleep(chance(&w.rnd, 6) ? 0 : CORO_USEC));
	}
	world_end(&w);
	for (unsigned int i = 0; i < 3; i++)
		r->ends[i] += w.ends[i];
	return 0;
}

static void run_seeds(struct __test_metadata *test, const struct kind *kind,
		      unsigned int flags)
{
	const char *only = getenv("CORO_SYNC_SEED");
	struct coro_sim_opts sim = { .size = sizeof(sim) };
	struct coro_loop_opts opts = { .size = sizeof(opts), .sim = &sim };
	struct run r = { .kind = kind, .flags = flags };
	uint64_t last = SEEDS;

	r.seed = 1;
	if (only) {
		r.seed = strtoull(only, NULL, 0);
		last = r.seed;
	}
	/* Also who of the ready is next comes of the seed, and time is virtual. */
	for (; r.seed <= last && test->passed; r.seed++) {
		sim.seed = r.seed;
		EXPECT_EQ(0, coro_run_opts(run_seed, &r, &opts, NULL));
	}
	if (!test->passed)
		TH_LOG("seed %llu", (unsigned long long)r.seed - 1);
	/* It was about something. */
	EXPECT_LT(SEEDS, r.ends[0]);
	EXPECT_LT(SEEDS, r.ends[1]);
	EXPECT_LT(SEEDS, r.ends[2]);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, mutex_is_never_lost_and_never_had_twice)
{
	run_seeds(_metadata, &mutex, variant->flags);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, permits_are_never_lost_and_never_had_twice)
{
	run_seeds(_metadata, &semaphore, variant->flags);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, readers_and_writers_are_never_lost_nor_together)
{
	run_seeds(_metadata, &rwlock, variant->flags);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, every_set_wakes_all_who_wait)
{
	run_seeds(_metadata, &event, variant->flags);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, every_signal_ends_one_wait)
{
	run_seeds(_metadata, &condition, variant->flags);
}

/* SYN-24, SYN-25 */
TEST_F(sync_stress, every_round_of_a_barrier_has_each_index_once)
{
	run_seeds(_metadata, &barrier, variant->flags);
}

TEST_HARNESS_MAIN
