// SPDX-License-Identifier: MIT
/* Deterministic runs: the virtual clock, the order of a seed, and failures on demand. */
#include "sim.h"

#include <errno.h>
#include <string.h>

#include "dice.h"
#include "loop.h"
#include "opts.h"

uint64_t coro_sim_random(void)
{
	CORO__ENTRY;
	struct coro__sim *sim = coro__thread()->sim;

	return sim ? coro__dice_roll(&sim->dice) : 0;
}

static int coro__sim_opts(const struct coro_sim_opts *from,
			  struct coro_sim_opts *to, bool *ret_wanted)
{
	const char *seed = getenv("CORO_SEED");
	char *end;

	*ret_wanted = from || (seed && *seed);
	if (from)
		return coro__opts_copy(to, sizeof(*to), from);
	memset(to, 0, sizeof(*to));
	if (!*ret_wanted)
		return 0;
	to->seed = strtoull(seed, &end, 0);
	return *end ? -EINVAL : 0;
}

int coro__sim_begin(struct coro__loop *loop)
{
	struct coro_sim_opts opts;
	struct coro__sim *sim;
	bool wanted;
	int err;

	err = coro__sim_opts(loop->opts.sim, &opts, &wanted);
	if (err || !wanted)
		return err;
	if (opts.start_ns < 0 || opts.patience_ns < 0)
		return -EINVAL;
	sim = coro__calloc(1, sizeof(*sim));
	if (!sim)
		return -ENOMEM;
	sim->opts = opts;
	if (!sim->opts.patience_ns)
		sim->opts.patience_ns = CORO_MSEC;
	sim->now_ns = opts.start_ns ? opts.start_ns : coro_now();
	sim->dice = opts.seed;
	loop->sim = sim;
	loop->thread->sim = sim;
	coro_now();
	return 0;
}

void coro__sim_end(struct coro__thread *t)
{
	free(t->sim);
	t->sim = NULL;
}

struct coro *coro__sim_pick(struct coro__sim *sim, const struct list *ready)
{
	const struct list *pick = ready->next;
	uint64_t nr = 0;

	/* Each of n stays the pick with a chance of 1/n. */
	for (const struct list *l = ready->next; sim->opts.seed && l != ready;
	     l = l->next) {
		if (!(coro__dice_roll(&sim->dice) % ++nr))
			pick = l;
	}
	return container_of(pick, struct coro, task.ready);
}

int64_t coro__sim_patience(const struct coro__loop *loop)
{
	bool foreign = loop->inflight != loop->background ||
		       !list_empty(&loop->queued) || coro__loop_outside(loop);
	const struct coro__sim *sim = loop->sim;
	int64_t left;

	/* Without a deadline to jump to, as long as it takes. */
	if (!loop->timers.root)
		return INT64_MAX;
	left = loop->timers.root->deadline_ns - sim->now_ns;
	/* What runs elsewhere has as long as it would have in real time. */
	if (loop->blocking && left > sim->opts.patience_ns)
		return left;
	return foreign ? sim->opts.patience_ns : 0;
}

void coro__sim_jump(struct coro__loop *loop)
{
	struct coro__timer *next = loop->timers.root;

	if (next && list_empty(&loop->ready) &&
	    next->deadline_ns > loop->sim->now_ns)
		loop->sim->now_ns = next->deadline_ns;
}

int coro__sim_fault(struct coro__sim *sim, enum coro_fault what)
{
	int err;

	if (!sim->opts.fault || sim->asking)
		return 0;
	sim->asking = true;
	err = sim->opts.fault(sim->opts.arg, what);
	sim->asking = false;
	return err;
}

int coro__fault(enum coro_fault what)
{
	struct coro__sim *sim = coro__thread()->sim;

	return sim ? coro__sim_fault(sim, what) : 0;
}
