# `lines:FILE | count` counts on the source's thread: what wc -l says, and awk of a last line without a line feed; from files,
# pipes and archives; by --for, signals and failures; and that there is one thread, and no ring.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# counts N FLOW...: every count of the flow, one a line.
counts()
{
	local wanted=$1

	shift
	run --quiet "$@"
	expect_status 0
	expect_silence
	expect_out "$wanted"
}

n=$(many 400000)
seq "$n" >"$dir/all"
printf 'a\n\nb' >"$dir/open"
: >"$dir/empty"
printf '\n' >"$dir/one"
gzip -c "$dir/all" >"$dir/all.gz"
# lines that are longer than a block of the source, and one of a byte between them
{ head -c 300000 /dev/zero; echo; echo x; head -c 5000000 /dev/zero; } | tr '\0' y >"$dir/long"

counts "$n" "lines:$dir/all | count"
[ "$(cat "$dir/out")" = "$(wc -l <"$dir/all")" ] || fail "$what: not as wc -l"
counts 3 "lines:$dir/open | count"
counts 0 "lines:$dir/empty | count"
counts 1 "lines:$dir/one | count"
counts 3 "lines:$dir/long | count"
counts $((n + 3 + 1 + 3)) "lines:$dir/all and:$dir/open and:$dir/empty and:$dir/one and:$dir/long | count"
counts "$n" "lines:$dir/all.gz | count"
counts $((2 * n + 3)) "lines:$dir/all.gz and:$dir/open and:$dir/all | count"
counts 9 --repeat 3 "lines:$dir/open | count"
counts $((3 * n + 9)) --repeat 3 "lines:$dir/open and:$dir/all.gz | count"
counts 0 --repeat 1000000000 "lines:$dir/empty | count"
counts 3 --overflow newest "lines:$dir/open | count"
counts "{\"count\":3}" "lines:$dir/open | count as:json"
counts "count
3" "lines:$dir/open | count as:csv"
counts 3 "lines:$dir/open as:json | count"

# Standard input: a file, from where it stands, and a pipe whose lines come in pieces.
{ read -r _; run --quiet "lines:- | count"; } <"$dir/all"
expect_out $((n - 1))
cat "$dir/all.gz" | "$LEAT" run --quiet "lines:- | count" >"$dir/out"
expect_out "$n"
{ printf 'a\nb'; sleep 0.1; printf 'c\n'; sleep 0.1; printf d; } | "$LEAT" run --quiet "lines:- | count" >"$dir/out"
expect_out 3

# A walk reads what is below.
mkdir -p "$dir/tree/below"
cp "$dir/open" "$dir/all.gz" "$dir/tree/below"
counts $((n + 3)) "walk:$dir/tree | count"

# The first line of each file of CSV is no line of it, and is the same in each.
printf 'a,b\n1,2\n3,4' >"$dir/a.csv"
printf 'a,b\n5,6\n' >"$dir/b.csv"
printf 'a,b' >"$dir/head.csv"
printf 'a,c\n5,6\n' >"$dir/c.csv"
counts 3 "lines:$dir/a.csv and:$dir/head.csv and:$dir/b.csv as:csv | count"
counts 4 --repeat 2 "lines:$dir/a.csv as:csv | count"
counts 0 "lines:$dir/head.csv as:csv | count"
run --quiet "lines:$dir/a.csv and:$dir/c.csv and:$dir/b.csv as:csv | count"
expect_status 1
expect_out 2
expect_err "leat: lines: the file goes on with another first line: names"

# What fails amid the files is told, with what was counted by then; so is what the count fails with.
head -c 3000 "$dir/all.gz" >"$dir/short.gz"
run --quiet --json="$dir/json" "lines:$dir/open and:$dir/short.gz and:$dir/open | count"
expect_status 1
expect_err "leat: lines: $dir/short.gz: its gzip data end too early"
[ "$(cat "$dir/out")" -gt 3 ] || fail "$what: counted $(cat "$dir/out")"
expect_json "\"counted\":[{\"name\":\"lines+count\",\"lines\":$(cat "$dir/out")}]" "$dir/json"
expect_json '"cause":"failed"' "$dir/json"
if [ -c /dev/full ]; then
	"$LEAT" run --quiet "lines:$dir/all | count" >/dev/full 2>"$dir/err"
	status=$? what="a count to a full file"
	expect_status 1
	expect_err "leat: count: stdout: No space left on device"
	"$LEAT" run --quiet "lines:$dir/open and:$dir/short.gz | count" >/dev/full 2>"$dir/err"
	expect_err "leat: lines: $dir/short.gz"
	expect_err "leat: count: stdout: No space left on device"
fi

# An endless pipe ends on time, by a signal, and by one that drains.
yes | "$LEAT" run --quiet --json --for 200ms "lines:- | count" >"$dir/out" 2>"$dir/err"
status=${PIPESTATUS[1]} what="--for of a pipe"
expect_status 0
expect_json '"name":"lines+count","cause":"stopped","code":0,"text":"the time of --for is over"'
expect_json "\"counted\":[{\"name\":\"lines+count\",\"lines\":$(cat "$dir/out")}]"
[ "$(cat "$dir/out")" -gt 0 ] || fail "$what: nothing was counted"
from=$(now_us)
run --quiet --for 200ms "lines:/dev/zero | count"
[ $(($(now_us) - from)) -lt 1500000 ] || fail "$what: took $(($(now_us) - from)) us"
expect_status 0
expect_out 0
mkfifo "$dir/pipe"
for signal in INT TERM; do
	yes >"$dir/pipe" &
	run_signalled $signal --quiet --json "lines:$dir/pipe | count"
	expect_status $((128 + $(kill -l $signal)))
	[ "$(cat "$dir/out")" -gt 0 ] || fail "$what: nothing was counted"
	expect_json '"name":"lines+count","cause":"canceled"'
	expect_json "\"lines\":$(cat "$dir/out")}"
done
yes >"$dir/pipe" &
run_signalled INT --quiet --json --drain 5s "lines:$dir/pipe | count"
expect_status 0
expect_json '"name":"lines+count","cause":"stopped","code":0,"text":"interrupted"'
expect_json "\"lines\":$(cat "$dir/out")}"
wait

# Results are in the order of the sinks, whichever of them has its first.
counts "$n
3" "lines:$dir/all.gz | count; lines:$dir/open | count"
counts "3
$n
2" "lines:$dir/open | count; lines:$dir/all | count; lines:$dir/open | skip:1 | count"
counts "3
3
3" "lines:$dir/open as x; lines:$dir/open | count; x | count; x | count"

# The report has what an edge would say, and is never empty.
run "lines:$dir/all | count; lines:$dir/open | grep:a | count"
grep -qE "^lines\+count +$n\$" "$dir/err" || fail "$what: the report has no number of lines"
expect_err "lines+grep -> count"
run "lines:$dir/all | count"
grep -qE "^lines\+count +$n\$" "$dir/err" || fail "$what: the report has no number of lines"
grep -q '^edge' "$dir/err" && fail "$what: the report has a table of no edges"
{ for i in 1 2 3; do echo x; sleep 0.5; done; } | "$LEAT" run "lines:- | count" >"$dir/out" 2>"$dir/err"
grep -qE '; lines\+count [0-9.]+k?/s$' "$dir/err" || fail "no line of a running flow has the rate of a count"
expect_err "bottleneck: none: the flow waited for its input"

# threads N FLOW [OPTION...]: leat estimate says so many.
threads()
{
	local wanted=$1 flow=$2

	shift 2
	"$LEAT" estimate "$@" "$flow" >"$dir/out"
	grep -qE "^threads +$wanted\$" "$dir/out" || fail "leat estimate $* '$flow': $(head -n 1 "$dir/out"), not $wanted"
}
threads 1 "lines:x | count"
grep -qE '^rings +0,' "$dir/out" || fail "leat estimate: a ring"
threads 1 "lines:x and:y as:csv | count as:json"
threads 1 "walk:x | count"
threads 3 "lines:x | count; lines:y | tally"
threads 2 "lines:x | count every:5"
threads 2 "lines:x | count every:1s"
threads 2 "lines:x | count" --slow lines=1ms
threads 2 "lines:x | count" --slow count
threads 2 "follow:x | count"
threads 2 "count:5 | count"
threads 2 "lines:x as x; x | count"
threads 2 "lines:x | grep:x | count"
threads 2 "lines:x | tally"
"$LEAT" check "lines:x | count" >"$dir/out"
[ "$(cat "$dir/out")" = "lines+count  1 thread
1 thread, 0 rings of 0 bytes in all, beside the text of the lines" ] || fail "leat check: $(cat "$dir/out")"
"$LEAT" graph "lines:x | count" >"$dir/out"
grep -q 's0 -> s1;' "$dir/out" || fail "leat graph: $(cat "$dir/out")"

# A pause for each line wants the line.
printf 'a\nb\nc\n' >"$dir/three"
for stage in lines count; do
	from=$(now_us)
	counts 3 --slow $stage=50ms "lines:$dir/three | count"
	[ $(($(now_us) - from)) -gt 140000 ] || fail "$what: --slow $stage did not pause"
done

finish
