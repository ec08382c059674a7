// SPDX-License-Identifier: MIT
/* What the device says of a scheduler of another process. */
#include "fdinfo.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static bool ctl_figure_parse(const char *line, struct ctl_figure *figure)
{
	if (sscanf(line, "coro-%31[a-z-]:%" SCNd64, figure->name,
		   &figure->value) != 2)
		return false;
	for (char *c = figure->name; *c; c++)
		if (*c == '-')
			*c = '_';
	return true;
}

static size_t ctl_fdinfo_parse(FILE *f, struct ctl_figure to[CTL_MAX_FIGURES])
{
	char line[128];
	size_t nr = 0;

	while (nr < CTL_MAX_FIGURES && fgets(line, sizeof(line), f))
		nr += ctl_figure_parse(line, &to[nr]);
	return nr;
}

size_t ctl_fdinfo_read(const struct ctl_process *p,
		       const struct ctl_sched *sched,
		       struct ctl_figure to[CTL_MAX_FIGURES])
{
	int fd = sched->fd < 0 ? -1 : ctl_process_fd(p, sched->fd);
	char path[64];
	size_t nr = 0;
	FILE *f;

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (f) {
		nr = ctl_fdinfo_parse(f, to);
		fclose(f);
	}
	close(fd);
	return nr;
}
