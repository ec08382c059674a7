/* SPDX-License-Identifier: MIT */
/* Functions that block, for the rest of the library. */
#ifndef CORO_USERLIB_BLOCKING_H
#define CORO_USERLIB_BLOCKING_H

#include <coro/blocking.h>

/* Promised in the header. Untouched it is address space and nothing else. */
#define CORO__BLOCKING_STACK (256U << 10)

struct coro__loop;

/* The loop was just taken over in such a call: its caller is parked, but for its task. */
void coro__blocking_taken(struct coro__loop *loop);

/* How many functions may run at once. */
unsigned int coro__blocking_limit(void);

/* In a child of fork(): the threads and what they have to do are the parent's. */
void coro__blocking_forked(void);

#endif /* CORO_USERLIB_BLOCKING_H */
