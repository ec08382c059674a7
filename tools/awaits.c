// SPDX-License-Identifier: MIT
/* What a coroutine waits for, in words. */
#include "coroctl.h"
#include "graph.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CTL_ADDRESS_BYTES 256
#define CTL_NS INT64_C(1000000000)

/* Operations of io_uring by their number; those that begin with '-' have no descriptor. */
/* clang-format off */
static const char *const ctl_operations[] = {
	"-nop", "readv", "writev", "fsync", "read_fixed", "write_fixed",
	"poll_add", "-poll_remove", "sync_file_range", "sendmsg", "recvmsg",
	"-timeout", "-timeout_remove", "accept", "-async_cancel",
	"-link_timeout", "connect", "fallocate", "-openat", "close",
	"-files_update", "-statx", "read", "write", "fadvise", "-madvise",
	"send", "recv", "-openat2", "epoll_ctl", "splice", "-provide_buffers",
	"-remove_buffers", "tee", "shutdown", "-renameat", "-unlinkat",
	"-mkdirat", "-symlinkat", "-linkat", "-msg_ring", "fsetxattr",
	"-setxattr", "fgetxattr", "-getxattr", "-socket", "uring_cmd",
	"send_zc", "sendmsg_zc", "read_multishot", "-waitid", "-futex_wait",
	"-futex_wake", "-futex_waitv", "-fixed_fd_install", "ftruncate",
	"bind", "listen",
};

/* clang-format on */

/* An operation that is waited for. */
struct ctl_io {
	char name[32];
	int fd; /* -1 if it has none */
	const char *side; /* whose address it is: "peer", "at"; or NULL */
	char address[CTL_ADDRESS_BYTES];
};

static void ctl_address_text(const struct sockaddr_storage *a, socklen_t bytes,
			     char to[CTL_ADDRESS_BYTES])
{
	const struct sockaddr_in6 *in6 = (const void *)a;
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_un *un = (const void *)a;
	size_t len = bytes - offsetof(struct sockaddr_un, sun_path);
	char host[INET6_ADDRSTRLEN];

	to[0] = '\0';
	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(to, CTL_ADDRESS_BYTES, "%s:%u", host,
			 ntohs(in->sin_port));
	} else if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(to, CTL_ADDRESS_BYTES, "[%s]:%u", host,
			 ntohs(in6->sin6_port));
	} else if (a->ss_family == AF_UNIX &&
		   bytes > offsetof(struct sockaddr_un, sun_path)) {
		bool abstract = !un->sun_path[0];

		snprintf(to, CTL_ADDRESS_BYTES, "%s%.*s", abstract ? "@" : "",
			 (int)len - abstract, un->sun_path + abstract);
	}
}

/* The address of who is at the other end of a socket, else its own. */
static void ctl_io_address(const struct ctl_process *p, struct ctl_io *io)
{
	struct sockaddr_storage a;
	socklen_t bytes = sizeof(a);
	int fd = io->fd < 0 ? -1 : ctl_process_fd(p, io->fd);

	if (fd < 0)
		return;
	io->side = "peer";
	if (getpeername(fd, (struct sockaddr *)&a, &bytes)) {
		bytes = sizeof(a);
		io->side = getsockname(fd, (struct sockaddr *)&a, &bytes) ?
				   NULL :
				   "at";
	}
	close(fd);
	if (io->side)
		ctl_address_text(&a, bytes, io->address);
	if (!io->address[0])
		io->side = NULL;
}

static void ctl_io_read(const struct ctl_process *p, uint64_t arg,
			struct ctl_io *io)
{
	uint32_t op = (uint32_t)(arg >> 32);
	const char *name = NULL;

	*io = (struct ctl_io){ .fd = -1 };
	if (op < sizeof(ctl_operations) / sizeof(*ctl_operations))
		name = ctl_operations[op];
	if (!name)
		snprintf(io->name, sizeof(io->name), "operation %u", op);
	else
		snprintf(io->name, sizeof(io->name), "%s",
			 name + (*name == '-'));
	if (name && *name != '-')
		io->fd = (int)(uint32_t)arg;
	ctl_io_address(p, io);
}

/* For kinds that say nothing else: words, the last of them a name for JSON. */
static const char *ctl_awaits_words(uint32_t kind)
{
	static const char *const words[] = {
		[CORO_AWAITS_NOTHING] = "nothing",
		[CORO_AWAITS_RESUME] = "a resume",
		[CORO_AWAITS_CONTEXT] = "coroutine",
		[CORO_AWAITS_TIMER] = "time",
		[CORO_AWAITS_IO] = "io",
		[CORO_AWAITS_TURN] = "its turn",
		[CORO_AWAITS_MESSAGE] = "a message",
		[CORO_AWAITS_HANDLE] = "a handle",
		[CORO_AWAITS_LOCK] = "lock",
		[CORO_AWAITS_EVENT] = "event",
		[CORO_AWAITS_QUEUE] = "queue",
		[CORO_AWAITS_GROUP] = "group",
		[CORO_AWAITS_BLOCKING] = "function",
	};

	return kind < sizeof(words) / sizeof(*words) ? words[kind] :
						       "something unknown";
}

const char *ctl_awaits_name(uint32_t kind)
{
	const char *words = ctl_awaits_words(kind);
	const char *last = strrchr(words, ' ');

	return last ? last + 1 : words;
}

/* The coroutine whose id it awaits. */
static struct ctl_coro *ctl_awaits_by_id(const struct ctl_snapshot *s,
					 const struct ctl_coro *c)
{
	const uint32_t at = c->sched->root.coro_task_loop;
	uint64_t loop = ctl_coro_word(s, c, at);

	/* A loop runs both, though they may be of different schedulers. */
	for (size_t i = 0; i < s->nr_scheds && loop; i++) {
		struct ctl_coro *found =
			ctl_snapshot_find(s, &s->scheds[i], c->shm.awaits);

		if (found && ctl_coro_word(s, found, at) == loop)
			return found;
	}
	return NULL;
}

struct ctl_coro *ctl_coro_awaited(const struct ctl_snapshot *s,
				  const struct ctl_coro *c)
{
	struct ctl_coro *found;
	uint64_t awaiting;

	if (c->shm.state != CORO_STATE_SUSPENDED ||
	    c->shm.awaits_kind != CORO_AWAITS_CONTEXT)
		return NULL;
	awaiting = ctl_coro_word(s, c, c->sched->root.coro_awaiting);
	found = awaiting ? ctl_snapshot_at(s, awaiting) :
			   ctl_awaits_by_id(s, c);
	/* Its object was read later than its entry. */
	return found && ctl_coro_id(found) == c->shm.awaits &&
			       ctl_coro_same(s, c) ?
		       found :
		       NULL;
}

static void ctl_print_io(const struct ctl_process *p, uint64_t arg, FILE *to)
{
	struct ctl_io io;

	ctl_io_read(p, arg, &io);
	fputs(io.name, to);
	if (io.fd >= 0)
		fprintf(to, " fd %d", io.fd);
	if (io.side) {
		fprintf(to, " %s ", io.side);
		ctl_print_text(to, io.address);
	}
}

static void ctl_print_awaited(struct ctl_look *l, const struct ctl_coro *c,
			      FILE *to)
{
	const struct ctl_coro *found = ctl_coro_awaited(&l->snap, c);
	char name[CTL_NAME_BYTES];

	if (!found) {
		fprintf(to, "coroutine 0x%" PRIx64, (uint64_t)c->shm.awaits);
		return;
	}
	fprintf(to, "coroutine %s ", ctl_coro_name(found, name));
	ctl_print_text(to, found->shm.name);
}

/* Until when it waits for something at most; 0 if for ever, or if that is not known. */
static int64_t ctl_awaits_deadline(const struct ctl_snapshot *s,
				   const struct ctl_coro *c)
{
	const struct coro__root *root = &c->sched->root;
	const struct ctl_coro *task;
	uint64_t wait, deadline;

	switch (c->shm.awaits_kind) {
	case CORO_AWAITS_NOTHING:
	case CORO_AWAITS_RESUME:
	case CORO_AWAITS_TURN:
	/* If its task is parked, then in what that one waits for. */
	case CORO_AWAITS_CONTEXT:
	case CORO_AWAITS_TIMER:
		return 0;
	}
	task = ctl_coro_task(s, c);
	wait = task ? ctl_coro_word(s, task, root->coro_task_wait) : 0;
	if (!wait ||
	    !(uint8_t)ctl_process_word(s->process, wait + root->wait_armed))
		return 0;
	deadline = ctl_process_word(s->process, wait + root->wait_deadline);
	return ctl_coro_same(s, c) ? (int64_t)deadline : 0;
}

static void ctl_print_left(const char *before, int64_t left_ns, FILE *to)
{
	int64_t ms = (left_ns < 0 ? -left_ns : left_ns) / (CTL_NS / 1000);

	fprintf(to, "%s %s%" PRId64 ".%03" PRId64 " s%s", before,
		left_ns < 0 ? "" : "in ", ms / 1000, ms % 1000,
		left_ns < 0 ? " ago" : "");
}

static void ctl_print_what(struct ctl_look *l, const struct ctl_coro *c,
			   FILE *to)
{
	const uint64_t arg = c->shm.awaits;

	switch (c->shm.awaits_kind) {
	case CORO_AWAITS_CONTEXT:
		ctl_print_awaited(l, c, to);
		return;
	case CORO_AWAITS_TIMER:
		ctl_print_left("time,", (int64_t)arg - l->now_ns, to);
		return;
	case CORO_AWAITS_IO:
		ctl_print_io(&l->process, arg, to);
		return;
	default:
		fputs(ctl_awaits_words(c->shm.awaits_kind), to);
	}
	if (!arg)
		return;
	putc(' ', to);
	if (c->shm.awaits_kind == CORO_AWAITS_BLOCKING)
		ctl_place_print(ctl_symbols_place(&l->symbols, arg, false), to);
	else
		fprintf(to, "0x%" PRIx64, arg);
}

void ctl_awaits_print(struct ctl_look *l, const struct ctl_coro *c, FILE *to)
{
	int64_t deadline_ns;

	if (c->shm.state != CORO_STATE_SUSPENDED)
		return;
	ctl_print_what(l, c, to);
	deadline_ns = ctl_awaits_deadline(&l->snap, c);
	if (deadline_ns)
		ctl_print_left(", deadline", deadline_ns - l->now_ns, to);
}

static void ctl_json_deadline(const struct ctl_look *l, int64_t deadline_ns,
			      struct ctl_json *j)
{
	ctl_json_number(j, "deadline_ns", deadline_ns);
	ctl_json_number(j, "left_ns", deadline_ns - l->now_ns);
}

static void ctl_json_io(const struct ctl_process *p, uint64_t arg,
			struct ctl_json *j)
{
	struct ctl_io io;

	ctl_io_read(p, arg, &io);
	ctl_json_text(j, "operation", io.name);
	if (io.fd >= 0)
		ctl_json_number(j, "fd", io.fd);
	if (io.side)
		ctl_json_text(j, *io.side == 'p' ? "peer" : "local",
			      io.address);
}

static void ctl_json_awaited(struct ctl_look *l, const struct ctl_coro *c,
			     struct ctl_json *j)
{
	const struct ctl_coro *found = ctl_coro_awaited(&l->snap, c);
	char name[CTL_NAME_BYTES];

	ctl_json_text(j, "id", found ? ctl_coro_name(found, name) : NULL);
}

void ctl_awaits_json(struct ctl_look *l, const struct ctl_coro *c,
		     struct ctl_json *j)
{
	const uint64_t arg = c->shm.awaits;
	int64_t deadline_ns;

	if (c->shm.state != CORO_STATE_SUSPENDED) {
		ctl_json_text(j, "awaits", NULL);
		return;
	}
	ctl_json_open(j, "awaits", '{');
	ctl_json_text(j, "kind", ctl_awaits_name(c->shm.awaits_kind));
	switch (c->shm.awaits_kind) {
	case CORO_AWAITS_CONTEXT:
		ctl_json_awaited(l, c, j);
		break;
	case CORO_AWAITS_TIMER:
		ctl_json_deadline(l, (int64_t)arg, j);
		break;
	case CORO_AWAITS_IO:
		ctl_json_io(&l->process, arg, j);
		break;
	case CORO_AWAITS_BLOCKING:
		ctl_place_json(ctl_symbols_place(&l->symbols, arg, false), j);
		break;
	default:
		if (arg)
			ctl_json_hex(j, "address", arg);
	}
	deadline_ns = ctl_awaits_deadline(&l->snap, c);
	if (deadline_ns)
		ctl_json_deadline(l, deadline_ns, j);
	ctl_json_close(j, '}');
}
