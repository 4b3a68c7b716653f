import Ciphers
import MPC
import Primitives

/// A value as the member's own engine gives it, before the schema judges it.
package enum RawValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case boolean(Bool)
}

/// What a member's agent does in clear before it hands anything in (reference/private-sql.md §5): judge every value by the listing,
/// filter, compute expressions, add up where no join follows, or place rows in bins. Deterministic: `key` is the joint secret K of
/// the owners, `random` orders evictions only.
package struct LocalEvaluator: Sendable {
    /// For the member's own log only: the others learn just that it withdrew.
    package enum LocalError: Error, Equatable, Sendable {
        case columnCount(expected: Int, found: Int)
        case moreRowsThanListed(found: Int, listed: Int)
        /// Row counts from 1.
        case outside(table: String, row: Int, column: String, value: String, bounds: String)
        case malformed(table: String, row: Int, column: String, value: String, type: String)
        case keyTwice(table: String, rows: [Int])
        /// Chance below 2⁻⁴⁰ with honest keys.
        case noPlacement(table: String)
        case binOverflow(table: String)
    }
    /// What is dealt by `Plan.Use.layout`.
    package struct HandedIn: Sendable, Equatable {
        /// One column: all blocks, plane after plane; a block's planes are dead, key, inputs in plan order, or a group's sums.
        package var table: [Column]
        /// Rows let in, for `cohort`. This member's secret.
        package var liveRows: Int
    }

    let plan: Plan
    let use: Plan.Use
    var item: BoundQuery.Item { plan.query.items[use.item] }
    private var source: BoundQuery.Source { item.sources[use.source] }

    package init(plan: Plan, use index: Int) { (self.plan, use) = (plan, plan.uses[index]) }

    /// - Parameters:
    ///   - columns: `use.columns` as read, in that order.
    ///   - key: 32 bytes that the owners of joined columns share and nobody else knows.
    package func evaluate(_ columns: [[RawValue]], key: Hash32, random: inout some RandomNumberGenerator) throws(LocalError) -> HandedIn {
        let rows = try judged(columns)
        var live: [Int] = []
        for row in 0..<rows.count where passes(rows.values(row)) { live.append(row) }
        let blocks =
            switch use.role {
            case .partial: [sums(rows, live)]
            case .anchor(let bins): try anchored(rows, live, bins: bins, key: key, &random)
            case .spread(let bins, let per): [try spread(rows, live, bins: bins, per: per, key: key)]
            }
        var flat = Column(repeating: 0, count: Z2.stride(use.layout.rows)), at = 0
        for (block, planes) in zip(use.blocks, blocks) {
            for plane in 0..<block.planes {
                copyBits(planes, 64 * plane * Z2.stride(block.count), &flat, at, block.count)
                at += block.count
            }
        }
        return HandedIn(table: [flat], liveRows: live.count)
    }

    // MARK: rows

    /// The item's columns of every row; absent ones are NULL and never used.
    struct Rows {
        var columns: [[Value]]
        var count: Int
        /// Its row as read.
        var origin: [Int]
        func values(_ row: Int) -> (Int, Int) -> Value { { _, index in columns[index].isEmpty ? .null : columns[index][row] } }
    }

    func judged(_ raw: [[RawValue]]) throws(LocalError) -> Rows {
        guard raw.count == use.columns.count else { throw .columnCount(expected: use.columns.count, found: raw.count) }
        let schema = use.schema, count = raw.first?.count ?? 0
        guard count <= schema.rows else { throw .moreRowsThanListed(found: count, listed: schema.rows) }
        var base = [[Value]](repeating: [], count: schema.columns.count)
        for (name, cells) in zip(use.columns, raw) {
            guard cells.count == count, let index = schema.columns.firstIndex(where: { $0.name == name }) else {
                throw .columnCount(expected: count, found: cells.count)
            }
            var values: [Value] = []
            values.reserveCapacity(count)
            for (row, cell) in cells.enumerated() {
                values.append(try schema.columns[index].judge(cell, table: schema.table, row: row + 1))
            }
            base[index] = values
        }
        let table = Rows(columns: base, count: count, origin: Array(0..<count))
        var kept: [Int] = []
        for row in 0..<count where source.filter.allSatisfy({ $0.value(table.values(row)) == .boolean(true) }) { kept.append(row) }
        let available = Set(use.columns.compactMap { name in schema.columns.firstIndex { $0.name == name } })
        return Rows(
            columns: source.columns.map { e in
                guard e.columns(of: 0).isSubset(of: available) else { return [] }
                return kept.map { e.value(table.values($0)) }
            }, count: kept.count, origin: kept)
    }
    func passes(_ values: (Int, Int) -> Value) -> Bool {
        if let key = item.key, values(use.item, key).isNull { return false }
        return item.filter.allSatisfy { $0.value(values) == .boolean(true) }
    }

    /// One input of a row as the number that its planes hold.
    private func encode(_ input: Plan.Input, _ values: (Int, Int) -> Value) -> UInt64 { encode(input.kind, input.expression, values) }
    private func encode(_ kind: Plan.Input.Kind, _ expression: Expression, _ values: (Int, Int) -> Value) -> UInt64 {
        let value = expression.value(values)
        switch kind {
        case .truth: return value == .boolean(true) ? 1 : 0
        case .present: return value.isNull ? 0 : 1
        case .value(let low, let scale):
            return value.ordinal(scale: scale).map { UInt64(truncatingIfNeeded: $0 - low) } ?? 0
        case .code(let key): return UInt64(plan.groups.index(of: value, key: key))
        case .listed(let distinct): return UInt64(plan.distincts[distinct].values.firstIndex { $0.compared(to: value) == 0 } ?? 0)
        case .total(let factors): return factors.reduce(1) { $0 &* encode($1.kind, $1.expression, values) }
        }
    }
    var myInputs: [Plan.Input] { plan.inputs.filter { $0.item == use.item } }

    // MARK: sums

    private func sums(_ rows: Rows, _ live: [Int]) -> Column {
        let block = use.blocks[0], listed = use.schema.rows
        let zeros = Column(repeating: 0, count: block.count)
        var counts = zeros, totals = plan.monomials.map { _ in zeros }, numbers = plan.extremes.map { _ in zeros }, met = numbers
        var occurring = plan.distincts.map { $0.values.map { _ in zeros } }
        for row in live {
            let values = rows.values(row)
            let inputs = plan.inputs.map { $0.item == use.item ? encode($0, values) : 0 }
            var leaf = 0, offset = 0
            for (number, code) in plan.groups.codes.enumerated() {
                if let code { leaf |= Int(inputs[code]) << offset; offset += plan.inputs[code].planes }
                precondition(plan.groups.keys[number].count > 0)
            }
            guard let group = plan.groups.leaves.firstIndex(of: leaf) else { continue }
            counts[group] += 1
            for (m, monomial) in plan.monomials.enumerated() { totals[m][group] &+= monomial.reduce(1) { $0 &* inputs[$1] } }
            for (k, extreme) in plan.extremes.enumerated() where extreme.present.map({ inputs[$0] == 1 }) ?? true {
                let planes = plan.inputs[extreme.input].planes, x = inputs[extreme.input]
                numbers[k][group] = max(numbers[k][group], extreme.isMaximum ? x : (1 << UInt64(planes) - 1) - x)
                met[k][group] = 1
            }
            for (k, distinct) in plan.distincts.enumerated() where distinct.present.map({ inputs[$0] == 1 }) ?? true {
                occurring[k][Int(inputs[distinct.input])][group] = 1
            }
        }
        var planes = planesOfWords(counts, planes: Planes.bits(UInt128(max(1, listed))), count: block.count)
        for (m, monomial) in plan.monomials.enumerated() {
            planes += planesOfWords(totals[m], planes: Sizing.sumPlanes(monomial, plan.inputs, rows: listed), count: block.count)
        }
        for (k, extreme) in plan.extremes.enumerated() {
            planes +=
                planesOfWords(numbers[k], planes: plan.inputs[extreme.input].planes, count: block.count)
                + planesOfWords(met[k], planes: 1, count: block.count)
        }
        for plane in occurring.joined() { planes += planesOfWords(plane, planes: 1, count: block.count) }
        return planes
    }

    // MARK: bins

    /// Rows of one key, each once; the row that is handed in is the first. Where keys are declared unique: one row each.
    private func keyed(_ rows: Rows, _ live: [Int]) throws(LocalError) -> [[Int]] {
        var place: [Value: Int] = [:], out: [[Int]] = []
        for row in live {
            let value = rows.values(row)(use.item, item.key!).normalized
            guard let before = place[value] else {
                place[value] = out.count
                out.append([row])
                continue
            }
            // A key twice would make its owner's proof fail, or silence its match.
            guard plan.collapsed.contains(use.item) else { throw .keyTwice(table: use.schema.name, rows: [out[before][0] + 1, row + 1]) }
            out[before].append(row)
        }
        return out
    }
    private func hashed(_ rows: Rows, _ keyed: [[Int]], bins: Int, key: Hash32) -> [BinHash] {
        keyed.map { same in
            BinHash(
                rows.values(same[0])(use.item, item.key!), key: key, bins: bins, planes: plan.keyPlanes,
                exactLow: plan.keyIsExact ? plan.keyLow : nil,
                form: item.columns[item.key!].facts.keyForm)
        }
    }
    private func rowsBlock(_ block: Plan.Block, _ places: [Int], _ rows: Rows, _ keyed: [[Int]], _ hashes: [BinHash]) -> Column {
        let width = myInputs.count
        var dead = Column(repeating: 0, count: block.count), keys = dead, loads = [Column](repeating: dead, count: width)
        for (place, at) in places.enumerated() {
            guard at >= 0 else { dead[place] = 1; continue }
            keys[place] = hashes[at].fingerprint
            for (k, input) in myInputs.enumerated() {
                if case .total = input.kind {
                    loads[k][place] = keyed[at].reduce(0) { $0 &+ encode(input, rows.values($1)) }
                } else {
                    loads[k][place] = encode(input, rows.values(keyed[at][0]))
                }
            }
        }
        var planes = planesOfWords(dead, planes: 1, count: block.count) + planesOfWords(keys, planes: plan.keyPlanes, count: block.count)
        for (input, load) in zip(myInputs, loads) { planes += planesOfWords(load, planes: input.planes, count: block.count) }
        return planes
    }
    private func anchored(
        _ rows: Rows, _ live: [Int], bins: Int, key: Hash32, _ random: inout some RandomNumberGenerator
    ) throws(LocalError) -> [Column] {
        let keyed = try keyed(rows, live), hashes = hashed(rows, keyed, bins: bins, key: key)
        guard let places = Cuckoo.place(hashes, bins: bins, &random) else { throw .noPlacement(table: use.schema.name) }
        let sorted = hashes.map(\.fingerprint).sorted(), block = use.blocks[1]
        let dead = Column((0..<block.count).map { $0 < sorted.count ? 0 : 1 }),
            keys = Column((0..<block.count).map { $0 < sorted.count ? sorted[$0] : 0 })
        let proof = planesOfWords(dead, planes: 1, count: block.count) + planesOfWords(keys, planes: plan.keyPlanes, count: block.count)
        return [rowsBlock(use.blocks[0], places, rows, keyed, hashes), proof]
    }
    private func spread(_ rows: Rows, _ live: [Int], bins: Int, per: Int, key: Hash32) throws(LocalError) -> Column {
        let keyed = try keyed(rows, live), hashes = hashed(rows, keyed, bins: bins, key: key)
        guard let places = Cuckoo.spread(hashes, bins: bins, per: per) else { throw .binOverflow(table: use.schema.name) }
        return rowsBlock(use.blocks[0], places, rows, keyed, hashes)
    }
}

extension Plan.Groups {
    /// Position of a key's value in its public list.
    func index(of value: Value, key: Int) -> Int {
        let list = keys[key]
        if value.isNull { return list.lastIndex(of: .null) ?? 0 }
        return list.firstIndex { $0.compared(to: value) == 0 } ?? 0
    }
}

extension ColumnSchema {
    /// The value, if the listing allows it.
    func judge(_ raw: RawValue, table: String, row: Int) throws(LocalEvaluator.LocalError) -> Value {
        func malformed(_ text: String) -> LocalEvaluator.LocalError {
            .malformed(table: table, row: row, column: name, value: text, type: type.name)
        }
        let value: Value
        switch (raw, type) {
        case (.null, _): value = .null
        case (.integer(let n), .integer), (.integer(let n), .decimal): value = .number(Number(Int(n)))
        case (.integer(let n), .boolean) where n == 0 || n == 1: value = .boolean(n == 1)
        case (.real(let d), .integer), (.real(let d), .decimal):
            guard d.isFinite, let number = Number(shortest: d) else { throw malformed("\(d)") }
            value = .number(number)
        case (.text(let text), .integer), (.text(let text), .decimal):
            guard let number = Number(text) ?? Double(text).flatMap({ Number(shortest: $0) }) else { throw malformed(text) }
            value = .number(number)
        case (.text(let text), .boolean):
            guard let flag = ["t": true, "true": true, "1": true, "f": false, "false": false, "0": false][text.lowercased()] else {
                throw malformed(text)
            }
            value = .boolean(flag)
        case (.text(let text), .date): guard let date = Calendar.date(text) else { throw malformed(text) }; value = date
        case (.text(let text), .timestamp): guard let time = Calendar.timestamp(text) else { throw malformed(text) }; value = time
        case (.text(let text), .text): value = .text(text)
        case (.boolean(let flag), .boolean): value = .boolean(flag)
        default: throw malformed("\(raw)")
        }
        if value.isNull, !nullable { throw malformed("NULL") }
        return try inBounds(value, table, row)
    }
    private func inBounds(_ value: Value, _ table: String, _ row: Int) throws(LocalEvaluator.LocalError) -> Value {
        func outside(_ bounds: String) -> LocalEvaluator.LocalError {
            .outside(table: table, row: row, column: name, value: value.printed, bounds: bounds)
        }
        switch value {
        case .number(let number):
            guard let range, let exact = number.exactly(scale: type.scale) else { throw outside("\(type.scale) digits after the point") }
            guard exact >= Int128(range.lowerBound), exact <= Int128(range.upperBound) else {
                throw outside(
                    "\(Number(unscaled: Int128(range.lowerBound), scale: type.scale))…\(Number(unscaled: Int128(range.upperBound), scale: type.scale))"
                )
            }
            let listed = Value.number(Number(unscaled: exact, scale: type.scale))
            if !values.isEmpty, !listedValues.contains(listed) { throw outside(values.joined(separator: ", ")) }
            return listed
        case .date(let n), .timestamp(let n):
            guard let range, range.contains(n) else { throw outside("the listed range") }
            return value
        case .text(let text):
            if !values.isEmpty, !values.contains(text) { throw outside(values.joined(separator: ", ")) }
            if case .hex(let digits)? = keyForm, text.utf8.count != digits || UInt64(text, radix: 16) == nil {
                throw outside("\(digits) hex digits")
            }
            if case .digits(let most)? = keyForm,
                text.isEmpty || text.utf8.count > most || !text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            {
                throw outside("\(most) digits")
            }
            return value
        default: return value
        }
    }
}

extension Number {
    /// The shortest decimal that reads back as this double; nil where it needs an exponent beyond 18 digits.
    init?(shortest d: Double) {
        let parts = "\(d)".split(separator: "e")
        guard var number = Number(parts[0]) else { return nil }
        if parts.count == 2 {
            guard let exponent = Int(parts[1]), abs(exponent) <= 18 else { return nil }
            if exponent < 0 { number.scale -= exponent } else { number.unscaled *= Number.power(exponent) }
        }
        while number.scale > 0, number.unscaled % 10 == 0 { number.unscaled /= 10; number.scale -= 1 }
        self = number
    }
}

extension LocalEvaluator.LocalError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .columnCount(let expected, let found):
            "input: \(expected) columns or rows expected, the engine gave \(found); nothing left this machine"
        case .moreRowsThanListed(let found, let listed):
            "range: \(grouped(found)) rows, the listing says \(grouped(listed)); list the table anew; nothing left this machine"
        case .outside(let table, let row, let column, let value, let bounds):
            "range: \(table) row \(row): \(column) \(value) outside \(bounds); nothing left this machine"
        case .malformed(let table, let row, let column, let value, let type):
            "range: \(table) row \(row): \(column) \(value) is no \(type); nothing left this machine"
        case .keyTwice(let table, let rows):
            "order: \(table) rows \(rows.map(String.init).joined(separator: " and ")) have the same key, listed as unique; nothing left this machine"
        case .noPlacement(let table): "bins: no placement of \(table) under this job's hash functions; ask again"
        case .binOverflow(let table): "bins: a bin of \(table) overflows under this job's hash functions; ask again"
        }
    }
}
