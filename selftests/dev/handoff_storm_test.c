// SPDX-License-Identifier: GPL-2.0
/*
 * Storms of hand-overs: threads that own something by turns block with it, relieve
 * each other, detach, end and are killed. One of them has it at any time, and it is
 * never lost.
 *
 * What is owned is the holder's number. Who takes over must find there the one that
 * it was told of; who goes on by itself must find its own.
 */
#include "worker.h"
#include "kselftest_harness.h"

#define NR_THREADS 5
#define BLOCKS 100000
/* For so long where a block is slow: a kernel that checks itself has fewer. */
#define SECONDS 60
#define KILLS 25

enum way { YIELD, NAP, FUTEX, VFORK, NR_WAYS };

struct storm {
	struct crew crew;
	__u64 seed;
	__u64 holder; /* number of the worker that owns, and 1 */
	__u64 blocks, taken, wrong;
	__u64 stop;
};

struct sailor {
	struct storm *storm;
	pthread_t thread;
	__u64 seed;
	bool owns;
	__u32 id;
	__u64 *word, idle; /* what is in it while the thread does not block */
};

static void add(__u64 *figure)
{
	__atomic_fetch_add(figure, 1, __ATOMIC_RELAXED);
}

static void tell_wrong(struct storm *storm, const char *what, __u64 value)
{
	fprintf(stderr, "# %s: %llu\n", what, (unsigned long long)value);
	add(&storm->wrong);
}

static void block_by(struct sailor *me)
{
	struct timespec ts = { .tv_nsec = (long)(rnd(&me->seed) % 100000) };
	__u32 never = 0;
	pid_t pid;

	switch (rnd(&me->seed) % 32 ? rnd(&me->seed) % VFORK : VFORK) {
	case YIELD:
		sched_yield();
		break;
	case NAP:
		nanosleep(&ts, NULL);
		break;
	case FUTEX:
		syscall(SYS_futex, &never, 0 /* WAIT */, 0, &ts, NULL, 0);
		break;
	case VFORK:
		pid = vfork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		break;
	}
}

static long board(struct sailor *me)
{
	struct coro_attach_args args;
	long ret = wrk_attach(me->storm->crew.s.fd, &args);

	if (ret)
		return ret;
	me->id = args.out_id;
	me->idle = args.out_word;
	me->word = crew_word(&me->storm->crew, me->id);
	return 0;
}

/* Until it is relieved. */
static void own(struct sailor *me)
{
	struct storm *storm = me->storm;

	while (me->owns && !word_get(&storm->stop)) {
		__u64 word = me->idle | BLOCKING;

		word_set(me->word, word);
		block_by(me);
		me->idle += CORO_WORKER_COUNT;
		me->owns = word_take(me->word, word, me->idle);
		if (me->owns && word_get(&storm->holder) != me->id + 1)
			tell_wrong(storm, "it is mine, but has",
				   word_get(&storm->holder));
		add(&storm->blocks);
		/* Ends with the bit: somebody must be told. */
		if (me->owns && rnd(&me->seed) % 512 == 0) {
			word_set(me->word, me->idle | BLOCKING);
			return;
		}
	}
}

static void take(struct sailor *me, const struct coro_standby_args *sb)
{
	struct storm *storm = me->storm;
	__u64 *word = crew_word(&storm->crew, sb->out_id), was;

	if (!word_take(word, sb->out_word,
		       (sb->out_word & ~3ULL) + CORO_WORKER_COUNT))
		return;
	was = __atomic_exchange_n(&storm->holder, me->id + 1, __ATOMIC_SEQ_CST);
	if (was != sb->out_id + 1)
		tell_wrong(storm, "taken from one that has it not", was);
	me->owns = true;
	add(&storm->taken);
}

/* False if the thread is to end. */
static bool stand_by(struct sailor *me)
{
	int fd = me->storm->crew.s.fd;
	struct coro_standby_args sb;
	long ret = wrk_standby(fd, &sb, in_ms(20));

	if (!ret && sb.out_why == CORO_STANDBY_BLOCKED)
		take(me, &sb);
	if (ret && ret != -ETIMEDOUT)
		tell_wrong(me->storm, "standby", -ret);
	if (me->owns)
		return true;
	switch (rnd(&me->seed) % 16) {
	case 0:
		ret = wrk_detach(fd);
		if (!ret)
			ret = board(me);
		if (ret)
			tell_wrong(me->storm, "attached anew", -ret);
		return !ret;
	case 1:
		return false;
	case 2:
		wrk_kick(fd, rnd(&me->seed) % NR_THREADS);
	}
	return true;
}

static void *sail(void *arg)
{
	struct sailor *me = arg;
	struct storm *storm = me->storm;
	bool goes_on = true;

	if (board(me)) {
		tell_wrong(storm, "attach", 0);
		return NULL;
	}
	if (me->owns)
		word_set(&storm->holder, me->id + 1);
	while (goes_on && !word_get(&storm->stop)) {
		if (!me->owns)
			goes_on = stand_by(me);
		own(me);
		goes_on = goes_on && !me->owns;
	}
	return NULL;
}

static void debounce_set(unsigned int us)
{
	int fd = open("/sys/module/coro/parameters/debounce_us",
		      O_WRONLY | O_CLOEXEC);

	dprintf(fd, "%u", us);
	close(fd);
}

static bool goes_on(struct storm *storm, __u64 blocks, time_t *start)
{
	return word_get(&storm->blocks) < blocks && !word_get(&storm->wrong) &&
	       time_left(start, SECONDS);
}

static void launch(struct storm *storm, struct sailor *who, bool owns)
{
	*who = (struct sailor){ .storm = storm,
				.seed = rnd(&storm->seed),
				.owns = owns };
	if (pthread_create(&who->thread, NULL, sail, who))
		tell_wrong(storm, "pthread_create", 0);
}

/* Threads that end are followed by others until there were so many blocks. */
static void weather(struct storm *storm, __u64 blocks)
{
	static const unsigned int debounces[] = { 0, 1, 10, 100, 1000 };
	struct sailor crew[NR_THREADS];
	time_t start = 0;

	for (int i = 0; i < NR_THREADS; i++)
		launch(storm, &crew[i], !i);
	while (goes_on(storm, blocks, &start)) {
		debounce_set(debounces[rnd(&storm->seed) % 5]);
		usleep(2000);
		for (int i = 0; i < NR_THREADS; i++) {
			if (pthread_tryjoin_np(crew[i].thread, NULL))
				continue;
			launch(storm, &crew[i], false);
		}
	}
	word_set(&storm->stop, 1);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(crew[i].thread, NULL);
	debounce_set(10);
}

FIXTURE(handoff_storm)
{
	long uses;
};

FIXTURE_SETUP(handoff_storm)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
}

FIXTURE_TEARDOWN(handoff_storm)
{
	debounce_set(10);
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F_TIMEOUT(handoff_storm, one_owns_at_any_time_and_it_is_never_lost, 100)
{
	struct storm storm = { .seed = 20261130 };

	ASSERT_EQ(0, crew_new(&storm.crew));
	weather(&storm, BLOCKS);
	EXPECT_EQ(0, storm.wrong);
	EXPECT_LT(0, storm.taken);
	TH_LOG("%llu blocks, %llu taken over", storm.blocks, storm.taken);
	crew_free(&storm.crew);
}

static long storm_until_killed(void *arg)
{
	struct storm storm = { .seed = *(__u64 *)arg };

	MUST(0, crew_new(&storm.crew));
	weather(&storm, UINT64_MAX);
	return -EPROTO;
}

TEST_F_TIMEOUT(handoff_storm, kill_in_the_middle_leaves_nothing, 100)
{
	__u64 seed = 7;

	for (int i = 0; i < KILLS; i++) {
		pid_t pid = child_start(storm_until_killed, &seed);

		ASSERT_LT(0, pid);
		usleep(20000 + rnd(&seed) % 100000);
		kill(pid, SIGKILL);
		EXPECT_EQ(CHILD_SIGNALED(SIGKILL), child_wait(pid));
	}
}

TEST_HARNESS_MAIN
