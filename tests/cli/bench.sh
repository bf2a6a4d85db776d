# leat bench: its command line, and a tiny run with its JSON, its plot and its checks. How fast anything is, is no test.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

# bench ARGS...: as run() of lib.sh.
bench()
{
	"$LEAT" bench "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	what="leat bench $*"
	sanitizer "$dir/err"
}

# Without the program: one line that says so.
mkdir "$dir/alone"
cp "$LEAT" "$dir/alone/leat"
PATH=$dir/alone "$dir/alone/leat" bench --list >"$dir/out" 2>"$dir/err"
status=$?
what="leat bench without leat-bench"
expect_status 1
expect_out ""
expect_err "leat-bench is neither beside leat nor in PATH"

if [ ! -x "$(dirname "$LEAT")/leat-bench" ]; then
	[ "$failures" -eq 0 ] || finish
	echo "skipped: leat-bench is not built here"
	exit 77
fi

usage()
{
	bench "$@"
	expect_status 2
	expect_out ""
	[ "$(wc -l <"$dir/err")" -eq 1 ] || { fail "$what: not one line:"; cat "$dir/err"; }
}

usage --frobnicate
usage -x
usage nonsense
expect_err "spsc, mpsc, spmc, mpmc, idle, generators, select"
usage spsc mpmc
usage --quick --all
usage --quick spsc
usage --quick=yes
usage --item 8
usage spsc --item
usage spsc --item 7
usage spsc --item 16
usage spsc --capacity 0
usage spsc --capacity -1
usage spsc --capacity 1e3
usage spsc --capacity 99999999999999999999
usage spsc --batch 0
usage spsc --batch 257
usage spsc --threads 2
usage spsc --threads 2+2
usage mpsc --threads 2+2
usage mpmc --threads 0+1
usage mpmc --threads 9+1
usage spsc --samples 0
usage spsc --rate 0
usage spsc --rate 1000 --batch 32
usage mpmc --threads 2+2 --round-trip
usage spsc --zero-copy --blocking
usage spsc --place nowhere
usage spsc --cores 99999
usage spsc --cores 0,0
usage idle --item 8
usage generators spsc
usage generators --all
usage generators --quick --quick
usage generators --count 999
usage generators --count 10000001
usage generators --item 8
usage select spsc
usage select generators
usage select --all
usage select --quick --quick
usage select --item 8
usage select --count 1000
usage broadcast spsc
usage broadcast --all
usage flow spsc
usage flow --all
usage publish floor
usage pool --all
usage spsc --count 1000
usage --count 1000
usage spsc --both 0
usage spsc --both soon

for good in --help --version --list; do
	bench $good
	expect_status 0
	expect_silence
	[ -s "$dir/out" ] || fail "$what: says nothing"
done
"$LEAT" help bench >"$dir/help" 2>&1 || fail "leat help bench: exit status $?"
grep -q -- --quick "$dir/help" || fail "leat help bench: says nothing of --quick"
bench --list
for one in "leat ring spsc" "leat ring mpmc" "leat channel" "ck_ring spsc"; do
	grep -q "^$one " "$dir/out" || fail "$what: no $one"
done
grep -q "^select: A merge, .*leat_merge of 10,000" "$dir/out" || fail "$what: no merge"
bench spsc --samples 1 --json "$dir/nowhere/json"
expect_status 1
expect_err "nowhere/json: No such file or directory"

# check_files COUNT: the JSON and the plot of the last run are whole. In the JSON are so many scenarios beside the machine's own;
# what is kept is what stands in the classes; and no class that is said to be left out has samples.
check_files()
{
	[ "$(tail -n 1 "$dir/svg")" = "</svg>" ] || fail "$what: no whole plot"
	command -v python3 >/dev/null || return
	python3 -c 'import json, sys, xml.dom.minidom as xml
run = json.load(open(sys.argv[1]))
assert run["commit"] and run["compiler"] and run["processor"] and run["cores"]
assert 0 < run["line_round_trip_ns"]["near"] + run["line_round_trip_ns"]["far"] or len(run["cores"]) == 1
scenarios = [s for s in run["scenarios"] if s.get("group") != "machine"]
assert len(scenarios) == int(sys.argv[3])
for scenario in run["scenarios"]:
    counts = {}
    for result in scenario["results"]:
        kept = 0
        for value in result["values"]:
            for name in set(value) & {"near", "far", "any"}:
                one = value[name]
                assert 0 <= one["p5"] <= one["median"] <= one["p95"]
                counts.setdefault(name, {})[result["contestant"]] = len(one["samples"])
        assert result["kept"] <= result["taken"]
        assert result["kept"] == sum(c.get(result["contestant"], 0) for c in counts.values())
    for name in counts:
        assert name == "any" or not scenario["left_out_" + name]
for figure in run["figures"]:
    assert len(figure["to_reach"]) == 2 and (figure["got"] is not None or figure["reached"] is None)
xml.parse(sys.argv[2])' "$dir/json" "$dir/svg" "$1" || fail "$what: its JSON or its plot is not as it should be"
}

# There is a row of leat, or why there is none: with one sample each, the host may have moved the cores between two of them.
of_leat()
{
	grep -q '^  leat\|: left out, as a contestant has 0 samples' "$dir/out" || fail "$what: nothing of leat in its table"
}

# A sample of each way to call, each size of an item: every item is checked on the way (a lost one is exit status 1).
for how in "spsc" "spsc --item 64 --batch 32" "spsc --item 256 --zero-copy" "mpsc --threads 2+1" "spmc --item 64 --batch 7" \
	"mpmc --threads 3+2 --capacity 5" "spsc --blocking --capacity 3" "mpmc --threads 2+1 --blocking --batch 7" "spsc --round-trip" "spsc --rate 20000" \
	"mpmc --threads 2+2 --place same --zero-copy" "spsc --both 1"; do
	# shellcheck disable=SC2086
	bench $how --samples 1 --only leat --json "$dir/json" --svg "$dir/svg"
	expect_status 0
	expect_silence
	of_leat
	grep -q '"contestant": "leat ' "$dir/json" || fail "$what: nothing of leat in its JSON"
	grep -q '^The machine, one core$\|^The machine, one core ' "$dir/out" || fail "$what: nothing of the machine"
	check_files 1
done
# Generators: each sample's sums are checked on the way.
for how in "generators --count 1000" "--quick generators --only leat"; do
	# shellcheck disable=SC2086
	bench $how --samples 1 --json "$dir/json" --svg "$dir/svg"
	expect_status 0
	expect_silence
	grep -q '^  [a-z: ]*memory each, bytes ' "$dir/out" || fail "$what: nothing of memory"
	grep -q '^[0-9]* of [0-9]* reached' "$dir/out" || fail "$what: nothing of what was reached"
	grep -q '^  All alive at once, pulled, memory each  *leat seq ' "$dir/out" || fail "$what: no row of the table of figures"
	check_files 8
done
# Selects: every item is counted on the way. Without Go nothing is said of its ratio.
for how in "--quick select" "select --only leat"; do
	# shellcheck disable=SC2086
	bench $how --samples 2 --json "$dir/json" --svg "$dir/svg"
	expect_status 0
	expect_silence
	grep -q 'leat_merge of 10,000 of leat_merge of 10  ' "$dir/out" || fail "$what: nothing of a merge's ratio"
	check_files 6
done
# Broadcasts: each subscriber checks the order and the sum of all items.
bench broadcast --samples 1 --only leat --json "$dir/json" --svg "$dir/svg"
expect_status 0
expect_silence
grep -q 'leat broadcast of leat rings, one each  ' "$dir/out" || fail "$what: nothing of a ring for each subscriber"
check_files 18
# Flows: what comes out is compared with what has to.
bench flow --samples 1 --only leat --json "$dir/json" --svg "$dir/svg"
expect_status 0
expect_silence
grep -q 'leat flow fused, -O2 of a loop by hand, -O2  ' "$dir/out" || fail "$what: nothing of the loop by hand"
check_files 4
# Smaller questions: what they count and receive is checked on the way.
for how in publish floor pool; do
	bench $how --samples 1 --json "$dir/json" --svg "$dir/svg"
	expect_status 0
	expect_silence
	of_leat
	check_files "$(grep -c '"group": "'$how'"' "$dir/json")"
done
bench select --samples 1 --only nobody
expect_status 0
grep -q '^0 of 0 reached' "$dir/out" || fail "$what: something is reached by nobody"
# Without Go's program: it is named, and the rest is measured.
cp "$(dirname "$LEAT")/leat-bench" "$dir/alone/"
"$dir/alone/leat" bench select --samples 1 >"$dir/out" 2>"$dir/err"
status=$?
what="leat bench select without leat-bench-go"
expect_status 0
expect_silence
grep -q '^left out: Go ' "$dir/out" || fail "$what: does not say so"
grep -q '^  Go select' "$dir/out" && fail "$what: measures it"
bench spsc --samples 1 --only ck --json /dev/full
expect_status 1
expect_err "could not be written"
finish
