/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap.c - see heap.h. Arenas grow upwards at fixed addresses; freed blocks go to a list of their
 * size and arena. Each block begins with a header of 32 bytes, by which an arena can be walked.
 *
 * Locks: one spin lock over everything; threads of the audit run one at a time.
 */
#include "tests/audit/heap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/percpu.h"
#include "tests/audit/recorder.h"

#define UNIT 32u
#define ARENA_BASE UINT64_C(0x200000000000)
#define ARENA_BYTES (UINT64_C(1) << 28)
#define CLASSES (1u << 14)

/* In front of each block, and a second one in front of what malloc returned if that is aligned. */
struct header {
	uint64_t units; /* of the whole block, header and gap included */
	uint64_t bytes; /* asked for */
	uint64_t place;
	uint64_t gap; /* bytes from the header of the block to that of what malloc returned */
};
_Static_assert(sizeof(struct header) == UNIT, "blocks are aligned as their headers are");

struct arena {
	uint64_t used; /* bytes */
	char *free_list[CLASSES]; /* by units; linked through the first word behind the header */
	_Alignas(64) char told[64]; /* stands for the arena's state in traces */
};

static struct arena arenas[HEAP_ARENAS];
static bool opened[HEAP_ARENAS];
static atomic_flag locked = ATOMIC_FLAG_INIT;

static char *arena_base(unsigned i)
{
	return (char *)(uintptr_t)(ARENA_BASE + i * ARENA_BYTES);
}

static bool arena_open(unsigned i)
{
	if (!opened[i])
		opened[i] = mmap(arena_base(i), ARENA_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
				 -1, 0) != MAP_FAILED;
	return opened[i];
}

static char *take(unsigned i, size_t units)
{
	struct arena *a = &arenas[i];
	char *block = NULL;

	while (atomic_flag_test_and_set(&locked))
		;
	if (arena_open(i)) {
		block = a->free_list[units];
		if (block) {
			memcpy(&a->free_list[units], block + UNIT, sizeof(char *));
		} else if (a->used + units * UNIT <= ARENA_BYTES) {
			block = arena_base(i) + a->used;
			a->used += units * UNIT;
		}
	}
	atomic_flag_clear(&locked);
	return block;
}

static void *allocate(size_t align, size_t bytes, uintptr_t place)
{
	unsigned i = percpu_id() % HEAP_ARENAS;
	size_t units = (bytes + (align > UNIT ? align : 0) + 2 * UNIT - 1) / UNIT + 1;
	char *block = units < CLASSES ? take(i, units) : NULL;

	if (!block)
		return NULL;
	uintptr_t at = (uintptr_t)block + UNIT;

	if (align > UNIT)
		at = (at + align - 1) / align * align;
	struct header h = { units, bytes, place, at - UNIT - (uintptr_t)block };

	memcpy(block, &h, sizeof(h));
	memcpy((char *)at - UNIT, &h, sizeof(h));
	trace_add(arenas[i].told, sizeof(arenas[i].told), true, place);
	return (void *)at;
}

static void give(void *p, uintptr_t place)
{
	struct header h;

	if (!p)
		return;
	memcpy(&h, (char *)p - UNIT, sizeof(h));
	char *block = (char *)p - UNIT - h.gap;
	struct arena *a = &arenas[((uintptr_t)block - ARENA_BASE) / ARENA_BYTES];

	trace_add(a->told, sizeof(a->told), true, place);
	while (atomic_flag_test_and_set(&locked))
		;
	memcpy(block + UNIT, &a->free_list[h.units], sizeof(char *));
	a->free_list[h.units] = block;
	atomic_flag_clear(&locked);
}

bool heap_find(uintptr_t address, struct heap_block *out)
{
	if (address < ARENA_BASE || address >= ARENA_BASE + HEAP_ARENAS * ARENA_BYTES)
		return false;
	unsigned i = (unsigned)((address - ARENA_BASE) / ARENA_BYTES);
	const char *block = arena_base(i);
	const char *end = block + arenas[i].used;
	struct header h;

	for (; block < end; block += h.units * UNIT) {
		memcpy(&h, block, sizeof(h));
		if (address >= (uintptr_t)block + h.units * UNIT)
			continue;
		*out = (struct heap_block){ (uintptr_t)block + h.gap + UNIT, h.bytes, h.place, i };
		return true;
	}
	return false;
}

#define PLACE ((uintptr_t)__builtin_return_address(0))

void *malloc(size_t bytes)
{
	return allocate(0, bytes, PLACE);
}

void *calloc(size_t count, size_t bytes)
{
	void *p = allocate(0, count * bytes, PLACE);

	if (p) {
		trace_add(p, count * bytes, true, PLACE);
		memset(p, 0, count * bytes);
	}
	return p;
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return allocate(align, bytes, PLACE);
}

void *realloc(void *old, size_t bytes)
{
	struct header h = { 0 };
	void *p = allocate(0, bytes, PLACE);

	if (old)
		memcpy(&h, (char *)old - UNIT, sizeof(h));
	if (p && old) {
		memcpy(p, old, h.bytes < bytes ? h.bytes : bytes);
		give(old, PLACE);
	}
	return p;
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
	*out = allocate(align, bytes, PLACE);
	return *out ? 0 : 12;
}

void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
	return allocate(align, bytes, PLACE);
}

void free(void *p)
{
	give(p, PLACE);
}
