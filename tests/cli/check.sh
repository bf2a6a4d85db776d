# What a flow would run as: leat check, leat graph; and flows in files.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# plan COMMAND ARGS...: as run() of lib.sh
plan()
{
	"$LEAT" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	what="leat $*"
	sanitizer "$dir/err"
}

plan check 'lines:none | grep:a | workers:4 field:1 | buffer:10 | map:trim | tally'
expect_status 0
expect_silence
expect_out "$(
	cat <<'END'
lines+grep  1 thread
  |  a ring of 1024 lines, SPSC
field       4 threads
  |  a ring of 10 lines, MPSC
buffer+map  1 thread
  |  a ring of 1024 lines, SPSC
tally       1 thread
7 threads, 3 rings of 49392 bytes in all, beside the text of the lines
END
)"
plan check --capacity 1 'count:1 | null'
expect_out "$(printf 'count  1 thread\n  |  a ring of 1 line, SPSC\nnull   1 thread\n%s' \
	'2 threads, 1 ring of 24 bytes in all, beside the text of the lines')"

# what it takes: rings of 24 bytes for each line, and the trips of a line; a tee passes lines on by a thread of its own
plan estimate --capacity 100 "count:9 | workers:2 field:1 | buffer:50 | sum"
expect_status 0
for text in "threads    5" "rings      3, of $((250 * 24)) bytes in all" "handovers  3 "; do
	grep -qF -- "$text" "$dir/out" || fail "$what: no \"$text\": $(cat "$dir/out")"
done
plan estimate "count:9 as x; x | count; x | grep:1 | sum"
grep -q "^threads    4$" "$dir/out" || fail "$what: $(cat "$dir/out")"
plan check "count:9 as x; x | count; x | grep:1 | sum"
grep -q "^4 threads, 2 rings" "$dir/out" || fail "$what: $(cat "$dir/out")"

# each stage and each step between two is there once; a quote in a name is no end of it
plan graph "lines:none | grep:'a\"b\\.' invert:yes | workers:2 field:1 | tally"
expect_status 0
for text in 's0 [label="lines:none"];' 's1 [label="grep:a\"b\\.\ninvert:yes"];' 's0 -> s1;' 's1 -> s2 [label="1024"];' \
	's2 -> s3 [label="1024"];' 'label="2 threads";'; do
	[ "$(grep -cF -- "$text" "$dir/out")" -eq 1 ] || { fail "$what: $text is not there once:"; cat "$dir/out"; }
done
if command -v dot >/dev/null; then
	dot -Tsvg <"$dir/out" >"$dir/svg" 2>"$dir/err" || { fail "dot does not take it:"; cat "$dir/err"; }
fi

# a flow in a file: comments, several lines, and where a mistake is
printf 'a b\nc d\na b\n' >"$dir/in"
cat >"$dir/flow" <<END
# who | came
lines:$dir/in
   # a field
	| field:1
	| tally
END
run --quiet -f "$dir/flow"
expect_status 0
expect_out "$(printf '2\ta\n1\tc')"
run --quiet --file - <"$dir/flow"
expect_out "$(printf '2\ta\n1\tc')"
plan check -f "$dir/flow"
expect_status 0

# wrong LINE CARET WORDS: the file $dir/flow is refused there
wrong()
{
	plan check -f "$dir/flow"
	expect_status 2
	expect_err "leat: $dir/flow:$1: "
	expect_err "$3"
	grep -q "^  $(printf '%*s' "$2" '')^\$" "$dir/err" || { fail "$what: the caret is misplaced:"; cat "$dir/err"; }
}
printf 'count:10\n# a line\n| feld:1\n| null\n' >"$dir/flow"
wrong 3 2 'there is no step "feld"'
printf 'count:10\n| field:1\n\n# the end\n' >"$dir/flow"
wrong 2 9 'the flow has no sink'
printf 'count:10 | null' >"$dir/flow"
plan check -f "$dir/none"
expect_status 1
expect_err "No such file or directory"
printf 'count:10 \0| null' >"$dir/flow"
plan check -f "$dir/flow"
expect_status 1
expect_err "NUL"
head -c 1100000 /dev/zero | tr '\0' ' ' >"$dir/flow"
plan check -f "$dir/flow"
expect_status 1
expect_err "more than 1 MiB"
plan check --help
expect_status 0
finish
