# leat ps and leat stat: a process with LEAT_COUNTERS=1 is listed and shown; after kill -9 it is gone, and its file still tells.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib_counters.sh"

# A directory, as that of a user is: the process is listed, and its figures are those of the flow.
counted "$shm/" 'tick:1ms | buffer:50 | rate:100/s | null'
leat ps "$shm"
expect_status 0
expect_line "^ *$pid  leat +[1-9][0-9]* +[1-9][0-9]* .* running$"
leat ps --json "$shm"
expect_line "^\{\"pid\":$pid,\"name\":\"leat\",\"channels\":[1-9][0-9]*,\"generators\":[1-9][0-9]*,\"age_s\":[0-9.]+,\"state\":\"running\",\"file\":\"$file\"\}$"
[ "$(stat -c %a "$file")" = 600 ] || fail "$file has mode $(stat -c %a "$file")"
leat stat "$file"
expect_status 0
expect_silence
expect_line "^$pid leat: running, up .*; rates over [0-9]+\.[0-9]+ s$"
expect_line '^CHANNEL '
expect_line '^.* -> .* +([5-9][0-9]|1[0-9][0-9]) '
expect_line '^GENERATOR +feeds +busy +starved +blocked +order +paced +cpu +runq$'
expect_line '^.* -> .*  .* -> .* +[0-9]+% .*[0-9]+%$'
expect_line '^opened +.* before  channel +.* -> .*$'
leat stat -i 0.05 -c 3 "$file"
[ "$(grep -c '^CHANNEL ' "$dir/out")" -eq 3 ] || fail "$what: not three tables"
[ "$(grep -c 'rates over' "$dir/out")" -eq 3 ] || { fail "$what: it does not wait for newer figures"; cat "$dir/out"; }
[ "$(grep -c '^EVENT ' "$dir/out")" -eq 1 ] || fail "$what: events are told more than once"

# The object of --json; the layout, read as docs/counters.md has it.
leat stat --json -i 0.2 "-c" 2 "$file"
[ "$(wc -l <"$dir/out")" -eq 2 ] || fail "$what: not two lines"
if command -v python3 >/dev/null; then
	python3 - "$dir/out" "$pid" "$file" <<'END' || fail "$what: the JSON is not what the file has"
import json, struct, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
for o in lines:
    assert o['pid'] == int(sys.argv[2]) and o['name'] == 'leat' and o['state'] == 'running'
    assert o['rates_since'] == 'previous' and 0.05 < o['seconds'] < 30, o['seconds']
    assert o['records_lost'] == o['torn'] == 0 and not o['truncated']
    for c in o['channels']:
        assert c['offered_items'] == c['delivered_items'] + c['rejected_items'] + c['in_flight_items']
    for g in o['generators']:
        assert 0.9 < sum(g[k + '_share'] for k in ('busy', 'starved', 'blocked', 'order', 'paced')) < 1.1, g
        assert g['cause'] == 'running'
    by_id = {c['id']: c['name'] for c in o['channels']}
    # the source is a generator with a channel; the threads behind it are tasks, which send into channels of the flow
    fed = {by_id[g['channel']] for g in o['generators'] if g['channel']}
    assert fed == {'tick -> buffer+rate'}, fed
assert lines[0]['events'] and not [e for e in lines[1]['events'] if e['event'] == 'opened']
data = open(sys.argv[3], 'rb').read()
magic, order, major, minor = struct.unpack_from('=8sIHH', data)
assert magic == b'leatcnt\n' and order == 0x01020304 and major == 1
head_size, slot_size, event_size, record_size = struct.unpack_from('=4I', data, 16)
slots, events, records = struct.unpack_from('=3Q', data, 32)
slots_count, events_count, most, pid = struct.unpack_from('=4I', data, 56)
assert pid == o['pid']
names = {}
for i in range(slots_count):
    kind, place, kind_of, unused, name = struct.unpack_from('=4I48s', data, slots + i * slot_size)
    names[kind, place] = name.split(b'\0')[0].decode()
used = struct.unpack_from('=Q', data, 312)[0]
found = {}
for i in range(used):
    sequence, generation, kind, number = struct.unpack_from('=QIIQ', data, records + i * record_size)
    text = struct.unpack_from('=64s', data, records + i * record_size + 64)[0].split(b'\0')[0].decode()
    values = struct.unpack_from('=32Q', data, records + i * record_size + 256)
    if kind == 1:
        found[number] = {names[1, p]: v for p, v in enumerate(values) if (1, p) in names}
assert found.keys() == by_id.keys(), (found, by_id)
for c in o['channels']:
    assert found[c['id']]['capacity_items'] == c['capacity_items']
    assert found[c['id']]['delivered_items'] >= c['delivered_items']
END
fi

# -i without -c ends when the process is gone; after the kill the file is what is left.
"$LEAT" stat -i 0.05 "$file" >"$dir/watched" 2>&1 &
watcher=$!
until grep -q '^CHANNEL ' "$dir/watched"; do sleep 0.02; done
killed
wait "$watcher" || fail "leat stat -i of a process that was killed: exit status $?"
tail -n 40 "$dir/watched" | grep -q "^$pid leat: gone" || { fail "leat stat -i does not tell the end"; cat "$dir/watched"; }
leat ps "$shm"
expect_line "^ *$pid  leat +[1-9][0-9]* +[1-9][0-9]* .* gone$"
leat stat "$file"
expect_status 0
expect_line "^$pid leat: gone, up .*; rates since the start$"
expect_line '^tick.* -> '
cp "$file" "$dir/copy"
leat stat "$dir/copy"
expect_status 0
expect_line "^$pid leat: gone"

# The generator that failed is told from those that its failure ended.
if command -v python3 >/dev/null; then
	python3 - "$dir/copy" <<'END' || fail "two generators of the copy cannot be ended"
import struct, sys
data = bytearray(open(sys.argv[1], 'rb').read())
names = {}
for at in range(4096, 12288, 64):
    kind, place = struct.unpack_from('=2I', data, at)
    names[kind, bytes(data[at + 16:at + 64]).split(b'\0')[0].decode()] = place
failed = 0
for at in range(77824, len(data), 512):
    if struct.unpack_from('=I', data, at + 12)[0] != 2 or failed == 2:
        continue
    struct.pack_into('=I', data, at + 40, 2)
    struct.pack_into('=I', data, at + 36, 0)
    struct.pack_into('=q', data, at + 56, struct.unpack_from('=q', data, 264)[0])
    struct.pack_into('=10s', data, at + 128, b'bad price')
    struct.pack_into('=Q', data, at + 256 + 8 * names[2, 'cause'], 4)
    struct.pack_into('=q', data, at + 256 + 8 * names[2, 'code'], -22)
    struct.pack_into('=Q', data, at + 256 + 8 * names[2, 'origin'], failed)
    failed += 1
open(sys.argv[1], 'wb').write(data)
assert failed == 2
END
	leat stat "$dir/copy"
	expect_status 0
	expect_line '^ENDED +when +cause +code +words$'
	expect_line '^.* before +failed +-22 +bad price$'
	expect_line '^.* before +failed elsewhere +-22 +bad price$'
	sed -n '/^ENDED/{n;p;q}' "$dir/out" | grep -q ' failed  ' || { fail "$what: the one that failed is not the first"; cat "$dir/out"; }
fi

# What a terminal would obey is shown as question marks.
printf '\033[31mred\302\233\377' | dd of="$dir/copy" bs=1 seek=$((77824 + 64)) conv=notrunc status=none
leat stat "$dir/copy"
expect_status 0
expect_line '^\?\[31mred\?\?'
LC_ALL=C grep -q "$(printf '[\033\302\377]')" "$dir/out" && fail "$what: bytes for a terminal"

# A file that is cut off, or garbled, or none.
truncate -s 78000 "$dir/copy"
leat stat "$dir/copy"
expect_status 0
expect_line "cut off"
truncate -s 300 "$dir/copy"
leat stat "$dir/copy"
expect_status 1
expect_err "leat: $dir/copy: this is no counters file"
head -c 200000 /dev/urandom >"$dir/copy"
leat stat "$dir/copy"
expect_status 1
rm -f "$file"
ln -s "$dir/copy" "$shm/link"
leat stat "$shm/link"
expect_status 1
expect_err "a symbolic link"
rm -f "$shm/link"

# A file of its own name; a process that is stopped is late with its figures; a failure with its words; removed at exit.
counted "$shm/named" 'tick:1ms | null'
[ "$file" = "$shm/named" ] || fail "the file is not $shm/named"
LEAT_COUNTERS=$shm/named run --quiet 'count:3 | count'
expect_status 0
expect_out 3
expect_err "leat: LEAT_COUNTERS=$shm/named: a process that lives writes that file; no counters are kept"
kill -STOP "$pid"
for ((i = 0; i < 200; i++)); do
	leat stat --json -i 0.001 -c 1 "$file"
	grep -q '"state":"stalled"' "$dir/out" && break
	sleep 0.05
done
expect_line '"state":"stalled"'
leat stat "$file"
expect_line ': stalled, up .*; its figures are .* old; rates since the start$'
kill -CONT "$pid"
kill -INT "$pid"
wait "$pid"
[ -e "$file" ] && fail "$file is there after the exit"

# What LEAT_COUNTERS may be.
LEAT_COUNTERS=yes run --quiet 'count:3 | count'
expect_status 0
expect_out 3
expect_err "leat: LEAT_COUNTERS=yes: 1, 0, or a path with a slash in it is wanted; no counters are kept"
LEAT_COUNTERS=0 run --quiet 'count:3 | count'
expect_silence
LEAT_COUNTERS=/proc/x run --quiet 'count:3 | count'
expect_err "not on tmpfs"
LEAT_COUNTERS=$shm/ run --json --quiet 'count:100000 | null'
expect_status 0
expect_books
[ -z "$(ls "$shm")" ] || fail "files are left: $(ls "$shm")"
leat ps "$shm"
expect_status 0
expect_err "no process of this user keeps counters"

# LEAT_COUNTERS=1: by the number of the process, in the directory of this user.
LEAT_COUNTERS=1 "$LEAT" run --quiet 'tick:1ms | null' 2>"$dir/flow.err" &
pid=$!
for ((i = 0; i < 400; i++)); do
	leat stat --json -i 0.001 -c 1 "$pid"
	[ "$status" -eq 0 ] && break
	sleep 0.05
done
expect_status 0
expect_line "^\{\"pid\":$pid,"
leat ps
expect_line "^ *$pid  leat .* running$"
own=/dev/shm/leat.$(id -u)
[ "$(stat -c %a "$own")" = 700 ] || fail "$own has mode $(stat -c %a "$own")"
killed
leat ps
expect_line "^ *$pid  leat .* gone$"
leat stat "$pid"
expect_line "^$pid leat: gone"
rm -f "$own/$pid".*
rmdir "$own" 2>/dev/null # unless others keep counters

# The command line.
for wrong in "stat" "stat 1 2" "stat -i 0 1" "stat -i x 1" "stat -i 1s 1" "stat -c 0 1" "stat -c -1 1" "stat -c" "stat --nothing 1" \
	"stat -x 1" "ps -x" "ps a b" "ps --json=yes"; do
	# shellcheck disable=SC2086
	leat $wrong
	expect_status 2
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$what: not one line: $(cat "$dir/err")"
done
leat stat 4294967295
expect_status 1
expect_err "there is no such process that keeps counters"
leat ps /nowhere/at/all
expect_status 1
expect_err "leat: /nowhere/at/all: No such file or directory"
for command in ps stat; do
	leat "$command" --help
	expect_status 0
	expect_line "^usage: leat $command"
	leat help "$command"
	expect_line "^usage: leat $command"
done
"$LEAT" stat --help >/dev/full 2>"$dir/err" && fail "leat stat --help into a full device: no error"

# On a terminal the tables fit.
if command -v script >/dev/null; then
	counted "$shm/" 'tick:1ms | workers:2 grep:a_pattern_that_is_as_long_as_a_pattern_may_be_in_a_test | null'
	for columns in 120 80 50; do
		script -qec "stty cols $columns; $LEAT stat -i 0.05 -c 1 $file" "$dir/typed" >/dev/null
		LC_ALL=C tr -d '\r' <"$dir/typed" | grep -E '^(CHANNEL|GENERATOR|tick|grep|null|opened)' >"$dir/rows"
		[ -s "$dir/rows" ] || { fail "leat stat on a terminal shows nothing"; cat "$dir/typed"; }
		awk -v most=$((columns - 1)) 'length > most { exit 1 }' "$dir/rows" || { fail "rows are wider than $columns columns"; cat "$dir/rows"; }
	done
	killed
fi
finish
