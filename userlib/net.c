// SPDX-License-Identifier: MIT
/* Connections by name, over the C library's resolver and races of coroutines. */
#define _GNU_SOURCE
#include <coro/group.h>
#include <coro/io.h>
#include <coro/net.h>
#include <coro/time.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doorbell.h"
#include "memory.h"

/* RFC 8305, 8. */
#define CORO__NET_STAGGER (250 * CORO_MSEC)
#define CORO__NET_ADDRESSES 32

/*
 * A question to the resolver. Its thread has it until it posts the note; then the
 * loop frees it, at once if whoever asked has gone, or the thread itself if the
 * loop has.
 */
struct coro__lookup {
	struct coro__note note;
	struct coro__lookup_wait *asker; /* NULL once nobody waits for it */
	struct coro_loop *loop; /* with a reference */
	struct gaicb ask;
	struct addrinfo hints;
	char names[]; /* @host and @service */
};

/* Of who asks, on its stack. */
struct coro__lookup_wait {
	struct coro__wait wait;
	struct coro__lookup *lookup;
};

static void coro__lookup_free(struct coro__lookup *l)
{
	if (l->ask.ar_result)
		freeaddrinfo(l->ask.ar_result);
	coro__doorbell_drop(l->loop);
	free(l);
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
	case EAI_SYSTEM: /* with an errno of the resolver's thread */
		return -EIO;
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

static void coro__lookup_note(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__lookup *l = container_of(note, struct coro__lookup, note);

	if (l->asker)
		coro__wake(loop, &l->asker->wait, 0);
	else
		coro__lookup_free(l);
}

static void coro__lookup_done(union sigval arg)
{
	struct coro__lookup *l = arg.sival_ptr;
	struct coro_loop *loop = l->loop;

	__atomic_add_fetch(&loop->refs, 1, __ATOMIC_RELAXED);
	if (coro__post(loop, &l->note))
		coro__lookup_free(l);
	coro__doorbell_drop(loop);
}

static void coro__lookup_interrupt(struct coro__loop *loop,
				   struct coro__wait *w, int why)
{
	container_of(w, struct coro__lookup_wait, wait)->lookup->asker = NULL;
	coro__wake(loop, w, why);
}

static char *coro__lookup_copy(char *to, const char *from, const char **ret)
{
	size_t bytes = from ? strlen(from) + 1 : 0;

	if (from)
		*ret = memcpy(to, from, bytes);
	return to + bytes;
}

static struct coro__lookup *coro__lookup_new(struct coro__loop *loop,
					     const char *host,
					     const char *service,
					     const struct addrinfo *hints)
{
	size_t bytes = (host ? strlen(host) + 1 : 0) +
		       (service ? strlen(service) + 1 : 0);
	struct coro__lookup *l = coro__calloc(1, sizeof(*l) + bytes);
	char *at;

	if (!l)
		return NULL;
	at = coro__lookup_copy(l->names, host, &l->ask.ar_name);
	coro__lookup_copy(at, service, &l->ask.ar_service);
	if (hints) {
		l->hints = *hints;
		l->ask.ar_request = &l->hints;
	}
	l->note.run = coro__lookup_note;
	l->loop = loop->shared;
	__atomic_add_fetch(&l->loop->refs, 1, __ATOMIC_RELAXED);
	return l;
}

static int coro__lookup_start(struct coro__lookup *l)
{
	struct sigevent done = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = coro__lookup_done,
		.sigev_value.sival_ptr = l,
	};
	struct gaicb *all[] = { &l->ask };
	int err = coro__fault(CORO_FAULT_SYSCALL);

	if (err)
		return err;
	err = getaddrinfo_a(GAI_NOWAIT, all, 1, &done);
	/* It says so if it cannot make a thread. */
	return err == EAI_AGAIN ? -ENOMEM : coro__lookup_error(err);
}

int coro_net_resolve(const char *host, const char *service,
		     const struct addrinfo *hints, struct addrinfo **ret_list,
		     int64_t deadline_ns)
{
	struct coro__lookup_wait w = {
		.wait.interrupt = coro__lookup_interrupt,
	};
	struct coro__lookup *l;
	struct coro__loop *loop;
	int err;

	if (!ret_list || (!host && !service))
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	l = coro__lookup_new(loop, host, service, hints);
	if (!l)
		return -ENOMEM;
	coro__doorbell_listen(loop);
	err = coro__lookup_start(l);
	if (err) {
		coro__lookup_free(l);
		return err;
	}
	l->asker = &w;
	w.lookup = l;
	loop->outside++;
	err = coro__park(loop, &w.wait, deadline_ns, CORO_AWAITS_IO, 0);
	loop->outside--;
	if (err)
		return err; /* the note frees it */
	err = coro__lookup_error(gai_error(&l->ask));
	if (!err) {
		*ret_list = l->ask.ar_result;
		l->ask.ar_result = NULL;
	}
	coro__lookup_free(l);
	return err;
}

static long coro__net_try(void *arg)
{
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
	struct coro__dial d = { host, service };

	return (int)coro_call(coro__net_dial, &d, deadline_ns);
}

static int coro__net_bind(const struct addrinfo *a, int backlog)
{
	const int on = 1, off = 0;
	int saved = errno, err = 0;
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err = -errno;
	if (!err && a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!err && (bind(fd, a->ai_addr, a->ai_addrlen) ||
		     listen(fd, backlog ? backlog : SOMAXCONN)))
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	errno = saved;
	return err ? err : fd;
}

int coro_net_listen(const char *host, const char *service, int backlog)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *list;
	int ret = -EAFNOSUPPORT;

	/* Of all: the one that takes both kinds, or without IPv6 the other. */
	for (int i = 0; i < 2 && ret == -EAFNOSUPPORT; i++) {
		hints.ai_family = host ? AF_UNSPEC : i ? AF_INET : AF_INET6;
		if (!service || getaddrinfo(host, service, &hints, &list))
			return -EINVAL;
		ret = coro__net_bind(list, backlog);
		freeaddrinfo(list);
	}
	return ret;
}
