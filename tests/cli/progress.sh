# How much of the input was read, and the time that is left: where the size is known, and only there; on a terminal and elsewhere.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

seq 200000 >"$dir/all"
head -n 100000 "$dir/all" >"$dir/half"
tail -n +100001 "$dir/all" >"$dir/other"

# expect_shares SECONDS: once a second a line with a share that does not fall, at most what a rate lets through in that time, of
# what takes so long, and a time left.
expect_shares()
{
	grep -o '^leat: [0-9]* s, [0-9]* %, [0-9]* s left;' "$dir/err" | tr -c '0-9\n' ' ' | awk -v takes="$1" '
	{ lines++; if ($2 < before || $2 > ($1 + 0.6) / takes * 100 + 8 || $3 > 1000) bad++; before = $2 }
	END { exit lines < takes - 1 || bad > 0 || before < 10 }' || { fail "$what: wrong shares:"; grep '^leat: [0-9]' "$dir/err"; }
}

expect_none()
{
	grep -q '^leat: 1 s; ' "$dir/err" || { fail "$what: wrote no line"; cat "$dir/err"; }
	grep -q '^leat: .* % *,.*left' "$dir/err" && { fail "$what: knows a share:"; cat "$dir/err"; }
}

run "lines:$dir/all | rate:80k/s | count"
expect_status 0
expect_shares 2
run --repeat 2 "lines:$dir/half and:$dir/other | rate:160k/s | count"
expect_out 400000
expect_shares 2
# Standard input from where it is.
{ head -c $(stat -c %s "$dir/half") >"$dir/head"; run "lines:- | rate:40k/s | count"; } <"$dir/all"
expect_shares 2
if gzip -c "$dir/all" >"$dir/packed.gz" && "$LEAT" run --quiet "lines:$dir/packed.gz | null" 2>"$dir/err"; then
	run "lines:$dir/packed.gz and:$dir/packed.gz | rate:160k/s | count"
	expect_out 400000
	expect_shares 2
fi

# Of what has no size; or whose size says nothing.
cat "$dir/all" | run "lines:- | rate:120k/s | count"
what="lines of a pipe"
expect_none
run --for 1200ms "follow:$dir/all from:start | null"
expect_none
run --for 1200ms "tick:10ms | null"
expect_none
run --for 1200ms --repeat 1000000000 "lines:/proc/self/status | null"
expect_none

# On a terminal, with a bar; also beside the time of --for, of the two what is further.
if command -v script >/dev/null; then
	terminal()
	{
		what="$1 $2, on a terminal"
		TERM=xterm script -qec "stty cols 100 rows 24; $LEAT run $1 '$2'" "$dir/typescript" >"$dir/out" 2>&1 || fail "$what: failed"
		sanitizer "$dir/out"
		tr '\033\r' '\n\n' <"$dir/out" >"$dir/err"
	}

	terminal "--for 1h" "lines:$dir/all | rate:100k/s | null"
	grep -qE 'leat  0:01 of 1:00:00  \[#+\.+\]  [1-9][0-9] %, 0:0[0-9] left' "$dir/err" || { fail "$what: no share:"; cat "$dir/err"; }
	terminal "--for 1500ms" "lines:$dir/all | rate:1k/s | null"
	grep -qE 'leat  0:01 of 0:01  \[#+\.+\]  [6-9][0-9] %' "$dir/err" || { fail "$what: no share of the time:"; cat "$dir/err"; }
	grep -q '[0-9] left' "$dir/err" && fail "$what: a time left beside the clock"
fi
finish
