/* SPDX-License-Identifier: GPL-2.0 */
/* Workers under test: the calls of a thread, and threads that block when told to. */
#ifndef CORO_SELFTESTS_WORKER_H
#define CORO_SELFTESTS_WORKER_H

#include "common.h"

#define BLOCKING CORO_WORKER_BLOCKING

static inline long wrk_attach(int fd, struct coro_attach_args *args)
{
	memset(args, POISON, sizeof(*args));
	args->size = sizeof(*args);
	args->flags = 0;
	return dev_ioctl(fd, CORO_IOC_ATTACH, args);
}

static inline long wrk_detach(int fd)
{
	struct coro_detach_args args = { .size = sizeof(args) };

	return dev_ioctl(fd, CORO_IOC_DETACH, &args);
}

static inline long wrk_standby(int fd, struct coro_standby_args *args,
			       __s64 deadline_ns)
{
	memset(args, POISON, sizeof(*args));
	args->size = sizeof(*args);
	args->flags = 0;
	args->deadline_ns = deadline_ns;
	return dev_ioctl(fd, CORO_IOC_STANDBY, args);
}

static inline long wrk_kick(int fd, __u32 id)
{
	struct coro_kick_args args = { .size = sizeof(args), .id = id };

	return dev_ioctl(fd, CORO_IOC_KICK, &args);
}

/* CLOCK_MONOTONIC, so many milliseconds from now. */
static inline __s64 in_ms(long ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec + ms * 1000000LL;
}

static inline __u64 word_get(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void word_set(__u64 *word, __u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline bool word_take(__u64 *word, __u64 from, __u64 to)
{
	return __atomic_compare_exchange_n(word, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* A scheduler with the pages of all its workers. */
struct crew {
	struct sched s;
	char *pages;
	__u32 max;
};

static inline long crew_new(struct crew *c)
{
	struct coro_attach_args args;
	long ret = sched_new(&c->s, 8, 8, 2 * PAGE);

	if (!ret)
		ret = wrk_attach(c->s.fd, &args);
	if (!ret)
		ret = wrk_detach(c->s.fd);
	if (ret)
		return ret;
	c->max = args.out_max_workers;
	return area_map(c->s.fd, CORO_OFF_WORKERS, c->max * PAGE,
			PROT_READ | PROT_WRITE, &c->pages);
}

static inline void crew_free(struct crew *c)
{
	if (c->pages)
		munmap(c->pages, c->max * PAGE);
	c->pages = NULL;
	sched_free(&c->s);
}

static inline __u64 *crew_word(const struct crew *c, __u32 id)
{
	return &((struct coro_shm_worker *)(c->pages + id * PAGE))->word;
}

/* Another thread, which does @fn. Its @tid is there once it runs. */
struct hand {
	struct crew *crew;
	long (*fn)(struct hand *hand);
	pthread_t thread;
	pid_t tid;
	__u32 id; /* as a worker */
	__u64 word; /* that it blocks with */
	__u64 ready; /* what it sleeps in from here on is what it is to sleep in */
	struct coro_standby_args sb;
	struct door door; /* what it blocks at */
	long ret;
};

static inline void *hand_main(void *arg)
{
	struct hand *hand = arg;

	__atomic_store_n(&hand->tid, (pid_t)syscall(SYS_gettid),
			 __ATOMIC_SEQ_CST);
	hand->ret = hand->fn(hand);
	return NULL;
}

static inline void hand_start(struct hand *hand, struct crew *crew,
			      long (*fn)(struct hand *hand))
{
	memset(hand, 0, sizeof(*hand));
	hand->crew = crew;
	hand->fn = fn;
	if (door_init(&hand->door) ||
	    pthread_create(&hand->thread, NULL, hand_main, hand))
		abort();
	while (!__atomic_load_n(&hand->tid, __ATOMIC_SEQ_CST))
		sched_yield();
}

static inline long hand_join(struct hand *hand)
{
	pthread_join(hand->thread, NULL);
	close(hand->door.fd[0]);
	close(hand->door.fd[1]);
	return hand->ret;
}

static inline void hand_ready(struct hand *hand)
{
	word_set(&hand->ready, 1);
}

/* Sleeps until its door is opened. */
static inline long hand_pass(struct hand *hand)
{
	char c;

	return read(hand->door.fd[0], &c, 1) == 1 ? 0 : -EPIPE;
}

static inline bool hand_asleep(const struct hand *hand)
{
	while (!word_get(&hand->ready))
		sched_yield();
	return wait_asleep(getpid(), hand->tid);
}

#endif /* CORO_SELFTESTS_WORKER_H */
