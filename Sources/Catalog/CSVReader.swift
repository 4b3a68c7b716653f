import Foundation
import Compute
import Primitives

/// RFC 4180 with a header line; LF or CRLF. An empty field without quotes is NULL, `""` is the empty text.
struct CSVReader {
    let header: [String]
    private let path: String
    private let bytes: Bytes
    private let bodyStart: Int

    init(path: String) throws(ConnectorError) {
        self.path = path
        do {
            bytes = Bytes(try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
        } catch {
            throw .cannotOpen(
                engine: "CSV", place: path, reason: (error as NSError).localizedFailureReason ?? (error as NSError).localizedDescription)
        }
        var at = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        guard at < bytes.count else { throw .brokenRow(path: path, line: 1, reason: .fieldCount(expected: 1, found: 0)) }
        header = try Self.record(bytes, &at, path: path, line: 1).map { if case .text(let name) = $0 { name } else { "" } }
        bodyStart = at
    }

    func read(_ names: [String]) throws(ConnectorError) -> CellTable {
        var indices: [Int] = []
        for name in names {
            guard let index = header.firstIndex(of: name) else { throw .columnUnknown(name, table: path, known: header) }
            indices.append(index)
        }
        var columns = [[RawValue]](repeating: [], count: names.count), at = bodyStart, line = 2
        while at < bytes.count {
            let start = at
            let fields = try Self.record(bytes, &at, path: path, line: line)
            defer { line += bytes[start..<at].reduce(0) { $0 + ($1 == 10 ? 1 : 0) } }
            if fields.count == 1, fields[0] == .null, header.count > 1 { continue }  // a blank line
            guard fields.count == header.count else {
                throw .brokenRow(path: path, line: line, reason: .fieldCount(expected: header.count, found: fields.count))
            }
            for (column, index) in indices.enumerated() { columns[column].append(fields[index]) }
            guard columns.isEmpty || columns[0].count <= Source.maximumRows else { throw .tooManyRows(maximum: Source.maximumRows) }
        }
        return CellTable(columns: columns)
    }

    private static func record(_ bytes: Bytes, _ at: inout Int, path: String, line: Int) throws(ConnectorError) -> [RawValue] {
        var fields: [RawValue] = []
        while true {
            fields.append(try field(bytes, &at, path: path, line: line))
            guard at < bytes.count else { return fields }
            let separator = bytes[at]
            at += 1
            if separator == UInt8(ascii: ",") { continue }
            if separator == 13, at < bytes.count, bytes[at] == 10 { at += 1 }
            return fields
        }
    }

    private static func field(_ bytes: Bytes, _ at: inout Int, path: String, line: Int) throws(ConnectorError) -> RawValue {
        func text(_ units: some Collection<UInt8>) throws(ConnectorError) -> RawValue {
            guard let text = String(validating: units, as: UTF8.self) else { throw .brokenRow(path: path, line: line, reason: .notUTF8) }
            return .text(text)
        }
        func ends(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ",") || byte == 10 || byte == 13 }
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
            let start = at
            while at < bytes.count, !ends(bytes[at]) { at += 1 }
            return start == at ? .null : try text(bytes[start..<at])
        }
        at += 1
        var units: Bytes = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte != UInt8(ascii: "\"") { units.append(byte); continue }
            if at < bytes.count, bytes[at] == UInt8(ascii: "\"") { units.append(byte); at += 1; continue }
            guard at == bytes.count || ends(bytes[at]) else { throw .brokenRow(path: path, line: line, reason: .textAfterQuote) }
            return try text(units)
        }
        throw .brokenRow(path: path, line: line, reason: .openQuote)
    }
}
