# On terminals of 60, 80 and 200 columns nothing is cut off or wrapped: the picture, the books, and the caret below a mistake.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"

command -v tmux >/dev/null || { echo "skipped: there is no tmux"; exit 77; }
export TMUX_TMPDIR=$dir
unset TMUX
session=0
trap 'tmux -L t kill-server 2>/dev/null; rm -rf "$dir"' EXIT
# The server ends with its last session, and a session that is begun then is lost: this one stays.
tmux -L t -f /dev/null new-session -d -s stays "sleep 3600" || exit 1

# begin COLUMNS ROWS ARGS...: leat run in a new terminal.
begin()
{
	local columns=$1 rows=$2
	shift 2
	session=$((session + 1))
	what="leat run $* at ${columns}x$rows"
	printf '%q ' "$LEAT" run "$@" >"$dir/command"
	tmux -L t -f /dev/null new-session -d -x "$columns" -y "$rows" -s "s$session" \
		"bash -c 'trap : INT; . $dir/command >$dir/out; echo \$? >$dir/status.$session; sleep 60'"
}

screen()
{
	tmux -L t capture-pane -p -t "s$session" "$@" >"$dir/screen"
}

# shows PATTERN: waits until a row of the screen matches.
shows()
{
	for _ in $(seq 150); do
		screen
		grep -qE -- "$1" "$dir/screen" && return
		sleep 0.1
	done
	fail "$what: no row matches $1:"
	cat "$dir/screen"
}

ended()
{
	for _ in $(seq 300); do
		[ -s "$dir/status.$session" ] && break
		sleep 0.1
	done
	[ "$(cat "$dir/status.$session")" = "$1" ] || fail "$what: exit status $(cat "$dir/status.$session"), not $1"
	screen -J # rows that the terminal has wrapped are one
}

finally()
{
	tmux -L t kill-session -t "s$session"
}

fits()
{
	awk -v columns="$1" 'length >= columns { exit 1 }' "$dir/screen" || { fail "$what: a line is wrapped:"; cat "$dir/screen"; }
}

flow="count:1000000000000 | workers:4 field:1 | buffer:8 | map:upper | rate:100/s | null"
for size in "80 24" "60 20" "200 50"; do
	read -r columns rows <<<"$size"
	begin "$columns" "$rows" --overflow newest --for 60s "$flow"
	shows '^field -> buffer\+map\+rate .* [0-9.]+[kMG]$' # the last column: there are drops
	# All rows end in the drops, below their title, and the names are whole.
	title=$(grep -m 1 '^edge .* dropped$' "$dir/screen")
	[ "$(grep -cE '^(count -> field|field -> buffer\+map\+rate|buffer\+map\+rate -> null) .*% +[0-9.]+[kMG]?$' "$dir/screen")" -eq 3 ] &&
		awk -v width=${#title} '/ -> / && length != width { exit 1 }' "$dir/screen" || { fail "$what: cut rows:"; cat "$dir/screen"; }
	# A rate is not at work; one of the others is.
	shows '^busiest: (count|field) \([1-9][0-9]* %\)$'
	tmux -L t send-keys -t "s$session" C-c
	ended 130
	grep -q 'dropped newest [1-9]' "$dir/screen" || { fail "$what: the books say nothing of drops:"; cat "$dir/screen"; }
	fits "$columns"
	finally
done

# The picture goes on while the flow drains; then come the books.
for size in "80 24" "60 20"; do
	read -r columns rows <<<"$size"
	begin "$columns" "$rows" --drain 1m "tick:2ms | buffer:5000 | rate:100/s | null"
	shows '^tick -> buffer\+rate +[1-9]'
	sleep 0.5
	tmux -L t send-keys -t "s$session" C-c
	sleep 0.5
	[ -s "$dir/status.$session" ] && fail "$what: ended, and did not drain"
	shows '^tick -> buffer\+rate +[1-9]'
	ended 0
	grep -q '^leat: interrupted after .* s, drained$' "$dir/screen" || { fail "$what: does not say that it was drained:"; cat "$dir/screen"; }
	grep -q '^tick.*stopped.*interrupted' "$dir/screen" || { fail "$what: the source was not stopped:"; cat "$dir/screen"; }
	fits "$columns"
	finally
done

# The caret is below the mistake in a text that is wider than the terminal: in its midst, at its begin, at its end.
many=$(printf '| grep:%030d ' 1 2 3 4 5 6 7 8)
for size in "80 24" "60 20" "200 50"; do
	read -r columns rows <<<"$size"
	for text in "count:1 $many| foo $many| null" "foo:1 $many| null" "count:1 $many$many| foo"; do
		begin "$columns" "$rows" "$text"
		ended 2
		awk -v columns="$columns" '
		/^ *\^$/ { found = substr(before, length, 3) == "foo" && length(before) < columns }
		{ before = $0 }
		END { exit !found }' "$dir/screen" || { fail "$what: the caret is misplaced:"; cat "$dir/screen"; }
		finally
	done
done
finish
