/* SPDX-License-Identifier: Apache-2.0 */
/* mm_fork.h - a copy of a space, as fork(2) makes it. */
#pragma once

#include "engine/mm.h"

/*
 * Makes *child a copy of parent: the same mappings but those marked dontfork, mappables told of
 * each; private pages are shared and copied on the first write of either side; pinned pages
 * are copied at once; nothing is locked (mlock) in the child. Window and host kind are the
 * parent's. Other threads of the parent go on: a write to a page that is shared already waits
 * until the fork has ended, so that the child cannot see a later write without an earlier one.
 * 0, -ENOMEM, or what add_mapping says: then the parent is as it was, but for pages marked to be
 * copied. Concurrent forks of one space take turns.
 */
MM_MUST_CHECK int mm_fork(struct mm_space *parent, struct mm_space **child) MAY_LOCK_ANY;
