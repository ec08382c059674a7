// SPDX-License-Identifier: GPL-2.0
/* A hostile owner: garbage, races, random calls; the kernel's figures stay right. */
#include "common.h"
#include "kselftest_harness.h"

#define MAX 64U
#define THREADS 8
#define SPIN 200
/* Races are run so many times, or for so long where a round is slow. */
#define SECONDS 3

FIXTURE(hostile)
{
	struct sched s;
	__u64 ids[MAX];
};

FIXTURE_SETUP(hostile)
{
	ASSERT_EQ(0, sched_new(&self->s, MAX, 8, 4 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
}

FIXTURE_TEARDOWN(hostile)
{
	sched_free(&self->s);
}

struct attacker {
	pthread_t thread;
	pthread_barrier_t *start;
	struct sched *s;
	__u64 *ids;
	__u64 seed;
	unsigned int way;
	bool *stop;
	long done, errors;
};

/* Run @fn in @nr threads at once; @proto is copied to each, with a seed of its own. */
static int attack(struct attacker *a, int nr, void *(*fn)(void *),
		  struct attacker proto)
{
	int i, ret;

	for (i = 0; i < nr; i++) {
		a[i] = proto;
		a[i].seed = proto.seed + 0x9e3779b97f4a7c15ULL * (i + 1);
		ret = pthread_create(&a[i].thread, NULL, fn, &a[i]);
		if (ret)
			return -ret;
	}
	return 0;
}

/* Wait for @nr threads; the sum of what they counted as wrong. */
static long attack_end(struct attacker *a, int nr)
{
	long errors = 0;
	int i;

	for (i = 0; i < nr; i++) {
		pthread_join(a[i].thread, NULL);
		errors += a[i].errors;
	}
	return errors;
}

/* Whatever happened to @s: its figures agree with what it gives. 0, or what does not hold. */
static long check_figures(struct sched *s)
{
	static __u64 ids[MAX];
	struct coro_event events[16];
	struct coro_stat_args stat;
	long n, got = 0;

	MUST(0, sched_stat(s->fd, &stat));
	while ((n = event_read(s->fd, events, 16)) > 0)
		got += n;
	MUST(-EAGAIN, n);
	MUST((long)stat.out_events_pending, got);
	MUST(0, STAT(s->fd, events_pending));
	if (stat.out_contexts < MAX)
		MUST(MAX - (long)stat.out_contexts, ctx_alloc(s->fd, ids, MAX));
	MUST(-ENOSPC, ctx_alloc(s->fd, ids, 1));
	MUST(MAX, STAT(s->fd, contexts));
	MUST(MAX, STAT(s->fd, contexts_peak));
	return 0;
}

static void *scribble(void *arg)
{
	struct attacker *a = arg;
	__u64 words = a->s->args.out_table_bytes / 8, i;
	volatile __u64 *table = (__u64 *)a->s->table;
	volatile __u64 *header = (__u64 *)a->s->header;

	while (!__atomic_load_n(a->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < PAGE / 8; i++)
			header[i] = rnd(&a->seed);
		for (i = 0; i < words; i++)
			table[i] = rnd(&a->seed);
	}
	return NULL;
}

TEST_F(hostile, garbage_in_shared_memory_misleads_only_its_writer)
{
	struct coro_event events[4];
	struct coro_stat_args stat;
	struct attacker a;
	bool stop = false;
	__u32 n, alive, pending;
	time_t began = 0;
	unsigned int round, i;
	long bad = 0;

	ASSERT_EQ(0, attack(&a, 1, scribble,
			    (struct attacker){
				    .s = &self->s, .stop = &stop, .seed = 1 }));
	for (round = 0; round < 2000 && time_left(&began, SECONDS); round++) {
		alive = 1 + round % MAX;
		bad += ctx_alloc(self->s.fd, self->ids, alive) != alive;
		for (i = 0; i < 5 && i < alive; i++)
			bad += ctx_wake(self->s.fd, self->ids[i], round) != 0;
		pending = i;
		n = event_read(self->s.fd, events, 2);
		bad += n < 1 || n > 2 || events[0].id != self->ids[0] ||
		       events[0].value != round;
		pending -= n;
		bad += sched_stat(self->s.fd, &stat) ||
		       stat.out_contexts != alive ||
		       stat.out_events_pending != pending ||
		       stat.out_overflows != 0;
		bad += ctx_free(self->s.fd, self->ids, alive, round & 1) !=
		       alive;
		bad += STAT(self->s.fd, contexts) != 0 ||
		       STAT(self->s.fd, events_pending) != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	attack_end(&a, 1);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, check_figures(&self->s));
}

static void *set_up(void *arg)
{
	struct attacker *a = arg;
	struct coro_setup_args args;
	int ret;

	pthread_barrier_wait(a->start);
	ret = dev_setup(a->s->fd, &args, 8, 8, 2 * PAGE);
	a->done = !ret;
	a->errors = ret && ret != -EBUSY;
	return NULL;
}

TEST(one_of_many_setups_wins)
{
	struct attacker a[THREADS];
	pthread_barrier_t start;
	unsigned int round, i;
	struct sched s;
	long won;

	for (round = 0; round < 50; round++) {
		pthread_barrier_init(&start, NULL, THREADS);
		s.fd = dev_open(0);
		ASSERT_LE(0, s.fd);
		ASSERT_EQ(0, attack(a, THREADS, set_up,
				    (struct attacker){ .s = &s,
						       .start = &start }));
		EXPECT_EQ(0, attack_end(a, THREADS));
		for (won = 0, i = 0; i < THREADS; i++)
			won += a[i].done;
		EXPECT_EQ(1, won);
		close(s.fd);
	}
}

static void *free_all(void *arg)
{
	struct attacker *a = arg;
	unsigned int i;
	long ret;

	pthread_barrier_wait(a->start);
	for (i = 0; i < MAX; i++) {
		ret = ctx_free(a->s->fd, a->ids + i, 1, a->seed & 1);
		a->done += ret == 1;
		a->errors += ret != 1 && ret != -ESTALE;
	}
	return NULL;
}

TEST_F(hostile, each_context_is_freed_once)
{
	struct attacker a[4];
	pthread_barrier_t start;
	unsigned int round, i;
	long done;

	pthread_barrier_init(&start, NULL, 4);
	for (round = 0; round < 30; round++) {
		ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
		ASSERT_EQ(0, attack(a, 4, free_all,
				    (struct attacker){ .s = &self->s,
						       .ids = self->ids,
						       .start = &start,
						       .seed = round }));
		EXPECT_EQ(0, attack_end(a, 4));
		for (done = 0, i = 0; i < 4; i++)
			done += a[i].done;
		EXPECT_EQ(MAX, done);
		EXPECT_EQ(0, STAT(self->s.fd, contexts));
	}
}

/* True if @ret can come of a call while its scheduler is alive. */
static bool is_ordinary(long ret)
{
	return ret >= 0 || ret == -EAGAIN || ret == -ESTALE || ret == -ENOENT ||
	       ret == -ENOSPC;
}

/* Use the scheduler in one of eight ways until it is dead. */
static void *use_until_death(void *arg)
{
	struct attacker *a = arg;
	struct coro_event events[4];
	struct coro_stat_args stat;
	struct pollfd pfd = { .fd = a->s->fd, .events = POLLPRI };
	__u64 id = a->ids[rnd(&a->seed) % MAX];
	long ret;

	pthread_barrier_wait(a->start);
	do {
		switch (a->way) {
		case 0:
			ret = ctx_wake(a->s->fd, id, 1);
			ret = ret == -EPIPE ? -EOWNERDEAD : ret;
			break;
		case 1:
			ret = event_read(a->s->fd, events, 4);
			break;
		case 2:
			ret = ctx_alloc(a->s->fd, &id, 1);
			break;
		case 3:
			ret = ctx_peak(a->s->fd, id);
			break;
		case 4:
			ret = ctx_alloc(a->s->fd, &id, 1);
			if (ret == 1)
				ret = ctx_free(a->s->fd, &id, 1,
					       CORO_FREE_F_TRIM);
			break;
		case 5:
			ret = sched_stat(a->s->fd, &stat);
			break;
		case 6:
			ret = poll(&pfd, 1, -1) == 1 ? -EOWNERDEAD : 0;
			break;
		default:
			probe(stack_page(a->s, id, 1), true);
			ret = poll_now(a->s->fd) & POLLHUP ? -EOWNERDEAD : 0;
		}
		a->done++;
	} while (is_ordinary(ret));
	a->errors = ret != -EOWNERDEAD;
	if (a->errors)
		fprintf(stderr, "# way %u ended with %ld\n", a->way, ret);
	return NULL;
}

TEST(death_ends_every_call_that_races_with_it)
{
	struct attacker a[THREADS];
	pthread_barrier_t start;
	__u64 ids[MAX], seed = 7;
	time_t began = 0;
	unsigned int round, i;
	struct sched s;

	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (round = 0; round < 200 && time_left(&began, SECONDS); round++) {
		ASSERT_EQ(0, sched_new(&s, 2 * MAX, 8, 4 * PAGE));
		if (round & 1)
			set_nonblock(s.fd);
		ASSERT_EQ(MAX, ctx_alloc(s.fd, ids, MAX));
		for (i = 0; i < THREADS; i++)
			ASSERT_EQ(0,
				  attack(a + i, 1, use_until_death,
					 (struct attacker){ .s = &s,
							    .ids = ids,
							    .seed = rnd(&seed),
							    .way = i,
							    .start = &start }));
		pthread_barrier_wait(&start);
		for (i = rnd(&seed) % SPIN; i; i--)
			sched_yield();
		ASSERT_EQ(0, munmap(s.table, s.args.out_table_bytes));
		s.table = NULL;
		EXPECT_EQ(0, attack_end(a, THREADS));
		sched_free(&s);
	}
}

static void *touch(void *arg)
{
	struct attacker *a = arg;
	unsigned int k;
	char *page;

	while (!__atomic_load_n(a->stop, __ATOMIC_RELAXED)) {
		k = rnd(&a->seed);
		page = stack_page(a->s, k % MAX, (k >> 8) % 3);
		/* Zero, or what one of us wrote; never what another page held. */
		a->errors += page[1] != 0 && page[1] != (char)(k % MAX + 1);
		page[1] = k % MAX + 1;
		a->done++;
	}
	return NULL;
}

TEST_F(hostile, faults_race_with_trim_and_nothing_is_left)
{
	struct attacker a[3];
	bool stop = false;
	time_t began = 0;
	unsigned int round;
	long bad = 0;

	ASSERT_EQ(0,
		  attack(a, 3, touch,
			 (struct attacker){
				 .s = &self->s, .stop = &stop, .seed = 99 }));
	for (round = 0; round < 1500 && time_left(&began, SECONDS); round++) {
		bad += ctx_alloc(self->s.fd, self->ids, MAX) != MAX;
		bad += ctx_free(self->s.fd, self->ids, MAX, CORO_FREE_F_TRIM) !=
		       MAX;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	EXPECT_EQ(0, attack_end(a, 3));
	EXPECT_EQ(0, bad);
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	ASSERT_EQ(MAX, ctx_free(self->s.fd, self->ids, MAX, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, STAT(self->s.fd, stacks_resident_bytes));
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
}

static void *remap(void *arg)
{
	struct attacker *a = arg;
	struct coro_setup_args *s = &a->s->args;
	void *area = NULL;

	while (!__atomic_load_n(a->stop, __ATOMIC_RELAXED)) {
		if (!area_map(a->s->fd, CORO_OFF_TABLE, s->out_table_bytes,
			      PROT_READ, &area))
			munmap(area, s->out_table_bytes);
		else
			a->errors++;
		if (!area_map(a->s->fd, CORO_OFF_STACKS, s->out_stacks_bytes,
			      PROT_READ, &area)) {
			probe((char *)area + PAGE * (rnd(&a->seed) % MAX),
			      false);
			munmap((char *)area + PAGE, PAGE);
			munmap(area, s->out_stacks_bytes);
		} else {
			a->errors++;
		}
	}
	return NULL;
}

TEST_F(hostile, mapping_again_and_again_does_not_end_it)
{
	struct attacker a[2];
	bool stop = false;
	time_t began = 0;
	unsigned int round;
	long bad = 0;

	ASSERT_EQ(0, attack(a, 2, remap,
			    (struct attacker){
				    .s = &self->s, .stop = &stop, .seed = 3 }));
	for (round = 0; round < 1500 && time_left(&began, SECONDS); round++) {
		bad += ctx_alloc(self->s.fd, self->ids, 8) != 8;
		bad += probe(stack_page(&self->s, self->ids[3], 0), true) != 0;
		bad += ctx_free(self->s.fd, self->ids, 8, round & 1) != 8;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	EXPECT_EQ(0, attack_end(a, 2));
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, check_figures(&self->s));
}

static void *dup_and_close(void *arg)
{
	struct attacker *a = arg;
	struct coro_stat_args stat;
	int fd;

	while (!__atomic_load_n(a->stop, __ATOMIC_RELAXED)) {
		fd = dup(a->s->fd);
		a->errors += fd < 0 || sched_stat(fd, &stat);
		close(fd);
	}
	return NULL;
}

static long scribble_and_exit(void *arg)
{
	struct sched *s = arg;

	probe((char *)s->table, true);
	return 0;
}

TEST_F(hostile, forks_and_duplicates_do_not_disturb)
{
	struct attacker a[2];
	bool stop = false;
	unsigned int round;
	long bad = 0;

	ASSERT_EQ(0, attack(a, 2, dup_and_close,
			    (struct attacker){ .s = &self->s, .stop = &stop }));
	for (round = 0; round < 50; round++) {
		bad += in_child(scribble_and_exit, &self->s) != 0;
		bad += ctx_alloc(self->s.fd, self->ids, 8) != 8;
		bad += ctx_free(self->s.fd, self->ids, 8, round & 1) != 8;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	EXPECT_EQ(0, attack_end(a, 2));
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, check_figures(&self->s));
}

/* A number that is likely to be near something. */
static __u64 odd_number(__u64 *seed)
{
	static const __u64 odd[] = {
		0,
		1,
		2,
		8,
		16,
		24,
		63,
		64,
		96,
		4095,
		4096,
		4097,
		1ULL << 31,
		UINT32_MAX,
		1ULL << 32,
		1ULL << 47,
		INT64_MAX,
		UINT64_MAX,
		0xffff888000000000ULL,
	};
	__u64 r = rnd(seed);

	if (r & 1)
		return odd[(r >> 8) % ARRAY_SIZE(odd)];
	return r & 2 ? (r >> 8) % 128 : r;
}

/* One random call of the device with random arguments around a live scheduler. */
static void fuzz_once(struct attacker *a, char *buf)
{
	static const __u32 sizes[] = { 96, 24, 24, 24, 24, 64 };
	unsigned int nr = rnd(&a->seed) % 6, i;
	__u64 *words = (__u64 *)buf, id;
	struct coro_alloc_args *args = (struct coro_alloc_args *)buf;

	memset(buf, 0, PAGE);
	for (i = rnd(&a->seed) % 6; i; i--)
		words[rnd(&a->seed) % 12] = odd_number(&a->seed);
	if (rnd(&a->seed) % 8)
		args->size = sizes[nr];
	if (rnd(&a->seed) % 4)
		args->flags = nr == 2 ? rnd(&a->seed) & 1 : 0;
	/* Messages of these do not come out of read, by which they are counted here. */
	if (nr == 1)
		args->flags &= ~CORO_ALLOC_F_DIRECT;
	if (nr && nr < 5 && rnd(&a->seed) % 4) {
		/* A batch of ids that exist now and then, in memory of the thread itself. */
		args->nr = 1 + rnd(&a->seed) % 16;
		args->ids = (uintptr_t)(buf + PAGE);
		for (i = 0; i < 32; i++) {
			id = (rnd(&a->seed) % 16 << 32) |
			     rnd(&a->seed) % (MAX + 2);
			words[PAGE / 8 + i] = id;
		}
	}
	dev_ioctl(a->s->fd,
		  _IOC(rnd(&a->seed) % 4, CORO_IOC_MAGIC, nr, sizes[nr]), buf);
	a->done++;
}

static void *fuzz(void *arg)
{
	struct attacker *a = arg;
	struct coro_event events[4];
	unsigned int round;
	char *buf = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (round = 0; round < 4000; round++) {
		fuzz_once(a, buf);
		if (!(rnd(&a->seed) % 16))
			event_read(a->s->fd, events, 1 + rnd(&a->seed) % 4);
	}
	munmap(buf, 2 * PAGE);
	return NULL;
}

TEST_F(hostile, random_calls_leave_the_figures_right)
{
	struct attacker a[THREADS];

	ASSERT_EQ(0, attack(a, THREADS, fuzz,
			    (struct attacker){ .s = &self->s, .seed = 4711 }));
	EXPECT_EQ(0, attack_end(a, THREADS));
	EXPECT_EQ(0, check_figures(&self->s));
}

/* A number of bytes or an offset near those of an area. */
static __u64 area_number(const struct coro_setup_args *s, __u64 *seed)
{
	const __u64 near[] = {
		s->out_header_off,
		s->out_table_off,
		s->out_stacks_off,
		s->out_header_bytes,
		s->out_table_bytes,
		s->out_stacks_bytes,
		PAGE,
		0,
	};
	__u64 r = rnd(seed);

	return (near[r % ARRAY_SIZE(near)] + ((r >> 8) % 3 - 1) * PAGE) &
	       ~(PAGE - 1);
}

TEST_F_TIMEOUT(hostile, random_mappings_do_no_harm, 300)
{
	struct coro_setup_args *s = &self->s.args;
	__u64 seed = 815, bytes, off;
	unsigned int round;
	char *addr;

	for (round = 0; round < 3000; round++) {
		bytes = area_number(s, &seed);
		off = area_number(s, &seed);
		addr = mmap(NULL, bytes, rnd(&seed) % 8,
			    rnd(&seed) % 4 ? MAP_SHARED : MAP_PRIVATE,
			    self->s.fd, off);
		if (addr == MAP_FAILED)
			continue;
		probe(addr + (rnd(&seed) % (bytes / PAGE)) * PAGE,
		      rnd(&seed) & 1);
		mprotect(addr, PAGE * (1 + rnd(&seed) % (bytes / PAGE)),
			 rnd(&seed) % 8);
		madvise(addr, bytes, rnd(&seed) % 26);
		munmap(addr, PAGE);
		munmap(addr, bytes);
	}
	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

TEST_HARNESS_MAIN
