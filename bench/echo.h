/* SPDX-License-Identifier: GPL-2.0 */
/* The servers that echo, all behind one call: serve a listening socket until killed. */
#ifndef CORO_BENCH_ECHO_H
#define CORO_BENCH_ECHO_H

#include <stdint.h>

/* Room for what one connection receives at once. */
#define ECHO_BYTES 2048
/* Buffers that the multishot servers share, as many as the library has. */
#define ECHO_BUFFERS 256
#define ECHO_BUFFER_BYTES 4096

/* libcoro: a coroutine per connection; the second with coro_receiver. */
void echo_coro(int listener);
void echo_coro_stream(int listener);

/* In a loop that can be handed over. */
void echo_coro_handoff(int listener);

/* In a loop with CORO_RUN_F_*, beside a coroutine of @other unless that is NULL. */
void echo_coro_beside(int listener, uint64_t flags, long (*other)(void *arg),
		      void *arg);

/*
 * liburing and a state machine per connection; the second with multishot receive. For
 * the others another thread submits: the library's, or one of the kernel's.
 */
void echo_ring(int listener);
void echo_ring_stream(int listener);
void echo_ring_shared(int listener);
void echo_ring_sqpoll(int listener);

/* libuv, callbacks. */
void echo_uv(int listener);

#endif /* CORO_BENCH_ECHO_H */
