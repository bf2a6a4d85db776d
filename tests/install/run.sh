#!/usr/bin/env bash
# Installs the build into a folder of its own, and builds against the installed copy, outside the tree: C and C++17,
# through find_package (shared and static) and through pkg-config.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name leat.pc)")/..
for file in include/leat/leat.h include/leat/version.h include/leat/ring/spsc.h; do
	[ -f "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done

cp "$here/CMakeLists.txt" "$here/main.c" "$here/main.cc" "$work"
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/build" >/dev/null
for program in c_shared c_static cxx_shared cxx_static; do
	"$work/build/$program"
	echo "$program: works"
done

# The prefix in leat.pc is the configured one; this copy stands elsewhere.
pc() {
	PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" leat
}
cc -std=c11 -Wall -Wextra -pedantic -Werror $(pc --cflags) "$work/main.c" -o "$work/c_pc" $(pc --libs)
LD_LIBRARY_PATH=$libdir "$work/c_pc"
c++ -std=c++17 -Wall -Wextra -pedantic -Werror $(pc --cflags) "$work/main.cc" -o "$work/cxx_pc" $(pc --libs)
LD_LIBRARY_PATH=$libdir "$work/cxx_pc"
echo "pkg-config: works"

exported=$(nm -D --defined-only "$libdir/libleat.so" | awk '$2 ~ /[A-Z]/ && $3 !~ /^(leat_|LEAT_)/ { print $3 }')
[ -z "$exported" ] || { echo "exported without the prefix: $exported"; exit 1; }
if [ -x "$prefix/bin/leat" ]; then
	[ "$("$prefix/bin/leat" run --quiet 'count:10 | count')" = 10 ]
	echo "bin/leat: works"
fi
