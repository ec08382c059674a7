/* SPDX-License-Identifier: MIT */
/* What the subcommands of coroctl share: their options, what they return, what they look at. */
#ifndef CORO_TOOLS_COROCTL_H
#define CORO_TOOLS_COROCTL_H

#include "json.h"
#include "snapshot.h"
#include "symbol.h"

/* Exit codes. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FOUND =
		1, /* nothing to show; or, of tree and leaks, what is wrong */
	CTL_FAILED =
		2, /* wrong usage, or a process that could not be looked at */
};

struct ctl_options {
	bool json;
	bool running; /* of stack: those that run too */
	int64_t apart_ns; /* of leaks and top: from one look to the next */
	unsigned long count; /* of top: how many tables; 0 for no end */
};

struct ctl_command {
	const char *name;
	const char *summary;
	const char *usage; /* after the name, and what it all means */
	const char *letters; /* its options, for getopt() */
	/* @argv are the arguments that are no options. */
	enum ctl_exit (*run)(int argc, char **argv,
			     const struct ctl_options *o);
};

/* Of commands that have no others. */
#define CTL_LETTERS "jhV"

extern const struct ctl_command ctl_ps, ctl_tree, ctl_stack, ctl_leaks,
	ctl_stat, ctl_top;

/* A process whose coroutines were read. */
struct ctl_look {
	struct ctl_process process;
	struct ctl_snapshot snap;
	struct ctl_symbols symbols;
	char name[64];
	int64_t now_ns; /* CLOCK_MONOTONIC */
};

/* 0 or a negative errno, for ctl_process_complain(). */
int ctl_look_open(struct ctl_look *l, pid_t pid);
/* Reads them anew; what they were before is the caller's to free. */
int ctl_look_again(struct ctl_look *l, struct ctl_snapshot *ret_before);
void ctl_look_close(struct ctl_look *l);

/*
 * What a command says: nothing of it is seen before ctl_output_end(), so that a process that
 * ends meanwhile leaves no half of it.
 */
struct ctl_output {
	FILE *to;
	struct ctl_json json; /* the same */
	char *text;
	size_t bytes;
};

bool ctl_output_begin(struct ctl_output *out);
/* Writes it, or, if not @good, forgets it; @code, or CTL_FAILED if it cannot be written. */
enum ctl_exit ctl_output_end(struct ctl_output *out, bool good,
			     enum ctl_exit code);

/* A process id; complains and returns 0 if it is none. */
pid_t ctl_parse_pid(const char *text);

/* SCHED:ID, as coroutines are named everywhere. */
#define CTL_NAME_BYTES 48
const char *ctl_coro_name(const struct ctl_coro *c, char to[CTL_NAME_BYTES]);
const char *ctl_state_name(const struct ctl_coro *c);
/* SCHED:ID and its name; and its state, and what it waits for. */
void ctl_coro_label(const struct ctl_coro *c, FILE *to);
void ctl_coro_print(struct ctl_look *l, const struct ctl_coro *c, FILE *to);
/* Its id, name and state, into the object that is open. */
void ctl_coro_json(const struct ctl_coro *c, struct ctl_json *j);

/* An enum coro_awaits in a word. */
const char *ctl_awaits_name(uint32_t kind);
/* What it waits for; nothing if it is not SUSPENDED. */
void ctl_awaits_print(struct ctl_look *l, const struct ctl_coro *c, FILE *to);
/* Into the object that is open, under "awaits". */
void ctl_awaits_json(struct ctl_look *l, const struct ctl_coro *c,
		     struct ctl_json *j);

/* Whom it awaits, if that is one coroutine that can be found; or NULL. */
struct ctl_coro *ctl_coro_awaited(const struct ctl_snapshot *s,
				  const struct ctl_coro *c);

#endif /* CORO_TOOLS_COROCTL_H */
