import Ciphers
import Primitives

/// The result, sealed to a reader so that nobody else ever sees it. Box j holds component j and is one and the same byte
/// string at the three parties that know the component, so its hash is vouched for by at least two honest ones; party j
/// lacks box j until all have attested.
///
/// Source: reference/r4.md §10, reference/job-protocol.md §5. Words are little-endian. The ephemeral key comes from
/// HKDF(SHA-256("entente/mpc/box-key/v1" ‖ K_j), session ‖ reader ‖ j ‖ SHA-256(words)), so a changed plaintext never
/// meets a used key.
package enum Boxes {
    /// "entente/market/box/v1" ‖ session ‖ reader ‖ component, one byte each of the last two.
    static func info(session: Hash32, reader: Int, component: Int) -> Bytes {
        Bytes("entente/market/box/v1".utf8) + session.bytes + [UInt8(reader), UInt8(component)]
    }
    /// The words of one component as box j holds them.
    static func words(_ column: Column, width: Int) -> Bytes {
        let mask = width == 64 ? ~0 : (UInt64(1) << UInt64(width)) - 1
        return Z64.encode(column.map { $0 & mask }, planes: 1, count: column.count)
    }

    /// Every seat's list of box hashes: `lists[i][j]` is what seat i says of component j, nil where i = j.
    /// - Returns: the hashes that all holders gave, in order of components.
    /// - Throws: `differ` with the pairs of holders that contradict each other.
    package static func agree(_ lists: [[Hash32?]]) throws(BoxError) -> [Hash32] {
        precondition(lists.count == 4 && lists.allSatisfy { $0.count == 4 })
        var pairs: [[Int]] = [], hashes: [Hash32] = []
        for j in 0..<4 {
            let holders = (0..<4).filter { $0 != j }
            for a in holders {
                for b in holders where a < b && lists[a][j] != lists[b][j] && !pairs.contains([a, b]) { pairs.append([a, b]) }
            }
            if let hash = lists[holders[0]][j] { hashes.append(hash) } else if pairs.isEmpty { throw .missing(component: j) }
        }
        guard pairs.isEmpty else { throw .differ(pairs: pairs) }
        return hashes
    }

    /// The reader: for each component any copy whose hash was attested; rotten and missing copies do no harm.
    /// - Parameters:
    ///   - attested: keccak-256 of box 0…3.
    ///   - copies: whatever came for each component.
    ///   - width: bits of each result; the sum is taken mod 2^width.
    package static func open(
        session: Hash32, reader: Int, secret: Bytes, attested: [Hash32], copies: [[Bytes]], count: Int, width: Int = 64
    ) throws(BoxError) -> Column {
        precondition(attested.count == 4 && copies.count == 4)
        let mask = width == 64 ? ~0 : (UInt64(1) << UInt64(width)) - 1
        var sum = Column(repeating: 0, count: count)
        for j in 0..<4 {
            guard let box = copies[j].first(where: { keccak256($0) == attested[j] }) else { throw .missing(component: j) }
            let words: Bytes
            do {
                words = try HPKE.standard.open(box, secret: secret, info: info(session: session, reader: reader, component: j))
            } catch { throw .unreadable(component: j, error) }
            guard words.count == 8 * count else { throw .wrongLength(component: j, byteCount: words.count) }
            Z64.add(&sum, words.withUnsafeBytes { Z64.decode($0, planes: 1, count: count) })
        }
        return sum.map { $0 & mask }
    }
}

package enum BoxError: Error, Equatable, Sendable {
    /// Holders state different hashes of one box: each pair has a liar.
    case differ(pairs: [[Int]])
    /// No copy with the attested hash, or no hash at all.
    case missing(component: Int)
    /// The reader's key does not open what was attested.
    case unreadable(component: Int, HPKEError)
    case wrongLength(component: Int, byteCount: Int)
}

extension Session {
    /// The three boxes of this party, by component; nil at its own index. Only after the last batch is agreed.
    /// - Parameters:
    ///   - x: the whole result, planes × count words, plane after plane.
    ///   - width: bits that a result may show; components are cut to it.
    ///   - reader: index among the order's readers.
    package func seal(_ x: Words, width: Int = 64, reader: Int, publicKey: Bytes) throws(HPKEError) -> [Bytes?] {
        precondition(x.party == party && width > 0 && width <= 64)
        var boxes: [Bytes?] = []
        for j in 0..<4 {
            guard j != party else {
                boxes.append(nil)
                continue
            }
            let words = Boxes.words(x.component(j), width: width)
            let material = HKDF.derive(
                keys.boxKey(j).bytes, info: identity.bytes + [UInt8(reader), UInt8(j)] + sha256(words).bytes, count: 32)
            boxes.append(
                try HPKE.standard.seal(
                    words, to: publicKey, info: Boxes.info(session: identity, reader: reader, component: j), ephemeral: material))
        }
        return boxes
    }
}
