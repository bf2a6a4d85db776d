# The order of lines: workers that keep it, beside what one thread makes, with lines that take uneven time; merges that give one
# stream the precedence.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# Every 97th line takes some thousand times as long as the others.
n=$(many 2000)
awk -v n="$n" 'BEGIN {
	for (long = "x"; length(long) < 30000;) long = long long
	for (i = 1; i <= n; i++) print i, i % 7, i % 97 == 0 ? long : "w"
}' >"$dir/in"

# same STEPS WORKERS: what WORKERS make is, byte for byte, what STEPS make on one thread. Also with small rings and each way to
# wait; the books balance.
same()
{
	local opts some=("" "--capacity 1" "--capacity 3 --wait park" "--wait yield")

	[ -z "${LEAT_SANITIZE:-}" ] || some=("" "--capacity 3 --wait park")
	run --quiet "lines:$dir/in | $1 | stdout"
	expect_status 0
	mv "$dir/out" "$dir/want"
	for opts in "${some[@]}"; do
		# shellcheck disable=SC2086 # several words
		run --quiet --json="$dir/json" $opts "lines:$dir/in | $2 | stdout"
		expect_status 0
		expect_silence
		expect_books "$dir/json"
		cmp -s "$dir/want" "$dir/out" || fail "$what: not what one thread makes"
	done
}

same "map:upper" "ordered:4 map:upper"
same "map:upper | field:1" "ordered:3 map:upper | field:1"
same "grep:x | map:length" "ordered:4 grep:x | map:length"
same "filter:(\$2 > 3) | map:(\$1 .. \"-\" .. \$2)" "ordered:4 filter:(\$2 > 3) | map:(\$1 .. \"-\" .. \$2)"
same "field:2 | uniq | scan:count" "ordered:4 field:2 | uniq | scan:count"
same "map:trim | grep:w | field:1" "ordered:2 map:trim | ordered:5 grep:w | buffer:3 | ordered:1 field:1"
same "grep:none" "ordered:4 grep:none"
same "map:upper | take:100" "ordered:4 map:upper | take:100"
same "map:upper | take:100" "ordered:256 map:upper | take:100"

# In a branch; and with a number of a source, which stays one.
run --quiet "lines:$dir/in as x; x | ordered:3 field:1 as y; zip:x,y | filter:(\$1 == \$4) | count"
expect_status 0
expect_out "$n"
run --quiet "count:100000 | ordered:4 filter:(\$ % 3 == 0) | stdout"
expect_status 0
seq 3 3 100000 | cmp -s - "$dir/out" || fail "$what: not in order"

# A reader that leaves, a signal and a time end it, as they end workers without an order.
run --quiet --json="$dir/json" "count:1000000000000 | ordered:4 grep:7 | take:3 | stdout"
expect_status 0
expect_out "7
17
27"
expect_books "$dir/json"
run_signalled INT --quiet --json="$dir/json" "count:1000000000000 | ordered:3 grep:7 | null"
expect_status 130
expect_books "$dir/json"
run --quiet --for 300ms --json="$dir/json" "count:1000000000000 | ordered:2 grep:7 | scan:max | count"
expect_status 0
expect_books "$dir/json"
run --quiet --overflow newest --capacity 8 --json="$dir/json" "count:100000 | ordered:3 map:length | count"
expect_status 0
expect_books "$dir/json"

# Into a merge, where the lines of each stream keep their order.
run --quiet "count:20000 | ordered:3 filter:(\$ % 2 == 0) as even; count:20000 | ordered:3 filter:(\$ % 2 == 1) as odd; merge:even,odd | stdout"
expect_status 0
seq 2 2 20000 >"$dir/even"
awk '$1 % 2 == 0' "$dir/out" | cmp -s - "$dir/even" || fail "$what: a stream is not in order"

# Merge by priority: a stream that is there goes before one that comes later, and one that comes later overtakes what waits.
for opts in "" "--capacity 1" "--capacity 3 --wait park"; do
	# shellcheck disable=SC2086 # several words
	run --quiet --json="$dir/json" $opts "count:300 as a; count:3 | delay:2s | map:(\"b\" .. \$) as b; merge:a,b first:yes | stdout"
	expect_status 0
	expect_silence
	expect_books "$dir/json"
	{ seq 300 && printf 'b%d\n' 1 2 3; } | cmp -s - "$dir/out" || fail "$what: not in the order of the streams"
	# shellcheck disable=SC2086 # several words
	run --quiet --json="$dir/json" $opts "lines:$dir/in as x; x | field:1 as y; count:100 as z; merge:x,y,z,x first:yes | workers:2 grep:1 as m; merge:m,z first:yes | count"
	expect_status 0
	expect_books "$dir/json"
	expect_out "$(($(cat "$dir/in" "$dir/in" | grep -c 1) + $(seq "$n" | grep -c 1) + $(seq 100 | grep -c 1) + 100))"
done
urgent="count:5 | delay:300ms | map:(\"u\" .. \$) as u; count:1000000000 as b"
run --quiet --capacity 10000 "$urgent; merge:u,b first:yes | rate:4000/s | take:9000 | grep:u | count"
expect_status 0
expect_out 5
run --quiet --capacity 10000 "$urgent; merge:u,b first:no | rate:8000/s | take:4000 | grep:u | count"
expect_status 0
expect_out 0
run --quiet --json="$dir/json" --overflow newest --capacity 8 "count:100000 as a; count:100000 as b; merge:a,b first:yes | count"
expect_status 0
expect_books "$dir/json"
run_signalled INT --quiet --json="$dir/json" "count:1000000000000 as a; count:1000000000000 as b; merge:a,b first:yes | null"
expect_status 130
expect_books "$dir/json"
run_signalled TERM --quiet --json="$dir/json" --drain 10s "tick:1ms as a; tick:1ms as b; merge:a,b first:yes | count"
expect_status 0
expect_books "$dir/json"
"$LEAT" graph "count:9 as a; count:9 as b; merge:a,b first:yes | count" >"$dir/out" 2>&1 || fail "graph: $(cat "$dir/out")"
grep -qF 'label="merge\nfirst:yes"' "$dir/out" || fail "graph: does not say which is first: $(cat "$dir/out")"

# Merge in the order of a key: as sort -m does, whatever the rings hold; equal keys in the order of the streams.
awk -v n="$n" 'BEGIN { for (i = 1; i <= n; i++) print i / 4, "a" i }' >"$dir/a"
awk -v n="$n" 'BEGIN { for (i = 1; i <= n; i++) print i * 0.75 - 3, "b" i }' >"$dir/b"
awk 'BEGIN { for (i = 1; i <= 5; i++) print 100 * i, "c" i }' >"$dir/c"
sort -m -n -s -k1,1 "$dir/a" "$dir/b" "$dir/c" >"$dir/want"
for opts in "" "--capacity 1" "--capacity 3 --wait park"; do
	# shellcheck disable=SC2086 # several words
	run --quiet --json="$dir/json" $opts "lines:$dir/a as a; lines:$dir/b as b; lines:$dir/c as c; merge:a,b,c by:(\$1) | stdout"
	expect_status 0
	expect_silence
	expect_books "$dir/json"
	cmp -s "$dir/want" "$dir/out" || fail "$what: not what sort -m makes"
done
run --quiet "count:1000 | map:(\$ * 2) as even; count:1000 | map:(\$ * 2 - 1) as odd; merge:even,odd by:(\$) | buffer:3 | map:length as l; l | count"
expect_status 0
expect_out 2000
# An empty stream; a line without a number is left out, and told of.
: >"$dir/empty"
run "lines:$dir/a | take:3 as a; lines:$dir/empty as e; merge:a,e by:(\$1) | count"
expect_status 0
expect_out 3
printf '1\nx\n3\n' >"$dir/some"
run --quiet "lines:$dir/some as a; count:3 as b; merge:a,b by:(\$1) | stdout"
expect_status 0
expect_out "1
1
2
3
3"
grep -qF 'merge: 1 of 3 lines of "a" has no number in ($1)' "$dir/err" || fail "$what: does not say what it left out: $(cat "$dir/err")"
# What is not in order fails, in words that name the stream.
printf '1\n7\n3\n' >"$dir/some"
run --quiet --json="$dir/json" "lines:$dir/some as a; count:100 as b; merge:a,b by:(\$1) | count"
expect_status 1
grep -qF 'line 3 of "a" is not in order: its key 3 is lower than 7 of the one before it' "$dir/err" || fail "$what: $(cat "$dir/err")"
run_signalled INT --quiet --json="$dir/json" "count:1000000000000 as a; count:1000000000000 as b; merge:a,b by:(\$) | null"
expect_status 130
expect_books "$dir/json"

# What it would run as.
"$LEAT" check "lines:$dir/in | ordered:3 grep:x | uniq | count" >"$dir/out" 2>&1 || fail "check: $(cat "$dir/out")"
grep -q '^grep *3 threads, ordered$' "$dir/out" || fail "check: does not say that workers are ordered: $(cat "$dir/out")"
"$LEAT" graph "count:9 | ordered:3 grep:x | workers:2 field:1 | count" >"$dir/out" 2>&1 || fail "graph: $(cat "$dir/out")"
grep -q 'label="3 threads, ordered"' "$dir/out" || fail "graph: does not say that workers are ordered: $(cat "$dir/out")"
grep -q 'label="2 threads"' "$dir/out" || fail "graph: $(cat "$dir/out")"
finish
