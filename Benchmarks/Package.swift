// swift-tools-version: 6.2
import PackageDescription

// Figures, never a gate of correctness. Run with the rooms that are measured: `ENTENTE_ROOMS=EVM swift run -c release evm-benchmarks`.
let package = Package(
    name: "entente-benchmarks",
    dependencies: [.package(name: "entente", path: "..")],
    targets: [
        .executableTarget(name: "evm-benchmarks", dependencies: [.product(name: "EVM", package: "entente"), .product(name: "Ciphers", package: "entente"),
                                                                 .product(name: "Primitives", package: "entente")]),
    ],
    swiftLanguageModes: [.v6]
)
