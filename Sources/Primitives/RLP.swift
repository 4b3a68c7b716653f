/// Recursive length prefix (Ethereum yellow paper, appendix B). Only the canonical form is accepted: shortest length, no
/// leading zeros of lengths, nothing after the end.
public enum RLP {
    /// A decoded item. Depth and size are bounded by the decoder.
    public indirect enum Item: Sendable, Equatable {
        case bytes(Bytes)
        case list([Item])
    }
}

public enum RLPError: Error, Equatable, Sendable {
    case truncated(at: Int)
    case notCanonical(at: Int)
    case trailingBytes(count: Int)
    case tooDeep(maximum: Int)
    case listExpected
    case bytesExpected
    case countMismatch(expected: Int, found: Int)
    case lengthMismatch(expected: Int, found: Int)
    /// An integer with a leading zero, or wider than its field.
    case integer(maximumBytes: Int)
}

// MARK: encoding

extension RLP {
    /// Appends items to one buffer. A list's payload is written first and its header put before it.
    public struct Encoder: Sendable {
        public private(set) var bytes: Bytes = []

        public init() {}
        public init(capacity: Int) { bytes.reserveCapacity(capacity) }

        public mutating func append(_ string: some Collection<UInt8>) {
            if string.count == 1, let only = string.first, only < 0x80 {
                bytes.append(only)
            } else {
                appendHeader(0x80, string.count)
                bytes.append(contentsOf: string)
            }
        }
        public mutating func append(_ hash: Hash32) { append(hash.bytes) }
        public mutating func append(_ address: Address) { append(address.bytes) }
        public mutating func append(_ number: UInt64) {
            if number == 0 { return bytes.append(0x80) }
            let count = 8 - number.leadingZeroBitCount / 8
            append((0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) })
        }
        public mutating func append(_ word: U256) { append(word.minimalBytes) }
        public mutating func append(_ item: Item) {
            switch item {
            case .bytes(let string): append(string)
            case .list(let items): appendList { for item in items { $0.append(item) } }
            }
        }
        /// An item that is encoded already.
        public mutating func appendEncoded(_ encoded: some Collection<UInt8>) { bytes.append(contentsOf: encoded) }

        public mutating func appendList<E: Error>(_ body: (inout Encoder) throws(E) -> Void) throws(E) {
            var inner = Encoder()
            try body(&inner)
            appendHeader(0xc0, inner.bytes.count)
            bytes.append(contentsOf: inner.bytes)
        }

        private mutating func appendHeader(_ offset: UInt8, _ count: Int) {
            if count < 56 { return bytes.append(offset + UInt8(count)) }
            let width = (64 - UInt64(count).leadingZeroBitCount + 7) / 8
            bytes.append(offset + 55 + UInt8(width))
            for i in (0..<width).reversed() { bytes.append(UInt8(truncatingIfNeeded: count >> (8 * i))) }
        }
    }

    public static func encode(_ item: Item) -> Bytes {
        var encoder = Encoder()
        encoder.append(item)
        return encoder.bytes
    }

    public static func encodeList<E: Error>(_ body: (inout Encoder) throws(E) -> Void) throws(E) -> Bytes {
        var encoder = Encoder()
        try encoder.appendList(body)
        return encoder.bytes
    }
}

// MARK: decoding

extension RLP {
    public static let maximumDepth = 32

    /// The one item that `bytes` hold.
    public static func decode(_ bytes: some Collection<UInt8>) throws(RLPError) -> Item {
        let buffer = Bytes(bytes)
        var at = 0
        let item = try item(buffer, &at, end: buffer.count, depth: 0)
        guard at == buffer.count else { throw .trailingBytes(count: buffer.count - at) }
        return item
    }

    /// The first item of `bytes` and how many bytes it took: a stream of items, such as a file of blocks.
    public static func decodeFirst(_ bytes: Bytes, from start: Int) throws(RLPError) -> (item: Item, end: Int) {
        var at = start
        let item = try item(bytes, &at, end: bytes.count, depth: 0)
        return (item, at)
    }

    private static func item(_ bytes: Bytes, _ at: inout Int, end: Int, depth: Int) throws(RLPError) -> Item {
        guard depth <= maximumDepth else { throw .tooDeep(maximum: maximumDepth) }
        guard at < end else { throw .truncated(at: at) }
        let prefix = bytes[at], start = at
        at += 1
        if prefix < 0x80 { return .bytes([prefix]) }
        let count = try length(bytes, prefix, &at, end: end)
        let stop = at + count
        if prefix < 0xc0 {
            if count == 1, bytes[at] < 0x80 { throw .notCanonical(at: start) }
            defer { at = stop }
            return .bytes(Bytes(bytes[at..<stop]))
        }
        var items: [Item] = []
        while at < stop { items.append(try item(bytes, &at, end: stop, depth: depth + 1)) }
        return .list(items)
    }

    private static func length(_ bytes: Bytes, _ prefix: UInt8, _ at: inout Int, end: Int) throws(RLPError) -> Int {
        let short = Int(prefix & 0x3f)
        var count = short
        if short > 55 {
            let width = short - 55
            guard width <= end - at else { throw .truncated(at: at) }
            guard bytes[at] != 0, width <= 7 else { throw .notCanonical(at: at) }
            count = 0
            for _ in 0..<width {
                count = count << 8 | Int(bytes[at])
                at += 1
            }
            guard count > 55 else { throw .notCanonical(at: at) }
        }
        guard count <= end - at else { throw .truncated(at: at) }
        return count
    }
}

extension RLP.Item {
    public var asBytes: Bytes {
        get throws(RLPError) {
            guard case .bytes(let bytes) = self else { throw .bytesExpected }
            return bytes
        }
    }
    public var asList: [RLP.Item] {
        get throws(RLPError) {
            guard case .list(let items) = self else { throw .listExpected }
            return items
        }
    }
    public func asList(count: Int) throws(RLPError) -> [RLP.Item] {
        let items = try asList
        guard items.count == count else { throw .countMismatch(expected: count, found: items.count) }
        return items
    }
    public var asHash: Hash32 {
        get throws(RLPError) {
            let bytes = try asBytes
            guard let hash = Hash32(bytes) else { throw .lengthMismatch(expected: 32, found: bytes.count) }
            return hash
        }
    }
    public var asAddress: Address {
        get throws(RLPError) {
            let bytes = try asBytes
            guard let address = Address(bytes) else { throw .lengthMismatch(expected: 20, found: bytes.count) }
            return address
        }
    }
    public var asUInt64: UInt64 {
        get throws(RLPError) {
            let bytes = try asBytes
            guard bytes.count <= 8, bytes.first != 0 else { throw .integer(maximumBytes: 8) }
            return bytes.reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
    public var asU256: U256 {
        get throws(RLPError) {
            let bytes = try asBytes
            guard bytes.count <= 32, bytes.first != 0 else { throw .integer(maximumBytes: 32) }
            return U256(bigEndian: bytes)
        }
    }
}
