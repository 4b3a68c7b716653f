import Primitives

/// Durable, ordered maps of bytes. The rooms above say what lies in a column; this one says when it is safe.
///
/// A store is one ordered map; a column is its first key byte. Writers hand over whole batches: a batch is there entirely or not
/// at all, and batches appear in the order in which they were written, after a crash too. A durable batch makes everything
/// written before it durable as well.
package protocol KeyValueReader: Sendable {
    func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes?

    /// Visits keys of `column` in `lower..<upper` (nil: to the column's end), ascending or descending, until `visit` returns false.
    func scan(
        _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
        _ visit: (Bytes, Bytes) -> Bool) throws(StorageError)
}

package protocol KeyValueStore: KeyValueReader {
    /// - Parameter durable: return only after fsync. A failure leaves open whether the batch is on disk; the store takes no
    ///   further write (it repeats the error), and a node whose safety rests on the batch has to end.
    func write(_ batch: WriteBatch, durable: Bool) throws(StorageError)

    /// The state of this moment, unmoved by later writes, for as long as the value lives.
    func snapshot() -> any KeyValueReader
}

extension KeyValueReader {
    package func scan(
        _ column: Column, prefix: Bytes = [], descending: Bool = false,
        _ visit: (Bytes, Bytes) -> Bool
    ) throws(StorageError) {
        try scan(column, from: prefix, to: successor(prefix), descending: descending, visit)
    }
}

/// The least key above all keys with this prefix; nil where there is none.
func successor(_ prefix: Bytes) -> Bytes? {
    var key = prefix
    while let last = key.popLast() {
        if last < 0xff { return key + [last + 1] }
    }
    return nil
}

/// A map inside a store: one byte before each key.
package struct Column: Sendable, Hashable {
    package let prefix: UInt8
    package init(_ prefix: UInt8) {
        precondition(prefix < 0xff, "0xff is the end of the last column")
        self.prefix = prefix
    }
    func key(_ key: Bytes) -> Bytes {
        var full = Bytes()
        full.reserveCapacity(key.count + 1)
        full.append(prefix)
        full += key
        return full
    }
}

/// What one write changes. Later entries for a key win.
package struct WriteBatch: Sendable {
    enum Operation: Sendable {
        case put(Bytes, Bytes)
        case delete(Bytes)
    }
    private(set) var operations: [Operation] = []

    package init() {}
    package var isEmpty: Bool { operations.isEmpty }
    package var count: Int { operations.count }
    package mutating func put(_ column: Column, _ key: Bytes, _ value: Bytes) { operations.append(.put(column.key(key), value)) }
    package mutating func delete(_ column: Column, _ key: Bytes) { operations.append(.delete(column.key(key))) }
    package mutating func append(_ other: WriteBatch) { operations += other.operations }
}

package enum StorageError: Error, Equatable, Sendable {
    /// Another process has the store open.
    case locked(path: String)
    case diskFull(path: String)
    /// The file system, or our rights on it, allow no writing.
    case readOnly(path: String)
    /// Bytes on disk are not those that were written.
    case corrupt(path: String, detail: String)
    case inputOutput(path: String, detail: String)
    /// A simulated disk lost its power.
    case powerLost
}

extension StorageError: CustomStringConvertible {
    /// One line: what, where, what to do.
    package var description: String {
        switch self {
        case .locked(let path): "another process has \(path) open; stop it, or choose another data directory"
        case .diskFull(let path): "no space left for \(path); free some and start again (nothing acknowledged is lost)"
        case .readOnly(let path): "cannot write to \(path); make it writable for this user, or choose another data directory"
        case .corrupt(let path, let detail): "\(path) is damaged (\(detail)); move it away and sync anew from the other members"
        case .inputOutput(let path, let detail): "reading or writing \(path) failed (\(detail)); check the disk, then start again"
        case .powerLost: "the simulated disk has no power"
        }
    }
}
