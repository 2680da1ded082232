// swift-tools-version: 6.2
import PackageDescription

// Every Swift target gets these, from one loop at the end, so none is forgotten.
let settings: [SwiftSetting] = [
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
    .enableUpcomingFeature("ExistentialAny"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
    .enableUpcomingFeature("MemberImportVisibility"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0409-access-level-on-imports.md
    .enableUpcomingFeature("InternalImportsByDefault"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0461-async-function-isolation.md
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0458-strict-memory-safety.md
    .strictMemorySafety(),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0443-warning-control-flags.md
    .treatAllWarnings(as: .error),
    // docs/decisions/0008-hot-path.md: what the optimiser may do in release builds. Debug builds, and so the tests and
    // the sanitizers, keep the dynamic checks.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

// MARK: - The core: structures, rules and machines. No sockets, no threads, no package dependency.

var targets: [Target] = [
    .target(name: "CXXHash"),
    .target(name: "CLZ4", linkerSettings: [.linkedLibrary("lz4")]),
    .target(name: "CMemory"),
    .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),
    // Of the core only its tests use it.
    .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
    .target(name: "Model"),
    .target(name: "Telemetry"),
    .target(name: "Decode", dependencies: ["Model", "CSimdjson"]),
    .target(name: "Render", dependencies: ["Model", "CXXHash"]),
    .target(name: "Reclamation"),
    .target(name: "Snapshot", dependencies: ["Model", "CLZ4", "CXXHash"]),
    .target(name: "Store", dependencies: ["Model", "Reclamation", "Render", "Snapshot", "CMemory"]),
    .target(name: "Query", dependencies: ["Model", "Render", "CXXHash"]),
    .target(name: "Selection", dependencies: ["Model", "Placement", "Render", "Store", "Query"]),
    .target(name: "Wire", dependencies: ["Model", "Query", "Render"]),
    .target(name: "Placement", dependencies: ["Model"]),
    .target(name: "Membership", dependencies: ["Model", "Placement"]),
    .target(name: "Autoscale", dependencies: ["Membership", "Model", "Placement"]),
    .target(name: "FanOut", dependencies: ["Membership", "Model", "Placement", "Query"]),
    .target(name: "HTTP1", dependencies: ["Model"]),
    .target(name: "Ingest", dependencies: ["Model", "Decode", "Snapshot", "Store", "Telemetry"]),
    // Does something under the thread sanitizer alone.
    .target(name: "CThreadSanitizer", path: "Tests/CThreadSanitizer"),
    .target(name: "TestSupport", dependencies: ["Model", "CThreadSanitizer", "CZlib"], path: "Tests/TestSupport"),
    // A whole cluster on virtual time, and the command that runs many seeds of it (`make sim`).
    .target(
        name: "Simulation",
        dependencies: ["Autoscale", "FanOut", "Ingest", "Membership", "Model", "Placement", "Query", "TestSupport"],
        path: "Tests/Simulation"),
    .executableTarget(name: "favorites-simulation", dependencies: ["Simulation"], path: "Tests/SimulationRunner"),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "TestSupport"]),
    .testTarget(name: "TestSupportTests", dependencies: ["Model", "TestSupport"]),
    .testTarget(name: "ModelTests", dependencies: ["Model", "TestSupport"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"]),
    .testTarget(name: "DecodeTests", dependencies: ["Decode", "Model", "TestSupport"]),
    .testTarget(name: "RenderTests", dependencies: ["Model", "Render", "TestSupport"]),
    .testTarget(name: "ReclamationTests", dependencies: ["Reclamation", "TestSupport"]),
    .testTarget(name: "SnapshotTests", dependencies: ["CXXHash", "Model", "Snapshot", "TestSupport"]),
    .testTarget(name: "StoreTests", dependencies: ["Store", "Reclamation", "Snapshot", "TestSupport"]),
    .testTarget(name: "QueryTests", dependencies: ["Model", "Query", "Render", "TestSupport"]),
    .testTarget(
        name: "SelectionTests",
        dependencies: [
            "Selection", "Decode", "Ingest", "Placement", "Query", "Snapshot", "Store", "Telemetry", "TestSupport",
        ]),
    .testTarget(name: "WireTests", dependencies: ["Model", "Query", "Render", "Wire", "TestSupport"]),
    .testTarget(name: "PlacementTests", dependencies: ["Model", "Placement", "TestSupport"]),
    .testTarget(name: "MembershipTests", dependencies: ["Membership", "Model", "Placement", "TestSupport"]),
    .testTarget(
        name: "AutoscaleTests", dependencies: ["Autoscale", "Membership", "Model", "Placement", "TestSupport"]),
    .testTarget(
        name: "FanOutTests", dependencies: ["FanOut", "Membership", "Model", "Placement", "Query", "TestSupport"]),
    .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "TestSupport"]),
    .testTarget(name: "IngestTests", dependencies: ["Ingest", "Snapshot", "TestSupport"]),
    .testTarget(name: "TidyTests", dependencies: ["Model"]),
]
// What `Fuzz/` and `Benchmarks/`, packages of their own, drive.
var products: [Product] = [
    "Autoscale", "Decode", "HTTP1", "Ingest", "Membership", "Model", "Placement", "Query", "Render", "Selection",
    "Snapshot",
    "Store", "Telemetry", "TestSupport", "Wire",
].map { .library(name: $0, targets: [$0]) }
var dependencies: [Package.Dependency] = []

// MARK: - The shells: sockets, threads, librdkafka, files, configuration.

// FAVORITES_CORE_ONLY=1 leaves them out: the core then builds, tests and runs under the sanitizers
// without a single package dependency, which is also the proof that it is pure.
if Context.environment["FAVORITES_CORE_ONLY"] == nil {
    let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
    let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
    let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
    let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
    let nio: [Target.Dependency] = [
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
    ]
    let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")

    dependencies += [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ]
    targets += [
        .target(name: "CSpawn"),
        .target(name: "CHMAC", linkerSettings: [.linkedLibrary("crypto")]),
        .target(name: "Hooks", dependencies: ["Autoscale", "CHMAC", "CSpawn", "Membership"]),
        .target(name: "CRDKafka", linkerSettings: [.linkedLibrary("rdkafka")]),
        .target(name: "Settings", dependencies: ["Model", "Placement", argumentParser, configuration, logging]),
        .target(name: "Kafka", dependencies: ["Model", "CRDKafka", logging]),
        .target(
            name: "Cluster", dependencies: ["Model", "Kafka", "Membership", "Placement", "Telemetry", logging]),
        .target(name: "HTTPServer", dependencies: ["HTTP1", "Query"] + nio),
        .target(name: "Link", dependencies: ["Model", "Query", "Wire", "FanOut", "Telemetry", logging] + nio),
        .target(name: "Offer", dependencies: ["Model", "CZlib"]),
        .target(
            name: "Node",
            dependencies: [
                "CMemory", "Model", "Store", "Selection", "Snapshot", "Query", "Membership", "Placement", "Ingest",
                "Kafka",
                "Cluster", "Link", "Settings", "Telemetry", logging,
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ] + nio),
        .target(
            name: "Router",
            dependencies: [
                "Model", "Query", "Placement", "Membership", "FanOut", "Cluster", "Link", "HTTPServer", "HTTP1",
                "Settings", "Telemetry", logging,
            ] + nio,
            resources: [.embedInCode("openapi.yaml")]),
        .executableTarget(
            name: "favorites",
            dependencies: [
                "Node", "Router", "Autoscale", "Hooks", "Cluster", "Settings", "Kafka", "Offer", "Model", "Query",
                "Snapshot", "Store",
                "Membership",
                "Placement", "HTTPServer", "HTTP1", "Link", "Ingest", "Telemetry", argumentParser, lifecycle, logging,
                unixSignals,
            ] + nio),
        .testTarget(name: "ClusterTests", dependencies: ["Cluster", "TestSupport"]),
        .testTarget(name: "HooksTests", dependencies: ["Autoscale", "Hooks", "Membership", "Model", "TestSupport"]),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "TestSupport"]),
        .testTarget(name: "KafkaTests", dependencies: ["Kafka", "Model", "TestSupport", logging]),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTP1", "HTTPServer", "TestSupport", nioEmbedded] + nio),
        .testTarget(
            name: "LinkTests",
            dependencies: ["Link", "FanOut", "Model", "Query", "Render", "Wire", "TestSupport", logging] + nio),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "Ingest", "Kafka", "Membership", "Model", "Node", "Placement", "Settings", "Snapshot", "Telemetry",
                "TestSupport", logging,
            ] + nio),
        .testTarget(name: "OfferTests", dependencies: ["Model", "Offer", "TestSupport"]),
        .testTarget(name: "Integration", dependencies: ["Model", "Kafka", "Offer", "Placement", "TestSupport"]),
    ]
    products.append(.executable(name: "favorites", targets: ["favorites"]))
    products += ["Cluster", "Kafka", "Router", "Settings"].map { .library(name: $0, targets: [$0]) }
}

for target in targets where !target.name.hasPrefix("C") {
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}

let package = Package(
    name: "favorites",
    products: products,
    dependencies: dependencies,
    targets: targets,
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
