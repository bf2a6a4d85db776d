#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A real Prometheus (package prometheus) scrapes leat export, which exports a flow, and answers queries: the rate of the flow, the
# state of its process, and, after the process was killed, the alert for that. LEAT names the program (build/release/bin/leat).
# Exits with 77 where there is no Prometheus.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
LEAT=${LEAT:-$root/build/release/bin/leat}

for program in prometheus promtool curl python3; do
	command -v $program >/dev/null || { echo "skipped: there is no $program"; exit 77; }
done
[ "$(stat -f -c %T /dev/shm)" = tmpfs ] || { echo "skipped: /dev/shm is no tmpfs"; exit 77; }
dir=$(mktemp -d) || exit 1
shm=$(mktemp -d /dev/shm/leat-test-XXXXXX) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir" "$shm"' EXIT

fail() {
	echo "FAIL: $*"
	tail -n 20 "$dir"/*.err
	exit 1
}

# until_true COMMAND...: for a minute.
until_true() {
	local i

	for ((i = 0; i < 600; i++)); do
		"$@" && return
		sleep 0.1
	done
	fail "not so after a minute: $*"
}

# A flow of 200 items a second.
LEAT_COUNTERS=$shm/flow "$LEAT" run --quiet 'tick:1ms | buffer:50 | rate:200/s | null' 2>"$dir/flow.err" &
flow=$!
until_true "$LEAT" export --once "$shm/flow" >"$dir/once" 2>"$dir/once.err"
"$LEAT" export --listen 127.0.0.1:0 "$shm/flow" 2>"$dir/export.err" &
until_true grep -qs '^leat: exporting at' "$dir/export.err"
target=$(sed -n 's|^leat: exporting at http://\(.*\)/metrics$|\1|p' "$dir/export.err")

cat >"$dir/prometheus.yml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$root/share/leat/alerts.yml" ]
scrape_configs:
  - job_name: leat
    static_configs: [ { targets: [ "$target" ] } ]
END
promtool check config "$dir/prometheus.yml" >"$dir/check.err" 2>&1 || fail "promtool check config"
# A port that is free now.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --web.listen-address="127.0.0.1:$port" \
	--log.level=warn 2>"$dir/prometheus.err" >&2 &
api=http://127.0.0.1:$port
until_true curl -sf --noproxy '*' -o "$dir/ready" "$api/-/ready"

# is QUERY CONDITION: the query has a result, and the condition holds for each value (v) in it.
is() {
	curl -sf --noproxy '*' --data-urlencode "query=$1" "$api/api/v1/query" | python3 -c '
import json, sys
result = json.load(sys.stdin)["data"]["result"]
values = [float(r["value"][1]) for r in result]
sys.exit(not values or not all(eval(sys.argv[1], {"v": v}) for v in values))' "$2"
}
until_true is 'up{job="leat"}' 'v == 1'
until_true is "leat_process_state{pid=\"$flow\",state=\"running\"}" 'v == 1'
until_true is 'max(rate(leat_delivered_items_total[10s]))' '150 < v < 250'
until_true is 'sum by (pid) (rate(leat_generator_seconds_total[10s])) / on (pid) sum by (pid) (leat_generators_running)' '0.8 < v < 1.2'
is 'count({__name__=~"leat_.*_total", job="leat"})' 'v > 30' || fail "totals are too few"
is 'count(up{job="leat"} == 0) or vector(0)' 'v == 0' || fail "a scrape failed"
# It takes OpenMetrics, and has the metadata: unit and type.
curl -sf --noproxy '*' "$api/api/v1/metadata?metric=leat_send_blocked_seconds_total" >"$dir/metadata"
curl -sf --noproxy '*' "$api/api/v1/targets/metadata?metric=leat_send_blocked_seconds" >>"$dir/metadata"
grep -q '"unit":"seconds"' "$dir/metadata" || fail "the scrape was no OpenMetrics: $(cat "$dir/metadata")"

kill -9 "$flow"
wait "$flow" 2>/dev/null
until_true is "leat_process_state{pid=\"$flow\",state=\"gone\"}" 'v == 1'
until_true is "ALERTS{alertname=\"LeatProcessGone\",alertstate=\"firing\",pid=\"$flow\"}" 'v == 1'
is "count(ALERTS{alertname=~\"LeatExporter.*\",alertstate=\"firing\"}) or vector(0)" 'v == 0' || fail "an alert on the exporter"
[ ! -s "$dir/prometheus.err" ] || fail "Prometheus has a word to say"
echo "passed: Prometheus $(prometheus --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p') scrapes leat export"
