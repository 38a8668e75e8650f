/* SPDX-License-Identifier: Apache-2.0 */
/* Where a value stands in a JSON text: yyjson's values do not say it. */
#ifndef RINGSIDE_INJECT_LOCATE_H
#define RINGSIDE_INJECT_LOCATE_H

/*
 * The beginning of the value at `path` ("items[2].spec", as messages have it), or of the innermost one around it that is there. The
 * text must be JSON. A key counts as it is written: one with an escape is not found.
 */
const char *locate(const char *text, const char *path);

#endif
