/// What is summed in shares: integer polynomials over the columns handed in. A value x in lo…hi enters as x − lo; NULL enters as 0
/// with a `present` bit 0. So every aggregate's argument becomes Σ coefficient · Π columns, and a sum over rows of it a linear
/// combination of sums of monomials.
struct Polynomial: Hashable, Sendable {
    /// Monomials (column numbers, ascending; a square lists its column twice) and their coefficients, none 0.
    private(set) var terms: [[Int]: Int128] = [:]

    static let one = Polynomial(constant: 1)
    init() {}
    init(constant: Int128) { if constant != 0 { terms[[]] = constant } }
    init(column: Int) { terms[[column]] = 1 }

    /// In an order that all agents share.
    var monomials: [[Int]] { terms.keys.sorted { $0.count == $1.count ? $0.lexicographicallyPrecedes($1) : $0.count < $1.count } }

    mutating func add(_ coefficient: Int128, _ monomial: [Int]) {
        let sum = (terms[monomial] ?? 0) + coefficient
        terms[monomial] = sum == 0 ? nil : sum
    }
    static func + (a: Self, b: Self) -> Self {
        var out = a
        for (monomial, coefficient) in b.terms { out.add(coefficient, monomial) }
        return out
    }
    func times(_ factor: Int128) -> Self {
        var out = Self()
        for (monomial, coefficient) in terms { out.add(coefficient * factor, monomial) }
        return out
    }
    static func - (a: Self, b: Self) -> Self { a + b.times(-1) }
    /// The same under other column numbers.
    func mapColumns(_ place: (Int) -> Int) -> Self {
        var out = Self()
        for (monomial, coefficient) in terms { out.add(coefficient, monomial.map(place).sorted()) }
        return out
    }
    /// The product; `simplify` brings a monomial into normal form.
    func times(_ other: Self, _ simplify: ([Int]) -> [Int]) -> Self {
        var out = Self()
        for (m, a) in terms { for (n, b) in other.terms { out.add(a * b, simplify((m + n).sorted())) } }
        return out
    }
}
