/// 32 bytes of no inner meaning: a hash, a storage key, an identifier. Four machine words, in memory order.
@frozen public struct Hash32: Sendable {
    @usableFromInline var w0: UInt64, w1: UInt64, w2: UInt64, w3: UInt64

    @inlinable public init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt64, _ w3: UInt64) {
        (self.w0, self.w1, self.w2, self.w3) = (w0, w1, w2, w3)
    }

    public static let zero = Hash32(0, 0, 0, 0)
    public static let count = 32

    /// Exactly 32 bytes, else nil.
    @inlinable public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self = .zero
        withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: bytes) }
    }

    /// 32 bytes at `pointer`, unaligned.
    @inlinable public init(at pointer: UnsafeRawPointer) {
        self = pointer.loadUnaligned(as: Hash32.self)
    }

    /// `0x` and 64 digits, or 64 digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.parse(hex) else { return nil }
        self.init(bytes)
    }

    @inlinable public var bytes: Bytes { withUnsafeBytes { Bytes($0) } }
    @inlinable public var isZero: Bool { w0 | w1 | w2 | w3 == 0 }

    @inlinable public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        var copy = self
        let result: Result<R, E> = Swift.withUnsafeBytes(of: &copy) { buffer in
            do throws(E) { return .success(try body(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    @inlinable public subscript(_ index: Int) -> UInt8 {
        precondition(index >= 0 && index < 32)
        return withUnsafeBytes { $0[index] }
    }
}

extension Hash32: Hashable, Comparable {
    @inlinable public static func == (a: Hash32, b: Hash32) -> Bool { (a.w0 ^ b.w0) | (a.w1 ^ b.w1) | (a.w2 ^ b.w2) | (a.w3 ^ b.w3) == 0 }
    @inlinable public func hash(into hasher: inout Hasher) {
        hasher.combine(w0)
        hasher.combine(w1)
        hasher.combine(w2)
        hasher.combine(w3)
    }
    /// Order of the bytes, first byte first.
    @inlinable public static func < (a: Hash32, b: Hash32) -> Bool {
        if a.w0 != b.w0 { return a.w0.byteSwapped < b.w0.byteSwapped }
        if a.w1 != b.w1 { return a.w1.byteSwapped < b.w1.byteSwapped }
        if a.w2 != b.w2 { return a.w2.byteSwapped < b.w2.byteSwapped }
        return a.w3.byteSwapped < b.w3.byteSwapped
    }
}

extension Hash32: CustomStringConvertible {
    public var description: String { Hex.print(bytes) }
}
