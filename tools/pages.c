// SPDX-License-Identifier: MIT
/* How much memory the stacks of another process take. */
#include "pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Bits of a word of pagemap, see proc(5). */
#define CTL_PAGE_PRESENT (UINT64_C(1) << 63)
#define CTL_PAGE_SWAPPED (UINT64_C(1) << 62)

void ctl_pages_open(struct ctl_pages *m, const struct ctl_process *p)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", p->pid);
	m->fd = open(path, O_RDONLY | O_CLOEXEC);
	m->page = (size_t)sysconf(_SC_PAGESIZE);
	m->nr = 0;
}

void ctl_pages_close(struct ctl_pages *m)
{
	if (m->fd >= 0)
		close(m->fd);
}

/* Words of @nr pages from @first on, with more of those that follow; or NULL. */
static const uint64_t *ctl_pages_words(struct ctl_pages *m, uint64_t first,
				       size_t nr)
{
	const size_t most = sizeof(m->words) / sizeof(*m->words);
	ssize_t got;

	if (first >= m->first && first + nr <= m->first + m->nr)
		return m->words + (first - m->first);
	if (nr > most)
		return NULL;
	got = pread(m->fd, m->words, sizeof(m->words),
		    (off_t)(first * sizeof(*m->words)));
	m->first = first;
	m->nr = got > 0 ? (size_t)got / sizeof(*m->words) : 0;
	return m->nr < nr ? NULL : m->words;
}

bool ctl_pages_stack(struct ctl_pages *m, uint64_t low, uint64_t bytes,
		     uint64_t *ret_resident, uint64_t *ret_peak)
{
	size_t nr = bytes / m->page - 1;
	const size_t most = sizeof(m->words) / sizeof(*m->words);
	uint64_t first = low / m->page + 1;

	*ret_resident = 0;
	*ret_peak = 0;
	if (m->fd < 0)
		return false;
	/* The lowest last, so that a large stack is looked at in parts from its top. */
	while (nr) {
		size_t part = nr < most ? nr : most;
		const uint64_t *words =
			ctl_pages_words(m, first + nr - part, part);

		if (!words)
			return false;
		for (size_t i = part; i-- > 0;) {
			bool present = words[i] & CTL_PAGE_PRESENT;

			*ret_resident += present ? m->page : 0;
			if (present || words[i] & CTL_PAGE_SWAPPED)
				*ret_peak =
					bytes - (nr - part + i + 1) * m->page;
		}
		nr -= part;
	}
	return true;
}
