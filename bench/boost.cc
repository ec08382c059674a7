// SPDX-License-Identifier: GPL-2.0
/* Boost's fibers and coroutines, used as its manual shows, behind C functions. */
#include "peers.h"

#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/coroutine2/all.hpp>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ctx = boost::context;
using push_coroutine = boost::coroutines2::coroutine<long>::push_type;
using pull_coroutine = boost::coroutines2::coroutine<long>::pull_type;

namespace
{

/* What goes in and out of the fibers; they have no values of their own. */
long mail;

ctx::fiber fiber_echo()
{
	ctx::fixedsize_stack stack(STACK_BYTES);

	return ctx::fiber(std::allocator_arg, stack, [](ctx::fiber &&from) {
		for (;;) {
			mail++;
			from = std::move(from).resume();
		}
		return std::move(from);
	});
}

push_coroutine coroutine_echo()
{
	boost::coroutines2::fixedsize_stack stack(STACK_BYTES);

	return push_coroutine(stack, [](pull_coroutine &source) {
		for (;;) {
			mail += source.get();
			source();
		}
	});
}

template <typename Stack> ctx::fiber fiber_brief(Stack &stack)
{
	return ctx::fiber(std::allocator_arg, stack, [](ctx::fiber &&from) {
		mail++;
		return std::move(from);
	});
}

template <typename Stack> void create(Stack &stack, long n)
{
	for (long i = 0; i < n; i++) {
		ctx::fiber f = fiber_brief(stack);

		f = std::move(f).resume();
	}
}

template <typename Stack> void create_crowd(Stack &stack, long n)
{
	static std::vector<ctx::fiber> crowd(CROWD);

	for (long i = 0; i < n; i += CROWD) {
		for (ctx::fiber &f : crowd)
			f = fiber_brief(stack);
		for (ctx::fiber &f : crowd)
			f = std::move(f).resume();
	}
}

/*
 * Where a guard page cannot be had, Boost only asserts: with NDEBUG the stack
 * comes without one. Here that is the end.
 */
using guarded_stack = ctx::protected_fixedsize_stack;

struct watched_stack : guarded_stack {
	explicit watched_stack(std::size_t size) : guarded_stack(size)
	{
	}

	ctx::stack_context allocate()
	{
		ctx::stack_context s = guarded_stack::allocate();
		const char *guard = static_cast<char *>(s.sp) - s.size;
		int err = errno;

		/* A path that cannot be read is a guard that works. */
		if (access(guard, F_OK) && errno == EFAULT)
			return s;
		deallocate(s);
		errno = err;
		throw std::bad_alloc();
	}
};

template <typename Stack> long hold(Stack &stack, long n, int *ret_err)
{
	static std::vector<ctx::fiber> all;

	all.reserve(n);
	*ret_err = 0;
	try {
		while ((long)all.size() < n) {
			all.emplace_back(
				std::allocator_arg, stack,
				[](ctx::fiber &&from) {
					small_frame();
					from = std::move(from).resume();
					return std::move(from);
				});
			all.back() = std::move(all.back()).resume();
		}
	} catch (const std::bad_alloc &) {
		*ret_err = errno ? errno : ENOMEM;
	}
	return all.size();
}

} /* namespace */

void __attribute__((noinline)) small_frame(void)
{
	volatile char used[256];

	for (char volatile &byte : used)
		byte = 1;
}

void boost_fiber_pair(long n)
{
	static ctx::fiber f = fiber_echo();

	for (long i = 0; i < n; i++)
		f = std::move(f).resume();
}

void boost_fiber_crowd(long n)
{
	static std::vector<ctx::fiber> crowd;

	while (crowd.size() < CROWD)
		crowd.push_back(fiber_echo());
	for (long i = 0; i < n; i += CROWD)
		for (ctx::fiber &f : crowd)
			f = std::move(f).resume();
}

void boost_coroutine_pair(long n)
{
	static push_coroutine c = coroutine_echo();

	for (long i = 0; i < n; i++)
		c(i);
}

void boost_coroutine_crowd(long n)
{
	static std::vector<push_coroutine> crowd;

	while (crowd.size() < CROWD)
		crowd.push_back(coroutine_echo());
	for (long i = 0; i < n; i += CROWD)
		for (push_coroutine &c : crowd)
			c(i);
}

void boost_fixed_create(long n)
{
	static ctx::fixedsize_stack stack(STACK_BYTES);

	create(stack, n);
}

void boost_pooled_create(long n)
{
	static ctx::pooled_fixedsize_stack stack(STACK_BYTES);

	create(stack, n);
}

void boost_protected_create(long n)
{
	static ctx::protected_fixedsize_stack stack(STACK_BYTES);

	create(stack, n);
}

void boost_fixed_create_crowd(long n)
{
	static ctx::fixedsize_stack stack(STACK_BYTES);

	create_crowd(stack, n);
}

void boost_pooled_create_crowd(long n)
{
	static ctx::pooled_fixedsize_stack stack(STACK_BYTES);

	create_crowd(stack, n);
}

void boost_protected_create_crowd(long n)
{
	static ctx::protected_fixedsize_stack stack(STACK_BYTES);

	create_crowd(stack, n);
}

long boost_fixed_hold(long n, int *ret_err)
{
	static ctx::fixedsize_stack stack(STACK_BYTES);

	return hold(stack, n, ret_err);
}

long boost_pooled_hold(long n, int *ret_err)
{
	static ctx::pooled_fixedsize_stack stack(STACK_BYTES);

	return hold(stack, n, ret_err);
}

long boost_protected_hold(long n, int *ret_err)
{
	static watched_stack stack(STACK_BYTES);

	return hold(stack, n, ret_err);
}
