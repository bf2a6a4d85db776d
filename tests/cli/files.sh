# Several files as one stream: named one by one, and by a pattern; against cat.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

mkdir "$dir/logs"
seq 1 1000 >"$dir/logs/a.log"
seq 2000 9000 >"$dir/logs/b.log"
: >"$dir/logs/c.log"
printf 'no feed at the end' >"$dir/logs/d.log"
seq 5 >"$dir/one two:three"
seq 7 9 >"$dir/logs/[x]*"

same()
{
	expect_status 0
	expect_silence
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong lines:"; diff "$dir/out" "$dir/expected" | head -n 5; }
}

{ cat "$dir"/logs/[a-d].log; echo; } >"$dir/expected"
run --quiet "lines:$dir/logs/a.log and:$dir/logs/b.log and:$dir/logs/c.log and:$dir/logs/d.log | stdout"
same
run --quiet "lines:'$dir/logs/*.log' | stdout"
same
run --quiet "lines:$dir/logs/[ab]*g and:$dir/logs/?[d-z]*.log and:$dir/logs/d.log | stdout"
expect_status 1
expect_err "leat: lines: $dir/logs/?[d-z]*.log: no file has such a name"
run --quiet "lines:$dir/logs/[ab]*g and:$dir/logs/d.log | stdout"
same
cat "$dir/one two:three" "$dir/logs/a.log" "$dir/one two:three" >"$dir/expected"
run --quiet "lines:'$dir/one two:three' and:- and:\"$dir/one two:three\" | stdout" <"$dir/logs/a.log"
same
# A file of that name comes before the pattern.
cp "$dir/logs/[x]*" "$dir/expected"
run --quiet "lines:'$dir/logs/[x]*' | stdout"
same
cat "$dir/logs/a.log" "$dir/logs/b.log" "$dir/logs/a.log" "$dir/logs/b.log" | grep 7 >"$dir/expected"
run --quiet --repeat 2 "lines:'$dir/logs/[ab].log' | grep:7 | stdout"
same
run --quiet "lines:'$dir/logs/*.log' | workers:3 map:length | tally"
expect_status 0
{ cat "$dir"/logs/[a-d].log; echo; } | awk '{ n[length]++ } END { for (v in n) print n[v] "\t" v }' | sort -k1,1nr >"$dir/expected"
same

# What ends the first file's source ends them all.
run --quiet --json "lines:'$dir/logs/*.log' | take:3 | count"
expect_out 3
expect_books
run --quiet --json --for 300ms --repeat 1000000000 "lines:'$dir/logs/[ab].log' | null"
expect_status 0
expect_json '"cause":"stopped"'
run --quiet --json --for 300ms "lines:'$dir/logs/[ab].log' | rate:100/s | count"
expect_status 0
expect_json '"cause":"stopped"'
[ "$(cat "$dir/out")" -le 40 ] || fail "$what: wrote $(cat "$dir/out")"
for drain in "" "--drain=1m"; do
	run_signalled TERM --quiet --json $drain --repeat 1000000000 "lines:'$dir/logs/[ab].log' | skip:1 | count"
	if [ -n "$drain" ]; then expect_status 0; else expect_status 143; fi
	expect_books
	[ -s "$dir/out" ] || fail "$what: wrote nothing"
done
run --quiet --repeat 1000000000 "lines:'$dir/logs/[ab].log' | take:20000 | count"
expect_out 20000

# Errors name the file.
run --quiet "lines:$dir/logs/a.log and:$dir/none | count"
expect_status 1
expect_out ""
expect_err "leat: lines: $dir/none: No such file or directory"
run --json "lines:'$dir/none*' | count"
expect_status 1
expect_json '"name":"lines","cause":"failed","code":-2,'
expect_json "$dir/none*: no file has such a name\""
run --quiet "lines:'$dir/*' | count"
expect_status 1
expect_err "leat: lines: $dir/logs: Is a directory"
run --quiet "lines:'$dir/logs/*' | file:$dir/logs/b.log"
expect_status 1
expect_err "leat: file: $dir/logs/b.log: is what the flow reads"
"$LEAT" run --quiet "lines:'$dir/logs/*' | stdout" >>"$dir/logs/c.log" 2>"$dir/err"
status=$? what="stdout is one of the files"
expect_status 1
expect_err "leat: stdout: $dir/logs/c.log: is what the flow reads"
run --quiet --repeat 2 "lines:- and:$dir/logs/b.log | count" <"$dir/logs/a.log"
expect_status 1
expect_err "leat: lines: -: --repeat can read it again only where it is the one file"
run --quiet --repeat 2 "lines:- | count" <"$dir/logs/a.log"
expect_out 2000
finish
