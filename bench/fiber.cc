// SPDX-License-Identifier: GPL-2.0
/* Boost's fibers with its scheduler, used as its manual shows, behind C functions. */
#include "fiber.h"

#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

void boost_task(long n)
{
	while (n--)
		fibers::fiber([] {}).join();
}

void boost_task_pooled(long n)
{
	static fibers::pooled_fixedsize_stack stacks(64 * 1024);

	while (n--)
		fibers::fiber(std::allocator_arg, stacks, [] {}).join();
}

void boost_mutex(long n)
{
	static fibers::mutex m;

	while (n--) {
		m.lock();
		m.unlock();
	}
}

void boost_queue(long n)
{
	static fibers::buffered_channel<void *> there(64), back(64);
	static bool started;
	void *item = &there;

	if (!started) {
		fibers::fiber([] {
			void *item;

			while (there.pop(item) ==
			       fibers::channel_op_status::success)
				back.push(item);
		}).detach();
		started = true;
	}
	while (n--) {
		there.push(item);
		back.pop(item);
	}
}
