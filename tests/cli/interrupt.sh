# ctrl-C cancels: what is in flight is counted as dropped, the books are told, exit status 130, all within 100 ms.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# A busy machine may not run the program for that long: the best of a few, and on top of the limit ten times what it takes to
# end a process that does nothing at that moment.
limit_us=100000
[ -z "${LEAT_SANITIZE:-}" ] || limit_us=2000000
mkfifo "$dir/pipe"
exec 3<>"$dir/pipe" # a reader that never reads

end_of_idle_us()
{
	local before

	sleep 60 &
	before=$(now_us)
	kill $!
	wait $! 2>/dev/null
	echo $(($(now_us) - before))
}

# interrupt SIGNAL STATUS OUTPUT FLOW: true if it was prompt
attempt()
{
	"$LEAT" run --quiet --json "$4" >"$3" 2>"$dir/err" &
	local pid=$! before after idle_us

	sleep 0.3 # so that it is in the middle of things
	ready "$pid"
	idle_us=$(end_of_idle_us)
	before=$(now_us)
	kill -s "$1" "$pid"
	wait "$pid"
	status=$?
	after=$(now_us)
	what="$4, SIG$1"
	took_us=$((after - before))
	sanitizer "$dir/err"
	expect_status "$2"
	expect_json "\"status\":$2,"
	expect_json '"cause":"canceled"'
	expect_books
	[ "$took_us" -le $((limit_us + 10 * idle_us)) ]
}

interrupt()
{
	for _ in 1 2 3 4; do
		attempt "$@" && return
	done
	fail "$what: took $took_us us"
}

interrupt INT 130 /dev/null "count:1000000000000 | workers:3 grep:7 | null"
interrupt INT 130 /dev/null "count:1000000000000 | grep:x | null"
interrupt INT 130 /dev/null "count:1000000000000 | grep:1 | stdout"
interrupt INT 130 "$dir/pipe" "count:1000000000000 | buffer:100 | stdout"
expect_json '"text":"interrupted"'
interrupt INT 130 /dev/null "count:1000000000000 | buffer:100 | file:$dir/pipe"
interrupt INT 130 /dev/null "follow:$dir/nothing | workers:8 field:1 | stdout"
interrupt INT 130 /dev/null "count:100 | rate:1/m | stdout"
interrupt INT 130 /dev/null "tick:1h | buffer:3 | stdout"
interrupt INT 130 /dev/null "lines:$dir/pipe | stdout"
interrupt TERM 143 /dev/null "tick:1h | stdout"
interrupt HUP 129 /dev/null "tick:1h | stdout"
expect_json '"text":"hung up"'

# In flight is dropped, and the sum is told: the slow end has had a few of what fills the ring.
attempt INT 130 /dev/null "count:1000000000000 | buffer:500 | rate:10/s | null"
expect_json '"canceled":'
grep -q '"canceled":[1-9]' "$dir/err" || fail "$what: nothing was dropped"

# A step that is busy with one very long line is not waited for, and the report says so. How long the line takes to come in depends
# on the machine: later and later, until the signal is in the midst of the search.
if [ -z "${LEAT_SANITIZE:-}" ]; then
	head -c 268435456 /dev/zero | tr '\0' x >"$dir/long"
	took_us=0
	for tenths in 2 3 4 5 6 7 8 9 10 12 14 16; do
		"$LEAT" run "lines:$dir/long | workers:1 grep:'(x+x+)+y' | count" >/dev/null 2>"$dir/err" &
		pid=$!
		sleep $((tenths / 10)).$((tenths % 10))
		idle_us=$(end_of_idle_us)
		before=$(now_us)
		kill -s INT "$pid" 2>/dev/null
		wait "$pid"
		status=$?
		after=$(now_us)
		grep -q "busy inside" "$dir/err" || continue
		what="a search of one line of 256 MiB, SIGINT"
		expect_status 130
		expect_err "leat: grep: busy inside grep, not waited for"
		expect_err "interrupted after"
		expect_err "balanced"
		expect_err "threads left behind: 1"
		took_us=$((after - before))
		[ "$took_us" -le $((limit_us + 10 * idle_us)) ] && break
	done
	[ "$took_us" -ne 0 ] || fail "a search of one very long line was never interrupted"
	[ "$took_us" -le $((limit_us + 10 * idle_us)) ] || fail "$what: took $took_us us"
	rm "$dir/long"
fi

# What nohup has started outlives its terminal.
(trap '' HUP; exec "$LEAT" run --quiet --for 1s "tick:10ms | count" >"$dir/out" 2>"$dir/err") &
sleep 0.3
kill -s HUP $!
wait $!
status=$? what="SIGHUP ignored"
expect_status 0
expect_silence

# Without --quiet the books are printed.
run_signalled INT "tick:10ms | stdout"
expect_status 130
expect_err "interrupted"
expect_err "balanced"
expect_err "threads left behind: 0"
[ -s "$dir/out" ] || fail "$what: what was received was not written"
finish
