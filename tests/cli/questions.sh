# The questions to a log in the manual page: each line works as it stands there, and has the answer that awk and sort have.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

manual=$(dirname "$0")/../../docs/man/leat.1
sed -n 's/\\(dq/"/g; s/^\.Dl //p' "$manual" >"$dir/manual"
cd "$dir" || exit 1
awk 'BEGIN {
	split("GET POST HEAD", method, " ")
	for (i = 1; i <= 4000; i++) {
		status = i % 11 == 0 ? 404 : i % 97 == 0 ? 503 : i % 13 == 0 ? 304 : 200
		printf "192.0.2.%d - - [17/May/2015:%02d:%02d:%02d +0000] \"%s /%s HTTP/1.1\" %d %s \"-\" \"%s\"\n",
			int(sqrt(i * 7)) % 23, 10 + int(i / 3600), int(i / 60) % 60, i % 60, method[i % 5 < 3 ? 1 : i % 5 - 1],
			i % 3 ? "blog/" int(sqrt(i)) : "page" i % 41, status, status == 304 ? "-" : i * 7919 % 50000,
			i % 29 == 0 ? "Googlebot/2.1" : "Mozilla/5.0"
	}
}' >access.log
asked=0

# question FLOW PROGRAM: the manual page has this flow; its answer is that of the program, which reads the log, in any order.
question()
{
	asked=$((asked + 1))
	grep -qxF "leat run '$1'" manual || fail "the manual page does not ask: $1"
	run --quiet "$1"
	expect_status 0
	eval "$2" <access.log | sort >expected
	[ -s expected ] || fail "$what: nothing is expected"
	sort out | cmp -s expected - || { fail "$what: another answer:"; diff expected <(sort out) | head -5; }
}

# How often each line comes, as a tally prints it; and the lines that come most often.
often() { sort | uniq -c | sed 's/^ *//; s/ /\t/'; }
most() { often | sort -rn | head -n "$1"; }

question 'lines:access.log | count' 'wc -l'
question 'lines:access.log | filter:($9 >= 500) | count' "awk '\$9 >= 500' | wc -l"
question 'lines:access.log | filter:($9 >= 400) | take:3 | stdout' "awk '\$9 >= 400' | head -3"
question 'lines:access.log | field:9 | tally' "awk '{ print \$9 }' | often"
question 'lines:access.log | grep:" 404 " | workers:4 field:1 | tally' "awk '/ 404 / { print \$1 }' | often"
question 'lines:access.log | filter:($9 == 404) | field:7 | tally' "awk '\$9 == 404 { print \$7 }' | often"
question 'lines:access.log | filter:($9 == 404 && $7 ~ "^/blog/") | map:($1 .. " " .. $7) | tally' \
	"awk '\$9 == 404 && \$7 ~ \"^/blog/\" { print \$1, \$7 }' | often"
question 'lines:access.log | field:1 | top:10' "awk '{ print \$1 }' | most 10"
question 'lines:access.log | filter:($7 ~ "^/blog/") | field:7 | top:10' "awk '\$7 ~ \"^/blog/\" { print \$7 }' | most 10"
question 'lines:access.log | field:1 | distinct:1M | count' "awk '{ print \$1 }' | sort -u | wc -l"
question 'lines:access.log | map:(substr($6, 2)) | tally' "awk '{ print substr(\$6, 2) }' | often"
question 'lines:access.log | map:(substr($4, 2, 17)) | tally' "awk '{ print substr(\$4, 2, 17) }' | often"
question 'lines:access.log | map:(substr($4, 2, 14)) | top:1' "awk '{ print substr(\$4, 2, 14) }' | most 1"
question 'lines:access.log | field:10 | sum' "awk '{ s += \$10 } END { print s }'"
question 'lines:access.log | field:10 | max' "awk '\$10 > m { m = \$10 } END { print m }'"
question 'lines:access.log | field:10 | mean' "awk '\$10 != \"-\" { s += \$10; n++ } END { printf \"%.10f\\n\", s / n }'"
question 'lines:access.log | grep:Googlebot | field:10 | sum' "awk '/Googlebot/ { s += \$10 } END { print s }'"
question 'lines:access.log | group:($9) count:yes sum:($10)' \
	"awk '{ n[\$9]++; s[\$9] += \$10 } END { for (k in n) print n[k] \"\\t\" s[k] + 0 \"\\t\" k }'"
question 'lines:access.log | group:($1) sum:($10) top:10' \
	"awk '{ s[\$1] += \$10 } END { for (k in s) print s[k] \"\\t\" k }' | sort -rn | head"
question 'lines:access.log | filter:($1 == "192.0.2.1" && $10 > 10k) | map:($7 .. " " .. $10) | stdout' \
	"awk '\$1 == \"192.0.2.1\" && \$10 > 10000 { print \$7, \$10 }'"
question 'lines:access.log | every:100 | stdout' "awk 'NR % 100 == 0'"
[ "$asked" -ge 20 ] || fail "$asked questions"

run --quiet 'lines:access.log | field:10 | quantiles'
expect_out "$(awk '$10 != "-" { print $10 }' access.log | sort -n | awk '{ v[NR] = $1 } END { split("50 90 99 99.9", p, " ")
	for (i = 1; i <= 4; i++) { at = NR * p[i] / 100; n = int(at); n += n < at; print "p" p[i] "\t" v[n] }; print "max\t" v[NR] }')"
run --quiet 'lines:access.log | field:10 | histogram'
expect_status 0
for flow in 'lines:access.log | field:10 | quantiles' 'lines:access.log | field:10 | histogram'; do
	grep -qxF "leat run '$flow'" manual || fail "the manual page does not ask: $flow"
done
finish
