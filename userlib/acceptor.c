// SPDX-License-Identifier: MIT
/* Connections as they come: one multishot accept, and those that nobody fetched yet. */
#include <errno.h>
#include <unistd.h>

#include "memory.h"
#include "multishot.h"

/*
 * Connections kept for the user before the kernel is asked to leave the rest in
 * the socket's backlog. The array has room for what comes until it obeys: all
 * that can be in a completion queue is accepted by then, so it grows if need be.
 */
#define CORO__ACCEPT_KEEP 64U

struct coro_acceptor {
	struct coro__multishot multishot;
	int *fds; /* a ring */
	unsigned int first, nr, room;
	int err; /* why the operation ended, until fetched */
};

static bool coro__acceptor_grow(struct coro_acceptor *a)
{
	int *fds = coro__malloc(2 * a->room * sizeof(*fds));

	if (!fds)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		fds[i] = a->fds[(a->first + i) % a->room];
	free(a->fds);
	a->fds = fds;
	a->first = 0;
	a->room *= 2;
	return true;
}

static void coro__acceptor_keep(struct coro_acceptor *a, int fd)
{
	if (a->nr == a->room && !coro__acceptor_grow(a)) {
		/* No memory: the peer sees a reset, as from a full backlog. */
		close(fd);
		return;
	}
	a->fds[(a->first + a->nr++) % a->room] = fd;
	if (a->nr >= CORO__ACCEPT_KEEP)
		coro__multishot_stop(&a->multishot);
}

static void coro__acceptor_complete(struct coro__loop *loop,
				    struct coro__op *op, int res,
				    uint32_t flags)
{
	struct coro_acceptor *a =
		container_of(op, struct coro_acceptor, multishot.op);

	(void)loop;
	(void)flags;
	if (res >= 0 && a->multishot.ended)
		close(res);
	else if (res >= 0)
		coro__acceptor_keep(a, res);
	else if (!op->cancelled)
		a->err = res;
	coro__multishot_notify(&a->multishot);
	coro__multishot_completed(&a->multishot);
}

static void coro__acceptor_drain(struct coro__multishot *m)
{
	struct coro_acceptor *a =
		container_of(m, struct coro_acceptor, multishot);

	while (a->nr) {
		close(a->fds[a->first]);
		a->first = (a->first + 1) % a->room;
		a->nr--;
	}
}

static void coro__acceptor_destroy(struct coro__multishot *m)
{
	struct coro_acceptor *a =
		container_of(m, struct coro_acceptor, multishot);

	free(a->fds);
	free(a);
}

int coro_acceptor_new(struct coro_acceptor **ret_acceptor, int fd, int flags)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	struct coro_acceptor *a;
	int err;

	err = coro__wait_begin_uncancelled(&loop);
	if (err)
		return err;
	if (!ret_acceptor || fd < 0)
		return -EINVAL;
	a = coro__calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->room = 2 * CORO__ACCEPT_KEEP;
	a->fds = coro__malloc(a->room * sizeof(*a->fds));
	if (!a->fds) {
		free(a);
		return -ENOMEM;
	}
	io_uring_prep_multishot_accept(&a->multishot.sqe, fd, NULL, NULL,
				       flags);
	a->multishot.op.complete = coro__acceptor_complete;
	a->multishot.drain = coro__acceptor_drain;
	a->multishot.destroy = coro__acceptor_destroy;
	coro__multishot_init(&a->multishot, loop);
	coro__multishot_arm(&a->multishot);
	*ret_acceptor = a;
	return 0;
}

int coro_acceptor_next(struct coro_acceptor *a, int64_t deadline_ns)
{
	CORO__ENTRY;
	int err = coro__multishot_usable(&a->multishot);
	int fd;

	if (err)
		return err;
	while (!a->nr) {
		if (a->err) {
			err = a->err;
			a->err = 0;
			return err;
		}
		coro__multishot_arm(&a->multishot);
		err = coro__multishot_wait(&a->multishot, deadline_ns);
		if (err)
			return err;
	}
	fd = a->fds[a->first];
	a->first = (a->first + 1) % a->room;
	a->nr--;
	return fd;
}

void coro_acceptor_free(struct coro_acceptor *a)
{
	CORO__ENTRY;

	if (a)
		coro__multishot_end(&a->multishot);
}
