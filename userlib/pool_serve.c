// SPDX-License-Identifier: MIT
/* A server on all loops of a pool: one of coro_serve() for each, all or none. */
#include <coro/group.h>

#include <errno.h>

#include "memory.h"
#include "pool.h"

/* What all of them have; on the stack of who serves. */
struct coro__pool_server {
	struct coro_pool *pool;
	long (*fn)(struct coro_stream *s, void *arg);
	void *arg;
	const struct coro_serve_opts *opts;
};

/* One of them. */
struct coro__pool_share {
	const struct coro__pool_server *server;
	unsigned int loop;
	int fd;
};

static long coro__share_serve(void *arg)
{
	CORO__ENTRY;
	const struct coro__pool_share *share = arg;
	const struct coro__pool_server *s = share->server;

	return coro_serve(share->fd, s->fn, s->arg, s->opts);
}

/* On the caller's loop: stands for it in the group. */
static long coro__share_run(void *arg)
{
	CORO__ENTRY;
	struct coro__pool_share *share = arg;
	const struct coro_work_opts opts = { .size = sizeof(opts),
					     .name = "serve",
					     .loop = share->loop,
					     .flags = CORO_WORK_F_LOOP };
	long value;
	int err = coro_pool_call(share->server->pool, coro__share_serve, share,
				 &opts, &value);

	return err ? err : value;
}

int coro_pool_serve(const int *fds,
		    long (*fn)(struct coro_stream *s, void *arg), void *arg,
		    const struct coro_serve_opts *opts)
{
	CORO__ENTRY;
	const struct coro__pool_server s = { coro_pool_self(), fn, arg, opts };
	struct coro__pool_share *shares;
	struct coro_group g;
	long ret;

	if (!fds || !fn)
		return -EINVAL;
	if (!s.pool)
		return -EPERM;
	shares = coro__calloc(s.pool->nr, sizeof(*shares));
	if (!shares)
		return -ENOMEM;
	ret = coro_group_open(&g, NULL);
	if (!ret) {
		for (unsigned int i = 0; i < s.pool->nr && !ret; i++) {
			shares[i] = (struct coro__pool_share){ &s, i, fds[i] };
			ret = coro_group_spawn(&g, coro__share_run, &shares[i]);
		}
		/* Those that were spawned end when one fails, or the caller is cancelled. */
		ret = coro_group_close(&g, ret);
	}
	free(shares);
	return (int)ret;
}
