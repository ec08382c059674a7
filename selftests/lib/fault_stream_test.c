// SPDX-License-Identifier: MIT
/* Every allocation of a stream fails once. */
#include "lib_fault.h"

LIB_FIXTURE(fault_stream)

enum { LONG_LINE = 9000 };

/* Again, without the fault, if it was met. */
#define TWICE(call)                     \
	({                              \
		long ret__ = (call);    \
		if (ret__ == -ENOMEM) { \
			fault_disarm(); \
			met = -ENOMEM;  \
			ret__ = (call); \
		}                       \
		ret__;                  \
	})

static long use_stream(void *arg)
{
	long at = *(long *)arg, met = 0;
	static char text[LONG_LINE], block[LONG_LINE];
	struct coro_stream *s = NULL;
	char *line = NULL;
	int sock[2];

	memset(text, 't', sizeof(text));
	text[LONG_LINE - 1] = '\n';
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -errno;
	fault_arm(at);
	EXPECT_EQ(0, TWICE(coro_stream_new_fds(&s, sock[0], sock[1], NULL)));
	EXPECT_EQ(0, TWICE(coro_stream_put(s, "put ", 4)));
	EXPECT_EQ(9, TWICE(coro_stream_printf(s, "%s", "printed, ")));
	EXPECT_EQ(LONG_LINE,
		  TWICE(coro_stream_printf(s, "%.*s", LONG_LINE, text)));
	EXPECT_EQ(0, TWICE(coro_stream_flush(s, CORO_NEVER)));
	EXPECT_EQ(LONG_LINE + 13,
		  TWICE(coro_stream_read_line(s, &line, CORO_NEVER)));
	if (line) {
		EXPECT_EQ(0, memcmp("put printed, ttt", line, 16));
		EXPECT_EQ('\0', line[LONG_LINE + 13]);
	}
	EXPECT_EQ(LONG_LINE,
		  TWICE(coro_stream_write(s, text, LONG_LINE, CORO_NEVER)));
	EXPECT_EQ(0, TWICE(coro_stream_flush(s, CORO_NEVER)));
	EXPECT_EQ(LONG_LINE, TWICE(coro_stream_read_exact(s, block, LONG_LINE,
							  CORO_NEVER)));
	EXPECT_EQ(0, memcmp(text, block, LONG_LINE));
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	coro_stream_free(s);
	fault_disarm();
	return met;
}

static long act_stream(long at)
{
	return coro_run(use_stream, &at);
}

/* OBJ-05, AGS-20 */
TEST_F(fault_stream, what_fails_for_want_of_memory_can_be_repeated)
{
	/* The stream, and three buffers or more. */
	EXPECT_LT(3, sweep_run(act_stream, _metadata));
}

enum { BULK = 1 << 20 };

static long send_bulk(void *arg)
{
	static char block[BULK];
	const int *fd = arg;
	int ret = 0, done = 0;

	for (; done < BULK; done += ret) {
		ret = coro_io_send(*fd, block, BULK - done, 0, CORO_NEVER);
		if (ret <= 0)
			return ret;
	}
	return coro_io_shutdown(*fd, SHUT_WR, CORO_NEVER);
}

static long receive_bulk(void *arg)
{
	static char block[1 << 16];
	const int *fd = arg;
	long got = 0;
	int ret;

	while ((ret = coro_io_recv(*fd, block, sizeof(block), 0, CORO_NEVER)) >
	       0)
		got += ret;
	return got;
}

/* Through a pipe, where the kernel can. */
static long copy_bulk(void *arg)
{
	long at = *(long *)arg, met = 0;
	struct coro_stream *from = NULL, *to = NULL;
	struct coro *sender, *receiver;
	uint64_t bytes = 0;
	int in[2], out[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out))
		return -errno;
	sender = coro_new(send_bulk, &in[0]);
	receiver = coro_new(receive_bulk, &out[1]);
	EXPECT_EQ(0, coro_start(sender));
	EXPECT_EQ(0, coro_start(receiver));
	EXPECT_EQ(0, coro_stream_new_fd(&from, in[1], NULL));
	EXPECT_EQ(0, coro_stream_new_fd(&to, out[0], NULL));
	EXPECT_EQ(0, coro_sleep(0));
	fault_arm(at);
	EXPECT_EQ(0, TWICE(coro_stream_copy(to, from, &bytes, CORO_NEVER)));
	fault_disarm();
	EXPECT_EQ(BULK, bytes);
	coro_stream_free(from);
	coro_stream_free(to);
	EXPECT_EQ(0, coro_await(sender));
	EXPECT_EQ(BULK, coro_await(receiver));
	close(in[0]);
	close(out[1]);
	return met;
}

static long act_copy(long at)
{
	return coro_run(copy_bulk, &at);
}

/* OBJ-05, AGS-20 */
TEST_F(fault_stream, copy_of_bulk_that_fails_for_want_of_memory_can_be_repeated)
{
	/* The buffer, which grows. */
	EXPECT_LT(1, sweep_run(act_copy, _metadata));
}

static long without_buffers(void *arg)
{
	struct coro_stream *s = NULL;
	char buf[4096] = "";
	int sock[2];

	(void)arg;
	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	EXPECT_EQ(0, coro_stream_new_fds(&s, sock[0], sock[1], NULL));
	fault_arm(FAULT_ALL);
	EXPECT_EQ(-ENOMEM, coro_stream_put(s, "x", 1));
	EXPECT_EQ(-ENOMEM, coro_stream_printf(s, "x"));
	EXPECT_EQ(5, coro_stream_write(s, "short", 5, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_pending(s));
	EXPECT_EQ(-ENOMEM, coro_stream_read(s, buf, 8, CORO_NEVER));
	EXPECT_EQ(5, coro_stream_read(s, buf, sizeof(buf), CORO_NEVER));
	EXPECT_EQ(0, coro_stream_shutdown(s, CORO_NEVER));
	EXPECT_EQ(0, coro_stream_close(s, CORO_NEVER));
	coro_stream_free(s);
	fault_disarm();
	return 0;
}

/* OBJ-05, AGS-25 */
TEST_F(fault_stream, without_memory_a_stream_can_write_and_end)
{
	EXPECT_EQ(0, coro_run(without_buffers, NULL));
}

TEST_HARNESS_MAIN
