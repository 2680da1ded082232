// swift-tools-version: 6.2
import PackageDescription

// One executable for each fuzz target: a file in `Sources/<target>` that exports `LLVMFuzzerTestOneInput`, and a row
// here with the modules that it drives. `run.sh` builds it with the sanitizers, which also bring its `main`.
let drives: [String: [String]] = [
    "fuzz-decode": ["Decode", "Model"],
    "fuzz-frame": ["Model", "Query", "Render", "Wire"],
    "fuzz-http": ["HTTP1", "Model", "Query"],
    "fuzz-snapshot": ["Model", "Snapshot", "Store"],
]

let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "favorites", path: "..")],
    targets: drives.sorted { $0.key < $1.key }.map { name, modules in
        .executableTarget(
            name: name,
            dependencies: modules.map { .product(name: $0, package: "favorites") },
            swiftSettings: [.enableUpcomingFeature("MemberImportVisibility"), .unsafeFlags(["-parse-as-library"])])
    },
    swiftLanguageModes: [.v6]
)
