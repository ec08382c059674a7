// SPDX-License-Identifier: GPL-2.0
/* What the kernel offers without the module to wake a task, with and without a ring. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rounds.h"
#include "wake.h"

/* Of newer kernels than the headers that this is built with. */
#define OP_FUTEX_WAIT 51
#define OP_FUTEX_WAKE 52
#define FUTEX_IS_U32 2
#define FUTEX_IS_PRIVATE 128

/* user_data of a message that asks whether there can be messages. */
#define ASKING 7

static unsigned int words_get(const struct side *me, uint64_t *values,
			      unsigned int bytes)
{
	memcpy(values, me->in.words, bytes);
	return bytes / sizeof(*values);
}

static unsigned int receive_read(struct side *me, uint64_t *values,
				 unsigned int nr)
{
	return words_get(me, values, read_own(me, nr * sizeof(*values)));
}

static unsigned int receive_ring_read(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	return words_get(me, values, ring_read_own(me, nr * sizeof(*values)));
}

static unsigned int receive_poll_read(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	ring_polled(me);
	return receive_read(me, values, nr);
}

static int eventfd_new(struct side *me, int flags)
{
	me->own = eventfd(0, EFD_CLOEXEC | flags);
	me->sh->fds[me->nr][0] = me->own;
	return me->own < 0 ? -errno : 0;
}

static int open_eventfd(struct side *me)
{
	return eventfd_new(me, 0);
}

static int open_eventfd_ring(struct side *me)
{
	return eventfd_new(me, 0) ?: ring_open(me);
}

/*
 * The kernel writes from a ring to an eventfd that may block only in a thread
 * of its own, and does not wait to read from one that may not.
 */
static int open_eventfd_nonblock(struct side *me)
{
	return eventfd_new(me, EFD_NONBLOCK) ?: ring_open(me);
}

static int open_pipe(struct side *me)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	me->own = ends[0];
	me->sh->fds[me->nr][0] = ends[1];
	return 0;
}

static int open_pipe_ring(struct side *me)
{
	return open_pipe(me) ?: ring_open(me);
}

static int open_multishot(struct side *me)
{
	return open_eventfd_ring(me) ?: ring_knows(me, RING_READ_MULTISHOT);
}

static unsigned int receive_multishot(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	(void)nr;
	return words_get(me, values, ring_read_multishot(me));
}

/* The ring itself as the way: a completion is the message. */

static int open_ring(struct side *me)
{
	int ret = ring_open(me);

	me->sh->fds[me->nr][0] = me->ring.ring_fd;
	return ret;
}

static int link_ring(struct side *me)
{
	struct io_uring_sqe *sqe = ring_sqe(me);
	struct completion c;

	io_uring_prep_msg_ring(sqe, me->peer[0], 0, ASKING, 0);
	sqe->user_data = TAG_SENT;
	do {
		c = ring_wait(me);
	} while (c.tag != TAG_SENT);
	return c.res;
}

static void send_msg_ring(struct side *me, uint64_t v, unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(me);

	(void)nr;
	io_uring_prep_msg_ring(sqe, me->peer[0], 1, v, 0);
	ring_sending(sqe, 0);
}

static unsigned int receive_msg_ring(struct side *me, uint64_t *values,
				     unsigned int nr)
{
	struct completion c;

	(void)nr;
	do {
		c = ring_wait(me);
	} while (!c.res && c.tag == ASKING);
	must(c.res == 1, "IORING_OP_MSG_RING");
	*values = c.tag;
	return 1;
}

/* Messages in memory of both; what is waited for says only that one is there. */

static void box_put(struct side *me, uint64_t v)
{
	__atomic_store_n(&me->sh->box[!me->nr].word, v, __ATOMIC_SEQ_CST);
}

static uint32_t box_peek(struct side *me)
{
	return __atomic_load_n(&me->sh->box[me->nr].word, __ATOMIC_SEQ_CST);
}

static unsigned int box_get(struct side *me, uint64_t *values)
{
	me->last = box_peek(me);
	*values = me->last;
	return 1;
}

static void send_doorbell(struct side *me, uint64_t v, unsigned int nr)
{
	const uint64_t one = 1;

	(void)nr;
	box_put(me, v);
	must(write(me->peer[0], &one, sizeof(one)) == sizeof(one), "write");
}

static void send_ring_doorbell(struct side *me, uint64_t v, unsigned int nr)
{
	box_put(me, v);
	send_ring(me, 1, nr);
}

/* The count is never read: each write is a completion all the same. */
static unsigned int receive_doorbell(struct side *me, uint64_t *values,
				     unsigned int nr)
{
	(void)nr;
	ring_polled(me);
	return box_get(me, values);
}

static int open_nothing(struct side *me)
{
	(void)me;
	return 0;
}

static void send_futex(struct side *me, uint64_t v, unsigned int nr)
{
	(void)nr;
	box_put(me, v);
	syscall(SYS_futex, &me->sh->box[!me->nr].word,
		FUTEX_WAKE | (me->threads ? FUTEX_PRIVATE_FLAG : 0), 1, NULL,
		NULL, 0);
}

static unsigned int receive_futex(struct side *me, uint64_t *values,
				  unsigned int nr)
{
	(void)nr;
	while (box_peek(me) == me->last)
		syscall(SYS_futex, &me->sh->box[me->nr].word,
			FUTEX_WAIT | (me->threads ? FUTEX_PRIVATE_FLAG : 0),
			me->last, NULL, NULL, 0);
	return box_get(me, values);
}

static struct io_uring_sqe *ring_futex(struct side *me, unsigned int op,
				       unsigned int whose, uint64_t value)
{
	struct io_uring_sqe *sqe = ring_sqe(me);
	int flags = FUTEX_IS_U32 | (me->threads ? FUTEX_IS_PRIVATE : 0);

	io_uring_prep_rw(op, sqe, flags, &me->sh->box[whose].word, 0, value);
	sqe->addr3 = FUTEX_BITSET_MATCH_ANY;
	return sqe;
}

static void send_ring_futex(struct side *me, uint64_t v, unsigned int nr)
{
	box_put(me, v);
	ring_sending(ring_futex(me, OP_FUTEX_WAKE, !me->nr, nr), 0);
}

static unsigned int receive_ring_futex(struct side *me, uint64_t *values,
				       unsigned int nr)
{
	struct completion c;

	(void)nr;
	while (box_peek(me) == me->last) {
		ring_futex(me, OP_FUTEX_WAIT, me->nr, me->last);
		c = ring_wait(me);
		must(!c.res || c.res == -EAGAIN, "IORING_OP_FUTEX_WAIT");
	}
	return box_get(me, values);
}

static int open_ring_futex(struct side *me)
{
	return ring_open(me) ?: ring_knows(me, OP_FUTEX_WAIT);
}

#define PEER(w, n) .name = (n), .sort = "peer", .waits = (w), .burst = 1

const struct way wake_peers[] = {
	{ PEER("ring", "eventfd: write, ring READ"), .open = open_eventfd_ring,
	  .link = ring_link, .send = send_write, .receive = receive_ring_read },
	{ PEER("ring", "eventfd: write, multishot poll and read"),
	  .open = open_eventfd_ring, .link = ring_link_poll, .send = send_write,
	  .receive = receive_poll_read },
	{ PEER("ring", "eventfd: write, multishot poll; message in memory"),
	  .open = open_eventfd_ring, .link = ring_link_poll,
	  .send = send_doorbell, .receive = receive_doorbell },
	{ PEER("ring",
	       "eventfd: ring WRITE, multishot poll; message in memory"),
	  .open = open_eventfd_nonblock, .link = ring_link_poll,
	  .send = send_ring_doorbell, .receive = receive_doorbell },
	{ PEER("ring", "eventfd: write, multishot READ"),
	  .open = open_multishot, .link = ring_link_multishot,
	  .send = send_write, .receive = receive_multishot },
	{ PEER("ring", "pipe: ring WRITE, ring READ"), .open = open_pipe_ring,
	  .link = ring_link, .send = send_ring, .receive = receive_ring_read },
	{ PEER("ring", "pipe: write, ring READ"), .open = open_pipe_ring,
	  .link = ring_link, .send = send_write, .receive = receive_ring_read },
	{ PEER("ring", "MSG_RING"), .open = open_ring, .link = link_ring,
	  .send = send_msg_ring, .receive = receive_msg_ring },
	{ PEER("ring", "futex: ring WAKE, ring WAIT; message in memory"),
	  .open = open_ring_futex, .send = send_ring_futex,
	  .receive = receive_ring_futex },
	{ PEER("ring", "futex: wake, ring WAIT; message in memory"),
	  .open = open_ring_futex, .send = send_futex,
	  .receive = receive_ring_futex },
	{ PEER("call", "eventfd: write, read"), .open = open_eventfd,
	  .send = send_write, .receive = receive_read },
	{ PEER("call", "pipe: write, read"), .open = open_pipe,
	  .send = send_write, .receive = receive_read },
	{ PEER("call", "futex: wake, wait; message in memory"),
	  .open = open_nothing, .send = send_futex, .receive = receive_futex },
};

const unsigned int nr_wake_peers = sizeof(wake_peers) / sizeof(*wake_peers);
