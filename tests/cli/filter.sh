# Expressions of filter: and map:, against awk.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

awk -v n="$(many 20000)" 'BEGIN { for (i = 1; i <= n; i++)
	print "host" i % 37, "- - [time]", "\"GET /page" i % 101 "\"", (i % 47 == 0 ? 404 : i % 11 == 0 ? 304 : 200), i * 7 % 9973 }' >"$dir/in"

# same FLOW AWK: the steps make of the file what awk does.
same()
{
	awk "$2" "$dir/in" >"$dir/expected"
	[ -s "$dir/expected" ] || fail "$2: no line is expected"
	run --quiet --json "lines:$dir/in | $1 | stdout"
	expect_status 0
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: differs from awk:"; diff "$dir/out" "$dir/expected" | head -5; }
	expect_books
}

same 'filter:($7 == 404)' '$7 == 404'
same 'filter:($7 != 200 && $8 % 2 == 0)' '$7 != 200 && $8 % 2 == 0'
same 'filter:($1 == "host3" || $6 ~ "page1[0-9]*.$")' '$1 == "host3" || $6 ~ /page1[0-9]*.$/'
same 'filter:(len($) > 36)' 'length($0) > 36'
same 'map:($1 .. " (" .. $8 .. ")")' '{ print $1 " (" $8 ")" }'
same 'map:(upper($1))' '{ print toupper($1) }'
same 'map:($-1)' '{ print $NF }'
same 'map:($8 * 2)' '{ print $8 * 2 }'
same 'map:($8 > 5000)' '{ print ($8 > 5000) }'
same 'map:($99)' '{ print "" }'
same 'grep:GET | buffer:100 | filter:($8 < 100) | map:($8) | take:10' '$8 < 100 { print $8; if (++n == 10) exit }'
same "filter:'\$7 == 304'" '$7 == 304'
same 'filter:("a | b" != $1) | map:($2 .. "a|b()")' '{ print $2 "a|b()" }'

# on several threads, with what each of the other ways to end
awk '$8 % 3 == 0 { n[$1]++ } END { for (v in n) print n[v] "\t" v }' "$dir/in" | sort -t "	" -k1,1nr -k2 >"$dir/expected"
for flow in "filter:(\$8 % 3 == 0) | map:(\$1)" "workers:4 filter:(\$8 % 3 == 0) | map:(\$1)" \
	"buffer:7 | workers:2 map:(\$1 .. \" \" .. \$8) | workers:3 filter:(\$2 % 3 == 0) | map:(\$1)"; do
	for capacity in 1 1024; do
		run --quiet --json --capacity $capacity "lines:$dir/in | $flow | tally"
		expect_status 0
		cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong totals:"; head "$dir/out"; }
		expect_books
	done
done

# lines of any bytes, numbers that are none, no lines
printf 'a\0b\n\nx \377\n12\n' >"$dir/bytes"
run --quiet "lines:$dir/bytes | filter:(\$ != 12) | count"
expect_out 3
run --quiet "lines:$dir/bytes | filter:(\$1 * 1 < 13) | count"
expect_out 1
run --quiet "lines:$dir/bytes | map:(\$1 / 0) | tally"
expect_out "4	"
run --quiet "lines:/dev/null | filter:(\$ == 1) | map:(\$1) | count"
expect_out 0
run --quiet "count:100k | filter:(\$ % 3 == 0) | count"
expect_out 33333
finish
