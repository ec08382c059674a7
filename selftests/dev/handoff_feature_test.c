// SPDX-License-Identifier: GPL-2.0
/*
 * Whether there is hand-off is said by a feature, and the calls do as it says. The
 * runner says which it must be, by CORO_TEST_NO_HANDOFF.
 */
#include "worker.h"
#include "kselftest_harness.h"

FIXTURE(feature)
{
	struct sched s;
	struct coro_attach_args args;
	bool wanted;
};

FIXTURE_SETUP(feature)
{
	self->wanted = !getenv("CORO_TEST_NO_HANDOFF");
	ASSERT_EQ(0, sched_new(&self->s, 8, 8, 2 * PAGE));
}

FIXTURE_TEARDOWN(feature)
{
	sched_free(&self->s);
}

TEST_F(feature, is_set_where_there_is_handoff)
{
	EXPECT_EQ(self->wanted ? CORO_FEAT_HANDOFF : 0,
		  self->s.args.out_features & CORO_FEAT_HANDOFF);
}

TEST_F(feature, attach_is_there_if_it_is_set)
{
	EXPECT_EQ(self->wanted ? 0 : -EOPNOTSUPP,
		  wrk_attach(self->s.fd, &self->args));
	EXPECT_EQ(self->wanted ? 0 : -ESRCH, wrk_detach(self->s.fd));
}

TEST_F(feature, who_could_not_attach_is_no_worker)
{
	struct coro_standby_args sb;
	long ret = wrk_attach(self->s.fd, &self->args);

	EXPECT_EQ(ret ? -ESRCH : -ETIMEDOUT, wrk_standby(self->s.fd, &sb, 0));
	EXPECT_EQ(ret ? -ENOENT : 0, wrk_kick(self->s.fd, 0));
	EXPECT_EQ(ret ? 0 : 1,
		  fdinfo_get(getpid(), self->s.fd, "coro-workers"));
}

TEST_HARNESS_MAIN
