# What the tests of examples/broadcast.c share. BROADCAST is the program; feed, which the test sets,
# is a file of ITCH. What the program says is compared with what itch.pl counts, which shares no
# line with it.
# SPDX-License-Identifier: BSD-2-Clause

set -u
: "${BROADCAST:?names the program}"
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
command -v perl >/dev/null || { echo "skipped: there is no perl"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail()
{
	echo "FAIL: $*"
	cat "$dir/out" "$dir/err"
	failures=$((failures + 1))
}

run()
{
	what="broadcast $*"
	# Words, all of them.
	# shellcheck disable=SC2086
	${EMULATOR:-} "$BROADCAST" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
}

# said PATTERN: the program printed such a line, from its begin to its end.
said()
{
	grep -qxE -- "$1" "$dir/out" || fail "$what: no line \"$1\""
}

# saw_all NAME: this subscriber saw every message, and took from each what there is to take.
saw_all()
{
	local line="$1: $messages messages, 0 missed; $shares shares traded in $symbols symbols"

	case $1 in
	book) said "$line; $open orders open" ;;
	risk) said "$line; at most [$]$most in open orders" ;;
	log)
		said "$line; $bytes bytes"
		[ "$(wc -l <"$dir/log")" -eq "$messages" ] ||
			fail "$what: the log has lines too few or many"
		;;
	esac
}

# How many messages the line of this subscriber says were seen, and how many missed.
seen_and_missed()
{
	sed -n "s/^$1: \([0-9]*\) messages, \([0-9]*\) missed; .*/\1 \2/p" "$dir/out"
}

missed_some()
{
	local seen missed

	read -r seen missed < <(seen_and_missed "$1")
	[ "$seen" -gt 0 ] && [ "$missed" -gt 0 ] && [ $((seen + missed)) -eq "$messages" ] ||
		fail "$what: $1 saw $seen and missed $missed of $messages"
	! grep -q abandoned "$dir/out" || fail "$what: it was put out"
}

was_put_out()
{
	local seen missed

	read -r seen missed < <(seen_and_missed "$1")
	# None, if its thread was not run in time for the first one.
	[ "$seen" -lt "$messages" ] && [ "$missed" -eq 0 ] ||
		fail "$what: $1 saw $seen and missed $missed of $messages"
	said "$1: .*; abandoned: evicted: a whole ring behind its senders"
}

# Nobody is slow, then each of the three under each policy.
check_policies()
{
	local slow lag name

	read -r messages bytes shares symbols open most < <("$here/itch.pl" count <"$feed")
	[ "$messages" -gt 1000 ] || fail "$feed has $messages messages: too few to lap the ring"
	run "$feed" "$dir/log"
	for name in book risk log; do
		saw_all $name
	done
	for slow in book risk log; do
		for lag in wait skip evict; do
			run "$feed" "$dir/log" $slow $lag
			[ $status -eq 0 ] || fail "$what: exit status $status"
			for name in book risk log; do
				case $name-$lag in
				"$slow-skip") missed_some $name ;;
				"$slow-evict") was_put_out $name ;;
				*) saw_all $name ;;
				esac
			done
		done
	done
}

# The last line of every test.
finish()
{
	[ "$failures" -eq 0 ] && echo "passed"
	exit $((failures != 0))
}
