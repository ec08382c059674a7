/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call, failing at each point where the kernel can fail it: an allocation or a
 * copy. It says so by a documented errno, and it is as if it had not been.
 *
 * The kernel fails the nth of them if told through fail-nth. One without fault
 * injection has no such file: there the sweep is one run, which must succeed.
 */
#ifndef CORO_SELFTESTS_FAULT_H
#define CORO_SELFTESTS_FAULT_H

#include "uring.h"
#include "worker.h"

#define MAX_POINTS 200
#define FAULTS "/sys/kernel/debug/"

static inline bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return good;
}

/* All allocations may fail, the ones that may wait too; and without a word in the log. */
static inline void faults_set_up(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc",
					     "fail_usercopy" };
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), FAULTS "%s/verbose", kinds[i]);
		text_write(path, "0");
		snprintf(path, sizeof(path), FAULTS "%s/ignore-gfp-wait",
			 kinds[i]);
		text_write(path, "N");
		snprintf(path, sizeof(path), FAULTS "%s/ignore-gfp-highmem",
			 kinds[i]);
		text_write(path, "N");
		snprintf(path, sizeof(path), FAULTS "%s/min-order", kinds[i]);
		text_write(path, "0");
	}
}

/* Let the @nth point of this thread fail, or none with 0: false if that cannot be. */
static inline bool fail_set(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	return text_write("/proc/thread-self/fail-nth", text);
}

/* True if the point that was to fail was reached. */
static inline bool fail_was_hit(void)
{
	char text[16] = "1";
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = '1';
		close(fd);
	}
	return atoi(text) == 0;
}

FIXTURE(fault)
{
	struct sched s;
	struct ring r;
	__u64 ids[4];
	__u64 taken; /* what a call made */
	int all, recv; /* handles of the first */
	int made; /* a descriptor that a call made */
	int next_fd;
	struct coro_event events[4];
	struct coro_result result;
	struct coro_uring_args args;
	struct crew crew; /* of the cases that have workers */
	struct coro_attach_args attach;
	struct hand hand;
	long uses;
	bool stopped, hit; /* of the point that was to fail */
};

FIXTURE_SETUP(fault)
{
	int fd;

	faults_set_up();
	self->uses = module_uses();
	ASSERT_EQ(0, ring_init(&self->r, 0, false, false));
	ASSERT_EQ(0, sched_new(&self->s, 256, 4, 2 * PAGE));
	fd = self->s.fd;
	ASSERT_EQ(0, set_nonblock(fd));
	ASSERT_EQ(4, ctx_alloc(fd, self->ids, 4));
	self->all = ctx_export(fd, self->ids[0], SEND | JOIN | CANCEL,
			       CORO_EXPORT_F_NONBLOCK);
	self->recv = ctx_export(fd, self->ids[0], RECV, CORO_EXPORT_F_NONBLOCK);
	ASSERT_LE(0, self->all);
	ASSERT_LE(0, self->recv);
	self->next_fd = next_fd();
}

FIXTURE_TEARDOWN(fault)
{
	fail_set(0);
	ring_exit(&self->r);
	close(self->all);
	close(self->recv);
	sched_free(&self->s);
	EXPECT_TRUE(uses_become(self->uses));
}

/*
 * A call, what must hold after it failed, and how to undo one that succeeded.
 * Each is 0 if all is well. One that cannot be undone by the kernel is done, and
 * says EFAULT, when its outputs cannot be written at its end.
 */
struct step {
	long (*call)(FIXTURE_DATA(fault) * self);
	long (*unchanged)(FIXTURE_DATA(fault) * self);
	long (*undo)(FIXTURE_DATA(fault) * self);
	bool (*was_done)(FIXTURE_DATA(fault) * self);
};

/* What follows in a call is not to fail: it only looks, or ends what was begun. */
static inline void fail_stop(FIXTURE_DATA(fault) * self)
{
	if (self->stopped)
		return;
	self->stopped = true;
	self->hit = fail_was_hit();
	fail_set(0);
}

static inline bool is_documented(long ret)
{
	return ret == -ENOMEM || ret == -EFAULT || ret == -ENFILE ||
	       ret == -EMFILE;
}

/* What holds after a call that returned @ret: 0 if it is as it must be. */
static inline long judge(FIXTURE_DATA(fault) * self, const struct step *step,
			 unsigned int nth, long ret)
{
	if (!ret)
		return step->undo(self);
	if (!is_documented(ret)) {
		fprintf(stderr, "# point %u: %ld\n", nth, ret);
		return ret;
	}
	if (ret == -EFAULT && step->was_done && step->was_done(self))
		return step->undo(self);
	return step->unchanged(self);
}

/* How many points were swept, or the -errno of what was wrong. */
static inline long sweep(FIXTURE_DATA(fault) * self, const struct step *step)
{
	unsigned int nth;
	bool hit;
	long ret;

	/* Once for nothing, so that no page of ours has to come later. */
	MUST(0, step->call(self));
	MUST(0, step->undo(self));
	for (nth = 1; nth < MAX_POINTS; nth++) {
		self->stopped = false;
		hit = fail_set(nth);
		ret = step->call(self);
		fail_stop(self);
		hit = hit && self->hit;
		if (!hit && ret)
			return ret;
		MUST(0, judge(self, step, nth, ret));
		if (!hit)
			return nth;
	}
	return -E2BIG;
}

/* The figures of the fixture, before any call. */
static inline long as_it_was(FIXTURE_DATA(fault) * self)
{
	MUST(self->next_fd, next_fd());
	MUST(4, STAT(self->s.fd, contexts));
	MUST(0, STAT(self->s.fd, events_pending));
	MUST(0, (long)self->s.header->events_pending);
	MUST(-EAGAIN, event_read(self->s.fd, self->events, 4));
	MUST(-EAGAIN, hnd_join(self->all));
	return 0;
}

#endif /* CORO_SELFTESTS_FAULT_H */
