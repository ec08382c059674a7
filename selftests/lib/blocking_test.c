// SPDX-License-Identifier: MIT
/* Functions that block, called by a coroutine: run once, elsewhere, cancelled or not. */
#include "lib_blocking.h"

BLOCKING_FIXTURE(blocking)

/* What depends on how many threads there are, or ends one. */
LIB_FIXTURE(pool)

static long be_let_go_by_another(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_block);

	/* The loop goes on meanwhile, or nobody would ever do this. */
	sem_post(&j->go);
	coro_await(c);
	return 0;
}

/* THR-08 */
TEST_F(blocking, others_go_on_while_a_function_blocks)
{
	struct job j;

	EXPECT_EQ(0, run_loop(be_let_go_by_another, job_init(&j, 7)));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(1, j.runs);
	EXPECT_FALSE(j.told);
}

static long give_back(void *arg)
{
	return (long)arg;
}

static long collect_results(void *arg)
{
	const long results[] = { 7, -EIO, 0, -ECANCELED, LONG_MIN };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		long value = POISON_LONG;

		EXPECT_EQ(0,
			  coro_blocking(give_back, (void *)results[i], &value));
		EXPECT_EQ(results[i], value);
	}
	return coro_blocking(give_back, NULL, NULL);
}

/* THR-08 */
TEST_F(blocking, result_or_failure_reaches_who_called)
{
	EXPECT_EQ(0, run_loop(collect_results, NULL));
}

#define CALLERS 50
#define CALLS 20

static int total;

static long count_up(void *arg)
{
	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
	return 2 * (long)arg;
}

static long call_often(void *arg)
{
	for (long i = 0; i < CALLS; i++) {
		long value = 0;

		EXPECT_EQ(0, coro_blocking(count_up, (void *)i, &value));
		EXPECT_EQ(2 * i, value);
	}
	(void)arg;
	return 0;
}

static long call_from_all_sides(void *arg)
{
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (int i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, call_often, arg));
	return coro_group_close(&g, 0);
}

static long run_all_sides(void *arg)
{
	return run_loop(call_from_all_sides, arg);
}

static void *run_in_a_thread(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, run_all_sides(NULL));
	return NULL;
}

/* THR-08, THR-14 */
TEST_F(pool, each_of_many_calls_of_several_loops_runs_once)
{
	pthread_t threads[3];

	EXPECT_EQ(0, coro_blocking_set_limit(5));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, run_in_a_thread,
					    NULL));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(3 * CALLERS * CALLS, total);
	EXPECT_EQ(0, info_now().running);
	EXPECT_EQ(0, info_now().waiting);
}

static int call_badly(struct job *j, struct coro_blocking_opts opts,
		      size_t size)
{
	opts.size = size;
	opts.dispose = j->disposes ? job_dispose : NULL;
	return coro_blocking_opts(job_block, j, &j->value, &opts);
}

static long call_wrongly(void *arg)
{
	struct job *j = arg;
	struct {
		struct coro_blocking_opts known;
		char more;
	} longer = { .known.size = sizeof(longer), .more = 1 };
	size_t size = sizeof(longer.known);

	EXPECT_EQ(-EINVAL, coro_blocking(NULL, j, &j->value));
	j->disposes = true;
	EXPECT_EQ(-EINVAL,
		  call_badly(j, (struct coro_blocking_opts){ .flags = 1 },
			     size));
	EXPECT_EQ(-EINVAL,
		  call_badly(j, (struct coro_blocking_opts){ .grace_ns = -1 },
			     size));
	EXPECT_EQ(-EINVAL, call_badly(j, (struct coro_blocking_opts){ 0 }, 1));
	longer.known.dispose = job_dispose;
	EXPECT_EQ(-E2BIG,
		  coro_blocking_opts(job_block, j, &j->value, &longer.known));
	j->disposes = false;
	EXPECT_EQ(-EINVAL,
		  call_badly(j, (struct coro_blocking_opts){ .grace_ns = 1 },
			     size));
	return 0;
}

TEST_F(pool, wrong_call_runs_and_disposes_of_nothing)
{
	struct job j;

	EXPECT_EQ(0, run_loop(call_wrongly, job_init(&j, 7)));
	j.disposes = true;
	EXPECT_EQ(-EPERM, coro_blocking(job_block, &j, &j.value));
	EXPECT_EQ(-EPERM, call_badly(&j, (struct coro_blocking_opts){ 0 },
				     sizeof(struct coro_blocking_opts)));
	EXPECT_EQ(-EINVAL, coro_blocking_set_limit(0));
	EXPECT_EQ(-EINVAL, coro_blocking_info_read(NULL));
	EXPECT_EQ(0, j.runs);
	EXPECT_EQ(0, j.nr_disposed);
	EXPECT_EQ(POISON_LONG, j.value);
	EXPECT_FALSE(coro_blocking_cancelled());
}

static long look_around(void *arg)
{
	static const int open[] = { SIGSEGV, SIGBUS,  SIGFPE,
				    SIGILL,  SIGTRAP, SIGSYS };
	static const int blocked[] = { SIGINT,	SIGTERM, SIGUSR1,
				       SIGCHLD, SIGALRM, SIGPIPE };
	bool good = !errno_get();
	sigset_t set;

	(void)arg;
	errno_set(EXDEV);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		good = good && !sigismember(&set, open[i]) &&
		       sigismember(&set, blocked[i]);
	return good && !coro_self() && coro_sleep(0) == -EPERM &&
	       coro_blocking(give_back, NULL, NULL) == -EPERM;
}

static long look_twice(void *arg)
{
	long good;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		errno_set(ENOTTY);
		good = 0;
		EXPECT_EQ(0, coro_blocking(look_around, NULL, &good));
		EXPECT_EQ(1, good);
		EXPECT_EQ(ENOTTY, errno_get());
	}
	return 0;
}

/* THR-08: and the caller's errno stays its own. */
TEST_F(pool, function_is_outside_of_coroutines_with_errno_0_and_no_signals)
{
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	EXPECT_EQ(0, run_loop(look_twice, NULL));
}

static struct coro_var *var;
static int destroyed;
static pthread_t callers_thread;

static void destroy(void *value)
{
	(void)value;
	/* A loop that is handed over has no thread of its own. */
	EXPECT_TRUE(run_flags || pthread_equal(callers_thread, pthread_self()));
	destroyed++;
}

static long read_and_set(void *arg)
{
	void *value = NULL;

	(void)arg;
	if (coro_var_get(var, &value) || value != (void *)1L)
		return -EPROTO;
	return coro_var_set(var, (void *)2L, NULL);
}

static long call_in_context(void *arg)
{
	long value = POISON_LONG;
	void *now = NULL;

	(void)arg;
	EXPECT_EQ(0, coro_var_set(var, (void *)1L, NULL));
	EXPECT_EQ(0, coro_blocking(read_and_set, NULL, &value));
	EXPECT_EQ(0, value);
	/* What it set is gone before the call returns, and here. */
	EXPECT_EQ(1, destroyed);
	EXPECT_EQ(0, coro_var_get(var, &now));
	EXPECT_EQ((void *)1L, now);
	EXPECT_EQ(0, coro_blocking(read_and_set, NULL, &value));
	EXPECT_EQ(0, value);
	return 0;
}

/* THR-09, CTX-01 */
TEST_F(blocking, function_has_a_copy_of_the_callers_context)
{
	const struct coro_var_opts opts = { .size = sizeof(opts),
					    .destroy = destroy };

	callers_thread = pthread_self();
	ASSERT_EQ(0, coro_var_new(&var, "copied", &opts));
	EXPECT_EQ(0, run_loop(call_in_context, NULL));
	EXPECT_EQ(3, destroyed);
	coro_var_free(var);
}

static long cancel_while_it_runs(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_block);

	EXPECT_EQ(0, coro_cancel(c));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, coro_sleep(0));
	/* What it has on its stack is the function's yet. */
	EXPECT_EQ(1, j->err);
	EXPECT_EQ(CORO_AWAITS_BLOCKING, coro_awaits(c, NULL));
	sem_post(&j->go);
	coro_await(c);
	return 0;
}

/* THR-10, THR-16: one that cannot be left behind is waited for, unlike in asyncio. */
TEST_F(blocking, cancelled_caller_waits_and_has_the_result)
{
	struct job j;

	EXPECT_EQ(0, run_loop(cancel_while_it_runs, job_init(&j, 7)));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_TRUE(j.told);
	EXPECT_EQ(-ECANCELED, j.next_err);
}

static long leave_it_behind(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_block);

	EXPECT_EQ(1, info_now().running);
	EXPECT_EQ(0, info_now().left);
	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	EXPECT_EQ(-ECANCELED, j->err);
	EXPECT_EQ(POISON_LONG, j->value);
	EXPECT_EQ(0, j->nr_disposed);
	EXPECT_EQ(1, info_now().running);
	EXPECT_EQ(1, info_now().left);
	EXPECT_EQ(1, info_now().left_ever);
	sem_post(&j->go);
	sem_take(&j->disposed);
	return 0;
}

/* THR-10, THR-16 */
TEST_F(blocking, function_left_behind_is_counted_and_disposed_of)
{
	struct job j;

	job_init(&j, 7)->disposes = true;
	EXPECT_EQ(0, run_loop(leave_it_behind, &j));
	EXPECT_EQ(1, j.runs);
	EXPECT_EQ(1, j.nr_disposed);
	EXPECT_EQ(7, j.disposed_value);
	EXPECT_TRUE(j.told);
	EXPECT_TRUE(j.told_dispose);
	EXPECT_TRUE(pthread_equal(j.thread, j.dispose_thread));
	while (info_now().left)
		sched_yield();
	EXPECT_EQ(0, info_now().running);
	EXPECT_EQ(1, info_now().left_ever);
}

static long set_and_block(void *arg)
{
	EXPECT_EQ(0, coro_var_set(var, arg, NULL));
	return job_block(arg);
}

static void dispose_in_ctx(void *arg, long value)
{
	void *set = NULL;

	EXPECT_EQ(0, coro_var_get(var, &set));
	EXPECT_EQ(arg, set);
	job_dispose(arg, value);
}

static long call_set_and_block(void *arg)
{
	const struct coro_blocking_opts opts = { .size = sizeof(opts),
						 .dispose = dispose_in_ctx };
	struct job *j = arg;

	j->err = coro_blocking_opts(set_and_block, j, NULL, &opts);
	return 0;
}

static long leave_it_in_context(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_set_and_block);

	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	EXPECT_EQ(-ECANCELED, j->err);
	sem_post(&j->go);
	sem_take(&j->disposed);
	return 0;
}

/* THR-09, THR-10 */
TEST_F(blocking, result_is_disposed_of_in_the_functions_context)
{
	struct job j;

	ASSERT_EQ(0, coro_var_new(&var, "set", NULL));
	EXPECT_EQ(0, run_loop(leave_it_in_context, job_init(&j, 7)));
	EXPECT_EQ(1, j.nr_disposed);
	coro_var_free(var);
}

static long cancel_while_it_waits(void *arg)
{
	struct job *j = arg, first;
	struct coro *one = job_start(job_init(&first, 1), call_block);
	struct coro *c = coro_new(call_block, j);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_BLOCKING);
	EXPECT_EQ(1, info_now().waiting);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, info_now().waiting);
	coro_await(c);
	EXPECT_EQ(-ECANCELED, j->err);
	sem_post(&first.go);
	coro_await(one);
	/* The thread that would have had it is free again. */
	return coro_blocking(give_back, NULL, NULL);
}

static void never_runs(struct job *j, struct __test_metadata *_metadata)
{
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	EXPECT_EQ(0, run_loop(cancel_while_it_waits, j));
	EXPECT_EQ(0, j->runs);
	EXPECT_EQ(POISON_LONG, j->value);
	EXPECT_EQ(-ECANCELED, j->next_err);
}

/* THR-11 */
TEST_F(pool, function_that_has_not_begun_never_runs_once_cancelled)
{
	struct job j;

	never_runs(job_init(&j, 7), _metadata);
}

/* THR-11 */
TEST_F(pool, arg_of_one_that_never_runs_is_disposed_of_by_its_caller)
{
	struct job j;

	job_init(&j, 7)->disposes = true;
	never_runs(&j, _metadata);
	EXPECT_EQ(1, j.nr_disposed);
	EXPECT_EQ(-ECANCELED, j.disposed_value);
	EXPECT_FALSE(j.told_dispose);
	EXPECT_TRUE(pthread_equal(pthread_self(), j.dispose_thread));
}

static long call_once_cancelled(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return call_block(arg);
}

/* THR-11 */
TEST_F(blocking, cancelled_caller_calls_nothing)
{
	struct job j;

	job_init(&j, 7)->disposes = true;
	EXPECT_EQ(0, run_loop(call_once_cancelled, &j));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(0, j.runs);
	EXPECT_EQ(1, j.nr_disposed);
	EXPECT_EQ(-ECANCELED, j.disposed_value);
}

static struct coro_scope scope;

static long call_in_scope(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ(0, coro_scope_enter(&scope, CORO_NEVER));
	job_call(j, job_listen);
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&scope, j->next_err));
	return coro_sleep(0);
}

/* The deadline passes while the function runs. */
static long call_with_deadline(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_in_scope);

	EXPECT_EQ(0, coro_scope_set_deadline(&scope, coro_after(SOON_NS)));
	return coro_await(c);
}

/* THR-16 */
TEST_F(blocking, function_is_told_that_its_caller_is_late)
{
	struct job j;

	EXPECT_EQ(0, run_loop(call_with_deadline, job_init(&j, 7)));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(-ECANCELED, j.next_err);
}

/* THR-16, THR-10 */
TEST_F(blocking, caller_with_grace_has_the_result_of_one_that_listens)
{
	struct job j;

	job_init(&j, 7)->disposes = true;
	j.grace_ns = FAR_NS;
	EXPECT_EQ(0, run_loop(call_with_deadline, &j));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(0, j.nr_disposed);
	EXPECT_EQ(0, info_now().left_ever);
}

static long grace_passes(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_block);

	EXPECT_EQ(0, coro_cancel(c));
	/* Again is nothing, and does not end the grace. */
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_BLOCKING, coro_awaits(c, NULL));
	coro_await(c);
	EXPECT_EQ(-ECANCELED, j->err);
	EXPECT_EQ(1, info_now().left);
	sem_post(&j->go);
	sem_take(&j->disposed);
	return 0;
}

/* THR-16, THR-10 */
TEST_F(blocking, function_that_does_not_listen_is_left_behind_after_the_grace)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim) };
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .sim = &sim };
	struct job j;

	job_init(&j, 7)->disposes = true;
	j.grace_ns = SOON_NS;
	EXPECT_EQ(0, coro_run_opts(grace_passes, &j, &opts, NULL));
	EXPECT_EQ(1, j.nr_disposed);
	EXPECT_EQ(7, j.disposed_value);
}

static long call_shielded(void *arg)
{
	struct job *j = arg;

	sem_post(&j->go);
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return coro_call_shielded(call_block, j, CORO_NEVER);
}

/* THR-08: no cancel from outside enters a shield. */
TEST_F(blocking, cleanup_in_a_shield_can_block)
{
	struct job j;

	EXPECT_EQ(0, run_loop(call_shielded, job_init(&j, 7)));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(7, j.value);
	EXPECT_EQ(0, j.next_err);
	EXPECT_FALSE(j.told);
}

static long tell_what_is_awaited(void *arg)
{
	struct job *j = arg;
	struct coro *c = job_start(j, call_block);
	char *text = NULL;
	uint64_t what = 0;
	size_t len;
	FILE *f;

	EXPECT_EQ(CORO_AWAITS_BLOCKING, coro_awaits(c, &what));
	EXPECT_EQ((uint64_t)(uintptr_t)job_block, what);
	f = open_memstream(&text, &len);
	coro_list_print(f);
	fclose(f);
	EXPECT_NE(NULL, strstr(text, "awaits function"));
	free(text);
	sem_post(&j->go);
	coro_await(c);
	return 0;
}

TEST_F(blocking, list_tells_which_function_is_awaited)
{
	struct job j;

	EXPECT_EQ(0, run_loop(tell_what_is_awaited, job_init(&j, 7)));
}

TEST_HARNESS_MAIN
