# Bad input and odd input: a clear line and exit status 1, or every byte kept.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

wrong()
{
	run --quiet "$1"
	expect_status 1
	expect_out ""
	[ "$(cat "$dir/err")" = "leat: $2" ] || { fail "$what: not \"leat: $2\":"; cat "$dir/err"; }
}

wrong "lines:$dir/nofile | count" "lines: $dir/nofile: No such file or directory"
wrong "lines:$dir | count" "lines: $dir: Is a directory"
wrong "follow:$dir | count" "follow: $dir: Is a directory"
wrong "proc:nothing | count" "proc: /proc/nothing: No such file or directory"
wrong "count:1 | file:$dir/no/file" "file: $dir/no/file: No such file or directory"
wrong "count:1 | file:$dir" "file: $dir: Is a directory"
if [ "$(id -u)" -ne 0 ]; then
	: >"$dir/secret"
	chmod 000 "$dir/secret"
	wrong "lines:$dir/secret | count" "lines: $dir/secret: Permission denied"
fi
printf 'a\n' >"$dir/same"
wrong "lines:$dir/same | file:$dir/same" "file: $dir/same: is what the flow reads"
[ "$(cat "$dir/same")" = a ] || fail "the input was overwritten"

cp "$dir/same" "$dir/copy"
for source in "lines:$dir/same" "follow:$dir/same from:start" "lines:-"; do
	"$LEAT" run --quiet --for 2s "$source | stdout" <"$dir/same" >>"$dir/same" 2>"$dir/err"
	status=$? what="$source, appended to itself"
	expect_status 1
	grep -qx "leat: stdout: .*: is what the flow reads" "$dir/err" || { fail "$what:"; cat "$dir/err"; }
	cmp -s "$dir/same" "$dir/copy" || fail "$what: the input was changed"
done
"$LEAT" run --quiet "lines:$dir/same | count" >>"$dir/same" # written when all is read
[ "$(tail -1 "$dir/same")" = 1 ] || fail "a count can't be appended to what was counted"

# No space on the device: what is written there fails; with the JSON it can be read why.
run --quiet "count:100000 | buffer:3 | file:/dev/full"
expect_status 1
expect_err "leat: file: /dev/full: No space left on device"
run --quiet --json "count:100000 | buffer:3 | file:/dev/full"
expect_status 1
expect_json '"status":1'
expect_json '"cause":"failed","code":-28,"text":"/dev/full: No space left on device"'
expect_json '"cause":"abandoned"'
expect_books
for flow in "count:100 | stdout" "count:100 | count" "count:100 | tally"; do
	"$LEAT" run --quiet "$flow" >/dev/full 2>"$dir/err"
	status=$? what=$flow
	expect_status 1
	expect_err "No space left on device"
done

# Nowhere to write, nothing to read.
"$LEAT" run --quiet "count:100 | stdout" >&- 2>"$dir/err"
status=$? what="standard output closed"
expect_status 1
expect_err "leat: stdout: Bad file descriptor"
"$LEAT" run --quiet "lines:- | count" <&- >"$dir/out" 2>"$dir/err"
status=$? what="standard input closed"
expect_status 1
expect_err "Bad file descriptor"

# A source that fails half-way: what it had sent is not lost.
run --quiet --json "lines:/proc/self/mem | buffer:2 | count"
expect_status 1
expect_err "/proc/self/mem: Input/output error"
expect_json '"cause":"failed","code":-5'
expect_out 0
expect_books

# A line longer than any buffer is kept whole, so is one at the end without a line feed.
head -c 1048576 /dev/zero | tr '\0' x >"$dir/long"
{ echo first; cat "$dir/long"; echo; printf last; } >"$dir/in"
run --quiet "lines:$dir/in | map:length | stdout"
expect_out "5
1048576
4"
{ cat "$dir/in"; echo; } >"$dir/expected"
for flow in "lines:$dir/in" "lines:$dir/in | workers:1 grep:''" "lines:$dir/in | buffer:1"; do
	run --quiet "$flow | stdout"
	cmp "$dir/out" "$dir/expected" || fail "$flow: a long line was changed"
	run --quiet "$flow | file:$dir/copy"
	cmp "$dir/copy" "$dir/expected" || fail "$flow: a long line was changed on its way to a file"
done

# A line without end is a failure once it has a gibibyte.
if [ -z "${LEAT_SANITIZE:-}" ]; then
	run --quiet "lines:/dev/zero | count"
	expect_status 1
	expect_err "leat: lines: /dev/zero: Message too long"
fi

# Binary bytes, NUL among them.
awk 'BEGIN { for (i = 0; i < 256; i++) if (i != 10) printf "a%cb\n", i }' >"$dir/bytes"
run --quiet "lines:$dir/bytes | workers:1 grep:b | stdout"
cmp "$dir/out" "$dir/bytes" || fail "binary bytes were changed"
run --quiet "lines:$dir/bytes | grep:'^a.b\$' | count"
if "$LEAT" run --help | grep -q 'searched by RE2'; then
	expect_out 255
else
	expect_out 254 # regexec(3): a dot is any byte but NUL
fi

# Nothing at all, and empty lines.
run --quiet "lines:/dev/null | tally"
expect_status 0
expect_out ""
run --quiet "lines:/dev/null | count"
expect_out 0
printf '\n\n' >"$dir/empty"
run --quiet "lines:$dir/empty | tally"
expect_out "2	"

# A pipe can be read once only, and says so.
printf '1\n2\n' | "$LEAT" run --quiet --repeat 2 "lines:- | count" >"$dir/out" 2>"$dir/err"
status=$? what="--repeat of a pipe"
expect_status 1
expect_err "--repeat"
[ "$(printf '1\n2\n' | "$LEAT" run --quiet "lines:- | count")" = 2 ] || fail "a pipe can't be read"

# What is appended to a followed file arrives, through a rotation.
printf 'one\n' >"$dir/log"
"$LEAT" run --quiet "follow:$dir/log from:start | take:3 | stdout" >"$dir/out" 2>"$dir/err" &
while [ ! -s "$dir/out" ] && kill -0 $! 2>/dev/null; do
	sleep 0.01
done
printf 'two\n' >>"$dir/log"
mv "$dir/log" "$dir/log.1"
printf 'three\n' >"$dir/log"
wait $!
status=$? what="follow through a rotation"
expect_status 0
expect_out "one
two
three"
finish
