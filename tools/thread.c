// SPDX-License-Identifier: MIT
/* A thread of another process that is stopped for a moment. */
#include "thread.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* As long as this it may take to stop; what takes longer is not to be waited for. */
#define CTL_STOP_MS 1000

#if defined(__x86_64__)
static void ctl_registers_from(struct ctl_registers *r,
			       const struct user_regs_struct *u)
{
	const uint64_t values[CTL_NR_REGISTERS] = {
		u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp, u->rsp,
		u->r8,	u->r9,	u->r10, u->r11, u->r12, u->r13, u->r14, u->r15,
	};

	memcpy(r->values, values, sizeof(values));
	r->pc = u->rip;
}
#elif defined(__aarch64__)
static void ctl_registers_from(struct ctl_registers *r,
			       const struct user_regs_struct *u)
{
	for (int i = 0; i < CTL_SP_REGISTER; i++)
		r->values[i] = u->regs[i];
	r->values[CTL_SP_REGISTER] = u->sp;
	r->pc = u->pc;
}
#endif

static int ctl_registers_read(pid_t tid, struct ctl_registers *r)
{
	struct user_regs_struct user;
	struct iovec to = { &user, sizeof(user) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &to))
		return -errno;
	ctl_registers_from(r, &user);
	return 0;
}

static int ctl_thread_wait(pid_t tid, int *ret_status)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (int i = 0; i < CTL_STOP_MS; i++) {
		pid_t got = waitpid(tid, ret_status, __WALL | WNOHANG);

		if (got < 0)
			return -errno;
		if (got)
			return WIFSTOPPED(*ret_status) ? 0 : -ESRCH;
		nanosleep(&moment, NULL);
	}
	return -EBUSY;
}

/* The number may have become another process's before it was seized. */
static bool ctl_thread_is_of(const struct ctl_process *p, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", p->pid, tid);
	return !access(path, F_OK) && ctl_process_alive(p);
}

int ctl_thread_stop(const struct ctl_process *p, pid_t tid,
		    struct ctl_stop *stop)
{
	int status, err;

	*stop = (struct ctl_stop){ .tid = tid };
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return -errno;
	err = ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ? -errno : 0;
	if (!err)
		err = ctl_thread_wait(tid, &status);
	if (err)
		return err;
	/* Not by us: a signal was about to be delivered. */
	if (status >> 16 != PTRACE_EVENT_STOP)
		stop->signal = WSTOPSIG(status);
	err = ctl_thread_is_of(p, tid) ?
		      ctl_registers_read(tid, &stop->registers) :
		      -ESRCH;
	if (err)
		ctl_thread_go(stop);
	return err;
}

void ctl_thread_go(const struct ctl_stop *stop)
{
	ptrace(PTRACE_DETACH, stop->tid, NULL, (void *)(intptr_t)stop->signal);
}
