# SPDX-License-Identifier: BSD-2-Clause
# Splits a document into its blocks of code: awk -v out=DIR -f blocks.awk DOCUMENT. Each block goes
# to DIR/NUMBER, and its line of DIR/index is NUMBER, LINE, LANGUAGE and DIRECTIVE, with tabs
# between them. The language is what stands behind the fence, or "indented"; the directive is the
# comment <!-- test: ... --> above the block (in a manual page .\" test: ...), or "-". In a manual
# page blocks are the lines of .Dl and what stands between .Bd -literal and .Ed.

function or_dash(text) {
	return text == "" ? "-" : text
}

function begin(language) {
	open = 1
	blocks++
	file = sprintf("%s/%03d", out, blocks)
	printf "" >file
	printf "%03d\t%d\t", blocks, NR >(out "/index")
	printf "%s\t%s\n", or_dash(language), or_dash(directive) >(out "/index")
	directive = ""
}

function end() {
	open = 0
	close(file)
}

# A directive belongs to the block below it; text between them is a mistake.
function stray() {
	if (directive == "")
		return
	printf "%s:%d: no block below \"test: %s\"\n", FILENAME, NR, directive >"/dev/stderr"
	strays++
	directive = ""
}

function set_directive(text) {
	stray()
	directive = text
}

BEGIN { printf "" >(out "/index") }
FNR == 1 { manual = FILENAME ~ /\.[0-9]$/ }

manual && /^\.\\" test: / { sub(/^\.\\" test: /, ""); set_directive($0); next }
manual && /^\.Dl / {
	sub(/^\.Dl /, "")
	gsub(/\\\(dq/, "\"")
	gsub(/\\e/, "\\")
	begin("indented")
	print >file
	end()
	next
}
manual && /^\.Bd -literal/ { begin(""); next }
manual && /^\.Ed/ { end(); next }
manual { if (open) print >file; next }

fenced && /^```/ { fenced = 0; end(); next }
fenced { print >file; next }
/^```/ { fenced = 1; begin(substr($0, 4)); next }

# Indented blocks begin below an empty line; empty lines within belong to them.
/^(    |\t)/ && (indented || empty) {
	if (!indented) {
		indented = 1
		begin("indented")
	}
	for (; held > 0; held--)
		print "" >file
	sub(/^(    |\t)/, "")
	print >file
	next
}
/^[ \t]*$/ { empty = 1; if (indented) held++; next }
{ empty = held = 0; if (indented) { indented = 0; end() } }
/^<!-- test: .* -->$/ {
	set_directive(substr($0, 12, length($0) - 15))
	empty = 1
	next
}
{ stray() }

END {
	stray()
	if (fenced)
		printf "%s: a fence is not closed\n", FILENAME >"/dev/stderr"
	exit strays > 0 || fenced
}
