# leat why: the stage that limits a process, its exit status, --json, after kill -9, and what is wrong with its words.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib_counters.sh"

# A stage that a rate holds back: it is named, with what is before and behind it.
counted "$shm/" 'count:1000G | buffer:50 | rate:100/s | null'
leat why -w 1 "$file"
expect_status 1
expect_silence
expect_line "^$pid leat: running; looked at for [0-9]+\.[0-9] s$"
expect_line '^"buffer\+rate" limits the flow on purpose: for [0-9]+ % of the time it waits for a time'
expect_line '^  since  .* ago'
expect_line '^  so for +[0-9]+ % of the time$'
expect_line '^  seen +"buffer\+rate" is busy for .* paced [0-9]+ %, what sends to it is blocked for [0-9]+ %'
leat why --json --window 0.5 "$file"
expect_status 1
[ "$(wc -l <"$dir/out")" -eq 1 ] || fail "$what: not one line"
if command -v python3 >/dev/null; then
	python3 - "$dir/out" "$pid" <<'END' || { fail "$what: the JSON is not what it should be"; cat "$dir/out"; }
import json, sys
o = json.load(open(sys.argv[1]))
assert o['pid'] == int(sys.argv[2]) and o['state'] == 'running' and o['limit'] == 'paced' and o['named'] is True
assert o['stage'] == 'buffer+rate' and o['threads'] == 1 and o['paced'] > 0.6 and o['before_blocked'] > 0.6
assert o['window_ns'] >= 5e8 and o['since_ns'] > 0 and 0.5 <= o['confidence'] <= 1 and 'on purpose' in o['text']
END
fi

# After kill -9 its whole life is judged.
killed
leat why "$file"
expect_status 1
expect_line "^$pid leat: gone; looked at for "
expect_line '"buffer\+rate" limits the flow on purpose'

# Nothing limits one that waits for its input.
mkfifo "$dir/fifo"
sleep 1000 >"$dir/fifo" &
holder=$!
LEAT_COUNTERS=$shm/ "$LEAT" run --quiet "lines:$dir/fifo | buffer:10 | null" >/dev/null 2>&1 &
pid=$!
for ((i = 0; i < 400; i++)); do
	file=$(ls -d "$shm/$pid".* 2>/dev/null) && "$LEAT" stat -i 0.001 -c 1 "$file" 2>/dev/null | grep -q '^GENERATOR' && break
	sleep 0.05
done
leat why -w 0.5 "$file"
expect_status 0
expect_line '^nothing limits the flow: it is idle'
kill "$holder"
wait "$pid" 2>/dev/null

# What is wrong is said in a line.
leat why
expect_status 2
expect_err "leat: why takes one process or file, such as leat why 1234; leat ps lists them"
leat why -w 0 1
expect_status 2
expect_err "leat: -w 0: a number of seconds from 0.001 to 86400 is wanted, such as 0.5"
leat why -w
expect_status 2
expect_err "leat: -w takes a value; see leat why --help"
leat why --slowly 1
expect_status 2
expect_err "leat: there is no option --slowly; see leat why --help"
leat why "$dir/none"
expect_status 3
expect_err "leat: $dir/none: No such file or directory"
leat why 999999999
expect_status 3
expect_err "leat: 999999999: there is no such process that keeps counters: it has to run with LEAT_COUNTERS=1 in its environment; leat ps lists those that do"
leat help why
expect_status 0
expect_line '^usage: leat why '
finish
