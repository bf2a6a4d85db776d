# SIGHUP has the sink file with reopen:yes open its path again, as logrotate wants it: each line is in one file, whole, in order.
# And sync: what is written is on the disk at the end, or at the latest after a time.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

begin()
{
	what="leat run $*"
	"$LEAT" run "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	ready "$pid"
}

end()
{
	kill -s "$1" "$pid" 2>/dev/null
	wait "$pid"
	status=$?
	sanitizer "$dir/err"
}

# waits COMMAND...: until it is true.
waits()
{
	for _ in $(seq 400); do
		"$@" && return
		sleep 0.025
	done
	fail "$what: waited in vain for: $*"
}

# rotate N: log becomes log.N, and the program is told; returns when there is a new log.
rotate()
{
	mv "$dir/log" "$dir/log.$1"
	kill -HUP "$pid"
	waits test -e "$dir/log"
}

# One file after the other has the numbers from 1 on, each once, and ends with a whole line.
in_order()
{
	for file in "$@"; do
		[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || fail "$what: $file ends within a line"
	done
	cat "$@" >"$dir/all"
	seq "$(wc -l <"$dir/all")" | cmp -s - "$dir/all" || fail "$what: lines are missing, twice, or torn"
}

# A busy flow, a steady one, and one that stands still: the new file is there though no line has come.
for flow in "count:1000000000000" "count:1000000000000 | workers:1 map:trim" "tick:1ms | rate:100/s" "count:1000000000000 | rate:3/s burst:100"; do
	: >"$dir/log"
	begin --quiet --drain 1m "$flow | file:$dir/log reopen:yes"
	for i in 1 2 3 4 5; do
		waits test -s "$dir/log"
		rotate $i
	done
	end TERM
	expect_status 0
	expect_silence
	case $flow in
	tick*) sort -cnu <(cat "$dir"/log.[1-5] "$dir/log") || fail "$what: not in order" ;;
	*) in_order "$dir"/log.[1-5] "$dir/log" ;;
	esac
	rm -f "$dir"/log*
done
mkfifo "$dir/pipe"
begin --quiet "lines:$dir/pipe | file:$dir/log reopen:yes"
exec 3>"$dir/pipe"
seq 3 >&3
waits test -s "$dir/log"
rotate 1
[ ! -s "$dir/log" ] || fail "$what: the new file is not empty"
rotate 2
seq 4 6 >&3
waits test -s "$dir/log"
exec 3>&-
wait "$pid"
status=$?
expect_status 0
in_order "$dir/log.1" "$dir/log.2" "$dir/log"
[ "$(wc -l <"$dir/log.1")" -eq 3 ] && [ "$(wc -l <"$dir/log")" -eq 3 ] || fail "$what: lines are in the wrong file"

# Without a rename the file is not emptied; append:yes; many signals; under nohup; while the flow drains.
rm -f "$dir"/log*
(trap '' HUP; exec "$LEAT" run --quiet --drain 1m "count:1000000 | buffer:1000 | rate:1000/s | file:$dir/log reopen:yes append:yes" >"$dir/out" 2>"$dir/err") &
pid=$! what="many signals"
ready "$pid"
waits test -s "$dir/log"
for _ in $(seq 50); do kill -HUP "$pid"; done
rotate 1
kill -TERM "$pid"
for _ in $(seq 20); do kill -HUP "$pid"; done
rotate 2
end HUP
expect_status 0
expect_silence
in_order "$dir/log.1" "$dir/log.2" "$dir/log"

# Where the path cannot be opened, that is told, and the old file is written on.
rm -f "$dir"/log*
mkdir "$dir/logs"
begin --quiet --drain 1m "tick:5ms | file:$dir/logs/log reopen:yes"
waits test -s "$dir/logs/log"
mv "$dir/logs" "$dir/moved"
kill -HUP "$pid"
waits grep -qF "leat: file: $dir/logs/log: No such file or directory; the old file is written on" "$dir/err"
size=$(stat -c %s "$dir/moved/log")
grows() { [ "$(stat -c %s "$1")" -gt "$2" ]; }
waits grows "$dir/moved/log" "$size"
mkdir "$dir/logs"
mkfifo "$dir/logs/log"
kill -HUP "$pid"
waits grep -qF "leat: file: $dir/logs/log: No such device or address; the old file is written on" "$dir/err"
rm "$dir/logs/log"
kill -HUP "$pid"
waits test -s "$dir/logs/log"
end TERM
expect_status 0
[ "$(wc -l <"$dir/err")" -eq 2 ] || { fail "$what: said more:"; cat "$dir/err"; }
sort -cnu <(cat "$dir/moved/log" "$dir/logs/log") || fail "$what: not in order"
rm -rf "$dir/moved" "$dir/logs/log"
begin --json --drain 1m "tick:5ms | file:$dir/logs/log reopen:yes"
waits test -s "$dir/logs/log"
mv "$dir/logs" "$dir/moved"
kill -HUP "$pid"
size=$(stat -c %s "$dir/moved/log")
waits grows "$dir/moved/log" "$size"
end TERM
expect_status 0
expect_json "\"note\":\"file: $dir/logs/log: No such file or directory; the old file is written on\""

# The new file must not be what the flow reads.
seq 3 >"$dir/input"
begin --quiet "follow:$dir/input from:start | file:$dir/copy reopen:yes"
waits test -s "$dir/copy"
ln -f "$dir/input" "$dir/copy"
kill -HUP "$pid"
waits grep -qF "leat: file: $dir/copy: is what the flow reads; the old file is written on" "$dir/err"
end INT
expect_status 130
[ "$(wc -l <"$dir/input")" -eq 3 ] || fail "$what: wrote into its input"

# Without the key SIGHUP ends the flow; with it the others still do, promptly.
begin --quiet "tick:1h | file:$dir/log"
end HUP
expect_status 129
for number in INT TERM; do
	begin --quiet "tick:1h | file:$dir/log reopen:yes sync:1h"
	kill -HUP "$pid"
	before=$(now_us)
	end $number
	case $number in INT) expect_status 130 ;; *) expect_status 143 ;; esac
	[ $(($(now_us) - before)) -lt 5000000 ] || fail "$what, SIG$number: took $(($(now_us) - before)) us"
done

# sync. Each descriptor that had lines is synced before it is closed; with a time also while nothing comes.
for key in sync:yes sync:10ms "sync:1h append:yes" sync:no; do
	rm -f "$dir/log"
	run --quiet --json="$dir/json" "count:100000 | file:$dir/log $key"
	expect_status 0
	expect_books "$dir/json"
	in_order "$dir/log"
done
if command -v strace >/dev/null && strace -o "$dir/trace" true 2>/dev/null && [ -z "${LEAT_SANITIZE:-}" ]; then
	# syncs COUNT FLOW
	syncs()
	{
		strace -f -e trace=fsync,write,close -o "$dir/trace" "$LEAT" run --quiet "$2" >"$dir/out" 2>"$dir/err"
		status=$? what="$2"
		expect_status 0
		count=$(grep -c 'fsync(' "$dir/trace")
		[ "$count" -ge "$1" ] && [ "$count" -le $((3 * $1)) ] || fail "$what: synced $count times"
	}
	syncs 0 "count:1000 | file:$dir/log"
	syncs 0 "count:1000 | file:$dir/log sync:no"
	syncs 1 "count:1000 | file:$dir/log sync:yes"
	syncs 1 "count:1000 | file:$dir/log sync:1h"
	# one line, and then the source has nothing for a while
	syncs 2 "count:2 | rate:2/s burst:1 | file:$dir/log sync:50ms"
	syncs 10 "count:100 | rate:100/s burst:1 | file:$dir/log sync:50ms"
fi
(: <"$dir/pipe") & # the open of a named pipe waits for a reader
for to in /dev/null "$dir/pipe"; do
	run --quiet "count:3 | file:$to sync:yes"
	expect_status 1
	expect_err "leat: file: $to: sync: needs a file on a disk"
done
wait $!
if [ -w /dev/full ]; then
	run --quiet "count:3 | file:/dev/full reopen:yes"
	expect_status 1
	expect_err "leat: file: /dev/full: No space left on device"
fi
finish
