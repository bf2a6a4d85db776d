# Steps and results by times and numbers of lines: batch, window, scan, while, delay, debounce, timeout, every.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# expect_file FILE: the output is that file's.
expect_file()
{
	cmp -s "$dir/out" "$1" || { fail "$what: other lines:"; diff "$1" "$dir/out" | head -5; }
}

n=$(many 20000)
awk -v n="$n" 'BEGIN { srand(5); for (i = 1; i <= n; i++) print int(rand() * 1000) - 500, i }' >"$dir/in"
lines="lines:$dir/in"

# On the thread of the source, on one of its own, and behind several.
for before in "" "buffer:7 | " "skip:1 | workers:1 filter:(\$2 > 0) | " "map:trim | rate:100M/s | "; do
	case $before in skip*) from=2 ;; *) from=1 ;; esac
	tail -n +$from "$dir/in" >"$dir/lines"
	for size in 1 3 7 1000; do
		run --quiet "$lines | ${before}batch:$size between:,  | stdout"
		expect_status 0
		awk -v n=$size '{ printf "%s%s", $0, NR % n == 0 ? "\n" : "," } END { if (NR % n != 0) print "" }' "$dir/lines" |
			if [ $(($(wc -l <"$dir/lines") % size)) -eq 0 ]; then cat; else sed '$s/,$//'; fi >"$dir/want"
		expect_file "$dir/want"
	done
	for size in 1 2 5; do
		run --quiet "$lines | ${before}field:1 | window:$size | stdout"
		expect_status 0
		awk -v n=$size '{ v[NR] = $1; if (NR < n) next; r = v[NR - n + 1]; for (i = NR - n + 2; i <= NR; i++) r = r "\t" v[i]; print r }' \
			"$dir/lines" >"$dir/want"
		expect_file "$dir/want"
	done
	for kind in count sum min max; do
		run --quiet "$lines | ${before}field:1 | scan:$kind | stdout"
		expect_status 0
		awk -v k=$kind '{ s += $1; if (NR == 1 || $1 < lo) lo = $1; if (NR == 1 || $1 > hi) hi = $1
			print k == "count" ? NR : k == "sum" ? s : k == "min" ? lo : hi }' "$dir/lines" >"$dir/want"
		expect_file "$dir/want"
	done
	run --quiet --json "$lines | ${before}while:(\$2 < 700) | stdout"
	expect_status 0
	expect_books
	awk '$2 >= 700 { exit } { print }' "$dir/lines" >"$dir/want"
	expect_file "$dir/want"
done

# The difference to the line before; what a mean was on the way; lines that are no numbers.
run --quiet 'count:5 | map:($ * $) | window:2 | map:($2 - $1) | stdout'
expect_out "3
5
7
9"
run --quiet 'count:4 | scan:mean | stdout'
expect_out "1
1.5
2
2.5"
printf 'x\n 7 \ny\n-1.50\n' >"$dir/mixed"
run --quiet "lines:$dir/mixed | scan:min | stdout"
expect_out "
7
7
-1.5"
run --quiet "lines:$dir/mixed | scan:count | stdout"
expect_out "1
2
3
4"

# What a batch holds goes on where a step in front of it has had enough, and a step behind it ends the batch.
run --quiet 'count:10 | buffer:2 | take:3 | batch:2 | stdout'
expect_out "1	2
3"
run --quiet 'count:10 | buffer:2 | batch:2 | take:2 | batch:3 between:/ | stdout'
expect_out "1	2/3	4"
run --quiet 'count:10 | buffer:1 | while:($ < 6) | window:2 between:+ | batch:3 | batch:9 between:/ | stdout'
expect_out "1+2	2+3	3+4/4+5"
run --quiet 'count:0010 | batch:2 | skip:1 | count'
expect_out 4

# Without input nothing is made; with less than a window, nothing either.
for step in batch:3 window:3 scan:sum 'while:($ == 1)' delay:1ms debounce:1ms every:1ms timeout:1m 'batch:3 within:1ms'; do
	run --quiet "lines:/dev/null | $step | count"
	expect_status 0
	expect_out 0
done
run --quiet 'count:2 | window:3 | stdout'
expect_out ""

# In time. Each of these waits for what comes, not for a time that must have passed.
run --quiet 'count:40 | rate:50/s burst:1 | batch:1000000 within:200ms | batch:1000000 between:"|" | stdout'
expect_status 0
tr '\t|' '\n\n' <"$dir/out" >"$dir/ticks"
seq 40 | cmp -s - "$dir/ticks" || fail "$what: lines are missing: $(head -c 200 "$dir/out")"
run --quiet 'tick:20ms | every:200ms | take:3 | stdout'
expect_status 0
[ "$(wc -l <"$dir/out")" -eq 3 ] && sort -nu "$dir/out" | cmp -s - "$dir/out" || fail "$what: wrote $(cat "$dir/out")"
run --quiet 'count:1000 | debounce:50ms | stdout'
expect_out 1000
run --quiet 'count:1000 | every:1h | stdout'
expect_out 1000
start_us=$(now_us)
run --quiet 'count:1000 | delay:300ms | take:999 | count'
expect_out 999
[ $(($(now_us) - start_us)) -ge 300000 ] || fail "$what: took less than its delay"
run --quiet 'count:50 | delay:20ms most:10 | rate:1000/s burst:5 | stdout'
seq 50 >"$dir/want"
expect_file "$dir/want"
run --quiet 'count:50 | rate:1000/s | delay:20ms | batch:7 within:5ms | delay:1ms | batch:1000 | map:($ .. "") | stdout'
[ "$(tr '\t' ' ' <"$dir/out")" = "$(seq -s ' ' 50)" ] || fail "$what: wrote $(cat "$dir/out")"

# A flow to which nothing comes fails; a line in time is enough.
run 'tick:1h | timeout:100ms | count'
expect_status 1
expect_err "no item came for 100 ms"
run --quiet 'count:100 | timeout:1h | map:($ * 2) | timeout:1h | sum'
expect_status 0
expect_out 10100
run --quiet --for 1s --json 'tick:10ms | grep:x | timeout:100ms | stdout'
expect_status 1

# Results one behind the other, of so many lines: as many runs of the flow on its parts.
for sink in count sum min max mean tally top:3 'quantiles of:25,max' histogram 'group:($ % 3) count:yes sum:($) p50:($)'; do
	run --quiet "$lines | field:1 | $sink every:3000"
	expect_status 0
	rows=$(case $sink in count | sum | min | max | mean) echo no ;; *) echo yes ;; esac)
	for ((at = 1; at <= n; at += 3000)); do
		tail -n +$at "$dir/in" | head -n 3000 >"$dir/part"
		"$LEAT" run --quiet "lines:$dir/part | field:1 | $sink"
		[ $rows = no ] || echo
	done >"$dir/want"
	expect_file "$dir/want"
	run --quiet "$lines | field:1 | ${sink} as:csv every:3000"
	[ "$(grep -c '^result,' "$dir/out")" -eq 1 ] || fail "$what: not one header"
	[ "$(cut -d , -f 1 "$dir/out" | tail -n +2 | uniq | tr '\n' ' ')" = "$(seq -s ' ' $(((n + 2999) / 3000))) " ] ||
		fail "$what: results are not numbered"
done
run --quiet 'count:6 | count every:3 as:json'
expect_out '{"result":1,"count":3}
{"result":2,"count":3}'
run --quiet 'count:0006 | field:1 | top:1 every:3 as:json'
expect_out '{"result":1,"count":1,"line":"1"}
{"result":2,"count":1,"line":"4"}'
run --quiet 'lines:/dev/null | count every:3'
expect_out 0
run --quiet 'count:6 as x; x | sum every:4; x | count every:1M'
expect_status 0
[ "$(sort "$dir/out" | tr '\n' ' ')" = "10 11 6 " ] || fail "$what: wrote $(cat "$dir/out")"
printf 'a\n1\nb\n2\nc\n' >"$dir/mixed"
run "lines:$dir/mixed | sum every:2"
expect_out "1
2
0"
expect_err "3 of 5 lines are no numbers"
run --quiet 'count:9 | group:($) most:2 every:4 as:csv'
expect_out 'result,count,key
1,1,1
1,1,2
1,2,(others)
2,1,5
2,1,6
2,2,(others)
3,1,9'

# Of a time: a result also where nothing came, and all lines are in one of them.
run --quiet --for 1500ms 'tick:1h | count every:100ms'
expect_status 0
[ "$(sort -u "$dir/out")" = 0 ] && [ "$(wc -l <"$dir/out")" -ge 2 ] || fail "$what: wrote $(cat "$dir/out")"
run --quiet --for 1s 'tick:5ms | tee:'"$dir/all"' | count every:150ms'
expect_status 0
[ "$(awk '{ n += $1 } END { print n }' "$dir/out")" = "$(wc -l <"$dir/all")" ] || fail "$what: lines are missing"
[ "$(wc -l <"$dir/out")" -ge 2 ] || fail "$what: one result"
run_signalled INT --quiet 'tick:10ms | count every:1h'
expect_status 130
[ "$(cat "$dir/out")" -ge 1 ] || fail "$what: no result"
finish
