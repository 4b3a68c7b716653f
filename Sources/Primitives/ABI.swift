/// The contract ABI (Solidity documentation, "Contract ABI Specification"): values to bytes and back. Decoding takes hostile
/// input: offsets inside the data only, counts bounded by the bytes that are there, padding checked.
public enum ABI {
    public indirect enum TypeName: Sendable, Equatable {
        case uint(bits: Int), int(bits: Int), address, bool
        case fixedBytes(Int), bytes, string
        case array(TypeName), fixedArray(TypeName, count: Int), tuple([TypeName])
    }

    public indirect enum Value: Sendable, Equatable {
        /// Anything of one word: number, address, bool, bytes1…bytes32 (left-aligned, as in the word).
        case word(U256)
        /// bytes or string.
        case bytes(Bytes)
        /// A tuple or an array of fixed count: its elements in place.
        case tuple([Value])
        /// An array of any count.
        case array([Value])
    }
}

public enum ABIError: Error, Equatable, Sendable {
    case typeMalformed(String)
    case truncated(at: Int)
    /// An offset or a count points outside the data.
    case outOfBounds(at: Int)
    /// A number too wide for its type, a bool other than 0 or 1, padding other than 0.
    case notCanonical(at: Int)
    case tooDeep
    case notUTF8(at: Int)
}

// MARK: types

extension ABI.TypeName {
    public var isDynamic: Bool {
        switch self {
        case .bytes, .string, .array: true
        case .fixedArray(let element, _): element.isDynamic
        case .tuple(let elements): elements.contains(where: \.isDynamic)
        default: false
        }
    }
    /// Bytes in the head of what holds it: 32 where it is dynamic.
    public var headCount: Int {
        if isDynamic { return 32 }
        return switch self {
        case .fixedArray(let element, let count): element.headCount * count
        case .tuple(let elements): elements.reduce(0) { $0 + $1.headCount }
        default: 32
        }
    }

    /// `uint256`, `(bytes32,address[])[3]`, … as in a signature.
    public init(_ text: some StringProtocol) throws(ABIError) {
        let text = String(text)
        if text.hasSuffix("]") {
            guard let open = text.lastIndex(of: "[") else { throw .typeMalformed(text) }
            let element = try Self(text[..<open]), count = text[text.index(after: open)...].dropLast()
            if count.isEmpty { self = .array(element); return }
            guard let count = Int(count), count > 0, count < 1 << 16 else { throw .typeMalformed(text) }
            self = .fixedArray(element, count: count)
            return
        }
        if text.hasPrefix("("), text.hasSuffix(")") {
            self = .tuple(try Self.list(text.dropFirst().dropLast()))
            return
        }
        switch text {
        case "address": self = .address
        case "bool": self = .bool
        case "bytes": self = .bytes
        case "string": self = .string
        default:
            func number(_ prefix: String) -> Int? { text.hasPrefix(prefix) ? Int(text.dropFirst(prefix.count)) : nil }
            if let bits = number("uint"), bits % 8 == 0, (8...256).contains(bits) {
                self = .uint(bits: bits)
            } else if let bits = number("int"), bits % 8 == 0, (8...256).contains(bits) {
                self = .int(bits: bits)
            } else if let count = number("bytes"), (1...32).contains(count) {
                self = .fixedBytes(count)
            } else {
                throw .typeMalformed(text)
            }
        }
    }

    /// Types between commas, with nested parentheses.
    public static func list(_ text: some StringProtocol) throws(ABIError) -> [ABI.TypeName] {
        var types: [ABI.TypeName] = [], depth = 0, current = ""
        for character in text {
            if character == ",", depth == 0 {
                types.append(try Self(current))
                current = ""
                continue
            }
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            guard (0...16).contains(depth) else { throw .tooDeep }
            current.append(character)
        }
        if !current.isEmpty { types.append(try Self(current)) } else if !types.isEmpty { throw .typeMalformed(String(text)) }
        return types
    }
}

// MARK: values

extension ABI.Value: ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByStringLiteral {
    public init(integerLiteral value: UInt64) { self = .word(U256(value)) }
    public init(booleanLiteral value: Bool) { self = .word(value ? .one : .zero) }
    public init(stringLiteral value: String) { self = .bytes(Bytes(value.utf8)) }

    public static func uint(_ number: UInt64) -> Self { .word(U256(number)) }
    public static func address(_ address: Address) -> Self { .word(U256(address)) }
    public static func bytes32(_ hash: Hash32) -> Self { .word(U256(hash)) }
    public static func bool(_ flag: Bool) -> Self { .word(flag ? .one : .zero) }
    public static func string(_ text: String) -> Self { .bytes(Bytes(text.utf8)) }
    /// At most 32 bytes, left-aligned.
    public static func fixedBytes(_ bytes: Bytes) -> Self { .word(U256(bigEndian: bytes + Bytes(repeating: 0, count: 32 - bytes.count))) }

    var isDynamic: Bool {
        switch self {
        case .word: false
        case .bytes, .array: true
        case .tuple(let elements): elements.contains(where: \.isDynamic)
        }
    }

    // Reading what the decoder has checked: a mismatch with the type asked for is a programmer's error.
    public var asWord: U256 { if case .word(let word) = self { word } else { preconditionFailure("not a word") } }
    public var asUInt64: UInt64 { asWord.l0 }
    public var asInt: Int { Int(asWord.l0) }
    public var asBool: Bool { !asWord.isZero }
    public var asAddress: Address { Address(last20: asWord.hash) }
    public var asHash: Hash32 { asWord.hash }
    public var asBytes: Bytes { if case .bytes(let bytes) = self { bytes } else { preconditionFailure("not bytes") } }
    public var asString: String { String(decoding: asBytes, as: UTF8.self) }
    public var asList: [ABI.Value] {
        switch self {
        case .tuple(let elements), .array(let elements): elements
        default: preconditionFailure("not a list")
        }
    }
    public subscript(index: Int) -> ABI.Value { asList[index] }
}

// MARK: encoding

extension ABI {
    /// `abi.encode(values…)`.
    public static func encode(_ values: [Value]) -> Bytes {
        var out: Bytes = []
        appendSequence(values, to: &out)
        return out
    }

    private static func appendSequence(_ values: [Value], to out: inout Bytes) {
        var tails: Bytes = []
        let tailStart = values.reduce(0) { $0 + headCount($1) }
        for value in values {
            if value.isDynamic {
                out += U256(UInt64(tailStart + tails.count)).bytes
                append(value, to: &tails)
            } else {
                append(value, to: &out)
            }
        }
        out += tails
    }

    private static func headCount(_ value: Value) -> Int {
        if value.isDynamic { return 32 }
        guard case .tuple(let elements) = value else { return 32 }
        return elements.reduce(0) { $0 + headCount($1) }
    }

    private static func append(_ value: Value, to out: inout Bytes) {
        switch value {
        case .word(let word): out += word.bytes
        case .bytes(let bytes):
            out += U256(UInt64(bytes.count)).bytes + bytes
            out += Bytes(repeating: 0, count: (32 - bytes.count % 32) % 32)
        case .tuple(let elements): appendSequence(elements, to: &out)
        case .array(let elements):
            out += U256(UInt64(elements.count)).bytes
            appendSequence(elements, to: &out)
        }
    }
}

// MARK: decoding

extension ABI {
    /// Values of these types from the start of `data`; what follows them is left alone, as contracts do.
    public static func decode(_ types: [TypeName], _ data: Bytes) throws(ABIError) -> [Value] {
        var budget = 1 << 20
        return try sequence(types, data, start: 0, &budget)
    }

    private static func sequence(_ types: [TypeName], _ data: Bytes, start: Int, _ budget: inout Int) throws(ABIError) -> [Value] {
        var values: [Value] = [], at = start
        for type in types {
            if type.isDynamic {
                let offset = try size(data, at)
                guard offset <= data.count - start else { throw .outOfBounds(at: at) }
                values.append(try value(type, data, at: start + offset, &budget))
            } else {
                values.append(try value(type, data, at: at, &budget))
            }
            at += type.headCount
        }
        return values
    }

    private static func value(_ type: TypeName, _ data: Bytes, at: Int, _ budget: inout Int) throws(ABIError) -> Value {
        budget -= 1
        guard budget > 0 else { throw .outOfBounds(at: at) }  // nested arrays of nothing cost no bytes, but time
        switch type {
        case .uint, .int, .address, .bool, .fixedBytes:
            let word = try word(data, at)
            guard fits(word, type) else { throw .notCanonical(at: at) }
            return .word(word)
        case .bytes, .string:
            let count = try size(data, at), start = at + 32, padded = (count + 31) / 32 * 32
            guard padded <= data.count - start else { throw .outOfBounds(at: at) }
            guard data[start + count..<start + padded].allSatisfy({ $0 == 0 }) else { throw .notCanonical(at: start + count) }
            let bytes = Bytes(data[start..<start + count])
            if type == .string, String(validating: bytes, as: UTF8.self) == nil { throw .notUTF8(at: start) }
            return .bytes(bytes)
        case .tuple(let types): return .tuple(try sequence(types, data, start: at, &budget))
        case .fixedArray(let element, let count):
            return .tuple(try sequence(Array(repeating: element, count: count), data, start: at, &budget))
        case .array(let element):
            let count = try size(data, at)
            guard count * max(element.headCount, 1) <= data.count - at - 32 else { throw .outOfBounds(at: at) }
            return .array(try sequence(Array(repeating: element, count: count), data, start: at + 32, &budget))
        }
    }

    private static func word(_ data: Bytes, _ at: Int) throws(ABIError) -> U256 {
        guard at >= 0, at <= data.count - 32 else { throw .truncated(at: at) }
        return U256(bigEndian: data[at..<at + 32])
    }
    /// An offset or a count: below 2³², so that sums of them cannot overflow.
    private static func size(_ data: Bytes, _ at: Int) throws(ABIError) -> Int {
        guard let number = try word(data, at).asUInt64, number < 1 << 32 else { throw .outOfBounds(at: at) }
        return Int(number)
    }

    private static func fits(_ word: U256, _ type: TypeName) -> Bool {
        switch type {
        case .uint(let bits): word.bitWidth <= bits
        case .int(let bits): word.isNegative ? (~word).bitWidth < bits : word.bitWidth < bits
        case .address: word.bitWidth <= 160
        case .bool: word <= .one
        case .fixedBytes(let count): word.shiftedLeft(UInt64(8 * count)).isZero
        default: true
        }
    }
}
