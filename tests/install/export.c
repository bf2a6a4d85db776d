/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Built against the installed libleat-export: this process's own figures, over HTTP at a port that
 * is free, and as a text.
 */
#include <leat/export.h>

int main(void)
{
	struct leat_export *exporter = leat_export_start(
		&(struct leat_export_opts){ .own = true, .listen = "127.0.0.1:0" });
	FILE *out = fopen("/dev/null", "w");
	int wrong;

	if (exporter == NULL || out == NULL)
		return 1;
	wrong = leat_export_port(exporter) == 0 ||
	        leat_export_write(exporter, LEAT_EXPORT_OPENMETRICS, out) != 0;
	fclose(out);
	leat_export_stop(exporter);
	return wrong;
}
