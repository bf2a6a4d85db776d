# Totals are exact whatever carries the items, and the books balance in every report.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { for (i = 1; i <= 10000; i++)
	print "host" i % 1753, "- - [time]", "\"GET /" i "\"", (i % 47 == 0 ? 404 : i % 11 == 0 ? 304 : 200), i * 7 }' >"$dir/in"
awk '{ n[$7]++ } END { for (v in n) print n[v] "\t" v }' "$dir/in" | sort -t "	" -k1,1nr -k2 >"$dir/expected"

check()
{
	run --quiet --json "$@"
	expect_status 0
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong totals:"; cat "$dir/out"; }
	expect_books
}

many=$(($(nproc) * 4 + 1))
for step in "field:7" "workers:4 field:7" "workers:$many field:7" "buffer:300 | workers:2 map:trim | workers:3 field:7"; do
	check "lines:$dir/in | $step | tally"
	for wait in adaptive spin yield park; do
		check --wait "$wait" "lines:$dir/in | $step | tally"
	done
done
check --capacity 1 "lines:$dir/in | field:7 | tally"
check --capacity 1 "lines:$dir/in | workers:4 field:7 | tally"
check --capacity 1000 "lines:$dir/in | workers:4 field:7 | tally"
check "lines:- | field:7 | tally" <"$dir/in"

awk -F "\t" '{ print $1 * 100 "\t" $2 }' "$dir/expected" >"$dir/hundred" && mv "$dir/hundred" "$dir/expected"
check --repeat 100 "lines:$dir/in | workers:4 field:7 | tally"

# What is dropped is counted: all that was offered is delivered or dropped, and the rest of the flow adds up.
for overflow in newest oldest; do
	run --quiet --json --overflow "$overflow" --capacity 2 "count:20000 | buffer:2 | count"
	expect_status 0
	expect_books
	expect_json '"offered":20000'
done
finish
