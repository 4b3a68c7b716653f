import Ciphers
import Compute
import Primitives

/// Whom one question reached at one owner, as keyed digests: enough to compare two questions by, nothing to read a row from.
///
/// Two answers whose populations differ in fewer than k subjects show by their difference what belongs to those few (private-sql.md
/// §8.4, rule 2). Compared are totals, groups that overlap or have one label, and groups with the other question's total. Deviation:
/// complements are left out, since within one question they are what hiding small groups is for. Sums over three answers pass.
package struct Cohort: Sendable, Equatable {
    /// Subject → group.
    private let cells: [UInt64: UInt64]

    package init(_ reached: [LocalEvaluator.Reached], secret: Bytes) {
        func digest(_ text: String, _ role: UInt8) -> UInt64 {
            sha256(Bytes("entente/jobs/cohort/v1".utf8) + secret + [role] + Bytes(text.utf8)).bytes.prefix(8).reduce(0) {
                $0 << 8 | UInt64($1)
            }
        }
        var groups: [String: UInt64] = [:], cells: [UInt64: UInt64] = [:]
        for one in reached {
            let group = groups[one.group] ?? digest(one.group, 1)
            groups[one.group] = group
            cells[digest(one.subject, 0)] = group
        }
        self.cells = cells
    }
    package var count: Int { cells.count }

    /// - Parameters:
    ///   - k: smallest group of the table. - isPooled: other members' rows may stand in one group with ours; else a group below k is never shown.
    package func isTooClose(to earlier: Cohort, smallestGroup k: Int, isPooled: Bool) -> Bool {
        if cells == earlier.cells { return false }
        struct Pair: Hashable { let mine, other: UInt64 }
        var mine: [UInt64: (size: Int, common: Int)] = [:], others = mine, both: [Pair: Int] = [:], common = 0
        for (subject, group) in cells {
            mine[group, default: (0, 0)].size += 1
            guard let other = earlier.cells[subject] else { continue }
            common += 1
            mine[group]!.common += 1
            others[other, default: (0, 0)].common += 1
            both[Pair(mine: group, other: other), default: 0] += 1
        }
        for group in earlier.cells.values { others[group, default: (0, 0)].size += 1 }
        func isClose(_ a: Int, _ b: Int, _ common: Int) -> Bool {
            let difference = a + b - 2 * common
            return difference > 0 && difference < k && (isPooled || min(a, b) >= k)
        }
        if isClose(count, earlier.count, common) { return true }
        for (pair, n) in both where isClose(mine[pair.mine]!.size, others[pair.other]!.size, n) { return true }
        for (group, cell) in mine {
            if let other = others[group], isClose(cell.size, other.size, both[Pair(mine: group, other: group)] ?? 0) { return true }
        }
        guard count != common || earlier.count != common else { return false }
        return mine.values.contains { isClose($0.size, earlier.count, $0.common) }
            || others.values.contains { isClose($0.size, count, $0.common) }
    }

    /// `cohort` of Input: binds the owner to whom it compared, for an auditor to whom it shows secret and rows.
    package func commitment(secret: Bytes) -> Hash32 { keccak256(Bytes("entente/jobs/cohort-commitment/v1".utf8) + secret + encoded) }

    /// Pairs of eight bytes, by subject.
    package var encoded: Bytes {
        cells.sorted { $0.key < $1.key }.flatMap { pair in
            [pair.key, pair.value].flatMap { n in withUnsafeBytes(of: n.bigEndian) { Bytes($0) } }
        }
    }
    package init?(encoded: Bytes) {
        guard encoded.count % 16 == 0 else { return nil }
        var cells: [UInt64: UInt64] = [:]
        for at in stride(from: 0, to: encoded.count, by: 16) {
            func number(_ from: Int) -> UInt64 { encoded[from..<from + 8].reduce(0) { $0 << 8 | UInt64($1) } }
            cells[number(at)] = number(at + 8)
        }
        self.cells = cells
    }
}
