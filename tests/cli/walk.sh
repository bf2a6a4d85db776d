# The files below a directory as one stream: in the order of their paths, against find, sort and cat; what cannot be read is told,
# and the rest is read.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# Without the rights of root, where the test has them: root reads everything.
LEAT_AS=("$LEAT")
[ "$(id -u)" -ne 0 ] || LEAT_AS=(setpriv --reuid=65534 --regid=65534 --clear-groups "$LEAT")
tree=$dir/tree
mkdir -p "$tree"/{a,a.d/deep/er,.hidden,empty,b}
chmod 755 "$dir"
seq 1 1000 >"$tree/a/1"
seq 2000 9000 >"$tree/a.log"
seq 5 >"$tree/a/two words"
seq 6 >"$tree/a-"
printf 'no feed at the end' >"$tree/a.d/deep/er/z.log"
seq 7 >"$tree/.hidden/x.log"
: >"$tree/b/nothing.log"
seq 8 >"$tree/b/[y]*.log"
mkfifo "$tree/pipe.log"
ln -s "$tree" "$tree/b/loop"
ln -s a.log "$tree/link.log"

# expected ARGS...: what find finds, in the order of the paths; a line feed where one is missing.
expected()
{
	find "$@" -type f -print0 | sort -z | xargs -0 awk 1 >"$dir/expected"
}

same()
{
	expect_status 0
	expect_silence
	cmp -s "$dir/out" "$dir/expected" || { fail "$what: wrong lines:"; diff "$dir/out" "$dir/expected" | head -n 5; }
}

expected "$tree"
run --quiet "walk:$tree | stdout"
same
run --quiet "walk:$tree/ | buffer:10 | stdout"
same
(cd "$tree" && "$LEAT" run --quiet "walk:. | stdout") >"$dir/out" 2>"$dir/err"
status=$? what="walk:."
same
ln -s "$tree" "$dir/link"
run --quiet "walk:$dir/link | stdout"
same
expected "$tree" -name '*.log'
run --quiet "walk:$tree name:*.log | stdout"
same
run --quiet "walk:'$tree' name:'[!z]*.log' | workers:2 grep:7 | count"
expect_out "$(find "$tree" -type f -name '[!z]*.log' -print0 | xargs -0 cat | grep -c 7)"
run --quiet "walk:$tree name:*.log | grep:7 | stdout"
[ "$(cat "$dir/out")" = "$(grep 7 "$dir/expected")" ] || fail "$what: wrong lines"
run --quiet --json --repeat 3 "walk:$tree name:*.log | skip:1 | count"
expect_out $((3 * $(wc -l <"$dir/expected") - 1))
expect_books
run --quiet "walk:$tree/empty | count"
expect_status 0
expect_out 0
run --quiet --repeat 1000000000 "walk:$tree name:none | count"
expect_status 0
expect_out 0
run --quiet "walk:$tree | take:1500 | stdout"
expect_status 0
[ "$(wc -l <"$dir/out")" -eq 1500 ] || fail "$what: wrote $(wc -l <"$dir/out") lines"
printf 'n,w\n1,x\n' >"$tree/b/1.csv"
printf 'n,w\n2,y\n' >"$tree/b/2.csv"
run --quiet "walk:$tree name:*.csv as:csv | map:(\$w) | stdout"
expect_out "x
y"
if gzip -c "$tree/a/1" >"$tree/b/1.gz" && "$LEAT" run --quiet "lines:$tree/b/1.gz | null" 2>"$dir/err"; then
	run --quiet "walk:$tree/b name:*.gz | stdout"
	cmp -s "$tree/a/1" "$dir/out" || fail "$what: wrong lines"
	# Garbled: what came before is kept, the failure is told, and the walk goes on.
	head -c 1000 "$tree/b/1.gz" >"$tree/a/cut.gz"
	run --quiet "walk:$tree name:*.gz | stdout"
	expect_status 1
	expect_err "leat: walk: $tree/a/cut.gz: its gzip data end too early"
	tail -n 1000 "$dir/out" | cmp -s "$tree/a/1" - || fail "$what: the file behind it was not read"
	rm "$tree/b/1.gz" "$tree/a/cut.gz"
fi

# What cannot be read: a line each, and at the end how many there were.
run --quiet "walk:$dir/none | count"
expect_status 1
expect_out ""
expect_err "leat: walk: $dir/none: No such file or directory"
run --quiet "walk:$tree/a.log | count"
expect_status 1
expect_err "leat: walk: $tree/a.log: Not a directory"
run --quiet --repeat 2 "walk:/proc/self name:mem | count"
expect_status 1
expect_out 0
[ "$(grep -c 'leat: walk: /proc/self/mem: Input/output error' "$dir/err")" -eq 1 ] || fail "$what: not told once: $(cat "$dir/err")"
grep -qE '^leat: walk: could not read [2-9] paths; the first: /proc/self/mem: Input/output error$' "$dir/err" || fail "$what: no sum: $(cat "$dir/err")"
if [ "$(id -u)" -ne 0 ] || { command -v setpriv >/dev/null && "${LEAT_AS[@]}" --version >/dev/null 2>&1; }; then
	expected "$tree" ! -path '*/deep/*' ! -name '1'
	chmod 000 "$tree/a/1" "$tree/a.d/deep"
	for flow in "walk:$tree | stdout" "walk:$tree | workers:1 grep:'' | stdout"; do
		"${LEAT_AS[@]}" run --quiet "$flow" >"$dir/out" 2>"$dir/err"
		status=$? what="$flow"
		expect_status 1
		expect_err "leat: walk: $tree/a/1: Permission denied"
		expect_err "leat: walk: $tree/a.d/deep: Permission denied"
		expect_err "leat: walk: could not read 2 paths; the first: "
		[ "$(wc -l <"$dir/err")" -eq 3 ] || { fail "$what: said more:"; cat "$dir/err"; }
		cmp -s "$dir/out" "$dir/expected" || fail "$what: the rest was not read"
	done
	"${LEAT_AS[@]}" run --json "walk:$tree | null" 2>"$dir/err"
	status=$? what="walk --json"
	expect_status 1
	expect_json '"name":"walk","cause":"failed","code":-13,"text":"walk: could not read 2 paths; the first: '
	[ "$(wc -l <"$dir/err")" -eq 1 ] || { fail "$what: the object is not alone:"; cat "$dir/err"; }
	"${LEAT_AS[@]}" run --quiet --drain 1m "walk:$tree | rate:100/s | null" 2>"$dir/err" &
	ready $!
	while ! grep -q deep "$dir/err" && kill -0 $! 2>/dev/null; do sleep 0.05; done
	kill -TERM $!
	wait $!
	status=$? what="what could not be read, and a drain"
	expect_status 1
	chmod 755 "$tree/a.d/deep"
	chmod 644 "$tree/a/1"
fi

# A file that the flow writes is not read.
run --quiet "walk:$tree | file:$tree/b/result.txt"
expect_status 1
expect_err "leat: walk: $tree/b/result.txt: is what the flow writes"
expected "$tree" ! -name result.txt
cmp -s "$tree/b/result.txt" "$dir/expected" || fail "$what: wrong lines"
"$LEAT" run --quiet "walk:$tree | stdout" >"$tree/b/result.txt" 2>"$dir/err"
status=$? what="walk:$tree | stdout, into the tree"
expect_status 1
cmp -s "$tree/b/result.txt" "$dir/expected" || fail "$what: wrong lines"
rm "$tree/b/result.txt"

# A signal ends it among files without lines, too.
mkdir "$dir/many"
(cd "$dir/many" && seq -f 'd%g' "$(many 200)" | xargs mkdir && for d in d*; do (cd "$d" && seq 100 | xargs touch); done)
run_signalled INT --quiet --json --repeat 1000000000 "walk:$tree name:*.log | grep:none | count"
expect_status 130
expect_books
run --quiet --for 300ms --repeat 1000000000 "walk:$tree | count"
expect_status 0

# Files come and go: nothing hangs or crashes, and what stays is read.
(while [ ! -e "$dir/stop" ]; do for i in 1 2 3 4 5 6 7 8; do mv "$dir/many/d$i" "$dir/many/e$i"; rm -rf "$dir/many/e$i"; mkdir "$dir/many/d$i"; touch "$dir/many/d$i/x"; done; done) &
seq 9 >"$dir/many/z"
for _ in $(seq "$(many 20)"); do
	run --quiet "walk:$dir/many | stdout"
	[ "$status" -le 1 ] || fail "$what: exit status $status"
	cmp -s "$dir/many/z" "$dir/out" || fail "$what: what stays was not read"
done
touch "$dir/stop"
wait $!

# How much was read: the size is known soon, of all of it.
mkdir "$dir/sizes"
for i in $(seq 300); do head -c 1000 /dev/zero | tr '\0' '\n' >"$dir/sizes/$i"; done
run "walk:$dir/sizes | rate:150k/s | count"
expect_out 300000
grep -qE '^leat: 1 s, [1-6][0-9] %, [0-9] s left; ' "$dir/err" || { fail "$what: no share:"; cat "$dir/err"; }
finish
