import Primitives
import RPC
import Synchronization

/// Filters that clients poll. Bounded: the one that was not asked for longest gives way.
final class FilterTable: Sendable {
    enum Filter: Sendable {
        case logs(LogQuery, next: UInt64)
        case blocks(next: UInt64)
        case pending([Hash32])
    }
    private struct Entry {
        var filter: Filter
        /// Grows with each use of the table: no clock is needed to know the oldest.
        var used: UInt64
    }
    private let state = Mutex<(entries: [String: Entry], uses: UInt64)>(([:], 0))

    static let maximumFilters = 1_000
    static let maximumPendingHashes = 10_000
    /// Blocks looked at for one poll; the next continues.
    static let maximumBlocks: UInt64 = 1_000

    func add(_ filter: Filter) -> String {
        // Not guessable: a filter belongs to whoever knows its name.
        let id = U256(UInt64.random(in: 1 ... .max), UInt64.random(in: 1 ... .max), 0, 0).quantity
        state.withLock { state in
            if state.entries.count >= FilterTable.maximumFilters,
                let oldest = state.entries.min(by: { $0.value.used < $1.value.used })?.key
            {
                state.entries[oldest] = nil
            }
            state.uses += 1
            state.entries[id] = Entry(filter: filter, used: state.uses)
        }
        return id
    }
    func remove(_ id: String) -> Bool { state.withLock { $0.entries.removeValue(forKey: id) != nil } }

    func query(_ id: String) throws(RPCError) -> LogQuery {
        guard case .logs(let query, _)? = state.withLock({ $0.entries[id]?.filter }) else { throw .refused("filter not found") }
        return query
    }

    func pending(_ hash: Hash32) {
        state.withLock { state in
            for (id, entry) in state.entries {
                guard case .pending(let hashes) = entry.filter, hashes.count < FilterTable.maximumPendingHashes else { continue }
                state.entries[id]?.filter = .pending(hashes + [hash])
            }
        }
    }

    /// What is new since the last poll.
    func changes(_ id: String, _ view: any LedgerSnapshot) throws(RPCError) -> JSON {
        let head = view.head.header.number
        let found = state.withLock { state -> (filter: Filter, end: UInt64)? in
            guard var entry = state.entries[id] else { return nil }
            let filter = entry.filter
            var end = head
            switch filter {
            case .logs(let query, let next):
                end = min(head, next + FilterTable.maximumBlocks - 1)
                entry.filter = .logs(query, next: max(next, end + 1))
            case .blocks(let next):
                end = min(head, next + FilterTable.maximumBlocks - 1)
                entry.filter = .blocks(next: max(next, end + 1))
            case .pending: entry.filter = .pending([])
            }
            state.uses += 1
            entry.used = state.uses
            state.entries[id] = entry
            return (filter, end)
        }
        guard let found else { throw .refused("filter not found") }
        switch found.filter {
        case .pending(let hashes): return .array(hashes.map { JSON($0) })
        case .blocks(let next):
            var hashes: [JSON] = []
            for number in stride(from: next, through: found.end, by: 1) {
                if let header = try view.header(number) { hashes.append(JSON(header.hash)) }
            }
            return .array(hashes)
        case .logs(let query, let next):
            // The range of the query still holds: a filter may begin in the future or end.
            var (from, to) = (next, found.end)
            if case .blocks(let first, let last) = query.range {
                if case .number(let number)? = first { from = max(from, number) }
                if case .number(let number)? = last { to = min(to, number) }
            }
            return from > to ? [] : .array(try view.logs(query, from: from, to: to).map(\.json))
        }
    }
}
