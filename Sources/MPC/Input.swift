import Ciphers
import Primitives

/// How a member, in the committee or not, hands a table in.
///
/// Each component of the table is one byte string, column after column as on the wire. All but one come from fresh seeds of
/// 16 bytes, one is explicit: p + 1 for a dealer on seat p (its own component p is a seed that it simply knows), 0 for one
/// from outside. The root over salted blocks of every component is committed to before the session exists, so all holders of
/// a component have the same bytes whatever the dealer does.
///
/// Source: reference/r4.md §6; the commitment: reference/job-protocol.md §4. Block size, salts and tree are fixed here, where
/// the pages leave them open: blocks of 4,096 bytes, leaf = keccak256(tag ‖ salt_k ‖ block) with
/// salt_k = SHA-256(tag ‖ salt ‖ k), node = keccak256(left ‖ right), an odd node goes up as it is.
package struct InputLayout: Sendable, Hashable {
    package enum Shape: Sendable, Hashable {
        case words(planes: Int)
        case bits(planes: Int)
    }
    package let columns: [Shape]
    package let rows: Int

    package init(columns: [Shape], rows: Int) { (self.columns, self.rows) = (columns, rows) }

    func byteCount(_ shape: Shape) -> Int {
        switch shape {
        case .words(let planes): Z64.byteCount(planes: planes, count: rows)
        case .bits(let planes): Z2.byteCount(planes: planes, count: rows)
        }
    }
    /// Bytes of one component.
    package var byteCount: Int { columns.reduce(0) { $0 + byteCount($1) } }

    /// The sharing of column k as one party has it, from its components' bytes (its own index is not read).
    package func words(_ k: Int, of components: [Bytes], party: Int) -> Words {
        guard case .words(let planes) = columns[k] else { preconditionFailure("column \(k) is not of words") }
        return Shared(party: party, planes: planes, count: rows, components: decode(k, components, party, Z64.self, planes))
    }
    package func bits(_ k: Int, of components: [Bytes], party: Int) -> Bits {
        guard case .bits(let planes) = columns[k] else { preconditionFailure("column \(k) is not of bits") }
        return Shared(party: party, planes: planes, count: rows, components: decode(k, components, party, Z2.self, planes))
    }
    private func decode<R: Ring>(_ k: Int, _ components: [Bytes], _ party: Int, _ ring: R.Type, _ planes: Int) -> [Column] {
        let start = columns[..<k].reduce(0) { $0 + byteCount($1) }, end = start + byteCount(columns[k])
        return (0..<4).map { j in
            j == party ? [] : components[j][start..<end].withUnsafeBytes { R.decode($0, planes: planes, count: rows) }
        }
    }

    /// A table of public columns (planes as in `Shared`) as one byte string.
    func encode(_ table: [Column]) -> Bytes {
        precondition(table.count == columns.count)
        var out: Bytes = []
        for (shape, column) in zip(columns, table) {
            switch shape {
            case .words(let planes):
                precondition(column.count == planes * rows)
                out += Z64.encode(column, planes: planes, count: rows)
            case .bits(let planes):
                precondition(column.count == planes * Z2.stride(rows))
                out += Z2.encode(column, planes: planes, count: rows)
            }
        }
        return out
    }
    /// The explicit component: the table minus the others.
    func rest(_ table: [Column], _ others: [Bytes]) -> Bytes {
        var parts: [Column] = []
        for (k, shape) in columns.enumerated() {
            var column = table[k]
            switch shape {
            case .words(let planes):
                for c in decode(k, others + pad(others.count), -1, Z64.self, planes)[..<others.count] { Z64.subtract(&column, c) }
            case .bits(let planes):
                for c in decode(k, others + pad(others.count), -1, Z2.self, planes)[..<others.count] { Z2.subtract(&column, c) }
            }
            parts.append(column)
        }
        return encode(parts)
    }
    private func pad(_ count: Int) -> [Bytes] { Array(repeating: Bytes(repeating: 0, count: byteCount), count: 4 - count) }
}

/// One component on its way to its three holders.
package struct InputPackage: Sendable, Hashable {
    package enum Body: Sendable, Hashable {
        case seed(Bytes)
        case payload(Bytes)
    }
    package let component: Int
    package let salt: Hash32
    package let roots: [Hash32]
    package let body: Body

    /// component u8 ‖ salt ‖ four roots ‖ 0 and seed, or 1 and payload.
    package var encoded: Bytes {
        let head = [UInt8(component)] + salt.bytes + roots.flatMap(\.bytes)
        switch body {
        case .seed(let seed): return head + [0] + seed
        case .payload(let payload): return head + [1] + payload
        }
    }
    /// - Throws: `malformed` unless it has exactly the size that the layout gives it.
    package init(_ bytes: Bytes, layout: InputLayout) throws(InputError) {
        guard bytes.count > 162, bytes[0] < 4, bytes[161] < 2, bytes.count == 162 + (bytes[161] == 0 ? 16 : layout.byteCount) else {
            throw .malformed
        }
        component = Int(bytes[0])
        salt = bytes.withUnsafeBytes { Hash32(at: $0.baseAddress! + 1) }
        roots = (0..<4).map { j in bytes.withUnsafeBytes { Hash32(at: $0.baseAddress! + 33 + 32 * j) } }
        body = bytes[161] == 0 ? .seed(Bytes(bytes[162...])) : .payload(Bytes(bytes[162...]))
    }
    init(component: Int, salt: Hash32, roots: [Hash32], body: Body) {
        (self.component, self.salt, self.roots, self.body) = (component, salt, roots, body)
    }

    /// The component's bytes, if this package opens the commitment on chain.
    package func open(commitment: Hash32, schema: Hash32, layout: InputLayout) throws(InputError) -> Bytes {
        guard Input.commitment(schema: schema, rows: layout.rows, roots: roots) == commitment else { throw .rootsDoNotOpen }
        let bytes: Bytes
        switch body {
        case .seed(let seed):
            guard seed.count == 16 else { throw .malformed }
            bytes = Input.expand(seed, byteCount: layout.byteCount)
        case .payload(let payload):
            guard payload.count == layout.byteCount else { throw .malformed }
            bytes = payload
        }
        guard Input.root(of: bytes, salt: salt) == roots[component] else { throw .componentDoesNotOpen(component) }
        return bytes
    }
}

/// Why a package is refused. Its sender may be at fault, or who passed it on: ask the other holders.
package enum InputError: Error, Equatable, Sendable {
    case malformed
    /// The roots are not those committed to. In a signed delivery: the dealer alone is at fault.
    case rootsDoNotOpen
    case componentDoesNotOpen(Int)
}

package enum Input {
    static let blockCount = 4096

    /// - Parameters:
    ///   - seat: the dealer's seat; nil for one from outside.
    ///   - table: public columns, planes as in `Shared`.
    ///   - seeds, salts: four fresh random values each, 16 and 32 bytes, by component. New in every attempt.
    /// - Returns: the commitment, and package j for everyone but party j.
    package static func deal(
        _ table: [Column], layout: InputLayout, schema: Hash32, seat: Int?, seeds: [Bytes], salts: [Hash32]
    )
        -> (commitment: Hash32, packages: [InputPackage])
    {
        precondition(seeds.count == 4 && salts.count == 4 && seeds.allSatisfy { $0.count == 16 })
        let explicit = seat.map { ($0 + 1) % 4 } ?? 0
        var components = (0..<4).map { $0 == explicit ? [] : expand(seeds[$0], byteCount: layout.byteCount) }
        components[explicit] = layout.rest(table, (0..<4).filter { $0 != explicit }.map { components[$0] })
        let roots = (0..<4).map { root(of: components[$0], salt: salts[$0]) }
        let packages = (0..<4).map { j in
            InputPackage(
                component: j, salt: salts[j], roots: roots, body: j == explicit ? .payload(components[j]) : .seed(seeds[j]))
        }
        return (commitment(schema: schema, rows: layout.rows, roots: roots), packages)
    }

    /// keccak256(abi.encode(schema, rows, root₀ … root₃)).
    package static func commitment(schema: Hash32, rows: Int, roots: [Hash32]) -> Hash32 {
        keccak256(schema.bytes + U256(UInt64(rows)).bytes + roots.flatMap(\.bytes))
    }
    static func expand(_ seed: Bytes, byteCount: Int) -> Bytes {
        Stream(key: seed).expand(step: 0, use: 0, byteCount: byteCount) { Bytes($0) }
    }

    /// Merkle root over salted blocks.
    static func root(of bytes: Bytes, salt: Hash32) -> Hash32 {
        let leaf = Bytes("entente/mpc/input-block/v1".utf8), tag = Bytes("entente/mpc/block-salt/v1".utf8)
        var level = stride(from: 0, to: max(1, bytes.count), by: blockCount).map { at in
            let index = withUnsafeBytes(of: UInt64(at / blockCount).bigEndian) { Bytes($0) }
            return keccak256(leaf + sha256(tag + salt.bytes + index).bytes + bytes[at..<min(bytes.count, at + blockCount)])
        }
        while level.count > 1 {
            level = stride(from: 0, to: level.count, by: 2).map {
                $0 + 1 < level.count ? keccak256(level[$0].bytes + level[$0 + 1].bytes) : level[$0]
            }
        }
        return level[0]
    }
}
