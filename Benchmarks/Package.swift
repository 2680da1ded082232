// swift-tools-version: 6.2
import PackageDescription

// Built with FAVORITES_CORE_ONLY=1: of the project it needs the core alone, so no NIO.

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

/// Modules of the project's core.
func core(_ names: String...) -> [Target.Dependency] {
    names.map { .product(name: $0, package: "favorites") }
}

let targets: [Target] = [
    // Look-ups in the store beside other tables: the other tables, the measurement.
    .target(
        name: "CTablePeers",
        linkerSettings: ["urcu-cds", "urcu-qsbr", "urcu-memb", "tbb"].map { .linkedLibrary($0) }),
    .executableTarget(name: "favorites-tables", dependencies: ["CTablePeers"] + core("Model", "Store")),
]

for target in targets where !target.name.hasPrefix("C") {
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "favorites", path: "..")],
    targets: targets,
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
