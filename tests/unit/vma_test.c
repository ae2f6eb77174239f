/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vma_test.c - a vma lives as long as its count, and holds what it refers to just as long.
 *
 * The identity is a fake that counts its references; the reservation is a real one, whose end
 * shows in reservation_bytes().
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/vma.h"

struct fake_identity {
	struct mapping_identity base; /* first: the address is the same */
	int references;
};

static struct pool vmas;
static struct memory_file *mf;
static struct fake_identity identity;
/* A vma that has its reservation already. */
static int create_with(struct pool *pool, const struct mmap_opts *opts, uint64_t start, uint8_t cls,
		       struct reservation *r, uint32_t *out)
{
	int rc = vma_create(pool, opts, start, start + 100, cls, out);

	if (!rc && r) {
		reservation_get(r);
		atomic_store(&vma_at(pool, *out)->reservation, r);
	}
	return rc;
}

static struct reservation *reservation;
static uint64_t reserved_before;
static jmp_buf failed;

static void catch_fail(const char *text)
{
	(void)text;
	longjmp(failed, 1);
}

static void fake_inc_ref(struct mapping_identity *id)
{
	((struct fake_identity *)id)->references++;
}

static void fake_dec_ref(struct mapping_identity *id)
{
	((struct fake_identity *)id)->references--;
}

static const struct mapping_identity_ops fake_ops = { .inc_ref = fake_inc_ref,
						      .dec_ref = fake_dec_ref };

static int set_up(void **state)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30 };

	(void)state;
	identity = (struct fake_identity){ .base = { &fake_ops }, .references = 1 };
	assert_int_equal(pool_init(&vmas, sizeof(struct vma), 4), 0);
	assert_int_equal(memory_file_create(&opts, &mf), 0);
	reserved_before = reservation_bytes();
	assert_int_equal(reservation_create(mf, 100, 200, 1, &reservation), 0);
	assert_true(reservation_bytes() > reserved_before);
	return 0;
}

/* The tests have put their reservation. */
static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(reservation_bytes(), reserved_before);
	assert_int_equal(identity.references, 1);
	assert_int_equal(pool_live(&vmas), 0);
	pool_release(&vmas);
	memory_file_destroy(mf);
	return 0;
}

static struct mmap_opts anonymous(void)
{
	return (struct mmap_opts){ .length = 100 * 4096,
				   .identity = &identity.base,
				   .offset = 12345,
				   .perms = MM_WRITE,
				   .max_perms = MM_READ | MM_WRITE | MM_EXEC,
				   .is_private = true,
				   .grows_down = true,
				   .stack = true,
				   .mlock_mode = MLOCK_LAZY,
				   .numa_policy = NUMA_PREFERRED,
				   .numa_nodes = 5,
				   .name = "heap" };
}

static uint32_t create(void)
{
	struct mmap_opts opts = anonymous();
	uint32_t index = 0;

	assert_int_equal(create_with(&vmas, &opts, 100, PAGE_THP, reservation, &index), 0);
	assert_int_not_equal(index, 0);
	return index;
}

static void check_properties(uint32_t index, mm_access perms)
{
	const struct vma *v = vma_at(&vmas, index);

	assert_int_equal(v->start, 100);
	assert_null(v->mappable);
	assert_ptr_equal(v->identity, &identity.base);
	assert_ptr_equal(v->reservation, reservation);
	assert_int_equal(v->offset, 0); /* ignored when anonymous */
	assert_int_equal(v->perms, perms);
	assert_int_equal(v->effective, access_effective(perms));
	assert_int_equal(v->max_perms, MM_READ | MM_WRITE | MM_EXEC);
	assert_true(v->is_private && v->grows_down && v->stack);
	assert_int_equal(v->page_class, PAGE_THP);
	assert_int_equal(v->mlock_mode, MLOCK_LAZY);
	assert_int_equal(v->numa_policy, NUMA_PREFERRED);
	assert_int_equal(v->numa_nodes, 5);
	assert_string_equal(v->name, "heap");
	assert_false(vma_writable(v));
	assert_int_equal(v->entries, VMA_BUILDING);
}

static void finish(uint32_t index)
{
	uint32_t dead = 0;

	vma_drop(&vmas, index, VMA_BUILDING, &dead);
	vma_free_dead(&vmas, dead);
}

static void test_created_has_what_was_asked(void **state)
{
	uint32_t index = create();

	(void)state;
	check_properties(index, MM_WRITE);
	assert_int_equal(identity.references, 2);
	reservation_put(reservation); /* the vma's reference keeps it */
	assert_true(reservation_bytes() > reserved_before);
	finish(index);
	assert_int_equal(identity.references, 1);
}

static void test_last_entry_makes_it_dead(void **state)
{
	uint32_t index = create();
	uint32_t dead = 0;

	(void)state;
	vma_add(&vmas, index, 3);
	vma_drop(&vmas, index, VMA_BUILDING, &dead);
	assert_int_equal(dead, 0);
	vma_add(&vmas, index, 511);
	vma_drop(&vmas, index, 513, &dead);
	assert_int_equal(dead, 0);
	assert_int_equal(vma_at(&vmas, index)->entries, 1);
	vma_drop(&vmas, index, 1, &dead);
	assert_int_equal(dead, index);
	/* Dead, and not yet freed: that needs a place without locks. */
	assert_int_equal(identity.references, 2);
	assert_int_equal(pool_live(&vmas), 1);
	vma_free_dead(&vmas, dead);
	assert_int_equal(identity.references, 1);
	assert_int_equal(pool_live(&vmas), 0);
	reservation_put(reservation);
}

static void test_dead_list_frees_all(void **state)
{
	uint32_t index[3];
	uint32_t dead = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		index[i] = create();
	assert_int_equal(identity.references, 4);
	reservation_put(reservation);
	for (int i = 0; i < 3; i++)
		vma_drop(&vmas, index[i], VMA_BUILDING, &dead);
	assert_int_equal(pool_live(&vmas), 3);
	vma_free_dead(&vmas, dead);
	vma_free_dead(&vmas, 0); /* the empty list */
}

static void test_clone_differs_in_permissions_only(void **state)
{
	uint32_t index = create();
	uint32_t clone = 0;

	(void)state;
	vma_add(&vmas, index, 7);
	assert_int_equal(vma_clone(&vmas, index, &clone), 0);
	vma_set_perms(vma_at(&vmas, clone), MM_READ);
	assert_int_not_equal(clone, index);
	check_properties(clone, MM_READ);
	assert_int_equal(vma_at(&vmas, index)->perms, MM_WRITE);
	assert_int_equal(vma_at(&vmas, index)->entries, VMA_BUILDING + 7);
	assert_ptr_not_equal(vma_at(&vmas, clone)->name, vma_at(&vmas, index)->name);
	assert_int_equal(identity.references, 3);
	reservation_put(reservation);

	uint32_t dead = 0;

	vma_drop(&vmas, index, VMA_BUILDING + 7, &dead);
	vma_free_dead(&vmas, dead);
	/* What the clone refers to is still there. */
	assert_int_equal(identity.references, 2);
	assert_true(reservation_bytes() > reserved_before);
	check_properties(clone, MM_READ);
	finish(clone);
}

static void test_shared_mapping_of_a_mappable(void **state)
{
	struct mappable m = { .ops = NULL };
	struct mmap_opts opts = { .mappable = &m,
				  .offset = 8 * 4096,
				  .perms = MM_READ,
				  .max_perms = MM_READ | MM_WRITE };
	uint32_t index = 0;

	(void)state;
	reservation_put(reservation);
	assert_int_equal(create_with(&vmas, &opts, 50, PAGE_4K, NULL, &index), 0);
	const struct vma *v = vma_at(&vmas, index);

	assert_ptr_equal(v->mappable, &m);
	assert_null(v->identity);
	assert_null(v->name);
	assert_true(vma_writable(v)); /* it could ever be */
	assert_int_equal(vma_offset(v, 50), 8 * 4096);
	assert_int_equal(vma_offset(v, 53), 11 * 4096);
	finish(index);
}

static void test_long_name_is_cut(void **state)
{
	char name[200];
	struct mmap_opts opts = { .is_private = true, .name = name };
	uint32_t index = 0;

	(void)state;
	reservation_put(reservation);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_int_equal(create_with(&vmas, &opts, 1, PAGE_4K, NULL, &index), 0);
	assert_int_equal(strlen(vma_at(&vmas, index)->name), VMA_NAME_SIZE - 1);
	finish(index);
}

static void test_no_slot_left_takes_no_reference(void **state)
{
	struct mmap_opts opts = anonymous();
	uint32_t index[3];
	uint32_t other = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		index[i] = create();
	assert_int_equal(create_with(&vmas, &opts, 100, PAGE_4K, reservation, &other), -ENOMEM);
	assert_int_equal(vma_clone(&vmas, index[0], &other), -ENOMEM);
	assert_int_equal(identity.references, 4);
	for (int i = 0; i < 3; i++)
		finish(index[i]);
	reservation_put(reservation);
}

static void test_too_many_drops_are_reported(void **state)
{
	uint32_t index = create();
	volatile bool reported = false;
	mm_fail_hook old = mm_fail_set_hook(catch_fail);

	(void)state;
	if (setjmp(failed)) {
		reported = true;
	} else {
		uint32_t dead = 0;

		vma_drop(&vmas, index, VMA_BUILDING + 1, &dead);
	}
	mm_fail_set_hook(old);
	assert_true(reported);
	vma_add(&vmas, index, VMA_BUILDING + 1); /* as if it had not been */
	finish(index);
	reservation_put(reservation);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_created_has_what_was_asked),
		TEST(test_last_entry_makes_it_dead),
		TEST(test_dead_list_frees_all),
		TEST(test_clone_differs_in_permissions_only),
		TEST(test_shared_mapping_of_a_mappable),
		TEST(test_long_name_is_cut),
		TEST(test_no_slot_left_takes_no_reference),
		TEST(test_too_many_drops_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
