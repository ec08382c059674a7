/* SPDX-License-Identifier: MIT */
/* Connections by name: looking names up without holding up the loop, and racing their addresses. */
#ifndef CORO_NET_H
#define CORO_NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;

/**
 * coro_net_resolve() - look a name up
 * @host: name or numeric address; NULL as for getaddrinfo(3).
 * @service: name or number of a port; may be NULL if @host is not.
 * @hints: as for getaddrinfo(3); may be NULL.
 * @ret_list: the addresses, to be freed with freeaddrinfo(3).
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * getaddrinfo(3) does it, called by coro_blocking_opts(). A call that gives up
 * leaves it behind.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return:
 * * 0		 - *@ret_list is the list
 * * -ENOENT	 - no such name, or none of that kind
 * * -EAGAIN	 - the name servers do not answer now, or there can be no thread
 * * -EINVAL	 - wrong arguments or @hints
 * * -ENOMEM	 - no memory
 * * -EIO	 - the name servers failed for good; or the error of a system call
 * * -ETIMEDOUT, -ECANCELED, -EPERM - see coro/io.h
 */
int coro_net_resolve(const char *host, const char *service,
		     const struct addrinfo *hints, struct addrinfo **ret_list,
		     int64_t deadline_ns);

/**
 * coro_net_connect() - connect to a name
 * @host: as for coro_net_resolve().
 * @service: as for coro_net_resolve().
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Addresses are tried in the order of the list, each 250 ms after the one before
 * or as soon as that has failed (RFC 8305); the first connection wins.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: a connected TCP socket (close-on-exec); an error of coro_net_resolve(); or
 * of socket(2) or connect(2), for the address that failed first.
 */
int coro_net_connect(const char *host, const char *service,
		     int64_t deadline_ns);

/**
 * coro_net_listen() - listen on an address
 * @host: numeric address; NULL for all of this machine, IPv6 and IPv4.
 * @service: number of a port; "0" for any that is free.
 * @backlog: as for listen(2); 0 for SOMAXCONN.
 *
 * Context: any. Does not suspend.
 * Return: a listening TCP socket (close-on-exec, SO_REUSEADDR); -EINVAL if @host
 * or @service is not numeric; or a negative errno of socket(2), bind(2),
 * listen(2).
 */
int coro_net_listen(const char *host, const char *service, int backlog);

/**
 * coro_net_listen_each() - listen on an address with several sockets
 * @host: as for coro_net_listen().
 * @service: as for coro_net_listen(); with "0" all are on the same port.
 * @backlog: as for coro_net_listen(), for each.
 * @ret_fds: the sockets, the caller's. After an error some may be -1, and the others
 *	are as they were.
 * @nr: how many, at least 1.
 *
 * For servers with several loops: the kernel spreads connections over the sockets by
 * SO_REUSEPORT, and other processes of the same user can add more. It picks by
 * the peer's address and port: few connections may well be uneven.
 *
 * Context: any. Does not suspend.
 * Return: 0; -EINVAL if @ret_fds is NULL or @nr is 0; or an error of
 * coro_net_listen(), and no socket.
 */
int coro_net_listen_each(const char *host, const char *service, int backlog,
			 int *ret_fds, unsigned int nr);

#ifdef __cplusplus
}
#endif
#endif /* CORO_NET_H */
