/* SPDX-License-Identifier: MIT */
/* The switch for aarch64 (AAPCS64): x19-x30, d8-d15 and FPCR. */

	.text

/*
 * Saved frame, from the stack pointer up: x19 to x30, d8 to d15, FPCR, and a
 * word that keeps the stack aligned.
 */
	.macro	save
	sub	sp, sp, #176
	.cfi_def_cfa_offset 176
	stp	x19, x20, [sp]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	.cfi_offset 19, -176
	.cfi_offset 20, -168
	.cfi_offset 21, -160
	.cfi_offset 22, -152
	.cfi_offset 23, -144
	.cfi_offset 24, -136
	.cfi_offset 25, -128
	.cfi_offset 26, -120
	.cfi_offset 27, -112
	.cfi_offset 28, -104
	.cfi_offset 29, -96
	.cfi_offset 30, -88
	.cfi_offset 72, -80
	.cfi_offset 73, -72
	.cfi_offset 74, -64
	.cfi_offset 75, -56
	.cfi_offset 76, -48
	.cfi_offset 77, -40
	.cfi_offset 78, -32
	.cfi_offset 79, -24
	mrs	x9, fpcr
	str	x9, [sp, #160]
	.endm

	.globl	coro__switch
	.hidden	coro__switch
	.type	coro__switch, %function
	.p2align 4
coro__switch:
	.cfi_startproc
	hint	#34		/* bti c */
	save

	mov	x10, sp
	str	x10, [x0]
	mov	sp, x1

	/* Writing FPCR is slow; it hardly ever differs. */
	ldr	x10, [sp, #160]
	cmp	x9, x10
	b.eq	1f
	msr	fpcr, x10
1:	ldp	x19, x20, [sp]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #176
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	coro__switch, . - coro__switch

/*
 * The frame that the callee returns to has the shape of the saved one above it, so
 * that the unwind rules of coro__switch hold for both: an unwinder goes on along
 * the callee's stack.
 */
	.globl	coro__switch_call
	.hidden	coro__switch_call
	.type	coro__switch_call, %function
	.p2align 4
coro__switch_call:
	.cfi_startproc
	hint	#34		/* bti c */
	save

	mov	x19, sp
	str	x19, [x0]
	mov	sp, x1
	mov	x0, x3

	ldr	x10, [sp, #160]
	cmp	x9, x10
	b.ne	2f
	blr	x2
	mov	sp, x19
1:	ldp	x19, x20, [sp]
	ldr	x30, [sp, #88]
	add	sp, sp, #176
	.cfi_remember_state
	.cfi_def_cfa_offset 0
	ret
	.cfi_restore_state
2:	msr	fpcr, x10
	blr	x2
	mov	sp, x19
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	b	1b
	.cfi_endproc
	.size	coro__switch_call, . - coro__switch_call

/* The first frame of every coroutine; its argument comes in x19. */
	.globl	coro__entry
	.hidden	coro__entry
	.type	coro__entry, %function
	.p2align 4
coro__entry:
	.cfi_startproc
	.cfi_undefined 30
	mov	x0, x19
	bl	coro__main
	brk	#1
	.cfi_endproc
	.size	coro__entry, . - coro__entry

	.section .note.GNU-stack, "", %progbits
