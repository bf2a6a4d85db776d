# Every script of tools/, perf/record, and perf/lines where there is a python3: --help explains it;
# an option that it does not have, and an option without its value, are refused with one line that
# names them and exit status 2, before anything is built or installed.
# SPDX-License-Identifier: BSD-2-Clause

. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1

# A script that does not refuse what it is given meets a failure soon, and neither a build nor an installation.
mkdir "$dir/bin"
for name in cmake ctest apt-get sudo valgrind cc gcc clang-14; do
	printf '#!/bin/sh\necho "$0 $*" >>%s/started\nexit 99\n' "$dir" >"$dir/bin/$name"
	chmod +x "$dir/bin/$name"
done

# script ARGS...: its output in $dir/out and $dir/err, its exit status in $status.
script()
{
	: >"$dir/started"
	PATH=$dir/bin:$PATH "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	what="$*"
	[ ! -s "$dir/started" ] || fail "$what: started $(head -n 1 "$dir/started")"
}

# refused TEXT ARGS...: standard error is one line, which holds TEXT.
refused()
{
	text=$1
	shift
	script "$@"
	expect_status 2
	expect_err "$text"
	expect_out ''
	[ "$(wc -l <"$dir/err")" -eq 1 ] || { fail "$what: not one line:"; cat "$dir/err"; }
}

own='perf/record'
! python3 -c '' 2>/dev/null || own="$own perf/lines"

scripts=0
for file in tools/* $own; do
	[ -f "$file" ] && [ -x "$file" ] || continue
	scripts=$((scripts + 1))
	script "$file" --help
	expect_status 0
	expect_silence
	grep -q "^usage: $file" "$dir/out" || fail "$what: does not begin with its usage"
	refused '"--nope"' "$file" --nope
done
[ "$scripts" -ge 8 ] || fail "found $scripts scripts"

# The options that take a value are found in the first lines of the usage, as "[--option VALUE]".
values=0
for file in tools/* $own; do
	[ -f "$file" ] && [ -x "$file" ] || continue
	for option in $("$file" --help | sed -n '/^usage:/,/^$/p' | grep -oE -- '--[a-z-]+ [A-Z]+' | cut -d ' ' -f 1 | sort -u); do
		values=$((values + 1))
		refused "$option" "$file" "$option"
	done
done
[ "$values" -ge 5 ] || fail "found $values options with values"

refused '"nothing"' tools/check nothing
refused '"asan"' tools/check --long asan
refused '--long' tools/check --seconds 5
refused '"0"' tools/check --long --seconds 0
refused '"many"' tools/fuzz --jobs many
refused '"nothing"' tools/fuzz nothing
refused '"nothing"' tools/valgrind nothing
refused '"a/b"' perf/record a/b
refused 'missing' perf/record
finish
