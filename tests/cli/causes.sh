# LEAT_ENDS: a line on standard error for each generator of a flow that ended, once, with its cause and words.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"
unset LEAT_COUNTERS LEAT_ENDS

line='^leat: leat\[[0-9]+\]: generator "[^"]+" \(id [0-9]+\)'

# expect_ends COUNT ENDING: so many lines that go on with this ending, an extended regular expression.
expect_ends()
{
	[ "$(grep -cE "$line $2" "$dir/err")" -eq "$1" ] || { fail "$what: not $1 lines of ends that $2:"; cat "$dir/err"; }
}

# The lines are what they should be, and no generator has two.
expect_each_once()
{
	grep -vE "$line" "$dir/err" >"$dir/other"
	[ ! -s "$dir/other" ] || { fail "$what: lines of another form:"; cat "$dir/other"; }
	grep -o '(id [0-9]*)' "$dir/err" | sort | uniq -d >"$dir/twice"
	[ ! -s "$dir/twice" ] || { fail "$what: told twice:"; cat "$dir/err"; }
}

export LEAT_ENDS=1
run --quiet 'count:3 | buffer:4 | count'
expect_status 0
expect_out 3
expect_each_once
expect_ends 3 'completed after [0-9]'

run --quiet 'count:1000000000000 | workers:2 grep:1 | take:3 | count'
expect_status 0
expect_each_once
expect_ends 1 'ended after .*, as its receivers had left$'
expect_ends 0 'failed'

run --quiet 'count:1000 | buffer:4 | file:/dev/full'
expect_status 1
expect_ends 1 'failed after .*: /dev/full: No space left on device \(ENOSPC, -28\)$'

run --quiet --for 200ms 'tick:1ms | buffer:4 | null'
expect_status 0
expect_each_once
expect_ends 1 'was stopped after [1-9].*: the time of --for is over$'
expect_ends 2 'completed'

run_signalled INT --quiet 'tick:1ms | buffer:4 | null'
expect_status 130
expect_each_once
expect_ends 3 'was cancelled after .*: interrupted$'

# A reader that never reads: what is on its way to it is not drained in time.
mkfifo "$dir/pipe"
exec 3<>"$dir/pipe"
run_signalled TERM --quiet --drain 100ms 'count:1000000000000 | file:'"$dir/pipe"
expect_status 143
expect_ends 1 'was stopped after .*: terminated$'
expect_ends 1 'was cancelled after .*: not drained in time$'

# A flow of two branches: each stage is told.
printf '1\n2\n' >"$dir/in"
run --quiet "lines:$dir/in as a; a | count; a | file:/dev/full"
expect_status 1
expect_ends 1 'failed'
grep -vE '^leat: file: ' "$dir/err" >"$dir/ends"
mv "$dir/ends" "$dir/err"
expect_each_once

LEAT_ENDS=bad
run --quiet 'count:3 | buffer:4 | count'
expect_silence
run --quiet --for 200ms 'tick:1ms | null'
expect_silence
run --quiet 'count:1000000000000 | workers:2 grep:1 | take:3 | count'
expect_each_once
expect_ends 1 'ended after .*, as its receivers had left$'
[ "$(wc -l <"$dir/err")" -eq 1 ] || { fail "$what: not one line"; cat "$dir/err"; }

for none in 0 ''; do
	LEAT_ENDS=$none
	run --quiet 'count:1000000000000 | take:3 | count'
	expect_silence
done
LEAT_ENDS=yes
run --quiet 'count:3 | count'
expect_status 0
expect_out 3
[ "$(cat "$dir/err")" = "leat: LEAT_ENDS=yes: 1, bad or 0 is wanted; no ends are told" ] || { fail "$what: said"; cat "$dir/err"; }

# Beside counters, also where there can be none.
LEAT_ENDS=1
if [ "$(stat -f -c %T /dev/shm)" = tmpfs ]; then
	shm=$(mktemp -d /dev/shm/leat-test-XXXXXX) || exit 1
	LEAT_COUNTERS=$shm/ run --quiet 'count:3 | buffer:4 | count'
	expect_each_once
	expect_ends 3 'completed'
	rm -rf "$shm"
fi
LEAT_COUNTERS=/proc/x run --quiet 'count:3 | buffer:4 | count'
expect_err "not on tmpfs"
expect_ends 3 'completed'
LEAT_COUNTERS=yes run --quiet 'count:3 | buffer:4 | count'
expect_err "leat: LEAT_COUNTERS=yes: 1, 0, or a path with a slash in it is wanted; no counters are kept"
expect_ends 3 'completed'

# Standard error that is closed, or full.
LEAT_ENDS=1 "$LEAT" run --quiet 'count:3 | count' >"$dir/out" 2>&-
[ $? -eq 0 ] || fail "with standard error closed: exit status"
LEAT_ENDS=1 "$LEAT" run --quiet 'count:3 | count' >"$dir/out" 2>/dev/full
[ $? -eq 0 ] || fail "with standard error full: exit status"
expect_out 3
finish
