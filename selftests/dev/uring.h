/* SPDX-License-Identifier: GPL-2.0 */
/* Rings under test: requests by number and by struct, completions by their tag. */
#ifndef CORO_SELFTESTS_URING_H
#define CORO_SELFTESTS_URING_H

#include <liburing.h>

#include "handle.h"
#include "kselftest_harness.h"

#define RING_ENTRIES 128U
#define RING_CQES 4096U
#define RING_FILES 16U
#define NSEC_PER_SEC 1000000000LL

/* Tags of requests; what is above is free for counting. */
enum {
	TAG_RUN = 1,
	TAG_A,
	TAG_B,
	TAG_C,
	TAG_MANY = 1000,
};

struct ring {
	struct io_uring ring;
	bool fixed; /* files by the numbers that they are registered with */
	bool async; /* every request by a thread of the kernel */
	int files[RING_FILES];
	unsigned int nr_files;
	/* Completions that came before they were asked for. */
	struct {
		__u64 tag;
		long res;
	} early[RING_CQES];
	unsigned int nr_early;
};

static inline int ring_init(struct ring *r, unsigned int flags, bool fixed,
			    bool async)
{
	struct io_uring_params p = {
		.flags = flags | IORING_SETUP_CQSIZE,
		.cq_entries = RING_CQES,
		.sq_thread_idle = 100,
	};
	int ret;

	memset(r, 0, sizeof(*r));
	r->fixed = fixed;
	r->async = async;
	ret = io_uring_queue_init_params(RING_ENTRIES, &r->ring, &p);
	if (!ret && fixed)
		ret = io_uring_register_files_sparse(&r->ring, RING_FILES);
	return ret;
}

static inline void ring_exit(struct ring *r)
{
	io_uring_queue_exit(&r->ring);
}

/* What stands for the file @fd in a request. */
static inline int ring_file(struct ring *r, int fd)
{
	unsigned int i;

	if (!r->fixed)
		return fd;
	for (i = 0; i < r->nr_files; i++) {
		if (r->files[i] == fd)
			return i;
	}
	if (i == RING_FILES ||
	    io_uring_register_files_update(&r->ring, i, &fd, 1) != 1)
		return -1;
	r->files[i] = fd;
	return r->nr_files++;
}

static inline struct io_uring_sqe *ring_sqe(struct ring *r, __u8 op, int fd,
					    __u64 tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	if (!sqe) {
		io_uring_submit(&r->ring);
		io_uring_sqring_wait(&r->ring);
		sqe = io_uring_get_sqe(&r->ring);
	}
	if (!sqe)
		abort();
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd < 0 ? fd : ring_file(r, fd);
	sqe->user_data = tag;
	if (r->fixed && fd >= 0)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (r->async)
		sqe->flags |= IOSQE_ASYNC;
	return sqe;
}

/* A command; @args must stay until it is complete. */
static inline struct io_uring_sqe *ring_cmd(struct ring *r, int fd, __u32 op,
					    const struct coro_uring_args *args,
					    __u64 tag)
{
	struct io_uring_sqe *sqe = ring_sqe(r, IORING_OP_URING_CMD, fd, tag);
	__u64 addr = (uintptr_t)args;

	sqe->cmd_op = op;
	memcpy(sqe->cmd, &addr, sizeof(addr));
	return sqe;
}

/* Give all requests to the kernel, and return when it has taken them: 0, or -errno. */
static inline int ring_submit(struct ring *r)
{
	int ret = io_uring_submit(&r->ring);

	while (io_uring_sq_ready(&r->ring)) {
		if (!(r->ring.flags & IORING_SETUP_SQPOLL))
			return -EBUSY;
		sched_yield();
	}
	return ret < 0 ? ret : 0;
}

/* Put what has completed aside; how many have. */
static inline unsigned int ring_reap(struct ring *r)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(&r->ring);
	while (r->nr_early < RING_CQES && !io_uring_peek_cqe(&r->ring, &cqe)) {
		r->early[r->nr_early].tag = cqe->user_data;
		r->early[r->nr_early++].res = cqe->res;
		io_uring_cqe_seen(&r->ring, cqe);
	}
	return r->nr_early;
}

/* The oldest completion of @tag into @res, if there is one. */
static inline bool ring_take(struct ring *r, __u64 tag, long *res)
{
	unsigned int i;

	ring_reap(r);
	for (i = 0; i < r->nr_early; i++) {
		if (r->early[i].tag != tag)
			continue;
		*res = r->early[i].res;
		r->nr_early--;
		memmove(&r->early[i], &r->early[i + 1],
			(r->nr_early - i) * sizeof(r->early[0]));
		return true;
	}
	return false;
}

/* The result of @tag, waited for. */
static inline long ring_wait(struct ring *r, __u64 tag)
{
	struct io_uring_cqe *cqe;
	long res;

	while (!ring_take(r, tag, &res)) {
		res = io_uring_wait_cqe(&r->ring, &cqe);
		if (res && res != -EINTR)
			return -EPROTO;
	}
	return res;
}

/* True if @tag has not completed. */
static inline bool ring_quiet(struct ring *r, __u64 tag)
{
	unsigned int i;

	ring_reap(r);
	for (i = 0; i < r->nr_early; i++) {
		if (r->early[i].tag == tag)
			return false;
	}
	return true;
}

/* Whether commands may wait on this kernel. */
static inline bool sched_waits(const struct sched *s)
{
	return s->args.out_features & CORO_FEAT_URING_WAIT;
}

/*
 * Submit what has to wait. True if @tag waits then; where commands cannot, it
 * must be refused.
 */
static inline bool ring_parks(struct __test_metadata *_metadata, struct ring *r,
			      const struct sched *s, __u64 tag)
{
	EXPECT_EQ(0, ring_submit(r));
	if (!sched_waits(s)) {
		EXPECT_EQ(-EOPNOTSUPP, ring_wait(r, tag));
		return false;
	}
	EXPECT_TRUE(ring_quiet(r, tag));
	return true;
}

/* One command alone: its result. */
static inline long ring_run(struct ring *r, int fd, __u32 op,
			    const struct coro_uring_args *args)
{
	int ret;

	ring_cmd(r, fd, op, args, TAG_RUN);
	ret = ring_submit(r);
	return ret ? ret : ring_wait(r, TAG_RUN);
}

static inline struct coro_uring_args
args_park(__u64 id, struct coro_event *events, __u32 nr, __s64 deadline_ns)
{
	memset(events, POISON, nr * sizeof(*events));
	return (struct coro_uring_args){
		.size = sizeof(struct coro_uring_args),
		.id = id,
		.deadline_ns = deadline_ns,
		.addr = (uintptr_t)events,
		.nr = nr,
	};
}

static inline struct coro_uring_args args_send(__u64 id, __u64 value,
					       __s64 deadline_ns)
{
	return (struct coro_uring_args){
		.size = sizeof(struct coro_uring_args),
		.id = id,
		.deadline_ns = deadline_ns,
		.value = value,
	};
}

static inline struct coro_uring_args
args_join(__u64 id, struct coro_result *result, __s64 deadline_ns)
{
	memset(result, POISON, sizeof(*result));
	return (struct coro_uring_args){
		.size = sizeof(struct coro_uring_args),
		.id = id,
		.deadline_ns = deadline_ns,
		.addr = (uintptr_t)result,
	};
}

/* CANCEL with a reason, or WITHDRAW with a tag and no id. */
static inline struct coro_uring_args args_cancel(__u64 id, __u64 value)
{
	return args_send(id, value, 0);
}

static inline long ring_withdraw(struct ring *r, int fd, __u64 tag)
{
	struct coro_uring_args args = args_cancel(0, tag);

	return ring_run(r, fd, CORO_URING_WITHDRAW, &args);
}

/* The same for what waits, or will soon where other threads run the requests. */
static inline long ring_end(struct ring *r, int fd, __u64 tag)
{
	long ret;

	do
		ret = ring_withdraw(r, fd, tag);
	while (r->async && ret == -ENOENT && ring_quiet(r, tag));
	return ret;
}

static inline __s64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* The rings that commands are tried on. */
/* clang-format off */
#define RING_VARIANTS(fixture)						\
	FIXTURE_VARIANT(fixture)					\
	{								\
		unsigned int flags;					\
		bool fixed, async;					\
	};								\
	FIXTURE_VARIANT_ADD(fixture, plain) {				\
		.flags = 0,						\
	};								\
	FIXTURE_VARIANT_ADD(fixture, coop) {				\
		.flags = IORING_SETUP_COOP_TASKRUN,			\
	};								\
	FIXTURE_VARIANT_ADD(fixture, defer) {				\
		.flags = IORING_SETUP_SINGLE_ISSUER |			\
			 IORING_SETUP_DEFER_TASKRUN,			\
	};								\
	FIXTURE_VARIANT_ADD(fixture, sqpoll) {				\
		.flags = IORING_SETUP_SQPOLL,				\
	};								\
	FIXTURE_VARIANT_ADD(fixture, fixed) {				\
		.fixed = true,						\
	};								\
	FIXTURE_VARIANT_ADD(fixture, defer_fixed) {			\
		.flags = IORING_SETUP_SINGLE_ISSUER |			\
			 IORING_SETUP_DEFER_TASKRUN,			\
		.fixed = true,						\
	};								\
	FIXTURE_VARIANT_ADD(fixture, worker) {				\
		.async = true,						\
	};								\
	FIXTURE_VARIANT_ADD(fixture, large_entries) {			\
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32,	\
	}
/* clang-format on */

#endif /* CORO_SELFTESTS_URING_H */
