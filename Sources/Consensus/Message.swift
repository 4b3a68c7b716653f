import Ciphers
import Primitives

/// The four messages of QBFT (chain-rules §5.1); the raw value is also the frame's id.
package enum MessageCode: UInt8, Sendable, CaseIterable { case proposal = 0x12, prepare, commit, roundChange }

/// What a signature covers. Two different payloads of one author with equal (code, height, round) are equivocation.
package protocol ConsensusPayload: Sendable, Equatable {
    static var code: MessageCode { get }
    var height: UInt64 { get }
    var round: UInt32 { get }
    func encode(into list: inout RLP.Encoder)
    init(_ item: RLP.Item) throws(MessageError)
}

extension ConsensusPayload {
    /// D1: the network's genesis is under every signature, so nothing signed on one chain means anything on another.
    package func signingHash(genesis: Hash32) -> Hash32 {
        let coded = RLP.encodeList { list in
            list.append(UInt64(Self.code.rawValue))
            encode(into: &list)
        }
        return keccak256(signingTag + genesis.bytes + coded)
    }
}
private let signingTag = Bytes("entente/consensus/message/v1".utf8)

package struct Signed<Payload: ConsensusPayload>: Sendable, Equatable {
    package let payload: Payload
    package let signature: Signature

    package init(payload: Payload, signature: Signature) { (self.payload, self.signature) = (payload, signature) }
    package init(_ payload: Payload, by signer: some ConsensusSigner, genesis: Hash32) {
        self.init(payload: payload, signature: signer.sign(payload.signingHash(genesis: genesis)))
    }
}

package struct ProposalPayload: ConsensusPayload {
    package static var code: MessageCode { .proposal }
    package let height: UInt64, round: UInt32
    /// Of this round.
    package let block: UnsealedBlock
    package init(height: UInt64, round: UInt32, block: UnsealedBlock) { (self.height, self.round, self.block) = (height, round, block) }
}
package struct PreparePayload: ConsensusPayload {
    package static var code: MessageCode { .prepare }
    package let height: UInt64, round: UInt32, digest: Hash32
    package init(height: UInt64, round: UInt32, digest: Hash32) { (self.height, self.round, self.digest) = (height, round, digest) }
}
package struct CommitPayload: ConsensusPayload {
    package static var code: MessageCode { .commit }
    package let height: UInt64, round: UInt32, digest: Hash32
    /// Over the seal digest of `round`.
    package let seal: Signature
    package init(height: UInt64, round: UInt32, digest: Hash32, seal: Signature) {
        (self.height, self.round, self.digest, self.seal) = (height, round, digest, seal)
    }
}
package struct RoundChangePayload: ConsensusPayload {
    package struct Prepared: Sendable, Equatable {
        package let round: UInt32, digest: Hash32
        package init(round: UInt32, digest: Hash32) { (self.round, self.digest) = (round, digest) }
    }
    package static var code: MessageCode { .roundChange }
    package let height: UInt64, round: UInt32
    package let prepared: Prepared?
    package init(height: UInt64, round: UInt32, prepared: Prepared?) {
        (self.height, self.round, self.prepared) = (height, round, prepared)
    }
}

package typealias Prepare = Signed<PreparePayload>
package typealias Commit = Signed<CommitPayload>

package struct Proposal: Sendable, Equatable {
    package var signed: Signed<ProposalPayload>
    package var roundChanges: [Signed<RoundChangePayload>]
    package var prepares: [Prepare]
    package init(signed: Signed<ProposalPayload>, roundChanges: [Signed<RoundChangePayload>] = [], prepares: [Prepare] = []) {
        (self.signed, self.roundChanges, self.prepares) = (signed, roundChanges, prepares)
    }
    package var block: UnsealedBlock { signed.payload.block }
    package var round: UInt32 { signed.payload.round }
}

package struct RoundChange: Sendable, Equatable {
    package var signed: Signed<RoundChangePayload>
    /// The prepared block, of the prepared round.
    package var block: UnsealedBlock?
    package var prepares: [Prepare]
    package init(signed: Signed<RoundChangePayload>, block: UnsealedBlock? = nil, prepares: [Prepare] = []) {
        (self.signed, self.block, self.prepares) = (signed, block, prepares)
    }
    package var round: UInt32 { signed.payload.round }
}

package enum Message: Sendable, Equatable {
    case proposal(Proposal), prepare(Prepare), commit(Commit), roundChange(RoundChange)

    package var code: MessageCode {
        switch self {
        case .proposal: .proposal
        case .prepare: .prepare
        case .commit: .commit
        case .roundChange: .roundChange
        }
    }
    package var height: UInt64 {
        switch self {
        case .proposal(let m): m.signed.payload.height
        case .prepare(let m): m.payload.height
        case .commit(let m): m.payload.height
        case .roundChange(let m): m.signed.payload.height
        }
    }
    package var round: UInt32 {
        switch self {
        case .proposal(let m): m.round
        case .prepare(let m): m.payload.round
        case .commit(let m): m.payload.round
        case .roundChange(let m): m.round
        }
    }
    /// About how many bytes it holds, without encoding it.
    package var weight: Int {
        switch self {
        case .proposal(let m): m.block.weight + 200 * (m.roundChanges.count + m.prepares.count)
        case .prepare, .commit: 300
        case .roundChange(let m): 300 + (m.block?.weight ?? 0) + 200 * m.prepares.count
        }
    }
}

extension UnsealedBlock {
    var weight: Int { block.transactions.reduce(2048) { $0 + 512 + $1.payload.data.count + 64 * $1.payload.accessList.count } }
}

/// Two signed payloads of one author that exclude each other: evidence for a vote on removal.
package struct Equivocation: Sendable, Equatable {
    package let author: Address
    package let code: MessageCode
    package let height: UInt64, round: UInt32
    /// `[payload, sig]` each, as they travel.
    package let first: Bytes, second: Bytes

    init<P>(author: Address, _ first: Signed<P>, _ second: Signed<P>) {
        (self.author, code, height, round) = (author, P.code, first.payload.height, first.payload.round)
        (self.first, self.second) = (RLP.encodeList { first.encodeFields(into: &$0) }, RLP.encodeList { second.encodeFields(into: &$0) })
    }
}
