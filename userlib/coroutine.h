/* SPDX-License-Identifier: MIT */
/* The coroutine object inside the library, and what a thread knows of its coroutines. */
#ifndef CORO_USERLIB_COROUTINE_H
#define CORO_USERLIB_COROUTINE_H

#include <coro/object.h>
#include <signal.h>
#include <stdbool.h>

#include "entry.h"
#include "context.h"
#include "list.h"
#include "probe.h"
#include "root.h"
#include "scope.h"

struct coro__group;
struct coro__defers;
struct coro__ferry;
struct coro__lane;
struct coro__locals;
struct coro__loop;
struct coro__port;
struct coro__sched;
struct coro__sim;
struct coro__starter;
struct coro_loop;
struct coro__wait;
struct coro__watchdog;

/* What a sanitizer wants to be kept of one stack: see annotate.h. */
struct coro__mark {
#if defined(__SANITIZE_ADDRESS__)
	const void *low;
	size_t bytes;
	void *fake_stack;
#elif defined(__SANITIZE_THREAD__)
	void *fiber; /* NULL before it was entered */
#endif
};

/*
 * One coro_resume(), or one turn of the loop: who drives and who is driven.
 * Lives on the driver's stack; the loop's in the coroutine.
 */
struct coro__act {
	struct coro__act *up; /* the one that @prev runs in */
	struct coro *root; /* whom the driver resumed */
	struct coro *prev; /* the driver; NULL for a thread */
	__u64 *sp; /* the driver's stack pointer */
	long value; /* yielded, or the result */
	int outcome; /* CORO_YIELDED or CORO_ENDED */
	int saved_errno; /* the driver's */
	unsigned int held; /* takes no yield: by a loop, or in a context */
	struct coro__scope *scope; /* that the driver is in, if it is a task */
};

/* A coroutine that was handed to a loop. */
struct coro__task {
	struct coro__loop *loop; /* NULL until coro_start(); then for good */
	uint64_t key; /* no other of the process has it, ever */
	struct coro__act base;
	struct coro__act *act; /* while parked or ready: what to continue */
	struct coro *cur; /* and who: the innermost */
	struct coro__wait *wait; /* what it is parked in; NULL if it is not */
	struct list all; /* in loop->tasks */
	struct list ready; /* in loop->ready */
	struct list joiners; /* struct coro__joiner.link */
	struct coro__scope root; /* the coroutine as a scope */
	struct coro__scope *scope; /* the innermost that it is in, of whomever */
	struct coro__group *group; /* whose child it is, or NULL */
	struct coro__starter *starter; /* waits for coro_started(), or NULL */
	struct coro *spawner; /* stands still until it waits; of an eager start */
	void (*dispose)(void *arg); /* if it is never entered */
	bool restarts; /* runs by coro__group_run() */
	bool retrieved; /* somebody knows its result */
	bool seen; /* scratch of coro_ends_new() */
	struct coro__place place; /* the context it runs in */
	int64_t marked_ns; /* since when it is ready, if that is measured; or 0 */
	unsigned int weight; /* how many turns that one stands for then */
	struct coro__figures figures;
};

/*
 * Lives at the top of its own stack. Linkage: @awaiting and @awaiter form the
 * chain of coro_await(); @leaf shortcuts it from the one that was resumed to
 * the innermost, so that a resume costs the same at any depth. Only a coroutine
 * that nobody awaits has a @leaf, from a coro_yield() until it is resumed or
 * somebody resumes one of those that it awaits; else it is NULL.
 */
struct coro {
	struct coro_shm_context *shm; /* state, awaits, sp and name */
	struct coro *awaiting;
	struct coro *awaiter;
	struct coro *leaf;
	struct coro__scope
		*open; /* the innermost that it entered and did not leave */
	long value; /* in: sent or awaited; at the end: result */
	int err; /* in: thrown, or 0 */
	int saved_errno;
	unsigned int refs;
	unsigned int nr_origins; /* below the object, 0 for shm->origin alone */
	bool id_taken; /* somebody may know the id: not for reuse */
	bool woken; /* set by any thread: there may be messages of this life */
	unsigned int valgrind_id; /* of the stack, as long as it has its memory */
	long (*fn)(void *arg);
	void *arg;
	uint64_t id;
	struct coro__sched *sched;
	struct coro *next; /* in a list of the scheduler, when ended */
	struct coro__defers *defers; /* to be run at its end */
	struct coro__locals *locals; /* to be destroyed then */
	struct coro__port *port; /* once others can reach it; set by any thread */
	struct coro__task task;
	struct coro__mark mark;
};

struct coro__thread {
	struct coro *cur; /* innermost running coroutine */
	struct coro__act *act; /* what it runs in */
	struct coro *task; /* which coroutine of the loop this is */
	struct coro__loop *loop;
	struct coro_loop *shared; /* of @loop */
	struct coro__ferry *ferry; /* submits for @loop, or NULL */
	struct coro__sched *sched;
	struct coro__sim *sim; /* of @loop */
	int64_t now_ns; /* what coro_now() said last */
	struct coro__watchdog *watchdog; /* or NULL */
	struct coro__lane *lane; /* of a pool, whose thread it is */
	uint64_t last_key; /* of struct coro__task; the thread's number above CORO__KEY_BITS */
	int *errno_p; /* NULL until the thread was set up */
	int origin_depth;
	unsigned int lot; /* of the last choice of coro_select() */
	int tid;
	__u64 sp; /* of the thread's own stack */
	struct coro__place place; /* the context outside of tasks */
	bool kept; /* coro__thread_exit() will run */
	bool observed; /* by @watchdog, or this turn by the meter of @loop */
	struct coro__mark mark;
};

/* Never inlined: after a switch the caller may be on another thread. */
struct coro__thread *coro__thread(void);

/* The thread's own, and what it has instead while it runs somebody else's loop. */
extern __thread struct coro__thread coro__own;
extern __thread struct coro__thread *coro__lent;

/* The same, for short functions that are not inlined and cannot switch. */
static inline struct coro__thread *coro__this(void)
{
	return __builtin_expect(!!coro__lent, 0) ? coro__lent : &coro__own;
}

/* The thread, ready to drive coroutines. */
struct coro__thread *coro__thread_driver(void);

/* The thread, with a scheduler to make coroutines in; or a negative errno. */
int coro__thread_ready(struct coro__thread **ret_thread);

/* What the thread has is given back when it ends: 0, or a negative errno. */
int coro__thread_keep(struct coro__thread *t);

/* First of all in a thread of the library, which is called that. */
void coro__thread_begin(const char *name);

/* For a thread of the library: all signals but those that are for who has a fault. */
void coro__faults_only(sigset_t *ret_set);

/* Counts the calls of fork() that led to this process. */
unsigned int coro__forks(void);

/* Calls the function of @c, which runs, and does what is left to do after that. */
long coro__call_fn(struct coro *c);

/* First C function of every coroutine. */
void coro__main(struct coro *c) __attribute__((noreturn));

/* Leave @from (NULL: the thread's own stack) for @to, whose fields are set. */
void coro__jump(struct coro__thread *t, struct coro *from, struct coro *to,
		__u64 *save, __u64 load);

/* As coro_create(), for a caller at @origin. */
int coro__create(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		 const char *name, void *origin);

/* What others know of a coroutine that ended, or that nobody refers to any more. */
void coro__port_end(struct coro *c);
void coro__port_put(struct coro *c);

/* Close a CREATED coroutine: its result is @err. */
void coro__close_created(struct coro *c, int err);

/* Runs what @c deferred, and destroys what it has under keys. */
void coro__defers_end(struct coro *c);
void coro__locals_end(struct coro *c);

/* What is left to do for @c once its function does not go on. */
static inline void coro__finish(struct coro *c)
{
	while (__builtin_expect(!!c->defers | !!c->locals, 0)) {
		coro__defers_end(c);
		coro__locals_end(c);
	}
}

/*
 * coro_start() in @ctx, used and not copied; NULL for a copy of the caller's.
 * -EBUSY also if another thread uses it.
 */
int coro__start_in(struct coro *c, struct coro_context *ctx);

/* The coroutine of its loop that @c waits for in that, or NULL. */
struct coro *coro__joined(const struct coro *c);

/* coro_await_value() of a coroutine that a loop runs. */
int coro__join(struct coro__thread *t, struct coro *c, long *ret_value);

/*
 * State of a coroutine: written by who drives it, looked at by others who have
 * the table or wake it. The order of stores is a promise of struct coro_shm_context.
 */
static inline void coro__set_state(struct coro *c, enum coro_state state)
{
	__atomic_store_n(&c->shm->state, state, __ATOMIC_RELEASE);
}

/* For who may be on another thread than it is. */
static inline enum coro_state coro__get_state(const struct coro *c)
{
	return (enum coro_state)__atomic_load_n(&c->shm->state,
						__ATOMIC_RELAXED);
}

/* A saved stack pointer that is to run: from here on it is not one. */
static inline __u64 coro__take_sp(__u64 *from)
{
	__u64 sp = *from;

	__atomic_store_n(from, 0, __ATOMIC_RELEASE);
	return sp;
}

/* The stack pointer that it is to run with. */
static inline __attribute__((always_inline)) __u64
coro__set_running(struct coro *c)
{
	CORO__PROBE(coro_resume, c, c->id);
	c->shm->runs++;
	coro__set_state(c, CORO_STATE_RUNNING);
	return coro__take_sp(&c->shm->sp);
}

static inline __attribute__((always_inline)) void
coro__set_suspended(struct coro *c, enum coro_awaits kind, uint64_t arg)
{
	CORO__PROBE(coro_suspend, c, c->id, kind, arg);
	__atomic_store_n(&c->shm->awaits, arg, __ATOMIC_RELAXED);
	__atomic_store_n(&c->shm->awaits_kind, kind, __ATOMIC_RELEASE);
	coro__set_state(c, CORO_STATE_SUSPENDED);
}

/* It ends, with @value. */
static inline __attribute__((always_inline)) void
coro__set_closed(struct coro *c, long value)
{
	CORO__PROBE(coro_end, c, c->id, value);
	c->value = value;
	coro__set_state(c, CORO_STATE_CLOSED);
}

/* What it waited for has come. */
static inline __attribute__((always_inline)) void
coro__set_woken(struct coro *c)
{
	CORO__PROBE(coro_wake, c, c->id);
	__atomic_store_n(&c->shm->awaits_kind, CORO_AWAITS_TURN,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&c->shm->awaits, 0, __ATOMIC_RELEASE);
}

/* A value that by convention is a negative errno. */
static inline bool coro__is_error(long value)
{
	return value < 0 && value >= -4095;
}

/* One that is not a cancel, which is neither failure nor success. */
static inline bool coro__is_failure(long value)
{
	return coro__is_error(value) && value != -ECANCELED;
}

/* @c has just ended, with c->value. */
static inline void coro__tell_end(struct coro *c)
{
	if (__builtin_expect(!!__atomic_load_n(&c->port, __ATOMIC_ACQUIRE), 0))
		coro__port_end(c);
}

#endif /* CORO_USERLIB_COROUTINE_H */
