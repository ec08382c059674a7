// SPDX-License-Identifier: GPL-2.0
/* The gate of the ioctls: what every command accepts and refuses before it does anything. */
#include <stddef.h>

#include "handle.h"
#include "worker.h"
#include "kselftest_harness.h"

#define NR_IDS 4U
#define KERNEL_TEXT ((void *)0xffffffff81000000UL)
#define KERNEL_DATA ((void *)0xffff888000100000UL)

/* The commands with an array have one layout. */
struct batch_args {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 out_nr;
	__u64 array;
};

FIXTURE(command)
{
	struct sched s;
	__u64 ids[NR_IDS];
	int joins[NR_IDS]; /* a handle of each */
	int hnd; /* of the first, to call */
	int next_fd;
	char *args; /* two pages, then a hole */
	char *array; /* a page, then a hole */
};

FIXTURE_VARIANT(command)
{
	unsigned long cmd;
	__u32 size;
	__u32 known_flags;
	__u32 entry; /* bytes of one entry of its array, 0: no array */
	bool writes_array;
	bool reads_array;
	bool no_outputs;
	bool on_handle;
};

FIXTURE_VARIANT_ADD(command, setup){
	.cmd = CORO_IOC_SETUP,
	.size = sizeof(struct coro_setup_args),
	.known_flags = CORO_SCHED_F_CLAMP,
};

FIXTURE_VARIANT_ADD(command, alloc){
	.cmd = CORO_IOC_ALLOC,
	.size = sizeof(struct coro_alloc_args),
	.known_flags = CORO_ALLOC_F_DIRECT,
	.entry = sizeof(__u64),
	.writes_array = true,
};

FIXTURE_VARIANT_ADD(command, free){
	.cmd = CORO_IOC_FREE,
	.size = sizeof(struct coro_free_args),
	.known_flags = CORO_FREE_F_TRIM,
	.entry = sizeof(__u64),
	.reads_array = true,
};

FIXTURE_VARIANT_ADD(command, wake){
	.cmd = CORO_IOC_WAKE,
	.size = sizeof(struct coro_wake_args),
	.entry = sizeof(struct coro_wake),
	.reads_array = true,
};

FIXTURE_VARIANT_ADD(command, peak){
	.cmd = CORO_IOC_PEAK,
	.size = sizeof(struct coro_peak_args),
	.entry = sizeof(struct coro_peak),
	.writes_array = true,
	.reads_array = true,
};

FIXTURE_VARIANT_ADD(command, stat){
	.cmd = CORO_IOC_STAT,
	.size = sizeof(struct coro_stat_args),
};

FIXTURE_VARIANT_ADD(command, finish){
	.cmd = CORO_IOC_FINISH,
	.size = sizeof(struct coro_finish_args),
	.entry = sizeof(struct coro_finish),
	.reads_array = true,
};

FIXTURE_VARIANT_ADD(command, export){
	.cmd = CORO_IOC_EXPORT,
	.size = sizeof(struct coro_export_args),
	.known_flags = CORO_EXPORT_F_NONBLOCK | CORO_EXPORT_F_CLOEXEC,
};

FIXTURE_VARIANT_ADD(command, export_of_handle){
	.cmd = CORO_IOC_EXPORT,
	.size = sizeof(struct coro_export_args),
	.known_flags = CORO_EXPORT_F_NONBLOCK | CORO_EXPORT_F_CLOEXEC,
	.on_handle = true,
};

FIXTURE_VARIANT_ADD(command, cancel){
	.cmd = CORO_IOC_CANCEL,
	.size = sizeof(struct coro_cancel_args),
	.no_outputs = true,
};

FIXTURE_VARIANT_ADD(command, cancel_of_handle){
	.cmd = CORO_IOC_CANCEL,
	.size = sizeof(struct coro_cancel_args),
	.no_outputs = true,
	.on_handle = true,
};

FIXTURE_VARIANT_ADD(command, attach){
	.cmd = CORO_IOC_ATTACH,
	.size = sizeof(struct coro_attach_args),
};

FIXTURE_VARIANT_ADD(command, detach){
	.cmd = CORO_IOC_DETACH,
	.size = sizeof(struct coro_detach_args),
	.no_outputs = true,
};

FIXTURE_VARIANT_ADD(command, standby){
	.cmd = CORO_IOC_STANDBY,
	.size = sizeof(struct coro_standby_args),
};

FIXTURE_VARIANT_ADD(command, kick){
	.cmd = CORO_IOC_KICK,
	.size = sizeof(struct coro_kick_args),
	.no_outputs = true,
};

/* Whether the calling thread must be a worker. */
static bool of_workers(const FIXTURE_VARIANT(command) * v)
{
	return v->cmd == CORO_IOC_DETACH || v->cmd == CORO_IOC_STANDBY ||
	       v->cmd == CORO_IOC_KICK;
}

/* What succeeds changes what it finds, so that it succeeds once. */
static bool succeeds_once(const FIXTURE_VARIANT(command) * v)
{
	return v->cmd == CORO_IOC_SETUP || v->cmd == CORO_IOC_ATTACH ||
	       v->cmd == CORO_IOC_DETACH;
}

/* @pages of memory, and behind them one that cannot be touched, nor be taken by another mapping. */
static char *map_before_hole(size_t pages)
{
	char *addr = mmap(NULL, (pages + 1) * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED)
		return NULL;
	mprotect(addr + pages * PAGE, PAGE, PROT_NONE);
	return addr;
}

/* Valid arguments of @nr entries in @array at @args. */
static void fill(const FIXTURE_DATA(command) * self,
		 const FIXTURE_VARIANT(command) * v, char *args, char *array,
		 __u32 nr)
{
	struct batch_args *batch = (struct batch_args *)args;
	unsigned int i;

	memset(args, 0, v->size);
	batch->size = v->size;
	if (v->cmd == CORO_IOC_EXPORT)
		*(struct coro_export_args *)args = (struct coro_export_args){
			.size = v->size,
			.id = v->on_handle ? 0 : self->ids[0],
			.rights = SEND,
		};
	if (v->cmd == CORO_IOC_CANCEL)
		*(struct coro_cancel_args *)args = (struct coro_cancel_args){
			.size = v->size,
			.id = v->on_handle ? 0 : self->ids[0],
		};
	if (v->cmd == CORO_IOC_STANDBY)
		wrk_kick(self->s.fd, 0);
	if (!v->entry)
		return;
	batch->nr = nr;
	batch->array = (uintptr_t)array;
	for (i = 0; v->reads_array && i < nr; i++) {
		memset(array + i * v->entry, 0, v->entry);
		memcpy(array + i * v->entry, &self->ids[i % NR_IDS],
		       sizeof(self->ids[0]));
	}
}

static int call(const FIXTURE_DATA(command) * self,
		const FIXTURE_VARIANT(command) * v, void *args)
{
	return dev_ioctl(v->on_handle ? self->hnd : self->s.fd, v->cmd, args);
}

/* How many of the contexts have ended. */
static long finished(const FIXTURE_DATA(command) * self)
{
	unsigned int i;
	long nr = 0;

	for (i = 0; i < NR_IDS; i++)
		nr += hnd_join(self->joins[i]) >= 0;
	return nr;
}

/* True if no command has had an effect since the fixture was set up. */
static bool untouched(const FIXTURE_DATA(command) * self,
		      const FIXTURE_VARIANT(command) * v)
{
	struct coro_setup_args setup;
	struct coro_stat_args stat;

	if (v->cmd == CORO_IOC_SETUP)
		return !dev_setup(self->s.fd, &setup, 8, 8, 4 * PAGE);
	return !sched_stat(self->s.fd, &stat) && stat.out_contexts == NR_IDS &&
	       stat.out_events_total == 0 && stat.out_events_pending == 0 &&
	       finished(self) == 0 && next_fd() == self->next_fd &&
	       fdinfo_get(getpid(), self->s.fd, "coro-workers") ==
		       of_workers(v);
}

static void export_all(FIXTURE_DATA(command) * self)
{
	unsigned int i;

	for (i = 0; i < NR_IDS; i++)
		self->joins[i] = ctx_export(self->s.fd, self->ids[i], JOIN,
					    CORO_EXPORT_F_NONBLOCK);
	self->hnd = ctx_export(self->s.fd, self->ids[0], SEND | CANCEL, 0);
	self->next_fd = next_fd();
}

FIXTURE_SETUP(command)
{
	struct coro_attach_args attach;

	self->args = map_before_hole(2);
	self->array = map_before_hole(1);
	ASSERT_NE(NULL, self->args);
	ASSERT_NE(NULL, self->array);
	if (variant->cmd == CORO_IOC_SETUP) {
		self->s.fd = dev_open(0);
		ASSERT_LE(0, self->s.fd);
	} else {
		ASSERT_EQ(0, sched_new(&self->s, 64, 8, 4 * PAGE));
		ASSERT_EQ(NR_IDS, ctx_alloc(self->s.fd, self->ids, NR_IDS));
		export_all(self);
		ASSERT_LE(0, self->hnd);
		if (of_workers(variant))
			ASSERT_EQ(0, wrk_attach(self->s.fd, &attach));
	}
	fill(self, variant, self->args, self->array, 1);
}

FIXTURE_TEARDOWN(command)
{
	sched_free(&self->s);
}

TEST_F(command, exact_size_is_accepted)
{
	EXPECT_EQ(0, call(self, variant, self->args));
}

TEST_F(command, every_smaller_size_is_refused)
{
	__u32 size;

	for (size = 0; size < variant->size; size++) {
		*(__u32 *)self->args = size;
		EXPECT_EQ(-EINVAL, call(self, variant, self->args))
		{
			TH_LOG("size %u", size);
		}
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, a_longer_struct_with_zeroes_is_accepted)
{
	*(__u32 *)self->args = variant->size + 8;
	EXPECT_EQ(0, call(self, variant, self->args));
}

TEST_F(command, a_page_with_zeroes_is_accepted)
{
	*(__u32 *)self->args = PAGE;
	EXPECT_EQ(0, call(self, variant, self->args));
}

TEST_F(command, an_unknown_tail_that_is_not_zero_is_refused)
{
	static const __u32 longer[] = { 1, 8, 64, PAGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(longer); i++) {
		__u32 size = longer[i] == PAGE ? PAGE :
						 variant->size + longer[i];

		*(__u32 *)self->args = size;
		self->args[size - 1] = 1;
		EXPECT_EQ(-E2BIG, call(self, variant, self->args))
		{
			TH_LOG("size %u", size);
		}
		self->args[size - 1] = 0;
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, a_size_above_a_page_is_refused)
{
	*(__u32 *)self->args = PAGE + 1;
	EXPECT_EQ(-E2BIG, call(self, variant, self->args));
	*(__u32 *)self->args = UINT32_MAX;
	EXPECT_EQ(-E2BIG, call(self, variant, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, each_unknown_flag_is_refused)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (variant->known_flags & (1U << bit))
			continue;
		fill(self, variant, self->args, self->array, 1);
		((__u32 *)self->args)[1] = 1U << bit;
		EXPECT_EQ(-EINVAL, call(self, variant, self->args))
		{
			TH_LOG("bit %u", bit);
		}
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, a_batch_of_none_is_refused)
{
	if (!variant->entry)
		return;
	fill(self, variant, self->args, self->array, 0);
	EXPECT_EQ(-EINVAL, call(self, variant, self->args));
}

TEST_F(command, a_batch_above_the_limit_is_refused)
{
	static const __u32 nr[] = { CORO_MAX_BATCH + 1, 0x80000000U,
				    UINT32_MAX };
	unsigned int i;

	if (!variant->entry)
		return;
	for (i = 0; i < ARRAY_SIZE(nr); i++) {
		((struct batch_args *)self->args)->nr = nr[i];
		EXPECT_EQ(-EINVAL, call(self, variant, self->args));
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, args_at_a_bad_address_are_refused)
{
	EXPECT_EQ(-EFAULT, call(self, variant, NULL));
	EXPECT_EQ(-EFAULT, call(self, variant, self->args + 2 * PAGE));
	EXPECT_EQ(-EFAULT, call(self, variant, KERNEL_TEXT));
	EXPECT_EQ(-EFAULT, call(self, variant, KERNEL_DATA));
	EXPECT_EQ(-EFAULT, call(self, variant, (void *)-1L));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, args_that_run_into_a_hole_are_refused)
{
	char *args = self->args + 2 * PAGE - variant->size + 8;

	/* The size can be read, the last field can not. Of the shortest nothing is left. */
	if (variant->size <= 8)
		return;
	*(__u32 *)args = variant->size;
	EXPECT_EQ(-EFAULT, call(self, variant, args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, args_that_cannot_be_written_are_refused_and_nothing_is_done)
{
	ASSERT_EQ(0, mprotect(self->args, PAGE, PROT_READ));
	if (variant->no_outputs) {
		EXPECT_EQ(0, call(self, variant, self->args));
		return;
	}
	EXPECT_EQ(-EFAULT, call(self, variant, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, an_array_at_a_bad_address_is_refused)
{
	void *bad[] = { NULL, self->array + PAGE, KERNEL_TEXT, KERNEL_DATA,
			(void *)-16L };
	unsigned int i;

	if (!variant->entry)
		return;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		((struct batch_args *)self->args)->array = (uintptr_t)bad[i];
		EXPECT_EQ(-EFAULT, call(self, variant, self->args))
		{
			TH_LOG("address %p", bad[i]);
		}
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, an_array_that_cannot_be_written_is_refused)
{
	if (!variant->writes_array)
		return;
	ASSERT_EQ(0, mprotect(self->array, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self, variant, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, an_array_that_is_only_read_may_be_read_only)
{
	if (!variant->entry || variant->writes_array)
		return;
	ASSERT_EQ(0, mprotect(self->array, PAGE, PROT_READ));
	EXPECT_EQ(0, call(self, variant, self->args));
}

/* How many entries of @v's command have had an effect on a scheduler that is like new. */
static long effects(const FIXTURE_DATA(command) * self,
		    const FIXTURE_VARIANT(command) * v)
{
	switch (v->cmd) {
	case CORO_IOC_ALLOC:
		return STAT(self->s.fd, contexts) - NR_IDS;
	case CORO_IOC_FREE:
		return NR_IDS - STAT(self->s.fd, contexts);
	case CORO_IOC_FINISH:
		return finished(self);
	default:
		return STAT(self->s.fd, events_pending);
	}
}

TEST_F(command, an_array_with_a_hole_costs_no_more_than_is_reported)
{
	char *array = self->array + PAGE - 2 * variant->entry;
	struct batch_args *batch = (struct batch_args *)self->args;
	long done;

	if (!variant->entry)
		return;
	fill(self, variant, self->args, array, 2);
	batch->nr = 4;
	batch->out_nr = POISON32;
	done = call(self, variant, self->args);
	EXPECT_TRUE(done == 0 || done == -EFAULT);
	done = done ? 0 : batch->out_nr;
	EXPECT_GE(2, done);
	EXPECT_EQ(variant->cmd == CORO_IOC_PEAK ? 0 : done,
		  effects(self, variant));

	/* What lies in the hole says why, and costs nothing. */
	batch->array = (uintptr_t)(self->array + PAGE);
	batch->nr = 2;
	EXPECT_EQ(-EFAULT, call(self, variant, self->args));
	EXPECT_EQ(variant->cmd == CORO_IOC_PEAK ? 0 : done,
		  effects(self, variant));
}

TEST_F(command, the_size_in_the_number_is_not_looked_at)
{
	static const unsigned int sizes[] = { 0, 1, 8, 4095, _IOC_SIZEMASK };
	unsigned long base = variant->cmd & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long cmd = base |
				    ((unsigned long)sizes[i] << _IOC_SIZESHIFT);

		if (succeeds_once(variant) && i)
			break;
		self->ids[0] = self->ids[i % NR_IDS];
		if (i == NR_IDS && (variant->cmd == CORO_IOC_FREE ||
				    variant->cmd == CORO_IOC_FINISH))
			break;
		fill(self, variant, self->args, self->array, 1);
		EXPECT_EQ(0,
			  dev_ioctl(variant->on_handle ? self->hnd : self->s.fd,
				    cmd, self->args))
		{
			TH_LOG("size %u", sizes[i]);
		}
	}
}

TEST_F(command, another_magic_is_no_command)
{
	unsigned long cmd = variant->cmd &
			    ~((unsigned long)_IOC_TYPEMASK << _IOC_TYPESHIFT);
	int fd = variant->on_handle ? self->hnd : self->s.fd;

	EXPECT_EQ(-ENOTTY,
		  dev_ioctl(fd, cmd | (0xC1UL << _IOC_TYPESHIFT), self->args));
	EXPECT_EQ(-ENOTTY,
		  dev_ioctl(fd, cmd | (0xC3UL << _IOC_TYPESHIFT), self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(command, before_setup_it_is_too_early)
{
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(variant->cmd == CORO_IOC_SETUP  ? 0 :
		  variant->cmd == CORO_IOC_DETACH ? -ESRCH :
						    -EBADFD,
		  dev_ioctl(fd, variant->cmd, self->args));
	close(fd);
}

TEST_F(command, outputs_leave_the_inputs_alone)
{
	char before[sizeof(struct coro_setup_args)];
	struct batch_args *batch = (struct batch_args *)self->args;

	memcpy(before, self->args, sizeof(before));
	ASSERT_EQ(0, call(self, variant, self->args));
	EXPECT_EQ(0, memcmp(before, self->args, 8));
	if (!variant->entry)
		return;
	EXPECT_EQ(1U, batch->nr);
	EXPECT_EQ(1U, batch->out_nr);
	EXPECT_EQ((uintptr_t)self->array, batch->array);
}

TEST(every_other_number_is_no_command)
{
	char args[PAGE] = { 0 };
	struct sched s;
	unsigned int nr;

	ASSERT_EQ(0, sched_new(&s, 8, 8, 4 * PAGE));
	for (nr = _IOC_NR(CORO_IOC_KICK) + 1; nr < 256; nr++) {
		EXPECT_EQ(-ENOTTY,
			  dev_ioctl(s.fd, _IOWR(CORO_IOC_MAGIC, nr, char[64]),
				    args))
		{
			TH_LOG("number %u", nr);
		}
	}
	sched_free(&s);
}

TEST(the_commands_are_refused_in_the_same_way_before_setup)
{
	char args[PAGE] = { 0 };
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTTY,
		  dev_ioctl(fd, _IOWR(CORO_IOC_MAGIC, 0xff, char[64]), args));
	close(fd);
}

TEST(a_second_setup_is_refused)
{
	struct coro_setup_args args;
	int fd = dev_open(0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, dev_setup(fd, &args, 8, 8, 4 * PAGE));
	EXPECT_EQ(-EBUSY, dev_setup(fd, &args, 8, 8, 4 * PAGE));
	close(fd);
}

TEST(alloc_before_the_table_is_mapped_is_too_early)
{
	struct sched s = { 0 };
	__u64 id;

	s.fd = dev_open(0);
	ASSERT_LE(0, s.fd);
	ASSERT_EQ(0, dev_setup(s.fd, &s.args, 8, 8, 4 * PAGE));
	EXPECT_EQ(-EBADFD, ctx_alloc(s.fd, &id, 1));
	ASSERT_EQ(0, sched_map(&s));
	EXPECT_EQ(1, ctx_alloc(s.fd, &id, 1));
	sched_free(&s);
}

TEST(a_large_alloc_into_a_hole_keeps_exactly_what_it_reported)
{
	struct coro_alloc_args args = { .size = sizeof(args),
					.nr = CORO_MAX_BATCH };
	char *array = map_before_hole(2);
	__u32 fit = 700, bad = 0, i;
	__u64 *ids = (__u64 *)(array + 2 * PAGE) - fit;
	struct sched s;
	int ret;

	ASSERT_EQ(0, sched_new(&s, CORO_MAX_BATCH, 8, 2 * PAGE));
	memset(ids, POISON, fit * sizeof(*ids));
	args.ids = (uintptr_t)ids;
	ret = dev_ioctl(s.fd, CORO_IOC_ALLOC, &args);
	EXPECT_TRUE(ret == 0 || ret == -EFAULT);
	if (ret)
		args.out_nr = 0;
	EXPECT_GE(fit, args.out_nr);
	EXPECT_EQ(args.out_nr, STAT(s.fd, contexts));
	for (i = 0; i < fit && i < args.out_nr; i++)
		bad += ctx_free(s.fd, ids + i, 1, 0) != 1;
	EXPECT_EQ(0U, bad);
	EXPECT_EQ(0, STAT(s.fd, contexts));
	/* All of them can still be had. */
	args.ids = (uintptr_t)malloc(CORO_MAX_BATCH * sizeof(*ids));
	EXPECT_EQ(0, dev_ioctl(s.fd, CORO_IOC_ALLOC, &args));
	EXPECT_EQ(CORO_MAX_BATCH, args.out_nr);
	sched_free(&s);
}

TEST_HARNESS_MAIN
