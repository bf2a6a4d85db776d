# Each wrong text of wrong.txt gets exactly the message that stands there: what is wrong, where, and what would be right.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"
corpus=$(dirname "$0")/wrong.txt
[ "${LEAT_SANITIZE:-}" != thread ] || { echo "skipped: a text is read by one thread, in which ThreadSanitizer finds nothing"; exit 77; }

# The transcript that is wanted: without comments, and with the lists in their places.
awk '/^#/ || /^$/ { next }
	/^@/ { list[$1] = substr($0, length($1) + 2); next }
	match($0, /@[a-z]+$/) && substr($0, RSTART) in list { $0 = substr($0, 1, RSTART - 1) list[substr($0, RSTART)] }
	{ print }' "$corpus" >"$dir/wanted"

# The same commands, run.
grep '^\$ leat ' "$dir/wanted" >"$dir/commands"
while IFS= read -r command; do
	echo "$command"
	eval "set -- ${command#\$ leat }"
	what="leat $*"
	"$LEAT" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	sanitizer "$dir/err" >&3
	sed 's/ *$//; /^$/d' "$dir/err"
	sed 's/^/(standard output) /' "$dir/out"
	[ "$status" -eq 2 ] || echo "(exit status $status)"
done <"$dir/commands" 3>&1 >"$dir/got"
diff -u "$dir/wanted" "$dir/got" || fail "other messages than those of wrong.txt (-)"

# Of each rule and stage there is a text, and of a stage that is new one is wanted.
commands=$(wc -l <"$dir/commands")
[ "$commands" -ge 300 ] || fail "only $commands texts"
for name in workers ordered $(sed -nE 's/^@(sources|steps|sinks) //p' "$corpus" | sed -E 's/\[[^]]*\]//g; s/, ?/\n/g' | grep -oE '^[a-z]+' | sort -u); do
	[ "$(grep -cE "[| ']$name[: ']" "$dir/commands")" -ge 2 ] || fail "no texts with $name"
done
finish
