/* SPDX-License-Identifier: MIT */
/* Functions that block, for the rest of the library. */
#ifndef CORO_USERLIB_BLOCKING_H
#define CORO_USERLIB_BLOCKING_H

#include <coro/blocking.h>

/* In a child of fork(): the threads and what they have to do are the parent's. */
void coro__blocking_forked(void);

#endif /* CORO_USERLIB_BLOCKING_H */
