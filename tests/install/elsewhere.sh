#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Concurrency Kit and liburcu in folders that only pkg-config knows: each command that compiles something of leat has
# their folders, and so has a program outside that links what is installed. CC names the compiler.
set -eu
. "$(dirname "$0")/lib.sh"
build=$1

# elsewhere FOLDER PACKAGE...: its .pc files with other paths, and beside them links to its libraries
elsewhere() {
	local folder=$work/$1 package from
	shift

	mkdir -p "$folder/include" "$folder/lib/pkgconfig"
	for package in "$@"; do
		from=$(pkg-config --variable=libdir "$package")
		ln -sf "$from"/lib{ck,urcu}*.{so,a} "$folder/lib/" 2>/dev/null || true
		sed -e "s|^libdir=.*|libdir=$folder/lib|" -e "s|^includedir=.*|includedir=$folder/include|" \
			"$(pkg-config --variable=pcfiledir "$package")/$package.pc" >"$folder/lib/pkgconfig/$package.pc"
	done
}
# shellcheck disable=SC2046
ck_pr=$(echo '#include <ck_pr.h>' | "${CC:-cc}" $(pkg-config --cflags ck) -E - |
	sed -n 's/^# .*"\(.*\/ck_pr\.h\)".*/\1/p' | head -n 1)
elsewhere ck ck
ln -s "$(dirname "$ck_pr")"/{ck_*,gcc} "$work/ck/include/"
elsewhere urcu liburcu-bp liburcu-cds
export PKG_CONFIG_PATH=$work/ck/lib/pkgconfig:$work/urcu/lib/pkgconfig

# without FOLDER COMMANDS: the commands that do not name it
without() {
	sed -n 's/^ *"command": //p' "$2" | grep -v -- "-isystem $work/$1/include" || true
}
cmake -S "$source" -B "$work/build" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DLEAT_BENCH_PEERS=ON >"$work/log" 2>&1 ||
	{ cat "$work/log"; fail "cannot be configured"; }
commands=$work/build/compile_commands.json
[ "$(grep -c '"command":' "$commands")" -ge 100 ] || fail "too few commands; is Criterion there?"
# The host of a plugin includes nothing of leat; examples and plugin include public headers alone.
missing=$(without ck "$commands" | grep -v 'unload/host\.c' || true)
[ -z "$missing" ] || fail "these would not find Concurrency Kit: $missing"
missing=$(without urcu "$commands" | grep -vE 'unload/|/examples/' || true)
[ -z "$missing" ] || fail "these would not find liburcu: $missing"

cmake --install "$build" --prefix "$work/prefix" >/dev/null
mkdir "$work/outside"
cp "$here/CMakeLists.txt" "$here/main.c" "$here/main.cc" "$here/flow.c" "$here/export.c" "$source/examples/testing.c" "$work/outside"
cmake -S "$work/outside" -B "$work/outside/build" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_PREFIX_PATH="$work/prefix" \
	>/dev/null
missing=$(without ck "$work/outside/build/compile_commands.json")
[ -z "$missing" ] || fail "find_package: these would not find Concurrency Kit: $missing"
cmake --build "$work/outside/build" --target c_static --verbose >"$work/log"
grep -q "$work/urcu/lib/liburcu-bp\." "$work/log" || { cat "$work/log"; fail "find_package: it was linked with another liburcu"; }
"$work/outside/build/c_static" || fail "find_package: c_static fails"
cmake --build "$work/outside/build" --target testing >/dev/null
"$work/outside/build/testing" || fail "find_package: testing fails"
echo "dependencies elsewhere: found by the whole build and by a program outside"
