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
