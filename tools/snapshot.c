// SPDX-License-Identifier: MIT
/* All coroutines of a process, as they were one after the other while it went on. */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define CTL_LIST_TRIES 1000
/* More schedulers than a process can have threads: then it is no list. */
#define CTL_MAX_SCHEDS 4194304

void *ctl_grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	return reallocarray(array, nr ? 2 * nr : 1, size);
}

static int ctl_sched_read(const struct ctl_process *p, struct ctl_sched *s)
{
	const struct coro__root *r = &s->root;
	const struct {
		void *to;
		uint32_t at;
		size_t bytes;
	} fields[] = {
		{ &s->serial, r->sched_serial, sizeof(s->serial) },
		{ &s->table, r->sched_table, sizeof(s->table) },
		{ &s->stacks, r->sched_stacks, sizeof(s->stacks) },
		{ &s->stack_size, r->sched_stack_size, sizeof(s->stack_size) },
		{ &s->nr_open, r->sched_nr_open, sizeof(s->nr_open) },
		{ &s->fd, r->sched_fd, sizeof(s->fd) },
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && !err; i++)
		err = ctl_process_read(p, s->addr + fields[i].at, fields[i].to,
				       fields[i].bytes);
	return err;
}

static int ctl_snapshot_add(struct ctl_snapshot *s, const struct ctl_sched *one)
{
	struct ctl_sched *scheds;

	if (s->nr_scheds == CTL_MAX_SCHEDS)
		return -EAGAIN;
	scheds = ctl_grow(s->scheds, s->nr_scheds, sizeof(*scheds));
	if (!scheds)
		return -ENOMEM;
	s->scheds = scheds;
	s->scheds[s->nr_scheds++] = *one;
	return 0;
}

/* Follows the list once; it was whole if its sequence is the same afterwards. */
static int ctl_list_walk(struct ctl_snapshot *s, const struct coro__root *root)
{
	uint64_t at = root->scheds;
	int err = 0;

	while (!err) {
		struct ctl_sched one = { .root = *root };

		err = ctl_process_read(s->process, at, &at, sizeof(at));
		if (err || at == root->scheds)
			break;
		one.addr = at - root->sched_all;
		err = ctl_sched_read(s->process, &one);
		if (!err)
			err = ctl_snapshot_add(s, &one);
	}
	return err;
}

/* Adds the schedulers of one library. */
static int ctl_list_read(struct ctl_snapshot *s, uint64_t addr)
{
	const size_t nr = s->nr_scheds;
	struct coro__root root, after;

	for (unsigned int i = 0; i < CTL_LIST_TRIES; i++) {
		int err =
			ctl_process_read(s->process, addr, &root, sizeof(root));
		int list;

		/* A file that is mapped to be read, and not to be run, has none. */
		if (err == -EFAULT ||
		    memcmp(root.name, CORO__ROOT_NOTE, sizeof(root.name)))
			return -ENODATA;
		if (err)
			return err;
		if (root.version != CORO__ROOT_VERSION ||
		    root.bytes < sizeof(root))
			return -EPROTO;
		s->nr_scheds = nr;
		list = ctl_list_walk(s, &root);
		err = ctl_process_read(s->process, addr, &after, sizeof(after));
		if (err)
			return err;
		if (!(root.seq & 1) && root.seq == after.seq)
			return list;
	}
	return -EAGAIN;
}

/* -ENODATA if no library is there. */
static int ctl_lists_read(struct ctl_snapshot *s)
{
	uint64_t roots[CTL_MAX_ROOTS];
	unsigned int nr, found = 0;
	int err = ctl_find_roots(s->process, roots, &nr);

	s->nr_scheds = 0;
	for (unsigned int i = 0; i < nr && !err; i++) {
		err = ctl_list_read(s, roots[i]);
		found += !err;
		if (err == -ENODATA)
			err = 0;
	}
	return err || found ? err : -ENODATA;
}

struct ctl_filling {
	struct ctl_snapshot *s;
	const struct ctl_sched *sched;
};

static int ctl_snapshot_entry(void *arg, uint32_t index,
			      const struct coro_shm_context *entry, bool busy)
{
	struct ctl_filling *f = arg;
	struct ctl_snapshot *s = f->s;
	struct ctl_coro *coros = ctl_grow(s->coros, s->nr, sizeof(*coros));

	if (!coros)
		return -ENOMEM;
	s->coros = coros;
	s->coros[s->nr++] = (struct ctl_coro){
		.sched = f->sched,
		.index = index,
		.busy = busy,
		.shm = *entry,
	};
	s->coros[s->nr - 1].shm.name[CORO_NAME_LEN - 1] = '\0';
	return 0;
}

struct ctl_sched *ctl_snapshot_sched(const struct ctl_snapshot *s,
				     const struct ctl_sched *one)
{
	for (size_t i = 0; i < s->nr_scheds; i++)
		if (s->scheds[i].addr == one->addr &&
		    s->scheds[i].serial == one->serial)
			return &s->scheds[i];
	return NULL;
}

/* Drops the coroutines of a scheduler that was not there all the time. */
static void ctl_snapshot_drop(struct ctl_snapshot *s, struct ctl_sched *sched)
{
	struct ctl_coro *first = s->coros + sched->first;

	memmove(first, first + sched->nr,
		(s->nr - sched->first - sched->nr) * sizeof(*first));
	s->nr -= sched->nr;
	for (struct ctl_sched *up = sched + 1; up < s->scheds + s->nr_scheds;
	     up++)
		up->first -= sched->nr;
	sched->nr = 0;
}

/*
 * Keeps what was read while its scheduler was there. That one has gone is also why it
 * could not be read: its memory, or its descriptor, is another's.
 */
static int ctl_snapshot_check(struct ctl_snapshot *s)
{
	struct ctl_snapshot now = { .process = s->process };
	int err = ctl_lists_read(&now);

	for (size_t i = s->nr_scheds; i-- > 0 && !err;)
		if (!ctl_snapshot_sched(&now, &s->scheds[i]))
			ctl_snapshot_drop(s, &s->scheds[i]);
		else
			err = s->scheds[i].err;
	free(now.scheds);
	return err;
}

static int ctl_snapshot_fill(struct ctl_snapshot *s)
{
	int err = ctl_lists_read(s);

	for (size_t i = 0; i < s->nr_scheds && !err; i++) {
		struct ctl_sched *sched = &s->scheds[i];
		struct ctl_filling f = { s, sched };

		sched->first = s->nr;
		sched->err = ctl_table_read(s->process, sched,
					    ctl_snapshot_entry, &f);
		sched->nr = s->nr - sched->first;
	}
	return err ? err : ctl_snapshot_check(s);
}

int ctl_snapshot_take(struct ctl_snapshot *s, const struct ctl_process *p)
{
	int err;

	*s = (struct ctl_snapshot){ .process = p };
	err = ctl_snapshot_fill(s);
	if (!ctl_process_alive(p))
		err = -ESRCH;
	if (err)
		ctl_snapshot_free(s);
	return err;
}

void ctl_snapshot_free(struct ctl_snapshot *s)
{
	free(s->scheds);
	free(s->coros);
}

unsigned int ctl_sched_thread(const struct ctl_snapshot *s,
			      const struct ctl_sched *sched)
{
	return sched->nr ? s->coros[sched->first].shm.worker : 0;
}

bool ctl_coro_same(const struct ctl_snapshot *s, const struct ctl_coro *c)
{
	struct coro_shm_context now;

	return !ctl_table_entry(s->process, c->sched, c->index, &now) &&
	       now.generation == c->shm.generation && now.runs == c->shm.runs &&
	       now.state == c->shm.state &&
	       now.awaits_kind == c->shm.awaits_kind && now.sp == c->shm.sp;
}

bool ctl_coro_again(const struct ctl_snapshot *s, struct ctl_coro *c)
{
	const struct coro_shm_context was = c->shm;
	int err = ctl_table_entry(s->process, c->sched, c->index, &c->shm);

	c->busy = err == -EBUSY;
	c->shm.name[CORO_NAME_LEN - 1] = '\0';
	if (!c->busy && (err || c->shm.state == CORO_STATE_FREE ||
			 c->shm.generation != was.generation)) {
		c->shm = was;
		return false;
	}
	if (c->busy)
		c->shm.state = CORO_STATE_RUNNING;
	return true;
}

uint64_t ctl_coro_id(const struct ctl_coro *c)
{
	return (uint64_t)c->shm.generation << 32 | c->index;
}

enum coro_state ctl_coro_state(const struct ctl_coro *c)
{
	return (enum coro_state)c->shm.state;
}

uint64_t ctl_coro_object(const struct ctl_coro *c)
{
	const struct ctl_sched *s = c->sched;

	return s->stacks + (c->index + UINT64_C(1)) * s->stack_size -
	       s->root.object_bytes;
}

uint64_t ctl_coro_word(const struct ctl_snapshot *s, const struct ctl_coro *c,
		       uint32_t at)
{
	return ctl_process_word(s->process, ctl_coro_object(c) + at);
}

struct ctl_coro *ctl_snapshot_index(const struct ctl_snapshot *s,
				    const struct ctl_sched *sched,
				    uint32_t index)
{
	size_t low = sched->first, high = sched->first + sched->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->coros[mid].index == index)
			return &s->coros[mid];
		if (s->coros[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct ctl_coro *ctl_snapshot_find(const struct ctl_snapshot *s,
				   const struct ctl_sched *sched, uint64_t id)
{
	struct ctl_coro *c = ctl_snapshot_index(s, sched, CORO_INDEX(id));

	return c && ctl_coro_id(c) == id ? c : NULL;
}

struct ctl_coro *ctl_snapshot_at(const struct ctl_snapshot *s, uint64_t object)
{
	for (size_t i = 0; i < s->nr_scheds; i++) {
		const struct ctl_sched *sched = &s->scheds[i];
		uint64_t index = (object - sched->stacks) / sched->stack_size;
		struct ctl_coro *c;

		if (object < sched->stacks || index > UINT32_MAX)
			continue;
		c = ctl_snapshot_index(s, sched, (uint32_t)index);
		if (c && ctl_coro_object(c) == object)
			return c;
	}
	return NULL;
}

struct ctl_coro *ctl_coro_before(const struct ctl_snapshot *before,
				 const struct ctl_coro *c)
{
	const struct ctl_sched *sched = ctl_snapshot_sched(before, c->sched);
	struct ctl_coro *was =
		sched ? ctl_snapshot_find(before, sched, ctl_coro_id(c)) : NULL;

	if (!was || was->busy || c->busy || was->shm.runs != c->shm.runs ||
	    was->shm.state != c->shm.state ||
	    was->shm.awaits_kind != c->shm.awaits_kind ||
	    was->shm.awaits != c->shm.awaits || was->shm.sp != c->shm.sp)
		return NULL;
	return was;
}
