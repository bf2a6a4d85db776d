# Words of a program's own, from shared objects: steps and sinks of each kind, wherever they run, and their mistakes.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"
: "${LEAT_WORDS:?names the shared object of words.c}" "${LEAT_EXAMPLE_WORDS:?names that of the example}"

words()
{
	run --quiet --load "$LEAT_WORDS" "$@"
}

awk 'BEGIN { for (i = 1; i <= 3001; i++) print "w" i, "of", i % 7 }' >"$dir/in"

# Wherever a word stands: with the source, behind a ring, among other steps, behind what sends one by one.
for place in "" "buffer:7 | " "grep:w | " "map:trim | buffer:3 | "; do
	words "lines:$dir/in | ${place}split | stdout"
	expect_status 0
	tr ' ' '\n' <"$dir/in" | cmp -s - "$dir/out" || fail "$what: wrote something else"
	words "lines:$dir/in | ${place}split | even | stdout"
	tr ' ' '\n' <"$dir/in" | awk 'length($0) % 2 == 0' | cmp -s - "$dir/out" || fail "$what: wrote something else"
	words "lines:$dir/in | ${place}split | split | odd | size | tally"
	tr ' ' '\n' <"$dir/in" | awk 'length($0) % 2 { n[length($0)]++ } END { for (l in n) print n[l] "\t<" l ">" }' | sort >"$dir/want"
	sort "$dir/out" | cmp -s "$dir/want" - || fail "$what: counted something else"
	words "lines:$dir/in | ${place}join | stdout"
	expect_status 0
	paste -d+ - - <"$dir/in" | sed 's/+$//' | cmp -s - "$dir/out" || fail "$what: wrote something else"
	words "lines:$dir/in | ${place}echo:300 | size | tally"
	expect_out "300	<4>"
done
words "lines:$dir/in | workers:3 split | workers:2 even | count"
expect_out "$(tr ' ' '\n' <"$dir/in" | awk 'length($0) % 2 == 0' | wc -l)"
words "lines:$dir/in | join | join | skip:1500 | take:2 | bytes"
expect_out "0 bytes"
words "lines:$dir/in as:csv | even | filter:(\$1 ~ \"w\") | bytes"
expect_status 0
words --slow even=1us "lines:$dir/in | even | skip:10 | bytes"
expect_status 0

# A word may pass on another line than it was given: names behind it are of that one.
printf 'a=%s b=x\n' 1 2 3 >"$dir/pairs"
for place in "" "buffer:3 | "; do
	words "lines:$dir/pairs as:kv | ${place}filter:(\$b == \"x\") | late | filter:(\$a != 0) | map:(\$a) | stdout"
	expect_out "1
2
3"
done

# Those that have enough end what is in front, quietly.
for flow in "count:1000000000000 | first:3 | stdout" "count:1000000000000 | buffer:2 | first:3 | stdout" "count:1000000000000 | few:3"; do
	run --quiet --json="$dir/json" --load "$LEAT_WORDS" "$flow"
	expect_status 0
	expect_out "1
2
3"
	expect_silence
	expect_books "$dir/json"
done

# What they hold is not lost by a stop.
run --quiet --json="$dir/json" --for 100ms --load "$LEAT_WORDS" "count:1000000000000 | rate:10k/s | skip:1 | join | stdout"
expect_status 0
expect_books "$dir/json"
delivered=$(grep -o '"delivered":[0-9]*' "$dir/json" | head -1 | cut -d: -f2)
[ "$(wc -l <"$dir/out")" -eq "$delivered" ] || fail "$what: wrote $(wc -l <"$dir/out") lines of $delivered"

# Failures have the word's name.
for flow in "fail:100 | null" "buffer:9 | fail:100 | null" "fail-end:100"; do
	words "lines:$dir/in | $flow"
	expect_status 1
	expect_err "fail"
	expect_err "$(awk 'BEGIN { print "Numerical argument out of domain" }')"
done
for flow in "lie | null" "idle | null" "buffer:2 | lie | null"; do
	words "lines:$dir/in | $flow"
	expect_status 1
	expect_err "Invalid argument"
done

# Mistakes.
words "lines:$dir/in | first:many | stdout"
expect_status 2
expect_err '"many" is no number'
expect_err "could stand here: a number"
words "lines:$dir/in | first | stdout"
expect_status 2
words "lines:$dir/in | even:2 | stdout"
expect_status 2
expect_err "even takes no argument"
words "lines:$dir/in | workers:2 join | stdout"
expect_status 2
expect_err "join can't be run by several workers"
words "lines:$dir/in | nope | stdout"
expect_status 2
expect_err "first:N, fail:N, lie, idle, workers:N STEP, ordered:N STEP"
words "lines:$dir/in as:kv | size | filter:(\$a == 1) | stdout"
expect_status 2
expect_err "size in front has replaced the line"
run "lines:$dir/in | even | stdout"
expect_status 2
expect_err 'there is no step "even"'

echo "no object" >"$dir/text.so"
for object in "$dir/none.so" "$dir/text.so" "$dir" ""; do
	run --load "$object" "count:1 | null"
	expect_status 2
	expect_err "leat: --load $object: "
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$what: not one line"
done
words --load "$LEAT_WORDS" "count:1 | null"
expect_status 2
expect_err "there is a word of that name"

# check and graph know them, too; and a file without a slash is one of this directory.
"$LEAT" check --load "$LEAT_WORDS" "lines:x | workers:2 split | bytes" >"$dir/out" 2>"$dir/err" || fail "check: $(cat "$dir/err")"
grep -q '^split ' "$dir/out" || fail "check: $(cat "$dir/out")"
cp "$LEAT_EXAMPLE_WORDS" "$dir/word_hide.so"
(cd "$dir" && "$LEAT" run --quiet --load word_hide.so "lines:in | take:1 | hide:2 | longest") >"$dir/out" 2>"$dir/err"
what="the example"
expect_out "w1 * 1"
finish
