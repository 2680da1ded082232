// swift-tools-version: 6.2
import PackageDescription

// Programs that drive the modules themselves, without Kafka. The scripts beside this file build and run them.
let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "favorites", path: "..")],
    targets: [
        .target(name: "PreparedSource", dependencies: modules("Model", "Placement")),
        .executableTarget(
            name: "favorites-replay",
            dependencies: ["PreparedSource"] + modules("Ingest", "Model", "Store", "Telemetry")),
    ],
    swiftLanguageModes: [.v6]
)

func modules(_ names: String...) -> [Target.Dependency] {
    names.map { .product(name: $0, package: "favorites") }
}
