// SPDX-License-Identifier: MIT
/* Every allocation and set-up call of a loop fails once. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "lib_fault.h"

LIB_FIXTURE(fault_ring)

static long count_entry(void *arg)
{
	*(int *)arg += 1;
	return 0;
}

static long act_run(long at)
{
	int entered = 0;
	long value = POISON_LONG;
	int ret;

	fault_arm(at);
	ret = coro_run_opts(count_entry, &entered, NULL, &value);
	fault_disarm();
	if (ret && (entered || value != POISON_LONG))
		return -EPROTO;
	if (!ret && (entered != 1 || value))
		return -EPROTO;
	return ret;
}

/* OBJ-05 */
TEST_F(fault_ring, run_fails_with_enomem_and_leaks_nothing)
{
	EXPECT_LT(0, sweep_run(act_run, _metadata));
}

static long spawn_armed(void *arg)
{
	long at = *(long *)arg, ret = 0;
	int entered = 0, spawned = 0, i;

	fault_arm(at);
	for (i = 0; i < 100; i++) {
		int err = coro_spawn(count_entry, &entered);

		spawned += !err;
		if (err)
			ret = err;
	}
	fault_disarm();
	if (coro_sleep(0) || entered != spawned)
		return -EPROTO;
	return ret;
}

static long act_spawn(long at)
{
	return coro_run(spawn_armed, &at);
}

/* OBJ-05, TSK-32 */
TEST_F(fault_ring, failed_spawn_enters_nothing)
{
	EXPECT_LT(0, sweep_run(act_spawn, _metadata));
}

static long sleep_a_little(void *arg)
{
	*(int *)arg += coro_sleep(SOON_NS) == 0;
	return 0;
}

enum { MANY = 2000 };

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static long wait_without_memory(void *arg)
{
	static struct coro *c[MANY];
	struct coro *far = coro_new(sleep_far, NULL);
	int slept = 0, fds[2], i;
	char byte;

	(void)arg;
	EXPECT_EQ(0, pipe(fds));
	for (i = 0; i < MANY; i++)
		c[i] = coro_new(sleep_a_little, &slept);
	fault_arm(FAULT_ALL);
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_start(c[i]));
	EXPECT_EQ(0, coro_start(far));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(1, coro_io_write(fds[1], "x", 1, coro_after(FAR_NS)));
	EXPECT_EQ(1, coro_io_read(fds[0], &byte, 1, coro_after(FAR_NS)));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_io_read(fds[0], &byte, 1, coro_after(SOON_NS)));
	EXPECT_EQ(0, coro_cancel(far));
	EXPECT_EQ(-ECANCELED, coro_await(far));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_EQ(0, coro_io_close(fds[0]));
	EXPECT_EQ(0, coro_io_close(fds[1]));
	fault_disarm();
	EXPECT_EQ(MANY, slept);
	return 0;
}

/* Starting, sleeping, I/O, deadlines, cancelling and joining have no ENOMEM. */
TEST_F(fault_ring, waiting_needs_no_memory)
{
	EXPECT_EQ(0, coro_run(wait_without_memory, NULL));
}

static long end_without_memory(void *arg)
{
	int i;

	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, coro_spawn(sleep_a_little, arg));
	EXPECT_EQ(0, coro_sleep(0));
	fault_arm(FAULT_ALL);
	return 3;
}

/* IOU-08 */
TEST_F(fault_ring, ending_a_loop_needs_no_memory)
{
	int slept = 0;
	long ret = coro_run(end_without_memory, &slept);

	fault_disarm();
	EXPECT_EQ(3, ret);
}

struct shots {
	long at;
	int listener;
	int pair[2];
	struct sockaddr_in addr;
};

static struct shots shots;

static long open_shots(void *arg)
{
	struct shots *s = arg;
	struct coro_acceptor *a = NULL;
	struct coro_receiver *r = NULL;
	const void *data;
	int err[2], ret = 0, fd, peer;

	fault_arm(s->at);
	err[0] = coro_acceptor_new(&a, s->listener, SOCK_CLOEXEC);
	err[1] = coro_receiver_new(&r, s->pair[0]);
	fault_disarm();
	if ((err[0] && a) || (err[1] && r))
		ret = -EPROTO;
	if (!err[0]) {
		peer = tcp_connect(&s->addr);
		fd = coro_acceptor_next(a, coro_after(FAR_NS));
		if (fd < 0)
			ret = -EPROTO;
		close(fd);
		close(peer);
	}
	if (!err[1] && (send(s->pair[1], "x", 1, 0) != 1 ||
			coro_receiver_next(r, &data, coro_after(FAR_NS)) != 1))
		ret = -EPROTO;
	coro_acceptor_free(a);
	coro_receiver_free(r);
	return ret ? ret : err[0] ? err[0] : err[1];
}

static long act_shots(long at)
{
	shots.at = at;
	return coro_run(open_shots, &shots);
}

TEST_F(fault_ring, multishots_fail_with_enomem_and_leak_nothing)
{
	shots.listener = tcp_listen(&shots.addr, 8);
	ASSERT_LE(0, shots.listener);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				shots.pair));
	EXPECT_LT(0, sweep_run(act_shots, _metadata));
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
/*
 * System calls that set something up trap, and are made again from here, where
 * they do not: the filter knows the place. Or they fail, as the fault says.
 */
long raw_syscall(long nr, long a, long b, long c, long d, long e, long f);
extern const char raw_syscall_place[];
__asm__(".text\n"
	".globl raw_syscall, raw_syscall_place\n"
	"raw_syscall:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"raw_syscall_place:\n"
	"	ret\n");

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;

	(void)sig;
	if (fault_hit())
		r[REG_RAX] = -ENOMEM;
	else
		r[REG_RAX] = raw_syscall(info->si_syscall, r[REG_RDI],
					 r[REG_RSI], r[REG_RDX], r[REG_R10],
					 r[REG_R8], r[REG_R9]);
	errno = saved;
}

static int trap_set_up_calls(void)
{
	uintptr_t place = (uintptr_t)raw_syscall_place;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)place, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) +
				 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(place >> 32), 0,
			 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 5,
			 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_eventfd2, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_create, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(filter),
				   .filter = filter };
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	sa.sa_sigaction = on_sigsys;
	if (sigaction(SIGSYS, &sa, NULL) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -errno : 0;
}

TEST_F(fault_ring, run_survives_the_failure_of_any_set_up_call)
{
	ASSERT_EQ(0, trap_set_up_calls());
	EXPECT_LT(2, sweep_run(act_run, _metadata));
}

TEST_F(fault_ring, multishots_survive_the_failure_of_any_set_up_call)
{
	shots.listener = tcp_listen(&shots.addr, 8);
	ASSERT_LE(0, shots.listener);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				shots.pair));
	ASSERT_EQ(0, trap_set_up_calls());
	EXPECT_LT(0, sweep_run(act_shots, _metadata));
}
#endif

TEST_HARNESS_MAIN
