#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tries each block of code of one document as printed: document.sh SOURCE BUILD DOCUMENT, in a mount
# namespace of its own in which it is root (run.sh). There /usr/local is empty, /etc is a copy, and
# the work goes on in a copy of SOURCE, where build/release, build/debug, build/asan and build/bench
# stand for BUILD. leat is installed already, but for a document that installs it itself. A document
# in which there is nothing to try gets no sandbox.
#
# What a block is:
#   ```c with main()           a program: it compiles against the installed copy, and exits with 0
#   ```c without               lines of a function: they compile and link, after preamble.h; lines that
#                              name what leat/test.h declares with libleat-test, and what
#                              leat/flow.h declares with libleat-flow
#   indented, or ```sh         commands, one a line, which exit with 0. With "$ " before commands, the
#                              other lines are what they print; "..." stands for any lines
# Anything else, and what differs, has a comment above it (blocks.awk):
#   test: none, REASON         nothing to try
#   test: with PACKAGE         a program that uses this package of pkg-config: it compiles behind PACKAGE.h
#                              and exits with 0; nothing to try where the package is not there
#   test: file NAME            goes into that file, for the blocks below
#   test: exits with N         the commands do; what they print is not compared
#   test: interrupted          each line is a command that may be ended by SIGINT, after a second
#   test: output varies        what is printed below the commands is not compared
set -u
source=$1 build=$2 document=$3
here=$(cd "$(dirname "$0")" && pwd)
bugs=tests/verify/planted/weakened.txt
failed=0 tried=0 untried=0

# Commands that take long, or change the machine: they are tried with this added, so that they only
# check what they are asked for. bin/ has what stands for cmake, ctest, apt-get and sudo.
shortened() { # COMMAND
	case $1 in
	tools/edges | tools/layers | tools/lint) echo "$1" ;;
	tools/* | perf/record*) echo "$1 --help" ;;
	*'leat bench'*) echo "$1 --list" ;;
	*verify/verify*--weaken*) echo "$1" ;;
	*verify/verify*) echo "$1 --list" ;;
	tests/verify/plant*) echo "$1 $(awk '!/^#/ && NF { print $1; exit }' $bugs)" ;;
	*tests/soak*) echo "$1 --seconds 1" ;;
	perf/questions/instructions) echo "test -x $1" ;;
	*) echo "$1" ;;
	esac
}

hide_the_machine() {
	mount -t tmpfs docs /usr/local || return 1
	mkdir "$work/etc"
	cp -a /etc/. "$work/etc" 2>/dev/null # but for what the user may not read
	mount --bind "$work/etc" /etc || return 1
	[ ! -d /var/cache/ldconfig ] || mount -t tmpfs docs /var/cache/ldconfig || return 1
	ldconfig
}

copy_the_tree() {
	local preset but=(--exclude=./build --exclude=./.git "--exclude=./${build#"$source"/}")

	mkdir -p "$tree/build"
	tar -C "$source" "${but[@]}" -cf - . | tar -C "$tree" -xf - || return 1
	for preset in release debug asan bench; do
		ln -s "$build" "$tree/build/$preset"
	done
	# What the examples read.
	seq 40 | awk '{ print "192.0.2." $1 % 7, "GET /" $1, $1 % 4 ? 200 : 404, $1 * 37 }' >"$tree/access.log"
}

compile() { # FILE PROGRAM [PACKAGE]
	local flags=(-std=gnu11 -O0 -Wall -Wextra -Werror -Wno-unused-variable -fno-builtin)

	local package=leat also=${3:-}

	! grep -qE '\bleat_(census|test)_' "$1" || package=leat-test
	! grep -qE '\bleat_flow_' "$1" || package=leat-flow
	# Words, all of them.
	# shellcheck disable=SC2046,SC2086
	cc "${flags[@]}" -o "$2" "$1" $(pkg-config --cflags --libs $package $also)
}

program() {
	cp "$block" "$work/program.c"
	compile "$work/program.c" "$work/program" && timeout 20 "$work/program" >/dev/null
}

# What the block leaves to the reader is in PACKAGE.h.
with_package() { # PACKAGE
	{
		printf '#include "%s/%s.h"\n' "$here" "$1"
		printf '#line %d "%s"\n' $((line + 1)) "$document"
		cat "$block"
	} >"$work/program.c"
	compile "$work/program.c" "$work/program" "$1" && timeout 20 "$work/program"
}

fragment() {
	{
		cat "$here/preamble.h"
		printf 'int fragment(void)\n{\n#line %d "%s"\n' $((line + 1)) "$document"
		cat "$block"
		printf '\treturn 0;\n}\n\nint main(void)\n{\n\treturn fragment();\n}\n'
	} >"$work/fragment.c"
	compile "$work/fragment.c" "$work/fragment"
}

# Whether a block shows commands behind "$ ", and what they print.
is_transcript() {
	head -n 1 "$block" | grep -q '^\$ '
}

# The commands of a block, without their comments, each as it is tried.
commands() {
	local command lines='s/^//p' comment='^(.*[^[:space:]])?(^|[[:space:]]{2,})#[[:space:]].*$'

	! is_transcript || lines='s/^\$ //p'
	sed -n "$lines" "$block" | while IFS= read -r command; do
		[[ $command =~ $comment ]] && command=${BASH_REMATCH[1]}
		[ -z "$command" ] || shortened "$command"
	done
}

interrupted() {
	local command status

	while IFS= read -r command; do
		timeout --signal=INT --kill-after=30 1 bash -c "$command" </dev/null
		status=$?
		[ $status -eq 0 ] || [ $status -eq 124 ] || {
			echo "exit status $status: $command"
			return 1
		}
	done < <(commands)
}

# All the commands of a block, one a line, up to the first that fails; with the status that the
# directive wants.
shell() {
	local wanted=0 status

	[[ ! $directive =~ ^exits\ with\ ([0-9]+)$ ]] || wanted=${BASH_REMATCH[1]}
	commands | sed 's/$/ || exit/' >"$work/script" # -e would not see "false && true"
	timeout --kill-after=5 120 bash -o pipefail "$work/script" </dev/null
	status=$?
	[ $status -eq "$wanted" ] && return
	echo "exit status $status, not $wanted"
	return 1
}

transcript() {
	shell >"$work/printed" 2>&1 || { cat "$work/printed"; return 1; }
	[ "$directive" = - ] || return 0
	grep -v '^\$ ' "$block" | awk -f "$here/same.awk" - "$work/printed"
}

try_block() {
	case $directive in
	'none, '?*) return 77 ;;
	'with '?*)
		pkg-config --exists "${directive#with }" || return 77
		with_package "${directive#with }"
		return
		;;
	'file '*)
		mkdir -p "$(dirname "${directive#file }")" && cp "$block" "${directive#file }"
		return
		;;
	- | 'exits with '* | interrupted | 'output varies') ;;
	*) echo "unknown directive \"$directive\""; return 1 ;;
	esac
	if [ "$language" = c ] && grep -q '^int main(' "$block"; then
		program
	elif [ "$language" = c ]; then
		fragment
	elif [ "$directive" = interrupted ]; then
		interrupted
	elif [[ $language =~ ^(indented|sh|-)$ ]] && is_transcript; then
		transcript
	elif [[ $language =~ ^(indented|sh)$ ]]; then
		shell
	else
		echo "nothing says how to try this block: see tests/docs/document.sh"
		return 1
	fi
}

split_document() {
	mkdir "$work/blocks"
	(cd "$source" && awk -v out="$work/blocks" -f "$here/blocks.awk" "$document") 2>&1 || failed=1
}

needs_sandbox() {
	awk -F'\t' '$4 !~ /^none, ./ { found = 1 } END { exit !found }' "$work/blocks/index"
}

make_sandbox() {
	hide_the_machine && copy_the_tree && cd "$tree" || return 1
	if ! grep -q 'cmake --install' "$document"; then
		cmake --install "$build" --prefix /usr/local >/dev/null && ldconfig || return 1
	fi
	PATH=$here/bin:$PATH:$build/bin
}

try_document() {
	local number line language directive block status

	while IFS=$'\t' read -r number line language directive <&3; do
		block=$work/blocks/$number
		try_block >"$work/log" 2>&1
		status=$?
		case $status in
		0) tried=$((tried + 1)) ;;
		77) untried=$((untried + 1)) ;;
		*)
			failed=$((failed + 1))
			echo "FAIL $document:$line"
			sed 's/^/    /' "$work/log" | tail -n 25
			;;
		esac
	done 3<"$work/blocks/index"
	echo "$document: $tried blocks tried, $failed failed, $untried with nothing to try"
}

work=$(mktemp -d) || exit 2
# In memory: on a disk, to copy the tree and /etc takes longer than most of what is tried with them.
mount -t tmpfs docs "$work" || exit 2
trap 'cd / && umount --lazy "$work" && rmdir "$work"' EXIT
tree=$work/leat
export LEAT_DOCS_TREE=$tree LEAT_DOCS_WORK=$work LEAT_DOCS_BUILD=$build LC_ALL=C
split_document
if needs_sandbox && ! make_sandbox; then
	echo "the sandbox could not be made"
	exit 2
fi
try_document
[ "$failed" -eq 0 ]
