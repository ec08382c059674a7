// SPDX-License-Identifier: MIT
/* Functions that block, where something ends around them: the loop, its thread, the process. */
#include <sys/resource.h>

#include "lib_blocking.h"

BLOCKING_FIXTURE(blocking_end)

/* What depends on how many threads there are, or ends one. */
LIB_FIXTURE(end_pool)

static int nr_reports;
static char reported[CORO_NAME_LEN];

static void note_report(void *arg, const struct coro_report *r)
{
	(void)arg;
	if (r->kind != CORO_REPORT_LEFT_BEHIND)
		return;
	nr_reports++;
	snprintf(reported, sizeof(reported), "%s", r->info->name);
}

/* Ends while the function blocks, and cancels who called it. */
static long end_meanwhile(void *arg)
{
	coro_put(job_start(arg, call_block));
	return 0;
}

static long run_end_meanwhile(void *arg)
{
	return run_loop(end_meanwhile, arg);
}

/* THR-12, THR-13, THR-16 */
TEST_F(blocking_end, function_that_is_left_behind_outlives_loop_and_thread)
{
	struct job j;

	coro_report_to(note_report, NULL);
	job_init(&j, 7)->disposes = true;
	EXPECT_EQ(0, in_thread(run_end_meanwhile, &j));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(1, info_now().left);
	EXPECT_EQ(1, nr_reports);
	EXPECT_STREQ("caller", reported);
	EXPECT_EQ(0, j.nr_disposed);
	sem_post(&j.go);
	sem_take(&j.disposed);
	EXPECT_EQ(1, j.nr_disposed);
	EXPECT_EQ(7, j.disposed_value);
	EXPECT_EQ(-ECANCELED, j.next_err);
}

static long end_while_it_listens(void *arg)
{
	coro_put(job_start(arg, call_listen));
	return 0;
}

/* THR-13, LOP-12 */
TEST_F(blocking_end, end_of_the_loop_waits_for_a_function_that_cannot_be_left)
{
	struct job j;

	coro_report_to(note_report, NULL);
	EXPECT_EQ(0, run_loop(end_while_it_listens, job_init(&j, 7)));
	EXPECT_TRUE(j.told);
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(-ECANCELED, j.next_err);
	EXPECT_EQ(0, nr_reports);
}

/* THR-13: the limit is each call's grace. */
TEST_F(blocking_end, end_of_the_loop_waits_as_long_as_the_grace)
{
	struct job j;

	coro_report_to(note_report, NULL);
	job_init(&j, 7)->disposes = true;
	j.grace_ns = FAR_NS;
	EXPECT_EQ(0, run_loop(end_while_it_listens, &j));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(0, nr_reports);
	job_init(&j, 7)->disposes = true;
	j.grace_ns = SOON_NS;
	EXPECT_EQ(0, run_loop(end_meanwhile, &j));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(1, nr_reports);
	sem_post(&j.go);
	sem_take(&j.disposed);
	EXPECT_EQ(7, j.disposed_value);
}

static struct job late;

static long listen_then_call_again(void *arg)
{
	call_listen(arg);
	/* The loop ends now. */
	return call_block(&late);
}

static long end_with_more_to_come(void *arg)
{
	coro_put(job_start(arg, listen_then_call_again));
	return 0;
}

/* THR-13 */
TEST_F(blocking_end, nothing_can_be_called_once_the_loop_ends)
{
	struct job first;

	job_init(&late, 3)->disposes = true;
	/* Were it to run all the same, it would not block. */
	sem_post(&late.go);
	EXPECT_EQ(0, run_loop(end_with_more_to_come, job_init(&first, 1)));
	EXPECT_EQ(0, first.err);
	EXPECT_EQ(-ECANCELED, late.err);
	EXPECT_EQ(1, late.nr_disposed);
	EXPECT_EQ(-EPERM, coro_blocking(job_block, &late, NULL));
	EXPECT_EQ(0, late.runs);
}

static long end_with_one_running(void *arg)
{
	struct job *jobs = arg;
	struct coro *waits = coro_new(call_block, &jobs[1]);

	coro_put(job_start(&jobs[0], call_listen));
	EXPECT_EQ(0, coro_start(waits));
	settle(waits, CORO_AWAITS_BLOCKING);
	coro_put(waits);
	return 0;
}

/* THR-11, THR-13 */
TEST_F(end_pool, function_that_has_not_begun_when_the_loop_ends_never_runs)
{
	struct job jobs[2];

	EXPECT_EQ(0, coro_blocking_set_limit(1));
	job_init(&jobs[0], 1);
	job_init(&jobs[1], 2)->disposes = true;
	EXPECT_EQ(0, run_loop(end_with_one_running, jobs));
	EXPECT_EQ(0, jobs[0].err);
	EXPECT_EQ(-ECANCELED, jobs[1].err);
	EXPECT_EQ(0, jobs[1].runs);
	EXPECT_EQ(1, jobs[1].nr_disposed);
	EXPECT_EQ(0, info_now().waiting);
}

static long give_back(void *arg)
{
	return (long)arg;
}

static long block_once(void *arg)
{
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(give_back, (void *)5L, &value));
	return value;
}

/* Whether the child of fork() has functions of its own alone. */
static long begin_anew(void *arg)
{
	struct job *jobs = arg;
	bool good = !info_now().running && !info_now().waiting;

	good = good && run_loop(block_once, NULL) == 5;
	return !(good && jobs[0].runs == 1 && !jobs[1].runs);
}

static long run_two(void *arg)
{
	struct job *jobs = arg;
	struct coro *one = job_start(&jobs[0], call_block);
	struct coro *two = coro_new(call_block, &jobs[1]);

	EXPECT_EQ(0, coro_start(two));
	settle(two, CORO_AWAITS_BLOCKING);
	sem_post(&jobs[1].begun);
	coro_await(one);
	coro_await(two);
	return 0;
}

static void *run_two_main(void *arg)
{
	EXPECT_EQ(0, run_loop(run_two, arg));
	return NULL;
}

/* THR-15 */
TEST_F(end_pool, child_of_fork_begins_with_no_functions)
{
	struct job jobs[2];
	pthread_t thread;

	EXPECT_EQ(0, coro_blocking_set_limit(1));
	/* So that the library knows of this thread, too. */
	EXPECT_EQ(5, run_loop(block_once, NULL));
	job_init(&jobs[0], 1);
	job_init(&jobs[1], 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_two_main, jobs));
	sem_take(&jobs[1].begun);
	EXPECT_EQ(0, in_child(begin_anew, jobs));
	sem_post(&jobs[0].go);
	sem_post(&jobs[1].go);
	pthread_join(thread, NULL);
	EXPECT_EQ(1, jobs[0].value);
	EXPECT_EQ(2, jobs[1].value);
}

static long begin_with_none(void *arg)
{
	struct coro_blocking_info info = info_now();

	(void)arg;
	return info.left || info.left_ever || run_loop(block_once, NULL) != 5;
}

/* THR-15 */
TEST_F(blocking_end, child_of_fork_begins_with_no_threads_and_none_left_behind)
{
	struct job j;

	coro_report_to(note_report, NULL);
	job_init(&j, 7)->disposes = true;
	EXPECT_EQ(0, run_loop(end_meanwhile, &j));
	EXPECT_EQ(1, info_now().left);
	/* Another thread, which has nothing to do then. */
	EXPECT_EQ(5, run_loop(block_once, NULL));
	EXPECT_EQ(0, in_child(begin_with_none, NULL));
	sem_post(&j.go);
	sem_take(&j.disposed);
}

static bool looks_enough;

static void *look_always(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&looks_enough, __ATOMIC_RELAXED))
		info_now();
	return NULL;
}

static long look_once(void *arg)
{
	(void)arg;
	return info_now().running;
}

/* THR-15: whatever another thread of its parent does at the time. */
TEST_F(blocking_end, child_of_fork_waits_for_no_thread_of_its_parent)
{
	pthread_t thread;

	EXPECT_EQ(5, run_loop(block_once, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, look_always, NULL));
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(0, in_child(look_once, NULL));
	__atomic_store_n(&looks_enough, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static long block_and_exit(void *arg)
{
	int how = (int)(long)arg;

	if (run_loop(block_once, NULL) != 5)
		_exit(99);
	exit(how);
}

/* The leak sanitizer would change the status. */
TEST_F(blocking_end, process_exits_with_threads_that_have_nothing_to_do)
{
	int status = in_child(block_and_exit, (void *)3L);

	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(3, WEXITSTATUS(status));
}

static pthread_key_t at_end;
static bool looks_back, thread_has_ended;

static void note_end(void *arg)
{
	*(bool *)arg = true;
}

/* Comes after the library's own, which names no priority. */
static void __attribute__((destructor(101))) look_back(void)
{
	if (looks_back)
		_exit(thread_has_ended ? 3 : 9);
}

static long note_end_of_thread(void *arg)
{
	return pthread_setspecific(at_end, arg);
}

static long call_note_end(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_blocking(note_end_of_thread, arg, &value));
	return value;
}

static long exit_and_look_back(void *arg)
{
	if (pthread_key_create(&at_end, note_end) ||
	    run_loop(call_note_end, arg))
		_exit(99);
	looks_back = true;
	exit(0);
}

/* What they use, the library's or the program's, may go after it. */
TEST_F(blocking_end, thread_that_has_nothing_to_do_ends_before_the_process)
{
	int status = in_child(exit_and_look_back, &thread_has_ended);

	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(3, WEXITSTATUS(status));
}

static void note_end_late(void *arg)
{
	usleep(20000);
	*(bool *)arg = true;
}

static long nap(void *arg)
{
	(void)arg;
	return usleep(20000);
}

/* On the thread of the loop, and on one that takes it over while the first blocks. */
static long note_ends(void *arg)
{
	bool *ended = arg;

	if (gettid() == getpid())
		return 0;
	EXPECT_EQ(0, pthread_setspecific(at_end, &ended[0]));
	EXPECT_EQ(0, coro_blocking(nap, NULL, NULL));
	if (!pthread_getspecific(at_end))
		EXPECT_EQ(0, pthread_setspecific(at_end, &ended[1]));
	return 1 + (pthread_getspecific(at_end) == &ended[1]);
}

TEST_F(blocking_end, loop_ends_after_its_own_threads)
{
	bool ended[2] = { 0 };
	long nr;

	ASSERT_EQ(0, pthread_key_create(&at_end, note_end_late));
	nr = run_loop(note_ends, ended);
	EXPECT_EQ(nr > 0, ended[0]);
	EXPECT_EQ(nr > 1, ended[1]);
	TH_LOG("%ld threads had the loop", nr);
}

static long exit_inside(void *arg)
{
	exit((int)(long)arg);
}

static long call_exit(void *arg)
{
	return coro_blocking(exit_inside, arg, NULL);
}

static long run_exit(void *arg)
{
	run_loop(call_exit, arg);
	return 0;
}

TEST_F(blocking_end, process_exits_from_a_function_that_blocks)
{
	int status = in_child(run_exit, (void *)4L);

	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(4, WEXITSTATUS(status));
}

static bool fails;

static int fail_once(void *arg, enum coro_fault what)
{
	(void)arg;
	if (what != CORO_FAULT_SYSCALL || !fails)
		return 0;
	fails = false;
	return -EAGAIN;
}

static long call_without_thread(void *arg)
{
	struct job *j = arg, first;
	struct coro *c;

	j->disposes = true;
	fails = true;
	job_call(j, job_block);
	EXPECT_EQ(-EAGAIN, j->err);
	EXPECT_EQ(0, j->nr_disposed);
	EXPECT_EQ(0, info_now().waiting);
	c = job_start(job_init(&first, 1), call_block);
	/* With one there, the next waits for it. */
	sem_post(&first.go);
	fails = true;
	sem_post(&j->go);
	job_call(j, job_block);
	EXPECT_EQ(0, j->err);
	coro_await(c);
	return 0;
}

/* THR-08 */
TEST_F(blocking_end, lack_of_threads_fails_a_call_only_if_there_is_none)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim),
					   .fault = fail_once };
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .sim = &sim };
	struct job j;

	EXPECT_EQ(0, coro_run_opts(call_without_thread, job_init(&j, 7), &opts,
				   NULL));
	EXPECT_EQ(1, j.runs);
}

static void *let_go_in_a_while(void *arg)
{
	/* Far longer than what comes from the kernel would be waited for. */
	const struct timespec ts = { .tv_nsec = 20 * SOON_NS };
	struct job *j = arg;

	sem_take(&j->begun);
	nanosleep(&ts, NULL);
	sem_post(&j->go);
	return NULL;
}

static long block_until_a_deadline(void *arg)
{
	int64_t begin = coro_now();

	EXPECT_EQ(0, coro_call(call_block, arg, coro_after(FAR_NS)));
	EXPECT_EQ(begin, coro_now());
	/* And then it jumps as ever. */
	EXPECT_EQ(0, coro_sleep(FAR_NS));
	EXPECT_EQ(begin + FAR_NS, coro_now());
	return 0;
}

/* LOP-25, THR-08 */
TEST_F(blocking_end, virtual_clock_does_not_jump_while_a_function_blocks)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim) };
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .sim = &sim };
	pthread_t thread;
	struct job j;

	job_init(&j, 7);
	ASSERT_EQ(0, pthread_create(&thread, NULL, let_go_in_a_while, &j));
	EXPECT_EQ(0, coro_run_opts(block_until_a_deadline, &j, &opts, NULL));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
}

static long wait_for_no_deadline(void *arg)
{
	struct job *j = arg;
	struct coro *c = coro_new(call_block, j);
	pthread_t thread;

	EXPECT_EQ(0, pthread_create(&thread, NULL, let_go_in_a_while, j));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, j->err);
	/* Nobody is left who could end this. */
	return coro_sleep_until(CORO_NEVER);
}

/* DIA-20, THR-08 */
TEST_F(blocking_end, function_that_blocks_is_no_deadlock)
{
	struct job j;

	EXPECT_EQ(-EDEADLK, run_loop(wait_for_no_deadline, job_init(&j, 7)));
}

/* What is lost with a thread would count as leaked; and no pthread_exit() for the other. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static long exit_thread_meanwhile(void *arg)
{
	struct job *jobs = arg;
	struct coro *waits = coro_new(call_block, &jobs[1]);

	job_start(&jobs[0], call_block);
	coro_start(waits);
	settle(waits, CORO_AWAITS_BLOCKING);
	pthread_exit(NULL);
}

static void *run_exit_thread(void *arg)
{
	run_loop(exit_thread_meanwhile, arg);
	return NULL;
}

/* THR-12, THR-16 */
TEST_F(end_pool, callers_whose_thread_exits_are_gone)
{
	struct job jobs[2];
	pthread_t thread;

	EXPECT_EQ(0, coro_blocking_set_limit(1));
	job_init(&jobs[0], 1)->disposes = true;
	job_init(&jobs[1], 2)->disposes = true;
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_exit_thread, jobs));
	pthread_join(thread, NULL);
	sem_post(&jobs[0].go);
	sem_take(&jobs[0].disposed);
	sem_take(&jobs[1].disposed);
	EXPECT_TRUE(jobs[0].told);
	EXPECT_EQ(1, jobs[0].disposed_value);
	EXPECT_EQ(0, jobs[1].runs);
	EXPECT_EQ(-ECANCELED, jobs[1].disposed_value);
	EXPECT_EQ(1, jobs[0].nr_disposed);
	EXPECT_EQ(1, jobs[1].nr_disposed);
	EXPECT_EQ(1, jobs[0].err);
}
#endif

TEST_HARNESS_MAIN
