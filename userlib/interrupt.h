/* SPDX-License-Identifier: MIT */
/* SIGINT for a loop that asked for it: the first one cancels its first coroutine. */
#ifndef CORO_USERLIB_INTERRUPT_H
#define CORO_USERLIB_INTERRUPT_H

#include "doorbell.h"

/* 0, or -EBUSY: another loop of the process has the signal. */
int coro__interrupt_begin(struct coro__loop *loop);

/* Nothing if @l has none. A signal that came too late for it has its old effect. */
void coro__interrupt_end(struct coro_loop *l);

/* Whether the first coroutine ended because of the signal, and nobody else. */
bool coro__interrupt_ended(const struct coro__loop *loop);

/* In a child of fork() the signal has its old effect. */
void coro__interrupt_forked(void);

#endif /* CORO_USERLIB_INTERRUPT_H */
