/* SPDX-License-Identifier: MIT */
/* Between a coroutine's own code and the library: where its loop can be handed over. */
#ifndef CORO_USERLIB_ENTRY_H
#define CORO_USERLIB_ENTRY_H

#include <stdbool.h>

struct coro__hand;

/* A coroutine's function. */
typedef long coro__fn(void *arg);

/*
 * While the thread is in code of a coroutine, and its loop is handed over if it
 * blocks there (CORO_RUN_F_HANDOFF_ALWAYS): the thread. Else NULL.
 */
extern __thread struct coro__hand *coro__armed;

/* From here on, if the loop is such a one, and the caller a coroutine of it. */
void coro__arm(void);

/*
 * No more. If the loop was handed over meanwhile the coroutine waits for its turn:
 * when this returns it is on the thread that has the loop.
 */
void coro__disarm(void);

#ifdef __x86_64__
static inline bool coro__is_armed(void)
{
	return __builtin_expect(!!coro__armed, 0);
}
#else
/* Not inlined: where variables of the thread are would be known before coro__disarm(). */
bool coro__is_armed(void);
#endif

static inline bool coro__enter(void)
{
	bool armed = coro__is_armed();

	if (armed)
		coro__disarm();
	return armed;
}

static inline void coro__exit(const bool *armed)
{
	if (__builtin_expect(*armed, 0))
		coro__arm();
}

/*
 * First of all in each function that coroutines call, and in those of the library that
 * are coroutines: what follows has the loop for itself. Nests.
 */
#define CORO__ENTRY              \
	const bool coro__entered \
		__attribute__((cleanup(coro__exit))) = coro__enter()

/*
 * Defines a public function of so many parameters, each with its type before it, whose
 * body follows: as with CORO__ENTRY, where each instruction counts. Who is armed calls
 * it again, out of the way, and nobody has anything left to do at its end.
 */
#define CORO__DEFINE0(type, name) CORO__DEFINE(type, name, (void), ())
#define CORO__DEFINE1(type, name, t1, a1) \
	CORO__DEFINE(type, name, (t1 a1), (a1))
#define CORO__DEFINE2(type, name, t1, a1, t2, a2) \
	CORO__DEFINE(type, name, (t1 a1, t2 a2), (a1, a2))
#define CORO__DEFINE3(type, name, t1, a1, t2, a2, t3, a3) \
	CORO__DEFINE(type, name, (t1 a1, t2 a2, t3 a3), (a1, a2, a3))
#define CORO__DEFINE4(type, name, t1, a1, t2, a2, t3, a3, t4, a4) \
	CORO__DEFINE(type, name, (t1 a1, t2 a2, t3 a3, t4 a4), (a1, a2, a3, a4))
#define CORO__DEFINE5(type, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	CORO__DEFINE(type, name, (t1 a1, t2 a2, t3 a3, t4 a4, t5 a5),     \
		     (a1, a2, a3, a4, a5))

#define CORO__DEFINE(type, name, parameters, arguments)              \
	static inline __attribute__((always_inline))                 \
	type coro__body_##name parameters;                           \
	static __attribute__((noinline, cold))                       \
	type coro__armed_##name parameters                           \
	{                                                            \
		type coro__value = (coro__disarm(), name arguments); \
		coro__arm();                                         \
		return coro__value;                                  \
	}                                                            \
	__attribute__((noinline)) type name parameters               \
	{                                                            \
		if (coro__is_armed())                                \
			return coro__armed_##name arguments;         \
		return coro__body_##name arguments;                  \
	}                                                            \
	static inline type coro__body_##name parameters

/* A coroutine's own code, called by the library. */
long coro__call_armed(coro__fn *fn, void *arg);

/* Whether the thread is of a crew whose loop is such a one; its word may be armed then. */
extern __thread bool coro__arms;

static inline long coro__call_own(coro__fn *fn, void *arg)
{
	if (__builtin_expect(coro__arms, 0))
		return coro__call_armed(fn, arg);
	return fn(arg);
}

#endif /* CORO_USERLIB_ENTRY_H */
