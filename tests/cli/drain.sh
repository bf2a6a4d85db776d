# A signal with --drain stops the flow: the source ends, and what it has sent goes through. A drain that is too short, two signals,
# no --drain; and --for, which is a stop of the source.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# Waits until the program takes signals, and its file of the source's lines has some.
begin()
{
	what="leat run $*"
	: >"$dir/out"
	"$LEAT" run "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	ready "$pid"
	for _ in $(seq 100); do
		[ -s "$dir/out" ] && return
		sleep 0.05
	done
	fail "$what: wrote nothing"
}

end()
{
	wait "$pid"
	status=$?
	sanitizer "$dir/err"
}

# field EDGE KEY: the number of the JSON
field()
{
	sed 's/.*"name":"'"$1"'",\([^}]*}[^}]*\)}.*/\1/' "$dir/err" | grep -o "\"$2\":[0-9]*" | grep -o '[0-9]*$'
}

# A slow sink gets all that the source has sent, in order, and nothing is lost: exit status 0.
for number in INT TERM HUP; do
	begin --quiet --json --drain 1m "count:1000000 | buffer:100 | rate:200/s | stdout"
	kill -s "$number" "$pid"
	end
	what="$what, SIG$number"
	expect_status 0
	expect_books
	expect_json '"status":0,'
	lines=$(wc -l <"$dir/out")
	[ "$lines" -ge 100 ] || fail "$what: only $lines lines: the ring held more"
	seq "$lines" | cmp -s - "$dir/out" || fail "$what: lines are missing"
	[ "$(field 'count -> buffer+rate' delivered)" -eq "$lines" ] || fail "$what: $lines lines were written, not those that were sent"
	grep -q '"canceled":[1-9]' "$dir/err" && fail "$what: something was cancelled: $(cat "$dir/err")"
	case $number in INT) word=interrupted ;; TERM) word=terminated ;; *) word="hung up" ;; esac
	expect_json "\"generators\":[{\"name\":\"count\",\"cause\":\"stopped\",\"code\":0,\"text\":\"$word\"},{\"name\":\"buffer+rate\",\"cause\":\"completed\""
	expect_json '{"name":"stdout","cause":"completed"'
done

# In words; every source; behind workers and a tally.
begin --drain 1m "tick:1ms | stdout"
kill -s TERM "$pid"
end
expect_status 0
expect_err "leat: terminated after "
expect_err " s, drained"
grep -q '^tick  *stopped  *0  terminated$' "$dir/err" || { fail "$what: the source was not stopped"; cat "$dir/err"; }
grep -q '^stdout  *completed ' "$dir/err" || { fail "$what: the sink did not complete"; cat "$dir/err"; }
echo line >"$dir/file"
mkfifo "$dir/pipe"
exec 3<>"$dir/pipe" # a writer that never ends
for i in $(seq 1000); do echo "$i"; done >&3
for source in "follow:$dir/file from:start" "proc:self/status every:1h" "lines:$dir/pipe" "tick:10ms" "count:1000000000000"; do
	begin --quiet --json --drain 1m "$source | workers:3 map:upper | buffer:10 | stdout"
	kill -s TERM "$pid"
	end
	expect_status 0
	expect_books
	expect_json '"cause":"stopped"'
	expect_json '{"name":"map/3","cause":"completed"'
done
exec 3>&-

# Nothing passes the source's own steps: it ends all the same.
: >"$dir/out"
what="a source whose steps let nothing through"
"$LEAT" run --quiet --json --drain 1m "count:1000000000000 | grep:x | null" 2>"$dir/err" &
pid=$!
ready "$pid"
sleep 0.3
kill -s TERM "$pid"
end
expect_status 0
expect_json '"cause":"stopped"'

# Too short: what was not drained is named, and the exit status is that of the signal.
begin --drain 100ms "count:1000000 | buffer:1000 | rate:100/s | stdout"
kill -s TERM "$pid"
end
expect_status 143
expect_err "terminated after "
expect_err ", not drained in time"
grep -q '^buffer+rate  *canceled  *0  not drained in time$' "$dir/err" || { fail "$what: does not name what was not drained"; cat "$dir/err"; }
grep -q '^count -> buffer+rate .* balanced; dropped canceled [1-9]' "$dir/err" || { fail "$what: does not count what was not drained"; cat "$dir/err"; }
expect_err "threads left behind: 0"

# A second signal cancels at once; the exit status is its own.
begin --quiet --json --drain 1h "count:1000000 | buffer:1000 | rate:10/s | stdout"
kill -s TERM "$pid"
sleep 0.3
kill -0 "$pid" 2>/dev/null || fail "$what: did not drain"
before=$(now_us)
kill -s INT "$pid"
end
took_us=$(($(now_us) - before))
expect_status 130
expect_books
expect_json '"status":130,'
expect_json '"cause":"stopped","code":0,"text":"terminated"'
expect_json '"cause":"canceled","code":0,"text":"interrupted"'
[ "$took_us" -lt 5000000 ] || fail "$what: the second signal took $took_us us"

# Without --drain, and with 0, the first signal cancels.
for option in "--quiet" "--drain=0"; do
	begin --quiet --json "$option" "count:1000000 | buffer:1000 | rate:100/s | stdout"
	kill -s TERM "$pid"
	end
	expect_status 143
	expect_books
	expect_json '"name":"count","cause":"canceled","code":0,"text":"terminated"'
	grep -q '"canceled":[1-9]' "$dir/err" || fail "$what: nothing was dropped"
done

# expect_ended_by_time GROUP: all that the source has sent went through; the one line that it may have had in hand, as there was no
# room, counts as rejected.
expect_ended_by_time()
{
	local rejected

	expect_books
	rejected=$(field "count -> $1" rejected)
	[ "$rejected" -le 1 ] || fail "$what: $rejected lines were rejected"
	[ "$(field "count -> $1" offered)" -eq $(($(field "count -> $1" delivered) + rejected)) ] || { fail "$what: lines were dropped"; cat "$dir/err"; }
	expect_json "\"generators\":[{\"name\":\"count\",\"cause\":\"stopped\",\"code\":0,\"text\":\"the time of --for is over\"},{\"name\":\"$1\",\"cause\":\"completed\""
}

# --for stops the source alone. One that ends before by itself has completed.
run --quiet --json --for 300ms "count:1000000 | buffer:100 | rate:200/s | stdout"
expect_status 0
expect_books
lines=$(wc -l <"$dir/out")
seq "$lines" | cmp -s - "$dir/out" || fail "$what: lines are missing"
expect_ended_by_time buffer+rate
run --quiet --json --for 1h "count:10 | count"
expect_status 0
expect_json '"name":"count","cause":"completed"'
grep -q stopped "$dir/err" && fail "$what: was stopped"

# A source that waits for room at that time does not wait on: it would send 64 lines before it read the clock. A busy machine may
# let a few more through.
run --quiet --json --for 300ms "count:1000000000 | buffer:2 | rate:20/s | null"
expect_status 0
expect_ended_by_time buffer+rate
lines=$(field 'count -> buffer+rate' delivered)
[ "$lines" -le 40 ] || fail "$what: $lines lines went through"

# Nor does one whose own step is slow.
before=$(now_us)
run --quiet --json --for 300ms --slow grep=20s "count:1000000000 | grep:1 | buffer:2 | null"
took_us=$(($(now_us) - before))
expect_status 0
expect_books
expect_json '"name":"count+grep","cause":"stopped","code":0,"text":"the time of --for is over"'
[ "$took_us" -lt 10000000 ] || fail "$what: took $took_us us"

# A signal that comes while --for drains: the source has ended, and the rest drains on.
begin --quiet --json --for 300ms --drain 1m "tick:1ms | buffer:1000 | rate:150/s | stdout"
sleep 0.5
kill -s TERM "$pid"
end
expect_status 0
expect_books
expect_json '"cause":"stopped","code":0,"text":"the time of --for is over"'

"$LEAT" run --help | grep -q -- '--drain TIME' || fail "--help has no --drain"
finish
