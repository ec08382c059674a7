// SPDX-License-Identifier: GPL-2.0
/*
 * Storms: processes pass handles on and send, receive and join while others of
 * them are killed. What a sender was told is delivered is received once, or its
 * receiver is dead or had ended; nobody hangs, and nothing is left.
 *
 * A round is one owner and one to six others. The parent makes the sockets, so
 * that whoever dies is an end of file to those who wait for its handles.
 */
#include "uring.h"

#define ROUNDS 125
/* For so long where a round is slow: a kernel that checks itself has fewer. */
#define SECONDS 12
#define NR_SENDERS 3
#define PER_SENDER 12
#define NR_VALUES (NR_SENDERS * PER_SENDER)
#define RESULT 4242

enum part {
	OWNER,
	SENDER, /* three of them */
	RECEIVER = SENDER + NR_SENDERS, /* of the second context */
	JUGGLER, /* makes, passes on and closes */
	JOINER, /* has its handle from the juggler */
	NR_ROLES,
};

/* What processes tell, even if they are killed: one for each value. */
struct tale {
	unsigned char sent[NR_VALUES]; /* the sender was told so */
	unsigned char got[NR_VALUES]; /* times */
	bool all_read; /* the owner has read all before it ended */
	bool receiver_done; /* what it took it has told */
	__u32 errors;
};

struct storm {
	struct tale *tale;
	__u64 seed;
	bool uses_rings, direct;
	int sock[NR_ROLES][2]; /* 0: of the giver, 1: of whose role it is */
	pid_t pid[NR_ROLES];
};

static void tell_error(struct storm *s, const char *who, long ret)
{
	fprintf(stderr, "# %s: %ld\n", who, ret);
	__atomic_fetch_add(&s->tale->errors, 1, __ATOMIC_SEQ_CST);
}

static void tell_got(struct storm *s, __u64 value)
{
	if (value < NR_VALUES)
		__atomic_fetch_add(&s->tale->got[value], 1, __ATOMIC_SEQ_CST);
	else
		tell_error(s, "a value", value);
}

/* Read what the scheduler has; -errno when there is no more. */
static long owner_read(struct storm *s, int fd)
{
	struct coro_event events[5];
	long n, i;

	while ((n = event_read(fd, events, 5)) > 0) {
		for (i = 0; i < n; i++) {
			if (events[i].kind == CORO_EVENT_MESSAGE)
				tell_got(s, events[i].value);
		}
	}
	return n;
}

/* Give every other its handles, and close them here. */
static int owner_give(struct storm *s, int fd, const __u64 *ids)
{
	static const struct {
		enum part to;
		int ctx;
		__u32 rights;
	} gifts[] = {
		{ SENDER, 0, SEND },
		{ SENDER, 1, SEND },
		{ SENDER + 1, 0, SEND },
		{ SENDER + 1, 1, SEND },
		{ SENDER + 2, 0, SEND | CANCEL },
		{ SENDER + 2, 1, SEND | CANCEL },
		{ RECEIVER, 1, RECV },
		{ JUGGLER, 0, SEND | JOIN | CANCEL },
		{ JUGGLER, 1, JOIN },
	};
	unsigned int i;
	int hnd;

	for (i = 0; i < ARRAY_SIZE(gifts); i++) {
		hnd = ctx_export(fd, ids[gifts[i].ctx], gifts[i].rights,
				 CORO_EXPORT_F_CLOEXEC);
		if (hnd < 0)
			return hnd;
		/* Whom it is for may not be there, or not any more. */
		fd_send(s->sock[gifts[i].to][0], hnd, i);
		close(hnd);
	}
	return 0;
}

/* Read until told to end; end both contexts, and read what is left. */
static long be_owner(struct storm *s)
{
	struct coro_finish ends[2] = { { 0, RESULT }, { 0, RESULT } };
	struct pollfd pfd[2] = { 0 };
	struct sched own;
	__u64 ids[2];

	MUST(0, sched_new(&own, 8, 4, 2 * PAGE));
	MUST(0, set_nonblock(own.fd));
	MUST(0, ctx_alloc_one(own.fd, &ids[0], 0));
	MUST(0, ctx_alloc_one(own.fd, &ids[1],
			      s->direct ? CORO_ALLOC_F_DIRECT : 0));
	MUST(0, owner_give(s, own.fd, ids));
	pfd[0] = (struct pollfd){ .fd = own.fd, .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = s->sock[OWNER][1] };
	do {
		poll(pfd, 2, -1);
		MUST(-EAGAIN, owner_read(s, own.fd));
	} while (!(pfd[1].revents & POLLHUP));
	ends[0].id = ids[0];
	ends[1].id = ids[1];
	MUST(2, ctx_finish_many(own.fd, ends, 2));
	MUST(-EAGAIN, owner_read(s, own.fd));
	s->tale->all_read = true;
	/* The receiver may still have some of a direct one to take. */
	if (s->direct)
		fd_recv(s->sock[RECEIVER][0], (long[1]){});
	MUST(2, ctx_free(own.fd, ids, 2, 0));
	return 0;
}

/* One message, in one of the ways: 0, or -errno. */
static long send_somehow(struct storm *s, struct ring *r, int fd, __u64 value)
{
	struct coro_uring_args args = args_send(0, value, CORO_NO_DEADLINE);
	long ret = -EOPNOTSUPP;

	if (s->uses_rings)
		ret = ring_run(r, fd, CORO_URING_SEND, &args);
	return ret == -EOPNOTSUPP ? hnd_send(fd, value) : ret;
}

static long be_sender(struct storm *s, enum part role)
{
	static struct ring r;
	__u64 value = (role - SENDER) * PER_SENDER;
	int hnd[2], i;
	long ret;

	hnd[0] = fd_recv(s->sock[role][1], &ret);
	hnd[1] = fd_recv(s->sock[role][1], &ret);
	if (hnd[0] < 0 || hnd[1] < 0)
		return 0;
	if (s->uses_rings)
		MUST(0, ring_init(&r, 0, false, false));
	for (i = 0; i < PER_SENDER; i++, value++) {
		ret = send_somehow(s, &r, hnd[i & 1], value);
		if (ret == -EPIPE)
			break;
		s->tale->sent[value] = !ret;
		if (ret)
			tell_error(s, "a sender", ret);
	}
	ret = ctx_cancel(hnd[0], 0, role);
	if (role == SENDER + 2 && ret && ret != -ESRCH && ret != -EOWNERDEAD &&
	    ret != -ESTALE)
		tell_error(s, "a request to cancel", ret);
	return 0;
}

static long recv_somehow(struct storm *s, struct ring *r, int fd,
			 struct coro_event *events, int nr)
{
	struct coro_uring_args args =
		args_park(0, events, nr, CORO_NO_DEADLINE);
	long ret = -EOPNOTSUPP;

	if (s->uses_rings)
		ret = ring_run(r, fd, CORO_URING_PARK, &args);
	return ret == -EOPNOTSUPP ? event_read(fd, events, nr) : ret;
}

static long be_receiver(struct storm *s)
{
	static struct ring r;
	struct coro_event events[3];
	long n, i;
	int hnd = fd_recv(s->sock[RECEIVER][1], &n);

	if (hnd < 0)
		return 0;
	if (s->uses_rings)
		MUST(0, ring_init(&r, 0, false, false));
	while ((n = recv_somehow(s, &r, hnd, events, 3)) > 0) {
		for (i = 0; i < n; i++) {
			if (events[i].kind == CORO_EVENT_MESSAGE)
				tell_got(s, events[i].value);
		}
	}
	if (n != -EPIPE && n != -EOWNERDEAD && n != -ESTALE)
		tell_error(s, "the receiver", n);
	s->tale->receiver_done = n == -EPIPE || n == -ESTALE;
	return 0;
}

/* Copies, weaker ones, in flight and back; one to the joiner. */
static long be_juggler(struct storm *s)
{
	int hnd[2], pair[2], fd, i;
	long ret;

	hnd[0] = fd_recv(s->sock[JUGGLER][1], &ret);
	hnd[1] = fd_recv(s->sock[JUGGLER][1], &ret);
	if (hnd[0] < 0 || hnd[1] < 0)
		return 0;
	fd_send(s->sock[JOINER][0], hnd[1], 1);
	close(s->sock[JOINER][0]);
	for (i = 0; i < 10; i++) {
		MUST(0, sys(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair)));
		fd = i & 1 ? dup(hnd[0]) : ctx_export(hnd[0], 0, JOIN, 0);
		if (fd >= 0) {
			fd_send(pair[0], fd, 1);
			close(fd);
		} else if (fd != -EOWNERDEAD && fd != -ESTALE) {
			tell_error(s, "another handle", fd);
		}
		/* Some stay in flight when their socket goes. */
		if (i % 3)
			close(fd >= 0 ? fd_recv(pair[1], &ret) : fd);
		hnd_poll(hnd[0]);
		close(pair[0]);
		close(pair[1]);
	}
	return 0;
}

static long be_joiner(struct storm *s)
{
	static struct ring r;
	struct coro_result result;
	struct coro_uring_args args = args_join(0, &result, CORO_NO_DEADLINE);
	long ret;
	int hnd = fd_recv(s->sock[JOINER][1], &ret);

	if (hnd < 0)
		return 0;
	ret = -EOPNOTSUPP;
	if (s->uses_rings) {
		MUST(0, ring_init(&r, 0, false, false));
		ret = ring_run(&r, hnd, CORO_URING_JOIN, &args);
		ret = ret ? ret : (long)result.value;
	}
	if (ret == -EOPNOTSUPP)
		ret = hnd_join(hnd);
	if (ret != RESULT && ret != -EOWNERDEAD && ret != -ESTALE)
		tell_error(s, "a join", ret);
	return 0;
}

static long play(struct storm *s, enum part role)
{
	switch (role) {
	case OWNER:
		return be_owner(s);
	case RECEIVER:
		return be_receiver(s);
	case JUGGLER:
		return be_juggler(s);
	case JOINER:
		return be_joiner(s);
	default:
		return be_sender(s, role);
	}
}

/* Which end of whose socket a role keeps. */
static bool keeps(enum part role, enum part of, int end)
{
	if (of == OWNER)
		return role == OWNER && end == 1;
	if (of == JOINER)
		return role == (end ? JOINER : JUGGLER);
	return role == (end ? of : OWNER);
}

static int start(struct storm *s, enum part as)
{
	enum part of;
	int end;

	s->pid[as] = fork();
	if (s->pid[as])
		return sys(s->pid[as]) < 0 ? -errno : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (of = 0; of < NR_ROLES; of++) {
		for (end = 0; end < 2; end++) {
			if (!keeps(as, of, end))
				close(s->sock[of][end]);
		}
	}
	_exit(-play(s, as));
}

/* Who takes part: the owner, and so many others in the order of their roles. */
static int start_all(struct storm *s, unsigned int others)
{
	enum part role;

	for (role = 0; role < NR_ROLES; role++) {
		s->pid[role] = 0;
		MUST(0, sys(socketpair(AF_UNIX, SOCK_SEQPACKET, 0,
				       s->sock[role])));
	}
	for (role = 0; role <= others; role++)
		MUST(0, start(s, role));
	/* The parent keeps only the one that tells the owner to end. */
	for (role = 0; role < NR_ROLES; role++) {
		close(s->sock[role][1]);
		if (role != OWNER)
			close(s->sock[role][0]);
	}
	return 0;
}

/* 0 if @role has ended well, or was killed when that was to be. */
static long end_of(struct storm *s, enum part role, bool killed)
{
	long ret = s->pid[role] ? child_wait(s->pid[role]) : 0;

	s->pid[role] = 0;
	if (killed && ret == CHILD_SIGNALED(SIGKILL))
		return 0;
	if (ret)
		fprintf(stderr, "# role %d ended with %ld\n", role, ret);
	return ret;
}

/* What does not hold of what the processes told. */
static long check(struct storm *s, bool owner_lives, bool has_receiver)
{
	struct tale *t = s->tale;
	long bad = t->errors;
	int i;

	for (i = 0; i < NR_VALUES; i++) {
		bool second = i & 1;

		bad += t->got[i] > 1;
		if (!t->sent[i] || t->got[i] || !owner_lives)
			continue;
		/* What the receiver had taken when it was killed is gone with it. */
		if (second && has_receiver && !t->receiver_done)
			continue;
		/* Nobody reads a direct one without its receiver. */
		if (second && s->direct && !has_receiver)
			continue;
		fprintf(stderr, "# value %d was sent and never came\n", i);
		bad++;
	}
	return bad;
}

static long blow(struct storm *s)
{
	unsigned int others = 1 + rnd(&s->seed) % (NR_ROLES - 1);
	unsigned int victim = rnd(&s->seed) % (2 * NR_ROLES);
	bool has_receiver = others >= RECEIVER, killed, stop;
	enum part role;
	long bad = 0;
	int i;

	memset(s->tale, 0, sizeof(*s->tale));
	s->uses_rings = rnd(&s->seed) % 3 == 0;
	s->direct = rnd(&s->seed) & 1;
	MUST(0, start_all(s, others));
	killed = victim <= others;
	for (i = rnd(&s->seed) % 60; killed && i; i--)
		sched_yield();
	if (killed)
		kill(s->pid[victim], SIGKILL);
	/* A direct mailbox that nobody empties any more: its senders need the end. */
	stop = s->direct && (!has_receiver || (killed && victim == RECEIVER));
	if (stop)
		close(s->sock[OWNER][0]);
	for (role = SENDER; role < RECEIVER; role++)
		bad += end_of(s, role, killed && victim == role);
	if (!stop)
		close(s->sock[OWNER][0]);
	for (role = RECEIVER; role < NR_ROLES; role++)
		bad += end_of(s, role, killed && victim == role);
	bad += end_of(s, OWNER, killed && victim == OWNER);
	return bad ?: check(s, s->tale->all_read, has_receiver);
}

FIXTURE(storm)
{
	struct storm s;
	long uses; /* of the module before */
};

FIXTURE_VARIANT(storm)
{
	__u64 seed;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(storm, first) { .seed = 0x1001 };
FIXTURE_VARIANT_ADD(storm, second) { .seed = 0x2002 };
FIXTURE_VARIANT_ADD(storm, third) { .seed = 0x3003 };
FIXTURE_VARIANT_ADD(storm, fourth) { .seed = 0x4004 };
FIXTURE_VARIANT_ADD(storm, fifth) { .seed = 0x5005 };
FIXTURE_VARIANT_ADD(storm, sixth) { .seed = 0x6006 };
FIXTURE_VARIANT_ADD(storm, seventh) { .seed = 0x7007 };
FIXTURE_VARIANT_ADD(storm, eighth) { .seed = 0x8008 };
/* clang-format on */

FIXTURE_SETUP(storm)
{
	self->uses = module_uses();
	ASSERT_LE(0, self->uses);
	self->s.seed = variant->seed;
	self->s.tale = mmap(NULL, sizeof(*self->s.tale), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->s.tale);
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_TRUE(uses_become(self->uses));
}

TEST_F_TIMEOUT(storm, what_is_sent_comes_once_and_nothing_is_left, 60)
{
	time_t began = 0;
	unsigned int round;

	for (round = 0; round < ROUNDS && time_left(&began, SECONDS); round++) {
		ASSERT_EQ(0, blow(&self->s))
		{
			TH_LOG("round %u", round);
		}
	}
	TH_LOG("%u rounds", round);
}

TEST_HARNESS_MAIN
