/* SPDX-License-Identifier: GPL-2.0 */
/* What Boost.Fiber offers, behind C functions: each does it @n times. */
#ifndef CORO_BENCH_FIBER_H
#define CORO_BENCH_FIBER_H

#ifdef __cplusplus
extern "C" {
#endif

void boost_task(long n);
void boost_task_pooled(long n);
void boost_mutex(long n);
void boost_queue(long n);

#ifdef __cplusplus
}
#endif
#endif /* CORO_BENCH_FIBER_H */
