# The sinks of numbers against awk and sort: sum, min, max, mean, quantiles, histogram.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# Integers, decimals, exponents, blanks, signs; and every eleventh line is no number.
awk -v lines="$(many 30000)" 'BEGIN {
	srand(7)
	for (i = 0; i < lines; i++)
		if (i % 11 == 0) print i % 2 ? "-" : i "x"
		else if (i % 5 == 0) printf "  %d.%02d \n", rand() * 2000 - 1000, rand() * 100
		else if (i % 7 == 0) printf "%de%d\n", rand() * 90 + 1, i % 4
		else printf "%d\n", rand() * 1000000 - 300000
}' >"$dir/in"
awk '$1 ~ /^[-+]?[0-9]+([.][0-9]*)?(e[0-9]+)?$/ { printf "%.2f\n", $1 }' "$dir/in" >"$dir/numbers"
sort -g "$dir/numbers" >"$dir/sorted"
n=$(wc -l <"$dir/numbers") all=$(wc -l <"$dir/in")
sum=$(awk '{ gsub(/[.]/, ""); s += $1 } END { printf "%.0f", s }' "$dir/numbers") # in hundredths
note="$((all - n)) of $all lines are no numbers"

for workers in "" "workers:3 map:trim |"; do
	run --quiet "lines:$dir/in | $workers sum"
	expect_status 0
	expect_err "leat: sum: $note"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || { fail "$what: says more than one line:"; cat "$dir/err"; }
	awk -v s="$sum" '{ exit NR != 1 || sprintf("%.0f", $1 * 100) != s }' "$dir/out" ||
		fail "$what: wrote $(cat "$dir/out"), not $sum hundredths"
	for end in min:head max:tail; do
		run --quiet "lines:$dir/in | $workers ${end%:*}"
		expect_status 0
		expect_err "leat: ${end%:*}: $note"
		awk -v e="$("${end#*:}" -n 1 "$dir/sorted")" '{ exit NR != 1 || $1 + 0 != e + 0 }' "$dir/out" ||
			fail "$what: wrote $(cat "$dir/out")"
	done
	run --quiet "lines:$dir/in | $workers mean"
	expect_status 0
	expect_err "leat: mean: $note"
	awk -v s="$sum" -v n="$n" '{ d = $1 - s / 100 / n; exit NR != 1 || d * d > 1e-12 }' "$dir/out" ||
		fail "$what: wrote $(cat "$dir/out"), not $sum / 100 / $n"
	run --quiet "lines:$dir/in | $workers quantiles"
	expect_status 0
	expect_err "leat: quantiles: $note"
	[ "$(cut -f 1 "$dir/out" | tr '\n' ' ')" = "p50 p90 p99 p99.9 max " ] || fail "$what: wrote $(cat "$dir/out")"
	awk -v n="$n" 'NR == FNR { v[NR] = $1; next }
		{ p = $1 == "max" ? 100 : substr($1, 2); r = int(n * (p * 10) / 1000); if (r * 1000 < n * (p * 10)) r++
		  if ($2 + 0 != v[r] + 0) bad++ }
		END { exit bad > 0 }' "$dir/sorted" "$dir/out" || fail "$what: wrong quantiles: $(cat "$dir/out")"
	run --quiet "lines:$dir/in | $workers histogram"
	expect_status 0
	expect_err "leat: histogram: $note"
	awk -v n="$n" 'NR == FNR { v[NR] = $1; next }
		$1 != "..." { c = 0; sum += $3
			for (i = 1; i <= n; i++)
				c += $1 == 0 && $2 == 0 ? v[i] == 0 : $2 > 0 ? v[i] >= $1 + 0 && v[i] < $2 + 0 : v[i] > $1 + 0 && v[i] <= $2 + 0
			if (c != $3) bad++ }
		length >= 80 { bad++ }
		END { exit bad > 0 || sum != n }' "$dir/sorted" "$dir/out" || { fail "$what: wrong:"; cat "$dir/out"; }
done

# Sums are exact beyond what a double holds.
n=$(many 3000000)
run --quiet "count:$n | sum"
expect_out $((n * (n + 1) / 2))
expect_silence
yes 9223372036854775807 | head -n 1000 >"$dir/big"
run --quiet "lines:$dir/big | sum"
expect_out 9223372036854775807000
yes 0.1 | head -n 1000 >"$dir/tenths"
run --quiet "lines:$dir/tenths | sum"
expect_out 100
expect_silence
run --quiet "lines:- | sum" <<<1e300
expect_out 1e+300
expect_err "leat: sum: the sum is rounded to 15 figures"

# Nothing came, or no number.
for sink in sum min max mean quantiles histogram; do
	case $sink in sum) out=0 said= ;; *) out= said="no number came" ;; esac
	run --quiet "lines:/dev/null | $sink"
	expect_status 0
	expect_out "$out"
	if [ -n "$said" ]; then expect_err "leat: $sink: $said"; else expect_silence; fi
	run --quiet "lines:- | $sink" < <(printf 'a\0b\n\xff\n\n')
	expect_status 0
	expect_out "$out"
	expect_err "3 of 3 lines are no numbers"
	# The object is alone on standard error, and has the note; in a file it is beside the line.
	run --json "lines:- | $sink" <<<x
	expect_status 0
	expect_json "1 of 1 lines is no number\"}"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$what: the object is not alone"
	expect_books
	run --quiet --json="$dir/json" "lines:- | $sink" <<<x
	expect_json '"note":"' "$dir/json"
	expect_err "leat: $sink: "
	run --json "count:1 | $sink"
	expect_status 0
	grep -q '"note"' "$dir/err" && fail "$what: has a note"
	expect_books

	# What is dropped does not come; a slow sink; a stop; a cancel writes what came until then.
	run --quiet --json --overflow oldest --capacity 2 "count:20000 | buffer:2 | $sink"
	expect_status 0
	expect_books
	run --quiet --for 200ms --slow "$sink=1ms" "count:1000000000 | $sink"
	expect_status 0
	[ -s "$dir/out" ] || fail "$what: wrote nothing"
	run_signalled INT --quiet --json "tick:10ms | $sink"
	expect_status 130
	expect_books
	[ -s "$dir/out" ] || fail "$what: wrote nothing"
	run_signalled TERM --quiet --json --drain 1m "tick:10ms | $sink"
	expect_status 0
	[ -s "$dir/out" ] || fail "$what: wrote nothing"
done

# A long line that is a number, and one that is none.
{ head -c 3000000 /dev/zero | tr '\0' 0; echo 17; head -c 3000000 /dev/zero | tr '\0' 1; echo; } >"$dir/long"
run --quiet "lines:$dir/long | sum"
expect_out 17
expect_err "1 of 2 lines is no number"

# Beyond what is kept, quantiles are near.
run --quiet "count:2000000 | quantiles of:min,1,50,99.99,max"
expect_status 0
expect_err "leat: quantiles: more than 1048576 numbers: each but min and max is within 0.1 %"
awk '{ want = $1 == "min" ? 1 : $1 == "max" ? 2000000 : substr($1, 2) * 20000
       slack = $1 ~ /^p/ ? want / 1000 : 0
       if ($2 < want - slack || $2 > want + slack) bad++ }
     END { exit bad > 0 || NR != 5 }' "$dir/out" || fail "$what: wrote $(cat "$dir/out")"
# Numbers of the source count stay numbers up to a sink of numbers: the same results as of their texts, which a buffer makes them.
n=$(many 40000)
# same_numbers STEPS SINK
same_numbers()
{
	run --quiet "count:$n | $1 $2"
	expect_status 0
	cp "$dir/out" "$dir/numbers"
	cp "$dir/err" "$dir/said"
	run --quiet "count:$n | buffer:100 | $1 $2"
	expect_status 0
	cmp -s "$dir/out" "$dir/numbers" || fail "$what: $(cat "$dir/out"), and as numbers $(cat "$dir/numbers")"
	cmp -s "$dir/err" "$dir/said" || fail "$what: said $(cat "$dir/err"), and of numbers $(cat "$dir/said")"
}

for steps in "" 'filter:($ % 3 == 0) |' 'filter:($ > 10 && $ % 7 != 3) | skip:5 | every:4 |' 'filter:($ / 3 == 100) |' \
	'filter:($ + 9223372036854775807 > 0) |' 'filter:($ * $ * $ * $ * $ > 0) |' 'filter:($ % 2.5 == 0) |' 'filter:($ ~ "9$") |' \
	'skip:39999 |' "skip:$n |" 'filter:(len($) == 3) |' 'filter:(num($) < 1e3) |' 'every:7 | filter:($ < 0) |'; do
	same_numbers "$steps" sum
done
for sink in count mean min max "quantiles of:0,50,100" "histogram as:csv"; do
	same_numbers 'filter:($ % 7 != 3) |' "$sink"
done
run --quiet --json="$dir/json" --capacity 3 "count:$n | filter:(\$ % 2 == 0) | count"
expect_out $((n / 2))
expect_books "$dir/json"
expect_json "\"offered\":$((n / 2))," "$dir/json"
run --quiet --for 200ms --json="$dir/json" "count:9000000000000000 | filter:(\$ % 2 == 0) | count"
expect_status 0
expect_books "$dir/json"
expect_json '"cause":"stopped"' "$dir/json"
run_signalled INT --quiet --json="$dir/json" "count:9000000000000000 | filter:(\$ < 0) | count"
expect_status 130
expect_books "$dir/json"

finish
