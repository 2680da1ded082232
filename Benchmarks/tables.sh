#!/usr/bin/env bash
# Look-ups in the store's tables beside liburcu's, oneTBB's and the standard library's; see
# Benchmarks/Sources/favorites-tables. Twice: with the allocator asking for huge pages, which the other tables gain by,
# and without. The better of the two is the peers' figure. Needs two processors.
#
#     Benchmarks/tables.sh                        RECORDS=1000000 ROUNDS=7 LOOKUPS=2000000
#     Benchmarks/tables.sh --json                 one JSON document for each of the two
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ "$(nproc)" -ge 2 ] || {
    echo "tables.sh: needs two processors: one for each reader" >&2
    exit 1
}
scripts/deps.sh bench >&2
export FAVORITES_CORE_ONLY=1
build=(swift build -c release --package-path Benchmarks --product favorites-tables)
"${build[@]}" >&2
tables=$("${build[@]}" --show-bin-path)/favorites-tables
arguments=(--records "${RECORDS:-1000000}" --rounds "${ROUNDS:-7}" --lookups "${LOOKUPS:-2000000}" "$@")
for huge in 1 0; do
    [ "${1:-}" = --json ] || echo "allocator's huge pages: $([ $huge -eq 1 ] && echo on || echo off)"
    GLIBC_TUNABLES=glibc.malloc.hugetlb=$huge "$tables" "${arguments[@]}"
    [ "${1:-}" = --json ] || echo
done
