// SPDX-License-Identifier: MIT
/* Functions and lines of another process by their addresses. */
#include "symbol.h"

#include <stdlib.h>
#include <string.h>

#define CTL_FIRST_ROOM 64

void ctl_symbols_open(struct ctl_symbols *s, pid_t pid)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
	};

	*s = (struct ctl_symbols){ .dwfl = dwfl_begin(&callbacks) };
	if (!s->dwfl)
		return;
	if (dwfl_linux_proc_report(s->dwfl, pid) ||
	    dwfl_report_end(s->dwfl, NULL, NULL)) {
		dwfl_end(s->dwfl);
		s->dwfl = NULL;
	}
}

void ctl_symbols_close(struct ctl_symbols *s)
{
	if (s->dwfl)
		dwfl_end(s->dwfl);
	free(s->known);
}

static void ctl_symbols_ask(const struct ctl_symbols *s, struct ctl_place *p,
			    uint64_t addr)
{
	Dwfl_Module *mod = s->dwfl ? dwfl_addrmodule(s->dwfl, addr) : NULL;
	Dwfl_Line *line;
	GElf_Sym sym;

	if (!mod)
		return;
	p->object =
		dwfl_module_info(mod, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
	p->function = dwfl_module_addrinfo(mod, addr, &p->offset, &sym, NULL,
					   NULL, NULL);
	line = dwfl_module_getsrc(mod, addr);
	if (line)
		p->file = dwfl_lineinfo(line, NULL, &p->line, NULL, NULL, NULL);
}

/* Where @addr is or belongs, in a hash that has room. */
static struct ctl_place *ctl_symbols_slot(const struct ctl_symbols *s,
					  uint64_t addr)
{
	size_t at = addr * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (;; at++) {
		struct ctl_place *p = &s->known[at & (s->room - 1)];

		if (!p->addr || p->addr == addr)
			return p;
	}
}

static bool ctl_symbols_grow(struct ctl_symbols *s)
{
	struct ctl_symbols bigger = *s;

	if (s->room && 2 * s->nr < s->room)
		return true;
	bigger.room = s->room ? 2 * s->room : CTL_FIRST_ROOM;
	bigger.known = calloc(bigger.room, sizeof(*bigger.known));
	if (!bigger.known)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->known[i].addr)
			*ctl_symbols_slot(&bigger, s->known[i].addr) =
				s->known[i];
	free(s->known);
	*s = bigger;
	return true;
}

const struct ctl_place *ctl_symbols_place(struct ctl_symbols *s, uint64_t addr,
					  bool after)
{
	static struct ctl_place unknown;
	struct ctl_place *p;

	unknown = (struct ctl_place){ .addr = addr };
	if (!addr || !ctl_symbols_grow(s))
		return &unknown;
	p = ctl_symbols_slot(s, addr);
	if (p->addr)
		return p;
	s->nr++;
	p->addr = addr;
	/* What is behind a call can be another function already. */
	ctl_symbols_ask(s, p, addr - after);
	if (p->function)
		p->offset += after;
	return p;
}

void ctl_place_print(const struct ctl_place *p, FILE *to)
{
	const char *file = p->file ? strrchr(p->file, '/') : NULL;

	if (p->function) {
		ctl_print_text(to, p->function);
		if (p->offset && !p->file)
			fprintf(to, "+0x%" PRIx64, p->offset);
	} else {
		fprintf(to, "0x%" PRIx64, p->addr);
	}
	if (p->file) {
		fputs(" at ", to);
		ctl_print_text(to, file ? file + 1 : p->file);
		fprintf(to, ":%d", p->line);
	}
}

void ctl_place_json(const struct ctl_place *p, struct ctl_json *j)
{
	ctl_json_hex(j, "address", p->addr);
	ctl_json_text(j, "function", p->function);
	ctl_json_text(j, "file", p->file);
	if (p->file)
		ctl_json_number(j, "line", p->line);
	ctl_json_text(j, "object", p->object);
}
