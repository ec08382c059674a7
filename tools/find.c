// SPDX-License-Identifier: MIT
/*
 * Where libcoro is in another process: by the ELF note that it leaves in the program or
 * library that it is linked into.
 *
 * The note is read from the memory of the process and not from files, which may be
 * replaced, removed or in another mount namespace.
 */
#include "find.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define CTL_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define CTL_MACHINE EM_AARCH64
#endif

#define CTL_HEAD_BYTES 4096 /* ELF and program headers are in the first page */
#define CTL_NOTES_BYTES 65536 /* more notes than any file has */

/* One object that is loaded: its first page, and how far it was moved. */
struct ctl_object {
	union {
		Elf64_Ehdr elf;
		char bytes[CTL_HEAD_BYTES];
	} head;
	const Elf64_Phdr *phdrs;
	uint64_t bias;
};

static bool ctl_object_headers(struct ctl_object *o)
{
	const Elf64_Ehdr *elf = &o->head.elf;

	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf->e_machine != CTL_MACHINE ||
	    elf->e_phentsize != sizeof(Elf64_Phdr) ||
	    elf->e_phoff % sizeof(uint64_t) ||
	    elf->e_phoff + (uint64_t)elf->e_phnum * sizeof(Elf64_Phdr) >
		    CTL_HEAD_BYTES ||
	    elf->e_phoff > CTL_HEAD_BYTES)
		return false;
	o->phdrs = (const Elf64_Phdr *)(o->head.bytes + elf->e_phoff);
	return true;
}

/* Of what is mapped at @start from the beginning of its file. */
static int ctl_object_open(struct ctl_object *o, const struct ctl_process *p,
			   uint64_t start)
{
	int err = ctl_process_read(p, start, &o->head, sizeof(o->head));

	if (err == -EFAULT)
		return -ENODATA;
	if (err)
		return err;
	if (!ctl_object_headers(o))
		return -ENODATA;
	for (unsigned int i = 0; i < o->head.elf.e_phnum; i++) {
		const Elf64_Phdr *ph = &o->phdrs[i];

		if (ph->p_type == PT_LOAD && ph->p_offset < CTL_HEAD_BYTES) {
			o->bias = start - (ph->p_vaddr - ph->p_offset);
			return 0;
		}
	}
	return -ENODATA;
}

static size_t ctl_align(size_t at, size_t align)
{
	return (at + align - 1) & ~(align - 1);
}

/* The address that a note of ours in @text leads to, or 0. */
static uint64_t ctl_notes_root(const char *text, size_t bytes, size_t align,
			       uint64_t addr)
{
	size_t at = 0;

	while (at + sizeof(Elf64_Nhdr) <= bytes) {
		Elf64_Nhdr note;
		size_t name = at + sizeof(note), desc;
		int64_t distance;

		memcpy(&note, text + at, sizeof(note));
		if (note.n_namesz > bytes || note.n_descsz > bytes)
			return 0;
		desc = ctl_align(name + note.n_namesz, align);
		at = ctl_align(desc + note.n_descsz, align);
		if (desc + note.n_descsz > bytes)
			return 0;
		if (note.n_type != CORO__ROOT_TYPE ||
		    note.n_namesz != sizeof(CORO__ROOT_NOTE) ||
		    note.n_descsz != sizeof(distance) ||
		    memcmp(text + name, CORO__ROOT_NOTE, note.n_namesz))
			continue;
		memcpy(&distance, text + desc, sizeof(distance));
		return addr + desc + (uint64_t)distance;
	}
	return 0;
}

static uint64_t ctl_object_root(const struct ctl_object *o,
				const struct ctl_process *p)
{
	static char text[CTL_NOTES_BYTES];
	uint64_t root = 0;

	for (unsigned int i = 0; i < o->head.elf.e_phnum && !root; i++) {
		const Elf64_Phdr *ph = &o->phdrs[i];
		uint64_t addr = o->bias + ph->p_vaddr;

		if (ph->p_type != PT_NOTE || ph->p_memsz > sizeof(text) ||
		    ctl_process_read(p, addr, text, ph->p_memsz))
			continue;
		root = ctl_notes_root(text, ph->p_memsz,
				      ph->p_align == 8 ? 8 : 4, addr);
	}
	return root;
}

/* The start of a mapping that begins with an ELF file, by its line in maps; or 0. */
static uint64_t ctl_line_start(const char *line)
{
	unsigned long long start, offset;
	char readable;
	int path = 0;

	if (sscanf(line, "%llx-%*x %c%*3c %llx %*x:%*x %*u %n", &start,
		   &readable, &offset, &path) < 3)
		return 0;
	return readable == 'r' && !offset && line[path] == '/' ? start : 0;
}

int ctl_find_roots(const struct ctl_process *p,
		   uint64_t ret_roots[CTL_MAX_ROOTS], unsigned int *ret_nr)
{
	struct ctl_object o;
	size_t room = 0;
	char *line = NULL;
	char path[64];
	int err = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_nr = 0;
	while (!err && *ret_nr < CTL_MAX_ROOTS &&
	       getline(&line, &room, maps) > 0) {
		uint64_t start = ctl_line_start(line);
		uint64_t root = 0;

		if (!start)
			continue;
		err = ctl_object_open(&o, p, start);
		if (!err)
			root = ctl_object_root(&o, p);
		if (root)
			ret_roots[(*ret_nr)++] = root;
		if (err == -ENODATA)
			err = 0;
	}
	free(line);
	fclose(maps);
	return err || *ret_nr ? err : -ENODATA;
}
