/* SPDX-License-Identifier: GPL-2.0 */
/* Python's asyncio as a contender: a process of its own, told through a pipe what to do. */
#ifndef CORO_BENCH_ASYNCIO_H
#define CORO_BENCH_ASYNCIO_H

#define ASYNCIO_PACKAGE "python3-minimal"

/*
 * Does @figure of asyncio_peer.py, whose path is in the environment's ASYNCIO, @n
 * times. Python starts with the first call and ends with this process.
 */
void asyncio(const char *figure, long n);

#endif /* CORO_BENCH_ASYNCIO_H */
