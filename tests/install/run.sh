#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the build into a folder of its own, and builds against the installed copy, outside the tree: C11 and C++17,
# shared and static, through find_package and through pkg-config. CC and CXX name the compilers.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
	echo "$*"
	exit 1
}

cmake --install "$build" --prefix "$prefix" >/dev/null
for file in include/leat/leat.h include/leat/version.h include/leat/ring/spsc.h; do
	[ -f "$prefix/$file" ] || fail "not installed: $file"
done
[ ! -e "$prefix/include/leat/version.h.in" ] || fail "installed: version.h.in"
libdir=$(find "$prefix" -name libleat.a -printf '%h')

cp "$here/CMakeLists.txt" "$here/main.c" "$here/main.cc" "$work"
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/build" >/dev/null
for program in c_shared c_static cxx_shared cxx_static; do
	"$work/build/$program" || fail "find_package: $program fails"
	echo "find_package: $program works"
done

export PKG_CONFIG_PATH=$libdir/pkgconfig
strict=(-Wall -Wextra -pedantic -Werror)
shared=$(pkg-config --cflags --libs leat)
static="$(pkg-config --cflags leat) $libdir/libleat.a $(pkg-config --static --libs-only-l --libs-only-other leat)"
static=${static/ -lleat / }
for way in shared static; do
	# Words, all of them.
	# shellcheck disable=SC2086
	"${CC:-cc}" -std=c11 "${strict[@]}" "$work/main.c" -o "$work/c_$way" ${!way}
	# shellcheck disable=SC2086
	"${CXX:-c++}" -std=c++17 "${strict[@]}" "$work/main.cc" -o "$work/cxx_$way" ${!way}
done
LD_LIBRARY_PATH=$libdir "$work/c_shared"
LD_LIBRARY_PATH=$libdir "$work/cxx_shared"
"$work/c_static"
"$work/cxx_static"
! ldd "$work/c_static" | grep -q libleat || fail "pkg-config: static is not"
echo "pkg-config: shared and static work"

# Only what the headers promise.
soname=$(readelf -d "$libdir/libleat.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libleat.so.0 ] || fail "soname: $soname"
nm -D --defined-only "$libdir/libleat.so" | sed -n 's/^[0-9a-f]* [TDBRVW] \([^@]*\).*/\1/p' | while read -r name; do
	grep -rqw -- "$name" "$prefix/include/leat" || fail "exported, and in no header: $name"
done
if [ -x "$prefix/bin/leat" ]; then
	[ "$("$prefix/bin/leat" run --quiet 'count:10 | count')" = 10 ] || fail "bin/leat counts wrongly"
	echo "bin/leat: works"
fi
