// SPDX-License-Identifier: MIT
/* What coroutines did between two looks at a process. */
#include "rates.h"

#include <errno.h>
#include <stdlib.h>

int ctl_reading_take(struct ctl_reading *r, const struct ctl_look *l)
{
	const struct ctl_snapshot *s = &l->snap;

	*r = (struct ctl_reading){ .now_ns = l->now_ns };
	r->meters = calloc(s->nr_scheds + 1, sizeof(*r->meters));
	r->figures = calloc(s->nr + 1, sizeof(*r->figures));
	if (!r->meters || !r->figures) {
		ctl_reading_free(r);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->nr_scheds; i++)
		ctl_meter_read(s, &s->scheds[i], &r->meters[i]);
	for (size_t i = 0; i < s->nr; i++) {
		size_t sched = (size_t)(s->coros[i].sched - s->scheds);

		if (r->meters[sched].has_loop && r->meters[sched].measures)
			ctl_figures_read(s, &s->coros[i], &r->figures[i]);
	}
	return 0;
}

void ctl_reading_free(struct ctl_reading *r)
{
	free(r->meters);
	free(r->figures);
	*r = (struct ctl_reading){ 0 };
}

/* From one sum to a later one, which may be another's if that is less. */
static double ctl_delta(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) : 0;
}

static void ctl_rate_measured(struct ctl_rate *rate,
			      const struct coro__figures *from,
			      const struct coro__figures *to, double ns)
{
	double turns = ctl_delta(from->turns, to->turns);

	rate->turns = turns * 1e9 / ns;
	rate->run = ctl_delta(from->run_ns, to->run_ns) / ns;
	rate->ready_ns =
		turns > 0 ? ctl_delta(from->ready_ns, to->ready_ns) / turns : 0;
}

/*
 * By a count that wraps: less than there were, if that was more often than 65,535. It is
 * the entry's, of whatever life; where there was none before, what it was is not known.
 */
static void ctl_rate_counted(struct ctl_rate *rate,
			     const struct ctl_snapshot *snap_before,
			     const struct ctl_sched *sched, double ns)
{
	const struct ctl_coro *c = rate->coro;
	const struct ctl_coro *was =
		sched ? ctl_snapshot_index(snap_before, sched, c->index) : NULL;

	rate->turns = was ? (uint16_t)(c->shm.runs - was->shm.runs) * 1e9 / ns :
			    0;
	rate->run = -1;
	rate->ready_ns = -1;
}

static void ctl_rate_coro(struct ctl_rate *rate, const struct ctl_look *l,
			  const struct ctl_reading *now,
			  const struct ctl_snapshot *snap_before,
			  const struct ctl_reading *before)
{
	static const struct coro__figures none;
	const struct ctl_coro *c = rate->coro;
	const struct ctl_sched *sched =
		ctl_snapshot_sched(snap_before, c->sched);
	const struct ctl_coro *was =
		sched ? ctl_snapshot_find(snap_before, sched, ctl_coro_id(c)) :
			NULL;
	const struct ctl_meter *m = &now->meters[c->sched - l->snap.scheds];
	double ns = (double)(now->now_ns - before->now_ns);
	const struct coro__figures *from = &none;

	if (was)
		from = &before->figures[was - snap_before->coros];
	if (m->has_loop && m->measures)
		ctl_rate_measured(rate, from, &now->figures[c - l->snap.coros],
				  ns);
	else
		ctl_rate_counted(rate, snap_before, sched, ns);
}

/* Of what its loop measured, or else the sum of its coroutines. */
static void ctl_rate_loop(struct ctl_loop_rate *loop, const struct ctl_rates *r,
			  const struct ctl_meter *to,
			  const struct ctl_meter *from, double ns)
{
	static const struct coro__figures none;

	loop->has_loop = to->has_loop;
	if (to->has_loop && to->measures) {
		bool had = from && from->has_loop && from->measures;

		ctl_rate_measured(&loop->rate, had ? &from->total : &none,
				  &to->total, ns);
		return;
	}
	loop->rate.run = -1;
	loop->rate.ready_ns = -1;
	for (size_t i = 0; i < loop->sched->nr; i++)
		loop->rate.turns += r->coros[loop->sched->first + i].turns;
}

int ctl_rates_make(struct ctl_rates *r, const struct ctl_look *l,
		   const struct ctl_reading *now,
		   const struct ctl_snapshot *snap_before,
		   const struct ctl_reading *before)
{
	const struct ctl_snapshot *s = &l->snap;
	double ns = (double)(now->now_ns - before->now_ns);

	r->coros = calloc(s->nr + 1, sizeof(*r->coros));
	r->loops = calloc(s->nr_scheds + 1, sizeof(*r->loops));
	if (!r->coros || !r->loops) {
		ctl_rates_free(r);
		return -ENOMEM;
	}
	r->nr = s->nr;
	r->nr_loops = s->nr_scheds;
	for (size_t i = 0; i < s->nr; i++) {
		r->coros[i].coro = &s->coros[i];
		ctl_rate_coro(&r->coros[i], l, now, snap_before, before);
	}
	for (size_t i = 0; i < s->nr_scheds; i++) {
		const struct ctl_sched *was =
			ctl_snapshot_sched(snap_before, &s->scheds[i]);

		r->loops[i].sched = &s->scheds[i];
		ctl_rate_loop(&r->loops[i], r, &now->meters[i],
			      was ? &before->meters[was - snap_before->scheds] :
				    NULL,
			      ns);
	}
	return 0;
}

void ctl_rates_free(struct ctl_rates *r)
{
	free(r->coros);
	free(r->loops);
	*r = (struct ctl_rates){ 0 };
}
