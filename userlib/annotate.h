/* SPDX-License-Identifier: MIT */
/* What sanitizers and valgrind are told of stacks, and of a thread's way from one to the other. */
#ifndef CORO_USERLIB_ANNOTATE_H
#define CORO_USERLIB_ANNOTATE_H

#include "sched.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

/* Of pthread.h for _GNU_SOURCE alone. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);

/* The thread begins to drive coroutines. */
static inline void coro__mark_thread(struct coro__thread *t)
{
	pthread_attr_t attr;
	void *low;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	pthread_attr_getstack(&attr, &low, &t->mark.bytes);
	t->mark.low = low;
	pthread_attr_destroy(&attr);
}

/* @c was made anew. */
static inline void coro__mark_made(struct coro *c)
{
	c->mark.low = coro__stack_low(c);
	c->mark.bytes = (size_t)(coro__stack_top(c) - coro__stack_low(c));
	c->mark.fake_stack = NULL;
}

/* Right before the switch from @from to @to; NULL for the stack of @t itself. */
static inline void coro__mark_leave(struct coro__thread *t, struct coro *from,
				    struct coro *to)
{
	bool ends = from && from->shm->state == CORO_STATE_CLOSED;
	void **fake = from ? &from->mark.fake_stack : &t->mark.fake_stack;
	const struct coro__mark *m = to ? &to->mark : &t->mark;

	__sanitizer_start_switch_fiber(ends ? NULL : fake, m->low, m->bytes);
}

/* The same to a thread's own stack, when that thread has nothing else any more. */
static inline void coro__mark_return(struct coro *from,
				     const struct coro__mark *to)
{
	__sanitizer_start_switch_fiber(&from->mark.fake_stack, to->low,
				       to->bytes);
}

/* Right after the switch to the stack that @mark belongs to. */
static inline void coro__mark_arrive(const struct coro__mark *mark)
{
	__sanitizer_finish_switch_fiber(mark->fake_stack, NULL, NULL);
}

/* Nobody refers to @c any more. */
static inline void coro__mark_gone(struct coro *c)
{
	(void)c;
}

/* From and to the kernel, by calls that the sanitizer does not see: mappings, descriptors. */
static inline void coro__mark_had(void)
{
}

static inline void coro__mark_given(void)
{
}

/* What the last user's frames left behind in [low, top) means nothing. */
static inline void coro__mark_fresh(char *low, char *top)
{
	__asan_unpoison_memory_region(low, (size_t)(top - low));
}
#elif defined(__SANITIZE_THREAD__)
/* Of libtsan; gcc has no header with them. */
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

static inline void coro__mark_thread(struct coro__thread *t)
{
	t->mark.fiber = __tsan_get_current_fiber();
}

static inline void coro__mark_made(struct coro *c)
{
	c->mark.fiber = NULL;
}

static inline void *coro__mark_enter(struct coro *c)
{
	/* Not before it is needed: it has 8,000 of them, and each is large. */
	if (!c->mark.fiber) {
		c->mark.fiber = __tsan_create_fiber(0);
		__tsan_set_fiber_name(c->mark.fiber, c->shm->name);
	}
	return c->mark.fiber;
}

/*
 * The switch is a release and an acquire: what a thread's coroutines do is in
 * order. Must be inlined into who switches: a call would begin on one shadow
 * stack and end on the other.
 */
static inline __attribute__((always_inline)) void
coro__mark_leave(struct coro__thread *t, struct coro *from, struct coro *to)
{
	(void)from;
	__tsan_switch_to_fiber(to ? coro__mark_enter(to) : t->mark.fiber, 0);
}

static inline __attribute__((always_inline)) void
coro__mark_return(struct coro *from, const struct coro__mark *to)
{
	(void)from;
	__tsan_switch_to_fiber(to->fiber, 0);
}

static inline void coro__mark_arrive(const struct coro__mark *mark)
{
	(void)mark;
}

static inline void coro__mark_gone(struct coro *c)
{
	if (c->mark.fiber)
		__tsan_destroy_fiber(c->mark.fiber);
	c->mark.fiber = NULL;
}

/*
 * Mappings and descriptors that come from the kernel and go back to it by calls
 * that the sanitizer does not see. Who gets the same one next comes later.
 */
static inline void coro__mark_had(void)
{
	__tsan_acquire((void *)&coro__backend_portable);
}

static inline void coro__mark_given(void)
{
	__tsan_release((void *)&coro__backend_portable);
}

static inline void coro__mark_fresh(char *low, char *top)
{
	(void)low;
	(void)top;
}
#else
static inline void coro__mark_thread(struct coro__thread *t)
{
	(void)t;
}

static inline void coro__mark_made(struct coro *c)
{
	(void)c;
}

static inline void coro__mark_leave(struct coro__thread *t, struct coro *from,
				    struct coro *to)
{
	(void)t;
	(void)from;
	(void)to;
}

static inline void coro__mark_return(struct coro *from,
				     const struct coro__mark *to)
{
	(void)from;
	(void)to;
}

static inline void coro__mark_arrive(const struct coro__mark *mark)
{
	(void)mark;
}

static inline void coro__mark_gone(struct coro *c)
{
	(void)c;
}

static inline void coro__mark_had(void)
{
}

static inline void coro__mark_given(void)
{
}

static inline void coro__mark_fresh(char *low, char *top)
{
	(void)low;
	(void)top;
}
#endif

/*
 * Valgrind takes a change of the stack pointer for a switch if it knows both
 * stacks, else for a large frame. So each is made known when it is first used,
 * and until its memory is given back: a few instructions there, none later.
 */
#if defined(__has_include) && !defined(CORO_NO_VALGRIND)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/memcheck.h>
#define CORO__VALGRIND 1
#endif
#endif

#ifdef CORO__VALGRIND
static inline void coro__mark_stack(struct coro *c)
{
	c->valgrind_id =
		VALGRIND_STACK_REGISTER(coro__stack_low(c), coro__stack_top(c));
}

static inline void coro__mark_no_stack(const struct coro *c)
{
	VALGRIND_STACK_DEREGISTER(c->valgrind_id);
}

static inline bool coro__mark_on_valgrind(void)
{
	return RUNNING_ON_VALGRIND;
}

/* Below the stack pointer of who was there before: to be written from outside. */
static inline void coro__mark_writable(void *from, void *to)
{
	VALGRIND_MAKE_MEM_UNDEFINED(from, (char *)to - (char *)from);
}
#else
static inline void coro__mark_stack(struct coro *c)
{
	c->valgrind_id = 0;
}

static inline void coro__mark_no_stack(const struct coro *c)
{
	(void)c;
}

static inline bool coro__mark_on_valgrind(void)
{
	return false;
}

static inline void coro__mark_writable(void *from, void *to)
{
	(void)from;
	(void)to;
}
#endif

#endif /* CORO_USERLIB_ANNOTATE_H */
