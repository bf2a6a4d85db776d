# Whichever stage is slowed is the one that is named, from what the others were blocked on.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { for (i = 1; i <= 5000; i++) print "GET", i % 100, i }' >"$dir/in"

named()
{
	for _ in 1 2 3; do
		run --quiet --json --for 1s --repeat 1000000 --slow "$1" \
			"lines:$dir/in | grep:GET | workers:2 field:2 | buffer:50 | map:upper | tally"
		expect_status 0
		expect_books
		grep -qF "\"bottleneck\":\"$2\"" "$dir/err" && return
	done
	fail "$what: named $(grep -o '"bottleneck":.*' "$dir/err"), not $2"
}

if [ -z "${LEAT_SANITIZE:-}" ]; then
	named lines lines+grep
	named grep lines+grep
	named buffer buffer+map
	named map=400us buffer+map
	named tally tally
	named 3=1ms field
fi
named field field # a sanitizer judges what stages do, and that is the same for each

# A sink that is slowed does what it does otherwise.
for sink in count tally stdout "file:$dir/copy"; do
	run --quiet "count:100 | $sink"
	cat "$dir/out" "$dir/copy" >"$dir/expected" 2>"$dir/missing"
	rm -f "$dir/copy"
	run --quiet --slow "${sink%%:*}=10us" "count:100 | $sink"
	expect_status 0
	cat "$dir/out" "$dir/copy" 2>"$dir/missing" | cmp -s - "$dir/expected" || fail "$what: wrote something else"
	[ -s "$dir/expected" ] || fail "$what: there is nothing to write"
	rm -f "$dir/copy"
done

# From the start without --for, and in words.
run --slow field=2ms "count:200 | buffer:10 | workers:2 field:1 | count"
expect_status 0
expect_out 200
expect_err "bottleneck: field (busy "
expect_err "upstream blocked "

# What a rate keeps waiting is paced, and not busy; a slower stage behind it is named all the same.
run --for 500ms "count:1000000000 | rate:100/s | field:1 | null"
expect_status 0
expect_err "bottleneck: count+rate+field (paced by rate: it lets 100/s through; downstream blocked "
run --json --for 500ms "count:1000000000 | buffer:9 | rate:100/s | null"
expect_json '"bottleneck":"buffer+rate","paced":true}'
run --json --slow null=5ms "count:100 | rate:1000/s | null"
expect_json '"bottleneck":"null","paced":false}'
finish
