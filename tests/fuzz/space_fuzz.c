/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_fuzz.c - any sequence of operations on two spaces and a shared object keeps the invariants.
 *
 * The input is a program of four-byte instructions {operation, page, pages, access}; pages lie in
 * 8 MiB, so that folded entries are cut, expanded and removed. mm_space_check() looks at the
 * invariants after every instruction, and at the end nothing may be left. The engine's own
 * checks abort through its failure hook.
 */
#include <stdint.h>
#include <stdlib.h>

#include "engine/mm.h"
#include "engine/shared_memory.h"

#define BASE (UINT64_C(1) << 30)
#define PAGES 2048u
#define INSTRUCTIONS_MAX 64

enum { MAP_ANON, MAP_SHARED_OBJECT, UNMAP, PROTECT, DISCARD, FAULT, TRUNCATE, PUNCH, OPERATIONS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	struct mm *mm;
	struct mm_space *space[2];
	struct shared_memory *object;
};

static void ignore(int rc)
{
	(void)rc; /* refusals are fine: what must hold is checked */
}

static void map(struct mm_space *s, struct shared_memory *object, uint64_t address, uint64_t length,
		mm_access perms)
{
	struct mmap_opts o = { .length = length,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !object };

	if (object) {
		o.mappable = shared_memory_mappable(object);
		o.identity = shared_memory_identity(object);
		o.offset = address - BASE;
	}
	ignore(mm_mmap(s, &o, &address));
}

static void step(struct machine *m, const uint8_t *code)
{
	struct mm_space *s = m->space[code[0] >> 7];
	uint64_t page = code[1] * UINT64_C(8) + (code[3] >> 5);
	uint64_t length = (code[2] ? code[2] * UINT64_C(4) : 512) * MM_PAGE_SIZE;
	uint64_t offset = page * MM_PAGE_SIZE, address = BASE + offset;
	mm_access access = access_effective(code[3] & 3);

	switch ((code[0] & 0x7f) % OPERATIONS) {
	case MAP_ANON:
		map(s, NULL, address, length, access);
		break;
	case MAP_SHARED_OBJECT:
		map(s, m->object, address, length, access);
		break;
	case UNMAP:
		ignore(mm_munmap(s, address, length));
		break;
	case PROTECT:
		ignore(mm_mprotect(s, address, length, access));
		break;
	case DISCARD:
		ignore(mm_discard(s, address, length));
		break;
	case FAULT:
		ignore(mm_fault(s, address, access));
		break;
	case TRUNCATE:
		ignore(shared_memory_truncate(m->object, offset));
		break;
	case PUNCH:
		ignore(shared_memory_punch(m->object,
					   (struct mappable_range){ offset, offset + length }));
		break;
	}
	mm_space_check(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_opts opts = { .page_class = size && (data[0] & 1) ? PAGE_THP : PAGE_4K };
	struct machine m;
	struct mm_stat stat;

	if (mm_thread_enter() || mm_create(&opts, &m.mm) ||
	    mm_space_create(m.mm, &host_space_none, 0, &m.space[0]) ||
	    mm_space_create(m.mm, &host_space_none, 0, &m.space[1]) ||
	    shared_memory_create(mm_memory_file(m.mm), PAGES * MM_PAGE_SIZE, opts.page_class, NULL,
				 &m.object))
		abort();
	for (size_t i = 1; i + 4 <= size && i < INSTRUCTIONS_MAX * 4; i += 4)
		step(&m, data + i);
	mm_space_destroy(m.space[0]);
	mm_space_destroy(m.space[1]);
	mapping_identity_dec_ref(shared_memory_identity(m.object));
	mm_get_stat(m.mm, &stat);
	if (stat.memory.live_pages || stat.vmas)
		abort();
	mm_destroy(m.mm);
	mm_thread_leave();
	return 0;
}
