// SPDX-License-Identifier: MIT
/* A watchdog: a thread that looks whether the loop of another is still in the same step. */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "memory.h"
#include "opts.h"
#include "report.h"
#include "sched.h"

#define CORO__WATCHDOG_NS (100 * CORO_MSEC)
#define CORO__WATCHDOG_FRAMES 32
/* What a signal has, to be answered. */
#define CORO__WATCHDOG_ANSWER_NS (100 * CORO_MSEC)

/*
 * The loop counts its steps in @steps, odd while a coroutine runs, and says which
 * in @running. The watchdog reads both, so a step that is the same at four looks
 * has lasted as long as three of their distances at least.
 */
struct coro__watchdog {
	struct coro_watchdog_opts opts;
	pthread_t thread;
	const struct coro__thread
		*watched; /* its tid changes if a loop is handed over */
	pthread_mutex_t lock; /* covers @stop */
	pthread_cond_t wake;
	bool stop;
	/* Written by the loop, atomic. */
	uint64_t steps;
	const struct coro_shm_context
		*running; /* only an address: see coro__info_find() */
	/* Written by the handler in the watched thread. */
	void *stack[CORO__WATCHDOG_FRAMES];
	int nr_stack;
	bool answered; /* atomic; releases the two above */
};

static void coro__watchdog_on_signal(int sig)
{
	struct coro__watchdog *dog = coro__thread()->watchdog;
	int saved = errno;

	(void)sig;
	if (!dog || __atomic_load_n(&dog->answered, __ATOMIC_ACQUIRE))
		return;
	dog->nr_stack = backtrace(dog->stack, CORO__WATCHDOG_FRAMES);
	__atomic_store_n(&dog->answered, true, __ATOMIC_RELEASE);
	errno = saved;
}

static void coro__watchdog_nap(int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / CORO_SEC,
				     .tv_nsec = ns % CORO_SEC };

	nanosleep(&ts, NULL);
}

/* Whether the watched thread has said where it is. */
static bool coro__watchdog_ask(struct coro__watchdog *dog)
{
	int64_t left = CORO__WATCHDOG_ANSWER_NS;

	if (!dog->opts.signal)
		return false;
	__atomic_store_n(&dog->answered, false, __ATOMIC_RELEASE);
	if (syscall(SYS_tgkill, getpid(),
		    __atomic_load_n(&dog->watched->tid, __ATOMIC_RELAXED),
		    dog->opts.signal))
		return false;
	while (!__atomic_load_n(&dog->answered, __ATOMIC_ACQUIRE) && left > 0) {
		coro__watchdog_nap(CORO_MSEC);
		left -= CORO_MSEC;
	}
	return __atomic_load_n(&dog->answered, __ATOMIC_ACQUIRE);
}

static void coro__watchdog_report(struct coro__watchdog *dog, uint64_t step,
				  int64_t duration_ns)
{
	struct coro_report r = { .size = sizeof(r),
				 .kind = CORO_REPORT_SLOW_STEP,
				 .duration_ns = duration_ns };
	char name[CORO_NAME_LEN];
	struct coro_info info;

	if (coro__watchdog_ask(dog)) {
		r.stack = dog->stack;
		r.nr_stack = (size_t)dog->nr_stack;
	}
	if (!coro__info_find(__atomic_load_n(&dog->running, __ATOMIC_RELAXED),
			     name, &info))
		return;
	/* The stack may be of the next step already. */
	if (__atomic_load_n(&dog->steps, __ATOMIC_ACQUIRE) != step)
		r.nr_stack = 0;
	r.info = &info;
	r.origins = &info.origin;
	r.nr_origins = 1;
	coro__report_to(&r);
}

/* One look. @since counts looks at the same step. */
static void coro__watchdog_look(struct coro__watchdog *dog, uint64_t *seen,
				unsigned int *since)
{
	uint64_t step = __atomic_load_n(&dog->steps, __ATOMIC_ACQUIRE);

	if (step != *seen || !(step & 1)) {
		*seen = step;
		*since = 0;
	} else if (++*since == 4) {
		coro__watchdog_report(dog, step, dog->opts.threshold_ns);
	}
}

static void *coro__watchdog_main(void *arg)
{
	struct coro__watchdog *dog = arg;
	unsigned int since = 0;
	struct timespec at;
	uint64_t seen = 0;

	clock_gettime(CLOCK_MONOTONIC, &at);
	pthread_mutex_lock(&dog->lock);
	while (!dog->stop) {
		int64_t ns = at.tv_nsec + dog->opts.threshold_ns / 4;

		at.tv_sec += ns / CORO_SEC;
		at.tv_nsec = ns % CORO_SEC;
		pthread_cond_timedwait(&dog->wake, &dog->lock, &at);
		if (dog->stop)
			break;
		pthread_mutex_unlock(&dog->lock);
		coro__watchdog_look(dog, &seen, &since);
		pthread_mutex_lock(&dog->lock);
	}
	pthread_mutex_unlock(&dog->lock);
	return NULL;
}

void coro__watchdog_step(struct coro__watchdog *dog, const struct coro *task)
{
	if (task)
		__atomic_store_n(&dog->running, task->task.cur->shm,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&dog->steps, dog->steps + 1, __ATOMIC_RELEASE);
}

static int coro__watchdog_handle(int sig)
{
	struct sigaction sa = { .sa_handler = coro__watchdog_on_signal,
				.sa_flags = SA_RESTART };
	void *frame;

	if (!sig)
		return 0;
	/* The first call loads what unwinds, which a handler must not. */
	backtrace(&frame, 1);
	sigemptyset(&sa.sa_mask);
	return sigaction(sig, &sa, NULL) ? -errno : 0;
}

/* All signals are for the program's threads. */
static int coro__watchdog_thread(struct coro__watchdog *dog)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	pthread_mutex_init(&dog->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dog->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&dog->thread, NULL, coro__watchdog_main, dog);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int coro_watchdog_start(const struct coro_watchdog_opts *opts)
{
	CORO__ENTRY;
	struct coro_watchdog_opts o;
	struct coro__watchdog *dog;
	struct coro__thread *t;
	int err;

	err = coro__opts_copy(&o, sizeof(o), opts);
	if (!err && o.threshold_ns < 0)
		err = -EINVAL;
	if (!err)
		err = coro__thread_ready(&t);
	if (err)
		return err;
	if (t->watchdog)
		return -EBUSY;
	dog = coro__calloc(1, sizeof(*dog));
	if (!dog)
		return -ENOMEM;
	dog->opts = o;
	if (!dog->opts.threshold_ns)
		dog->opts.threshold_ns = CORO__WATCHDOG_NS;
	dog->watched = t;
	if (t->task) {
		dog->running = t->task->task.cur->shm;
		dog->steps = 1;
	}
	err = coro__watchdog_handle(o.signal);
	if (!err)
		err = coro__watchdog_thread(dog);
	if (err) {
		free(dog);
		return err;
	}
	t->watchdog = dog;
	t->observed = true;
	return 0;
}

void coro__watchdog_end(struct coro__thread *t)
{
	struct coro__watchdog *dog = t->watchdog;

	if (!dog)
		return;
	t->watchdog = NULL;
	pthread_mutex_lock(&dog->lock);
	dog->stop = true;
	pthread_cond_signal(&dog->wake);
	pthread_mutex_unlock(&dog->lock);
	pthread_join(dog->thread, NULL);
	pthread_cond_destroy(&dog->wake);
	pthread_mutex_destroy(&dog->lock);
	free(dog);
}

int coro_watchdog_stop(void)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();

	if (!t->watchdog)
		return -ESRCH;
	coro__watchdog_end(t);
	return 0;
}
