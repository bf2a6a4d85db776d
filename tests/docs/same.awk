# SPDX-License-Identifier: BSD-2-Clause
# Compares what a document says is printed with what was printed: awk -f same.awk DOCUMENTED
# PRINTED. A documented line "..." stands for any lines. Prints the first documented line that was
# not printed in its place, and exits with 1 then.
FNR == NR { documented[++wanted] = $0; next }
{ printed[++got] = $0 }
END {
	at = 1
	for (i = 1; i <= wanted; i++) {
		if (documented[i] == "...") {
			skips = 1
			continue
		}
		while (skips && at <= got && printed[at] != documented[i])
			at++
		if (at > got || printed[at] != documented[i]) {
			printf "documented: %s\n", documented[i]
			printf "printed:    %s\n", (at > got ? "(nothing more)" : printed[at])
			exit 1
		}
		at++
		skips = 0
	}
	if (at <= got && !skips) {
		printf "printed, and not documented: %s\n", printed[at]
		exit 1
	}
}
