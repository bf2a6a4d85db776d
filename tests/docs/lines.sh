#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether perf/lines still predicts the recorded figures within the bands that it names, and whether
# docs/rings.md has the titles of its rows. Exits with 77 where there is no Python 3.8.
set -u
cd "$(dirname "$0")/../.." || exit 2
python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || {
	echo "left out: there is no python3 of version 3.8 or later"
	exit 77
}
python3 perf/lines --check || exit 1
status=0
while read -r title; do
	grep -qF "| $title |" docs/rings.md && continue
	echo "docs/rings.md has no row \"$title\" of perf/lines"
	status=1
done < <(sed -n 's/^    Row("\([^"]*\)".*/\1/p' perf/lines)
exit $status
