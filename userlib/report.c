// SPDX-License-Identifier: MIT
/* Reports: to whom they go, and the one who prints them. */
#include "report.h"

#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

bool coro__reports;

/* Covers the two below; not held while the function runs. */
static pthread_mutex_t coro__report_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*coro__report_fn)(void *arg, const struct coro_report *r);
static void *coro__report_arg;

void coro_report_to(void (*fn)(void *arg, const struct coro_report *report),
		    void *arg)
{
	CORO__ENTRY;

	pthread_mutex_lock(&coro__report_lock);
	coro__report_fn = fn;
	coro__report_arg = arg;
	__atomic_store_n(&coro__reports, fn, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&coro__report_lock);
}

static void coro__report_env_once(void)
{
	const char *debug = getenv("CORO_DEBUG");

	if (debug && strcmp(debug, "1") == 0 && !coro__report_fn)
		coro_report_to(coro_report_print, NULL);
}

void coro__report_from_env(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, coro__report_env_once);
}

void coro__report_to(const struct coro_report *r)
{
	void (*fn)(void *arg, const struct coro_report *r);
	int saved = errno;
	void *arg;

	pthread_mutex_lock(&coro__report_lock);
	fn = coro__report_fn;
	arg = coro__report_arg;
	pthread_mutex_unlock(&coro__report_lock);
	if (fn)
		fn(arg, r);
	/* Who dropped a coroutine knows of no report. */
	errno = saved;
}

void coro__report_about(struct coro *c, enum coro_report_kind kind, long value)
{
	void *origins[CORO_ORIGIN_MAX];
	char name[CORO_NAME_LEN];
	struct coro_info info;
	struct coro_report r = {
		.size = sizeof(r),
		.kind = kind,
		.info = &info,
		.value = value,
		.origins = origins,
	};

	coro__info_read(c->shm, (uint32_t)CORO_INDEX(c->id), name, &info);
	r.nr_origins = coro_origin(c, origins, CORO_ORIGIN_MAX);
	coro__report_to(&r);
}

static const char *coro__report_text(const struct coro_report *r)
{
	switch (r->kind) {
	case CORO_REPORT_NEVER_STARTED:
		return "was never started";
	case CORO_REPORT_NEVER_RETRIEVED:
		return "failed, and nobody looked at its result";
	case CORO_REPORT_DEADLOCK:
		return "waits in a deadlock";
	case CORO_REPORT_SCOPE_OPEN:
		return "returned inside a scope";
	case CORO_REPORT_CLEANUP:
		return r->value == -EAGAIN ? "yielded instead of ending" :
					     "failed while it was ended";
	case CORO_REPORT_SLOW_STEP:
		return "holds up its loop";
	case CORO_REPORT_LEFT_BEHIND:
		return "left a function behind that runs";
	default:
		return "is reported";
	}
}

/* Frames as backtrace_symbols() names them, or as numbers without memory. */
static void coro__report_frames(FILE *f, const char *what, void *const *frames,
				size_t nr)
{
	char **names = nr ? backtrace_symbols(frames, (int)nr) : NULL;

	for (size_t i = 0; i < nr; i++) {
		if (names)
			fprintf(f, "\t%s %s\n", what, names[i]);
		else
			fprintf(f, "\t%s %p\n", what, frames[i]);
	}
	free(names);
}

void coro_report_print(void *file, const struct coro_report *r)
{
	CORO__ENTRY;

	FILE *f = file ? file : stderr;
	int saved = errno;

	flockfile(f);
	fprintf(f, "coro: coroutine \"%s\" (id %" PRIu64 ") %s", r->info->name,
		r->info->id, coro__report_text(r));
	if (r->value)
		fprintf(f, ": %ld (%s)", r->value, strerror((int)-r->value));
	if (r->duration_ns)
		fprintf(f, ": %" PRId64 " ms", r->duration_ns / 1000000);
	if (r->kind == CORO_REPORT_DEADLOCK)
		fprintf(f, ": awaits %s %" PRIu64,
			coro__awaits_name(r->info->awaits),
			r->info->awaits_arg);
	fprintf(f, "\n");
	coro__report_frames(f, "created at", r->origins, r->nr_origins);
	coro__report_frames(f, "running at", r->stack, r->nr_stack);
	funlockfile(f);
	errno = saved;
}
