/* SPDX-License-Identifier: MIT */
/* Functions and lines of another process by their addresses. */
#ifndef CORO_TOOLS_SYMBOL_H
#define CORO_TOOLS_SYMBOL_H

#include <elfutils/libdwfl.h>
#include <stdint.h>
#include <stdio.h>

#include "json.h"

/* What is known of an address; what is not is NULL or 0. */
struct ctl_place {
	uint64_t addr;
	const char *function;
	uint64_t offset; /* in it */
	const char *file;
	int line;
	const char *object; /* the program's or library's file */
};

struct ctl_symbols {
	Dwfl *dwfl; /* NULL if nothing can be had */
	struct ctl_place *known; /* a hash of those that were asked for */
	size_t nr, room;
};

/* Never fails: at worst addresses stay numbers. */
void ctl_symbols_open(struct ctl_symbols *s, pid_t pid);
void ctl_symbols_close(struct ctl_symbols *s);

/* @addr of an instruction, or, if @after, of the one behind a call. */
const struct ctl_place *ctl_symbols_place(struct ctl_symbols *s, uint64_t addr,
					  bool after);

/* "function+0x12 at file.c:34", the file without its folders. */
void ctl_place_print(const struct ctl_place *p, FILE *to);
/* Into the object that is open. */
void ctl_place_json(const struct ctl_place *p, struct ctl_json *j);

#endif /* CORO_TOOLS_SYMBOL_H */
