// SPDX-License-Identifier: MIT
/* A table on a terminal, which changes in its place. */
#define NCURSES_WIDECHAR 1
#include "screen.h"

#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Columns that are kept; what is right of the terminal is not shown. */
#define CTL_SCREEN_WIDTH 512

static SCREEN *ctl_screen;

bool ctl_screen_open(struct ctl_screen *s)
{
	*s = (struct ctl_screen){ 0 };
	setlocale(LC_CTYPE, "");
	ctl_screen = newterm(NULL, stdout, stdin);
	if (!ctl_screen)
		return false;
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	/* Or the first key would clear what is shown. */
	refresh();
	return true;
}

void ctl_screen_close(void)
{
	endwin();
	delscreen(ctl_screen);
}

static size_t ctl_lines(const char *text)
{
	size_t nr = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		nr++;
	}
	return nr;
}

static void ctl_pad_fill(WINDOW *pad, const char *text, size_t head)
{
	for (int y = 0; *text; y++) {
		size_t bytes = strcspn(text, "\n");
		bool title = (size_t)y + 1 == head;

		if (title)
			wattron(pad, A_REVERSE);
		mvwaddnstr(pad, y, 0, text, (int)bytes);
		if (title) {
			whline(pad, ' ' | A_REVERSE, CTL_SCREEN_WIDTH);
			wattroff(pad, A_REVERSE);
		}
		text += bytes + (text[bytes] == '\n');
	}
}

void ctl_screen_show(struct ctl_screen *s, const char *text, size_t head)
{
	int lines = (int)ctl_lines(text), top = (int)head;
	int room = LINES - top;
	WINDOW *pad = newpad(lines + 1, CTL_SCREEN_WIDTH);

	if (!pad)
		return;
	if (room < 0)
		room = 0;
	if ((int)s->first > lines - top - room)
		s->first = lines - top > room ? (size_t)(lines - top - room) :
						0;
	ctl_pad_fill(pad, text, head);
	werase(stdscr);
	wnoutrefresh(stdscr);
	if (LINES > 0 && top > 0)
		pnoutrefresh(pad, 0, 0, 0, 0, top > LINES ? LINES - 1 : top - 1,
			     COLS - 1);
	if (room > 0 && lines > top)
		pnoutrefresh(pad, top + (int)s->first, 0, top, 0, LINES - 1,
			     COLS - 1);
	doupdate();
	delwin(pad);
}

static int ctl_ms_until(int64_t deadline_ns)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = deadline_ns - now.tv_sec * INT64_C(1000000000) - now.tv_nsec;
	return left <= 0 ? 0 : (int)(left / 1000000) + 1;
}

static void ctl_scroll(struct ctl_screen *s, long by)
{
	if (by < 0 && s->first < (size_t)-by)
		s->first = 0;
	else
		s->first += (size_t)by;
}

int ctl_screen_key(struct ctl_screen *s, int64_t deadline_ns)
{
	int key;

	timeout(ctl_ms_until(deadline_ns));
	key = getch();
	switch (key) {
	case ERR:
		/* At once and not at the deadline: nobody will ever press anything. */
		return ctl_ms_until(deadline_ns) > 2 ? -1 : 0;
	case KEY_UP:
		ctl_scroll(s, -1);
		return 0;
	case KEY_DOWN:
		ctl_scroll(s, 1);
		return 0;
	case KEY_PPAGE:
		ctl_scroll(s, -LINES / 2);
		return 0;
	case KEY_NPAGE:
		ctl_scroll(s, LINES / 2);
		return 0;
	case KEY_RESIZE:
		return 0;
	default:
		return key;
	}
}
