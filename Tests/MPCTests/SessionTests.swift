import MPC
import Primitives
import Testing

/// The value behind a result that all four parties reached.
func agreed<R: Ring>(_ outcomes: [Outcome<Shared<R>>], in world: World) throws -> Column {
    world.reveal(try outcomes.map { try $0.result.get() })
}
func words(_ count: Int, seed: UInt64 = 1) -> Column {
    var x = seed &* 0x9e37_79b9_7f4a_7c15
    return (0..<count).map { _ in
        x = x &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return x ^ x >> 29
    }
}
/// Random planes, lanes past `count` 0.
func bits(planes: Int, count: Int, seed: UInt64 = 1) -> Column {
    zip(words(planes * Z2.stride(count), seed: seed), Bits.ones(planes: planes, count: count)).map(&)
}
func bit(_ column: Column, plane: Int = 0, row: Int, of count: Int) -> UInt64 {
    column[plane * Z2.stride(count) + row / 64] >> UInt64(row % 64) & 1
}

/// Runs a program over two shared inputs in the clear and under R4; all must give one value, and traffic must be as declared.
func onBothBackends<A: Ring, B: Ring, C: Ring>(
    _ x: (Column, Int, Int), _ a: A.Type, _ y: (Column, Int, Int), _ b: B.Type, cost: Cost,
    _ program: @Sendable @escaping (any Machine, Shared<A>, Shared<B>) async throws(SessionError) -> Shared<C>
) async throws -> Column {
    let clear = ClearMachine(), world = World(seed: 7)
    let plain = clear.reveal(
        try await program(clear, clear.share(x.0, planes: x.1, count: x.2, in: a), clear.share(y.0, planes: y.1, count: y.2, in: b))
    )
    let sx = world.share(x.0, planes: x.1, count: x.2, in: a, label: 1),
        sy = world.share(y.0, planes: y.1, count: y.2, in: b, label: 2)
    let outcomes = await world.run { s throws(SessionError) in try await program(s, sx[s.party], sy[s.party]) }
    #expect(try agreed(outcomes, in: world) == plain)
    let traffic = outcomes.map(\.session.traffic)
    #expect(traffic.map(\.payloadBits) == cost.bits)
    #expect(traffic.allSatisfy { $0.rounds == cost.rounds })
    return plain
}
let n = 100

@Test func productsAreExactInEveryRing() async throws {
    let x = words(n), y = words(n, seed: 2)
    #expect(
        try await onBothBackends((x, 1, n), Z64.self, (y, 1, n), Z64.self, cost: .product(outputs: n, width: 64)) {
            m, x, y throws(SessionError) in
            try await m.multiply(x, y)
        } == zip(x, y).map(&*))
    let p = bits(planes: 3, count: n), q = bits(planes: 3, count: n, seed: 2)
    #expect(
        try await onBothBackends((p, 3, n), Z2.self, (q, 3, n), Z2.self, cost: .product(outputs: 3 * n, width: 1)) {
            m, x, y throws(SessionError) in
            try await m.multiply(x, y)
        } == zip(p, q).map(&))
    let f = try await onBothBackends((x, 1, n), GF64.self, (y, 1, n), GF64.self, cost: .product(outputs: n, width: 64)) {
        m, x, y throws(SessionError) in
        try await m.multiply(x, y)
    }
    for i in 0..<n { #expect(f[i] == slowFieldProduct(x[i], y[i])) }
}
func slowFieldProduct(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var a = a, r: UInt64 = 0
    for k in 0..<64 {
        if b >> UInt64(k) & 1 == 1 { r ^= a }
        a = a << 1 ^ (a >> 63 == 1 ? 0x1b : 0)
    }
    return r
}

@Test func innerProductsCostByOutputNotByLength() async throws {
    let x = words(3 * n), y = words(2 * n, seed: 2)
    let z = try await onBothBackends((x, 3, n), Z64.self, (y, 2, n), Z64.self, cost: .product(outputs: 6, width: 64)) {
        m, x, y throws(SessionError) in
        try await m.innerProducts(x, y)
    }
    for p in 0..<3 { for q in 0..<2 { #expect(z[2 * p + q] == (0..<n).reduce(0) { $0 &+ x[p * n + $1] &* y[q * n + $1] }) } }
    let d = try await onBothBackends((x, 3, n), Z64.self, (x, 3, n), Z64.self, cost: .product(outputs: 3, width: 64)) {
        m, x, y throws(SessionError) in
        try await m.dot(x, y)
    }
    for p in 0..<3 { #expect(d[p] == (0..<n).reduce(0) { $0 &+ x[p * n + $1] &* x[p * n + $1] }) }
    let e = try await onBothBackends((x, 1, 3 * n), GF64.self, (y, 1, 2 * n), GF64.self, cost: .productOfRows(3 * n)) {
        m, x, _ throws(SessionError) in
        try await m.productOfRows(x)
    }
    #expect(e == [x.reduce(1, slowFieldProduct)])
}

@Test(arguments: [2, 5, 6, 16, 32, 63, 64])
func comparisonOfWordsIsSigned(width: Int) async throws {
    let half = UInt64(1) << UInt64(width - 2)
    let x = words(n).map { $0 & (half - 1) },
        y = words(n, seed: 3).map { $0 & (half - 1) }.enumerated().map { $0 % 5 == 0 ? x[$0] : $1 }
    let less = try await onBothBackends((x, 1, n), Z64.self, (y, 1, n), Z64.self, cost: .lessThan(width: width, rows: n)) {
        m, x, y throws(SessionError) in
        try await m.lessThan(x, y, width: width)
    }
    let equal = try await onBothBackends((x, 1, n), Z64.self, (y, 1, n), Z64.self, cost: .equal(width: width, rows: n)) {
        m, x, y throws(SessionError) in
        try await m.equal(x, y, width: width)
    }
    for i in 0..<n {
        #expect(bit(less, row: i, of: n) == (x[i] < y[i] ? 1 : 0))
        #expect(bit(equal, row: i, of: n) == (x[i] == y[i] ? 1 : 0))
    }
}

@Test(arguments: [1, 2, 3, 7, 8, 24, 57, 64])
func comparisonOfPlanesIsUnsigned(width: Int) async throws {
    let mask = width == 64 ? ~0 : UInt64(1) << UInt64(width) - 1
    let x = words(n).map { $0 & mask }, y = words(n, seed: 3).map { $0 & mask }.enumerated().map { $0 % 5 == 0 ? x[$0] : $1 }
    let p = planesOfWords(x, planes: width, count: n), q = planesOfWords(y, planes: width, count: n)
    let less = try await onBothBackends((p, width, n), Z2.self, (q, width, n), Z2.self, cost: .lessThan(planes: width, rows: n)) {
        m, x, y throws(SessionError) in
        try await m.lessThan(x, y)
    }
    let equal = try await onBothBackends((p, width, n), Z2.self, (q, width, n), Z2.self, cost: .equal(planes: width, rows: n)) {
        m, x, y throws(SessionError) in
        try await m.equal(x, y)
    }
    for i in 0..<n {
        #expect(bit(less, row: i, of: n) == (x[i] < y[i] ? 1 : 0))
        #expect(bit(equal, row: i, of: n) == (x[i] == y[i] ? 1 : 0))
    }
}

@Test(arguments: [1, 2, 3, 16, 17, 24, 64])
func wordsAndPlanesConvertBothWays(width: Int) async throws {
    let mask = width == 64 ? ~0 : UInt64(1) << UInt64(width) - 1, x = words(n), planes = planesOfWords(x, planes: width, count: n)
    #expect(
        try await onBothBackends((x, 1, n), Z64.self, (x, 1, n), Z64.self, cost: .toBits(width: width, rows: n)) {
            m, x, _ throws(SessionError) in
            try await m.toBits(x, width: width)
        } == planes)
    #expect(wordsOfPlanes(planes, planes: width, count: n) == x.map { $0 & mask })
    #expect(
        try await onBothBackends((planes, width, n), Z2.self, (x, 1, n), Z64.self, cost: .fromBits(planes: width, rows: n)) {
            m, b, _ throws(SessionError) in
            try await m.fromBits(b)
        } == x.map { $0 & mask })
    let twice = planes + planes
    #expect(
        try await onBothBackends(
            (twice, 2 * width, n), Z2.self, (x, 1, n), Z64.self, cost: .sumsOfRows(planes: 2 * width, rows: n, sums: 2)
        ) {
            m, b, _ throws(SessionError) in try await m.sumsOfRows(b, width: width)
        } == Column(repeating: x.map { $0 & mask }.reduce(0, &+), count: 2))
    #expect(
        try await onBothBackends((planes, width, n), Z2.self, (x, 1, n), Z64.self, cost: .inject(planes: width, rows: n)) {
            m, b, _ throws(SessionError) in
            try await m.inject(b)
        } == (0..<width * n).map { bit(planes, plane: $0 / n, row: $0 % n, of: n) })
}

@Test func selectionTakesTheFirstWhereTheBitIsOne() async throws {
    let c = bits(planes: 1, count: n, seed: 9), x = words(n)
    let z = try await onBothBackends((c, 1, n), Z2.self, (x, 1, n), Z64.self, cost: .selectWords(rows: n)) {
        m, c, x throws(SessionError) in
        try await m.select(c, x, x.times(3).adding(5))
    }
    for i in 0..<n { #expect(z[i] == (bit(c, row: i, of: n) == 1 ? x[i] : x[i] &* 3 &+ 5)) }
    let p = bits(planes: 4, count: n)
    let s = try await onBothBackends((c, 1, n), Z2.self, (p, 4, n), Z2.self, cost: .masked(planes: 4, rows: n)) {
        m, c, p throws(SessionError) in
        try await m.select(c, p, p.inverted)
    }
    for i in 0..<n {
        for k in 0..<4 { #expect(bit(s, plane: k, row: i, of: n) == bit(p, plane: k, row: i, of: n) ^ 1 ^ bit(c, row: i, of: n)) }
    }
}

@Test func oneHotExpandsTheCodeOfLiveRows() async throws {
    let code = bits(planes: 3, count: n), live = bits(planes: 1, count: n, seed: 4)
    let leaves = try await onBothBackends((code, 3, n), Z2.self, (live, 1, n), Z2.self, cost: .oneHot(codePlanes: 3, rows: n)) {
        m, c, l throws(SessionError) in
        try await m.oneHot(c, live: l)
    }
    for i in 0..<n {
        let m = (0..<3).reduce(0) { $0 | Int(bit(code, plane: $1, row: i, of: n)) << $1 }
        for k in 0..<8 { #expect(bit(leaves, plane: k, row: i, of: n) == (k == m ? bit(live, row: i, of: n) : 0)) }
    }
}

@Test func truncatedProductsRoundByLessThanOne() async throws {
    let world = World(seed: 7), x = words(n).map { UInt64(bitPattern: Int64(bitPattern: $0) >> 34) },
        y = words(n, seed: 2).map { UInt64(bitPattern: Int64(bitPattern: $0) >> 34) }
    let sx = world.share(x, count: n, in: Z64.self, label: 1), sy = world.share(y, count: n, in: Z64.self, label: 2)
    let outcomes = await world.run { s throws(SessionError) in try await s.multiplyTruncated(sx[s.party], sy[s.party], bits: 20) }
    let z = try agreed(outcomes, in: world)
    for i in 0..<n { #expect([0, 1].contains(z[i] &- UInt64(bitPattern: Int64(bitPattern: x[i] &* y[i]) >> 20))) }
    #expect(outcomes.map(\.session.traffic.payloadBits) == Cost.multiplyTruncated(elements: n).bits)
    #expect(outcomes.allSatisfy { $0.session.traffic.rounds == 3 })
}

@Test(arguments: [1, 4, 7, 20, 32])
func truncationIsOffByLessThanOneOrExact(f: Int) async throws {
    let edges: Column = [0, 1, ~0, 1 << 62 - 1, 0 &- (1 << 62), 1 << UInt64(f), 1 << UInt64(f) - 1, 0 &- (1 << UInt64(f))]
    let x = edges + words(n - edges.count).map { UInt64(bitPattern: Int64(bitPattern: $0) >> 1) }
    let floor = x.map { UInt64(bitPattern: Int64(bitPattern: $0) >> Int64(f)) }
    let exact = try await onBothBackends((x, 1, n), Z64.self, (x, 1, n), Z64.self, cost: .truncatedExactly(rows: n, bits: f)) {
        m, x, _ throws(SessionError) in try await m.truncatedExactly(x, bits: f)
    }
    #expect(exact == floor)
    let world = World(seed: 7), sx = world.share(x, count: n, in: Z64.self)
    let outcomes = await world.run { s throws(SessionError) in try await s.truncated(sx[s.party], bits: f) }
    for (z, floor) in zip(try agreed(outcomes, in: world), floor) { #expect([0, 1].contains(z &- floor)) }
    #expect(outcomes.map(\.session.traffic.payloadBits) == Cost.truncated(elements: n).bits)
    #expect(outcomes.allSatisfy { $0.session.traffic.rounds == Cost.truncated(elements: n).rounds })
}

@Test func conjunctionsCostByTheirLength() async throws {
    let b = Bits.ones(planes: 1, count: n)
    for flaw in [nil, 0, 63, n - 1] {
        var x = b
        if let flaw { x[flaw / 64] ^= 1 << UInt64(flaw % 64) }
        #expect(
            try await onBothBackends((x, 1, n), Z2.self, (x, 1, n), Z2.self, cost: .conjunctionOfRows(n)) {
                m, x, _ throws(SessionError) in try await m.conjunctionOfRows(x)
            } == [flaw == nil ? 1 : 0])
    }
}

/// Figures of reference/r4.md §13, in bits an element in all, and rounds.
@Test func declaredCostsAreThoseOfThePage() {
    let figures: [(Cost, rounds: Int, bits: Int, busiest: Int)] = [
        (.product(outputs: 1, width: 64), 1, 384, 128), (.product(outputs: 1, width: 1), 1, 6, 2),
        (.multiplyTruncated(elements: 1), 3, 576, 160), (.truncated(elements: 1), 2, 320, 128),
        (.truncatedExactly(rows: 1, bits: 20), 7, 920, 350), (.toBits(width: 64, rows: 1), 8, 2240, 747),
        (.fromBits(planes: 32, rows: 1), 2, 4352, 2112), (.inject(planes: 1, rows: 1), 2, 384, 128),
        (.lessThan(width: 64, rows: 1), 6, 746, 316), (.lessThan(width: 32, rows: 1), 5, 352, 150),
        (.lessThan(planes: 64, rows: 1), 7, 1104, 368), (.equal(width: 64, rows: 1), 7, 506, 190),
        (.selectWords(rows: 1), 3, 768, 256), (.masked(planes: 64, rows: 1), 1, 384, 128),
        (.open(elements: 1, width: 64), 1, 256, 64), (.open(elements: 1, width: 64, to: 2), 1, 64, 64),
    ]
    for (k, (cost, rounds, bits, busiest)) in figures.enumerated() {
        #expect(cost.rounds == rounds && cost.total == bits && cost.busiest == busiest, "line \(k): \(cost)")
    }
}

@Test func openingShowsTheValueToItsReadersOnly() async throws {
    let world = World(seed: 5), x = words(n), sx = world.share(x, count: n, in: Z64.self)
    let all = await world.run { s throws(SessionError) in try await s.open(sx[s.party]) }
    for outcome in all { #expect(try outcome.result.get() == x) }
    #expect(all.map(\.session.traffic.payloadBits) == Cost.open(elements: n, width: 64).bits)
    for reader in 0..<4 {
        let one = await world.run { s throws(SessionError) in try await s.open(sx[s.party], to: reader) }
        for (i, outcome) in one.enumerated() { #expect(try outcome.result.get() == (i == reader ? x : nil)) }
        #expect(one.map(\.session.traffic.payloadBits) == Cost.open(elements: n, width: 64, to: reader).bits)
    }
    let coins = await world.run { s throws(SessionError) in try await s.coin(count: 2) }
    let coin = try coins[0].result.get()
    for outcome in coins { #expect(try outcome.result.get() == coin) }
    #expect(coin[0] != coin[1])
}

@Test func branchesShareRoundsAndKeepTheirResultsApart() async throws {
    let world = World(seed: 6), x = words(n), y = words(n, seed: 2)
    let sx = world.share(x, count: n, in: Z64.self, label: 1), sy = world.share(y, count: n, in: Z64.self, label: 2)
    let outcomes = await world.run { s throws(SessionError) in
        let (a, b) = (sx[s.party], sy[s.party])
        return try await s.together(
            { () throws(SessionError) in try await s.toBits(a) },
            { () throws(SessionError) in
                let (less, product) = try await s.together(
                    { () throws(SessionError) in try await s.lessThan(a, b) },
                    { () throws(SessionError) in try await s.multiply(a, b) })
                return try await s.select(less, product, a)
            })
    }
    let results = try outcomes.map { try $0.result.get() }
    #expect(world.reveal(results.map(\.0)) == planesOfWords(x, planes: 64, count: n))
    #expect(world.reveal(results.map(\.1)) == (0..<n).map { Int64(bitPattern: x[$0] &- y[$0]) < 0 ? x[$0] &* y[$0] : x[$0] })
    let cost = Cost.toBits(width: 64, rows: n).beside(
        .lessThan(width: 64, rows: n).beside(.product(outputs: n, width: 64)) + .selectWords(rows: n))
    #expect(outcomes.allSatisfy { $0.session.traffic.rounds == cost.rounds })
    #expect(outcomes.map(\.session.traffic.payloadBits) == cost.bits)
}

@Test func recordsOfHonestPartiesAgree() async throws {
    let world = World(seed: 8), x = world.share(words(n), count: n, in: Z64.self)
    let outcomes = await world.run { s throws(SessionError) in try await s.toBits(s.multiply(x[s.party], x[s.party])) }
    let records = outcomes.map { $0.session.record() }
    #expect(BatchRecord.contradictions(records).isEmpty)
    #expect(records[0].encoded.count == 13 * 32)
    for i in 0..<4 {
        #expect(records[i].lastStep == records[0].lastStep)
        for (link, j) in (0..<4).filter({ $0 != i }).enumerated() {
            #expect(records[i].bytesOut[link] == records[j].bytesIn[i < j ? i : i - 1])
        }
    }
    var transcript = Transcript(session: outcomes[0].session.identity)
    transcript.append(contents: records.map { $0.content(after: transcript.agreed) })
    #expect(transcript.agreed != outcomes[0].session.identity && transcript.batches == 1)
}
