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

#ifdef LEAT_HAVE_SIMDJSON
#define AS_FORMS "as:csv, as:kv or as:json"
#else
#define AS_FORMS "as:csv or as:kv (as:json: simdjson was missing)"
#endif

const char leat_usage[] =
	"usage: leat run [options] 'STAGE | STAGE | ...'   run a flow\n"
	"       leat check [options] 'STAGE | STAGE | ...' what it would run as: threads and rings\n"
	"       leat graph [options] 'STAGE | STAGE | ...' the same for dot(1)\n"
	"       leat bench [options] [KIND]                measure leat beside its peers\n"
	"       leat help run | check | graph | bench      stages and options\n"
	"       leat --version\n";

const char leat_run_help[] =
	"usage: leat run [options] 'SOURCE | STEP | ... | SINK'\n"
	"\n"
	"  leat run 'lines:access.log | grep:\" 404 \" | workers:4 field:1 | tally'\n"
	"  leat run 'lines:access.log | filter:($9 == 404 && $7 ~ \"^/blog/\") | map:($1 .. \" \" "
	".. $7) | tally'\n"
	"  leat run 'lines:sales.csv as:csv | filter:($price > 100) | map:($city) | tally'\n"
	"  leat run 'lines:access.log | group:($1) sum:($10) p99:($10) top:10 as:json'\n"
	"  leat run 'follow:/var/log/syslog | rate:1000/s | stdout'\n"
	"  leat run 'walk:/var/log name:*.log* | grep:error | count'\n"
	"  leat run 'proc:stat every:100ms | stdout'\n"
	"\n"
	"sources   lines:FILE [and:FILE]...     the lines of a file, a pipe, or - (standard "
	"input);\n"
	"                                       of several, also by a pattern: lines:'logs/*.log'\n"
	"                                       " UNPACKED "\n"
	"          walk:DIR [name:PATTERN]      the lines of all files below a directory, in the "
	"order of\n"
	"                                       their paths; name:'*.log': of such files\n"
	"          follow:FILE [from:start]     what is appended to a file from now on\n"
	"                                       behind all three: " AS_FORMS ", and $name in\n"
	"                                       expressions is that field of the line\n"
	"          proc:NAME [every:TIME]       the lines of /proc/NAME, every second\n"
	"          tick:TIME                    1, 2, 3, ... at a steady interval\n"
	"          count:N                      1 to N\n"
	"steps     grep:PATTERN [invert:yes]    lines that hold a text, or match an extended "
	"regular expression\n"
	"                                       " GREP_LIBRARY "\n"
	"          filter:(EXPRESSION)          lines for which it is true: $9 == 404, $1 ~ \"^10\", "
	"$-1 % 2 != 0\n"
	"          field:N                      the Nth field, as awk splits; 0: the line\n"
	"          map:upper|lower|trim|length\n"
	"          map:(EXPRESSION)             its value: $1 .. \" \" .. $9, upper($2), $10 / 1k "
	"(leat(1) has them all)\n"
	"          rate:N/s [burst:N]           at most N items a second; N/m: a minute\n"
	"          take:N                       N lines, then the flow ends\n"
	"          skip:N                       all but the first N lines\n"
	"          every:N                      one line in N: the Nth, the 2Nth, ...\n"
	"          uniq                         leaves out a line that equals the one before it\n"
	"          distinct:N                   leaves out a line that is one of the last N "
        "different "
	"lines\n"
	"          tee:FILE [append:yes]        writes the lines to a file, too\n"
	"          buffer:N                     a ring of N items, and a thread of its own behind "
	"it\n"
	"          workers:N STEP               a grep, filter, field or map on N threads (order is not "
	"kept)\n"
	"sinks     stdout   null\n"
	"          file:PATH [append:yes] [sync:yes|TIME] [reopen:yes]\n"
	"                                       sync: on the disk at the end, or also after TIME;\n"
	"                                       reopen: anew at each SIGHUP, which ends nothing then\n"
	"          count   tally (how often each line came)   top:N (the N lines that came most "
	"often)\n"
	"          of lines that are numbers (others are counted, and told at the end):\n"
	"          sum   min   max   mean   histogram   quantiles [of:50,90,99,99.9,max]\n"
	"          group:(KEY)                  a row for each key; its columns, as often as wanted:\n"
	"             count:yes   sum:(EXPR)   mean:(EXPR)   min:(EXPR)   max:(EXPR)   p99.9:(EXPR)\n"
	"             by:key (else by the first column)   top:N (rows)   most:N (keys in memory)\n"
	"          but for the first three, each has a form: as:csv, as:json (an object in a line)\n"
	"\n"
	"Quotes ('...' or \"...\") and parentheses protect blanks and |. Times: 100ms, 2s, 1m. Numbers: 10k, 2M.\n"
	"\n"
	"options   -f FILE                the flow is in a file, of any number of lines; # begins a "
	"comment line\n"
	"          --load FILE.so         words of a program's own, from a shared object (leat/word.h)\n"
	"          --for TIME             end the source after TIME, and drain\n"
	"          --drain TIME           after a signal, end the source and give the rest TIME to "
	"drain (0)\n"
	"          --repeat N             read the files of lines or walk N times\n"
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

const char leat_check_help[] =
	"usage: leat check [options] 'SOURCE | STEP | ... | SINK'\n"
	"       leat graph [options] 'SOURCE | STEP | ... | SINK'\n"
	"\n"
	"  leat check 'lines:access.log | workers:4 field:1 | tally'\n"
	"  leat check -f top-clients.flow\n"
	"  leat graph 'lines:access.log | workers:4 field:1 | tally' | dot -Tsvg >flow.svg\n"
	"\n"
	"check says whether the text of a flow is right, and which threads and rings it would run as;\n"
	"graph writes that as a graph for dot(1), with a box for each thread. Neither opens the files\n"
	"that the flow names. The options are those of leat run, whose --help has the stages, too.\n"
	"\n"
	"exit status   0; 1 the file of -f could not be read; 2 usage: a mistake is shown with a caret\n";
