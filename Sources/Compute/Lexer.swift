/// Tokens of the dialect with the place of each. Names fold to lower case unless quoted.
struct Token: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        /// A word as written without quotes, folded: a name or a keyword.
        case word(String)
        case quotedName(String)
        case number(String)
        case text(String)
        case parameter(String)
        case profile(String)
        case symbol(String)
        case end
    }
    var kind: Kind
    var line: Int
    var column: Int

    /// How messages and the canonical text name it.
    var text: String {
        switch kind {
        case .word(let word): word
        case .quotedName(let name): "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        case .number(let digits): digits
        case .text(let text): "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        case .parameter(let name): ":" + name
        case .profile(let name): "@" + name
        case .symbol(let symbol): symbol
        case .end: "the end"
        }
    }
}

struct Lexer {
    static let maximumBytes = 65_536

    private let scalars: [Unicode.Scalar]
    private var at = 0, line = 1, column = 1

    static func tokens(of text: String) throws(QueryError) -> [Token] {
        guard text.utf8.count <= maximumBytes else { throw .parse(line: 1, column: 1, .textTooLong(maximum: maximumBytes)) }
        var lexer = Lexer(scalars: Array(text.unicodeScalars)), tokens: [Token] = []
        repeat { tokens.append(try lexer.next()) } while tokens.last!.kind != .end
        return tokens
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }
    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? { at + ahead < scalars.count ? scalars[at + ahead] : nil }

    private mutating func advance() -> Unicode.Scalar {
        let scalar = scalars[at]
        at += 1
        (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
        return scalar
    }
    private mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
        var out = String.UnicodeScalarView()
        while let scalar = peek(), condition(scalar) { out.append(advance()) }
        return String(out)
    }
    private mutating func skipBlanks() {
        while let scalar = peek() {
            if [" ", "\t", "\n", "\r"].contains(scalar) {
                _ = advance()
            } else if scalar == "-", peek(1) == "-" {
                _ = take { $0 != "\n" }
            } else {
                return
            }
        }
    }

    private mutating func next() throws(QueryError) -> Token {
        skipBlanks()
        let (line, column) = (line, column)
        func token(_ kind: Token.Kind) -> Token { Token(kind: kind, line: line, column: column) }
        guard let scalar = peek() else { return token(.end) }
        if Self.startsName(scalar) { return token(.word(take { Self.continuesName($0) }.lowercased())) }
        if ("0"..."9").contains(scalar) || scalar == ".",
            peek().map({ ("0"..."9").contains($0) }) ?? false || peek(1).map({ ("0"..."9").contains($0) }) ?? false
        {
            var digits = take { ("0"..."9").contains($0) }
            if peek() == ".", peek(1) != "*" { digits += String(advance()) + take { ("0"..."9").contains($0) } }
            return token(.number(digits))
        }
        if scalar == "'" { return token(.text(try quoted("'", line, column))) }
        if scalar == "\"" { return token(.quotedName(try quoted("\"", line, column))) }
        if scalar == ":" || scalar == "@", let after = peek(1), Self.startsName(after) {
            _ = advance()
            let name = take { Self.continuesName($0) }.lowercased()
            return token(scalar == ":" ? .parameter(name) : .profile(name))
        }
        for symbol in ["<>", "!=", "<=", ">="] where peek() == symbol.unicodeScalars.first && peek(1) == symbol.unicodeScalars.last {
            _ = advance(); _ = advance()
            return token(.symbol(symbol == "!=" ? "<>" : symbol))
        }
        guard "(),.+-*/%=<>".unicodeScalars.contains(scalar) else {
            throw .parse(line: line, column: column, .unexpectedCharacter(Character(scalar)))
        }
        return token(.symbol(String(Character(advance()))))
    }

    private mutating func quoted(_ quote: Unicode.Scalar, _ line: Int, _ column: Int) throws(QueryError) -> String {
        var out = String.UnicodeScalarView()
        _ = advance()
        while true {
            guard peek() != nil else { throw .parse(line: line, column: column, .openText) }
            let scalar = advance()
            if scalar == quote {
                guard peek() == quote else { return String(out) }
                _ = advance()
            }
            out.append(scalar)
        }
    }
    private static func startsName(_ s: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(s) || ("A"..."Z").contains(s) || s == "_" || s.value > 127
    }
    private static func continuesName(_ s: Unicode.Scalar) -> Bool { startsName(s) || ("0"..."9").contains(s) }
}
