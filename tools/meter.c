// SPDX-License-Identifier: MIT
/* What loops of another process measured of their coroutines' turns. */
#include "meter.h"

static void ctl_meter_copy(const struct ctl_process *p,
			   const struct coro__root *r, uint64_t loop,
			   struct ctl_meter *m)
{
	uint64_t at = ctl_process_word(p, loop + r->loop_meter);

	m->measures = at &&
		      !ctl_process_read(p, at + r->meter_total, &m->total,
					sizeof(m->total)) &&
		      !ctl_process_read(p, at + r->meter_times, &m->times,
					sizeof(m->times));
}

/* A coroutine of it that has not ended says that the loop was there all the time. */
static bool ctl_meter_by(const struct ctl_snapshot *s, struct ctl_coro *c,
			 struct ctl_meter *m)
{
	const struct coro__root *r = &c->sched->root;
	uint64_t loop = ctl_coro_word(s, c, r->coro_task_loop);

	if (!loop || ctl_coro_state(c) == CORO_STATE_CLOSED)
		return false;
	ctl_meter_copy(s->process, r, loop, m);
	return ctl_coro_again(s, c) && ctl_coro_state(c) != CORO_STATE_CLOSED &&
	       ctl_coro_word(s, c, r->coro_task_loop) == loop;
}

void ctl_meter_read(const struct ctl_snapshot *s, const struct ctl_sched *sched,
		    struct ctl_meter *m)
{
	m->has_loop = false;
	for (size_t i = 0; i < sched->nr && !m->has_loop; i++) {
		struct ctl_coro c = s->coros[sched->first + i];

		m->has_loop = ctl_meter_by(s, &c, m);
	}
}

bool ctl_figures_read(const struct ctl_snapshot *s, const struct ctl_coro *c,
		      struct coro__figures *f)
{
	uint64_t at = ctl_coro_object(c) + c->sched->root.coro_figures;

	return !ctl_process_read(s->process, at, f, sizeof(*f));
}
