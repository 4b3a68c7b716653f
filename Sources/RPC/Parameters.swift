import Primitives

/// Reads the parameters of a call one after another; what is missing or of another type is named in the error.
package struct Parameters {
    private let values: [JSON]
    private var next = 0
    private let method: String

    package init(_ values: [JSON], of method: String) {
        self.values = values
        self.method = method
    }

    /// Null counts as left out.
    package mutating func optional() -> JSON? {
        defer { next += 1 }
        guard next < values.count, values[next] != .null else { return nil }
        return values[next]
    }
    package mutating func required(_ name: String) throws(RPCError) -> JSON {
        guard let value = optional() else { throw .invalidParameters("missing value for required argument \(next - 1) (\(name))") }
        return value
    }
    /// Nothing may follow.
    package func end() throws(RPCError) {
        guard next >= values.count else { throw .invalidParameters("too many arguments, want at most \(next)") }
    }

    package mutating func address(_ name: String = "address") throws(RPCError) -> Address {
        try Field.address(try required(name), name)
    }
    package mutating func hash(_ name: String = "hash") throws(RPCError) -> Hash32 { try Field.hash(try required(name), name) }
    package mutating func data(_ name: String = "data") throws(RPCError) -> Bytes { try Field.data(try required(name), name) }
    package mutating func word(_ name: String) throws(RPCError) -> U256 { try Field.word(try required(name), name) }
    package mutating func number(_ name: String) throws(RPCError) -> UInt64 { try Field.number(try required(name), name) }
    package mutating func text(_ name: String) throws(RPCError) -> String {
        guard let text = try required(name).asString else { throw .invalidParameters("\(name): string expected") }
        return text
    }
    package mutating func flag(_ name: String, default value: Bool = false) throws(RPCError) -> Bool {
        guard let json = optional() else { return value }
        guard let flag = json.asBool else { throw .invalidParameters("\(name): true or false expected") }
        return flag
    }
    package mutating func block(default value: BlockReference? = .latest) throws(RPCError) -> BlockReference {
        if let json = optional() { return try BlockReference(json) }
        guard let value else { throw .invalidParameters("missing value for required argument \(next - 1) (block)") }
        return value
    }
}

/// Single values of the JSON-RPC of Ethereum.
package enum Field {
    package static func address(_ json: JSON, _ name: String) throws(RPCError) -> Address {
        guard let address = json.asAddress else { throw .invalidParameters("\(name): address of 20 bytes expected") }
        return address
    }
    package static func hash(_ json: JSON, _ name: String) throws(RPCError) -> Hash32 {
        guard let hash = json.asHash else { throw .invalidParameters("\(name): 32 bytes expected") }
        return hash
    }
    package static func data(_ json: JSON, _ name: String) throws(RPCError) -> Bytes {
        guard let bytes = json.asBytes else { throw .invalidParameters("\(name): hex with 0x and whole bytes expected") }
        return bytes
    }
    /// A quantity: `0x`, no leading zeros.
    package static func quantity(_ json: JSON, _ name: String) throws(RPCError) -> U256 {
        guard let text = json.asString, let value = U256(hex: text) else {
            throw .invalidParameters("\(name): hex quantity expected")
        }
        guard value.quantity.utf8.count == text.utf8.count else {
            throw .invalidParameters("\(name): hex number with leading zero digits")
        }
        return value
    }
    package static func number(_ json: JSON, _ name: String) throws(RPCError) -> UInt64 {
        guard let value = try quantity(json, name).asUInt64 else { throw .invalidParameters("\(name): hex number > 64 bits") }
        return value
    }
    /// A storage slot: a quantity or a hash; leading zeros are fine.
    package static func word(_ json: JSON, _ name: String) throws(RPCError) -> U256 {
        guard let value = json.asU256 else { throw .invalidParameters("\(name): hex of at most 32 bytes expected") }
        return value
    }
    package static func list(_ json: JSON, _ name: String) throws(RPCError) -> [JSON] {
        guard let list = json.asArray else { throw .invalidParameters("\(name): array expected") }
        return list
    }
}

/// Which block a question is about (EIP-1898).
package enum BlockReference: Equatable, Sendable {
    case latest, earliest, pending, safe, finalized
    case number(UInt64)
    case hash(Hash32)

    package init(_ json: JSON) throws(RPCError) {
        switch json {
        case "latest": self = .latest
        case "earliest": self = .earliest
        case "pending": self = .pending
        case "safe": self = .safe
        case "finalized": self = .finalized
        case .string(let text) where text.utf8.count == 66: self = .hash(try Field.hash(json, "block"))
        case .string: self = .number(try Field.number(json, "block"))
        case .object(let members):
            switch (members["blockNumber"], members["blockHash"]) {
            case (let number?, nil): self = .number(try Field.number(number, "blockNumber"))
            case (nil, let hash?): self = .hash(try Field.hash(hash, "blockHash"))
            default: throw .invalidParameters("block: either blockNumber or blockHash expected")
            }
        default: throw .invalidParameters("block: number, hash or tag expected")
        }
    }

    package var json: JSON {
        switch self {
        case .latest: "latest"
        case .earliest: "earliest"
        case .pending: "pending"
        case .safe: "safe"
        case .finalized: "finalized"
        case .number(let number): .string(U256(number).quantity)
        case .hash(let hash): ["blockHash": .string(hash.description)]
        }
    }
}
