import Ciphers
import Primitives

/// Why a message's bytes are refused; always the sender's fault.
package enum MessageError: Error, Equatable, Sendable {
    case rlp(RLPError)
    case signature(SignatureError)
    case block(BlockDecodingError)
    case header(HeaderError)
    case tooLarge(bytes: Int, maximum: Int)
    case tooManyEntries(Int)
    case unknownCode(UInt8)
    case roundTooLarge(UInt64)
    /// A block's header names another height or round than the message around it.
    case blockElsewhere(height: UInt64, round: UInt32)
    /// A ROUND-CHANGE must bring block and PREPAREs if, and only if, it names a lock of an earlier round.
    case lockIncomplete
}

// Layouts of chain-rules §5.1:
//   PROPOSAL     [[[h, r, block], sig], [[signed ROUND-CHANGE payload…], [signed PREPARE…]]]
//   PREPARE      [[h, r, digest], sig]
//   COMMIT       [[h, r, digest, seal], sig]
//   ROUND-CHANGE [[[h, r, [] or [preparedRound, preparedDigest]], sig], [] or block, [signed PREPARE…]]
extension Message {
    /// Of a frame: a block and 2 · 100 entries fit well.
    package static let maximumBytes = 9 << 20
    /// PREPARE and COMMIT are short.
    package static let maximumVoteBytes = 512

    package var encoded: Bytes {
        switch self {
        case .proposal(let m):
            RLP.encodeList { list in
                list.appendList { m.signed.encodeFields(into: &$0) }
                list.appendList { inner in
                    inner.appendList { each in m.roundChanges.forEach { $0.encode(into: &each) } }
                    inner.appendList { each in m.prepares.forEach { $0.encode(into: &each) } }
                }
            }
        case .prepare(let m): RLP.encodeList { m.encodeFields(into: &$0) }
        case .commit(let m): RLP.encodeList { m.encodeFields(into: &$0) }
        case .roundChange(let m):
            RLP.encodeList { list in
                list.appendList { m.signed.encodeFields(into: &$0) }
                if let block = m.block { block.block.encode(into: &list) } else { list.appendList { _ in } }
                list.appendList { each in m.prepares.forEach { $0.encode(into: &each) } }
            }
        }
    }

    /// - Parameter code: the frame's id.
    package init(code: UInt8, _ bytes: Bytes) throws(MessageError) {
        guard let code = MessageCode(rawValue: code) else { throw .unknownCode(code) }
        let maximum = code == .prepare || code == .commit ? Message.maximumVoteBytes : Message.maximumBytes
        guard bytes.count <= maximum else { throw .tooLarge(bytes: bytes.count, maximum: maximum) }
        let item: RLP.Item
        do throws(RLPError) { item = try RLP.decode(bytes) } catch { throw .rlp(error) }
        switch code {
        case .proposal:
            let f = try fields(item, 2), lists = try fields(f[1], 2)
            self = .proposal(Proposal(signed: try Signed(f[0]), roundChanges: try entries(lists[0]), prepares: try entries(lists[1])))
        case .prepare: self = .prepare(try Signed(item))
        case .commit: self = .commit(try Signed(item))
        case .roundChange:
            let f = try fields(item, 3), signed: Signed<RoundChangePayload> = try Signed(f[0]), prepares: [Prepare] = try entries(f[2])
            guard let prepared = signed.payload.prepared else {
                guard f[1] == .list([]), prepares.isEmpty else { throw .lockIncomplete }
                self = .roundChange(RoundChange(signed: signed))
                return
            }
            guard f[1] != .list([]), !prepares.isEmpty, prepared.round < signed.payload.round else { throw .lockIncomplete }
            let block = try unsealedBlock(f[1], height: signed.payload.height, round: prepared.round)
            guard block.hash == prepared.digest else { throw .lockIncomplete }
            self = .roundChange(RoundChange(signed: signed, block: block, prepares: prepares))
        }
    }
}

extension Signed {
    package func encode(into list: inout RLP.Encoder) { list.appendList { encodeFields(into: &$0) } }
    func encodeFields(into list: inout RLP.Encoder) {
        payload.encode(into: &list)
        list.append(signature.bytes)
    }
    package init(_ item: RLP.Item) throws(MessageError) {
        let f = try fields(item, 2)
        self.init(payload: try Payload(f[0]), signature: try signature65(f[1]))
    }
}

extension ProposalPayload {
    package func encode(into list: inout RLP.Encoder) {
        list.appendList { inner in
            inner.append(height)
            inner.append(UInt64(round))
            block.block.encode(into: &inner)
        }
    }
    package init(_ item: RLP.Item) throws(MessageError) {
        let f = try fields(item, 3)
        (height, round) = (try integer(f[0]), try round32(f[1]))
        block = try unsealedBlock(f[2], height: height, round: round)
    }
}
extension PreparePayload {
    package func encode(into list: inout RLP.Encoder) {
        list.appendList { inner in
            inner.append(height)
            inner.append(UInt64(round))
            inner.append(digest)
        }
    }
    package init(_ item: RLP.Item) throws(MessageError) {
        let f = try fields(item, 3)
        (height, round, digest) = (try integer(f[0]), try round32(f[1]), try hash(f[2]))
    }
}
extension CommitPayload {
    package func encode(into list: inout RLP.Encoder) {
        list.appendList { inner in
            inner.append(height)
            inner.append(UInt64(round))
            inner.append(digest)
            inner.append(seal.bytes)
        }
    }
    package init(_ item: RLP.Item) throws(MessageError) {
        let f = try fields(item, 4)
        (height, round, digest, seal) = (try integer(f[0]), try round32(f[1]), try hash(f[2]), try signature65(f[3]))
    }
}
extension RoundChangePayload {
    package func encode(into list: inout RLP.Encoder) {
        list.appendList { inner in
            inner.append(height)
            inner.append(UInt64(round))
            inner.appendList { lock in
                guard let prepared else { return }
                lock.append(UInt64(prepared.round))
                lock.append(prepared.digest)
            }
        }
    }
    package init(_ item: RLP.Item) throws(MessageError) {
        let f = try fields(item, 3)
        (height, round) = (try integer(f[0]), try round32(f[1]))
        if f[2] == .list([]) {
            prepared = nil
        } else {
            let lock = try fields(f[2], 2)
            prepared = Prepared(round: try round32(lock[0]), digest: try hash(lock[1]))
        }
    }
}

// MARK: fields with their own errors

func fields(_ item: RLP.Item, _ count: Int) throws(MessageError) -> [RLP.Item] {
    do throws(RLPError) { return try item.asList(count: count) } catch { throw .rlp(error) }
}
func integer(_ item: RLP.Item) throws(MessageError) -> UInt64 {
    do throws(RLPError) { return try item.asUInt64 } catch { throw .rlp(error) }
}
func round32(_ item: RLP.Item) throws(MessageError) -> UInt32 {
    let number = try integer(item)
    guard let round = UInt32(exactly: number) else { throw .roundTooLarge(number) }
    return round
}
func hash(_ item: RLP.Item) throws(MessageError) -> Hash32 {
    do throws(RLPError) { return try item.asHash } catch { throw .rlp(error) }
}
private func signature65(_ item: RLP.Item) throws(MessageError) -> Signature {
    let bytes: Bytes
    do throws(RLPError) { bytes = try item.asBytes } catch { throw .rlp(error) }
    do throws(SignatureError) { return try Signature(bytes) } catch { throw .signature(error) }
}
func entries<P>(_ item: RLP.Item) throws(MessageError) -> [Signed<P>] {
    let items: [RLP.Item]
    do throws(RLPError) { items = try item.asList } catch { throw .rlp(error) }
    guard items.count <= ValidatorSet.maximumCount else { throw .tooManyEntries(items.count) }
    var entries: [Signed<P>] = []
    for item in items { entries.append(try Signed(item)) }
    return entries
}
func unsealedBlock(_ item: RLP.Item, height: UInt64, round: UInt32) throws(MessageError) -> UnsealedBlock {
    let block: Block
    do throws(BlockDecodingError) { block = try Block(item) } catch { throw .block(error) }
    let unsealed: UnsealedBlock
    do throws(HeaderError) { unsealed = try UnsealedBlock(block) } catch { throw .header(error) }
    guard block.header.number == height, unsealed.round == round else {
        throw .blockElsewhere(height: block.header.number, round: unsealed.round)
    }
    return unsealed
}
