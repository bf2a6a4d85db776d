/*
 * Text as JSON strings. See json.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/json.h"

void leat_json_string(FILE *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	fputc('"', out);
	while (p < end) {
		size_t bytes = leat_utf8_length(p, (size_t)(end - p));

		if (bytes == 0)
			fputs("\\ufffd", out);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < 0x20)
			fprintf(out, "\\u%04x", *p);
		else
			fwrite(p, 1, bytes, out);
		p += bytes == 0 ? 1 : bytes;
	}
	fputc('"', out);
}

size_t leat_utf8_length(const unsigned char *p, size_t left)
{
	size_t bytes = *p < 0x80                 ? 1
	               : *p >= 0xc2 && *p < 0xe0 ? 2
	               : *p >= 0xe0 && *p < 0xf0 ? 3
	               : *p >= 0xf0 && *p < 0xf5 ? 4
	                                         : 0;

	if (bytes > left)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and code points beyond the last one */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return bytes;
}

bool leat_utf8_is_shown(const unsigned char *p, size_t bytes)
{
	/* U+0080 to U+009F are control characters, too */
	return bytes > 0 && *p >= ' ' && *p != 127 && (bytes != 2 || *p != 0xc2 || p[1] >= 0xa0);
}
