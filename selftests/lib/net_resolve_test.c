// SPDX-License-Identifier: MIT
/* A resolver that fails, or takes its time, as a test says; and who asks it. */
#include <netdb.h>

#include "lib_blocking.h"

LIB_FIXTURE(net_resolve)

/* Its thread's until a semaphore, or the count of functions, says that it is done. */
static struct {
	sem_t begun, go;
	bool blocks;
	/* What it says without asking, and leaves in errno. */
	int says, leaves;
	/* What it was asked, when it was let go. */
	char host[16], service[16];
	int flags;
	int nr_asked, nr_freed;
} resolver;

int __real_getaddrinfo(const char *host, const char *service,
		       const struct addrinfo *hints,
		       struct addrinfo **ret_list);
int __wrap_getaddrinfo(const char *host, const char *service,
		       const struct addrinfo *hints,
		       struct addrinfo **ret_list);
void __real_freeaddrinfo(struct addrinfo *list);
void __wrap_freeaddrinfo(struct addrinfo *list);

int __wrap_getaddrinfo(const char *host, const char *service,
		       const struct addrinfo *hints, struct addrinfo **ret_list)
{
	resolver.nr_asked++;
	if (resolver.blocks) {
		sem_post(&resolver.begun);
		sem_take(&resolver.go);
	}
	snprintf(resolver.host, sizeof(resolver.host), "%s", host);
	snprintf(resolver.service, sizeof(resolver.service), "%s", service);
	resolver.flags = hints->ai_flags;
	errno_set(resolver.leaves);
	if (resolver.says)
		return resolver.says;
	return __real_getaddrinfo(host, service, hints, ret_list);
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
	resolver.nr_freed++;
	__real_freeaddrinfo(list);
}

static void resolver_block(void)
{
	sem_init(&resolver.begun, 0, 0);
	sem_init(&resolver.go, 0, 0);
	resolver.blocks = true;
}

/* In the caller's memory, which is its own again when it gives up. */
struct question {
	char host[16], service[16];
	struct addrinfo hints;
	struct addrinfo *list;
	int err;
};

static struct question *question_init(struct question *q)
{
	memset(q, 0, sizeof(*q));
	strcpy(q->host, "127.0.0.1");
	strcpy(q->service, "7");
	q->hints.ai_flags = AI_NUMERICHOST;
	q->list = (void *)POISON_LONG;
	q->err = 1;
	return q;
}

static long ask(void *arg)
{
	struct question *q = arg;

	q->err = coro_net_resolve(q->host, q->service, &q->hints, &q->list,
				  CORO_NEVER);
	return 0;
}

static struct coro *ask_meanwhile(struct question *q)
{
	struct coro *c = coro_new(ask, q);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_BLOCKING);
	return c;
}

static long ask_for_failures(void *arg)
{
	static const struct {
		int says, leaves, err;
	} failures[] = {
		{ EAI_AGAIN, ENOTTY, -EAGAIN },
		{ EAI_MEMORY, 0, -ENOMEM },
		{ EAI_FAIL, ENOTTY, -EIO },
		{ EAI_SYSTEM, EMFILE, -EMFILE },
		{ EAI_SYSTEM, 0, -EIO },
		{ EAI_NONAME, ENOTTY, -ENOENT },
		{ EAI_NODATA, 0, -ENOENT },
		{ EAI_ADDRFAMILY, 0, -ENOENT },
		{ EAI_SERVICE, ENOTTY, -EINVAL },
		{ EAI_FAMILY, 0, -EINVAL },
	};
	struct question q;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		resolver.says = failures[i].says;
		resolver.leaves = failures[i].leaves;
		ask(question_init(&q));
		EXPECT_EQ(failures[i].err, q.err);
		EXPECT_EQ((void *)POISON_LONG, (void *)q.list);
	}
	EXPECT_EQ(ARRAY_SIZE(failures), resolver.nr_asked);
	EXPECT_EQ(0, resolver.nr_freed);
	return 0;
}

TEST_F(net_resolve, each_failure_is_told_as_an_errno)
{
	EXPECT_EQ(0, coro_run(ask_for_failures, NULL));
}

static long give_up(void *arg)
{
	struct question *q = arg;
	struct coro *c = ask_meanwhile(q);

	sem_take(&resolver.begun);
	EXPECT_EQ(0, coro_cancel(c));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, coro_sleep(0));
	/* With no answer yet. */
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(-ECANCELED, q->err);
	EXPECT_EQ((void *)POISON_LONG, (void *)q->list);
	memset(q, 0, sizeof(*q));
	sem_post(&resolver.go);
	return coro_await(c);
}

/* THR-10 */
TEST_F(net_resolve, question_left_behind_has_copies_and_its_answer_is_freed)
{
	struct question q;

	resolver_block();
	EXPECT_EQ(0, coro_run(give_up, question_init(&q)));
	while (info_now().left)
		sched_yield();
	EXPECT_STREQ("127.0.0.1", resolver.host);
	EXPECT_STREQ("7", resolver.service);
	EXPECT_EQ(AI_NUMERICHOST, resolver.flags);
	EXPECT_EQ(1, resolver.nr_asked);
	EXPECT_EQ(1, resolver.nr_freed);
}

static long give_up_before_it_is_asked(void *arg)
{
	struct question first, *q = arg;
	struct coro *one = ask_meanwhile(question_init(&first));
	struct coro *c = ask_meanwhile(q);

	sem_take(&resolver.begun);
	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	EXPECT_EQ(-ECANCELED, q->err);
	sem_post(&resolver.go);
	coro_await(one);
	EXPECT_EQ(0, first.err);
	EXPECT_EQ(0, resolver.nr_freed);
	freeaddrinfo(first.list);
	return 0;
}

/* THR-11 */
TEST_F(net_resolve, question_given_up_in_time_is_never_asked)
{
	struct question q;

	resolver_block();
	EXPECT_EQ(0, coro_blocking_set_limit(1));
	EXPECT_EQ(0, coro_run(give_up_before_it_is_asked, question_init(&q)));
	EXPECT_EQ(1, resolver.nr_asked);
	EXPECT_EQ((void *)POISON_LONG, (void *)q.list);
}

TEST_HARNESS_MAIN
