// SPDX-License-Identifier: GPL-2.0
/* The arena: stacks that are guarded, lazy, measured and given back. */
#include <linux/userfaultfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "common.h"
#include "kselftest_harness.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define MAX 32U
#define STACK_PAGES 8U

FIXTURE(arena)
{
	struct sched s;
	__u64 ids[MAX];
};

FIXTURE_SETUP(arena)
{
	ASSERT_EQ(0, sched_new(&self->s, MAX, 8, STACK_PAGES * PAGE));
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
}

FIXTURE_TEARDOWN(arena)
{
	sched_free(&self->s);
}

static long resident(const struct sched *s)
{
	return STAT(s->fd, stacks_resident_bytes);
}

/* True if @bytes at @addr all are @value. */
static bool all_are(const char *addr, char value, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++) {
		if (addr[i] != value)
			return false;
	}
	return true;
}

TEST_F(arena, the_first_touch_finds_zeroes)
{
	size_t bytes = (STACK_PAGES - 1) * PAGE;
	unsigned int i;
	char *stack;

	for (i = 0; i < MAX; i++) {
		stack = stack_guard(&self->s, self->ids[i]) + PAGE;
		EXPECT_TRUE(all_are(stack, 0, bytes));
	}
}

TEST_F(arena, pages_come_when_they_are_touched)
{
	EXPECT_EQ(0, resident(&self->s));
	*stack_page(&self->s, self->ids[0], 0) = 1;
	EXPECT_EQ(PAGE, resident(&self->s));
	*stack_page(&self->s, self->ids[20], 3) = 1;
	*stack_page(&self->s, self->ids[20], 4) = 1;
	EXPECT_EQ(3 * PAGE, resident(&self->s));
}

TEST_F(arena, reading_a_guard_is_a_segfault_there)
{
	char *addr = stack_guard(&self->s, self->ids[5]) + PAGE - 1;

	EXPECT_EQ(SIGSEGV, probe(addr, false));
	EXPECT_EQ(addr, probe_addr);
}

TEST_F(arena, writing_a_guard_is_a_segfault_there)
{
	char *addr = stack_guard(&self->s, self->ids[5]) + 123;

	EXPECT_EQ(SIGSEGV, probe(addr, true));
	EXPECT_EQ(addr, probe_addr);
}

TEST_F(arena, every_stack_has_its_guard_and_only_one_page_of_it)
{
	unsigned int i;

	for (i = 0; i < MAX; i++) {
		EXPECT_EQ(SIGSEGV,
			  probe(stack_guard(&self->s, self->ids[i]), true));
		EXPECT_EQ(0, probe(stack_page(&self->s, self->ids[i],
					      STACK_PAGES - 2),
				   true));
		EXPECT_EQ(0, probe(stack_page(&self->s, self->ids[i], 0) +
					   PAGE - 1,
				   true));
	}
	EXPECT_EQ(MAX, STAT(self->s.fd, overflows));
}

TEST_F(arena, an_overflow_is_counted_with_its_context)
{
	struct coro_stat_args stat;

	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	EXPECT_EQ(0, STAT(self->s.fd, overflow_id));
	probe(stack_guard(&self->s, self->ids[3]), false);
	probe(stack_guard(&self->s, self->ids[9]), true);
	ASSERT_EQ(0, sched_stat(self->s.fd, &stat));
	EXPECT_EQ(2ULL, stat.out_overflows);
	EXPECT_EQ(self->ids[9], stat.out_overflow_id);
	EXPECT_EQ(2ULL, self->s.header->overflows);
	EXPECT_EQ(self->ids[9], self->s.header->overflow_id);
}

TEST_F(arena, an_overflow_of_a_free_stack_has_generation_zero)
{
	__u64 id = self->ids[9];

	ASSERT_EQ(1, ctx_free(self->s.fd, &id, 1, 0));
	probe(stack_guard(&self->s, id), true);
	EXPECT_EQ(CORO_INDEX(id), STAT(self->s.fd, overflow_id));
	EXPECT_EQ(1, STAT(self->s.fd, overflows));
}

TEST_F(arena, an_overflow_leaves_the_neighbours_alone)
{
	unsigned int i;

	for (i = 0; i < MAX; i++)
		memset(stack_page(&self->s, self->ids[i], 0), i + 1, PAGE);
	for (i = 0; i < MAX; i++)
		probe(stack_guard(&self->s, self->ids[i]) + PAGE - 8, true);
	for (i = 0; i < MAX; i++)
		EXPECT_TRUE(all_are(stack_page(&self->s, self->ids[i], 0),
				    i + 1, PAGE));
	EXPECT_EQ(MAX * PAGE, resident(&self->s));
}

TEST_F(arena, the_kernel_reading_into_a_guard_gets_efault_and_is_not_counted)
{
	int zero = open("/dev/zero", O_RDWR);
	char *guard = stack_guard(&self->s, self->ids[2]);

	ASSERT_LE(0, zero);
	EXPECT_EQ(-EFAULT, sys(read(zero, guard, 100)));
	EXPECT_EQ(-EFAULT, sys(pipe((int *)guard)));
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	EXPECT_EQ(0, STAT(self->s.fd, overflow_id));
	EXPECT_EQ(0, resident(&self->s));
}

TEST_F(arena, the_kernel_can_use_a_stack)
{
	int zero = open("/dev/zero", O_RDWR);
	char *page = stack_page(&self->s, self->ids[2], 1);

	ASSERT_LE(0, zero);
	page[50] = 7;
	EXPECT_EQ(100, sys(read(zero, page, 100)));
	EXPECT_EQ(0, page[50]);
}

TEST_F(arena, trim_gives_memory_back_and_leaves_zeroes)
{
	unsigned int i, k;

	for (i = 0; i < MAX; i++) {
		for (k = 0; k < 3; k++)
			memset(stack_page(&self->s, self->ids[i], k), 0x55,
			       PAGE);
	}
	ASSERT_EQ(3 * MAX * PAGE, resident(&self->s));
	ASSERT_EQ(MAX, ctx_free(self->s.fd, self->ids, MAX, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, resident(&self->s));
	ASSERT_EQ(MAX, ctx_alloc(self->s.fd, self->ids, MAX));
	for (i = 0; i < MAX; i++)
		EXPECT_TRUE(all_are(stack_page(&self->s, self->ids[i], 2), 0,
				    3 * PAGE));
}

TEST_F(arena, trim_takes_only_the_stacks_it_was_told)
{
	__u64 odd[MAX / 2];
	unsigned int i;

	for (i = 0; i < MAX; i++)
		memset(stack_page(&self->s, self->ids[i], 0), i + 1, PAGE);
	for (i = 0; i < MAX / 2; i++)
		odd[i] = self->ids[2 * i + 1];
	ASSERT_EQ(MAX / 2,
		  ctx_free(self->s.fd, odd, MAX / 2, CORO_FREE_F_TRIM));
	EXPECT_EQ(MAX / 2 * PAGE, resident(&self->s));
	for (i = 0; i < MAX; i += 2)
		EXPECT_TRUE(all_are(stack_page(&self->s, self->ids[i], 0),
				    i + 1, PAGE));
}

TEST_F(arena, trim_works_in_any_order_of_ids)
{
	__u64 tmp;
	unsigned int i;

	for (i = 0; i < MAX; i++)
		*stack_page(&self->s, self->ids[i], 2) = 1;
	for (i = 0; i < MAX / 2; i++) {
		tmp = self->ids[i];
		self->ids[i] = self->ids[(i * 7 + 3) % MAX];
		self->ids[(i * 7 + 3) % MAX] = tmp;
	}
	ASSERT_EQ(MAX, ctx_free(self->s.fd, self->ids, MAX, CORO_FREE_F_TRIM));
	EXPECT_EQ(0, resident(&self->s));
}

TEST_F(arena, a_cut_batch_trims_what_it_freed)
{
	__u64 batch[3] = { self->ids[0], 0xffffffffULL, self->ids[1] };

	*stack_page(&self->s, self->ids[0], 0) = 1;
	*stack_page(&self->s, self->ids[1], 0) = 1;
	EXPECT_EQ(1, ctx_free(self->s.fd, batch, 3, CORO_FREE_F_TRIM));
	EXPECT_EQ(PAGE, resident(&self->s));
	EXPECT_EQ(1, *stack_page(&self->s, self->ids[1], 0));
}

TEST_F(arena, free_without_trim_keeps_content)
{
	__u64 id = self->ids[4], next;

	memset(stack_page(&self->s, id, 0), 0x77, PAGE);
	ASSERT_EQ(1, ctx_free(self->s.fd, &id, 1, 0));
	EXPECT_EQ(PAGE, resident(&self->s));
	ASSERT_EQ(1, ctx_alloc(self->s.fd, &next, 1));
	ASSERT_EQ(CORO_INDEX(id), CORO_INDEX(next));
	EXPECT_TRUE(all_are(stack_page(&self->s, next, 0), 0x77, PAGE));
}

TEST_F(arena, peak_is_zero_for_an_untouched_stack)
{
	EXPECT_EQ(0, ctx_peak(self->s.fd, self->ids[0]));
	probe(stack_guard(&self->s, self->ids[0]), true);
	EXPECT_EQ(0, ctx_peak(self->s.fd, self->ids[0]));
}

TEST_F(arena, peak_reaches_down_to_the_lowest_page_touched)
{
	unsigned int k;

	for (k = 0; k < STACK_PAGES - 1; k++) {
		*stack_page(&self->s, self->ids[k], k) = 1;
		EXPECT_EQ((k + 1) * PAGE, ctx_peak(self->s.fd, self->ids[k]));
	}
	/* Touching above the lowest page changes nothing. */
	*stack_page(&self->s, self->ids[5], 0) = 1;
	EXPECT_EQ(6 * PAGE, ctx_peak(self->s.fd, self->ids[5]));
	EXPECT_EQ(0, ctx_peak(self->s.fd, self->ids[STACK_PAGES]));
}

TEST_F(arena, peak_is_remembered_until_trim)
{
	__u64 id = self->ids[1];

	*stack_page(&self->s, id, 4) = 1;
	ASSERT_EQ(1, ctx_free(self->s.fd, &id, 1, 0));
	ASSERT_EQ(1, ctx_alloc(self->s.fd, &id, 1));
	EXPECT_EQ(5 * PAGE, ctx_peak(self->s.fd, id));
	ASSERT_EQ(1, ctx_free(self->s.fd, &id, 1, CORO_FREE_F_TRIM));
	ASSERT_EQ(1, ctx_alloc(self->s.fd, &id, 1));
	EXPECT_EQ(0, ctx_peak(self->s.fd, id));
}

TEST_F(arena, peaks_come_in_batches)
{
	struct coro_peak peaks[MAX];
	struct coro_peak_args args = { .size = sizeof(args),
				       .nr = MAX,
				       .out_nr = POISON32 };
	unsigned int i;

	args.peaks = (uintptr_t)peaks;
	for (i = 0; i < MAX; i++) {
		peaks[i].id = self->ids[i];
		peaks[i].out_bytes = POISON64;
		if (i % 3)
			*stack_page(&self->s, self->ids[i], i % 3) = 1;
	}
	ASSERT_EQ(0, dev_ioctl(self->s.fd, CORO_IOC_PEAK, &args));
	EXPECT_EQ(MAX, args.out_nr);
	for (i = 0; i < MAX; i++) {
		EXPECT_EQ(self->ids[i], peaks[i].id);
		EXPECT_EQ(i % 3 ? (i % 3 + 1) * PAGE : 0, peaks[i].out_bytes);
	}
}

TEST_F(arena, the_owner_can_give_pages_back_itself)
{
	char *page = stack_page(&self->s, self->ids[0], 1);

	memset(page, 0x66, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, resident(&self->s));
	EXPECT_EQ(0, sys(madvise(page, PAGE, MADV_REMOVE)));
	EXPECT_EQ(PAGE, resident(&self->s));
	EXPECT_TRUE(all_are(page, 0, PAGE));
	EXPECT_TRUE(all_are(page + PAGE, 0x66, PAGE));
}

TEST_F(arena, populating_over_a_guard_fails_and_leaves_it_a_guard)
{
	EXPECT_EQ(-EFAULT,
		  sys(madvise(self->s.stacks, self->s.args.out_stacks_bytes,
			      MADV_POPULATE_WRITE)));
	EXPECT_EQ(-EFAULT,
		  sys(madvise(self->s.stacks, self->s.args.out_stacks_bytes,
			      MADV_POPULATE_READ)));
	EXPECT_EQ(0, sys(madvise(stack_page(&self->s, self->ids[0], 1),
				 2 * PAGE, MADV_POPULATE_WRITE)));
	EXPECT_EQ(2 * PAGE, resident(&self->s));
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[0]), true));
}

TEST_F(arena, locking_memory_populates_no_guard)
{
	EXPECT_EQ(-ENOMEM,
		  sys(mlock(self->s.stacks, self->s.args.out_stacks_bytes)));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[0]), true));
	EXPECT_EQ(0, probe(stack_page(&self->s, self->ids[0], 0), true));
	EXPECT_EQ(1, STAT(self->s.fd, overflows));
}

TEST(an_arena_can_be_mapped_while_all_memory_is_locked)
{
	struct sched s;
	__u64 id;

	ASSERT_EQ(0, sys(mlockall(MCL_CURRENT | MCL_FUTURE)));
	ASSERT_EQ(0, sched_new(&s, 65536, 8, 64 * 1024));
	ASSERT_EQ(1, ctx_alloc(s.fd, &id, 1));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&s, id), true));
	EXPECT_EQ(0, probe(stack_page(&s, id, 0), true));
	EXPECT_GE(256 * PAGE, resident(&s));
	sched_free(&s);
}

TEST_F(arena, a_part_of_the_stacks_may_be_unmapped_and_guards_stay_in_place)
{
	__u64 size = self->s.args.out_stack_size_bytes;
	__u32 i;

	/* From the middle of stack 3 to the middle of stack 5. */
	ASSERT_EQ(0,
		  sys(munmap(self->s.stacks + 3 * size + 2 * PAGE, 2 * size)));
	for (i = 0; i < MAX; i++) {
		char *guard = self->s.stacks + i * size;

		EXPECT_EQ(SIGSEGV, probe(guard, true));
		if (i < 3 || i > 5)
			EXPECT_EQ(0, probe(guard + PAGE, true));
	}
	EXPECT_EQ(0, probe(self->s.stacks + 5 * size + 2 * PAGE, true));
	/* The guards of 4 and 5 are holes now, which count for nothing. */
	EXPECT_EQ(MAX - 2, STAT(self->s.fd, overflows));
}

TEST_F(arena, a_stack_can_be_made_read_only)
{
	char *page = stack_page(&self->s, self->ids[0], 0);

	*page = 0x12;
	ASSERT_EQ(0, sys(mprotect(page, PAGE, PROT_READ)));
	EXPECT_EQ(SIGSEGV, probe(page, true));
	EXPECT_EQ(0x12, *page);
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	ASSERT_EQ(0, sys(mprotect(page, PAGE, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(0, probe(page, true));
}

/* How many lines of /proc/self/maps lie in the arena. */
static int maps_lines(const struct sched *s)
{
	unsigned long start, end, base = (unsigned long)s->stacks;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int nr = 0;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			nr += start < base + s->args.out_stacks_bytes &&
			      end > base;
	}
	if (maps)
		fclose(maps);
	return nr;
}

TEST_F(arena, all_stacks_are_one_mapping)
{
	unsigned int i;

	EXPECT_EQ(1, maps_lines(&self->s));
	for (i = 0; i < MAX; i++) {
		*stack_page(&self->s, self->ids[i], i % 3) = 1;
		probe(stack_guard(&self->s, self->ids[i]), true);
	}
	ASSERT_EQ(MAX / 2,
		  ctx_free(self->s.fd, self->ids, MAX / 2, CORO_FREE_F_TRIM));
	EXPECT_EQ(1, maps_lines(&self->s));
}

struct remote {
	pid_t pid;
	char *page;
	char *guard;
};

/* Write @buf to @addr of process @pid: how many bytes, or -errno. */
static long write_remote(pid_t pid, char *addr, char *buf, size_t bytes)
{
	struct iovec local = { buf, bytes };
	struct iovec remote = { addr, bytes };
	long ret = sys(process_vm_writev(pid, &local, 1, &remote, 1, 0));
	char path[64];
	int fd;

	if (ret != -ENOSYS)
		return ret;
	/* Kernels without that call have what debuggers use, which says EIO. */
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ret = sys(pwrite(fd, buf, bytes, (uintptr_t)addr));
	close(fd);
	return ret == -EIO ? -EFAULT : ret;
}

static long write_from_outside(void *arg)
{
	struct remote *r = arg;
	char buf[16] = "from outside";

	MUST((long)sizeof(buf),
	     write_remote(r->pid, r->page, buf, sizeof(buf)));
	MUST(-EFAULT, write_remote(r->pid, r->guard, buf, sizeof(buf)));
	return 0;
}

static long look_from_outside(void *arg)
{
	struct remote *r = arg;
	char path[64], buf[16];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", r->pid);
	fd = sys(open(path, O_RDWR | O_CLOEXEC));
	MUST(16, sys(pread(fd, buf, 16, (uintptr_t)r->page)));
	MUST(1, buf[0] == 0x42);
	MUST(-EIO, sys(pread(fd, buf, 16, (uintptr_t)r->guard)));
	MUST(-EIO, sys(pwrite(fd, buf, 16, (uintptr_t)r->guard)));
	return 0;
}

TEST_F(arena, a_debugger_can_read_a_stack_but_no_guard)
{
	struct remote r = {
		.pid = getpid(),
		.page = stack_page(&self->s, self->ids[0], 0),
		.guard = stack_guard(&self->s, self->ids[0]),
	};

	*r.page = 0x42;
	EXPECT_EQ(0, in_child(look_from_outside, &r));
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	EXPECT_EQ(PAGE, resident(&self->s));
}

TEST_F(arena, another_process_can_write_a_stack_but_no_guard)
{
	struct remote r = {
		.pid = getpid(),
		.page = stack_page(&self->s, self->ids[0], 0),
		.guard = stack_guard(&self->s, self->ids[0]),
	};

	ASSERT_EQ(0, in_child(write_from_outside, &r));
	EXPECT_STREQ("from outside", r.page);
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
	EXPECT_EQ(PAGE, resident(&self->s));
}

static ucontext_t main_context, coro_context;
static int deepest;

static int recurse(int depth)
{
	volatile char frame[256];

	frame[0] = depth;
	deepest = depth;
	return depth ? recurse(depth - 1) + frame[0] : 0;
}

static void run_shallow(void)
{
	recurse(20);
}

static void run_deep(void)
{
	recurse(1 << 20);
}

static void run_on(char *stack, size_t bytes, void (*fn)(void))
{
	getcontext(&coro_context);
	coro_context.uc_stack.ss_sp = stack;
	coro_context.uc_stack.ss_size = bytes;
	coro_context.uc_link = &main_context;
	makecontext(&coro_context, fn, 0);
	swapcontext(&main_context, &coro_context);
}

TEST_F(arena, code_runs_on_a_stack)
{
	char *guard = stack_guard(&self->s, self->ids[6]);

	deepest = -1;
	run_on(guard, self->s.args.out_stack_size_bytes, run_shallow);
	EXPECT_EQ(0, deepest);
	EXPECT_LT(20 * 256, ctx_peak(self->s.fd, self->ids[6]));
	EXPECT_EQ(0, STAT(self->s.fd, overflows));
}

struct overrun {
	struct sched *s;
	__u64 id;
};

static long overrun_stack(void *arg)
{
	struct overrun *o = arg;
	stack_t alt = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction act = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
	char *guard = stack_guard(o->s, o->id);

	act.sa_sigaction = probe_handler;
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &act, NULL);
	probe_runs = true;
	if (!sigsetjmp(probe_env, 1))
		run_on(guard, o->s->args.out_stack_size_bytes, run_deep);
	if ((char *)probe_addr < guard || (char *)probe_addr >= guard + PAGE)
		return -ERANGE;
	return 0;
}

TEST_F(arena, a_stack_overrun_stops_in_its_guard)
{
	struct overrun o = { &self->s, self->ids[7] };

	memset(stack_page(&self->s, self->ids[6], 0), 0x21, PAGE);
	EXPECT_EQ(0, overrun_stack(&o));
	EXPECT_EQ(1, STAT(self->s.fd, overflows));
	EXPECT_EQ(o.id, STAT(self->s.fd, overflow_id));
	EXPECT_EQ((STACK_PAGES - 1) * PAGE, ctx_peak(self->s.fd, o.id));
	EXPECT_TRUE(all_are(stack_page(&self->s, self->ids[6], 0), 0x21, PAGE));
}

/* @arg: how many stacks to ask into the dump. */
static long die_with_core(void *arg)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	long nr = *(long *)arg;
	struct sched s;
	__u64 id;

	setrlimit(RLIMIT_CORE, &all);
	if (chdir("/tmp/coro-core") || sched_new(&s, 2000, 8, 16 * PAGE))
		return -EPROTO;
	MUST(1, ctx_alloc(s.fd, &id, 1));
	*stack_page(&s, id, 0) = 1;
	if (nr)
		MUST(0, sys(madvise(s.stacks, (size_t)nr * 16 * PAGE,
				    MADV_DODUMP)));
	abort();
}

/* Replace what /proc/sys/kernel/core_pattern holds; the old value goes to @old. */
static bool set_core_pattern(const char *new, char *old, size_t bytes)
{
	int fd = open("/proc/sys/kernel/core_pattern", O_RDWR);
	ssize_t len = old ? read(fd, old, bytes - 1) : 0;
	bool ok;

	if (old && len >= 0)
		old[len] = '\0';
	ok = len >= 0 &&
	     pwrite(fd, new, strlen(new), 0) == (ssize_t)strlen(new);
	close(fd);
	return ok;
}

/* What the core of die_with_core() is like. */
static bool dump_core(long nr, struct stat *st)
{
	char old[256], uses_pid[8] = "";
	bool ok;
	int fd;

	mkdir("/tmp", 0777);
	mkdir("/tmp/coro-core", 0700);
	fd = open("/proc/sys/kernel/core_uses_pid", O_RDWR);
	ok = read(fd, uses_pid, sizeof(uses_pid) - 1) > 0 &&
	     pwrite(fd, "0\n", 2, 0) == 2 &&
	     set_core_pattern("/tmp/coro-core/core", old, sizeof(old)) &&
	     in_child(die_with_core, &nr) == CHILD_SIGNALED(SIGABRT) &&
	     set_core_pattern(old, NULL, 0) &&
	     pwrite(fd, uses_pid, strlen(uses_pid), 0) > 0 &&
	     !stat("/tmp/coro-core/core", st);
	close(fd);
	unlink("/tmp/coro-core/core");
	rmdir("/tmp/coro-core");
	return ok;
}

TEST_F_TIMEOUT(arena, a_core_dump_leaves_the_stacks_out, 300)
{
	struct stat st = { 0 };

	ASSERT_TRUE(dump_core(0, &st));
	EXPECT_LT(0, st.st_size);
	EXPECT_GT(16L << 20, st.st_size);
}

TEST_F_TIMEOUT(arena, a_core_dump_has_what_was_asked_for_and_its_holes, 300)
{
	struct stat st = { 0 };

	ASSERT_TRUE(dump_core(1000, &st));
	EXPECT_LT(1000L * 16 * (long)PAGE, st.st_size);
	EXPECT_LT(0, st.st_blocks);
	EXPECT_GT(16L << 20, st.st_blocks * 512L);
}

static long touch_huge(void *arg)
{
	struct sched s;

	(void)arg;
	MUST(0, sched_new(&s, 1024, 8, 4 * PAGE));
	if (madvise(s.stacks, s.args.out_stacks_bytes, MADV_HUGEPAGE))
		return -errno;
	s.stacks[PAGE] = 1;
	return 0;
}

TEST_F(arena, huge_pages_are_not_for_stacks)
{
	long ret = in_child(touch_huge, NULL);

	/* EINVAL: a kernel without them. */
	EXPECT_TRUE(ret == CHILD_SIGNALED(SIGSEGV) || ret == -EINVAL);
}

TEST_F(arena, userfaultfd_cannot_fill_a_guard)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { .mode = 0 };
	int fd = sys(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys(ioctl(fd, UFFDIO_API, &api)));
	reg.range.start = (uintptr_t)self->s.stacks;
	reg.range.len = self->s.args.out_stacks_bytes;
	if (!ioctl(fd, UFFDIO_REGISTER, &reg)) {
		zero.range.start =
			(uintptr_t)stack_guard(&self->s, self->ids[0]);
		zero.range.len = PAGE;
		ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	}
	/* Closing unregisters: faults are the arena's again. */
	close(fd);
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[0]), false));
	EXPECT_EQ(SIGSEGV, probe(stack_guard(&self->s, self->ids[1]), true));
	EXPECT_EQ(0, probe(stack_page(&self->s, self->ids[0], 0), true));
}

TEST(a_stack_of_two_pages_is_half_guard)
{
	struct sched s;
	__u64 ids[8];
	unsigned int i;

	ASSERT_EQ(0, sched_new(&s, 8, 8, 2 * PAGE));
	ASSERT_EQ(8, ctx_alloc(s.fd, ids, 8));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(i % 2 ? 0 : SIGSEGV,
			  probe(s.stacks + i * PAGE, true));
	EXPECT_EQ(8 * PAGE, resident(&s));
	sched_free(&s);
}

TEST(guards_are_right_for_a_stack_size_that_is_no_power_of_two)
{
	struct sched s;
	unsigned int i;

	ASSERT_EQ(0, sched_new(&s, 50, 8, 5 * PAGE));
	for (i = 0; i < 250; i++)
		EXPECT_EQ(i % 5 ? 0 : SIGSEGV,
			  probe(s.stacks + i * PAGE, true));
	EXPECT_EQ(200 * PAGE, resident(&s));
	sched_free(&s);
}

TEST_HARNESS_MAIN
