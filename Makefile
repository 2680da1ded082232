# One obvious command per job; CI runs the same ones.

FUZZ_SECONDS ?= 60
SEEDS ?= 10000
SWIFT_FILES := Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Tests

.PHONY: help run test build release tidy fix docs fuzz sim bench bench-full bench-test deploy-check deps clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: deps release ## A whole cluster on this machine, with a generated offer and live updates
	.build/release/favorites demo

test: ## All tests: unit, sanitizers, integration against the release build
	@scripts/test.sh

build: deps ## Debug build
	swift build

release: deps ## Release build: .build/release/favorites
	swift build -c release --product favorites

tidy: ## Checks the format; the other rules of the house are tests (TidyTests)
	swift format lint --strict --parallel --recursive $(SWIFT_FILES)

fix: ## Formats everything
	swift format --in-place --parallel --recursive $(SWIFT_FILES)

docs: ## Makes docs/CONFIGURATION.md from the table of settings
	FAVORITES_TEST_UPDATE_DOCS=1 swift test --disable-xctest --filter SettingsTests.DocumentTests

fuzz: deps ## Each fuzz target for FUZZ_SECONDS (60)
	@targets=$$(Fuzz/run.sh list) && for target in $$targets; do Fuzz/run.sh $$target $(FUZZ_SECONDS) || exit 1; done

sim: ## SEEDS (10000) random clusters under faults, on virtual time; SEED=N runs one and prints its trace
	FAVORITES_CORE_ONLY=1 swift build -c release --scratch-path .build-core --product favorites-simulation
	.build-core/release/favorites-simulation $(if $(SEED),--first $(SEED) --count 1 --trace,--count $(SEEDS))

bench: release ## Every benchmark beside its peers, about ten minutes; writes Benchmarks/RESULTS.md
	@scripts/deps.sh bench
	Benchmarks/bench.sh

bench-full: export ROUNDS = 9
bench-full: export ROUND_SECONDS = 5
bench-full: bench ## The same with more and longer rounds

bench-test: deps ## Tests of the benchmarks' own code: the load generator
	cd Benchmarks && FAVORITES_CORE_ONLY=1 swift test --disable-xctest

deploy-check: release ## Everything under deploy/: linters, tests of the alerts, a cluster with cache and Prometheus
	@scripts/deps.sh deploy
	@timeout 180 deploy/check.sh

deps: ## Installs the missing Debian packages
	@scripts/deps.sh

clean: ## Removes every build folder and the data of local runs
	rm -rf .build .build-* Benchmarks/.build favorites-data
