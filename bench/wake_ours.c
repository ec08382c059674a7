// SPDX-License-Identifier: GPL-2.0
/* Our ways to wake a task: through schedulers and handles, with and without a ring. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "rounds.h"
#include "wake.h"

#define STACK 8192

/* Of what a side shows: a handle to send to its first context, and the device. */
#define PEER_DEVICE 1

static void command(int fd, unsigned long cmd, void *args)
{
	must(!ioctl(fd, cmd, args), "ioctl");
}

static int export(int dev, uint64_t id, unsigned int rights)
{
	struct coro_export_args args = {
		.size = sizeof(args),
		.id = id,
		.rights = rights,
	};

	command(dev, CORO_IOC_EXPORT, &args);
	return args.out_fd;
}

/* A scheduler with contexts, one for each message of a burst; its features. */
static uint64_t sched_new(struct side *me, unsigned int flags)
{
	struct coro_setup_args setup = {
		.size = sizeof(setup),
		.max_contexts = MAX_BURST,
		.mailbox = MAX_BURST,
		.stack_size_bytes = STACK,
	};
	struct coro_alloc_args alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.nr = MAX_BURST,
		.ids = (uintptr_t)me->sh->ids[me->nr],
	};
	void *table;
	int dev;

	dev = open("/dev/coro", O_RDWR | O_CLOEXEC);
	must(dev >= 0, "opening /dev/coro");
	command(dev, CORO_IOC_SETUP, &setup);
	table = mmap(NULL, setup.out_table_bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED, dev, setup.out_table_off);
	must(table != MAP_FAILED, "mmap");
	command(dev, CORO_IOC_ALLOC, &alloc);
	me->own = dev;
	me->sh->fds[me->nr][0] =
		export(dev, me->sh->ids[me->nr][0], CORO_RIGHT_SEND);
	me->sh->fds[me->nr][PEER_DEVICE] = dev;
	return setup.out_features;
}

static int open_sched(struct side *me)
{
	sched_new(me, 0);
	return 0;
}

/* Receives from a handle of its first context, past the scheduler's queue. */
static int open_handle(struct side *me)
{
	sched_new(me, CORO_ALLOC_F_DIRECT);
	me->own = export(me->own, me->sh->ids[me->nr][0], CORO_RIGHT_RECV);
	return 0;
}

static int open_sched_ring(struct side *me)
{
	sched_new(me, 0);
	return ring_open(me);
}

static int open_handle_ring(struct side *me)
{
	open_handle(me);
	return ring_open(me);
}

static int open_commands(struct side *me)
{
	if (!(sched_new(me, 0) & CORO_FEAT_URING_WAIT))
		return -EOPNOTSUPP;
	return ring_open(me);
}

static int open_handle_commands(struct side *me)
{
	int ret = open_commands(me);

	return ret ?: open_handle(me);
}

static void ring_command(struct side *me, unsigned int file, unsigned int op,
			 struct coro_uring_args *args, unsigned int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(me);
	uint64_t payload[2] = { (uintptr_t)args };

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, file, NULL, 0, 0);
	sqe->cmd_op = op;
	memcpy(sqe->cmd, payload, sizeof(payload));
	if (flags)
		ring_sending(sqe, IOSQE_FIXED_FILE | flags);
	else
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
}

static void send_command(struct side *me, uint64_t v, unsigned int nr)
{
	(void)nr;
	me->message = (struct coro_uring_args){
		.size = sizeof(me->message),
		.deadline_ns = CORO_NO_DEADLINE,
		.value = v,
	};
	ring_command(me, FILE_PEER, CORO_URING_SEND, &me->message,
		     IOSQE_CQE_SKIP_SUCCESS);
}

/* One message to each of that many contexts. */
static void send_wake(struct side *me, uint64_t v, unsigned int nr)
{
	struct coro_wake_args args = {
		.size = sizeof(args),
		.nr = nr,
		.wakes = (uintptr_t)me->wakes,
	};

	for (unsigned int i = 0; i < nr; i++)
		me->wakes[i] = (struct coro_wake){
			.id = me->sh->ids[!me->nr][i],
			.value = v + i,
		};
	command(me->peer[PEER_DEVICE], CORO_IOC_WAKE, &args);
	must(args.out_nr == nr, "CORO_IOC_WAKE");
}

static unsigned int values_of(const struct side *me, uint64_t *values,
			      unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		must(me->in.events[i].kind == CORO_EVENT_MESSAGE, "the event");
		values[i] = me->in.events[i].value;
	}
	return nr;
}

static unsigned int park(struct side *me, uint64_t *values, unsigned int nr,
			 uint64_t id)
{
	me->park = (struct coro_uring_args){
		.size = sizeof(me->park),
		.id = id,
		.deadline_ns = CORO_NO_DEADLINE,
		.addr = (uintptr_t)me->in.events,
		.nr = nr,
	};
	ring_command(me, FILE_OWN, CORO_URING_PARK, &me->park, 0);
	return values_of(me, values, ring_received(me));
}

/* Of the whole scheduler, or of the context of a handle. */
static unsigned int receive_park(struct side *me, uint64_t *values,
				 unsigned int nr)
{
	return park(me, values, nr, 0);
}

static unsigned int receive_park_id(struct side *me, uint64_t *values,
				    unsigned int nr)
{
	return park(me, values, nr, me->sh->ids[me->nr][0]);
}

static unsigned int receive_read(struct side *me, uint64_t *values,
				 unsigned int nr)
{
	unsigned int got = read_own(me, nr * sizeof(*me->in.events));

	return values_of(me, values, got / sizeof(*me->in.events));
}

static unsigned int receive_ring_read(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	unsigned int got = ring_read_own(me, nr * sizeof(*me->in.events));

	return values_of(me, values, got / sizeof(*me->in.events));
}

static unsigned int receive_poll_read(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	ring_polled(me);
	return receive_read(me, values, nr);
}

static int open_multishot(struct side *me)
{
	return open_sched_ring(me) ?: ring_knows(me, RING_READ_MULTISHOT);
}

static unsigned int receive_multishot(struct side *me, uint64_t *values,
				      unsigned int nr)
{
	(void)nr;
	return values_of(me, values,
			 ring_read_multishot(me) / sizeof(*me->in.events));
}

#define OURS(w, n) .name = (n), .sort = "ours", .waits = (w), .burst = 1
#define BATCH(w, n, nr) \
	.name = (n), .sort = "batch", .waits = (w), .burst = (nr)

const struct way wake_ours[] = {
	{ OURS("ring", "SEND, PARK of the scheduler"), .open = open_commands,
	  .link = ring_link, .send = send_command, .receive = receive_park },
	{ OURS("ring", "SEND, PARK of a context"), .open = open_commands,
	  .link = ring_link, .send = send_command, .receive = receive_park_id },
	{ OURS("ring", "SEND, PARK of a handle"), .open = open_handle_commands,
	  .link = ring_link, .send = send_command, .receive = receive_park },
	{ OURS("ring", "write, PARK of the scheduler"), .open = open_commands,
	  .link = ring_link, .send = send_write, .receive = receive_park },
	{ OURS("ring", "write, PARK of a handle"), .open = open_handle_commands,
	  .link = ring_link, .send = send_write, .receive = receive_park },
	{ OURS("ring", "ring WRITE, ring READ of the scheduler"),
	  .open = open_sched_ring, .link = ring_link, .send = send_ring,
	  .receive = receive_ring_read },
	{ OURS("ring", "write, ring READ of the scheduler"),
	  .open = open_sched_ring, .link = ring_link, .send = send_write,
	  .receive = receive_ring_read },
	{ OURS("ring", "ring WRITE, ring READ of a handle"),
	  .open = open_handle_ring, .link = ring_link, .send = send_ring,
	  .receive = receive_ring_read },
	{ OURS("ring", "write, ring READ of a handle"),
	  .open = open_handle_ring, .link = ring_link, .send = send_write,
	  .receive = receive_ring_read },
	{ OURS("ring", "write, multishot poll and read of the scheduler"),
	  .open = open_sched_ring, .link = ring_link_poll, .send = send_write,
	  .receive = receive_poll_read },
	{ OURS("ring", "write, multishot poll and read of a handle"),
	  .open = open_handle_ring, .link = ring_link_poll, .send = send_write,
	  .receive = receive_poll_read },
	{ OURS("ring", "write, multishot READ of the scheduler"),
	  .open = open_multishot, .link = ring_link_multishot,
	  .send = send_write, .receive = receive_multishot },
	{ OURS("call", "write, read of the scheduler"), .open = open_sched,
	  .send = send_write, .receive = receive_read },
	{ OURS("call", "write, read of a handle"), .open = open_handle,
	  .send = send_write, .receive = receive_read },
	{ BATCH("ring", "WAKE, PARK", 1), .same_process = true,
	  .open = open_commands, .link = ring_link, .send = send_wake,
	  .receive = receive_park },
	{ BATCH("ring", "WAKE, PARK", MAX_BURST), .same_process = true,
	  .open = open_commands, .link = ring_link, .send = send_wake,
	  .receive = receive_park },
	{ BATCH("call", "WAKE, read", 1), .same_process = true,
	  .open = open_sched, .send = send_wake, .receive = receive_read },
	{ BATCH("call", "WAKE, read", MAX_BURST), .same_process = true,
	  .open = open_sched, .send = send_wake, .receive = receive_read },
	{ BATCH("ring", "write, PARK", 1), .open = open_commands,
	  .link = ring_link, .send = send_write, .receive = receive_park },
	{ BATCH("ring", "write, PARK", MAX_BURST), .open = open_commands,
	  .link = ring_link, .send = send_write, .receive = receive_park },
	{ BATCH("call", "write, read", 1), .open = open_handle,
	  .send = send_write, .receive = receive_read },
	{ BATCH("call", "write, read", MAX_BURST), .open = open_handle,
	  .send = send_write, .receive = receive_read },
};

const unsigned int nr_wake_ours = sizeof(wake_ours) / sizeof(*wake_ours);
