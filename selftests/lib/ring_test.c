// SPDX-License-Identifier: MIT
/* The ring: queues that are full, and kernels or limits that refuse one. */
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib_common.h"

LIB_FIXTURE(ring)

enum { MANY = THOUSANDS };

struct crowd {
	int fds[2];
	int done;
	int errors;
};

static long read_a_byte(void *arg)
{
	struct crowd *cr = arg;
	char byte = 0;

	if (coro_io_read(cr->fds[0], &byte, 1, CORO_NEVER) == 1 && byte == 'x')
		cr->done++;
	else
		cr->errors++;
	return 0;
}

/* Readers of one pipe: every write wakes all of them. */
#define CROWD 2000

static long read_and_feed(void *arg)
{
	struct crowd *cr = arg;
	char buf[4096];
	int i, left = CROWD;

	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, coro_spawn(read_a_byte, cr));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, cr->done);
	while (left > 0) {
		int ret = coro_io_write(cr->fds[1], buf,
					left < 4096 ? left : 4096, CORO_NEVER);

		EXPECT_LT(0, ret);
		if (ret <= 0)
			return ret;
		left -= ret;
	}
	while (cr->done + cr->errors < CROWD)
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	return 0;
}

/* IOU-01, IOU-09, LOP-16 */
TEST_F(ring, two_thousand_reads_go_through_a_ring_of_8)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 8,
				       .cq_entries = 16 };
	struct crowd cr = { .done = 0 };
	long value = POISON_LONG;

	ASSERT_EQ(0, pipe(cr.fds));
	EXPECT_EQ(0, coro_run_opts(read_and_feed, &cr, &opts, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(CROWD, cr.done);
	EXPECT_EQ(0, cr.errors);
	EXPECT_EQ(0, readable(cr.fds[0]));
	close(cr.fds[0]);
	close(cr.fds[1]);
}

static long do_nothing(void *arg)
{
	struct crowd *cr = arg;
	struct io_uring_sqe sqe;
	int i;

	io_uring_prep_nop(&sqe);
	for (i = 0; i < 3; i++) {
		if (coro_io_await(&sqe, CORO_NEVER, NULL))
			cr->errors++;
	}
	cr->done++;
	return 0;
}

static long spawn_nops(void *arg)
{
	struct coro **c = calloc(MANY, sizeof(*c));
	int i;

	for (i = 0; i < MANY; i++) {
		c[i] = coro_new(do_nothing, arg);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	free(c);
	return 0;
}

/* IOU-09 */
TEST_F(ring, completions_that_overflow_the_queue_all_come)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 8,
				       .cq_entries = 8 };
	struct crowd cr = { .done = 0 };
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_run_opts(spawn_nops, &cr, &opts, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(MANY, cr.done);
	EXPECT_EQ(0, cr.errors);
}

/* IOU-09 */
TEST_F(ring, defaults_take_ten_thousand_operations)
{
	struct crowd cr = { .done = 0 };

	EXPECT_EQ(0, coro_run(spawn_nops, &cr));
	EXPECT_EQ(MANY, cr.done);
	EXPECT_EQ(0, cr.errors);
}

static long leave_a_crowd(void *arg)
{
	int i;

	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_spawn(read_a_byte, arg));
	return coro_sleep(0);
}

/* IOU-08, IOU-09 */
TEST_F(ring, ten_thousand_leftover_reads_end_in_a_ring_of_8)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 8,
				       .cq_entries = 8 };
	struct crowd cr = { .done = 0 };
	long value = POISON_LONG;

	ASSERT_EQ(0, pipe(cr.fds));
	EXPECT_EQ(0, coro_run_opts(leave_a_crowd, &cr, &opts, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(MANY, cr.errors);
	close(cr.fds[0]);
	close(cr.fds[1]);
}

/* IOU-09, LOP-16 */
TEST_F(ring, queues_of_one_entry_work)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 1,
				       .cq_entries = 1 };
	struct crowd cr = { .done = 0 };
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_run_opts(spawn_nops, &cr, &opts, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(MANY, cr.done);
	EXPECT_EQ(0, cr.errors);
}

static long enter(void *arg)
{
	*(int *)arg += 1;
	return 0;
}

/* Whether a run works now, and what a refused one left alone. */
static int try_run(int *entered)
{
	long value = POISON_LONG;
	int before, ret;

	/* The scheduler, which has a descriptor of its own, outlives the loop. */
	coro_backend();
	before = open_fds();
	*entered = 0;
	ret = coro_run_opts(enter, entered, NULL, &value);
	if (ret && (value != POISON_LONG || *entered))
		return 1000;
	return before == open_fds() ? ret : 2000;
}

static int plain_coroutine_works(void)
{
	int entered = 0;
	struct coro *c = coro_new(enter, &entered);

	if (!c || coro_resume(c, 0, NULL) != CORO_ENDED)
		return 0;
	coro_put(c);
	return entered;
}

static long run_without_descriptors(void *arg)
{
	struct rlimit old, none;
	int entered = 0, ret, lowest;
	long value = POISON_LONG;

	(void)arg;
	if (!coro_backend() || try_run(&entered))
		return 1;
	lowest = dup(0);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = lowest;
	if (setrlimit(RLIMIT_NOFILE, &none))
		return 2;
	entered = 0;
	ret = coro_run_opts(enter, &entered, NULL, &value);
	if (ret != -EMFILE || entered || value != POISON_LONG)
		return 3;
	if (!plain_coroutine_works())
		return 4;
	setrlimit(RLIMIT_NOFILE, &old);
	return try_run(&entered) || entered != 1 ? 5 : 0;
}

/* LOP-14 */
TEST_F(ring, run_without_a_free_descriptor_is_emfile)
{
	EXPECT_EQ(0, run_without_descriptors(NULL));
}

/* Since Linux 5.12 the memory of a ring counts elsewhere. */
TEST_F(ring, run_without_lockable_memory_works)
{
	struct rlimit none = { 0, 0 };
	int entered = 0;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &none));
	EXPECT_EQ(0, try_run(&entered));
	EXPECT_EQ(1, entered);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Bytes of address space that the process has. */
static long address_space(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld", &pages) != 1)
		pages = -1;
	if (f)
		fclose(f);
	return pages * getpagesize();
}

/* LOP-14: the sanitizers cannot live with such a limit. */
TEST_F(ring, run_without_address_space_is_enomem)
{
	struct rlimit old, none;
	int entered = 0;

	/* Open the thread's scheduler, warm up what stdio and the library keep. */
	ASSERT_EQ(0, try_run(&entered));
	getrlimit(RLIMIT_AS, &old);
	none = old;
	none.rlim_cur = address_space();
	ASSERT_LT(0L, (long)none.rlim_cur);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &none));
	entered = 0;
	EXPECT_EQ(-ENOMEM, coro_run_opts(enter, &entered, NULL, NULL));
	EXPECT_EQ(0, entered);
	setrlimit(RLIMIT_AS, &old);
	EXPECT_EQ(0, try_run(&entered));
	EXPECT_EQ(1, entered);
}
#endif

/* From now on the process has @err for the system call @nr. */
static int refuse(unsigned int nr, int err)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (err & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(filter),
				   .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -errno : 0;
}

/* LOP-14 */
TEST_F(ring, kernel_without_io_uring_is_enosys)
{
	int entered;

	ASSERT_EQ(0, refuse(SYS_io_uring_setup, ENOSYS));
	EXPECT_EQ(-ENOSYS, try_run(&entered));
	EXPECT_TRUE(plain_coroutine_works());
	EXPECT_EQ(-ENOSYS, try_run(&entered));
}

/* LOP-14 */
TEST_F(ring, forbidden_io_uring_is_eperm)
{
	int entered;

	ASSERT_EQ(0, refuse(SYS_io_uring_setup, EPERM));
	EXPECT_EQ(-EPERM, try_run(&entered));
	EXPECT_TRUE(plain_coroutine_works());
}

/* LOP-14 */
TEST_F(ring, other_refusals_are_told)
{
	int entered;

	ASSERT_EQ(0, refuse(SYS_io_uring_setup, ENOMEM));
	EXPECT_EQ(-ENOMEM, try_run(&entered));
}

/* LOP-14 */
TEST_F(ring, full_file_table_is_enfile)
{
	int entered;

	ASSERT_EQ(0, refuse(SYS_io_uring_setup, ENFILE));
	EXPECT_EQ(-ENFILE, try_run(&entered));
}

/* Registering is an optimisation, or else refused with its own error. */
TEST_F(ring, ring_that_cannot_register_works_or_is_told)
{
	int entered, ret;

	ASSERT_EQ(0, refuse(SYS_io_uring_register, EPERM));
	ret = try_run(&entered);
	EXPECT_TRUE(ret == 0 || ret == -EPERM);
	EXPECT_EQ(!ret, entered);
	EXPECT_TRUE(plain_coroutine_works());
}

TEST_HARNESS_MAIN
