// SPDX-License-Identifier: MIT
/* What a function waits in is not interrupted by what its loop's requests do. */
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib_blocking.h"

BLOCKING_FIXTURE(handoff_eintr)

/* Requests that complete while functions wait. */
#define COMPLETIONS 4000
#define PAIRS 8
#define WAIT_NS CORO_MSEC

static unsigned int completions;

static void count_completion(void)
{
	__atomic_add_fetch(&completions, 1, __ATOMIC_RELAXED);
}

static bool enough(void)
{
	return __atomic_load_n(&completions, __ATOMIC_RELAXED) >= COMPLETIONS;
}

/* What the functions wait at. The pipe is the only one where something comes. */
static struct places {
	int epoll, pipe[2], silent[2], sems;
	sem_t sem;
	uint32_t futex;
} at;

static const struct timespec wait_ts = { .tv_nsec = WAIT_NS };

static struct timespec after_wait(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += WAIT_NS;
	ts.tv_sec += ts.tv_nsec / CORO_SEC;
	ts.tv_nsec %= CORO_SEC;
	return ts;
}

static int in_epoll_wait(void)
{
	struct epoll_event event;

	return epoll_wait(at.epoll, &event, 1, 1);
}

static int in_poll(void)
{
	struct pollfd p = { .fd = at.silent[0], .events = POLLIN };

	return poll(&p, 1, 1);
}

static int in_select(void)
{
	struct timeval tv = { .tv_usec = 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(at.silent[0], &set);
	return select(at.silent[0] + 1, &set, NULL, NULL, &tv);
}

static int in_nanosleep(void)
{
	return nanosleep(&wait_ts, NULL);
}

static int in_clock_nanosleep(void)
{
	struct timespec ts = after_wait(CLOCK_MONOTONIC);

	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return errno ? -1 : 0;
}

static int in_sem_timedwait(void)
{
	struct timespec ts = after_wait(CLOCK_REALTIME);

	return sem_timedwait(&at.sem, &ts);
}

static int in_futex(void)
{
	return (int)syscall(SYS_futex, &at.futex, FUTEX_WAIT_PRIVATE, 0,
			    &wait_ts, NULL, 0);
}

static int in_semtimedop(void)
{
	struct sembuf op = { .sem_op = -1 };

	return semtimedop(at.sems, &op, 1, &wait_ts);
}

static int in_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMAX);
	return sigtimedwait(&set, NULL, &wait_ts);
}

static int in_recv(void)
{
	char c;

	return (int)recv(at.silent[0], &c, 1, 0);
}

static int in_read(void)
{
	char c;

	return (int)read(at.pipe[0], &c, 1);
}

static const struct {
	const char *name;
	int (*wait)(void);
} waits[] = {
	{ "epoll_wait", in_epoll_wait },
	{ "poll", in_poll },
	{ "select", in_select },
	{ "nanosleep", in_nanosleep },
	{ "clock_nanosleep", in_clock_nanosleep },
	{ "sem_timedwait", in_sem_timedwait },
	{ "futex", in_futex },
	{ "semtimedop", in_semtimedop },
	{ "sigtimedwait", in_sigtimedwait },
	{ "recv", in_recv },
	{ "read", in_read },
};

static int interrupted[ARRAY_SIZE(waits)];

static long wait_in_all_ways(void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		interrupted[i] += waits[i].wait() < 0 && errno == EINTR;
	return (long)arg;
}

static long answer(void *arg)
{
	int fd = (int)(long)arg;
	char c;

	while (coro_io_recv(fd, &c, 1, 0, CORO_NEVER) == 1 &&
	       coro_io_send(fd, &c, 1, 0, CORO_NEVER) == 1)
		count_completion();
	return 0;
}

/* Completions at once, those that a timer or a cancel brings, and a byte to read. */
static long ask(void *arg)
{
	int fd = (int)(long)arg;
	char c = 'x';

	while (!enough()) {
		coro_io_send(fd, &c, 1, 0, CORO_NEVER);
		coro_io_recv(fd, &c, 1, 0, CORO_NEVER);
		coro_io_recv(fd, &c, 1, 0, coro_after(CORO_MSEC / 10));
		coro_sleep(CORO_MSEC / 10);
	}
	shutdown(fd, SHUT_RDWR);
	return 0;
}

static long feed(void *arg)
{
	while (!coro_sleep(CORO_MSEC))
		coro_io_write(at.pipe[1], arg, 1, CORO_NEVER);
	return 0;
}

static void open_places(void)
{
	const struct timeval tv = { .tv_usec = 1000 };

	at.epoll = epoll_create1(EPOLL_CLOEXEC);
	EXPECT_LE(0, at.epoll);
	EXPECT_EQ(0, pipe(at.pipe));
	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, at.silent));
	EXPECT_EQ(0, setsockopt(at.silent[0], SOL_SOCKET, SO_RCVTIMEO, &tv,
				sizeof(tv)));
	at.sems = semget(IPC_PRIVATE, 1, 0600);
	/* A kernel may have none of these: then the wait fails, and not with EINTR. */
	EXPECT_TRUE(at.sems >= 0 || errno == ENOSYS);
	EXPECT_EQ(0, sem_init(&at.sem, 0, 0));
}

static void close_places(void)
{
	EXPECT_TRUE(at.sems < 0 || !semctl(at.sems, 0, IPC_RMID));
	close(at.epoll);
	close(at.pipe[0]);
	close(at.pipe[1]);
	close(at.silent[0]);
	close(at.silent[1]);
}

static long wait_beside_the_ring(void *arg)
{
	struct coro *asks[PAIRS], *answers[PAIRS];
	int fd[PAIRS][2];

	(void)arg;
	coro_spawn(feed, "x");
	for (int i = 0; i < PAIRS; i++) {
		EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]));
		answers[i] = coro_new(answer, (void *)(long)fd[i][0]);
		asks[i] = coro_new(ask, (void *)(long)fd[i][1]);
		EXPECT_EQ(0, coro_start(answers[i]));
		EXPECT_EQ(0, coro_start(asks[i]));
	}
	/* From one thread, and then from the one that took over. */
	while (!enough())
		EXPECT_EQ(0, coro_blocking(wait_in_all_ways, NULL, NULL));
	for (int i = 0; i < PAIRS; i++) {
		EXPECT_EQ(0, coro_await(asks[i]));
		EXPECT_EQ(0, coro_await(answers[i]));
		close(fd[i][0]);
		close(fd[i][1]);
	}
	return 0;
}

TEST_F(handoff_eintr, no_wait_of_a_function_is_interrupted)
{
	open_places();
	EXPECT_EQ(0, run_loop(wait_beside_the_ring, NULL));
	close_places();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		if (interrupted[i])
			TH_LOG("%s: %d times", waits[i].name, interrupted[i]);
		EXPECT_EQ(0, interrupted[i]);
	}
}

TEST_HARNESS_MAIN
