/* SPDX-License-Identifier: MIT */
/* SIGINT for a loop that asked for it: the first one cancels its first coroutine. */
#ifndef CORO_USERLIB_INTERRUPT_H
#define CORO_USERLIB_INTERRUPT_H

#include "doorbell.h"

/* Lives as long as its loop, for which the handler posts the note. */
struct coro__interrupt {
	struct coro__note note;
	struct coro__loop *loop;
	bool holds; /* has a reference to loop->shared */
	bool posted; /* by the handler, on any thread */
	bool told; /* the loop ran the note */
};

/* 0, or -EBUSY: another loop of the process has the signal. */
int coro__interrupt_begin(struct coro__loop *loop, struct coro__interrupt *in);

/* Nothing if @loop has none. A signal that came too late for it has its old effect. */
void coro__interrupt_end(struct coro__loop *loop);

/* Whether the first coroutine ended because of the signal, and nobody else. */
bool coro__interrupt_ended(const struct coro__loop *loop);

/* In a child of fork() the signal has its old effect. */
void coro__interrupt_forked(void);

#endif /* CORO_USERLIB_INTERRUPT_H */
