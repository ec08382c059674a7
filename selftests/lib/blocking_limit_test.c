// SPDX-License-Identifier: MIT
/* How many functions block at once, in which order, and the threads that they take. */
#include <sys/syscall.h>

#include "lib_blocking.h"

LIB_FIXTURE(blocking_limit)

#define JOBS 4

static struct trace order;

static long note_order(void *arg)
{
	trace_add(&order, (char)(long)arg);
	return 0;
}

static long call_note(void *arg)
{
	return coro_blocking(note_order, arg, NULL);
}

static long queue_up(void *arg)
{
	struct job first;
	struct coro *c = job_start(job_init(&first, 1), call_block);
	struct coro *cancelled = NULL;

	(void)arg;
	for (long name = 'a'; name <= 'e'; name++) {
		struct coro *next = coro_new(call_note, (void *)name);

		EXPECT_EQ(0, coro_start(next));
		settle(next, CORO_AWAITS_BLOCKING);
		if (name == 'c')
			cancelled = coro_get(next);
		coro_put(next);
	}
	EXPECT_EQ(5, info_now().waiting);
	EXPECT_EQ(0, coro_cancel(cancelled));
	EXPECT_EQ(4, info_now().waiting);
	sem_post(&first.go);
	coro_await(c);
	coro_await(cancelled);
	return coro_blocking(note_order, (void *)'z', NULL);
}

/* THR-08, THR-11 */
TEST_F(blocking_limit, who_comes_first_is_served_first)
{
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	EXPECT_EQ(0, coro_run(queue_up, NULL));
	EXPECT_STREQ("abdez", order.text);
}

static long fill_up(void *arg)
{
	struct coro *callers[JOBS];
	struct job jobs[JOBS];
	int i;

	(void)arg;
	for (i = 0; i < JOBS; i++) {
		callers[i] = coro_new(call_block, job_init(&jobs[i], i));
		EXPECT_EQ(0, coro_start(callers[i]));
		settle(callers[i], CORO_AWAITS_BLOCKING);
	}
	sem_take(&jobs[0].begun);
	sem_take(&jobs[1].begun);
	EXPECT_EQ(2, info_now().running);
	EXPECT_EQ(2, info_now().waiting);
	/* There is room for one more: it begins, with nobody else having to end. */
	EXPECT_EQ(0, coro_blocking_set_limit(3));
	EXPECT_EQ(3, info_now().limit);
	sem_take(&jobs[2].begun);
	EXPECT_EQ(1, info_now().waiting);
	/* With less, all that wait must still have their turn. */
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	for (i = 0; i < JOBS; i++)
		sem_post(&jobs[i].go);
	for (i = 0; i < JOBS; i++) {
		coro_await(callers[i]);
		EXPECT_EQ(i, jobs[i].value);
	}
	return 0;
}

/* THR-08 */
TEST_F(blocking_limit, so_many_run_at_once_and_the_others_wait)
{
	EXPECT_EQ(64, info_now().limit);
	EXPECT_EQ(0, coro_blocking_set_limit(2));
	EXPECT_EQ(0, coro_run(fill_up, NULL));
	EXPECT_EQ(0, info_now().running);
	EXPECT_EQ(0, info_now().waiting);
}

TEST_F(blocking_limit, info_is_filled_as_far_as_its_size_says)
{
	struct coro_blocking_info info;
	struct {
		struct coro_blocking_info known;
		char more;
	} longer;
	size_t most = offsetof(struct coro_blocking_info, waiting);

	memset(&info, POISON, sizeof(info));
	info.size = most - 1;
	EXPECT_EQ(-EINVAL, coro_blocking_info_read(&info));
	info.size = most;
	EXPECT_EQ(0, coro_blocking_info_read(&info));
	EXPECT_EQ(64, info.limit);
	EXPECT_TRUE(untouched(&info.waiting, sizeof(info) - most));
	memset(&longer, POISON, sizeof(longer));
	longer.known.size = sizeof(longer);
	EXPECT_EQ(0, coro_blocking_info_read(&longer.known));
	EXPECT_EQ(0, longer.known.left_ever);
	EXPECT_EQ(POISON, longer.more);
}

/* Threads of the process that have the name of the library's. */
static int library_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int nr = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		char path[300], name[32] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, name, sizeof(name) - 1) > 0)
			nr += !strcmp(name, "coro-blocking\n");
		close(fd);
	}
	if (dir)
		closedir(dir);
	return nr;
}

static long thread_id(void *arg)
{
	(void)arg;
	return library_threads() == 1 ? syscall(SYS_gettid) : -EPROTO;
}

static long call_in_turn(void *arg)
{
	long first = 0, value = 0;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(thread_id, NULL, &first));
	EXPECT_LT(0, first);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, coro_blocking(thread_id, NULL, &value));
		EXPECT_EQ(first, value);
	}
	return 0;
}

static void wait_for_threads_to_end(void)
{
	const struct timespec ts = { .tv_nsec = SOON_NS };

	while (library_threads())
		nanosleep(&ts, NULL);
}

/* The pool's alone: and after that they come again. */
TEST_F(blocking_limit, threads_are_used_again_and_end_when_idle)
{
	EXPECT_EQ(0, library_threads());
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	EXPECT_EQ(0, coro_run(call_in_turn, NULL));
	EXPECT_EQ(1, library_threads());
	wait_for_threads_to_end();
	EXPECT_EQ(0, coro_run(call_in_turn, NULL));
}

static long use_two(void *arg)
{
	struct job jobs[2];
	struct coro *callers[2];

	(void)arg;
	for (int i = 0; i < 2; i++)
		callers[i] = job_start(job_init(&jobs[i], i), call_block);
	for (int i = 0; i < 2; i++) {
		sem_post(&jobs[i].go);
		coro_await(callers[i]);
	}
	return 0;
}

/* The pool's alone. */
TEST_F(blocking_limit, threads_beyond_a_lower_limit_end_at_once)
{
	const struct timespec ts = { .tv_nsec = SOON_NS };

	EXPECT_EQ(0, coro_run(use_two, NULL));
	EXPECT_EQ(2, library_threads());
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	while (library_threads() > 1)
		nanosleep(&ts, NULL);
	EXPECT_EQ(0, coro_run(call_in_turn, NULL));
}

/* One of the two threads ends: the call must not be left to that one. */
TEST_F(blocking_limit, call_right_after_a_lower_limit_is_served)
{
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, coro_blocking_set_limit(2));
		EXPECT_EQ(0, coro_run(use_two, NULL));
		EXPECT_EQ(0, coro_blocking_set_limit(1));
		EXPECT_EQ(0, coro_run(call_note, (void *)'a'));
	}
	EXPECT_STREQ("aaaaaaaaaa", order.text);
}

TEST_HARNESS_MAIN
