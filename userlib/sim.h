/* SPDX-License-Identifier: MIT */
/* A deterministic run: its clock, its dice, and where it fails. */
#ifndef CORO_USERLIB_SIM_H
#define CORO_USERLIB_SIM_H

#include "coroutine.h"
#include "memory.h"

struct coro__loop;

struct coro__sim {
	struct coro_sim_opts opts;
	int64_t now_ns;
	uint64_t dice;
	bool asking; /* the fault function runs: nothing fails in it */
};

/* 0, with loop->sim set if there is to be one; or the error of bad options. */
int coro__sim_begin(struct coro__loop *loop);

/* The loop, or the thread inside it, has ended. */
void coro__sim_end(struct coro__thread *t);

/* The next to run, of those in @ready, which is not empty. */
struct coro *coro__sim_pick(struct coro__sim *sim, const struct list *ready);

/*
 * Nothing runs: how long to wait for completions in real time, 0 for not at all;
 * afterwards, when none came, the clock jumps.
 */
int64_t coro__sim_patience(const struct coro__loop *loop);
void coro__sim_jump(struct coro__loop *loop);

/* A negative errno, if this is where a failure is wanted; else 0. */
int coro__sim_fault(struct coro__sim *sim, enum coro_fault what);

#endif /* CORO_USERLIB_SIM_H */
