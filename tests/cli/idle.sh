# Threads that wait use no CPU: at most 10 ms over five seconds beyond the same command run for none.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

[ -z "${LEAT_SANITIZE:-}" ] || { echo "skipped: sanitizers run threads of their own"; exit 77; }

# cpu_ms FOR WAIT FLOW: user and system time of a run, in milliseconds.
cpu_ms()
{
	local TIMEFORMAT='%3U %3S' times

	times=$({ time "$LEAT" run --quiet --for "$1" --wait "$2" "$3" >"$dir/out" 2>&1; } 2>&1)
	awk '{ printf "%d", ($1 + $2) * 1000 + 0.5 }' <<<"$times"
}

: >"$dir/in"
for wait in adaptive park; do
	for flow in "follow:$dir/in | workers:32 field:1 | null" "follow:$dir/in | workers:16 grep:x | workers:16 field:1 | tally"; do
		extra=1000
		for _ in 1 2 3; do
			none=$(cpu_ms 1ms "$wait" "$flow")
			five=$(cpu_ms 5s "$wait" "$flow")
			[ $((five - none)) -lt "$extra" ] && extra=$((five - none))
			[ "$extra" -le 10 ] && break
		done
		echo "$wait, $flow: $extra ms"
		[ "$extra" -le 10 ] || fail "$wait, $flow: $extra ms of CPU in five idle seconds"
	done
done
finish
