/// What an operation costs under profile R4: rounds, and bits of payload that each party sends. Frames add 16 bytes a row and
/// 32 for its MAC. A test compares every declaration with counted traffic. Inputs are taken to have full support.
///
/// Source: reference/r4.md §13.
package struct Cost: Sendable, Hashable {
    package var rounds: Int
    package var bits: [Int]

    package init(rounds: Int, bits: [Int]) { (self.rounds, self.bits) = (rounds, bits) }
    package static let none = Cost(rounds: 0, bits: [0, 0, 0, 0])
    /// Bits that all parties send together, and the busiest one.
    package var total: Int { bits.reduce(0, +) }
    package var busiest: Int { bits.max()! }

    /// One after the other.
    package static func + (a: Cost, b: Cost) -> Cost { Cost(rounds: a.rounds + b.rounds, bits: zip(a.bits, b.bits).map(+)) }
    /// In the same rounds.
    package func beside(_ other: Cost) -> Cost { Cost(rounds: max(rounds, other.rounds), bits: zip(bits, other.bits).map(+)) }
    static func one(_ elements: Int, _ width: Int, _ shares: [Int]) -> Cost {
        Cost(rounds: 1, bits: shares.map { $0 * elements * width })
    }
}

extension Cost {
    /// A product, inner product or any bilinear map: `outputs` elements of `width` bits (64, or 1 in ℤ/2).
    package static func product(outputs: Int, width: Int) -> Cost { one(outputs, width, [2, 2, 1, 1]) }
    /// A product of side A's sharing with side B's.
    static func sideProduct(outputs: Int, width: Int) -> Cost { one(outputs, width, [1, 2, 0, 1]) }
    static func sides(elements: Int, width: Int) -> Cost { one(elements, width, [1, 0, 1, 0]) }
    package static func open(elements: Int, width: Int) -> Cost { one(elements, width, [1, 1, 1, 1]) }
    package static func open(elements: Int, width: Int, to reader: Int) -> Cost {
        one(elements, width, (0..<4).map { $0 == (reader + 1) % 4 ? 1 : 0 })
    }
    package static func coin(words: Int) -> Cost { open(elements: words, width: 64) }
    package static func multiplyTruncated(elements n: Int) -> Cost {
        one(n, 64, [0, 1, 1, 2]).beside(one(n, 96, [0, 0, 1, 0])) + one(n, 96, [1, 0, 0, 0]) + sideProduct(outputs: n, width: 32)
    }
    private static func unwrap(elements n: Int) -> Cost { sides(elements: n, width: 32) + sideProduct(outputs: n, width: 32) }
    package static func truncated(elements n: Int) -> Cost { sides(elements: n, width: 64).beside(unwrap(elements: n)) }
    package static func truncatedExactly(rows n: Int, bits f: Int) -> Cost {
        let blocks = (f + 3) / 4, hot = f / 4 * 15 + (1 << (f % 4)) - 1
        let carried =
            sides(elements: hot * n, width: 1) + sideProduct(outputs: (2 * blocks - 1) * n, width: 1)
            + carry(blocks: blocks, rows: n) + fromBits(planes: 1, rows: n)
        return truncated(elements: n).beside(carried)
    }
    static func carry(blocks: Int, rows: Int) -> Cost {
        var cost = none, k = blocks
        while k > 1 {
            cost = cost + product(outputs: (2 * (k / 2) - 1) * rows, width: 1)
            k = (k + 1) / 2
        }
        return cost
    }
    package static func mostSignificantBit(width: Int, rows: Int) -> Cost {
        let low = width - 1, blocks = (low + 3) / 4, hot = low / 4 * 15 + (1 << (low % 4)) - 1
        return sides(elements: (hot + 1) * rows, width: 1) + sideProduct(outputs: (2 * blocks - 1) * rows, width: 1)
            + carry(blocks: blocks, rows: rows)
    }
    /// Of words: `Machine.lessThan(_:_:width:)`.
    package static func lessThan(width: Int, rows: Int) -> Cost { mostSignificantBit(width: width, rows: rows) }
    /// Of planes: `Machine.lessThan(_:_:)`.
    package static func lessThan(planes: Int, rows: Int) -> Cost {
        product(outputs: planes * rows, width: 1) + carry(blocks: planes, rows: rows)
    }
    package static func conjunction(planes: Int, rows: Int) -> Cost {
        var cost = none, k = planes
        while k > 1 {
            cost = cost + product(outputs: k / 2 * rows, width: 1)
            k = (k + 1) / 2
        }
        return cost
    }
    package static func conjunctionOfRows(_ rows: Int) -> Cost { conjunction(planes: rows, rows: 1) }
    package static func productOfRows(_ rows: Int) -> Cost {
        let ands = conjunction(planes: rows, rows: 1)
        return Cost(rounds: ands.rounds, bits: ands.bits.map { 64 * $0 })
    }
    package static func equal(width: Int, rows: Int) -> Cost {
        sides(elements: width * rows, width: 1) + conjunction(planes: width, rows: rows)
    }
    package static func equal(planes: Int, rows: Int) -> Cost { conjunction(planes: planes, rows: rows) }
    /// `masked` and `select` of planes.
    package static func masked(planes: Int, rows: Int) -> Cost { product(outputs: planes * rows, width: 1) }
    package static func selectWords(rows: Int) -> Cost { fromBits(planes: 1, rows: rows) + product(outputs: rows, width: 64) }
    package static func oneHot(codePlanes: Int, rows: Int) -> Cost {
        (0..<codePlanes).reduce(none) { $0 + product(outputs: (1 << $1) * rows, width: 1) }
    }
    package static func toBits(width: Int, rows: Int) -> Cost {
        var cost = sides(elements: width * rows, width: 1)
        if width == 1 { return cost }
        let n = width - 1
        cost = cost + sideProduct(outputs: n * rows, width: 1)
        for d in 0..<(n == 1 ? 0 : Int.bitWidth - (n - 1).leadingZeroBitCount) {
            let cells = (0..<n).filter { $0 >> d & 1 == 1 }
            cost = cost + product(outputs: (cells.count + cells.filter { $0 >> (d + 1) > 0 }.count) * rows, width: 1)
        }
        return cost
    }
    package static func fromBits(planes: Int, rows: Int) -> Cost {
        sides(elements: planes * rows, width: 64) + sideProduct(outputs: rows, width: 64)
    }
    package static func inject(planes: Int, rows: Int) -> Cost { fromBits(planes: 1, rows: planes * rows) }
    package static func sumsOfRows(planes: Int, rows: Int, sums: Int) -> Cost {
        sides(elements: planes * rows, width: 64) + sideProduct(outputs: sums, width: 64)
    }
}
