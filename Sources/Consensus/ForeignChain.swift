import Ciphers
import Primitives

package enum ForeignChainError: Error, Equatable, Sendable {
    case extraData(ExtraDataError)
    case headerOrder(UInt64)
    case parentHash(UInt64)
    case setUnknown(UInt64)
    case seal(UInt64, SealError)
    case proposerForeign(UInt64, Address)
}

/// Headers of a QBFT chain of another implementation (Besu, GoQuorum): free vanity, at least q distinct seals in any order, sets
/// by votes in headers: more than n/2, effective in the next block, tally cleared at each epoch (chain-rules §4). For import and
/// vectors only; own networks never come here.
package struct ForeignChain: Sendable {
    package private(set) var validators: ValidatorSet
    package private(set) var number: UInt64
    package private(set) var hash: Hash32
    private let epoch: UInt64
    private var votes: [(voter: Address, vote: ForeignExtraData.Vote)] = []

    package init(genesis: Header, epoch: UInt64 = 30_000) throws(ForeignChainError) {
        let extra = try ForeignChain.extra(genesis)
        guard let validators = ValidatorSet(extra.validators.sorted()) else { throw .setUnknown(genesis.number) }
        (self.validators, self.epoch, number, hash) = (validators, epoch, genesis.number, ForeignChain.hash(genesis, extra))
    }

    private static func extra(_ header: Header) throws(ForeignChainError) -> ForeignExtraData {
        do throws(ExtraDataError) { return try ForeignExtraData(decoding: header.extraData) } catch { throw .extraData(error) }
    }
    private static func hash(_ header: Header, _ extra: ForeignExtraData) -> Hash32 {
        header.hash(extraData: extra.encode(round: 0, seals: []))
    }

    /// The next header in line. Returns who sealed it.
    @discardableResult
    package mutating func follow(_ header: Header) throws(ForeignChainError) -> Set<Address> {
        let n = header.number, extra = try ForeignChain.extra(header)
        guard n == number + 1 else { throw .headerOrder(n) }
        guard header.parentHash == hash else { throw .parentHash(n) }
        guard extra.validators.sorted() == validators.addresses else { throw .setUnknown(n) }
        guard validators.contains(header.beneficiary) else { throw .proposerForeign(n, header.beneficiary) }
        let digest = header.hash(extraData: extra.encode(round: extra.round, seals: []))
        var signers: Set<Address> = []
        do throws(SealError) {
            for seal in extra.seals {
                let signer = try SealedHeader.signer(of: seal, over: digest, Secp256k1Recovery())
                guard validators.contains(signer) else { throw .foreign(signer) }
                guard signers.insert(signer).inserted else { throw .order }
            }
            guard signers.count >= validators.quorum else { throw .count(needed: validators.quorum, found: signers.count) }
        } catch { throw .seal(n, error) }
        if n % epoch == 0 { votes = [] } else if let vote = extra.vote { count(vote, by: header.beneficiary) }
        (number, hash) = (n, ForeignChain.hash(header, extra))
        return signers
    }

    private mutating func count(_ vote: ForeignExtraData.Vote, by voter: Address) {
        guard validators.contains(vote.candidate) != vote.adds else { return }  // it would change nothing
        votes.removeAll { $0.voter == voter && $0.vote.candidate == vote.candidate }
        votes.append((voter, vote))
        guard 2 * votes.count(where: { $0.vote == vote }) > validators.count else { return }
        let list = vote.adds ? (validators.addresses + [vote.candidate]).sorted() : validators.addresses.filter { $0 != vote.candidate }
        guard let set = ValidatorSet(list) else { return }
        validators = set
        votes.removeAll { $0.vote.candidate == vote.candidate || !set.contains($0.voter) }
    }
}
