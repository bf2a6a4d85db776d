#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the build into a folder, moves that away, and builds against what was moved, outside the tree: C11 and C++17,
# shared and static, through find_package and through pkg-config. CC and CXX name the compilers.
set -eu
. "$(dirname "$0")/lib.sh"
build=$1
prefix=$work/moved

option() { # NAME: its value in the build
	sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

cmake --install "$build" --prefix "$work/prefix" >/dev/null
mv "$work/prefix" "$prefix"
for file in include/leat/leat.h include/leat/version.h include/leat/ring/spsc.h include/leat/flow.h; do
	[ -f "$prefix/$file" ] || fail "not installed: $file"
done
[ ! -e "$prefix/include/leat/version.h.in" ] || fail "installed: version.h.in"
libdir=$(find "$prefix" -name libleat.a -printf '%h')
export PKG_CONFIG_PATH=$libdir/pkgconfig
ways=(static)
[ ! -e "$libdir/libleat.so" ] || ways+=(shared)

cp "$here/CMakeLists.txt" "$here/main.c" "$here/main.cc" "$here/flow.c" "$here/export.c" "$source/examples/testing.c" "$work"
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/build" --parallel 2 >/dev/null
for program in c_shared c_static cxx_shared cxx_static testing flow_shared flow_static; do
	"$work/build/$program" || fail "find_package: $program fails"
	echo "find_package: $program works"
done

if [ -e "$libdir/libleat-export.a" ]; then
	for program in export_shared export_static; do
		"$work/build/$program" || fail "find_package: $program fails"
		echo "find_package: $program works"
	done
	! ldd "$work/build/export_static" | grep -q libleat || fail "find_package: export_static is not"
	# shellcheck disable=SC2046
	"${CC:-cc}" -std=c11 -Wall -Wextra -pedantic -Werror "$work/export.c" -o "$work/export" $(pkg-config --cflags --libs leat-export)
	LD_LIBRARY_PATH=$libdir "$work/export" || fail "pkg-config: export fails"
else
	[ ! -e "$libdir/pkgconfig/leat-export.pc" ] || fail "installed without libleat-export: leat-export.pc"
fi
for file in alerts.yml alerts_test.yml grafana.json; do
	[ -f "$prefix/share/leat/$file" ] || fail "not installed: share/leat/$file"
done

! ldd "$work/build/flow_static" | grep -q libleat || fail "find_package: flow_static is not"

# pkg-config's words, all of them; ${!way} is one of the two.
strict=(-Wall -Wextra -pedantic -Werror)
# shellcheck disable=SC2034
shared=$(pkg-config --cflags --libs leat)
static=$(pkg-config --static --cflags --libs leat)
static="${static/ -lleat / -l:libleat.a }"
for way in "${ways[@]}"; do
	# shellcheck disable=SC2086
	"${CC:-cc}" -std=c11 "${strict[@]}" "$work/main.c" -o "$work/c_$way" ${!way}
	# shellcheck disable=SC2086
	"${CXX:-c++}" -std=c++17 "${strict[@]}" "$work/main.cc" -o "$work/cxx_$way" ${!way}
	for program in "c_$way" "cxx_$way"; do
		LD_LIBRARY_PATH=$libdir "$work/$program" || fail "pkg-config: $program fails"
	done
done
! ldd "$work/c_static" | grep -q libleat || fail "pkg-config: static is not"
# Without any shared library, where liburcu's archives are there.
# shellcheck disable=SC2046
"${CC:-cc}" -static "$work/main.c" -o "$work/c_all_static" $(pkg-config --static --cflags --libs leat)
"$work/c_all_static" || fail "pkg-config: -static fails"
# shellcheck disable=SC2046
"${CC:-cc}" -std=c11 "${strict[@]}" "$work/testing.c" -o "$work/testing" $(pkg-config --cflags --libs leat-test)
"$work/testing" || fail "pkg-config: leat-test fails"
! ldd "$work/testing" | grep -q libleat || fail "pkg-config: leat-test links libleat, too"
# libleat-flow brings libleat.
# shellcheck disable=SC2034
shared=$(pkg-config --cflags --libs leat-flow)
static=$(pkg-config --static --cflags --libs leat-flow)
static="${static/ -lleat-flow / -l:libleat-flow.a }"
static="${static/ -lleat / -l:libleat.a }"
for way in "${ways[@]}"; do
	# shellcheck disable=SC2086
	"${CC:-cc}" -std=c11 "${strict[@]}" "$work/flow.c" -o "$work/flow_$way" ${!way}
	LD_LIBRARY_PATH=$libdir "$work/flow_$way" || fail "pkg-config: flow_$way fails"
done
! ldd "$work/flow_static" | grep -q libleat || fail "pkg-config: flow_static is not"
# shellcheck disable=SC2046
"${CC:-cc}" -static "$work/flow.c" -o "$work/flow_all_static" $(pkg-config --static --cflags --libs leat-flow)
"$work/flow_all_static" || fail "pkg-config: leat-flow -static fails"
echo "pkg-config: ${ways[*]}, -static, leat-test and leat-flow work"

# Only what the headers promise.
if [ -e "$libdir/libleat.so" ]; then
	minor=$(sed -n 's/#define LEAT_VERSION "\([0-9]*\.[0-9]*\)\..*/\1/p' "$prefix/include/leat/version.h")
	for library in libleat.so libleat-flow.so; do
		soname=$(readelf -d "$libdir/$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
		[ "$soname" = "$library.$minor" ] || fail "soname: $soname, of version $minor"
		nm -D --defined-only "$libdir/$library" | sed -n 's/^[0-9a-f]* [TDBRVW] \([^@]*\).*/\1/p' | while read -r name; do
			grep -rqw -- "$name" "$prefix/include/leat" || fail "exported, and in no header: $name"
		done
	done
fi
if [ -x "$prefix/bin/leat" ]; then
	[ "$("$prefix/bin/leat" run --quiet 'count:10 | count')" = 10 ] || fail "bin/leat counts wrongly"
	echo "bin/leat: works"
fi

# leat-bench is for any machine. It stands on no peer's library unless peers were asked for.
bench=$prefix/bin/leat-bench
if [ "$(option LEAT_NATIVE)" = ON ]; then
	[ ! -e "$bench" ] || fail "installed, and for this machine alone: leat-bench"
elif [ -x "$bench" ]; then
	newer='\s(v[a-z0-9]+\s.*%[xyz]mm|(shlx|shrx|sarx|rorx|mulx)\s)' # than the first x86-64
	if [ "$(uname -m)" = x86_64 ] && objdump -d "$bench" | grep -m 3 -E "$newer"; then
		fail "leat-bench is not for any machine"
	fi
	"$bench" --list >/dev/null || fail "leat-bench --list fails"
	if [ "$(option LEAT_BENCH_PEERS)" = OFF ]; then
		[ ! -e "$prefix/bin/leat-bench-go" ] || fail "installed, and not asked for: leat-bench-go"
		! readelf -d "$bench" | grep -E 'NEEDED.*\[lib(stdc\+\+|tbb|rte_|urcu-cds)' || fail "leat-bench needs a peer's library"
	fi
	echo "bin/leat-bench: for any machine"
fi
