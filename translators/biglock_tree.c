/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_tree.c - the ordered tree of a space's mappings: a treap, by start address.
 *
 * Each node draws a random priority, and is above the nodes of lower priority: so the tree is as
 * deep as one into which the mappings came in random order, about 1.4 log2 n, whatever the order
 * was. Mappings never overlap, so starts and ends ascend together.
 */
#include "translators/biglock.h"

#include <stddef.h>

/* xorshift: it only has to be unlike the order of the addresses. */
static uint32_t draw(void)
{
	static uint32_t state = 0x2545f491;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

struct biglock_mapping *biglock_tree_find(struct biglock_mapping *root, uint64_t address)
{
	struct biglock_mapping *found = NULL;

	while (root) {
		if (root->end <= address) {
			root = root->right;
		} else {
			found = root;
			root = root->start <= address ? NULL : root->left;
		}
	}
	return found;
}

/* Cuts a tree into what is below address and what is not. */
static void cut(struct biglock_mapping *tree, uint64_t address, struct biglock_mapping **below,
		struct biglock_mapping **rest)
{
	while (tree) {
		if (tree->start < address) {
			*below = tree;
			below = &tree->right;
			tree = tree->right;
		} else {
			*rest = tree;
			rest = &tree->left;
			tree = tree->left;
		}
	}
	*below = *rest = NULL;
}

void biglock_tree_insert(struct biglock_mapping **root, struct biglock_mapping *mapping)
{
	mapping->priority = draw();
	while (*root && (*root)->priority >= mapping->priority)
		root = mapping->start < (*root)->start ? &(*root)->left : &(*root)->right;
	cut(*root, mapping->start, &mapping->left, &mapping->right);
	*root = mapping;
}

void biglock_tree_remove(struct biglock_mapping **root, struct biglock_mapping *mapping)
{
	struct biglock_mapping *below, *above;

	while (*root != mapping)
		root = mapping->start < (*root)->start ? &(*root)->left : &(*root)->right;
	/* Its two subtrees become one: the higher priority stays above. */
	below = mapping->left;
	above = mapping->right;
	while (below && above) {
		if (below->priority >= above->priority) {
			*root = below;
			root = &below->right;
			below = below->right;
		} else {
			*root = above;
			root = &above->left;
			above = above->left;
		}
	}
	*root = below ? below : above;
}
