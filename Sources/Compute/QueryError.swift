import Primitives

/// Why a question is not asked. One line each: class, place, fact, remedy (reference/private-sql.md §9). All depend on public facts
/// only and come before anything is spent.
package enum QueryError: Error, Equatable, Sendable {
    /// The asker's text is not of the dialect. Line and column count from 1.
    case parse(line: Int, column: Int, ParseFault)
    case resolve(ResolveFault)
    case type(TypeFault)
    /// Every rule that is missing, the smallest set that would allow the question.
    case policy([PolicyRefusal])
    /// Of the dialect, but this planner has no operator for it.
    case plan(construct: String, remedy: String)
    case range(expression: String, rows: Int, planes: Int, maximum: Int)
    case size(SizeFault)
}

package enum ParseFault: Equatable, Sendable {
    case unexpectedCharacter(Character)
    case openText
    case expected(String, found: String)
    case notInDialect(String, remedy: String)
    case textTooLong(maximum: Int)
    case tooDeep(maximum: Int)
    case tooManyOperators(maximum: Int)
    case tooManyTables(maximum: Int)
    case tooManyColumns(maximum: Int)
    case limitTooLarge(maximum: Int)
    case malformedLiteral(String)
}

package enum ResolveFault: Equatable, Sendable {
    case tableUnknown(member: String, table: String, known: [String])
    case memberUnknown(String, known: [String])
    case columnUnknown(String, place: String, known: [String])
    case columnAmbiguous(String, places: [String])
    case aliasUnknown(String, known: [String])
    case aliasTwice(String)
    case parameterUnknown(String)
    case profileUnbound(String)
    case functionUnknown(String)
    case outputUnknown(Int, count: Int)
    case notGrouped(String)
    case unionWidth(first: Int, other: Int)
}

package enum TypeFault: Equatable, Sendable {
    case operands(String, String, String)
    case expected(String, found: String, place: String)
    case units(String, String, String, String)
    case divisor(String)
    case aggregateInside(String)
}

package enum SizeFault: Equatable, Sendable {
    case pairs(Int, Int, maximum: Int)
    case groups(Int, maximum: Int)
    case resultWords(Int, maximum: Int)
}

/// One owner's rule that stands against one use of a column.
package struct PolicyRefusal: Hashable, Sendable {
    package var member: String
    package var table: String
    package var column: String
    package var reader: String
    /// What the question does with it, in words: "MIN", "a group key".
    package var use: String
    package var has: [Rule]
    package var needs: Rule
}

extension QueryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .parse(let line, let column, let fault): "parse \(line):\(column): \(fault)"
        case .resolve(let fault): "resolve: \(fault)"
        case .type(let fault): "\(fault)"
        case .policy(let refusals): refusals.map(\.description).joined(separator: "\n")
        case .plan(let construct, let remedy): "plan: \(construct) is not computed in shares yet; \(remedy)"
        case .range(let expression, let rows, let planes, let maximum):
            "range: \(expression) over \(grouped(rows)) rows needs \(planes) planes, limit \(maximum); round a column in a view"
        case .size(let fault): "size: \(fault)"
        }
    }
}

extension ParseFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unexpectedCharacter(let c): "\"\(c)\" begins nothing of the dialect; remove it"
        case .openText: "a quote opens and never closes; close it"
        case .expected(let what, let found): "expected \(what), found \(found)"
        case .notInDialect(let what, let remedy): "\(what) is not in the dialect; \(remedy)"
        case .textTooLong(let maximum): "the text is longer than \(maximum) bytes; shorten it"
        case .tooDeep(let maximum): "nested deeper than \(maximum); flatten it"
        case .tooManyOperators(let maximum): "more than \(maximum) operators; split the question"
        case .tooManyTables(let maximum): "more than \(maximum) tables; split the question"
        case .tooManyColumns(let maximum): "more than \(maximum) result columns; split the question"
        case .limitTooLarge(let maximum): "LIMIT above \(grouped(maximum)); lower it"
        case .malformedLiteral(let text): "\(text) is no value; write DATE 'yyyy-mm-dd' or TIMESTAMP 'yyyy-mm-dd hh:mm:ss'"
        }
    }
}

extension ResolveFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tableUnknown(let member, let table, let known): "\(member).\(table) unknown; \(member) lists \(list(known))"
        case .memberUnknown(let member, let known): "no member \(member) lists a table; there are \(list(known))"
        case .columnUnknown(let column, let place, let known): "\(place) has no column \(column); it has \(list(known))"
        case .columnAmbiguous(let column, let places):
            "\(column) is in \(places.joined(separator: " and ")); write \(places.map { "\($0).\(column)" }.joined(separator: " or "))"
        case .aliasUnknown(let alias, let known): "\(alias) is no table of this question; there are \(list(known))"
        case .aliasTwice(let alias): "two tables are called \(alias); name one of them with AS"
        case .parameterUnknown(let name): "parameter :\(name) has no value; give it with the question"
        case .profileUnbound(let name): "@\(name): no member binds a view to this profile; name the tables"
        case .functionUnknown(let name): "function \(name) is not in the dialect; compute it in the owner's view"
        case .outputUnknown(let number, let count): "there is no column \(number) among \(count)"
        case .notGrouped(let column): "\(column) is neither grouped nor aggregated; add it to GROUP BY or aggregate it"
        case .unionWidth(let first, let other): "UNION ALL of \(first) with \(other) columns; give both sides the same columns"
        }
    }
    private func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.sorted().joined(separator: ", ") }
}

extension TypeFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .operands(let what, let a, let b): "type: \(what): \(a) does not go with \(b); cast in a view"
        case .expected(let want, let found, let place): "type: \(place) is \(found), not \(want); cast in a view"
        case .units(let a, let unitA, let b, let unitB): "unit: \(a) is \(unitA), \(b) is \(unitB); convert in the view of one owner"
        case .divisor(let e): "division: \(e) may be 0; write NULLIF(\(e), 0)"
        case .aggregateInside(let e): "type: \(e) may not hold an aggregate; use a derived table"
        }
    }
}

extension SizeFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .pairs(let a, let b, let maximum):
            "\(grouped(a)) x \(grouped(b)) pairs without equality exceed \(grouped(maximum)); add an equality to ON"
        case .groups(let count, let maximum): "\(grouped(count)) listed groups exceed \(maximum); group by coarser bands"
        case .resultWords(let words, let maximum):
            "an answer of \(grouped(words)) words exceeds \(grouped(maximum)); ask for fewer columns or groups"
        }
    }
}

extension PolicyRefusal: CustomStringConvertible {
    package var description: String {
        let has = has.isEmpty ? "no rule" : has.map(\.rawValue).joined(separator: ", ")
        return "policy: \(member) does not let \(reader) use \(table).\(column) for \(use) (has \(has), needs \(needs.rawValue)); "
            + "ask for grant: entente grants ask \(member).\(table) \(column) \"\(needs.rawValue)\""
    }
}

/// 1048576 as 1,048,576.
func grouped(_ number: some BinaryInteger) -> String {
    var out = "", digits = 0
    for character in String(number).reversed() {
        if digits == 3, character != "-" { out.append(","); digits = 0 }
        out.append(character)
        digits += 1
    }
    return String(out.reversed())
}
