/* SPDX-License-Identifier: MIT */
/* Turns of a loop's coroutines, measured: all of them, or some at random. */
#ifndef CORO_USERLIB_METER_H
#define CORO_USERLIB_METER_H

#include <coro/meter.h>

#include "loop.h"

struct coro__meter {
	uint64_t gap; /* turns from the last that was marked to the next */
	unsigned int level; /* each is with a chance of 1 in 2^level */
	uint64_t dice;
	int64_t last_ns; /* when one was measured last */
	struct coro *task; /* whose turn is being measured, or NULL */
	int64_t began_ns; /* since when */
	uint64_t ready_ns; /* how long it was ready before */
	unsigned int weight; /* how many it stands for */
	struct coro__figures
		total; /* its turns are counted when they are marked */
	struct coro_meter_times times;
};

/* Gives the loop one if it is wanted: 0 or -ENOMEM. */
int coro__meter_begin(struct coro__loop *loop);
void coro__meter_end(struct coro__loop *loop);

/* @task is ready, and its turn is to be measured: loop->until_marked came to 0. */
void coro__meter_mark(struct coro__loop *loop, struct coro *task);

/* Before a turn of @task, which was marked. */
void coro__meter_enter(struct coro__loop *loop, struct coro *task);

/* The turn that is measured, if one is, is over. */
void coro__meter_leave(struct coro__loop *loop);

/*
 * After a step of @task, whatever it was: with it the turn is over, if it did not leave
 * for who starts eagerly and if it is not such a one. Whether one is still measured.
 */
bool coro__meter_step_ends(struct coro__loop *loop, const struct coro *task);

#endif /* CORO_USERLIB_METER_H */
