// SPDX-License-Identifier: MIT
/* The opt-in handler that names the coroutine whose stack overflowed. */
#define _GNU_SOURCE
#include <coro/debug.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched.h"

#define CORO__SIGSTACK_BYTES (64 * 1024)

static struct sigaction coro__old_segv, coro__old_bus;
static pthread_once_t coro__debug_once = PTHREAD_ONCE_INIT;
static pthread_key_t coro__sigstack_key;
static int coro__debug_err;

/* A line put together without a call that a signal handler must not make. */
struct coro__line {
	char text[256];
	size_t len;
};

static void coro__line_str(struct coro__line *l, const char *s)
{
	while (*s && l->len < sizeof(l->text))
		l->text[l->len++] = *s++;
}

static void coro__line_num(struct coro__line *l, uint64_t n)
{
	char digits[21];
	size_t at = sizeof(digits);

	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	coro__line_str(l, digits + at);
}

/* Whether @addr is in a guard page of the thread's stacks; whose. */
static bool coro__guard_of(const struct coro__sched *s, uintptr_t addr,
			   uint32_t *ret_index)
{
	uintptr_t base = (uintptr_t)s->space.stacks;

	if (addr < base || (addr - base) / s->space.stack_size >= s->space.max)
		return false;
	*ret_index = (uint32_t)((addr - base) / s->space.stack_size);
	return (addr - base) % s->space.stack_size < s->page_size;
}

static void coro__report_overflow(const struct coro__sched *s, uint32_t index)
{
	const struct coro_shm_context *shm = &s->space.table[index];
	struct coro__line l = { .len = 0 };
	char name[CORO_NAME_LEN];

	memcpy(name, shm->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	coro__line_str(&l, "coro: stack overflow in coroutine \"");
	coro__line_str(&l, name);
	coro__line_str(&l, "\" (id ");
	coro__line_num(&l, (uint64_t)shm->generation << 32 | index);
	coro__line_str(&l, ", ");
	coro__line_num(&l, s->space.stack_size);
	coro__line_str(&l, " bytes of stack)\n");
	if (write(STDERR_FILENO, l.text, l.len) < 0)
		return; /* nowhere else to say it */
}

/*
 * Not ours, or said: the former handler gets the signal. Without one the
 * default comes back and the access, made again, ends the process.
 */
static void coro__pass_on(int sig, siginfo_t *info, void *uc)
{
	const struct sigaction *old = sig == SIGSEGV ? &coro__old_segv :
						       &coro__old_bus;

	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(sig, info, uc);
	} else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
		old->sa_handler(sig);
	} else if (info->si_code > 0) {
		signal(sig, SIG_DFL); /* the access is made again */
	} else if (old->sa_handler == SIG_DFL) {
		signal(sig, SIG_DFL);
		raise(sig); /* somebody sent it, and would not again */
	}
}

static void coro__on_fault(int sig, siginfo_t *info, void *uc)
{
	const struct coro__thread *t = coro__thread();
	const struct coro__sched *s = t->cur ? t->cur->sched : t->sched;
	uint32_t index;

	if (s && info->si_code > 0 &&
	    coro__guard_of(s, (uintptr_t)info->si_addr, &index))
		coro__report_overflow(s, index);
	coro__pass_on(sig, info, uc);
}

static void coro__sigstack_free(void *map)
{
	const stack_t off = { .ss_flags = SS_DISABLE };

	sigaltstack(&off, NULL);
	munmap(map, CORO__SIGSTACK_BYTES);
}

static void coro__debug_install(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	coro__debug_err =
		-pthread_key_create(&coro__sigstack_key, coro__sigstack_free);
	if (coro__debug_err)
		return;
	sa.sa_sigaction = coro__on_fault;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSEGV, &sa, &coro__old_segv) ||
	    sigaction(SIGBUS, &sa, &coro__old_bus))
		coro__debug_err = -errno;
}

static int coro__sigstack_add(void)
{
	stack_t ss = { .ss_size = CORO__SIGSTACK_BYTES };
	stack_t old;
	int err;

	if (sigaltstack(NULL, &old))
		return -errno;
	if (!(old.ss_flags & SS_DISABLE))
		return 0; /* the program has its own */
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ss.ss_sp == MAP_FAILED)
		return -ENOMEM;
	err = sigaltstack(&ss, NULL) ?
		      -errno :
		      -pthread_setspecific(coro__sigstack_key, ss.ss_sp);
	if (err)
		coro__sigstack_free(ss.ss_sp);
	return err;
}

int coro_debug_catch_overflow(void)
{
	CORO__ENTRY;

	pthread_once(&coro__debug_once, coro__debug_install);
	return coro__debug_err ? coro__debug_err : coro__sigstack_add();
}
