// SPDX-License-Identifier: MIT
/* Stacks: guards, depth, recycling, and very many of them. Needs no io_uring. */
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include "lib_common.h"

LIB_FIXTURE(stack)

static NOINLINE long dig(long bytes)
{
	volatile char frame[1024];

	frame[0] = 1;
	frame[sizeof(frame) - 1] = 1;
	if (bytes <= (long)sizeof(frame))
		return frame[0];
	return dig(bytes - (long)sizeof(frame)) + frame[sizeof(frame) - 1];
}

static long dig_deep(void *arg)
{
	return dig((long)arg) > 0;
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static long overflow_in_child(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct coro *c = coro_new(dig_deep, arg);

	setrlimit(RLIMIT_CORE, &none);
	coro_resume(c, 0, NULL);
	return 1;
}

TEST_F(stack, overflow_ends_the_process_by_sigsegv)
{
	int status = in_child(overflow_in_child, (void *)(1L << 30));

	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

struct spot {
	char *at;
};

static long note_spot(void *arg)
{
	struct spot *s = arg;
	volatile char here = 0;

	s->at = (char *)&here;
	return coro_yield(0, NULL);
}

static long touch_the_guard(void *arg)
{
	struct spot s = { NULL };
	struct coro *c = coro_new(note_spot, &s);
	uintptr_t page = getpagesize(), low;
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	coro_resume(c, 0, NULL);
	/* Down from where it is, page by page: there has to be a guard within its size. */
	for (low = (uintptr_t)s.at & -page;
	     (uintptr_t)s.at - low <= coro_size(c) + page; low -= page)
		*(volatile char *)low = arg ? 1 : *(volatile char *)low;
	return 1;
}

/* OBJ-06 */
TEST_F(stack, guard_lies_within_the_size_below)
{
	int status = in_child(touch_the_guard, NULL);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(touch_the_guard, "write");
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

#ifdef __SANITIZE_ADDRESS__
#define FRAMES 4
#else
#define FRAMES 2
#endif

/* OBJ-06 */
TEST_F(stack, most_of_the_size_can_be_used)
{
	struct coro *c = coro_new(dig_deep, NULL);
	long room = (long)coro_size(c);
	long value = POISON_LONG;

	coro_put(c);
	c = coro_new(dig_deep, (void *)(room / FRAMES));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(1, value);
	coro_put(c);
}

static long use_large_stacks(void *arg)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .stack_size_bytes = 1 << 20 };
	struct coro *c;
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_thread_init(&opts));
	c = coro_new(dig_deep, (void *)(long)((1 << 20) / FRAMES));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(1, value);
	coro_put(c);
	return 0;
}

/* OBJ-06 */
TEST_F(stack, size_can_be_chosen)
{
	EXPECT_EQ(0, in_thread(use_large_stacks, NULL));
}

static long dig_and_yield(void *arg)
{
	long ret = dig((long)arg);

	coro_yield(ret, NULL);
	return 0;
}

/* DIA-23 */
TEST_F(stack, peak_tells_how_deep_it_was)
{
	int64_t page = getpagesize(), shallow, deep;
	struct coro *c = coro_new(dig_and_yield, (void *)1L);
	struct coro *d = coro_new(dig_and_yield, (void *)24000L);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_YIELDED, coro_resume(d, 0, NULL));
	shallow = coro_stack_peak(c);
	deep = coro_stack_peak(d);
	EXPECT_LT(0, shallow);
	EXPECT_EQ(0, shallow % page);
	EXPECT_GT((int64_t)coro_size(c), shallow);
	EXPECT_LE(24000 / page * page, deep);
	EXPECT_EQ(0, deep % page);
	EXPECT_GE((int64_t)coro_size(d), deep);
	EXPECT_LT(shallow, deep);
	coro_put(c);
	coro_put(d);
}

/* OBJ-17 */
TEST_F(stack, recycled_one_has_nothing_of_its_predecessor)
{
	uint64_t old = 0, arg = 1;
	long value;
	int i;

	for (i = 0; i < 100; i++) {
		long (*fn)(void *arg) = i % 2 ? yield_once : give_arg;
		const char *name = i % 2 ? "odd" : "";
		struct coro *c = coro_new_named(fn, (void *)(long)i, name);

		EXPECT_NE(old, coro_id(c));
		EXPECT_EQ(NULL, coro_find(old));
		old = coro_id(c);
		EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
		EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(c, &arg));
		EXPECT_EQ((uint64_t)0, arg);
		EXPECT_STREQ(name, coro_name(c));
		value = POISON_LONG;
		EXPECT_EQ(i % 2 ? CORO_YIELDED : CORO_ENDED,
			  coro_resume(c, 0, &value));
		EXPECT_EQ(i, value);
		coro_put(c);
	}
}

static long await_next(void *arg)
{
	long depth = (long)arg;

	if (!depth)
		return coro_yield(0, NULL);
	return coro_await(coro_new(await_next, (void *)(depth - 1)));
}

TEST_F(stack, recycled_one_is_awaited_by_nobody)
{
	struct coro *c, *d;
	int i;

	for (i = 0; i < 20; i++) {
		c = coro_new(await_next, (void *)10L);
		EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
		coro_put(c);
		d = coro_new(yield_once, (void *)5L);
		EXPECT_EQ(CORO_YIELDED, coro_resume(d, 0, NULL));
		EXPECT_EQ(CORO_AWAITS_RESUME, coro_awaits(d, NULL));
		EXPECT_EQ(CORO_ENDED, coro_resume(d, 0, NULL));
		coro_put(d);
	}
}

static long recycle_without_system_calls(void *arg)
{
	struct coro *c;
	long value;
	int i;

	(void)arg;
	c = coro_new(yield_once, NULL);
	coro_resume(c, 0, NULL);
	coro_put(c);
	/* From here on all but read, write, exit and sigreturn ends in SIGKILL. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 1;
	for (i = 0; i < 1000; i++) {
		value = 0;
		c = coro_new(yield_once, (void *)(long)i);
		if (!c || coro_resume(c, 0, &value) != CORO_YIELDED ||
		    value != i || coro_resume(c, 0, NULL) != CORO_ENDED)
			syscall(SYS_exit, 2);
		coro_put(c);
	}
	syscall(SYS_exit, 0);
	return 0;
}

/* OBJ-01 */
TEST_F(stack, cached_ones_are_had_without_a_system_call)
{
	if (prctl(PR_GET_SECCOMP) < 0)
		SKIP(return, "no seccomp here");
	EXPECT_EQ(0, in_child(recycle_without_system_calls, NULL));
}

static uint64_t stat_contexts(void)
{
	struct coro_stats stats = { .size = sizeof(stats) };

	return coro_stats_read(&stats) ? 0 : stats.contexts;
}

static long cache_few(void *arg)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .max_cached = 4 };
	struct coro *c[200], *keep;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_thread_init(&opts));
	keep = coro_new(give_arg, NULL);
	for (i = 0; i < 200; i++)
		c[i] = coro_new(give_arg, NULL);
	EXPECT_LE((uint64_t)201, stat_contexts());
	for (i = 0; i < 200; i++)
		coro_put(c[i]);
	EXPECT_GE((uint64_t)5, stat_contexts());
	EXPECT_LE((uint64_t)1, stat_contexts());
	coro_put(keep);
	return 0;
}

TEST_F(stack, no_more_are_cached_than_asked_for)
{
	EXPECT_EQ(0, in_thread(cache_few, NULL));
}

/* As many as the machine has memory for, 3 pages each, up to 100,000. */
static long how_many(void)
{
	struct sysinfo info;
	long nr;

	sysinfo(&info);
	nr = (long)((uint64_t)info.freeram * info.mem_unit / 2 /
		    (3 * getpagesize()));
	return nr < 100000 ? nr : 100000;
}

/*
 * All of them live on the device. Plain memory gives up
 * cleanly where the kernel's limit of mappings is reached.
 */
TEST_F(stack, hundred_thousand_live_at_once)
{
	long nr = how_many(), made, i, value;
	struct coro **c = calloc(nr, sizeof(*c));
	int err = 0;

	for (made = 0; made < nr; made++) {
		err = coro_create(&c[made], yield_once, (void *)made, NULL);
		if (err)
			break;
	}
	if (made < nr) {
		EXPECT_STREQ("portable", coro_backend());
		EXPECT_EQ(-ENOMEM, err);
		EXPECT_LT(20000, made);
	}
	for (i = 0; i < made; i += 8) {
		value = POISON_LONG;
		EXPECT_EQ(CORO_YIELDED, coro_resume(c[i], 0, &value));
		EXPECT_EQ(i, value);
	}
	for (i = 0; i < made; i++) {
		EXPECT_EQ(i % 8 ? CORO_STATE_CREATED : CORO_STATE_SUSPENDED,
			  coro_state(c[i]));
		coro_put(c[i]);
	}
	EXPECT_EQ(0, coro_create(&c[0], yield_once, NULL, NULL));
	coro_put(c[0]);
	free(c);
}

/* OBJ-17 */
TEST_F(stack, random_creation_and_end_keep_all_apart)
{
	uint64_t seed = 2463534242;
	struct coro *c[64] = { NULL };
	long value, i, k;

	for (i = 0; i < 20000; i++) {
		k = rnd(&seed) % 64;
		if (!c[k]) {
			c[k] = coro_new(yield_once, (void *)k);
			ASSERT_NE(NULL, c[k]);
		} else if (coro_state(c[k]) == CORO_STATE_CREATED &&
			   rnd(&seed) % 4) {
			value = POISON_LONG;
			EXPECT_EQ(CORO_YIELDED, coro_resume(c[k], 0, &value));
			EXPECT_EQ(k, value);
		} else {
			coro_put(c[k]);
			c[k] = NULL;
		}
	}
	for (k = 0; k < 64; k++)
		coro_put(c[k]);
}

TEST_HARNESS_MAIN
