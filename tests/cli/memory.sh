# Memory does not grow with what a flow has read: eight times as many passes over a file, and the same peak. So a flow of any
# length needs no more than one of seconds.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

if [ -n "${LEAT_SANITIZE:-}" ]; then
	echo "skipped: a sanitizer keeps memory that was freed, and its peak says nothing"
	exit 77
fi
awk 'BEGIN { for (i = 0; i < 100000; i++) print "a-client-with-a-name-" i % 7000, i * 7 % 9973, (i % 11 == 0 ? 404 : 200), "some words to read over" }' >"$dir/in"
mkfifo "$dir/result" "$dir/copy"

# peak_kb PASSES STEPS: the peak of such a flow, when it has read all: its sink has begun to write the rows. There are so many of
# them that it waits, as nothing reads on until the peak is known. Counts of the rows are in $dir/out.
peak_kb()
{
	"$LEAT" run --quiet --repeat "$1" "lines:$dir/in | $2" >"$dir/result" 2>"$dir/err" &
	pid=$! what="$2, $1 passes"
	cat "$dir/copy" >/dev/null &
	reader=$!
	exec 3<"$dir/result"
	read -r row <&3
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status")
	{ echo "$row"; cat <&3; } | cut -f1 >"$dir/out"
	exec 3<&-
	wait "$pid"
	status=$?
	kill "$reader" 2>/dev/null # it has ended, unless the flow never opened the pipe
	expect_status 0
	expect_silence
	[ "$(wc -l <"$dir/out")" -eq 7000 ] || fail "$what: $(wc -l <"$dir/out") rows"
	[ -n "$peak" ] || fail "$what: no peak is known"
}

for steps in "filter:(\$3 != 404) | tee:$dir/copy | map:(\$1 .. \" \" .. \$2) | distinct:1000 | group:(\$1) count:yes max:(\$2)" \
	"distinct:9000 | workers:2 filter:(\$4 == \"some\") | buffer:100 | tee:$dir/copy | workers:2 field:1 | group:(\$1)"; do
	peak_kb 5 "$steps"
	few=$peak
	lines=$(awk '{ n += $1 } END { print n }' "$dir/out")
	peak_kb 40 "$steps"
	[ "$(awk '{ n += $1 } END { print n }' "$dir/out")" -eq $((8 * lines)) ] || fail "$what: not eight times as many lines"
	echo "$steps: 5 passes $few kB, 40 passes $peak kB"
	[ "$peak" -le $((few + 2048)) ] || fail "$what: the peak is $peak kB, and was $few kB"
done
finish
