/* SPDX-License-Identifier: MIT */
/* The switch: leaves one stack and enters another. One assembly file per architecture. */
#ifndef CORO_USERLIB_SWITCH_H
#define CORO_USERLIB_SWITCH_H

#include <stddef.h>
#include <linux/types.h>
#include <stdint.h>

/*
 * Save the callee-saved registers and the floating point control words on the
 * running stack, its pointer in *save, and continue on the stack whose pointer
 * was saved as @load. Returns when somebody switches back.
 */
void coro__switch(__u64 *save, __u64 load);

/*
 * The same, to call @fn(@arg) there, below what was saved as @load, and be back when
 * it returns. Meanwhile somebody else may continue what was saved in *save:
 * then @fn must not return.
 */
void coro__switch_call(__u64 *save, __u64 load, void (*fn)(void *arg),
		       void *arg);

/* Where a new stack begins: calls coro__main() with its argument. */
void coro__entry(void);

/* Words that coro__switch() keeps on a stack, and which of them are what. */
#if defined(__x86_64__)
#define CORO__FRAME_WORDS 8
#define CORO__FRAME_ARG 4 /* r12 */
#define CORO__FRAME_PC 7
#define CORO__FRAME_FPCW 0
#elif defined(__aarch64__)
#define CORO__FRAME_WORDS 22
#define CORO__FRAME_ARG 0 /* x19 */
#define CORO__FRAME_PC 11
#define CORO__FRAME_FPCW 20
#else
#error "libcoro has no switch for this architecture: add userlib/switch_<arch>.S"
#endif

/* The caller's floating point modes, as coro__switch() keeps them. */
static inline uint64_t coro__fpcw(void)
{
#if defined(__x86_64__)
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return mxcsr | (uint64_t)x87 << 32;
#else
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
#endif
}

/* Those that a program begins with: so say the ABIs. */
static inline void coro__fpcw_reset(void)
{
#if defined(__x86_64__)
	const uint32_t mxcsr = 0x1f80;
	const uint16_t x87 = 0x37f;

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
#else
	__asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
#endif
}

/*
 * Lay a first frame below @top so that switching to the returned stack pointer
 * enters coro__main(arg). @top must be 16-byte aligned.
 */
static inline uint64_t coro__frame_init(void *top, void *arg)
{
	uint64_t *frame = (uint64_t *)top - CORO__FRAME_WORDS;

	for (size_t i = 0; i < CORO__FRAME_WORDS; i++)
		frame[i] = 0;
	frame[CORO__FRAME_FPCW] = coro__fpcw();
	frame[CORO__FRAME_ARG] = (uintptr_t)arg;
	frame[CORO__FRAME_PC] = (uintptr_t)coro__entry;
	return (uintptr_t)frame;
}

#endif /* CORO_USERLIB_SWITCH_H */
