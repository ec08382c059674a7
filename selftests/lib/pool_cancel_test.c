// SPDX-License-Identifier: MIT
/* Work that is cancelled, or cannot begin: entered or disposed of, and whose failures are told. */
#include "lib_pool.h"

LIB_FIXTURE(pool_cancel)

static void give_pinned(struct coro_work **w, int nr, int *disposals,
			int *entries)
{
	struct coro_work_opts opts = on_loop(1);

	opts.dispose = count_disposal;
	for (int i = 0; i < nr; i++)
		w[i] = start_work(count_entry, i % 2 ? entries : disposals,
				  &opts);
}

static long cancel_unstarted(void *arg)
{
	int disposals = 0, entries = 0;
	struct coro_work *w[10];
	struct hold h;

	(void)arg;
	hold_up(&h, 1);
	give_pinned(w, 10, &disposals, &entries);
	for (int i = 0; i < 10; i += 2) {
		EXPECT_EQ(0, coro_work_cancel(w[i]));
		EXPECT_EQ(0, coro_work_cancel(w[i]));
		EXPECT_EQ(-ETIMEDOUT, coro_work_join(w[i], NULL, 0));
	}
	EXPECT_EQ(0, counted(&disposals));
	let_go(&h);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(i % 2 ? 0 : -ECANCELED, end_work(w[i]));
	/* Each of the two counts one thing only. */
	EXPECT_EQ(5, counted(&disposals));
	EXPECT_EQ(5, counted(&entries));
	return 0;
}

TEST_F(pool_cancel, one_that_has_not_started_is_disposed_of_and_not_entered)
{
	EXPECT_EQ(0, run_pool(2, cancel_unstarted, NULL));
	EXPECT_EQ(0, run_pool(4, cancel_unstarted, NULL));
}

/* Which of its two fates work met; never both, never one twice. */
struct fate {
	int entered, disposed;
};

static long enter(void *arg)
{
	struct fate *f = arg;
	int err;

	count(&f->entered);
	err = coro_sleep(0);
	if (!err)
		err = coro_sleep(CORO_MSEC / 20);
	return err;
}

static void dispose(void *arg)
{
	count_disposal(&((struct fate *)arg)->disposed);
}

static const struct coro_work_opts disposing = { .size = sizeof(disposing),
						 .dispose = dispose };

enum { RACERS = 2000 };

static void *cancel_all(void *arg)
{
	struct coro_work **w = arg;

	for (int i = 0; i < RACERS; i++) {
		int err = coro_work_cancel(w[i]);

		EXPECT_TRUE(err == 0 || err == -ESRCH);
	}
	return NULL;
}

static long race(void *arg)
{
	static struct coro_work *w[RACERS];
	static struct fate fate[RACERS];
	pthread_t thread;

	(void)arg;
	memset(fate, 0, sizeof(fate));
	for (int i = 0; i < RACERS; i++)
		w[i] = start_work(enter, &fate[i], &disposing);
	EXPECT_EQ(0, pthread_create(&thread, NULL, cancel_all, w));
	for (int i = 0; i < RACERS; i++) {
		long value = POISON_LONG;

		EXPECT_EQ(0, coro_work_join(w[i], &value, CORO_NEVER));
		EXPECT_EQ(1, fate[i].entered + fate[i].disposed);
		EXPECT_TRUE(value == -ECANCELED ||
			    (value == 0 && fate[i].entered));
		EXPECT_EQ(-ESRCH, coro_work_cancel(w[i]));
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < RACERS; i++)
		coro_work_put(w[i]);
	return 0;
}

TEST_F(pool_cancel, cancel_races_the_start_and_the_end)
{
	for (unsigned int loops = 1; loops <= 4; loops++)
		EXPECT_EQ(0, run_pool(loops, race, NULL));
}

static long meet_cancel(void *arg)
{
	sem_post(arg);
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	/* It is a state: the next wait fails as well. */
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ECANCELED, coro_check());
	return 9;
}

static long cancel_it(void *arg)
{
	return coro_work_cancel(arg);
}

static void call_cancel(void *arg)
{
	EXPECT_EQ(0, coro_work_cancel(arg));
}

static long cancel_running(void *arg)
{
	sem_t begun;

	(void)arg;
	sem_init(&begun, 0, 0);
	for (int i = 0; i < 40; i++) {
		struct coro_work *w = start_on(1, meet_cancel, &begun);
		int err = 0;

		sem_take(&begun);
		if (i % 4 == 0)
			err = coro_work_cancel(w);
		else if (i % 4 == 1)
			err = (int)in_thread(cancel_it, w);
		else if (i % 4 == 2)
			err = (int)end_work(start_on(1, cancel_it, w));
		else
			err = coro_call_soon(coro_loop_self(), call_cancel, w);
		EXPECT_EQ(0, err);
		EXPECT_EQ(9, end_work(w));
	}
	sem_destroy(&begun);
	return 0;
}

TEST_F(pool_cancel, cancel_reaches_what_runs_from_anywhere)
{
	EXPECT_EQ(0, run_pool(2, cancel_running, NULL));
}

static long hold_and_ignore(void *arg)
{
	struct hold *h = arg;

	hold_loop(h);
	return 4;
}

static long cancel_computing(void *arg)
{
	struct coro_work *w;
	struct hold h;

	(void)arg;
	sem_init(&h.begun, 0, 0);
	sem_init(&h.go, 0, 0);
	w = start_on(1, hold_and_ignore, &h);
	sem_take(&h.begun);
	EXPECT_EQ(0, coro_work_cancel(w));
	EXPECT_EQ(0, coro_work_cancel(w));
	sem_post(&h.go);
	/* It ended before the loop came to that; nothing is left of it. */
	EXPECT_EQ(4, end_work(w));
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, end_work(start_on(1, give_arg, NULL)));
	return 0;
}

TEST_F(pool_cancel, one_that_ends_all_the_same_keeps_its_result)
{
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, run_pool(2, cancel_computing, NULL));
}

static int disposals, entries;

static long wait_for_message(void *arg)
{
	uint64_t value;

	(void)arg;
	count(&entries);
	return coro_recv(&value, CORO_NEVER);
}

static void count_static(void *arg)
{
	(void)arg;
	count_disposal(&disposals);
}

/* A scheduler for three: the loop's own, and two more. */
static long fill(void *arg)
{
	struct coro_work_opts opts = on_loop(1);
	struct coro_work *w[5];
	long value;
	int refused = 0;

	(void)arg;
	opts.dispose = count_static;
	for (int i = 0; i < 5; i++)
		w[i] = start_work(wait_for_message, NULL, &opts);
	while (counted(&entries) + counted(&disposals) < 5)
		EXPECT_EQ(0, coro_sleep(0));
	/* How many there is room for is the backend's. */
	EXPECT_LE(1, counted(&disposals));
	EXPECT_LE(1, counted(&entries));
	for (int i = 0; i < 5; i++) {
		coro_work_cancel(w[i]);
		value = end_work(w[i]);
		EXPECT_TRUE(value == -ECANCELED || value == -ENOSPC);
		refused += value == -ENOSPC;
	}
	EXPECT_EQ(refused, counted(&disposals));
	/* There is room again. */
	EXPECT_EQ(3, end_work(start_on(1, give_arg, (void *)3L)));
	EXPECT_EQ(refused, counted(&disposals));
	return 0;
}

TEST_F(pool_cancel, one_that_no_coroutine_can_be_made_for_says_why)
{
	const struct coro_thread_opts thread = { .size = sizeof(thread),
						 .max_coroutines = 3 };
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = 2,
					     .thread = &thread };
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_pool_run(fill, NULL, &opts, &value));
	EXPECT_EQ(0, value);
}

static struct {
	int nr, other;
	long value;
	char name[CORO_NAME_LEN];
} told;

static void note(void *arg, const struct coro_report *r)
{
	(void)arg;
	if (r->kind != CORO_REPORT_NEVER_RETRIEVED) {
		count(&told.other);
		return;
	}
	count(&told.nr);
	told.value = r->value;
	snprintf(told.name, sizeof(told.name), "%s", r->info->name);
}

static long fail_and_tell(void *arg)
{
	count(arg);
	return -EIO;
}

static long fail_seen_and_unseen(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	struct coro_work *w;
	int ran = 0;

	(void)arg;
	w = start_work(fail_and_tell, &ran, NULL);
	while (coro_work_join(w, NULL, coro_after(SOON_NS)))
		;
	coro_work_put(w);
	EXPECT_EQ(0, coro_pool_call(p, fail_and_tell, &ran, NULL, NULL));
	EXPECT_EQ(0, counted(&told.nr));
	/* Nobody joins it, but somebody could have. */
	w = start_on(1, fail_and_tell, &ran);
	EXPECT_EQ(0, end_work(start_on(1, give_arg, NULL)));
	coro_work_put(w);
	EXPECT_EQ(0, coro_pool_spawn(p, count_entry, &ran));
	while (counted(&ran) < 4)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, counted(&told.nr));
	EXPECT_EQ(0, coro_pool_spawn(p, fail_and_tell, &ran));
	while (counted(&ran) < 5)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

TEST_F(pool_cancel, failure_is_told_of_work_that_nobody_can_join)
{
	coro_report_to(note, NULL);
	EXPECT_EQ(0, run_pool(2, fail_seen_and_unseen, NULL));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(1, told.nr);
	EXPECT_EQ(0, told.other);
	EXPECT_EQ(-EIO, told.value);
	EXPECT_STREQ("fail_and_tell", told.name);
}

TEST_HARNESS_MAIN
