/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of io_uring, and the gate through which they come. */
#ifndef CORO_URING_H
#define CORO_URING_H

struct coro_subject;
struct io_uring_cmd;

int coro_uring_run(const struct coro_subject *on, struct io_uring_cmd *cmd,
		   unsigned int issue_flags);

#endif /* CORO_URING_H */
