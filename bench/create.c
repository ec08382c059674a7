// SPDX-License-Identifier: GPL-2.0
/* Figure "create": from making a coroutine to its end, with stacks that are warm. */
#include <coro.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "peers.h"
#include "rounds.h"

static long mail;

static long brief(void *arg)
{
	(void)arg;
	mail++;
	return 0;
}

static struct coro *coro_make(const char *name)
{
	struct coro *c;

	must(!coro_create(&c, brief, NULL, name), "coro_create");
	return c;
}

static void coro_finish(struct coro *c)
{
	if (coro_resume(c, 0, NULL) != CORO_ENDED)
		must(0, "coro_resume");
	coro_put(c);
}

static void coro_named(long n)
{
	for (long i = 0; i < n; i++)
		coro_finish(coro_make("brief"));
}

static void coro_unnamed(long n)
{
	for (long i = 0; i < n; i++)
		coro_finish(coro_make(NULL));
}

static void coro_crowd(long n)
{
	static struct coro *c[CROWD];

	for (long done = 0; done < n; done += CROWD) {
		for (long i = 0; i < CROWD; i++)
			c[i] = coro_make("brief");
		for (long i = 0; i < CROWD; i++)
			coro_finish(c[i]);
	}
}

/* Stacks for those who bring none: the last one used is the next. */
struct stack {
	struct stack *next;
};

static struct stack *stacks;

static char *stack_take(void)
{
	char *s = (char *)stacks;

	if (s)
		stacks = stacks->next;
	else
		s = malloc(STACK_BYTES);
	must(!!s, "malloc");
	return s;
}

static void stack_give(char *s)
{
	struct stack *free = (struct stack *)s;

	free->next = stacks;
	stacks = free;
}

static void fcontext_brief(struct transfer t)
{
	mail++;
	jump_fcontext(t.from, NULL);
	abort();
}

static void *fcontext_make(char *stack)
{
	return make_fcontext(stack + STACK_BYTES, STACK_BYTES, fcontext_brief);
}

static void fcontext_create(long n)
{
	for (long i = 0; i < n; i++) {
		char *stack = stack_take();

		jump_fcontext(fcontext_make(stack), NULL);
		stack_give(stack);
	}
}

static void fcontext_crowd(long n)
{
	static char *stack[CROWD];
	static void *c[CROWD];

	for (long done = 0; done < n; done += CROWD) {
		for (long i = 0; i < CROWD; i++) {
			stack[i] = stack_take();
			c[i] = fcontext_make(stack[i]);
		}
		for (long i = 0; i < CROWD; i++) {
			jump_fcontext(c[i], NULL);
			stack_give(stack[i]);
		}
	}
}

static void ucontext_brief(void)
{
	mail++;
}

static void ucontext_make(ucontext_t *c, ucontext_t *back)
{
	getcontext(c);
	c->uc_stack.ss_sp = stack_take();
	c->uc_stack.ss_size = STACK_BYTES;
	c->uc_link = back;
	makecontext(c, ucontext_brief, 0);
}

static void ucontext_create(long n)
{
	static ucontext_t c, back;

	for (long i = 0; i < n; i++) {
		ucontext_make(&c, &back);
		swapcontext(&back, &c);
		stack_give(c.uc_stack.ss_sp);
	}
}

static void ucontext_crowd(long n)
{
	static ucontext_t c[CROWD], back;

	for (long done = 0; done < n; done += CROWD) {
		for (long i = 0; i < CROWD; i++)
			ucontext_make(&c[i], &back);
		for (long i = 0; i < CROWD; i++) {
			swapcontext(&back, &c[i]);
			stack_give(c[i].uc_stack.ss_sp);
		}
	}
}

#define BOOST "libboost-context1.74-dev"

static const struct contender one[] = {
	{ "libcoro", "", coro_named },
	{ "libcoro-unnamed", "", coro_unnamed },
	{ "boost-fiber-pooled", BOOST, boost_pooled_create },
	{ "boost-fiber-fixed", BOOST, boost_fixed_create },
	{ "boost-fiber-protected", BOOST, boost_protected_create },
	{ "boost-fcontext", BOOST, fcontext_create },
	{ "ucontext", "libc6", ucontext_create },
};

static const struct contender crowd[] = {
	{ "libcoro", "", coro_crowd },
	{ "boost-fiber-pooled", BOOST, boost_pooled_create_crowd },
	{ "boost-fiber-fixed", BOOST, boost_fixed_create_crowd },
	{ "boost-fiber-protected", BOOST, boost_protected_create_crowd },
	{ "boost-fcontext", BOOST, fcontext_crowd },
	{ "ucontext", "libc6", ucontext_crowd },
};

static const struct figure figures[] = {
	{ "create", "coroutine", 1, one, sizeof(one) / sizeof(*one) },
	{ "create-1000", "coroutine", CROWD, crowd,
	  sizeof(crowd) / sizeof(*crowd) },
};

int main(int argc, char **argv)
{
	return rounds_main(argc, argv, figures,
			   sizeof(figures) / sizeof(*figures));
}
