import Ciphers
import Primitives

// What a validator must remember across crashes (chain-rules §5.5), and the one guard in front of its key.

/// The place up to which this validator may have signed. RLP `[height, round]`, or after a clean stop
/// `[height, round, [[code, message]…]]` with all it has said in that place.
package struct Watermark: Sendable, Equatable {
    package let height: UInt64
    package let round: UInt32
    /// After a clean stop: its own messages of this round, nothing else was signed here. nil: the process may have died at any moment.
    package var said: [Message]?

    package init(height: UInt64, round: UInt32, said: [Message]? = nil) { (self.height, self.round, self.said) = (height, round, said) }

    package var encoded: Bytes {
        RLP.encodeList { list in
            list.append(height)
            list.append(UInt64(round))
            guard let said else { return }
            list.appendList { each in
                for message in said {
                    each.appendList { entry in
                        entry.append(UInt64(message.code.rawValue))
                        entry.append(message.encoded)
                    }
                }
            }
        }
    }
    /// - Throws: our own store is at fault; the node must not sign from it.
    package init(decoding bytes: Bytes) throws(MessageError) {
        let item: RLP.Item
        do throws(RLPError) { item = try RLP.decode(bytes) } catch { throw .rlp(error) }
        guard case .list(let f) = item, f.count == 2 || f.count == 3 else { throw .rlp(.countMismatch(expected: 2, found: 0)) }
        (height, round) = (try integer(f[0]), try round32(f[1]))
        guard f.count == 3 else { return }
        guard case .list(let items) = f[2], items.count <= 4 else { throw .rlp(.listExpected) }
        var said: [Message] = []
        for item in items {
            let pair = try fields(item, 2), code = try integer(pair[0])
            guard case .bytes(let message) = pair[1] else { throw .rlp(.bytesExpected) }
            said.append(try Message(code: UInt8(truncatingIfNeeded: code), message))
        }
        self.said = said
    }
}

/// A block that q validators prepared, with their PREPAREs: what this validator must bring to every later round. RLP
/// `[round, block, [signed PREPARE…]]`.
package struct Lock: Sendable, Equatable {
    /// Of the prepared round.
    package let block: UnsealedBlock
    /// Exactly q, ascending by author.
    package let prepares: [Prepare]
    package var round: UInt32 { block.round }
    package var height: UInt64 { block.header.number }

    package init(block: UnsealedBlock, prepares: [Prepare]) { (self.block, self.prepares) = (block, prepares) }

    package var encoded: Bytes {
        RLP.encodeList { list in
            list.append(UInt64(round))
            block.block.encode(into: &list)
            list.appendList { each in prepares.forEach { $0.encode(into: &each) } }
        }
    }
    package init(decoding bytes: Bytes) throws(MessageError) {
        let item: RLP.Item
        do throws(RLPError) { item = try RLP.decode(bytes) } catch { throw .rlp(error) }
        let f = try fields(item, 3), round = try round32(f[0]), prepares: [Prepare] = try entries(f[2])
        guard let height = prepares.first?.payload.height else { throw .lockIncomplete }
        self.init(block: try unsealedBlock(f[1], height: height, round: round), prepares: prepares)
    }

    var prepared: RoundChangePayload.Prepared { .init(round: round, digest: block.hash) }
}

/// Stands in front of the key. It signs only in the place that the durable watermark names, never a second payload for one
/// (code, height, round), a COMMIT only for the durable lock of that round, and after a crash nothing but that COMMIT in the
/// place where the crash found us. So no caller's mistake and no restart makes this validator contradict itself.
struct SigningGuard: Sendable {
    let signer: any ConsensusSigner
    let genesis: Hash32
    private(set) var watermark: Watermark
    /// False after a crash: what was signed in the watermark's place is unknown.
    private var remembers: Bool
    private var signed: [MessageCode: Hash32] = [:]
    private var lock: (height: UInt64, round: UInt32, digest: Hash32)?

    init(signer: any ConsensusSigner, genesis: Hash32, watermark: Watermark, lock: Lock?) {
        (self.signer, self.genesis, self.watermark) = (signer, genesis, watermark)
        remembers = watermark.said != nil
        self.lock = lock.map { ($0.height, $0.round, $0.block.hash) }
        for message in watermark.said ?? [] where message.height == watermark.height && message.round == watermark.round {
            signed[message.code] = message.signingHash(genesis: genesis)
        }
    }

    /// A `persist` effect for this watermark has been emitted.
    mutating func advance(to place: Watermark) {
        precondition((place.height, place.round) >= (watermark.height, watermark.round), "a watermark never falls")
        if (place.height, place.round) == (watermark.height, watermark.round) { return }
        (watermark, remembers, signed) = (place, true, [:])
    }
    /// A `persist` effect for this lock has been emitted.
    mutating func hold(_ lock: Lock) { self.lock = (lock.height, lock.round, lock.block.hash) }

    mutating func sign<P: ConsensusPayload>(_ payload: P) -> Signed<P>? {
        guard payload.height == watermark.height, payload.round == watermark.round else { return nil }
        if let commit = payload as? CommitPayload {
            guard let lock, lock == (commit.height, commit.round, commit.digest) else { return nil }
        } else if !remembers {
            return nil
        }
        let hash = payload.signingHash(genesis: genesis)
        if let before = signed[P.code], before != hash { return nil }
        signed[P.code] = hash
        return Signed(payload: payload, signature: signer.sign(hash))
    }
    /// The seal inside a COMMIT, under the same conditions.
    func seal(_ block: UnsealedBlock, round: UInt32) -> Signature? {
        guard let lock, lock == (block.header.number, round, block.hash), watermark.height == lock.height, watermark.round == round else {
            return nil
        }
        return signer.sign(block.sealDigest(round: round))
    }
}

extension Message {
    func signingHash(genesis: Hash32) -> Hash32 {
        switch self {
        case .proposal(let m): m.signed.payload.signingHash(genesis: genesis)
        case .prepare(let m): m.payload.signingHash(genesis: genesis)
        case .commit(let m): m.payload.signingHash(genesis: genesis)
        case .roundChange(let m): m.signed.payload.signingHash(genesis: genesis)
        }
    }
}
