// SPDX-License-Identifier: MIT
/* The table as others see it: each store leaves an entry that is true. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../../userlib/root.h"
#include "lib_common.h"

LIB_FIXTURE(table)

/* A sanitizer takes so many instructions that only the beginning can be looked at. */
#if defined(__SANITIZE_ADDRESS__)
enum { WAITS = 0 };
#else
enum { WAITS = 4 }; /* of each kind, of each coroutine */
#endif

enum {
	ENTRIES = 4, /* more than are used */
	MOST_STEPS = 10000000,
};

#define HOUR_NS (3600 * CORO_SEC)

extern struct coro__root coro__root;

static struct coro_mutex mutex = CORO_MUTEX_INIT(0);

/* What one entry was when it was looked at last. */
struct seen {
	struct coro_shm_context entry;
	int locks, times;
};

/* Of two, one sleeps and the other waits for the mutex, however slow they are. */
static long mix(void *arg)
{
	for (;;) {
		coro_mutex_lock(&mutex, CORO_NEVER);
		coro_sleep(SOON_NS);
		coro_mutex_unlock(&mutex);
		coro_sleep(0);
	}
	return (long)arg;
}

static long mix_two(void *arg)
{
	coro_spawn(mix, arg);
	raise(SIGSTOP);
	return mix(arg);
}

/*
 * A child that stands still in its loop. Its clock is virtual: a step may take so long
 * that a real deadline would be over before the coroutine is seen to wait for it.
 */
static pid_t start_traced(void)
{
	struct coro_sim_opts sim = { .size = sizeof(sim) };
	struct coro_loop_opts opts = { .size = sizeof(opts), .sim = &sim };
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		coro_run_opts(mix_two, NULL, &opts, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

/* Whether it has made another step. */
static bool step(pid_t pid)
{
	int status;

	return !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) &&
	       waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP;
}

static bool peek(pid_t pid, uint64_t addr, void *to, size_t bytes)
{
	const struct iovec local = { to, bytes };
	const struct iovec remote = { (void *)(uintptr_t)addr, bytes };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) ==
	       (ssize_t)bytes;
}

/* Where the child's table is, or 0 as long as it has none. */
static uint64_t find_table(pid_t pid)
{
	uint64_t at, table;

	if (!peek(pid, coro__root.scheds, &at, sizeof(at)) ||
	    at == coro__root.scheds ||
	    !peek(pid, at - coro__root.sched_all + coro__root.sched_table,
		  &table, sizeof(table)))
		return 0;
	return table;
}

static bool is_soon(uint64_t deadline)
{
	int64_t left_ns = (int64_t)deadline - coro_now();

	return left_ns > -HOUR_NS && left_ns < HOUR_NS;
}

/* Whether what it waits for is what it can wait for; counts that once for each run. */
static bool wait_is_true(struct seen *seen, const struct coro_shm_context *now)
{
	bool again = seen->entry.runs == now->runs &&
		     seen->entry.state == CORO_STATE_SUSPENDED;

	switch (now->awaits_kind) {
	case CORO_AWAITS_LOCK:
		seen->locks += !again;
		return now->awaits == (uintptr_t)&mutex;
	case CORO_AWAITS_TIMER:
		seen->times += !again;
		return is_soon(now->awaits);
	default:
		return now->awaits_kind == CORO_AWAITS_TURN;
	}
}

/* Whether a stack pointer, once it was saved, stays until the next run. */
static bool sp_is_true(const struct seen *seen,
		       const struct coro_shm_context *now)
{
	return seen->entry.runs != now->runs ||
	       seen->entry.state != CORO_STATE_SUSPENDED || !seen->entry.sp ||
	       seen->entry.sp == now->sp;
}

static bool entry_is_true(struct seen *seen, const struct coro_shm_context *now)
{
	bool good = now->state != CORO_STATE_SUSPENDED ||
		    (wait_is_true(seen, now) && sp_is_true(seen, now));

	seen->entry = *now;
	return good;
}

/* A step costs two switches of processes, and more in a virtual machine. */
TEST_F_TIMEOUT(table, entry_is_true_after_each_instruction, 120)
{
	struct coro_shm_context now[ENTRIES];
	struct seen seen[ENTRIES] = { 0 };
	pid_t pid = start_traced();
	uint64_t table = 0;
	bool good = true;

	for (int i = 0; i < MOST_STEPS && good; i++) {
		ASSERT_TRUE(step(pid));
		if (!table)
			table = find_table(pid);
		if (!table || !peek(pid, table, now, sizeof(now)))
			continue;
		for (int n = 0; n < ENTRIES; n++)
			good = good && entry_is_true(&seen[n], &now[n]);
		if (seen[0].locks + seen[1].locks >= WAITS &&
		    seen[0].times >= WAITS && seen[1].times >= WAITS)
			break;
	}
	EXPECT_TRUE(good);
	EXPECT_LE(WAITS, seen[0].locks + seen[1].locks);
	EXPECT_LE(WAITS, seen[0].times);
	EXPECT_LE(WAITS, seen[1].times);
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
}

TEST_HARNESS_MAIN
