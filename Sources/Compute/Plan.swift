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
    let extremes: [Extreme]
    let distincts: [Distinct]
    /// Items of which rows with one key are handed in as one row.
    let collapsed: Set<Int>
    /// Words of a group after its count: first those that are opened, then those that only HAVING asks for.
    let words: [Word]
    let openedWords: Int
    let aggregates: [AggregateWords]
    let filters: [Comparison]
    /// HAVING: which groups are shown of those that no rule hides.
    let having: Condition?
    /// ORDER BY … LIMIT over groups, where it leaves any out.
    let first: First?
    let countPlanes: Int

    struct Input: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            case value(low: Int128, scale: Int)
            /// TRUE, as opposed to FALSE and NULL.
            case truth
            case present
            /// Index in the list of one group key.
            case code(key: Int)
            /// Index in the list of values that COUNT(DISTINCT) tells apart.
            case listed(distinct: Int)
            /// Σ over a key's rows of the product of these, of one item whose key repeats; of none: how many rows.
            case total([Factor])

            /// Read under a group's leaf only, so no row that does not count needs it masked.
            var isCode: Bool {
                switch self {
                case .code, .listed: true
                case .value, .truth, .present, .total: false
                }
            }
        }
        /// An input that is multiplied at its owner.
        struct Factor: Hashable, Sendable {
            var kind: Kind
            var expression: Expression
        }
        var item: Int
        var kind: Kind
        /// Over the item's columns.
        var expression: Expression
        var planes: Int

        /// What its owner must read.
        var columns: Set<Int> {
            guard case .total(let factors) = kind else { return expression.columns(of: item) }
            return factors.reduce(into: []) { $0.formUnion($1.expression.columns(of: item)) }
        }
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
        /// The largest or least handed-in number, 0 where no row has one; and whether a row has one.
        case extreme(Int), met(Int)
        /// How many values of the list occur.
        case distinct(Int)
    }
    /// MIN or MAX of one member's column.
    struct Extreme: Hashable, Sendable {
        var input: Int
        var present: Int?
        var isMaximum: Bool
    }
    /// COUNT(DISTINCT) of one member's column with a public list of values.
    struct Distinct: Hashable, Sendable {
        var input: Int
        var present: Int?
        var values: [Value]
    }
    /// Where an aggregate's words lie in a group: −1 means the group's own count.
    struct AggregateWords: Hashable, Sendable {
        var kind: AggregateKind
        var value: Int
        var count: Int
        var scale: Int
        /// Of an extreme: the number 0 in shares, and what it is a number of.
        var low: Int128 = 0
        var type = ValueType.integer
    }
    /// A condition over a group's words; column 0 of its polynomials is the group's count, column k + 1 word k. Negations are inside.
    indirect enum Condition: Hashable, Sendable {
        case test(Comparison)
        /// Decided by the group's key alone: by group.
        case known([Bool])
        case all([Condition]), any([Condition])
    }
    /// The first groups in an order that the keys, then the groups' own numbers, make total.
    struct First: Hashable, Sendable {
        enum Key: Hashable, Sendable {
            /// A sum of words.
            case number(Polynomial, width: Int)
            /// Word `value` by word `count`.
            case average(value: Int, count: Int, width: Int)
            /// Whether word `count` is 0, so that the next key is NULL.
            case absent(count: Int, width: Int)
            /// Places of the groups, public.
            case known([Int])
        }
        struct Order: Hashable, Sendable {
            var key: Key
            var descending: Bool
        }
        var order: [Order]
        var limit: Int
    }
    /// left − right < 0, ≤ 0 or = 0, in shares, a row.
    struct Comparison: Hashable, Sendable {
        var difference: Polynomial
        var test: Test
        var width: Int
        enum Test: String, Hashable, Sendable {
            case less, atMost, equal, unequal

            /// Of two sides whose difference is mirrored for `greater` and `atLeast`.
            init(_ op: Operator) {
                self =
                    switch op {
                    case .equal: .equal
                    case .unequal: .unequal
                    case .less, .greater: .less
                    default: .atMost
                    }
            }
        }
    }

    var groupWidth: Int { 1 + openedWords }
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
            (total.ands, total.products, total.bits) = (
                total.ands + step.cost.ands, total.products + step.cost.products, total.bits + step.cost.bits
            )
        }
        total.rounds = max(total.rounds - 1, proofs) + 1  // the last round is the answer's own
        return total
    }
    /// Planes handed in by all members, times rows.
    package var inputBits: Int { uses.reduce(0) { $1.blocks.reduce($0) { $0 + $1.planes * $1.count } } }
}

extension Plan {
    /// Everything that decides what runs, in canonical JSON.
    package var json: JSON {
        func number(_ n: Int) -> JSON { .integer(Int64(n)) }
        func polynomial(_ p: Polynomial) -> JSON {
            .array(p.monomials.map { .array([.string(p.terms[$0]!.description), .array($0.map(number))]) })
        }
        func comparison(_ c: Comparison) -> JSON { .array([.string(c.test.rawValue), number(c.width), polynomial(c.difference)]) }
        func condition(_ c: Condition) -> JSON {
            switch c {
            case .test(let c): .array([.string("test"), comparison(c)])
            case .known(let flags): .array([.string("known")] + flags.map { .bool($0) })
            case .all(let parts): .array([.string("all")] + parts.map(condition))
            case .any(let parts): .array([.string("any")] + parts.map(condition))
            }
        }
        return .object([
            "format": "entente-plan/1", "program": JSON(program), "purpose": .string(asker.purpose.rawValue),
            "reader": .string(asker.reader),
            "smallestGroup": number(smallestGroup), "smallestGroupTables": .array(smallestGroupTables.map { .string($0) }),
            "key": .array([number(keyPlanes), .bool(keyIsExact), .string(keyLow.description)]), "countPlanes": number(countPlanes),
            "anchor": anchor.map(number) ?? .null,
            "uses": .array(
                uses.map { use in
                    .object([
                        "table": .string(use.schema.name), "schema": JSON(use.schema.hash), "role": use.role.json, "item": number(use.item),
                        "source": number(use.source),
                        "columns": .array(use.columns.map { .string($0) }),
                        "blocks": .array(use.blocks.map { .array([.string($0.name), number($0.planes), number($0.count)]) }),
                    ])
                }),
            "items": .array(
                query.items.map { item in
                    .object([
                        "name": .string(item.name), "join": .string(item.join.rawValue), "key": item.key.map(number) ?? .null,
                        "filter": .array(item.filter.map { .string(query.text($0)) }),
                        "sources": .array(
                            item.sources.map { source in
                                .array((source.columns + source.filter).map { .string($0.printed { source.table.columns[$1].name }) })
                            }),
                    ])
                }),
            "inputs": .array(
                inputs.map { .array([number($0.item), $0.kind.json(query.text), .string(query.text($0.expression)), number($0.planes)]) }),
            "collapsed": .array(collapsed.sorted().map(number)),
            "groups": .array(groups.labels.enumerated().map { .array([number(groups.leaves[$0])] + $1.map { .string($0.literal) }) }),
            "monomials": .array(monomials.map { .array($0.map(number)) }),
            "words": .array(
                words.map {
                    switch $0 {
                    case .sum(let p): polynomial(p)
                    case .variance(let s, let q, let n): .array([polynomial(s), polynomial(q), polynomial(n)])
                    case .extreme(let k): .array([.string("extreme"), number(k)])
                    case .met(let k): .array([.string("met"), number(k)])
                    case .distinct(let k): .array([.string("distinct"), number(k)])
                    }
                }),
            "openedWords": number(openedWords),
            "extremes": .array(
                extremes.map { .array([number($0.input), number($0.present ?? -1), .string($0.isMaximum ? "max" : "min")]) }),
            "distincts": .array(
                distincts.map { .array([number($0.input), number($0.present ?? -1)] + $0.values.map { .string($0.literal) }) }),
            "filters": .array(filters.map(comparison)),
            "having": having.map(condition) ?? .null,
            "first": first.map { first in
                .array(
                    [number(first.limit)]
                        + first.order.map { order in
                            let direction = JSON.string(order.descending ? "desc" : "asc")
                            return switch order.key {
                            case .number(let p, let width): .array([.string("number"), direction, number(width), polynomial(p)])
                            case .average(let value, let count, let width):
                                .array([.string("average"), direction, number(width), number(value), number(count)])
                            case .absent(let count, let width): .array([.string("absent"), direction, number(width), number(count)])
                            case .known(let places): .array([.string("known"), direction] + places.map(number))
                            }
                        })
            } ?? .null,
            "aggregates": .array(
                aggregates.map {
                    .array([
                        .string($0.kind.rawValue), number($0.value), number($0.count), number($0.scale), .string($0.low.description),
                        .string($0.type.name),
                    ])
                }),
            "outputs": .array(query.outputs.map { .array([.string($0.name), .string(query.text($0.expression))]) }),
            "order": .array(query.order.map { .array([.string(query.text($0.expression)), .bool($0.descending), .bool($0.nullsFirst)]) }),
            "cost": .array([number(cost.ands), number(cost.products), number(cost.bits), number(cost.rounds)]),
        ])
    }
    /// `plan` of the order.
    package var hash: Hash32 { keccak256(Bytes("entente/compute/plan/v1".utf8) + json.canonical) }
}

// What the document calls roles and kinds. Spelled out here, so that a hash depends on nothing that Swift prints.
extension Plan.Use.Role {
    fileprivate var json: JSON {
        switch self {
        case .anchor(let bins): .array([.string("anchor"), .integer(Int64(bins))])
        case .spread(let bins, let per): .array([.string("spread"), .integer(Int64(bins)), .integer(Int64(per))])
        case .partial: .array([.string("partial")])
        }
    }
}
extension Plan.Input.Kind {
    fileprivate func json(_ text: (Expression) -> String) -> JSON {
        switch self {
        case .value(let low, let scale): .array([.string("value"), .string(low.description), .integer(Int64(scale))])
        case .truth: .array([.string("truth")])
        case .present: .array([.string("present")])
        case .code(let key): .array([.string("code"), .integer(Int64(key))])
        case .listed(let distinct): .array([.string("listed"), .integer(Int64(distinct))])
        case .total(let factors): .array([.string("total")] + factors.map { .array([$0.kind.json(text), .string(text($0.expression))]) })
        }
    }
}
