import Primitives

/// A matrix of secret values as one party holds it: `planes` × `count` elements, the sum of components of which party j lacks
/// component j. Sums, differences, products with public numbers and all moving of rows and planes are local: no message, no cost.
///
/// The same type serves every profile: four components of which three are held (R4), or one component held by everybody (clear).
/// - Layout: component j is one column, plane after plane; absent where `party` does not hold it or it is 0 for all.
/// - Source: reference/r4.md §1.
package struct Shared<R: Ring>: Sendable {
    package let planes: Int
    package let count: Int
    /// Who holds this: seat 0…3, or −1 in the clear.
    package let party: Int
    /// Bit j: component j may differ from 0. Public, the same at all parties.
    package internal(set) var support: UInt8
    /// Four entries; empty: not held, or 0.
    var components: [Column]

    /// The sharing of 0 with empty support.
    init(planes: Int, count: Int, party: Int) {
        precondition(planes >= 0 && count >= 0)
        (self.planes, self.count, self.party, support) = (planes, count, party, 0)
        components = [[], [], [], []]
    }
    package var words: Int { planes * R.stride(count) }

    func holds(_ j: Int) -> Bool { j != party }
    func supports(_ j: Int) -> Bool { support >> UInt8(j) & 1 == 1 }

    /// Adds a column to component j, which enters the support.
    mutating func gain(_ j: Int, _ column: Column) {
        precondition(column.count == words)
        support |= 1 << UInt8(j)
        guard holds(j) else { return }
        if components[j].isEmpty { components[j] = column } else { R.add(&components[j], column) }
    }
    /// Component j as a column of its own, zeros if it is none.
    func component(_ j: Int) -> Column { components[j].isEmpty ? Column(repeating: 0, count: words) : components[j] }

    /// Applies a linear function to every component.
    func map<S: Ring>(planes: Int, count: Int, to: S.Type = S.self, _ body: (Column) -> Column) -> Shared<S> {
        var out = Shared<S>(planes: planes, count: count, party: party)
        out.support = support
        for j in 0..<4 where !components[j].isEmpty { out.components[j] = body(components[j]) }
        return out
    }
}

package typealias Words = Shared<Z64>
package typealias Bits = Shared<Z2>
package typealias Elements = Shared<GF64>

extension Shared: CustomStringConvertible {
    /// Shares never print.
    package var description: String { "Share(\(planes) × \(count), \(R.self))" }
}

extension Shared {
    package static func += (a: inout Self, b: Self) {
        precondition(a.planes == b.planes && a.count == b.count && a.party == b.party)
        a.support |= b.support
        for j in 0..<4 where !b.components[j].isEmpty {
            if a.components[j].isEmpty { a.components[j] = b.components[j] } else { R.add(&a.components[j], b.components[j]) }
        }
    }
    package static func -= (a: inout Self, b: Self) {
        precondition(a.planes == b.planes && a.count == b.count && a.party == b.party)
        a.support |= b.support
        for j in 0..<4 where !b.components[j].isEmpty {
            if a.components[j].isEmpty { a.components[j] = Column(repeating: 0, count: a.words) }
            R.subtract(&a.components[j], b.components[j])
        }
    }
    package static func + (a: Self, b: Self) -> Self { var a = a; a += b; return a }
    package static func - (a: Self, b: Self) -> Self { var a = a; a -= b; return a }

    /// Adds a public matrix: it joins the lowest component of the support (component 0 if there is none).
    package func adding(_ constant: Column) -> Self {
        var out = self
        out.gain(support == 0 ? 0 : support.trailingZeroBitCount, constant)
        return out
    }
    /// Element by element with a public matrix.
    package func times(_ constant: Column) -> Self {
        precondition(constant.count == words)
        return map(planes: planes, count: count) {
            var c = $0; R.multiply(&c, constant); return c
        }
    }
}

// MARK: planes and rows

extension Shared {
    /// Planes lower…upper−1.
    package subscript(planes range: Range<Int>) -> Self {
        precondition(range.lowerBound >= 0 && range.upperBound <= planes)
        let stride = R.stride(count)
        return map(planes: range.count, count: count) { Column($0[range.lowerBound * stride..<range.upperBound * stride]) }
    }
    package subscript(plane index: Int) -> Self { self[planes: index..<index + 1] }

    /// The planes named, in that order; one may occur several times.
    package func planes(_ order: [Int]) -> Self {
        let stride = R.stride(count)
        return map(planes: order.count, count: count) { c in
            var out = Column()
            out.reserveCapacity(order.count * stride)
            for p in order { out.append(contentsOf: c[p * stride..<(p + 1) * stride]) }
            return out
        }
    }
    /// One plane, `times` times.
    package func repeatedPlane(_ times: Int) -> Self {
        precondition(planes == 1)
        return planes(Array(repeating: 0, count: times))
    }
    /// All planes of all parts, one after the other.
    package static func stack(_ parts: [Self]) -> Self {
        let first = parts[0]
        var out = Self(planes: parts.reduce(0) { $0 + $1.planes }, count: first.count, party: first.party)
        out.support = parts.reduce(0) { $0 | $1.support }
        for j in 0..<4 where out.supports(j) && out.holds(j) {
            out.components[j].reserveCapacity(out.words)
            for part in parts {
                precondition(part.count == first.count && part.party == first.party)
                if part.components[j].isEmpty {
                    out.components[j].append(contentsOf: repeatElement(0, count: part.words))
                } else {
                    out.components[j].append(contentsOf: part.components[j])
                }
            }
        }
        return out
    }
    /// The sum (in ℤ/2: the XOR) of all planes, as one plane.
    package func sumOfPlanes() -> Self {
        let stride = R.stride(count)
        return map(planes: 1, count: count) { c in
            var out = Column(repeating: 0, count: stride)
            c.withUnsafeBufferPointer { c in
                out.withUnsafeMutableBufferPointer { out in
                    guard stride > 0 else { return }
                    for p in 0..<planes { R.add(out.baseAddress!, c.baseAddress! + p * stride, stride) }
                }
            }
            return out
        }
    }
    /// Rows lower…upper−1 of every plane.
    package subscript(rows range: Range<Int>) -> Self {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return map(planes: planes, count: range.count) {
            var out = Column(repeating: 0, count: planes * R.stride(range.count))
            copyRows($0, count, range.lowerBound, &out, range.count, 0, range.count)
            return out
        }
    }
    /// All rows of all parts, one after the other; every part has the same planes.
    package static func concatenateRows(_ parts: [Self]) -> Self {
        let first = parts[0], total = parts.reduce(0) { $0 + $1.count }
        var out = Self(planes: first.planes, count: total, party: first.party)
        out.support = parts.reduce(0) { $0 | $1.support }
        for j in 0..<4 where out.supports(j) && out.holds(j) {
            var column = Column(repeating: 0, count: out.words), at = 0
            for part in parts {
                precondition(part.planes == first.planes && part.party == first.party)
                if !part.components[j].isEmpty { out.copyRows(part.components[j], part.count, 0, &column, total, at, part.count) }
                at += part.count
            }
            out.components[j] = column
        }
        return out
    }
    /// The rows, `times` times over: 0…count−1, 0…count−1, …
    package func repeatedRows(_ times: Int) -> Self { Self.concatenateRows(Array(repeating: self, count: times)) }
    /// Row i of the result is row `order[i]`; order is public.
    package func gather(_ order: [Int]) -> Self {
        precondition(order.allSatisfy { $0 >= 0 && $0 < count })
        let stride = R.stride(count), width = R.stride(order.count)
        return map(planes: planes, count: order.count) { c in
            var out = Column(repeating: 0, count: planes * width)
            for p in 0..<planes {
                if R.bits == 1 {
                    for (i, k) in order.enumerated() {
                        out[p * width + i >> 6] |= (c[p * stride + k >> 6] >> UInt64(k & 63) & 1) << UInt64(i & 63)
                    }
                } else {
                    for (i, k) in order.enumerated() { out[p * width + i] = c[p * stride + k] }
                }
            }
            return out
        }
    }
    /// The same matrix, but row `order[i]` is row i of `rows`; order is public, without repetition.
    package func replacingRows(_ order: [Int], with rows: Self) -> Self {
        precondition(
            rows.count == order.count && rows.planes == planes && rows.party == party && order.allSatisfy { $0 >= 0 && $0 < count })
        let stride = R.stride(count), width = R.stride(rows.count)
        var out = self
        out.support |= rows.support
        for j in 0..<4 where out.supports(j) && out.holds(j) {
            var c = component(j)
            let r = rows.component(j)
            for p in 0..<planes {
                if R.bits == 1 {
                    for (i, k) in order.enumerated() {
                        let bit = r[p * width + i >> 6] >> UInt64(i & 63) & 1
                        c[p * stride + k >> 6] = c[p * stride + k >> 6] & ~(1 << UInt64(k & 63)) | bit << UInt64(k & 63)
                    }
                } else {
                    for (i, k) in order.enumerated() { c[p * stride + k] = r[p * width + i] }
                }
            }
            out.components[j] = c
        }
        return out
    }
    /// The sum (in ℤ/2: the XOR) of consecutive blocks of `size` rows: row i becomes Σ_b row b·size + i.
    package func sumOfBlocks(of size: Int) -> Self {
        precondition(size > 0 && count % size == 0)
        var out = self[rows: 0..<size]
        for b in 1..<max(1, count / size) { out += self[rows: b * size..<(b + 1) * size] }
        return out
    }
    private func copyRows(
        _ from: Column, _ fromCount: Int, _ fromRow: Int, _ to: inout Column, _ toCount: Int, _ toRow: Int, _ rows: Int
    ) {
        let source = R.stride(fromCount), target = R.stride(toCount)
        for p in 0..<planes {
            if R.bits == 1 {
                copyBits(from, 64 * p * source + fromRow, &to, 64 * p * target + toRow, rows)
            } else {
                for i in 0..<rows { to[p * target + toRow + i] = from[p * source + fromRow + i] }
            }
        }
    }
}

extension Shared where R == Z64 {
    /// Times one public number.
    package func times(_ factor: UInt64) -> Self { map(planes: planes, count: count) { $0.map { $0 &* factor } } }
    /// Adds one public number to every element.
    package func adding(_ constant: UInt64) -> Self { adding(Column(repeating: constant, count: words)) }
    /// Σ over the rows of each plane: planes × 1.
    package func sumOfRows() -> Self {
        map(planes: planes, count: 1) { c in (0..<planes).map { p in c[p * count..<(p + 1) * count].reduce(0, &+) } }
    }
    /// Row i becomes the sum of rows 0…i of its plane.
    package func prefixSums() -> Self {
        map(planes: planes, count: count) { c in
            var out = c
            for p in 0..<planes { for i in p * count + 1..<max(p * count + 1, (p + 1) * count) { out[i] &+= out[i - 1] } }
            return out
        }
    }
    /// The same elements under another shape.
    package func reshaped(planes: Int, count: Int) -> Self {
        precondition(planes * count == self.planes * self.count)
        return map(planes: planes, count: count) { $0 }
    }
}

extension Shared where R == Z2 {
    /// 1 − x for every bit.
    package var inverted: Self { adding(Self.ones(planes: planes, count: count)) }
    /// A public matrix of ones (lanes past `count` stay 0).
    package static func ones(planes: Int, count: Int) -> Column {
        var c = Column(repeating: ~0, count: planes * Z2.stride(count))
        if count % 64 != 0 {
            for p in 1...max(planes, 1) where planes > 0 { c[p * Z2.stride(count) - 1] = (1 << UInt64(count % 64)) - 1 }
        }
        return c
    }
    /// The XOR over the rows of each plane: planes × 1.
    package func parityOfRows() -> Self {
        let stride = Z2.stride(count)
        return map(planes: planes, count: 1) { c in
            (0..<planes).map { p in UInt64(c[p * stride..<(p + 1) * stride].reduce(0, ^).nonzeroBitCount & 1) }
        }
    }
    /// The low planes as one element of GF(2⁶⁴) a row; at most 64 planes.
    package var elements: Elements { map(planes: 1, count: count) { wordsOfPlanes($0, planes: planes, count: count) } }
}

extension Shared where R == GF64 {
    /// The 64 (or the low `planes`) bits of each element as planes.
    package func bits(planes width: Int = 64) -> Bits {
        precondition(planes == 1)
        return map(planes: width, count: count) { planesOfWords($0, planes: width, count: count) }
    }
}

// MARK: public columns

/// Element i holds bit p of plane p at row i: the transpose of at most 64 planes.
package func wordsOfPlanes(_ column: Column, planes: Int, count: Int) -> Column {
    precondition(planes <= 64)
    let stride = Z2.stride(count)
    var out = Column(repeating: 0, count: count)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 64) { block in
        for w in 0..<stride {
            for p in 0..<64 { block[p] = p < planes ? column[p * stride + w] : 0 }
            transpose(block.baseAddress!)
            for i in 0..<min(64, count - 64 * w) { out[64 * w + i] = block[i] }
        }
    }
    return out
}
/// The low `planes` bits of each word as planes.
package func planesOfWords(_ words: Column, planes: Int, count: Int) -> Column {
    precondition(planes <= 64)
    let stride = Z2.stride(count)
    var out = Column(repeating: 0, count: planes * stride)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 64) { block in
        for w in 0..<stride {
            let rows = min(64, count - 64 * w)
            for i in 0..<64 { block[i] = i < rows ? words[64 * w + i] : 0 }
            transpose(block.baseAddress!)
            for p in 0..<planes { out[p * stride + w] = block[p] }
        }
    }
    return out
}
/// 64 × 64 bits in place, by swapping ever smaller blocks (Hacker's Delight §7-3, bit 0 first).
private func transpose(_ m: UnsafeMutablePointer<UInt64>) {
    var size = 32, mask: UInt64 = 0x0000_0000_ffff_ffff
    while size > 0 {
        var k = 0
        while k < 64 {
            let t = (m[k] >> UInt64(size) ^ m[k + size]) & mask
            m[k] ^= t << UInt64(size)
            m[k + size] ^= t
            k = (k + size + 1) & ~size
        }
        size /= 2
        mask ^= mask << UInt64(size)
    }
}
