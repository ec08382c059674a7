// SPDX-License-Identifier: GPL-2.0
/* Hand-off: a worker blocks, and one that stands by is told; once, and not else. */
#include "worker.h"
#include "kselftest_harness.h"

#define DEBOUNCE "/sys/module/coro/parameters/debounce_us"
/* Nobody is told of what is not to be told: as long as a case can wait for it. */
#define NEVER_MS 300

FIXTURE(handoff)
{
	struct crew crew;
	long uses;
	int fd;
};

FIXTURE_SETUP(handoff)
{
	struct coro_attach_args args;

	self->uses = module_uses();
	ASSERT_EQ(0, crew_new(&self->crew));
	self->fd = self->crew.s.fd;
	/* The main thread is number 0: the one that stands by. */
	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	ASSERT_EQ(0, args.out_id);
}

FIXTURE_TEARDOWN(handoff)
{
	wrk_detach(self->fd);
	crew_free(&self->crew);
	EXPECT_TRUE(uses_become(self->uses));
}

static long debounce_set(const char *us)
{
	int fd = open(DEBOUNCE, O_WRONLY | O_CLOEXEC);
	long ret = sys(write(fd, us, strlen(us)));

	close(fd);
	return ret < 0 ? ret : 0;
}

/* A worker with the next count, and @bits, in its word. */
static long hand_attach(struct hand *hand, __u64 bits)
{
	struct coro_attach_args args;
	long ret = wrk_attach(hand->crew->s.fd, &args);

	if (ret)
		return ret;
	hand->id = args.out_id;
	word_set(&hand->word, args.out_word | bits);
	word_set(crew_word(hand->crew, hand->id), hand->word);
	hand_ready(hand);
	return 0;
}

/* What the other side does with the word of a worker that blocks. */
static bool hand_take_over(struct hand *hand, __u64 word)
{
	return word_take(crew_word(hand->crew, hand->id), word,
			 (word & ~3ULL) + CORO_WORKER_COUNT);
}

static long block_on(struct hand *hand)
{
	long ret = hand_attach(hand, BLOCKING);

	return ret ? ret : hand_pass(hand);
}

/* As a worker does: when it goes on it says so, or finds that it was relieved. */
static long block(struct hand *hand)
{
	long ret = block_on(hand);

	hand_take_over(hand, hand->word);
	return ret;
}

TEST_F(handoff, standby_is_told_who_blocks_and_with_which_word)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	EXPECT_EQ(1, sb.out_id);
	EXPECT_EQ(word_get(&hand.word), sb.out_word);
	EXPECT_TRUE(hand_take_over(&hand, sb.out_word));
	EXPECT_EQ(1, fdinfo_get(getpid(), self->fd, "coro-handoffs"));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

TEST_F(handoff, block_before_the_standby_is_told_to_it)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block);
	ASSERT_TRUE(hand_asleep(&hand));
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(1, sb.out_id);
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

TEST_F(handoff, one_block_is_told_once)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

static long block_twice(struct hand *hand)
{
	long ret = block_on(hand);

	return ret ? ret : hand_pass(hand);
}

TEST_F(handoff, two_sleeps_with_one_word_are_one_block)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block_twice);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	door_open(&hand.door);
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

static long block_anew(struct hand *hand)
{
	long ret = block_on(hand);

	hand->word += CORO_WORKER_COUNT;
	word_set(crew_word(hand->crew, hand->id), hand->word);
	return ret ? ret : hand_pass(hand);
}

TEST_F(handoff, sleep_with_another_count_is_another_block)
{
	struct coro_standby_args first, second;
	struct hand hand;

	hand_start(&hand, &self->crew, block_anew);
	ASSERT_EQ(0, wrk_standby(self->fd, &first, CORO_NO_DEADLINE));
	door_open(&hand.door);
	ASSERT_EQ(0, wrk_standby(self->fd, &second, CORO_NO_DEADLINE));
	EXPECT_EQ(first.out_word + CORO_WORKER_COUNT, second.out_word);
	EXPECT_FALSE(hand_take_over(&hand, first.out_word));
	EXPECT_TRUE(hand_take_over(&hand, second.out_word));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

static long sleep_without_bit(struct hand *hand)
{
	long ret = hand_attach(hand, CORO_WORKER_USER);

	return ret ? ret : hand_pass(hand);
}

TEST_F(handoff, sleep_without_the_bit_is_not_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, sleep_without_bit);
	ASSERT_TRUE(hand_asleep(&hand));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

TEST_F(handoff, block_that_is_over_is_not_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	/* So that it is over before somebody would be told. */
	ASSERT_EQ(0, debounce_set("100000"));
	hand_start(&hand, &self->crew, block_twice);
	ASSERT_TRUE(hand_asleep(&hand));
	/* As the worker does when it goes on. */
	ASSERT_TRUE(hand_take_over(&hand, word_get(&hand.word)));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
	ASSERT_EQ(0, debounce_set("10"));
	door_open(&hand.door);
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

static long spin(struct hand *hand)
{
	long ret = hand_attach(hand, BLOCKING);

	while (!ret && !word_get((__u64 *)&hand->sb.deadline_ns))
		;
	word_set(crew_word(hand->crew, hand->id), 0);
	return ret;
}

/* More threads than processors, so each is preempted all the time. */
TEST_F(handoff, preemption_is_not_told)
{
	struct coro_standby_args sb;
	struct hand hands[4];

	for (int i = 0; i < 4; i++)
		hand_start(&hands[i], &self->crew, spin);
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
	for (int i = 0; i < 4; i++)
		word_set((__u64 *)&hands[i].sb.deadline_ns, 1);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, hand_join(&hands[i]));
}

/* The parent of vfork sleeps in D until its child execs or ends. */
static long block_in_vfork(struct hand *hand)
{
	long ret = hand_attach(hand, BLOCKING);
	char c;

	if (ret)
		return ret;
	if (!vfork()) {
		ret = read(hand->door.fd[0], &c, 1);
		_exit(0);
	}
	return 0;
}

TEST_F(handoff, uninterruptible_sleep_is_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block_in_vfork);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(1, sb.out_id);
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

static long stand_by(struct hand *hand)
{
	long ret = hand_attach(hand, 0);

	if (ret)
		return ret;
	return wrk_standby(hand->crew->s.fd, &hand->sb, CORO_NO_DEADLINE);
}

TEST_F(handoff, one_of_several_standbys_is_told_the_last_one)
{
	struct hand first, second, blocks;

	hand_start(&first, &self->crew, stand_by);
	ASSERT_TRUE(hand_asleep(&first));
	hand_start(&second, &self->crew, stand_by);
	ASSERT_TRUE(hand_asleep(&second));
	EXPECT_EQ(2, fdinfo_get(getpid(), self->fd, "coro-standbys"));
	hand_start(&blocks, &self->crew, block);
	EXPECT_EQ(0, hand_join(&second));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, second.sb.out_why);
	EXPECT_EQ(blocks.id, second.sb.out_id);
	EXPECT_EQ(1, fdinfo_get(getpid(), self->fd, "coro-standbys"));
	ASSERT_EQ(0, wrk_kick(self->fd, first.id));
	EXPECT_EQ(0, hand_join(&first));
	EXPECT_EQ(CORO_STANDBY_KICKED, first.sb.out_why);
	door_open(&blocks.door);
	EXPECT_EQ(0, hand_join(&blocks));
}

TEST_F(handoff, kick_before_the_standby_is_remembered_once)
{
	struct coro_standby_args sb;

	ASSERT_EQ(0, wrk_kick(self->fd, 0));
	ASSERT_EQ(0, wrk_kick(self->fd, 0));
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_KICKED, sb.out_why);
	EXPECT_EQ(0, sb.out_id);
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, 0));
}

TEST_F(handoff, kick_comes_first_and_loses_no_block)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, block);
	ASSERT_TRUE(hand_asleep(&hand));
	ASSERT_EQ(0, wrk_kick(self->fd, 0));
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_KICKED, sb.out_why);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
}

TEST_F(handoff, kick_is_not_inherited_by_the_next_of_that_number)
{
	struct coro_standby_args sb;
	struct coro_attach_args args;

	ASSERT_EQ(0, wrk_kick(self->fd, 0));
	ASSERT_EQ(0, wrk_detach(self->fd));
	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	ASSERT_EQ(0, args.out_id);
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, 0));
}

/* Who stands by blocks, too: that is how a scheduler is given up on purpose. */
static long give_up(struct hand *hand)
{
	long ret = hand_attach(hand, BLOCKING);

	if (ret)
		return ret;
	return wrk_standby(hand->crew->s.fd, &hand->sb, CORO_NO_DEADLINE);
}

TEST_F(handoff, standby_with_the_bit_hands_over_itself_but_not_to_itself)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, give_up);
	ASSERT_TRUE(hand_asleep(&hand));
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	EXPECT_EQ(1, sb.out_id);
	EXPECT_EQ('S', hand_asleep(&hand) ? 'S' : 0);
	ASSERT_EQ(0, wrk_kick(self->fd, 1));
	EXPECT_EQ(0, hand_join(&hand));
	EXPECT_EQ(CORO_STANDBY_KICKED, hand.sb.out_why);
}

static long end_with_bit(struct hand *hand)
{
	return hand_attach(hand, BLOCKING);
}

TEST_F(handoff, worker_that_ends_with_the_bit_is_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	hand_start(&hand, &self->crew, end_with_bit);
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	EXPECT_EQ(1, sb.out_id);
	EXPECT_EQ(0, hand_join(&hand));
	EXPECT_EQ(word_get(&hand.word), sb.out_word);
	EXPECT_TRUE(hand_take_over(&hand, sb.out_word));
}

static long detach_with_bit(struct hand *hand)
{
	long ret = hand_attach(hand, BLOCKING);

	return ret ? ret : wrk_detach(hand->crew->s.fd);
}

TEST_F(handoff, worker_that_detached_is_not_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, debounce_set("1000000"));
	hand_start(&hand, &self->crew, detach_with_bit);
	EXPECT_EQ(0, hand_join(&hand));
	ASSERT_EQ(0, debounce_set("10"));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(NEVER_MS)));
}

TEST_F(handoff, sleep_that_is_shorter_than_the_debounce_is_not_told)
{
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, debounce_set("1000000"));
	hand_start(&hand, &self->crew, block);
	ASSERT_TRUE(hand_asleep(&hand));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(100)));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
	ASSERT_EQ(0, debounce_set("10"));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(1200)));
}

TEST_F(handoff, sleep_of_the_debounce_is_told_also_after_many_short_ones)
{
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, debounce_set("200000"));
	hand_start(&hand, &self->crew, block_twice);
	ASSERT_TRUE(hand_asleep(&hand));
	door_open(&hand.door);
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	ASSERT_EQ(0, debounce_set("0"));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
	ASSERT_EQ(0, debounce_set("10"));
}

TEST_F(handoff, no_debounce_is_told_at_once)
{
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, debounce_set("0"));
	hand_start(&hand, &self->crew, block);
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
	ASSERT_EQ(0, debounce_set("10"));
}

TEST_F(handoff, standby_ends_at_its_deadline)
{
	struct coro_standby_args sb;

	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, 0));
	EXPECT_EQ(-ETIMEDOUT, wrk_standby(self->fd, &sb, in_ms(10)));
	EXPECT_EQ(0, fdinfo_get(getpid(), self->fd, "coro-standbys"));
}

static void on_signal(int sig)
{
	(void)sig;
}

static void signals_to(int flags)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &act, NULL);
}

TEST_F(handoff, signal_interrupts_a_standby)
{
	struct hand hand;

	signals_to(0);
	hand_start(&hand, &self->crew, stand_by);
	ASSERT_TRUE(hand_asleep(&hand));
	pthread_kill(hand.thread, SIGUSR1);
	EXPECT_EQ(-EINTR, hand_join(&hand));
	EXPECT_EQ(0, fdinfo_get(getpid(), self->fd, "coro-standbys"));
}

TEST_F(handoff, signal_with_restart_does_not)
{
	struct hand hand, blocks;

	signals_to(SA_RESTART);
	hand_start(&hand, &self->crew, stand_by);
	ASSERT_TRUE(hand_asleep(&hand));
	pthread_kill(hand.thread, SIGUSR1);
	ASSERT_TRUE(hand_asleep(&hand));
	hand_start(&blocks, &self->crew, block);
	EXPECT_EQ(0, hand_join(&hand));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, hand.sb.out_why);
	door_open(&blocks.door);
	EXPECT_EQ(0, hand_join(&blocks));
}

TEST_F(handoff, death_ends_a_standby)
{
	struct hand hand;

	hand_start(&hand, &self->crew, stand_by);
	ASSERT_TRUE(hand_asleep(&hand));
	sched_unmap(&self->crew.s);
	EXPECT_EQ(-EOWNERDEAD, hand_join(&hand));
}

/* Its arguments, in a page that is taken away while it stands by. */
static struct coro_standby_args *vain;

static long stand_by_in_vain(struct hand *hand)
{
	long ret = hand_attach(hand, 0);

	return ret ? ret :
		     wrk_standby(hand->crew->s.fd, vain, CORO_NO_DEADLINE);
}

TEST_F(handoff, who_cannot_be_told_leaves_it_to_the_next)
{
	struct coro_standby_args sb;
	struct hand hand, blocks;

	vain = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, vain);
	hand_start(&hand, &self->crew, stand_by_in_vain);
	ASSERT_TRUE(hand_asleep(&hand));
	munmap(vain, PAGE);
	hand_start(&blocks, &self->crew, block);
	EXPECT_EQ(-EFAULT, hand_join(&hand));
	EXPECT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	EXPECT_EQ(CORO_STANDBY_BLOCKED, sb.out_why);
	EXPECT_EQ(blocks.id, sb.out_id);
	EXPECT_EQ(word_get(&blocks.word), sb.out_word);
	door_open(&blocks.door);
	EXPECT_EQ(0, hand_join(&blocks));
}

TEST_HARNESS_MAIN
