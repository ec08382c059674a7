/* SPDX-License-Identifier: MIT */
/* What loops of another process measured of their coroutines' turns. */
#ifndef CORO_TOOLS_METER_H
#define CORO_TOOLS_METER_H

#include <coro/meter.h>

#include "snapshot.h"

struct ctl_meter {
	bool has_loop;
	bool measures;
	struct coro__figures total;
	struct coro_meter_times times;
};

/* Of the loop that drives @sched, if there is one. */
void ctl_meter_read(const struct ctl_snapshot *s, const struct ctl_sched *sched,
		    struct ctl_meter *m);

/* Of a coroutine of a loop that measures; false if it cannot be read. */
bool ctl_figures_read(const struct ctl_snapshot *s, const struct ctl_coro *c,
		      struct coro__figures *f);

#endif /* CORO_TOOLS_METER_H */
