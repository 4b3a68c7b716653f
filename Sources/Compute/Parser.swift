/// The text of the dialect (reference/private-sql.md §1) to a syntax tree, by recursive descent; hostile text is bounded.
struct Parser {
    static let maximumDepth = 8, maximumTables = 16, maximumColumns = 64, maximumRows = 10_000
    /// Trees are walked by recursion: a long chain is as deep as it is long.
    private static let maximumExpressionDepth = 100, maximumOperators = 512
    private static let reserved: Set<String> = [
        "select", "from", "where", "group", "by", "having", "order", "limit", "union", "all", "join", "inner", "left", "outer", "on",
        "using", "as", "and",
        "or", "not", "in", "is", "null", "true", "false", "between", "like", "case", "when", "then", "else", "end", "cast", "exists",
        "distinct", "with", "asc", "desc",
        "nulls", "right", "full", "cross", "natural", "intersect", "except", "offset", "window", "over", "recursive", "fetch",
    ]

    private let tokens: [Token]
    private var at = 0, depth = 0, expressionDepth = 0, tables = 0, operators = 0

    static func parse(_ tokens: [Token]) throws(QueryError) -> QuerySyntax {
        var parser = Parser(tokens: tokens)
        let query = try parser.query()
        guard parser.token.kind == .end else {
            try parser.refuseForeignWords()
            throw parser.expected("the end")
        }
        return query
    }
    private init(tokens: [Token]) { self.tokens = tokens }

    // MARK: tokens

    private var token: Token { tokens[at] }
    private var following: Token { tokens[min(at + 1, tokens.count - 1)] }
    private func fault(_ fault: ParseFault, at token: Token? = nil) -> QueryError {
        let token = token ?? self.token
        return .parse(line: token.line, column: token.column, fault)
    }
    private func expected(_ what: String) -> QueryError { fault(.expected(what, found: token.text)) }
    private func isWord(_ word: String) -> Bool { token.kind == .word(word) }
    private func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }
    private mutating func skip(_ word: String) -> Bool {
        guard isWord(word) else { return false }
        at += 1
        return true
    }
    private mutating func skip(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        at += 1
        return true
    }
    private mutating func require(_ word: String) throws(QueryError) { if !skip(word) { throw expected(word.uppercased()) } }
    private mutating func require(symbol: String) throws(QueryError) { if !skip(symbol: symbol) { throw expected("\"\(symbol)\"") } }
    private mutating func name(_ what: String) throws(QueryError) -> String {
        switch token.kind {
        case .word(let word) where !Self.reserved.contains(word): at += 1; return word
        case .quotedName(let name): at += 1; return name
        default: throw expected(what)
        }
    }
    private mutating func integer(_ what: String) throws(QueryError) -> Int {
        guard case .number(let digits) = token.kind, let number = Int(digits) else { throw expected(what) }
        at += 1
        return number
    }
    private mutating func refuseForeignWords() throws(QueryError) {
        guard case .word(let word) = token.kind else { return }
        switch word {
        case "intersect", "except":
            throw fault(.notInDialect(word.uppercased(), remedy: "write \(word == "except" ? "NOT EXISTS" : "EXISTS")"))
        case "union" where following.kind != .word("all"):
            throw fault(.notInDialect("UNION without ALL", remedy: "write SELECT DISTINCT over UNION ALL"))
        case "offset", "fetch": throw fault(.notInDialect(word.uppercased(), remedy: "it would open the rows before; narrow WHERE"))
        case "window", "over": throw fault(.notInDialect("a window function", remedy: "group in a derived table and join"))
        case "right": throw fault(.notInDialect("RIGHT JOIN", remedy: "turn it: write b LEFT JOIN a"))
        case "full": throw fault(.notInDialect("FULL JOIN", remedy: "write LEFT JOIN and the rest with NOT EXISTS"))
        case "cross", "natural": throw fault(.notInDialect("\(word.uppercased()) JOIN", remedy: "write JOIN … ON with an equality"))
        default: break
        }
    }

    // MARK: queries

    private mutating func query() throws(QueryError) -> QuerySyntax {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else { throw fault(.tooDeep(maximum: Self.maximumDepth)) }
        var query = QuerySyntax(selects: [])
        if skip("with") {
            if isWord("recursive") { throw fault(.notInDialect("WITH RECURSIVE", remedy: "name the levels one by one")) }
            repeat {
                let name = try name("a name")
                try require("as")
                try require(symbol: "(")
                query.ctes.append((name, try self.query()))
                try require(symbol: ")")
            } while skip(symbol: ",")
        }
        query.selects.append(try select())
        while isWord("union") {
            try refuseForeignWords()
            at += 2
            query.selects.append(try select())
        }
        if skip("order") {
            try require("by")
            repeat { query.order.append(try orderKey()) } while skip(symbol: ",")
        }
        if skip("limit") {
            let token = token, limit = try integer("a number")
            guard limit <= Self.maximumRows else { throw fault(.limitTooLarge(maximum: Self.maximumRows), at: token) }
            query.limit = limit
        }
        try refuseForeignWords()
        return query
    }

    private mutating func orderKey() throws(QueryError) -> OrderSyntax {
        let expression = try expression()
        let descending = skip("desc")
        if !descending { _ = skip("asc") }
        var nullsFirst = descending
        if skip("nulls") {
            nullsFirst = isWord("first")
            guard skip("first") || skip("last") else { throw expected("FIRST or LAST") }
        }
        return OrderSyntax(expression: expression, descending: descending, nullsFirst: nullsFirst)
    }

    private mutating func select() throws(QueryError) -> SelectSyntax {
        try require("select")
        let distinct = skip("distinct")
        var items: [ItemSyntax] = []
        repeat { items.append(try item()) } while skip(symbol: ",")
        guard items.count <= Self.maximumColumns else { throw fault(.tooManyColumns(maximum: Self.maximumColumns)) }
        try require("from")
        var select = SelectSyntax(distinct: distinct, items: items, from: [try source()])
        if isSymbol(",") { throw fault(.notInDialect("a list of tables", remedy: "write JOIN … ON with an equality")) }
        while let join = try joinKind() {
            var source = try source()
            source.join = join
            if skip("on") {
                source.on = try expression()
            } else if skip("using") {
                try require(symbol: "(")
                repeat { source.using.append(try name("a column")) } while skip(symbol: ",")
                try require(symbol: ")")
            } else {
                throw expected("ON or USING")
            }
            select.from.append(source)
        }
        if skip("where") { select.filter = try expression() }
        if skip("group") {
            try require("by")
            repeat { select.groups.append(try expression()) } while skip(symbol: ",")
        }
        if skip("having") { select.having = try expression() }
        return select
    }

    private mutating func joinKind() throws(QueryError) -> SourceSyntax.Join? {
        if skip("join") { return .inner }
        if isWord("inner") { at += 1; try require("join"); return .inner }
        if isWord("left") {
            at += 1
            _ = skip("outer")
            try require("join")
            return .left
        }
        if isWord("right"), case .word(let left) = tokens[max(0, at - 1)].kind {
            let next = tokens[min(at + (following.kind == .word("outer") ? 3 : 2), tokens.count - 1)].text
            throw fault(.notInDialect("RIGHT JOIN", remedy: "turn it: write \(next) LEFT JOIN \(left)"))
        }
        try refuseForeignWords()
        return nil
    }

    private mutating func item() throws(QueryError) -> ItemSyntax {
        if skip(symbol: "*") { return .all(of: nil) }
        if case .word(let table) = token.kind, following.kind == .symbol("."), tokens[min(at + 2, tokens.count - 1)].kind == .symbol("*") {
            at += 3
            return .all(of: table)
        }
        let expression = try expression()
        if skip("as") { return .expression(expression, name: try name("a name")) }
        if case .word(let word) = token.kind, !Self.reserved.contains(word) { at += 1; return .expression(expression, name: word) }
        if case .quotedName(let name) = token.kind { at += 1; return .expression(expression, name: name) }
        return .expression(expression, name: nil)
    }

    private mutating func source() throws(QueryError) -> SourceSyntax {
        let place: SourceSyntax.Place, standing: String
        if skip(symbol: "(") {
            place = .query(try query())
            try require(symbol: ")")
            standing = ""
        } else if case .profile(let profile) = token.kind {
            at += 1
            (place, standing) = (.profile(profile), profile)
        } else {
            tables += 1
            guard tables <= Self.maximumTables else { throw fault(.tooManyTables(maximum: Self.maximumTables)) }
            let first = try name("a table")
            if skip(symbol: ".") {
                let table = try name("a table")
                (place, standing) = (.table(member: first, table: table), table)
            } else {
                (place, standing) = (.named(first), first)
            }
        }
        if skip("as") { return SourceSyntax(place: place, name: try name("a name")) }
        if case .word(let word) = token.kind, !Self.reserved.contains(word) { at += 1; return SourceSyntax(place: place, name: word) }
        if case .quotedName(let name) = token.kind { at += 1; return SourceSyntax(place: place, name: name) }
        guard !standing.isEmpty else { throw expected("AS and a name for the derived table") }
        return SourceSyntax(place: place, name: standing)
    }

    // MARK: expressions, loosest first

    private mutating func expression() throws(QueryError) -> SyntaxExpression {
        expressionDepth += 1
        defer { expressionDepth -= 1 }
        guard expressionDepth <= Self.maximumExpressionDepth else { throw fault(.tooDeep(maximum: Self.maximumExpressionDepth)) }
        var left = try conjunction()
        while skip("or") { left = .binary(.or, left, try conjunction()) }
        return left
    }
    private mutating func conjunction() throws(QueryError) -> SyntaxExpression {
        var left = try negation()
        while skip("and") { left = .binary(.and, left, try negation()) }
        return left
    }
    private mutating func negation() throws(QueryError) -> SyntaxExpression {
        var odd = false
        while skip("not") { odd.toggle() }
        let inner = try comparison()
        return odd ? .not(inner) : inner
    }

    private mutating func comparison() throws(QueryError) -> SyntaxExpression {
        var left = try sum()
        while true {
            if case .symbol(let symbol) = token.kind, let op = Operator(rawValue: symbol), op.isComparison {
                at += 1
                left = .binary(op, left, try sum())
                continue
            }
            if skip("is") {
                let not = skip("not")
                if skip("null") {
                    left = .isNull(left)
                } else if skip("true") {
                    left = .isTruth(left, true)
                } else if skip("false") {
                    left = .isTruth(left, false)
                } else {
                    throw expected("NULL, TRUE or FALSE")
                }
                if not { left = .not(left) }
                continue
            }
            let not = isWord("not") && [.word("between"), .word("in"), .word("like")].contains(following.kind)
            if not { at += 1 }
            let found: SyntaxExpression
            if skip("between") {
                let low = try sum()
                try require("and")
                found = .binary(.and, .binary(.atLeast, left, low), .binary(.atMost, left, try sum()))
            } else if skip("in") {
                found = try membership(of: left)
            } else if skip("like") {
                found = .like(left, try sum())
            } else {
                return left
            }
            left = not ? .not(found) : found
        }
    }
    private mutating func membership(of left: SyntaxExpression) throws(QueryError) -> SyntaxExpression {
        try require(symbol: "(")
        if isWord("select") || isWord("with") {
            let inner = try query()
            try require(symbol: ")")
            return .inQuery(left, inner)
        }
        var any: SyntaxExpression?
        repeat {
            let equal = SyntaxExpression.binary(.equal, left, try expression())
            any = any.map { .binary(.or, $0, equal) } ?? equal
        } while skip(symbol: ",")
        try require(symbol: ")")
        return any!
    }

    private mutating func sum() throws(QueryError) -> SyntaxExpression {
        operators += 1
        guard operators <= 2 * Self.maximumOperators else { throw fault(.tooManyOperators(maximum: Self.maximumOperators)) }
        var left = try term()
        while case .symbol(let symbol) = token.kind, symbol == "+" || symbol == "-" {
            at += 1
            left = .binary(Operator(rawValue: symbol)!, left, try term())
        }
        return left
    }
    private mutating func term() throws(QueryError) -> SyntaxExpression {
        operators += 1
        guard operators <= 2 * Self.maximumOperators else { throw fault(.tooManyOperators(maximum: Self.maximumOperators)) }
        var left = try unary()
        while case .symbol(let symbol) = token.kind, ["*", "/", "%"].contains(symbol) {
            at += 1
            operators += 1
            guard operators <= 2 * Self.maximumOperators else { throw fault(.tooManyOperators(maximum: Self.maximumOperators)) }
            left = .binary(Operator(rawValue: symbol)!, left, try unary())
        }
        return left
    }
    private mutating func unary() throws(QueryError) -> SyntaxExpression {
        var negative = false
        while isSymbol("-") || isSymbol("+") { if isSymbol("-") { negative.toggle() }; at += 1 }
        let inner = try primary()
        guard negative else { return inner }
        if case .literal(.number(let number)) = inner { return .literal(.number(-number)) }
        return .negate(inner)
    }

    private mutating func primary() throws(QueryError) -> SyntaxExpression {
        let start = token
        switch start.kind {
        case .number(let digits):
            guard let number = Number(digits) else { throw fault(.malformedLiteral(digits)) }
            at += 1
            return .literal(.number(number))
        case .text(let text): at += 1; return .literal(.text(text))
        case .parameter(let name): at += 1; return .parameter(name)
        case .symbol("("):
            at += 1
            let inner: SyntaxExpression = isWord("select") || isWord("with") ? .scalar(try query()) : try expression()
            try require(symbol: ")")
            return inner
        case .quotedName: return try column()
        case .word(let word): return try self.word(word)
        default: throw expected("an expression")
        }
    }

    private mutating func word(_ word: String) throws(QueryError) -> SyntaxExpression {
        switch word {
        case "null": at += 1; return .literal(.null)
        case "true", "false": at += 1; return .literal(.boolean(word == "true"))
        case "case": return try choice()
        case "exists":
            at += 1
            try require(symbol: "(")
            let inner = try query()
            try require(symbol: ")")
            return .exists(inner)
        case "cast":
            at += 1
            try require(symbol: "(")
            let inner = try expression()
            try require("as")
            let type = try type()
            try require(symbol: ")")
            return .cast(inner, type)
        case "date", "timestamp":
            if case .text(let text) = following.kind {
                guard let value = word == "date" ? Calendar.date(text) : Calendar.timestamp(text) else {
                    throw fault(.malformedLiteral("\(word.uppercased()) '\(text)'"))
                }
                at += 2
                return .literal(value)
            }
            return try column()
        default:
            guard following.kind == .symbol("("), !Self.reserved.contains(word) else { return try column() }
            return try call(word)
        }
    }

    private mutating func column() throws(QueryError) -> SyntaxExpression {
        let first = try name("an expression")
        guard skip(symbol: ".") else { return .column(table: nil, name: first) }
        return .column(table: first, name: try name("a column"))
    }

    private mutating func choice() throws(QueryError) -> SyntaxExpression {
        at += 1
        let operand = isWord("when") ? nil : try expression()
        var whens: [SyntaxExpression.When] = []
        while skip("when") {
            var condition = try expression()
            if let operand { condition = .binary(.equal, operand, condition) }
            try require("then")
            whens.append(.init(condition: condition, result: try expression()))
        }
        if whens.isEmpty { throw expected("WHEN") }
        let otherwise = skip("else") ? try expression() : nil
        try require("end")
        return .choice(whens, otherwise: otherwise)
    }

    private mutating func call(_ name: String) throws(QueryError) -> SyntaxExpression {
        let start = token
        at += 2
        if name == "count", skip(symbol: "*") {
            try require(symbol: ")")
            try refuseForeignWords()
            return .aggregate(.count, nil, distinct: false)
        }
        if name == "extract" {
            guard case .word(let field) = token.kind else { throw expected("a field") }
            at += 1
            try require("from")
            let inner = try expression()
            try require(symbol: ")")
            return .function("extract", [.literal(.text(field)), inner])
        }
        let distinct = skip("distinct")
        var arguments: [SyntaxExpression] = []
        if !isSymbol(")") { repeat { arguments.append(try expression()) } while skip(symbol: ",") }
        try require(symbol: ")")
        try refuseForeignWords()
        let aggregate =
            name == "variance" ? .varianceSample : name == "stddev" ? .deviationSample : AggregateKind(rawValue: name.uppercased())
        if let aggregate {
            guard arguments.count == 1 else { throw fault(.expected("one argument", found: "\(arguments.count)"), at: start) }
            if distinct, aggregate != .count {
                throw fault(
                    .notInDialect("DISTINCT in \(aggregate.rawValue)", remedy: "use a derived table with SELECT DISTINCT"), at: start)
            }
            return .aggregate(aggregate, arguments[0], distinct: distinct)
        }
        if ["random", "now", "clock_timestamp", "nextval", "gen_random_uuid"].contains(name) {
            throw fault(.notInDialect("the volatile function \(name)", remedy: "give its value as a parameter"), at: start)
        }
        return .function(name, arguments)
    }

    private mutating func type() throws(QueryError) -> ValueType {
        let word = try name("a type")
        switch word {
        case "integer", "int", "bigint", "smallint": return .integer
        case "numeric", "decimal":
            guard skip(symbol: "(") else { throw expected("the precision, as in numeric(12, 2)") }
            _ = try integer("a number")
            let scale = skip(symbol: ",") ? try integer("a number") : 0
            try require(symbol: ")")
            return scale == 0 ? .integer : .decimal(scale: scale)
        case "text", "varchar": return .text
        case "boolean": return .boolean
        case "date": return .date
        default: throw expected("a type")
        }
    }
}
