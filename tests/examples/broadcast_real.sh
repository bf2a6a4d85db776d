# examples/broadcast.c with a day of the market. The file is no part of the project: LEAT_TEST_DATA
# names the folder that has it.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/broadcast_lib.sh"

feed=${LEAT_TEST_DATA:-/nowhere}/ex20101224.TEST_ITCH_50
[ -r "$feed" ] || {
	echo "skipped: LEAT_TEST_DATA names no folder with ex20101224.TEST_ITCH_50"
	exit 77
}
check_policies
[ "$messages $symbols" = "12012 3" ] || fail "$messages messages, $symbols symbols: another file"
finish
