// SPDX-License-Identifier: GPL-2.0
/* Every call of workers, failing wherever the kernel can fail it. */
#include "fault.h"

/* The next who attaches gets a number that was not there before. */
static long new_number(FIXTURE_DATA(fault) * self)
{
	word_set(crew_word(&self->crew, self->attach.out_id), BLOCKING);
	return 0;
}

static long do_attach(FIXTURE_DATA(fault) * self)
{
	return wrk_attach(self->crew.s.fd, &self->attach);
}

static long not_attached(FIXTURE_DATA(fault) * self)
{
	MUST(-ESRCH, wrk_detach(self->crew.s.fd));
	MUST(0, fdinfo_get(getpid(), self->crew.s.fd, "coro-workers"));
	return as_it_was(self);
}

static long undo_attach(FIXTURE_DATA(fault) * self)
{
	MUST(0, wrk_detach(self->crew.s.fd));
	return not_attached(self);
}

static long undo_attach_anew(FIXTURE_DATA(fault) * self)
{
	new_number(self);
	return undo_attach(self);
}

static long do_detach(FIXTURE_DATA(fault) * self)
{
	return wrk_detach(self->crew.s.fd);
}

static long is_attached(FIXTURE_DATA(fault) * self)
{
	MUST(-EBUSY, wrk_attach(self->crew.s.fd, &self->attach));
	MUST(1, fdinfo_get(getpid(), self->crew.s.fd, "coro-workers"));
	return 0;
}

static long undo_detach(FIXTURE_DATA(fault) * self)
{
	MUST(0, do_attach(self));
	return is_attached(self);
}

static long new_crew(FIXTURE_DATA(fault) * self)
{
	MUST(0, crew_new(&self->crew));
	self->next_fd = next_fd();
	return 0;
}

TEST_F(fault, attach_and_detach)
{
	const struct step old = { do_attach, not_attached, undo_attach };
	const struct step anew = { do_attach, not_attached, undo_attach_anew };
	const struct step detach = { do_detach, is_attached, undo_detach };

	ASSERT_EQ(0, new_crew(self));
	EXPECT_LT(0, sweep(self, &old));
	EXPECT_LT(0, sweep(self, &anew));
	ASSERT_EQ(0, do_attach(self));
	EXPECT_LT(0, sweep(self, &detach));
	EXPECT_EQ(0, wrk_detach(self->crew.s.fd));
	crew_free(&self->crew);
}

static long standby_by(FIXTURE_DATA(fault) * self, __s64 deadline_ns)
{
	struct coro_standby_args sb;
	long ret = wrk_standby(self->crew.s.fd, &sb, deadline_ns);

	return ret ? ret : (long)sb.out_why;
}

static long do_kick(FIXTURE_DATA(fault) * self)
{
	return wrk_kick(self->crew.s.fd, self->attach.out_id);
}

static long not_kicked(FIXTURE_DATA(fault) * self)
{
	MUST(-ETIMEDOUT, standby_by(self, 0));
	return 0;
}

static long undo_kick(FIXTURE_DATA(fault) * self)
{
	MUST(CORO_STANDBY_KICKED, standby_by(self, 0));
	return not_kicked(self);
}

static long do_standby(FIXTURE_DATA(fault) * self)
{
	long ret = standby_by(self, CORO_NO_DEADLINE);

	return ret < 0 ? ret : 0;
}

/* Told, or to be told, that was it once. */
static long is_kicked(FIXTURE_DATA(fault) * self)
{
	MUST(0, undo_kick(self));
	return do_kick(self);
}

static long block_once(struct hand *hand)
{
	struct coro_attach_args args;

	MUST(0, wrk_attach(hand->crew->s.fd, &args));
	word_set(crew_word(hand->crew, args.out_id), args.out_word | BLOCKING);
	return hand_pass(hand);
}

static long hand_blocks(FIXTURE_DATA(fault) * self)
{
	hand_start(&self->hand, &self->crew, block_once);
	return 0;
}

static long undo_block(FIXTURE_DATA(fault) * self)
{
	MUST(-ETIMEDOUT, standby_by(self, 0));
	MUST(0, door_open(&self->hand.door));
	MUST(0, hand_join(&self->hand));
	return hand_blocks(self);
}

static long is_blocked(FIXTURE_DATA(fault) * self)
{
	MUST(CORO_STANDBY_BLOCKED, standby_by(self, CORO_NO_DEADLINE));
	return undo_block(self);
}

TEST_F(fault, kick_and_standby)
{
	const struct step kick = { do_kick, not_kicked, undo_kick };
	const struct step kicked = { do_standby, is_kicked, do_kick };
	const struct step told = { do_standby, is_blocked, undo_block };

	ASSERT_EQ(0, new_crew(self));
	ASSERT_EQ(0, do_attach(self));
	EXPECT_LT(0, sweep(self, &kick));
	ASSERT_EQ(0, do_kick(self));
	EXPECT_LT(0, sweep(self, &kicked));
	EXPECT_EQ(0, undo_kick(self));
	ASSERT_EQ(0, hand_blocks(self));
	EXPECT_LT(0, sweep(self, &told));
	EXPECT_EQ(0, is_blocked(self));
	EXPECT_EQ(0, door_open(&self->hand.door));
	EXPECT_EQ(0, hand_join(&self->hand));
	EXPECT_EQ(0, wrk_detach(self->crew.s.fd));
	crew_free(&self->crew);
}

TEST_HARNESS_MAIN
