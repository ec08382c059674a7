// SPDX-License-Identifier: MIT
/* Functions called side by side: groups whose children are an array. */
#include <errno.h>

#include "group.h"

/* What the calls of one gather share; on the stack of its caller. */
struct coro__gather {
	struct coro_group group;
	struct coro_job *jobs;
	size_t winner; /* the first that the policy counts */
	bool any; /* it counts successes only */
	bool won;
	bool pauses; /* parked in @pause, before it starts the next */
	struct coro_job
		*last; /* the one that it started last, until that failed */
	struct coro__wait pause;
	struct coro__loop *loop;
};

static long coro__gather_run(void *arg)
{
	CORO__ENTRY;
	struct coro_job *job = arg;

	job->result = coro__call_own(job->fn, job->arg);
	return job->result;
}

static void coro__gather_ended(void *arg, struct coro *child, long value)
{
	struct coro__gather *all = arg;
	struct coro_job *job = child->arg;
	bool failed = coro__is_failure(value);

	if (!all->won && value != -ECANCELED && !(all->any && failed)) {
		all->won = true;
		all->winner = (size_t)(job - all->jobs);
	}
	if (!failed || job != all->last)
		return;
	all->last = NULL;
	if (all->pauses) {
		all->pauses = false;
		coro__wake(all->loop, &all->pause, 0);
	}
}

static void coro__gather_interrupt(struct coro__loop *loop,
				   struct coro__wait *w, int why)
{
	container_of(w, struct coro__gather, pause)->pauses = false;
	coro__wake(loop, w, why == -ETIMEDOUT ? 0 : why);
}

/* Until the next may start. */
static int coro__gather_pause(struct coro__gather *all, int64_t stagger_ns)
{
	int err = coro__wait_begin(&all->loop);

	if (err || !all->last)
		return err;
	all->pause.interrupt = coro__gather_interrupt;
	all->pauses = true;
	return coro__park(all->loop, &all->pause, coro_after(stagger_ns),
			  CORO_AWAITS_GROUP, (uintptr_t)&all->group);
}

static long coro__gather(struct coro__gather *all, size_t nr,
			 enum coro_policy policy, size_t need,
			 int64_t stagger_ns)
{
	const struct coro_group_opts opts = {
		.size = sizeof(opts),
		.policy = policy,
		.need = (unsigned int)need,
		.ended = coro__gather_ended,
		.arg = all,
	};
	long ret;

	for (size_t i = 0; i < nr; i++)
		all->jobs[i].result = -ECANCELED;
	ret = coro_group_open(&all->group, &opts);
	if (ret)
		return ret;
	for (size_t i = 0; i < nr && !ret; i++) {
		if (i && stagger_ns)
			ret = coro__gather_pause(all, stagger_ns);
		all->last = &all->jobs[i];
		if (!ret)
			ret = coro_group_spawn_named(&all->group,
						     coro__gather_run,
						     &all->jobs[i], "job");
	}
	return coro_group_close(&all->group, ret);
}

int coro_gather(struct coro_job *jobs, size_t nr)
{
	CORO__ENTRY;
	struct coro__gather all = { .jobs = jobs };

	return (int)coro__gather(&all, nr, CORO_POLICY_ALL, 0, 0);
}

int coro_gather_each(struct coro_job *jobs, size_t nr)
{
	CORO__ENTRY;
	struct coro__gather all = { .jobs = jobs };

	return (int)coro__gather(&all, nr, CORO_POLICY_EACH, 0, 0);
}

long coro_race(struct coro_job *jobs, size_t nr)
{
	CORO__ENTRY;
	struct coro__gather all = { .jobs = jobs };
	long ret;

	if (!nr)
		return -EINVAL;
	ret = coro__gather(&all, nr, CORO_POLICY_FIRST, 0, 0);
	if (ret == -ECANCELED)
		return ret;
	/* That the first one failed is told by its result. */
	if (all.won)
		return (long)all.winner;
	return ret ? ret : -ECANCELED;
}

long coro_any(struct coro_job *jobs, size_t nr, size_t need, int64_t stagger_ns)
{
	CORO__ENTRY;
	struct coro__gather all = { .jobs = jobs, .any = true };
	long ret;

	if (!need || need > nr)
		return -EINVAL;
	ret = coro__gather(&all, nr, CORO_POLICY_ANY, need, stagger_ns);
	if (!ret && coro__group(&all.group)->ok < need)
		ret = -ECANCELED;
	return ret ? ret : (long)all.winner;
}
