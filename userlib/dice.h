/* SPDX-License-Identifier: MIT */
/* Random numbers of a sequence that its beginning decides. */
#ifndef CORO_USERLIB_DICE_H
#define CORO_USERLIB_DICE_H

#include <stdint.h>

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
static inline uint64_t coro__dice_roll(uint64_t *dice)
{
	uint64_t z = *dice += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

#endif /* CORO_USERLIB_DICE_H */
