# tee writes the lines that it passes on: in order, whole, by the time its input is idle; what goes wrong is said.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# same FILE WANTED
same()
{
	cmp -s "$1" "$2" || { fail "$what: wrong lines in $1:"; diff "$1" "$2" | head -n 5; }
}

# file_has TEXT FILE: waits until the file has exactly that text.
file_has()
{
	for _ in $(seq 200); do
		[ "$(cat "$2" 2>/dev/null)" = "$1" ] && return
		sleep 0.05
	done
	fail "$what: $2 has \"$(head -c 200 "$2")\", not \"$1\""
}

seq "$(many 100000)" >"$dir/all"
grep 7 "$dir/all" >"$dir/sevens"
for flow in "tee:$dir/copy | grep:7 | stdout" "tee:$dir/copy | workers:1 grep:7 | stdout" "buffer:7 | tee:$dir/copy | buffer:3 | grep:7 | stdout" \
	"workers:1 grep:'' | tee:$dir/copy | grep:7 | tee:$dir/sevens.copy | stdout" "tee:/dev/null | tee:/dev/null | tee:$dir/copy | grep:7 | stdout"; do
	echo old >"$dir/copy"
	run --quiet --json="$dir/json" "lines:$dir/all | $flow"
	expect_status 0
	expect_silence
	expect_books "$dir/json"
	same "$dir/copy" "$dir/all"
	same "$dir/out" "$dir/sevens"
done
same "$dir/sevens.copy" "$dir/sevens"
run --quiet "lines:$dir/sevens | tee:$dir/copy append:yes | count"
expect_out "$(wc -l <"$dir/sevens")"
cat "$dir/all" "$dir/sevens" >"$dir/expected"
same "$dir/copy" "$dir/expected"
# Behind workers each line is there once.
run --quiet "lines:$dir/all | workers:3 grep:7 | tee:$dir/copy | null"
sort -n "$dir/copy" | cmp -s - "$dir/sevens" || fail "$what: wrong lines"
# Lines of more than the buffer.
{ head -c 65535 /dev/zero | tr '\0' a; echo; head -c 65536 /dev/zero | tr '\0' b; echo; echo; head -c 3000000 /dev/zero | tr '\0' c; echo; echo end; } >"$dir/long"
for _ in 1 2 3; do cat "$dir/long"; done >"$dir/longer"
run --quiet "lines:$dir/longer | tee:$dir/copy | file:$dir/out"
same "$dir/copy" "$dir/longer"
same "$dir/out" "$dir/longer"

# What is behind it has enough, leaves, or is slow: the file has all that was passed on.
run --quiet "count:1000000000 | tee:$dir/copy | take:3 | stdout"
expect_status 0
file_has "1
2
3" "$dir/copy"
"$LEAT" run --quiet "count:1000000000 | tee:$dir/copy | stdout" 2>"$dir/err" | head -n 1000 >"$dir/out"
status=${PIPESTATUS[0]} what="tee | head"
expect_status 0
expect_silence
seq "$(wc -l <"$dir/copy")" | cmp -s - "$dir/copy" || fail "$what: wrong lines"
[ "$(wc -l <"$dir/copy")" -ge 1000 ] || fail "$what: too few lines"
# The rate is on the thread of the tee: the third line waits in it.
run_signalled TERM --quiet "count:5 | tee:$dir/copy | rate:1/m burst:2 | null"
expect_status 143
file_has "1
2
3" "$dir/copy"

# While the input is idle, the file has what has come, but for half a line.
mkfifo "$dir/pipe"
"$LEAT" run --quiet "lines:$dir/pipe | tee:$dir/copy | buffer:100 | rate:1/m | null" 2>"$dir/err" &
exec 3>"$dir/pipe"
what="an idle input"
echo first >&3
file_has first "$dir/copy"
printf 'second\nthird\nhal' >&3
file_has "first
second
third" "$dir/copy"
kill -INT $!
wait $!
exec 3>&-
sanitizer "$dir/err"

# While the ring behind it is full, it has at least what is in front of that.
: >"$dir/copy"
"$LEAT" run --quiet "count:1000 | tee:$dir/copy | buffer:7 | rate:1/m burst:1 | null" 2>"$dir/err" &
what="a full ring"
for _ in $(seq 200); do
	[ "$(wc -l <"$dir/copy")" -ge 8 ] && break
	sleep 0.05
done
[ "$(wc -l <"$dir/copy")" -ge 8 ] || fail "$what: only $(wc -l <"$dir/copy") lines were written"
seq "$(wc -l <"$dir/copy")" | cmp -s - "$dir/copy" || fail "$what: wrong lines"
kill -INT $!
wait $!
sanitizer "$dir/err"

# A named pipe, whose reader is slow, and one whose reader leaves.
cat "$dir/pipe" >"$dir/piped" &
run --quiet "lines:$dir/all | tee:$dir/pipe | null"
expect_status 0
wait $!
same "$dir/piped" "$dir/all"
(head -n 10 <"$dir/pipe" >/dev/null) &
run --json "count:1000000000000 | tee:$dir/pipe | null"
expect_status 1
expect_json "\"name\":\"tee\",\"cause\":\"failed\",\"code\":-5,\"text\":\"tee: $dir/pipe: its reader has left\""
expect_json '"name":"count","cause":"abandoned"'
expect_books
wait $!
if [ -w /dev/full ]; then
	run --quiet "lines:$dir/all | tee:/dev/full | count"
	expect_status 1
	expect_err "leat: tee: /dev/full: No space left on device"
	# also where all fits into the buffer, and where the source is idle
	run --quiet "count:3 | tee:/dev/full | count"
	expect_status 1
	expect_err "leat: tee: /dev/full: No space left on device"
	run --quiet --for 1h "tick:10ms | tee:/dev/full | count"
	expect_status 1
	expect_err "leat: tee: /dev/full: No space left on device"
	: >"$dir/empty"
	run --quiet --json "follow:$dir/all from:start | tee:/dev/full | count"
	expect_status 1
	expect_books
fi

# What the flow reads, and what it writes already, is refused, and is not emptied.
for flow in "lines:$dir/all | tee:$dir/all | null" "lines:$dir/copy and:$dir/all | tee:$dir/all append:yes | null" "follow:$dir/all | tee:$dir/all | null"; do
	run --quiet "$flow"
	expect_status 1
	expect_err "leat: tee: $dir/all: is what the flow reads"
done
ln "$dir/sevens" "$dir/link"
run --quiet "lines:$dir/all | tee:$dir/new | tee:$dir/sevens append:yes | file:$dir/link"
expect_status 1
expect_err "leat: file: $dir/link: another stage of the flow writes it"
[ "$(wc -l <"$dir/all")" -eq "$(many 100000)" ] && [ -s "$dir/sevens" ] || fail "a file was emptied"
"$LEAT" run --quiet "count:3 | tee:$dir/new | stdout" >"$dir/new" 2>"$dir/err"
status=$? what="tee and standard output to one file"
expect_status 1
expect_err "leat: stdout: another stage of the flow writes it"
run --quiet "walk:$dir name:copy | tee:$dir/copy | count"
expect_status 1
expect_err "leat: walk: $dir/copy: is what the flow writes"
run --quiet "count:3 | tee:$dir/none/x | count"
expect_status 1
expect_err "leat: tee: $dir/none/x: No such file or directory"

# What is checked is not written.
"$LEAT" check "count:3 | tee:$dir/checked | null" >"$dir/out" || fail "check: exit status $?"
grep -q '^tee  *1 thread$' "$dir/out" || fail "check: no thread for tee: $(cat "$dir/out")"
[ ! -e "$dir/checked" ] || fail "check has written a file"
finish
