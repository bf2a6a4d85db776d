# skip, every, uniq, distinct and top against tail, uniq, awk and sort; and file:PATH append:yes.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# Lines that come again: at once, soon, later; empty ones, and bytes of any kind.
awk 'BEGIN {
	srand(3)
	v = 0 # the first random number is above 0.6 in gawk
	for (i = 0; i < 20000; i++) {
		if (rand() < 0.6) v = int(rand() * rand() * 300)
		printf "%s\n", v == 7 ? "" : v == 8 ? "\377\001" : "value " v
	}
}' >"$dir/in"

same()
{
	expect_status 0
	expect_silence
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong lines:"; diff "$dir/out" "$dir/expected" | head -n 5; }
}

for n in 1 2 63 64 65 5000 19999 20000 1000000; do
	tail -n +$((n + 1)) "$dir/in" >"$dir/expected"
	run --quiet "lines:$dir/in | skip:$n | stdout"
	same
done
for n in 1 2 3 64 65 19999 20000 20001 1000000; do
	awk -v n="$n" 'NR % n == 0' "$dir/in" >"$dir/expected"
	for flow in "every:$n" "buffer:9 | every:$n" "every:1 | every:$n"; do
		run --quiet "lines:$dir/in | $flow | stdout"
		same
	done
	run --quiet "lines:$dir/in | workers:3 grep:'' | every:$n | count"
	expect_out $((20000 / n))
done
run --quiet --repeat 3 "lines:$dir/in | every:7 | take:8000 | count"
expect_out 8000
uniq "$dir/in" >"$dir/expected"
for flow in uniq "distinct:1" "buffer:5 | uniq" "uniq | uniq"; do
	run --quiet "lines:$dir/in | $flow | stdout"
	same
done
awk '!seen[$0]++' "$dir/in" >"$dir/expected"
run --quiet "lines:$dir/in | distinct:1000 | stdout"
same
for n in 2 10 64 100; do
	awk -v n="$n" '!($0 in place) { if (came >= n) delete place[line[came % n]]
		line[came % n] = $0; place[$0] = 1; came++; print }' "$dir/in" >"$dir/expected"
	run --quiet "lines:$dir/in | distinct:$n | stdout"
	same
done

# Behind workers they have a thread of their own, and see all lines.
run --quiet "lines:$dir/in | workers:4 map:trim | distinct:1000 | count"
expect_out "$(sort -u "$dir/in" | wc -l)"
run --quiet "count:1000 | workers:3 field:1 | skip:10 | workers:2 map:trim | uniq | count"
expect_out 990
run --quiet "count:1000 | skip:10 | take:2 | stdout"
expect_out "11
12"
run --quiet "count:1000 | take:12 | skip:10 | stdout"
expect_out "11
12"
run --quiet "count:10 | skip:10 | stdout"
expect_out ""

# top is the beginning of the tally, whatever the ties.
run --quiet "lines:$dir/in | tally"
cp "$dir/out" "$dir/tally"
sort "$dir/in" | uniq -c | sed 's/^ *\([0-9]*\) /\1\t/' | sort -t "	" -k1,1nr -k2 | cmp -s - "$dir/tally" ||
	fail "tally differs from sort | uniq -c"
for n in 1 2 10 100 10000 4294967295; do
	for flow in "" "workers:3 map:trim |"; do
		head -n "$n" "$dir/tally" >"$dir/expected"
		run --quiet "lines:$dir/in | $flow top:$n"
		same
	done
done
run --quiet "lines:/dev/null | top:3"
expect_out ""
expect_silence
run --quiet "count:300000 | top:2"
expect_out "1	1
1	10"

# A cancel writes what came until then.
run_signalled INT --quiet --json "tick:10ms | map:length | top:1"
expect_status 130
expect_books
grep -q "^[0-9][0-9]*	[12]$" "$dir/out" || fail "$what: wrote $(cat "$dir/out")"

# A file is emptied, or appended to.
run --quiet "count:2 | file:$dir/file append:yes"
expect_status 0
run --quiet "count:3 | skip:2 | file:$dir/file append:yes"
expect_status 0
[ "$(tr '\n' ' ' <"$dir/file")" = "1 2 3 " ] || fail "$what: made $(cat "$dir/file")"
run --quiet "count:1 | file:$dir/file append:no"
[ "$(cat "$dir/file")" = 1 ] || fail "$what: did not empty the file"
run --quiet "lines:$dir/file | file:$dir/file append:yes"
expect_status 1
expect_err "is what the flow reads"
finish
