# Options, help; --for; --json in its shape; --quiet. Wrong options are in wrong.txt.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

for bad in "" frobnicate; do
	"$LEAT" $bad >"$dir/out" 2>"$dir/err"
	[ $? -eq 2 ] || fail "leat $bad: no usage error"
	[ ! -s "$dir/out" ] && [ -s "$dir/err" ] || fail "leat $bad: speaks in the wrong place"
done
for good in --version --help help "help run" "run --help" "run --version"; do
	"$LEAT" $good >"$dir/out" 2>"$dir/err" || fail "leat $good: exit status $?"
	[ -s "$dir/out" ] && [ ! -s "$dir/err" ] || fail "leat $good: speaks in the wrong place"
done
"$LEAT" --help >/dev/full 2>"$dir/err" && fail "leat --help can't be written, and succeeds"
"$LEAT" run --help >/dev/full 2>"$dir/err" && fail "leat run --help can't be written, and succeeds"

# Options on either side of the text, with and without =.
run "count:3 | stdout" --quiet --capacity=2 --wait park
expect_status 0
expect_silence
expect_out "1
2
3"

# --for ends an endless source and drains.
before=$(now_us)
run --quiet --json --for 500ms "tick:1ms | buffer:10 | count"
after=$(now_us)
expect_status 0
expect_books
[ $((after - before)) -ge 500000 ] && [ $((after - before)) -lt 5000000 ] || fail "$what: took $((after - before)) us"
[ "$(cat "$dir/out")" -ge 10 ] || fail "$what: only $(cat "$dir/out") ticks"
expect_json "\"delivered\":$(cat "$dir/out"),"
run --quiet --json --for 300ms "count:1000000000000 | workers:2 grep:7 | null"
expect_status 0
expect_books
expect_json '"cause":"completed"'
run --quiet --for 200ms "follow:$dir/not-there-yet | count"
expect_status 0
expect_out 0
run --quiet --for 300ms "count:1000000000 | rate:1/m | count"
expect_status 0
expect_out 1
run --quiet --for 250ms "proc:self/status every:100ms | grep:^Name: | field:2 | tally"
expect_status 0
[ "$(cut -f1 "$dir/out")" -ge 2 ] || fail "$what: $(cat "$dir/out")"

# --for ends a source in the midst of a line that has no end, within 200 ms. The best of a few: the machine may be busy. Not for
# longer: a fast machine reads 1 GiB in half a second, and a line of that length is a failure.
if [ -z "${LEAT_SANITIZE:-}" ]; then
	took_us=9999999
	for _ in 1 2 3 4; do
		before=$(now_us)
		run --quiet --for 200ms "lines:/dev/zero | count"
		after=$(now_us)
		expect_status 0
		expect_out 0
		[ $((after - before)) -lt "$took_us" ] && took_us=$((after - before))
		[ "$took_us" -le 400000 ] && break
	done
	[ "$took_us" -ge 200000 ] && [ "$took_us" -le 400000 ] || fail "$what: took $took_us us"
fi

# The shape of the JSON: one line, one object; to a file, and then nothing else on standard error with --quiet.
run --quiet --json="$dir/json" "count:5 | workers:2 grep:'' | count"
expect_status 0
expect_silence
expect_out 5
[ "$(wc -l <"$dir/json")" -eq 1 ] || fail "$what: not one line of JSON"
edge='{"name":"%s","offered":5,"delivered":5,"dropped":{"newest":0,"oldest":0,"canceled":0,"abandoned":0},"rejected":0,"in_flight":0,"peak":'
expect_json "{\"status\":0,\"edges\":[$(printf "$edge" 'count -> grep')" "$dir/json"
expect_json "$(printf "$edge" 'grep -> count#2')" "$dir/json"
expect_json '],"generators":[{"name":"count","cause":"completed","code":0,"text":""},{"name":"grep/1",' "$dir/json"
expect_json ',{"name":"count#2","cause":"completed","code":0,"text":""}],"threads_left":0,"bottleneck":' "$dir/json"
run --json="$dir/nowhere/json" "count:5 | count"
expect_status 1
expect_err "nowhere/json: No such file or directory"
run --quiet --json=/dev/full "count:5 | count"
expect_status 1
expect_err "No space left on device"
run --quiet --json $'lines:\'no\xff"\\\nfile\' | count'
expect_status 1
expect_json '"name":"lines","cause":"failed","code":-2,"text":"no\ufffd\"\\\u000afile: No such file or directory"'

# Without a file the object is alone on standard error: no picture, no books, no error in words, whatever happens.
alone()
{
	[ "$(wc -l <"$dir/err")" -eq 1 ] && grep -q '^{.*}$' "$dir/err" || { fail "$what: not the object alone:"; cat "$dir/err"; }
}
alone
run --json "lines:$dir/nofile | count"
expect_status 1
alone
run --json --for 1200ms "tick:100ms | count"
expect_status 0
alone
run --json "count:100 | file:/dev/full"
expect_status 1
expect_json '"text":"/dev/full: No space left on device"'
alone
run --json="$dir/json" "lines:$dir/nofile | count"
expect_err "leat: lines: $dir/nofile: No such file or directory"
expect_json '"text":"'"$dir"'/nofile: No such file or directory"' "$dir/json"
run --json "lins:x | count" # a mistake of usage: words alone
expect_status 2
grep -q '^{' "$dir/err" && fail "$what: an object beside words"

# Without --quiet the books are told, and nothing of them on standard output.
run "count:5 | count"
expect_status 0
expect_out 5
expect_err "balanced"
expect_err "threads left behind: 0"
expect_err "bottleneck: "
finish
