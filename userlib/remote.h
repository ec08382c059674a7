/* SPDX-License-Identifier: MIT */
/* What other threads and processes can reach of a coroutine: its port, and handles to it. */
#ifndef CORO_USERLIB_REMOTE_H
#define CORO_USERLIB_REMOTE_H

#include "sched.h"

/*
 * Belongs to one coroutine, inside an object of the backend. The fields are the
 * owner's; what others share is behind them.
 */
struct coro__port {
	struct coro *coro;
	struct list all; /* in sched->ports, from export to the end, or empty */
	bool exported;
	bool cancellable; /* counted in sched->nr_cancellable */
	bool ended; /* others were told */
	bool cancelled; /* asked before a loop had it */
	bool has_reason;
	uint64_t reason;
};

struct coro_handle {
	unsigned int refs;
	unsigned int rights; /* portable only: the kernel knows them itself */
	const struct coro__remote *remote;
	union {
		struct coro__box *box;
		int fd;
	};
};

/*
 * One for each backend. Handles are new when they are made, and have refs and
 * remote set; errors leave them as they were. Rights were checked against the
 * known ones. @loop is where the calling coroutine has begun a wait.
 */
struct coro__remote {
	/* Makes the port of a coroutine of the calling thread, if it has none. */
	int (*open_port)(struct coro *c);
	/* Tells others: ended with c->value, or, if @dead, never to. */
	void (*end_port)(struct coro *c, bool dead);
	void (*put_port)(struct coro *c);
	int (*wake)(struct coro *c, uint64_t value);
	int (*recv)(struct coro__loop *loop, struct coro *c,
		    uint64_t *ret_value, int64_t deadline_ns);
	/* Requests to cancel reach the loop from here to there. */
	void (*begin_loop)(struct coro__loop *loop);
	void (*end_loop)(struct coro__loop *loop);

	int (*export)(struct coro *c, unsigned int rights,
		      struct coro_handle *h);
	int (*adopt)(struct coro_handle *h, int fd);
	int (*narrow)(struct coro_handle *h, unsigned int rights,
		      struct coro_handle *to);
	int (*fd)(const struct coro_handle *h);
	void (*close)(struct coro_handle *h);
	int (*try_send)(struct coro_handle *h, uint64_t value);
	int (*send)(struct coro__loop *loop, struct coro_handle *h,
		    uint64_t value, int64_t deadline_ns);
	int (*join)(struct coro__loop *loop, struct coro_handle *h,
		    long *ret_value, int64_t deadline_ns);
	int (*cancel)(struct coro_handle *h, uint64_t reason);
};

extern const struct coro__remote coro__remote_device;
extern const struct coro__remote coro__remote_portable;

/* NULL until others can reach @c. */
static inline struct coro__port *coro__port_of(struct coro *c)
{
	return __atomic_load_n(&c->port, __ATOMIC_ACQUIRE);
}

/* Somebody asks an exported coroutine of the loop's thread to end. */
void coro__port_cancel(struct coro__loop *loop, struct coro *c,
		       uint64_t reason);

/* The thread ends: exported coroutines that have not, never will. */
void coro__ports_abandon(struct coro__sched *s);

#endif /* CORO_USERLIB_REMOTE_H */
