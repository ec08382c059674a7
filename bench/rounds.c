// SPDX-License-Identifier: GPL-2.0
/* The rounds: in each, every contender has many short turns, and the fastest of them counts. */
#define _GNU_SOURCE
#include "rounds.h"

#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 15
#define TURNS 12
#define TURN_NS 700000.0
#define MAX_CONTENDERS 16

void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/*
 * The caches are the contender's own when the clock starts. So are the flags of
 * floating point that arithmetic leaves behind: some switches mind them, and
 * figures that are about that raise them themselves.
 */
static double time_of(const struct contender *c, long step, long n)
{
	double start;

	feclearexcept(FE_ALL_EXCEPT);
	c->run(step);
	start = now_ns();
	feclearexcept(FE_ALL_EXCEPT);
	c->run(n);
	return now_ns() - start;
}

/* How many make one turn. */
static long turn_length(const struct contender *c, long step)
{
	long n = step;

	while (time_of(c, step, n) < TURN_NS / 2 && n < 1L << 40)
		n *= 2;
	return n;
}

static void measure(const struct figure *f)
{
	double best[MAX_CONTENDERS][ROUNDS];
	long n[MAX_CONTENDERS];

	must(f->nr <= MAX_CONTENDERS, "counting contenders");
	for (size_t c = 0; c < f->nr; c++)
		n[c] = turn_length(&f->contenders[c], f->step);
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t t = 0; t < TURNS * f->nr; t++) {
			size_t c = t % f->nr;
			double ns = time_of(&f->contenders[c], f->step, n[c]) /
				    n[c];

			if (t < f->nr || ns < best[c][r])
				best[c][r] = ns;
		}
	}
	for (size_t c = 0; c < f->nr; c++) {
		printf("time\t%s\t%s\t%s\t%s", f->name, f->unit,
		       f->contenders[c].name, f->contenders[c].package);
		for (size_t r = 0; r < ROUNDS; r++)
			printf("\t%.3f", best[c][r]);
		printf("\n");
	}
	fflush(stdout);
}

static int count(const struct figure *f, const char *name, long n)
{
	for (size_t c = 0; c < f->nr; c++) {
		if (!strcmp(f->contenders[c].name, name)) {
			f->contenders[c].run(n);
			return 0;
		}
	}
	return 2;
}

static void list(const struct figure *f)
{
	for (size_t c = 0; c < f->nr; c++)
		printf("%s\t%s\t%s\t%s\n", f->name, f->unit,
		       f->contenders[c].name, f->contenders[c].package);
}

int rounds_main(int argc, char **argv, const struct figure *figures, size_t nr)
{
	for (size_t f = 0; f < nr; f++) {
		if (argc == 1)
			measure(&figures[f]);
		else if (argc == 2 && !strcmp(argv[1], "list"))
			list(&figures[f]);
		else if (argc == 5 && !strcmp(argv[2], figures[f].name))
			return count(&figures[f], argv[3], atol(argv[4]));
	}
	return argc == 1 || argc == 2 ? 0 : 2;
}
