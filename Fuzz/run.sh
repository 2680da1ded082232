#!/usr/bin/env bash
# Fuzzes one target for some seconds under the address sanitizer:
#
#     Fuzz/run.sh fuzz-decode 60
#     Fuzz/run.sh list
#
# It starts from Seeds/TARGET and Seeds/TARGET.dict, keeps what it learns in .build/corpus/TARGET for the next run, and
# leaves an input that fails in .build/found/TARGET, to be given to the program again as its only argument.
# A new target is a folder in Sources, a row in Package.swift, and seeds.
set -euo pipefail

if [[ $# -eq 1 && $1 == list ]]; then
    ls "$(dirname "$0")/Sources"
    exit
fi
if [[ $# -ne 2 || ! $2 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: $0 TARGET SECONDS, with a target of: $(ls "$(dirname "$0")/Sources" | tr '\n' ' ')" >&2
    exit 2
fi
target=$1
seconds=$2
cd "$(dirname "$0")"
if [[ ! -d Sources/$target ]]; then
    echo "No target $target; there is: $(ls Sources | tr '\n' ' ')" >&2
    exit 2
fi

# The core alone: it needs no other package.
export FAVORITES_CORE_ONLY=1
# Both sanitizers in one flag, behind SwiftPM's own: it passes them one by one, in an order that changes from run to run,
# and the compiler obeys the last one alone, so half of the builds would measure no coverage.
build=(swift build -c release --sanitize=fuzzer --sanitize=address -Xswiftc -sanitize=fuzzer,address --product "$target")
"${build[@]}"
program="$("${build[@]}" --show-bin-path)/$target"

corpus=.build/corpus/$target
found=.build/found/$target
mkdir -p "$corpus" "$found"
options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1)
if [[ -f Seeds/$target.dict ]]; then options+=(-dict="Seeds/$target.dict"); fi
inputs=("$corpus")
if [[ -d Seeds/$target ]]; then inputs+=("Seeds/$target"); fi
"$program" "${options[@]}" "${inputs[@]}"
