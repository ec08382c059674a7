// SPDX-License-Identifier: GPL-2.0
/* The echo server on liburing alone: the operations of the library's, without the library. */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../userlib/ferry.h"
#include "echo.h"
#include "rounds.h"

#define NO_BUFFER UINT32_MAX
#define BATCH 64

struct conn;
typedef void (*step_fn)(struct conn *c, int res, unsigned int flags);

/* What follows when an operation is done. */
struct step {
	step_fn then;
	struct conn *conn;
};

struct conn {
	struct step recv, send, close;
	int fd;
	int len;
	bool receiving;
	bool over; /* the peer is done */
	/* Only with multishot: buffers received and not sent. */
	uint32_t first, last;
	struct conn *starved;
	char data[];
};

static struct io_uring ring;
static struct coro__ferry *ferry; /* submits, or NULL */
static struct io_uring_buf_ring *buffers;
static char *buffer_data;
static struct {
	uint32_t next;
	int len;
} buffer_info[ECHO_BUFFERS];
static unsigned int nr_free;
static struct conn *starved;
static struct conn acceptor; /* its fd is the listener */

static struct io_uring_sqe *sqe_for(struct step *s, struct conn *c,
				    step_fn then)
{
	struct io_uring_sqe *sqe = ferry ? coro__ferry_sqe(ferry) :
					   io_uring_get_sqe(&ring);

	if (!sqe) {
		must(!ferry, "coro__ferry_sqe");
		io_uring_submit(&ring);
		io_uring_sqring_wait(&ring);
		sqe = io_uring_get_sqe(&ring);
		must(!!sqe, "io_uring_get_sqe");
	}
	s->then = then;
	s->conn = c;
	return sqe;
}

static void send_op(struct conn *c, const void *data, int len, step_fn then)
{
	struct io_uring_sqe *sqe = sqe_for(&c->send, c, then);

	io_uring_prep_send(sqe, c->fd, data, len, MSG_WAITALL | MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, &c->send);
}

static void closed(struct conn *c, int res, unsigned int flags)
{
	(void)res;
	(void)flags;
	free(c);
}

static void close_op(struct conn *c)
{
	struct io_uring_sqe *sqe = sqe_for(&c->close, c, closed);

	io_uring_prep_close(sqe, c->fd);
	io_uring_sqe_set_data(sqe, &c->close);
}

static void received(struct conn *c, int res, unsigned int flags);

static void recv_op(struct conn *c)
{
	struct io_uring_sqe *sqe = sqe_for(&c->recv, c, received);

	io_uring_prep_recv(sqe, c->fd, c->data, ECHO_BYTES, 0);
	io_uring_sqe_set_data(sqe, &c->recv);
}

static void sent(struct conn *c, int res, unsigned int flags)
{
	(void)flags;
	if (res == c->len)
		recv_op(c);
	else
		close_op(c);
}

static void received(struct conn *c, int res, unsigned int flags)
{
	(void)flags;
	if (res <= 0) {
		close_op(c);
		return;
	}
	c->len = res;
	send_op(c, c->data, res, sent);
}

static void provide(uint32_t id)
{
	io_uring_buf_ring_add(buffers,
			      buffer_data + (size_t)id * ECHO_BUFFER_BYTES,
			      ECHO_BUFFER_BYTES, id,
			      io_uring_buf_ring_mask(ECHO_BUFFERS), 0);
	io_uring_buf_ring_advance(buffers, 1);
	nr_free++;
}

static void stream_received(struct conn *c, int res, unsigned int flags);

static void stream_recv_op(struct conn *c)
{
	struct io_uring_sqe *sqe = sqe_for(&c->recv, c, stream_received);

	io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data(sqe, &c->recv);
	c->receiving = true;
}

static void give(uint32_t id)
{
	struct conn *c = starved;

	provide(id);
	if (c) {
		starved = c->starved;
		stream_recv_op(c);
	}
}

static void stream_sent(struct conn *c, int res, unsigned int flags);

static void stream_send_op(struct conn *c)
{
	send_op(c, buffer_data + (size_t)c->first * ECHO_BUFFER_BYTES,
		buffer_info[c->first].len, stream_sent);
}

static void stream_sent(struct conn *c, int res, unsigned int flags)
{
	uint32_t id = c->first;

	(void)flags;
	if (res != buffer_info[id].len)
		c->over = true;
	c->first = buffer_info[id].next;
	give(id);
	if (c->first != NO_BUFFER)
		stream_send_op(c);
	else if (c->over && !c->receiving)
		close_op(c);
}

static void stream_keep(struct conn *c, uint32_t id, int len)
{
	buffer_info[id].len = len;
	buffer_info[id].next = NO_BUFFER;
	nr_free--;
	if (c->first != NO_BUFFER) {
		buffer_info[c->last].next = id;
		c->last = id;
		return;
	}
	c->first = id;
	c->last = id;
	stream_send_op(c);
}

static void stream_received(struct conn *c, int res, unsigned int flags)
{
	if (res > 0)
		stream_keep(c, flags >> IORING_CQE_BUFFER_SHIFT, res);
	if (flags & IORING_CQE_F_MORE)
		return;
	c->receiving = false;
	if (res == -ENOBUFS && !nr_free) {
		c->starved = starved;
		starved = c;
	} else if (res == -ENOBUFS || res > 0) {
		stream_recv_op(c);
	} else {
		c->over = true;
		if (c->first == NO_BUFFER)
			close_op(c);
	}
}

static void accepted(struct conn *a, int res, unsigned int flags);

static void accept_op(void)
{
	struct io_uring_sqe *sqe = sqe_for(&acceptor.recv, &acceptor, accepted);

	io_uring_prep_multishot_accept(sqe, acceptor.fd, NULL, NULL, 0);
	io_uring_sqe_set_data(sqe, &acceptor.recv);
}

static void accepted(struct conn *a, int res, unsigned int flags)
{
	struct conn *c;

	(void)a;
	if (res >= 0) {
		c = calloc(1, sizeof(*c) + (buffers ? 0 : ECHO_BYTES));
		must(!!c, "calloc");
		c->fd = res;
		c->first = NO_BUFFER;
		if (buffers)
			stream_recv_op(c);
		else
			recv_op(c);
	}
	if (!(flags & IORING_CQE_F_MORE))
		accept_op();
}

/* The two ways in which the library makes its ring, see userlib/ring.c, and another. */
#define OWN_RING                                                   \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | \
	 IORING_SETUP_TASKRUN_FLAG)
#define SHARED_RING 0
#define SQPOLL_RING IORING_SETUP_SQPOLL

static void set_up(int listener, unsigned int flags)
{
	struct io_uring_params p = {
		.flags = flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.sq_thread_idle = 1,
		.cq_entries = 4096,
	};

	must(!io_uring_queue_init_params(256, &ring, &p), "io_uring_setup");
	acceptor.fd = listener;
	if (flags == OWN_RING)
		must(io_uring_register_ring_fd(&ring) == 1,
		     "io_uring_register");
}

static void set_up_buffers(void)
{
	size_t bytes = ECHO_BUFFERS * (size_t)ECHO_BUFFER_BYTES;
	struct io_uring_buf_reg reg = { .ring_entries = ECHO_BUFFERS };

	buffers = mmap(NULL, 4096 + bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(buffers != MAP_FAILED, "mmap");
	buffer_data = (char *)buffers + 4096;
	reg.ring_addr = (uintptr_t)buffers;
	must(!io_uring_register_buf_ring(&ring, &reg, 0), "buffer ring");
	io_uring_buf_ring_init(buffers);
	for (uint32_t i = 0; i < ECHO_BUFFERS; i++)
		provide(i);
}

static void enter(void)
{
	struct io_uring_cqe *cqe;

	if (!ferry) {
		io_uring_submit_and_wait(&ring, 1);
		return;
	}
	coro__ferry_send(ferry);
	io_uring_wait_cqe(&ring, &cqe);
}

static void serve(void)
{
	struct io_uring_cqe *cqes[BATCH];
	unsigned int nr;

	accept_op();
	for (;;) {
		enter();
		do {
			nr = io_uring_peek_batch_cqe(&ring, cqes, BATCH);
			for (unsigned int i = 0; i < nr; i++) {
				struct step *s = io_uring_cqe_get_data(cqes[i]);

				s->then(s->conn, cqes[i]->res, cqes[i]->flags);
			}
			io_uring_cq_advance(&ring, nr);
		} while (nr == BATCH);
	}
}

void echo_ring(int listener)
{
	set_up(listener, OWN_RING);
	serve();
}

void echo_ring_stream(int listener)
{
	set_up(listener, OWN_RING);
	set_up_buffers();
	serve();
}

void echo_ring_shared(int listener)
{
	set_up(listener, SHARED_RING);
	must(!coro__ferry_new(&ferry, &ring), "coro__ferry_new");
	serve();
}

void echo_ring_sqpoll(int listener)
{
	set_up(listener, SQPOLL_RING);
	serve();
}
