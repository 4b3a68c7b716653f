import Ciphers
import Primitives

/// What is done, by whom, at which sizes, and who learns what: data that every agent compiles again from the same text and the same
/// listings, comparing `hash` (reference/private-sql.md rule 6; reference/job-protocol.md §4).
package struct Plan: Sendable {
    /// One member's table in this job, in the order of the job's uses.
    package struct Use: Sendable {
        package enum Role: Hashable, Sendable {
            /// Rows in cuckoo bins, one a bin; and its keys again, in order, for the proofs.
            case anchor(bins: Int)
            /// Rows spread over all three bins of their key, `per` places a bin.
            case spread(bins: Int, per: Int)
            /// Sums by group: no row leaves.
            case partial
        }
        package var schema: TableSchema
        package var role: Role
        /// What the member's own engine is asked for: these columns, all rows.
        package var columns: [String]
        /// What is handed in, block by block, in planes × count.
        package var blocks: [Block]
        var item: Int
        var source: Int
    }
    package struct Block: Hashable, Sendable {
        package var name: String
        package var planes: Int
        package var count: Int
    }
    /// A line of `explain`.
    package struct Step: Hashable, Sendable {
        package var what: String
        /// "north, own machine" · "in shares" · "reader".
        package var place: String
        package var rows: Int
        package var cost: PlanCost
        package enum Lane: Hashable, Sendable {
            case after
            /// Rounds are shared with the step before.
            case beside
            /// Beside all others: needed only before the answer is sealed.
            case proof
        }
        package var lane: Lane
        package var learns: String
    }

    /// keccak256 of the canonical text with typed parameters: `program` of the order.
    package let program: Hash32
    package let text: String
    package let asker: Asker
    package let uses: [Use]
    package let steps: [Step]
    /// Smallest group enforced, and the tables whose rule it is; 1: none.
    package let smallestGroup: Int
    package let smallestGroupTables: [String]

    let query: BoundQuery
    /// Columns handed in, of all items.
    let inputs: [Input]
    let anchor: Int?
    let keyPlanes: Int
    /// Fingerprints of the key, or the key itself less `keyLow`.
    let keyIsExact: Bool
    let keyLow: Int128
    let groups: Groups
    let monomials: [[Int]]
    /// Opened words of a group after its count.
    let words: [Word]
    let aggregates: [AggregateWords]
    let filters: [Comparison]
    let countPlanes: Int

    struct Input: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            case value(low: Int128, scale: Int)
            /// TRUE, as opposed to FALSE and NULL.
            case truth
            case present
            /// Index in the list of one group key.
            case code(key: Int)
        }
        var item: Int
        var kind: Kind
        /// Over the item's columns.
        var expression: Expression
        var planes: Int
    }
    /// The public list of groups: each key's values, last NULL where it may occur; a leaf number is Σ index · 2^offset.
    struct Groups: Hashable, Sendable {
        var keys: [[Value]]
        /// Input number of each key's code, in key order; a key of one value has none.
        var codes: [Int?]
        /// Planes of the code.
        var planes: Int
        /// Leaf of each listed group, and its key values.
        var leaves: [Int]
        var labels: [[Value]]
    }
    enum Word: Hashable, Sendable {
        /// A linear combination of sums of monomials.
        case sum(Polynomial)
        /// n·Σx² − (Σx)² of a column, over rows where it is present.
        case variance(sum: Polynomial, squares: Polynomial, count: Polynomial)
    }
    /// Where an aggregate's words lie in a group: −1 means the group's own count.
    struct AggregateWords: Hashable, Sendable {
        var kind: AggregateKind
        var value: Int
        var count: Int
        var scale: Int
    }
    /// left − right < 0, ≤ 0 or = 0, in shares, a row.
    struct Comparison: Hashable, Sendable {
        var difference: Polynomial
        var test: Test
        var width: Int
        enum Test: String, Hashable, Sendable { case less, atMost, equal, unequal }
    }

    var groupWidth: Int { 1 + words.count }
    var hidesGroups: Bool { smallestGroup > 1 }
    /// Words of the answer, whatever the data.
    package var outputWords: Int { groups.labels.count * groupWidth + (hidesGroups ? 1 : 0) }
    /// Of all steps in shares, rounds shared where steps run side by side.
    package var cost: PlanCost {
        var total = PlanCost(), longest = 0, proofs = 0
        for step in steps {
            switch step.lane {
            case .after: total.rounds += step.cost.rounds; longest = step.cost.rounds
            case .beside: total.rounds += max(0, step.cost.rounds - longest); longest = max(longest, step.cost.rounds)
            case .proof: proofs = max(proofs, step.cost.rounds)
            }
            (total.ands, total.products, total.bits) = (total.ands + step.cost.ands, total.products + step.cost.products, total.bits + step.cost.bits)
        }
        total.rounds = max(total.rounds - 1, proofs) + 1            // the last round is the answer's own
        return total
    }
    /// Planes handed in by all members, times rows.
    package var inputBits: Int { uses.reduce(0) { $1.blocks.reduce($0) { $0 + $1.planes * $1.count } } }
}

extension Plan {
    /// Everything that decides what runs, in canonical JSON.
    package var json: JSON {
        func number(_ n: Int) -> JSON { .integer(Int64(n)) }
        func polynomial(_ p: Polynomial) -> JSON { .array(p.monomials.map { .array([.string("\(p.terms[$0]!)"), .array($0.map(number))]) }) }
        return .object([
            "format": "entente-plan/1", "program": JSON(program), "purpose": .string(asker.purpose.rawValue), "reader": .string(asker.reader),
            "smallestGroup": number(smallestGroup), "smallestGroupTables": .array(smallestGroupTables.map { .string($0) }),
            "key": .array([number(keyPlanes), .bool(keyIsExact), .string("\(keyLow)")]), "countPlanes": number(countPlanes), "anchor": anchor.map(number) ?? .null,
            "uses": .array(uses.map { use in
                .object([
                    "table": .string(use.schema.name), "schema": JSON(use.schema.hash), "role": .string("\(use.role)"), "item": number(use.item), "source": number(use.source),
                    "columns": .array(use.columns.map { .string($0) }), "blocks": .array(use.blocks.map { .array([.string($0.name), number($0.planes), number($0.count)]) }),
                ])
            }),
            "items": .array(query.items.map { item in
                .object([
                    "name": .string(item.name), "join": .string(item.join.rawValue), "key": item.key.map(number) ?? .null,
                    "filter": .array(item.filter.map { .string(query.text($0)) }),
                    "sources": .array(item.sources.map { source in
                        .array((source.columns + source.filter).map { .string($0.printed { source.table.columns[$1].name }) })
                    }),
                ])
            }),
            "inputs": .array(inputs.map { .array([number($0.item), .string("\($0.kind)"), .string(query.text($0.expression)), number($0.planes)]) }),
            "groups": .array(groups.labels.enumerated().map { .array([number(groups.leaves[$0])] + $1.map { .string($0.literal) }) }),
            "monomials": .array(monomials.map { .array($0.map(number)) }),
            "words": .array(words.map {
                switch $0 {
                case .sum(let p): polynomial(p)
                case .variance(let s, let q, let n): .array([polynomial(s), polynomial(q), polynomial(n)])
                }
            }),
            "filters": .array(filters.map { .array([.string($0.test.rawValue), number($0.width), polynomial($0.difference)]) }),
            "aggregates": .array(aggregates.map { .array([.string($0.kind.rawValue), number($0.value), number($0.count), number($0.scale)]) }),
            "outputs": .array(query.outputs.map { .array([.string($0.name), .string(query.text($0.expression))]) }),
            "order": .array(query.order.map { .array([.string(query.text($0.expression)), .bool($0.descending), .bool($0.nullsFirst)]) }),
            "cost": .array([number(cost.ands), number(cost.products), number(cost.bits), number(cost.rounds)]),
        ])
    }
    /// `plan` of the order.
    package var hash: Hash32 { keccak256(Bytes("entente/compute/plan/v1".utf8) + json.canonical) }
}
