# The sink group: sums, counts, means, bounds and quantiles for each key, against awk and Python; orders, bounds, mistakes.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

has_json=yes
run "lines:/dev/null as:json | null"
[ "$status" -eq 0 ] || has_json=no

# Clients, codes, and sizes with two decimals; each seventeenth has none, and no line of client h6 has one.
awk 'BEGIN {
	srand(11)
	for (i = 1; i <= 20000; i++) {
		host = i % 97 == 0 ? "h6" : "host" int(rand() * rand() * 200)
		printf "%s\t- %d  %s\n", host, i % 13 == 0 ? 404 : 200,
			i % 17 == 0 || host == "h6" ? "-" : sprintf("%d.%02d", rand() * 20000 - 5000, rand() * 100)
	} }' >"$dir/in"
lines="lines:$dir/in"
none=$(awk '$4 == "-"' "$dir/in" | wc -l)

# What awk makes of it, in hundredths, so that its sums are exact: key, count, numbers, sum, least, greatest.
awk '{ n[$1]++; if ($4 == "-") next; v = sprintf("%.0f", $4 * 100) + 0; c[$1]++; s[$1] += v
	if (c[$1] == 1 || v < lo[$1]) lo[$1] = v; if (c[$1] == 1 || v > hi[$1]) hi[$1] = v }
	END { for (k in n) printf "%s %d %d %.0f %.0f %.0f\n", k, n[k], c[k], s[k], lo[k], hi[k] }' "$dir/in" | sort >"$dir/awk"

# The default is a tally of the key.
for step in "" "workers:3 grep:h | " "buffer:7 | "; do
	run --quiet "$lines | ${step}group:(\$1)"
	expect_status 0
	"$LEAT" run --quiet "$lines | field:1 | tally" | cmp -s - "$dir/out" || fail "$what: differs from the tally"
	run --quiet --json "$lines | ${step}group:(\$1) count:yes sum:(\$4) mean:(\$4) min:(\$4) max:(\$4) by:key"
	expect_status 0
	expect_books
	expect_json "\"note\":\"$none of 20000 lines have no number in (\$4)\""
	awk -F '\t' 'NR == FNR { split($0, a, " "); want[FNR] = $0; next }
		function near(x, y) { return x !~ /^$/ && sprintf("%.0f", x * 100) == sprintf("%.0f", y) }
		{ split(want[FNR], a, " "); rows++
		  ok = $6 == a[1] && $1 == a[2] && near($2, a[4])
		  if (a[3] == 0) ok = ok && $3 == "" && $4 == "" && $5 == ""
		  else { d = $3 - a[4] / 100 / a[3]; ok = ok && d * d < 1e-12 && near($4, a[5]) && near($5, a[6]) }
		  if (!ok) { print; print want[FNR]; bad++ } }
		END { exit bad > 0 || rows < 100 || rows != length(want) }' "$dir/awk" "$dir/out" || fail "$what: differs from awk"
done

# The order of the first column, the largest first; a key without a number comes last, but its sum is 0.
for column in sum mean min max p90; do
	run --quiet "$lines | group:(\$1) $column:(\$4)"
	expect_status 0
	awk -F '\t' '$1 == "" { none = 1; next } none || (NR > 1 && $1 + 0 > last) { bad++ } { last = $1 + 0 }
		END { exit bad > 0 || NR < 100 }' "$dir/out" || fail "$what: not in order"
	[ $column = sum ] || grep -qx "	h6" "$dir/out" || fail "$what: no row for h6"
	head -n 5 "$dir/out" >"$dir/five"
	run --quiet "$lines | group:(\$1) $column:(\$4) top:5"
	cmp -s "$dir/out" "$dir/five" || fail "$what: not the first five rows"
done
printf '%s\n' b1 a1 c2 c2 a1 B1 >"$dir/ties"
run --quiet "lines:$dir/ties | group:(\$) top:4"
expect_out "2	a1
2	c2
1	B1
1	b1"
run --quiet "lines:$dir/ties | group:(substr(\$, 1, 1)) count:no by:key"
expect_out "B
a
b
c"

# Keys and amounts are expressions: what is true counts as 1, columns of one name get a number.
run --quiet "$lines | group:(\$3 == 404) count:yes sum:(\$3 == 404) sum:(len(\$1)) sum:(\$3 / 4) by:key as:csv"
expect_status 0
expect_silence
awk '{ k = $3 == 404; n[k]++; l[k] += length($1); q[k] += $3 / 4 }
	END { print "count,sum,sum_2,sum_3,key"; for (k = 0; k < 2; k++) print n[k] "," (k ? n[k] : 0) "," l[k] "," q[k] "," k }' \
	"$dir/in" | cmp -s - "$dir/out" || { fail "$what: wrote:"; cat "$dir/out"; }

# Sums are exact: beyond what a double holds, of decimals, of what needs all of its 128 bits, and of what does not fit these.
{ yes "a 0.1" | head -n 1000; yes "b 9223372036854775807" | head -n 1000; echo "c 99999999999999999999999999999999999999"
  echo "c 0.000000000000000001"; echo "d 1e300"; echo "d 1"; echo "e -0.5"; echo "e 0.25"; echo "f 1e30"; echo "f 7"; } >"$dir/exact"
run --quiet "lines:$dir/exact | group:(\$1) sum:(\$2) min:(\$2) max:(\$2) by:key"
expect_status 0
expect_out "100	0.1	0.1	a
9223372036854775807000	9223372036854775807	9223372036854775807	b
99999999999999999999999999999999999999.000000000000000001	0.000000000000000001	99999999999999999999999999999999999999	c
1e+300	1	1e+300	d
-0.25	-0.5	0.25	e
1000000000000000000000000000007	7	1000000000000000000000000000000	f"
expect_err "leat: group: sums or bounds with too many figures are rounded to 15"
# A decimal is summed as it is written.
run --quiet "count:1000 | group:('x') sum:(\$ / 10.0) max:(\$ / 8.0) min:(\$ * 1e20) mean:(num(\$))"
expect_out "50050	125	100000000000000000000	500.5	x"
expect_silence
run --quiet "count:9 | group:('x') sum:(\$ / 0) count:yes min:(int(\$ .. 'x'))"
expect_out "0	9		x"
expect_err "9 of 9 lines have no number in (\$ / 0); 9 of 9 lines have no number in (int(\$ .. 'x'))"

# Quantiles are the numbers that awk finds in what sort has sorted; with more numbers of a key they are near.
awk '$4 != "-" { print $1, $4 }' "$dir/in" | sort -k1,1 -k2,2g | awk '
	function put(k, p, r) { r = int(n * p / 100); if (r * 100 < n * p) r++; return v[r < 1 ? 1 : r] + 0 }
	function end() { if (n) print k "\t" put(k, 50) "\t" put(k, 99.9) "\t" put(k, 0) "\t" put(k, 100) }
	$1 != k { end(); k = $1; n = 0 } { v[++n] = $2 } END { end() }' >"$dir/expected"
run --quiet "$lines | filter:(\$4 != '-') | group:(\$1) p50:(\$4) p99.9:(\$4) p0:(\$4) p100:(\$4) by:key"
expect_status 0
expect_silence
awk -F '\t' -v OFS='\t' '{ print $5, $1 + 0, $2 + 0, $3 + 0, $4 + 0 }' "$dir/out" | cmp -s - "$dir/expected" ||
	fail "$what: differs from what sort finds"
run --quiet "count:300000 | group:(\$ % 2) p50:(num(\$)) p99:(num(\$)) by:key"
expect_err "more than 4096 numbers of a key: its quantiles are within 0.1 %"
awk '{ if ($1 < 149800 || $1 > 150200 || $2 < 296700 || $2 > 297300) bad++ } END { exit bad > 0 || NR != 2 }' "$dir/out" ||
	fail "$what: wrote $(cat "$dir/out")"

# Names of fields, with what the reader of a line keeps in memory of its own: doubled quotes, escapes.
awk -v csv="$dir/in.csv" -v kv="$dir/in.kv" -v json="$dir/in.json" 'BEGIN {
	print "id,size,name" >csv
	for (i = 1; i <= 3000; i++) {
		n = i % 5
		print i "," i % 100 "," (i % 3 == 0 ? "\"a \"\"" n "\"\"\"" : i % 3 == 1 ? "\"b, " n "\"" : "c" n) >csv
		print "id=" i " size=" i % 100 " name=" (i % 3 == 0 ? "\"a \\\"" n "\\\"\"" : i % 3 == 1 ? "\"b, " n "\"" : "c" n) >kv
		print "{\"id\":" i ",\"size\":" i % 100 ",\"name\":\"" (i % 3 == 0 ? "a \\\"" n "\\\"" : i % 3 == 1 ? "b, " n : "c" n) "\"}" >json
		k = i % 3 == 0 ? "a \"" n "\"" : i % 3 == 1 ? "b, " n : "c" n; c[k]++; s[k] += i % 100
	}
	for (k in c) print s[k] "\t" c[k] "\t" k }' | sort -t "	" -k 3 >"$dir/expected"
for form in csv kv json; do
	[ $form != json ] || [ $has_json = yes ] || continue
	for step in "" "workers:2 filter:(\$id > 0) | "; do
		run --quiet "lines:$dir/in.$form as:$form | ${step}group:(\$name) sum:(\$size) count:yes by:key"
		expect_status 0
		expect_silence
		cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong:"; head -n 3 "$dir/out"; }
	done
done
run --quiet "lines:$dir/in.csv as:csv | group:(\$1 > 9) max:(\$2)"
expect_out "99	1
9	0"
run --quiet "lines:$dir/in.csv as:csv | group:(\$nam)"
expect_status 1
expect_err 'leat: lines: there is no column "nam"'
printf 'a,b\n"x,1\ny,2\n' >"$dir/bad.csv"
run --quiet "lines:$dir/bad.csv as:csv | group:(\$a) sum:(\$b) by:key"
expect_out "0	
2	y"
expect_err "1 of 2 lines has no number in (\$b)"
expect_err "1 of 2 lines could not be read as CSV"

# No more keys than most:N: lines with further ones share the last row.
awk 'BEGIN { for (i = 0; i < 5000; i++) print i % 50, i }' >"$dir/many"
for form in text:'"(others)"' csv:'"(others)"' json:null; do
	run --quiet "lines:$dir/many | group:(\$1) count:yes sum:(\$2) most:10 by:key as:${form%%:*}"
	expect_status 0
	expect_err "more than 10 keys: 4000 lines with others are in the last row"
	grep -c . "$dir/out" | grep -qx "$([ "${form%%:*}" = csv ] && echo 12 || echo 11)" || fail "$what: wrong number of rows"
done
tail -n 1 "$dir/out" | grep -qxF '{"count":4000,"sum":10018000,"key":null}' || fail "$what: ends with $(tail -n 1 "$dir/out")"
run --quiet "lines:$dir/many | group:(\$1) sum:(\$2) most:10 top:1"
expect_out "248400	9
10018000	(others)"
run --quiet "lines:$dir/many | group:(\$1) most:50 top:1 by:key"
expect_silence
# Then memory does not grow with the keys.
if [ -z "${LEAT_SANITIZE:-}" ]; then
	(ulimit -v 200000; exec "$LEAT" run --quiet "count:4000000 | group:(\$) sum:(\$) most:1000 top:1") >"$dir/out" 2>"$dir/err"
	status=$? what="a bounded group"
	expect_status 0
	expect_out "1000	1000
8000001499500	(others)"
fi

# Forms: Python reads what text says, for keys of any bytes.
perl -e 'srand(3); my @p = ("\xc3\xa4", "\xed\xa0\x80", "\xc3", "\"", ",", "\\", "\r", "\x7f", "ab", "\x{fe}");
	for (1 .. 3000) { print join("", map { $p[rand @p] } 1 .. rand 4), "\t", int rand 1000, "\n" }' >"$dir/bytes"
key="group:(substr(\$, 1, len(\$) - len(\$-1))) sum:(\$-1) mean:(\$-1) count:yes"
for form in text csv json; do
	run --quiet "lines:$dir/bytes | $key as:$form"
	expect_status 0
	mv "$dir/out" "$dir/$form"
done
same_forms 300 sum mean count key

# Nothing came; what is dropped does not come; a slow sink; a stop; a cancel writes what came until then.
run --quiet "lines:/dev/null | group:(\$1) sum:(\$2) p50:(\$3)"
expect_status 0
expect_out ""
expect_silence
run --quiet "lines:/dev/null | group:(\$1) as:csv sum:(\$2)"
expect_out "sum,key"
group="group:(\$ % 3) count:yes sum:(\$) p50:(\$)"
run --quiet --json --overflow oldest --capacity 2 "count:20000 | buffer:2 | $group"
expect_status 0
expect_books
run --quiet --for 200ms --slow group=1ms "count:1000000000 | $group"
expect_status 0
[ -s "$dir/out" ] || fail "$what: wrote nothing"
run_signalled INT --quiet --json "tick:10ms | $group"
expect_status 130
expect_books
[ -s "$dir/out" ] || fail "$what: wrote nothing"
run_signalled TERM --quiet --json --drain 1m "tick:10ms | $group"
expect_status 0
expect_json '"cause":"stopped"'
[ -s "$dir/out" ] || fail "$what: wrote nothing"

"$LEAT" check 'lines:x as:kv | group:($a) sum:($b) p99:($b) as:json' >"$dir/out" 2>&1 || fail "leat check: $(cat "$dir/out")"
"$LEAT" graph 'lines:x | group:($1) sum:($2) by:key' >"$dir/out" 2>&1
grep -qF 'label="group:($1)\nsum:($2)\nby:key"' "$dir/out" || fail "leat graph: $(cat "$dir/out")"
finish
