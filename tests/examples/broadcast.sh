# examples/broadcast.c with a feed that is made up, and with feeds that are none.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/broadcast_lib.sh"

feed=$dir/feed
"$here/itch.pl" make 3000 >"$feed" || exit 1
check_policies

# refused TEXT: the program fails, says so, and reports nothing.
refused()
{
	[ $status -eq 1 ] && [ ! -s "$dir/out" ] && grep -qF -- "$1" "$dir/err" ||
		fail "$what: exit status $status"
}

head -c 50000 "$feed" >"$dir/short" # in the middle of a message
run "$dir/short" "$dir/log"
refused "the feed is no ITCH, or cut short"
{ cat "$feed"; printf '\0\0?'; } >"$dir/strange"
run "$dir/strange" "$dir/log" book skip
refused "the feed is no ITCH, or cut short"
if [ -c /dev/full ]; then
	run "$feed" /dev/full
	refused "the log cannot be written"
fi
run "$dir/none" "$dir/log"
refused "none: No such file"
run "$feed" "$dir/log" book later
[ $status -eq 2 ] || fail "$what: exit status $status"

: >"$dir/empty"
run "$dir/empty" "$dir/log" risk evict
said "risk: 0 messages, 0 missed; 0 shares traded in 0 symbols; at most [$]0 in open orders"
finish
