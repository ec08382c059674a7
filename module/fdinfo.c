// SPDX-License-Identifier: GPL-2.0
/* What /proc/PID/fdinfo shows of a scheduler. */
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "sched.h"

static const char *const coro_fdinfo_states[] = {
	[CORO_SCHED_NEW] = "new",
	[CORO_SCHED_READY] = "ready",
	[CORO_SCHED_DEAD] = "dead",
};

static void coro_fdinfo_line(struct seq_file *m, const char *noun, u64 value)
{
	seq_printf(m, "coro-%s:\t%llu\n", noun, value);
}

/* The reader can be any process that may look at the one with the file. */
void coro_sched_fdinfo(struct seq_file *m, struct file *file)
{
	struct coro_sched *sched = file->private_data;
	/* Pairs with the release in coro_sched_publish(). */
	enum coro_sched_state state = smp_load_acquire(&sched->state);
	struct coro_stat_args stat = {};
	struct pid_namespace *ns;

	seq_printf(m, "coro-state:\t%s\n", coro_fdinfo_states[state]);
	if (state == CORO_SCHED_NEW)
		return;
	ns = proc_pid_ns(file_inode(m->file)->i_sb);
	coro_fdinfo_line(m, "owner-pid", pid_nr_ns(sched->owner, ns));
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
}
