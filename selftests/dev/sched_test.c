// SPDX-License-Identifier: GPL-2.0
/* The scheduler: what SETUP grants, what can be mapped, who may do what. */
#include <sys/stat.h>

#include "common.h"
#include "kselftest_harness.h"

#define MAX 256U /* four pages of table */

FIXTURE(sched)
{
	struct sched s;
	__u64 ids[4];
};

FIXTURE_SETUP(sched)
{
	ASSERT_EQ(0, sched_new(&self->s, MAX, 8, 4 * PAGE));
	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
}

FIXTURE_TEARDOWN(sched)
{
	sched_free(&self->s);
}

static int setup_result(__u32 flags, __u32 max, __u32 mailbox, __u64 stack_size,
			struct coro_setup_args *args)
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

/* What an mmap of @fd says: 0 or -errno. */
static int map_result(int fd, __u64 off, __u64 bytes, int prot, int flags)
{
	void *addr = mmap(NULL, bytes, prot, flags, fd, off);

	if (addr == MAP_FAILED)
		return -errno;
	munmap(addr, bytes);
	return 0;
}

TEST(the_device_is_for_everyone)
{
	struct stat st;

	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0666U, st.st_mode & 0777U);
}

static long open_as_nobody(void *arg)
{
	struct sched s;
	__u64 id;

	(void)arg;
	if (setgid(65534) || setuid(65534))
		return -errno;
	MUST(0, sched_new(&s, 8, 8, 4 * PAGE));
	MUST(1, ctx_alloc(s.fd, &id, 1));
	return 0;
}

TEST(a_user_without_privilege_can_use_it)
{
	EXPECT_EQ(0, in_child(open_as_nobody, NULL));
}

TEST(setup_grants_what_was_asked)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, setup_result(0, 100, 32, 8 * PAGE, &a));
	EXPECT_EQ(100U, a.out_max_contexts);
	EXPECT_EQ(32U, a.out_mailbox);
	EXPECT_EQ(8 * PAGE, a.out_stack_size_bytes);
	EXPECT_EQ(CORO_OFF_HEADER, a.out_header_off);
	EXPECT_EQ(CORO_OFF_TABLE, a.out_table_off);
	EXPECT_EQ(CORO_OFF_STACKS, a.out_stacks_off);
	EXPECT_EQ(PAGE, a.out_header_bytes);
	EXPECT_EQ(2 * PAGE, a.out_table_bytes);
	EXPECT_EQ(100 * 8 * PAGE, a.out_stacks_bytes);
}

TEST(setup_tells_of_no_feature_that_the_header_does_not)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, setup_result(0, 8, 8, 4 * PAGE, &a));
	EXPECT_EQ(0ULL,
		  a.out_features & ~(CORO_FEAT_URING_WAIT | CORO_FEAT_HANDOFF));
}

TEST(zeroes_mean_the_defaults)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, setup_result(0, 0, 0, 0, &a));
	EXPECT_LT(0U, a.out_max_contexts);
	EXPECT_NE(POISON32, a.out_max_contexts);
	EXPECT_LT(0U, a.out_mailbox);
	EXPECT_NE(POISON32, a.out_mailbox);
	EXPECT_LE(2 * PAGE, a.out_stack_size_bytes);
	EXPECT_EQ(0ULL, a.out_stack_size_bytes % PAGE);
	EXPECT_EQ(a.out_max_contexts * a.out_stack_size_bytes,
		  a.out_stacks_bytes);
}

TEST(a_stack_size_is_rounded_up_to_pages)
{
	struct coro_setup_args a;

	ASSERT_EQ(0, setup_result(0, 8, 8, PAGE + 1, &a));
	EXPECT_EQ(2 * PAGE, a.out_stack_size_bytes);
	ASSERT_EQ(0, setup_result(0, 8, 8, 5 * PAGE - 1, &a));
	EXPECT_EQ(5 * PAGE, a.out_stack_size_bytes);
}

TEST(a_stack_of_fewer_than_two_pages_is_refused)
{
	struct coro_setup_args a;

	EXPECT_EQ(-EINVAL, setup_result(0, 8, 8, 1, &a));
	EXPECT_EQ(-EINVAL, setup_result(0, 8, 8, PAGE, &a));
	EXPECT_EQ(-EINVAL, setup_result(CORO_SCHED_F_CLAMP, 8, 8, PAGE, &a));
}

TEST(sizes_that_overflow_are_refused)
{
	static const __u64 sizes[] = {
		UINT64_MAX, UINT64_MAX - PAGE + 2, 1ULL << 63, 1ULL << 52,
		1ULL << 44,
	};
	struct coro_setup_args a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int ret = setup_result(0, 8, 8, sizes[i], &a);

		EXPECT_TRUE(ret == -ENOSPC || ret == -EINVAL)
		{
			TH_LOG("size %llx: %d", (unsigned long long)sizes[i],
			       ret);
		}
	}
}

TEST(the_header_describes_the_scheduler)
{
	struct sched s;

	ASSERT_EQ(0, sched_new(&s, 100, 8, 8 * PAGE));
	EXPECT_EQ(CORO_SHM_MAGIC, s.header->magic);
	EXPECT_EQ(0, memcmp(s.header, "coro", 4));
	EXPECT_EQ(2U, s.header->version);
	EXPECT_EQ(100U, s.header->max_contexts);
	EXPECT_EQ(64U, s.header->entry_bytes);
	EXPECT_EQ(8 * PAGE, s.header->stack_size_bytes);
	EXPECT_EQ(0ULL, s.header->contexts);
	EXPECT_EQ(0ULL, s.header->events_pending);
	EXPECT_EQ(0ULL, s.header->overflows);
	EXPECT_EQ(0ULL, s.header->overflow_id);
	sched_free(&s);
}

TEST(nothing_can_be_mapped_before_setup)
{
	int prot = PROT_READ | PROT_WRITE;
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADFD,
		  map_result(fd, CORO_OFF_HEADER, PAGE, prot, MAP_SHARED));
	EXPECT_EQ(-EBADFD,
		  map_result(fd, CORO_OFF_TABLE, PAGE, prot, MAP_SHARED));
	EXPECT_EQ(-EBADFD,
		  map_result(fd, CORO_OFF_STACKS, PAGE, prot, MAP_SHARED));
	close(fd);
}

TEST(nothing_can_be_read_before_setup)
{
	struct coro_event event;
	int fd = dev_open(O_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADFD, event_read(fd, &event, 1));
	close(fd);
}

TEST_F(sched, an_offset_that_is_no_area_is_refused)
{
	static const __u64 offs[] = {
		PAGE,
		4 * PAGE,
		CORO_OFF_HEADER - PAGE,
		CORO_OFF_HEADER + PAGE,
		CORO_OFF_TABLE - PAGE,
		CORO_OFF_TABLE + PAGE,
		CORO_OFF_TABLE + CORO_OFF_HEADER,
		1ULL << 62,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offs); i++)
		EXPECT_EQ(-EINVAL, map_result(self->s.fd, offs[i], PAGE,
					      PROT_READ, MAP_SHARED))
		{
			TH_LOG("offset %llx", (unsigned long long)offs[i]);
		}
}

TEST_F(sched, a_length_that_is_not_the_areas_is_refused)
{
	struct coro_setup_args *a = &self->s.args;
	int fd = self->s.fd;

	EXPECT_EQ(-EINVAL,
		  map_result(fd, a->out_header_off, a->out_header_bytes + PAGE,
			     PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL,
		  map_result(fd, a->out_table_off, a->out_table_bytes + PAGE,
			     PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL,
		  map_result(fd, a->out_table_off, a->out_table_bytes - PAGE,
			     PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL,
		  map_result(fd, a->out_stacks_off, a->out_stacks_bytes + PAGE,
			     PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL,
		  map_result(fd, a->out_stacks_off, a->out_stacks_bytes - PAGE,
			     PROT_READ, MAP_SHARED));
}

TEST_F(sched, a_private_mapping_is_refused)
{
	struct coro_setup_args *a = &self->s.args;

	EXPECT_EQ(-EINVAL,
		  map_result(self->s.fd, a->out_header_off, a->out_header_bytes,
			     PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(-EINVAL,
		  map_result(self->s.fd, a->out_table_off, a->out_table_bytes,
			     PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(-EINVAL,
		  map_result(self->s.fd, a->out_stacks_off, a->out_stacks_bytes,
			     PROT_READ, MAP_PRIVATE));
}

TEST_F(sched, no_area_is_executable)
{
	struct coro_setup_args *a = &self->s.args;
	int prot = PROT_READ | PROT_EXEC;

	EXPECT_EQ(-EACCES, map_result(self->s.fd, a->out_header_off,
				      a->out_header_bytes, prot, MAP_SHARED));
	EXPECT_EQ(-EACCES, map_result(self->s.fd, a->out_table_off,
				      a->out_table_bytes, prot, MAP_SHARED));
	EXPECT_EQ(-EACCES, map_result(self->s.fd, a->out_stacks_off,
				      a->out_stacks_bytes, prot, MAP_SHARED));
}

TEST_F(sched, no_area_becomes_executable)
{
	struct coro_setup_args *a = &self->s.args;
	int prot = PROT_READ | PROT_EXEC;

	EXPECT_EQ(-EACCES,
		  sys(mprotect(self->s.header, a->out_header_bytes, prot)));
	EXPECT_EQ(-EACCES,
		  sys(mprotect(self->s.table, a->out_table_bytes, prot)));
	EXPECT_EQ(-EACCES,
		  sys(mprotect(self->s.stacks, a->out_stacks_bytes, prot)));
}

TEST_F(sched, a_part_of_the_table_cannot_be_changed)
{
	char *table = (char *)self->s.table;
	__u64 bytes = self->s.args.out_table_bytes;

	EXPECT_EQ(-EINVAL, sys(munmap(table, PAGE)));
	EXPECT_EQ(-EINVAL, sys(munmap(table + PAGE, PAGE)));
	EXPECT_EQ(-EINVAL, sys(munmap(table + bytes - PAGE, PAGE)));
	EXPECT_EQ(-EINVAL, sys(mprotect(table + PAGE, PAGE, PROT_READ)));
	EXPECT_EQ(-EINVAL,
		  sys((long)mremap(table, bytes, PAGE, MREMAP_MAYMOVE)));
	EXPECT_EQ(-EINVAL, sys((long)mremap(table + PAGE, PAGE, PAGE,
					    MREMAP_MAYMOVE | MREMAP_FIXED,
					    self->s.stacks + PAGE)));
	/* It is alive and whole. */
	EXPECT_EQ(0, probe(table + bytes - 1, true));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

TEST_F(sched, the_areas_can_move)
{
	struct coro_setup_args *a = &self->s.args;
	void *to = mmap(NULL, 64 * PAGE + a->out_stacks_bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	ASSERT_NE(MAP_FAILED, to);
	memset(stack_page(&self->s, self->ids[1], 0), 0x42, PAGE);
	ASSERT_EQ(to, mremap(self->s.header, PAGE, PAGE, flags, to));
	self->s.header = to;
	to += PAGE;
	ASSERT_EQ(to, mremap(self->s.table, a->out_table_bytes,
			     a->out_table_bytes, flags, to));
	self->s.table = to;
	to += a->out_table_bytes;
	ASSERT_EQ(to, mremap(self->s.stacks, a->out_stacks_bytes,
			     a->out_stacks_bytes, flags, to));
	self->s.stacks = to;

	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(1ULL, self->s.header->events_pending);
	EXPECT_EQ(CORO_GENERATION(self->ids[0]),
		  self->s.table[CORO_INDEX(self->ids[0])].generation);
	EXPECT_EQ(0x42, *stack_page(&self->s, self->ids[1], 0));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[1]), true));
	EXPECT_EQ(self->ids[1], STAT(self->s.fd, overflow_id));
}

TEST_F(sched, header_and_table_do_not_grow)
{
	struct coro_setup_args *a = &self->s.args;
	int flags = MREMAP_MAYMOVE;

	EXPECT_EQ(-EFAULT,
		  sys((long)mremap(self->s.header, PAGE, 2 * PAGE, flags)));
	EXPECT_EQ(-EFAULT, sys((long)mremap(self->s.table, a->out_table_bytes,
					    a->out_table_bytes + PAGE, flags)));
}

static long touch_behind_the_stacks(void *arg)
{
	struct sched *s = arg;
	size_t bytes = s->args.out_stacks_bytes;
	char *grown;

	(void)arg;
	grown = mremap(s->stacks, bytes, bytes + 2 * PAGE, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED)
		return -errno;
	grown[bytes + PAGE] = 1;
	return 0;
}

static long grow_the_stacks(void *arg)
{
	struct sched s;

	(void)arg;
	MUST(0, sched_new(&s, 8, 8, 4 * PAGE));
	return touch_behind_the_stacks(&s);
}

TEST_F(sched, behind_the_stacks_is_nothing)
{
	EXPECT_EQ(CHILD_SIGNALED(SIGBUS), in_child(grow_the_stacks, NULL));
}

TEST_F(sched, header_and_table_are_not_doubled_by_mremap)
{
	struct coro_setup_args *a = &self->s.args;
	int flags = MREMAP_MAYMOVE;

	EXPECT_EQ(-EFAULT, sys((long)mremap(self->s.header, 0, PAGE, flags)));
	EXPECT_EQ(-EFAULT, sys((long)mremap(self->s.table, 0,
					    a->out_table_bytes, flags)));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

TEST_F(sched, an_area_can_be_mapped_twice)
{
	struct coro_setup_args *a = &self->s.args;
	struct coro_shm_context *table = NULL;
	char *stacks = NULL, *top;

	ASSERT_EQ(0, area_map(self->s.fd, a->out_table_off, a->out_table_bytes,
			      PROT_READ, &table));
	ASSERT_EQ(0,
		  area_map(self->s.fd, a->out_stacks_off, a->out_stacks_bytes,
			   PROT_READ | PROT_WRITE, &stacks));
	self->s.table[3].sp = 12345;
	EXPECT_EQ(12345ULL, table[3].sp);
	top = stack_page(&self->s, self->ids[0], 0);
	*top = 0x33;
	EXPECT_EQ(0x33, stacks[top - self->s.stacks]);
	EXPECT_EQ(SIGSEGV, probe(stacks, true));
}

TEST_F(sched, two_schedulers_of_a_process_share_nothing)
{
	struct sched other;
	__u64 id;

	ASSERT_EQ(0, sched_new(&other, MAX, 8, 4 * PAGE));
	ASSERT_EQ(1, ctx_alloc(other.fd, &id, 1));
	memset(stack_page(&self->s, id, 0), 0x11, PAGE);
	self->s.table[CORO_INDEX(id)].sp = 1;
	EXPECT_EQ(0, *stack_page(&other, id, 0));
	EXPECT_EQ(0ULL, other.table[CORO_INDEX(id)].sp);
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(0, STAT(other.fd, events_pending));
	EXPECT_EQ(1, STAT(other.fd, contexts));
	sched_free(&other);
	EXPECT_EQ(4, STAT(self->s.fd, contexts));
}

/* A stranger: a child that holds the file but has another address space. */
struct stranger {
	struct sched *s;
	__u64 id;
};

static long stranger_changes(void *arg)
{
	struct stranger *st = arg;
	struct coro_event event;
	__u64 id = st->id;

	set_nonblock(st->s->fd);
	MUST(-EPERM, ctx_alloc(st->s->fd, &id, 1));
	id = st->id;
	MUST(-EPERM, ctx_free(st->s->fd, &id, 1, 0));
	MUST(-EPERM, ctx_wake(st->s->fd, id, 1));
	MUST(-EPERM, event_read(st->s->fd, &event, 1));
	return 0;
}

TEST_F(sched, a_stranger_may_not_change_it)
{
	struct stranger st = { &self->s, self->ids[0] };

	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 1));
	EXPECT_EQ(0, in_child(stranger_changes, &st));
	EXPECT_EQ(4, STAT(self->s.fd, contexts));
	EXPECT_EQ(1, STAT(self->s.fd, events_total));
	EXPECT_EQ(1, STAT(self->s.fd, events_pending));
}

static long stranger_looks(void *arg)
{
	struct stranger *st = arg;
	struct coro_stat_args stat;

	MUST(0, sched_stat(st->s->fd, &stat));
	MUST(4, (long)stat.out_contexts);
	MUST((long)PAGE, ctx_peak(st->s->fd, st->id));
	MUST(POLLIN, poll_now(st->s->fd) & POLLIN);
	return 0;
}

TEST_F(sched, a_stranger_may_look)
{
	struct stranger st = { &self->s, self->ids[0] };

	*stack_page(&self->s, st.id, 0) = 1;
	ASSERT_EQ(0, ctx_wake(self->s.fd, self->ids[1], 1));
	EXPECT_EQ(0, in_child(stranger_looks, &st));
}

static long stranger_maps(void *arg)
{
	struct stranger *st = arg;
	struct coro_setup_args *a = &st->s->args;
	struct coro_shm_header *header = NULL;
	struct coro_shm_context *table = NULL;
	int rw = PROT_READ | PROT_WRITE;
	int fd = st->s->fd;

	MUST(0, area_map(fd, a->out_header_off, a->out_header_bytes, PROT_READ,
			 &header));
	MUST(0, area_map(fd, a->out_table_off, a->out_table_bytes, PROT_READ,
			 &table));
	MUST(CORO_SHM_MAGIC, header->magic);
	MUST(77, (long)table[CORO_INDEX(st->id)].sp);
	MUST(-EACCES, sys(mprotect(header, a->out_header_bytes, rw)));
	MUST(-EACCES, sys(mprotect(table, a->out_table_bytes, rw)));
	MUST(-EACCES, map_result(fd, a->out_header_off, a->out_header_bytes, rw,
				 MAP_SHARED));
	MUST(-EACCES, map_result(fd, a->out_table_off, a->out_table_bytes, rw,
				 MAP_SHARED));
	MUST(-EACCES, map_result(fd, a->out_stacks_off, a->out_stacks_bytes, rw,
				 MAP_SHARED));
	MUST(-EACCES, map_result(fd, a->out_stacks_off, a->out_stacks_bytes,
				 PROT_READ, MAP_SHARED));
	MUST(-EACCES, map_result(fd, a->out_stacks_off, a->out_stacks_bytes,
				 PROT_NONE, MAP_SHARED));
	return 0;
}

TEST_F(sched, a_stranger_maps_header_and_table_only_to_read)
{
	struct stranger st = { &self->s, self->ids[0] };

	self->s.table[CORO_INDEX(st.id)].sp = 77;
	EXPECT_EQ(0, in_child(stranger_maps, &st));
}

static long stranger_finds_no_areas(void *arg)
{
	struct stranger *st = arg;

	MUST(SIGSEGV, probe((char *)st->s->header, false));
	MUST(SIGSEGV, probe((char *)st->s->table, false));
	MUST(SIGSEGV, probe(stack_page(st->s, st->id, 0), false));
	return 0;
}

TEST_F(sched, the_areas_are_not_inherited_by_fork)
{
	struct stranger st = { &self->s, self->ids[0] };

	*stack_page(&self->s, st.id, 0) = 1;
	EXPECT_EQ(0, in_child(stranger_finds_no_areas, &st));
	EXPECT_EQ(0, ctx_wake(self->s.fd, self->ids[0], 1));
}

static long stranger_sets_up(void *arg)
{
	struct coro_setup_args args;

	return dev_setup(*(int *)arg, &args, 8, 8, 4 * PAGE);
}

TEST(setup_binds_to_the_caller_not_to_the_opener)
{
	struct coro_stat_args stat;
	int fd = dev_open(0);
	__u64 id;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, in_child(stranger_sets_up, &fd));
	/* Whoever set it up is gone: it is not ours, and never will be. */
	EXPECT_GT(0, ctx_alloc(fd, &id, 1));
	EXPECT_GT(0, stranger_sets_up(&fd));
	sched_stat(fd, &stat);
	close(fd);
}

TEST_HARNESS_MAIN
