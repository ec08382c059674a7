// SPDX-License-Identifier: MIT
/* Turns of a loop's coroutines, measured: all of them, or some at random. */
#include "meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dice.h"
#include "memory.h"

/* A measurement takes some 600 instructions: of one in 128 turns it is 1 %. */
#define CORO__METER_MAX_LEVEL 7
/*
 * Between two of them; farther apart there may be more of them, closer fewer. What is
 * found now changes the chance of turns to come, so each has the weight of its own.
 */
#define CORO__METER_NEAR CORO_MSEC
#define CORO__METER_CLOSE (CORO_MSEC / 4)

static int64_t coro__meter_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * CORO_SEC + now.tv_nsec;
}

/* Each turn for itself: a bit of @hits is one of the next turns. */
static void coro__meter_roll(struct coro__loop *loop)
{
	struct coro__meter *m = loop->meter;
	uint64_t hits;

	m->gap = 1;
	for (;;) {
		hits = ~UINT64_C(0);
		for (unsigned int i = 0; i < m->level; i++)
			hits &= coro__dice_roll(&m->dice);
		if (hits)
			break;
		m->gap += 64;
	}
	m->gap += (unsigned int)__builtin_ctzll(hits);
	loop->until_marked = m->gap;
}

static void coro__meter_adapt(struct coro__meter *m, int64_t now_ns)
{
	int64_t apart = now_ns - m->last_ns;

	if (apart > CORO__METER_NEAR && m->level)
		m->level--;
	else if (apart < CORO__METER_CLOSE && m->level < CORO__METER_MAX_LEVEL)
		m->level++;
	m->last_ns = now_ns;
}

void coro__meter_mark(struct coro__loop *loop, struct coro *task)
{
	struct coro__meter *m = loop->meter;
	int64_t now_ns;

	/* That many turns do not come where nothing is measured. */
	if (!m)
		return;
	now_ns = coro__meter_now();
	task->task.marked_ns = now_ns;
	task->task.weight = 1U << m->level;
	m->total.turns += m->gap;
	coro__meter_adapt(m, now_ns);
	coro__meter_roll(loop);
}

static void coro__meter_count(uint64_t *slots, uint64_t ns)
{
	unsigned int slot = 63 - (unsigned int)__builtin_clzll(ns | 1);

	slots[slot < CORO_METER_SLOTS ? slot : CORO_METER_SLOTS - 1]++;
}

static void coro__meter_add(struct coro__figures *f,
			    const struct coro__meter *m, uint64_t run_ns)
{
	f->measured++;
	f->run_ns += m->weight * run_ns;
	f->ready_ns += m->weight * m->ready_ns;
	if (run_ns > f->run_max_ns)
		f->run_max_ns = run_ns;
	if (m->ready_ns > f->ready_max_ns)
		f->ready_max_ns = m->ready_ns;
}

/* It may be marked anew in this turn, for the next. */
void coro__meter_enter(struct coro__loop *loop, struct coro *task)
{
	struct coro__meter *m = loop->meter;

	m->task = task;
	m->began_ns = coro__meter_now();
	m->ready_ns = (uint64_t)(m->began_ns - task->task.marked_ns);
	m->weight = task->task.weight;
	task->task.marked_ns = 0;
	loop->thread->observed = true;
}

void coro__meter_leave(struct coro__loop *loop)
{
	struct coro__meter *m = loop->meter;
	struct coro__figures *of_task;
	uint64_t run_ns;

	if (!m || !m->task)
		return;
	of_task = &m->task->task.figures;
	run_ns = (uint64_t)(coro__meter_now() - m->began_ns);
	of_task->turns += m->weight;
	coro__meter_add(of_task, m, run_ns);
	coro__meter_add(&m->total, m, run_ns);
	coro__meter_count(m->times.run, run_ns);
	coro__meter_count(m->times.ready, m->ready_ns);
	m->task = NULL;
}

bool coro__meter_step_ends(struct coro__loop *loop, const struct coro *task)
{
	const struct coro__meter *m = loop->meter;

	if (m && m->task == task && !loop->eager)
		coro__meter_leave(loop);
	return m && m->task;
}

int coro__meter_begin(struct coro__loop *loop)
{
	const char *wanted = getenv("CORO_METER");

	if (!(loop->opts.flags & CORO_RUN_F_METER) &&
	    !(wanted && !strcmp(wanted, "1")))
		return 0;
	loop->meter = coro__calloc(1, sizeof(*loop->meter));
	if (!loop->meter)
		return -ENOMEM;
	loop->meter->dice = (uint64_t)coro__meter_now();
	coro__meter_roll(loop);
	return 0;
}

void coro__meter_end(struct coro__loop *loop)
{
	free(loop->meter);
	loop->meter = NULL;
}

static void coro__meter_tell(const struct coro__figures *f,
			     struct coro_meter *meter)
{
	struct coro_meter full = {
		.size = meter->size,
		.turns = f->turns,
		.measured = f->measured,
		.run_ns = f->run_ns,
		.run_max_ns = f->run_max_ns,
		.ready_ns = f->ready_ns,
		.ready_max_ns = f->ready_max_ns,
	};
	size_t bytes = meter->size;

	memcpy(meter, &full, bytes < sizeof(full) ? bytes : sizeof(full));
}

/* The caller's loop, if that measures. */
static int coro__meter_of_caller(struct coro__loop **ret_loop)
{
	struct coro__thread *t = coro__thread();

	if (!t->task)
		return -EPERM;
	if (!t->loop->meter)
		return -ENODATA;
	*ret_loop = t->loop;
	return 0;
}

CORO__DEFINE2(int, coro_meter_read, struct coro *, c, struct coro_meter *,
	      meter)
{
	struct coro__loop *loop = NULL;
	int err;

	if (!meter || meter->size < sizeof(meter->size))
		return -EINVAL;
	err = coro__meter_of_caller(&loop);
	if (err)
		return err;
	if (c && c->task.loop != loop)
		return -EXDEV;
	coro__meter_tell(c ? &c->task.figures : &loop->meter->total, meter);
	return 0;
}

CORO__DEFINE1(int, coro_meter_read_times, struct coro_meter_times *, times)
{
	struct coro__loop *loop = NULL;
	size_t bytes;
	int err;

	if (!times || times->size < sizeof(times->size))
		return -EINVAL;
	err = coro__meter_of_caller(&loop);
	if (err)
		return err;
	bytes = times->size;
	loop->meter->times.size = bytes;
	memcpy(times, &loop->meter->times,
	       bytes < sizeof(*times) ? bytes : sizeof(*times));
	return 0;
}
