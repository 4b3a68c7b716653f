import CKernels
import Primitives

/// One component of a shared matrix, or a public one: `planes` rows of `Ring.stride(count)` machine words each.
package typealias Column = [UInt64]

/// What shares are added and multiplied in. Operations are bulk, so that generic callers pay one indirect call a column.
///
/// Source: reference/r4.md §1. Elements travel little-endian, bits packed lowest first, plane after plane without a gap.
package protocol Ring: Sendable {
    /// Bits of an element on the wire.
    static var bits: Int { get }
    /// Machine words that one plane of `count` elements takes in memory.
    static func stride(_ count: Int) -> Int
    static func add(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int)
    static func subtract(_ from: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int)
    static func multiply(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int)
    static func negate(_ x: UnsafeMutablePointer<UInt64>, _ words: Int)
    static func encode(_ column: Column, planes: Int, count: Int) -> Bytes
    /// The inverse of `encode` over exactly `byteCount` bytes.
    static func decode(_ bytes: UnsafeRawBufferPointer, planes: Int, count: Int) -> Column
}

extension Ring {
    package static func byteCount(planes: Int, count: Int) -> Int { (planes * count * bits + 7) / 8 }
    package static func stride(_ count: Int) -> Int { count }

    static func add(_ a: inout Column, _ b: Column) { a.withUnsafeMutableBufferPointer { add($0.baseAddress!, b, $0.count) } }
    static func subtract(_ a: inout Column, _ b: Column) {
        a.withUnsafeMutableBufferPointer { subtract($0.baseAddress!, b, $0.count) }
    }
    static func multiply(_ a: inout Column, _ b: Column) {
        a.withUnsafeMutableBufferPointer { multiply($0.baseAddress!, b, $0.count) }
    }
    static func negate(_ a: inout Column) { a.withUnsafeMutableBufferPointer { negate($0.baseAddress!, $0.count) } }
}

/// ℤ/2⁶⁴.
package enum Z64: Ring {
    package static var bits: Int { 64 }
    package static func add(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        for i in 0..<words { to[i] &+= x[i] }
    }
    package static func subtract(_ from: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        for i in 0..<words { from[i] &-= x[i] }
    }
    package static func multiply(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        for i in 0..<words { to[i] &*= x[i] }
    }
    package static func negate(_ x: UnsafeMutablePointer<UInt64>, _ words: Int) { for i in 0..<words { x[i] = 0 &- x[i] } }
    package static func encode(_ column: Column, planes: Int, count: Int) -> Bytes { column.withUnsafeBytes { Bytes($0) } }
    package static func decode(_ bytes: UnsafeRawBufferPointer, planes: Int, count: Int) -> Column {
        wordsFrom(bytes, planes * count)
    }
}

/// ℤ/2³², inside truncation only: kept in 64-bit lanes whose upper half means nothing, four bytes an element on the wire.
package enum Z32: Ring {
    package static var bits: Int { 32 }
    package static func add(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) { Z64.add(to, x, words) }
    package static func subtract(_ from: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        Z64.subtract(from, x, words)
    }
    package static func multiply(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        Z64.multiply(to, x, words)
    }
    package static func negate(_ x: UnsafeMutablePointer<UInt64>, _ words: Int) { Z64.negate(x, words) }
    package static func encode(_ column: Column, planes: Int, count: Int) -> Bytes {
        Bytes(unsafeUninitializedCapacity: 4 * column.count) { buffer, used in
            let raw = UnsafeMutableRawPointer(buffer.baseAddress!)
            for i in 0..<column.count {
                raw.storeBytes(of: UInt32(truncatingIfNeeded: column[i]), toByteOffset: 4 * i, as: UInt32.self)
            }
            used = 4 * column.count
        }
    }
    package static func decode(_ bytes: UnsafeRawBufferPointer, planes: Int, count: Int) -> Column {
        (0..<planes * count).map { UInt64(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
    }
}

/// ℤ/2, bit-sliced: 64 lanes a word, each plane starting a new word. Lanes past `count` are 0 in every column.
package enum Z2: Ring {
    package static var bits: Int { 1 }
    package static func stride(_ count: Int) -> Int { (count + 63) / 64 }
    package static func add(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        for i in 0..<words { to[i] ^= x[i] }
    }
    package static func subtract(_ from: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        add(from, x, words)
    }
    package static func multiply(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        for i in 0..<words { to[i] &= x[i] }
    }
    package static func negate(_ x: UnsafeMutablePointer<UInt64>, _ words: Int) {}
    package static func encode(_ column: Column, planes: Int, count: Int) -> Bytes {
        let stride = stride(count), total = planes * count
        var packed = Column(repeating: 0, count: (total + 63) / 64)
        if count % 64 == 0 {
            packed = column
        } else {
            for plane in 0..<planes { copyBits(column, 64 * stride * plane, &packed, plane * count, count) }
        }
        return packed.withUnsafeBytes { Bytes($0[..<((total + 7) / 8)]) }
    }
    package static func decode(_ bytes: UnsafeRawBufferPointer, planes: Int, count: Int) -> Column {
        let stride = stride(count), total = planes * count
        var packed = wordsFrom(bytes, (total + 63) / 64)
        if total % 64 != 0 { packed[packed.count - 1] &= (1 &<< UInt64(total % 64)) &- 1 }
        if count % 64 == 0 || planes == 1 { return packed }
        var column = Column(repeating: 0, count: planes * stride)
        for plane in 0..<planes { copyBits(packed, plane * count, &column, 64 * stride * plane, count) }
        return column
    }
}

/// GF(2⁶⁴) = GF(2)[t] / (t⁶⁴ + t⁴ + t³ + t + 1): what 64 planes of a row look like as one number.
package enum GF64: Ring {
    package static var bits: Int { 64 }
    package static func add(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) { Z2.add(to, x, words) }
    package static func subtract(_ from: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        Z2.add(from, x, words)
    }
    package static func multiply(_ to: UnsafeMutablePointer<UInt64>, _ x: UnsafePointer<UInt64>, _ words: Int) {
        entente_gf64_multiply(to, x, words)
    }
    package static func negate(_ x: UnsafeMutablePointer<UInt64>, _ words: Int) {}
    package static func encode(_ column: Column, planes: Int, count: Int) -> Bytes {
        Z64.encode(column, planes: planes, count: count)
    }
    package static func decode(_ bytes: UnsafeRawBufferPointer, planes: Int, count: Int) -> Column {
        wordsFrom(bytes, planes * count)
    }
}

/// The first `count` words of `bytes`, what is missing read as 0.
private func wordsFrom(_ bytes: UnsafeRawBufferPointer, _ count: Int) -> Column {
    Column(unsafeUninitializedCapacity: count) { buffer, used in
        let raw = UnsafeMutableRawBufferPointer(buffer)
        let take = min(raw.count, bytes.count)
        if take < raw.count { raw[(take & ~7)...].initializeMemory(as: UInt8.self, repeating: 0) }
        if take > 0 { raw.baseAddress!.copyMemory(from: bytes.baseAddress!, byteCount: take) }
        used = count
    }
}

/// Copies `count` bits over bits that are 0: `to` is ORed into. Bit b is bit b mod 64 of word b / 64.
package func copyBits(_ from: UnsafePointer<UInt64>, _ fromBit: Int, _ to: UnsafeMutablePointer<UInt64>, _ toBit: Int, _ count: Int) {
    var done = 0
    while done < count {
        let source = fromBit + done, target = toBit + done
        let room = 64 - target % 64, take = min(room, count - done), shift = source % 64
        var word = from[source / 64] >> UInt64(shift)
        if shift != 0, take > 64 - shift { word |= from[source / 64 + 1] << UInt64(64 - shift) }
        if take < 64 { word &= (1 &<< UInt64(take)) &- 1 }
        to[target / 64] |= word << UInt64(target % 64)
        done += take
    }
}
