/// What the text says, before any name has a meaning. Sugar is gone after parsing: BETWEEN, IN (list), the CASE with an operand.
struct QuerySyntax: Equatable, Sendable {
    var ctes: [(name: String, query: QuerySyntax)] = []
    /// One or more, joined by UNION ALL.
    var selects: [SelectSyntax]
    var order: [OrderSyntax] = []
    var limit: Int?

    static func == (a: Self, b: Self) -> Bool {
        a.selects == b.selects && a.order == b.order && a.limit == b.limit && a.ctes.map(\.name) == b.ctes.map(\.name)
            && a.ctes.map(\.query) == b.ctes.map(\.query)
    }
}

struct SelectSyntax: Equatable, Sendable {
    var distinct = false
    var items: [ItemSyntax]
    var from: [SourceSyntax]
    var filter: SyntaxExpression?
    var groups: [SyntaxExpression] = []
    var having: SyntaxExpression?
}

enum ItemSyntax: Equatable, Sendable {
    case expression(SyntaxExpression, name: String?)
    case all(of: String?)
}

/// A table and how it is joined to those before it; the first is joined by nothing.
struct SourceSyntax: Equatable, Sendable {
    enum Place: Equatable, Sendable {
        case table(member: String, table: String)
        case named(String)
        case profile(String)
        case query(QuerySyntax)
    }
    enum Join: Equatable, Sendable { case first, inner, left }
    var place: Place
    var name: String
    var join = Join.first
    var on: SyntaxExpression?
    var using: [String] = []
}

struct OrderSyntax: Equatable, Sendable {
    var expression: SyntaxExpression
    var descending: Bool
    var nullsFirst: Bool
}

package enum AggregateKind: String, Sendable, Hashable {
    case count = "COUNT", sum = "SUM", average = "AVG", minimum = "MIN", maximum = "MAX"
    case variancePopulation = "VAR_POP", varianceSample = "VAR_SAMP", deviationPopulation = "STDDEV_POP", deviationSample = "STDDEV_SAMP"

    var isVariance: Bool { self == .variancePopulation || self == .varianceSample || isDeviation }
    var isDeviation: Bool { self == .deviationPopulation || self == .deviationSample }
    var isSample: Bool { self == .varianceSample || self == .deviationSample }
}

package enum Operator: String, Sendable, Hashable {
    case plus = "+", minus = "-", times = "*", divide = "/", remainder = "%"
    case equal = "=", unequal = "<>", less = "<", atMost = "<=", greater = ">", atLeast = ">="
    case and = "AND", or = "OR"

    var isComparison: Bool { [.equal, .unequal, .less, .atMost, .greater, .atLeast].contains(self) }
    var isArithmetic: Bool { [.plus, .minus, .times, .divide, .remainder].contains(self) }
    /// The operator with its sides exchanged.
    var mirrored: Operator {
        switch self {
        case .less: .greater
        case .greater: .less
        case .atMost: .atLeast
        case .atLeast: .atMost
        default: self
        }
    }
}

indirect enum SyntaxExpression: Equatable, Sendable {
    case literal(Value)
    case column(table: String?, name: String)
    case parameter(String)
    case negate(SyntaxExpression)
    case not(SyntaxExpression)
    case binary(Operator, SyntaxExpression, SyntaxExpression)
    case isNull(SyntaxExpression)
    case isTruth(SyntaxExpression, Bool)
    case like(SyntaxExpression, SyntaxExpression)
    case choice([When], otherwise: SyntaxExpression?)
    case cast(SyntaxExpression, ValueType)
    case function(String, [SyntaxExpression])
    case aggregate(AggregateKind, SyntaxExpression?, distinct: Bool)
    case exists(QuerySyntax)
    case inQuery(SyntaxExpression, QuerySyntax)
    case scalar(QuerySyntax)

    struct When: Equatable, Sendable {
        var condition: SyntaxExpression
        var result: SyntaxExpression
    }
}
