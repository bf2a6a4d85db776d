# examples/flow_*.c with inputs that are made up: what they print is counted by other means, in awk
# and perl.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/flow_lib.sh"

command -v perl >/dev/null || { echo "skipped: there is no perl"; exit 77; }

# --- flow_pipeline: the books of each step, and the sum ---
awk 'function books(name, i, u, s, m) {
	printf "%-10s in %7d, used %7d, skipped %7d, failed 0, made %7d\n", name, i, u, s, m
}
BEGIN {
	for (i = 0; i < 100000; i++) {
		if (i % 200 < 10)
			continue
		kept++
		fee = int(i % 200 * (100 + i % 7) * 500 / 1000000)
		sum += fee
		paid += fee > 0
	}
	books("fees", 100000, kept, 100000 - kept, kept)
	books("not_free", kept, paid, kept - paid, paid)
	books("add", paid, paid, 0, 0)
	printf "fees: %d cents\n", sum
}' >"$dir/want"
run pipeline
sed -i '/^from_gen /d' "$dir/out" # what a source made is in the books of its channel
printed "$dir/want"

# --- flow_workers: all lines, in their order ---
awk 'BEGIN {
	for (i = 0; i < 20000; i++) {
		# lines that take a worker long are among short ones
		n = i % 500 == 0 ? 3000 : i * 7 % 90
		line = i ":"
		for (k = 0; k < n; k++)
			line = line (k % 10)
		print line
	}
	print ""
}' >"$dir/lines"
perl -ne 'use integer; chomp; my $h = 0xcbf29ce484222325;
	$h = ($h ^ $_) * 0x100000001b3 for unpack "C*";
	printf "%016x %d\n", $h, length' "$dir/lines" >"$dir/want"
run workers "$dir/lines"
printed "$dir/want"
run workers "$dir/none"
[ $status -eq 1 ] && [ ! -s "$dir/out" ] && grep -q "none: No such file" "$dir/err" ||
	fail "$what: exit status $status: $(cat "$dir/err")"
if [ -c /dev/full ]; then
	${EMULATOR:-} "$FLOWS/example_flow_workers" "$dir/lines" >/dev/full 2>"$dir/err"
	status=$?
	[ $status -eq 1 ] && grep -q 'flow_workers\.c:[0-9]*: step "print"' "$dir/err" ||
		fail "flow_workers >/dev/full: exit status $status: $(cat "$dir/err")"
fi

# --- flow_tee: three results of all items ---
awk 'BEGIN {
	least = 10000
	for (i = 0; i < 50000; i++) {
		us = i * 7919 % 9973
		sum += us
		least = us < least ? us : least
		most = us > most ? us : most
		for (k = 0; 2 ^ k <= us; k++)
			;
		buckets[k]++
	}
	printf "mean %d, least %d, most %d\n", int(sum / 50000), least, most
	for (k = 0; k < 16; k++)
		if (buckets[k] > 0)
			printf "below %5d: %d\n", 2 ^ k, buckets[k]
}' >"$dir/want"
run tee
printed "$dir/want"

# --- flow_partition: every booking of an account, in its order ---
awk 'BEGIN {
	for (i = 0; i < 40000; i++) {
		account = i * 5 % 11 % 8
		bookings[account]++
		balance[account] += i % 1000 - 400
	}
	for (a = 0; a < 8; a++)
		printf "account %d: %d bookings, balance %d\n", a, bookings[a], balance[a]
}' >"$dir/want"
run partition
printed "$dir/want"

# --- flow_errors: the step, the item and the line of the source ---
source=$here/../../examples/flow_errors.c
line=$(grep -n '^LEAT_MAP(parse' "$source" | cut -d: -f1)
cat >"$dir/want" <<END
sum 50421, 2 of 6 left out
failed: flow_errors.c:$line: step "parse", item 2: Bad message
mistake: flow_errors.c:$line: step "parse" takes items of type "text", and
"from_array" before it makes "u64"
END
run errors
sed -i -E 's|: [^ ]*/flow_errors\.c|: flow_errors.c|; s| ("from_array")|\n\1|' "$dir/out"
printed "$dir/want"

# --- flow_time: the last of each burst, and the silence behind the last ---
cat >"$dir/want" <<END
search: flow
search: flower
search: flat
price: 97
price: 197
price: 297
value 1
value 2
value 3
failed: step "timeout", after 3 items: no item came for 50 ms
END
run time
printed "$dir/want"

# --- flow_feed ---
perl "$here/itch.pl" make 20000 >"$dir/feed"
perl "$here/itch.pl" symbols <"$dir/feed" >"$dir/want"
run feed "$dir/feed"
printed "$dir/want"
head -c 1000 "$dir/feed" >"$dir/short"
run feed "$dir/short"
[ $status -eq 1 ] && [ ! -s "$dir/out" ] && grep -q "no ITCH, or cut short" "$dir/err" ||
	fail "$what: exit status $status: $(cat "$dir/err")"
run feed "$dir/none"
[ $status -eq 1 ] && grep -q "none: No such file" "$dir/err" || fail "$what: exit status $status: $(cat "$dir/err")"

# --- flow_log ---
perl -e 'my $seed = 1;
	sub any { $seed = ($seed * 1103515245 + 12345) % 2**31; ($seed >> 8) % $_[0] }
	for my $i (1 .. 20000) {
		if ($i % 500 == 0) { print "no request $i\n"; next }
		if ($i % 700 == 0) { print "\n"; next }
		printf "192.0.2.%d - - [17/May/2015:%02d:%02d:%02d +0000] \"GET /%d HTTP/1.1\" ",
		    any(any(200) + 1), any(24), any(60), any(60), any(1000);
		printf "%s \"-\" \"agent of %d\"\n", (any(5) ? "200 " . any(2**31 - 1) : any(3) ? "404 " . any(900) : "304 -"), $i;
	}' >"$dir/log"
check_log "$dir/log" 10
[ "$(head -n 1 "$dir/out")" = "19937 requests, 63 lines left out" ] ||
	fail "$what: $(head -n 1 "$dir/out")"
: >"$dir/empty"
check_log "$dir/empty" 10
run log "$dir/none"
[ $status -eq 1 ] && [ ! -s "$dir/out" ] && grep -q "none: No such file" "$dir/err" ||
	fail "$what: exit status $status: $(cat "$dir/err")"
# Quotes and backslashes in a request are no end of it, and a line that ends early is no request.
cat >"$dir/odd" <<'END'
::1 - - [17/May/2015:10:05:03 +0000] "GET /a\"b\\ HTTP/1.1" 200 7
::1 - - [17/May/2015:10:05:03 +0000] "GET /a" 200
::1 - - [17/May/2015:10:05:03 +0000] "GET /a
::1 - - [17/May/2015:10:05 +0000] "GET /a" 200 7
::1
END
run log "$dir/odd"
cat >"$dir/want" <<'END'
1 requests, 4 lines left out
status 200: 1 requests, 7 bytes
1 clients
client ::1: 1
1 minutes
minute 17/May/2015:10:05: 1
END
printed "$dir/want"
finish
