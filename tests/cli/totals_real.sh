# A real log, whose totals are known. It is no part of the project: LEAT_TEST_DATA names the folder that has it.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

log=${LEAT_TEST_DATA:-/nowhere}/apache_logs
[ -r "$log" ] || { echo "skipped: LEAT_TEST_DATA names no folder with apache_logs"; exit 77; }

check()
{
	local times=$1

	shift
	run --quiet --json "$@"
	expect_status 0
	expect_books
	awk -v t="$times" '{ print $1 * t "\t" $2 }' <<-END >"$dir/expected"
		9126 200
		445 304
		213 404
		164 301
		45 206
		3 500
		2 403
		2 416
	END
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong totals:"; cat "$dir/out"; }
}

check 1 "lines:$log | field:9 | tally"
check 1 "lines:$log | workers:4 field:9 | tally"
check 1 "lines:$log | workers:$(($(nproc) * 8)) field:9 | tally"
check 1 --capacity 1 "lines:$log | field:9 | tally"
check 1 --capacity 1 "lines:$log | workers:4 field:9 | tally"
for wait in adaptive spin yield park; do
	check 1 --wait "$wait" "lines:$log | field:9 | tally"
	check 1 --wait "$wait" "lines:$log | workers:4 field:9 | tally"
done
times=100
[ -z "${LEAT_SANITIZE:-}" ] || times=10
check $times --repeat $times "lines:$log | field:9 | tally"
check $times --repeat $times "lines:$log | workers:4 field:9 | tally"

run --quiet "lines:$log | grep:' 404 ' | workers:4 field:9 | tally"
expect_out "213	404"
run --quiet "lines:$log | workers:2 field:1 | tally"
[ "$(wc -l <"$dir/out")" -eq 1753 ] || fail "$what: $(wc -l <"$dir/out") addresses, not 1753"
run --quiet "lines:$log | field:10 | tally"
sum=$(awk -F "\t" '{ s += $1 * $2 } END { printf "%.0f", s }' "$dir/out")
[ "$sum" = 2747282740 ] || fail "$what: $sum bytes, not 2747282740"
for workers in "" "workers:3"; do
	run --quiet "lines:$log | $workers field:10 | sum"
	expect_out 2747282740
	expect_err "leat: sum: 669 of 10000 lines are no numbers"
	run --quiet "lines:$log | $workers field:10 | min"
	expect_out "$(awk '$10 ~ /^[0-9]+$/ { print $10 }' "$log" | sort -n | head -n 1)"
	run --quiet "lines:$log | $workers field:10 | max"
	expect_out "$(awk '$10 ~ /^[0-9]+$/ { print $10 }' "$log" | sort -n | tail -n 1)"
	run --quiet "lines:$log | $workers field:10 | mean"
	expect_out "$(awk '$10 ~ /^[0-9]+$/ { s += $10; n++ } END { printf "%.15g", s / n }' "$log")"
	run --quiet "lines:$log | $workers field:10 | quantiles of:50"
	expect_out "p50	$(awk '$10 ~ /^[0-9]+$/ { print $10 }' "$log" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')"
	run --quiet "lines:$log | $workers field:1 | top:10"
	expect_out "$(awk '{ print $1 }' "$log" | sort | uniq -c | awk '{ print $1 "\t" $2 }' | sort -t "	" -k1,1nr -k2 | head -n 10)"
done
run --quiet "lines:$log | field:1 | uniq | count"
expect_out "$(awk '{ print $1 }' "$log" | uniq | wc -l)"
run --quiet "lines:$log | field:1 | distinct:10000 | count"
expect_out 1753
finish
