#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# leat below another project, which has targets named fuzz, verify and soak, flags of its own, no build type, and wants
# unity builds. Then the same with the archive alone, installed from there. CC names the compiler.
set -eu
. "$(dirname "$0")/lib.sh"

cp "$here/main.c" "$here/flow.c" "$here/export.c" "$work"
cat >"$work/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.22)
project(parent LANGUAGES C)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
foreach(target fuzz verify soak)
	add_custom_target(\${target})
endforeach()
add_subdirectory($source leat)
add_executable(program main.c)
target_link_libraries(program leat::leat)
add_executable(flow flow.c)
target_link_libraries(flow leat::flow)
END
# configure [OPTION]...
configure() {
	cmake -G 'Unix Makefiles' -S "$work" -B "$work/build" "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "cannot be configured with: $*"; }
}
# build_program shared|static
build_program() {
	cmake --build "$work/build" --parallel 2 >"$work/log" 2>&1 || { tail -n 20 "$work/log"; fail "cannot be built"; }
	"$work/build/program" || fail "$1: the program fails"
	"$work/build/flow" || fail "$1: flow fails"
	case $(readelf -d "$work/build/program") in
	*libleat.so*) linked=shared ;;
	*) linked=static ;;
	esac
	[ $linked = "$1" ] || fail "the program is $linked, and should be $1"
	echo "add_subdirectory: $1 works"
}

configure -DCMAKE_C_FLAGS="-O0 -DPARENTS_FLAG" -DCMAKE_UNITY_BUILD=ON
grep -q '^CMAKE_BUILD_TYPE:STRING=$' "$work/build/CMakeCache.txt" || fail "leat set the parent's build type"
command=$(grep '"command":.*-o CMakeFiles/program\.dir' "$work/build/compile_commands.json") || fail "no command for the program"
! grep -qE -- ' -(W|std=|f|O[1-3])' <<<"$command" || fail "leat's options reach the parent: $command"
foreign=$(grep '"command":.*runtime/os/os\.c' "$work/build/compile_commands.json") || fail "no command for os.c"
grep -q -- -DPARENTS_FLAG <<<"$foreign" || fail "the parent's flags do not reach leat"
cmake --build "$work/build" --target help | sed -n 's/^\.\.\. \([a-zA-Z_]*\)$/\1/p' | sort >"$work/targets"
exports=()
! pkg-config --exists libmicrohttpd || exports=(leat_export_objects leat_export_shared leat_export_static)
printf '%s\n' flow fuzz leat_core "${exports[@]}" leat_flow_objects leat_flow_shared leat_flow_static leat_seam leat_seam_real \
	leat_shared leat_static leat_test leat_testkit program soak verify |
	diff - <(grep -vxE 'all|clean|depend|edit_cache|rebuild_cache|test' "$work/targets") || fail "other targets than these"
build_program shared
if cmake --install "$work/build" --prefix "$work/nothing" >/dev/null && [ -e "$work/nothing" ]; then
	fail "installed, and not asked for: $(find "$work/nothing" -type f)"
fi

# All that leat has stands beside the parent's targets.
configure -DLEAT_BUILD_TESTS=ON -DLEAT_BUILD_PROGRAM=ON -DLEAT_BUILD_BENCH=ON -DLEAT_BUILD_EXAMPLES=ON
configure -DLEAT_BUILD_TESTS=OFF -DLEAT_BUILD_PROGRAM=OFF -DLEAT_BUILD_BENCH=OFF -DLEAT_BUILD_EXAMPLES=OFF \
	-DLEAT_INSTALL=ON -DBUILD_SHARED_LIBS=OFF -DCMAKE_INSTALL_LIBDIR=lib
build_program static
cmake --install "$work/build" --prefix "$work/prefix" >/dev/null
[ ! -e "$work/prefix/lib/libleat.so" ] || fail "installed with BUILD_SHARED_LIBS=OFF: libleat.so"

mkdir "$work/outside"
cat >"$work/outside/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.22)
project(outside LANGUAGES C)
find_package(leat REQUIRED)
add_executable(program ../main.c)
target_link_libraries(program leat::leat)
add_executable(flow ../flow.c)
target_link_libraries(flow leat::flow)
END
cmake -S "$work/outside" -B "$work/outside/build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/outside/build" >/dev/null
"$work/outside/build/program" || fail "find_package: the program fails"
"$work/outside/build/flow" || fail "find_package: flow fails"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
# shellcheck disable=SC2046
"${CC:-cc}" "$work/main.c" -o "$work/program" $(pkg-config --cflags --libs leat)
"$work/program" || fail "pkg-config: the program fails"
# shellcheck disable=SC2046
"${CC:-cc}" "$work/flow.c" -o "$work/flow" $(pkg-config --cflags --libs leat-flow)
"$work/flow" || fail "pkg-config: flow fails"
if [ ${#exports[@]} -gt 0 ]; then
	# shellcheck disable=SC2046
	"${CC:-cc}" "$work/export.c" -o "$work/export" $(pkg-config --cflags --libs leat-export)
	"$work/export" || fail "pkg-config: export fails"
fi
echo "the archive alone: find_package and pkg-config work"
