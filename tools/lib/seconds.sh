# SPDX-License-Identifier: BSD-2-Clause
# Sourced by tools/check: how many seconds each part of the check took, beside its budget in tests/budgets.txt.
#
#     part_begins                  before a part
#     part_ended "release build"   after it: its seconds of wall-clock time, and whether the machine was idle meanwhile
#     part_took "release unit" 27  a part of a part, measured by another program
#     table_of_seconds             prints the table; returns 1 if a budget was exceeded by half on an idle machine

table_rows=() table_late=0 part_idle=1

# Prints "BUSY OWN": hundredths of a second that all processors were busy, and that this shell's children were.
processor_time() {
	local busy own

	busy=$(awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat)
	own=$(awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' /proc/$$/stat)
	echo "$busy $own"
}

part_begins() {
	part_since=$SECONDS
	read -r part_busy part_own <<<"$(processor_time)"
}

# The machine was idle if all other processes, and other machines on the same host, used less than a tenth of it.
part_ended() {
	local busy own seconds=$((SECONDS - part_since))

	read -r busy own <<<"$(processor_time)"
	part_idle=1
	if [ $(((busy - part_busy) - (own - part_own))) -gt $((seconds * $(nproc) * 10 + 100)) ]; then part_idle=0; fi
	part_took "$1" "$seconds"
}

part_took() {
	local budget words=''

	budget=$(awk -F'\t' -v part="$1" '$1 == part { print $2 }' tests/budgets.txt)
	if [ -z "$budget" ]; then
		words='no budget in tests/budgets.txt'
	elif [ "$2" -gt $((budget * 3 / 2)) ] && [ $part_idle -eq 1 ]; then
		words='OVER BY HALF' table_late=1
	elif [ "$2" -gt $((budget * 3 / 2)) ]; then
		words='over by half, but the machine was not idle'
	elif [ "$2" -gt "$budget" ]; then
		words='over'
	fi
	table_rows+=("$(printf '%-24s %8s %8s  %s' "$1" "$2" "${budget:--}" "$words")")
}

table_of_seconds() {
	printf '\n%-24s %8s %8s\n' part seconds budget
	printf '%s\n' "${table_rows[@]}" | sed 's/ *$//'
	printf '%-24s %8s\n' all "$SECONDS"
	return $table_late
}
