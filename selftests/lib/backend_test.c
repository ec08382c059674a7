// SPDX-License-Identifier: MIT
/* The backend that the environment asks for: had, or refused, never replaced. Needs no io_uring. */
#include "lib_common.h"

LIB_FIXTURE(backend)

static long give_arg(void *arg)
{
	return (long)arg;
}

/* The device as open(2) sees it: 0 or -errno. */
static int device(void)
{
	int fd = open("/dev/coro", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static long init_here(void *arg)
{
	(void)arg;
	return coro_thread_init(NULL);
}

static long backend_here(void *arg)
{
	const char *name = coro_backend();

	(void)arg;
	if (!name)
		return 0;
	return !strcmp(name, "portable") ? 'p' :
	       !strcmp(name, "device")	 ? 'd' :
					   '?';
}

static long work_here(void *arg)
{
	struct coro *c = NULL;
	long value = POISON_LONG;
	int err = coro_create(&c, give_arg, (void *)44L, NULL);

	(void)arg;
	if (err)
		return err;
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	coro_put(c);
	return value;
}

TEST_F(backend, portable_is_had_everywhere)
{
	setenv("CORO_BACKEND", "portable", 1);
	EXPECT_EQ(0, in_thread(init_here, NULL));
	EXPECT_EQ('p', in_thread(backend_here, NULL));
	EXPECT_EQ(44, in_thread(work_here, NULL));
}

TEST_F(backend, device_is_had_or_refused_but_never_replaced)
{
	int err = device();

	setenv("CORO_BACKEND", "device", 1);
	if (!err) {
		EXPECT_EQ(0, in_thread(init_here, NULL));
		EXPECT_EQ('d', in_thread(backend_here, NULL));
		EXPECT_EQ(44, in_thread(work_here, NULL));
	} else {
		EXPECT_TRUE(err == -ENOENT || err == -ENXIO || err == -EACCES);
		EXPECT_EQ(err, in_thread(init_here, NULL));
		EXPECT_EQ(0, in_thread(backend_here, NULL));
		EXPECT_EQ(err, in_thread(work_here, NULL));
	}
}

TEST_F(backend, without_a_wish_the_device_comes_first)
{
	int err = device();

	unsetenv("CORO_BACKEND");
	EXPECT_EQ(err ? 'p' : 'd', in_thread(backend_here, NULL));
	EXPECT_EQ(44, in_thread(work_here, NULL));
}

/* OBJ-04 */
TEST_F(backend, unknown_name_is_refused)
{
	const char *const names[] = { "portables", "Device", "mmap",
				      " device" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		setenv("CORO_BACKEND", names[i], 1);
		EXPECT_EQ(-EINVAL, in_thread(init_here, NULL));
		EXPECT_EQ(0, in_thread(backend_here, NULL));
		EXPECT_EQ(-EINVAL, in_thread(work_here, NULL));
	}
}

static long run_here(void *arg)
{
	long value = POISON_LONG;
	int err = coro_run_opts(give_arg, arg, NULL, &value);

	EXPECT_EQ(POISON_LONG, value);
	return err;
}

/* LOP-14 */
TEST_F(backend, unknown_name_fails_a_run)
{
	setenv("CORO_BACKEND", "nonsense", 1);
	EXPECT_EQ(-EINVAL, in_thread(run_here, NULL));
}

static long fail_then_succeed(void *arg)
{
	(void)arg;
	setenv("CORO_BACKEND", "nonsense", 1);
	EXPECT_EQ(-EINVAL, coro_thread_init(NULL));
	EXPECT_EQ(NULL, coro_backend());
	setenv("CORO_BACKEND", "portable", 1);
	EXPECT_EQ(0, coro_thread_init(NULL));
	EXPECT_STREQ("portable", coro_backend());
	setenv("CORO_BACKEND", "nonsense", 1);
	EXPECT_STREQ("portable", coro_backend());
	EXPECT_EQ(-EBUSY, coro_thread_init(NULL));
	return work_here(NULL);
}

/* OBJ-04 */
TEST_F(backend, refused_thread_can_try_again)
{
	EXPECT_EQ(44, in_thread(fail_then_succeed, NULL));
}

/* THR-14 */
TEST_F(backend, each_thread_has_its_own)
{
	EXPECT_NE(NULL, coro_backend());
	EXPECT_EQ(-EBUSY, coro_thread_init(NULL));
	EXPECT_EQ(0, in_thread(init_here, NULL));
}

/* Schedulers end with their threads. */
TEST_F(backend, ended_threads_leave_no_descriptor)
{
	int before, i;

	EXPECT_EQ(44, in_thread(work_here, NULL));
	before = open_fds();
	for (i = 0; i < 100; i++)
		EXPECT_EQ(44, in_thread(work_here, NULL));
	EXPECT_EQ(before, open_fds());
}

/* Lines of /proc/self/maps. */
static int mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	int nr = 0, c;

	while (f && (c = fgetc(f)) != EOF)
		nr += c == '\n';
	if (f)
		fclose(f);
	return nr;
}

TEST_F(backend, ended_threads_leave_no_mapping)
{
	int before, i;

	for (i = 0; i < 5; i++)
		EXPECT_EQ(44, in_thread(work_here, NULL));
	before = mappings();
	for (i = 0; i < 100; i++)
		EXPECT_EQ(44, in_thread(work_here, NULL));
	EXPECT_GE(before + 20, mappings());
}

TEST_HARNESS_MAIN
