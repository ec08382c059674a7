// SPDX-License-Identifier: GPL-2.0
/* What /proc/PID/fdinfo shows of a scheduler and of a handle. */
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "handle.h"
#include "sched.h"
#include "target.h"

static const char *const coro_fdinfo_states[] = {
	[CORO_SCHED_NEW] = "new",
	[CORO_SCHED_READY] = "ready",
	[CORO_SCHED_DEAD] = "dead",
};

static void coro_fdinfo_line(struct seq_file *m, const char *noun, u64 value)
{
	seq_printf(m, "coro-%s:\t%llu\n", noun, value);
}

static void coro_fdinfo_owner(struct seq_file *m, struct coro_sched *sched)
{
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);

	coro_fdinfo_line(m, "owner-pid", pid_nr_ns(sched->owner, ns));
}

/* The reader can be any process that may look at the one with the file. */
void coro_sched_fdinfo(struct seq_file *m, struct file *file)
{
	struct coro_sched *sched = file->private_data;
	/* Pairs with the release in coro_sched_publish(). */
	enum coro_sched_state state = smp_load_acquire(&sched->state);
	struct coro_stat_args stat = {};

	seq_printf(m, "coro-state:\t%s\n", coro_fdinfo_states[state]);
	coro_fdinfo_line(m, "sched", sched->number);
	if (state == CORO_SCHED_NEW)
		return;
	coro_fdinfo_owner(m, sched);
	coro_fdinfo_line(m, "max-contexts", sched->max_contexts);
	coro_fdinfo_line(m, "mailbox", sched->mailbox.max);
	coro_fdinfo_line(m, "stack-size-bytes", sched->arena.stack_bytes);
	if (coro_sched_stat(sched, &stat))
		return;
	coro_fdinfo_line(m, "contexts", stat.out_contexts);
	coro_fdinfo_line(m, "contexts-peak", stat.out_contexts_peak);
	coro_fdinfo_line(m, "events-pending", stat.out_events_pending);
	coro_fdinfo_line(m, "events-total", stat.out_events_total);
	coro_fdinfo_line(m, "stacks-resident-bytes",
			 stat.out_stacks_resident_bytes);
	coro_fdinfo_line(m, "overflows", stat.out_overflows);
	coro_fdinfo_line(m, "overflow-id", stat.out_overflow_id);
	coro_fdinfo_line(m, "workers", READ_ONCE(sched->workers.nr));
	coro_fdinfo_line(m, "standbys", READ_ONCE(sched->handoff.nr_standbys));
	coro_fdinfo_line(m, "handoffs", READ_ONCE(sched->handoff.total));
}

static const char *const coro_fdinfo_target_states[] = {
	[CORO_TARGET_LIVE] = "live",
	[CORO_TARGET_FINISHED] = "finished",
	[CORO_TARGET_FREED] = "freed",
	[CORO_TARGET_DEAD] = "dead",
};

static const struct {
	u32 right;
	const char *name;
} coro_fdinfo_rights[] = {
	{ CORO_RIGHT_SEND, "send" },
	{ CORO_RIGHT_JOIN, "join" },
	{ CORO_RIGHT_CANCEL, "cancel" },
	{ CORO_RIGHT_RECV, "recv" },
};

void coro_handle_fdinfo(struct seq_file *m, struct file *file)
{
	const struct coro_handle *hnd = file->private_data;
	const struct coro_target *tgt = hnd->tgt;

	seq_printf(m, "coro-state:\t%s\n",
		   coro_fdinfo_target_states[coro_target_state(tgt)]);
	coro_fdinfo_line(m, "sched", tgt->sched->number);
	coro_fdinfo_owner(m, tgt->sched);
	coro_fdinfo_line(m, "id", tgt->id);
	seq_puts(m, "coro-rights:\t");
	for (size_t i = 0; i < ARRAY_SIZE(coro_fdinfo_rights); i++) {
		if (hnd->rights & coro_fdinfo_rights[i].right)
			seq_printf(m, "%s ", coro_fdinfo_rights[i].name);
	}
	seq_putc(m, '\n');
	coro_fdinfo_line(m, "messages", READ_ONCE(tgt->nr_messages));
	coro_fdinfo_line(m, "mailbox", tgt->sched->mailbox.max);
}
