import Primitives

/// What programs on secret columns are written against: the exchanges that a profile supplies. Everything else (comparison,
/// conversion, selection, one-hot, …) is an extension written once over these, so a program runs in the clear, under R4, and
/// under whatever profile comes later, and its cost follows from the profile's cost of these few.
///
/// - `Session`: profile R4, four parties, one malicious. `ClearMachine`: no secrets; the oracle of tests.
/// - Every party calls the same operations in the same order with the same shapes: shapes, supports, positions and public
///   columns may decide what is called, secrets never.
/// - Each operation is one `await` a round. Operations that do not wait for each other belong in `together`.
package protocol Machine: Sendable {
    /// The seat, 0…3; −1 in the clear.
    var party: Int { get }

    /// map(x, y) for a bilinear map.
    /// - Cost (R4): 1 round; six (sides: four) messages of `map.planes × map.count` elements.
    /// - Security: reveals nothing; each message is vouched for and compared before use.
    /// - Source: reference/r4.md §4.
    func multiply<R: Ring>(_ x: Shared<R>, _ y: Shared<R>, _ map: Bilinear<R>) async throws(SessionError) -> Shared<R>

    /// Splits x = A + B, where A is known to two parties and B to the two others, and shares `image(0, A)` and `image(1, B)`
    /// anew, in another ring and shape if wanted. The door through which a side brings in any function of its side.
    /// - Cost (R4): 1 round; one message of `planes × count` elements for each of the two.
    /// - Source: reference/r4.md §5.
    func sides<From: Ring, To: Ring>(
        of x: Shared<From>, planes: Int, count: Int, in ring: To.Type,
        _ image: @Sendable (_ side: Int, Column) -> Column
    ) async throws(SessionError) -> (a: Shared<To>, b: Shared<To>)

    /// ⌊x·y/2^bits⌋ or one more, without bias, element by element; needs −2⁶² ≤ x·y < 2⁶² as integers, 0 < bits ≤ 32.
    /// - Cost (R4): 3 rounds; 9 × 64 bits an element. Reveals nothing inside; what rounding shows a reader: reference/r4.md §7.
    func multiplyTruncated(_ x: Words, _ y: Words, bits: Int) async throws(SessionError) -> Words

    /// x becomes public: the same column at all parties, planes as in `Shared`.
    /// - Cost (R4): 1 round; four messages of x.
    func open<R: Ring>(_ x: Shared<R>) async throws(SessionError) -> Column
    /// x becomes known to one party: its column there, nil elsewhere.
    /// - Cost (R4): 1 round; one message of x.
    func open<R: Ring>(_ x: Shared<R>, to party: Int) async throws(SessionError) -> Column?

    /// A uniformly random matrix that nobody knows. No cost.
    func random<R: Ring>(planes: Int, count: Int, in ring: R.Type) throws(SessionError) -> Shared<R>

    /// Runs branches side by side: their k-th rounds are one round. Rounds are the maximum, not the sum. Branches are started
    /// and resumed one at a time in the order given, at every party alike, so they need no protection from each other.
    func together<T: Sendable>(_ branches: [@Sendable () async throws(SessionError) -> T]) async throws(SessionError) -> [T]
}

/// A bilinear map between columns, the same at all parties, and the shape of what it gives.
package struct Bilinear<R: Ring>: Sendable {
    package let planes: Int
    package let count: Int
    let apply: @Sendable (consuming Column, Column) -> Column

    package init(planes: Int, count: Int, _ apply: @escaping @Sendable (consuming Column, Column) -> Column) {
        (self.planes, self.count, self.apply) = (planes, count, apply)
    }
    /// Element by element.
    package static func elements(planes: Int, count: Int) -> Self {
        Self(planes: planes, count: count) { (x: consuming Column, y: Column) in
            R.multiply(&x, y)
            return x
        }
    }
}

extension Machine {
    /// A public matrix as a sharing: component 0 is it.
    package func constant<R: Ring>(_ column: Column, planes: Int = 1, count: Int, in ring: R.Type) -> Shared<R> {
        var out = Shared<R>(planes: planes, count: count, party: party)
        out.gain(0, column)
        return out
    }
    /// A matrix of zeros with empty support.
    package func zero<R: Ring>(planes: Int = 1, count: Int, in ring: R.Type) -> Shared<R> {
        Shared(planes: planes, count: count, party: party)
    }

    /// Two branches side by side, of whatever types; see `together(_:)` over a list.
    package func together<A: Sendable, B: Sendable>(
        _ a: @escaping @Sendable () async throws(SessionError) -> A, _ b: @escaping @Sendable () async throws(SessionError) -> B
    ) async throws(SessionError) -> (A, B) {
        let first = Slot<A>(), second = Slot<B>()
        _ = try await together([first.filled(by: a), second.filled(by: b)])
        return (first.value!, second.value!)
    }

    // MARK: products

    /// Element by element in any ring: the product, in ℤ/2 AND, in GF(2⁶⁴) the field's product.
    /// - Cost (R4): 1 round; 6 elements an element, in all (ℤ/2⁶⁴: 384 bits; a bit: 6 bits).
    package func multiply<R: Ring>(_ x: Shared<R>, _ y: Shared<R>) async throws(SessionError) -> Shared<R> {
        precondition(x.planes == y.planes && x.count == y.count)
        return try await multiply(x, y, .elements(planes: x.planes, count: x.count))
    }
    /// z[p, q] = Σ_i x[p, i]·y[q, i]: every plane of x with every plane of y, so a matrix product x·yᵀ.
    /// - Cost (R4): 1 round; 384 bits an output in all, whatever the length of the sums.
    package func innerProducts(_ x: Words, _ y: Words) async throws(SessionError) -> Words {
        precondition(x.count == y.count)
        let (m, k, n) = (x.planes, x.count, y.planes)
        return try await multiply(
            x, y,
            Bilinear(planes: m, count: n) { x, y in
                var z = Column(repeating: 0, count: m * n)
                x.withUnsafeBufferPointer { x in
                    y.withUnsafeBufferPointer { y in
                        for p in 0..<m {
                            for q in 0..<n {
                                var sum: UInt64 = 0
                                for i in 0..<k { sum &+= x[p * k + i] &* y[q * k + i] }
                                z[p * n + q] = sum
                            }
                        }
                    }
                }
                return z
            })
    }
    /// Σ_i x[p, i]·y[p, i] for each plane p: planes × 1.
    /// - Cost (R4): 1 round; 384 bits a plane in all.
    package func dot(_ x: Words, _ y: Words) async throws(SessionError) -> Words {
        precondition(x.planes == y.planes && x.count == y.count)
        let (planes, count) = (x.planes, x.count)
        return try await multiply(
            x, y,
            Bilinear(planes: planes, count: 1) { x, y in
                (0..<planes).map { p in (p * count..<(p + 1) * count).reduce(0) { $0 &+ x[$1] &* y[$1] } }
            })
    }
    /// The product of all rows of a column in GF(2⁶⁴): 1 × 1.
    /// - Cost (R4): ⌈log₂ count⌉ rounds; 384 bits for each of count − 1 products.
    package func productOfRows(_ x: Elements) async throws(SessionError) -> Elements {
        precondition(x.count > 0)
        var x = x
        while x.count > 1 {
            let half = x.count / 2
            let product = try await multiply(x[rows: 0..<half], x[rows: half..<2 * half])
            x = x.count % 2 == 0 ? product : .concatenateRows([product, x[rows: 2 * half..<x.count]])
        }
        return x
    }
    /// Public random words that no party could predict or choose.
    /// - Cost (R4): 1 round; 256 bits a word.
    package func coin(count: Int) async throws(SessionError) -> Column {
        try await open(random(planes: 1, count: count, in: Z64.self))
    }
}

/// Where a branch leaves what it computed. Unchecked: written by the one branch, read after all branches ended.
private final class Slot<T: Sendable>: @unchecked Sendable {
    var value: T?
    func filled(by body: @escaping @Sendable () async throws(SessionError) -> T) -> @Sendable () async throws(SessionError) -> Void {
        { @Sendable () async throws(SessionError) -> Void in self.value = try await body() }
    }
}
