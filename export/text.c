/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/export.h"

#include <inttypes.h>
#include <string.h>

const char *leat_export_content_type(enum leat_export_format format)
{
	return format == LEAT_EXPORT_OPENMETRICS
	               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	               : "text/plain; version=0.0.4; charset=utf-8";
}

/* OpenMetrics has the name of a counter without _total here; the classic text has none but
 * samples'. */
static void write_head(struct leat_export_text *text)
{
	const struct leat_export_family *family = text->family;
	bool classic = text->format == LEAT_EXPORT_CLASSIC;
	const char *total = family->counter && classic ? "_total" : "";

	fprintf(text->out, "# HELP leat_%s%s %s\n# TYPE leat_%s%s %s\n", family->name, total,
	        family->help, family->name, total, family->counter ? "counter" : "gauge");
	if (!classic && family->unit[0] != '\0')
		fprintf(text->out, "# UNIT leat_%s %s\n", family->name, family->unit);
	text->headed = true;
}

/* A text of clean characters as the value of a label: both forms escape the same three. */
static void write_label(struct leat_export_text *text, const char *before, const char *label,
                        const char *value)
{
	fputs(before, text->out);
	fputs(label, text->out);
	fputs("=\"", text->out);
	for (;;) {
		size_t plain = strcspn(value, "\n\"\\");

		fwrite(value, 1, plain, text->out);
		value += plain;
		if (*value == '\0')
			break;
		fputs(*value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\", text->out);
		value++;
	}
	fputc('"', text->out);
}

/* The name of the sample, and the labels of its process. */
static void begin_sample(struct leat_export_text *text, const struct leat_export_process *process)
{
	if (!text->headed)
		write_head(text);
	fputs("leat_", text->out);
	fputs(text->family->name, text->out);
	fputs(text->family->counter ? "_total" : "", text->out);
	if (process == NULL)
		return;
	fprintf(text->out, "{pid=\"%" PRIu32 "\"", process->info.pid);
	write_label(text, ",", "process", process->name);
}

static void end_sample(struct leat_export_text *text, const struct leat_export_process *process,
                       uint64_t value)
{
	const char *labelled = process != NULL ? "}" : "";
	const uint64_t second_ns = 1000000000;

	if (strcmp(text->family->unit, "seconds") == 0)
		fprintf(text->out, "%s %" PRIu64 ".%09" PRIu64 "\n", labelled, value / second_ns,
		        value % second_ns);
	else
		fprintf(text->out, "%s %" PRIu64 "\n", labelled, value);
}

void leat_export_sample(struct leat_export_text *text, const struct leat_export_process *process,
                        const char *label, const char *label_value, uint64_t value)
{
	begin_sample(text, process);
	if (label != NULL)
		write_label(text, ",", label, label_value);
	end_sample(text, process, value);
}

/* A family's values of a name. Numbers that are no totals are of what lives. */
static void write_name(struct leat_export_text *text, const struct leat_export_process *process,
                       const struct leat_export_name *name)
{
	const struct leat_export_family *family = text->family;

	if (!family->counter && name->living == 0)
		return;
	for (unsigned i = 0; i < family->count; i++) {
		unsigned value = family->value + i;

		begin_sample(text, process);
		write_label(text, ",", leat_counters_kind_name(family->kind), name->name);
		if (family->label != NULL)
			write_label(text, ",", family->label, family->label_value(i));
		end_sample(text, process,
		           family->counter               ? leat_export_total(name, value)
		           : value == LEAT_EXPORT_LIVING ? name->living
		                                         : name->now[value]);
	}
}

static void write_names(struct leat_export_text *text, const struct leat_export_process *process)
{
	const struct leat_export_names *names = &process->names[text->family->kind];

	for (size_t i = 0; i < names->count; i++)
		write_name(text, process, names->list[i]);
	if (names->has_other)
		write_name(text, process, &names->other);
}

static void write_family(struct leat_export_text *text, const struct leat_export *exporter)
{
	const struct leat_export_family *family = text->family;

	if (family->kind == LEAT_COUNTERS_KINDS) {
		family->write(text, exporter, NULL);
		return;
	}
	for (size_t i = 0; i < exporter->count; i++)
		if (family->write != NULL)
			family->write(text, exporter, exporter->processes[i]);
		else
			write_names(text, exporter->processes[i]);
}

static int finish(struct leat_export_text *text)
{
	if (text->format == LEAT_EXPORT_OPENMETRICS)
		fputs("# EOF\n", text->out);
	errno = 0;
	if (fflush(text->out) != 0 || ferror(text->out))
		return errno != 0 ? -errno : -EIO;
	return 0;
}

int leat_export_write_text(const struct leat_export *exporter, enum leat_export_format format,
                           FILE *out)
{
	struct leat_export_text text = { .out = out, .format = format };

	for (size_t i = 0; i < leat_export_families_count; i++) {
		text.family = &leat_export_families[i];
		text.headed = false;
		write_family(&text, exporter);
	}
	return finish(&text);
}

int leat_export_describe(enum leat_export_format format, FILE *out)
{
	struct leat_export_text text = { .out = out, .format = format };
	int saved = errno, rc;

	for (size_t i = 0; i < leat_export_families_count; i++) {
		text.family = &leat_export_families[i];
		write_head(&text);
	}
	rc = finish(&text);
	errno = saved;
	return rc;
}
