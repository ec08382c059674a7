// SPDX-License-Identifier: MIT
/* Shared objects of coro/sync.h among loops of several threads. */
#include "lib_sync.h"

LIB_FIXTURE(sync_shared)

enum { THREADS = 4, EACH = 4, ALL = THREADS * EACH, ROUNDS = 150, SLOTS = 3 };

/* What all use at the same time; what an object protects is not atomic. */
struct storm {
	int (*work)(struct storm *s, unsigned int nr, uint64_t *rnd);
	struct coro_mutex m;
	struct coro_event_flag e[2];
	struct coro_semaphore sem;
	struct coro_condition filled, emptied;
	struct coro_barrier b, threes;
	struct coro_rwlock l;
	unsigned long count, copy;
	unsigned long put, taken, sum;
	unsigned int arrived[ROUNDS]; /* atomic: a bit for each index */
	int inside; /* atomic */
	unsigned long granted, missed; /* atomic */
};

struct party {
	struct storm *s;
	unsigned int nr;
	long ret;
};

static long party_member(void *arg)
{
	struct party *p = arg;
	uint64_t state = p->nr + 1;

	return p->s->work(p->s, p->nr, &state);
}

static long party_run(void *arg)
{
	struct party *p = arg;
	struct party member[EACH];
	struct coro *c[EACH];
	long ret = 0, err;
	unsigned int i;

	for (i = 0; i < EACH; i++) {
		member[i] = *p;
		member[i].nr = p->nr * EACH + i;
		c[i] = coro_new(party_member, &member[i]);
		if (coro_start(c[i]))
			return -EPROTO;
	}
	for (i = 0; i < EACH; i++) {
		err = coro_await(c[i]);
		ret = ret ? ret : err;
	}
	return ret;
}

static void *party_thread(void *arg)
{
	struct party *p = arg;

	p->ret = coro_run(party_run, p);
	return NULL;
}

static void storm_run(struct storm *s,
		      int (*work)(struct storm *s, unsigned int nr,
				  uint64_t *rnd))
{
	struct party p[THREADS];
	pthread_t thread[THREADS];
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->work = work;
	EXPECT_EQ(0, coro_mutex_init(&s->m, CORO_SHARED));
	EXPECT_EQ(0, coro_event_init(&s->e[0], CORO_SHARED));
	EXPECT_EQ(0, coro_event_init(&s->e[1], CORO_SHARED));
	EXPECT_EQ(0, coro_semaphore_init(&s->sem, SLOTS, SLOTS, CORO_SHARED));
	EXPECT_EQ(0, coro_condition_init(&s->filled, CORO_SHARED));
	EXPECT_EQ(0, coro_condition_init(&s->emptied, CORO_SHARED));
	EXPECT_EQ(0, coro_barrier_init(&s->b, ALL, CORO_SHARED));
	EXPECT_EQ(0, coro_barrier_init(&s->threes, SLOTS, CORO_SHARED));
	EXPECT_EQ(0, coro_rwlock_init(&s->l, CORO_SHARED));
	for (i = 0; i < THREADS; i++) {
		p[i] = (struct party){ .s = s, .nr = i };
		if (pthread_create(&thread[i], NULL, party_thread, &p[i]))
			abort();
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, p[i].ret);
	}
	EXPECT_EQ(0, coro_mutex_fini(&s->m));
	EXPECT_EQ(0, coro_event_fini(&s->e[0]));
	EXPECT_EQ(0, coro_event_fini(&s->e[1]));
	EXPECT_EQ(SLOTS, coro_semaphore_value(&s->sem));
	EXPECT_EQ(0, coro_semaphore_fini(&s->sem));
	EXPECT_EQ(0, coro_condition_fini(&s->filled));
	EXPECT_EQ(0, coro_condition_fini(&s->emptied));
	EXPECT_EQ(0, coro_barrier_fini(&s->b));
	EXPECT_EQ(0, coro_barrier_fini(&s->threes));
	EXPECT_EQ(0, coro_rwlock_fini(&s->l));
}

static int count_up(struct storm *s, unsigned int nr, uint64_t *state)
{
	int i, err;

	(void)nr;
	for (i = 0; i < ROUNDS; i++) {
		err = coro_mutex_lock(&s->m, CORO_NEVER);
		if (err)
			return err;
		s->count++;
		if (!(rnd(state) % 8))
			coro_sleep(0);
		s->copy++;
		if (s->count != s->copy)
			return -EPROTO;
		err = coro_mutex_unlock(&s->m);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-02 */
TEST_F(sync_shared, mutex_has_one_holder_of_all_threads)
{
	struct storm s;

	storm_run(&s, count_up);
	EXPECT_EQ(ALL * ROUNDS, s.count);
}

/* What ends a wait is drawn: the mutex, a short deadline, or a cancel of its scope. */
static int count_if_in_time(struct storm *s, unsigned int nr, uint64_t *state)
{
	int64_t short_ns = (int64_t)(rnd(state) % 200) * CORO_USEC;
	struct coro_scope scope;
	int i, err;

	(void)nr;
	for (i = 0; i < ROUNDS; i++) {
		coro_scope_enter(&scope, rnd(state) % 2 ? CORO_NEVER :
							  coro_after(short_ns));
		err = coro_mutex_lock(&s->m, rnd(state) % 2 ?
						     CORO_NEVER :
						     coro_after(short_ns));
		coro_scope_leave(&scope, 0);
		if (err) {
			__atomic_add_fetch(&s->missed, 1, __ATOMIC_RELAXED);
			if (err != -ETIMEDOUT && err != -ECANCELED)
				return err;
			continue;
		}
		s->count++;
		if (!(rnd(state) % 8))
			coro_sleep(20 * CORO_USEC);
		s->copy++;
		if (s->count != s->copy)
			return -EPROTO;
		__atomic_add_fetch(&s->granted, 1, __ATOMIC_RELAXED);
		err = coro_mutex_unlock(&s->m);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-25 */
TEST_F(sync_shared, mutex_is_not_lost_to_deadlines_and_cancels)
{
	struct storm s;

	storm_run(&s, count_if_in_time);
	EXPECT_EQ(s.granted, s.count);
	EXPECT_EQ(ALL * ROUNDS, s.granted + s.missed);
}

static int few_inside(struct storm *s, unsigned int nr, uint64_t *state)
{
	int i, err;

	(void)nr;
	for (i = 0; i < ROUNDS; i++) {
		int64_t wait_ns = (int64_t)(rnd(state) % 400) * CORO_USEC;
		int64_t until = rnd(state) % 4 ? CORO_NEVER :
						 coro_after(wait_ns);

		err = coro_semaphore_acquire(&s->sem, until);
		if (err == -ETIMEDOUT)
			continue;
		if (err)
			return err;
		if (__atomic_add_fetch(&s->inside, 1, __ATOMIC_RELAXED) > SLOTS)
			return -EPROTO;
		if (rnd(state) % 2)
			coro_sleep(0);
		__atomic_sub_fetch(&s->inside, 1, __ATOMIC_RELAXED);
		err = coro_semaphore_release(&s->sem);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-17, SYN-25 */
TEST_F(sync_shared, permits_are_had_by_as_many_as_there_are)
{
	struct storm s;

	storm_run(&s, few_inside);
	EXPECT_EQ(0, s.inside);
}

static int read_or_write(struct storm *s, unsigned int nr, uint64_t *state)
{
	int i, err;

	(void)nr;
	for (i = 0; i < ROUNDS; i++) {
		bool writes = !(rnd(state) % 4);
		int64_t wait_ns = (int64_t)(rnd(state) % 400) * CORO_USEC;
		int64_t until = rnd(state) % 4 ? CORO_NEVER :
						 coro_after(wait_ns);

		err = writes ? coro_rwlock_write(&s->l, until) :
			       coro_rwlock_read(&s->l, until);
		if (err == -ETIMEDOUT)
			continue;
		if (err)
			return err;
		if (s->count != s->copy)
			return -EPROTO;
		if (writes)
			s->count++;
		if (rnd(state) % 2)
			coro_sleep(0);
		if (writes)
			s->copy++;
		if (writes && rnd(state) % 2)
			err = coro_rwlock_downgrade(&s->l);
		if (err || s->count != s->copy)
			return -EPROTO;
		err = coro_rwlock_unlock(&s->l);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-25 */
TEST_F(sync_shared, readers_never_see_half_of_what_a_writer_does)
{
	struct storm s;

	storm_run(&s, read_or_write);
	EXPECT_LT(0, s.count);
	EXPECT_EQ(s.count, s.copy);
}

static int meet(struct storm *s, unsigned int nr, uint64_t *state)
{
	int i, index;

	(void)nr;
	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		index = coro_barrier_wait(&s->b, CORO_NEVER);
		if (index < 0)
			return index;
		__atomic_or_fetch(&s->arrived[i], 1U << index,
				  __ATOMIC_RELAXED);
		/* Who came to this round has noted the one before. */
		if (i && __atomic_load_n(&s->arrived[i - 1],
					 __ATOMIC_RELAXED) != (1U << ALL) - 1)
			return -EPROTO;
	}
	return 0;
}

/* SYN-20, SYN-21 */
TEST_F(sync_shared, each_round_of_a_barrier_has_all_with_an_index_of_their_own)
{
	struct storm s;
	int i;

	storm_run(&s, meet);
	for (i = 0; i < ROUNDS; i++)
		EXPECT_EQ((1U << ALL) - 1, s.arrived[i]);
}

/* Parties come and go by deadlines, and no round is short of one. */
static int meet_or_leave(struct storm *s, unsigned int nr, uint64_t *state)
{
	int i, index;

	(void)nr;
	for (i = 0; i < ROUNDS; i++) {
		int64_t wait_ns = (int64_t)(rnd(state) % 300) * CORO_USEC;

		index = coro_barrier_wait(&s->threes, coro_after(wait_ns));
		if (index >= SLOTS)
			return -EPROTO;
		if (index >= 0)
			__atomic_add_fetch(&s->arrived[index], 1,
					   __ATOMIC_RELAXED);
		else if (index != -ETIMEDOUT)
			return index;
	}
	return 0;
}

/* SYN-20, SYN-25 */
TEST_F(sync_shared, who_leaves_a_barrier_in_time_is_in_no_round)
{
	struct storm s;

	storm_run(&s, meet_or_leave);
	EXPECT_EQ(s.arrived[0], s.arrived[1]);
	EXPECT_EQ(s.arrived[0], s.arrived[2]);
}

static int may_put(void *arg)
{
	struct storm *s = arg;

	return s->put - s->taken < SLOTS;
}

static int may_take(void *arg)
{
	struct storm *s = arg;

	return s->put != s->taken;
}

static int put_or_take(struct storm *s, unsigned int nr, uint64_t *state)
{
	bool puts = nr % 2;
	int i, err, ret;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		err = coro_mutex_lock(&s->m, CORO_NEVER);
		if (err)
			return err;
		ret = coro_condition_wait_until(puts ? &s->emptied : &s->filled,
						&s->m,
						puts ? may_put : may_take, s,
						CORO_NEVER);
		if (ret < 0)
			return ret;
		s->sum += puts ? s->put++ : -s->taken++;
		err = coro_condition_signal(puts ? &s->filled : &s->emptied,
					    &s->m);
		if (!err)
			err = coro_mutex_unlock(&s->m);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-14, SYN-15 */
TEST_F(sync_shared, no_signal_between_threads_is_lost)
{
	struct storm s;

	storm_run(&s, put_or_take);
	EXPECT_EQ(ALL / 2 * ROUNDS, s.put);
	EXPECT_EQ(s.put, s.taken);
	EXPECT_EQ(0, s.sum);
}

static int wait_or_signal(struct storm *s, unsigned int nr, uint64_t *state)
{
	int64_t wait_ns;
	int i, err;

	for (i = 0; i < ROUNDS; i++) {
		err = coro_mutex_lock(&s->m, CORO_NEVER);
		if (err)
			return err;
		s->count++;
		wait_ns = (int64_t)(rnd(state) % 300) * CORO_USEC;
		if (nr % 2) {
			s->put += !!coro_condition_waiters(&s->filled);
			err = coro_condition_signal(&s->filled, &s->m);
		} else {
			err = coro_condition_wait(&s->filled, &s->m,
						  coro_after(wait_ns));
			s->taken += !err;
		}
		s->copy++;
		if (err && err != -ETIMEDOUT)
			return err;
		err = coro_mutex_unlock(&s->m);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-14, SYN-25 */
TEST_F(sync_shared, signals_and_deadlines_leave_the_mutex_free)
{
	struct storm s;

	storm_run(&s, wait_or_signal);
	EXPECT_EQ(ALL * ROUNDS, s.count);
	EXPECT_EQ(s.count, s.copy);
	/* A deadline can come between the count and the signal. */
	EXPECT_GE(s.put, s.taken);
}

static int play(struct storm *s, unsigned int nr, uint64_t *state)
{
	struct coro_event_flag *mine = &s->e[nr % 2], *other = &s->e[!(nr % 2)];
	int i, err;

	(void)state;
	/* Two play, of two threads; the others are done. */
	if (nr != 0 && nr != EACH + 1)
		return 0;
	for (i = 0; i < ROUNDS; i++) {
		if (nr || i) {
			err = coro_event_wait(mine, CORO_NEVER);
			if (err)
				return err;
			coro_event_clear(mine);
		}
		if (s->count % 2 != nr % 2)
			return -EPROTO;
		s->count++;
		err = coro_event_set(other);
		if (err)
			return err;
	}
	return 0;
}

/* SYN-09 */
TEST_F(sync_shared, events_carry_what_was_written_before_them)
{
	struct storm s;

	storm_run(&s, play);
	EXPECT_EQ(2 * ROUNDS, s.count);
}

static long wait_for_thread(void *arg)
{
	return coro_event_wait(arg, CORO_NEVER);
}

static void *run_loop(void *arg)
{
	return (void *)coro_run(wait_for_thread, arg);
}

/* The thread that sets it has no loop. */
TEST_F(sync_shared, a_plain_thread_can_wake_a_loop)
{
	struct coro_event_flag e = CORO_EVENT_INIT(CORO_SHARED);
	void *ret = NULL;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, run_loop, &e));
	while (!coro_event_waiters(&e))
		sched_yield();
	EXPECT_EQ(0, coro_event_set(&e));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(0, coro_event_fini(&e));
}

TEST_HARNESS_MAIN
