/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html.c - writing text into HTML, so that nothing in a result can become markup.
 *
 * No locks.
 */
#include "harness/html.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

void html_text(FILE *out, const char *text)
{
	if (!text)
		return;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c == '\'')
			fputs("&#39;", out);
		else if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			fputs("\xef\xbf\xbd", out);
		else
			putc(c, out);
	}
}

void html_name(FILE *out, const char *name)
{
	for (; *name; name++) {
		html_text(out, (char[2]){ *name, '\0' });
		if (*name == '/')
			fputs("<wbr>", out);
	}
}

void html_format(FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		if (*format != '%') {
			putc(*format, out);
			continue;
		}
		format++;
		assert(*format == 's' || *format == '%');
		if (*format == 's')
			html_text(out, va_arg(arguments, const char *));
		else
			putc('%', out);
	}
	va_end(arguments);
}

/* gnuplot writes neither; a file that does was put there by somebody else. */
static int is_active(const char *svg)
{
	if (strcasestr(svg, "<script") || strcasestr(svg, "javascript:") ||
	    strcasestr(svg, "<foreignobject"))
		return 1;
	for (const char *at = strcasestr(svg, " on"); at; at = strcasestr(at + 1, " on")) {
		const char *end = at + 3;

		while (isalpha((unsigned char)*end))
			end++;
		if (end > at + 3 && *end == '=')
			return 1;
	}
	return 0;
}

int html_svg(FILE *out, const char *svg, const char *prefix)
{
	/* Longest first: what stands behind each of these is a name to make unique. */
	static const char *const markers[] = { "xlink:href='#", " id='", " id=\"", "url(#" };
	const char *at = strstr(svg, "<svg");

	if (!at || is_active(svg))
		return -EINVAL;
	while (*at) {
		size_t length = 1;

		for (unsigned i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
			if (strncmp(at, markers[i], strlen(markers[i])) == 0)
				length = strlen(markers[i]);
		fwrite(at, 1, length, out);
		at += length;
		if (length > 1)
			fprintf(out, "%s-", prefix);
	}
	return 0;
}
