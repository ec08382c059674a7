/* SPDX-License-Identifier: MIT */
/* Generators that a loop has to end. */
#ifndef CORO_USERLIB_GEN_H
#define CORO_USERLIB_GEN_H

struct coro__loop;

/* Starts the end of those that have begun and not ended. */
void coro__gens_end(struct coro__loop *loop);

#endif /* CORO_USERLIB_GEN_H */
