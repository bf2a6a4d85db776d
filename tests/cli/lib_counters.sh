# What the tests of processes seen from outside share: a folder on tmpfs, flows that keep counters there, the program's words.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

[ "$(stat -f -c %T /dev/shm)" = tmpfs ] || { echo "skipped: /dev/shm is no tmpfs"; exit 77; }
shm=$(mktemp -d /dev/shm/leat-test-XXXXXX) || exit 1
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$dir" "$shm"' EXIT
unset LEAT_COUNTERS

# leat ARGS...: the program; as run does.
leat()
{
	"$LEAT" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	what="leat $*"
	sanitizer "$dir/err"
}

expect_line()
{
	grep -qE -- "$1" "$dir/out" || { fail "$what: no line like $1:"; cat "$dir/out" "$dir/err"; }
}

# counted COUNTERS FLOW: runs a flow in the background with these counters; $file is their file, once it has figures.
counted()
{
	LEAT_COUNTERS=$1 "$LEAT" run --quiet "$2" >"$dir/flow.out" 2>"$dir/flow.err" &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		file=$(ls -d "$shm/$pid".* 2>/dev/null || ls -d "$shm/named" 2>/dev/null)
		[ -n "$file" ] && "$LEAT" stat --json -i 0.001 -c 1 "$file" 2>/dev/null | grep -q '"delivered_items":[1-9]' && return
		sleep 0.05
	done
	fail "leat run '$2' with LEAT_COUNTERS=$1 keeps no figures"
	cat "$dir/flow.err"
}

killed()
{
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
}
