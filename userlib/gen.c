// SPDX-License-Identifier: MIT
/* Generators: a coroutine driven step by step, and closed by its loop if nobody else does. */
#include "gen.h"

#include <coro/gen.h>
#include <errno.h>

#include "doorbell.h"
#include "memory.h"

/* What a dropped one's waits have to end. */
#define CORO__GEN_GRACE (10 * CORO_SEC)

/*
 * In a step, or by its drop, it is the loop's thread that acts. From another
 * thread the drop is a note; one that finds the inbox closed finds the generator
 * closed as well, since the loop ends all of them first.
 */
struct coro_gen {
	struct coro *coro;
	struct coro_loop *shared; /* of its loop, with a reference; or NULL */
	struct list
		all; /* in loop->gens, until it ended or its end is under way */
	struct coro__note note;
	bool ending; /* a coroutine of the loop is at it */
	bool dropped;
};

#undef coro_gen_new
int coro_gen_new(struct coro_gen **ret_gen, long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;

	return coro_gen_new_named(ret_gen, fn, arg, NULL);
}

int coro_gen_new_named(struct coro_gen **ret_gen, long (*fn)(void *arg),
		       void *arg, const char *name)
{
	CORO__ENTRY;
	struct coro_gen *g;
	int err;

	if (!ret_gen)
		return -EINVAL;
	g = coro__calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	list_init(&g->all);
	err = coro__create(&g->coro, fn, arg, name,
			   __builtin_return_address(0));
	if (err) {
		free(g);
		return err;
	}
	*ret_gen = g;
	return 0;
}

static void coro__gen_bind(struct coro_gen *g)
{
	struct coro__loop *loop = coro__thread()->loop;

	if (g->shared || !loop)
		return;
	g->shared = loop->shared;
	coro__doorbell_hold(g->shared);
	list_add_tail(&loop->gens, &g->all);
	/* Others may drop it. */
	coro__doorbell_listen(loop);
}

/* Whether the caller may make a step. */
static int coro__gen_enter(struct coro_gen *g)
{
	if (!g)
		return -EINVAL;
	if (g->shared && g->shared != coro__thread()->shared &&
	    coro__get_state(g->coro) != CORO_STATE_CLOSED)
		return -EXDEV;
	return 0;
}

/* @ret is that of a resume or a throw that gave @value. */
static int coro__gen_stepped(struct coro_gen *g, int ret, long value,
			     long *ret_value)
{
	if (ret == -ESRCH)
		return 0;
	if (ret < 0)
		return ret;
	if (ret == CORO_YIELDED) {
		if (ret_value)
			*ret_value = value;
		return 1;
	}
	list_del(&g->all);
	return coro__is_error(value) ? (int)value : 0;
}

int coro_gen_send(struct coro_gen *g, long value, long *ret_value)
{
	CORO__ENTRY;
	long got = 0;
	int err = coro__gen_enter(g);

	if (err)
		return err;
	coro__gen_bind(g);
	err = coro_resume(g->coro, value, &got);
	return coro__gen_stepped(g, err, got, ret_value);
}

int coro_gen_next(struct coro_gen *g, long *ret_value)
{
	CORO__ENTRY;

	return coro_gen_send(g, 0, ret_value);
}

int coro_gen_throw(struct coro_gen *g, int err, long *ret_value)
{
	CORO__ENTRY;
	long got = 0;
	int ret = coro__gen_enter(g);

	if (ret)
		return ret;
	ret = coro_throw(g->coro, err, &got);
	return coro__gen_stepped(g, ret, got, ret_value);
}

int coro_gen_close(struct coro_gen *g)
{
	CORO__ENTRY;
	int ret = coro_gen_throw(g, CORO_EXIT, NULL);

	if (ret == 1)
		return -EAGAIN;
	return ret == CORO_EXIT ? 0 : ret;
}

static void coro__gen_release(struct coro_gen *g)
{
	list_del(&g->all);
	if (g->shared)
		coro__doorbell_drop(g->shared);
	coro_put(g->coro);
	free(g);
}

static long coro__gen_end(void *arg)
{
	CORO__ENTRY;
	return coro_gen_close(arg);
}

/* The loop's own coroutine for one that nobody closed, or will. */
static long coro__gen_finish(void *arg)
{
	CORO__ENTRY;
	struct coro_gen *g = arg;
	long ret;

	ret = coro_call(coro__gen_end, g, coro_after(CORO__GEN_GRACE));
	g->ending = false;
	if (g->dropped)
		coro__gen_release(g);
	return ret;
}

/* Sees to it that @g ends; false if there is no memory for that. */
static bool coro__gen_end_soon(struct coro_gen *g)
{
	const struct coro__spawn how = { .name = "gen-end", .shield = true };

	list_del(&g->all);
	g->ending = !coro__spawn(NULL, coro__gen_finish, g, &how);
	return g->ending;
}

static void coro__gen_drop(struct coro_gen *g)
{
	g->dropped = true;
	if (g->ending || (g->coro->shm->state == CORO_STATE_SUSPENDED &&
			  coro__gen_end_soon(g)))
		return;
	coro__gen_release(g);
}

static void coro__gen_note(struct coro__loop *loop, struct coro__note *note)
{
	(void)loop;
	coro__gen_drop(container_of(note, struct coro_gen, note));
}

void coro_gen_free(struct coro_gen *g)
{
	CORO__ENTRY;

	if (!g)
		return;
	if (g->shared && g->shared != coro__thread()->shared) {
		g->note.run = coro__gen_note;
		if (!coro__post(g->shared, &g->note))
			return;
		list_init(&g->all); /* its loop is gone */
	}
	coro__gen_drop(g);
}

void coro__gens_end(struct coro__loop *loop)
{
	while (!list_empty(&loop->gens)) {
		struct coro_gen *g =
			container_of(loop->gens.next, struct coro_gen, all);

		/* Without memory it ends as it stands, when it is freed. */
		coro__gen_end_soon(g);
	}
}
