// SPDX-License-Identifier: GPL-2.0
/* Workers: who is one, its number and page, and what ends that. */
#include <sys/resource.h>

#include "worker.h"
#include "kselftest_harness.h"

#define ROLE_ENV "CORO_TEST_ROLE"

/* How often the thread has left its processor to wait for something. */
static long sleeps_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* Runs in a program that was exec'd, before any test of it would. */
static void __attribute__((constructor)) play_role(void)
{
	const char *role = getenv(ROLE_ENV);
	long want, before;

	if (!role)
		return;
	want = atol(role);
	before = sleeps_so_far();
	/* A sleep whose time has passed before it began is none. */
	do {
		usleep(1000);
	} while (sleeps_so_far() == before);
	/* Nothing of the life before holds the module, though this thread lives. */
	_exit(!uses_become(want));
}

FIXTURE(worker)
{
	struct crew crew;
	long uses;
	int fd;
};

FIXTURE_SETUP(worker)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
	ASSERT_EQ(0, crew_new(&self->crew));
	ASSERT_NE(0, self->crew.s.args.out_features & CORO_FEAT_HANDOFF);
	self->fd = self->crew.s.fd;
}

/* Threads that have ended let go a little later. */
FIXTURE_TEARDOWN(worker)
{
	wrk_detach(self->fd);
	crew_free(&self->crew);
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F(worker, first_one_gets_number_0_and_a_word_without_bits)
{
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, args.out_id);
	EXPECT_LE(2, args.out_max_workers);
	EXPECT_EQ(0, args.out_word % CORO_WORKER_COUNT);
	EXPECT_EQ(args.out_word, word_get(crew_word(&self->crew, 0)));
}

TEST_F(worker, thread_is_one_once)
{
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(-EBUSY, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, wrk_detach(self->fd));
	EXPECT_EQ(-ESRCH, wrk_detach(self->fd));
}

TEST_F(worker, thread_can_be_one_of_two_schedulers)
{
	struct coro_attach_args args;
	struct crew other;

	ASSERT_EQ(0, crew_new(&other));
	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, wrk_attach(other.s.fd, &args));
	EXPECT_EQ(0, wrk_detach(self->fd));
	EXPECT_EQ(0, wrk_detach(other.s.fd));
	crew_free(&other);
}

TEST_F(worker, thread_cannot_be_one_of_more_than_four)
{
	struct coro_attach_args args;
	struct crew others[4];

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, crew_new(&others[i]));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, wrk_attach(others[i].s.fd, &args));
	EXPECT_EQ(-ENOSPC, wrk_attach(self->fd, &args));
	/* Dead ones count as well: it is looked at for them all the same. */
	sched_unmap(&others[0].s);
	EXPECT_EQ(-ENOSPC, wrk_attach(self->fd, &args));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(0, wrk_detach(others[i].s.fd));
		crew_free(&others[i]);
	}
	EXPECT_EQ(0, wrk_attach(self->fd, &args));
}

static long attach_only(struct hand *hand)
{
	struct coro_attach_args args;
	long ret = wrk_attach(hand->crew->s.fd, &args);

	hand->id = args.out_id;
	return ret;
}

TEST_F(worker, numbers_differ)
{
	struct coro_attach_args args;
	struct hand hand;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	hand_start(&hand, &self->crew, attach_only);
	EXPECT_EQ(0, hand_join(&hand));
	EXPECT_EQ(1, hand.id);
}

TEST_F(worker, numbers_of_threads_that_ended_are_free_again)
{
	struct hand hand;

	for (unsigned int i = 0; i < self->crew.max + 8; i++) {
		hand_start(&hand, &self->crew, attach_only);
		ASSERT_EQ(0, hand_join(&hand));
	}
}

static long attach_and_wait(struct hand *hand)
{
	long ret = attach_only(hand);

	hand_ready(hand);
	hand_pass(hand);
	return ret;
}

TEST_F(worker, there_are_as_many_as_was_said)
{
	unsigned int nr = self->crew.max, full = 0;
	struct hand *hands = calloc(nr + 1, sizeof(*hands));

	ASSERT_NE(NULL, hands);
	for (unsigned int i = 0; i <= nr; i++) {
		hand_start(&hands[i], &self->crew, attach_and_wait);
		hand_asleep(&hands[i]);
	}
	EXPECT_EQ((long)nr, fdinfo_get(getpid(), self->fd, "coro-workers"));
	for (unsigned int i = 0; i <= nr; i++) {
		long ret;

		door_open(&hands[i].door);
		ret = hand_join(&hands[i]);
		full += ret == -ENOSPC;
		EXPECT_TRUE(ret == 0 || ret == -ENOSPC);
	}
	EXPECT_EQ(1, full);
	free(hands);
}

static long max_workers_set(const char *nr)
{
	int fd = open("/sys/module/coro/parameters/max_workers",
		      O_WRONLY | O_CLOEXEC);
	long ret = sys(write(fd, nr, strlen(nr)));

	close(fd);
	return ret < 0 ? ret : 0;
}

TEST_F(worker, parameter_bounds_them)
{
	struct coro_attach_args args;
	struct hand hand;

	ASSERT_EQ(0, max_workers_set("1"));
	EXPECT_EQ(0, wrk_attach(self->fd, &args));
	hand_start(&hand, &self->crew, attach_only);
	EXPECT_EQ(-ENOSPC, hand_join(&hand));
	EXPECT_EQ(0, wrk_detach(self->fd));
	ASSERT_EQ(0, max_workers_set("0"));
	EXPECT_EQ(-ENOSPC, wrk_attach(self->fd, &args));
	ASSERT_EQ(0, max_workers_set("256"));
	EXPECT_EQ(0, wrk_attach(self->fd, &args));
}

TEST_F(worker, next_of_a_number_finds_a_word_that_was_not_there_before)
{
	__u64 *word = crew_word(&self->crew, 0);
	struct coro_attach_args args;
	__u64 before;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	before = args.out_word;
	word_set(word, before | CORO_WORKER_USER);
	ASSERT_EQ(0, wrk_detach(self->fd));
	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	ASSERT_EQ(0, args.out_id);
	EXPECT_EQ(0, args.out_word % CORO_WORKER_COUNT);
	EXPECT_LT(before + CORO_WORKER_COUNT, args.out_word);
	EXPECT_EQ(args.out_word, word_get(word));
}

TEST_F(worker, number_that_may_still_be_taken_over_is_given_last)
{
	__u64 *word = crew_word(&self->crew, 0);
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	word_set(word, args.out_word | BLOCKING);
	ASSERT_EQ(0, wrk_detach(self->fd));
	for (__u32 id = 1; id < self->crew.max; id++) {
		ASSERT_EQ(0, wrk_attach(self->fd, &args));
		ASSERT_EQ(id, args.out_id);
		word_set(crew_word(&self->crew, id), BLOCKING);
		ASSERT_EQ(0, wrk_detach(self->fd));
	}
	EXPECT_NE(0, word_get(word) & BLOCKING);
	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, args.out_id);
	EXPECT_EQ(0, args.out_word % CORO_WORKER_COUNT);
}

TEST_F(worker, number_never_given_has_no_page)
{
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, probe(self->crew.pages, true));
	EXPECT_EQ(SIGBUS, probe(self->crew.pages + PAGE, false));
	EXPECT_EQ(SIGBUS,
		  probe(self->crew.pages + (self->crew.max - 1) * PAGE, true));
}

TEST_F(worker, page_stays_when_its_worker_is_gone)
{
	struct hand hand;

	hand_start(&hand, &self->crew, attach_only);
	ASSERT_EQ(0, hand_join(&hand));
	EXPECT_EQ(0, probe(self->crew.pages, true));
	sched_unmap(&self->crew.s);
	close(self->fd);
	self->fd = -1;
	self->crew.s.fd = -1;
	EXPECT_EQ(0, probe(self->crew.pages, true));
}

TEST_F(worker, area_is_mapped_as_a_whole_or_not)
{
	__u64 bytes = self->crew.max * PAGE;
	void *addr;

	EXPECT_EQ(-EINVAL,
		  area_map(self->fd, CORO_OFF_WORKERS, PAGE, PROT_READ, &addr));
	EXPECT_EQ(-EINVAL, area_map(self->fd, CORO_OFF_WORKERS + PAGE, bytes,
				    PROT_READ, &addr));
	EXPECT_EQ(-EACCES, area_map(self->fd, CORO_OFF_WORKERS, bytes,
				    PROT_READ | PROT_EXEC, &addr));
	EXPECT_EQ(-EINVAL, sys(munmap(self->crew.pages, PAGE)));
}

static long look_as_stranger(void *arg)
{
	struct crew *c = arg;
	__u64 bytes = c->max * PAGE;
	char *pages = NULL;

	MUST(SIGSEGV, probe(c->pages, false));
	MUST(-EACCES, area_map(c->s.fd, CORO_OFF_WORKERS, bytes,
			       PROT_READ | PROT_WRITE, &pages));
	MUST(0, area_map(c->s.fd, CORO_OFF_WORKERS, bytes, PROT_READ, &pages));
	MUST(0, probe(pages, false));
	MUST(-EACCES, sys(mprotect(pages, bytes, PROT_READ | PROT_WRITE)));
	return 0;
}

TEST_F(worker, stranger_may_read_the_pages)
{
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, in_child(look_as_stranger, &self->crew));
}

TEST_F(worker, who_is_none_is_told)
{
	struct coro_standby_args sb;

	EXPECT_EQ(-ESRCH, wrk_detach(self->fd));
	EXPECT_EQ(-ESRCH, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(-ENOENT, wrk_kick(self->fd, 0));
	EXPECT_EQ(-ENOENT, wrk_kick(self->fd, self->crew.max));
	EXPECT_EQ(-ENOENT, wrk_kick(self->fd, UINT32_MAX));
}

static long work_as_stranger(void *arg)
{
	struct coro_attach_args args;
	struct coro_standby_args sb;
	int fd = ((struct crew *)arg)->s.fd;

	MUST(-EPERM, wrk_attach(fd, &args));
	MUST(-EPERM, wrk_standby(fd, &sb, 0));
	MUST(-EPERM, wrk_kick(fd, 0));
	MUST(-ESRCH, wrk_detach(fd));
	return 0;
}

TEST_F(worker, stranger_cannot_become_one_nor_does_fork_make_one)
{
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(0, in_child(work_as_stranger, &self->crew));
	EXPECT_EQ(0, wrk_detach(self->fd));
}

TEST_F(worker, scheduler_without_a_table_has_none)
{
	struct coro_attach_args args;
	struct coro_setup_args setup;
	int fd = dev_open(0);

	EXPECT_EQ(-EBADFD, wrk_attach(fd, &args));
	EXPECT_EQ(-ESRCH, wrk_detach(fd));
	ASSERT_EQ(0, dev_setup(fd, &setup, 8, 8, 2 * PAGE));
	EXPECT_EQ(-EBADFD, wrk_attach(fd, &args));
	close(fd);
}

static long unmap_crew(struct hand *hand)
{
	sched_unmap(&hand->crew->s);
	return 0;
}

TEST_F(worker, worker_of_a_dead_scheduler_can_detach)
{
	struct coro_attach_args args;
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	hand_start(&hand, &self->crew, unmap_crew);
	ASSERT_EQ(0, hand_join(&hand));
	EXPECT_EQ(-EOWNERDEAD, wrk_attach(self->fd, &args));
	EXPECT_EQ(-EOWNERDEAD, wrk_standby(self->fd, &sb, 0));
	EXPECT_EQ(-EOWNERDEAD, wrk_kick(self->fd, 0));
	EXPECT_EQ(0, wrk_detach(self->fd));
	EXPECT_EQ(-ESRCH, wrk_detach(self->fd));
}

static long attach_and_exec(void *arg)
{
	struct coro_attach_args args;
	struct crew crew;
	char env[32];
	char *const argv[] = { "worker_test", NULL };
	char *const envp[] = { env, NULL };

	MUST(0, crew_new(&crew));
	MUST(0, wrk_attach(crew.s.fd, &args));
	word_set(crew_word(&crew, 0), args.out_word | BLOCKING);
	snprintf(env, sizeof(env), ROLE_ENV "=%ld", *(long *)arg);
	return sys(execve("/proc/self/exe", argv, envp));
}

TEST_F(worker, exec_detaches)
{
	long uses = module_uses();

	EXPECT_EQ(0, in_child(attach_and_exec, &uses));
}

static long attach_and_die(void *arg)
{
	struct coro_attach_args args;
	struct hand hand;
	struct crew crew;

	(void)arg;
	MUST(0, crew_new(&crew));
	MUST(0, wrk_attach(crew.s.fd, &args));
	word_set(crew_word(&crew, 0), args.out_word | BLOCKING);
	hand_start(&hand, &crew, attach_and_wait);
	hand_asleep(&hand);
	return sys(kill(getpid(), SIGKILL));
}

TEST_F(worker, killed_process_leaves_nothing)
{
	long uses = module_uses();

	for (int i = 0; i < 8; i++)
		EXPECT_EQ(CHILD_SIGNALED(SIGKILL),
			  in_child(attach_and_die, NULL));
	EXPECT_TRUE(uses_become(uses));
}

TEST_F(worker, unknown_flags_and_reserved_fields_are_refused)
{
	struct coro_attach_args attach = { .size = sizeof(attach), .flags = 1 };
	struct coro_detach_args detach = { .size = sizeof(detach), .flags = 1 };
	struct coro_standby_args sb = { .size = sizeof(sb), .flags = 1 };
	struct coro_kick_args kick = { .size = sizeof(kick), .reserved = 1 };
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, CORO_IOC_ATTACH, &attach));
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, CORO_IOC_DETACH, &detach));
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, CORO_IOC_STANDBY, &sb));
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, CORO_IOC_KICK, &kick));
	kick.reserved = 0;
	kick.flags = 1;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, CORO_IOC_KICK, &kick));
	EXPECT_EQ(-EINVAL, wrk_standby(self->fd, &sb, -1));
}

TEST_HARNESS_MAIN
