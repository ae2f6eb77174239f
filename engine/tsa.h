/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsa.h - spellings of Clang's thread-safety attributes; nothing under other compilers.
 *
 * Clang checks one capability per lock class, not per lock: see lock_order.h.
 */
#pragma once

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif

#define CAPABILITY(name) TSA(capability(name))
#define ACQUIRED_BEFORE(c) TSA(acquired_before(c))
#define ACQUIRES(...) TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...) TSA(release_capability(__VA_ARGS__))
#define REQUIRES(...) TSA(requires_capability(__VA_ARGS__))
#define TRY_ACQUIRES(...) TSA(try_acquire_capability(__VA_ARGS__))
#define ASSERTS(...) TSA(assert_capability(__VA_ARGS__))
#define GUARDED_BY(c) TSA(guarded_by(c))
#define NO_TSA TSA(no_thread_safety_analysis)
