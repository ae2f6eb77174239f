/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_listing.c - see mm_listing.h.
 *
 * Runs are gathered a batch at a time with the whole of `mapping` held: then no entry changes its
 * vma, so that vmas can be read without entry locks (faults go on, and change translations only).
 * A run is always gathered to its end. Each run takes a reference of its identity along; names are
 * asked, and the caller is told, with no lock held at all. A batch lies on the stack, so that
 * a listing needs no memory and cannot fail.
 */
#include "engine/mm_listing.h"

#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "engine/space.h"

#define BATCH_RUNS 16
#define PSS_SHIFT 12 /* fractions of a byte, as Linux reckons */
#define NAME_COLUMN 73

/* A line in the making. */
struct run {
	struct mm_listing_line line;
	struct mapping_identity *identity; /* referenced; or NULL */
};

struct gather {
	struct mm_space *s;
	bool count_pages; /* the parts of `memory` that need a page's references as well */
	uint64_t from; /* first page that was not told yet */
	unsigned count;
	struct run runs[BATCH_RUNS];
};

/* ---- memory of an entry ---- */

/* How many mappings a page has, by its references. */
static uint32_t mappings_of(const struct gather *g, const struct vma *v, uint64_t word,
			    uint32_t page)
{
	struct memory_file *mf = g->s->mm->memory;
	uint32_t references = memory_file_count(mf, page);
	uint32_t others = memory_file_pins(mf, page);

	/* A mappable that tells its pages has one reference of each. */
	if (!(word & ENTRY_PRIVATE) && v->mappable->ops->visit_pages)
		others++;
	return references > others ? references - others : 1; /* less: dropped while we look */
}

/* first_page: of the part of the entry that is looked at. */
static void add_memory(const struct gather *g, struct mm_listing_memory *m, const struct vma *v,
		       uint64_t word, uint32_t first_page, uint64_t pages)
{
	uint64_t bytes = pages << MM_PAGE_SHIFT;
	bool dirty = (word & ENTRY_PRIVATE) || (entry_access(word) & MM_WRITE);

	m->resident += bytes;
	if (word & ENTRY_PRIVATE)
		m->anonymous += bytes;
	if ((word & ENTRY_HUGE) && (word & ENTRY_PRIVATE))
		m->anonymous_huge += bytes;
	else if (word & ENTRY_HUGE)
		m->mappable_huge += bytes;
	for (uint32_t i = 0; g->count_pages && i < pages; i++) {
		uint32_t mappings = mappings_of(g, v, word, first_page + i);
		uint64_t share = (MM_PAGE_SIZE << PSS_SHIFT) / mappings;

		m->proportional += share;
		m->proportional_dirty += dirty ? share : 0;
		if (mappings > 1)
			*(dirty ? &m->shared_dirty : &m->shared_clean) += MM_PAGE_SIZE;
		else
			*(dirty ? &m->private_dirty : &m->private_clean) += MM_PAGE_SIZE;
	}
}

/* ---- gathering ---- */

static void start_run(struct run *r, const struct vma *v, struct addr_range range)
{
	*r = (struct run){
		.line = {
			.range = range,
			.perms = v->perms,
			.max_perms = v->max_perms,
			.is_private = v->is_private,
			.grows_down = v->grows_down,
			.locked = v->mlock_mode != MLOCK_NONE,
			.lock_on_fault = v->mlock_mode == MLOCK_LAZY,
			.dontfork = v->dontfork,
			.may_be_huge = v->page_class != PAGE_4K,
			.mappable = v->mappable,
			.offset = v->mappable ? vma_offset(v, range.start >> MM_PAGE_SHIFT) : 0,
		},
		.identity = v->identity,
	};
	if (v->name)
		strncpy(r->line.name, v->name, sizeof(r->line.name) - 1);
	if (r->identity)
		mapping_identity_inc_mapped(r->identity);
}

/* Does an entry of v at `range` belong to the run? */
static bool continues(const struct run *r, const struct vma *v, struct addr_range range)
{
	const struct mm_listing_line *l = &r->line;

	return l->range.end == range.start && l->perms == v->perms &&
	       l->max_perms == v->max_perms && l->is_private == v->is_private &&
	       l->grows_down == v->grows_down && l->locked == (v->mlock_mode != MLOCK_NONE) &&
	       l->lock_on_fault == (v->mlock_mode == MLOCK_LAZY) && l->dontfork == v->dontfork &&
	       l->may_be_huge == (v->page_class != PAGE_4K) && l->mappable == v->mappable &&
	       r->identity == v->identity &&
	       (!v->mappable || l->offset + addr_range_length(l->range) ==
					vma_offset(v, range.start >> MM_PAGE_SHIFT)) &&
	       strcmp(l->name, v->name ? v->name : "") == 0;
}

/* False when the batch is full and the entry begins another run. */
static bool gather_entry(uint64_t page, unsigned level, uint64_t word, void *arg)
{
	struct gather *g = arg;
	const struct vma *v = vma_at(&g->s->mm->vma_pool, entry_vma(word));
	uint64_t start = page < g->from ? g->from : page; /* folded since the last batch */
	uint64_t end = page + map_span(level);
	struct addr_range range = pages_to_addresses(start, end);
	struct run *r = g->count ? &g->runs[g->count - 1] : NULL;

	if (r && continues(r, v, range)) {
		r->line.range.end = range.end;
	} else {
		if (g->count == BATCH_RUNS)
			return false;
		r = &g->runs[g->count++];
		start_run(r, v, range);
	}
	g->from = end;
	if (word & ENTRY_PRESENT)
		add_memory(g, &r->line.memory, v, word, entry_page(word) + (uint32_t)(start - page),
			   end - start);
	return true;
}

static void gather_batch(struct gather *g) MAY_LOCK_MAPPING
{
	struct range_held held;

	g->count = 0;
	range_lock_all(&g->s->mapping, &held);
	address_map_visit_from(&g->s->map, g->from, gather_entry, g);
	range_lock_unlock(&held);
}

/* ---- telling ---- */

/* Asks who is mapped for what only he knows. */
static void finish_run(struct run *r) MAY_LOCK_ANY
{
	struct mm_listing_line *l = &r->line;

	l->memory.proportional >>= PSS_SHIFT;
	l->memory.proportional_dirty >>= PSS_SHIFT;
	if (!r->identity)
		return;
	l->device = mapping_identity_device_id(r->identity);
	l->inode = mapping_identity_inode_id(r->identity);
	if (!l->name[0])
		mapping_identity_mapped_name(r->identity, l->name, sizeof(l->name));
	mapping_identity_dec_mapped(r->identity);
}

static void list(struct mm_space *s, bool count_pages, mm_listing_fn visit, void *arg) MAY_LOCK_ANY
{
	struct gather g = { .s = s, .count_pages = count_pages };
	bool more = true;

	do {
		gather_batch(&g);
		for (unsigned i = 0; i < g.count; i++) {
			finish_run(&g.runs[i]);
			more = more && visit(&g.runs[i].line, arg);
		}
	} while (more && g.count == BATCH_RUNS);
}

void mm_listing(struct mm_space *s, mm_listing_fn visit, void *arg)
{
	list(s, true, visit, arg);
}

/* ---- as Linux writes it ---- */

/* A name may hold anything but a line's end. */
static void print_name(const char *name, FILE *to)
{
	for (; *name; name++)
		if (*name == '\n')
			fputs("\\012", to);
		else
			putc(*name, to);
}

static bool print_maps_line(const struct mm_listing_line *l, void *arg)
{
	FILE *to = arg;
	int column = fprintf(
		to, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64 " ",
		l->range.start, l->range.end, l->perms & MM_READ ? 'r' : '-',
		l->perms & MM_WRITE ? 'w' : '-', l->perms & MM_EXEC ? 'x' : '-',
		l->is_private ? 'p' : 's', l->offset, major(l->device), minor(l->device), l->inode);

	if (l->name[0]) {
		for (; column >= 0 && column < NAME_COLUMN; column++)
			putc(' ', to);
		print_name(l->name, to);
	}
	putc('\n', to);
	return true;
}

static void print_kb(FILE *to, const char *field, uint64_t bytes)
{
	fprintf(to, "%-16s%8" PRIu64 " kB\n", field, bytes >> 10);
}

/* In the order of the kernel's flag bits. */
static void print_vm_flags(FILE *to, const struct mm_listing_line *l)
{
	bool may_write = l->max_perms & MM_WRITE;
	const struct {
		bool set;
		const char *name;
	} flags[] = {
		{ l->perms & MM_READ, "rd" },
		{ l->perms & MM_WRITE, "wr" },
		{ l->perms & MM_EXEC, "ex" },
		{ !l->is_private && may_write, "sh" },
		{ l->max_perms & MM_READ, "mr" },
		{ may_write, "mw" },
		{ l->max_perms & MM_EXEC, "me" },
		{ !l->is_private, "ms" },
		{ l->grows_down, "gd" },
		{ l->locked, "lo" },
		{ l->dontfork, "dc" },
		{ l->lock_on_fault, "??" }, /* so Linux names it */
		{ l->is_private && (l->perms & MM_WRITE), "ac" },
	};

	fputs("VmFlags: ", to);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].set)
			fprintf(to, "%s ", flags[i].name);
	putc('\n', to);
}

static bool print_smaps_entry(const struct mm_listing_line *l, void *arg)
{
	const struct mm_listing_memory *m = &l->memory;
	FILE *to = arg;

	print_maps_line(l, to);
	print_kb(to, "Size:", addr_range_length(l->range));
	print_kb(to, "KernelPageSize:", MM_PAGE_SIZE);
	print_kb(to, "MMUPageSize:", MM_PAGE_SIZE);
	print_kb(to, "Rss:", m->resident);
	print_kb(to, "Pss:", m->proportional);
	print_kb(to, "Pss_Dirty:", m->proportional_dirty);
	print_kb(to, "Shared_Clean:", m->shared_clean);
	print_kb(to, "Shared_Dirty:", m->shared_dirty);
	print_kb(to, "Private_Clean:", m->private_clean);
	print_kb(to, "Private_Dirty:", m->private_dirty);
	print_kb(to, "Referenced:", m->resident);
	print_kb(to, "Anonymous:", m->anonymous);
	print_kb(to, "KSM:", 0); /* no page is merged with another */
	print_kb(to, "LazyFree:", 0); /* freed memory is dropped at once */
	print_kb(to, "AnonHugePages:", m->anonymous_huge);
	print_kb(to, "ShmemPmdMapped:", m->mappable_huge);
	print_kb(to, "Swap:", 0); /* there is none */
	print_kb(to, "SwapPss:", 0);
	print_kb(to, "Locked:", l->locked ? m->proportional : 0);
	fprintf(to, "THPeligible:    %8d\n", l->may_be_huge);
	print_vm_flags(to, l);
	return true;
}

void mm_print_maps(struct mm_space *s, FILE *to)
{
	list(s, false, print_maps_line, to);
}

void mm_print_smaps(struct mm_space *s, FILE *to)
{
	list(s, true, print_smaps_entry, to);
}
