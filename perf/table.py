# SPDX-License-Identifier: BSD-2-Clause
# The kept results of every processor beside each other: perf/table.py JSON... writes docs/perf.md's tables, and README.md's,
# between two marks there. The file names are PROCESSOR-KIND.json.
import json
import os
import sys

KINDS = ["figures", "generators", "select", "broadcast", "flow"]
OURS = ("leat ring ", "leat channel", "leat pool", "leat seq", "leat_select", "leat_merge", "leat broadcast", "leat flow")
HEADS = {
    "near": "Near cores",
    "far": "Far cores",
    "any": "Where it does not matter how near the cores are",
    "machine": "The machine itself, near cores and one core",
}
ALIVE = "All alive at once, each with its channel of one item"
SUMMARY = [
    ("SPSC, one at a time", "SPSC 1+1, 8 B, one at a time, capacity 1,024", "an item", "leat ring spsc"),
    ("the same through a channel", "SPSC 1+1, 8 B, one at a time, capacity 1,024", "an item", "leat channel"),
    ("SPSC, batches of 32", "SPSC 1+1, 8 B, batches of 32, capacity 1,024", "an item", "leat ring spsc"),
    ("SPSC, one at a time, capacity 65,536", "SPSC 1+1, 8 B, one at a time, capacity 65,536", "an item", "leat ring spsc"),
    ("round trip through two", "SPSC 1+1 round trip, 8 B, one at a time, capacity 1,024", "a round trip", "leat ring spsc"),
    ("two producers, two consumers", "MPMC 2+2, 8 B, one at a time, capacity 1,024", "an item", "leat ring mpmc"),
    ("eight and eight on two cores", "MPMC 8+8, 8 B, one at a time, capacity 1,024", "an item", "leat ring mpmc"),
    ("a channel that blocks, one and one", "SPSC 1+1, 8 B, blocking, capacity 1,024", "an item", "leat channel"),
    ("eight and eight", "MPMC 8+8, 8 B, blocking, capacity 1,024", "an item", "leat channel"),
    ("a million generators on a pool: bytes each", ALIVE, "memory each", "leat pool"),
    ("to make one of them", ALIVE, "to make one", "leat pool"),
    ("a value of each in turn", ALIVE, "a value from each in turn", "leat pool"),
]


def number(value):
    return f"{value:,.2f}" if value < 9.995 else f"{value:,.1f}" if value < 99.95 else f"{value:,.0f}"


def medians(scenario, what, name):
    """The medians of one value and class: {contestant: (median, is a peer)}."""
    found = {}
    for result in scenario["results"]:
        for value in result["values"]:
            if value["what"] == what and name in value:
                ours = result["contestant"].startswith("leat")
                peer = not (ours or result["limit"] or result["unbounded"])
                found[result["contestant"]] = (value[name]["median"], peer)
    return found


def cells(scenario, what, name, contestant):
    """Our median, and how many times as long the best peer takes."""
    found = medians(scenario, what, name) if scenario else {}
    if contestant not in found:
        return ["", ""]
    ours = found[contestant][0]
    peers = [(median, peer) for peer, (median, counts) in found.items() if counts]
    if not peers or not ours:
        return [number(ours), ""]
    best, peer = min(peers)
    return [number(ours), f"{best / ours:.2f}, {peer} {number(best)}"]


def rows_of(runs):
    """Each (title, what, unit, class, contestant) that some run has, in the order of the runs."""
    rows = {}
    for run in runs:
        for scenario in run["scenarios"]:
            machine = scenario.get("group") == "machine"
            for result in scenario["results"]:
                name = result["contestant"]
                if not machine and (not name.startswith(OURS) or name.endswith((", spin", ", park"))):
                    continue
                for value in result["values"]:
                    for one in ("near", "far", "any"):
                        if one in value and not (machine and one == "far"):
                            head = "machine" if machine else one
                            rows[head, scenario["title"], value["what"], value["unit"], one, name] = True
    return list(rows)


def tables(kind, runs):
    rows = rows_of(list(runs.values()))
    by_title = {p: {s["title"]: s for s in run["scenarios"]} for p, run in runs.items()}
    for head, words in HEADS.items():
        chosen = [row for row in rows if row[0] == head]
        if not chosen or (head == "machine" and kind != "figures"):
            continue
        yield f"{words} ({kind}):\n"
        columns = [f"{processor}, {run['date'][:10]} | times" for processor, run in runs.items()]
        yield "| | " + " | ".join(columns) + " |"
        yield "| --- |" + " --- | --- |" * len(runs)
        for _, title, what, unit, one, name in chosen:
            plain = what in ("an item", "a round trip", "half of them", "a value", "CPU a second", "all of it")
            text = name if head == "machine" else f"{title}{'' if plain else ', ' + what}: {name}"
            row = [text + ("" if unit == "ns" else f", {unit}")]
            for processor in runs:
                row += cells(by_title[processor].get(title), what, one, name)
            yield "| " + " | ".join(row) + " |"
        yield ""


def summary(runs_of):
    """README.md's table: a few scenarios, near cores."""
    processors = list(dict.fromkeys(p for runs in runs_of.values() for p in runs))
    # most rows are of the first kind
    days = {p: run["date"][:10] for runs in reversed(list(runs_of.values())) for p, run in runs.items()}
    yield "| near cores | " + " | ".join(f"{p}, {days[p]} | best peer" for p in processors) + " |"
    yield "| --- |" + " --- | --- |" * len(processors)
    for text, title, what, name in SUMMARY:
        row = [text]
        for processor in processors:
            found = ["", ""]
            for runs in runs_of.values():
                for scenario in runs.get(processor, {"scenarios": []})["scenarios"]:
                    if scenario["title"] == title:
                        ours, peer = cells(scenario, what, "near", name)
                        found = [ours, peer.partition(", ")[2]]
            row += found
        yield "| " + " | ".join(row) + " |"


def write(document, text):
    begin, end = "<!-- perf/record: begin -->\n", "<!-- perf/record: end -->"
    with open(document) as file:
        old = file.read()
    with open(document, "w") as file:
        file.write(old.split(begin)[0] + begin + "\n" + text + "\n\n" + end + old.split(end)[1])


def main(paths):
    runs_of = {kind: {} for kind in KINDS}
    for path in sorted(paths):
        processor, _, kind = os.path.basename(path)[: -len(".json")].rpartition("-")
        with open(path) as file:
            runs_of[kind][processor] = json.load(file)
    lines = [line for kind, runs in runs_of.items() if runs for line in tables(kind, runs)]
    plots = [f"![{p}, medians of every contestant](../perf/results/{p}-figures.svg)\n" for p in runs_of["figures"]]
    write("docs/perf.md", "\n".join(plots + lines).rstrip())
    write("README.md", "\n".join(summary(runs_of)))


main(sys.argv[1:])
