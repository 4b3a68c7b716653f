/// A question with every name resolved, in normal form: one star of items around a key, its groups and aggregates
/// (reference/private-sql.md §5). Needs no text any more.
struct BoundQuery: Hashable, Sendable {
    enum Join: String, Hashable, Sendable { case first, inner, left, semi, anti }

    /// One input of the star: a table, or the UNION ALL of several members' tables under one name.
    struct Item: Hashable, Sendable {
        var name: String
        var join: Join
        var columns: [Column]
        var sources: [Source]
        /// Conjuncts over this item alone: rows that fail are dead rows. Column item numbers are this item's own.
        var filter: [Expression] = []
        /// The column by which it is joined.
        var key: Int?
    }
    struct Column: Hashable, Sendable {
        var name: String
        var facts: Facts
    }
    /// One member's part of an item.
    struct Source: Hashable, Sendable {
        var table: TableSchema
        /// The item's columns over the table's (item 0).
        var columns: [Expression]
        var filter: [Expression] = []
    }
    struct Aggregate: Hashable, Sendable {
        var kind: AggregateKind
        var argument: Expression?
        var distinct: Bool
    }
    struct Output: Hashable, Sendable {
        var name: String
        /// Over keys and aggregates.
        var expression: Expression
    }
    struct Order: Hashable, Sendable {
        var expression: Expression
        var descending: Bool
        var nullsFirst: Bool
    }

    var items: [Item] = []
    /// Conjuncts that need several items.
    var crossFilters: [Expression] = []
    var groupKeys: [Expression] = []
    var isGrouped = false
    /// First those that outputs show, then those that only HAVING asks for.
    var aggregates: [Aggregate] = []
    var shownAggregates = 0
    var outputs: [Output] = []
    var order: [Order] = []
    /// Over keys and aggregates.
    var having: Expression?
    var limit: Int?

    func columnName(_ item: Int, _ index: Int) -> String {
        switch item {
        case Expression.keys: return text(groupKeys[index])
        case Expression.aggregates: return text(aggregates[index])
        default: return "\(items[item].name).\(items[item].columns[index].name)"
        }
    }
    func text(_ e: Expression) -> String { e.printed(columnName) }
    func text(_ aggregate: Aggregate) -> String {
        "\(aggregate.kind.rawValue)(\(aggregate.distinct ? "DISTINCT " : "")\(aggregate.argument.map(text) ?? "*"))"
    }
    func facts(_ item: Int, _ index: Int) -> Facts { items[item].columns[index].facts }
}

/// The public schemas at the versions that the order names, and the question's own parameters.
package struct Scope: Sendable {
    package var tables: [TableSchema]
    package var parameters: [String: Value]
    package var asker: Asker

    package init(tables: [TableSchema], parameters: [String: Value] = [:], asker: Asker) {
        (self.tables, self.parameters, self.asker) = (tables, parameters, asker)
    }

    func table(_ member: String, _ name: String) throws(QueryError) -> TableSchema {
        if let table = tables.first(where: { $0.member == member && $0.table == name }) { return table }
        let known = tables.filter { $0.member == member }.map(\.table)
        if known.isEmpty { throw .resolve(.memberUnknown(member, known: Array(Set(tables.map(\.member))))) }
        throw .resolve(.tableUnknown(member: member, table: name, known: known))
    }
}
