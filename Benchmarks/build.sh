#!/usr/bin/env bash
# Builds one program of this folder's package in release and prints where it is:
#
#     load=$(Benchmarks/build.sh favorites-load)
#
# The package needs the project's core alone, so neither NIO nor librdkafka is built.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 PRODUCT, one of: $(ls "$(dirname "$0")/Sources" | grep -v '^C[A-Z]' | tr '\n' ' ')" >&2; exit 64; }
cd "$(dirname "$0")"
build=(env FAVORITES_CORE_ONLY=1 swift build -c release --product "$1")
"${build[@]}" >&2
echo "$("${build[@]}" --show-bin-path)/$1"
