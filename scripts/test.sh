#!/usr/bin/env bash
# All tests, as `make test` and CI run them. Debug and release share .build, each in a folder of its own in it. The
# sanitizers have scratch folders of their own; they run over the core, which has no package dependency.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/steps.sh
trap steps_summary EXIT

# All tests are Swift Testing's; XCTest's empty run is left out, since the leak check stumbles over its runner.
test=(swift test --disable-xctest)
# TidyTests read the sources, and the simulation is one thread of plain values: a sanitizer finds nothing in them that the
# plain run would not.
# Optimised, they take a third of the time, and look at the code as it runs in production.
core=(env FAVORITES_CORE_ONLY=1 "${test[@]}" -Xswiftc -O --skip '^TidyTests\.' --skip '^SimulationTests\.')

# One test after another: each has a whole cluster of processes. A filter that matches nothing passes; that must not look like success.
integration_tests() {
    local log=.build/integration.log
    FAVORITES_BIN="$PWD/.build/release/favorites" "${test[@]}" --skip-build --no-parallel --filter '^Integration\.' 2>&1 | tee "$log"
    grep -qE 'Test run with [1-9]' "$log" || { echo "no integration test ran" >&2; return 1; }
}

step "Debian packages" scripts/deps.sh test
step "debug build" swift build --build-tests
step "unit tests" "${test[@]}" --skip-build --skip '^Integration\.' --skip '^HooksTests\.'
# They wait for processes, and must not wait for a thread that another test computes on.
step "tests of hooks" "${test[@]}" --skip-build --no-parallel --filter '^HooksTests\.'
step "simulation" make sim SEEDS=300
step "core under the thread sanitizer" env TSAN_OPTIONS="suppressions=$PWD/scripts/tsan-suppressions.txt" "${core[@]}" --scratch-path .build-tsan --sanitize thread
# These two start processes, and Foundation's Process keeps some memory for good, which the leak check tells.
step "core under the address sanitizer" "${core[@]}" --scratch-path .build-asan --sanitize address \
    --skip '^TestSupportTests\.ProcessTests' --skip '^DecodeTests\.FootballTests'
step "tests of the load generator" make bench-test
step "release build" swift build -c release --product favorites
step "integration tests" integration_tests
