# Output forms: as:csv and as:json say what the text says; Python's csv and json read them, for lines of any bytes.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# exact SINK TEXT: the sink writes this, given the lines of $dir/in.
exact()
{
	run --quiet "lines:$dir/in | $1"
	expect_status 0
	expect_out "$2"
}

printf '%s\n' 3 +007.50 '' .5 '-0.250e1' 7. 'a,"b"' 3 >"$dir/in"
exact "count as:text" 8
exact "count as:csv" 'count
8'
exact "count as:json" '{"count":8}'
exact "sum as:csv" 'sum
18.5'
exact "sum as:json" '{"sum":18.5}'
exact "min as:csv" 'min
-0.250e1'
exact "min as:json" '{"min":-0.250e1}'
exact "max as:text" +007.50
exact "max as:json" '{"max":7.50}'
exact "mean as:csv" 'mean
3.08333333333333'
exact "quantiles as:json of:50,max,50,min" '{"p50":3,"max":7.5,"min":-2.5}'
exact "quantiles of:50,max,50,min as:csv" 'p50,max,min
3,7.5,-2.5'
exact "histogram as:csv" 'from,to,count
-5,-2,1
0.5,1,1
2,5,2
5,10,2'
exact "histogram as:json" '{"from":-5,"to":-2,"count":1}
{"from":0.5,"to":1,"count":1}
{"from":2,"to":5,"count":2}
{"from":5,"to":10,"count":2}'
exact "top:3 as:csv" 'count,line
2,3
1,
1,+007.50'
exact "top:2 as:json" '{"count":2,"line":"3"}
{"count":1,"line":""}'
run --quiet "lines:$dir/in | filter:(\$ == 'a,\"b\"') | tally as:csv"
expect_out 'count,line
1,"a,""b"""'

# The end of the histogram's last bucket is beyond all numbers.
printf '1e308\n0\n-1.5e308\n' >"$dir/in"
exact "histogram as:json" '{"from":null,"to":-1e+308,"count":1}
{"from":0,"to":0,"count":1}
{"from":1e+308,"to":null,"count":1}'
exact "histogram as:csv" 'from,to,count
,-1e+308,1
0,0,1
1e+308,,1'

# Where no number came there is no row.
echo x >"$dir/in"
for sink in min max mean quantiles histogram; do
	exact "$sink as:json" ""
	expect_err "no number came"
	run --quiet "lines:$dir/in | $sink as:csv"
	[ "$(wc -l <"$dir/out")" -eq 1 ] || fail "$what: wrote $(cat "$dir/out")"
done
exact "sum as:json" '{"sum":0}'

# All bytes but a line feed, alone and among others, with what is UTF-8 among them.
perl -e 'srand(3); for (0 .. 255) { $_ == 10 or print chr, "\n" }
	my @parts = ("\xc3\xa4", "\xf0\x9f\x90\xa7", "\xed\xa0\x80", "\xc3", "\xe2\x82", "\"", ",", "\\", "\r", "\0", "\t", "\x7f", "abc", " ", "\x{fe}");
	for (1 .. 3000) { print map({ $parts[rand @parts] } 1 .. rand 6), "\n" }' >"$dir/in"
for form in text csv json; do
	run --quiet "lines:$dir/in | tally as:$form"
	expect_status 0
	mv "$dir/out" "$dir/$form"
done
same_forms 500 count line

# With several workers, and what a cancelled sink has.
run --quiet --json "count:1000 | workers:2 map:(\$ % 3) | tally as:csv"
expect_status 0
expect_out 'count,line
334,1
333,0
333,2'
expect_books
run_signalled INT --quiet "tick:10ms | count as:json"
expect_status 130
grep -qx '{"count":[0-9]*}' "$dir/out" || fail "$what: wrote $(cat "$dir/out")"
finish
