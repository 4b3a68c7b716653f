import Foundation
import Primitives

/// The public `rpc-compat` vectors of execution-apis, unpacked once into a temporary folder.
enum Vectors {
    static let folder: URL? = {
        let environment = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"]
        var place = URL(fileURLWithPath: #filePath)
        var candidates = environment.map { [URL(fileURLWithPath: $0)] } ?? []
        while place.path != "/" {
            place.deleteLastPathComponent()
            candidates.append(place.appendingPathComponent("shared/vectors"))
        }
        guard
            let archive = candidates.map({ $0.appendingPathComponent("rpc-compat.tar.xz") }).first(where: {
                FileManager.default.fileExists(atPath: $0.path)
            })
        else {
            print("SKIPPED: all rpc-compat vectors (rpc-compat.tar.xz is neither in ENTENTE_VECTORS nor in ../shared/vectors)")
            return nil
        }
        let target = FileManager.default.temporaryDirectory.appendingPathComponent(
            "entente-rpc-compat-\(ProcessInfo.processInfo.processIdentifier)")
        do {
            try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
            let tar = try Process.run(
                URL(fileURLWithPath: "/usr/bin/env"), arguments: ["tar", "xJf", archive.path, "-C", target.path])
            tar.waitUntilExit()
            return tar.terminationStatus == 0 ? target.appendingPathComponent("rpc-compat") : nil
        } catch { return nil }
    }()

    struct Exchange {
        var name: String
        var request: Bytes
        var answer: JSON
    }

    /// All request and answer files, or those of some methods.
    static func exchanges(_ methods: Set<String>? = nil) throws -> [Exchange] {
        guard let folder else { return [] }
        var found: [Exchange] = []
        for method in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        where methods?.contains(method) ?? method.contains("_") {
            let inside = folder.appendingPathComponent(method)
            for file in try FileManager.default.contentsOfDirectory(atPath: inside.path).sorted() where file.hasSuffix(".io") {
                let lines = try String(contentsOf: inside.appendingPathComponent(file), encoding: .utf8).split(separator: "\n")
                var request: Bytes?
                for line in lines {
                    if line.hasPrefix(">> ") { request = Bytes(line.dropFirst(3).utf8) }
                    if line.hasPrefix("<< "), let asked = request {
                        found.append(
                            Exchange(
                                name: "\(method)/\(file)", request: asked, answer: try JSON(parsing: Bytes(line.dropFirst(3).utf8)))
                        )
                        request = nil
                    }
                }
            }
        }
        return found
    }

    static func chain() throws -> Bytes {
        try folder.map { Bytes(try Data(contentsOf: $0.appendingPathComponent("chain.rlp"))) } ?? []
    }
}
