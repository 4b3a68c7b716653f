import Primitives

/// The exchanges of profile R4. A product is a sum of six terms, each one multiplication, each known to exactly two parties:
///
///     xy = Σ_{i=0..3} (xᵢ+xᵢ₊₁)(yᵢ+yᵢ₊₁) − (x₀−x₂)(y₀−y₂) − (x₁−x₃)(y₁−y₃)
///
/// The row with {r, o} = {a, b} shares the term of {a, b} that its s and v know. Source: reference/r4.md §4, §5, §7, §10.
extension Session {
    /// Four neighbours, then two diagonals.
    static let productRows = [Row(0, 1, 3, 2), Row(1, 2, 0, 3), Row(2, 3, 1, 0), Row(3, 0, 2, 1), Row(1, 3, 0, 2), Row(0, 2, 3, 1)]
    static let truncationRows = [Row(3, 1, 0, 2), Row(1, 2, 0, 3), Row(3, 0, 1, 2), Row(2, 0, 1, 3)]
    /// Side A (components 0 and 1) is known to parties 2 and 3, side B (2 and 3) to 0 and 1.
    static let sideRows = [Row(2, 3, 1, 0), Row(0, 1, 3, 2)]

    package func multiply<R: Ring>(_ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) async throws(SessionError) -> Shared<R> {
        precondition(x.party == party && y.party == party)
        let pending = postProduct(x, y, map)
        try await round()
        return take(pending)
    }

    package func sides<From: Ring, To: Ring>(
        of x: Shared<From>, planes: Int, count: Int, in ring: To.Type,
        _ image: @Sendable (Int, Column) -> Column
    ) async throws(SessionError) -> (a: Shared<To>, b: Shared<To>) {
        let a = postReshare(0, planes: planes, count: count, in: To.self) { image(0, self.combine(x, 0, 1)) }
        let b = postReshare(1, planes: planes, count: count, in: To.self) { image(1, self.combine(x, 2, 3)) }
        try await round()
        return (take(a), take(b))
    }

    package func open<R: Ring>(_ x: Shared<R>) async throws(SessionError) -> Column { try await open(x, at: [0, 1, 2, 3])! }
    package func open<R: Ring>(_ x: Shared<R>, to reader: Int) async throws(SessionError) -> Column? {
        try await open(x, at: [reader])
    }

    /// Reader r gets component r from r + 1; r + 2 vouches.
    private func open<R: Ring>(_ x: Shared<R>, at readers: [Int]) async throws(SessionError) -> Column? {
        nextStep()
        openRound()
        var mine: Pending<R>?
        for r in readers {
            let row = Row((r + 1) % 4, (r + 2) % 4, r, (r + 3) % 4)
            if party == r {
                // What arrives is the missing component: it joins the sum, not the sharing.
                var pending = Pending(z: Shared<R>(planes: x.planes, count: x.count, party: -1))
                expect(&pending, row: r, row)
                mine = pending
            } else if party != row.o {
                post(r, row, R.encode(x.component(r), planes: x.planes, count: x.count), in: R.self, elements: x.planes * x.count)
            }
        }
        try await round()
        guard let mine else { return nil }
        var sum = received(mine.incoming[0].0, planes: x.planes, count: x.count, in: R.self)
        for j in 0..<4 where j != party && !x.components[j].isEmpty { R.add(&sum, x.components[j]) }
        return sum
    }

    package func random<R: Ring>(planes: Int, count: Int, in ring: R.Type) throws(SessionError) -> Shared<R> {
        if failure != nil { throw .ended }
        nextStep()
        var x = Shared<R>(planes: planes, count: count, party: party)
        x.support = 15
        for j in 0..<4 where j != party { x.gain(j, draw(j, use: 0, x)) }
        return x
    }

    /// Floor on one side and ceiling on the other, so the rounding has no bias; the wrap of A + B is the OR of two top bits.
    package func multiplyTruncated(_ x: Words, _ y: Words, bits f: Int) async throws(SessionError) -> Words {
        precondition(f > 0 && f <= 32 && x.planes == y.planes && x.count == y.count)
        let (planes, count) = (x.planes, x.count)
        // Four rows bring B to parties 0 and 1; A is known to 2 and 3 at once.
        nextStep()
        openRound()
        let map = Bilinear<Z64>.elements(planes: planes, count: count)
        var side = party >= 2 ? term(0, 1, x, y, map) : term(2, 3, x, y, map)
        var incoming: [Int] = []
        for (number, row) in Self.truncationRows.enumerated() {
            if party == row.r {
                var pending = Pending(z: Words(planes: planes, count: count, party: party))
                expect(&pending, row: number, row)
                incoming.append(pending.incoming[0].0)
                continue
            }
            let mask = draw(row.r, use: number, x)
            if party >= 2 { Z64.add(&side, mask) }
            if party == row.o { continue }
            var payload = term(row.r, row.o, x, y, map)
            Z64.subtract(&payload, mask)
            post(number, row, Z64.encode(payload, planes: planes, count: count), in: Z64.self, elements: planes * count)
            if party < 2 { Z64.add(&side, payload) }
        }
        let shiftedA = postReshare(0, planes: planes, count: count, in: Z64.self) { Truncation.floorOfOffset(side, f) }
        let calmA = postReshare(0, planes: planes, count: count, in: Z32.self) {
            Truncation.topBitIsClear(side.map { $0 &+ Truncation.offset })
        }
        try await round()
        let (a, notA) = (take(shiftedA), take(calmA))
        for index in incoming { Z64.add(&side, received(index, planes: planes, count: count, in: Z64.self)) }
        let shiftedB = postReshare(1, planes: planes, count: count, in: Z64.self) { Truncation.ceiling(side, f) }
        let calmB = postReshare(1, planes: planes, count: count, in: Z32.self) { Truncation.topBitIsClear(side) }
        try await round()
        let (b, notB) = (take(shiftedB), take(calmB))
        return Truncation.unwrap(a + b, try await multiply(notA, notB), f)
    }

    // MARK: posts of one step each

    func postProduct<R: Ring>(_ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) -> Pending<R> {
        nextStep()
        var pending = Pending(z: Shared<R>(planes: map.planes, count: map.count, party: party))
        for (number, row) in Self.productRows.enumerated() {
            let pair: UInt8 = 1 << UInt8(row.r) | 1 << UInt8(row.o)
            // A row whose pair misses the support of a factor would carry 0: it is not sent.
            guard x.support & pair != 0, y.support & pair != 0 else { continue }
            join(&pending, row: number, row) { term(row.r, row.o, x, y, map) }
        }
        return pending
    }
    /// A value that both members of a side know is shared anew.
    func postReshare<R: Ring>(_ side: Int, planes: Int, count: Int, in ring: R.Type, _ value: () -> Column) -> Pending<R> {
        nextStep()
        var pending = Pending(z: Shared<R>(planes: planes, count: count, party: party))
        join(&pending, row: 0, Self.sideRows[side], value)
        return pending
    }

    /// The term of the pair {a, b}; the six terms sum to the product.
    func term<R: Ring>(_ a: Int, _ b: Int, _ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) -> Column {
        let isDiagonal = (a + b) % 2 == 0
        var z = map.apply(combine(x, a, b, minus: isDiagonal), combine(y, a, b, minus: isDiagonal))
        if isDiagonal { R.negate(&z) }
        return z
    }
    /// x_a + x_b, or x_a − x_b.
    func combine<R: Ring>(_ x: Shared<R>, _ a: Int, _ b: Int, minus: Bool = false) -> Column {
        if x.components[b].isEmpty { return x.component(a) }
        if x.components[a].isEmpty, !minus { return x.components[b] }
        var sum = x.component(a)
        if minus { R.subtract(&sum, x.components[b]) } else { R.add(&sum, x.components[b]) }
        return sum
    }
}
