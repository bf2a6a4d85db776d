# A reader that leaves and a take that has enough end the flow from behind: quietly, abandoned, with nothing left.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

for flow in "count:1000000000000 | stdout" "count:1000000000000 | workers:4 grep:1 | stdout" \
	"count:1000000000000 | buffer:2 | buffer:2 | stdout" "lines:/proc/self/maps | stdout"; do
	"$LEAT" run --quiet --json="$dir/json" "$flow" 2>"$dir/err" | head -1 >"$dir/out"
	status=${PIPESTATUS[0]} what="$flow | head -1"
	expect_status 0
	expect_silence
	expect_books "$dir/json"
	[ -s "$dir/out" ] || fail "$what: wrote nothing"
	case $flow in count*) expect_json '"cause":"abandoned"' "$dir/json" ;; esac
done

run --quiet --json "count:1000000000000 | take:3 | stdout"
expect_status 0
expect_out "1
2
3"
expect_json '{"name":"count","cause":"abandoned","code":0,'
expect_json '{"name":"take","cause":"completed","code":0,'
expect_json '"name":"take -> stdout","offered":3,"delivered":3,'
expect_books

# Through four stages, each on its own thread; and through workers.
run --quiet --json "count:1000000000000 | buffer:1 | buffer:4 | take:3 | stdout"
expect_status 0
expect_out "1
2
3"
[ "$(grep -o '"cause":"abandoned"' "$dir/err" | wc -l)" -eq 2 ] || { fail "$what: not both abandoned"; cat "$dir/err"; }
expect_books
run --quiet --json "count:1000000000000 | workers:4 map:length | workers:3 field:1 | take:2 | count"
expect_status 0
expect_out 2
expect_json '{"name":"map/4","cause":"abandoned"'
expect_json '{"name":"field/3","cause":"abandoned"'
expect_books

# What is in front waits for input that never comes: it ends all the same.
printf '1\n2\n3\n' >"$dir/in"
run --quiet --json "follow:$dir/in from:start | buffer:5 | workers:3 grep:'' | buffer:6 | take:3 | count"
expect_status 0
expect_out 3
expect_json '{"name":"follow","cause":"abandoned"'
expect_json '{"name":"grep/2","cause":"abandoned"'
expect_books
finish
