/* SPDX-License-Identifier: MIT */
/*
 * libcoro: coroutines on io_uring, with a kernel that knows them.
 *
 * Rules that hold for every function of the library:
 *
 * - Errors are negative errno values. errno itself belongs to the caller: each
 *   coroutine keeps its own across suspensions.
 * - A ret_ pointer is written on success only, and may be NULL where it says so.
 * - A deadline is absolute CLOCK_MONOTONIC time in nanoseconds (coro_after()
 *   makes one), or CORO_NEVER.
 * - A thread has one scheduler and at most one running loop. Its coroutines may
 *   be used by one thread at a time. Others reach them as coro/remote.h says.
 * - "Suspends" means that other coroutines run before the call returns.
 *   "Cancellation point" means that a cancel makes it return -ECANCELED.
 * - Nothing prints, exits or installs a handler unless you ask for it.
 * - A new coroutine has its creator's floating point modes and keeps its own.
 *   C++ exceptions must not leave its function, nor may it suspend in a handler
 *   of one.
 * - fork: the child has no coroutines, and cannot use the stack of one, so do
 *   not call fork() inside a coroutine; posix_spawn() works everywhere. Handles
 *   that it inherits are good on the device, and dead on the portable backend.
 */
#ifndef CORO_H
#define CORO_H

#include <coro/blocking.h>
#include <coro/context.h>
#include <coro/debug.h>
#include <coro/defer.h>
#include <coro/gen.h>
#include <coro/group.h>
#include <coro/io.h>
#include <coro/local.h>
#include <coro/loop.h>
#include <coro/meter.h>
#include <coro/net.h>
#include <coro/object.h>
#include <coro/pool.h>
#include <coro/process.h>
#include <coro/queue.h>
#include <coro/remote.h>
#include <coro/report.h>
#include <coro/scope.h>
#include <coro/serve.h>
#include <coro/select.h>
#include <coro/signal.h>
#include <coro/sim.h>
#include <coro/stream.h>
#include <coro/sync.h>
#include <coro/time.h>
#include <coro/wait.h>

#endif /* CORO_H */
