// SPDX-License-Identifier: GPL-2.0
/* The limits: parameters of the module, shares of a user, the memory cgroup. */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "uring.h"

#define PARAMS "/sys/module/coro/parameters/"
#define USER_A 12345
#define USER_B 12346

static const char *const params[] = {
	"max_contexts",	   "default_contexts", "max_mailbox",
	"default_mailbox", "max_stack_bytes",  "default_stack_bytes",
	"max_arena_bytes", "max_events",       "user_schedulers",
	"user_contexts",   "user_events",      "max_workers",
	"debounce_us",
};

#define NR_PARAMS ARRAY_SIZE(params)

static long text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = sys(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* The number in the file @path, or -errno. */
static long number_read(const char *path)
{
	FILE *f = fopen(path, "r");
	long value = -EPROTO;

	if (!f)
		return -errno;
	if (fscanf(f, "%ld", &value) != 1)
		value = -EPROTO;
	fclose(f);
	return value;
}

static long param_get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMS "%s", name);
	return number_read(path);
}

static long param_set(const char *name, unsigned long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), PARAMS "%s", name);
	snprintf(text, sizeof(text), "%lu", value);
	return text_write(path, text);
}

FIXTURE(limits)
{
	long before[NR_PARAMS];
};

FIXTURE_SETUP(limits)
{
	unsigned int i;

	for (i = 0; i < NR_PARAMS; i++) {
		self->before[i] = param_get(params[i]);
		ASSERT_LT(0, self->before[i])
		{
			TH_LOG("parameter %s", params[i]);
		}
	}
}

FIXTURE_TEARDOWN(limits)
{
	unsigned int i;

	for (i = 0; i < NR_PARAMS; i++)
		EXPECT_EQ(0, param_set(params[i], self->before[i]));
}

/* What SETUP says to a wish; the file is closed again. */
static int setup_wish(struct coro_setup_args *args, __u32 flags, __u32 max,
		      __u32 mailbox, __u64 stack_size)
{
	int fd = dev_open(0);
	int ret;

	if (fd < 0)
		return fd;
	memset(args, POISON, sizeof(*args));
	args->size = sizeof(*args);
	args->flags = flags;
	args->max_contexts = max;
	args->mailbox = mailbox;
	args->stack_size_bytes = stack_size;
	ret = dev_ioctl(fd, CORO_IOC_SETUP, args);
	close(fd);
	return ret;
}

TEST_F(limits, zeroes_grant_the_defaults)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("default_contexts", 77));
	ASSERT_EQ(0, param_set("default_mailbox", 5));
	ASSERT_EQ(0, param_set("default_stack_bytes", 3 * PAGE));
	ASSERT_EQ(0, setup_wish(&a, 0, 0, 0, 0));
	EXPECT_EQ(77U, a.out_max_contexts);
	EXPECT_EQ(5U, a.out_mailbox);
	EXPECT_EQ(3 * PAGE, a.out_stack_size_bytes);
}

TEST_F(limits, contexts_above_the_limit_are_refused)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_contexts", 100));
	EXPECT_EQ(0, setup_wish(&a, 0, 100, 8, 4 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, 101, 8, 4 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, UINT32_MAX, 8, 4 * PAGE));
}

TEST_F(limits, a_mailbox_above_the_limit_is_refused)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_mailbox", 16));
	EXPECT_EQ(0, setup_wish(&a, 0, 8, 16, 4 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, 8, 17, 4 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, 8, UINT32_MAX, 4 * PAGE));
}

TEST_F(limits, a_stack_above_the_limit_is_refused)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_stack_bytes", 8 * PAGE));
	EXPECT_EQ(0, setup_wish(&a, 0, 8, 8, 8 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, 8, 8, 8 * PAGE + 1));
}

TEST_F(limits, an_arena_above_the_limit_is_refused)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_arena_bytes", 64 * PAGE));
	EXPECT_EQ(0, setup_wish(&a, 0, 16, 8, 4 * PAGE));
	EXPECT_EQ(-ENOSPC, setup_wish(&a, 0, 17, 8, 4 * PAGE));
}

TEST_F(limits, clamp_grants_what_the_limits_allow)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_contexts", 100));
	ASSERT_EQ(0, param_set("max_mailbox", 16));
	ASSERT_EQ(0, param_set("max_stack_bytes", 8 * PAGE));
	ASSERT_EQ(0,
		  setup_wish(&a, CORO_SCHED_F_CLAMP, 1000, 1000, 100 * PAGE));
	EXPECT_EQ(100U, a.out_max_contexts);
	EXPECT_EQ(16U, a.out_mailbox);
	EXPECT_EQ(8 * PAGE, a.out_stack_size_bytes);
	EXPECT_EQ(800 * PAGE, a.out_stacks_bytes);
}

TEST_F(limits, clamp_keeps_the_arena_in_its_limit)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, param_set("max_arena_bytes", 64 * PAGE));
	ASSERT_EQ(0, setup_wish(&a, CORO_SCHED_F_CLAMP, 1000, 8, 4 * PAGE));
	EXPECT_LT(0U, a.out_max_contexts);
	EXPECT_GE(64 * PAGE, a.out_stacks_bytes);
	EXPECT_EQ(a.out_max_contexts * a.out_stack_size_bytes,
		  a.out_stacks_bytes);
}

TEST_F(limits, clamp_grants_a_modest_wish_in_full)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, setup_wish(&a, CORO_SCHED_F_CLAMP, 10, 6, 5 * PAGE));
	EXPECT_EQ(10U, a.out_max_contexts);
	EXPECT_EQ(6U, a.out_mailbox);
	EXPECT_EQ(5 * PAGE, a.out_stack_size_bytes);
}

TEST_F(limits, the_largest_wish_can_be_clamped)
{
	struct sched s = { 0 };
	__u64 id;

	s.fd = dev_open(0);
	s.args.size = sizeof(s.args);
	s.args.flags = CORO_SCHED_F_CLAMP;
	s.args.max_contexts = UINT32_MAX;
	s.args.mailbox = UINT32_MAX;
	s.args.stack_size_bytes = UINT64_MAX;
	ASSERT_EQ(0, dev_ioctl(s.fd, CORO_IOC_SETUP, &s.args));
	ASSERT_EQ(0, sched_map(&s));
	EXPECT_EQ(1, ctx_alloc(s.fd, &id, 1));
	EXPECT_EQ(0, probe(stack_page(&s, id, 0), true));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&s, id), true));
	sched_free(&s);
}

TEST_F(limits, parameters_that_make_no_sense_do_no_harm)
{
	struct coro_setup_args a;
	struct sched s;
	unsigned int i;

	for (i = 0; i < NR_PARAMS; i++)
		param_set(params[i], UINT32_MAX);
	EXPECT_EQ(-ENOSPC,
		  setup_wish(&a, 0, UINT32_MAX, UINT32_MAX, 1ULL << 62));
	setup_wish(&a, 0, 0, 0, 0);
	setup_wish(&a, CORO_SCHED_F_CLAMP, UINT32_MAX, UINT32_MAX, 1ULL << 62);
	for (i = 0; i < NR_PARAMS; i++)
		param_set(params[i], 0);
	setup_wish(&a, 0, 0, 0, 0);
	setup_wish(&a, CORO_SCHED_F_CLAMP, 8, 8, 4 * PAGE);
	for (i = 0; i < NR_PARAMS; i++)
		param_set(params[i], self->before[i]);
	ASSERT_EQ(0, sched_new(&s, 8, 8, 4 * PAGE));
	sched_free(&s);
}

TEST_F(limits, a_lower_limit_concerns_later_schedulers)
{
	__u64 ids[16];
	struct sched s;

	ASSERT_EQ(0, sched_new(&s, 16, 8, 4 * PAGE));
	ASSERT_EQ(0, param_set("max_contexts", 4));
	ASSERT_EQ(0, param_set("max_mailbox", 1));
	EXPECT_EQ(16, ctx_alloc(s.fd, ids, 16));
	EXPECT_EQ(0, ctx_wake(s.fd, ids[0], 1));
	EXPECT_EQ(0, ctx_wake(s.fd, ids[0], 2));
	sched_free(&s);
}

TEST_F(limits, unread_messages_of_a_scheduler_are_limited)
{
	struct coro_event events[8];
	__u64 ids[16];
	struct sched s;
	unsigned int i;

	ASSERT_EQ(0, param_set("max_events", 10));
	ASSERT_EQ(0, sched_new(&s, 16, 8, 4 * PAGE));
	ASSERT_EQ(16, ctx_alloc(s.fd, ids, 16));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, ctx_wake(s.fd, ids[i], i));
	EXPECT_EQ(-EAGAIN, ctx_wake(s.fd, ids[10], 10));
	EXPECT_EQ(8, event_read(s.fd, events, 8));
	EXPECT_EQ(0, ctx_wake(s.fd, ids[10], 10));
	sched_free(&s);
}

TEST_F(limits, a_handle_says_enobufs_at_the_limit_of_a_scheduler)
{
	struct coro_uring_args args = args_send(0, 10, CORO_NO_DEADLINE);
	struct coro_event events[8];
	static struct ring ring;
	__u64 values[8] = { 0 };
	__u64 ids[2];
	struct sched s;
	int hnd[2];

	ASSERT_EQ(0, param_set("max_events", 10));
	ASSERT_EQ(0, sched_new(&s, 16, 8, 4 * PAGE));
	ASSERT_EQ(2, ctx_alloc(s.fd, ids, 2));
	hnd[0] = ctx_export(s.fd, ids[0], SEND, 0);
	hnd[1] = ctx_export(s.fd, ids[1], SEND | CANCEL, 0);
	ASSERT_LE(0, hnd[1]);
	/* It does not wait for that; what fitted is told first. */
	ASSERT_EQ(8, hnd_send_many(hnd[0], values, 8));
	EXPECT_EQ(2, hnd_send_many(hnd[1], values, 8));
	EXPECT_EQ(-ENOBUFS, hnd_send(hnd[1], 10));
	ASSERT_EQ(0, ring_init(&ring, 0, false, false));
	EXPECT_EQ(-ENOBUFS, ring_run(&ring, hnd[1], CORO_URING_SEND, &args));
	/* A request to cancel needs no room. */
	EXPECT_EQ(0, ctx_cancel(hnd[1], 0, 1));
	ASSERT_EQ(8, event_read(s.fd, events, 8));
	EXPECT_EQ(0, hnd_send(hnd[1], 10));
	EXPECT_EQ(0, ring_run(&ring, hnd[1], CORO_URING_SEND, &args));
	ring_exit(&ring);
	sched_free(&s);
}

static int become(uid_t uid)
{
	return setgid(uid) || setuid(uid) ? -errno : 0;
}

static long third_is_too_many(void *arg)
{
	struct sched s[3];

	MUST(0, become(*(uid_t *)arg));
	MUST(0, sched_new(&s[0], 8, 8, 4 * PAGE));
	MUST(0, sched_new(&s[1], 8, 8, 4 * PAGE));
	MUST(-ENOSPC, sched_new(&s[2], 8, 8, 4 * PAGE));
	close(s[2].fd);
	sched_free(&s[0]);
	MUST(0, sched_new(&s[2], 8, 8, 4 * PAGE));
	return 0;
}

TEST_F(limits, a_user_has_so_many_schedulers)
{
	uid_t a = USER_A, b = USER_B;

	ASSERT_EQ(0, param_set("user_schedulers", 2));
	EXPECT_EQ(0, in_child(third_is_too_many, &a));
	/* What the dead had is free again. */
	EXPECT_EQ(0, in_child(third_is_too_many, &a));
	EXPECT_EQ(0, in_child(third_is_too_many, &b));
}

/* A child that takes its share and keeps it until it is let go. */
struct keeper {
	struct door ready, go;
	uid_t uid;
};

static long keep_two_schedulers(void *arg)
{
	struct keeper *k = arg;
	struct sched s[2];

	MUST(0, become(k->uid));
	MUST(0, sched_new(&s[0], 8, 8, 4 * PAGE));
	MUST(0, sched_new(&s[1], 8, 8, 4 * PAGE));
	MUST(0, door_open(&k->ready));
	MUST(0, door_pass(&k->go));
	return 0;
}

static long one_is_too_many(void *arg)
{
	struct sched s;

	MUST(0, become(*(uid_t *)arg));
	MUST(-ENOSPC, sched_new(&s, 8, 8, 4 * PAGE));
	return 0;
}

TEST_F(limits, processes_of_a_user_share_and_users_do_not)
{
	uid_t a = USER_A, b = USER_B;
	struct keeper k = { .uid = a };
	pid_t pid;

	ASSERT_EQ(0, door_init(&k.ready));
	ASSERT_EQ(0, door_init(&k.go));
	ASSERT_EQ(0, param_set("user_schedulers", 2));
	pid = child_start(keep_two_schedulers, &k);
	ASSERT_EQ(0, door_pass(&k.ready));
	EXPECT_EQ(0, in_child(one_is_too_many, &a));
	EXPECT_EQ(0, in_child(third_is_too_many, &b));
	EXPECT_EQ(0, door_open(&k.go));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(0, in_child(third_is_too_many, &a));
}

/* Contexts in a page of the table: what the user's limit counts by. */
#define TABLE_PAGE ((int)(PAGE / sizeof(struct coro_shm_context)))

static long three_pages_are_all(void *arg)
{
	static __u64 ids[2048], more[1024];
	struct sched s[2];

	MUST(0, become(*(uid_t *)arg));
	MUST(0, sched_new(&s[0], 1024, 8, 4 * PAGE));
	MUST(0, sched_new(&s[1], 1024, 8, 4 * PAGE));
	MUST(1, ctx_alloc(s[0].fd, ids, 1));
	MUST(2 * TABLE_PAGE, ctx_alloc(s[1].fd, more, 1024));
	MUST(-ENOSPC, ctx_alloc(s[1].fd, more, 1));
	MUST(TABLE_PAGE - 1, ctx_alloc(s[0].fd, ids + 1, 1024));
	MUST(-ENOSPC, ctx_alloc(s[0].fd, more, 1));
	/* What is freed can be had again, and by nobody else. */
	MUST(3, ctx_free(s[0].fd, ids, 3, 0));
	MUST(-ENOSPC, ctx_alloc(s[1].fd, more, 1));
	MUST(3, ctx_alloc(s[0].fd, ids, 4));
	sched_free(&s[1]);
	MUST(2 * TABLE_PAGE, ctx_alloc(s[0].fd, ids, 1024));
	return 0;
}

/* Looking at the table costs memory as well: it is counted, and ends. */
static long table_pages_are_counted(void *arg)
{
	struct coro_shm_context *table;
	struct sched s;

	MUST(0, become(*(uid_t *)arg));
	MUST(0, sched_new(&s, 1024, 8, 4 * PAGE));
	table = s.table;
	MUST(0, (long)table[0].generation);
	MUST(0, (long)table[TABLE_PAGE].generation);
	MUST(0, (long)table[2 * TABLE_PAGE].generation);
	return (long)((volatile struct coro_shm_context *)table)[3 * TABLE_PAGE]
		.generation;
}

TEST_F(limits, a_user_has_so_many_contexts)
{
	uid_t a = USER_A, b = USER_B;

	ASSERT_EQ(0, param_set("user_contexts", 3 * TABLE_PAGE + 1));
	EXPECT_EQ(0, in_child(three_pages_are_all, &a));
	EXPECT_EQ(0, in_child(three_pages_are_all, &a));
	EXPECT_EQ(0, in_child(three_pages_are_all, &b));
}

TEST_F(limits, pages_of_the_table_count_when_they_are_only_looked_at)
{
	uid_t a = USER_A;

	ASSERT_EQ(0, param_set("user_contexts", 3 * TABLE_PAGE));
	EXPECT_EQ(CHILD_SIGNALED(SIGBUS),
		  in_child(table_pages_are_counted, &a));
	EXPECT_EQ(CHILD_SIGNALED(SIGBUS),
		  in_child(table_pages_are_counted, &a));
}

static long sends_ten(void *arg)
{
	struct coro_event events[16];
	struct sched s[2];
	__u64 ids[2];
	int i;

	MUST(0, become(*(uid_t *)arg));
	for (i = 0; i < 2; i++) {
		MUST(0, sched_new(&s[i], 8, 16, 4 * PAGE));
		MUST(1, ctx_alloc(s[i].fd, &ids[i], 1));
	}
	for (i = 0; i < 10; i++)
		MUST(0, ctx_wake(s[i % 2].fd, ids[i % 2], i));
	MUST(-EAGAIN, ctx_wake(s[0].fd, ids[0], 10));
	MUST(-EAGAIN, ctx_wake(s[1].fd, ids[1], 10));
	MUST(5 * (long)sizeof(*events),
	     sys(read(s[0].fd, events, sizeof(events))));
	for (i = 0; i < 5; i++)
		MUST(0, ctx_wake(s[1].fd, ids[1], i));
	MUST(-EAGAIN, ctx_wake(s[0].fd, ids[0], 10));
	sched_free(&s[1]);
	MUST(0, ctx_wake(s[0].fd, ids[0], 10));
	return 0;
}

TEST_F(limits, a_user_has_so_many_unread_messages)
{
	uid_t a = USER_A, b = USER_B;

	ASSERT_EQ(0, param_set("user_events", 10));
	EXPECT_EQ(0, in_child(sends_ten, &a));
	EXPECT_EQ(0, in_child(sends_ten, &a));
	EXPECT_EQ(0, in_child(sends_ten, &b));
}

/* Messages are counted for the owner, whoever sends them. */
static long handle_at_the_limit_of_a_user(void *arg)
{
	struct coro_event event;
	struct sched s;
	__u64 id;
	int i, hnd;

	MUST(0, become(*(uid_t *)arg));
	MUST(0, sched_new(&s, 8, 16, 4 * PAGE));
	MUST(1, ctx_alloc(s.fd, &id, 1));
	hnd = ctx_export(s.fd, id, SEND, 0);
	for (i = 0; i < 10; i++)
		MUST(0, hnd_send(hnd, i));
	MUST(-ENOBUFS, hnd_send(hnd, 10));
	MUST(1, event_read(s.fd, &event, 1));
	MUST(0, hnd_send(hnd, 10));
	MUST(-ENOBUFS, hnd_send(hnd, 10));
	return 0;
}

TEST_F(limits, a_handle_says_enobufs_at_the_limit_of_a_user)
{
	uid_t a = USER_A, b = USER_B;

	ASSERT_EQ(0, param_set("user_events", 10));
	EXPECT_EQ(0, in_child(handle_at_the_limit_of_a_user, &a));
	EXPECT_EQ(0, in_child(handle_at_the_limit_of_a_user, &a));
	EXPECT_EQ(0, in_child(handle_at_the_limit_of_a_user, &b));
}

#define CGROUP "/tmp/coro-cgroup"

/* A memory cgroup of the test's own. */
FIXTURE(memcg)
{
	char dir[64];
};

static long group_write(const char *dir, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return text_write(path, text);
}

static long group_read(const char *dir, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return number_read(path);
}

FIXTURE_SETUP(memcg)
{
	mkdir("/tmp", 0777);
	mkdir(CGROUP, 0755);
	ASSERT_EQ(0, sys(mount("none", CGROUP, "cgroup2", 0, NULL)));
	ASSERT_EQ(0, group_write(CGROUP, "cgroup.subtree_control", "+memory"));
	snprintf(self->dir, sizeof(self->dir), CGROUP "/test-%d", getpid());
	ASSERT_EQ(0, sys(mkdir(self->dir, 0755)));
	ASSERT_EQ(0, group_write(self->dir, "memory.max", "16M"));
	group_write(self->dir, "memory.swap.max", "0");
}

FIXTURE_TEARDOWN(memcg)
{
	/* A group that something holds cannot go. */
	EXPECT_EQ(0, sys(rmdir(self->dir)));
	EXPECT_EQ(0, sys(umount(CGROUP)));
	rmdir(CGROUP);
}

static long touch_stacks(void *arg)
{
	__u64 ids[256];
	struct sched s;
	long before, after;
	int i;

	MUST(0, group_write(arg, "cgroup.procs", "0"));
	MUST(0, sched_new(&s, 256, 8, 16 * PAGE));
	MUST(256, ctx_alloc(s.fd, ids, 256));
	before = group_read(arg, "memory.current");
	for (i = 0; i < 256 * 8; i++)
		*stack_page(&s, ids[i / 8], i % 8) = 1;
	after = group_read(arg, "memory.current");
	/* The group counts in batches of 64 pages per processor. */
	MUST(1, after - before >= 256 * 8 * (long)PAGE - 512 * (long)PAGE);
	MUST(256, ctx_free(s.fd, ids, 256, CORO_FREE_F_TRIM));
	MUST(1,
	     group_read(arg, "memory.current") < after - 256 * 4 * (long)PAGE);
	return 0;
}

TEST_F(memcg, stacks_are_charged_and_trim_uncharges)
{
	EXPECT_EQ(0, in_child(touch_stacks, self->dir));
}

static long touch_too_much(void *arg)
{
	static __u64 ids[1024];
	struct sched s;
	int i;

	MUST(0, group_write(arg, "cgroup.procs", "0"));
	MUST(0, sched_new(&s, 1024, 8, 64 * PAGE));
	MUST(1024, ctx_alloc(s.fd, ids, 1024));
	for (i = 0; i < 1024 * 32; i++)
		*stack_page(&s, ids[i / 32], i % 32) = 1;
	return -ERANGE;
}

TEST_F(memcg, touching_above_the_limit_ends_the_process_that_does)
{
	long ret = in_child(touch_too_much, self->dir);

	EXPECT_TRUE(ret == CHILD_SIGNALED(SIGKILL) ||
		    ret == CHILD_SIGNALED(SIGBUS))
	{
		TH_LOG("ended with %ld", ret);
	}
	EXPECT_EQ(0, in_child(touch_stacks, self->dir));
}

static long alloc_too_many(void *arg)
{
	static __u64 ids[CORO_MAX_BATCH];
	struct sched s;
	long n, i;

	MUST(0, group_write(arg, "cgroup.procs", "0"));
	MUST(0, sched_new(&s, 1000000, 8, 2 * PAGE));
	for (i = 0; i < 1000000; i += n) {
		n = ctx_alloc(s.fd, ids, CORO_MAX_BATCH);
		if (n < 0) {
			MUST(i, STAT(s.fd, contexts));
			return n;
		}
	}
	return -ERANGE;
}

TEST_F(memcg, contexts_above_the_limit_are_out_of_memory)
{
	long ret;

	ASSERT_EQ(0, group_write(self->dir, "memory.max", "4M"));
	ret = in_child(alloc_too_many, self->dir);
	EXPECT_TRUE(ret == -ENOMEM || ret == CHILD_SIGNALED(SIGKILL))
	{
		TH_LOG("ended with %ld", ret);
	}
	ASSERT_EQ(0, group_write(self->dir, "memory.max", "16M"));
	EXPECT_EQ(0, in_child(touch_stacks, self->dir));
}

static long export_too_many(void *arg)
{
	static __u64 ids[CORO_MAX_BATCH];
	struct sched s;
	long i, k, made;
	int fd;

	MUST(0, group_write(arg, "cgroup.procs", "0"));
	MUST(0, sched_new(&s, CORO_MAX_BATCH, 4, 2 * PAGE));
	for (i = 0; i < 100; i++) {
		MUST(CORO_MAX_BATCH, ctx_alloc(s.fd, ids, CORO_MAX_BATCH));
		for (k = 0, made = 0; k < CORO_MAX_BATCH; k++) {
			fd = ctx_export(s.fd, ids[k], JOIN, 0);
			if (fd < 0 && fd != -EMFILE)
				return fd;
			made += fd >= 0;
		}
		if (!made)
			return -ERANGE;
		MUST(CORO_MAX_BATCH, ctx_free(s.fd, ids, CORO_MAX_BATCH, 0));
	}
	return -ERANGE;
}

/* Handles are bounded by what bounds files, and what each holds is charged. */
TEST_F_TIMEOUT(memcg, handles_above_the_limit_are_out_of_memory, 100)
{
	const struct rlimit many = { 200000, 200000 };
	long ret;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &many));
	ASSERT_EQ(0, group_write(self->dir, "memory.max", "6M"));
	ret = in_child(export_too_many, self->dir);
	EXPECT_TRUE(ret == -ENOMEM || ret == CHILD_SIGNALED(SIGKILL))
	{
		TH_LOG("ended with %ld", ret);
	}
}

static long send_too_many(void *arg)
{
	static struct coro_wake wakes[CORO_MAX_BATCH];
	static __u64 ids[CORO_MAX_BATCH];
	struct sched s;
	long n, i;

	MUST(0, group_write(arg, "cgroup.procs", "0"));
	MUST(0, sched_new(&s, CORO_MAX_BATCH, 4096, 2 * PAGE));
	MUST(CORO_MAX_BATCH, ctx_alloc(s.fd, ids, CORO_MAX_BATCH));
	for (i = 0; i < CORO_MAX_BATCH; i++)
		wakes[i].id = ids[i];
	for (i = 0; i < 1000000; i += n) {
		n = ctx_wake_many(s.fd, wakes, CORO_MAX_BATCH);
		if (n < 0) {
			MUST(i, STAT(s.fd, events_pending));
			return n;
		}
	}
	return -ERANGE;
}

TEST_F_TIMEOUT(memcg, messages_above_the_limit_are_out_of_memory, 300)
{
	long ret;

	ASSERT_EQ(0, group_write(self->dir, "memory.max", "4M"));
	ret = in_child(send_too_many, self->dir);
	EXPECT_TRUE(ret == -ENOMEM || ret == CHILD_SIGNALED(SIGKILL))
	{
		TH_LOG("ended with %ld", ret);
	}
}

TEST_HARNESS_MAIN
