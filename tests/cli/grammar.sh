# Bad text gets a caret under the mistake, what could stand there, and exit status 2; nothing runs.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# wrong TEXT COLUMN WANTED: the caret stands below that column of the text (from 0).
wrong()
{
	run "$1"
	expect_status 2
	expect_out ""
	expect_err "  $1"
	caret=$(sed -n 's/^  \( *\)^$/\1/p' "$dir/err")
	[ "${#caret}" -eq "$2" ] || { fail "$what: the caret is at ${#caret}, not $2:"; cat "$dir/err"; }
	expect_err "could stand here:"
	expect_err "$3"
}

wrong "" 0 "lines:FILE"
wrong "lins:x | count" 0 "lines:FILE"
wrong "lines:x" 7 "stdout"
wrong "lines:x | grp:y | count" 10 "grep:PATTERN"
wrong "lines:x | grep:y | cuont" 19 "count"
wrong "lines:x | grep:'y | count" 15 "'"
wrong "lines:x || count" 9 "take:N"
wrong "count:ten | count" 6 "number"
wrong "count:10 | workers:0 field:1 | count" 19 "1 to 256"
wrong "count:10 | workers:300 field:1 | count" 19 "1 to 256"
wrong "count:10 | workers:4 take:1 | count" 21 "map:upper|lower|trim|length"
wrong "count:10 | rate:5 | count" 16 "1000/s"
wrong "count:10 | buffer:0 | count" 18 "1 to 16777216"
wrong "count:10 | distinct:0 | count" 20 "1 to 1073741824"
wrong "count:10 | workers:2 skip:1 | count" 21 "map:upper|lower|trim|length"
wrong "count:10 | every:0 | count" 17 "a number from 1"
wrong "count:10 | workers:2 every:2 | count" 21 "map:upper|lower|trim|length"
wrong "count:10 | top:none" 15 "from 1 to 4294967295"
wrong "count:10 | quantiles of:50,half" 24 "50,99.9,max"
wrong "count:10 | file:x append:always" 25 "no, yes"
wrong "tick:100 | count" 5 "100ms"
wrong "follow:x from:middle | count" 14 "end, start"
wrong "count:10 | grep:'(' | count" 16 "regular expression"

# The caret counts characters, not bytes; a tab is one column wide.
run $'lines:\xc3\xa4\xc3\xb6 | foo | count'
expect_status 2
grep -q '^  \( \{11\}\)^$' "$dir/err" || { fail "$what: the caret is misplaced:"; cat "$dir/err"; }
run $'count:1\t|\tfoo | count'
grep -q '^  \( \{10\}\)^$' "$dir/err" || { fail "$what: the caret is misplaced:"; cat "$dir/err"; }

# A long text is shown around the mistake only.
run "count:1 $(printf '| grep:%0100d ' 1 2 3) | foo | null"
expect_status 2
[ "$(awk '{ if (length > m) m = length } END { print m }' <(head -3 "$dir/err"))" -lt 250 ] || fail "a long text is shown whole"

# What is right is taken as it is meant.
printf 'a b | c\nx\n' >"$dir/a b"
run --quiet "lines:'$dir/a b' | grep:\"b | c\" | map:upper|stdout"
expect_status 0
expect_out "A B | C"
run --quiet "count:1k | grep:5 invert:yes | count"
expect_out "729"
run --quiet "lines:'$dir/a b' | field:0 | map:length | stdout"
expect_out "7
1"
run --quiet "lines:'$dir/a b' | grep:'^x\$|zz' | stdout"
expect_out "x"
finish
