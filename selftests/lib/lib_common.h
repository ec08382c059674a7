/* SPDX-License-Identifier: MIT */
/* A library test: checks inside coroutines, what the process holds open, local sockets. */
#ifndef CORO_SELFTESTS_LIB_COMMON_H
#define CORO_SELFTESTS_LIB_COMMON_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <coro.h>

#include "kselftest_harness.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

/* Faults have the effect that they have without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:use_sigaltstack=0";
}
#endif

#ifdef __SANITIZE_THREAD__
/* As above; and the threads of a parent of fork() are none of the child's. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:use_sigaltstack=0:die_after_fork=0";
}
#endif

/* Coroutines at once. The thread sanitizer has room for 8,000 that have begun. */
#ifdef __SANITIZE_THREAD__
#define THOUSANDS 1000
#define MOST 1000
#else
#define THOUSANDS 10000
#define MOST 100000
#endif

#define NOINLINE __attribute__((noinline))
/* What outputs hold before a call, so that one that is not written shows. */
#define POISON 0x5a
#define POISON_LONG 0x5a5a5a5a5a5a5a5aL
/* A deadline that is far enough never to be reached by a test that works. */
#define FAR_NS (600 * CORO_SEC)
/* A deadline that a test waits for. */
#define SOON_NS (5 * CORO_MSEC)

/* The running test, for EXPECT_*() in coroutines; ASSERT_*() works in tests only. */
static struct __test_metadata *_metadata __attribute__((unused));

static inline void bodies_expect(struct __test_metadata *test)
{
	_metadata = test;
}

/* Bytes that nothing points to any more; only the leak sanitizer knows. */
static inline int leaked(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __lsan_do_recoverable_leak_check();
#else
	return 0;
#endif
}

/* Tests of @object, whose coroutines may use EXPECT_*(). */
#define LIB_FIXTURE(object)               \
	FIXTURE(object){};                \
	FIXTURE_SETUP(object)             \
	{                                 \
		bodies_expect(_metadata); \
	}                                 \
	FIXTURE_TEARDOWN(object)          \
	{                                 \
		EXPECT_EQ(0, leaked());   \
	}

/* The events of a test in their order, as letters. */
struct trace {
	size_t nr;
	char text[256];
};

static inline void trace_add(struct trace *t, char what)
{
	if (t->nr < sizeof(t->text) - 1)
		t->text[t->nr++] = what;
}

/* Descriptors that the process holds, or -errno. */
static inline int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* Threads of the process whose names begin like this; those of the library with coro-. */
static inline int threads_called(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	int nr = 0;

	while (dir && (entry = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f))
			nr += !strncmp(comm, name, strlen(name));
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return nr;
}

static inline bool kernel_at_least(unsigned int major, unsigned int minor)
{
	unsigned int a = 0, b = 0;
	struct utsname uts;

	uname(&uts);
	if (sscanf(uts.release, "%u.%u", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

/* errno through a call, since a coroutine that changes threads must look it up again. */
static NOINLINE __attribute__((unused)) int errno_get(void)
{
	__asm__ volatile("");
	return errno;
}

static NOINLINE __attribute__((unused)) void errno_set(int value)
{
	__asm__ volatile("");
	errno = value;
}

/* What @fn returned, run in a thread of its own. */
struct in_thread_call {
	long (*fn)(void *arg);
	void *arg;
	long ret;
};

static inline void *in_thread_main(void *arg)
{
	struct in_thread_call *call = arg;

	call->ret = call->fn(call->arg);
	return NULL;
}

static inline long in_thread(long (*fn)(void *arg), void *arg)
{
	struct in_thread_call call = { .fn = fn,
				       .arg = arg,
				       .ret = POISON_LONG };
	pthread_t thread;
	int err;

	err = pthread_create(&thread, NULL, in_thread_main, &call);
	if (err)
		return -err;
	pthread_join(thread, NULL);
	return call.ret;
}

/* The wait status of a child that runs @fn and exits with what it returns. */
static inline int in_child(long (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(fn(arg) ? 1 : 0);
	if (pid > 0 && waitpid(pid, &status, 0) != pid)
		status = -1;
	return status;
}

/* Bytes that wait in @fd, or -errno. */
static inline int readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret = poll(&pfd, 1, 0);

	return ret < 0 ? -errno : pfd.revents;
}

/* A listening TCP socket on 127.0.0.1, or -errno. */
static inline int tcp_listen(struct sockaddr_in *ret_addr, int backlog)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd, err;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, backlog) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len)) {
		err = errno;
		close(fd);
		return -err;
	}
	*ret_addr = addr;
	return fd;
}

/* A socket connected to @addr, or -errno. Never blocks: the backlog takes it. */
static inline int tcp_connect(const struct sockaddr_in *addr)
{
	int fd, err;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr))) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

/* Whether all of @len bytes at @buf are POISON. */
static inline bool untouched(const void *buf, size_t len)
{
	const unsigned char *p = buf;

	while (len--) {
		if (*p++ != POISON)
			return false;
	}
	return true;
}

/* A repeatable random number; @state is the seed first, and never 0. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

/*
 * A coroutine of the loop that waits in something: let others run until it
 * waits for @what, or has ended.
 */
static inline void settle(struct coro *c, enum coro_awaits what)
{
	while (coro_state(c) != CORO_STATE_CLOSED &&
	       coro_awaits(c, NULL) != what) {
		if (coro_sleep(0))
			return;
	}
}

#endif /* CORO_SELFTESTS_LIB_COMMON_H */
