# Names of fields: as:csv, as:kv and as:json, against awk and Python; lines that cannot be read.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

has_json=yes
run "lines:/dev/null as:json | null"
[ "$status" -eq 0 ] || { has_json=no; expect_err 'as:json wants simdjson, which was missing when leat was built'; }

n=$(many 20000)
awk -v n="$n" -v csv="$dir/in.csv" -v kv="$dir/in.kv" -v json="$dir/in.json" 'BEGIN {
	print "id,name,price,city" >csv
	for (i = 1; i <= n; i++) {
		name = i % 5 == 0 ? "\"item, " i % 37 "\"" : i % 7 == 0 ? "\"the \"\"best\"\" " i % 11 "\"" : "item " i % 37
		print i "," name "," i * 7 % 997 / 4 ",city" i % 23 >csv
		printf "id=%d name=\"%s\" price=%s %scity=city%d\n", i, i % 7 == 0 ? "the \\\"best\\\"" : "item " i % 37, i * 7 % 997 / 4, \
			i % 3 == 0 ? "words in=between " : "", i % 23 >kv
		printf "{\"id\":%d,%s\"price\":%s, \"where\": {\"x\":[1,{\"city\":2}],\"city\":\"city%d\"}}\n", i,
			i % 4 == 0 ? "" : i % 7 == 0 ? "\"name\":\"\\u00e9\\\"\\n" i % 11 "\"," : "\"name\":\"item " i % 37 "\",",
			i * 7 % 997 / 4, i % 23 >json
	} }'

# same_as_awk FLOW AWK-ARGUMENTS...: the flow writes what awk does.
same_as_awk()
{
	local flow=$1

	shift
	awk "$@" >"$dir/expected"
	[ -s "$dir/expected" ] || fail "$*: no line is expected"
	run --quiet --json "$flow | stdout"
	expect_status 0
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: differs from awk:"; diff "$dir/out" "$dir/expected" | head -5; }
	expect_books
}

csv="lines:$dir/in.csv as:csv"
kv="lines:$dir/in.kv as:kv"
json="lines:$dir/in.json as:json"
same_as_awk "$csv | filter:(\$city == 'city3' && \$id > 500)" -F, 'NR > 1 && $NF == "city3" && $1 > 500' "$dir/in.csv"
same_as_awk "$csv | map:(\$id .. ' ' .. \$city)" -F, 'NR > 1 { print $1 " " $NF }' "$dir/in.csv"
same_as_awk "$csv | map:(\$1)" -F, 'NR > 1 { print $1 }' "$dir/in.csv"
same_as_awk "$csv | field:1" -F, 'NR > 1 { print $1 }' "$dir/in.csv"
same_as_awk "$csv | map:(\$99 .. \${id})" -F, 'NR > 1 { print $1 }' "$dir/in.csv"
same_as_awk "$csv" 'NR > 1' "$dir/in.csv"
same_as_awk "$csv | grep:'best' | filter:(\$id % 2 == 0) | field:1" -F, 'NR > 1 && /best/ && $1 % 2 == 0 { print $1 }' "$dir/in.csv"
same_as_awk "$csv | grep:'id' invert:yes | map:(\$price > 100) | map:(\$ .. \$1)" -F, 'NR > 1 { print ($(NF - 1) > 100) ($(NF - 1) > 100) }' "$dir/in.csv"
same_as_awk "$csv | buffer:9 | take:3 | map:(\$city)" -F, 'NR > 1 && NR < 5 { print $NF }' "$dir/in.csv"
same_as_awk "$kv | filter:(\$city == 'city3') | map:(\$id)" -F '[ =]' '/city=city3$/ { print $2 }' "$dir/in.kv"
same_as_awk "$kv | map:(\$2)" '{ print $2 }' "$dir/in.kv"
same_as_awk "$kv | filter:(\$in == 'between') | map:(\$in .. \$none)" '/in=/ { print "between" }' "$dir/in.kv"
[ $has_json = no ] || same_as_awk "$json | filter:(\${where.city} == 'city3') | map:(\$id)" -F '[:,]' '/"city3"/ { print $2 }' "$dir/in.json"

# on several threads, in small rings, with what each of the other ways to end
awk -F, 'NR > 1 && $(NF - 1) > 200 { n[$NF]++ } END { for (v in n) print n[v] "\t" v }' "$dir/in.csv" | sort -t "	" -k1,1nr -k2 >"$dir/expected"
for source in "$csv" "$kv" "$json"; do
	city='$city'
	[ "$source" != "$json" ] || city='${where.city}'
	[ "$source" != "$json" ] || [ $has_json = yes ] || continue
	for steps in "filter:(\$price > 200) | map:($city)" "workers:4 filter:(\$price > 200) | map:($city)" \
		"buffer:7 | workers:2 filter:(\$price > 200) | workers:3 map:($city)"; do
		for capacity in 1 1024; do
			run --quiet --json --capacity $capacity "$source | $steps | tally"
			expect_status 0
			cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong totals:"; head -3 "$dir/out"; }
			expect_books
		done
	done
	run --quiet --json "$source | workers:2 filter:(\$price > 200) | take:10 | count"
	expect_status 0
	expect_out 10
	run --quiet --repeat 3 "$source | filter:(\$price > 40) | filter:(\$id == 4800) | count"
	expect_status 0
	expect_out 3
	run --quiet --repeat 1000000 --for 300ms "$source | workers:2 filter:(\$price < 0) | count"
	expect_status 0
	expect_out 0
	timeout -s INT 0.5 "$LEAT" run --quiet --repeat 1000000 "$source | workers:2 filter:(\$price < 0) | count" >"$dir/out" 2>"$dir/err"
	sanitizer "$dir/err"
	run --quiet "$source | filter:(\$price > 100) | file:/dev/full"
	expect_status 1
done
cat "$dir/in.csv" | "$LEAT" run --quiet "lines:- as:csv | filter:(\$id == $n) | count" >"$dir/out" 2>"$dir/err"
expect_out 1

# against Python, where there is one: quotes of CSV, escapes of JSON
if command -v python3 >/dev/null; then
	python3 - "$dir" <<'END'
import csv, json, sys
d = sys.argv[1]
rows = list(csv.DictReader(open(d + '/in.csv', newline=''), strict=True))
open(d + '/csv.py', 'w').writelines(r['name'] + '|' + r['price'] + '\n' for r in rows)
rows = [json.loads(line) for line in open(d + '/in.json')]
open(d + '/json.py', 'w').writelines(r.get('name', '').replace('\n', ' ') + '|' + r['where']['city'] + '\n' for r in rows)
END
	run --quiet "$csv | map:(\$name .. '|' .. \$price) | stdout"
	cmp -s "$dir/out" "$dir/csv.py" || { fail "$what: differs from Python:"; diff "$dir/out" "$dir/csv.py" | head -5; }
	if [ $has_json = yes ]; then
		run --quiet "$json | map:(\$name .. '|' .. \${where.city}) | file:$dir/json.out"
		python3 - "$dir" <<'END'
import re, sys
d = sys.argv[1]
text = re.sub('"\n', '" ', open(d + '/json.out').read())
open(d + '/json.out', 'w').write(text)
END
		cmp -s "$dir/json.out" "$dir/json.py" || { fail "$what: differs from Python:"; diff "$dir/json.out" "$dir/json.py" | head -5; }
	fi
fi

# lines that cannot be read have empty fields, and are counted once
printf 'a,b\n1,2\n"3,4\n5\r\n\n"6"x,7\n"8",9\n' >"$dir/bad.csv"
run --quiet "lines:$dir/bad.csv as:csv | filter:(\$b == '') | map:('<' .. \$a .. '>') | stdout"
expect_status 0
expect_out '<>
<5>
<>
<>'
expect_err 'leat: 2 of 6 lines could not be read as CSV; their fields were empty'
run --quiet "lines:$dir/bad.csv as:csv | workers:2 filter:(\$b != 1) | workers:2 filter:(\$a != 1) | count"
expect_err 'leat: 2 of 6 lines could not be read as CSV'
run --quiet "lines:$dir/bad.csv as:csv | count"
expect_out 6
expect_silence
printf 'a=1\na="2\n' >"$dir/bad.kv"
run --quiet "lines:$dir/bad.kv as:kv | filter:(\$a != 1) | count"
expect_out 1
expect_err 'leat: 1 of 2 lines could not be read as pairs'
if [ $has_json = yes ]; then
	printf '{"a":1}\n{"a":1,}\n[]\n{"a":2}\n' >"$dir/bad.json"
	run --quiet "lines:$dir/bad.json as:json | filter:(\$a == 1) | count"
	expect_out 1
	expect_err 'leat: 2 of 4 lines could not be read as JSON objects'
fi

# a header alone, and none; another header; a column that there is not
printf 'a,b\n' >"$dir/header.csv"
for input in "$dir/header.csv" /dev/null; do
	run --quiet "lines:$input as:csv | filter:(\$a == 1) | count"
	expect_status 0
	expect_out 0
	expect_silence
done
run --quiet "lines:$dir/in.csv as:csv | buffer:9 | workers:2 filter:(\$pric > 1) | count"
expect_status 1
expect_err 'leat: lines: there is no column "pric"'
expect_err 'leat: the columns are id, name, price, city'
run --quiet --json "lines:$dir/in.csv as:csv | filter:(\$pric > 1) | count"
expect_status 1
expect_json 'there is no column \"pric\"'
printf 'a,"b\n' >"$dir/open.csv"
run --quiet "lines:$dir/open.csv as:csv | count"
expect_status 1
expect_err 'the first line, with the names, has a quote too many'

# several files: each has its header
printf 'a,b\n7,x\n' >"$dir/one.csv"
printf 'a,b\r\n8,y\r\n' >"$dir/two.csv"
run --quiet "lines:$dir/one.csv and:$dir/two.csv as:csv | map:(\$b .. \$a) | stdout"
expect_status 0
expect_out 'x7
y8'
run --quiet "lines:$dir/one.csv as:csv and:$dir/in.csv | grep:, | count"
expect_status 1
expect_err 'the file goes on with another first line'

# a file that is followed through rotation: each file has its header
cp "$dir/header.csv" "$dir/log"
printf '1,x\n2,y\n' >>"$dir/log"
"$LEAT" run --quiet "follow:$dir/log from:start as:csv | filter:(\$b != 'y') | map:(\$a) | take:2 | stdout" >"$dir/out" 2>"$dir/err" &
follower=$!
for i in $(seq 100); do grep -q . "$dir/out" && break; sleep 0.05; done
mv "$dir/log" "$dir/log.1"
printf 'a,b\n3,z\n' >"$dir/log"
wait $follower || { fail "a follow of CSV failed:"; cat "$dir/err"; }
what="a follow through rotation"
expect_out '1
3'
cp "$dir/header.csv" "$dir/log"
"$LEAT" run --quiet "follow:$dir/log from:start as:csv | count" >"$dir/out" 2>"$dir/err" &
follower=$!
sleep 0.2
mv "$dir/log" "$dir/log.1"
printf 'b,a\n3,z\n' >"$dir/log"
wait $follower
status=$?
what="a follow with another header"
expect_status 1
expect_err 'the file goes on with another first line'
finish
