#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tries every command and program of the documents as printed: run.sh BUILD [DOCUMENT]...; all
# documents unless some are named. Each runs in a mount namespace of its own, two at a time
# (document.sh says how). With --each-fails, before BUILD, each block has to fail: broken.md shows
# so that mistakes are found. Exits with 77 where no such namespace can be made.
set -u
each_fails=0
[ "$1" != --each-fails ] || { each_fails=1; shift; }
build=$(cd "$1" && pwd) || exit 2
shift
cd "$(dirname "$0")/../.." || exit 2
source=$PWD
[ $# -gt 0 ] || set -- ./*.md docs/*.md docs/man/*.[0-9]

left_out() {
	echo "left out: $*"
	exit 77
}

namespace=(unshare --mount)
[ "$(id -u)" -eq 0 ] || namespace=(unshare --mount --map-root-user)
"${namespace[@]}" mount -t tmpfs docs /usr/local 2>/dev/null ||
	left_out "no file system can be mounted in a namespace here"
case $source/:$build/ in
/usr/local/* | *:/usr/local/*) left_out "this tree is in /usr/local, which the test hides" ;;
esac
for program in cc cmake pkg-config; do
	case $(command -v $program) in
	'' | /usr/local/*) left_out "there is no $program but in /usr/local, which the test hides" ;;
	esac
done

out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT
# xargs starts them without ignoring SIGINT, as "&" would.
printf '%s\0' "${@#./}" | xargs -0 -P 2 -I{} sh -c '"$@" || exit 1' - \
	"${namespace[@]}" bash tests/docs/document.sh "$source" "$build" {} | tee "$out"
status=${PIPESTATUS[1]}
if [ $each_fails -eq 1 ]; then
	grep -q ': 0 blocks tried, [1-9][0-9]* failed, 0 with nothing to try$' "$out"
	exit
fi
awk '/ blocks tried, / { tried += $2; failed += $5; untried += $7; documents++ }
	END {
		printf "%d documents: %d blocks tried, ", documents, tried
		printf "%d failed, %d with nothing to try\n", failed, untried
	}' "$out"
[ "$status" -eq 0 ] && grep -q ': [1-9][0-9]* blocks tried' "$out"
