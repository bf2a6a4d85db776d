# Branches: streams with names, tee, partition, merge, zip, bridge; beside what one branch gives, with each kind of group behind
# and before them; their ends, books, order of results, and mistakes.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

n=$(many 6000)
seq "$n" | awk '{ print $1, $1 % 7, "w" $1 % 100 }' >"$dir/in"
sum=$(awk '{ s += $1 } END { print s }' "$dir/in")

# same FLOW RESULT: also with small rings, each way to wait, and its books balance.
same()
{
	local opts some=("" "--capacity 1" "--capacity 3 --wait park" "--wait yield")

	[ -z "${LEAT_SANITIZE:-}" ] || some=("" "--capacity 3 --wait park")
	for opts in "${some[@]}"; do
		# shellcheck disable=SC2086 # several words
		run --quiet --json="$dir/json" $opts "$1"
		expect_status 0
		expect_silence
		expect_out "$2"
		expect_books "$dir/json"
	done
}

# Several branches of one stream get every line; results come in the order of the text.
same "lines:$dir/in as x; x | count; x | field:1 | sum; x | grep:w99 | count" "$n
$sum
$((n / 100))"
same "lines:$dir/in | field:1 as x; x | sum; x | take:10 | sum; x | skip:$((n - 1)) | count" "$sum
55
1"
same "lines:$dir/in | workers:3 field:1 as x; x | workers:2 map:upper | sum; x | buffer:7 | every:2 | count" "$sum
$((n / 2))"
same "lines:$dir/in as x; x | map:upper as y; y | count; y | grep:W5 | count; x | distinct:7 | count" "$n
$(grep -c w5 "$dir/in")
$n"
# A name for one branch is a ring.
same "lines:$dir/in | field:1 as x; x | sum" "$sum"
same "lines:$dir/in as x; x | workers:2 field:1 as y; y | sum" "$sum"

# Partition: each line to one of them.
same "lines:$dir/in | partition:(\$2 == 0) as zero, rest; zero | count; rest | count" "$((n / 7))
$((n - n / 7))"
same "lines:$dir/in | partition:(\$2 == 0) as zero, rest; rest | field:1 as r; merge:zero,r | field:1 | sum" "$sum"
same "lines:$dir/in | partition:(\$2) as a, b, c; merge:a,b,c | field:1 | sum" "$sum"
run --quiet "lines:$dir/in | partition:(\$3) as a, b; a | field:3 | distinct:100 | file:$dir/a; b | field:3 | distinct:100 | file:$dir/b"
expect_status 0
[ -s "$dir/a" ] && [ -s "$dir/b" ] || fail "$what: all went one way"
cat "$dir/a" "$dir/b" | sort >"$dir/both"
sort -u "$dir/both" | cmp -s - "$dir/both" || fail "$what: a key went both ways"
[ "$(wc -l <"$dir/both")" -eq 100 ] || fail "$what: keys are missing"
# A part may have several branches.
same "lines:$dir/in | partition:(\$2 == 0) as zero, rest; zero | count; zero | count; rest | count" "$((n / 7))
$((n / 7))
$((n - n / 7))"

# Merge: of sources too.
same "count:100 as a; count:1000 as b; lines:$dir/in | field:1 as c; merge:a,b,c | sum" "$((5050 + 500500 + sum))"
same "count:100 as a; count:1000 as b; merge:a,b | workers:2 grep:1 as m; m | count; m | skip:1 | count" "$((20 + 272))
$((20 + 272 - 1))"
# Fields keep their names where they are the same.
printf 'a=1 b=2\na=3 b=4\n' >"$dir/kv"
same "lines:$dir/kv as:kv as x; x | map:(\$b) | sum; x | filter:(\$a == 3) | map:(\$b) | sum" "6
4"
same "lines:$dir/kv as:kv as x; lines:$dir/kv as:kv as y; merge:x,y | map:(\$b) | sum" "12"
printf 'city,price\nx,1\ny,2\n' >"$dir/a.csv"
printf 'price,city\n10,x\n20,y\n' >"$dir/b.csv"
same "lines:$dir/a.csv as:csv | map:(\$price) as a; lines:$dir/b.csv as:csv | map:(\$price) as b; merge:a,b | sum" "33"
run "lines:$dir/a.csv as:csv as a; lines:$dir/b.csv as:csv as b; merge:a,b | map:(\$price) | sum"
expect_status 2
expect_err 'merge'

# Zip: side by side, until the shorter one ends.
same "count:3 as a; count:1000000 as b; zip:a,b | stdout" "1	1
2	2
3	3"
same "lines:$dir/in as x; x | map:(\$1) as y; zip:y,x | filter:(\$1 == \$2) | count" "$n"
same "lines:$dir/in as x; x | buffer:5 | map:(\$1) as y; zip:x,y | workers:2 filter:(\$1 == \$4) | count" "$n"

# Bridge: the lines of the files that the lines name.
for i in 1 2 3 4 5; do
	seq $((i * 1000)) >"$dir/file$i"
	echo "$dir/file$i"
done >"$dir/list"
for at_once in 1 2 1024; do
	same "lines:$dir/list | bridge:$at_once | sum" "$(cat "$dir"/file? | awk '{ s += $1 } END { print s }')"
	same "lines:$dir/list | bridge:$at_once as x; x | count; x | grep:99 | count" "15000
$(cat "$dir"/file? | grep -c 99)"
done
run --quiet "lines:$dir/list | bridge:1 | stdout"
cat "$dir"/file? | cmp -s - "$dir/out" || fail "$what: not in order"
same "lines:$dir/list | bridge:3 | take:10 | count" 10
sed -i "3i $dir/nofile" "$dir/list"
run --quiet "lines:$dir/list | bridge:2 | count"
expect_status 1
expect_out 15000
expect_err "leat: bridge: $dir/nofile: No such file or directory"

# One that has had enough ends alone; when all have, the source ends.
same "lines:$dir/in as x; x | take:1 | count; x | count" "1
$n"
run --quiet --json="$dir/json" "count:1000000000000 as x; x | take:3 | stdout; x | skip:5 | take:1 | count"
expect_status 0
expect_books "$dir/json"
expect_json '"name":"count","cause":"abandoned"' "$dir/json"
[ "$(sort "$dir/out" | tr '\n' ' ')" = "1 1 2 3 " ] || fail "$what: wrote $(cat "$dir/out")"

# A branch that fails ends alone, too; and it is told.
run --quiet --json="$dir/json" "lines:$dir/in as x; x | count; x | file:/dev/full"
expect_status 1
expect_out "$n"
expect_err "leat: file: /dev/full: No space left on device"

# The failure of one sink is told, and that of no other, whatever is before it.
run --quiet "count:3 as a; count:3 as b; zip:a,b | file:/dev/full"
expect_status 1
expect_err "leat: file: /dev/full: No space left on device"
for _ in 1 2 3 4 5; do
	run --quiet "count:3 as x; x | file:/dev/full; x | count; x | sum; x | max"
	expect_status 1
	expect_out "3
6
3"
	expect_err "leat: file: /dev/full: No space left on device"
done

# A stop lets the files that were named go through.
grep -v nofile "$dir/list" >"$dir/all"
run_signalled TERM --quiet --drain 1m --json="$dir/json" "lines:$dir/all | bridge:2 | rate:15000/s | count"
expect_status 0
expect_out 15000
# A file that the flow writes is not read.
seq 10 >"$dir/own"
echo "$dir/own" | "$LEAT" run --quiet "lines:- | bridge:1 | file:$dir/own append:yes" 2>"$dir/err" && fail "a flow reads what it writes"
grep -q "bridge: $dir/own: is what the flow writes" "$dir/err" || fail "a flow reads what it writes: $(cat "$dir/err")"
[ "$(wc -l <"$dir/own")" -eq 10 ] || fail "a flow has read what it writes"

# The line of figures, where there are more rings than groups; and as many branches as one likes.
run --for 1500ms "tick:10ms as x; tick:10ms as y; merge:x,y | count"
expect_status 0
text="count:3 as a0"
for i in $(seq 40); do text="$text; merge:a$((i - 1)),a$((i - 1)) | take:3 as a$i"; done
"$LEAT" check "$text; a40 | count" >"$dir/out" 2>&1 || fail "check of 40 merges: $(cat "$dir/out")"

# Signals, a stop, a time, a tee: as in one branch.
run_signalled INT --quiet --json="$dir/json" "count:1000000000000 as x; x | map:upper | null; x | workers:2 grep:1 as y; y | rate:10/s | null; y | count"
expect_status 130
expect_books "$dir/json"
run_signalled TERM --quiet --json="$dir/json" --drain 10s "tick:1ms as x; x | count; x | every:2 | map:upper | count"
expect_status 0
expect_books "$dir/json"
[ "$(head -1 "$dir/out")" -eq "$(grep -o '"name":"tick -> x","offered":[0-9]*' "$dir/json" | grep -o '[0-9]*$')" ] ||
	fail "$what: $(cat "$dir/out"), of $(cat "$dir/json")"
run --quiet --for 300ms --json="$dir/json" "tick:1ms as x; x | tee:$dir/teed | count; x | file:$dir/copy"
expect_status 0
cmp -s "$dir/teed" "$dir/copy" || fail "$what: the two files differ"

# Rings that drop do so for each part alone; a tee waits.
run --quiet --overflow newest --capacity 8 --json="$dir/json" "count:100000 | partition:(\$1 % 2 == 0) as a, b; a | rate:100000/s | count; b | count"
expect_status 0
expect_books "$dir/json"

# The bottleneck is the slow branch.
run --slow grep=200us "count:5000 as x; x | count; x | grep:1 | count"
expect_status 0
expect_err "bottleneck: grep (busy "

# What a flow would run as.
"$LEAT" check "lines:$dir/in as x; x | count; x | workers:2 field:1 | sum" >"$dir/out" 2>&1 || fail "check: $(cat "$dir/out")"
grep -q "lines -> x" "$dir/out" || fail "check: shows no stream: $(cat "$dir/out")"
"$LEAT" graph "count:9 as x; x | map:length as y; zip:x,y | count" >"$dir/out" 2>&1 || fail "graph: $(cat "$dir/out")"
grep -q 'label="zip"' "$dir/out" || fail "graph: no zip: $(cat "$dir/out")"

run "count:9 as x; x | skip:1 as y; zip:x,y | count"
expect_status 1
expect_err 'leat: zip: "skip" may leave items out'
# A semicolon within a word is a part of it.
same "lines:$dir/in | grep:a;b | count" 0


# Sinks right behind a name read the lines where the branches share them: each is what it is at the end of a flow of one branch,
# also where another branch leaves, where a full ring drops, and where lines come one by one.
for sink in count sum tally top:3 'group:($2) sum:($1) top:5' quantiles stdout "file:$dir/copy" "file:$dir/copy sync:10ms" 'sum every:1000'; do
	run --quiet "lines:$dir/in | field:1 | $sink"
	mv "$dir/out" "$dir/want"
	case $sink in file:*) mv "$dir/copy" "$dir/want" ;; esac
	for other in null 'take:3 | null' 'workers:2 grep:1 | null'; do
		run --quiet --json="$dir/json" --capacity 7 "lines:$dir/in | field:1 as x; x | $other; x | $sink"
		expect_status 0
		expect_books "$dir/json"
		case $sink in file:*) mv "$dir/copy" "$dir/out" ;; esac
		cmp -s "$dir/want" "$dir/out" || fail "$what: another result"
	done
done
run --quiet --json="$dir/json" --overflow newest "count:$n as x; x | count; x | sum"
expect_status 0
expect_books "$dir/json"
[ "$(sed -n 1p "$dir/out")" -le "$n" ] || fail "$what: wrote $(cat "$dir/out")"
run --quiet --slow 2=1us "count:100 as x; x | count; x | sum"
expect_status 0
expect_out "100
5050"
# A source that fails fails all that has a part of it.
mkdir -p "$dir/tree"
seq 5 >"$dir/tree/a"
chmod 0 "$dir/tree/a"
if [ ! -r "$dir/tree/a" ]; then
	run --quiet "walk:$dir/tree as x; x | count; x | sum"
	expect_status 1
fi
printf 'a,b\n1,2\n' >"$dir/table"
printf 'b,a\n1,2\n' >"$dir/other"
run --quiet "lines:$dir/table and:$dir/other as:csv as x; x | count; x | map:(\$a) | sum"
expect_status 1
expect_out "1
1"
expect_err "the file goes on with another first line"
# A reader that leaves ends its branch alone.
("$LEAT" run --quiet "count:$n as x; x | stdout; x | file:$dir/copy" 2>"$dir/err"; echo $? >"$dir/status") | head -1 >"$dir/head"
[ "$(cat "$dir/head")" = 1 ] && [ "$(cat "$dir/status")" -eq 0 ] && [ "$(wc -l <"$dir/copy")" -eq "$n" ] ||
	fail "a reader that leaves: status $(cat "$dir/status"), $(wc -l <"$dir/copy") of $n lines"
finish
