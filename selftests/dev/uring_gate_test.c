// SPDX-License-Identifier: GPL-2.0
/* The gate of the commands of io_uring: arguments, callers and rings that are refused. */
#include "uring.h"

#define KERNEL_DATA 0xffff888000100000ULL

static const __u32 commands[] = { CORO_URING_PARK, CORO_URING_SEND,
				  CORO_URING_JOIN, CORO_URING_CANCEL,
				  CORO_URING_WITHDRAW };

/* A command whose arguments are valid, with an effect that can be seen. */
FIXTURE(gate)
{
	struct sched s;
	struct ring r;
	__u64 id;
	int hnd; /* a handle of id with the right that is needed */
	struct coro_event event;
	struct coro_result result;
	char *page; /* the arguments, and behind it a hole */
	struct coro_uring_args *args;
};

FIXTURE_VARIANT(gate)
{
	__u32 cmd;
	__u32 rights;
	long success;
	bool takes_value, takes_addr, takes_nr;
};

FIXTURE_VARIANT_ADD(gate, park){
	.cmd = CORO_URING_PARK,
	.rights = RECV,
	.success = 1,
	.takes_addr = true,
	.takes_nr = true,
};

FIXTURE_VARIANT_ADD(gate, send){
	.cmd = CORO_URING_SEND,
	.rights = SEND,
	.takes_value = true,
};

FIXTURE_VARIANT_ADD(gate, join){
	.cmd = CORO_URING_JOIN,
	.rights = JOIN,
	.takes_addr = true,
};

FIXTURE_VARIANT_ADD(gate, cancel){
	.cmd = CORO_URING_CANCEL,
	.rights = CANCEL,
	.takes_value = true,
};

FIXTURE_VARIANT_ADD(gate, withdraw){
	.cmd = CORO_URING_WITHDRAW,
	.rights = SEND,
	.success = -ENOENT,
	.takes_value = true,
};

FIXTURE_SETUP(gate)
{
	ASSERT_EQ(0, ring_init(&self->r, 0, false, false));
	ASSERT_EQ(0, sched_new(&self->s, 8, 8, 2 * PAGE));
	ASSERT_EQ(0, set_nonblock(self->s.fd));
	ASSERT_EQ(0, ctx_alloc_one(self->s.fd, &self->id, 0));
	self->hnd = ctx_export(self->s.fd, self->id, variant->rights, 0);
	ASSERT_LE(0, self->hnd);
	self->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
	self->args = (struct coro_uring_args *)self->page;
	self->args->size = sizeof(*self->args);
	self->args->value = variant->takes_value ? 77 : 0;
	if (variant->takes_addr)
		self->args->addr = variant->takes_nr ? (uintptr_t)&self->event :
						       (uintptr_t)&self->result;
	self->args->nr = variant->takes_nr;
	if (variant->cmd == CORO_URING_PARK)
		ASSERT_EQ(0, ctx_wake(self->s.fd, self->id, 5));
	if (variant->cmd == CORO_URING_JOIN)
		ASSERT_EQ(0, ctx_finish(self->s.fd, self->id, 6));
}

FIXTURE_TEARDOWN(gate)
{
	ring_exit(&self->r);
	close(self->hnd);
	sched_free(&self->s);
}

/* On the handle, then on the scheduler: the result if they agree. */
static long call(FIXTURE_DATA(gate) * self, const FIXTURE_VARIANT(gate) * v)
{
	bool id = v->cmd != CORO_URING_WITHDRAW && !self->args->id;
	long first, second;

	first = ring_run(&self->r, self->hnd, v->cmd, self->args);
	if (first >= 0)
		return first;
	self->args->id = id ? self->id : self->args->id;
	second = ring_run(&self->r, self->s.fd, v->cmd, self->args);
	self->args->id = id ? 0 : self->args->id;
	return first == second ? first : -EPROTO;
}

/* True if no command has had an effect since the fixture was set up. */
static bool untouched(FIXTURE_DATA(gate) * self,
		      const FIXTURE_VARIANT(gate) * v)
{
	bool parks = v->cmd == CORO_URING_PARK;

	return STAT(self->s.fd, events_total) == parks &&
	       STAT(self->s.fd, events_pending) == parks;
}

TEST_F(gate, exact_size_is_accepted)
{
	EXPECT_EQ(variant->success, call(self, variant));
}

TEST_F(gate, every_smaller_size_is_refused)
{
	__u32 size;

	for (size = 0; size < sizeof(*self->args); size++) {
		self->args->size = size;
		EXPECT_EQ(-EINVAL, call(self, variant))
		{
			TH_LOG("size %u", size);
		}
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, a_longer_struct_with_zeroes_is_accepted)
{
	self->args->size = PAGE;
	EXPECT_EQ(variant->success, call(self, variant));
}

TEST_F(gate, an_unknown_tail_that_is_not_zero_is_refused)
{
	static const __u32 sizes[] = { 57, 64, 128, PAGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->args->size = sizes[i];
		self->page[sizes[i] - 1] = 1;
		EXPECT_EQ(-E2BIG, call(self, variant))
		{
			TH_LOG("size %u", sizes[i]);
		}
		self->page[sizes[i] - 1] = 0;
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, a_size_above_a_page_is_refused)
{
	self->args->size = PAGE + 1;
	EXPECT_EQ(-E2BIG, call(self, variant));
	self->args->size = UINT32_MAX;
	EXPECT_EQ(-E2BIG, call(self, variant));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, every_flag_is_refused)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		self->args->flags = 1U << bit;
		EXPECT_EQ(-EINVAL, call(self, variant));
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, what_is_reserved_must_be_zero)
{
	self->args->reserved = 1;
	EXPECT_EQ(-EINVAL, call(self, variant));
	self->args->reserved = 1U << 31;
	EXPECT_EQ(-EINVAL, call(self, variant));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, what_a_command_does_not_take_must_be_zero)
{
	struct coro_uring_args before = *self->args;

	if (!variant->takes_value) {
		self->args->value = 1;
		EXPECT_EQ(-EINVAL, call(self, variant));
	}
	*self->args = before;
	if (!variant->takes_addr) {
		self->args->addr = (uintptr_t)&self->event;
		EXPECT_EQ(-EINVAL, call(self, variant));
	}
	*self->args = before;
	if (!variant->takes_nr) {
		self->args->nr = 1;
		EXPECT_EQ(-EINVAL, call(self, variant));
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, a_park_asks_for_one_to_the_limit)
{
	static const __u32 bad[] = { 0, CORO_MAX_BATCH + 1, UINT32_MAX };
	unsigned int i;

	if (!variant->takes_nr)
		return;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->args->nr = bad[i];
		EXPECT_EQ(-EINVAL, call(self, variant));
	}
	EXPECT_TRUE(untouched(self, variant));
	/* Room for one is enough where there is only one. */
	self->args->nr = CORO_MAX_BATCH;
	EXPECT_EQ(1, call(self, variant));
}

TEST_F(gate, on_a_handle_the_id_is_zero)
{
	self->args->id = self->id;
	EXPECT_EQ(-EINVAL,
		  ring_run(&self->r, self->hnd, variant->cmd, self->args));
	self->args->id = UINT64_MAX;
	EXPECT_EQ(-EINVAL,
		  ring_run(&self->r, self->hnd, variant->cmd, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, withdraw_names_no_context)
{
	if (variant->cmd != CORO_URING_WITHDRAW)
		return;
	self->args->id = self->id;
	EXPECT_EQ(-EINVAL, call(self, variant));
}

TEST_F(gate, arguments_at_a_bad_address_are_refused)
{
	static const __u64 bad[] = { 0, 8, KERNEL_DATA, UINT64_MAX,
				     1ULL << 63 };
	unsigned int i;

	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		__u64 addr = i < ARRAY_SIZE(bad) ? bad[i] :
						   (uintptr_t)self->page + PAGE;

		EXPECT_EQ(-EFAULT, ring_run(&self->r, self->hnd, variant->cmd,
					    (struct coro_uring_args *)addr));
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, arguments_that_run_into_a_hole_are_refused)
{
	char *edge = self->page + PAGE - sizeof(*self->args) + 8;

	memcpy(edge, self->args, sizeof(*self->args) - 8);
	EXPECT_EQ(-EFAULT, ring_run(&self->r, self->hnd, variant->cmd,
				    (struct coro_uring_args *)edge));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, arguments_may_be_read_only)
{
	ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ));
	EXPECT_EQ(variant->success,
		  ring_run(&self->r, self->hnd, variant->cmd, self->args));
}

TEST_F(gate, the_rest_of_the_payload_must_be_zero)
{
	struct io_uring_sqe *sqe;
	unsigned int i;

	for (i = 8; i < 16; i++) {
		sqe = ring_cmd(&self->r, self->hnd, variant->cmd, self->args,
			       TAG_A);
		sqe->cmd[i] = 1;
		ASSERT_EQ(0, ring_submit(&self->r));
		EXPECT_EQ(-EINVAL, ring_wait(&self->r, TAG_A));
	}
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, other_numbers_are_no_commands)
{
	__u32 base = variant->cmd & ~(__u32)_IOC_NRMASK, nr;
	unsigned int i;

	for (nr = 0; nr < 256; nr++) {
		for (i = 0; i < ARRAY_SIZE(commands); i++) {
			if (nr == _IOC_NR(commands[i]))
				break;
		}
		if (i < ARRAY_SIZE(commands))
			continue;
		EXPECT_EQ(-ENOTTY,
			  ring_run(&self->r, self->hnd, base | nr, self->args));
		EXPECT_EQ(-ENOTTY, ring_run(&self->r, self->s.fd, base | nr,
					    self->args));
	}
	EXPECT_EQ(-ENOTTY,
		  ring_run(&self->r, self->s.fd, CORO_IOC_STAT, self->args));
	EXPECT_EQ(-ENOTTY, ring_run(&self->r, self->s.fd,
				    variant->cmd ^ (1U << 8), self->args));
	EXPECT_EQ(-ENOTTY, ring_run(&self->r, self->hnd, 0, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

TEST_F(gate, they_are_no_ioctls)
{
	EXPECT_EQ(-ENOTTY, dev_ioctl(self->s.fd, variant->cmd, self->args));
	EXPECT_EQ(-ENOTTY, dev_ioctl(self->hnd, variant->cmd, self->args));
	EXPECT_TRUE(untouched(self, variant));
}

struct stranger {
	int sched, hnd;
	__u32 cmd;
	struct coro_uring_args *args;
	__u64 id;
	long success;
};

/* A ring of its own, as fork leaves none of the parent's in order. */
static long call_as_stranger(void *arg)
{
	struct stranger *v = arg;
	static struct ring r;

	MUST(0, ring_init(&r, 0, false, false));
	v->args->id = v->cmd == CORO_URING_WITHDRAW ? 0 : v->id;
	MUST(-EPERM, ring_run(&r, v->sched, v->cmd, v->args));
	v->args->id = 0;
	MUST(v->success, ring_run(&r, v->hnd, v->cmd, v->args));
	return 0;
}

TEST_F(gate, strangers_are_refused_on_a_scheduler_and_not_on_a_handle)
{
	struct stranger v = {
		.sched = self->s.fd,
		.hnd = self->hnd,
		.cmd = variant->cmd,
		.args = self->args,
		.id = self->id,
		.success = variant->success,
	};

	EXPECT_EQ(0, in_child(call_as_stranger, &v));
}

TEST_F(gate, before_there_can_be_a_context_it_is_too_early)
{
	struct sched s = { .fd = dev_open(0) };

	ASSERT_LE(0, s.fd);
	self->args->id = variant->cmd == CORO_URING_WITHDRAW ? 0 : self->id;
	EXPECT_EQ(-EBADFD, ring_run(&self->r, s.fd, variant->cmd, self->args));
	ASSERT_EQ(0, dev_setup(s.fd, &s.args, 8, 8, 2 * PAGE));
	EXPECT_EQ(-EBADFD, ring_run(&self->r, s.fd, variant->cmd, self->args));
	sched_free(&s);
}

TEST_F(gate, a_ring_that_polls_for_completions_is_refused)
{
	struct ring r;

	ASSERT_EQ(0, ring_init(&r, IORING_SETUP_IOPOLL, false, false));
	EXPECT_EQ(-EOPNOTSUPP,
		  ring_run(&r, self->hnd, variant->cmd, self->args));
	self->args->id = variant->cmd == CORO_URING_WITHDRAW ? 0 : self->id;
	EXPECT_EQ(-EOPNOTSUPP,
		  ring_run(&r, self->s.fd, variant->cmd, self->args));
	ring_exit(&r);
	EXPECT_TRUE(untouched(self, variant));
}

TEST_HARNESS_MAIN
