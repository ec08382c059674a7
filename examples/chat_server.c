// SPDX-License-Identifier: MIT
/* A chat by lines: chat_server PORT, until SIGINT. The first line is a member's name. */
#include <coro.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server_main.h"

struct member {
	struct member *next, **link;
	struct coro_stream *stream;
	struct coro_group group;
	char name[32];
};

static struct member *members;

/* Nobody waits here for a member who does not read: that one is put out. */
static void say(const char *format, ...)
{
	va_list args, copy;

	va_start(args, format);
	for (struct member *m = members; m; m = m->next) {
		va_copy(copy, args);
		if (coro_stream_vprintf(m->stream, format, copy) < 0)
			coro_group_cancel(&m->group);
		va_end(copy);
	}
	va_end(args);
}

static void enter(struct member *m)
{
	m->next = members;
	m->link = &members;
	if (m->next)
		m->next->link = &m->next;
	members = m;
	say("* %s is here\n", m->name);
}

static void leave(struct member *m)
{
	*m->link = m->next;
	if (m->next)
		m->next->link = m->link;
	say("* %s is gone\n", m->name);
}

/* The next line without its end. 1; 0 when the member has left. */
static int next_line(struct member *m, char **ret_line)
{
	ssize_t len = coro_stream_read_line(m->stream, ret_line, CORO_NEVER);

	if (len <= 0)
		return (int)len;
	(*ret_line)[len - 1] = '\0';
	(*ret_line)[strcspn(*ret_line, "\r")] = '\0';
	return 1;
}

static long send_all(void *stream)
{
	return coro_stream_pump(stream);
}

static long talk(struct member *m)
{
	char *line;
	int ret;

	coro_stream_printf(m->stream, "* your name?\n");
	ret = next_line(m, &line);
	if (ret <= 0)
		return ret;
	snprintf(m->name, sizeof(m->name), "%s", line);
	enter(m);
	while ((ret = next_line(m, &line)) > 0 && strcmp(line, "/quit") != 0)
		say("%s: %s\n", m->name, line);
	leave(m);
	return ret;
}

static long serve(struct coro_stream *s, void *arg)
{
	struct member m = { .stream = s };
	long ret;

	(void)arg;
	coro_group_open(&m.group, NULL);
	ret = coro_group_spawn(&m.group, send_all, s);
	if (!ret)
		ret = talk(&m);
	coro_group_cancel(&m.group);
	return coro_group_close(&m.group, ret);
}

int main(int argc, char **argv)
{
	return server_main(argc, argv, serve);
}
