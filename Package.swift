// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The rooms of the house, lowest first: what each may import is the wall that the compiler defends (STYLE: `docs/style.md`).
// Third-party packages enter only at the keepers and surfaces, so engines build and test alone in seconds.
struct Room {
    var name: String
    var imports: [String] = []
    var libraries: [(product: String, package: String)] = []
    var tests: [String]? = nil  // what its tests import besides the room itself; nil: the room has no tests
}

let nio = ["NIOCore", "NIOPosix", "NIOTLS"].map { (product: $0, package: "swift-nio") }
let web = ["NIOHTTP1", "NIOWebSocket"].map { (product: $0, package: "swift-nio") }
let tls = [(product: "NIOSSL", package: "swift-nio-ssl")]
let commands = [(product: "ArgumentParser", package: "swift-argument-parser")]

let rooms: [Room] = [
    // facts
    Room(name: "Primitives", tests: []),
    Room(name: "Ciphers", imports: ["Primitives", "CKernels", "CSecp256k1", "COpenSSL", "CGMP"], tests: []),
    Room(name: "Trie", imports: ["Primitives", "Ciphers"], tests: []),
    // engines
    Room(name: "EVM", imports: ["Primitives", "Ciphers"], tests: ["Trie"]),
    Room(name: "Consensus", imports: ["Primitives", "Ciphers"], tests: ["Simulation"]),
    Room(name: "MPC", imports: ["Primitives", "Ciphers", "CKernels"], tests: []),
    Room(name: "Compute", imports: ["Primitives", "Ciphers", "MPC"], tests: []),
    Room(name: "Contracts", imports: ["Primitives", "Ciphers", "CArtifacts"], tests: ["EVM"]),
    Room(name: "RPC", imports: ["Primitives", "Ciphers"], tests: []),
    Room(name: "Evidence", imports: ["Primitives", "Ciphers", "Trie", "Consensus", "Contracts"], tests: []),
    // serves tests only
    Room(name: "Simulation", imports: ["Primitives", "Ciphers", "Consensus"]),
    // keepers
    Room(name: "Storage", imports: ["Primitives", "CRocksDB"], tests: []),
    Room(name: "P2P", imports: ["Primitives", "Ciphers", "COpenSSL"], libraries: nio + tls, tests: []),
    Room(name: "Chain", imports: ["Primitives", "Ciphers", "Trie", "EVM", "Consensus", "Storage"], tests: ["Contracts"]),
    Room(name: "Catalog", imports: ["Primitives", "Ciphers", "Storage", "Contracts", "Compute", "CSQLite", "CPostgres"], tests: []),
    Room(name: "Jobs", imports: ["Primitives", "Ciphers", "Contracts", "MPC", "Compute", "Catalog", "P2P"], tests: []),
    // surfaces
    Room(name: "Client", imports: ["Primitives", "Ciphers", "RPC", "Contracts", "Evidence", "Compute"], libraries: nio + web),
    Room(
        name: "Server", imports: ["Primitives", "Ciphers", "EVM", "Storage", "RPC", "Chain", "Jobs"], libraries: nio + web,
        tests: ["Client"]),
    Room(
        name: "Node",
        imports: [
            "Primitives", "Ciphers", "Trie", "EVM", "Consensus", "MPC", "Compute", "Contracts", "RPC", "Evidence",
            "Storage", "P2P", "Chain", "Catalog", "Jobs", "Client", "Server", "CSQLite",
        ],
        libraries: nio + commands, tests: []),
]

// `ENTENTE_ROOMS=EVM,Trie swift test` sees only these rooms and what they import: engines then need no third-party package
// at all. Unset: the whole house.
let asked = ProcessInfo.processInfo.environment["ENTENTE_ROOMS"].map { Set($0.split(separator: ",").map(String.init)) }
let byName = Dictionary(uniqueKeysWithValues: rooms.map { ($0.name, $0) })
func closure(_ names: Set<String>) -> Set<String> {
    var seen: Set<String> = [], open = Array(names)
    while let name = open.popLast() {
        if seen.insert(name).inserted { open += byName[name]?.imports ?? [] }
    }
    return seen
}
let tested = rooms.filter { room in room.tests != nil && asked?.contains(room.name) ?? true }
let inside = closure(asked.map { $0.union(tested.flatMap { $0.tests! }) } ?? Set(rooms.map(\.name)))
let built = rooms.filter { inside.contains($0.name) }
let whole = built.contains { $0.name == "Node" }
let needed = Set(built.flatMap { $0.libraries.map(\.package) })

func dependencies(of room: Room) -> [Target.Dependency] {
    room.imports.map { .byName(name: $0) } + room.libraries.map { .product(name: $0.product, package: $0.package) }
}

// Debian's C libraries: a module map each, nothing else.
let systemLibraries: [(name: String, pkgConfig: String, apt: String)] = [
    ("CSecp256k1", "libsecp256k1", "libsecp256k1-dev"), ("COpenSSL", "libcrypto", "libssl-dev"), ("CGMP", "gmp", "libgmp-dev"),
    ("CRocksDB", "rocksdb", "librocksdb-dev"), ("CSQLite", "sqlite3", "libsqlite3-dev"), ("CPostgres", "libpq", "libpq-dev"),
]
let packages: [(name: String, dependency: Package.Dependency)] = [
    ("swift-nio", .package(url: "https://github.com/apple/swift-nio", from: "2.101.0")),
    ("swift-nio-ssl", .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0")),
    ("swift-argument-parser", .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")),
]

let package = Package(
    name: "entente",
    products: built.map { .library(name: $0.name, targets: [$0.name]) }
        + (whole ? [.executable(name: "entente", targets: ["entente"])] : []),
    dependencies: packages.filter { needed.contains($0.name) }.map(\.dependency),
    targets: systemLibraries.map { .systemLibrary(name: $0.name, pkgConfig: $0.pkgConfig, providers: [.apt([$0.apt])]) }
        // Kernels that need intrinsics: per-function target attributes, chosen at run time, with a portable path.
        + [.target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])])]
        // The compiled contracts, embedded.
        + (inside.contains("Contracts") ? [.target(name: "CArtifacts", cSettings: [.unsafeFlags(["-std=gnu23"])])] : [])
        + built.map { .target(name: $0.name, dependencies: dependencies(of: $0)) }
        + (whole ? [.executableTarget(name: "entente", dependencies: ["Node"])] : [])
        + tested.filter { inside.contains($0.name) }.map { room in
            .testTarget(
                name: "\(room.name)Tests",
                dependencies: [.byName(name: room.name)] + room.tests!.map { .byName(name: $0) } + dependencies(of: room))
        },
    swiftLanguageModes: [.v6]
)
