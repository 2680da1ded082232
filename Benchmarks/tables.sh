#!/usr/bin/env bash
# Look-ups in the store's tables beside liburcu's, oneTBB's and the standard library's; see
# Benchmarks/Sources/favorites-tables. Twice: with the allocator asking for huge pages, which the other tables gain by,
# and without. The run in which the better peer is faster is the one that counts. Needs two processors.
#
#     Benchmarks/tables.sh                        RECORDS=1000000 ROUNDS=7 LOOKUPS=2000000
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ "${#processors[@]}" -ge 2 ] || fail "needs two processors: one for each reader"
scripts/deps.sh bench >&2
export FAVORITES_CORE_ONLY=1
build=(swift build -c release --package-path Benchmarks --product favorites-tables)
"${build[@]}" >&2
tables=$("${build[@]}" --show-bin-path)/favorites-tables
for huge in 1 0; do
    echo "allocator's huge pages: $([ $huge -eq 1 ] && echo on || echo off)"
    GLIBC_TUNABLES=glibc.malloc.hugetlb=$huge "$tables" --records "${RECORDS:-1000000}" --rounds "${ROUNDS:-7}" \
        --lookups "${LOOKUPS:-2000000}" --json "$work/tables-$huge.json"
    echo
done

# MEASURE, ours, peer, ratio, least, most, bar, a line each, with tabs between.
rows() {
    python3 - "$work"/tables-?.json <<'PYTHON'
import json, sys

def run(path):
    document = json.load(open(path))
    rows = {row["name"]: row for row in document["rows"]}
    return rows, rows[document["betterPeer"]]

rows, peer = max(map(run, sys.argv[1:]), key=lambda run: run[1]["millionsOneReader"]["median"])
one, batch = rows["favorites"], rows["favorites, 16 at once"]

def row(measure, ours, theirs, ratio, bar):
    print(measure, ours, theirs, *("%.2f" % ratio[key] for key in ("median", "least", "most")), bar, sep="\t")

def millions(side):
    return "%.2f M/s" % side["millionsOneReader"]["median"]

for name, side, bar in (("one by one", one, ">= 2"), ("16 at once", batch, ">= 4")):
    row("table look-ups, " + name, millions(side), "%s %s" % (peer["name"], millions(peer)), side["timesOfPeer"], bar)
for name, side in (("one by one", one), ("16 at once", batch)):
    row("table look-ups, 2 readers ÷ 1, " + name, millions(side) + " by one", "–", side["twoReadersByOne"], ">= 1.9")
for name, side in (("one by one", one), ("16 at once", batch)):
    updates = "%.0f updates/s" % side["updatesPerSecond"]["median"]
    row("table look-ups, with a writer ÷ without, " + name, updates, "–", side["updatedByWithout"], ">= 0.9")
PYTHON
}
rows >"$work/rows.tsv"
while IFS=$'\t' read -r -a row; do result_row "${row[@]}" "Benchmarks/tables.sh"; done <"$work/rows.tsv"
