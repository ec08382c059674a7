/* SPDX-License-Identifier: MIT */
/* A table on a terminal, which changes in its place. */
#ifndef CORO_TOOLS_SCREEN_H
#define CORO_TOOLS_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_screen {
	size_t first; /* of the lines below the head, the one that is shown first */
};

/* False if there is no terminal that this can be done on. */
bool ctl_screen_open(struct ctl_screen *s);
/* Restores it. Does not return if a signal came that is to end the process. */
void ctl_screen_close(void);

/* @text is lines, of which the first @head stay in place; the last of those is a title. */
void ctl_screen_show(struct ctl_screen *s, const char *text, size_t head);

/*
 * A key, for as long as @deadline_ns of CLOCK_MONOTONIC; those that scroll are taken care
 * of. 0 for a new size or if nothing was pressed; -1 if the terminal is gone, or
 * if a signal came that is to end the process.
 */
int ctl_screen_key(struct ctl_screen *s, int64_t deadline_ns);

#endif /* CORO_TOOLS_SCREEN_H */
