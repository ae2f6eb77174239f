/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html_test.c - nothing from a result becomes markup. No locks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/html.h"

static void expect_text(const char *text, const char *wanted)
{
	char *got = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&got, &size);

	assert_non_null(out);
	html_text(out, text);
	fclose(out);
	assert_string_equal(got, wanted);
	free(got);
}

static void text_is_escaped(void **state)
{
	(void)state;
	expect_text("a<b>&\"'c", "a&lt;b&gt;&amp;&quot;&#39;c");
	expect_text("&amp;", "&amp;amp;");
	expect_text("µ → ×", "µ → ×");
	expect_text("a\tb\nc", "a\tb\nc");
	expect_text("a\033[1m\x7f", "a\xef\xbf\xbd[1m\xef\xbf\xbd");
	expect_text("", "");
	expect_text(NULL, "");
}

static void format_escapes_its_arguments_only(void **state)
{
	char *got = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	html_format(out, "<b title=\"%s\">%s</b> 100 %%", "\"><i>", NULL);
	fclose(out);
	assert_string_equal(got, "<b title=\"&quot;&gt;&lt;i&gt;\"></b> 100 %");
	free(got);
}

static void names_break_after_slashes(void **state)
{
	char *got = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	html_name(out, "a/<b>/µ");
	fclose(out);
	assert_string_equal(got, "a/<wbr>&lt;b&gt;/<wbr>µ");
	free(got);
}

static int svg_into(const char *svg, char **got)
{
	size_t size = 0;
	FILE *out = open_memstream(got, &size);
	int rc = html_svg(out, svg, "f1");

	fclose(out);
	return rc;
}

static void svg_gets_ids_of_its_own(void **state)
{
	char *got;

	(void)state;
	assert_int_equal(svg_into("<?xml version='1.0'?>\n<svg><circle id='dot'/>"
				  "<use xlink:href='#dot'/><g fill='url(#dot)' id=\"x\"/></svg>",
				  &got),
			 0);
	assert_string_equal(got, "<svg><circle id='f1-dot'/><use xlink:href='#f1-dot'/>"
				 "<g fill='url(#f1-dot)' id=\"f1-x\"/></svg>");
	free(got);
}

static void svg_that_acts_is_refused(void **state)
{
	static const char *const bad[] = {
		"no picture",
		"<svg><script>x</script></svg>",
		"<svg onload='x'/>",
		"<svg><a xlink:href='javascript:x'/></svg>",
		"<svg><foreignObject/></svg>",
		"<svg><SCRIPT/></svg>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *got;

		assert_int_equal(svg_into(bad[i], &got), -EINVAL);
		assert_string_equal(got, "");
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(format_escapes_its_arguments_only),
		cmocka_unit_test(names_break_after_slashes),
		cmocka_unit_test(svg_gets_ids_of_its_own),
		cmocka_unit_test(svg_that_acts_is_refused),
	};

	return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
