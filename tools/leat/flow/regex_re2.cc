/*
 * tools/leat/flow/regex_re2.cc: see regex_re2.h. No exception leaves a function here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/regex_re2.h"

#include <cerrno>
#include <cstdio>
#include <new>
#include <re2/re2.h>

struct leat_regex {
	leat_regex(const char *text, const re2::RE2::Options &options) : compiled(text, options)
	{
	}
	re2::RE2 compiled;
};

static re2::RE2::Options posix_options()
{
	re2::RE2::Options options;

	options.set_encoding(re2::RE2::Options::EncodingLatin1); /* bytes */
	options.set_posix_syntax(true);
	options.set_one_line(false); /* ^ and $ are the ends of each line */
	options.set_never_nl(true);
	options.set_perl_classes(true); /* \w, \d, \s and \b, as GNU grep has some of them */
	options.set_word_boundary(true);
	options.set_never_capture(true);
	options.set_log_errors(false);
	return options;
}

int leat_regex_open(struct leat_regex **regex, const char *text, char *why, size_t size)
{
	try {
		leat_regex *made = new leat_regex(text, posix_options());

		if (made->compiled.ok()) {
			*regex = made;
			return 0;
		}
		snprintf(why, size, "%s", made->compiled.error().c_str());
		delete made;
		return -EINVAL;
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	}
}

void leat_regex_close(struct leat_regex *regex)
{
	delete regex;
}

const char *leat_regex_find(const struct leat_regex *regex, const char *text, size_t len)
{
	re2::StringPiece match;

	if (!regex->compiled.Match(re2::StringPiece(text, len), 0, len, re2::RE2::UNANCHORED, &match,
	                           1))
		return nullptr;
	return match.data();
}
