// SPDX-License-Identifier: MIT
/* Connections by name, over the C library's resolver and races of coroutines. */
#define _GNU_SOURCE
#include <coro/blocking.h>
#include <coro/group.h>
#include <coro/io.h>
#include <coro/net.h>
#include <coro/time.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "entry.h"
#include "memory.h"

/* RFC 8305, 8. */
#define CORO__NET_STAGGER (250 * CORO_MSEC)
#define CORO__NET_ADDRESSES 32

/* A question to the resolver; its thread's while that asks. */
struct coro__lookup {
	const char *host, *service;
	const struct addrinfo *hints; /* NULL, or: */
	struct addrinfo own;
	struct addrinfo *list;
	char names[]; /* @host and @service */
};

static void coro__lookup_free(struct coro__lookup *l)
{
	if (l->list)
		freeaddrinfo(l->list);
	free(l);
}

static void coro__lookup_dispose(void *arg, long value)
{
	(void)value;
	coro__lookup_free(arg);
}

static int coro__lookup_error(int err)
{
	switch (err) {
	case 0:
		return 0;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_FAIL:
	case EAI_SYSTEM:
		return -EIO;
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

/* Where it may block. */
static long coro__lookup_ask(void *arg)
{
	struct coro__lookup *l = arg;
	int err = getaddrinfo(l->host, l->service, l->hints, &l->list);

	return err == EAI_SYSTEM && errno ? -errno : coro__lookup_error(err);
}

static char *coro__lookup_copy(char *to, const char *from, const char **ret)
{
	size_t bytes = from ? strlen(from) + 1 : 0;

	if (from)
		*ret = memcpy(to, from, bytes);
	return to + bytes;
}

static struct coro__lookup *coro__lookup_new(const char *host,
					     const char *service,
					     const struct addrinfo *hints)
{
	size_t bytes = (host ? strlen(host) + 1 : 0) +
		       (service ? strlen(service) + 1 : 0);
	struct coro__lookup *l = coro__calloc(1, sizeof(*l) + bytes);
	char *at;

	if (!l)
		return NULL;
	at = coro__lookup_copy(l->names, host, &l->host);
	coro__lookup_copy(at, service, &l->service);
	if (hints) {
		l->own = *hints;
		l->hints = &l->own;
	}
	return l;
}

/* In a scope with the deadline. @l is gone afterwards. */
static long coro__lookup_run(struct coro__lookup *l, struct addrinfo **ret_list)
{
	const struct coro_blocking_opts opts = {
		.size = sizeof(opts),
		.dispose = coro__lookup_dispose,
	};
	long value;
	int err = coro_blocking_opts(coro__lookup_ask, l, &value, &opts);

	if (err == -ECANCELED)
		return err;
	if (!err && !value) {
		*ret_list = l->list;
		l->list = NULL;
	}
	coro__lookup_free(l);
	return err ? err : value;
}

int coro_net_resolve(const char *host, const char *service,
		     const struct addrinfo *hints, struct addrinfo **ret_list,
		     int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro_scope in_time;
	struct coro__lookup *l;
	long result;
	int err;

	if (!ret_list || (!host && !service))
		return -EINVAL;
	err = coro_scope_enter(&in_time, deadline_ns);
	if (err)
		return err;
	l = coro__lookup_new(host, service, hints);
	result = l ? coro__lookup_run(l, ret_list) : -ENOMEM;
	return (int)coro_scope_leave(&in_time, result);
}

static long coro__net_try(void *arg)
{
	CORO__ENTRY;
	const struct addrinfo *a = arg;
	int fd, err;

	fd = coro_io_socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC,
			    a->ai_protocol, CORO_NEVER);
	if (fd < 0)
		return fd;
	err = coro_io_connect(fd, a->ai_addr, a->ai_addrlen, CORO_NEVER);
	if (err)
		coro_io_close(fd);
	return err ? err : fd;
}

static int coro__net_race(const struct addrinfo *list)
{
	struct coro_job jobs[CORO__NET_ADDRESSES];
	size_t nr = 0;
	long won;

	for (const struct addrinfo *a = list; a && nr < CORO__NET_ADDRESSES;
	     a = a->ai_next) {
		jobs[nr].fn = coro__net_try;
		jobs[nr++].arg = (void *)(uintptr_t)a;
	}
	won = coro_any(jobs, nr, 1, CORO__NET_STAGGER);
	/* Another may have connected too, before it was cancelled. */
	for (size_t i = 0; i < nr; i++) {
		if (jobs[i].result >= 0 && (long)i != won)
			coro_io_close((int)jobs[i].result);
	}
	return won < 0 ? (int)won : (int)jobs[won].result;
}

struct coro__dial {
	const char *host, *service;
};

static long coro__net_dial(void *arg)
{
	CORO__ENTRY;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const struct coro__dial *d = arg;
	struct addrinfo *list;
	int ret;

	ret = coro_net_resolve(d->host, d->service, &hints, &list, CORO_NEVER);
	if (ret)
		return ret;
	ret = coro__net_race(list);
	freeaddrinfo(list);
	return ret;
}

int coro_net_connect(const char *host, const char *service, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__dial d = { host, service };

	return (int)coro_call(coro__net_dial, &d, deadline_ns);
}

/* How sockets listen. */
struct coro__listen {
	const char *host;
	const char *service;
	int backlog;
	bool shared; /* the port is other sockets', too */
};

static int coro__net_bind(const struct addrinfo *a,
			  const struct coro__listen *how)
{
	const int on = 1, off = 0;
	int saved = errno, err = 0;
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err = -errno;
	if (!err && how->shared &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)))
		err = -errno;
	if (!err && a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!err && (bind(fd, a->ai_addr, a->ai_addrlen) ||
		     listen(fd, how->backlog ? how->backlog : SOMAXCONN)))
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	errno = saved;
	return err ? err : fd;
}

static int coro__net_listen(const struct coro__listen *how)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *list;
	int ret = -EAFNOSUPPORT;

	/* Of all: the one that takes both kinds, or without IPv6 the other. */
	for (int i = 0; i < 2 && ret == -EAFNOSUPPORT; i++) {
		hints.ai_family = how->host ? AF_UNSPEC :
				  i	    ? AF_INET :
					      AF_INET6;
		if (!how->service ||
		    getaddrinfo(how->host, how->service, &hints, &list))
			return -EINVAL;
		ret = coro__net_bind(list, how);
		freeaddrinfo(list);
	}
	return ret;
}

int coro_net_listen(const char *host, const char *service, int backlog)
{
	CORO__ENTRY;
	const struct coro__listen how = { host, service, backlog, false };

	return coro__net_listen(&how);
}

/* The port of a socket that listens, as text. */
static int coro__net_port(int fd, char *service, size_t room)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return -errno;
	return getnameinfo((struct sockaddr *)&a, len, NULL, 0, service,
			   (socklen_t)room, NI_NUMERICSERV) ?
		       -EINVAL :
		       0;
}

int coro_net_listen_each(const char *host, const char *service, int backlog,
			 int *ret_fds, unsigned int nr)
{
	CORO__ENTRY;
	struct coro__listen how = { host, service, backlog, true };
	char port[NI_MAXSERV];
	unsigned int i;
	int err = 0;

	if (!ret_fds || !nr)
		return -EINVAL;
	for (i = 0; i < nr && !err; i++) {
		ret_fds[i] = coro__net_listen(&how);
		err = ret_fds[i] < 0 ? ret_fds[i] : 0;
		/* The first may have chosen it. */
		if (!err && !i)
			err = coro__net_port(ret_fds[0], port, sizeof(port));
		how.service = port;
	}
	if (err) {
		while (i--) {
			if (ret_fds[i] >= 0)
				close(ret_fds[i]);
			ret_fds[i] = -1;
		}
	}
	return err;
}
