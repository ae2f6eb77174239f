/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env_test.c - tests of env.c: who is taken for an emulator.
 *
 * That one is found from inside is seen in the NUMA guest (tests/numa).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness/env.h"

static void emulators_are_told_from_hypervisors(void **state)
{
	static const struct {
		const char *signature, *model;
		bool emulated;
	} machines[] = {
		{ "TCGTCGTCGTCG", "QEMU TCG CPU version 2.5+", true },
		{ "TCGTCGTCGTCG", "Intel Xeon Processor (Skylake)", true },
		{ "", "QEMU TCG CPU version 2.5+", true }, /* -cpu max,hypervisor=off */
		{ "", "BOCHS Intel(R) Pentium(R) 4", true },
		{ "KVMKVMKVM", "QEMU Virtual CPU version 2.5+", false },
		{ "KVMKVMKVM", "AMD EPYC", false },
		{ "Microsoft Hv", "AMD EPYC 7763 64-Core Processor", false },
		{ "", "AMD EPYC 9554 64-Core Processor", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		assert_int_equal(env_is_emulator(machines[i].signature, machines[i].model),
				 machines[i].emulated);
}

static void only_a_virtual_machine_is_emulated(void **state)
{
	(void)state;
	assert_true(!env_emulated() || env_virtualized());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(emulators_are_told_from_hypervisors),
		cmocka_unit_test(only_a_virtual_machine_is_emulated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
