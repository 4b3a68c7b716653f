/// A JSON value (RFC 8259), kept exact: integers stay integers. `canonical` prints it by RFC 8785 (JCS) for hashing and signing.
///
/// We write this instead of using Foundation's because engines see no Foundation, because input is hostile (bounded depth, no
/// duplicate keys, no invalid UTF-8), and because a fast printer of blocks and logs needs no reflection.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])
}

public enum JSONError: Error, Equatable, Sendable {
    case unexpected(byte: UInt8, at: Int)
    case endOfText
    case tooDeep(maximum: Int)
    case tooMany(maximum: Int)
    case duplicateKey(String)
    case malformedString(at: Int)
    case malformedNumber(at: Int)
    /// `path` names a value that is missing or of another type.
    case wrongType(path: String, expected: String)
}

extension JSON {
    public static let maximumDepth = 64

    /// - Parameter maximumValues: of all kinds, at all depths; a value of one byte of text takes some thirty of memory.
    public init(parsing text: some Collection<UInt8>, maximumDepth: Int = JSON.maximumDepth, maximumValues: Int = .max) throws(JSONError) {
        var parser = Parser(bytes: Bytes(text), maximumDepth: maximumDepth, maximumValues: maximumValues)
        self = try parser.value(depth: 0)
        parser.skipBlanks()
        if parser.at < parser.bytes.count { throw .unexpected(byte: parser.bytes[parser.at], at: parser.at) }
    }
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Bytes(text.utf8)) }

    private struct Parser {
        let bytes: Bytes
        let maximumDepth: Int
        let maximumValues: Int
        var at = 0
        var values = 0

        init(bytes: Bytes, maximumDepth: Int, maximumValues: Int) {
            self.bytes = bytes
            self.maximumDepth = maximumDepth
            self.maximumValues = maximumValues
        }

        mutating func skipBlanks() {
            while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
        }
        mutating func peek() throws(JSONError) -> UInt8 {
            skipBlanks()
            guard at < bytes.count else { throw .endOfText }
            return bytes[at]
        }
        mutating func expect(_ byte: UInt8) throws(JSONError) {
            let found = try peek()
            guard found == byte else { throw .unexpected(byte: found, at: at) }
            at += 1
        }
        mutating func word(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
            for i in 0..<text.utf8CodeUnitCount {
                guard at < bytes.count else { throw .endOfText }
                guard bytes[at] == text.utf8Start[i] else { throw .unexpected(byte: bytes[at], at: at) }
                at += 1
            }
            return value
        }

        mutating func value(depth: Int) throws(JSONError) -> JSON {
            guard depth < maximumDepth else { throw .tooDeep(maximum: maximumDepth) }
            guard values < maximumValues else { throw .tooMany(maximum: maximumValues) }
            values += 1
            switch try peek() {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .bool(true))
            case UInt8(ascii: "f"): return try word("false", .bool(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            case UInt8(ascii: "-"), 0x30...0x39: return try number()
            case let other: throw .unexpected(byte: other, at: at)
            }
        }

        mutating func object(depth: Int) throws(JSONError) -> JSON {
            at += 1
            var members: [String: JSON] = [:]
            if try peek() == UInt8(ascii: "}") { at += 1; return .object(members) }
            while true {
                guard try peek() == UInt8(ascii: "\"") else { throw .unexpected(byte: bytes[at], at: at) }
                let key = try string()
                try expect(UInt8(ascii: ":"))
                let value = try value(depth: depth + 1)
                guard members.updateValue(value, forKey: key) == nil else { throw .duplicateKey(key) }
                let next = try peek()
                at += 1
                if next == UInt8(ascii: "}") { return .object(members) }
                guard next == UInt8(ascii: ",") else { throw .unexpected(byte: next, at: at - 1) }
            }
        }

        mutating func array(depth: Int) throws(JSONError) -> JSON {
            at += 1
            var elements: [JSON] = []
            if try peek() == UInt8(ascii: "]") { at += 1; return .array(elements) }
            while true {
                elements.append(try value(depth: depth + 1))
                let next = try peek()
                at += 1
                if next == UInt8(ascii: "]") { return .array(elements) }
                guard next == UInt8(ascii: ",") else { throw .unexpected(byte: next, at: at - 1) }
            }
        }

        mutating func string() throws(JSONError) -> String {
            let start = at
            at += 1
            var units: Bytes = []
            while true {
                guard at < bytes.count else { throw .endOfText }
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: "\""):
                    guard let text = String(validating: units, as: UTF8.self) else { throw .malformedString(at: start) }
                    return text
                case UInt8(ascii: "\\"): units += try escape(start)
                case 0..<0x20: throw .malformedString(at: at - 1)
                default: units.append(byte)
                }
            }
        }

        mutating func escape(_ start: Int) throws(JSONError) -> Bytes {
            guard at < bytes.count else { throw .endOfText }
            let letter = bytes[at]
            at += 1
            switch letter {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
            case UInt8(ascii: "b"): return [8]
            case UInt8(ascii: "f"): return [12]
            case UInt8(ascii: "n"): return [10]
            case UInt8(ascii: "r"): return [13]
            case UInt8(ascii: "t"): return [9]
            case UInt8(ascii: "u"):
                var scalar = try hex4(start)
                if (0xd800..<0xdc00).contains(scalar) {
                    guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
                        throw .malformedString(at: start)
                    }
                    at += 2
                    let low = try hex4(start)
                    guard (0xdc00..<0xe000).contains(low) else { throw .malformedString(at: start) }
                    scalar = 0x10000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
                }
                guard let unicode = Unicode.Scalar(scalar) else { throw .malformedString(at: start) }
                return Bytes(String(Character(unicode)).utf8)
            default: throw .malformedString(at: at - 1)
            }
        }

        mutating func hex4(_ start: Int) throws(JSONError) -> UInt32 {
            guard at + 4 <= bytes.count else { throw .endOfText }
            var value: UInt32 = 0
            for _ in 0..<4 {
                guard let digit = Hex.value(bytes[at]) else { throw .malformedString(at: start) }
                value = value << 4 | UInt32(digit)
                at += 1
            }
            return value
        }

        mutating func number() throws(JSONError) -> JSON {
            let start = at
            if bytes[at] == UInt8(ascii: "-") { at += 1 }
            let first = at
            while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
            guard at > first, bytes[first] != 0x30 || at == first + 1 else { throw .malformedNumber(at: start) }
            let integral = at
            if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
                at += 1
                let fraction = at
                while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
                guard at > fraction else { throw .malformedNumber(at: start) }
            }
            if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
                at += 1
                if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
                let exponent = at
                while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
                guard at > exponent else { throw .malformedNumber(at: start) }
            }
            let text = String(decoding: bytes[start..<at], as: UTF8.self)
            if at == integral, let integer = Int64(text) { return .integer(integer) }
            guard let double = Double(text), double.isFinite else { throw .malformedNumber(at: start) }
            return .number(double)
        }
    }
}

// MARK: printing

extension JSON {
    /// RFC 8785: no blanks, keys by UTF-16 code units, shortest numbers.
    public var canonical: Bytes {
        var out: Bytes = []
        print(into: &out, indent: nil)
        return out
    }
    /// Two blanks an indent; keys in the same order.
    public var pretty: String {
        var out: Bytes = []
        print(into: &out, indent: 0)
        return String(decoding: out, as: UTF8.self)
    }
    public var text: String { String(decoding: canonical, as: UTF8.self) }

    private func print(into out: inout Bytes, indent: Int?) {
        func line(_ level: Int) {
            out.append(10)
            out.append(contentsOf: repeatElement(0x20, count: 2 * level))
        }
        switch self {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .integer(let integer): out += String(integer).utf8
        case .number(let double): out += JSON.ecmaScript(double).utf8
        case .string(let text): JSON.quote(text, into: &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                if let indent { line(indent + 1) }
                element.print(into: &out, indent: indent.map { $0 + 1 })
            }
            if let indent, !elements.isEmpty { line(indent) }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.sorted(by: { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }).enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                if let indent { line(indent + 1) }
                JSON.quote(member.key, into: &out)
                out.append(UInt8(ascii: ":"))
                if indent != nil { out.append(0x20) }
                member.value.print(into: &out, indent: indent.map { $0 + 1 })
            }
            if let indent, !members.isEmpty { line(indent) }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static func quote(_ text: String, into out: inout Bytes) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): out += "\\\"".utf8
            case UInt8(ascii: "\\"): out += "\\\\".utf8
            case 8: out += "\\b".utf8
            case 9: out += "\\t".utf8
            case 10: out += "\\n".utf8
            case 12: out += "\\f".utf8
            case 13: out += "\\r".utf8
            case 0..<0x20: out += ("\\u00" + Hex.print([byte], prefix: false)).utf8
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    /// Number::toString of ECMAScript from Swift's shortest digits.
    static func ecmaScript(_ value: Double) -> String {
        precondition(value.isFinite, "JSON has no infinity")
        if value == 0 { return "0" }
        var digits = "", exponent = 0
        let parts = "\(value.magnitude)".split(separator: "e")
        let mantissa = parts[0].split(separator: ".")
        digits = String(mantissa[0]) + (mantissa.count > 1 ? String(mantissa[1]) : "")
        exponent = mantissa[0].count + (parts.count > 1 ? Int(parts[1])! : 0)
        let leading = digits.prefix { $0 == "0" }.count
        digits = String(digits.dropFirst(leading))
        exponent -= leading
        while digits.last == "0" { digits.removeLast() }
        let sign = value < 0 ? "-" : "", k = digits.count
        if exponent > 21 || exponent <= -6 {
            let rest = digits.dropFirst()
            return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "e" + (exponent > 0 ? "+" : "-") + String(abs(exponent - 1))
        }
        if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + digits }
        if exponent >= k { return sign + digits + String(repeating: "0", count: exponent - k) }
        return sign + digits.prefix(exponent) + "." + digits.dropFirst(exponent)
    }
}

// MARK: reading

extension JSON {
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
    public var asString: String? { if case .string(let text) = self { text } else { nil } }
    public var asBool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    public var asInt: Int? { if case .integer(let integer) = self { Int(exactly: integer) } else { nil } }
    public var asArray: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
    public var asObject: [String: JSON]? { if case .object(let members) = self { members } else { nil } }
    public var asDouble: Double? {
        switch self {
        case .number(let double): double
        case .integer(let integer): Double(integer)
        default: nil
        }
    }
    /// Bytes as `0x` hex.
    public var asBytes: Bytes? { asString.flatMap { $0.hasPrefix("0x") ? Hex.parse($0) : nil } }
    public var asHash: Hash32? { asBytes.flatMap { Hash32($0) } }
    public var asAddress: Address? { asBytes.flatMap { Address($0) } }
    /// A quantity: `0x` hex of up to 256 bits.
    public var asU256: U256? { asString.flatMap { U256(hex: $0) } }
    public var asQuantity: UInt64? { asU256?.asUInt64 }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(Dictionary(uniqueKeysWithValues: elements)) }

    public init(_ bytes: Bytes) { self = .string(Hex.print(bytes)) }
    public init(_ hash: Hash32) { self = .string(hash.description) }
    public init(_ address: Address) { self = .string(address.description) }
    public static func quantity(_ number: UInt64) -> JSON { .string(U256(number).quantity) }
    public static func quantity(_ number: U256) -> JSON { .string(number.quantity) }
}
