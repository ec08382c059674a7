// SPDX-License-Identifier: MIT
/* The coroutine object: its state, its frame and its linkage to those who drive and await it. */
#include "coroutine.h"

#include <execinfo.h>
#include <string.h>

#include "annotate.h"
#include "group.h"
#include "report.h"
#include "switch.h"

void coro__jump(struct coro__thread *t, struct coro *from, struct coro *to,
		__u64 *save, __u64 load)
{
	coro__mark_leave(t, from, to);
	coro__switch(save, load);
	coro__mark_arrive(from ? &from->mark : &t->mark);
}

/* Back to the driver of @act, which is on top of the thread. */
static void coro__leave(struct coro__thread *t, struct coro *c,
			struct coro__act *act)
{
	c->saved_errno = *t->errno_p;
	*t->errno_p = act->saved_errno;
	t->act = act->up;
	t->cur = act->prev;
	coro__jump(t, c, act->prev, &c->shm->sp, coro__take_sp(act->sp));
}

/* The function of @c returned: its awaiter goes on, or who resumed it. */
static void coro__end(struct coro *c, long value)
{
	struct coro__thread *t = coro__thread();
	struct coro__act *act = t->act;
	struct coro *to = c->awaiter;

	coro__set_closed(c, value);
	coro__tell_end(c);
	if (c == act->root) {
		act->value = value;
		act->outcome = CORO_ENDED;
		coro__leave(t, c, act);
	} else {
		c->awaiter = NULL;
		to->awaiting = NULL;
		to->value = value;
		to->err = 0;
		*t->errno_p = to->saved_errno;
		t->cur = to;
		coro__jump(t, c, to, &c->shm->sp, coro__set_running(to));
	}
	__builtin_unreachable();
}

CORO__PLAIN long coro__call_fn(struct coro *c)
{
	long value = coro__call_own(c->fn, c->arg);

	if (__builtin_expect(!!c->open, 0))
		CORO__SCOPE_ABANDON(c, NULL);
	coro__finish(c);
	return value;
}

void coro__main(struct coro *c)
{
	coro__mark_arrive(&c->mark);
	coro__end(c, c->task.loop && c->task.restarts ? coro__group_run(c) :
							coro__call_fn(c));
	__builtin_unreachable();
}

/* The innermost coroutine of the chain that @c awaits. */
static struct coro *coro__leaf(const struct coro *c)
{
	const struct coro *leaf = c->leaf ? c->leaf : c;

	while (leaf->awaiting)
		leaf = leaf->awaiting;
	return (struct coro *)leaf;
}

/*
 * Whether the chain of @c waits in coro_yield(), where anybody may resume it;
 * then *ret_leaf is who. The leaf can also be CLOSED: somebody drove it to its
 * end behind its awaiter's back.
 */
static bool coro__resumable(const struct coro *c, struct coro **ret_leaf)
{
	struct coro *leaf = coro__leaf(c);

	*ret_leaf = leaf;
	if (leaf->shm->state == CORO_STATE_CLOSED)
		return true;
	return leaf->shm->state == CORO_STATE_SUSPENDED &&
	       leaf->shm->awaits_kind == CORO_AWAITS_RESUME;
}

/* Whoever awaits @c, however far up, must look for the leaf anew. */
static void coro__forget_leaf(struct coro *c)
{
	c->leaf = NULL;
	for (struct coro *up = c->awaiter; up; up = up->awaiter)
		up->leaf = NULL;
}

/*
 * Who of a resumable chain goes on, with what: the leaf; or the awaiter of a
 * leaf that ended without it, whose await fails.
 */
static struct coro *coro__aim(struct coro *c, struct coro *leaf, long value,
			      int err)
{
	coro__forget_leaf(c);
	if (leaf->shm->state == CORO_STATE_CLOSED && leaf != c) {
		struct coro *awaiter = leaf->awaiter;

		leaf->awaiter = NULL;
		if (!leaf->refs)
			leaf->refs = 1; /* it put the awaiter's own */
		awaiter->awaiting = NULL;
		leaf = awaiter;
		value = 0;
		if (!err)
			err = -ESRCH;
	}
	leaf->value = value;
	leaf->err = err;
	return leaf;
}

/*
 * A last reference can go while the coroutine runs or awaits: now those have
 * left. Of a chain it is the outermost that is closed, and it closes the rest.
 */
static void coro__drop_left(struct coro *c)
{
	while (c->awaiter)
		c = c->awaiter;
	if (!c->refs) {
		c->refs = 1;
		coro_put(c);
	}
}

static int coro__drive(struct coro__thread *t, struct coro *c,
		       struct coro *leaf, long *ret_value)
{
	struct coro__act act = {
		.up = t->act,
		.root = c,
		.prev = t->cur,
		.sp = t->cur ? &t->cur->shm->sp : &t->sp,
		.scope = t->task ? t->task->task.scope : NULL,
		.saved_errno = *t->errno_p,
	};

	*t->errno_p = leaf->saved_errno;
	t->act = &act;
	t->cur = leaf;
	coro__jump(t, act.prev, leaf, act.sp, coro__set_running(leaf));
	coro__drop_left(c);
	if (ret_value)
		*ret_value = act.value;
	return act.outcome;
}

/* Refusals that resume, throw and close share; 0 if @c can be driven. */
static int coro__drivable(struct coro *c, struct coro **ret_leaf)
{
	if (!c)
		return -EINVAL;
	switch (c->shm->state) {
	case CORO_STATE_CREATED:
		*ret_leaf = c;
		return c->task.loop ? -EBUSY : 0;
	case CORO_STATE_SUSPENDED:
		return c->task.loop || !coro__resumable(c, ret_leaf) ? -EBUSY :
								       0;
	case CORO_STATE_CLOSED:
		return -ESRCH;
	default:
		return -EBUSY;
	}
}

CORO__DEFINE3(int, coro_resume, struct coro *, c, long, value, long *,
	      ret_value)
{
	struct coro *leaf;
	int err;

	err = coro__drivable(c, &leaf);
	if (err)
		return err;
	if (value && c->shm->state == CORO_STATE_CREATED)
		return -EINVAL;
	leaf = coro__aim(c, leaf, value, 0);
	return coro__drive(coro__thread_driver(), c, leaf, ret_value);
}

void coro__close_created(struct coro *c, int err)
{
	coro__set_closed(c, err);
	coro__tell_end(c);
}

int coro_throw(struct coro *c, int err, long *ret_value)
{
	CORO__ENTRY;
	struct coro *leaf;
	int ret;

	if (!coro__is_error(err))
		return -EINVAL;
	ret = coro__drivable(c, &leaf);
	if (ret)
		return ret;
	if (c->shm->state == CORO_STATE_CREATED) {
		coro__close_created(c, err);
		if (ret_value)
			*ret_value = err;
		return CORO_ENDED;
	}
	leaf = coro__aim(c, leaf, 0, err);
	return coro__drive(coro__thread_driver(), c, leaf, ret_value);
}

int coro_close(struct coro *c, long *ret_value)
{
	CORO__ENTRY;
	long value;
	int ret;

	ret = coro_throw(c, CORO_EXIT, &value);
	if (ret == -ESRCH)
		value = c->value;
	else if (ret == CORO_YIELDED)
		return -EAGAIN;
	else if (ret < 0)
		return ret;
	if (ret_value)
		*ret_value = value;
	return 0;
}

/* Why nobody takes a yield: no driver could, or this one is to be left first. */
static int coro__held(const struct coro__thread *t)
{
	bool loop = t->task && t->act == &t->task->task.base;

	return !t->cur || loop ? -EPERM : -EBUSY;
}

CORO__DEFINE2(int, coro_yield, long, value, long *, ret_value)
{
	struct coro__thread *t = coro__thread();
	struct coro__act *act = t->act;
	struct coro *c = t->cur;

	if (!c || act->held)
		return coro__held(t);
	if (t->task && t->task->task.scope != act->scope)
		return -EBUSY;
	act->value = value;
	act->outcome = CORO_YIELDED;
	if (act->root != c && !act->root->awaiter)
		act->root->leaf = c;
	coro__set_suspended(c, CORO_AWAITS_RESUME, 0);
	coro__leave(t, c, act);
	if (c->err)
		return c->err;
	if (ret_value)
		*ret_value = c->value;
	return 0;
}

/* Why @me may not await @c inline; 0 if it may. */
static int coro__awaitable(struct coro *me, struct coro *c,
			   struct coro **ret_leaf)
{
	bool resumable;

	if (c == me)
		return -EDEADLK;
	if (c->shm->state == CORO_STATE_CLOSED)
		return -ESRCH;
	resumable = c->shm->state == CORO_STATE_CREATED ||
		    coro__resumable(c, ret_leaf);
	if (c->shm->state == CORO_STATE_CREATED)
		*ret_leaf = c;
	if (*ret_leaf == me)
		return -EDEADLK;
	if (c->awaiter)
		return -EALREADY;
	return resumable ? 0 : -EBUSY;
}

/* Runs @leaf, the innermost of what @c awaits, in place of @me until @c ends. */
static int coro__await_inline(struct coro__thread *t, struct coro *me,
			      struct coro *c, struct coro *leaf)
{
	leaf = coro__aim(c, leaf, 0, 0);
	me->awaiting = c;
	c->awaiter = me;
	me->saved_errno = *t->errno_p;
	coro__set_suspended(me, CORO_AWAITS_CONTEXT, c->id);
	*t->errno_p = leaf->saved_errno;
	t->cur = leaf;
	coro__jump(t, me, leaf, &me->shm->sp, coro__set_running(leaf));
	return me->err;
}

CORO__DEFINE2(int, coro_await_value, struct coro *, c, long *, ret_value)
{
	struct coro__thread *t = coro__thread();
	struct coro *me = t->cur;
	struct coro *leaf;
	long value;
	int err;

	if (!c)
		return -EINVAL;
	if (!me)
		return -EPERM;
	if (c->task.loop)
		return coro__join(t, c, ret_value);
	err = coro__awaitable(me, c, &leaf);
	if (err)
		return err;
	err = coro__await_inline(t, me, c, leaf);
	if (err)
		return err;
	value = me->value;
	/* Its own body may have put the reference that this call is to take. */
	if (!c->refs)
		c->refs = 1;
	coro_put(c);
	if (ret_value)
		*ret_value = value;
	return 0;
}

CORO__DEFINE1(long, coro_await, struct coro *, c)
{
	long value;
	int err = coro_await_value(c, &value);

	return err ? err : value;
}

CORO__DEFINE1(struct coro *, coro_get, struct coro *, c)
{
	c->refs++;
	return c;
}

/* A coroutine that nobody refers to and that is on no stack's way. */
static void coro__recycle(struct coro *c)
{
	CORO__PROBE(coro_free, c, c->id);
	if (__atomic_load_n(&c->port, __ATOMIC_ACQUIRE))
		coro__port_put(c);
	coro__sched_give(c->sched, c, coro__thread()->sched == c->sched);
}

/*
 * It answered CORO_EXIT with another yield, and so would it the next time: it
 * ends as it stands, and whom it awaits loses a reference. Nobody can drive any
 * of those that end, and all of their stacks stay, while they are finished, the
 * innermost first. References that are taken meanwhile are good.
 */
static void coro__abandon(struct coro *c)
{
	struct coro *all = NULL, *inner;

	do {
		inner = c->awaiting;
		c->awaiting = NULL;
		if (inner)
			inner->awaiter = NULL;
		if (c->shm->state != CORO_STATE_CLOSED)
			coro__set_closed(c, CORO_EXIT);
		c->refs = 1;
		c->next = all;
		all = c;
		c = inner;
	} while (c && (!c->refs || !--c->refs));
	for (c = all; c; c = c->next) {
		coro__finish(c);
		coro__tell_end(c);
	}
	while (all) {
		c = all;
		all = c->next;
		coro_put(c);
	}
}

/* Nobody can learn any more what became of it. */
static void coro__report_unseen(struct coro *c)
{
	if (c->shm->state == CORO_STATE_CREATED)
		coro__report(c, CORO_REPORT_NEVER_STARTED, 0);
	else if (c->task.loop)
		coro__report_failure(c);
}

void coro_put(struct coro *c)
{
	CORO__ENTRY;
	struct coro *leaf;
	long value = CORO_EXIT;
	bool ignored;

	if (!c || --c->refs)
		return;
	if (c->awaiter)
		return; /* who awaits it puts it, or coro__drop_left() */
	if (c->shm->state == CORO_STATE_RUNNING)
		return; /* coro__drop_left() follows */
	if (c->shm->state != CORO_STATE_SUSPENDED) {
		coro__report_unseen(c);
		coro__recycle(c);
		return;
	}
	if (!coro__resumable(c, &leaf))
		return;
	/* Cleanup may take references, and keep them. */
	c->refs = 1;
	ignored = coro_close(c, &value) == -EAGAIN;
	if (ignored)
		value = -EAGAIN;
	if (value != CORO_EXIT && coro__is_error(value))
		coro__report(c, CORO_REPORT_CLEANUP, value);
	if (--c->refs)
		return;
	if (ignored)
		coro__abandon(c);
	else
		coro__recycle(c);
}

/* Creation frames beyond the caller lie between object and stack. */
static void *coro__record_origins(struct coro *c, int depth)
{
	void *frames[CORO_ORIGIN_MAX + 4];
	void **out;
	int nr, at = 0;

	nr = backtrace(frames, depth + 4);
	while (at < nr && frames[at] != (void *)(uintptr_t)c->shm->origin)
		at++;
	if (at == nr)
		return c;
	nr -= at;
	if (nr > depth)
		nr = depth;
	out = (void **)c - ((nr + 1) & ~1);
	coro__mark_writable(out - CORO__FRAME_WORDS, c);
	memcpy(out, frames + at, (size_t)nr * sizeof(*frames));
	c->nr_origins = (unsigned int)nr;
	return out;
}

/* Others may read it meanwhile: the first byte goes first and comes last. */
static void coro__copy_name(struct coro *c, const char *name)
{
	char *to = c->shm->name;
	size_t i = 1;

	__atomic_store_n(&to[0], '\0', __ATOMIC_RELAXED);
	if (!name || !name[0])
		return;
	for (; i < CORO_NAME_LEN - 1 && name[i]; i++)
		__atomic_store_n(&to[i], name[i], __ATOMIC_RELEASE);
	__atomic_store_n(&to[i], '\0', __ATOMIC_RELEASE);
	__atomic_store_n(&to[0], name[0], __ATOMIC_RELEASE);
}

int coro__create(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		 const char *name, void *origin)
{
	struct coro__thread *t;
	struct coro *c;
	void *top;
	int err;

	if (!fn || !ret_coro)
		return -EINVAL;
	err = coro__thread_ready(&t);
	if (err)
		return err;
	err = coro__sched_take(t->sched, ret_coro);
	if (err)
		return err;
	c = *ret_coro;
	c->awaiting = NULL;
	c->awaiter = NULL;
	c->leaf = NULL;
	c->open = NULL;
	c->err = 0;
	c->saved_errno = 0;
	c->refs = 1;
	c->nr_origins = 0;
	c->id_taken = false;
	c->woken = false;
	c->defers = NULL;
	c->locals = NULL;
	c->port = NULL;
	c->fn = fn;
	c->arg = arg;
	c->task.loop = NULL;
	coro__mark_made(c);
	CORO__PROBE(coro_new, c, c->id, fn, name);
	/* Others may read the table meanwhile. */
	c->shm->runs++;
	__atomic_store_n(&c->shm->entry, (uintptr_t)fn, __ATOMIC_RELAXED);
	__atomic_store_n(&c->shm->origin, (uintptr_t)origin, __ATOMIC_RELAXED);
	__atomic_store_n(&c->shm->worker, (unsigned int)t->tid,
			 __ATOMIC_RELAXED);
	coro__copy_name(c, name);
	top = t->origin_depth > 1 ? coro__record_origins(c, t->origin_depth) :
				    c;
	c->shm->sp = coro__frame_init(top, c);
	coro__set_state(c, CORO_STATE_CREATED);
	return 0;
}

int coro_create(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		const char *name)
{
	CORO__ENTRY;

	return coro__create(ret_coro, fn, arg, name,
			    __builtin_return_address(0));
}

struct coro *coro_new_named(long (*fn)(void *arg), void *arg, const char *name)
{
	CORO__ENTRY;
	struct coro *c;

	return coro__create(&c, fn, arg, name, __builtin_return_address(0)) ?
		       NULL :
		       c;
}

#undef coro_new
struct coro *coro_new(long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;
	struct coro *c;

	return coro__create(&c, fn, arg, NULL, __builtin_return_address(0)) ?
		       NULL :
		       c;
}

CORO__DEFINE0(struct coro *, coro_self)
{
	return coro__thread()->cur;
}

enum coro_state coro_state(const struct coro *c)
{
	CORO__ENTRY;
	enum coro_state state = (enum coro_state)c->shm->state;

	if (state == CORO_STATE_SUSPENDED && c->awaiting &&
	    coro__leaf(c)->shm->state == CORO_STATE_RUNNING)
		return CORO_STATE_RUNNING;
	return state;
}

static void coro__take_id(struct coro *c)
{
	if (c)
		c->id_taken = true;
}

enum coro_awaits coro_awaits(const struct coro *c, uint64_t *ret_arg)
{
	CORO__ENTRY;
	bool waits = coro_state(c) == CORO_STATE_SUSPENDED;

	/* The caller knows an id now. */
	if (waits)
		coro__take_id(c->awaiting ? c->awaiting : coro__joined(c));
	if (ret_arg)
		*ret_arg = waits ? c->shm->awaits : 0;
	return waits ? (enum coro_awaits)c->shm->awaits_kind :
		       CORO_AWAITS_NOTHING;
}

const char *coro_name(const struct coro *c)
{
	CORO__ENTRY;

	return c->shm->name;
}

int coro_set_name(struct coro *c, const char *name)
{
	CORO__ENTRY;

	if (!c || !name)
		return -EINVAL;
	if (strnlen(name, CORO_NAME_LEN) == CORO_NAME_LEN)
		return -ERANGE;
	coro__copy_name(c, name);
	return 0;
}

size_t coro_origin(const struct coro *c, void **ret_frames, size_t nr)
{
	CORO__ENTRY;
	size_t known = c->nr_origins ? c->nr_origins : 1;
	void *const *frames = (void *const *)c - ((c->nr_origins + 1) & ~1U);

	if (nr > known)
		nr = known;
	if (!c->nr_origins && nr)
		ret_frames[0] = (void *)(uintptr_t)c->shm->origin;
	else if (nr)
		memcpy(ret_frames, frames, nr * sizeof(*ret_frames));
	return known;
}

uint64_t coro_id(struct coro *c)
{
	CORO__ENTRY;

	c->id_taken = true;
	return c->id;
}

size_t coro_size(const struct coro *c)
{
	CORO__ENTRY;

	return (size_t)(coro__stack_top(c) - coro__stack_low(c));
}

int64_t coro_stack_peak(const struct coro *c)
{
	CORO__ENTRY;

	return c->sched->be->peak(&c->sched->space, c->id);
}
