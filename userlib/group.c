// SPDX-License-Identifier: MIT
/* A group: owns children, and is not left before the last of them has ended. */
#include "group.h"

#include <assert.h>
#include <errno.h>

#include "opts.h"

static_assert(sizeof(struct coro__group) <= sizeof(struct coro_group),
	      "struct coro_group has no room for what is in it");

int coro_group_open(struct coro_group *group,
		    const struct coro_group_opts *opts)
{
	CORO__ENTRY;
	struct coro__group *g = coro__group(group);
	struct coro_group_opts o;
	int err;

	if (!g)
		return -EINVAL;
	err = coro__opts_copy(&o, sizeof(o), opts);
	if (err)
		return err;
	if ((unsigned int)o.policy > CORO_POLICY_RESTART)
		return -EINVAL;
	err = coro_scope_enter(coro_group_scope(group),
			       o.deadline_ns ? o.deadline_ns : CORO_NEVER);
	if (err)
		return err;
	g->timed.scope.group = true;
	g->opts = o;
	g->live = 0;
	g->ok = 0;
	g->failed = 0;
	g->late = 0;
	g->restarts = 0;
	g->error = 0;
	g->deadlock = false;
	g->outer = false;
	g->decided = false;
	g->closing = false;
	return 0;
}

struct coro_scope *coro_group_scope(struct coro_group *g)
{
	CORO__ENTRY;

	return (struct coro_scope *)g;
}

unsigned int coro_group_live(const struct coro_group *g)
{
	CORO__ENTRY;

	return coro__group(g)->live;
}

unsigned int coro_group_failed(const struct coro_group *g)
{
	CORO__ENTRY;

	return coro__group(g)->failed;
}

int coro_group_cancel(struct coro_group *g)
{
	CORO__ENTRY;

	return g ? coro_scope_cancel(coro_group_scope(g)) : -EINVAL;
}

/* The policy has no use for those that still run. */
static void coro__group_decide(struct coro__loop *loop, struct coro__group *g)
{
	g->decided = true;
	if (!g->timed.scope.asked)
		coro__scope_cancel(loop, &g->timed.scope);
}

static void coro__group_count(struct coro__group *g, long value)
{
	if (value == -ECANCELED) {
		g->late += g->timed.expired;
	} else if (!coro__is_failure(value)) {
		g->ok++;
	} else {
		g->failed++;
		/* Once it is decided, failures are those of being cancelled. */
		if (!g->error &&
		    (g->opts.policy != CORO_POLICY_FIRST || !g->decided))
			g->error = value;
	}
}

static bool coro__group_decides(const struct coro__group *g, long value)
{
	switch (g->opts.policy) {
	case CORO_POLICY_ALL:
	case CORO_POLICY_RESTART:
		return coro__is_failure(value);
	case CORO_POLICY_FIRST:
		return value != -ECANCELED;
	case CORO_POLICY_ANY:
		return g->ok >= (g->opts.need ? g->opts.need : 1);
	default:
		return false;
	}
}

void coro__group_ended(struct coro__loop *loop, struct coro__group *g,
		       struct coro *child)
{
	long value = child->value;

	coro__group_count(g, value);
	/* What the group's close returns, or somebody is told, is not unseen. */
	if (g->opts.ended ||
	    (g->opts.policy != CORO_POLICY_EACH && value == g->error))
		child->task.retrieved = true;
	if (coro__group_decides(g, value))
		coro__group_decide(loop, g);
	if (g->opts.ended)
		g->opts.ended(g->opts.arg, child, value);
	if (--g->live)
		return;
	g->outer = g->timed.scope.up->cancelled;
	/* Those that come before the closer has its turn are waited for, too. */
	if (g->closing) {
		g->closing = false;
		coro__wake(loop, &g->closer, 0);
	}
}

void coro__group_abandon(struct coro__loop *loop, struct coro__group *g)
{
	struct coro__scope *s = &g->timed.scope;

	coro__scope_cancel(loop, s);
	while (!list_empty(&s->inner)) {
		struct coro__scope *in =
			container_of(s->inner.next, struct coro__scope, link);

		list_del(&in->link);
		in->up = &loop->scope;
		list_add_tail(&loop->scope.inner, &in->link);
		in->task->task.group = NULL;
	}
}

/*
 * The restart of one that failed is a call in the same coroutine: it needs no
 * memory, and its handle stays.
 */
long coro__group_run(struct coro *child)
{
	struct coro__group *g = child->task.group;
	long value;

	for (;;) {
		value = coro__call_fn(child);
		/* The opener may have gone meanwhile, and @g with it. */
		if (child->task.group != g || !coro__is_failure(value) ||
		    g->restarts == g->opts.restarts ||
		    child->task.root.cancelled)
			return value;
		g->restarts++;
		g->failed++;
		/* One that fails at once starves nobody. */
		if (coro_sleep(0) || coro_check())
			return -ECANCELED;
	}
}

static void coro__group_interrupt(struct coro__loop *loop, struct coro__wait *w,
				  int why)
{
	struct coro__group *g = container_of(w, struct coro__group, closer);

	/* A cancel is the scope's, and its children know. */
	if (why != -EDEADLK || g->deadlock)
		return;
	g->deadlock = true;
	coro__group_decide(loop, g);
}

static void coro__group_wait(struct coro__loop *loop, struct coro__group *g)
{
	g->closer.interrupt = coro__group_interrupt;
	g->closing = true;
	coro__park(loop, &g->closer, CORO_NEVER, CORO_AWAITS_GROUP,
		   (uintptr_t)g);
}

static long coro__group_result(struct coro__group *g, long result)
{
	bool enough = g->opts.policy == CORO_POLICY_ANY &&
		      g->ok >= (g->opts.need ? g->opts.need : 1);

	if (g->error && g->opts.policy != CORO_POLICY_EACH && !enough)
		return g->error;
	if (coro__is_failure(result))
		return result;
	if (g->outer)
		return -ECANCELED;
	if (g->timed.expired && (g->late || result == -ECANCELED))
		return -ETIMEDOUT;
	if (g->deadlock)
		return -EDEADLK;
	return coro__timed_result(&g->timed, result);
}

long coro_group_close(struct coro_group *group, long result)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();
	struct coro__group *g = coro__group(group);
	struct coro__loop *loop = t->loop;
	bool gave_up;

	if (!g || !coro__timed_innermost(t, &g->timed))
		return -EINVAL;
	if (coro__is_failure(result) && !g->error &&
	    g->opts.policy != CORO_POLICY_EACH)
		g->error = result;
	gave_up = result == -ECANCELED && !g->timed.scope.cancelled;
	if (g->live && (coro__is_failure(result) || result == -ECANCELED))
		coro__group_decide(loop, g);
	if (!g->live)
		g->outer = g->timed.scope.up->cancelled;
	while (g->live)
		coro__group_wait(loop, g);
	coro__timed_leave(&g->timed);
	result = coro__group_result(g, result);
	/* The group was cancelled by the opener's word, not that by the group. */
	return gave_up && !result ? -ECANCELED : result;
}

#undef coro_group_spawn
int coro_group_spawn(struct coro_group *g, long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;

	return coro_group_spawn_named(g, fn, arg, NULL);
}

int coro_group_spawn_named(struct coro_group *g, long (*fn)(void *arg),
			   void *arg, const char *name)
{
	CORO__ENTRY;
	const struct coro__spawn how = {
		.group = coro__group(g),
		.name = name,
		.origin = __builtin_return_address(0),
	};

	return g ? coro__spawn(NULL, fn, arg, &how) : -EINVAL;
}

/* Waits until a child is ready, or has ended. */
struct coro__starter {
	struct coro__wait wait;
	struct coro *child;
	long value;
};

static void coro__starter_interrupt(struct coro__loop *loop,
				    struct coro__wait *w, int why)
{
	struct coro__starter *s = container_of(w, struct coro__starter, wait);

	s->child->task.starter = NULL;
	coro__scope_cancel(loop, &s->child->task.root);
	coro__wake(loop, w, why);
}

void coro__starter_tell(struct coro__loop *loop, struct coro *child, int err,
			long value)
{
	struct coro__starter *s = child->task.starter;

	child->task.starter = NULL;
	s->value = value;
	coro__wake(loop, &s->wait, err);
}

int coro_started(long value)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();

	if (!t->task)
		return -EPERM;
	if (!t->task->task.starter)
		return -ESRCH;
	coro__starter_tell(t->loop, t->task, 0, value);
	return 0;
}

static int coro__group_start(struct coro_group *g, long (*fn)(void *arg),
			     void *arg, long *ret_value,
			     const struct coro__spawn *how)
{
	struct coro__starter s = { .wait.interrupt = coro__starter_interrupt };
	struct coro__loop *loop;
	int err;

	if (!g)
		return -EINVAL;
	err = coro__wait_begin(&loop);
	if (!err)
		err = coro__spawn(&s.child, fn, arg, how);
	if (err)
		return err;
	s.child->task.starter = &s;
	err = coro__park(loop, &s.wait, CORO_NEVER, CORO_AWAITS_CONTEXT,
			 coro_id(s.child));
	coro_put(s.child);
	if (!err && ret_value)
		*ret_value = s.value;
	return err;
}

#undef coro_group_start
int coro_group_start(struct coro_group *g, long (*fn)(void *arg), void *arg,
		     long *ret_value)
{
	CORO__ENTRY;

	return coro_group_start_named(g, fn, arg, ret_value, NULL);
}

int coro_group_start_named(struct coro_group *g, long (*fn)(void *arg),
			   void *arg, long *ret_value, const char *name)
{
	CORO__ENTRY;
	const struct coro__spawn how = {
		.group = coro__group(g),
		.name = name,
		.origin = __builtin_return_address(0),
	};

	return coro__group_start(g, fn, arg, ret_value, &how);
}
