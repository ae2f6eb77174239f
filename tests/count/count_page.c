/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_page.c - instructions of the parts that every fault consists of: a page's references, its
 * allocation, a mappable's answer; and of the loop around all of them.
 *
 * NO_TSA on translate: it is to be called with an entry held, and nobody else is here.
 */
#include "engine/translation.h"
#include "tests/count/count.h"

#define WARM_UP 64u

static void nothing(struct count_scene *c)
{
	(void)c;
}

static void loop(struct count_scene *c, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		c->error |= 0;
		__asm__ volatile("" ::: "memory");
	}
}

static void inc_dec(struct count_scene *c, unsigned times)
{
	struct memory_file *mf = mm_memory_file(c->mm);

	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		memory_file_inc(mf, c->page);
		memory_file_dec(mf, c->page);
	}
}

static void alloc_free(struct count_scene *c, unsigned times)
{
	struct memory_file *mf = mm_memory_file(c->mm);

	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		uint32_t page = 0;

		c->error |= memory_file_alloc(mf, MEMORY_NODE_ANY, &page);
		memory_file_dec(mf, page);
	}
}

static void prepare_page(struct count_scene *c)
{
	lock_assert_none();
	REQUIRE(!memory_file_alloc(mm_memory_file(c->mm), MEMORY_NODE_ANY, &c->page));
	inc_dec(c, WARM_UP);
	alloc_free(c, WARM_UP);
}

static void one_reference(struct count_scene *c)
{
	struct mm_stat stat;

	lock_assert_none();
	mm_get_stat(c->mm, &stat);
	REQUIRE(stat.memory.live_pages == 1);
	REQUIRE(memory_file_count(mm_memory_file(c->mm), c->page) == 1);
	memory_file_dec(mm_memory_file(c->mm), c->page);
}

static void translate(struct count_scene *c, unsigned times) NO_TSA
{
	struct mappable *m = shared_memory_mappable(c->shared);

	for (unsigned i = 0; i < times; i++) {
		uint64_t offset = i * MM_PAGE_SIZE;
		struct mappable_range page = { offset, offset + MM_PAGE_SIZE };
		struct translation t;
		size_t count = 0;

		c->error |= mappable_translate(m, page, page, MM_WRITE, &t, 1, &count);
		c->sum += count;
	}
}

static void prepare_object(struct count_scene *c)
{
	count_make_shared(c, COUNT_BYTES);
	translate(c, COUNT_PAGES);
	c->sum = 0;
}

static void all_translated(struct count_scene *c)
{
	REQUIRE(c->sum == COUNT_PAGES);
	REQUIRE(shared_memory_resident_pages(c->shared) == COUNT_PAGES);
}

const struct count_op count_page_ops[] = {
	{ "inc_dec_page", 4 * COUNT_PAGES, prepare_page, inc_dec, one_reference },
	{ "alloc_free_page", COUNT_PAGES, prepare_page, alloc_free, one_reference },
	{ "translate_resident", COUNT_PAGES, prepare_object, translate, all_translated },
	{ "loop_alone", 4 * COUNT_PAGES, nothing, loop, nothing },
	{ .name = NULL },
};
