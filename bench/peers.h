/* SPDX-License-Identifier: GPL-2.0 */
/* What Boost.Context offers: C++ classes behind C functions, and the assembly below them. */
#ifndef CORO_BENCH_PEERS_H
#define CORO_BENCH_PEERS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STACK_BYTES (64 * 1024)
#define CROWD 1000

/* The assembly, as Boost declares it in boost/context/detail/fcontext.hpp. */
struct transfer {
	void *from;
	void *data;
};

struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(struct transfer t));

/* Figure switch: one coroutine, or each of a crowd in turn. */
void boost_fiber_pair(long n);
void boost_fiber_crowd(long n);
void boost_coroutine_pair(long n);
void boost_coroutine_crowd(long n);

/* Figure create: one after the other, or a crowd at once. */
void boost_fixed_create(long n);
void boost_pooled_create(long n);
void boost_protected_create(long n);
void boost_fixed_create_crowd(long n);
void boost_pooled_create_crowd(long n);
void boost_protected_create_crowd(long n);

/*
 * Figure memory: make and enter up to @n fibers with a small frame each; they
 * stay. How many there are; *@ret_err is what stopped it, an errno or 0.
 */
long boost_fixed_hold(long n, int *ret_err);
long boost_pooled_hold(long n, int *ret_err);
long boost_protected_hold(long n, int *ret_err);

/* Uses a little of the stack, as functions do. */
void small_frame(void);

#ifdef __cplusplus
}
#endif
#endif /* CORO_BENCH_PEERS_H */
