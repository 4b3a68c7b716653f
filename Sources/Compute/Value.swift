/// Exact values of the dialect and PostgreSQL's arithmetic on them (reference/private-sql.md §2, §3).
package enum ValueType: Hashable, Sendable {
    case integer
    /// Numbers with `scale` digits after the point; also what a double of few digits becomes.
    case decimal(scale: Int)
    case boolean, text, date, timestamp
    /// Of NULL alone.
    case unknown

    package var isNumeric: Bool { if case .decimal = self { true } else { self == .integer } }
    package var scale: Int { if case .decimal(let scale) = self { scale } else { 0 } }
    package var name: String {
        switch self {
        case .integer: "integer"
        case .decimal(let scale): "decimal(\(scale))"
        case .boolean: "boolean"
        case .text: "text"
        case .date: "date"
        case .timestamp: "timestamp"
        case .unknown: "NULL"
        }
    }
}

package enum Value: Hashable, Sendable {
    case null
    case number(Number)
    case boolean(Bool)
    case text(String)
    /// Days since 1970.
    case date(Int64)
    /// Microseconds UTC since 1970.
    case timestamp(Int64)
}

/// An integer divided by a power of ten. Equal numbers at different scales differ as values: compare with `<` and `==` after aligning.
package struct Number: Hashable, Sendable {
    package var unscaled: Int128
    package var scale: Int

    package init(unscaled: Int128, scale: Int = 0) { (self.unscaled, self.scale) = (unscaled, scale) }
    package init(_ integer: Int) { self.init(unscaled: Int128(integer)) }

    /// `-12.50` at scale 2; nil where it is no number or longer than 30 digits.
    package init?(_ text: some StringProtocol) {
        var digits: Int128 = 0, scale = 0, seen = 0, point = false, negative = false
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "-") where index == 0: negative = true
            case UInt8(ascii: "+") where index == 0: break
            case UInt8(ascii: ".") where !point: point = true
            case 0x30...0x39:
                digits = digits * 10 + Int128(byte - 0x30)
                seen += 1
                if point { scale += 1 }
                guard seen <= 30 else { return nil }
            default: return nil
            }
        }
        guard seen > 0 else { return nil }
        self.init(unscaled: negative ? -digits : digits, scale: scale)
    }

    static func power(_ exponent: Int) -> Int128 { (0..<exponent).reduce(Int128(1)) { product, _ in product * 10 } }
    /// The same number at a larger or equal scale.
    func at(scale: Int) -> Int128 { unscaled * Self.power(scale - self.scale) }
    /// At exactly this scale; nil where digits would be lost.
    package func exactly(scale: Int) -> Int128? {
        if scale >= self.scale { return at(scale: scale) }
        let (quotient, rest) = unscaled.quotientAndRemainder(dividingBy: Self.power(self.scale - scale))
        return rest == 0 ? quotient : nil
    }
    /// Rounded half away from zero.
    func rounded(scale: Int) -> Number {
        guard scale < self.scale else { return Number(unscaled: at(scale: scale), scale: scale) }
        let unit = Self.power(self.scale - scale), half = unit / 2
        return Number(unscaled: (unscaled + (unscaled < 0 ? -half : half)) / unit, scale: scale)
    }
    static prefix func - (a: Number) -> Number { Number(unscaled: -a.unscaled, scale: a.scale) }
    static func + (a: Number, b: Number) -> Number {
        let s = max(a.scale, b.scale); return Number(unscaled: a.at(scale: s) + b.at(scale: s), scale: s)
    }
    static func - (a: Number, b: Number) -> Number { a + -b }
    static func * (a: Number, b: Number) -> Number { Number(unscaled: a.unscaled * b.unscaled, scale: a.scale + b.scale) }
    /// −1, 0 or 1.
    func compared(to other: Number) -> Int {
        let s = max(scale, other.scale), a = at(scale: s), b = other.at(scale: s)
        return a < b ? -1 : a == b ? 0 : 1
    }
}

extension Number: CustomStringConvertible {
    package var description: String {
        var digits = String(unscaled.magnitude)
        if scale == 0 { return (unscaled < 0 ? "-" : "") + digits }
        if digits.count <= scale { digits = String(repeating: "0", count: scale + 1 - digits.count) + digits }
        return (unscaled < 0 ? "-" : "") + digits.dropLast(scale) + "." + digits.suffix(scale)
    }
}

extension Number {
    /// Position and value of the first digit in base 10,000.
    private var lead: (position: Int, digit: Int128) {
        guard unscaled != 0 else { return (0, 0) }
        var v = Int128(unscaled.magnitude), position = 0
        // Numerator and power of ten apart: v / 10^scale, moved by whole digits of 10,000.
        var exponent = scale
        while exponent % 4 != 0 { v *= 10; exponent += 1 }
        position = -exponent / 4
        while v >= 10_000 { v /= 10_000; position += 1 }
        return (position, v)
    }

    /// a / b with as many digits as PostgreSQL's numeric gives, rounded half up; the divisor is not 0.
    /// Source: reference/private-sql.md §3; `quotient` in the oracle.
    package static func quotient(_ a: Number, _ b: Number) -> Number {
        let (pa, fa) = a.lead, (pb, fb) = b.lead
        let scale = min(max(16 - 4 * (pa - pb - (fa <= fb ? 1 : 0)), a.scale, b.scale, 0), 1000)
        return divide(a, b, scale: scale)
    }
    /// Long division, so that no intermediate product needs more than the operands' width and four bits.
    private static func divide(_ a: Number, _ b: Number, scale: Int) -> Number {
        let common = max(a.scale, b.scale)
        let divisor = UInt128(b.at(scale: common).magnitude)
        var (quotient, rest) = UInt128(a.at(scale: common).magnitude).quotientAndRemainder(dividingBy: divisor)
        for _ in 0..<scale {
            let (digit, next) = (rest * 10).quotientAndRemainder(dividingBy: divisor)
            quotient = quotient * 10 + digit
            rest = next
        }
        if rest >= divisor - rest { quotient += 1 }
        let negative = (a.unscaled < 0) != (b.unscaled < 0)
        return Number(unscaled: negative ? -Int128(quotient) : Int128(quotient), scale: scale)
    }
    /// The root, to the same digits, rounded half up: of a printed variance (§3).
    package var squareRoot: Number {
        // √(u / 10^s) = √(u·10^s) / 10^s
        let target = WideProduct.squareRootRounded(UInt128(unscaled.magnitude), tenTo: scale)
        return Number(unscaled: Int128(target), scale: scale)
    }
}

/// Square root of u·10^s where the product may exceed 128 bits.
private enum WideProduct {
    static func squareRootRounded(_ u: UInt128, tenTo s: Int) -> UInt128 {
        let power = UInt128(Number.power(min(s, 38))), wide = u.multipliedFullWidth(by: power)
        func isAtMost(_ r: UInt128) -> Bool {
            let square = r.multipliedFullWidth(by: r)
            return square.high < wide.high || (square.high == wide.high && square.low <= wide.low)
        }
        var root: UInt128 = 0
        for bit in (0..<127).reversed() where isAtMost(root | 1 << UInt128(bit)) { root |= 1 << UInt128(bit) }
        // (root + ½)² = root² + root + ¼ ≤ u·10^s as integers: root² + root < u·10^s
        let next = root.multipliedFullWidth(by: root + 1)
        return next.high < wide.high || (next.high == wide.high && next.low < wide.low) ? root + 1 : root
    }
}

extension Value {
    package var isNull: Bool { self == .null }
    package var asNumber: Number? { if case .number(let number) = self { number } else { nil } }
    var asBoolean: Bool? { if case .boolean(let flag) = self { flag } else { nil } }

    /// The number by which shares know a value of this type: unscaled, days, microseconds.
    func ordinal(scale: Int) -> Int128? {
        switch self {
        case .number(let n): n.exactly(scale: scale)
        case .date(let n), .timestamp(let n): Int128(n)
        default: nil
        }
    }
    static func of(_ ordinal: Int128, _ type: ValueType) -> Value {
        switch type {
        case .date: .date(Int64(ordinal))
        case .timestamp: .timestamp(Int64(ordinal))
        default: .number(Number(unscaled: ordinal, scale: type.scale))
        }
    }
    /// What a reader sees.
    package var printed: String {
        switch self {
        case .null: "NULL"
        case .number(let number): number.description
        case .boolean(let flag): flag ? "true" : "false"
        case .text(let text): text
        case .date(let days): Calendar.print(days: days)
        case .timestamp(let micros): Calendar.print(microseconds: micros)
        }
    }
    /// As a literal of the dialect.
    var literal: String {
        switch self {
        case .text(let text): "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        case .date: "DATE '\(printed)'"
        case .timestamp: "TIMESTAMP '\(printed)'"
        default: printed.uppercased()
        }
    }
    var type: ValueType {
        switch self {
        case .null: .unknown
        case .number(let number): number.scale == 0 ? .integer : .decimal(scale: number.scale)
        case .boolean: .boolean
        case .text: .text
        case .date: .date
        case .timestamp: .timestamp
        }
    }
    /// −1, 0, 1 among values of one type; nil where one is NULL or the types differ. Text by bytes.
    func compared(to other: Value) -> Int? {
        func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a == b ? 0 : 1 }
        switch (self, other) {
        case (.number(let a), .number(let b)): return a.compared(to: b)
        case (.boolean(let a), .boolean(let b)): return order(a ? 1 : 0, b ? 1 : 0)
        case (.text(let a), .text(let b)): return a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : a.utf8.elementsEqual(b.utf8) ? 0 : 1
        case (.date(let a), .date(let b)), (.timestamp(let a), .timestamp(let b)): return order(a, b)
        case (.date(let a), .timestamp(let b)): return order(a * Calendar.dayMicroseconds, b)
        case (.timestamp(let a), .date(let b)): return order(a, b * Calendar.dayMicroseconds)
        default: return nil
        }
    }
}

/// The proleptic Gregorian calendar, UTC. Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
package enum Calendar {
    static let dayMicroseconds: Int64 = 86_400_000_000

    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400, yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
    static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468, era = (z >= 0 ? z : z - 146_096) / 146_097, d = z - era * 146_097
        let y = (d - d / 1_460 + d / 36_524 - d / 146_096) / 365, dayOfYear = d - (365 * y + y / 4 - y / 100), m = (5 * dayOfYear + 2) / 153
        let month = m < 10 ? m + 3 : m - 9
        return (y + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * m + 2) / 5 + 1)
    }
    package static func date(_ text: some StringProtocol) -> Value? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
        guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2],
            (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let days = days(year: year, month: month, day: day)
        return civil(days) == (year, month, day) ? .date(days) : nil
    }
    /// `yyyy-mm-dd[ hh:mm[:ss[.ffffff]]]`, UTC.
    package static func timestamp(_ text: some StringProtocol) -> Value? {
        let halves = text.split(whereSeparator: { $0 == " " || $0 == "T" })
        guard let first = halves.first, case .date(let days)? = date(first), halves.count <= 2 else { return nil }
        guard halves.count == 2 else { return .timestamp(days * dayMicroseconds) }
        let parts = halves[1].split(separator: ":")
        guard parts.count >= 2, parts.count <= 3, let hour = Int64(parts[0]), let minute = Int64(parts[1]),
            (0..<24).contains(hour), (0..<60).contains(minute)
        else { return nil }
        var micros: Int64 = 0
        if parts.count == 3 {
            guard let second = Number(parts[2]), let exact = second.exactly(scale: 6), exact >= 0, exact < 60_000_000 else { return nil }
            micros = Int64(exact)
        }
        return .timestamp(days * dayMicroseconds + (hour * 60 + minute) * 60_000_000 + micros)
    }
    static func print(days: Int64) -> String {
        let (year, month, day) = civil(days)
        func two(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }
        return String(repeating: "0", count: max(0, 4 - "\(year)".count)) + "\(year)-\(two(month))-\(two(day))"
    }
    static func print(microseconds: Int64) -> String {
        let days = microseconds >= 0 ? microseconds / dayMicroseconds : (microseconds - dayMicroseconds + 1) / dayMicroseconds
        let rest = microseconds - days * dayMicroseconds, seconds = rest / 1_000_000, micros = rest % 1_000_000
        func two(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }
        let fraction = micros == 0 ? "" : "." + String(String(micros + 1_000_000).dropFirst())
        return "\(print(days: days)) \(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))\(fraction)"
    }
}
