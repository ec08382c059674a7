/* SPDX-License-Identifier: MIT */
/* Threads that take a loop over from each other when one of them blocks. */
#ifndef CORO_USERLIB_HANDOFF_H
#define CORO_USERLIB_HANDOFF_H

#include "loop.h"

struct coro__crew;

/* Whether @loop can be handed over: its user wants that, and the kernel has it. */
bool coro__crew_possible(const struct coro__loop *loop);

/*
 * Runs the loop, which has been set up, on threads of its own until its first
 * coroutine has ended. The caller waits, and has the loop back. 0, or an error:
 * nothing has run.
 */
int coro__crew_run(struct coro__loop *loop);

/* Whether somebody stands by, or will: what is called now may block. */
bool coro__crew_ready(struct coro__loop *loop);

/*
 * Around a call that may block, by the thread that runs the loop: between the two the
 * loop may become another's. True if it did not; else nothing of it may be
 * touched, and coro__crew_relieved() must follow.
 */
void coro__crew_begin(struct coro__crew *crew);
bool coro__crew_end(struct coro__crew *crew);

/* Leaves the stack to where the thread stands by. */
__attribute__((noreturn)) void coro__crew_relieved(void);

#endif /* CORO_USERLIB_HANDOFF_H */
