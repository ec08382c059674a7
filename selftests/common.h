/* SPDX-License-Identifier: GPL-2.0 */
/* A scheduler under test: the calls of the device as functions that return a value or -errno. */
#ifndef CORO_SELFTESTS_COMMON_H
#define CORO_SELFTESTS_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/coro.h>
#include <linux/types.h>

#define DEVICE "/dev/coro"
#define PAGE 4096UL
/* What outputs hold before a call, so that one that is not written shows. */
#define POISON 0xa5
#define POISON32 0xa5a5a5a5U
#define POISON64 0xa5a5a5a5a5a5a5a5ULL

struct sched {
	int fd;
	struct coro_setup_args args;
	struct coro_shm_header *header;
	struct coro_shm_context *table;
	char *stacks;
};

/* The factor by which the kernel's checks slow it down, as the runner says it. */
static inline unsigned int slowdown(void)
{
	const char *factor = getenv("CORO_TEST_SLOWDOWN");
	int n = factor ? atoi(factor) : 1;

	return n > 0 ? n : 1;
}

/* What the harness, which comes after this file, ends cases by. */
#define alarm(seconds) alarm(slowdown() * (seconds))

/* A system call's result: its value, or -errno. */
static inline long sys(long ret)
{
	return ret == -1 ? -errno : ret;
}

static inline int dev_open(int flags)
{
	return sys(open(DEVICE, O_RDWR | O_CLOEXEC | flags));
}

static inline int dev_ioctl(int fd, unsigned long cmd, void *args)
{
	return sys(ioctl(fd, cmd, args));
}

static inline int dev_setup(int fd, struct coro_setup_args *args, __u32 max,
			    __u32 mailbox, __u64 stack_size)
{
	memset(args, POISON, sizeof(*args));
	args->size = sizeof(*args);
	args->flags = 0;
	args->max_contexts = max;
	args->mailbox = mailbox;
	args->stack_size_bytes = stack_size;
	return dev_ioctl(fd, CORO_IOC_SETUP, args);
}

/* The area at @off of @fd into @ret_area: 0 or -errno. */
static inline int area_map(int fd, __u64 off, __u64 bytes, int prot,
			   void *ret_area)
{
	void *addr = mmap(NULL, bytes, prot, MAP_SHARED, fd, off);

	if (addr == MAP_FAILED)
		return -errno;
	memcpy(ret_area, &addr, sizeof(addr));
	return 0;
}

static inline int sched_map(struct sched *s)
{
	struct coro_setup_args *a = &s->args;
	int prot = PROT_READ | PROT_WRITE;
	int ret;

	ret = area_map(s->fd, a->out_header_off, a->out_header_bytes, prot,
		       &s->header);
	if (!ret)
		ret = area_map(s->fd, a->out_table_off, a->out_table_bytes,
			       prot, &s->table);
	if (!ret)
		ret = area_map(s->fd, a->out_stacks_off, a->out_stacks_bytes,
			       prot, &s->stacks);
	return ret;
}

/* A scheduler that is ready for ALLOC. What fails leaves its rest to the exit of the test. */
static inline int sched_new(struct sched *s, __u32 max, __u32 mailbox,
			    __u64 stack_size)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->fd = dev_open(0);
	if (s->fd < 0)
		return s->fd;
	ret = dev_setup(s->fd, &s->args, max, mailbox, stack_size);
	return ret ? ret : sched_map(s);
}

static inline void sched_unmap(struct sched *s)
{
	if (s->stacks)
		munmap(s->stacks, s->args.out_stacks_bytes);
	if (s->header)
		munmap(s->header, s->args.out_header_bytes);
	if (s->table)
		munmap(s->table, s->args.out_table_bytes);
	s->stacks = NULL;
	s->header = NULL;
	s->table = NULL;
}

static inline void sched_free(struct sched *s)
{
	sched_unmap(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* How many ids were given, or -errno. */
static inline long ctx_alloc(int fd, __u64 *ids, __u32 nr)
{
	struct coro_alloc_args args = {
		.size = sizeof(args),
		.nr = nr,
		.out_nr = POISON32,
		.ids = (uintptr_t)ids,
	};
	int ret;

	memset(ids, POISON, nr * sizeof(*ids));
	ret = dev_ioctl(fd, CORO_IOC_ALLOC, &args);
	return ret ? ret : (long)args.out_nr;
}

/* One context with CORO_ALLOC_F_*: 0, or -errno. */
static inline long ctx_alloc_one(int fd, __u64 *id, __u32 flags)
{
	struct coro_alloc_args args = {
		.size = sizeof(args),
		.flags = flags,
		.nr = 1,
		.out_nr = POISON32,
		.ids = (uintptr_t)id,
	};
	int ret;

	*id = POISON64;
	ret = dev_ioctl(fd, CORO_IOC_ALLOC, &args);
	if (ret)
		return ret;
	return args.out_nr == 1 ? 0 : -EPROTO;
}

/* How many were freed, or -errno. */
static inline long ctx_free(int fd, const __u64 *ids, __u32 nr, __u32 flags)
{
	struct coro_free_args args = {
		.size = sizeof(args),
		.flags = flags,
		.nr = nr,
		.out_nr = POISON32,
		.ids = (uintptr_t)ids,
	};
	int ret = dev_ioctl(fd, CORO_IOC_FREE, &args);

	return ret ? ret : (long)args.out_nr;
}

/* How many were delivered, or -errno. */
static inline long ctx_wake_many(int fd, const struct coro_wake *wakes,
				 __u32 nr)
{
	struct coro_wake_args args = {
		.size = sizeof(args),
		.nr = nr,
		.out_nr = POISON32,
		.wakes = (uintptr_t)wakes,
	};
	int ret = dev_ioctl(fd, CORO_IOC_WAKE, &args);

	return ret ? ret : (long)args.out_nr;
}

/* 0, or -errno. */
static inline long ctx_wake(int fd, __u64 id, __u64 value)
{
	struct coro_wake wake = { .id = id, .value = value };
	long ret = ctx_wake_many(fd, &wake, 1);

	return ret == 1 ? 0 : ret;
}

/* How many were finished, or -errno. */
static inline long ctx_finish_many(int fd, const struct coro_finish *finishes,
				   __u32 nr)
{
	struct coro_finish_args args = {
		.size = sizeof(args),
		.nr = nr,
		.out_nr = POISON32,
		.finishes = (uintptr_t)finishes,
	};
	int ret = dev_ioctl(fd, CORO_IOC_FINISH, &args);

	return ret ? ret : (long)args.out_nr;
}

/* 0, or -errno. */
static inline long ctx_finish(int fd, __u64 id, __u64 value)
{
	struct coro_finish finish = { .id = id, .value = value };
	long ret = ctx_finish_many(fd, &finish, 1);

	return ret == 1 ? 0 : ret;
}

/* Of a scheduler, or with @id 0 of a handle: 0, or -errno. */
static inline long ctx_cancel(int fd, __u64 id, __u64 value)
{
	struct coro_cancel_args args = {
		.size = sizeof(args),
		.id = id,
		.value = value,
	};

	return dev_ioctl(fd, CORO_IOC_CANCEL, &args);
}

/* A handle of @id, or with @id 0 of the handle @fd: its descriptor, or -errno. */
static inline int ctx_export(int fd, __u64 id, __u32 rights, __u32 flags)
{
	struct coro_export_args args = {
		.size = sizeof(args),
		.flags = flags,
		.id = id,
		.rights = rights,
		.out_fd = POISON32,
	};
	int ret = dev_ioctl(fd, CORO_IOC_EXPORT, &args);

	if (ret)
		return ret;
	return args.out_fd < 0 ? -EPROTO : args.out_fd;
}

/* How deep the stack of @id has been in bytes, or -errno. */
static inline long ctx_peak(int fd, __u64 id)
{
	struct coro_peak peak = { .id = id, .out_bytes = POISON64 };
	struct coro_peak_args args = {
		.size = sizeof(args),
		.nr = 1,
		.out_nr = POISON32,
		.peaks = (uintptr_t)&peak,
	};
	int ret = dev_ioctl(fd, CORO_IOC_PEAK, &args);

	return ret ? ret : (long)peak.out_bytes;
}

static inline int sched_stat(int fd, struct coro_stat_args *args)
{
	memset(args, POISON, sizeof(*args));
	args->size = sizeof(*args);
	args->flags = 0;
	return dev_ioctl(fd, CORO_IOC_STAT, args);
}

static inline long stat_figure(int fd, size_t offset)
{
	struct coro_stat_args args;
	int ret = sched_stat(fd, &args);
	__u64 figure;

	memcpy(&figure, (char *)&args + offset, sizeof(figure));
	return ret ? ret : (long)figure;
}

/* One figure of STAT by the name of its field, or -errno. */
#define STAT(fd, field) \
	stat_figure(fd, offsetof(struct coro_stat_args, out_##field))

/* How many events came, or -errno. */
static inline long event_read(int fd, struct coro_event *events, size_t nr)
{
	long ret;

	memset(events, POISON, nr * sizeof(*events));
	ret = sys(read(fd, events, nr * sizeof(*events)));
	if (ret > 0 && ret % sizeof(*events))
		return -EPROTO;
	return ret < 0 ? ret : (long)(ret / sizeof(*events));
}

static inline int set_nonblock(int fd)
{
	return sys(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

/* What poll says now, without waiting. */
static inline int poll_now(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret = sys(poll(&pfd, 1, 0));

	return ret < 0 ? ret : pfd.revents;
}

/* The guard page of the stack of @id. */
static inline char *stack_guard(const struct sched *s, __u64 id)
{
	return s->stacks + CORO_INDEX(id) * s->args.out_stack_size_bytes;
}

/* Page @k of the stack of @id, counted down from the top. */
static inline char *stack_page(const struct sched *s, __u64 id, unsigned int k)
{
	return stack_guard(s, id) + s->args.out_stack_size_bytes -
	       (k + 1) * PAGE;
}

/* One set for each thread: several may probe at once. */
static __thread sigjmp_buf probe_env;
static __thread volatile bool probe_runs;
static __thread void *probe_addr;

static inline void probe_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!probe_runs) {
		/* Not ours: it happens again, and ends the process. */
		signal(sig, SIG_DFL);
		return;
	}
	probe_runs = false;
	probe_addr = info->si_addr;
	siglongjmp(probe_env, sig);
}

/* Read or write the byte at @addr: 0, or the signal that came; probe_addr says where. */
static inline int probe(volatile char *addr, bool write)
{
	struct sigaction act = { .sa_flags = SA_SIGINFO };
	int sig;

	act.sa_sigaction = probe_handler;
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	probe_addr = NULL;
	sig = sigsetjmp(probe_env, 1);
	if (!sig) {
		probe_runs = true;
		if (write)
			*addr = 1;
		else
			(void)*addr;
		probe_runs = false;
	}
	return sig;
}

/* In a child, which has no test to fail: end it with EPROTO unless @call gives @want. */
/* clang-format off */
#define MUST(want, call)						\
	do {								\
		long must_ret = (call);					\
									\
		if (must_ret != (want)) {				\
			fprintf(stderr, "# %s:%d: %s is %ld\n",		\
				__FILE__, __LINE__, #call, must_ret);	\
			return -EPROTO;					\
		}							\
	} while (0)
/* clang-format on */

#define CHILD_SIGNALED(sig) (-1000L - (sig))

/* The end of child @pid: 0, the -errno that its function returned, or CHILD_SIGNALED(). */
static inline long child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFSIGNALED(status))
		return CHILD_SIGNALED(WTERMSIG(status));
	return -(long)WEXITSTATUS(status);
}

/* Start a child that ends with what @fn returns: its pid, or -errno. */
static inline pid_t child_start(long (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	long ret;

	if (pid)
		return sys(pid);
	ret = fn(arg);
	_exit(ret < 0 ? -ret : 0);
}

static inline long in_child(long (*fn)(void *arg), void *arg)
{
	pid_t pid = child_start(fn, arg);

	return pid < 0 ? pid : child_wait(pid);
}

/* Return once thread @tid of process @pid sleeps; false if it is gone. */
static inline bool wait_asleep(pid_t pid, pid_t tid)
{
	char path[64], line[256], *end;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	for (;;) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
		len = read(fd, line, sizeof(line) - 1);
		close(fd);
		if (len <= 0)
			return false;
		line[len] = '\0';
		end = strrchr(line, ')');
		if (end && (end[2] == 'S' || end[2] == 'D'))
			return true;
		if (end && (end[2] == 'Z' || end[2] == 'X'))
			return false;
		sched_yield();
	}
}

/* A door between processes: whoever passes waits until another opens. */
struct door {
	int fd[2];
};

static inline int door_init(struct door *d)
{
	return sys(pipe2(d->fd, O_CLOEXEC));
}

static inline int door_open(struct door *d)
{
	return write(d->fd[1], "", 1) == 1 ? 0 : -errno;
}

/* 0, or -EPIPE if all who could open it are gone. Who passes never opens. */
static inline int door_pass(struct door *d)
{
	char c;

	close(d->fd[1]);
	return read(d->fd[0], &c, 1) == 1 ? 0 : -EPIPE;
}

/* Whether less than @seconds have passed since @start, which is 0 before the first call. */
static inline bool time_left(time_t *start, int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!*start)
		*start = now.tv_sec;
	return now.tv_sec - *start < seconds;
}

/* The module's use count, or -errno. */
static inline long module_uses(void)
{
	FILE *f = fopen("/sys/module/coro/refcnt", "r");
	long nr = -ENOENT;

	if (f) {
		if (fscanf(f, "%ld", &nr) != 1)
			nr = -EPROTO;
		fclose(f);
	}
	return nr;
}

/* True once the use count is @want; false if it is not within ten seconds. */
static inline bool uses_become(long want)
{
	time_t start = 0;

	while (module_uses() != want) {
		if (!time_left(&start, 10))
			return false;
		sched_yield();
	}
	return true;
}

/* The text of the file's fdinfo as process @pid has it; its length or -errno. */
static inline long fdinfo_read(pid_t pid, int fd, char *text, size_t bytes)
{
	char path[64];
	long len;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -errno;
	len = sys(read(info, text, bytes - 1));
	close(info);
	if (len >= 0)
		text[len] = '\0';
	return len;
}

/* What stands behind "@key:\t" at the beginning of a line into @value: 0, or -errno. */
static inline long fdinfo_word(pid_t pid, int fd, const char *key, char *value,
			       size_t bytes)
{
	char text[4096], want[64], *line;
	long len = fdinfo_read(pid, fd, text, sizeof(text));

	if (len < 0)
		return len;
	len = snprintf(want, sizeof(want), "%s:\t", key);
	for (line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, want, len)) {
			snprintf(value, bytes, "%.*s",
				 (int)strcspn(line + len, "\n"), line + len);
			return 0;
		}
	}
	return -ENOENT;
}

/* The same as a number, or -errno. */
static inline long fdinfo_get(pid_t pid, int fd, const char *key)
{
	char value[64];
	long ret = fdinfo_word(pid, fd, key, value, sizeof(value));

	return ret ? ret : strtoll(value, NULL, 0);
}

/* A repeatable random number; @state is the seed first, and never 0. */
static inline __u64 rnd(__u64 *state)
{
	__u64 x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

#endif /* CORO_SELFTESTS_COMMON_H */
