/* SPDX-License-Identifier: MIT */
/*
 * Synchronisation: mutex, event, semaphore, condition, barrier, rwlock.
 *
 * The objects are the user's own memory. Each is initialised either by its
 * CORO_..._INIT() or by its coro_..._init(), and has to stay where it is while
 * somebody waits for it. Without CORO_SHARED an object belongs to one thread and
 * costs no lock and no atomic instruction; with it, coroutines of several
 * threads' loops can use it.
 *
 * Rules that hold for all of them:
 *
 * - First come, first served. What is given up goes straight to who waits
 *   longest; nobody who comes later can take it in between.
 * - So a wait that was granted something returns success, even if the caller was
 *   cancelled or its deadline passed before it could run. The cancel shows at its
 *   next wait.
 * - A wait that failed leaves nothing behind: the caller has nothing, is counted
 *   nowhere, and those whom it held up go on.
 * - Calls that can wait are cancellation points always, also when they need not
 *   wait: who is cancelled gets -ECANCELED and not the lock. Those that never
 *   wait are none.
 * - A deadline that has passed counts only if the call would have to wait.
 * - Objects that are not shared detect some use by several threads: a wait, or
 *   what would end one, is refused with -EXDEV while coroutines of another
 *   thread's loop wait for the object.
 */
#ifndef CORO_SYNC_H
#define CORO_SYNC_H

#include <coro/time.h>
#include <coro/wait.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_mutex - one at a time
 * @waiters: private.
 * @holder: private: which coroutine of a loop has it, 1 for who is none, or 0.
 * @holder_id: private: its id.
 */
struct coro_mutex {
	struct coro_waiters waiters;
	uint64_t holder;
	uint64_t holder_id;
};

/**
 * CORO_MUTEX_INIT() - initialiser of a free mutex
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_MUTEX_INIT(flags)                  \
	{                                       \
		CORO__WAITERS_INIT(flags), 0, 0 \
	}

/**
 * coro_mutex_init() - make a free mutex
 * @m: the mutex.
 * @flags: 0 or CORO_SHARED.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags.
 */
int coro_mutex_init(struct coro_mutex *m, unsigned int flags);

/**
 * coro_mutex_fini() - end a mutex
 * @m: the mutex; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @m any more. Does not suspend.
 * Return: 0; -EBUSY if it is held or waited for, and nothing changes.
 */
int coro_mutex_fini(struct coro_mutex *m);

/**
 * coro_mutex_lock() - take a mutex
 * @m: the mutex; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * The holder is the coroutine of the loop, with all that it awaits inline. A
 * mutex is not given back when its holder ends.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - the caller has @m
 * * -EDEADLK	 - the caller has it already; also see coro_run_opts()
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_mutex_lock(struct coro_mutex *m, int64_t deadline_ns);

/**
 * coro_mutex_trylock() - take a mutex if it is free
 * @m: the mutex.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EBUSY if somebody has it, be it the caller.
 */
int coro_mutex_trylock(struct coro_mutex *m);

/**
 * coro_mutex_unlock() - give a mutex back
 * @m: the mutex. Who calls need not be who took it.
 *
 * Context: any; need not be a coroutine. Does not suspend: who is next runs
 * later, and has it from now on. Not a cancellation point.
 * Return:
 * * 0		 - success
 * * -EPERM	 - nobody has it
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 */
int coro_mutex_unlock(struct coro_mutex *m);

/**
 * coro_mutex_call() - call a function with a mutex held
 * @m: the mutex.
 * @fn: called in the caller's coroutine; however it returns, @m is given back.
 * @arg: passed to @fn.
 * @deadline_ns: how long to wait for @m, or CORO_NEVER.
 *
 * Context: as coro_mutex_lock(). @fn may suspend.
 * Return: what @fn returned, or the error of coro_mutex_lock(), and @fn was not
 * called; -EINVAL if @fn is NULL.
 */
long coro_mutex_call(struct coro_mutex *m, long (*fn)(void *arg), void *arg,
		     int64_t deadline_ns);

/**
 * coro_mutex_is_locked() - whether somebody has a mutex
 * @m: the mutex.
 *
 * Context: any. Does not suspend.
 * Return: true if so.
 */
bool coro_mutex_is_locked(struct coro_mutex *m);

/**
 * coro_mutex_holder() - who has a mutex
 * @m: the mutex.
 *
 * For messages to people: coro_find() turns it into the coroutine and its name,
 * in the thread that has it.
 *
 * Context: any. Does not suspend.
 * Return: the id of the coroutine, see coro_id(); 0 if nobody has it, or a
 * caller outside of coroutines took it.
 */
uint64_t coro_mutex_holder(struct coro_mutex *m);

/**
 * coro_mutex_waiters() - how many wait for a mutex
 * @m: the mutex.
 *
 * Context: any. Does not suspend.
 * Return: their number.
 */
unsigned int coro_mutex_waiters(struct coro_mutex *m);

/**
 * struct coro_event_flag - a flag to wait for
 * @waiters: private.
 * @set: private.
 *
 * Not struct coro_event, which is what the device's read() gives.
 */
struct coro_event_flag {
	struct coro_waiters waiters;
	bool set;
};

/**
 * CORO_EVENT_INIT() - initialiser of an event that is not set
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_EVENT_INIT(flags)                   \
	{                                        \
		CORO__WAITERS_INIT(flags), false \
	}

/**
 * coro_event_init() - make an event that is not set
 * @e: the event.
 * @flags: 0 or CORO_SHARED.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags.
 */
int coro_event_init(struct coro_event_flag *e, unsigned int flags);

/**
 * coro_event_fini() - end an event
 * @e: the event; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @e any more. Does not suspend.
 * Return: 0; -EBUSY if it is waited for, and nothing changes.
 */
int coro_event_fini(struct coro_event_flag *e);

/**
 * coro_event_set() - set an event
 * @e: the event.
 *
 * All who wait now return, in the order in which they came, even if it is
 * cleared before they run.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EXDEV if it is not shared and another thread's coroutines wait.
 */
int coro_event_set(struct coro_event_flag *e);

/**
 * coro_event_clear() - make an event not set
 * @e: the event.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 */
void coro_event_clear(struct coro_event_flag *e);

/**
 * coro_event_wait() - wait until an event is set
 * @e: the event; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - it is set, or was while the caller waited
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EDEADLK	 - see coro_run_opts()
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_event_wait(struct coro_event_flag *e, int64_t deadline_ns);

/**
 * coro_event_is_set() - whether an event is set
 * @e: the event.
 *
 * Context: any. Does not suspend.
 * Return: true if so.
 */
bool coro_event_is_set(struct coro_event_flag *e);

/**
 * coro_event_waiters() - how many wait for an event
 * @e: the event.
 *
 * Context: any. Does not suspend.
 * Return: their number.
 */
unsigned int coro_event_waiters(struct coro_event_flag *e);

/**
 * struct coro_semaphore - a number of permits
 * @waiters: private.
 * @value: private: permits that are free.
 * @max: private: most that may be.
 */
struct coro_semaphore {
	struct coro_waiters waiters;
	unsigned int value;
	unsigned int max;
};

/**
 * CORO_SEMAPHORE_INIT() - initialiser of a semaphore
 * @value: permits that are free at first.
 * @max: most permits that may be free, not below @value; 0 for UINT_MAX.
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_SEMAPHORE_INIT(value, max, flags)            \
	{                                                 \
		CORO__WAITERS_INIT(flags), (value), (max) \
	}

/**
 * coro_semaphore_init() - make a semaphore
 * @s: the semaphore.
 * @value: permits that are free at first.
 * @max: most permits that may be free; 0 for UINT_MAX.
 * @flags: 0 or CORO_SHARED.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags, or if @value is above @max.
 */
int coro_semaphore_init(struct coro_semaphore *s, unsigned int value,
			unsigned int max, unsigned int flags);

/**
 * coro_semaphore_fini() - end a semaphore
 * @s: the semaphore; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @s any more. Does not suspend.
 * Return: 0; -EBUSY if it is waited for, and nothing changes.
 */
int coro_semaphore_fini(struct coro_semaphore *s);

/**
 * coro_semaphore_acquire() - take a permit
 * @s: the semaphore; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - the caller has a permit
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EDEADLK	 - see coro_run_opts()
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_semaphore_acquire(struct coro_semaphore *s, int64_t deadline_ns);

/**
 * coro_semaphore_try_acquire() - take a permit if one is free
 * @s: the semaphore.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EBUSY if none is free.
 */
int coro_semaphore_try_acquire(struct coro_semaphore *s);

/**
 * coro_semaphore_release() - give a permit back, or add one
 * @s: the semaphore.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return:
 * * 0		 - success
 * * -EOVERFLOW	 - as many are free as may be; nothing changes
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 */
int coro_semaphore_release(struct coro_semaphore *s);

/**
 * coro_semaphore_value() - how many permits are free
 * @s: the semaphore.
 *
 * Context: any. Does not suspend.
 * Return: their number; 0 exactly if an acquire would wait.
 */
unsigned int coro_semaphore_value(struct coro_semaphore *s);

/**
 * coro_semaphore_waiters() - how many wait for a permit
 * @s: the semaphore.
 *
 * Context: any. Does not suspend.
 * Return: their number.
 */
unsigned int coro_semaphore_waiters(struct coro_semaphore *s);

/**
 * struct coro_condition - wait, with a mutex given up, for something to change
 * @waiters: private.
 * @mutex: private: of those who wait.
 */
struct coro_condition {
	struct coro_waiters waiters;
	struct coro_mutex *mutex;
};

/**
 * CORO_CONDITION_INIT() - initialiser of a condition
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_CONDITION_INIT(flags)              \
	{                                       \
		CORO__WAITERS_INIT(flags), NULL \
	}

/**
 * coro_condition_init() - make a condition
 * @c: the condition.
 * @flags: 0 or CORO_SHARED, as those of the mutexes that it is used with.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags.
 */
int coro_condition_init(struct coro_condition *c, unsigned int flags);

/**
 * coro_condition_fini() - end a condition
 * @c: the condition; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @c any more. Does not suspend.
 * Return: 0; -EBUSY if it is waited for, and nothing changes.
 */
int coro_condition_fini(struct coro_condition *c);

/**
 * coro_condition_wait() - give a mutex up until somebody signals
 * @c: the condition; must stay until the call returns.
 * @m: the mutex, held by the caller. All who wait at the same time give the same.
 * @deadline_ns: how long to wait for the signal, or CORO_NEVER.
 *
 * Between giving @m up and waiting nothing can come. However the wait ends, the
 * call takes @m again before it returns, and neither a cancel nor the deadline
 * ends that. Who was signalled returns 0, whatever came later. There are no
 * spurious returns; but others can have had @m before, so look again.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point. If it is
 * cancelled from the start, @m is not given up.
 * Return: the caller has @m, except after the last three.
 * * 0		 - signalled
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EDEADLK	 - see coro_run_opts()
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EINVAL	 - others wait with another mutex, or @m is shared and @c is not
 * * -ENOTRECOVERABLE - who took @m meanwhile cannot ever give it back, see
 *		   -EDEADLK
 * * -EPERM	 - the caller does not have @m
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_condition_wait(struct coro_condition *c, struct coro_mutex *m,
			int64_t deadline_ns);

/**
 * coro_condition_wait_until() - wait until something is so
 * @c: the condition.
 * @m: the mutex, held by the caller.
 * @ready: called with @m held, first and after every signal, and once more when
 *	the deadline passed: 0 for not yet. Must not suspend.
 * @arg: passed to @ready.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: what @ready returned if that is not 0; else the error of
 * coro_condition_wait(); -EINVAL also if @ready is NULL.
 */
int coro_condition_wait_until(struct coro_condition *c, struct coro_mutex *m,
			      int (*ready)(void *arg), void *arg,
			      int64_t deadline_ns);

/**
 * coro_condition_signal() - end the wait of who waits longest
 * @c: the condition.
 * @m: the mutex, held by the caller; it is theirs once it is free.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return:
 * * 0		 - somebody was signalled, or nobody waits
 * * -EPERM	 - the caller does not have @m
 * * -EINVAL	 - those who wait gave another mutex
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 */
int coro_condition_signal(struct coro_condition *c, struct coro_mutex *m);

/**
 * coro_condition_broadcast() - end the waits of all who wait now
 * @c: the condition.
 * @m: the mutex, held by the caller. They get it one after the other, in the order
 *	in which they came if they are of one loop.
 *
 * Context: as coro_condition_signal().
 * Return: as coro_condition_signal().
 */
int coro_condition_broadcast(struct coro_condition *c, struct coro_mutex *m);

/**
 * coro_condition_waiters() - how many wait for a signal
 * @c: the condition.
 *
 * Context: any. Does not suspend.
 * Return: their number, without those who were signalled and wait for the mutex.
 */
unsigned int coro_condition_waiters(struct coro_condition *c);

/**
 * struct coro_barrier - a number of coroutines that wait for each other
 * @waiters: private.
 * @parties: private: how many.
 * @broken: private.
 */
struct coro_barrier {
	struct coro_waiters waiters;
	unsigned int parties;
	bool broken;
};

/**
 * CORO_BARRIER_INIT() - initialiser of a barrier
 * @parties: how many are to meet, 1 to INT_MAX.
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_BARRIER_INIT(parties, flags)                   \
	{                                                   \
		CORO__WAITERS_INIT(flags), (parties), false \
	}

/**
 * coro_barrier_init() - make a barrier
 * @b: the barrier.
 * @parties: how many are to meet, 1 to INT_MAX.
 * @flags: 0 or CORO_SHARED.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags or numbers.
 */
int coro_barrier_init(struct coro_barrier *b, unsigned int parties,
		      unsigned int flags);

/**
 * coro_barrier_fini() - end a barrier
 * @b: the barrier; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @b any more. Does not suspend.
 * Return: 0; -EBUSY if it is waited for, and nothing changes.
 */
int coro_barrier_fini(struct coro_barrier *b);

/**
 * coro_barrier_wait() - wait until all parties have come
 * @b: the barrier; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * The last to come lets all go and does not wait itself. Who comes then, even
 * before the others have run, is of the next round. Who stops waiting, by a
 * deadline or a cancel, has not come; the others wait on.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0 to parties - 1 - all came; as how many-th the caller did, from 0
 * * -EPIPE	 - the barrier is broken or was reset
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EDEADLK	 - see coro_run_opts()
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EINVAL	 - CORO_BARRIER_INIT() had no valid number of parties
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_barrier_wait(struct coro_barrier *b, int64_t deadline_ns);

/**
 * coro_barrier_abort() - break a barrier
 * @b: the barrier.
 *
 * Who waits gets -EPIPE, and who comes, until coro_barrier_reset().
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EXDEV if it is not shared and another thread's coroutines wait.
 */
int coro_barrier_abort(struct coro_barrier *b);

/**
 * coro_barrier_reset() - begin a new round
 * @b: the barrier.
 *
 * Who waits gets -EPIPE. Who comes waits for all parties, also if the barrier
 * was broken.
 *
 * Context: as coro_barrier_abort().
 * Return: as coro_barrier_abort().
 */
int coro_barrier_reset(struct coro_barrier *b);

/**
 * coro_barrier_is_broken() - whether a barrier is broken
 * @b: the barrier.
 *
 * Context: any. Does not suspend.
 * Return: true if so.
 */
bool coro_barrier_is_broken(struct coro_barrier *b);

/**
 * coro_barrier_waiters() - how many have come and wait for the others
 * @b: the barrier.
 *
 * Context: any. Does not suspend.
 * Return: their number, below the number of parties.
 */
unsigned int coro_barrier_waiters(struct coro_barrier *b);

/**
 * struct coro_rwlock - several readers or one writer
 * @waiters: private.
 * @readers: private: how many read.
 * @writer: private: who writes, as struct coro_mutex has its holder.
 */
struct coro_rwlock {
	struct coro_waiters waiters;
	uint64_t readers;
	uint64_t writer;
};

/**
 * CORO_RWLOCK_INIT() - initialiser of a free rwlock
 * @flags: 0 or CORO_SHARED.
 */
#define CORO_RWLOCK_INIT(flags)                 \
	{                                       \
		CORO__WAITERS_INIT(flags), 0, 0 \
	}

/**
 * coro_rwlock_init() - make a free rwlock
 * @l: the rwlock.
 * @flags: 0 or CORO_SHARED.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL for other flags.
 */
int coro_rwlock_init(struct coro_rwlock *l, unsigned int flags);

/**
 * coro_rwlock_fini() - end an rwlock
 * @l: the rwlock; can be initialised anew afterwards.
 *
 * Context: any thread, when nobody else uses @l any more. Does not suspend.
 * Return: 0; -EBUSY if it is held or waited for, and nothing changes.
 */
int coro_rwlock_fini(struct coro_rwlock *l);

/**
 * coro_rwlock_read() - take an rwlock to read
 * @l: the rwlock; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * Waits for those who came before: while somebody writes, and while a writer
 * waits. So who reads already must not ask again. Readers that waited in a row
 * read at the same time.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - the caller may read
 * * -EDEADLK	 - the caller writes; also see coro_run_opts()
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_rwlock_read(struct coro_rwlock *l, int64_t deadline_ns);

/**
 * coro_rwlock_write() - take an rwlock to write
 * @l: the rwlock; must stay until the call returns.
 * @deadline_ns: how long to wait, or CORO_NEVER.
 *
 * Who reads must not ask: it would wait for itself.
 *
 * Context: as coro_rwlock_read().
 * Return: as coro_rwlock_read(); 0 if the caller may write.
 */
int coro_rwlock_write(struct coro_rwlock *l, int64_t deadline_ns);

/**
 * coro_rwlock_try_read() - take an rwlock to read if that needs no wait
 * @l: the rwlock.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EBUSY if somebody writes or waits.
 */
int coro_rwlock_try_read(struct coro_rwlock *l);

/**
 * coro_rwlock_try_write() - take an rwlock to write if it is free
 * @l: the rwlock.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return: 0; -EBUSY if somebody reads or writes.
 */
int coro_rwlock_try_write(struct coro_rwlock *l);

/**
 * coro_rwlock_unlock() - give an rwlock back
 * @l: the rwlock. Who calls need not be who took it.
 *
 * Context: any; need not be a coroutine. Does not suspend. Not a cancellation
 * point.
 * Return:
 * * 0		 - success
 * * -EPERM	 - nobody reads or writes
 * * -EXDEV	 - not shared, and another thread's coroutines wait
 */
int coro_rwlock_unlock(struct coro_rwlock *l);

/**
 * coro_rwlock_downgrade() - go on as a reader after writing
 * @l: the rwlock, which somebody has to write.
 *
 * Nobody can write in between. Readers that wait in front of all writers go on.
 *
 * Context: as coro_rwlock_unlock().
 * Return: as coro_rwlock_unlock(); -EPERM if nobody writes.
 */
int coro_rwlock_downgrade(struct coro_rwlock *l);

/**
 * coro_rwlock_readers() - how many read
 * @l: the rwlock.
 *
 * Context: any. Does not suspend.
 * Return: their number.
 */
uint64_t coro_rwlock_readers(struct coro_rwlock *l);

/**
 * coro_rwlock_is_writing() - whether somebody writes
 * @l: the rwlock.
 *
 * Context: any. Does not suspend.
 * Return: true if so.
 */
bool coro_rwlock_is_writing(struct coro_rwlock *l);

/**
 * coro_rwlock_waiters() - how many wait to read or to write
 * @l: the rwlock.
 *
 * Context: any. Does not suspend.
 * Return: their number.
 */
unsigned int coro_rwlock_waiters(struct coro_rwlock *l);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SYNC_H */
