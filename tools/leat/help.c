/*
 * tools/leat/help.c: the texts of --help. docs/man/leat.1 is longer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/leat.h"

#ifdef LEAT_HAVE_RE2
#define GREP_LIBRARY "(searched by RE2, in time linear in the text)"
#else
#define GREP_LIBRARY \
	"(searched by regexec(3), which no interrupt stops within a line; RE2 was missing)"
#endif

#if defined(LEAT_HAVE_ZLIB) && defined(LEAT_HAVE_ZSTD)
#define UNPACKED "files of gzip and zstd are unpacked"
#elif defined(LEAT_HAVE_ZLIB)
#define UNPACKED "files of gzip are unpacked (not of zstd: libzstd was missing)"
#elif defined(LEAT_HAVE_ZSTD)
#define UNPACKED "files of zstd are unpacked (not of gzip: zlib was missing)"
#else
#define UNPACKED "(none of gzip or zstd: zlib and libzstd were missing)"
#endif

const char leat_usage[] =
	"usage: leat run [options] 'STAGE | STAGE | ...'   run a flow\n"
	"       leat bench [options] [KIND]                measure leat beside its peers\n"
	"       leat help run | bench                      stages and options\n"
	"       leat --version\n";

const char leat_run_help[] =
	"usage: leat run [options] 'SOURCE | STEP | ... | SINK'\n"
	"\n"
	"  leat run 'lines:access.log | grep:\" 404 \" | workers:4 field:1 | tally'\n"
	"  leat run 'follow:/var/log/syslog | rate:1000/s | stdout'\n"
	"  leat run 'proc:stat every:100ms | stdout'\n"
	"\n"
	"sources   lines:FILE [and:FILE]...     the lines of a file, a pipe, or - (standard "
	"input);\n"
	"                                       of several, also by a pattern: lines:'logs/*.log'\n"
	"                                       " UNPACKED "\n"
	"          follow:FILE [from:start]     what is appended to a file from now on\n"
	"          proc:NAME [every:TIME]       the lines of /proc/NAME, every second\n"
	"          tick:TIME                    1, 2, 3, ... at a steady interval\n"
	"          count:N                      1 to N\n"
	"steps     grep:PATTERN [invert:yes]    lines that hold a text, or match an extended "
	"regular expression\n"
	"                                       " GREP_LIBRARY "\n"
	"          field:N                      the Nth field, as awk splits; 0: the line\n"
	"          map:upper|lower|trim|length\n"
	"          rate:N/s [burst:N]           at most N items a second; N/m: a minute\n"
	"          take:N                       N lines, then the flow ends\n"
	"          skip:N                       all but the first N lines\n"
	"          uniq                         leaves out a line that equals the one before it\n"
	"          distinct:N                   leaves out a line that is one of the last N "
        "different "
	"lines\n"
	"          buffer:N                     a ring of N items, and a thread of its own behind "
	"it\n"
	"          workers:N STEP               a grep, field or map on N threads (order is not "
	"kept)\n"
	"sinks     stdout   file:PATH [append:yes]   null\n"
	"          count   tally (how often each line came)   top:N (the N lines that came most "
	"often)\n"
	"          of lines that are numbers (others are counted, and told at the end):\n"
	"          sum   min   max   mean   histogram   quantiles [of:50,90,99,99.9,max]\n"
	"\n"
	"Quotes ('...' or \"...\") protect blanks and |. Times: 100ms, 2s, 1m. Numbers: 10k, 2M.\n"
	"\n"
	"options   --for TIME             end the source after TIME, and drain\n"
	"          --drain TIME           after a signal, end the source and give the rest TIME to "
	"drain (0)\n"
	"          --repeat N             read the files of lines N times\n"
	"          --capacity N           items in each ring (1024)\n"
	"          --wait POLICY          adaptive (the default), spin, yield, park\n"
	"          --overflow POLICY      a full ring: block (the default), drop the newest, drop "
	"the oldest\n"
	"          --slow STAGE[=TIME]    from half of --for on, each item costs this stage TIME "
	"(200us) more\n"
	"          --json[=FILE]          the books as one JSON object; without FILE it is alone "
	"on\n"
	"                                 standard error: no picture, books or errors in words\n"
	"          --quiet                no picture, no books\n"
	"          --help, --version\n"
	"\n"
	"signals       SIGINT, SIGTERM, SIGHUP: cancel the flow; with --drain stop it, and the "
	"second cancels\n"
	"exit status   0; 1 something failed or the books do not balance; 2 usage; 128 and its "
	"number\n"
	"              after a signal: 130 after ctrl-C; 0 where --drain has lost nothing\n";
