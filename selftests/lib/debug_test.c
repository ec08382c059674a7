// SPDX-License-Identifier: MIT
/* Figures of a scheduler, and overflows that name their coroutine. Needs no io_uring. */
#include <sys/resource.h>

#include "lib_common.h"

LIB_FIXTURE(debug)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static long read_unopened(void *arg)
{
	struct coro_stats stats = { .size = sizeof(stats), .coroutines = 77 };

	(void)arg;
	EXPECT_EQ(-ESRCH, coro_stats_read(&stats));
	EXPECT_EQ((uint64_t)77, stats.coroutines);
	return 0;
}

TEST_F(debug, thread_without_a_scheduler_has_no_figures)
{
	EXPECT_EQ(0, in_thread(read_unopened, NULL));
}

TEST_F(debug, figures_without_a_right_size_are_refused)
{
	struct coro_stats stats;

	EXPECT_EQ(0, coro_thread_init(NULL));
	memset(&stats, POISON, sizeof(stats));
	EXPECT_EQ(-EINVAL, coro_stats_read(NULL));
	stats.size = 0;
	EXPECT_EQ(-EINVAL, coro_stats_read(&stats));
	stats.size = sizeof(stats.size) - 1;
	EXPECT_EQ(-EINVAL, coro_stats_read(&stats));
	EXPECT_TRUE(untouched(&stats.coroutines,
			      sizeof(stats) - sizeof(stats.size)));
}

TEST_F(debug, older_program_gets_what_it_knows)
{
	struct coro_stats stats;

	EXPECT_EQ(0, coro_thread_init(NULL));
	memset(&stats, POISON, sizeof(stats));
	stats.size = offsetof(struct coro_stats, contexts_peak);
	EXPECT_EQ(0, coro_stats_read(&stats));
	EXPECT_EQ((uint64_t)0, stats.coroutines);
	EXPECT_TRUE(untouched(&stats.contexts_peak,
			      sizeof(stats) - offsetof(struct coro_stats,
						       contexts_peak)));
}

TEST_F(debug, newer_program_gets_what_the_library_knows)
{
	struct {
		struct coro_stats stats;
		unsigned char tail[32];
	} newer;

	EXPECT_EQ(0, coro_thread_init(NULL));
	memset(&newer, POISON, sizeof(newer));
	newer.stats.size = sizeof(newer);
	EXPECT_EQ(0, coro_stats_read(&newer.stats));
	EXPECT_EQ((uint64_t)0, newer.stats.coroutines);
	EXPECT_EQ((uint64_t)0, newer.stats.overflows);
}

static struct coro_stats stats_now(void)
{
	struct coro_stats stats;

	memset(&stats, POISON, sizeof(stats));
	stats.size = sizeof(stats);
	EXPECT_EQ(0, coro_stats_read(&stats));
	return stats;
}

/* DIA-23 */
TEST_F(debug, coroutines_are_counted_while_they_exist)
{
	struct coro *a, *b;

	EXPECT_EQ(0, coro_thread_init(NULL));
	EXPECT_EQ((uint64_t)0, stats_now().coroutines);
	a = coro_new(give_arg, NULL);
	b = coro_new(yield_once, NULL);
	EXPECT_EQ((uint64_t)2, stats_now().coroutines);
	EXPECT_LE((uint64_t)2, stats_now().contexts);
	EXPECT_LE((uint64_t)2, stats_now().contexts_peak);
	EXPECT_EQ(CORO_ENDED, coro_resume(a, 0, NULL));
	EXPECT_EQ(CORO_YIELDED, coro_resume(b, 0, NULL));
	EXPECT_LT((uint64_t)0, stats_now().stacks_resident_bytes);
	EXPECT_EQ((uint64_t)2, stats_now().coroutines);
	coro_get(b);
	coro_put(b);
	EXPECT_EQ((uint64_t)2, stats_now().coroutines);
	coro_put(a);
	EXPECT_EQ((uint64_t)1, stats_now().coroutines);
	coro_put(b);
	EXPECT_EQ((uint64_t)0, stats_now().coroutines);
	EXPECT_LE((uint64_t)2, stats_now().contexts_peak);
	EXPECT_EQ((uint64_t)0, stats_now().overflows);
}

/* DIA-23 */
TEST_F(debug, peak_of_contexts_stays)
{
	struct coro *c[50];
	uint64_t peak;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = coro_new(give_arg, NULL);
	peak = stats_now().contexts_peak;
	EXPECT_LE((uint64_t)50, peak);
	for (i = 0; i < ARRAY_SIZE(c); i++)
		coro_put(c[i]);
	EXPECT_EQ(peak, stats_now().contexts_peak);
}

static NOINLINE long dig(long bytes)
{
	volatile char frame[1024];

	frame[0] = 1;
	frame[sizeof(frame) - 1] = 1;
	if (bytes <= (long)sizeof(frame))
		return frame[0];
	return dig(bytes - (long)sizeof(frame)) + frame[sizeof(frame) - 1];
}

static long overflow(void *arg)
{
	return dig((long)arg);
}

struct crash {
	/* What runs in the child before it crashes; may not return. */
	void (*act)(struct crash *crash);
	bool catch_it;
	uint64_t id;
	char text[512];
	int status;
};

/* Run the crash in a child; its standard error lands in the text. */
static int crash_run(struct crash *crash)
{
	struct rlimit none = { 0, 0 };
	size_t len = 0;
	ssize_t ret;
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fds[1], STDERR_FILENO);
		if (crash->catch_it && coro_debug_catch_overflow())
			_exit(2);
		crash->act(crash);
		_exit(3);
	}
	close(fds[1]);
	while (len < sizeof(crash->text) - 1) {
		ret = read(fds[0], crash->text + len,
			   sizeof(crash->text) - 1 - len);
		if (ret <= 0)
			break;
		len += ret;
	}
	crash->text[len] = '\0';
	close(fds[0]);
	return waitpid(pid, &crash->status, 0) == pid ? 0 : -errno;
}

static void act_overflow(struct crash *crash)
{
	struct coro *innocent = coro_new_named(yield_once, NULL, "innocent");
	struct coro *c =
		coro_new_named(overflow, (void *)(1L << 30), "deep one");
	char line[64];

	(void)crash;
	coro_resume(innocent, 0, NULL);
	snprintf(line, sizeof(line), "id=%llu\n",
		 (unsigned long long)coro_id(c));
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		_exit(4);
	coro_resume(c, 0, NULL);
}

#define OVERFLOW_LINE \
	"coro: stack overflow in coroutine \"deep one\" (id %llu, 65536 bytes of stack)\n"

TEST_F(debug, overflow_is_named_and_ends_the_process)
{
	struct crash crash = { .act = act_overflow, .catch_it = true };
	unsigned long long id = 0;
	char want[128];
	char *line;

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(crash.status));
	ASSERT_EQ(1, sscanf(crash.text, "id=%llu", &id));
	line = strchr(crash.text, '\n');
	ASSERT_NE(NULL, line);
	snprintf(want, sizeof(want), OVERFLOW_LINE, id);
	EXPECT_STREQ(want, line + 1);
}

TEST_F(debug, nothing_is_printed_unless_asked_for)
{
	struct crash crash = { .act = act_overflow };
	char *line;

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(crash.status));
	line = strchr(crash.text, '\n');
	ASSERT_NE(NULL, line);
	EXPECT_STREQ("", line + 1);
}

static void act_overflow_inside(struct crash *crash);

static long resume_overflow(void *arg)
{
	act_overflow(arg);
	return 0;
}

static void act_overflow_inside(struct crash *crash)
{
	coro_resume(coro_new_named(resume_overflow, crash, "outer"), 0, NULL);
}

TEST_F(debug, overflow_names_the_innermost)
{
	struct crash crash = { .act = act_overflow_inside, .catch_it = true };

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_NE(NULL, strstr(crash.text, "\"deep one\""));
	EXPECT_EQ(NULL, strstr(crash.text, "\"outer\""));
}

static volatile char *volatile nowhere = (char *)16;

static long touch_nowhere(void *arg)
{
	(void)arg;
	return *nowhere;
}

static void act_fault_elsewhere(struct crash *crash)
{
	(void)crash;
	coro_resume(coro_new(touch_nowhere, NULL), 0, NULL);
}

TEST_F(debug, other_faults_end_the_process_without_a_word)
{
	struct crash crash = { .act = act_fault_elsewhere, .catch_it = true };

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(crash.status));
	EXPECT_STREQ("", crash.text);
}

static void act_raise(struct crash *crash)
{
	(void)crash;
	raise(SIGSEGV);
}

TEST_F(debug, raised_signals_end_the_process)
{
	struct crash crash = { .act = act_raise, .catch_it = true };

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(crash.status));
}

static void former_handler(int sig, siginfo_t *info, void *context)
{
	static const char said[] = "former handler\n";

	(void)context;
	if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0)
		_exit(4);
	_exit(sig == SIGSEGV && info ? 42 : 43);
}

static void install_former(void)
{
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sa.sa_sigaction = former_handler;
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static void act_fault_with_former(struct crash *crash)
{
	install_former();
	if (coro_debug_catch_overflow())
		_exit(2);
	act_fault_elsewhere(crash);
}

static void act_overflow_with_former(struct crash *crash)
{
	install_former();
	if (coro_debug_catch_overflow())
		_exit(2);
	act_overflow(crash);
}

TEST_F(debug, other_faults_go_to_the_former_handler)
{
	struct crash crash = { .act = act_fault_with_former };

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFEXITED(crash.status));
	EXPECT_EQ(42, WEXITSTATUS(crash.status));
	EXPECT_STREQ("former handler\n", crash.text);
}

TEST_F(debug, overflow_goes_to_the_former_handler_once_it_is_named)
{
	struct crash crash = { .act = act_overflow_with_former };
	char *line, *former;

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFEXITED(crash.status));
	EXPECT_EQ(42, WEXITSTATUS(crash.status));
	line = strstr(crash.text,
		      "coro: stack overflow in coroutine \"deep one\"");
	former = strstr(crash.text, "former handler\n");
	EXPECT_NE(NULL, line);
	EXPECT_NE(NULL, former);
	EXPECT_LT(line, former);
}

static void *overflow_thread(void *arg)
{
	if (coro_debug_catch_overflow())
		_exit(2);
	act_overflow(arg);
	return NULL;
}

static void act_overflow_in_thread(struct crash *crash)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, overflow_thread, crash))
		pthread_join(thread, NULL);
}

TEST_F(debug, overflow_is_named_in_every_thread_that_asked)
{
	struct crash crash = { .act = act_overflow_in_thread,
			       .catch_it = true };

	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_NE(NULL, strstr(crash.text, "coroutine \"deep one\""));
}

TEST_F(debug, catching_twice_is_fine)
{
	struct crash crash = { .act = act_overflow, .catch_it = true };
	char *line;

	EXPECT_EQ(0, coro_debug_catch_overflow());
	EXPECT_EQ(0, coro_debug_catch_overflow());
	ASSERT_EQ(0, crash_run(&crash));
	EXPECT_TRUE(WIFSIGNALED(crash.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(crash.status));
	line = strstr(crash.text, "coro: stack overflow");
	ASSERT_NE(NULL, line);
	EXPECT_EQ(NULL, strstr(line + 1, "coro: stack overflow"));
}

TEST_HARNESS_MAIN
