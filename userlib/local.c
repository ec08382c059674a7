// SPDX-License-Identifier: MIT
/* What a coroutine keeps under keys, for itself alone. */
#include <coro/local.h>

#include "coroutine.h"
#include "memory.h"
#include "slots.h"

#define CORO__LOCALS_MIN 4U

struct coro_key {
	/* One until coro_key_free(), one for each coroutine with a value. Atomic. */
	unsigned int refs;
	void (*destroy)(void *value);
};

struct coro__locals {
	unsigned int nr;
	unsigned int room;
	struct coro__slot slots[]; /* of struct coro_key; no value is NULL */
};

int coro_key_new(struct coro_key **ret_key, void (*destroy)(void *value))
{
	CORO__ENTRY;
	struct coro_key *key;

	if (!ret_key)
		return -EINVAL;
	key = coro__malloc(sizeof(*key));
	if (!key)
		return -ENOMEM;
	key->refs = 1;
	key->destroy = destroy;
	*ret_key = key;
	return 0;
}

void coro_key_free(struct coro_key *key)
{
	CORO__ENTRY;

	if (key && !__atomic_sub_fetch(&key->refs, 1, __ATOMIC_ACQ_REL))
		free(key);
}

/* Destructors may set more: what is there last goes first, until nothing is. */
void coro__locals_end(struct coro *c)
{
	while (c->locals && c->locals->nr) {
		struct coro__locals *l = c->locals;
		struct coro__slot slot = l->slots[--l->nr];
		struct coro_key *key = slot.key;

		if (key->destroy)
			key->destroy(slot.value);
		coro_key_free(key);
	}
	free(c->locals);
	c->locals = NULL;
}

static int coro__locals_grow(struct coro *c)
{
	struct coro__locals *l = c->locals;
	unsigned int room = l ? 2 * l->room : CORO__LOCALS_MIN;

	if (l && l->nr < l->room)
		return 0;
	l = coro__realloc(l, sizeof(*l) + room * sizeof(l->slots[0]));
	if (!l)
		return -ENOMEM;
	if (!c->locals)
		l->nr = 0;
	l->room = room;
	c->locals = l;
	return 0;
}

static int coro__local_add(struct coro *c, struct coro_key *key, void *value)
{
	struct coro__locals *l;
	unsigned int at;
	int err;

	err = coro__locals_grow(c);
	if (err)
		return err;
	l = c->locals;
	coro__slot_find(l->slots, l->nr, key, &at);
	coro__slot_insert(l->slots, l->nr++, at,
			  (struct coro__slot){ key, value });
	__atomic_add_fetch(&key->refs, 1, __ATOMIC_RELAXED);
	return 0;
}

static void coro__local_remove(struct coro__locals *l, unsigned int at)
{
	struct coro_key *key = l->slots[at].key;

	coro__slot_remove(l->slots, l->nr--, at);
	coro_key_free(key);
}

int coro_key_set(struct coro_key *key, void *value)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;
	struct coro__locals *l;
	unsigned int at;

	if (!c)
		return -EPERM;
	if (!key)
		return -EINVAL;
	l = c->locals;
	if (!l || !coro__slot_find(l->slots, l->nr, key, &at))
		return value ? coro__local_add(c, key, value) : 0;
	if (value)
		l->slots[at].value = value;
	else
		coro__local_remove(l, at);
	return 0;
}

int coro_key_get(struct coro_key *key, void **ret_value)
{
	CORO__ENTRY;
	struct coro *c = coro__thread()->cur;
	unsigned int at;

	if (!c)
		return -EPERM;
	if (!key || !ret_value)
		return -EINVAL;
	if (c->locals &&
	    coro__slot_find(c->locals->slots, c->locals->nr, key, &at))
		*ret_value = c->locals->slots[at].value;
	else
		*ret_value = NULL;
	return 0;
}
