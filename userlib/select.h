/* SPDX-License-Identifier: MIT */
/* What an object does for those who choose among several. */
#ifndef CORO_USERLIB_SELECT_H
#define CORO_USERLIB_SELECT_H

#include <coro/select.h>

#include "waitq.h"

/* One kind of case. All but @won run with the object locked. */
struct coro__case_ops {
	/* One of the object's lists: where the case waits. */
	struct coro_waiters *(*waiters)(struct coro_case *c);
	/*
	 * Does it if it can be done now, and returns its result; -EAGAIN if it must
	 * wait. Makes nobody wait, and calls coro__waitq_give() for whom it claims.
	 */
	int (*attempt)(struct coro_case *c);
	/* It waits next: sets the arm's item and kind. May be NULL. */
	void (*arm)(struct coro_case *c);
	/* It was claimed, with the result 0: takes what the arm got. May be NULL. */
	void (*won)(struct coro_case *c);
	enum coro_awaits awaits;
};

#endif /* CORO_USERLIB_SELECT_H */
