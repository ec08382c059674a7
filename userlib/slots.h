/* SPDX-License-Identifier: MIT */
/* A small sorted array of keys and what belongs to them. */
#ifndef CORO_USERLIB_SLOTS_H
#define CORO_USERLIB_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct coro__slot {
	void *key;
	void *value;
};

/* Whether @key is there; *ret_at is where it is or belongs. */
static inline bool coro__slot_find(const struct coro__slot *slots,
				   unsigned int nr, const void *key,
				   unsigned int *ret_at)
{
	unsigned int low = 0;

	while (low < nr) {
		unsigned int mid = low + (nr - low) / 2;

		if (slots[mid].key == key) {
			*ret_at = mid;
			return true;
		}
		if ((uintptr_t)slots[mid].key < (uintptr_t)key)
			low = mid + 1;
		else
			nr = mid;
	}
	*ret_at = low;
	return false;
}

/* There is room for one more than @nr. */
static inline void coro__slot_insert(struct coro__slot *slots, unsigned int nr,
				     unsigned int at, struct coro__slot slot)
{
	memmove(slots + at + 1, slots + at, (nr - at) * sizeof(*slots));
	slots[at] = slot;
}

static inline void coro__slot_remove(struct coro__slot *slots, unsigned int nr,
				     unsigned int at)
{
	memmove(slots + at, slots + at + 1, (nr - at - 1) * sizeof(*slots));
}

#endif /* CORO_USERLIB_SLOTS_H */
