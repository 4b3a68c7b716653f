import Foundation
import Primitives

/// Foreign vectors: packed, outside the tree, unpacked once into the build folder.
enum Vectors {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static var folder: URL? {
        let candidates = [
            ProcessInfo.processInfo.environment["ENTENTE_VECTORS"].map { URL(fileURLWithPath: $0) },
            repository.deletingLastPathComponent().appendingPathComponent("shared/vectors"),
        ]
        return candidates.compactMap { $0 }.first { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// The folder with the unpacked archive; nil, said aloud, where there are no vectors.
    static func unpack(_ archive: String) throws -> URL? {
        guard let source = folder?.appendingPathComponent("\(archive).tar.xz"), FileManager.default.fileExists(atPath: source.path) else {
            print("SKIPPED: \(archive).tar.xz is neither in ENTENTE_VECTORS nor in ../shared/vectors; nothing of it was checked")
            return nil
        }
        let target = repository.appendingPathComponent(".build/vectors/\(archive)")
        if FileManager.default.fileExists(atPath: target.path) { return target }
        let partial = target.appendingPathExtension("partial-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
        let tar = Process()
        tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tar.arguments = ["tar", "xJf", source.path, "-C", partial.path]
        try tar.run()
        tar.waitUntilExit()
        guard tar.terminationStatus == 0 else { throw CocoaError(.fileReadCorruptFile) }
        try FileManager.default.moveItem(at: partial, to: target)
        return target
    }

    static func jsonFiles(in folder: URL) -> [URL] {
        let all = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)!
        return all.compactMap { $0 as? URL }.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
    }

    static func load(_ file: URL) throws -> JSON { try JSON(parsing: Bytes(Data(contentsOf: file))) }
}
