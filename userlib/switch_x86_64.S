/* SPDX-License-Identifier: MIT */
/* The switch for x86-64 (System V ABI): rbx, rbp, r12-r15, MXCSR and the x87 control word. */

	.text

/*
 * Saved frame, from the stack pointer up: control words, r15, r14, r13, r12,
 * rbx, rbp, return address. The unwind rules stay true at every instruction:
 * between the two stack pointers both frames have the same shape, so an
 * unwinder that finds a suspended stack may start at coro__switch's last jump.
 *
 * The return is a jump: the return predictor knows the other stack's calls, so
 * that a ret here would be mispredicted every time.
 */
	.macro	save
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	.endm

	.globl	coro__switch
	.hidden	coro__switch
	.type	coro__switch, @function
	.p2align 4
coro__switch:
	.cfi_startproc
	endbr64
	save
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp

	/*
	 * Loading control words stalls; they hardly ever differ. The low six
	 * bits of MXCSR are flags, which no call preserves.
	 */
	xorl	(%rsp), %eax
	testl	$~0x3f, %eax
	jne	2f
1:	cmpw	4(%rsp), %cx
	jne	3f
4:	movq	8(%rsp), %r15
	movq	16(%rsp), %r14
	movq	24(%rsp), %r13
	movq	32(%rsp), %r12
	movq	40(%rsp), %rbx
	movq	48(%rsp), %rbp
	movq	56(%rsp), %rdx
	addq	$64, %rsp
	.cfi_def_cfa_offset 0
	.cfi_register %rip, %rdx
	.cfi_same_value %rbp
	.cfi_same_value %rbx
	.cfi_same_value %r12
	.cfi_same_value %r13
	.cfi_same_value %r14
	.cfi_same_value %r15
	jmp	*%rdx
	.cfi_def_cfa_offset 64
	.cfi_offset %rip, -8
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
2:	ldmxcsr	(%rsp)
	jmp	1b
3:	fldcw	4(%rsp)
	jmp	4b
	.cfi_endproc
	.size	coro__switch, . - coro__switch

/*
 * The frame that the callee returns to has the shape of the saved one above it, so
 * that the unwind rules of coro__switch hold for both: an unwinder goes on along
 * the callee's stack.
 */
	.globl	coro__switch_call
	.hidden	coro__switch_call
	.type	coro__switch_call, @function
	.p2align 4
coro__switch_call:
	.cfi_startproc
	endbr64
	save
	movl	(%rsp), %eax
	movzwl	4(%rsp), %r8d

	movq	%rsp, (%rdi)
	movq	%rsp, %rbx
	movq	%rsi, %rsp
	movq	%rcx, %rdi

	xorl	(%rsp), %eax
	testl	$~0x3f, %eax
	jne	2f
	cmpw	4(%rsp), %r8w
	jne	2f
	call	*%rdx
	movq	%rbx, %rsp
1:	movq	40(%rsp), %rbx
	addq	$56, %rsp
	.cfi_def_cfa_offset 8
	.cfi_same_value %rbp
	.cfi_same_value %rbx
	.cfi_same_value %r12
	.cfi_same_value %r13
	.cfi_same_value %r14
	.cfi_same_value %r15
	ret
	.cfi_def_cfa_offset 64
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
2:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	call	*%rdx
	movq	%rbx, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	jmp	1b
	.cfi_endproc
	.size	coro__switch_call, . - coro__switch_call

/* The first frame of every coroutine; its argument comes in r12. */
	.globl	coro__entry
	.hidden	coro__entry
	.type	coro__entry, @function
	.p2align 4
coro__entry:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	movq	%r12, %rdi
	call	coro__main
	ud2
	.cfi_endproc
	.size	coro__entry, . - coro__entry

	.section .note.GNU-stack, "", @progbits
