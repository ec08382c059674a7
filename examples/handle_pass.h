/* SPDX-License-Identifier: MIT */
/* Handles through a socket: what one end exports, the other can reach. */
#ifndef EXAMPLES_HANDLE_PASS_H
#define EXAMPLES_HANDLE_PASS_H

#include <coro.h>
#include <string.h>
#include <unistd.h>

/* Lets the other end of @sock send messages to the caller, and learn of its end. */
static inline int give_handle(int sock)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	char byte = 'h';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct coro_handle *h;
	int fd, ret;

	ret = coro_export(coro_self(), CORO_RIGHT_SEND | CORO_RIGHT_JOIN, &h);
	if (ret)
		return ret;
	fd = coro_handle_fd(h);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	ret = fd < 0 ? fd : coro_io_sendmsg(sock, &msg, 0, CORO_NEVER);
	coro_handle_put(h);
	return ret < 0 ? ret : 0;
}

/* Waits for what give_handle() sends. */
static inline int take_handle(int sock, struct coro_handle **ret_handle)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd, ret;

	ret = coro_io_recvmsg(sock, &msg, MSG_CMSG_CLOEXEC, CORO_NEVER);
	head = CMSG_FIRSTHDR(&msg);
	if (ret <= 0)
		return ret < 0 ? ret : -EOWNERDEAD;
	if (!head || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	ret = coro_handle_open(ret_handle, fd);
	if (ret)
		close(fd);
	return ret;
}

static inline int swap_handles(int sock, struct coro_handle **ret_handle)
{
	int ret = give_handle(sock);

	return ret ? ret : take_handle(sock, ret_handle);
}

#endif /* EXAMPLES_HANDLE_PASS_H */
