// SPDX-License-Identifier: GPL-2.0
/* What /proc/PID/fdinfo tells of a scheduler: the keys tools rely on, and the figures of STAT. */
#include "common.h"
#include "kselftest_harness.h"

/* Each is promised; others may come, these stay. */
#define KEY_CONTEXTS "coro-contexts"
#define KEY_CONTEXTS_PEAK "coro-contexts-peak"
#define KEY_EVENTS_PENDING "coro-events-pending"
#define KEY_EVENTS_TOTAL "coro-events-total"
#define KEY_RESIDENT "coro-stacks-resident-bytes"
#define KEY_OVERFLOWS "coro-overflows"
#define KEY_OVERFLOW_ID "coro-overflow-id"

FIXTURE(fdinfo)
{
	struct sched s;
	__u64 ids[8];
};

FIXTURE_SETUP(fdinfo)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, 8, 4 * PAGE));
	ASSERT_EQ(5, ctx_alloc(self->s.fd, self->ids, 5));
}

FIXTURE_TEARDOWN(fdinfo)
{
	sched_free(&self->s);
}

/* 0 if the fdinfo of @fd of process @pid says what STAT says; -errno else. */
static long agrees(pid_t pid, int fd)
{
	struct coro_stat_args stat;

	MUST(0, sched_stat(fd, &stat));
	MUST((long)stat.out_contexts, fdinfo_get(pid, fd, KEY_CONTEXTS));
	MUST((long)stat.out_contexts_peak,
	     fdinfo_get(pid, fd, KEY_CONTEXTS_PEAK));
	MUST((long)stat.out_events_pending,
	     fdinfo_get(pid, fd, KEY_EVENTS_PENDING));
	MUST((long)stat.out_events_total,
	     fdinfo_get(pid, fd, KEY_EVENTS_TOTAL));
	MUST((long)stat.out_stacks_resident_bytes,
	     fdinfo_get(pid, fd, KEY_RESIDENT));
	MUST((long)stat.out_overflows, fdinfo_get(pid, fd, KEY_OVERFLOWS));
	MUST((long)stat.out_overflow_id, fdinfo_get(pid, fd, KEY_OVERFLOW_ID));
	return 0;
}

TEST_F(fdinfo, a_new_scheduler_shows_the_figures_of_stat)
{
	EXPECT_EQ(0, agrees(getpid(), self->s.fd));
}

TEST_F(fdinfo, a_used_scheduler_shows_the_figures_of_stat)
{
	struct coro_event event;

	*stack_page(&self->s, self->ids[0], 0) = 1;
	*stack_page(&self->s, self->ids[1], 2) = 1;
	probe(stack_guard(&self->s, self->ids[3]), true);
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 2));
	ASSERT_EQ(1, event_read(self->s.fd, &event, 1));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids + 4, 1, 0));

	EXPECT_EQ(4, fdinfo_get(getpid(), self->s.fd, KEY_CONTEXTS));
	EXPECT_EQ(5, fdinfo_get(getpid(), self->s.fd, KEY_CONTEXTS_PEAK));
	EXPECT_EQ(1, fdinfo_get(getpid(), self->s.fd, KEY_EVENTS_PENDING));
	EXPECT_EQ(2, fdinfo_get(getpid(), self->s.fd, KEY_EVENTS_TOTAL));
	EXPECT_EQ(2 * PAGE, fdinfo_get(getpid(), self->s.fd, KEY_RESIDENT));
	EXPECT_EQ(1, fdinfo_get(getpid(), self->s.fd, KEY_OVERFLOWS));
	EXPECT_EQ(self->ids[3],
		  fdinfo_get(getpid(), self->s.fd, KEY_OVERFLOW_ID));
	EXPECT_EQ(0, agrees(getpid(), self->s.fd));
}

TEST_F(fdinfo, every_line_of_ours_is_a_key_a_tab_and_one_value)
{
	char text[4096], key[64], value[64], end, *line, *save;

	ASSERT_LT(0, fdinfo_read(getpid(), self->s.fd, text, sizeof(text)));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "coro-", 5))
			continue;
		EXPECT_EQ(2, sscanf(line, "%63[a-z-]:\t%63[a-z0-9]%c", key,
				    value, &end))
		{
			TH_LOG("line %s", line);
		}
		EXPECT_EQ('\t', line[strlen(key) + 1]);
	}
}

TEST_F(fdinfo, no_key_comes_twice)
{
	char text[4096], seen[4096] = "\n", *line, *colon, *save;
	char want[128];

	ASSERT_LT(0, fdinfo_read(getpid(), self->s.fd, text, sizeof(text)));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		colon = strchr(line, ':');
		ASSERT_NE(NULL, colon);
		*colon = '\0';
		snprintf(want, sizeof(want), "\n%s\n", line);
		EXPECT_EQ(NULL, strstr(seen, want));
		strcat(seen, line);
		strcat(seen, "\n");
	}
}

struct viewer {
	pid_t pid;
	int fd;
	__u64 contexts;
};

static long view(void *arg)
{
	struct viewer *v = arg;

	MUST((long)v->contexts, fdinfo_get(v->pid, v->fd, KEY_CONTEXTS));
	MUST((long)v->contexts, fdinfo_get(getpid(), v->fd, KEY_CONTEXTS));
	return 0;
}

TEST_F(fdinfo, another_process_sees_the_same)
{
	struct viewer v = { getpid(), self->s.fd, 5 };

	EXPECT_EQ(0, in_child(view, &v));
}

TEST(before_setup_it_can_be_read)
{
	char text[4096];
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_LT(0, fdinfo_read(getpid(), fd, text, sizeof(text)));
	close(fd);
}

TEST_F(fdinfo, after_death_it_can_be_read)
{
	char text[4096];

	sched_unmap(&self->s);
	EXPECT_LT(0, fdinfo_read(getpid(), self->s.fd, text, sizeof(text)));
}

TEST_HARNESS_MAIN
