# leat export: what it serves of a process with LEAT_COUNTERS=1 passes promtool and the parser of python3-prometheus-client, in
# both forms; a process that is stopped delays nothing, one that was killed is gone; files that are none; the command line.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib_counters.sh"

"$LEAT" export --describe >/dev/null 2>"$dir/err" || {
	grep -q 'libmicrohttpd was missing' "$dir/err" || { fail "leat export --describe: $(cat "$dir/err")"; finish; }
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "not one line says what is missing"
	echo "skipped: leat export is not in this build"
	exit 77
}
command -v curl >/dev/null || { echo "skipped: there is no curl"; exit 77; }
own=/dev/shm/leat.$(id -u)
patience=(--silent --show-error --max-time 20 --noproxy '*')

# serve ARGS...: an exporter in the background, at a port that is free: $exporter, $url.
serve()
{
	: >"$dir/serving" # which has the address of the one before
	"$LEAT" export --listen 127.0.0.1:0 "$@" 2>"$dir/serving" &
	exporter=$!
	for ((i = 0; i < 400; i++)); do
		url=$(sed -nE 's|^leat: exporting at (http://127\.0\.0\.1:[0-9]+)/metrics$|\1|p' "$dir/serving")
		[ -z "$url" ] || return
		sleep 0.05
	done
	fail "leat export $*: says no address: $(cat "$dir/serving")"
	finish
}

# stopped SIGNAL: the exporter ends with status 0.
stopped()
{
	kill -s "$1" "$exporter"
	wait "$exporter"
	status=$?
	what="leat export, SIG$1"
	expect_status 0
	sanitizer "$dir/serving"
}

# scrape [OPTION]...: into $dir/text.
scrape()
{
	curl "${patience[@]}" --fail "$@" "$url/metrics" >"$dir/text" 2>"$dir/err" || fail "curl $* $url/metrics: $(cat "$dir/err")"
}

# until_line EXPRESSION: scrapes until there is such a line.
until_line()
{
	for ((i = 0; i < 400; i++)); do
		scrape
		grep -qE -- "$1" "$dir/text" && return
		sleep 0.05
	done
	fail "no line like $1:"
	cat "$dir/text"
	finish
}

# expect_line EXPRESSION [FILE]
expect_line()
{
	grep -qE -- "$1" "${2:-$dir/text}" || { fail "no line like $1:"; cat "${2:-$dir/text}"; }
}

# The parsers of both forms. The one of python3-prometheus-client is a Debian package, so of Debian's python3.
python=
for python in /usr/bin/python3 python3 ''; do
	[ -z "$python" ] || ! "$python" -c 'import prometheus_client.openmetrics.parser' 2>/dev/null || break
done
[ -n "$python" ] || echo "python3-prometheus-client is missing, which parses OpenMetrics"
command -v promtool >/dev/null || echo "promtool is missing (package prometheus), which checks the classic text"
check_open_metrics()
{
	[ -z "$python" ] || "$python" - "$1" <<'END' || fail "$1 is no OpenMetrics"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = {f.name: f for f in parse(open(sys.argv[1]).read())}
assert len(families) > 30, families.keys()
for f in families.values():
    assert f.documentation and f.type in ('counter', 'gauge'), f
    assert not f.unit or f.name.endswith('_' + f.unit), f
    assert f.unit or not f.name.endswith(('_seconds', '_items')), f
    for s in f.samples:
        assert s.name == f.name + ('_total' if f.type == 'counter' else ''), s
        if not f.name.startswith('leat_export_') or f.name == 'leat_export_folded_names':
            assert s.labels['pid'].isdigit() and s.labels['process'], s
END
}
check_classic()
{
	command -v promtool >/dev/null || return
	promtool check metrics <"$1" >"$dir/out" 2>&1 || { fail "promtool check metrics:"; cat "$dir/out" "$1"; }
	[ ! -s "$dir/out" ] || { fail "promtool check metrics has a word to say:"; cat "$dir/out"; }
}

# A process by its number; both forms.
LEAT_COUNTERS=1 "$LEAT" run --quiet 'tick:1ms | buffer:50 | rate:200/s | null' 2>"$dir/flow.err" &
pid=$!
serve "$pid"
until_line "^leat_delivered_items_total\{pid=\"$pid\",process=\"leat\",channel=\"[^\"]+\"\} [1-9][0-9]*$"
check_classic "$dir/text"
expect_line "^leat_process_state\{pid=\"$pid\",process=\"leat\",state=\"running\"\} 1$"
expect_line "^leat_generator_seconds_total\{pid=\"$pid\",process=\"leat\",generator=\"[^\"]+\",class=\"busy\"\} [0-9]+\.[0-9]{9}$"
expect_line '^leat_export_processes 1$'
curl "${patience[@]}" -i "$url/metrics" >"$dir/text"
expect_line '^Content-Type: text/plain; version=0.0.4; charset=utf-8.?$'
scrape -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
check_open_metrics "$dir/text"
[ "$(tail -n 1 "$dir/text")" = '# EOF' ] || fail "OpenMetrics does not end with # EOF"
expect_line '^# UNIT leat_send_blocked_seconds seconds$'
curl "${patience[@]}" "$url/" | grep -q '/metrics' || fail "the first page does not name the other"
for wrong in "404 $url/metric" "404 $url/metrics/" "405 -X DELETE $url/metrics" "405 -d x=y $url/metrics"; do
	# shellcheck disable=SC2086
	got=$(curl "${patience[@]}" -o "$dir/out" -w '%{http_code}' ${wrong#* })
	[ "$got" = "${wrong%% *}" ] || fail "curl ${wrong#* }: $got, not ${wrong%% *}"
done

# Fifty clients at once, while a hundred have left in the middle of a request.
for ((n = 0; n < 100; n++)); do
	exec {half}<>"/dev/tcp/127.0.0.1/${url##*:}"
	printf 'GET /met' >&"$half"
	exec {half}>&-
done
for ((n = 0; n < 50; n++)); do
	curl "${patience[@]}" --fail "$url/metrics" >"$dir/many.$n" 2>&1 &
	clients[n]=$!
done
for ((n = 0; n < 50; n++)); do
	wait "${clients[n]}" || fail "one of fifty clients: $(cat "$dir/many.$n")"
	grep -q '^leat_export_scrapes_total ' "$dir/many.$n" || fail "one of fifty clients got no metrics"
done

# Stopped: it is stalled, and its last figures are there at once. Killed: it is gone.
kill -STOP "$pid"
until_line "^leat_process_state\{pid=\"$pid\",process=\"leat\",state=\"stalled\"\} 1$"
time_of_scrape=$(curl "${patience[@]}" -o "$dir/text" -w '%{time_total}' "$url/metrics")
awk -v t="$time_of_scrape" 'BEGIN { exit !(t < 5) }' || fail "a stopped process delays a scrape: $time_of_scrape s"
expect_line "^leat_delivered_items_total\{pid=\"$pid\","
kill -9 "$pid"
wait "$pid" 2>/dev/null
until_line "^leat_process_state\{pid=\"$pid\",process=\"leat\",state=\"gone\"\} 1$"
expect_line "^leat_delivered_items_total\{pid=\"$pid\",process=\"leat\",channel=\"[^\"]+\"\} [1-9][0-9]*$"
check_classic "$dir/text"
stopped TERM

# After the kill its file is exported by name, and by all of the user's.
file=$(ls "$own/$pid".*)
for words in "$file" "$pid" ""; do
	# shellcheck disable=SC2086
	leat export --once --format openmetrics $words
	expect_status 0
	expect_silence
	expect_line "^leat_process_state\{pid=\"$pid\",process=\"leat\",state=\"gone\"\} 1$" "$dir/out"
	cp "$dir/out" "$dir/once"
	check_open_metrics "$dir/once"
done
leat export --once "$file"
expect_status 0
cp "$dir/out" "$dir/once"
check_classic "$dir/once"
cp "$file" "$shm/copy"
rm -f "$file"
rmdir "$own" 2>/dev/null # unless others keep counters

# All of the user's, looked up at each scrape: processes come and go. Dropped once they were gone for long enough.
serve --gone 0.2
scrape
LEAT_COUNTERS=1 "$LEAT" run --quiet 'tick:1ms | null' 2>"$dir/flow.err" &
pid=$!
until_line "^leat_offered_items_total\{pid=\"$pid\",process=\"leat\",channel=\"[^\"]+\"\} [1-9]"
kill -INT "$pid"
wait "$pid"
for ((i = 0; i < 400; i++)); do
	scrape
	grep -q "pid=\"$pid\"" "$dir/text" || break
	sleep 0.05
done
grep -q "pid=\"$pid\"" "$dir/text" && { fail "a process that is gone is not dropped"; cat "$dir/text"; }
stopped INT

# Names beyond the most are summed, and counted.
LEAT_COUNTERS=$shm/named "$LEAT" run --quiet 'tick:1ms | buffer:9 | grep:1 | buffer:8 | grep:1 | buffer:7 | null' 2>"$dir/flow.err" &
pid=$!
for ((i = 0; i < 400; i++)); do
	leat export --once --names 1 "$shm/named"
	grep -q 'leat_export_folded_names{.*kind="channel"} [1-9]' "$dir/out" && break
	sleep 0.05
done
expect_status 0
expect_line 'leat_export_folded_names\{.*kind="channel"\} [1-9]' "$dir/out"
expect_line 'leat_offered_items_total\{.*channel="\(other names\)"\} ' "$dir/out"
[ "$(grep -c '^leat_offered_items_total{' "$dir/out")" -eq 2 ] || fail "$what: other than two names"

# A file that is cut off, or garbled, while it is exported.
cp "$shm/copy" "$shm/bad"
serve "$shm/bad" "$shm/named"
until_line "^leat_export_processes 2$"
truncate -s 78000 "$shm/bad"
scrape
check_classic "$dir/text"
head -c 200000 /dev/urandom >"$shm/bad"
until_line '^leat_export_read_errors_total [1-9]'
check_classic "$dir/text"
rm "$shm/bad"
scrape
expect_line "^leat_process_state\{pid=\"$pid\",process=\"leat\",state=\"running\"\} 1$"
stopped INT
kill -INT "$pid"
wait "$pid"

# The command line, and what cannot be had.
for wrong in "--listen" "--listen x" "--listen 127.0.0.1" "--listen localhost:1" "--listen 127.0.0.1:70000" "--names 0" "--names x" \
	"--gone 0" "--gone 1s" "--gone -1" "--format text" "--format classic" "--once --listen 127.0.0.1:1" "--once --gone 1" \
	"--once --describe" "--describe 1" "--nothing" "-x" "--once=yes" "--once --format json"; do
	# shellcheck disable=SC2086
	leat export $wrong
	expect_status 2
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$what: not one line: $(cat "$dir/err")"
done
leat export --listen ''
expect_status 2
for none in 4294967295 /nowhere/at/all "$dir/err"; do
	leat export --once "$none"
	expect_status 1
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$what: not one line: $(cat "$dir/err")"
done
serve "$shm/copy"
leat export --listen "${url#http://}" "$shm/copy"
expect_status 1
expect_err "Address already in use"
stopped TERM
leat export --help
expect_status 0
expect_line '^usage: leat export' "$dir/out"
cp "$dir/out" "$dir/help"
leat help export
cmp -s "$dir/out" "$dir/help" || fail "leat help export is another text than --help"
"$LEAT" export --once "$shm/copy" >/dev/full 2>"$dir/err" && fail "leat export --once into a full device: no error"
expect_err "leat: stdout: No space left on device"
finish
