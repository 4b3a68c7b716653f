import Primitives
import Synchronization

/// A store in memory that can fail as a disk does: for tests and simulation.
///
/// It keeps two images: what readers see, and what a power cut would leave (the state at the last durable write, then a prefix of
/// the batches after it). A batch is never half there, as the write-ahead log's checksum promises; which prefix survives is the
/// test's choice.
package final class MemoryStore: KeyValueStore {
    private struct State {
        var visible: [Bytes: Bytes] = [:]
        var durable: [Bytes: Bytes] = [:]
        /// Written, not yet synced.
        var pending: [WriteBatch] = []
        var writes = 0
        var cut: PowerCut?
        var hasPower = true
    }
    private let state = Mutex(State())

    /// The power goes at the `write`-th write from now (0 is the next), which then throws `powerLost`.
    package struct PowerCut: Sendable {
        package var write: Int
        /// Whether the batch being written reached the disk all the same: the caller cannot know.
        package var survives: Bool
        package init(write: Int, survives: Bool) { (self.write, self.survives) = (write, survives) }
    }

    package init() {}

    package var writes: Int { state.withLock { $0.writes } }

    package func cutPower(at cut: PowerCut) {
        state.withLock { $0.cut = PowerCut(write: $0.writes + cut.write, survives: cut.survives) }
    }

    /// Power comes back: what was durable is there, and the first `keeping` of the batches that were not.
    package func restart(keeping count: Int = 0) {
        state.withLock {
            for batch in $0.pending.prefix(count) { apply(batch, to: &$0.durable) }
            $0.visible = $0.durable
            $0.pending = []
            $0.cut = nil
            $0.hasPower = true
        }
    }

    package func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes? {
        try state.withLock { state throws(StorageError) in
            guard state.hasPower else { throw .powerLost }
            return state.visible[column.key(key)]
        }
    }

    package func scan(
        _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
        _ visit: (Bytes, Bytes) -> Bool
    ) throws(StorageError) {
        try snapshot().scan(column, from: lower, to: upper, descending: descending, visit)
    }

    package func write(_ batch: WriteBatch, durable: Bool) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard state.hasPower else { throw .powerLost }
            defer { state.writes += 1 }
            if let cut = state.cut, cut.write == state.writes {
                if cut.survives {
                    for earlier in state.pending { apply(earlier, to: &state.durable) }
                    state.pending = []
                    apply(batch, to: &state.durable)
                }
                state.hasPower = false
                throw .powerLost
            }
            apply(batch, to: &state.visible)
            if durable {
                for earlier in state.pending { apply(earlier, to: &state.durable) }
                state.pending = []
                apply(batch, to: &state.durable)
            } else {
                state.pending.append(batch)
            }
        }
    }

    package func snapshot() -> any KeyValueReader { Snapshot(entries: state.withLock { $0.visible }) }

    private struct Snapshot: KeyValueReader {
        let entries: [Bytes: Bytes]
        func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes? { entries[column.key(key)] }
        func scan(
            _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
            _ visit: (Bytes, Bytes) -> Bool
        ) throws(StorageError) {
            let low = column.key(lower), high = upper.map { column.key($0) } ?? [column.prefix + 1]
            let keys = entries.keys.filter {
                !$0.lexicographicallyPrecedes(low)
                    && $0.lexicographicallyPrecedes(high)
            }.sorted { $0.lexicographicallyPrecedes($1) }
            for key in descending ? keys.reversed() : keys where !visit(Bytes(key[1...]), entries[key]!) { return }
        }
    }
}

private func apply(_ batch: WriteBatch, to map: inout [Bytes: Bytes]) {
    for operation in batch.operations {
        switch operation {
        case .put(let key, let value): map[key] = value
        case .delete(let key): map[key] = nil
        }
    }
}
