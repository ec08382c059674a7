// SPDX-License-Identifier: MIT
/* JSON as it is written, and strings for people. */
#include "json.h"

#include <string.h>

/*
 * How many bytes a printable character of UTF-8 at @s has; 0 if there is none.
 */
static size_t ctl_char_bytes(const unsigned char *s)
{
	size_t bytes = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (bytes == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	/* Not in shortest form, the controls U+0080 to U+009F, surrogates, beyond U+10FFFF. */
	if (s[0] < 0xc2 || s[0] > 0xf4 || (s[0] == 0xc2 && s[1] < 0xa0) ||
	    (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return bytes;
}

/* How many bytes from @s on can be written as they are. */
static size_t ctl_plain_bytes(const unsigned char *s, const char *but)
{
	size_t nr = 0;

	while (s[nr] && !strchr(but, s[nr])) {
		size_t bytes = ctl_char_bytes(s + nr);

		if (!bytes)
			break;
		nr += bytes;
	}
	return nr;
}

static void ctl_json_string(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc_unlocked('"', to);
	for (;;) {
		size_t plain = ctl_plain_bytes(s, "\"\\");

		fwrite_unlocked(s, 1, plain, to);
		s += plain;
		if (!*s)
			break;
		if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if (*s < 0x80)
			fprintf(to, "\\u%04x", *s);
		else
			fputs("\\ufffd", to);
		s++;
	}
	putc_unlocked('"', to);
}

static void ctl_json_key(struct ctl_json *j, const char *key)
{
	if (j->comma)
		putc_unlocked(',', j->to);
	if (key)
		fprintf(j->to, "\"%s\":", key);
	j->comma = true;
}

void ctl_json_open(struct ctl_json *j, const char *key, char bracket)
{
	ctl_json_key(j, key);
	putc_unlocked(bracket, j->to);
	j->comma = false;
}

void ctl_json_close(struct ctl_json *j, char bracket)
{
	putc_unlocked(bracket, j->to);
	j->comma = true;
}

void ctl_json_text(struct ctl_json *j, const char *key, const char *text)
{
	ctl_json_key(j, key);
	if (text)
		ctl_json_string(j->to, text);
	else
		fputs("null", j->to);
}

void ctl_json_number(struct ctl_json *j, const char *key, int64_t value)
{
	ctl_json_key(j, key);
	fprintf(j->to, "%" PRId64, value);
}

void ctl_json_hex(struct ctl_json *j, const char *key, uint64_t value)
{
	ctl_json_key(j, key);
	fprintf(j->to, "\"0x%" PRIx64 "\"", value);
}

/* How many bytes that were. */
static size_t ctl_print(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t nr = 0;

	for (;;) {
		size_t plain = ctl_plain_bytes(s, "\\");

		nr += fwrite_unlocked(s, 1, plain, to);
		s += plain;
		if (!*s)
			return nr;
		nr += (size_t)fprintf(to, "\\x%02x", *s++);
	}
}

void ctl_print_text(FILE *to, const char *text)
{
	ctl_print(to, text);
}

void ctl_print_column(FILE *to, const char *text, size_t width)
{
	for (size_t nr = ctl_print(to, text); nr < width; nr++)
		putc_unlocked(' ', to);
	putc_unlocked(' ', to);
}

void ctl_print_ns(FILE *to, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms" };
	double value = (double)ns;
	size_t unit = 0;

	while (value >= 1000 && unit < 3) {
		value /= 1000;
		unit++;
	}
	fprintf(to, unit ? "%.3g %s" : "%.0f %s", value,
		unit < 3 ? units[unit] : "s");
}
