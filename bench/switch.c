// SPDX-License-Identifier: GPL-2.0
/* Figure "switch": into a coroutine and back, of one coroutine and of each of a crowd in turn. */
#include <coro.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "peers.h"
#include "rounds.h"

static long coro_echo(void *arg)
{
	long value = 0;

	(void)arg;
	while (!coro_yield(value, &value))
		;
	return 0;
}

/* Values go in and out, and are looked at. */
static void coro_pairs(struct coro **c, long nr, long n)
{
	long value;

	for (long i = 0; i < nr; i++) {
		if (c[i])
			continue;
		must(!coro_create(&c[i], coro_echo, NULL, "echo"),
		     "coro_create");
		must(!coro_resume(c[i], 0, NULL), "coro_resume");
	}
	for (long done = 0; done < n; done += nr) {
		for (long i = 0; i < nr; i++) {
			if (coro_resume(c[i], done, &value) || value != done)
				must(0, "coro_resume");
		}
	}
}

static void coro_pair(long n)
{
	static struct coro *c;

	coro_pairs(&c, 1, n);
}

static void coro_crowd(long n)
{
	static struct coro *c[CROWD];

	coro_pairs(c, CROWD, n);
}

static long mail;

static void fcontext_echo(struct transfer t)
{
	for (;;) {
		mail++;
		t = jump_fcontext(t.from, t.data);
	}
}

static void fcontext_pairs(void **c, long nr, long n)
{
	for (long i = 0; i < nr; i++) {
		if (c[i])
			continue;
		c[i] = malloc(STACK_BYTES);
		must(!!c[i], "malloc");
		c[i] = make_fcontext((char *)c[i] + STACK_BYTES, STACK_BYTES,
				     fcontext_echo);
	}
	for (long done = 0; done < n; done += nr)
		for (long i = 0; i < nr; i++)
			c[i] = jump_fcontext(c[i], NULL).from;
}

static void fcontext_pair(long n)
{
	static void *c;

	fcontext_pairs(&c, 1, n);
}

static void fcontext_crowd(long n)
{
	static void *c[CROWD];

	fcontext_pairs(c, CROWD, n);
}

static ucontext_t uc_main, *uc_running;

static void ucontext_echo(void)
{
	for (;;) {
		mail++;
		swapcontext(uc_running, &uc_main);
	}
}

static void ucontext_make(ucontext_t *c)
{
	must(!getcontext(c), "getcontext");
	c->uc_stack.ss_sp = malloc(STACK_BYTES);
	c->uc_stack.ss_size = STACK_BYTES;
	must(!!c->uc_stack.ss_sp, "malloc");
	makecontext(c, ucontext_echo, 0);
}

static void ucontext_pairs(ucontext_t *c, long nr, long n)
{
	for (long i = 0; i < nr; i++)
		if (!c[i].uc_stack.ss_sp)
			ucontext_make(&c[i]);
	for (long done = 0; done < n; done += nr) {
		for (long i = 0; i < nr; i++) {
			uc_running = &c[i];
			swapcontext(&uc_main, &c[i]);
		}
	}
}

static void ucontext_pair(long n)
{
	static ucontext_t c;

	ucontext_pairs(&c, 1, n);
}

static void ucontext_crowd(long n)
{
	static ucontext_t c[CROWD];

	ucontext_pairs(c, CROWD, n);
}

#define BOOST "libboost-context1.74-dev"

static const struct contender one[] = {
	{ "libcoro", "", coro_pair },
	{ "boost-coroutines2", BOOST, boost_coroutine_pair },
	{ "boost-fiber", BOOST, boost_fiber_pair },
	{ "boost-fcontext", BOOST, fcontext_pair },
	{ "ucontext", "libc6", ucontext_pair },
};

static const struct contender crowd[] = {
	{ "libcoro", "", coro_crowd },
	{ "boost-coroutines2", BOOST, boost_coroutine_crowd },
	{ "boost-fiber", BOOST, boost_fiber_crowd },
	{ "boost-fcontext", BOOST, fcontext_crowd },
	{ "ucontext", "libc6", ucontext_crowd },
};

/* As any arithmetic does that does not come out even. */
static void inexact_arithmetic(void)
{
	volatile double third = 1;

	third /= 3;
}

static void coro_inexact(long n)
{
	inexact_arithmetic();
	coro_crowd(n);
}

static void coroutine_inexact(long n)
{
	inexact_arithmetic();
	boost_coroutine_crowd(n);
}

static void fiber_inexact(long n)
{
	inexact_arithmetic();
	boost_fiber_crowd(n);
}

static const struct contender inexact[] = {
	{ "libcoro", "", coro_inexact },
	{ "boost-coroutines2", BOOST, coroutine_inexact },
	{ "boost-fiber", BOOST, fiber_inexact },
};

static const struct figure figures[] = {
	{ "switch", "pair", 1, one, sizeof(one) / sizeof(*one) },
	{ "switch-1000", "pair", CROWD, crowd, sizeof(crowd) / sizeof(*crowd) },
	{ "switch-1000-float", "pair", CROWD, inexact,
	  sizeof(inexact) / sizeof(*inexact) },
};

int main(int argc, char **argv)
{
	return rounds_main(argc, argv, figures,
			   sizeof(figures) / sizeof(*figures));
}
