// SPDX-License-Identifier: MIT
/* Bytes as they come: one multishot receive into buffers that a loop's receivers share. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "multishot.h"

#define CORO__BUFFERS 256U
#define CORO__BUFFER_BYTES 4096U
#define CORO__BUFFER_GROUP 0
#define CORO__NO_BUFFER UINT32_MAX

/* Which buffer follows in its receiver's queue, and how much is in it. */
struct coro__buffer {
	uint32_t next;
	uint32_t len;
};

struct coro__buffers {
	struct io_uring_buf_ring *ring;
	char *data;
	struct coro__buffer *info;
	unsigned int nr;
	unsigned int nr_free; /* with the kernel */
	unsigned int bytes;
	size_t map_bytes;
	struct list starved; /* receivers that found no buffer */
};

struct coro_receiver {
	struct coro__multishot multishot;
	struct coro__buffers *buffers;
	uint32_t first, last; /* received, not fetched */
	uint32_t lent; /* the user has it */
	struct list starved;
	int end; /* 0 goes on, 1 the peer is done, or an error */
};

static void coro__buffer_provide(struct coro__buffers *b, uint32_t id)
{
	io_uring_buf_ring_add(b->ring, b->data + (size_t)id * b->bytes,
			      b->bytes, (unsigned short)id,
			      io_uring_buf_ring_mask(b->nr), 0);
	io_uring_buf_ring_advance(b->ring, 1);
	b->nr_free++;
}

static void coro__buffer_give(struct coro__buffers *b, uint32_t id)
{
	coro__buffer_provide(b, id);
	/* All: the first may be idle and leave the buffer to those behind it. */
	while (!list_empty(&b->starved)) {
		struct list *first = b->starved.next;
		struct coro_receiver *r =
			container_of(first, struct coro_receiver, starved);

		list_del(first);
		coro__multishot_arm(&r->multishot);
	}
}

void coro__buffers_free(struct coro__loop *loop)
{
	struct coro__buffers *b = loop->buffers;

	if (!b)
		return;
	io_uring_unregister_buf_ring(&loop->ring, CORO__BUFFER_GROUP);
	munmap(b->ring, b->map_bytes);
	free(b->info);
	free(b);
	loop->buffers = NULL;
}

static int coro__buffers_register(struct coro__loop *loop,
				  struct coro__buffers *b)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)b->ring,
		.ring_entries = b->nr,
		.bgid = CORO__BUFFER_GROUP,
	};
	int err = coro__fault(CORO_FAULT_SYSCALL);

	if (!err)
		err = io_uring_register_buf_ring(&loop->ring, &reg, 0);
	/* What older kernels say to a request that they do not know. */
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

static int coro__buffers_new(struct coro__loop *loop)
{
	const struct coro_loop_opts *o = &loop->opts;
	struct coro__buffers *b = coro__calloc(1, sizeof(*b));
	size_t ring_bytes;
	int err = -ENOMEM;

	if (!b)
		return -ENOMEM;
	b->nr = o->recv_buffers ? o->recv_buffers : CORO__BUFFERS;
	b->bytes = o->recv_buffer_bytes ? o->recv_buffer_bytes :
					  CORO__BUFFER_BYTES;
	ring_bytes = b->nr * sizeof(struct io_uring_buf);
	ring_bytes = (ring_bytes + 4095) & ~(size_t)4095;
	b->map_bytes = ring_bytes + (size_t)b->nr * b->bytes;
	list_init(&b->starved);
	b->info = coro__calloc(b->nr, sizeof(*b->info));
	if (!b->info)
		goto err_free;
	b->ring = mmap(NULL, b->map_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->ring == MAP_FAILED)
		goto err_free_info;
	b->data = (char *)b->ring + ring_bytes;
	err = coro__buffers_register(loop, b);
	if (err)
		goto err_unmap;
	io_uring_buf_ring_init(b->ring);
	for (uint32_t i = 0; i < b->nr; i++)
		coro__buffer_provide(b, i);
	loop->buffers = b;
	return 0;
err_unmap:
	munmap(b->ring, b->map_bytes);
err_free_info:
	free(b->info);
err_free:
	free(b);
	return err;
}

static void coro__receiver_keep(struct coro_receiver *r, uint32_t id, int len)
{
	struct coro__buffer *info = r->buffers->info;

	info[id].next = CORO__NO_BUFFER;
	info[id].len = (uint32_t)len;
	if (r->first == CORO__NO_BUFFER)
		r->first = id;
	else
		info[r->last].next = id;
	r->last = id;
}

static uint32_t coro__receiver_pop(struct coro_receiver *r)
{
	uint32_t id = r->first;

	r->first = r->buffers->info[id].next;
	return id;
}

/*
 * The kernel found no buffer; but that was when it wrote the completion:
 *
 *	kernel: takes the last buffer, then finds none, writes ENOBUFS
 *	here:	hands the data out, gets all buffers back, reads ENOBUFS
 *
 * To wait for a buffer now would be to wait for good.
 */
static void coro__receiver_stopped(struct coro_receiver *r, int res)
{
	if (res == -ENOBUFS && r->buffers->nr_free)
		coro__multishot_arm(&r->multishot);
	else if (res == -ENOBUFS)
		list_add_tail(&r->buffers->starved, &r->starved);
	else if (res <= 0)
		r->end = res ? res : 1;
}

static void coro__receiver_complete(struct coro__loop *loop,
				    struct coro__op *op, int res,
				    uint32_t flags)
{
	struct coro_receiver *r =
		container_of(op, struct coro_receiver, multishot.op);

	(void)loop;
	if (flags & IORING_CQE_F_BUFFER) {
		uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;

		r->buffers->nr_free--;
		if (res > 0 && !r->multishot.ended)
			coro__receiver_keep(r, id, res);
		else
			coro__buffer_give(r->buffers, id);
	}
	if (!op->inflight && !r->multishot.ended)
		coro__receiver_stopped(r, res);
	coro__multishot_notify(&r->multishot);
	coro__multishot_completed(&r->multishot);
}

static void coro__receiver_drain(struct coro__multishot *m)
{
	struct coro_receiver *r =
		container_of(m, struct coro_receiver, multishot);

	list_del(&r->starved);
	if (r->lent != CORO__NO_BUFFER)
		coro__buffer_give(r->buffers, r->lent);
	while (r->first != CORO__NO_BUFFER)
		coro__buffer_give(r->buffers, coro__receiver_pop(r));
}

static void coro__receiver_destroy(struct coro__multishot *m)
{
	free(container_of(m, struct coro_receiver, multishot));
}

int coro_receiver_new(struct coro_receiver **ret_receiver, int fd)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro_receiver *r;
	int err;

	err = coro__wait_begin_uncancelled(&loop);
	if (err)
		return err;
	if (!ret_receiver || fd < 0)
		return -EINVAL;
	if (!loop->buffers) {
		err = coro__buffers_new(loop);
		if (err)
			return err;
	}
	r = coro__calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->buffers = loop->buffers;
	r->first = CORO__NO_BUFFER;
	r->lent = CORO__NO_BUFFER;
	list_init(&r->starved);
	io_uring_prep_recv_multishot(&r->multishot.sqe, fd, NULL, 0, 0);
	r->multishot.sqe.flags |= IOSQE_BUFFER_SELECT;
	r->multishot.sqe.buf_group = CORO__BUFFER_GROUP;
	r->multishot.op.complete = coro__receiver_complete;
	r->multishot.drain = coro__receiver_drain;
	r->multishot.destroy = coro__receiver_destroy;
	coro__multishot_init(&r->multishot, loop);
	coro__multishot_arm(&r->multishot);
	*ret_receiver = r;
	return 0;
}

int coro_receiver_next(struct coro_receiver *r, const void **ret_data,
		       int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__buffers *b = r->buffers;
	int err = coro__multishot_usable(&r->multishot);

	if (err)
		return err;
	if (r->lent != CORO__NO_BUFFER) {
		uint32_t lent = r->lent;

		r->lent = CORO__NO_BUFFER;
		coro__buffer_give(b, lent);
	}
	while (r->first == CORO__NO_BUFFER) {
		if (r->end)
			return r->end > 0 ? 0 : r->end;
		if (list_empty(&r->starved))
			coro__multishot_arm(&r->multishot);
		err = coro__multishot_wait(&r->multishot, deadline_ns);
		if (err)
			return err;
	}
	r->lent = coro__receiver_pop(r);
	*ret_data = b->data + (size_t)r->lent * b->bytes;
	return (int)b->info[r->lent].len;
}

void coro_receiver_free(struct coro_receiver *r)
{
	CORO__ENTRY;

	if (r)
		coro__multishot_end(&r->multishot);
}
