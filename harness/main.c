/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - faultline: refuses machines that it is not made for, and hands over to the commands.
 */
#include <locale.h>
#include <unistd.h>

#include "harness/commands.h"

#ifndef __x86_64__
#error "faultline measures x86-64 only"
#endif

int main(int argc, char **argv)
{
	/* Figures are written with a point whatever the user's language is. */
	setlocale(LC_ALL, "C");
	if (sysconf(_SC_PAGESIZE) != 4096) {
		complain("this kernel has pages of %ld bytes; faultline measures 4096 only",
			 sysconf(_SC_PAGESIZE));
		return CODE_MACHINE;
	}
	return commands_main(argc, argv);
}
