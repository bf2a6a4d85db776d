# What the tests of the command line share. LEAT is the program; each test counts what failed and says so at its end.
# SPDX-License-Identifier: BSD-2-Clause

set -u
: "${LEAT:?names the program}"
export LC_ALL=C
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# many N: N, of lines or items; but a quarter of that with ThreadSanitizer, which makes all ten times as slow, and with
# AddressSanitizer.
many()
{
	if [ -n "${LEAT_SANITIZE:-}" ]; then echo $(($1 / 4)); else echo "$1"; fi
}

# same_forms LEAST NAME...: python3 finds the same rows in $dir/text, $dir/csv and $dir/json, more than LEAST of them, of columns
# with these names, of which all but the last are numbers. Bytes that are no UTF-8 are U+FFFD in JSON, one for each.
same_forms()
{
	command -v python3 >/dev/null || { echo "python3 is missing, which reads the forms"; return; }
	python3 - "$dir" "$@" <<'END' || fail "csv or json differ from text"
import codecs, csv, io, json, sys
codecs.register_error('each', lambda e: ('\ufffd', e.start + 1))
read = lambda form: open(sys.argv[1] + '/' + form, 'rb').read()
names = sys.argv[3:]
rows = [line.split(b'\t', len(names) - 1) for line in read('text').split(b'\n')[:-1]]
assert len(rows) > int(sys.argv[2])
nul = '\u0100' # older readers of CSV refuse a NUL
as_csv = list(csv.reader(io.StringIO(read('csv').decode('latin-1').replace('\0', nul), newline=''), strict=True))
assert as_csv[0] == names
assert [[c.replace(nul, '\0').encode('latin-1') for c in row] for row in as_csv[1:]] == rows
as_json = [json.loads(line) for line in read('json').decode('utf-8').split('\n')[:-1]]
assert all(list(r) == names for r in as_json)
wanted = [[json.loads(n) for n in row[:-1]] + [row[-1].decode('utf-8', 'each')] for row in rows]
assert [list(r.values()) for r in as_json] == wanted
assert [[type(v) for v in r.values()] for r in as_json] == [[type(v) for v in row] for row in wanted]
END
}

# The last line of every test.
finish()
{
	[ "$failures" -eq 0 ] && echo "passed"
	exit $((failures != 0))
}

# What a sanitizer says goes where ctest sees it.
sanitizer()
{
	if grep -qE 'ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$1"; then
		cat "$1"
		fail "a sanitizer spoke"
	fi
}

# run ARGS...: leat run; its output in $dir/out and $dir/err, its exit status in $status.
run()
{
	"$LEAT" run "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	what="leat run $*"
	sanitizer "$dir/err"
}

expect_status()
{
	[ "$status" -eq "$1" ] || { fail "$what: exit status $status, not $1"; cat "$dir/err"; }
}

expect_out()
{
	[ "$(cat "$dir/out")" = "$1" ] || fail "$what: wrote \"$(head -c 200 "$dir/out")\", not \"$1\""
}

# expect_err TEXT: standard error holds it. expect_silence: it holds nothing.
expect_err()
{
	grep -qF -- "$1" "$dir/err" || { fail "$what: said nothing of \"$1\":"; cat "$dir/err"; }
}

expect_silence()
{
	[ ! -s "$dir/err" ] || { fail "$what: was not silent:"; cat "$dir/err"; }
}

# expect_json TEXT [FILE]
expect_json()
{
	grep -qF -- "$1" "${2:-$dir/err}" || { fail "$what: the JSON has no $1:"; cat "${2:-$dir/err}"; }
}

# expect_books [FILE]: the JSON names an edge, every edge balances with nothing in flight, and no thread is left.
expect_books()
{
	local file=${1:-$dir/err}

	grep -o '"offered":[0-9]*,"delivered":[0-9]*,"dropped":{[^}]*},"rejected":[0-9]*,"in_flight":[0-9]*' "$file" |
		tr -c '0-9\n' ' ' | awk '
		{ edges++; if ($1 != $2 + $3 + $4 + $5 + $6 + $7 + $8 || NF != 8 || $8 != 0) bad++ }
		END { exit edges == 0 || bad > 0 }' || { fail "$what: the books do not balance:"; cat "$file"; }
	grep -q '"threads_left":0' "$file" || { fail "$what: threads are left:"; cat "$file"; }
}

# now_us: microseconds of the clock.
now_us()
{
	local now=$EPOCHREALTIME

	echo "${now/[.,]/}"
}

# run_signalled SIGNAL ARGS...: as run, with a signal once the flow has run for a while.
run_signalled()
{
	local signal=$1

	shift
	"$LEAT" run "$@" >"$dir/out" 2>"$dir/err" &
	ready $!
	sleep 0.3
	kill -s "$signal" $!
	wait $!
	status=$?
	what="leat run $*, SIG$signal"
	sanitizer "$dir/err"
}

# ready PID: waits until the program takes signals: a shell has it ignore SIGINT until then.
ready()
{
	while kill -0 "$1" 2>/dev/null && ! grep -q '^SigBlk:.0*400[23]$' "/proc/$1/status"; do
		sleep 0.05
	done
}
