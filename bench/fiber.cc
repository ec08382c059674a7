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

/* The other fiber ends with the round: at exit Boost would wait for it. */
void boost_queue(long n)
{
	fibers::buffered_channel<void *> there(64), back(64);
	void *item = &there;
	fibers::fiber echo([&] {
		void *item;

		while (there.pop(item) == fibers::channel_op_status::success)
			back.push(item);
	});

	while (n--) {
		there.push(item);
		back.pop(item);
	}
	there.close();
	echo.join();
}
