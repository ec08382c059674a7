/* SPDX-License-Identifier: GPL-2.0 */
/* The servers that echo, all behind one call: serve a listening socket until killed. */
#ifndef CORO_BENCH_ECHO_H
#define CORO_BENCH_ECHO_H

/* Room for what one connection receives at once. */
#define ECHO_BYTES 2048
/* Buffers that the multishot servers share, as many as the library has. */
#define ECHO_BUFFERS 256
#define ECHO_BUFFER_BYTES 4096

/* libcoro: a coroutine per connection; the second with coro_receiver. */
void echo_coro(int listener);
void echo_coro_stream(int listener);

/* liburing and a state machine per connection; the second with multishot receive. */
void echo_ring(int listener);
void echo_ring_stream(int listener);

/* libuv, callbacks. */
void echo_uv(int listener);

#endif /* CORO_BENCH_ECHO_H */
