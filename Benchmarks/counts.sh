#!/usr/bin/env bash
# Instructions and allocations of each step of a message and of a request, counted by callgrind: the same on every run,
# whatever else the machine does. Fails where a step takes more than Thresholds/counts.tsv allows: instructions by more than
# TOLERANCE percent (another libc or compiler patch moves them a little), allocations by more than one in ten runs.
#
#     Benchmarks/counts.sh             TOLERANCE=10
#     Benchmarks/counts.sh --update    writes the thresholds anew, after a change that is meant to move them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
thresholds=Thresholds/counts.tsv
[ $# -eq 0 ] || [ "$*" = --update ] || { echo "usage: $0 [--update]" >&2; exit 64; }
command -v valgrind >/dev/null || { echo "counts.sh: no valgrind; run scripts/deps.sh test" >&2; exit 69; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

built=$(./build.sh favorites-counts)
# Without debug information, which valgrind 3.19 cannot read; the names of the functions stay.
program=$work/favorites-counts
strip --strip-debug -o "$program" "$built"
# Fixed hashing, and every symbol bound before anything is counted.
SWIFT_DETERMINISTIC_HASHING=1 LD_BIND_NOW=1 valgrind --tool=callgrind --instr-atstart=no \
    --callgrind-out-file="$work/counts" "$program" >"$work/steps" 2>"$work/valgrind.log" || {
    tail -n 20 "$work/valgrind.log" >&2
    exit 1
}

# One file for each step. A callee's name stands in full the first time, later its number alone.
for file in "$work"/counts.*; do
    awk '
        /^desc: Trigger: Client Request: / { step = $NF }
        /^(cfn|fn)=/ {
            text = $0
            sub(/^c?fn=/, "", text)
            id = text
            sub(/ .*/, "", id)
            if (text != id) { name[id] = text; sub(/^[^ ]* /, "", name[id]) }
            if ($0 ~ /^cfn=/) callee = name[id]
        }
        /^calls=/ && callee ~ /^(malloc|calloc|realloc|memalign|aligned_alloc|posix_memalign)$/ {
            split($1, words, "=")
            allocations += words[2]
        }
        /^(summary|totals): / && !instructions { instructions = $2 }
        END { if (step != "") printf "%s %.0f %.0f\n", step, instructions, allocations }' "$file"
done >"$work/totals"
awk -v OFS='\t' '
    FNR == NR { instructions[$1] = $2; allocations[$1] = $3; next }
    $1 in instructions { printf "%s\t%.0f\t%.2f\n", $1, instructions[$1] / $2, allocations[$1] / $2 }' \
    "$work/totals" "$work/steps" >"$work/counts.tsv"
[ "$(wc -l <"$work/counts.tsv")" -eq "$(grep -c '^[a-z-]* [0-9]*$' "$work/steps")" ] || {
    echo "counts.sh: not every step was counted: $(cat "$work/valgrind.log" "$work/steps")" >&2
    exit 1
}

if [ "${1:-}" = --update ]; then
    { printf 'step\tinstructions\tallocations\n' && cat "$work/counts.tsv"; } >"$thresholds"
fi
awk -F '\t' -v tolerance="${TOLERANCE:-10}" '
    FNR == 1 && NR == 1 { next }
    FNR == NR { instructions[$1] = $2; allocations[$1] = $3; next }
    FNR == 1 { printf "%-12s %12s %12s %9s %12s %10s\n", "step", "instructions", "threshold", "change", "allocations", "threshold" }
    !($1 in instructions) { print $1 ": has no threshold; run Benchmarks/counts.sh --update"; failed = 1; next }
    {
        change = ($2 / instructions[$1] - 1) * 100
        printf "%-12s %12d %12d %+8.1f%% %12.2f %10.2f", $1, $2, instructions[$1], change, $3, allocations[$1]
        if (change > tolerance || $3 > allocations[$1] + 0.1) { printf "  TOO MANY"; failed = 1 }
        if (change < -tolerance || $3 < allocations[$1] - 0.1) printf "  fewer: keep that by --update"
        print ""
        delete instructions[$1]
    }
    END {
        for (step in instructions) { print step ": has a threshold and was not counted"; failed = 1 }
        exit failed
    }' "$thresholds" "$work/counts.tsv"
