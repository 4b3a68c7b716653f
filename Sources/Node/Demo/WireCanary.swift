import Foundation
import Primitives

/// Looks for members' values in what was handed to TLS and what left it: every row's id, the row as text, its numbers as doubles and as
/// scaled integers, in both byte orders. Patterns have at least 8 bytes, 6 of them not zero, so that none is found by chance.
package struct WireCanary {
    private var patterns: Set<Bytes> = []
    private var prefixes = [Bool](repeating: false, count: 1 << 16)
    package var count: Int { patterns.count }

    package init() {}
    init(_ data: DemoData) throws {
        for name in ["diabetes__hospital.csv", "diabetes__laboratory.csv", "diabetes__insurer.csv"] {
            let lines = try data.text("\(data.files)/\(name)").split(whereSeparator: \.isNewline).dropFirst()
            for line in lines { add(row: line) }
        }
    }
    /// One row's patterns.
    package mutating func add(row line: Substring) {
        let cells = line.split(separator: ",")
        insert(Bytes(cells[0].utf8))
        if let id = Hex.parse(cells[0]) { insert(id); insert(id.reversed()) }
        insert(Bytes(line.utf8))
        for cell in cells.dropFirst() {
            guard let number = Double(cell) else { continue }
            insert(bytes(number.bitPattern))
            insert(bytes(number.bitPattern).reversed())
        }
        // Numbers of a row side by side, scaled by 100: as 32- and 64-bit integers a leaking column would hold them.
        let scaled = cells.dropFirst().compactMap { Double($0) }.map { UInt64(($0 * 100).rounded()) }
        insert(scaled.flatMap { bytes($0) })
        insert(scaled.flatMap { bytes($0).reversed() })
        insert(scaled.flatMap { bytes($0)[..<4] })
    }
    private func bytes(_ value: UInt64) -> Bytes { withUnsafeBytes(of: value.littleEndian) { Bytes($0) } }
    private mutating func insert(_ pattern: Bytes) {
        guard pattern.count >= 8, pattern.count(where: { $0 != 0 }) >= 6, patterns.insert(pattern).inserted else { return }
        prefixes[Int(pattern[0]) << 8 | Int(pattern[1])] = true
    }

    package func search(_ files: [String]) throws -> (bytes: Int, hits: [String]) {
        var total = 0, hits: [String] = []
        let byLength = Dictionary(grouping: patterns, by: \.count).mapValues { Set($0.map { ArraySlice($0) }) }
        for file in files {
            guard let data = FileManager.default.contents(atPath: file) else { continue }
            let bytes = Bytes(data)
            total += bytes.count
            for at in 0..<max(0, bytes.count - 8) where prefixes[Int(bytes[at]) << 8 | Int(bytes[at + 1])] {
                for (length, set) in byLength where at + length <= bytes.count && set.contains(bytes[at..<at + length]) {
                    hits.append("\(file)@\(at)")
                }
            }
        }
        return (total, hits)
    }
}
