/* SPDX-License-Identifier: MIT */
/* Options that can grow: a size first, and zeroes for what nobody set. */
#ifndef CORO_USERLIB_OPTS_H
#define CORO_USERLIB_OPTS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Copy what the caller's header knew to @to, @bytes long; the rest is zeroes.
 * What only the caller knows must be zero, or it asks for something that cannot
 * be done: -E2BIG. @from may be NULL: all zeroes.
 */
static inline int coro__opts_copy(void *to, size_t bytes, const void *from)
{
	const unsigned char *in = from;
	size_t size;

	memset(to, 0, bytes);
	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	for (size_t i = bytes; i < size; i++) {
		if (in[i])
			return -E2BIG;
	}
	memcpy(to, from, size < bytes ? size : bytes);
	return 0;
}

#endif /* CORO_USERLIB_OPTS_H */
