import MPC
import Primitives
import Testing

/// A matrix as rows of numbers, to say plainly what moving planes and rows means.
private struct Plain: Equatable {
    var planes: [[UInt64]]
    init(_ planes: [[UInt64]]) { self.planes = planes }
    init<R: Ring>(_ column: Column, planes: Int, count: Int, in ring: R.Type) {
        let s = R.stride(count)
        self.planes = (0..<planes).map { p in
            (0..<count).map { R.bits == 1 ? column[p * s + $0 / 64] >> UInt64($0 % 64) & 1 : column[p * s + $0] }
        }
    }
}

private func movesAsAMatrixDoes<R: Ring>(_ ring: R.Type, count n: Int) throws {
    let planes = 5, world = World(seed: 21)
    let column = R.bits == 1 ? bits(planes: planes, count: n) : words(planes * n),
        other = R.bits == 1 ? bits(planes: planes, count: n, seed: 8) : words(planes * n, seed: 8)
    let x = world.share(column, planes: planes, count: n, in: ring, label: 1),
        y = world.share(other, planes: planes, count: n, in: ring, label: 2)
    let a = Plain(column, planes: planes, count: n, in: ring).planes, b = Plain(other, planes: planes, count: n, in: ring).planes
    let add = { (p: UInt64, q: UInt64) in R.bits == 1 ? (p ^ q) & 1 : ring == GF64.self ? p ^ q : p &+ q }
    func same(_ f: (Shared<R>, Shared<R>) -> Shared<R>, _ expected: [[UInt64]], _ what: String) {
        let shares = (0..<4).map { f(x[$0], y[$0]) }
        #expect(shares[0].planes == expected.count && shares[0].count == expected.first?.count ?? 0)
        #expect(
            Plain(world.reveal(shares), planes: shares[0].planes, count: shares[0].count, in: ring) == Plain(expected),
            "\(what) of \(n) rows in \(ring)")
    }
    let order = (0..<n).map { ($0 * 7 + 3) % n } + [0, n - 1], cut = n / 3..<n - n / 4
    same({ x, y in x + y }, zip(a, b).map { zip($0, $1).map(add) }, "sum")
    same({ x, y in (x + y) - y }, a, "difference")
    same({ x, _ in x.planes([4, 0, 0]) }, [a[4], a[0], a[0]], "planes")
    same({ x, _ in x[planes: 1..<4] }, Array(a[1..<4]), "slice of planes")
    same({ x, y in .stack([x[plane: 2], y]) }, [a[2]] + b, "stack")
    same({ x, _ in x.sumOfPlanes() }, [(0..<n).map { i in a.map { $0[i] }.reduce(0, add) }], "sum of planes")
    same({ x, _ in x[rows: cut] }, a.map { Array($0[cut]) }, "slice of rows")
    same({ x, y in .concatenateRows([x[rows: cut], y, x]) }, zip(a, b).map { Array($0[cut]) + $1 + $0 }, "concatenation")
    same({ x, _ in x.repeatedRows(3) }, a.map { $0 + $0 + $0 }, "repetition")
    same({ x, _ in x.gather(order) }, a.map { p in order.map { p[$0] } }, "gather")
    same(
        { x, y in x.replacingRows([n - 1, 0], with: y[rows: 0..<2]) }, zip(a, b).map { p, q in [q[1]] + p[1..<n - 1] + [q[0]] },
        "replacement")
    same(
        { x, y in Shared.concatenateRows([x, y, y]).sumOfBlocks(of: n) },
        zip(a, b).map { zip($0, $1).map { add(add($0, $1), $1) } }, "sum of blocks")
    same({ x, _ in x.adding(other) }, zip(a, b).map { zip($0, $1).map(add) }, "public sum")
}

@Test(arguments: [2, 3, 63, 64, 65, 100, 128, 200])
func rowsAndPlanesMoveAsInAPlainMatrix(count: Int) throws {
    try movesAsAMatrixDoes(Z64.self, count: count)
    try movesAsAMatrixDoes(Z2.self, count: count)
    try movesAsAMatrixDoes(GF64.self, count: count)
}

@Test(arguments: [1, 5, 63, 64, 65, 130])
func wireBytesPackPlanesWithoutAGap(count: Int) {
    let planes = 3, column = bits(planes: planes, count: count), bytes = Z2.encode(column, planes: planes, count: count)
    #expect(bytes.count == Z2.byteCount(planes: planes, count: count))
    for p in 0..<planes {
        for i in 0..<count {
            let at = p * count + i
            #expect(UInt64(bytes[at / 8] >> UInt8(at % 8) & 1) == bit(column, plane: p, row: i, of: count))
        }
    }
    #expect(bytes.withUnsafeBytes { Z2.decode($0, planes: planes, count: count) } == column)
    // Bits past the last element are not the sender's to choose.
    var padded = bytes
    if planes * count % 8 != 0 { padded[padded.count - 1] |= 0xff << UInt8(planes * count % 8) }
    #expect(padded.withUnsafeBytes { Z2.decode($0, planes: planes, count: count) } == column)
}

@Test func localReductionsAreExact() {
    let n = 70, world = World(seed: 22), x = words(2 * n), sx = world.share(x, planes: 2, count: n, in: Z64.self),
        b = bits(planes: 64, count: n)
    #expect(world.reveal(sx.map { $0.sumOfRows() }) == [x[..<n].reduce(0, &+), x[n...].reduce(0, &+)])
    #expect(world.reveal(sx.map { $0.prefixSums()[rows: n - 1..<n] }) == [x[..<n].reduce(0, &+), x[n...].reduce(0, &+)])
    let sb = world.share(b, planes: 64, count: n, in: Z2.self)
    #expect(world.reveal(sb.map { $0.parityOfRows() })[5] == (0..<n).reduce(0) { $0 ^ bit(b, plane: 5, row: $1, of: n) })
    #expect(world.reveal(sb.map(\.elements)) == wordsOfPlanes(b, planes: 64, count: n))
    #expect(world.reveal(sb.map { $0.elements.bits() }) == b)
    #expect(world.reveal(sb.map(\.inverted)) == zip(b, Bits.ones(planes: 64, count: n)).map(^))
    #expect("\(sx[0]) \(world.keys[0])" == "Share(2 × 70, Z64) SessionKeys(party 0)")
}
