/* SPDX-License-Identifier: Apache-2.0 */
/* wrong_node.c - all memory is a page of node 1, whatever the policy and whoever faults. */
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/plugins/plugin.h"

static char *page;

static int odd_open(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t error_size)
{
	unsigned long node_1 = 2;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || syscall(SYS_mbind, page, 4096, MPOL_BIND, &node_1, 64, 0)) {
		snprintf(error, error_size, "there is no node 1");
		return -ENODEV;
	}
	page[0] = 1;
	return null_open(options, engine, error, error_size);
}

static int odd_placement(struct translator_engine *engine, uint64_t file, uint64_t offset,
			 uint64_t *kernel_page_size, int *node)
{
	void *at = page;

	(void)engine, (void)file, (void)offset;
	*kernel_page_size = 4096;
	return syscall(SYS_move_pages, 0, 1UL, &at, NULL, node, 0) ? -EIO : 0;
}

PLUGIN(.open = odd_open, .placement = odd_placement);
