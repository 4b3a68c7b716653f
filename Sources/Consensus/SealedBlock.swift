import Ciphers
import Primitives

// UnsealedBlock → SealedBlock: a block that one validator proposes, and one that a quorum of its own list has sealed. The only
// way from the first to the second is q seals that were checked, here or by the machine as they came in.

/// A block without seals, with the round in which it was proposed. Its hash is computed once and is free of the round.
package struct UnsealedBlock: Sendable, Equatable {
    /// Blocks wander through messages, buffers and effects: one reference instead of a header's 700 bytes.
    private final class Storage: Sendable {
        let block: Block, extra: ExtraData, hash: Hash32
        init(_ block: Block, _ extra: ExtraData, _ hash: Hash32) { (self.block, self.extra, self.hash) = (block, extra, hash) }
    }
    private let storage: Storage

    package var block: Block { storage.block }
    package var extra: ExtraData { storage.extra }
    /// H(RLP(header with round := 0 and seals := [])).
    package var hash: Hash32 { storage.hash }
    /// Equal hashes are equal blocks, but for the round.
    package static func == (a: UnsealedBlock, b: UnsealedBlock) -> Bool {
        a.hash == b.hash && a.round == b.round && a.block.transactions == b.block.transactions
    }

    package var header: Header { block.header }
    package var round: UInt32 { extra.round }

    package init(_ block: Block) throws(HeaderError) {
        let extra: ExtraData
        do throws(ExtraDataError) { extra = try ExtraData(decoding: block.header.extraData) } catch { throw .extraData(error) }
        guard extra.seals.isEmpty else { throw .sealsPresent }
        self.init(block: block, extra: extra, hash: block.header.hash(extra))
    }
    /// A block of our own making, with its extra data still at hand.
    init(_ block: Block, _ extra: ExtraData) { self.init(block: block, extra: extra, hash: block.header.hash(extra)) }
    fileprivate init(block: Block, extra: ExtraData, hash: Hash32) { storage = Storage(block, extra, hash) }

    /// The same block, proposed again.
    package func proposed(in round: UInt32) -> UnsealedBlock {
        if round == extra.round { return self }
        var block = block, extra = extra
        extra.round = round
        block.header.extraData = extra.encoded
        return UnsealedBlock(block: block, extra: extra, hash: hash)
    }

    /// What a COMMIT of `round` seals.
    package func sealDigest(round: UInt32) -> Hash32 { header.sealDigest(extra, round: round) }

    /// Seals that were checked one by one: exactly q, ascending by signer.
    func sealed(in round: UInt32, by seals: [Signature]) -> SealedBlock {
        var header = proposed(in: round).header, extra = extra
        extra.round = round
        extra.seals = seals.map(\.bytes)
        header.extraData = extra.encoded
        return SealedBlock(sealed: SealedHeader(header: header, extra: extra, hash: hash), transactions: block.transactions)
    }

    /// Private mode (§9): one validator, round 0, no messages. The driver makes the block durable before it publishes it.
    package func sealedAlone(by signer: some ConsensusSigner) -> SealedBlock {
        precondition(extra.validators == [signer.address], "only the one validator of a private chain seals alone")
        return sealed(in: 0, by: [signer.sign(sealDigest(round: 0))])
    }
}

package enum SealError: Error, Equatable, Sendable {
    case count(needed: Int, found: Int)
    /// Signers are not strictly ascending.
    case order
    /// Not 65 bytes r ‖ s ‖ v with v in {0, 1}, 0 < r < N, 0 < s ≤ N/2.
    case malformed
    /// Signed by somebody outside the list; a seal over another digest looks the same.
    case foreign(Address)
    /// No key at all belongs to this seal and this digest.
    case digest
}

/// A header with the canonical seals of a quorum of `validators`.
package struct SealedHeader: Sendable, Equatable {
    package let header: Header
    package let extra: ExtraData
    package let hash: Hash32

    fileprivate init(header: Header, extra: ExtraData, hash: Hash32) { (self.header, self.extra, self.hash) = (header, extra, hash) }

    /// Checks the seals (D5), not the rules of other fields. Cost: q recoveries.
    /// - Parameter extra: of this header.
    package init(_ header: Header, _ extra: ExtraData, by validators: ValidatorSet, _ recovery: some SignatureRecovery) throws(SealError) {
        guard extra.seals.count == validators.quorum else { throw .count(needed: validators.quorum, found: extra.seals.count) }
        let digest = header.sealDigest(extra, round: extra.round)
        var last: Address?
        for seal in extra.seals {
            let signer = try SealedHeader.signer(of: seal, over: digest, recovery)
            guard validators.contains(signer) else { throw .foreign(signer) }
            if let last, signer <= last { throw .order }
            last = signer
        }
        self.init(header: header, extra: extra, hash: header.hash(extra))
    }

    static func signer(of seal: Bytes, over digest: Hash32, _ recovery: some SignatureRecovery) throws(SealError) -> Address {
        let signature: Signature
        do throws(SignatureError) { signature = try Signature(seal) } catch { throw .malformed }
        guard let signer = recovery.signer(of: signature, over: digest) else { throw .digest }
        return signer
    }
}

package struct SealedBlock: Sendable, Equatable {
    package let sealed: SealedHeader
    package let transactions: [UnverifiedTransaction]

    fileprivate init(sealed: SealedHeader, transactions: [UnverifiedTransaction]) {
        (self.sealed, self.transactions) = (sealed, transactions)
    }

    /// A body that came for a sealed header. That it belongs there, execution shows (transactionsRoot).
    package init(_ sealed: SealedHeader, body transactions: [UnverifiedTransaction]) {
        self.init(sealed: sealed, transactions: transactions)
    }

    package var header: Header { sealed.header }
    package var hash: Hash32 { sealed.hash }
    package var round: UInt32 { sealed.extra.round }
    package var block: Block { Block(header: header, transactions: transactions) }
    /// Without seals, as the machine judges and `Chain` executes it.
    package var unsealed: UnsealedBlock {
        var block = block, extra = sealed.extra
        extra.seals = []
        block.header.extraData = extra.encoded
        return UnsealedBlock(block: block, extra: extra, hash: hash)
    }
}

extension Header {
    /// Hash of a block of alliance or private mode; `extra` is its extra data decoded.
    package func hash(_ extra: ExtraData) -> Hash32 { hash(extraData: extra.encode(round: 0, seals: [])) }
    package func sealDigest(_ extra: ExtraData, round: UInt32) -> Hash32 { hash(extraData: extra.encode(round: round, seals: [])) }
    func hash(extraData: Bytes) -> Hash32 {
        var header = self
        header.extraData = extraData
        return keccak256(header.encoded)
    }
}
