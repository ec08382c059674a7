// SPDX-License-Identifier: MIT
/* Every allocation fails once where children are started and signals are fetched. */
#include "lib_fault.h"
#include "lib_process.h"

LIB_FIXTURE(fault_process)

static long spawn_armed(void *arg)
{
	struct coro_process_opts o = {
		.cwd = "/",
		.stdio = { CORO_PROCESS_NULL, CORO_PROCESS_PIPE,
			   CORO_PROCESS_STDOUT },
	};
	struct coro_process *p = (void *)POISON_LONG;
	int status = -1;
	long ret, hits;

	fault_arm(*(long *)arg);
	ret = spawn_role(&p, "exit", "7", &o);
	fault_disarm();
	if (ret)
		return p == (void *)POISON_LONG && waitpid(-1, NULL, 0) < 0 ?
			       ret :
			       -EPROTO;
	hits = fault.hits;
	fault_arm(FAULT_ALL);
	if (coro_process_wait(p, &status, coro_after(FAR_NS)) ||
	    WEXITSTATUS(status) != 7)
		ret = -EPROTO;
	coro_process_free(p);
	fault_disarm();
	fault.hits = hits;
	return ret;
}

static long act_spawn(long at)
{
	return coro_run(spawn_armed, &at);
}

/* OBJ-05: and waiting, and letting go, have no ENOMEM. */
TEST_F(fault_process, failed_start_leaves_no_child)
{
	EXPECT_LT(0, sweep_run(act_spawn, _metadata));
}

static long act_open(long at)
{
	struct coro_process *p = (void *)POISON_LONG;
	pid_t pid = fork();
	long ret;

	if (!pid)
		_exit(0);
	fault_arm(at);
	ret = coro_process_open(&p, pid);
	fault_disarm();
	if (waitpid(pid, NULL, 0) != pid || (ret && p != (void *)POISON_LONG))
		ret = -EPROTO;
	else if (!ret)
		coro_process_free(p);
	return ret;
}

/* OBJ-05 */
TEST_F(fault_process, failed_opening_leaves_the_child_to_its_parent)
{
	EXPECT_LT(0, sweep_run(act_open, _metadata));
}

static long signals_armed(void *arg)
{
	struct coro_signals *s = (void *)POISON_LONG;
	sigset_t set, now;
	long ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fault_arm(*(long *)arg);
	ret = coro_signals_new(&s, &set);
	fault_disarm();
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	if (sigismember(&now, SIGUSR1) == !!ret)
		return -EPROTO;
	if (ret)
		return s == (void *)POISON_LONG ? ret : -EPROTO;
	raise(SIGUSR1);
	if (coro_signals_next(s, NULL, coro_after(FAR_NS)) != SIGUSR1)
		ret = -EPROTO;
	coro_signals_free(s);
	return ret;
}

static long act_signals(long at)
{
	return coro_run(signals_armed, &at);
}

/* OBJ-05 */
TEST_F(fault_process, failed_stream_of_signals_blocks_nothing)
{
	EXPECT_LT(0, sweep_run(act_signals, _metadata));
}

TEST_HARNESS_MAIN
