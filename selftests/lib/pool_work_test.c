// SPDX-License-Identifier: MIT
/* Work: what is refused, who may join and cancel it, and how it is called. */
#include "lib_pool.h"

LIB_FIXTURE(pool_work)

static int start_with(const struct coro_work_opts *opts)
{
	struct coro_work *w = (void *)POISON_LONG;
	int entered = 0;
	int err = coro_work_start(&w, coro_pool_self(), count_entry, &entered,
				  opts);

	EXPECT_EQ(!!err, (long)w == POISON_LONG);
	if (!err)
		EXPECT_EQ(0, end_work(w));
	EXPECT_EQ(!err, entered);
	return err;
}

static long give_wrongly(void *arg)
{
	struct {
		struct coro_work_opts known;
		long unknown;
	} o = { .known = on_loop(1) };

	(void)arg;
	EXPECT_EQ(0, start_with(NULL));
	EXPECT_EQ(0, start_with(&o.known));
	o.known.loop = 2;
	EXPECT_EQ(-EINVAL, start_with(&o.known));
	o.known.loop = UINT_MAX;
	EXPECT_EQ(-EINVAL, start_with(&o.known));
	/* A loop that is named without the flag was meant otherwise. */
	o.known.loop = 1;
	o.known.flags = 0;
	EXPECT_EQ(-EINVAL, start_with(&o.known));
	o.known.loop = 0;
	for (int bit = 1; bit < 64; bit++) {
		o.known.flags = UINT64_C(1) << bit;
		EXPECT_EQ(-EINVAL, start_with(&o.known));
	}
	o.known.flags = 0;
	o.known.size = 0;
	EXPECT_EQ(-EINVAL, start_with(&o.known));
	o.known.size = sizeof(o);
	EXPECT_EQ(0, start_with(&o.known));
	o.unknown = 1;
	EXPECT_EQ(-E2BIG, start_with(&o.known));
	o.known.size = offsetof(struct coro_work_opts, dispose);
	EXPECT_EQ(0, start_with(&o.known));
	return 0;
}

static long give_nothing(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	struct coro_work *w = (void *)POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_work_start(&w, NULL, give_arg, arg, NULL));
	EXPECT_EQ(-EINVAL, coro_work_start(&w, p, NULL, arg, NULL));
	EXPECT_EQ(POISON_LONG, (long)w);
	EXPECT_EQ(-EINVAL, coro_pool_spawn(NULL, give_arg, arg));
	EXPECT_EQ(-EINVAL, coro_pool_spawn(p, NULL, arg));
	EXPECT_EQ(-EINVAL, (coro_pool_spawn)(NULL, give_arg, arg));
	EXPECT_EQ(-EINVAL, (coro_pool_spawn)(p, NULL, arg));
	EXPECT_EQ(-EINVAL, coro_pool_spawn_named(NULL, give_arg, arg, "none"));
	EXPECT_EQ(-EINVAL, coro_pool_spawn_named(p, NULL, arg, "none"));
	EXPECT_EQ(-EINVAL, coro_pool_call(NULL, give_arg, arg, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_pool_call(p, NULL, arg, NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_work_join(NULL, NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_work_cancel(NULL));
	coro_work_put(NULL);
	return 0;
}

TEST_F(pool_work, bad_arguments_are_refused)
{
	EXPECT_EQ(0, run_pool(2, give_wrongly, NULL));
	EXPECT_EQ(0, run_pool(2, give_nothing, NULL));
}

static long join_outside(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EPERM, coro_work_join(arg, &value, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_work_join(arg, &value, 0));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

static void call_outside(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	long value = POISON_LONG;

	EXPECT_EQ(0, join_outside(arg));
	EXPECT_EQ(-EPERM, coro_pool_call(p, give_arg, NULL, NULL, &value));
	EXPECT_EQ(POISON_LONG, value);
}

static long join_without_loop(void *arg)
{
	struct coro *bare = coro_new(join_outside, arg);

	EXPECT_EQ(CORO_ENDED, coro_resume(bare, 0, NULL));
	coro_put(bare);
	return 0;
}

static long join_from_outside(void *arg)
{
	struct coro_work *w = start_work(give_arg, arg, NULL);

	EXPECT_EQ(0, in_thread(join_outside, w));
	EXPECT_EQ(0, in_thread(join_without_loop, w));
	EXPECT_EQ(0, coro_blocking(join_outside, w, NULL));
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), call_outside, w));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ((long)arg, end_work(w));
	return 0;
}

TEST_F(pool_work, only_coroutines_of_loops_join)
{
	EXPECT_EQ(0, run_pool(2, join_from_outside, (void *)4L));
}

static const long results[] = { 0,	    1,		 -1,	     -EINVAL,
				-ECANCELED, -EOWNERDEAD, -ETIMEDOUT, -EDEADLK,
				LONG_MIN,   LONG_MAX,	 CORO_EXIT };

static long join_again_and_again(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		struct coro_work *w =
			start_on(i % 2, give_arg, (void *)results[i]);
		long value = POISON_LONG;

		EXPECT_EQ(0, coro_work_join(w, NULL, CORO_NEVER));
		EXPECT_EQ(0, coro_work_join(w, &value, CORO_NEVER));
		EXPECT_EQ(results[i], value);
		/* A time that has passed is no matter then. */
		value = POISON_LONG;
		EXPECT_EQ(0, coro_work_join(w, &value, 0));
		EXPECT_EQ(results[i], value);
		EXPECT_EQ(-ESRCH, coro_work_cancel(w));
		EXPECT_EQ(-ESRCH, coro_work_cancel(w));
		EXPECT_EQ(results[i], end_work(w));
	}
	return 0;
}

TEST_F(pool_work, result_is_anything_and_is_had_any_number_of_times)
{
	EXPECT_EQ(0, run_pool(2, join_again_and_again, NULL));
}

struct joined {
	struct coro_work *work;
	int joiners;
};

static long join_it(void *arg)
{
	struct joined *j = arg;
	long value = POISON_LONG;

	count(&j->joiners);
	EXPECT_EQ(0, coro_work_join(j->work, &value, CORO_NEVER));
	return value;
}

enum { LOOPS = 4, JOINERS = 40 };

static long take_message(void *arg)
{
	uint64_t value = 0;

	__atomic_store_n((struct coro **)arg, coro_self(), __ATOMIC_RELEASE);
	EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
	return (long)value;
}

static long join_from_all_sides(void *arg)
{
	struct coro *taker = NULL;
	struct joined j = { .work = start_on(0, take_message, &taker) };
	struct coro_work *w[JOINERS];

	(void)arg;
	for (unsigned int i = 0; i < JOINERS; i++)
		w[i] = start_on(i % LOOPS, join_it, &j);
	while (counted(&j.joiners) < JOINERS || !taker)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_wake(taker, 12));
	for (int i = 0; i < JOINERS; i++)
		EXPECT_EQ(12, end_work(w[i]));
	EXPECT_EQ(12, end_work(j.work));
	return 0;
}

TEST_F(pool_work, many_join_one_from_several_loops)
{
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, run_pool(LOOPS, join_from_all_sides, NULL));
}

static long join_until(void *arg)
{
	struct coro_work *w = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-ECANCELED, coro_work_join(w, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_work_join(w, &value, CORO_NEVER));
	EXPECT_EQ(POISON_LONG, value);
	return 5;
}

static long give_up(void *arg)
{
	struct coro *taker = NULL;
	struct coro_work *w = start_on(0, take_message, &taker);
	struct coro_work *other = start_on(1, join_until, w);
	struct coro *here = coro_new(join_until, w);
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_start(here));
	EXPECT_EQ(-ETIMEDOUT, coro_work_join(w, &value, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_work_join(w, &value, coro_after(SOON_NS)));
	EXPECT_EQ(-ETIMEDOUT, coro_work_join(w, NULL, coro_after(1)));
	EXPECT_EQ(POISON_LONG, value);
	settle(here, CORO_AWAITS_HANDLE);
	EXPECT_EQ(0, coro_cancel(here));
	EXPECT_EQ(5, coro_await(here));
	EXPECT_EQ(0, coro_work_cancel(other));
	/* One that is cancelled before its start never joins. */
	value = end_work(other);
	EXPECT_TRUE(value == 5 || value == -ECANCELED);
	/* It knows nothing of all that. */
	EXPECT_EQ(0, coro_wake(taker, 8));
	EXPECT_EQ(8, end_work(w));
	return 0;
}

TEST_F(pool_work, joiner_that_gives_up_leaves_the_work_alone)
{
	EXPECT_EQ(0, run_pool(2, give_up, NULL));
}

static long join_itself(void *arg)
{
	struct joined *j = arg;
	long value = POISON_LONG;

	while (!__atomic_load_n(&j->work, __ATOMIC_ACQUIRE))
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EDEADLK, coro_work_join(j->work, &value, CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_work_join(j->work, &value, 0));
	EXPECT_EQ(POISON_LONG, value);
	/* But it can cancel itself. */
	EXPECT_EQ(0, coro_work_cancel(j->work));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	return 3;
}

static long let_join_itself(void *arg)
{
	(void)arg;
	for (unsigned int loop = 0; loop < 2; loop++) {
		struct joined j = { .work = NULL };
		struct coro_work *w = start_on(loop, join_itself, &j);

		__atomic_store_n(&j.work, w, __ATOMIC_RELEASE);
		EXPECT_EQ(3, end_work(w));
	}
	return 0;
}

TEST_F(pool_work, joining_itself_is_a_deadlock)
{
	EXPECT_EQ(0, run_pool(2, let_join_itself, NULL));
}

extern char __start_pool_giver[], __stop_pool_giver[];

static bool in_giver(const void *addr)
{
	return (const char *)addr > __start_pool_giver &&
	       (const char *)addr <= __stop_pool_giver;
}

static NOINLINE __attribute__((section("pool_giver"))) struct coro_work *
give_named(const char *name)
{
	struct coro_work_opts opts = on_loop(1);
	struct coro_work *w = NULL;
	int err;

	opts.name = name;
	err = coro_work_start(&w, coro_pool_self(), sleep_far, NULL, &opts);
	__asm__ volatile("" : "+r"(err));
	return err ? NULL : w;
}

static NOINLINE __attribute__((section("pool_giver"))) int spawn_named(void)
{
	int err = coro_pool_spawn(coro_pool_self(), sleep_far, NULL);

	__asm__ volatile("" : "+r"(err));
	return err;
}

struct wanted {
	const char *name;
	int found;
};

static int find(void *arg, const struct coro_info *info)
{
	struct wanted *w = arg;

	if (strcmp(info->name, w->name))
		return 0;
	w->found += info->entry == (void *)sleep_far && in_giver(info->origin);
	return 0;
}

/* Waits until it has begun, wherever. */
static void expect_listed(const char *name)
{
	struct wanted w = { .name = name };

	while (!w.found) {
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, coro_list(find, &w));
	}
	EXPECT_EQ(1, w.found);
}

static long call_names(void *arg)
{
	char name[2 * CORO_NAME_LEN];
	struct coro_work *w, *other;

	(void)arg;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	other = give_named(name);
	strcpy(name, "a name");
	w = give_named(name);
	/* It is copied. */
	memset(name, 'x', CORO_NAME_LEN - 1);
	name[CORO_NAME_LEN - 1] = '\0';
	expect_listed("a name");
	expect_listed(name);
	EXPECT_EQ(0, spawn_named());
	expect_listed("sleep_far");
	coro_work_put(w);
	coro_work_put(other);
	return 0;
}

TEST_F(pool_work, lists_show_its_name_and_who_gave_it)
{
	EXPECT_EQ(0, run_pool(2, call_names, NULL));
}

static long go_on_unreferenced(void *arg)
{
	struct coro_work *w;
	int runs = 0;

	(void)arg;
	for (int i = 0; i < 100; i++) {
		w = start_work(count_entry, &runs, NULL);
		EXPECT_EQ(w, coro_work_get(w));
		coro_work_put(w);
		coro_work_put(w);
		EXPECT_EQ(0, coro_pool_spawn(coro_pool_self(), count_entry,
					     &runs));
	}
	while (counted(&runs) < 200)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

TEST_F(pool_work, work_without_references_goes_on)
{
	EXPECT_EQ(0, run_pool(3, go_on_unreferenced, NULL));
}

static struct coro_work *kept;

static long keep_one(void *arg)
{
	kept = start_on(1, give_arg, arg);
	EXPECT_EQ(0, coro_work_join(kept, NULL, CORO_NEVER));
	return 0;
}

static long join_kept(void *arg)
{
	(void)arg;
	return end_work(kept);
}

TEST_F(pool_work, work_outlives_its_pool)
{
	EXPECT_EQ(0, run_pool(2, keep_one, (void *)6L));
	EXPECT_EQ(-ESRCH, coro_work_cancel(kept));
	/* And is joined from a loop of no pool. */
	EXPECT_EQ(6, coro_run(join_kept, NULL));
}

TEST_HARNESS_MAIN
