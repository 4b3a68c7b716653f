/// The 20 bytes of an account. Three machine words, in memory order.
@frozen public struct Address: Sendable {
    @usableFromInline var w0: UInt64, w1: UInt64, w2: UInt32

    @inlinable init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt32) { (self.w0, self.w1, self.w2) = (w0, w1, w2) }

    public static let zero = Address(0, 0, 0)
    public static let count = 20

    /// Exactly 20 bytes, else nil.
    @inlinable public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 20 else { return nil }
        self = .zero
        withUnsafeMutableBytes(of: &self) { UnsafeMutableRawBufferPointer(rebasing: $0[..<20]).copyBytes(from: bytes) }
    }

    /// The last 20 of 32 bytes: of a public key's hash, of a word.
    @inlinable public init(last20 hash: Hash32) {
        self = .zero
        hash.withUnsafeBytes { source in
            withUnsafeMutableBytes(of: &self) {
                UnsafeMutableRawBufferPointer(rebasing: $0[..<20]).copyMemory(from: UnsafeRawBufferPointer(rebasing: source[12...]))
            }
        }
    }

    /// The low 160 bits of a machine word.
    @inlinable @inline(__always) public init(_ word: U256) {
        self.init(
            (word.l2 &<< 32 | word.l1 &>> 32).byteSwapped, (word.l1 &<< 32 | word.l0 &>> 32).byteSwapped,
            UInt32(truncatingIfNeeded: word.l0).byteSwapped)
    }

    /// `0x` and 40 digits of any case; the checksum of mixed case is not judged here.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.parse(hex) else { return nil }
        self.init(bytes)
    }

    @inlinable public var bytes: Bytes { withUnsafeBytes { Bytes($0) } }
    @inlinable public var isZero: Bool { w0 | w1 | UInt64(w2) == 0 }

    @inlinable public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        var copy = self
        return Swift.withUnsafeBytes(of: &copy) { body(UnsafeRawBufferPointer(rebasing: $0[..<20])) }
    }

    /// The word in which the machine and the ABI hold an address: 12 zero bytes before it.
    @inlinable public var word: Hash32 {
        var word = Hash32.zero
        withUnsafeMutableBytes(of: &word) { target in
            withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: target[12...]).copyMemory(from: $0) }
        }
        return word
    }
}

extension Address: Hashable, Comparable {
    @inlinable public static func == (a: Address, b: Address) -> Bool { a.w0 == b.w0 && a.w1 == b.w1 && a.w2 == b.w2 }
    @inlinable public func hash(into hasher: inout Hasher) {
        hasher.combine(w0)
        hasher.combine(w1)
        hasher.combine(w2)
    }
    @inlinable public static func < (a: Address, b: Address) -> Bool {
        if a.w0 != b.w0 { return a.w0.byteSwapped < b.w0.byteSwapped }
        if a.w1 != b.w1 { return a.w1.byteSwapped < b.w1.byteSwapped }
        return a.w2.byteSwapped < b.w2.byteSwapped
    }
}

extension Address: CustomStringConvertible {
    public var description: String { Hex.print(bytes) }
}
