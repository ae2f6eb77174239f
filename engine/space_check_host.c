/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check_host.c - P7: what the host shows of a space is what entries say, byte by byte.
 *
 * The host's own word is taken from /proc/self/maps: each accessible byte of the window must lie
 * under a present entry with the HOSTED bit, show the file and the offset of the entry's page, and
 * permit no more than the entry does. The other way round, what HOSTED entries say is shown must be
 * there, unless the host once refused to split a mapping and more was hidden than asked for. Of a
 * page that is attached (userfaultfd) the page table has to be asked whether it is shown.
 *
 * No locks: the caller has seen to it that nothing else runs.
 */
#include <inttypes.h>
#include <sys/stat.h>

#include "engine/os_maps.h"
#include "engine/space_check.h"

/* An accessible piece of the window. */
struct piece {
	struct addr_range range; /* application addresses */
	uint64_t offset, inode;
	mm_access perms;
};

struct host_check {
	const struct check_space *space;
	struct addr_range window; /* addresses of this process */
	struct piece *pieces;
	size_t count;
	struct file *last_file; /* whose inode number was asked last */
	uint64_t last_inode;
	uint64_t block; /* 2 MiB of which the page table was asked last, or 0 */
	bool in_table[MM_HUGE_PAGES];
};

/* Would a touch of this accessible page pass? */
static bool is_seen(struct host_check *c, uint64_t at)
{
	uint64_t block = at & ~(MM_HUGE_SIZE - 1);

	if (!host_space_is_attached(c->space->s->host, at - c->window.start))
		return true;
	if (block != c->block) {
		MM_CHECK(!os_pages_in_table(block, MM_HUGE_PAGES, c->in_table));
		c->block = block;
	}
	return c->in_table[at % MM_HUGE_SIZE / MM_PAGE_SIZE];
}

static bool note_piece(const struct os_mapping *m, void *arg)
{
	struct host_check *c = arg;
	struct addr_range r = addr_range_intersect(m->range, c->window);

	if (!m->perms)
		return true;
	for (uint64_t end; r.start < r.end; r.start = end) {
		bool seen = is_seen(c, r.start);

		for (end = r.start + MM_PAGE_SIZE; end < r.end && is_seen(c, end) == seen;)
			end += MM_PAGE_SIZE;
		if (!seen)
			continue;
		c->pieces = check_room(c->pieces, c->count, sizeof(c->pieces[0]));
		c->pieces[c->count++] =
			(struct piece){ { r.start - c->window.start, end - c->window.start },
					m->offset + (r.start - m->range.start),
					m->inode,
					m->perms };
	}
	return true;
}

static uint64_t inode_of(struct host_check *c, struct file *f)
{
	struct stat st;

	if (f != c->last_file) {
		MM_CHECK(fstat(file_data_fd(f), &st) == 0);
		c->last_file = f;
		c->last_inode = st.st_ino;
	}
	return c->last_inode;
}

static bool is_dirty(struct memory_file *mf, uint32_t page)
{
	uint32_t whole =
		atomic_load_explicit(&memory_file_block(mf, page)->whole, memory_order_acquire);
	uint32_t word = atomic_load_explicit(&mf->counts[page], memory_order_acquire);

	return (whole & BLOCK_WHOLE && whole & BLOCK_DIRTY) || word & MEMORY_PAGE_DIRTY;
}

/* What the host lets an application write must not be taken for zero when it is freed. */
static void check_dirty(struct memory_file *mf, const struct check_entry *e, uint64_t address,
			uint64_t end)
{
	for (uint64_t a = address >> MM_PAGE_SHIFT; a < end >> MM_PAGE_SHIFT; a++) {
		uint32_t page = entry_page(e->word) + (uint32_t)(a - e->page);

		if (!is_dirty(mf, page))
			mm_fail("address %#" PRIx64
				": page %u is shown writable, and would be taken for clean",
				a << MM_PAGE_SHIFT, page);
	}
}

/* The part of a piece from `address` on that one entry explains; returns its end. */
static uint64_t check_shown(struct host_check *c, const struct piece *p, uint64_t address)
{
	struct memory_file *mf = c->space->s->mm->memory;
	const struct check_entry *e = check_find(c->space, address >> MM_PAGE_SHIFT);
	uint64_t end;
	uint64_t offset;

	if (!e || !(e->word & ENTRY_HOSTED))
		mm_fail("address %#" PRIx64 ": the host shows inode %" PRIu64
			", but the entry is %#" PRIx64,
			address, p->inode, e ? e->word : 0);
	struct file *f = memory_file_of(mf, entry_page(e->word), &offset);
	uint64_t shown = p->offset + (address - p->range.start);

	offset += address - (e->page << MM_PAGE_SHIFT);
	if (p->inode != inode_of(c, f) || shown != offset)
		mm_fail("address %#" PRIx64 ": the host shows inode %" PRIu64 " at offset %#" PRIx64
			", page %u is in inode %" PRIu64 " at offset %#" PRIx64,
			address, p->inode, shown, entry_page(e->word), inode_of(c, f), offset);
	if (!access_superset_of(entry_access(e->word), p->perms))
		mm_fail("address %#" PRIx64 ": the host permits %u, the entry %u", address,
			p->perms, entry_access(e->word));
	end = check_entry_end(e) << MM_PAGE_SHIFT;
	if (end > p->range.end)
		end = p->range.end;
	if (p->perms & MM_WRITE)
		check_dirty(mf, e, address, end);
	return end;
}

/* Are all bytes of the entry in pieces? */
static bool is_shown(const struct host_check *c, const struct check_entry *e)
{
	uint64_t address = e->page << MM_PAGE_SHIFT;
	size_t low = 0;
	size_t high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->pieces[middle].range.end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < c->count && c->pieces[low].range.start <= address; low++)
		address = c->pieces[low].range.end;
	return address >= check_entry_end(e) << MM_PAGE_SHIFT;
}

void check_host(const struct check_space *space)
{
	struct host_space *host = space->s->host;
	struct host_check c = { .space = space };

	if (!host)
		return;
	c.window.start = (uint64_t)(uintptr_t)host->ops->address(host, 0);
	c.window.end = c.window.start + (space->s->end_page << MM_PAGE_SHIFT);
	int rc = os_visit_mappings(c.window, note_piece, &c);

	if (rc)
		mm_fail("cannot read what the host shows: error %d", rc);
	for (size_t i = 0; i < c.count; i++)
		for (uint64_t a = c.pieces[i].range.start; a < c.pieces[i].range.end;)
			a = check_shown(&c, &c.pieces[i], a);
	for (size_t i = 0; i < space->count; i++)
		if ((space->entries[i].word & ENTRY_HOSTED) && !atomic_load(&host->widened) &&
		    !is_shown(&c, &space->entries[i]))
			mm_fail("address %#llx: the host ought to show page %u, but does not",
				check_address(&space->entries[i]),
				entry_page(space->entries[i].word));
	free(c.pieces);
}
