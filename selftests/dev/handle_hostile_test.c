// SPDX-License-Identifier: GPL-2.0
/* Handles and commands in hostile hands: random calls, and races of ends with whoever waits. */
#include "uring.h"

#define MAX 16U
#define SLOTS 32
#define THREADS 4
/* Races are run so many times, or for so long where a round is slow. */
#define SECONDS 4

FIXTURE(hostile)
{
	struct sched s;
	__u64 ids[MAX];
	long uses; /* of the module before */
};

FIXTURE_SETUP(hostile)
{
	self->uses = module_uses();
	ASSERT_EQ(0, sched_new(&self->s, MAX, 4, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
}

FIXTURE_TEARDOWN(hostile)
{
	sched_free(&self->s);
	EXPECT_TRUE(uses_become(self->uses));
}

/* What threads share that use each other's handles. */
struct arena {
	struct sched *s;
	int slots[SLOTS]; /* descriptors of handles, or -1 */
	bool stop;
};

struct attacker {
	pthread_t thread;
	struct arena *arena;
	__u64 seed;
	unsigned int rounds;
	struct ring *ring;
	/* Of commands: used again whether or not they are complete. */
	struct coro_uring_args args[16];
	char buf[4096];
};

static __u64 odd_number(__u64 *seed)
{
	static const __u64 odd[] = {
		0,	    1,		2,	    8,
		24,	    48,		4095,	    4096,
		4097,	    1ULL << 31, UINT32_MAX, 1ULL << 32,
		1ULL << 47, INT64_MAX,	UINT64_MAX, 0xffff888000000000ULL,
	};
	__u64 r = rnd(seed);

	if (r & 1)
		return odd[(r >> 8) % ARRAY_SIZE(odd)];
	return r & 2 ? (r >> 8) % 128 : r;
}

/* An id that exists now and then. */
static __u64 odd_id(__u64 *seed)
{
	__u64 r = rnd(seed);

	return ((r >> 8) % 24 << 32) | (r & 31) % (MAX + 1);
}

static int any_slot(struct attacker *a)
{
	return __atomic_load_n(&a->arena->slots[rnd(&a->seed) % SLOTS],
			       __ATOMIC_RELAXED);
}

static void put_slot(struct attacker *a, int fd)
{
	int *slot = &a->arena->slots[rnd(&a->seed) % SLOTS];

	fd = __atomic_exchange_n(slot, fd, __ATOMIC_SEQ_CST);
	if (fd >= 0)
		close(fd);
}

/* Arguments of a command that are near to valid. */
static void odd_args(struct attacker *a, struct coro_uring_args *args, int fd)
{
	__u64 *words = (__u64 *)args;
	__s64 when = rnd(&a->seed) % 4;
	bool own = fd == a->arena->s->fd;

	*args = (struct coro_uring_args){
		.size = sizeof(*args),
		.id = own && when ? odd_id(&a->seed) : 0,
		.deadline_ns = when < 2	 ? when :
			       when == 2 ? now_ns() + 1000000 :
					   CORO_NO_DEADLINE,
	};
	if (rnd(&a->seed) & 1)
		args->value = rnd(&a->seed) % 64;
	if (rnd(&a->seed) & 1)
		args->addr = (uintptr_t)a->buf;
	if (rnd(&a->seed) & 1)
		args->nr = 1 + rnd(&a->seed) % 8;
	if (rnd(&a->seed) % 8 == 0)
		words[rnd(&a->seed) % 6] = odd_number(&a->seed);
}

static void fuzz_ring(struct attacker *a, int fd)
{
	struct coro_uring_args *args = &a->args[rnd(&a->seed) % 16];
	struct io_uring_sqe *sqe;
	__u32 op = CORO_URING_PARK + rnd(&a->seed) % 5;

	if (rnd(&a->seed) % 32 == 0)
		op = odd_number(&a->seed);
	odd_args(a, args, fd);
	sqe = ring_cmd(a->ring, fd, op, args, rnd(&a->seed) % 64);
	if (rnd(&a->seed) % 64 == 0)
		sqe->cmd[8 + rnd(&a->seed) % 8] = 1;
	if (rnd(&a->seed) % 16 == 0)
		sqe->flags |= IOSQE_IO_LINK;
	if (rnd(&a->seed) % 16 == 0)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_submit(&a->ring->ring);
	ring_reap(a->ring);
	a->ring->nr_early = 0;
}

static void fuzz_ioctl(struct attacker *a, int fd)
{
	__u64 words[8] = { 24 };
	unsigned int i, nr;

	for (i = rnd(&a->seed) % 4; i; i--)
		words[1 + rnd(&a->seed) % 7] = odd_number(&a->seed);
	if (rnd(&a->seed) & 1)
		words[1] = 0;
	if (rnd(&a->seed) % 8 == 0)
		words[0] = odd_number(&a->seed);
	nr = fd == a->arena->s->fd ? 6 + rnd(&a->seed) % 3 : rnd(&a->seed) % 16;
	if (dev_ioctl(fd, _IOC(rnd(&a->seed) % 4, CORO_IOC_MAGIC, nr, 24),
		      words))
		return;
	if (nr == _IOC_NR(CORO_IOC_EXPORT))
		close(((struct coro_export_args *)words)->out_fd);
}

/* The owner's part: contexts come, end and go. */
static void fuzz_owner(struct attacker *a)
{
	int fd = a->arena->s->fd;
	struct coro_event events[4];
	__u64 id;

	switch (rnd(&a->seed) % 6) {
	case 0:
		ctx_alloc_one(fd, &id, rnd(&a->seed) & CORO_ALLOC_F_DIRECT);
		break;
	case 1:
		id = odd_id(&a->seed);
		ctx_free(fd, &id, 1, rnd(&a->seed) & CORO_FREE_F_TRIM);
		break;
	case 2:
		ctx_finish(fd, odd_id(&a->seed), rnd(&a->seed));
		break;
	case 3:
		ctx_wake(fd, odd_id(&a->seed), rnd(&a->seed));
		break;
	case 4:
		ctx_cancel(fd, odd_id(&a->seed), rnd(&a->seed));
		break;
	default:
		event_read(fd, events, 1 + rnd(&a->seed) % 4);
	}
}

static void fuzz_handle(struct attacker *a)
{
	int fd = any_slot(a), own = a->arena->s->fd;
	__u64 what = rnd(&a->seed) % 9;
	__u32 rights = rnd(&a->seed) % 17;

	switch (what) {
	case 0: /* all of them are nonblocking: nothing may hang here */
		put_slot(a, ctx_export(own, odd_id(&a->seed), rights,
				       CORO_EXPORT_F_NONBLOCK));
		break;
	case 1:
		put_slot(a, ctx_export(fd, 0, rights, CORO_EXPORT_F_NONBLOCK));
		break;
	case 2:
		put_slot(a, -1);
		break;
	case 3:
		sys(write(fd, a->buf, rnd(&a->seed) % 40));
		break;
	case 4:
		sys(read(fd, a->buf, rnd(&a->seed) % 100));
		break;
	case 5:
		hnd_poll(fd);
		break;
	case 6:
		ctx_cancel(fd, 0, rnd(&a->seed));
		break;
	case 7:
		fuzz_ioctl(a, rnd(&a->seed) & 1 ? fd : own);
		break;
	default:
		fuzz_ring(a, rnd(&a->seed) & 1 ? fd : own);
	}
}

static void *fuzz(void *arg)
{
	struct attacker *a = arg;
	time_t began = 0;
	unsigned int i;

	for (i = 0; i < a->rounds && time_left(&began, SECONDS); i++) {
		fuzz_handle(a);
		fuzz_owner(a);
	}
	return NULL;
}

/* Free all that is there; the figures of nothing must be left. */
static long all_can_go(struct sched *s)
{
	struct coro_event events[16];
	static __u64 ids[MAX];
	__u32 index;
	__u64 id;

	for (index = 0; index < MAX; index++) {
		id = (__u64)s->table[index].generation << 32 | index;
		ctx_free(s->fd, &id, 1, 0);
	}
	MUST(0, STAT(s->fd, contexts));
	MUST(0, STAT(s->fd, events_pending));
	MUST(-EAGAIN, event_read(s->fd, events, 16));
	MUST(0, (long)s->header->events_pending);
	MUST(MAX, ctx_alloc(s->fd, ids, MAX));
	return 0;
}

TEST_F(hostile, random_calls_leave_the_figures_right)
{
	static struct attacker a[THREADS];
	static struct ring rings[THREADS];
	static struct arena arena;
	int i;

	arena.s = &self->s;
	memset(arena.slots, -1, sizeof(arena.slots));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, ring_init(&rings[i], 0, false, false));
		a[i].arena = &arena;
		a[i].ring = &rings[i];
		a[i].seed = 4712 + i;
		a[i].rounds = 4000;
		ASSERT_EQ(0, pthread_create(&a[i].thread, NULL, fuzz, &a[i]));
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(a[i].thread, NULL);
	for (i = 0; i < THREADS; i++)
		ring_exit(&rings[i]);
	for (i = 0; i < SLOTS; i++)
		close(arena.slots[i]);
	EXPECT_EQ(0, all_can_go(&self->s));
}

/* One of those that a race of the owner's death or a context's end is with. */
struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	int way;
	int all, recv;
	long ret;
};

enum { BY_JOIN, BY_SEND, BY_RECV, BY_POLL, BY_CANCEL, BY_PARK, NR_WAYS };

/* What each way must end with: when the result came, and when the owner died. */
static const long at_finish[NR_WAYS] = { 7, -EPIPE, -EPIPE, 0, -ESRCH, -EPIPE };
static const long at_free[NR_WAYS] = { -ESTALE, -EPIPE,	 -ESTALE,
				       0,	-ESTALE, -ESTALE };
static const long at_death[NR_WAYS] = { -EOWNERDEAD, -EPIPE,	  -EOWNERDEAD,
					0,	     -EOWNERDEAD, -EOWNERDEAD };

static long race_once(struct racer *r, struct ring *ring)
{
	struct pollfd pfd = { .fd = r->all, .events = POLLIN };
	struct coro_event event;
	struct coro_uring_args args;
	long ret;

	switch (r->way) {
	case BY_JOIN:
		return hnd_join(r->all);
	case BY_SEND:
		return hnd_send(r->all, 1) ?: -EAGAIN;
	case BY_RECV:
		ret = event_read(r->recv, &event, 1);
		return ret < 0 ? ret : -EAGAIN;
	case BY_POLL:
		return poll(&pfd, 1, -1) == 1 ? 0 : -EPROTO;
	case BY_CANCEL:
		return ctx_cancel(r->all, 0, 1) ?: -EAGAIN;
	default:
		args = args_park(0, &event, 1, now_ns() + NSEC_PER_SEC);
		ret = ring_run(ring, r->recv, CORO_URING_PARK, &args);
		return ret == -ETIMEDOUT || ret == -EOPNOTSUPP || ret >= 0 ?
			       -EAGAIN :
			       ret;
	}
}

static void *race(void *arg)
{
	static struct ring rings[NR_WAYS];
	struct racer *r = arg;
	struct ring *ring = &rings[r->way];

	if (r->way == BY_PARK && ring_init(ring, 0, false, false))
		return NULL;
	pthread_barrier_wait(r->start);
	do
		r->ret = race_once(r, ring);
	while (r->ret == -EAGAIN || r->ret == -EBUSY);
	if (r->way == BY_PARK)
		ring_exit(ring);
	return NULL;
}

/* Let all ways race with @end: how many ended otherwise than they must. */
static long race_with(long (*end)(struct sched *s, __u64 id), const long *want)
{
	struct racer r[NR_WAYS] = { 0 };
	pthread_barrier_t start;
	struct sched s;
	long bad = 0;
	__u64 id;
	int way;

	pthread_barrier_init(&start, NULL, NR_WAYS + 1);
	MUST(0, sched_new(&s, 8, 2, 2 * PAGE));
	MUST(0, ctx_alloc_one(s.fd, &id, 0));
	for (way = 0; way < NR_WAYS; way++) {
		r[way].way = way;
		r[way].start = &start;
		r[way].all = ctx_export(s.fd, id, SEND | JOIN | CANCEL, 0);
		r[way].recv = ctx_export(s.fd, id, RECV, 0);
		MUST(0, -pthread_create(&r[way].thread, NULL, race, &r[way]));
	}
	pthread_barrier_wait(&start);
	MUST(0, end(&s, id));
	for (way = 0; way < NR_WAYS; way++) {
		pthread_join(r[way].thread, NULL);
		if (r[way].ret != want[way]) {
			fprintf(stderr, "# way %d ended with %ld\n", way,
				r[way].ret);
			bad++;
		}
		close(r[way].all);
		close(r[way].recv);
	}
	sched_free(&s);
	return bad;
}

static long end_by_finish(struct sched *s, __u64 id)
{
	return ctx_finish(s->fd, id, 7);
}

static long end_by_free(struct sched *s, __u64 id)
{
	return ctx_free(s->fd, &id, 1, 0) == 1 ? 0 : -EPROTO;
}

static long end_by_death(struct sched *s, __u64 id)
{
	(void)id;
	return sys(munmap(s->table, s->args.out_table_bytes));
}

TEST(the_end_reaches_all_that_race_with_it)
{
	time_t began = 0;
	int round;

	for (round = 0; round < 100 && time_left(&began, SECONDS); round++)
		ASSERT_EQ(0, race_with(end_by_finish, at_finish));
}

TEST(free_reaches_all_that_race_with_it)
{
	time_t began = 0;
	int round;

	for (round = 0; round < 100 && time_left(&began, SECONDS); round++)
		ASSERT_EQ(0, race_with(end_by_free, at_free));
}

TEST(death_reaches_all_that_race_with_it)
{
	time_t began = 0;
	int round;

	for (round = 0; round < 100 && time_left(&began, SECONDS); round++)
		ASSERT_EQ(0, race_with(end_by_death, at_death));
}

struct sender {
	pthread_t thread;
	int fd;
	unsigned int rounds;
	bool ended;
	long errors;
};

static void *send_numbers(void *arg)
{
	struct sender *s = arg;
	unsigned int i;

	for (i = 0; i < s->rounds; i++) {
		s->errors += hnd_send(s->fd, i) != 0;
		if (i % 3 == 0)
			sched_yield();
	}
	__atomic_store_n(&s->ended, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Parks that are ended by deadlines and withdrawals at the moment when messages come. */
TEST_F(hostile, no_message_is_lost_between_a_park_and_its_end)
{
	static struct ring ring;
	struct sender sender = { .rounds = 1500 };
	struct coro_uring_args args, withdraw = args_cancel(0, TAG_A);
	struct coro_event events[4];
	__u64 seed = 99, next = 0;
	long res, i, bad = 0;
	int recv;

	ASSERT_EQ(0, ring_init(&ring, 0, false, false));
	sender.fd = ctx_export(self->s.fd, self->ids[0], SEND, 0);
	recv = ctx_export(self->s.fd, self->ids[0], RECV, 0);
	ASSERT_EQ(0,
		  pthread_create(&sender.thread, NULL, send_numbers, &sender));
	while (next < sender.rounds) {
		args = args_park(0, events, 1 + rnd(&seed) % 4,
				 now_ns() + rnd(&seed) % 200000);
		ring_cmd(&ring, recv, CORO_URING_PARK, &args, TAG_A);
		if (rnd(&seed) & 1)
			ring_cmd(&ring, recv, CORO_URING_WITHDRAW, &withdraw,
				 TAG_B);
		ASSERT_EQ(0, ring_submit(&ring));
		res = ring_wait(&ring, TAG_A);
		bad += res < 0 && res != -ETIMEDOUT && res != -ECANCELED &&
		       res != -EOPNOTSUPP;
		for (i = 0; i < res; i++)
			bad += events[i].value != next++;
		ring_reap(&ring);
		ring.nr_early = 0;
	}
	pthread_join(sender.thread, NULL);
	EXPECT_EQ(0, sender.errors);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, STAT(self->s.fd, events_pending));
	ring_exit(&ring);
	close(sender.fd);
	close(recv);
}

static void *make_and_close(void *arg)
{
	struct attacker *a = arg;
	int fd;

	while (!__atomic_load_n(&a->arena->stop, __ATOMIC_RELAXED)) {
		fd = ctx_export(any_slot(a), 0, SEND | JOIN,
				CORO_EXPORT_F_NONBLOCK);
		put_slot(a, fd);
		hnd_send(fd, 1);
		hnd_join(fd);
	}
	return NULL;
}

TEST_F(hostile, handles_come_and_go_while_contexts_do)
{
	static struct attacker a[THREADS];
	static struct arena arena;
	struct coro_event events[4];
	time_t began = 0;
	long bad = 0;
	int round, i;
	__u64 id;

	arena.s = &self->s;
	memset(arena.slots, -1, sizeof(arena.slots));
	for (i = 0; i < THREADS; i++) {
		a[i].arena = &arena;
		a[i].seed = 77 + i;
		ASSERT_EQ(0, pthread_create(&a[i].thread, NULL, make_and_close,
					    &a[i]));
	}
	ASSERT_EQ(MAX, ctx_free(self->s.fd, self->ids, MAX, 0));
	for (round = 0; round < 1000 && time_left(&began, SECONDS); round++) {
		bad += ctx_alloc_one(self->s.fd, &id, 0) != 0;
		i = ctx_export(self->s.fd, id, SEND | JOIN,
			       CORO_EXPORT_F_NONBLOCK);
		bad += i < 0;
		i = __atomic_exchange_n(&arena.slots[round % SLOTS], i,
					__ATOMIC_SEQ_CST);
		close(i);
		event_read(self->s.fd, events, 4);
		if (round & 1)
			bad += ctx_finish(self->s.fd, id, round) != 0;
		bad += ctx_free(self->s.fd, &id, 1, 0) != 1;
	}
	__atomic_store_n(&arena.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(a[i].thread, NULL);
	for (i = 0; i < SLOTS; i++)
		close(arena.slots[i]);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, all_can_go(&self->s));
}

TEST_HARNESS_MAIN
