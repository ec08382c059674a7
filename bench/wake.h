/* SPDX-License-Identifier: GPL-2.0 */
/* Two tasks that send messages to each other, and the ways in which they can. */
#ifndef CORO_BENCH_WAKE_H
#define CORO_BENCH_WAKE_H

#include <liburing.h>
#include <linux/coro.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Most messages one way before one comes back. */
#define MAX_BURST 64
/* Descriptors that a side shows to the other. */
#define MAX_FDS 2
/* For a read that was armed once. */
#define NR_BUFFERS 8

/* Memory that both sides have, whether they share the rest of it or not. */
struct shared {
	pthread_barrier_t barrier;
	int error[2]; /* why a side could not be set up: -errno */
	int pid[2];
	int fds[2][MAX_FDS];
	uint64_t ids[2][MAX_BURST]; /* of its contexts */
	struct {
		_Alignas(64) uint32_t word;
	} box[2]; /* the last message to that side, where no file carries it */
};

struct side;

/* One way of messages between two tasks. */
struct way {
	const char *name;
	const char *sort; /* "ours" or "peer" */
	const char *waits; /* for what: "ring", or "call", which blocks */
	unsigned int burst; /* messages to side 1; one comes back */
	bool same_process; /* it is for threads only */
	/* Make what this side needs, and what the other needs of it; or -errno. */
	int (*open)(struct side *me);
	/* The same when the other's descriptors are in @me->peer; or NULL. */
	int (*link)(struct side *me);
	/* Messages @v, @v + 1 ...; those in a ring may leave with the next receive. */
	void (*send)(struct side *me, uint64_t v, unsigned int nr);
	/* Wait for one to @nr messages: how many. */
	unsigned int (*receive)(struct side *me, uint64_t *values,
				unsigned int nr);
};

struct side {
	const struct way *way;
	struct shared *sh;
	unsigned int nr; /* 0 measures, 1 answers */
	bool threads;
	int own; /* the descriptor that it receives from */
	int peer[MAX_FDS]; /* the other's descriptors, here */
	struct io_uring ring;
	struct io_uring_buf_ring *buffers; /* of pool */
	uint32_t last; /* what it saw in its box */

	/* Operations of the ring use these until they are complete. */
	struct coro_uring_args park;
	struct coro_uring_args message;
	struct coro_event pool[NR_BUFFERS];
	uint64_t out[MAX_BURST];
	struct coro_wake wakes[MAX_BURST];
	union {
		struct coro_event events[MAX_BURST];
		uint64_t words[MAX_BURST];
	} in;
};

extern const struct way wake_ours[];
extern const unsigned int nr_wake_ours;
extern const struct way wake_peers[];
extern const unsigned int nr_wake_peers;

/* Fixed files of each ring. */
#define FILE_OWN 0
#define FILE_PEER 1

/* user_data of sends, which say nothing if they went well; of receives it is 0. */
#define TAG_SENT 1

struct completion {
	uint64_t tag; /* user_data */
	int res;
	unsigned int flags;
};

/* IORING_OP_READ_MULTISHOT, of newer kernels than the headers. */
#define RING_READ_MULTISHOT 49

/* All rings have the same flags, a registered descriptor and fixed files. */
int ring_open(struct side *me);
int ring_link(struct side *me);
int ring_link_poll(struct side *me);
int ring_link_multishot(struct side *me);
/* Whether the kernel has that operation: 0 or -EOPNOTSUPP. */
int ring_knows(struct side *me, int op);
struct io_uring_sqe *ring_sqe(struct side *me);
/* Nothing is heard of it unless it fails. */
void ring_sending(struct io_uring_sqe *sqe, unsigned int flags);
/* Submits and waits in one call: a copy of the one completion. */
struct completion ring_wait(struct side *me);
/* The same for a receive: its result. */
unsigned int ring_received(struct side *me);
void ring_polled(struct side *me);

/* Messages as words, through files that are written and read. */
void send_write(struct side *me, uint64_t v, unsigned int nr);
void send_ring(struct side *me, uint64_t v, unsigned int nr);
/* Bytes that came to @me->in. */
unsigned int read_own(struct side *me, unsigned int bytes);
unsigned int ring_read_own(struct side *me, unsigned int bytes);
unsigned int ring_read_multishot(struct side *me);

#endif /* CORO_BENCH_WAKE_H */
