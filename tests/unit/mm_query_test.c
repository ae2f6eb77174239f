/* SPDX-License-Identifier: Apache-2.0 */
/* mm_query_test.c - names, policies, keys of futexes, stacks, and what cannot be saved. */
#include "tests/unit/space_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/mm_advise.h"
#include "engine/mm_listing.h"
#include "engine/mm_query.h"

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_close(&f);
	return 0;
}

/* The maps listing, a line each, with the addresses taken off. */
static void expect_names(const char *const *names)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	unsigned n = 0;

	mm_print_maps(f.space, to);
	fclose(to);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
		assert_non_null(names[n]);
		const char *name = strlen(line) > 73 ? line + 73 : "";

		assert_string_equal(name, names[n]);
	}
	assert_null(names[n]);
	free(text);
}

static void names_split_and_join(void **state)
{
	const uint64_t page = MM_PAGE_SIZE;
	char longest[80];

	(void)state;
	assert_int_equal(fixture_map(f.space, 0, 8, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_put(&f, f.space, 3, 3), 0);
	assert_int_equal(mm_set_name(f.space, fixture_address(2), 2 * page, "heap of A"), 0);
	expect_names((const char *[]){ "", "[anon:heap of A]", "", NULL });
	assert_int_equal(fixture_get(&f, f.space, 3), 3);
	assert_int_equal(mm_set_name(f.space, fixture_address(4), 1, "heap of A"), 0);
	expect_names((const char *[]){ "", "[anon:heap of A]", "", NULL });
	/* a name survives what splits its mapping, and a fork */
	assert_int_equal(mm_mprotect(f.space, fixture_address(4), page, MM_READ), 0);
	expect_names((const char *[]){ "", "[anon:heap of A]", "[anon:heap of A]", "", NULL });
	assert_int_equal(mm_mprotect(f.space, fixture_address(4), page, FIXTURE_RW), 0);
	assert_int_equal(mm_set_name(f.space, fixture_address(0), 8 * page, NULL), 0);
	expect_names((const char *[]){ "", NULL });
	/* holes: the rest is named */
	assert_int_equal(mm_munmap(f.space, fixture_address(5), page), 0);
	assert_int_equal(mm_set_name(f.space, fixture_address(4), 4 * page, "b"), -ENOMEM);
	expect_names((const char *[]){ "", "[anon:b]", "[anon:b]", NULL });
	memset(longest, 'x', sizeof(longest) - 1);
	longest[79] = '\0';
	assert_int_equal(mm_set_name(f.space, fixture_address(0), page, longest), 0);
	assert_int_equal(mm_mprotect(f.space, fixture_address(0), page, MM_READ), 0);
	char expected[96];

	snprintf(expected, sizeof(expected), "[anon:%s]", longest);
	expect_names((const char *[]){ expected, "", "[anon:b]", "[anon:b]", NULL });
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "a[b", "a]b", "a`b", "a$b", "a\\b", "a\tb", "a\x7f" };
	char too_long[81];
	struct shared_memory *sm;

	(void)state;
	assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mm_set_name(f.space, FIXTURE_BASE, MM_PAGE_SIZE, bad[i]), -EINVAL);
	memset(too_long, 'x', 80);
	too_long[80] = '\0';
	assert_int_equal(mm_set_name(f.space, FIXTURE_BASE, MM_PAGE_SIZE, too_long), -EINVAL);
	assert_int_equal(mm_set_name(f.space, FIXTURE_BASE + 1, MM_PAGE_SIZE, "a"), -EINVAL);
	assert_int_equal(mm_set_name(f.space, FIXTURE_BASE, UINT64_MAX, "a"), -EINVAL);
	assert_int_equal(mm_set_name(f.space, FIXTURE_BASE, 0, "a"), 0);
	assert_int_equal(shared_memory_create(f.memory, MM_PAGE_SIZE, PAGE_4K, "it", &sm), 0);
	assert_int_equal(fixture_map(f.space, 1, 1, MM_READ, sm, false, 0), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	assert_int_equal(mm_set_name(f.space, FIXTURE_BASE, 2 * MM_PAGE_SIZE, "a"), -EBADF);
	expect_names((const char *[]){ "[anon:a]", "it", NULL });
}

static void policies_are_told(void **state)
{
	enum numa_policy policy;
	uint64_t nodes;

	(void)state;
	assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(mm_mbind(f.space, fixture_address(1), MM_PAGE_SIZE, NUMA_BIND, 1), 0);
	assert_int_equal(mm_numa_policy(f.space, FIXTURE_BASE + 5, &policy, &nodes), 0);
	assert_int_equal(policy, NUMA_LOCAL);
	assert_int_equal(nodes, 0);
	assert_int_equal(mm_numa_policy(f.space, fixture_address(1), &policy, &nodes), 0);
	assert_int_equal(policy, NUMA_BIND);
	assert_int_equal(nodes, 1);
	assert_int_equal(mm_numa_policy(f.space, fixture_address(2), &policy, &nodes), -EFAULT);
	assert_int_equal(mm_numa_policy(f.space, UINT64_MAX, &policy, &nodes), -EFAULT);
}

static void futexes_have_keys(void **state)
{
	struct mm_futex_key a;
	struct mm_futex_key b;
	struct shared_memory *sm;

	(void)state;
	assert_int_equal(shared_memory_create(f.memory, 4 * MM_PAGE_SIZE, PAGE_4K, NULL, &sm), 0);
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 8, 2, MM_READ, sm, false, 2), 0);
	assert_int_equal(fixture_map(f.space, 16, 2, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 20, 1, MM_NONE, NULL, true, 0), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	/* two mappings of one word: one key */
	assert_int_equal(mm_futex_key(f.space, fixture_address(3) + 8, &a), 0);
	assert_int_equal(mm_futex_key(f.space, fixture_address(9) + 8, &b), 0);
	assert_ptr_equal(a.mappable, b.mappable);
	assert_int_equal(a.offset, b.offset);
	assert_int_equal(a.offset, 3 * MM_PAGE_SIZE + 8);
	/* the key keeps the object */
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 12 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(a.identity);
	mapping_identity_dec_ref(b.identity);
	assert_int_equal(mm_futex_key(f.space, fixture_address(16) + 4, &a), 0);
	assert_null(a.mappable);
	assert_null(a.identity);
	assert_int_equal(a.offset, fixture_address(16) + 4);
	assert_int_equal(mm_futex_key(f.space, fixture_address(16) + 2, &a), -EINVAL);
	assert_int_equal(mm_futex_key(f.space, fixture_address(20), &a), -EFAULT);
	assert_int_equal(mm_futex_key(f.space, fixture_address(40), &a), -EFAULT);
}

static void stacks_follow_the_limit(void **state)
{
	static const struct {
		uint64_t limit, bytes;
	} cases[] = {
		{ UINT64_MAX, 8 << 20 },
		{ 64 << 10, 64 << 10 },
		{ (64 << 10) - 100, 64 << 10 },
		{ UINT64_C(1) << 40, 128 << 20 },
	};
	uint64_t got;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mm_limits limits = { .address_space = UINT64_MAX,
					    .data = UINT64_MAX,
					    .locked = UINT64_MAX,
					    .stack = cases[i].limit };
		struct mm_usage usage;

		mm_set_limits(f.space, &limits);
		assert_int_equal(mm_map_stack(f.space, &got), 0);
		mm_get_usage(f.space, &usage);
		assert_int_equal(usage.address_space, cases[i].bytes);
		assert_int_equal(got % MM_PAGE_SIZE, 0);
		expect_names((const char *[]){ "[stack]", NULL });
		assert_int_equal(mm_fault(f.space, got + cases[i].bytes - 1, MM_WRITE), 0);
		assert_int_equal(mm_munmap(f.space, got, cases[i].bytes), 0);
	}
	mm_set_limits(f.space, &(struct mm_limits){ .address_space = UINT64_MAX,
						    .data = UINT64_MAX,
						    .locked = UINT64_MAX,
						    .stack = 0 });
	assert_int_equal(mm_map_stack(f.space, &got), -ENOMEM);
}

/* A mappable whose pages cannot be saved: it drops what is mapped of it, or says that it cannot. */
struct unsavable {
	struct mappable_ops ops;
	const struct mappable_ops *real;
};

static unsigned asked;
static int answer;
static struct shared_memory *asked_of;

static int invalidate_unsavable(struct mappable *m)
{
	(void)m;
	asked++;
	shared_memory_invalidate(asked_of, (struct mappable_range){ 0, 4 * MM_PAGE_SIZE },
				 (struct invalidate_opts){ .invalidate_private = false });
	return answer;
}

static void what_cannot_be_saved_is_dropped(void **state)
{
	struct unsavable u;
	mm_access perms;
	uint32_t page;

	(void)state;
	assert_int_equal(shared_memory_create(f.memory, 4 * MM_PAGE_SIZE, PAGE_4K, NULL, &asked_of),
			 0);
	struct mappable *m = shared_memory_mappable(asked_of);

	u.real = m->ops;
	u.ops = *u.real;
	u.ops.invalidate_unsavable = invalidate_unsavable;
	m->ops = &u.ops;
	assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, asked_of, false, 0), 0);
	assert_int_equal(fixture_map(f.space, 4, 2, FIXTURE_RW, NULL, true, 0), 0);
	assert_int_equal(fixture_map(f.space, 8, 2, MM_READ, asked_of, true, 2), 0);
	assert_int_equal(fixture_put(&f, f.space, 1, 1), 0);
	assert_int_equal(fixture_put(&f, f.space, 4, 4), 0);
	asked = 0;
	answer = 0;
	assert_int_equal(mm_invalidate_unsavable(f.space), 0);
	assert_int_equal(asked, 2); /* mapped twice */
	assert_int_equal(mm_lookup(f.space, fixture_address(1), MM_READ, &page, &perms), -ENOENT);
	assert_int_equal(mm_lookup(f.space, fixture_address(4), MM_READ, &page, &perms), 0);
	assert_int_equal(fixture_get(&f, f.space, 1), 1);
	answer = -EBUSY;
	asked = 0;
	assert_int_equal(mm_invalidate_unsavable(f.space), -EBUSY);
	assert_int_equal(asked, 1);
	m->ops = u.real;
	assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 10 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(asked_of));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_split_and_join),    TEST(bad_names_are_refused),
		TEST(policies_are_told),       TEST(futexes_have_keys),
		TEST(stacks_follow_the_limit), TEST(what_cannot_be_saved_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
