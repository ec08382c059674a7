// SPDX-License-Identifier: MIT
/* coroctl: its subcommands, their options, and what they print. */
#include "coroctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct ctl_command *const ctl_commands[] = {
	&ctl_ps, &ctl_tree, &ctl_stack, &ctl_leaks, &ctl_stat, &ctl_top,
};

#define CTL_NR_COMMANDS (sizeof(ctl_commands) / sizeof(*ctl_commands))

static void ctl_look_clock(struct ctl_look *l)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	l->now_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int ctl_look_open(struct ctl_look *l, pid_t pid)
{
	int err = ctl_process_open(&l->process, pid);

	if (err)
		return err;
	err = ctl_snapshot_take(&l->snap, &l->process);
	if (err) {
		ctl_process_close(&l->process);
		return err;
	}
	ctl_look_clock(l);
	ctl_process_name(&l->process, l->name, sizeof(l->name));
	ctl_symbols_open(&l->symbols, pid);
	return 0;
}

int ctl_look_again(struct ctl_look *l, struct ctl_snapshot *ret_before)
{
	struct ctl_snapshot now;
	int err = ctl_snapshot_take(&now, &l->process);

	if (err)
		return err;
	*ret_before = l->snap;
	l->snap = now;
	ctl_look_clock(l);
	return 0;
}

void ctl_look_close(struct ctl_look *l)
{
	ctl_symbols_close(&l->symbols);
	ctl_snapshot_free(&l->snap);
	ctl_process_close(&l->process);
}

bool ctl_output_begin(struct ctl_output *out)
{
	out->to = open_memstream(&out->text, &out->bytes);
	out->json = (struct ctl_json){ .to = out->to };
	if (out->to)
		__fsetlocking(out->to, FSETLOCKING_BYCALLER);
	else
		fprintf(stderr, "coroctl: %s\n", strerror(errno));
	return out->to;
}

enum ctl_exit ctl_output_end(struct ctl_output *out, bool good,
			     enum ctl_exit code)
{
	/* A stream in memory forgets that something had no room; but then this has none. */
	bool lost = putc('\0', out->to) == EOF;

	lost |= fclose(out->to) != 0;
	if (!lost && good)
		lost = fwrite(out->text, 1, out->bytes - 1, stdout) !=
			       out->bytes - 1 ||
		       fflush(stdout);
	if (lost)
		fprintf(stderr, "coroctl: cannot write: %s\n", strerror(errno));
	free(out->text);
	return lost ? CTL_FAILED : code;
}

pid_t ctl_parse_pid(const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (*text >= '1' && *text <= '9' && !*end && !errno &&
	    pid == (pid_t)pid)
		return (pid_t)pid;
	fprintf(stderr,
		"coroctl: \"%s\" is no process id, which is a number from 1 up\n",
		text);
	return 0;
}

const char *ctl_coro_name(const struct ctl_coro *c, char to[CTL_NAME_BYTES])
{
	snprintf(to, CTL_NAME_BYTES, "%" PRIu64 ":0x%" PRIx64, c->sched->serial,
		 ctl_coro_id(c));
	return to;
}

const char *ctl_state_name(const struct ctl_coro *c)
{
	switch (ctl_coro_state(c)) {
	case CORO_STATE_CREATED:
		return "created";
	case CORO_STATE_RUNNING:
		return "running";
	case CORO_STATE_SUSPENDED:
		return "suspended";
	case CORO_STATE_CLOSED:
		return "closed";
	default:
		return "unknown";
	}
}

void ctl_coro_label(const struct ctl_coro *c, FILE *to)
{
	char name[CTL_NAME_BYTES];

	fprintf(to, "%s ", ctl_coro_name(c, name));
	ctl_print_text(to, c->shm.name[0] ? c->shm.name : "-");
}

void ctl_coro_print(struct ctl_look *l, const struct ctl_coro *c, FILE *to)
{
	ctl_coro_label(c, to);
	fprintf(to, " %s", ctl_state_name(c));
	if (c->shm.state != CORO_STATE_SUSPENDED)
		return;
	fputs(": ", to);
	ctl_awaits_print(l, c, to);
}

void ctl_coro_json(const struct ctl_coro *c, struct ctl_json *j)
{
	char name[CTL_NAME_BYTES];

	ctl_json_text(j, "id", ctl_coro_name(c, name));
	ctl_json_text(j, "name", c->shm.name);
	ctl_json_text(j, "state", ctl_state_name(c));
}

static void ctl_help(FILE *to)
{
	fputs("usage: coroctl COMMAND [OPTION...] [ARGUMENT...]\n"
	      "\n"
	      "Shows the coroutines of running programs that use libcoro, without stopping them.\n"
	      "\n"
	      "Commands:\n",
	      to);
	for (size_t i = 0; i < CTL_NR_COMMANDS; i++)
		fprintf(to, "  %-8s%s\n", ctl_commands[i]->name,
			ctl_commands[i]->summary);
	fputs("\n"
	      "  -j, --json     print one JSON document\n"
	      "  -h, --help     print this, or what a command does, and exit\n"
	      "  -V, --version  print the version and exit\n"
	      "\n"
	      "Exit codes: 0 done; 1 nothing to show, or, of tree and leaks, something that is\n"
	      "wrong; 2 wrong usage, or a process that could not be looked at, which is said on\n"
	      "standard error.\n",
	      to);
}

static void ctl_command_help(const struct ctl_command *cmd, FILE *to)
{
	fprintf(to, "usage: coroctl %s %s", cmd->name, cmd->usage);
}

/* A time in seconds; false if it is none that is to be waited for. */
static bool ctl_parse_seconds(const char *text, int64_t *ret_ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= 86400)) {
		fprintf(stderr,
			"coroctl: \"%s\" is no time, which is in seconds, from 0.001 to 86400\n",
			text);
		return false;
	}
	*ret_ns = (int64_t)(seconds * 1e9);
	return true;
}

static bool ctl_parse_count(const char *text, unsigned long *ret_count)
{
	char *end;

	errno = 0;
	*ret_count = strtoul(text, &end, 10);
	if (*text >= '1' && *text <= '9' && !*end && !errno)
		return true;
	fprintf(stderr,
		"coroctl: \"%s\" is no count, which is a number from 1 up\n",
		text);
	return false;
}

static int ctl_options_help(const struct ctl_command *cmd)
{
	fprintf(stderr, "Try \"coroctl%s%s --help\".\n", cmd ? " " : "",
		cmd ? cmd->name : "");
	return CTL_FAILED;
}

/* Parses options; -1 to go on, else what to exit with. @cmd is NULL before the command. */
static int ctl_options_parse(int argc, char **argv,
			     const struct ctl_command *cmd,
			     struct ctl_options *o)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "seconds", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'n' },
		{ "running", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *letters = cmd ? cmd->letters : "+" CTL_LETTERS;
	int at = 0, c;

	while ((c = getopt_long(argc, argv, letters, options, &at)) != -1) {
		/* Long options of other commands come as well. */
		if (!strchr(letters, c)) {
			if (c != '?')
				fprintf(stderr,
					"coroctl: --%s is not for this\n",
					options[at].name);
			return ctl_options_help(cmd);
		}
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 's':
			if (!ctl_parse_seconds(optarg, &o->apart_ns))
				return CTL_FAILED;
			break;
		case 'n':
			if (!ctl_parse_count(optarg, &o->count))
				return CTL_FAILED;
			break;
		case 'r':
			o->running = true;
			break;
		case 'h':
			cmd ? ctl_command_help(cmd, stdout) : ctl_help(stdout);
			return CTL_DONE;
		default:
			puts("coroctl " CTL_VERSION);
			return CTL_DONE;
		}
	}
	return -1;
}

static const struct ctl_command *ctl_command_find(const char *name)
{
	for (size_t i = 0; i < CTL_NR_COMMANDS; i++)
		if (!strcmp(ctl_commands[i]->name, name))
			return ctl_commands[i];
	fprintf(stderr,
		"coroctl: there is no command \"%s\"; see \"coroctl --help\"\n",
		name);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct ctl_command *cmd;
	struct ctl_options o = { .apart_ns = INT64_C(1000000000) };
	int code = ctl_options_parse(argc, argv, NULL, &o);

	if (code >= 0)
		return code;
	if (optind == argc) {
		ctl_help(stderr);
		return CTL_FAILED;
	}
	cmd = ctl_command_find(argv[optind]);
	if (!cmd)
		return CTL_FAILED;
	argc -= optind;
	argv += optind;
	optind = 0;
	code = ctl_options_parse(argc, argv, cmd, &o);
	if (code >= 0)
		return code;
	return cmd->run(argc - optind, argv + optind, &o);
}
