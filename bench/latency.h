/* SPDX-License-Identifier: GPL-2.0 */
/* A server whose connections mind, or not, that it also calls a function that sleeps. */
#ifndef CORO_BENCH_LATENCY_H
#define CORO_BENCH_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

/* How the server calls what sleeps. */
struct latency_way {
	const char *name;
	uint64_t flags; /* of its loop */
	bool plain; /* not by coro_blocking() */
};

/* What puts a thread to sleep for about 100 ms. */
struct latency_sleep {
	const char *name;
	long (*fn)(void *arg); /* NULL: nothing does */
	bool disk; /* of the slow one */
};

extern const struct latency_sleep latency_quiet;
extern const struct latency_sleep latency_sleeps[];
extern const unsigned int nr_latency_sleeps;

/* A slow disk to write to, or NULL: what needs one is not possible then. */
void latency_open_disk(const char *path);

/* Serve a listening socket until killed, and sleep. */
void latency_serve(int listener, const struct latency_way *way,
		   const struct latency_sleep *sleep);

#endif /* CORO_BENCH_LATENCY_H */
