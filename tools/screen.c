// SPDX-License-Identifier: MIT
/* A table on a terminal, which changes in its place. */
#define NCURSES_WIDECHAR 1
#include "screen.h"

#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Columns that are kept; what is right of the terminal is not shown. */
#define CTL_SCREEN_WIDTH 512

static SCREEN *ctl_screen;

/*
 * What ends this is blocked but where it waits for keys. It takes effect once the terminal
 * is as it was.
 */
static const int ctl_endings[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
static sigset_t ctl_mask; /* as it was */
static volatile sig_atomic_t ctl_ending;

#define CTL_NR_ENDINGS (sizeof(ctl_endings) / sizeof(*ctl_endings))

static void ctl_screen_ends(int sig)
{
	ctl_ending = sig;
}

/* Those that were ignored still are. */
static void ctl_screen_handle(void (*from)(int sig), void (*to)(int sig))
{
	const struct sigaction handler = { .sa_handler = to };
	struct sigaction now;

	for (size_t i = 0; i < CTL_NR_ENDINGS; i++)
		if (!sigaction(ctl_endings[i], NULL, &now) &&
		    now.sa_handler == from)
			sigaction(ctl_endings[i], &handler, NULL);
}

static void ctl_screen_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CTL_NR_ENDINGS; i++)
		sigaddset(&set, ctl_endings[i]);
	sigprocmask(SIG_BLOCK, &set, &ctl_mask);
	ctl_screen_handle(SIG_DFL, ctl_screen_ends);
}

static void ctl_screen_release(void)
{
	ctl_screen_handle(ctl_screen_ends, SIG_DFL);
	if (ctl_ending)
		raise(ctl_ending);
	sigprocmask(SIG_SETMASK, &ctl_mask, NULL);
}

bool ctl_screen_open(struct ctl_screen *s)
{
	*s = (struct ctl_screen){ 0 };
	setlocale(LC_CTYPE, "");
	/* First: newterm() has handlers for what has none. */
	ctl_screen_hold();
	ctl_screen = newterm(NULL, stdout, stdin);
	if (!ctl_screen) {
		ctl_screen_release();
		return false;
	}
	cbreak();
	noecho();
	keypad(stdscr, true);
	timeout(0);
	curs_set(0);
	/* Or the first key would clear what is shown. */
	refresh();
	return true;
}

void ctl_screen_close(void)
{
	endwin();
	delscreen(ctl_screen);
	ctl_screen_release();
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

static const char *ctl_lines_skip(const char *text, size_t nr)
{
	for (; nr && *text; nr--) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return text;
}

/* No character has more columns than bytes. */
static void ctl_pad_line(WINDOW *pad, int y, const char *text, bool title)
{
	size_t bytes = strcspn(text, "\n");

	if (bytes > CTL_SCREEN_WIDTH)
		bytes = CTL_SCREEN_WIDTH;
	if (title)
		wattron(pad, A_REVERSE);
	mvwaddnstr(pad, y, 0, text, (int)bytes);
	if (title) {
		whline(pad, ' ' | A_REVERSE, CTL_SCREEN_WIDTH);
		wattroff(pad, A_REVERSE);
	}
}

/* As much as is seen, of lines that may be many. */
static void ctl_pad_fill(WINDOW *pad, const char *text, size_t head,
			 size_t first)
{
	for (int y = 0; y < LINES && *text; y++) {
		bool title = (size_t)y + 1 == head;

		ctl_pad_line(pad, y, text, title);
		text = ctl_lines_skip(text, title ? 1 + first : 1);
	}
}

void ctl_screen_show(struct ctl_screen *s, const char *text, size_t head)
{
	size_t rows = ctl_lines(text) - head;
	size_t room = head < (size_t)LINES ? (size_t)LINES - head : 0;
	size_t last = rows > room ? rows - room : 0;
	WINDOW *pad = newpad(LINES, CTL_SCREEN_WIDTH);

	if (!pad)
		return;
	if (s->first > last)
		s->first = last;
	ctl_pad_fill(pad, text, head, s->first);
	werase(stdscr);
	wnoutrefresh(stdscr);
	pnoutrefresh(pad, 0, 0, 0, 0, LINES - 1, COLS - 1);
	doupdate();
	delwin(pad);
}

static struct timespec ctl_until(int64_t deadline_ns)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = deadline_ns - now.tv_sec * INT64_C(1000000000) - now.tv_nsec;
	if (left < 0)
		left = 0;
	return (struct timespec){ left / 1000000000, left % 1000000000 };
}

/* Of what was read already, or comes until the deadline. */
static int ctl_screen_read(int64_t deadline_ns)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct timespec left;
	int key = getch();
	int ready;

	if (key != ERR)
		return key;
	left = ctl_until(deadline_ns);
	ready = ppoll(&in, 1, &left, &ctl_mask);
	key = getch();
	/* There is something, and it is the end: nobody will ever press anything. */
	if (ctl_ending || (key == ERR && ready > 0))
		return -1;
	return key == ERR ? 0 : key;
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
	int key = ctl_screen_read(deadline_ns);

	switch (key) {
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
