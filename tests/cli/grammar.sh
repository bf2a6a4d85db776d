# What is right is taken as it is meant. Wrong texts are in wrong.txt; here are those whose words come from a library.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# The words are those of the library that searches.
run "count:10 | grep:'(' | count"
expect_status 2
expect_out ""
[ "$(sed -n 3p "$dir/err")" = "                  ^" ] || { fail "$what: the caret is misplaced:"; cat "$dir/err"; }
expect_err "could stand here: a text or an extended regular expression"
run 'lines:x | filter:($1 ~ "(") | count'
expect_status 2
expect_err '"("'
expect_err "could stand here: an extended regular expression"

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
