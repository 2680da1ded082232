// swift-tools-version: 6.2
import PackageDescription

// Built with FAVORITES_CORE_ONLY=1 (`Benchmarks/build.sh`): of the project nearly all needs the core alone, so no NIO.

// The same as the project's own, from one loop at the end.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

/// Modules of the project's core.
func core(_ names: String...) -> [Target.Dependency] {
    names.map { .product(name: $0, package: "favorites") }
}

var targets: [Target] = [
    // The load generator: epoll and zlib, the generator itself, its command.
    .target(name: "CLoad", linkerSettings: [.linkedLibrary("z")]),
    .target(
        name: "Load",
        dependencies: ["CLoad", .product(name: "Histogram", package: "hdrhistogram-swift")]
            + core("Decode", "Model", "TestSupport")),
    .executableTarget(
        name: "favorites-load", dependencies: ["Load", argumentParser] + core("Model", "TestSupport")),
    // Counts of instructions and allocations, step by step, under callgrind.
    .target(name: "CCallgrind"),
    .executableTarget(
        name: "favorites-counts",
        dependencies: ["CCallgrind"]
            + core(
                "Decode", "HTTP1", "Model", "Placement", "Query", "Render", "Selection", "Snapshot", "Store",
                "Wire")),
    .testTarget(
        name: "LoadTests",
        dependencies: ["CLoad", "Load", .product(name: "Histogram", package: "hdrhistogram-swift")]
            + core("TestSupport")),
    // Look-ups in the store beside other tables: the other tables, the measurement.
    .target(
        name: "CTablePeers",
        linkerSettings: ["urcu-cds", "urcu-qsbr", "urcu-memb", "tbb"].map { .linkedLibrary($0) }),
    .executableTarget(name: "favorites-tables", dependencies: ["CTablePeers"] + core("Model", "Store")),
    // The messages of an offer as a source of records, and what it costs to take them in.
    .target(name: "PreparedSource", dependencies: core("Model", "Placement")),
    .executableTarget(
        name: "favorites-replay", dependencies: ["PreparedSource"] + core("Ingest", "Model", "Store", "Telemetry")),
]

var dependencies: [Package.Dependency] = [
    .package(name: "favorites", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
]

// A server over such a source, and load with live updates: what here needs more than the core. `updates.sh` and
// `faults.sh` build them.
if Context.environment["FAVORITES_CORE_ONLY"] == nil {
    dependencies += [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ]
    targets.append(
        .executableTarget(
            name: "favorites-prepared",
            dependencies: [
                "PreparedSource", .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
                + core(
                    "Cluster", "Ingest", "Membership", "Model", "Placement", "Query", "Router", "Selection", "Settings",
                    "Store", "Telemetry")))
    targets.append(
        .executableTarget(
            name: "favorites-live",
            dependencies: [
                "Load", argumentParser, .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
            ]
                + core("Kafka", "Model", "TestSupport")))
}

for target in targets where !target.name.hasPrefix("C") {
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}

let package = Package(
    name: "benchmarks",
    dependencies: dependencies,
    targets: targets,
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
