// SPDX-License-Identifier: GPL-2.0
/* Figure "wake": what it costs to wake another task where time is counted in instructions. */
#define _GNU_SOURCE
#include "wake.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "rounds.h"

/* Each is measured so often, and the median counts: ticks fall out. */
#define TRIES 9
#define WARM 20
#define TRIPS 50
/* Seconds until it is taken for hung. */
#define LIMIT 20
/* Seconds in which the machine comes to rest. */
#define SETTLE 30

static void meet(struct side *me)
{
	pthread_barrier_wait(&me->sh->barrier);
}

/* Whether both sides are ready; the first error is printed by side 0. */
static bool agree(struct side *me, int error)
{
	me->sh->error[me->nr] = error;
	meet(me);
	return !me->sh->error[0] && !me->sh->error[1];
}

static void take_fds(struct side *me)
{
	const int *theirs = me->sh->fds[!me->nr];
	int pidfd = -1;

	if (!me->threads) {
		pidfd = syscall(SYS_pidfd_open, me->sh->pid[!me->nr], 0);
		must(pidfd >= 0, "pidfd_open");
	}
	for (int i = 0; i < MAX_FDS; i++) {
		me->peer[i] = theirs[i];
		if (me->threads || theirs[i] < 0)
			continue;
		me->peer[i] = syscall(SYS_pidfd_getfd, pidfd, theirs[i], 0);
		must(me->peer[i] >= 0, "pidfd_getfd");
	}
}

static bool set_up(struct side *me)
{
	int error;

	me->sh->pid[me->nr] = getpid();
	for (int i = 0; i < MAX_FDS; i++)
		me->sh->fds[me->nr][i] = -1;
	error = me->way->open(me);
	if (!agree(me, error))
		return false;
	take_fds(me);
	error = me->way->link ? me->way->link(me) : 0;
	return agree(me, error);
}

/* @nr messages, which must be @v, @v + 1 ... */
static void receive(struct side *me, uint64_t v, unsigned int nr)
{
	uint64_t values[MAX_BURST];
	unsigned int got = 0;

	do {
		got += me->way->receive(me, values + got, nr - got);
	} while (got < nr);
	for (unsigned int i = 0; i < nr; i++)
		must(values[i] == v + i, "comparing what was received");
}

static uint64_t trips(struct side *me, uint64_t v, unsigned int nr)
{
	unsigned int burst = me->way->burst;

	for (unsigned int i = 0; i < nr; i++) {
		me->way->send(me, v, burst);
		receive(me, v, 1);
		v += burst;
	}
	return v;
}

static void __attribute__((noreturn)) answer(struct side *me)
{
	unsigned int burst = me->way->burst;

	for (uint64_t v = 1;; v += burst) {
		receive(me, v, burst);
		me->way->send(me, v, 1);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double measure(struct side *me)
{
	uint64_t took[TRIES], from, v = trips(me, 1, WARM);

	for (int t = 0; t < TRIES; t++) {
		from = __rdtsc();
		v = trips(me, v, TRIPS);
		took[t] = __rdtsc() - from;
	}
	qsort(took, TRIES, sizeof(*took), compare);
	return (double)took[TRIES / 2] / TRIPS;
}

static void *side_one(void *arg)
{
	struct side *me = arg;

	if (set_up(me))
		answer(me);
	return NULL;
}

static void report(const struct side *me, double value)
{
	const int *error = me->sh->error;

	printf("trip\t%s\t%s\t%s\t%s\t%u\t%.1f\t%s\n",
	       me->threads ? "threads" : "processes", me->way->sort,
	       me->way->waits, me->way->name, me->way->burst, value,
	       value ? "-" : strerrorname_np(-(error[0] ?: error[1])));
	fflush(stdout);
}

static struct side *side_new(const struct way *way, struct shared *sh,
			     unsigned int nr, bool threads)
{
	struct side *me = aligned_alloc(4096, (sizeof(*me) + 4095) & ~4095UL);

	must(!!me, "aligned_alloc");
	memset(me, 0, sizeof(*me));
	me->way = way;
	me->sh = sh;
	me->nr = nr;
	me->threads = threads;
	return me;
}

static struct shared *shared_new(void)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t attr;

	must(sh != MAP_FAILED, "mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sh->barrier, &attr, 2);
	return sh;
}

/* In a process of its own, which takes side 1 with it: that has no end. */
static void run(const struct way *way, bool threads)
{
	struct shared *sh = shared_new();
	struct side *zero = side_new(way, sh, 0, threads);
	struct side *one = side_new(way, sh, 1, threads);
	pthread_t thread;
	pid_t pid = 0;

	alarm(LIMIT);
	if (threads)
		must(!pthread_create(&thread, NULL, side_one, one),
		     "pthread_create");
	else
		pid = fork();
	must(pid >= 0, "fork");
	if (!threads && !pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		side_one(one);
		_exit(0);
	}
	report(zero, set_up(zero) ? measure(zero) : 0);
	exit(0);
}

/* Between processes and between threads, of which only the latter share a scheduler. */
static void run_all(const struct way *ways, unsigned int nr, const char *only)
{
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < 2 * nr; i++) {
		const struct way *way = &ways[i / 2];
		bool threads = i & 1;

		if ((way->same_process && !threads) ||
		    (only && !strstr(way->name, only)))
			continue;
		pid = fork();
		must(pid >= 0, "fork");
		if (!pid)
			run(way, threads);
		must(waitpid(pid, &status, 0) == pid, "waitpid");
		if (status) {
			printf("%s: status %#x\n", way->name, status);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	const struct sched_param param = { .sched_priority = 0 };
	const char *only = argc > 1 ? argv[1] : NULL;

	/*
	 * Who is woken runs when the other one waits. Otherwise it runs at once
	 * if the kernel thinks that it is its turn, and that changes: the other,
	 * stopped before it could wait, finds the answer there.
	 */
	must(!sched_setscheduler(0, SCHED_BATCH, &param), "SCHED_BATCH");
	/* What the machine does after its boot; its clock leaps to the end. */
	sleep(SETTLE);
	run_all(wake_ours, nr_wake_ours, only);
	run_all(wake_peers, nr_wake_peers, only);
	return 0;
}
