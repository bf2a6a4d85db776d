# Files that gzip and zstd have compressed, against the files that they were.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

n=$(many 300000)
seq 1 "$n" >"$dir/plain"
tested=
for program in gzip zstd; do
	command -v "$program" >/dev/null || continue
	"$program" -c "$dir/plain" >"$dir/packed"
	"$LEAT" run --quiet "lines:$dir/packed | null" 2>"$dir/err"
	if grep -q "need a leat that was built with" "$dir/err"; then
		run --json "lines:$dir/packed | null"
		expect_status 1
		expect_json '"code":-95,'
		"$LEAT" run --help | grep -q "not of $program\|none of gzip or zstd" || fail "--help does not say that it lacks $program"
		continue
	fi
	tested="$tested $program"
	"$LEAT" run --help | grep -q "not of $program\|none of gzip or zstd" && fail "--help says that it lacks $program"
	for flow in "lines:$dir/packed" "lines:$dir/plain and:$dir/packed" "lines:$dir/packed and:- and:$dir/plain"; do
		run --quiet "$flow | stdout" <"$dir/packed"
		expect_status 0
		expect_silence
		files=$(grep -o "and\|lines" <<<"$flow" | wc -l)
		for _ in $(seq "$files"); do cat "$dir/plain"; done | cmp -s - "$dir/out" || fail "$what: wrong lines"
	done
	# A pipe that stays open: what has come is unpacked at once; several members; a grep of whole blocks.
	mkfifo "$dir/pipe"
	"$LEAT" run --quiet "lines:$dir/pipe | stdout" >"$dir/out" 2>"$dir/err" &
	exec 3>"$dir/pipe"
	cat "$dir/packed" >&3
	for _ in $(seq 100); do
		[ "$(wc -l <"$dir/out")" -eq "$n" ] && break
		sleep 0.05
	done
	what="$program through a pipe that stays open"
	cmp -s "$dir/plain" "$dir/out" || fail "$what: only $(wc -l <"$dir/out") lines have come"
	cat "$dir/packed" >&3
	exec 3>&-
	wait $!
	status=$?
	expect_status 0
	sanitizer "$dir/err"
	cat "$dir/plain" "$dir/plain" | cmp -s - "$dir/out" || fail "$what: wrong lines"
	rm "$dir/pipe"
	run --quiet --repeat 3 "lines:$dir/packed | grep:99 | count"
	expect_out $((3 * $(grep -c 99 "$dir/plain")))
	run --quiet --json --repeat 100000 --for 300ms "lines:$dir/packed | workers:2 map:length | count"
	expect_status 0
	expect_books
	expect_json '"cause":"stopped"'
	# One line of 8 MiB.
	head -c 8388608 /dev/zero | tr '\0' x | "$program" -c >"$dir/long"
	run --quiet "lines:$dir/long | map:length | stdout"
	expect_out 8388608
	: | "$program" -c >"$dir/empty"
	run --quiet --repeat 1000000000 "lines:$dir/empty | count"
	expect_out 0

	# Cut off, and garbled: what came before is kept, and the failure is told.
	head -c $(($(wc -c <"$dir/packed") * 9 / 10)) "$dir/packed" >"$dir/short"
	run --quiet --json="$dir/json" "lines:$dir/short | skip:1 | count"
	expect_status 1
	expect_err "leat: lines: $dir/short: its $program data end too early"
	expect_json '"code":-74,' "$dir/json"
	expect_books "$dir/json"
	[ "$(cat "$dir/out")" -gt 1000 ] || fail "$what: counted $(cat "$dir/out")"
	{ cat "$dir/packed"; echo x; } >"$dir/garbled"
	run --quiet "lines:$dir/garbled and:$dir/plain | count"
	expect_status 1
	expect_err "leat: lines: $dir/garbled: its $program data are garbled: "
done
[ -n "$tested" ] || [ "$failures" -ne 0 ] || { echo "skipped: neither gzip nor zstd, or neither zlib nor libzstd"; exit 77; }
finish
