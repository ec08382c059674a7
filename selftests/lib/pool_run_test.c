// SPDX-License-Identifier: MIT
/* Running a pool: its options, who may run one, and what its threads are like. */
#include <sched.h>

#include "lib_pool.h"

LIB_FIXTURE(pool_run)

static int run_with(const struct coro_pool_opts *opts)
{
	long value = POISON_LONG;
	int entered = 0;
	int err = coro_pool_run(count_entry, &entered, opts, &value);

	EXPECT_EQ(err ? 0 : 1, entered);
	EXPECT_EQ(err ? POISON_LONG : 0, value);
	return err;
}

static int run_with_loop(const struct coro_loop_opts *loop)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .loop = loop };

	return run_with(&opts);
}

static int run_with_thread(const struct coro_thread_opts *thread)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .thread = thread };

	return run_with(&opts);
}

TEST_F(pool_run, bad_options_are_refused_and_nothing_is_called)
{
	struct coro_pool_opts opts = { .size = sizeof(opts), .loops = 2 };
	long value = POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_pool_run(NULL, NULL, &opts, &value));
	EXPECT_EQ(POISON_LONG, value);
	opts.loops = 4097;
	EXPECT_EQ(-EINVAL, run_with(&opts));
	opts.loops = UINT_MAX;
	EXPECT_EQ(-EINVAL, run_with(&opts));
	opts.loops = 2;
	for (int bit = 0; bit < 64; bit++) {
		opts.flags = UINT64_C(1) << bit;
		EXPECT_EQ(-EINVAL, run_with(&opts));
	}
	opts.flags = 0;
	opts.size = 0;
	EXPECT_EQ(-EINVAL, run_with(&opts));
	opts.size = sizeof(opts);
	EXPECT_EQ(0, run_with(&opts));
}

TEST_F(pool_run, options_of_a_newer_library_are_taken_as_far_as_known)
{
	struct {
		struct coro_pool_opts known;
		long unknown;
	} opts = { .known = { .size = sizeof(opts), .loops = 2 } };

	EXPECT_EQ(0, run_with(&opts.known));
	opts.unknown = 1;
	EXPECT_EQ(-E2BIG, run_with(&opts.known));
	/* And of an older one, which knew no more than how many. */
	opts.known.size = offsetof(struct coro_pool_opts, loop);
	opts.known.flags = 1;
	EXPECT_EQ(0, run_with(&opts.known));
}

TEST_F(pool_run, bad_options_of_loops_are_refused)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim) };
	struct {
		struct coro_loop_opts known;
		long unknown;
	} loop = { .known = { .size = sizeof(loop.known) } };

	EXPECT_EQ(0, run_with_loop(&loop.known));
	loop.known.sim = &sim;
	EXPECT_EQ(-EINVAL, run_with_loop(&loop.known));
	loop.known.sim = NULL;
	loop.known.flags = UINT64_C(1) << 40;
	EXPECT_EQ(-EINVAL, run_with_loop(&loop.known));
	loop.known.flags = 0;
	loop.known.size = 0;
	EXPECT_EQ(-EINVAL, run_with_loop(&loop.known));
	loop.known.size = sizeof(loop);
	EXPECT_EQ(0, run_with_loop(&loop.known));
	loop.unknown = 1;
	EXPECT_EQ(-E2BIG, run_with_loop(&loop.known));
}

TEST_F(pool_run, bad_options_of_threads_are_refused)
{
	struct {
		struct coro_thread_opts known;
		long unknown;
	} thread = { .known = { .size = sizeof(thread.known) } };

	EXPECT_EQ(0, run_with_thread(&thread.known));
	thread.known.size = 0;
	EXPECT_EQ(-EINVAL, run_with_thread(&thread.known));
	/* What only those threads can find out. */
	thread.known.size = sizeof(thread.known);
	thread.known.stack_size_bytes = SIZE_MAX / 2;
	EXPECT_GT(0, run_with_thread(&thread.known));
	thread.known.stack_size_bytes = 0;
	thread.known.size = sizeof(thread);
	EXPECT_EQ(0, run_with_thread(&thread.known));
	thread.unknown = 1;
	EXPECT_EQ(-E2BIG, run_with_thread(&thread.known));
}

static long run_busy(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EBUSY, run_with(NULL));
	return 0;
}

static void call_busy(void *arg)
{
	EXPECT_EQ(0, run_busy(arg));
}

static long run_busy_in_pool(void *arg)
{
	EXPECT_EQ(0, run_busy(arg));
	EXPECT_EQ(-EBUSY, coro_run(run_busy, arg));
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), call_busy, arg));
	EXPECT_EQ(0, end_work(start_on(1, run_busy, NULL)));
	return 0;
}

TEST_F(pool_run, no_pool_runs_inside_a_loop_or_a_coroutine)
{
	struct coro *c = coro_new(run_busy, NULL);

	EXPECT_EQ(0, coro_run(run_busy, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(0, run_pool(2, run_busy_in_pool, NULL));
}

static long loops_now(void *arg)
{
	(void)arg;
	return (long)coro_pool_loops(coro_pool_self());
}

static long run_default(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_pool_run(loops_now, arg, NULL, &value));
	return value;
}

static long run_on_one_processor(void *arg)
{
	cpu_set_t all, one;
	int cpu = 0;

	EXPECT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	EXPECT_EQ(CPU_COUNT(&all), run_default(arg));
	EXPECT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	return run_default(arg);
}

TEST_F(pool_run, there_are_as_many_loops_as_processors_for_the_caller)
{
	EXPECT_EQ(1, in_thread(run_on_one_processor, NULL));
	/* And no more than were asked for. */
	EXPECT_EQ(5, run_pool(5, loops_now, NULL));
}

TEST_F(pool_run, result_is_not_asked_for_and_may_be_anything)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts), .loops = 2 };

	EXPECT_EQ(0, coro_pool_run(give_arg, (void *)3L, &opts, NULL));
	EXPECT_EQ(-EIO, run_pool(2, give_arg, (void *)-EIO));
	EXPECT_EQ(LONG_MIN, run_pool(2, give_arg, (void *)LONG_MIN));
}

static long be_outside(void *arg)
{
	(void)arg;
	EXPECT_EQ(NULL, coro_pool_self());
	EXPECT_EQ(-EPERM, coro_pool_index());
	return 0;
}

static long be_outside_in_blocking(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_pool_index());
	EXPECT_EQ(0, coro_blocking(be_outside, arg, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(p, coro_pool_self());
	return 0;
}

TEST_F(pool_run, outside_of_pools_there_is_none)
{
	coro_pool_put(NULL);
	be_outside(NULL);
	EXPECT_EQ(0, coro_run(be_outside, NULL));
	EXPECT_EQ(0, run_pool(2, be_outside_in_blocking, NULL));
	be_outside(NULL);
}

static long take_reference(void *arg)
{
	struct coro_pool **p = arg;

	*p = coro_pool_get(coro_pool_self());
	EXPECT_EQ(*p, coro_pool_self());
	return 0;
}

TEST_F(pool_run, pool_that_has_ended_takes_nothing)
{
	const struct coro_work_opts pinned = on_loop(1), none = on_loop(3);
	struct coro_work *w = (void *)POISON_LONG;
	struct coro_pool *p = NULL;
	int entered = 0;

	EXPECT_EQ(0, run_pool(3, take_reference, &p));
	EXPECT_EQ(3U, coro_pool_loops(p));
	EXPECT_EQ(-EPIPE, coro_pool_spawn(p, count_entry, &entered));
	EXPECT_EQ(-EPIPE,
		  coro_pool_spawn_named(p, count_entry, &entered, "late"));
	EXPECT_EQ(-EPIPE, coro_work_start(&w, p, count_entry, &entered, NULL));
	EXPECT_EQ(-EPIPE,
		  coro_work_start(&w, p, count_entry, &entered, &pinned));
	EXPECT_EQ(-EINVAL,
		  coro_work_start(&w, p, count_entry, &entered, &none));
	EXPECT_EQ(POISON_LONG, (long)w);
	EXPECT_EQ(0, entered);
	coro_pool_put(p);
}

static long peak_of_stack(void *arg)
{
	(void)arg;
	return (long)coro_size(coro_self());
}

static long compare_sizes(void *arg)
{
	long size = (long)coro_size(coro_self());

	(void)arg;
	EXPECT_LT(end_work(start_on(1, peak_of_stack, NULL)), size);
	EXPECT_EQ(end_work(start_on(0, peak_of_stack, NULL)), size);
	return 0;
}

static long run_with_own_scheduler(void *arg)
{
	const struct coro_thread_opts own = { .size = sizeof(own),
					      .stack_size_bytes = 256 << 10 };
	const struct coro_thread_opts others = { .size = sizeof(others),
						 .stack_size_bytes = 32 << 10 };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .thread = &others };
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_thread_init(&own));
	EXPECT_EQ(0, coro_pool_run(compare_sizes, NULL, &opts, &value));
	return value;
}

TEST_F(pool_run, options_of_threads_are_not_for_the_callers)
{
	EXPECT_EQ(0, in_thread(run_with_own_scheduler, NULL));
}

static struct coro_var *var;

static long value_now(void *arg)
{
	(void)arg;
	return (long)coro_var_get_or(var, NULL);
}

static void give_from_outside(void *arg)
{
	struct coro_work **w = arg;

	*w = start_on(1, value_now, NULL);
}

static long see_context(void *arg)
{
	struct coro_work *w = NULL;

	(void)arg;
	EXPECT_EQ(5, value_now(NULL));
	EXPECT_EQ(5, end_work(start_on(1, value_now, NULL)));
	EXPECT_EQ(0, coro_var_set(var, (void *)6L, NULL));
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), give_from_outside, &w));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(6, end_work(w));
	return 0;
}

static long set_five(void *arg)
{
	(void)arg;
	return coro_var_set(var, (void *)5L, NULL);
}

TEST_F(pool_run, context_of_the_options_is_the_first_loops_alone)
{
	struct coro_loop_opts loop = { .size = sizeof(loop) };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 3,
					     .loop = &loop };
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_var_new(&var, "number", NULL));
	EXPECT_EQ(0, coro_context_new(&loop.context));
	EXPECT_EQ(0, coro_context_run(loop.context, set_five, NULL, NULL));
	EXPECT_EQ(0, coro_pool_run(see_context, NULL, &opts, &value));
	EXPECT_EQ(0, value);
	/* It was used, not copied. */
	EXPECT_EQ(0, coro_context_run(loop.context, value_now, NULL, &value));
	EXPECT_EQ(6, value);
	coro_context_put(loop.context);
	coro_var_free(var);
}

/* The signals from 1 to 31 that the thread lets through, as bits. */
static long signals_let_through(void *arg)
{
	sigset_t mask;
	long bits = 0;

	(void)arg;
	EXPECT_EQ(0, pthread_sigmask(SIG_SETMASK, NULL, &mask));
	for (int sig = 1; sig < 32; sig++)
		bits |= (long)!sigismember(&mask, sig) << sig;
	return bits;
}

static long look_at_masks(void *arg)
{
	long faults = 1L << SIGSEGV | 1L << SIGBUS | 1L << SIGFPE |
		      1L << SIGILL | 1L << SIGTRAP | 1L << SIGSYS;
	long most = 1L << SIGKILL | 1L << SIGSTOP;

	for (unsigned int loop = 1; loop < 4; loop++)
		EXPECT_EQ(faults | most,
			  end_work(start_on(loop, signals_let_through, NULL)));
	EXPECT_EQ((long)arg, signals_let_through(NULL));
	return 0;
}

TEST_F(pool_run, threads_have_all_signals_blocked_but_those_of_faults)
{
	void *before = (void *)signals_let_through(NULL);

	EXPECT_EQ(0, run_pool(4, look_at_masks, before));
	EXPECT_EQ((long)before, signals_let_through(NULL));
}

static long interrupt_process(void *arg)
{
	(void)arg;
	return kill(getpid(), SIGINT);
}

static long run_opts(void *arg)
{
	return run_with(arg);
}

static long wait_for_interrupt(void *arg)
{
	const struct coro_loop_opts loop = { .size = sizeof(loop),
					     .flags = CORO_RUN_F_INTERRUPT };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .loop = &loop };

	/* One of a process can have it. */
	EXPECT_EQ(-EBUSY, in_thread(run_opts, (void *)&opts));
	EXPECT_EQ(0, coro_pool_spawn(coro_pool_self(), interrupt_process, arg));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	return -ECANCELED;
}

TEST_F(pool_run, interrupt_cancels_the_first_coroutine)
{
	const struct coro_loop_opts loop = { .size = sizeof(loop),
					     .flags = CORO_RUN_F_INTERRUPT };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 3,
					     .loop = &loop };
	long value = POISON_LONG;

	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(-EINTR, coro_pool_run(wait_for_interrupt, NULL, &opts,
						&value));
		EXPECT_EQ(POISON_LONG, value);
	}
}

static struct coro_event_flag local_flag;

static long set_local(void *arg)
{
	(void)arg;
	return coro_event_set(&local_flag);
}

static long set_from_elsewhere(void *arg)
{
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(0, end_work(start_on(0, set_local, arg)));
	return 0;
}

static long wait_without_anything_to_do(void *arg)
{
	struct coro_work *w = start_on(1, set_from_elsewhere, arg);
	int err;

	EXPECT_EQ(0, coro_event_init(&local_flag, 0));
	err = coro_event_wait(&local_flag, CORO_NEVER);
	coro_event_fini(&local_flag);
	EXPECT_EQ(0, end_work(w));
	return err;
}

TEST_F(pool_run, waiting_for_what_other_loops_will_bring_is_no_deadlock)
{
	EXPECT_EQ(0, run_pool(2, wait_without_anything_to_do, NULL));
}

static long run_another(void *arg)
{
	return run_pool(2, give_arg, arg);
}

static long run_two_at_once(void *arg)
{
	EXPECT_EQ(7, in_thread(run_another, (void *)7L));
	return (long)arg;
}

TEST_F(pool_run, several_run_at_once_and_in_turns)
{
	for (long i = 0; i < 20; i++)
		EXPECT_EQ(i, run_pool(3, run_two_at_once, (void *)i));
}

static void *run_at_once(void *arg)
{
	run_pool(8, give_arg, arg);
	return NULL;
}

TEST_F(pool_run, caller_that_is_cancelled_leaves_no_thread)
{
	int fds = open_fds();
	pthread_t thread;

	for (int i = 0; i < 15; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_at_once, NULL));
		usleep((useconds_t)i * 60);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	/* One that was joined may take some more to be gone. */
	while (threads_called("coro-loop"))
		usleep(1000);
	EXPECT_EQ(fds, open_fds());
}

static long nap_in_kernel(void *arg)
{
	usleep(2000);
	return (long)arg;
}

static long block(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_blocking(nap_in_kernel, arg, &value));
	return value;
}

static long block_everywhere(void *arg)
{
	struct coro_work *w[30];

	(void)arg;
	for (long i = 0; i < 30; i++)
		w[i] = start_on(i % 3, block, (void *)i);
	for (long i = 0; i < 30; i++)
		EXPECT_EQ(i, end_work(w[i]));
	for (long i = 0; i < 30; i++)
		w[i] = start_work(block, (void *)i, NULL);
	for (long i = 0; i < 30; i++)
		EXPECT_EQ(i, end_work(w[i]));
	return 24;
}

TEST_F(pool_run, loops_that_are_handed_over_do_their_work)
{
	const struct coro_loop_opts loop = { .size = sizeof(loop),
					     .flags = CORO_RUN_F_HANDOFF };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 3,
					     .loop = &loop };
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_pool_run(block_everywhere, NULL, &opts, &value));
	EXPECT_EQ(24, value);
}

TEST_HARNESS_MAIN
