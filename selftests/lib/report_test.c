// SPDX-License-Identifier: MIT
/* Reports of what nobody sees, the list of coroutines, and the watchdog. */
#include "lib_common.h"

LIB_FIXTURE(report)

/* What was reported, in its order. */
static struct {
	int nr;
	enum coro_report_kind kind[16];
	char name[16][CORO_NAME_LEN];
	enum coro_awaits awaits[16];
	uint64_t awaits_arg[16];
	long value[16];
	int64_t duration_ns[16];
	size_t nr_origins[16], nr_stack[16];
	bool seen; /* the watchdog's report; set last */
} got;

static void note(void *arg, const struct coro_report *r)
{
	int at = got.nr;

	if (arg != &got || at == 16)
		return;
	got.kind[at] = r->kind;
	snprintf(got.name[at], sizeof(got.name[at]), "%s", r->info->name);
	got.awaits[at] = r->info->awaits;
	got.awaits_arg[at] = r->info->awaits_arg;
	got.value[at] = r->value;
	got.duration_ns[at] = r->duration_ns;
	got.nr_origins[at] = r->nr_origins;
	got.nr_stack[at] = r->nr_stack;
	got.nr++;
	__atomic_store_n(&got.seen, true, __ATOMIC_RELEASE);
}

static long fail(void *arg)
{
	return (long)arg;
}

static long keep_a_failed_one(void *arg)
{
	struct coro **kept = arg;

	*kept = coro_new_named(fail, (void *)-EIO, "kept");
	EXPECT_EQ(0, coro_start(*kept));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, got.nr);
	return 0;
}

/* DIA-02, DIA-18 */
TEST_F(report, failure_of_a_kept_one_is_told_with_the_loops_end)
{
	struct coro *kept;

	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_run(keep_a_failed_one, &kept));
	EXPECT_EQ(1, got.nr);
	EXPECT_EQ(CORO_REPORT_NEVER_RETRIEVED, got.kind[0]);
	EXPECT_STREQ("kept", got.name[0]);
	EXPECT_EQ(-EIO, got.value[0]);
	EXPECT_EQ(1U, got.nr_origins[0]);
	coro_put(kept);
	EXPECT_EQ(1, got.nr);
	coro_report_to(NULL, NULL);
}

static long look_at_a_failed_one(void *arg)
{
	struct coro *c = coro_new(fail, (void *)-EIO);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_result(c, NULL));
	coro_put(c);
	return 0;
}

/* DIA-01, DIA-03 */
TEST_F(report, failure_that_was_looked_at_is_not_told)
{
	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_run(look_at_a_failed_one, NULL));
	EXPECT_EQ(0, got.nr);
	coro_report_to(NULL, NULL);
}

static long leave_a_scope_open(void *arg)
{
	static struct coro_scope s;

	(void)arg;
	return coro_scope_enter(&s, CORO_NEVER);
}

static long leave_open(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_spawn_named(leave_a_scope_open, NULL, "leaver"));
	return coro_sleep(0);
}

/* DIA-06 */
TEST_F(report, scope_that_was_left_open_is_told)
{
	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_run(leave_open, NULL));
	EXPECT_EQ(1, got.nr);
	EXPECT_EQ(CORO_REPORT_SCOPE_OPEN, got.kind[0]);
	EXPECT_STREQ("leaver", got.name[0]);
	coro_report_to(NULL, NULL);
}

static long replace_and_fail(void *arg)
{
	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_spawn(fail, (void *)-EIO));
	EXPECT_EQ(0, coro_sleep(0));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(0, coro_spawn(fail, (void *)-EIO));
	EXPECT_EQ(0, coro_sleep(0));
	coro_report_to(note, arg);
	EXPECT_EQ(0, coro_spawn(fail, (void *)-EIO));
	return coro_sleep(0);
}

/* DIA-17 */
TEST_F(report, function_can_be_replaced_at_any_time)
{
	EXPECT_EQ(0, coro_run(replace_and_fail, NULL));
	EXPECT_EQ(1, got.nr);
	coro_report_to(NULL, NULL);
}

static long wait_for(void *arg)
{
	return coro_event_wait(arg, CORO_NEVER);
}

static long wait_in_vain(void *arg)
{
	struct coro_event_flag *e = arg;

	EXPECT_EQ(0, coro_spawn_named(wait_for, e, "a"));
	EXPECT_EQ(0, coro_spawn_named(wait_for, e, "b"));
	return coro_event_wait(e, CORO_NEVER);
}

/* DIA-11, DIA-20: all who wait for one object tell its address */
TEST_F(report, deadlock_names_who_waits_for_what)
{
	struct coro_event_flag e = CORO_EVENT_INIT(0);

	coro_report_to(note, &got);
	EXPECT_EQ(-EDEADLK, coro_run(wait_in_vain, &e));
	ASSERT_EQ(3, got.nr);
	EXPECT_STREQ("main", got.name[0]);
	EXPECT_STREQ("a", got.name[1]);
	EXPECT_STREQ("b", got.name[2]);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(CORO_REPORT_DEADLOCK, got.kind[i]);
		EXPECT_EQ(CORO_AWAITS_EVENT, got.awaits[i]);
		EXPECT_EQ(got.awaits_arg[0], got.awaits_arg[i]);
	}
	EXPECT_NE(0U, got.awaits_arg[0]);
	coro_report_to(NULL, NULL);
}

/* Holds up the loop until the watchdog has said so. */
static long hang(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&got.seen, __ATOMIC_ACQUIRE))
		;
	return 0;
}

static long hang_in_a_child(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_spawn_named(hang, NULL, "hanger"));
	return coro_sleep(0);
}

static void watch(int sig)
{
	const struct coro_watchdog_opts opts = {
		.size = sizeof(opts),
		.threshold_ns = 20 * CORO_MSEC,
		.signal = sig,
	};

	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_watchdog_start(&opts));
	EXPECT_EQ(-EBUSY, coro_watchdog_start(NULL));
	EXPECT_EQ(0, coro_run(hang_in_a_child, NULL));
	EXPECT_EQ(0, coro_watchdog_stop());
	EXPECT_EQ(-ESRCH, coro_watchdog_stop());
	coro_report_to(NULL, NULL);
	/* On a busy machine others may have been slow, too: which one is in it. */
	EXPECT_LE(1, got.nr);
	for (int i = 0; i < got.nr; i++) {
		EXPECT_EQ(CORO_REPORT_SLOW_STEP, got.kind[i]);
		EXPECT_LE(20 * CORO_MSEC, got.duration_ns[i]);
	}
}

/* DIA-04 */
TEST_F(report, slow_step_is_told_while_it_lasts)
{
	watch(0);
}

/* DIA-22 */
TEST_F(report, slow_step_is_told_with_its_stack)
{
	watch(SIGUSR1);
	if (got.nr == 1)
		EXPECT_LT(0U, got.nr_stack[0]);
}

static long hang_after_a_sleep(void *arg)
{
	const struct coro_watchdog_opts opts = {
		.size = sizeof(opts), .threshold_ns = 100 * CORO_MSEC
	};

	EXPECT_EQ(0, coro_watchdog_start(&opts));
	EXPECT_EQ(0, coro_sleep(300 * CORO_MSEC));
	EXPECT_FALSE(__atomic_load_n(&got.seen, __ATOMIC_ACQUIRE));
	hang(arg);
	EXPECT_EQ(0, coro_watchdog_stop());
	return 0;
}

TEST_F(report, watchdog_that_a_coroutine_started_knows_steps_from_sleeps)
{
	coro_report_to(note, &got);
	EXPECT_EQ(0, coro_run(hang_after_a_sleep, NULL));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(CORO_REPORT_SLOW_STEP, got.kind[0]);
}

static long print_a_failure(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_spawn_named(fail, (void *)-EIO, "printed"));
	return coro_sleep(0);
}

/* What the process writes to standard error while @fn runs. */
static void stderr_of(long (*fn)(void *arg), char *text, size_t len)
{
	int saved = dup(2), pipes[2];
	ssize_t nr;

	ASSERT_EQ(0, pipe(pipes));
	dup2(pipes[1], 2);
	EXPECT_EQ(0, coro_run(fn, NULL));
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(pipes[1]);
	nr = read(pipes[0], text, len - 1);
	text[nr > 0 ? nr : 0] = '\0';
	close(pipes[0]);
}

/* DIA-05 */
TEST_F(report, environment_switches_printing_on)
{
	char text[4096];

	setenv("CORO_DEBUG", "1", 1);
	stderr_of(print_a_failure, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "coroutine \"printed\""));
	EXPECT_NE(NULL, strstr(text, "failed, and nobody looked"));
	EXPECT_NE(NULL, strstr(text, "created at"));
	coro_report_to(NULL, NULL);
	stderr_of(print_a_failure, text, sizeof(text));
	EXPECT_STREQ("", text);
}

TEST_F(report, nothing_is_printed_unasked)
{
	char text[4096];

	unsetenv("CORO_DEBUG");
	stderr_of(print_a_failure, text, sizeof(text));
	EXPECT_STREQ("", text);
}

static int find_named(void *arg, const struct coro_info *info)
{
	struct coro_info *out = arg;

	if (strcmp(info->name, out->name) != 0)
		return 0;
	*out = *info;
	out->name = NULL;
	return 1;
}

static long count_up(void *arg)
{
	(void)arg;
	coro_yield(1, NULL);
	return 0;
}

static long look_at_the_list(void *arg)
{
	struct coro_info info = { .name = "sleeper" };
	struct coro_gen *g;
	struct coro *c = coro_new_named(wait_for, arg, "sleeper");

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(1, coro_list(find_named, &info));
	EXPECT_EQ(coro_id(c), info.id);
	EXPECT_EQ(CORO_STATE_SUSPENDED, info.state);
	EXPECT_EQ(CORO_AWAITS_EVENT, info.awaits);
	EXPECT_EQ((unsigned int)gettid(), info.tid);
	EXPECT_EQ((void *)wait_for, info.entry);
	EXPECT_NE(NULL, info.origin);
	EXPECT_EQ(0, coro_gen_new_named(&g, count_up, NULL, "counter"));
	EXPECT_EQ(1, coro_gen_next(g, NULL));
	info.name = "counter";
	EXPECT_EQ(1, coro_list(find_named, &info));
	EXPECT_EQ(CORO_AWAITS_RESUME, info.awaits);
	coro_gen_free(g);
	info.name = "nobody";
	EXPECT_EQ(0, coro_list(find_named, &info));
	coro_event_set(arg);
	EXPECT_EQ(0, coro_await(c));
	return 0;
}

/* DIA-07, DIA-08, DIA-12 */
TEST_F(report, list_tells_thread_state_and_what_is_awaited)
{
	struct coro_event_flag e = CORO_EVENT_INIT(0);

	EXPECT_EQ(0, coro_run(look_at_the_list, &e));
}

TEST_HARNESS_MAIN
