/* SPDX-License-Identifier: GPL-2.0 */
/* Contenders measured in turns, so that what disturbs the machine disturbs all of them alike. */
#ifndef CORO_BENCH_ROUNDS_H
#define CORO_BENCH_ROUNDS_H

#include <stddef.h>

/* One way to do the thing of a figure. */
struct contender {
	const char *name;
	const char *package; /* Debian's, where it comes from; "" for ours */
	void (*run)(long n); /* does it @n times; what it sets up it keeps */
};

struct figure {
	const char *name;
	const char *unit; /* what happens @n times */
	long step; /* @n is a multiple of it */
	const struct contender *contenders; /* ours first */
	size_t nr;
};

/*
 * A whole program. Without arguments it measures its figures and prints a line
 * for each contender: the nanoseconds of every round. "count FIGURE CONTENDER N"
 * does N of them and prints nothing, for tools that count instructions; "list"
 * names figures and contenders.
 */
int rounds_main(int argc, char **argv, const struct figure *figures, size_t nr);

/* Ends the program with a message if @ok is false. */
void must(int ok, const char *what);

#endif /* CORO_BENCH_ROUNDS_H */
