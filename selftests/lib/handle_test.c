// SPDX-License-Identifier: MIT
/* Handles in one thread: rights, messages, ends, and every error. */
#include "lib_common.h"

LIB_FIXTURE(handle)

enum { MAILBOX = 64 };

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

static bool on_device(void)
{
	return !strcmp(coro_backend(), "device");
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

/* A started coroutine and a handle to it. */
static struct coro *start(long (*fn)(void *arg), void *arg,
			  struct coro_handle **ret_handle)
{
	struct coro *c = (coro_new)(fn, arg);

	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, ret_handle));
	EXPECT_EQ(0, coro_start(c));
	return c;
}

TEST_F(handle, export_checks_its_arguments)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_handle *h = NULL;

	EXPECT_EQ(-EINVAL, coro_export(NULL, CORO_RIGHT_JOIN, &h));
	EXPECT_EQ(-EINVAL, coro_export(c, CORO_RIGHT_JOIN, NULL));
	EXPECT_EQ(-EINVAL, coro_export(c, 0, &h));
	EXPECT_EQ(-EINVAL, coro_export(c, CORO_RIGHT_RECV, &h));
	EXPECT_EQ(-EINVAL, coro_export(c, 1U << 31, &h));
	EXPECT_EQ(NULL, h);
	coro_put(c);
}

static long export_arg(void *arg)
{
	struct coro_handle *h = NULL;
	int err = coro_export(arg, CORO_RIGHT_JOIN, &h);

	EXPECT_EQ(NULL, h);
	return err;
}

TEST_F(handle, coroutine_of_another_thread_is_not_exported)
{
	struct coro *c = coro_new(give_arg, NULL);

	EXPECT_EQ(-EXDEV, in_thread(export_arg, c));
	coro_put(c);
}

static long start_arg(void *arg)
{
	return coro_start(arg);
}

static long run_start(void *arg)
{
	return coro_run(start_arg, arg);
}

TEST_F(handle, exported_coroutine_stays_in_its_thread)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_handle *h;

	ASSERT_EQ(0, coro_export(c, CORO_RIGHT_JOIN, &h));
	EXPECT_EQ(-EXDEV, in_thread(run_start, c));
	EXPECT_EQ(0, coro_run(start_arg, coro_get(c)));
	coro_put(c);
	coro_put(c);
	coro_handle_put(h);
}

TEST_F(handle, missing_handles_are_refused)
{
	struct coro_handle *h = NULL;
	long value;

	EXPECT_EQ(-EINVAL, coro_handle_fd(NULL));
	EXPECT_EQ(-EINVAL, coro_handle_restrict(NULL, CORO_RIGHT_JOIN, &h));
	EXPECT_EQ(-EINVAL, coro_handle_send(NULL, 1, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_handle_try_send(NULL, 1));
	EXPECT_EQ(-EINVAL, coro_handle_join(NULL, &value, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_handle_cancel(NULL, 1));
	EXPECT_EQ(-EINVAL, coro_handle_open(NULL, 0));
	EXPECT_EQ(NULL, h);
	coro_handle_put(NULL);
}

TEST_F(handle, waiting_without_a_loop_is_refused)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_handle *h;
	long value = POISON_LONG;

	ASSERT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(-EPERM, coro_handle_send(h, 1, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_handle_join(h, &value, CORO_NEVER));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_handle_try_send(h, 1));
	coro_handle_put(h);
	coro_put(c);
}

TEST_F(handle, descriptor_is_the_devices_alone)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_handle *h;
	int fd;

	ASSERT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	fd = coro_handle_fd(h);
	if (on_device()) {
		EXPECT_LE(0, fd);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	} else {
		EXPECT_EQ(-EOPNOTSUPP, fd);
	}
	coro_handle_put(h);
	if (on_device())
		EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	coro_put(c);
}

/* What open(2) and others give that is no handle. */
static int other_fd(int what)
{
	int fds[2];

	switch (what) {
	case 0:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 1:
		return open("/dev/coro", O_RDWR | O_CLOEXEC);
	case 2:
		return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	case 3:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 4:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	default:
		if (pipe(fds))
			return -1;
		close(fds[1]);
		return fds[0];
	}
}

TEST_F(handle, other_descriptors_are_not_taken_for_handles)
{
	struct coro_handle *h = NULL;
	int what, fd, before;

	ASSERT_NE(NULL, coro_backend());
	before = open_fds();
	for (what = 0; what < 6; what++) {
		fd = other_fd(what);
		if (fd < 0)
			continue;
		EXPECT_EQ(on_device() ? -EINVAL : -EOPNOTSUPP,
			  coro_handle_open(&h, fd));
		EXPECT_EQ(0, close(fd));
	}
	EXPECT_EQ(-EBADF, coro_handle_open(&h, -1));
	if (on_device())
		EXPECT_EQ(-EBADF, coro_handle_open(&h, 1000));
	EXPECT_EQ(NULL, h);
	EXPECT_EQ(before, open_fds());
}

static long adopt_each(void *arg)
{
	static const unsigned int rights[] = { CORO_RIGHT_SEND, CORO_RIGHT_JOIN,
					       CORO_RIGHT_CANCEL, ALL_RIGHTS };
	struct coro *c = coro_new(give_arg, arg);
	struct coro_handle *h, *other;
	unsigned int i;
	long value;
	int before;

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		EXPECT_EQ(0, coro_export(c, rights[i], &h));
		before = open_fds();
		EXPECT_EQ(0, coro_handle_open(&other, dup(coro_handle_fd(h))));
		EXPECT_EQ(before + 1, open_fds());
		value = POISON_LONG;
		if (rights[i] & CORO_RIGHT_JOIN) {
			EXPECT_EQ(0, coro_handle_join(other, &value, 0));
			EXPECT_EQ(9, value);
		} else {
			EXPECT_EQ(-EBADF, coro_handle_join(other, &value, 0));
			EXPECT_EQ(POISON_LONG, value);
		}
		coro_handle_put(other);
		EXPECT_EQ(before, open_fds());
		coro_handle_put(h);
	}
	coro_put(c);
	return 0;
}

TEST_F(handle, descriptor_of_a_handle_is_a_handle)
{
	if (on_device())
		EXPECT_EQ(0, coro_run(adopt_each, (void *)9L));
}

static long lack_rights(void *arg)
{
	struct coro_handle *h, *send, *join, *none = NULL;
	struct coro *c = start(sleep_far, arg, &h);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_handle_restrict(h, CORO_RIGHT_SEND, &send));
	EXPECT_EQ(0, coro_handle_restrict(h, CORO_RIGHT_JOIN, &join));
	EXPECT_EQ(-EBADF, coro_handle_join(send, &value, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_handle_cancel(send, 1));
	EXPECT_EQ(0, coro_handle_try_send(send, 1));
	EXPECT_EQ(0, coro_handle_send(send, 1, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_handle_try_send(join, 1));
	EXPECT_EQ(-EBADF, coro_handle_send(join, 1, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_handle_cancel(join, 1));
	EXPECT_EQ(-EBADF, coro_handle_restrict(send, CORO_RIGHT_JOIN, &none));
	EXPECT_EQ(-EBADF, coro_handle_restrict(send, ALL_RIGHTS, &none));
	EXPECT_EQ(-EINVAL, coro_handle_restrict(h, 0, &none));
	EXPECT_EQ(-EINVAL, coro_handle_restrict(h, CORO_RIGHT_RECV, &none));
	EXPECT_EQ(-EINVAL, coro_handle_restrict(h, CORO_RIGHT_JOIN, NULL));
	EXPECT_EQ(NULL, none);
	EXPECT_EQ(POISON_LONG, value);
	coro_handle_put(send);
	EXPECT_EQ(0, coro_handle_cancel(h, 1));
	EXPECT_EQ(0, coro_handle_join(join, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, value);
	coro_handle_put(join);
	coro_handle_put(h);
	coro_put(c);
	return 0;
}

TEST_F(handle, handle_allows_what_its_rights_say)
{
	EXPECT_EQ(0, coro_run(lack_rights, NULL));
}

/* How one that was exported can end, and its result. */
static long yield_once(void *arg)
{
	return coro_yield(1, NULL) == CORO_EXIT ? (long)arg : 0;
}

static long yield_for_ever(void *arg)
{
	for (;;)
		coro_yield((long)arg, NULL);
	return 0;
}

static long join_now(struct coro_handle *h)
{
	long value = POISON_LONG;
	int err = coro_handle_join(h, &value, 0);

	coro_handle_put(h);
	return err ? err : value;
}

static long end_in_every_way(void *arg)
{
	struct coro_handle *h;
	struct coro *c;

	(void)arg;
	/* Not yet. */
	c = coro_new(give_arg, (void *)21L);
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(-ETIMEDOUT, join_now(coro_handle_get(h)));
	/* Returned. */
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(21, join_now(coro_handle_get(h)));
	coro_put(c);
	EXPECT_EQ(21, join_now(h));
	/* Exported after its end. */
	c = coro_new(give_arg, (void *)-22L);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(-22, join_now(coro_handle_get(h)));
	coro_put(c);
	EXPECT_EQ(-22, join_now(h));
	/* Dropped before its first step. */
	c = coro_new(give_arg, NULL);
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	coro_put(c);
	EXPECT_EQ(CORO_EXIT, join_now(h));
	/* Closed before its first step. */
	c = coro_new(give_arg, NULL);
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EIO, NULL));
	EXPECT_EQ(-EIO, join_now(h));
	coro_put(c);
	/* Dropped in a yield. */
	c = coro_new(yield_once, (void *)23L);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	coro_put(c);
	EXPECT_EQ(23, join_now(h));
	/* It would not end. */
	c = coro_new(yield_for_ever, NULL);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	coro_put(c);
	EXPECT_EQ(CORO_EXIT, join_now(h));
	/* Awaited. */
	c = coro_new(give_arg, (void *)24L);
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(24, coro_await(c));
	EXPECT_EQ(24, join_now(h));
	return 0;
}

TEST_F(handle, however_it_ends_there_is_a_result)
{
	EXPECT_EQ(0, coro_run(end_in_every_way, NULL));
}

static long cancel_unstarted(void *arg)
{
	struct coro_handle *h;
	struct coro *c = start(give_arg, arg, &h);

	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, join_now(h));
	coro_put(c);
	return 0;
}

TEST_F(handle, cancel_before_the_first_step_is_an_end)
{
	EXPECT_EQ(0, coro_run(cancel_unstarted, (void *)1L));
}

static long touch_the_ended(void *arg)
{
	struct coro_handle *h;
	struct coro *c = start(give_arg, arg, &h);

	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EPIPE, coro_handle_try_send(h, 1));
	EXPECT_EQ(-EPIPE, coro_handle_send(h, 1, CORO_NEVER));
	EXPECT_EQ(-ESRCH, coro_handle_cancel(h, 1));
	coro_put(c);
	EXPECT_EQ(-EPIPE, coro_handle_try_send(h, 1));
	EXPECT_EQ(-EPIPE, coro_handle_send(h, 1, CORO_NEVER));
	EXPECT_EQ(-ESRCH, coro_handle_cancel(h, 1));
	coro_handle_put(h);
	return 0;
}

TEST_F(handle, ended_coroutine_takes_nothing)
{
	EXPECT_EQ(0, coro_run(touch_the_ended, NULL));
}

struct joiner {
	struct coro_handle *h;
	struct coro *coro;
	int64_t deadline_ns;
	long value;
	int err;
	int next_err;
};

static long join_it(void *arg)
{
	struct joiner *j = arg;

	j->value = POISON_LONG;
	j->err = coro_handle_join(j->h, &j->value, j->deadline_ns);
	j->next_err = coro_sleep(0);
	return 0;
}

enum { JOINERS = 20 };

static long join_many_times(void *arg)
{
	struct joiner j[JOINERS];
	struct coro_handle *h;
	struct coro *c = start(sleep_far, arg, &h);
	int i;

	for (i = 0; i < JOINERS; i++) {
		j[i] = (struct joiner){ .h = h, .deadline_ns = CORO_NEVER };
		j[i].coro = coro_new(join_it, &j[i]);
		EXPECT_EQ(0, coro_start(j[i].coro));
	}
	for (i = 0; i < JOINERS; i++)
		settle(j[i].coro, CORO_AWAITS_HANDLE);
	EXPECT_EQ(CORO_AWAITS_HANDLE, coro_awaits(j[0].coro, NULL));
	/* Some leave early. */
	EXPECT_EQ(0, coro_cancel(j[3].coro));
	EXPECT_EQ(0, coro_await(j[3].coro));
	EXPECT_EQ(-ECANCELED, j[3].err);
	EXPECT_EQ(-ECANCELED, j[3].next_err);
	EXPECT_EQ(0, coro_cancel(c));
	for (i = 0; i < JOINERS; i++) {
		if (i == 3)
			continue;
		EXPECT_EQ(0, coro_await(j[i].coro));
		EXPECT_EQ(0, j[i].err);
		EXPECT_EQ(-ECANCELED, j[i].value);
	}
	EXPECT_EQ(-ECANCELED, join_now(h));
	coro_put(c);
	return 0;
}

/* TSK-08 */
TEST_F(handle, every_join_gets_the_result)
{
	EXPECT_EQ(0, coro_run(join_many_times, NULL));
}

static long join_with_deadline(void *arg)
{
	struct coro_handle *h;
	struct coro *c = start(sleep_far, arg, &h);
	int64_t begun = coro_now();
	long value = POISON_LONG;

	EXPECT_EQ(-ETIMEDOUT, coro_handle_join(h, &value, coro_after(SOON_NS)));
	EXPECT_LE(SOON_NS, coro_now() - begun);
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(-ETIMEDOUT, coro_handle_join(h, NULL, 0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_handle_join(h, NULL, CORO_NEVER));
	coro_handle_put(h);
	coro_put(c);
	return 0;
}

/* THR-05 */
TEST_F(handle, join_ends_at_its_deadline)
{
	EXPECT_EQ(0, coro_run(join_with_deadline, NULL));
}

static long end_and_cancel_the_joiner(void *arg)
{
	struct joiner j = { .deadline_ns = CORO_NEVER };
	struct coro *c = coro_new(yield_once, arg);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &j.h));
	j.coro = coro_new(join_it, &j);
	EXPECT_EQ(0, coro_start(j.coro));
	settle(j.coro, CORO_AWAITS_HANDLE);
	EXPECT_EQ(0, coro_close(c, NULL));
	EXPECT_EQ(0, coro_cancel(j.coro));
	EXPECT_EQ(0, coro_await(j.coro));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(31, j.value);
	EXPECT_EQ(-ECANCELED, j.next_err);
	coro_handle_put(j.h);
	coro_put(c);
	return 0;
}

/* TSK-17 */
TEST_F(handle, result_that_was_there_beats_a_cancel)
{
	EXPECT_EQ(0, coro_run(end_and_cancel_the_joiner, (void *)31L));
}

struct sender {
	struct coro_handle *h;
	struct coro *coro;
	uint64_t value;
	int64_t deadline_ns;
	int err;
	int next_err;
};

static long send_it(void *arg)
{
	struct sender *s = arg;

	s->err = coro_handle_send(s->h, s->value, s->deadline_ns);
	s->next_err = coro_sleep(0);
	return 0;
}

struct letters {
	uint64_t next;
	uint64_t late; /* those from MAILBOX on, one bit for each */
	int nr;
	int wrong;
};

static long read_now(void *arg)
{
	struct letters *l = arg;
	uint64_t value;
	int i;

	for (i = 0; i < l->nr; i++) {
		int err = coro_recv(&value, CORO_NEVER);

		if (err)
			return err;
		if (value >= MAILBOX)
			l->late |= 1ULL << (value - MAILBOX);
		else
			l->wrong += value != l->next++;
	}
	return 0;
}

/* Reads when a cancel says so. */
static long read_some(void *arg)
{
	if (coro_sleep(FAR_NS) != -ECANCELED)
		return -EPROTO;
	return coro_call_shielded(read_now, arg, CORO_NEVER);
}

static void send_start(struct sender *s, struct coro_handle *h, uint64_t value)
{
	*s = (struct sender){ .h = h,
			      .value = value,
			      .deadline_ns = CORO_NEVER };
	s->coro = coro_new(send_it, s);
	EXPECT_EQ(0, coro_start(s->coro));
	settle(s->coro, CORO_AWAITS_HANDLE);
}

static long wait_for_room(void *arg)
{
	struct letters l = { .nr = MAILBOX + 3 };
	struct coro_handle *h;
	struct coro *c = start(read_some, &l, &h);
	struct sender s[3];
	uint64_t i;

	(void)arg;
	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_send(h, i, 0));
	EXPECT_EQ(-EAGAIN, coro_handle_try_send(h, 99));
	EXPECT_EQ(-ETIMEDOUT, coro_handle_send(h, 99, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_handle_send(h, 99, coro_after(SOON_NS)));
	for (i = 0; i < 3; i++) {
		send_start(&s[i], h, MAILBOX + i);
		EXPECT_EQ(CORO_AWAITS_HANDLE, coro_awaits(s[i].coro, NULL));
	}
	EXPECT_EQ(-EAGAIN, coro_handle_try_send(h, 99));
	EXPECT_EQ(0, coro_cancel(c));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, coro_await(s[i].coro));
		EXPECT_EQ(0, s[i].err);
	}
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ((uint64_t)MAILBOX, l.next);
	EXPECT_EQ((uint64_t)7, l.late);
	EXPECT_EQ(0, l.wrong);
	coro_handle_put(h);
	return 0;
}

TEST_F(handle, senders_wait_for_room)
{
	EXPECT_EQ(0, coro_run(wait_for_room, NULL));
}

static long cancel_a_sender(void *arg)
{
	struct letters l = { .nr = MAILBOX };
	struct coro_handle *h;
	struct coro *c = start(read_some, &l, &h);
	struct sender s;
	uint64_t i;

	(void)arg;
	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_try_send(h, i));
	send_start(&s, h, 99);
	EXPECT_EQ(0, coro_cancel(s.coro));
	EXPECT_EQ(0, coro_await(s.coro));
	EXPECT_EQ(-ECANCELED, s.err);
	EXPECT_EQ(-ECANCELED, s.next_err);
	/* What was not sent does not come. */
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, l.wrong);
	EXPECT_EQ((uint64_t)0, l.late);
	coro_handle_put(h);
	return 0;
}

TEST_F(handle, cancelled_sender_has_not_sent)
{
	EXPECT_EQ(0, coro_run(cancel_a_sender, NULL));
}

static long end_before_the_sender(void *arg)
{
	struct coro_handle *h;
	struct coro *c = start(sleep_far, arg, &h);
	struct sender s;
	uint64_t i;

	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_try_send(h, i));
	send_start(&s, h, 99);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(s.coro));
	EXPECT_EQ(-EPIPE, s.err);
	coro_put(c);
	coro_handle_put(h);
	return 0;
}

TEST_F(handle, sender_that_waits_is_told_of_the_end)
{
	EXPECT_EQ(0, coro_run(end_before_the_sender, NULL));
}

static long see_ids(void *arg)
{
	uint64_t ids[50];
	int i, k;

	(void)arg;
	for (i = 0; i < 50; i++) {
		struct coro_handle *h;
		struct coro *c = start(give_arg, NULL, &h);

		ids[i] = coro_id(c);
		for (k = 0; k < i; k++)
			EXPECT_NE(ids[k], ids[i]);
		EXPECT_EQ(0, coro_await(c));
		EXPECT_EQ(NULL, coro_find(ids[i]));
		coro_handle_put(h);
	}
	return 0;
}

/* OBJ-17 */
TEST_F(handle, ids_of_exported_ones_are_not_used_again)
{
	EXPECT_EQ(0, coro_run(see_ids, NULL));
}

static long leave_waiters(void *arg)
{
	static struct joiner j;
	static struct sender s;
	struct coro_handle *h;
	int i;

	j = (struct joiner){ .deadline_ns = CORO_NEVER };
	s = (struct sender){ .deadline_ns = CORO_NEVER };
	coro_put(start(sleep_far, NULL, &h));
	j.h = h;
	s.h = h;
	for (i = 0; i < MAILBOX; i++)
		EXPECT_EQ(0, coro_handle_try_send(h, 1));
	EXPECT_EQ(0, coro_spawn(join_it, &j));
	EXPECT_EQ(0, coro_spawn(send_it, &s));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	*(struct coro_handle **)arg = h;
	return 4;
}

/* LOP-12 */
TEST_F(handle, waits_that_are_left_over_end_with_the_loop)
{
	struct coro_handle *h = NULL;
	int before;

	EXPECT_EQ(4, coro_run(leave_waiters, &h));
	coro_handle_put(h);
	before = open_fds();
	EXPECT_EQ(4, coro_run(leave_waiters, &h));
	coro_handle_put(h);
	EXPECT_EQ(before, open_fds());
}

TEST_HARNESS_MAIN
