# examples/flow_log.c with the log of a server. The file is no part of the project: LEAT_TEST_DATA
# names the folder that has it.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/flow_lib.sh"

log=${LEAT_TEST_DATA:-/nowhere}/apache_logs
[ -r "$log" ] || {
	echo "skipped: LEAT_TEST_DATA names no folder with apache_logs"
	exit 77
}
check_log "$log" 10
[ "$(head -n 1 "$dir/out")" = "$(wc -l <"$log") requests, 0 lines left out" ] ||
	fail "$what: $(head -n 1 "$dir/out")"
check_log "$log" 100000
finish
