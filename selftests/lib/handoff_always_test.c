// SPDX-License-Identifier: MIT
/* A loop that is handed over wherever a coroutine blocks its thread. */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib_gate.h"

LIB_FIXTURE(handoff_always)

static long change_threads(void *arg)
{
	struct gate g;
	pid_t first, blocked;

	(void)arg;
	gate_begin(&g);
	first = tid_now();
	gate_pass(&g);
	blocked = tid_now();
	EXPECT_EQ(first, blocked);
	/* Any function of the library; that of the first wait that suspends is too late. */
	EXPECT_EQ(0, coro_check());
	EXPECT_EQ(hands_over(), tid_now() != blocked);
	while (!g.opener)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(g.opener, tid_now());
	gate_end(&g);
	return 0;
}

TEST_F(handoff_always, coroutine_is_in_turn_again_when_it_calls_the_library)
{
	EXPECT_EQ(0, run_always(change_threads, NULL));
}

static long return_from_all(void *arg)
{
	struct coro *c = coro_new(pass_and_return, (void *)3L);
	long value = 0;

	/* Of a coroutine of the loop, one that is awaited inline, and a call. */
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(3, coro_await(c));
	EXPECT_EQ(4, coro_await(coro_new(pass_and_return, (void *)4L)));
	EXPECT_EQ(5, coro_call(pass_and_return, (void *)5L, CORO_NEVER));
	EXPECT_EQ(6,
		  coro_call_shielded(pass_and_return, (void *)6L, CORO_NEVER));
	c = coro_new(pass_and_return, (void *)7L);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(7, value);
	coro_put(c);
	return pass_and_return(arg);
}

TEST_F(handoff_always, function_returns_while_another_thread_has_the_loop)
{
	EXPECT_EQ(9, run_always(return_from_all, (void *)9L));
}

static long pass_locked(void *arg)
{
	struct coro_mutex *m = arg;

	EXPECT_EQ(1, pass_gate((void *)1L));
	EXPECT_TRUE(coro_mutex_is_locked(m));
	return 2;
}

static long fail_to_pass(void *arg)
{
	EXPECT_EQ(1, pass_gate((void *)1L));
	return (long)arg;
}

static long block_in_bodies(void *arg)
{
	struct coro_job jobs[] = { { .fn = pass_gate, .arg = (void *)1L },
				   { .fn = pass_gate, .arg = (void *)2L },
				   { .fn = fail_to_pass, .arg = (void *)-5L } };
	struct coro_context *ctx;
	struct coro_mutex m;
	long value = 0;

	EXPECT_EQ(0, coro_mutex_init(&m, 0));
	EXPECT_EQ(2, coro_mutex_call(&m, pass_locked, &m, CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_fini(&m));
	EXPECT_EQ(0, coro_context_new(&ctx));
	EXPECT_EQ(0, coro_context_run(ctx, pass_gate, (void *)3L, &value));
	EXPECT_EQ(3, value);
	coro_context_put(ctx);
	EXPECT_EQ(0, coro_gather_each(jobs, ARRAY_SIZE(jobs)));
	EXPECT_EQ(1, jobs[0].result);
	EXPECT_EQ(2, jobs[1].result);
	EXPECT_EQ(-5, jobs[2].result);
	return (long)arg;
}

TEST_F(handoff_always, parts_of_a_coroutine_that_the_library_calls_may_block)
{
	EXPECT_EQ(0, run_always(block_in_bodies, NULL));
}

static long yield_between_gates(void *arg)
{
	for (long i = 0; i < 3; i++) {
		pass_gate(NULL);
		EXPECT_EQ(0, coro_yield(i, NULL));
		pass_gate(NULL);
	}
	return (long)arg;
}

static long step_generator(void *arg)
{
	struct coro_gen *g;
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_gen_new(&g, yield_between_gates, NULL));
	for (long i = 0; i < 3; i++) {
		pass_gate(NULL);
		EXPECT_LT(0, coro_gen_next(g, &value));
		EXPECT_EQ(i, value);
	}
	EXPECT_EQ(0, coro_gen_next(g, &value));
	coro_gen_free(g);
	return (long)arg;
}

TEST_F(handoff_always, generator_and_who_steps_it_may_block)
{
	EXPECT_EQ(2, run_always(step_generator, (void *)2L));
}

static long keep_errno(void *arg)
{
	struct gate g;

	(void)arg;
	gate_begin(&g);
	gate_pass(&g);
	errno_set(ENOTTY);
	coro_now();
	EXPECT_EQ(ENOTTY, errno_get());
	gate_end(&g);
	return 0;
}

TEST_F(handoff_always, errno_comes_along)
{
	EXPECT_EQ(0, run_always(keep_errno, NULL));
}

struct absent {
	struct gate gate;
	int met, later;
	bool done;
};

static long be_absent(void *arg)
{
	struct absent *a = arg;

	gate_pass(&a->gate);
	a->met = coro_sleep(0);
	a->later = coro_check();
	a->done = true;
	return 0;
}

/* On another thread than the one that it blocks. */
static long cancel_absent(void *arg)
{
	struct absent a = { .met = 1 };
	struct coro *c = coro_new(be_absent, &a);

	(void)arg;
	gate_init(&a.gate);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	if (hands_over()) {
		EXPECT_EQ(CORO_STATE_RUNNING, coro_state(c));
		EXPECT_EQ(-EBUSY, coro_resume(c, 0, NULL));
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
		EXPECT_FALSE(a.done);
		gate_open(&a.gate);
		EXPECT_EQ(0, coro_await(c));
		EXPECT_EQ(-ECANCELED, a.met);
		EXPECT_EQ(-ECANCELED, a.later);
	} else {
		EXPECT_EQ(0, coro_await(c));
	}
	close(a.gate.fd);
	return 0;
}

TEST_F(handoff_always, cancel_is_met_in_the_next_wait)
{
	EXPECT_EQ(0, run_always(cancel_absent, NULL));
}

/* The loop's end cancels it, and waits. */
static long leave_absent(void *arg)
{
	struct absent *a = arg;

	EXPECT_EQ(0, coro_spawn(be_absent, a));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

static void *open_from_outside(void *arg)
{
	struct absent *a = arg;

	usleep(20000);
	gate_open(&a->gate);
	return NULL;
}

TEST_F(handoff_always, loop_ends_when_all_are_back)
{
	struct absent a = { .met = 1 };
	pthread_t thread;

	gate_init(&a.gate);
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_from_outside, &a));
	EXPECT_EQ(0, run_always(leave_absent, &a));
	EXPECT_TRUE(a.done);
	EXPECT_TRUE(a.met == 0 || a.met == -ECANCELED);
	pthread_join(thread, NULL);
	close(a.gate.fd);
}

static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;

/* No call of the library while it has the mutex. */
static long lock_and_block(void *arg)
{
	struct gate *g = arg;

	pthread_mutex_lock(&contended);
	gate_read(g);
	pthread_mutex_unlock(&contended);
	return 0;
}

/* Who has it and who waits for it both leave the loop to who opens the gate. */
static long contend(void *arg)
{
	struct gate g;
	struct coro *c = coro_new(lock_and_block, &g);

	(void)arg;
	gate_begin(&g);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	pthread_mutex_lock(&contended);
	EXPECT_LT(0, g.opened);
	pthread_mutex_unlock(&contended);
	EXPECT_EQ(0, coro_await(c));
	gate_end(&g);
	return 0;
}

TEST_F(handoff_always, mutex_of_pthreads_may_be_waited_for)
{
	EXPECT_EQ(0, run_always(contend, NULL));
}

/* The parent is in D until its child ends, and that reads what another one writes. */
static long block_in_d(void *arg)
{
	struct gate g;
	uint64_t count;
	pid_t pid;

	gate_begin(&g);
	if (!hands_over())
		gate_open(&g);
	pid = vfork();
	if (!pid)
		_exit(read(g.fd, &count, sizeof(count)) != sizeof(count));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_LT(0, g.opened);
	gate_end(&g);
	return (long)arg;
}

TEST_F(handoff_always, others_run_while_one_is_in_uninterruptible_sleep)
{
	EXPECT_EQ(1, run_always(block_in_d, (void *)1L));
}

/* A page that another coroutine of the loop brings. */
struct pager {
	int fd;
	char *page;
	size_t bytes;
};

static long bring_page(void *arg)
{
	struct pager *p = arg;
	struct uffdio_copy copy = { .len = p->bytes };
	char *from = calloc(1, p->bytes);
	struct uffd_msg msg;

	from[5] = 'x';
	if (coro_io_read(p->fd, &msg, sizeof(msg), CORO_NEVER) < 0) {
		free(from);
		return 0;
	}
	copy.dst = (uintptr_t)p->page;
	copy.src = (uintptr_t)from;
	EXPECT_EQ(0, ioctl(p->fd, UFFDIO_COPY, &copy));
	free(from);
	return 0;
}

static int pager_init(struct pager *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	p->bytes = (size_t)sysconf(_SC_PAGESIZE);
	p->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		return -errno;
	p->page = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)p->page;
	reg.range.len = p->bytes;
	EXPECT_EQ(0, ioctl(p->fd, UFFDIO_API, &api));
	EXPECT_EQ(0, ioctl(p->fd, UFFDIO_REGISTER, &reg));
	return 0;
}

static long touch_page(void *arg)
{
	struct pager p;
	struct coro *c;
	char byte;
	int err = pager_init(&p);

	(void)arg;
	/* Not everybody may, and not every kernel can. */
	if (err == -EPERM || err == -ENOSYS)
		return 0;
	EXPECT_EQ(0, err);
	c = coro_new(bring_page, &p);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	if (!hands_over())
		EXPECT_EQ(0, coro_cancel(c));
	byte = hands_over() ? *(volatile char *)&p.page[5] : 'x';
	EXPECT_EQ('x', byte);
	coro_await(c);
	munmap(p.page, p.bytes);
	close(p.fd);
	return 0;
}

TEST_F(handoff_always, page_fault_is_waited_for)
{
	EXPECT_EQ(0, run_always(touch_page, NULL));
}

struct told {
	pid_t before, after;
	bool ran;
};

static void block_when_told(void *arg)
{
	struct told *t = arg;

	t->before = tid_now();
	usleep(2000);
	t->after = tid_now();
	t->ran = true;
}

static long note_that_it_ran(void *arg)
{
	int *runs = arg;

	++*runs;
	return 0;
}

static long defer_a_block(void *arg)
{
	EXPECT_EQ(0, coro_defer(block_when_told, arg));
	return 0;
}

/* What is deferred is run by the library: others have no turn meanwhile. */
static long block_in_callback(void *arg)
{
	struct told t = { .ran = false };
	struct coro *c = coro_new(defer_a_block, &t);
	int runs = 0;

	EXPECT_EQ(0, coro_spawn(note_that_it_ran, &runs));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_TRUE(t.ran);
	EXPECT_EQ(t.before, t.after);
	EXPECT_EQ(0, runs);
	return (long)arg;
}

TEST_F(handoff_always, callbacks_are_not_handed_over)
{
	EXPECT_EQ(0, run_always(block_in_callback, NULL));
}

static long read_gate(void *arg)
{
	gate_pass(arg);
	return tid_now();
}

static long block_both_ways(void *arg)
{
	long tid = 0;

	for (int i = 0; i < 10; i++) {
		struct gate g;

		gate_begin(&g);
		EXPECT_EQ(0, coro_blocking(read_gate, &g, &tid));
		EXPECT_LT(0, tid);
		gate_end(&g);
		pass_gate(NULL);
	}
	return (long)arg;
}

TEST_F(handoff_always, coro_blocking_goes_on_as_before)
{
	EXPECT_EQ(0, run_always(block_both_ways, NULL));
}

/* The sanitizers know no pthread_exit() on another stack. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static long end_thread(void *arg)
{
	pass_and_return(NULL);
	pthread_exit(arg);
}

static long end_thread_at_once(void *arg)
{
	coro_now();
	pthread_exit(arg);
}

static void *run_and_end(void *arg)
{
	run_always((long (*)(void *))arg, NULL);
	return (void *)1;
}

TEST_F(handoff_always, thread_that_ends_in_a_coroutine_is_the_callers)
{
	long (*const fns[])(void *arg) = { end_thread, end_thread_at_once };

	for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
		pthread_t thread;
		void *ret = (void *)2;

		ASSERT_EQ(0, pthread_create(&thread, NULL, run_and_end,
					    (void *)fns[i]));
		ASSERT_EQ(0, pthread_join(thread, &ret));
		EXPECT_EQ(NULL, ret);
		EXPECT_EQ(7, run_always(pass_gate, (void *)7L));
	}
}
#endif

TEST_HARNESS_MAIN
