/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html.h - writing text into HTML, so that nothing in a result can become markup.
 *
 * A result may come from anywhere. Whatever is not written by this program itself goes through
 * html_text or the %s of html_format. Streams may be NULL-checked by the caller once, at open.
 * No locks; a stream is used by one thread at a time.
 */
#pragma once

#include <stdio.h>

/*
 * Writes text with & < > " ' escaped: safe as element content and as a quoted attribute. Control
 * characters but tab and newline become U+FFFD. NULL writes nothing.
 */
void html_text(FILE *out, const char *text);

/* Writes a benchmark's name, which may break into lines after its slashes and nowhere else. */
void html_name(FILE *out, const char *name);

/*
 * A small printf for markup: "%s" takes a const char * and escapes it, "%%" is a percent sign,
 * and anything else is copied as it stands. Any other conversion is a programmer's error.
 */
void html_format(FILE *out, const char *format, ...);

/*
 * Writes an SVG document as an element of an HTML page: leaves out what stands before "<svg" (the
 * XML declaration), and makes the ids in it unique by the prefix (letters and digits), since all
 * figures of a page share one name space. Returns 0, or -EINVAL if there is no <svg> element or
 * the text holds a script or an event handler, in which case nothing is written.
 */
__attribute__((warn_unused_result)) int html_svg(FILE *out, const char *svg, const char *prefix);
