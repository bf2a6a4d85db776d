# examples/flow_feed.c with a day of the market. The file is no part of the project: LEAT_TEST_DATA
# names the folder that has it.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/flow_lib.sh"

command -v perl >/dev/null || { echo "skipped: there is no perl"; exit 77; }
feed=${LEAT_TEST_DATA:-/nowhere}/ex20101224.TEST_ITCH_50
[ -r "$feed" ] || {
	echo "skipped: LEAT_TEST_DATA names no folder with ex20101224.TEST_ITCH_50"
	exit 77
}
perl "$here/itch.pl" symbols <"$feed" >"$dir/want"
run feed "$feed"
printed "$dir/want"
[ "$(tail -n 1 "$dir/out")" = "12012 messages, 735930 shares traded in 3 symbols" ] ||
	fail "$what: $(tail -n 1 "$dir/out")"
finish
