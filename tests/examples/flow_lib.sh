# What the tests of examples/flow_*.c share. FLOWS is the folder that has the programs. What flow_log
# prints is compared with what awk counts, by fields, in count_log().
# SPDX-License-Identifier: BSD-2-Clause

set -u
: "${FLOWS:?names the folder of the examples}"
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# run NAME [ARGUMENT]...: what it prints is in out and err.
run()
{
	what="flow_$*"
	# Words, all of them.
	# shellcheck disable=SC2086
	${EMULATOR:-} "$FLOWS/example_flow_$1" "${@:2}" >"$dir/out" 2>"$dir/err"
	status=$?
}

# printed FILE: the program ended well, and printed what is in the file.
printed()
{
	[ $status -eq 0 ] || fail "$what: exit status $status: $(cat "$dir/err")"
	diff "$1" "$dir/out" || fail "$what printed something else"
}

# count_log TOP: what flow_log prints of the log on standard input. A line is a request if it has
# nine fields or more, of which the sixth and eighth have the request's quotes.
count_log()
{
	awk '
	NF < 10 || $4 !~ /^\[/ || $6 !~ /^"/ || $8 !~ /"$/ { left++; next }
	{
		requests++
		status[$9]++
		bytes[$9] += $10
		client[$1]++
		minute[substr($4, 2, 17)]++
	}
	END {
		printf "1 0 0 %d requests, %d lines left out\n", requests, left
		for (s in status)
			printf "2 0 %s status %s: %d requests, %.0f bytes\n", s, s, status[s], bytes[s]
		for (c in client) {
			clients++
			printf "4 %d %s client %s: %d\n", client[c], c, c, client[c]
		}
		for (m in minute) {
			minutes++
			printf "6 %d %s minute %s: %d\n", minute[m], m, m, minute[m]
		}
		printf "3 0 0 %d clients\n5 0 0 %d minutes\n", clients, minutes
	}' | sort -k1,1n -k2,2nr -k3,3 | awk -v top="$1" '
	{ seen[$1]++; group = $1; sub(/^[^ ]* [^ ]* [^ ]* /, "") }
	(group != 4 && group != 6) || seen[group] <= top'
}

# check_log FILE TOP: flow_log and awk count the same.
check_log()
{
	run log "$1" "$2"
	count_log "$2" <"$1" >"$dir/counted"
	printed "$dir/counted"
}

# The last line of every test.
finish()
{
	[ "$failures" -eq 0 ] && echo "passed"
	exit $((failures != 0))
}
