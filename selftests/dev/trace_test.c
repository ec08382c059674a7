// SPDX-License-Identifier: GPL-2.0
/* Tracepoints: one for each state change, in its order, with the values it was done with. */
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "handle.h"
#include "uring.h"
#include "worker.h"

#define TRACING "/sys/kernel/tracing"
#define MAX_TEXT (256 << 10)
/* What a race is tried, and how much there is to be sent meanwhile. */
#define STORMS 30
#define STORM_MESSAGES 1024

FIXTURE(trace)
{
	struct crew crew;
	__u64 id;
	long number;
	int fd;
	char dir[64]; /* of a trace of our own */
	char want[MAX_TEXT], got[MAX_TEXT];
};

static bool file_write(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) > 0;
	close(fd);
	return good;
}

FIXTURE_SETUP(trace)
{
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	snprintf(self->dir, sizeof(self->dir), TRACING "/instances/coro-%d",
		 getpid());
	ASSERT_EQ(0, sys(mkdir(self->dir, 0700)));
	/* The processors' clocks may differ by more than what happens in between. */
	ASSERT_TRUE(file_write(self->dir, "trace_clock", "counter"));
	ASSERT_TRUE(file_write(self->dir, "events/coro/enable", "1"));
	ASSERT_EQ(0, crew_new(&self->crew));
	self->fd = self->crew.s.fd;
	self->number = fdinfo_get(getpid(), self->fd, "coro-sched");
	ASSERT_LT(0, self->number);
	ASSERT_EQ(0, set_nonblock(self->fd));
	ASSERT_EQ(0, ctx_alloc_one(self->fd, &self->id, 0));
	ASSERT_TRUE(file_write(self->dir, "trace", "\n"));
}

FIXTURE_TEARDOWN(trace)
{
	crew_free(&self->crew);
	EXPECT_TRUE(file_write(self->dir, "events/coro/enable", "0"));
	EXPECT_EQ(0, sys(rmdir(self->dir)));
}

/* "EVENT: sched=N ...", of our scheduler and no other. */
static void got_line(FIXTURE_DATA(trace) * self, const char *line)
{
	const char *sched = strstr(line, ": sched=");
	const char *event = sched;

	if (*line == '#' || !sched || atol(sched + 8) != self->number)
		return;
	while (event > line && event[-1] != ' ')
		event--;
	strcat(self->got, event);
}

/* What was traced since the last time. */
static const char *got(FIXTURE_DATA(trace) * self)
{
	char path[128], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", self->dir);
	f = fopen(path, "r");
	self->got[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		got_line(self, line);
	if (f)
		fclose(f);
	file_write(self->dir, "trace", "\n");
	return self->got;
}

/* One more line that is to be there. */
static void __attribute__((format(printf, 3, 4)))
want(FIXTURE_DATA(trace) * self, const char *event, const char *format, ...)
{
	char *end = self->want + strlen(self->want);
	va_list args;

	end += sprintf(end, "%s: sched=%ld", event, self->number);
	va_start(args, format);
	end += vsprintf(end, format, args);
	va_end(args);
	strcpy(end, "\n");
}

#define AS_WANTED()                                  \
	do {                                         \
		EXPECT_STREQ(self->want, got(self)); \
		self->want[0] = '\0';                \
	} while (0)

#define ID ((unsigned long long)self->id)

TEST_F(trace, life_of_a_context_is_told)
{
	struct coro_event event;
	__u64 id;
	int fd;

	ASSERT_EQ(0, ctx_alloc_one(self->fd, &id, 0));
	want(self, "context_alloc", " id=%llu", (unsigned long long)id);
	EXPECT_EQ(0, ctx_wake(self->fd, id, 77));
	want(self, "mailbox_send", " id=%llu kind=message value=77",
	     (unsigned long long)id);
	EXPECT_EQ(1, event_read(self->fd, &event, 1));
	want(self, "mailbox_take", " id=%llu kind=message value=77",
	     (unsigned long long)id);
	fd = ctx_export(self->fd, id, JOIN, 0);
	EXPECT_EQ(0, ctx_finish(self->fd, id, 5));
	want(self, "target_finish", " id=%llu result=5",
	     (unsigned long long)id);
	EXPECT_EQ(5, hnd_join(fd));
	want(self, "target_join", " id=%llu result=5", (unsigned long long)id);
	EXPECT_EQ(1, ctx_free(self->fd, &id, 1, 0));
	want(self, "context_free", " id=%llu", (unsigned long long)id);
	AS_WANTED();
	close(fd);
}

TEST_F(trace, cancel_is_told_once_until_it_is_read)
{
	struct coro_event event;

	EXPECT_EQ(0, ctx_cancel(self->fd, self->id, 9));
	want(self, "mailbox_send", " id=%llu kind=cancel value=9", ID);
	EXPECT_EQ(0, ctx_cancel(self->fd, self->id, 10));
	EXPECT_EQ(1, event_read(self->fd, &event, 1));
	want(self, "mailbox_take", " id=%llu kind=cancel value=9", ID);
	AS_WANTED();
}

/* A reader without memory to read to leaves all as it was. */
TEST_F(trace, what_is_put_back_is_told)
{
	struct coro_event event;

	EXPECT_EQ(0, ctx_wake(self->fd, self->id, 1));
	want(self, "mailbox_send", " id=%llu kind=message value=1", ID);
	EXPECT_EQ(-EFAULT,
		  sys(syscall(SYS_read, self->fd, 8UL, sizeof(event))));
	want(self, "mailbox_take", " id=%llu kind=message value=1", ID);
	want(self, "mailbox_untake", " id=%llu kind=message value=1", ID);
	AS_WANTED();
}

TEST_F(trace, refused_calls_tell_nothing)
{
	__u64 stale = self->id + (1ULL << 32);
	struct coro_event event;

	EXPECT_EQ(-ESTALE, ctx_wake(self->fd, stale, 1));
	EXPECT_EQ(-ESTALE, ctx_cancel(self->fd, stale, 1));
	EXPECT_EQ(-ESTALE, ctx_finish(self->fd, stale, 1));
	EXPECT_EQ(-ESTALE, ctx_free(self->fd, &stale, 1, 0));
	EXPECT_EQ(-EAGAIN, event_read(self->fd, &event, 1));
	AS_WANTED();
}

TEST_F(trace, overflow_is_told_with_whose_stack_it_was)
{
	__u64 free = CORO_INDEX(self->id) + 1;

	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->crew.s, self->id), true));
	want(self, "arena_overflow", " id=%llu", ID);
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->crew.s, free), true));
	want(self, "arena_overflow", " id=%llu", (unsigned long long)free);
	AS_WANTED();
}

TEST_F(trace, scheduler_is_told_with_its_owner_and_its_death)
{
	struct sched s;
	long ours = self->number;

	ASSERT_EQ(0, sched_new(&s, 4, 8, 2 * PAGE));
	self->number = fdinfo_get(getpid(), s.fd, "coro-sched");
	EXPECT_LT(ours, self->number);
	want(self, "sched_setup",
	     " owner=%d max_contexts=4 stack_size_bytes=8192", getpid());
	ASSERT_EQ(2, ctx_alloc(s.fd, (__u64[2]){ 0 }, 2));
	want(self, "context_alloc", " id=%llu", 1ULL << 32);
	want(self, "context_alloc", " id=%llu", 1ULL << 32 | 1);
	sched_unmap(&s);
	want(self, "sched_die", " contexts=2");
	AS_WANTED();
	EXPECT_EQ(self->number, fdinfo_get(getpid(), s.fd, "coro-sched"));
	sched_free(&s);
}

struct storm {
	pthread_t thread;
	int fd;
	long done, end; /* what went, and why no more does */
};

static void *send_until_it_ends(void *arg)
{
	struct storm *storm = arg;
	long ret = 0;

	while (!ret || ret == -EAGAIN) {
		ret = hnd_send(storm->fd, 1);
		__atomic_add_fetch(&storm->done, !ret, __ATOMIC_SEQ_CST);
	}
	storm->end = ret;
	return NULL;
}

static void storm_start(struct storm *storm, void *(*fn)(void *arg), int fd)
{
	*storm = (struct storm){ .fd = fd };
	if (pthread_create(&storm->thread, NULL, fn, storm))
		abort();
	while (!__atomic_load_n(&storm->done, __ATOMIC_SEQ_CST))
		sched_yield();
}

/* Whoever sends at the time: what it sends is told before or refused. */
TEST_F(trace, nothing_is_sent_after_death)
{
	struct storm storm;
	struct sched s;
	const char *all;
	__u64 id;

	for (int i = 0; i < STORMS; i++) {
		ASSERT_EQ(0, sched_new(&s, 4, STORM_MESSAGES, 2 * PAGE));
		self->number = fdinfo_get(getpid(), s.fd, "coro-sched");
		ASSERT_EQ(0, ctx_alloc_one(s.fd, &id, 0));
		storm_start(&storm, send_until_it_ends,
			    ctx_export(s.fd, id, SEND, CORO_EXPORT_F_NONBLOCK));
		sched_unmap(&s);
		pthread_join(storm.thread, NULL);
		EXPECT_EQ(-EPIPE, storm.end);
		all = got(self);
		all = strstr(all, "sched_die");
		ASSERT_NE(NULL, all);
		EXPECT_EQ(NULL, strchr(all, '\n')[1] ? all : NULL);
		close(storm.fd);
		sched_free(&s);
	}
}

static void *join_until_it_ends(void *arg)
{
	struct storm *storm = arg;

	do {
		__atomic_store_n(&storm->done, 1, __ATOMIC_SEQ_CST);
		storm->end = hnd_join(storm->fd);
	} while (storm->end == -EAGAIN);
	return NULL;
}

TEST_F(trace, nobody_joins_before_the_end)
{
	struct storm storm;

	for (int i = 0; i < STORMS; i++) {
		storm_start(&storm, join_until_it_ends,
			    ctx_export(self->fd, self->id, JOIN,
				       CORO_EXPORT_F_NONBLOCK));
		EXPECT_EQ(0, ctx_finish(self->fd, self->id, 5));
		want(self, "target_finish", " id=%llu result=5", ID);
		pthread_join(storm.thread, NULL);
		EXPECT_EQ(5, storm.end);
		want(self, "target_join", " id=%llu result=5", ID);
		EXPECT_EQ(1, ctx_free(self->fd, &self->id, 1, 0));
		want(self, "context_free", " id=%llu", ID);
		ASSERT_EQ(0, ctx_alloc_one(self->fd, &self->id, 0));
		want(self, "context_alloc", " id=%llu", ID);
		close(storm.fd);
		AS_WANTED();
	}
}

TEST_F(trace, handle_shows_the_number_of_its_scheduler)
{
	int fd = ctx_export(self->fd, self->id, SEND, 0);

	EXPECT_EQ(self->number, fdinfo_get(getpid(), fd, "coro-sched"));
	close(fd);
}

TEST_F(trace, command_that_waits_is_told)
{
	struct coro_event events[1];
	struct coro_uring_args args = args_park(0, events, 1, CORO_NO_DEADLINE);
	struct ring r;

	ASSERT_EQ(0, ring_init(&r, 0, false, false));
	ring_cmd(&r, self->fd, CORO_URING_PARK, &args, TAG_A);
	if (!ring_parks(_metadata, &r, &self->crew.s, TAG_A))
		goto out;
	want(self, "wait_park", " id=0 kind=park user_data=%d", TAG_A);
	EXPECT_EQ(0, ctx_wake(self->fd, self->id, 3));
	want(self, "mailbox_send", " id=%llu kind=message value=3", ID);
	want(self, "wait_wake", " id=0 kind=park user_data=%d", TAG_A);
	EXPECT_EQ(1, ring_wait(&r, TAG_A));
	want(self, "mailbox_take", " id=%llu kind=message value=3", ID);
	want(self, "wait_complete", " id=0 kind=park user_data=%d res=1",
	     TAG_A);
out:
	AS_WANTED();
	ring_exit(&r);
}

TEST_F(trace, command_that_may_not_wait_has_its_completion_alone)
{
	struct coro_event events[1];
	struct coro_uring_args args =
		args_park(self->id, events, 1, CORO_NO_DEADLINE);
	struct ring r;

	ASSERT_EQ(0, ring_init(&r, 0, false, false));
	ring_cmd(&r, self->fd, CORO_URING_PARK, &args, TAG_A);
	if (!ring_parks(_metadata, &r, &self->crew.s, TAG_A))
		goto out;
	want(self, "wait_park", " id=%llu kind=park user_data=%d", ID, TAG_A);
	ring_cmd(&r, self->fd, CORO_URING_PARK, &args, TAG_B);
	EXPECT_EQ(0, ring_submit(&r));
	EXPECT_EQ(-EBUSY, ring_wait(&r, TAG_B));
	want(self, "wait_complete", " id=%llu kind=park user_data=%d res=%d",
	     ID, TAG_B, -EBUSY);
out:
	AS_WANTED();
	ring_exit(&r);
}

TEST_F(trace, command_that_is_withdrawn_is_told)
{
	struct coro_result result;
	struct coro_uring_args args =
		args_join(self->id, &result, CORO_NO_DEADLINE);
	struct ring r;

	ASSERT_EQ(0, ring_init(&r, 0, false, false));
	ring_cmd(&r, self->fd, CORO_URING_JOIN, &args, TAG_A);
	if (!ring_parks(_metadata, &r, &self->crew.s, TAG_A))
		goto out;
	want(self, "wait_park", " id=%llu kind=join user_data=%d", ID, TAG_A);
	EXPECT_EQ(0, ring_withdraw(&r, self->fd, TAG_A));
	want(self, "wait_wake", " id=%llu kind=join user_data=%d", ID, TAG_A);
	EXPECT_EQ(-ECANCELED, ring_wait(&r, TAG_A));
	want(self, "wait_complete", " id=%llu kind=join user_data=%d res=%d",
	     ID, TAG_A, -ECANCELED);
out:
	AS_WANTED();
	ring_exit(&r);
}

/* With the word of a worker that may be relieved, until its door is opened. */
static long block(struct hand *hand)
{
	struct coro_attach_args args;
	long ret = wrk_attach(hand->crew->s.fd, &args);

	if (ret)
		return ret;
	word_set(crew_word(hand->crew, args.out_id), args.out_word | BLOCKING);
	hand_pass(hand);
	word_set(crew_word(hand->crew, args.out_id),
		 args.out_word + CORO_WORKER_COUNT);
	return wrk_detach(hand->crew->s.fd);
}

TEST_F(trace, hand_off_is_told)
{
	struct coro_attach_args args;
	struct coro_standby_args sb;
	struct hand hand;

	ASSERT_EQ(0, wrk_attach(self->fd, &args));
	want(self, "worker_attach", " worker=0 tid=%d", getpid());
	hand_start(&hand, &self->crew, block);
	ASSERT_EQ(0, wrk_standby(self->fd, &sb, CORO_NO_DEADLINE));
	want(self, "worker_attach", " worker=1 tid=%d", hand.tid);
	want(self, "handoff_block", " worker=1 tid=%d", hand.tid);
	want(self, "handoff_give", " worker=1 to_tid=%d", getpid());
	door_open(&hand.door);
	EXPECT_EQ(0, hand_join(&hand));
	want(self, "worker_detach", " worker=1 tid=%d", hand.tid);
	EXPECT_EQ(0, wrk_detach(self->fd));
	want(self, "worker_detach", " worker=0 tid=%d", getpid());
	AS_WANTED();
}

static long attach_and_end(struct hand *hand)
{
	struct coro_attach_args args;

	return wrk_attach(hand->crew->s.fd, &args);
}

/* Its end is told by a kworker, some time after. */
TEST_F(trace, worker_that_ends_is_told)
{
	struct hand hand;

	hand_start(&hand, &self->crew, attach_and_end);
	EXPECT_EQ(0, hand_join(&hand));
	while (fdinfo_get(getpid(), self->fd, "coro-workers"))
		sched_yield();
	want(self, "worker_attach", " worker=0 tid=%d", hand.tid);
	want(self, "worker_detach", " worker=0 tid=%d", hand.tid);
	AS_WANTED();
}

struct program {
	struct crew crew; /* the first: hands have its address */
	int pipe[2]; /* to tell who it is, before it is another */
	long number;
	pid_t tid;
};

static long attach_and_exec(struct hand *hand)
{
	struct program *p = (struct program *)hand->crew;
	struct coro_attach_args args;

	p->tid = (pid_t)syscall(SYS_gettid);
	if (wrk_attach(p->crew.s.fd, &args) ||
	    write(p->pipe[1], p, sizeof(*p)) != sizeof(*p))
		return 1;
	return exec_role('o', STDOUT_FILENO);
}

static long exec_in_a_thread(void *arg)
{
	struct program *p = arg;
	struct hand hand;

	MUST(0, crew_new(&p->crew));
	p->number = fdinfo_get(getpid(), p->crew.s.fd, "coro-sched");
	hand_start(&hand, &p->crew, attach_and_exec);
	return hand_join(&hand);
}

/* Which makes the number of its thread that of the process. */
TEST_F(trace, worker_that_executes_a_program_has_one_number)
{
	long uses = module_uses();
	char line[128];
	struct program p;

	ASSERT_EQ(0, pipe2(p.pipe, O_CLOEXEC));
	EXPECT_EQ(0, in_child(exec_in_a_thread, &p));
	ASSERT_EQ((ssize_t)sizeof(p), read(p.pipe[0], &p, sizeof(p)));
	EXPECT_TRUE(uses_become(uses));
	self->number = p.number;
	got(self);
	snprintf(line, sizeof(line),
		 "worker_attach: sched=%ld worker=0 tid=%d\n", p.number, p.tid);
	EXPECT_NE(NULL, strstr(self->got, line));
	snprintf(line, sizeof(line),
		 "worker_detach: sched=%ld worker=0 tid=%d\n", p.number, p.tid);
	EXPECT_NE(NULL, strstr(self->got, line));
	close(p.pipe[0]);
	close(p.pipe[1]);
}

TEST_HARNESS_MAIN
