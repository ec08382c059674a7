/* SPDX-License-Identifier: MIT */
/* JSON as it is written, and strings for people. */
#ifndef CORO_TOOLS_JSON_H
#define CORO_TOOLS_JSON_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

struct ctl_json {
	FILE *to;
	bool comma; /* something stands before in the same object or array */
};

/* @key is NULL in arrays; @bracket is '{' or '[', and then '}' or ']'. */
void ctl_json_open(struct ctl_json *j, const char *key, char bracket);
void ctl_json_close(struct ctl_json *j, char bracket);

/* Bytes that are not UTF-8 become U+FFFD. NULL for null. */
void ctl_json_text(struct ctl_json *j, const char *key, const char *text);
void ctl_json_number(struct ctl_json *j, const char *key, int64_t value);
/* A string, as numbers of 64 bits are rounded by many who read JSON. */
void ctl_json_hex(struct ctl_json *j, const char *key, uint64_t value);

/* For a terminal: what is not printable as \xNN, then blanks up to @width and one more. */
void ctl_print_text(FILE *to, const char *text);
void ctl_print_column(FILE *to, const char *text, size_t width);

/* A time in three digits and a unit. */
void ctl_print_ns(FILE *to, uint64_t ns);

#endif /* CORO_TOOLS_JSON_H */
