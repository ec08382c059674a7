// SPDX-License-Identifier: MIT
/* Context variables: snapshots of values, shared until somebody sets, and who runs in which. */
#include "context.h"

#include "coroutine.h"
#include "memory.h"
#include "opts.h"
#include "slots.h"

#define CORO__VALUES_MIN 4U

struct coro_var {
	/* One until coro_var_free(), one for each value and token. Atomic. */
	unsigned int refs;
	struct coro_var_opts opts;
	char name[];
};

/* One value that was set. */
struct coro__value {
	unsigned int refs; /* arrays and tokens that hold it; atomic */
	struct coro_var *var;
	void *value;
};

struct coro__values {
	unsigned int refs; /* contexts; atomic. Changed only where it is 1 */
	unsigned int nr;
	unsigned int room;
	struct coro__slot slots[]; /* struct coro_var, struct coro__value */
};

struct coro_context {
	struct coro__env env;
	unsigned int refs; /* atomic */
	/* Atomic: whose thread @env is, while there are @uses. */
	struct coro__thread *owner;
	/* The owner's: tasks that began in it, and coro_context_run(). */
	unsigned int uses;
	bool entered; /* by coro_context_run() */
};

/* The last serial that a context was given. */
static uint64_t coro__serials;

static void coro__ref(unsigned int *refs)
{
	__atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static bool coro__unref(unsigned int *refs)
{
	return !__atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL);
}

static void coro__value_put(struct coro__value *v)
{
	struct coro_var *var;

	if (!v || !coro__unref(&v->refs))
		return;
	var = v->var;
	if (var->opts.destroy)
		var->opts.destroy(v->value);
	coro_var_free(var);
	free(v);
}

void coro__values_share(struct coro__values *values)
{
	coro__ref(&values->refs);
}

void coro__values_put(struct coro__values *values)
{
	if (!values || !coro__unref(&values->refs))
		return;
	while (values->nr)
		coro__value_put(values->slots[--values->nr].value);
	free(values);
}

static struct coro__values *coro__values_resize(struct coro__values *old,
						unsigned int room)
{
	struct coro__values *values =
		coro__realloc(old, sizeof(*old) + room * sizeof(old->slots[0]));

	if (!values)
		return NULL;
	if (!old) {
		values->refs = 1;
		values->nr = 0;
	}
	values->room = room;
	return values;
}

static struct coro__values *coro__values_copy(const struct coro__values *from)
{
	struct coro__values *to =
		coro__values_resize(NULL, from->nr + CORO__VALUES_MIN);

	if (!to)
		return NULL;
	for (; to->nr < from->nr; to->nr++) {
		struct coro__value *v = from->slots[to->nr].value;

		coro__ref(&v->refs);
		to->slots[to->nr] = from->slots[to->nr];
	}
	return to;
}

/* Makes the values the context's alone, and if @grow with room for one more. */
static int coro__env_unshare(struct coro__env *env, bool grow)
{
	struct coro__values *old = env->values, *values;

	if (old && __atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) > 1) {
		values = coro__values_copy(old);
		if (!values)
			return -ENOMEM;
		env->values = values;
		coro__values_put(old);
		return 0;
	}
	if (old && (old->nr < old->room || !grow))
		return 0;
	values = coro__values_resize(old,
				     old ? 2 * old->room : CORO__VALUES_MIN);
	if (!values)
		return -ENOMEM;
	env->values = values;
	return 0;
}

static bool coro__env_find(const struct coro__env *env,
			   const struct coro_var *var, unsigned int *ret_at)
{
	*ret_at = 0;
	return env->values && coro__slot_find(env->values->slots,
					      env->values->nr, var, ret_at);
}

/* References to @value, NULL for none, and to what it replaces change hands. */
static int coro__env_replace(struct coro__env *env, struct coro_var *var,
			     struct coro__value *value,
			     struct coro__value **ret_old)
{
	struct coro__values *values;
	bool found;
	unsigned int at;
	int err;

	found = coro__env_find(env, var, &at);
	*ret_old = NULL;
	if (!found && !value)
		return 0;
	err = coro__env_unshare(env, !found);
	if (err)
		return err;
	values = env->values;
	if (found)
		*ret_old = values->slots[at].value;
	if (found && value)
		values->slots[at].value = value;
	else if (found)
		coro__slot_remove(values->slots, values->nr--, at);
	else
		coro__slot_insert(values->slots, values->nr++, at,
				  (struct coro__slot){ var, value });
	return 0;
}

static uint64_t coro__env_serial(struct coro__env *env)
{
	if (!env->serial)
		env->serial =
			__atomic_add_fetch(&coro__serials, 1, __ATOMIC_RELAXED);
	return env->serial;
}

struct coro__place *coro__place_now(struct coro__thread *t)
{
	return t->task ? &t->task->task.place : &t->place;
}

static struct coro__env *coro__env_now(void)
{
	return coro__place_env(coro__place_now(coro__thread()));
}

int coro_var_new(struct coro_var **ret_var, const char *name,
		 const struct coro_var_opts *opts)
{
	CORO__ENTRY;
	size_t bytes = name ? strlen(name) : 0;
	struct coro_var_opts o;
	struct coro_var *var;
	int err;

	if (!ret_var)
		return -EINVAL;
	err = coro__opts_copy(&o, sizeof(o), opts);
	if (err)
		return err;
	var = coro__malloc(sizeof(*var) + bytes + 1);
	if (!var)
		return -ENOMEM;
	var->refs = 1;
	var->opts = o;
	if (name)
		memcpy(var->name, name, bytes);
	var->name[bytes] = '\0';
	*ret_var = var;
	return 0;
}

void coro_var_free(struct coro_var *var)
{
	CORO__ENTRY;

	if (var && coro__unref(&var->refs))
		free(var);
}

const char *coro_var_name(const struct coro_var *var)
{
	CORO__ENTRY;

	return var->name;
}

int coro_var_get(struct coro_var *var, void **ret_value)
{
	CORO__ENTRY;
	struct coro__env *env = coro__env_now();
	unsigned int at;

	if (!var || !ret_value)
		return -EINVAL;
	if (coro__env_find(env, var, &at)) {
		struct coro__value *v = env->values->slots[at].value;

		*ret_value = v->value;
		return 0;
	}
	if (!var->opts.has_default)
		return -ENOENT;
	*ret_value = var->opts.default_value;
	return 0;
}

void *coro_var_get_or(struct coro_var *var, void *value)
{
	CORO__ENTRY;
	struct coro__env *env = coro__env_now();
	unsigned int at;

	if (var && coro__env_find(env, var, &at)) {
		struct coro__value *v = env->values->slots[at].value;

		return v->value;
	}
	return value;
}

static int coro__var_store(struct coro__env *env, struct coro_var *var,
			   void *value, struct coro__value **ret_old)
{
	struct coro__value *v = coro__malloc(sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->refs = 1;
	v->var = var;
	v->value = value;
	err = coro__env_replace(env, var, v, ret_old);
	if (err)
		free(v);
	else
		coro__ref(&var->refs);
	return err;
}

int coro_var_set(struct coro_var *var, void *value,
		 struct coro_var_token *ret_token)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();
	struct coro__env *env = coro__place_env(coro__place_now(t));
	struct coro__value *old;
	int err = 0;

	if (!var)
		return -EINVAL;
	if (env == &t->place.own)
		err = coro__thread_keep(t);
	if (!err)
		err = coro__var_store(env, var, value, &old);
	if (err)
		return err;
	if (!ret_token) {
		coro__value_put(old);
		return 0;
	}
	coro__ref(&var->refs);
	ret_token->var = var;
	ret_token->old = old;
	ret_token->context = coro__env_serial(env);
	return 0;
}

int coro_var_reset(struct coro_var *var, struct coro_var_token *token)
{
	CORO__ENTRY;
	struct coro__env *env = coro__env_now();
	struct coro__value *old;
	int err;

	if (!var || !token)
		return -EINVAL;
	if (!token->var)
		return -EALREADY;
	if (token->var != var)
		return -EINVAL;
	if (token->context != env->serial)
		return -EXDEV;
	err = coro__env_replace(env, var, token->old, &old);
	if (err)
		return err;
	token->old = NULL;
	coro_var_token_drop(token);
	coro__value_put(old);
	return 0;
}

void coro_var_token_drop(struct coro_var_token *token)
{
	CORO__ENTRY;
	struct coro_var *var;
	struct coro__value *old;

	if (!token || !token->var)
		return;
	var = token->var;
	old = token->old;
	token->var = NULL;
	token->old = NULL;
	coro__value_put(old);
	coro_var_free(var);
}

int coro_context_new(struct coro_context **ret_ctx)
{
	CORO__ENTRY;
	struct coro_context *ctx;

	if (!ret_ctx)
		return -EINVAL;
	ctx = coro__calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->refs = 1;
	*ret_ctx = ctx;
	return 0;
}

int coro_context_copy(struct coro_context **ret_ctx, struct coro_context *from)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();
	struct coro__place of = { .cur = NULL };
	struct coro_context *ctx;
	int err;

	if (!ret_ctx)
		return -EINVAL;
	err = from ? coro__context_claim(from, t) : 0;
	if (err)
		return err;
	err = coro_context_new(&ctx);
	if (!err) {
		of.cur = from ? &from->env :
				coro__place_env(coro__place_now(t));
		ctx->env.values = coro__place_capture(&of);
		*ret_ctx = ctx;
	}
	if (from)
		coro__context_release(from);
	return err;
}

struct coro_context *coro_context_get(struct coro_context *ctx)
{
	CORO__ENTRY;

	coro__ref(&ctx->refs);
	return ctx;
}

void coro_context_put(struct coro_context *ctx)
{
	CORO__ENTRY;

	if (!ctx || !coro__unref(&ctx->refs))
		return;
	coro__values_put(ctx->env.values);
	free(ctx);
}

int coro__context_claim(struct coro_context *ctx, struct coro__thread *t)
{
	struct coro__thread *none = NULL;

	if (__atomic_load_n(&ctx->owner, __ATOMIC_RELAXED) != t &&
	    !__atomic_compare_exchange_n(&ctx->owner, &none, t, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	ctx->uses++;
	coro_context_get(ctx);
	return 0;
}

void coro__context_release(struct coro_context *ctx)
{
	/* Pairs with the exchange of the next owner. */
	if (!--ctx->uses)
		__atomic_store_n(&ctx->owner, NULL, __ATOMIC_RELEASE);
	coro_context_put(ctx);
}

void coro__place_begin(struct coro__place *p, struct coro_context *ctx,
		       struct coro__thread *t)
{
	p->given = ctx;
	if (ctx)
		p->cur = &ctx->env;
	else
		p->own.values = coro__place_capture(coro__place_now(t));
}

/* Destructors may set anew: in a task's end not here, in a thread's it comes again. */
void coro__place_drop(struct coro__place *p)
{
	struct coro_context *ctx = p->given;
	struct coro__values *values = p->own.values;

	p->cur = NULL;
	p->given = NULL;
	p->own.values = NULL;
	coro__values_put(values);
	if (ctx)
		coro__context_release(ctx);
}

int coro_context_run(struct coro_context *ctx, long (*fn)(void *arg), void *arg,
		     long *ret_value)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();
	struct coro__place *p = coro__place_now(t);
	struct coro__env *outer = p->cur;
	struct coro__act *act = t->act;
	long value;
	int err;

	if (!ctx || !fn)
		return -EINVAL;
	err = coro__context_claim(ctx, t);
	if (err)
		return err;
	if (ctx->entered || ctx == p->given) {
		coro__context_release(ctx);
		return -EBUSY;
	}
	ctx->entered = true;
	p->cur = &ctx->env;
	/* Place and act are where they are until @fn returns: nothing in it yields. */
	if (act)
		act->held++;
	value = coro__call_own(fn, arg);
	if (act)
		act->held--;
	p->cur = outer;
	ctx->entered = false;
	coro__context_release(ctx);
	if (ret_value)
		*ret_value = value;
	return 0;
}
