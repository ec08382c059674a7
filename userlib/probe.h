/* SPDX-License-Identifier: MIT */
/* Probes for tracers: a note and a nop each, if SystemTap's header is there at build. */
#ifndef CORO_USERLIB_PROBE_H
#define CORO_USERLIB_PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define CORO__HAS_PROBES 1
#endif
#endif

/*
 * The probe @name of provider libcoro. man/libcoro.7 has the list, whose names and arguments
 * stay. Values are where the code has them anyway, in a register or in memory: nothing is
 * computed for a probe. gcc takes the lines of its note for instructions, so what must be
 * inlined is always_inline.
 */
#ifdef CORO__HAS_PROBES
#define CORO__PROBE(name, ...) STAP_PROBEV(libcoro, name, __VA_ARGS__)
#else
#define CORO__PROBE(name, ...) \
	do {                   \
	} while (0)
#endif

#endif /* CORO_USERLIB_PROBE_H */
