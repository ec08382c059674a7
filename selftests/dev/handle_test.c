// SPDX-License-Identifier: GPL-2.0
/* Handles: who can make one, with what rights and flags, and what it refuses. */
#include <sys/resource.h>

#include "handle.h"
#include "kselftest_harness.h"

#define ALL_RIGHTS 16U

FIXTURE(handle)
{
	struct sched s;
	__u64 ids[4];
	int next_fd;
};

FIXTURE_SETUP(handle)
{
	ASSERT_EQ(0, sched_new(&self->s, 8, 4, 2 * PAGE));
	ASSERT_EQ(4, ctx_alloc(self->s.fd, self->ids, 4));
	self->next_fd = next_fd();
}

FIXTURE_TEARDOWN(handle)
{
	sched_free(&self->s);
}

TEST_F(handle, every_set_of_rights_but_recv_with_join_can_be_had)
{
	__u32 rights;
	int fd;

	for (rights = 1; rights < ALL_RIGHTS; rights++) {
		fd = ctx_export(self->s.fd, self->ids[0], rights, 0);
		EXPECT_EQ((rights & RECV) && (rights & JOIN) ? -EINVAL : 0,
			  fd < 0 ? fd : close(fd));
	}
}

TEST_F(handle, no_rights_are_refused)
{
	EXPECT_EQ(-EINVAL, ctx_export(self->s.fd, self->ids[0], 0, 0));
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, unknown_rights_are_refused)
{
	unsigned int bit;

	for (bit = 4; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL,
			  ctx_export(self->s.fd, self->ids[0], 1U << bit, 0));
		EXPECT_EQ(-EINVAL, ctx_export(self->s.fd, self->ids[0],
					      SEND | 1U << bit, 0));
	}
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, nonblock_is_a_flag_of_the_file)
{
	int fd = ctx_export(self->s.fd, self->ids[0], JOIN, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	fd = ctx_export(self->s.fd, self->ids[0], JOIN, CORO_EXPORT_F_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, hnd_join(fd));
}

TEST_F(handle, cloexec_is_a_flag_of_the_descriptor)
{
	int fd = ctx_export(self->s.fd, self->ids[0], JOIN, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	fd = ctx_export(self->s.fd, self->ids[0], JOIN, CORO_EXPORT_F_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static long exec_and_look(void *arg)
{
	return exec_role('o', *(int *)arg);
}

TEST_F(handle, exec_closes_it_with_cloexec_and_only_then)
{
	int kept = ctx_export(self->s.fd, self->ids[0], JOIN, 0);
	int gone = ctx_export(self->s.fd, self->ids[0], JOIN,
			      CORO_EXPORT_F_CLOEXEC | CORO_EXPORT_F_NONBLOCK);

	ASSERT_LE(0, kept);
	ASSERT_LE(0, gone);
	EXPECT_EQ(0, in_child(exec_and_look, &kept));
	EXPECT_EQ(-EBADF, in_child(exec_and_look, &gone));
}

TEST_F(handle, success_writes_the_descriptor_and_nothing_else)
{
	struct coro_export_args args = {
		.size = sizeof(args),
		.flags = CORO_EXPORT_F_CLOEXEC,
		.id = self->ids[2],
		.rights = SEND | CANCEL,
		.out_fd = POISON32,
	};

	ASSERT_EQ(0, dev_ioctl(self->s.fd, CORO_IOC_EXPORT, &args));
	EXPECT_EQ(self->next_fd, args.out_fd);
	EXPECT_EQ(sizeof(args), args.size);
	EXPECT_EQ(CORO_EXPORT_F_CLOEXEC, args.flags);
	EXPECT_EQ(self->ids[2], args.id);
	EXPECT_EQ(SEND | CANCEL, args.rights);
}

TEST_F(handle, failure_gives_no_descriptor)
{
	struct coro_export_args args = {
		.size = sizeof(args),
		.id = self->ids[2] + (1ULL << 32),
		.rights = SEND,
		.out_fd = POISON32,
	};

	ASSERT_EQ(-ESTALE, dev_ioctl(self->s.fd, CORO_IOC_EXPORT, &args));
	EXPECT_EQ((int)POISON32, args.out_fd);
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, only_contexts_of_this_life_are_exported)
{
	int fd = self->s.fd;

	EXPECT_EQ(-ENOENT, ctx_export(fd, 7 | 1ULL << 32, SEND, 0));
	EXPECT_EQ(-ENOENT, ctx_export(fd, UINT64_MAX, SEND, 0));
	EXPECT_EQ(-ESTALE, ctx_export(fd, CORO_INDEX(self->ids[0]), SEND, 0));
	EXPECT_EQ(-ESTALE,
		  ctx_export(fd, self->ids[0] + (1ULL << 32), SEND, 0));
	ASSERT_EQ(1, ctx_free(fd, self->ids, 1, 0));
	EXPECT_EQ(-ESTALE, ctx_export(fd, self->ids[0], SEND, 0));
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, one_that_has_ended_can_still_be_exported)
{
	int fd;

	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 5));
	fd = ctx_export(self->s.fd, self->ids[0], JOIN | SEND, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(5, hnd_join(fd));
	EXPECT_EQ(-EPIPE, hnd_send(fd, 1));
}

TEST_F(handle, a_full_table_of_descriptors_is_emfile)
{
	struct rlimit all, few;
	long uses = module_uses();
	int fd, i;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &all));
	few = (struct rlimit){ self->next_fd, all.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(-EMFILE,
			  ctx_export(self->s.fd, self->ids[0], SEND, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &all));
	EXPECT_TRUE(uses_become(uses));
	fd = ctx_export(self->s.fd, self->ids[0], SEND, 0);
	EXPECT_EQ(self->next_fd, fd);
}

static long export_as_stranger(void *arg)
{
	FIXTURE_DATA(handle) *self = arg;

	MUST(-EPERM, ctx_export(self->s.fd, self->ids[0], SEND, 0));
	MUST(-EPERM, ctx_cancel(self->s.fd, self->ids[0], 1));
	MUST(-EPERM, ctx_finish(self->s.fd, self->ids[0], 1));
	MUST(self->next_fd, next_fd());
	return 0;
}

TEST_F(handle, strangers_cannot_export_cancel_or_finish)
{
	int fd = ctx_export(self->s.fd, self->ids[0], JOIN,
			    CORO_EXPORT_F_NONBLOCK);

	ASSERT_LE(0, fd);
	self->next_fd = next_fd();
	EXPECT_EQ(0, in_child(export_as_stranger, self));
	EXPECT_EQ(-EAGAIN, hnd_join(fd));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST(nothing_is_exported_before_there_can_be_a_context)
{
	struct sched s = { .fd = dev_open(0) };
	int free_fd;

	ASSERT_LE(0, s.fd);
	free_fd = next_fd();
	EXPECT_EQ(-EBADFD, ctx_export(s.fd, 1ULL << 32, SEND, 0));
	ASSERT_EQ(0, dev_setup(s.fd, &s.args, 8, 8, 2 * PAGE));
	EXPECT_EQ(-EBADFD, ctx_export(s.fd, 1ULL << 32, SEND, 0));
	EXPECT_EQ(-EBADFD, ctx_cancel(s.fd, 1ULL << 32, 1));
	EXPECT_EQ(-EBADFD, ctx_finish(s.fd, 1ULL << 32, 1));
	ASSERT_EQ(0, sched_map(&s));
	EXPECT_EQ(-ENOENT, ctx_export(s.fd, 1ULL << 32, SEND, 0));
	EXPECT_EQ(free_fd, next_fd());
	sched_free(&s);
}

TEST_F(handle, nothing_is_exported_after_death)
{
	sched_unmap(&self->s);
	EXPECT_EQ(-EOWNERDEAD, ctx_export(self->s.fd, self->ids[0], SEND, 0));
	EXPECT_EQ(-EOWNERDEAD, ctx_cancel(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EOWNERDEAD, ctx_finish(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, arguments_that_cannot_be_written_leak_no_descriptor)
{
	struct coro_export_args *args;
	long uses = module_uses();
	int i;

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)args);
	*args = (struct coro_export_args){ .size = sizeof(*args),
					   .id = self->ids[0],
					   .rights = SEND };
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(-EFAULT,
			  dev_ioctl(self->s.fd, CORO_IOC_EXPORT, args));
	EXPECT_EQ(self->next_fd, next_fd());
	EXPECT_TRUE(uses_become(uses));
}

TEST_F(handle, a_handle_gives_handles_with_the_same_rights_or_less)
{
	__u32 have, want;
	int first, second;

	for (have = 1; have < ALL_RIGHTS; have++) {
		first = ctx_export(self->s.fd, self->ids[0], have, 0);
		if (first < 0)
			continue;
		for (want = 1; want < ALL_RIGHTS; want++) {
			if ((want & RECV) && (want & JOIN))
				continue;
			second = ctx_export(first, 0, want, 0);
			EXPECT_EQ(want & ~have ? -EBADF : 0,
				  second < 0 ? second : close(second));
		}
		close(first);
	}
	EXPECT_EQ(self->next_fd, next_fd());
}

TEST_F(handle, rights_that_were_given_up_do_not_come_back)
{
	int all = ctx_export(self->s.fd, self->ids[0], SEND | JOIN | CANCEL, 0);
	int less = ctx_export(all, 0, SEND | JOIN, 0);
	int least = ctx_export(less, 0, SEND, 0);

	ASSERT_LE(0, least);
	close(all);
	EXPECT_EQ(-EBADF, ctx_export(less, 0, CANCEL, 0));
	EXPECT_EQ(-EBADF, ctx_export(least, 0, SEND | JOIN, 0));
	EXPECT_EQ(-EBADF, ctx_cancel(least, 0, 1));
	EXPECT_EQ(-EBADF, hnd_join(least));
	EXPECT_EQ(0, hnd_send(least, 3));
	EXPECT_EQ(3, event_take(self->s.fd, self->ids[0], CORO_EVENT_MESSAGE));
}

TEST_F(handle, a_handle_names_only_its_own_context)
{
	int fd = ctx_export(self->s.fd, self->ids[0], SEND | CANCEL, 0);

	ASSERT_LE(0, fd);
	self->next_fd = next_fd();
	EXPECT_EQ(-EINVAL, ctx_export(fd, self->ids[1], SEND, 0));
	EXPECT_EQ(-EINVAL, ctx_export(fd, self->ids[0], SEND, 0));
	EXPECT_EQ(-EINVAL, ctx_cancel(fd, self->ids[1], 0));
	EXPECT_EQ(-EINVAL, ctx_cancel(fd, self->ids[0], 0));
	EXPECT_EQ(self->next_fd, next_fd());
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(handle, the_flags_of_a_second_handle_are_its_own)
{
	int first = ctx_export(self->s.fd, self->ids[0], JOIN,
			       CORO_EXPORT_F_NONBLOCK | CORO_EXPORT_F_CLOEXEC);
	int second = ctx_export(first, 0, JOIN, 0);

	ASSERT_LE(0, second);
	EXPECT_EQ(0, fcntl(second, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(second, F_GETFD));
	second = ctx_export(second, 0, JOIN, CORO_EXPORT_F_NONBLOCK);
	EXPECT_EQ(-EAGAIN, hnd_join(second));
}

static long export_from_handle(void *arg)
{
	int fd = ctx_export(*(int *)arg, 0, SEND, 0);

	MUST(1, fd >= 0);
	MUST(-EBADF, ctx_export(*(int *)arg, 0, SEND | JOIN, 0));
	MUST(0, hnd_send(fd, 9));
	return 0;
}

TEST_F(handle, a_handle_needs_no_owner_to_give_others)
{
	int fd = ctx_export(self->s.fd, self->ids[0], SEND | CANCEL, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, in_child(export_from_handle, &fd));
	EXPECT_EQ(9, event_take(self->s.fd, self->ids[0], CORO_EVENT_MESSAGE));
}

TEST_F(handle, a_handle_gives_others_whether_its_context_lives_or_not)
{
	int fd = ctx_export(self->s.fd, self->ids[0], SEND | JOIN | CANCEL, 0);
	int second;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 7));
	second = ctx_export(fd, 0, SEND | JOIN, 0);
	EXPECT_EQ(7, hnd_join(second));
	ASSERT_EQ(1, ctx_free(self->s.fd, self->ids, 1, 0));
	second = ctx_export(second, 0, JOIN, 0);
	EXPECT_EQ(7, hnd_join(second));
	sched_free(&self->s);
	second = ctx_export(second, 0, JOIN, 0);
	EXPECT_EQ(7, hnd_join(second));
	EXPECT_EQ(-EBADF, ctx_export(second, 0, JOIN | CANCEL, 0));
}

TEST_F(handle, a_handle_of_the_dead_gives_handles_of_the_dead)
{
	int fd = ctx_export(self->s.fd, self->ids[0], JOIN, 0);

	ASSERT_LE(0, fd);
	sched_free(&self->s);
	fd = ctx_export(fd, 0, JOIN, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOWNERDEAD, hnd_join(fd));
}

TEST_F(handle, what_it_has_no_right_to_is_ebadf)
{
	struct coro_event event;
	int fd;

	fd = ctx_export(self->s.fd, self->ids[0], JOIN | CANCEL, 0);
	EXPECT_EQ(-EBADF, hnd_send(fd, 1));
	fd = ctx_export(self->s.fd, self->ids[0], SEND | CANCEL, 0);
	EXPECT_EQ(-EBADF, hnd_join(fd));
	EXPECT_EQ(-EBADF, event_read(fd, &event, 1));
	fd = ctx_export(self->s.fd, self->ids[0], SEND | JOIN, 0);
	EXPECT_EQ(-EBADF, ctx_cancel(fd, 0, 1));
	fd = ctx_export(self->s.fd, self->ids[0], RECV, 0);
	EXPECT_EQ(-EBADF, hnd_send(fd, 1));
	EXPECT_EQ(-EBADF, ctx_cancel(fd, 0, 1));
	EXPECT_EQ(0, STAT(self->s.fd, events_total));
}

TEST_F(handle, what_it_has_no_right_to_stays_ebadf_after_the_end)
{
	int fd;

	fd = ctx_export(self->s.fd, self->ids[0], SEND | CANCEL, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 1));
	EXPECT_EQ(-EBADF, hnd_join(fd));
	sched_unmap(&self->s);
	EXPECT_EQ(-EBADF, hnd_join(fd));
}

TEST_F(handle, the_other_commands_are_none_of_a_handle)
{
	static const unsigned long commands[] = {
		CORO_IOC_SETUP, CORO_IOC_ALLOC, CORO_IOC_FREE,	 CORO_IOC_WAKE,
		CORO_IOC_PEAK,	CORO_IOC_STAT,	CORO_IOC_FINISH,
	};
	char args[PAGE] = { 0 };
	unsigned int i;
	int fd;

	fd = ctx_export(self->s.fd, self->ids[0], SEND | JOIN | CANCEL, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		*(__u32 *)args = _IOC_SIZE(commands[i]);
		EXPECT_EQ(-ENOTTY, dev_ioctl(fd, commands[i], args))
		{
			TH_LOG("number %lu", _IOC_NR(commands[i]));
		}
	}
	EXPECT_EQ(-ENOTTY,
		  dev_ioctl(fd, _IOWR(CORO_IOC_MAGIC, 0xff, char[8]), args));
}

TEST_F(handle, no_area_is_mapped_from_it)
{
	static const __u64 offs[] = { CORO_OFF_STACKS, CORO_OFF_HEADER,
				      CORO_OFF_TABLE };
	unsigned int i;
	void *area;
	int fd;

	fd = ctx_export(self->s.fd, self->ids[0], SEND | JOIN | CANCEL, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(offs); i++)
		EXPECT_GT(0, area_map(fd, offs[i], PAGE, PROT_READ, &area));
}

TEST_F(handle, handles_of_one_context_do_not_depend_on_each_other)
{
	int fds[64];
	int i;

	for (i = 0; i < 64; i++) {
		fds[i] = ctx_export(self->s.fd, self->ids[0], SEND | JOIN, 0);
		ASSERT_LE(0, fds[i]);
	}
	for (i = 0; i < 64; i += 2)
		close(fds[i]);
	for (i = 1; i < 64; i += 2) {
		EXPECT_EQ(0, hnd_send(fds[i], i));
		EXPECT_EQ(i, event_take(self->s.fd, self->ids[0],
					CORO_EVENT_MESSAGE));
	}
	ASSERT_EQ(0, ctx_finish(self->s.fd, self->ids[0], 8));
	for (i = 1; i < 64; i += 2)
		EXPECT_EQ(8, hnd_join(fds[i]));
}

TEST_HARNESS_MAIN
