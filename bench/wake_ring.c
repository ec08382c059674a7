// SPDX-License-Identifier: GPL-2.0
/* What all ways to wake a task have in common: rings, and files that are written and read. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rounds.h"
#include "wake.h"

int ring_open(struct side *me)
{
	int ret = io_uring_queue_init(8, &me->ring,
				      IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN);

	if (ret)
		return ret;
	ret = io_uring_register_ring_fd(&me->ring);
	return ret == 1 ? 0 : ret;
}

int ring_link(struct side *me)
{
	int files[] = { me->own, me->peer[0] };

	return io_uring_register_files(&me->ring, files, 2);
}

int ring_link_poll(struct side *me)
{
	struct io_uring_sqe *sqe;
	int ret = ring_link(me);

	if (ret)
		return ret;
	sqe = ring_sqe(me);
	io_uring_prep_poll_multishot(sqe, FILE_OWN, POLLIN);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	return io_uring_submit(&me->ring) == 1 ? 0 : -EIO;
}

int ring_knows(struct side *me, int op)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&me->ring);
	int known = probe && io_uring_opcode_supported(probe, op);

	io_uring_free_probe(probe);
	return known ? 0 : -EOPNOTSUPP;
}

static void buffer_add(struct side *me, unsigned int id)
{
	io_uring_buf_ring_add(me->buffers, &me->pool[id], sizeof(*me->pool), id,
			      NR_BUFFERS - 1, 0);
	io_uring_buf_ring_advance(me->buffers, 1);
}

int ring_link_multishot(struct side *me)
{
	struct io_uring_buf_reg reg = { .ring_entries = NR_BUFFERS };
	struct io_uring_sqe *sqe;
	int ret = ring_link(me);

	if (ret)
		return ret;
	me->buffers = aligned_alloc(4096, 4096);
	must(!!me->buffers, "aligned_alloc");
	reg.ring_addr = (uintptr_t)me->buffers;
	ret = io_uring_register_buf_ring(&me->ring, &reg, 0);
	if (ret)
		return ret;
	io_uring_buf_ring_init(me->buffers);
	for (unsigned int i = 0; i < NR_BUFFERS; i++)
		buffer_add(me, i);
	sqe = ring_sqe(me);
	io_uring_prep_rw(RING_READ_MULTISHOT, sqe, FILE_OWN, NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
	return io_uring_submit(&me->ring) == 1 ? 0 : -EIO;
}

struct io_uring_sqe *ring_sqe(struct side *me)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&me->ring);

	must(!!sqe, "io_uring_get_sqe");
	return sqe;
}

void ring_sending(struct io_uring_sqe *sqe, unsigned int flags)
{
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS | flags);
	sqe->user_data = TAG_SENT;
}

struct completion ring_wait(struct side *me)
{
	struct io_uring_cqe *cqe;
	struct completion c;

	must(io_uring_submit_and_wait(&me->ring, 1) >= 0, "io_uring_enter");
	must(!io_uring_peek_cqe(&me->ring, &cqe), "io_uring_peek_cqe");
	c.tag = cqe->user_data;
	c.res = cqe->res;
	c.flags = cqe->flags;
	io_uring_cqe_seen(&me->ring, cqe);
	if (c.res < 0)
		errno = -c.res;
	return c;
}

unsigned int ring_received(struct side *me)
{
	struct completion c = ring_wait(me);

	must(c.tag != TAG_SENT, "sending through the ring");
	must(c.res > 0, "receiving through the ring");
	return c.res;
}

/* The poll was armed once, and stays. */
void ring_polled(struct side *me)
{
	struct completion c = ring_wait(me);

	must(c.tag != TAG_SENT, "sending through the ring");
	must(c.res & POLLIN && c.flags & IORING_CQE_F_MORE,
	     "polling through the ring");
}

static void words_put(struct side *me, uint64_t v, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		me->out[i] = v + i;
}

void send_write(struct side *me, uint64_t v, unsigned int nr)
{
	ssize_t len = nr * sizeof(v);

	words_put(me, v, nr);
	must(write(me->peer[0], me->out, len) == len, "write");
}

void send_ring(struct side *me, uint64_t v, unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(me);

	words_put(me, v, nr);
	io_uring_prep_write(sqe, FILE_PEER, me->out, nr * sizeof(v), 0);
	ring_sending(sqe, IOSQE_FIXED_FILE);
}

unsigned int read_own(struct side *me, unsigned int bytes)
{
	ssize_t got = read(me->own, &me->in, bytes);

	must(got > 0, "read");
	return got;
}

unsigned int ring_read_own(struct side *me, unsigned int bytes)
{
	struct io_uring_sqe *sqe = ring_sqe(me);

	io_uring_prep_read(sqe, FILE_OWN, &me->in, bytes, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	return ring_received(me);
}

unsigned int ring_read_multishot(struct side *me)
{
	struct completion c = ring_wait(me);
	unsigned int id = c.flags >> IORING_CQE_BUFFER_SHIFT;

	must(c.tag != TAG_SENT, "sending through the ring");
	must(c.res > 0 && c.flags & IORING_CQE_F_MORE, "multishot READ");
	memcpy(&me->in, &me->pool[id], c.res);
	buffer_add(me, id);
	return c.res;
}
