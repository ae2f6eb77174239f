/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safe_copy.c - the accesses that may fault, and where each goes on when it does.
 *
 * Exact counts: every instruction that can fault leaves its registers such that rdi and rsi are at
 * the next byte and rcx is what is left. A short range moves by words; a word that faults may
 * have good bytes before the bad one, so its landing pad goes on byte by byte until it
 * faults again. A string instruction is restartable, so rcx is exact in itself (SDM vol. 1,
 * 7.3.9). rdx is 0 unless the handler put the address of the fault there, with the top bit set for
 * SIGBUS: addresses of a process have that bit clear.
 *
 * The table is of a few ranges, so a look takes no time. The ranges exclude each other.
 *
 * x86-64 only, like trap.c, which knows the layout of the registers.
 */
#include "engine/safe_copy.h"

#include <errno.h>

#ifndef __x86_64__
#error "safe_copy.c: write the accesses and landing pads for this processor"
#endif

/* Below this many bytes a loop of words beats the start of a string instruction. */
#define SAFE_COPY_STRING "64"

/* NAME_at .. NAME_end: the instructions that may fault; NAME_pad: where to go then. */
#define MAY_FAULT(name) #name "_at:\n"
#define UNTIL(name) #name "_end:\n"
#define PAD(name) #name "_pad:\n"
#define BEGIN(name) \
	"\t.globl " #name "\n\t.type " #name ", @function\n" #name ":\n\t.cfi_startproc\n"
#define END(name) "\t.cfi_endproc\n\t.size " #name ", . - " #name "\n"

/* clang-format off */
__asm__("\t.pushsection .text.safe_copy, \"ax\", @progbits\n"
	"\t.p2align 4\n"
	BEGIN(safe_copy_run) /* rdi to, rsi from, rdx n */
	"\tmovq %rdx, %rcx\n"
	"\txorl %edx, %edx\n"
	"\tcmpq $" SAFE_COPY_STRING ", %rcx\n"
	"\tjae 3f\n"
	"1:\tcmpq $8, %rcx\n"
	"\tjb 2f\n"
	MAY_FAULT(safe_copy_word)
	"\tmovq (%rsi), %rax\n"
	"\tmovq %rax, (%rdi)\n"
	UNTIL(safe_copy_word)
	"\taddq $8, %rsi\n"
	"\taddq $8, %rdi\n"
	"\tsubq $8, %rcx\n"
	"\tjmp 1b\n"
	PAD(safe_copy_word)
	"\txorl %edx, %edx\n"
	"2:\ttestq %rcx, %rcx\n"
	"\tjz 4f\n"
	MAY_FAULT(safe_copy_byte)
	"\tmovb (%rsi), %al\n"
	"\tmovb %al, (%rdi)\n"
	UNTIL(safe_copy_byte)
	"\tincq %rsi\n"
	"\tincq %rdi\n"
	"\tdecq %rcx\n"
	"\tjmp 2b\n"
	"3:\n"
	MAY_FAULT(safe_copy_string)
	"\trep movsb\n"
	UNTIL(safe_copy_string)
	PAD(safe_copy_string)
	PAD(safe_copy_byte)
	"4:\tmovq %rcx, %rax\n"
	"\tret\n"
	END(safe_copy_run)
	"\t.p2align 4\n"
	BEGIN(safe_zero_run) /* rdi to, rsi n */
	"\tmovq %rsi, %rcx\n"
	"\txorl %eax, %eax\n"
	"\txorl %edx, %edx\n"
	MAY_FAULT(safe_zero_string)
	"\trep stosb\n"
	UNTIL(safe_zero_string)
	PAD(safe_zero_string)
	"\tmovq %rcx, %rax\n"
	"\tret\n"
	END(safe_zero_run)
	/* The atomics return what was there, or with bit 63 set: a fault. */
	BEGIN(safe_copy_swap) /* rdi word, esi value */
	"\tmovl %esi, %eax\n"
	MAY_FAULT(safe_copy_swap)
	"\txchgl %eax, (%rdi)\n"
	UNTIL(safe_copy_swap)
	"\tret\n"
	END(safe_copy_swap)
	BEGIN(safe_copy_compare_swap) /* rdi word, esi expected, edx value */
	"\tmovl %esi, %eax\n"
	MAY_FAULT(safe_copy_compare_swap)
	"\tlock cmpxchgl %edx, (%rdi)\n"
	UNTIL(safe_copy_compare_swap)
	"\tmovl %eax, %eax\n"
	"\tret\n"
	END(safe_copy_compare_swap)
	BEGIN(safe_copy_load) /* rdi word */
	MAY_FAULT(safe_copy_load)
	"\tmovl (%rdi), %eax\n"
	UNTIL(safe_copy_load)
	"\tret\n"
	PAD(safe_copy_swap)
	PAD(safe_copy_compare_swap)
	PAD(safe_copy_load)
	"\tmovq $-1, %rax\n"
	"\tret\n"
	END(safe_copy_load)
	"\t.popsection\n");
/* clang-format on */

/* As the processor returns them: rax, rdx. */
struct run_result {
	uint64_t left, fault;
};

#define FAULT_BUS (UINT64_C(1) << 63)

struct run_result safe_copy_run(void *to, const void *from, size_t n);
struct run_result safe_zero_run(void *to, size_t n);
uint64_t safe_copy_swap(uint32_t *word, uint32_t value);
uint64_t safe_copy_compare_swap(uint32_t *word, uint32_t expected, uint32_t value);
uint64_t safe_copy_load(const uint32_t *word);

#define DECLARE(name) extern const char name##_at[], name##_end[], name##_pad[]
#define ROW(name)                                 \
	{                                         \
		name##_at, name##_end, name##_pad \
	}

DECLARE(safe_copy_word);
DECLARE(safe_copy_byte);
DECLARE(safe_copy_string);
DECLARE(safe_zero_string);
DECLARE(safe_copy_swap);
DECLARE(safe_copy_compare_swap);
DECLARE(safe_copy_load);

static const struct landing {
	const char *at, *end, *pad;
} landings[] = {
	ROW(safe_copy_word),   ROW(safe_copy_byte), ROW(safe_copy_string),
	ROW(safe_zero_string), ROW(safe_copy_swap), ROW(safe_copy_compare_swap),
	ROW(safe_copy_load),
};

bool safe_copy_recover(ucontext_t *context, const siginfo_t *info)
{
	greg_t *registers = context->uc_mcontext.gregs;
	uintptr_t at = (uintptr_t)registers[REG_RIP];

	for (size_t i = 0; i < sizeof(landings) / sizeof(landings[0]); i++) {
		const struct landing *l = &landings[i];

		if (at < (uintptr_t)l->at || at >= (uintptr_t)l->end)
			continue;
		registers[REG_RIP] = (greg_t)(uintptr_t)l->pad;
		registers[REG_RDX] = (greg_t)((uintptr_t)info->si_addr |
					      (info->si_signo == SIGBUS ? FAULT_BUS : 0));
		return true;
	}
	return false;
}

static struct safe_copied copied(struct run_result r)
{
	return (struct safe_copied){ r.left, r.fault & ~FAULT_BUS, (r.fault & FAULT_BUS) != 0 };
}

struct safe_copied safe_copy(void *to, const void *from, size_t n)
{
	return copied(safe_copy_run(to, from, n));
}

struct safe_copied safe_zero(void *to, size_t n)
{
	return copied(safe_zero_run(to, n));
}

static int word_result(uint64_t got, uint32_t *out)
{
	if (got >> 63)
		return -EFAULT;
	*out = (uint32_t)got;
	return 0;
}

int safe_swap_u32(uint32_t *word, uint32_t value, uint32_t *old)
{
	return word_result(safe_copy_swap(word, value), old);
}

int safe_compare_swap_u32(uint32_t *word, uint32_t expected, uint32_t value, uint32_t *old)
{
	return word_result(safe_copy_compare_swap(word, expected, value), old);
}

int safe_load_u32(const uint32_t *word, uint32_t *value)
{
	return word_result(safe_copy_load(word), value);
}
