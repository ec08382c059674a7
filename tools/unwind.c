// SPDX-License-Identifier: MIT
/*
 * Backtraces: of stacks that the library's switch left, and of threads that stand still.
 *
 * To libdw a coroutine is a thread whose registers are those that coro__switch() saved; what
 * it calls the frame below is who called the switch. See userlib/switch_*.S for their
 * places. It ends at coro__entry, which has no caller.
 */
#include "unwind.h"

#include <stdlib.h>
#include <string.h>

/* No stack of a coroutine has more that anybody reads. */
#define CTL_MAX_FRAMES 256
/* The only thread that there is for libdw. */
#define CTL_THREAD 1

#if defined(__x86_64__)
#define CTL_SAVED_WORDS 8
#define CTL_PC_WORD 7
/* Numbers of DWARF, and which word it is in. */
static const struct ctl_saved {
	int number;
	unsigned int word;
} ctl_saved[] = {
	{ 15, 1 }, { 14, 2 }, { 13, 3 }, { 12, 4 }, { 3, 5 }, { 6, 6 },
};
#elif defined(__aarch64__)
#define CTL_SAVED_WORDS 22
#define CTL_PC_WORD 11
static const struct ctl_saved {
	int number;
	unsigned int word;
} ctl_saved[] = {
	{ 19, 0 }, { 20, 1 }, { 21, 2 }, { 22, 3 }, { 23, 4 },	{ 24, 5 },
	{ 25, 6 }, { 26, 7 }, { 27, 8 }, { 28, 9 }, { 29, 10 }, { 30, 11 },
};
#endif

static pid_t ctl_thread_next(Dwfl *dwfl, void *arg, void **thread)
{
	(void)dwfl;
	if (*thread)
		return 0;
	*thread = arg;
	return CTL_THREAD;
}

static bool ctl_thread_get(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	(void)dwfl;
	*thread = arg;
	return tid == CTL_THREAD;
}

static bool ctl_memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret_word,
			    void *arg)
{
	const struct ctl_trace *t = arg;

	(void)dwfl;
	return !ctl_process_read(t->process, addr, ret_word, sizeof(*ret_word));
}

static bool ctl_registers_of_thread(Dwfl_Thread *thread,
				    const struct ctl_registers *r)
{
	Dwarf_Word values[CTL_NR_REGISTERS];

	for (int i = 0; i < CTL_NR_REGISTERS; i++)
		values[i] = r->values[i];
	dwfl_thread_state_register_pc(thread, r->pc);
	return dwfl_thread_state_registers(thread, 0, CTL_NR_REGISTERS, values);
}

static bool ctl_registers_saved(Dwfl_Thread *thread, const struct ctl_trace *t)
{
	uint64_t words[CTL_SAVED_WORDS];
	Dwarf_Word sp = t->sp + sizeof(words);

	if (ctl_process_read(t->process, t->sp, words, sizeof(words)))
		return false;
	for (size_t i = 0; i < sizeof(ctl_saved) / sizeof(*ctl_saved); i++) {
		Dwarf_Word value = words[ctl_saved[i].word];

		if (!dwfl_thread_state_registers(thread, ctl_saved[i].number, 1,
						 &value))
			return false;
	}
	dwfl_thread_state_register_pc(thread, words[CTL_PC_WORD]);
	return dwfl_thread_state_registers(thread, CTL_SP_REGISTER, 1, &sp);
}

static bool ctl_registers_set(Dwfl_Thread *thread, void *arg)
{
	const struct ctl_trace *t = arg;

	return t->registers ? ctl_registers_of_thread(thread, t->registers) :
			      ctl_registers_saved(thread, t);
}

static int ctl_frame_add(Dwfl_Frame *frame, void *arg)
{
	struct ctl_trace *t = arg;
	Dwarf_Addr pc;
	bool exact;

	if (t->nr == CTL_MAX_FRAMES || !dwfl_frame_pc(frame, &pc, &exact))
		return DWARF_CB_ABORT;
	/* The first of a saved stack is behind the call of the switch. */
	t->frames[t->nr] = (struct ctl_frame){
		pc,
		!exact || (!t->nr && !t->registers),
	};
	t->nr++;
	return DWARF_CB_OK;
}

/* Once for each Dwfl: more it does not allow. */
static bool ctl_trace_attach(struct ctl_trace *t, Dwfl *dwfl)
{
	static const Dwfl_Thread_Callbacks callbacks = {
		.next_thread = ctl_thread_next,
		.get_thread = ctl_thread_get,
		.memory_read = ctl_memory_read,
		.set_initial_registers = ctl_registers_set,
	};

	if (t->attached == dwfl)
		return true;
	if (!dwfl_attach_state(dwfl, NULL, t->process->pid, &callbacks, t))
		return false;
	t->attached = dwfl;
	return true;
}

static void ctl_trace_make(struct ctl_trace *t, Dwfl *dwfl,
			   const struct ctl_process *p)
{
	t->nr = 0;
	t->process = p;
	if (!t->frames)
		t->frames = calloc(CTL_MAX_FRAMES, sizeof(*t->frames));
	if (!t->frames || !dwfl || !ctl_trace_attach(t, dwfl))
		return;
	/* Its result is of no use: where unwinding ends is often an error to it. */
	dwfl_getthread_frames(dwfl, CTL_THREAD, ctl_frame_add, t);
}

void ctl_trace_read(struct ctl_trace *t, Dwfl *dwfl,
		    const struct ctl_process *p, uint64_t sp)
{
	t->sp = sp;
	t->registers = NULL;
	ctl_trace_make(t, dwfl, p);
}

void ctl_trace_read_thread(struct ctl_trace *t, Dwfl *dwfl,
			   const struct ctl_process *p,
			   const struct ctl_registers *registers)
{
	t->registers = registers;
	ctl_trace_make(t, dwfl, p);
	t->registers = NULL;
}

void ctl_trace_free(struct ctl_trace *t)
{
	free(t->frames);
}
