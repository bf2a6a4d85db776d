#!/usr/bin/env bash
# Compiles every installed header by itself, and the programs uses.c and uses.cc, in each mode of C and C++ with gcc and clang,
# with warnings as errors. A compiler that is missing is left out and named; without any, the test is skipped.
# SPDX-License-Identifier: BSD-2-Clause
#
# With LEAT_TESTS_SHORT=ON the modes are the oldest and the newest, and each header is compiled by itself in the oldest alone,
# with one compiler.
# run.sh BUILD_INCLUDE [SYSTEM_INCLUDE]...: where version.h was generated, and where Concurrency Kit is, if not in the default path.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
strict=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror)
includes=(-I "$root/include" -I "$1")
for dir in "${@:2}"; do includes+=(-isystem "$dir"); done

# compile COMPILER MODE WHAT [OPTION]...: WHAT is a header, or a program of this folder. Says what was wrong.
compile() {
	local compiler=$1 mode=$2 what=$3 source=$here/$3 options=("${strict[@]}" "${includes[@]}" "${@:4}") log

	case $what in
	*.h) source=- options+=(-fsyntax-only) ;;
	*) options+=(-O2 -c -o /dev/null) ;;
	esac
	case $mode in
	*++*) options+=(-x c++) ;;
	*) options+=(-x c) ;;
	esac
	# Included twice, to see the guard; and ISO C wants at least one declaration.
	log=$(printf '#include <%s>\n#include <%s>\nextern int declared;\n' "$what" "$what" |
		"$compiler" -std="$mode" "${options[@]}" "$source" 2>&1) && return
	printf 'FAIL: %s -std=%s %s: %s\n%s\n' "$compiler" "$mode" "${*:4}" "$what" "$log"
	return 1
}

# Called by xargs below, with one line of compilations().
if [ -n "${LEAT_HEADERS_COMPILE:-}" ]; then
	read -r -a words <<<"$LEAT_HEADERS_COMPILE"
	compile "${words[@]}"
	exit
fi

# compilations PROGRAM "COMPILER..." "MODE...": headers in the strict modes, the program in those with GNU extensions too, and
# with the compiler's atomics in place of Concurrency Kit's.
compilations() {
	local compiler mode header alone=yes

	for compiler in $2; do
		for mode in $3; do
			[ "$alone" = no ] || for header in $headers; do echo "$compiler $mode $header"; done
			[ "${LEAT_TESTS_SHORT:-OFF}" = OFF ] || alone=no
			echo "$compiler $mode $1"
			echo "$compiler ${mode/c/gnu} $1"
		done
		echo "$compiler $mode $1 -DLEAT_ATOMIC_BUILTIN"
		echo "$compiler $mode $1 -fsanitize=thread"
	done
}

first() { # COMMAND...: the first that there is
	local command

	for command in "$@"; do
		command -v "$command" >/dev/null || continue
		printf '%s ' "$command"
		return
	done
	echo "$1 is missing: left out" >&2
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
headers=$(cd "$root/include" && find leat -name '*.h' | sort; echo leat/version.h)
c_compilers=$(first gcc; first clang-14 clang)
cxx_compilers=$(first g++; first clang++-14 clang++)
[ -n "$c_compilers$cxx_compilers" ] || exit 77
modes='c11 c17 c2x' cxx_modes='c++17 c++20 c++2b'
[ "${LEAT_TESTS_SHORT:-OFF}" = OFF ] || modes='c11 c2x' cxx_modes='c++17 c++2b'
compilations uses.c "$c_compilers" "$modes" >"$work/compilations"
compilations uses.cc "$cxx_compilers" "$cxx_modes" >>"$work/compilations"
xargs -P 2 -I{} env LEAT_HEADERS_COMPILE={} bash "$here/run.sh" "$@" <"$work/compilations" >"$work/failures"
status=$?
cat "$work/failures"
printf '%d compilations, %d failed\n' "$(wc -l <"$work/compilations")" "$(grep -c '^FAIL' "$work/failures")"
exit $((status != 0))
