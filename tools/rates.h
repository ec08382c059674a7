/* SPDX-License-Identifier: MIT */
/* What coroutines did between two looks at a process. */
#ifndef CORO_TOOLS_RATES_H
#define CORO_TOOLS_RATES_H

#include "coroctl.h"
#include "meter.h"

struct ctl_rate {
	const struct ctl_coro *coro; /* of the newer look */
	double turns; /* a second */
	/* Of a loop that measures; else -1. */
	double run; /* part of the time */
	double ready_ns; /* before a turn, on average */
};

struct ctl_loop_rate {
	const struct ctl_sched *sched;
	struct ctl_rate rate; /* of all its coroutines; @coro is NULL */
	bool has_loop;
};

/* A look with what was measured until then. */
struct ctl_reading {
	struct ctl_meter *meters; /* by scheduler */
	struct coro__figures *
		figures; /* by coroutine; zeroes if its loop does not measure */
	int64_t now_ns;
};

struct ctl_rates {
	struct ctl_rate *coros; /* as in the snapshot */
	size_t nr;
	struct ctl_loop_rate *loops;
	size_t nr_loops;
};

/* 0 or -ENOMEM; then it is empty. */
int ctl_reading_take(struct ctl_reading *r, const struct ctl_look *l);
void ctl_reading_free(struct ctl_reading *r);

/* From @before to @now, of which the look is @l; 0 or -ENOMEM: then it is empty. */
int ctl_rates_make(struct ctl_rates *r, const struct ctl_look *l,
		   const struct ctl_reading *now,
		   const struct ctl_snapshot *snap_before,
		   const struct ctl_reading *before);
void ctl_rates_free(struct ctl_rates *r);

#endif /* CORO_TOOLS_RATES_H */
