#!/usr/bin/env bash
# Runs the benchmarks of `all_parts` and writes Benchmarks/RESULTS.md: the machine, the versions, each row with its bar and
# whether it is met, the commands, and what each benchmark printed. Nothing in that file is typed by hand. Each part is a
# script of its own that can be run alone, prints a table, and adds its rows by `result_row` (lib.sh).
#
#     Benchmarks/bench.sh             the short set, about ten minutes; ROUNDS=5 ROUND_SECONDS=2
#     Benchmarks/bench.sh PART…       only these, to the terminal; RESULTS.md stays as it is
#     ROUNDS=9 ROUND_SECONDS=5 Benchmarks/bench.sh    longer (`make bench-full`)
#
# A bar that is not met is no failure of this script; a part that fails is.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A part that is not there is left out.
all_parts=(serve-peers router-peers allocations tables memory ingest-ratio updates visibility gzip)
export ROUNDS=${ROUNDS:-5} ROUND_SECONDS=${ROUND_SECONDS:-2}
export RESULT_ROWS=$work/rows
parts=("$@")
if [ $# -eq 0 ]; then
    for part in "${all_parts[@]}"; do [ ! -x "Benchmarks/$part.sh" ] || parts+=("$part"); done
fi
for part in "${parts[@]}"; do
    [ -x "Benchmarks/$part.sh" ] || fail "no Benchmarks/$part.sh; the parts are: ${all_parts[*]}"
done
scripts/deps.sh bench
: >"$RESULT_ROWS"
load_before=$(cut -d ' ' -f 1-3 /proc/loadavg)
failed=()
for part in "${parts[@]}"; do
    printf '\n==> %s\n' "$part"
    began=$SECONDS
    "Benchmarks/$part.sh" 2>&1 | tee "$work/$part.out" || failed+=("$part")
    echo "$((SECONDS - began)) s" >"$work/$part.seconds"
done

version() { dpkg-query -W -f='${Version}' "$1" 2>/dev/null || echo "not installed"; }

machine() {
    local package
    echo "| what | version |"
    echo "| --- | --- |"
    echo "| date | $(date -u +%FT%TZ) |"
    echo "| commit | $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- . ':!Benchmarks/RESULTS.md' || echo ', with changes') |"
    echo "| processor | $(nproc) × $(lscpu | sed -n 's/^Model name: *//p' | head -n 1) |"
    echo "| memory | $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) |"
    echo "| kernel | $(uname -sr) |"
    echo "| system | $(. /etc/os-release && echo "$PRETTY_NAME") |"
    echo "| load before, after | $load_before; $(cut -d ' ' -f 1-3 /proc/loadavg) |"
    echo "| Swift | $(swift --version 2>/dev/null | grep -o 'Swift version [^ ]*' | cut -d ' ' -f 3) |"
    for package in nginx redis-server libnginx-mod-http-lua lua-nginx-redis wrk librdkafka1 libsimdjson14 liburcu8 \
        libtbb12 valgrind; do
        echo "| $package | $(version "$package") |"
    done
}

# The rows: ratios of medians' rounds, or the figure itself where there is no peer.
table() {
    echo "| measure | ours | peer | ratio: median | least | most | bar | met |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
    awk -F '\t' '
        function met(value, bar,    words) {
            if (bar == "") return "–"
            split(bar, words, " ")
            return (words[1] == ">=" ? value + 0 >= words[2] + 0 : value + 0 <= words[2] + 0) ? "yes" : "**no**"
        }
        {
            bar = $7
            gsub(">=", "≥", bar)
            gsub("<=", "≤", bar)
            printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5, $6, bar == "" ? "–" : bar, met($4, $7)
        }' "$RESULT_ROWS"
}

results() {
    echo "# Results"
    echo
    echo "Written by \`ROUNDS=$ROUNDS ROUND_SECONDS=$ROUND_SECONDS Benchmarks/bench.sh\`, not by hand. Both sides of a row run in" \
        "turn in one run on this machine; the ratios count, absolute figures belong to the machine and the day. What limits a" \
        "row that is not met, and what was tried, is in [docs/decisions](../docs/decisions)."
    echo
    table
    echo
    echo "## Machine and versions"
    echo
    machine
    for part in "${parts[@]}"; do
        printf '\n## %s\n\n`Benchmarks/%s.sh`, %s:\n\n```\n' "$part" "$part" "$(<"$work/$part.seconds")"
        sed "s|$work|WORK|g; s|$root/||g" "$work/$part.out"
        echo '```'
    done
}

if [ $# -gt 0 ]; then
    printf '\n'
    table
else
    results >"$work/results.md"
    cp "$work/results.md" Benchmarks/RESULTS.md
    printf '\n'
    table
    echo "bench: $SECONDS s; written to Benchmarks/RESULTS.md"
fi
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
