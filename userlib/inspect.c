// SPDX-License-Identifier: MIT
/* The list of all coroutines of the process, read from the tables of their schedulers. */
#include <coro/sync.h>
#include <inttypes.h>
#include <string.h>

#include "loop.h"
#include "meter.h"
#include "report.h"
#include "root.h"
#include "sched.h"
#include "waitq.h"

/* Covers the list; a scheduler is taken out before it is freed. */
static pthread_mutex_t coro__list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list coro__scheds = { &coro__scheds, &coro__scheds };

/* For other processes, which find it by the note. */
extern struct coro__root coro__root;
struct coro__root coro__root __attribute__((used, visibility("hidden"))) = {
	.name = CORO__ROOT_NOTE,
	.version = CORO__ROOT_VERSION,
	.bytes = sizeof(coro__root),
	.scheds = (uintptr_t)&coro__scheds,
	.object_bytes = CORO__OBJECT_BYTES,
	.sched_all = offsetof(struct coro__sched, all),
	.sched_serial = offsetof(struct coro__sched, serial),
	.sched_table = offsetof(struct coro__sched, space.table),
	.sched_nr_open = offsetof(struct coro__sched, space.nr_open),
	.sched_stacks = offsetof(struct coro__sched, space.stacks),
	.sched_stack_size = offsetof(struct coro__sched, space.stack_size),
	.sched_fd = offsetof(struct coro__sched, space.fd),
	.coro_awaiting = offsetof(struct coro, awaiting),
	.coro_task_loop = offsetof(struct coro, task.loop),
	.coro_task_key = offsetof(struct coro, task.key),
	.coro_task_group = offsetof(struct coro, task.group),
	.mutex_holder = offsetof(struct coro_mutex, holder),
	.mutex_holder_id = offsetof(struct coro_mutex, holder_id),
	.coro_awaiter = offsetof(struct coro, awaiter),
	.coro_task_wait = offsetof(struct coro, task.wait),
	.wait_armed = offsetof(struct coro__wait, timer.armed),
	.wait_deadline = offsetof(struct coro__wait, timer.deadline_ns),
	.wait_arms = offsetof(struct coro__ticket, arms) -
		     offsetof(struct coro__ticket, wait),
	.arm_also = offsetof(struct coro__arm, also),
	.coro_figures = offsetof(struct coro, task.figures),
	.loop_meter = offsetof(struct coro__loop, meter),
	.meter_total = offsetof(struct coro__meter, total),
	.meter_times = offsetof(struct coro__meter, times),
};

/* Its type is CORO__ROOT_TYPE. */
__asm__(".pushsection .note." CORO__ROOT_NOTE ", \"a\", %note\n"
	".balign 4\n"
	".long 2f - 1f, 8, 1\n"
	"1: .asciz \"" CORO__ROOT_NOTE "\"\n"
	"2: .balign 4\n"
	".quad coro__root - .\n"
	".popsection");

/* With the lock, before and after each change of the list. */
static void coro__list_changes(void)
{
	__atomic_fetch_add(&coro__root.seq, 1, __ATOMIC_ACQ_REL);
}

void coro__list_add(struct coro__sched *s)
{
	pthread_mutex_lock(&coro__list_lock);
	s->serial = ++coro__root.serials;
	coro__list_changes();
	list_add_tail(&coro__scheds, &s->all);
	coro__list_changes();
	pthread_mutex_unlock(&coro__list_lock);
}

void coro__list_del(struct coro__sched *s)
{
	pthread_mutex_lock(&coro__list_lock);
	coro__list_changes();
	list_del(&s->all);
	coro__list_changes();
	pthread_mutex_unlock(&coro__list_lock);
}

void coro__list_forget(void)
{
	/* Another thread of the parent may have had it, and have changed the list. */
	pthread_mutex_init(&coro__list_lock, NULL);
	coro__root.seq = (coro__root.seq | 1) + 1;
	while (!list_empty(&coro__scheds))
		list_del(coro__scheds.next);
}

/* Another thread may write it meanwhile: each word is read once. */
void coro__info_read(const struct coro_shm_context *shm, uint32_t index,
		     char *name, struct coro_info *info)
{
	for (size_t i = 0; i < CORO_NAME_LEN; i++)
		name[i] = __atomic_load_n(&shm->name[i], __ATOMIC_RELAXED);
	name[CORO_NAME_LEN - 1] = '\0';
	info->size = sizeof(*info);
	info->id = (uint64_t)__atomic_load_n(&shm->generation, __ATOMIC_RELAXED)
			   << 32 |
		   index;
	info->name = name;
	info->state =
		(enum coro_state)__atomic_load_n(&shm->state, __ATOMIC_RELAXED);
	info->awaits = (enum coro_awaits)__atomic_load_n(&shm->awaits_kind,
							 __ATOMIC_RELAXED);
	info->awaits_arg = __atomic_load_n(&shm->awaits, __ATOMIC_RELAXED);
	if (info->state != CORO_STATE_SUSPENDED) {
		info->awaits = CORO_AWAITS_NOTHING;
		info->awaits_arg = 0;
	}
	info->tid = __atomic_load_n(&shm->worker, __ATOMIC_RELAXED);
	info->entry = (void *)(uintptr_t)__atomic_load_n(&shm->entry,
							 __ATOMIC_RELAXED);
	info->origin = (void *)(uintptr_t)__atomic_load_n(&shm->origin,
							  __ATOMIC_RELAXED);
}

bool coro__info_find(const struct coro_shm_context *shm, char *name,
		     struct coro_info *info)
{
	bool found = false;

	pthread_mutex_lock(&coro__list_lock);
	for (struct list *l = coro__scheds.next; l != &coro__scheds && !found;
	     l = l->next) {
		const struct coro__space *sp =
			&container_of(l, struct coro__sched, all)->space;

		found = shm >= sp->table && shm < sp->table + sp->max;
		if (found)
			coro__info_read(shm, (uint32_t)(shm - sp->table), name,
					info);
	}
	pthread_mutex_unlock(&coro__list_lock);
	return found;
}

void coro__report_failure(struct coro *c)
{
	if (c->task.retrieved || !coro__is_failure(c->value))
		return;
	c->task.retrieved = true;
	coro__report(c, CORO_REPORT_NEVER_RETRIEVED, c->value);
}

void coro__report_failures(struct coro__loop *loop)
{
	const struct coro__sched *s = loop->thread->sched;
	uint64_t left = s->nr_coroutines;

	if (!__atomic_load_n(&coro__reports, __ATOMIC_RELAXED))
		return;
	for (uint32_t i = 0; left && i < s->space.max; i++) {
		const struct coro_shm_context *shm = &s->space.table[i];
		struct coro *c;

		if (shm->state == CORO_STATE_FREE)
			continue;
		left--;
		c = coro__sched_object(s, (uint64_t)shm->generation << 32 | i);
		if (shm->state == CORO_STATE_CLOSED && c->task.loop == loop)
			coro__report_failure(c);
	}
}

static int coro__list_sched(const struct coro__sched *s,
			    int (*fn)(void *arg, const struct coro_info *info),
			    void *arg)
{
	uint64_t left = __atomic_load_n(&s->nr_coroutines, __ATOMIC_RELAXED);
	char name[CORO_NAME_LEN];
	struct coro_info info;
	bool own = s == coro__thread()->sched;
	int ret = 0;

	for (uint32_t i = 0; left && i < s->space.max && !ret; i++) {
		coro__info_read(&s->space.table[i], i, name, &info);
		if (info.state == CORO_STATE_FREE)
			continue;
		left--;
		if (own) /* the caller knows an id now */
			coro__sched_object(s, info.id)->id_taken = true;
		ret = fn(arg, &info);
	}
	return ret;
}

int coro_list(int (*fn)(void *arg, const struct coro_info *info), void *arg)
{
	CORO__ENTRY;
	int ret = 0;

	pthread_mutex_lock(&coro__list_lock);
	for (struct list *l = coro__scheds.next; l != &coro__scheds && !ret;
	     l = l->next)
		ret = coro__list_sched(container_of(l, struct coro__sched, all),
				       fn, arg);
	pthread_mutex_unlock(&coro__list_lock);
	return ret;
}

const char *coro__awaits_name(enum coro_awaits awaits)
{
	static const char *const names[] = {
		[CORO_AWAITS_NOTHING] = "nothing",
		[CORO_AWAITS_RESUME] = "a resume",
		[CORO_AWAITS_CONTEXT] = "coroutine",
		[CORO_AWAITS_TIMER] = "time",
		[CORO_AWAITS_IO] = "I/O",
		[CORO_AWAITS_TURN] = "its turn",
		[CORO_AWAITS_MESSAGE] = "a message",
		[CORO_AWAITS_HANDLE] = "a handle",
		[CORO_AWAITS_LOCK] = "lock",
		[CORO_AWAITS_EVENT] = "event",
		[CORO_AWAITS_QUEUE] = "queue",
		[CORO_AWAITS_GROUP] = "group",
		[CORO_AWAITS_BLOCKING] = "function",
	};

	if ((unsigned int)awaits >= sizeof(names) / sizeof(*names))
		return "something";
	return names[awaits];
}

static const char *coro__state_name(enum coro_state state)
{
	static const char *const names[] = { "free", "created", "running",
					     "suspended", "closed" };

	if ((unsigned int)state >= sizeof(names) / sizeof(*names))
		return "?";
	return names[state];
}

static int coro__list_line(void *arg, const struct coro_info *info)
{
	FILE *f = arg;

	fprintf(f, "%u %" PRIu64 " %s \"%s\"", info->tid, info->id,
		coro__state_name(info->state), info->name);
	if (info->awaits)
		fprintf(f, " awaits %s %" PRIu64,
			coro__awaits_name(info->awaits), info->awaits_arg);
	fprintf(f, " function %p created at %p\n", info->entry, info->origin);
	return 0;
}

void coro_list_print(FILE *file)
{
	CORO__ENTRY;
	FILE *f = file ? file : stderr;
	int saved = errno;

	flockfile(f);
	coro_list(coro__list_line, f);
	funlockfile(f);
	errno = saved;
}
