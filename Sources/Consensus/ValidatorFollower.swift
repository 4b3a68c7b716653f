import Ciphers
import Primitives

/// Names of the failures of rows 3 and 4 of §15; each carries the header's number.
package enum FollowError: Error, Equatable, Sendable {
    case headerOrder(UInt64)
    case headerConstant(UInt64, HeaderField)
    /// The header's list is not the set that the headers before it lead to.
    case setUnknown(UInt64)
    case sealCount(UInt64)
    case sealOrder(UInt64)
    case sealForeign(UInt64)
    case sealMalformed(UInt64)
    case nextSetMismatch(UInt64)
}

/// Follows the validators from genesis through headers alone (chain-rules §15): no state, no clock, no parent needed.
///
/// Headers come with rising numbers; those that change nothing may be left out, a change never. Why that is sound: honest members
/// of `W` seal only blocks whose list is the real set, so a header with list `W` and a quorum of `W` cannot exist at a height with
/// another set. Sync feeds every header and compares parent hashes itself; evidence feeds only the changes and those of interest.
package struct ValidatorFollower: Sendable {
    /// `W`: the set that must have sealed the next header given.
    package private(set) var validators: ValidatorSet
    package private(set) var number: UInt64
    package private(set) var timeMilliseconds: UInt64

    /// - Parameter genesis: its hash was compared with the expected one.
    package init(genesis: Header) throws(FollowError) {
        let (extra, time) = try ValidatorFollower.form(genesis)
        guard genesis.number == 0 else { throw .headerOrder(genesis.number) }
        guard let validators = ValidatorSet(extra.validators) else { throw .setUnknown(0) }
        (self.validators, number, timeMilliseconds) = (validators, 0, time)
    }

    /// From a head that is trusted: `validators` are those of the next block.
    package init(_ head: Head) { (validators, number, timeMilliseconds) = (head.validators, head.number, head.timeMilliseconds) }

    /// Row 3 for one header, then row 4.
    /// - Parameter next: the list of the following block; needed where it differs from this one's.
    /// - Cost: q recoveries, about 45 µs each.
    package mutating func follow(
        _ header: Header, next: [Address]? = nil, _ recovery: some SignatureRecovery = Secp256k1Recovery()
    )
        throws(FollowError) -> SealedHeader
    {
        let (extra, time) = try checkOrder(header), n = header.number
        guard extra.validators == validators.addresses else { throw .setUnknown(n) }
        let sealed: SealedHeader
        do throws(SealError) { sealed = try SealedHeader(header, extra, by: validators, recovery) } catch {
            switch error {
            case .count: throw .sealCount(n)
            case .order: throw .sealOrder(n)
            case .malformed, .digest: throw .sealMalformed(n)
            case .foreign: throw .sealForeign(n)
            }
        }
        if next != nil || extra.nextCommitment != validators.commitment {
            guard let next, let set = ValidatorSet(next), set.commitment == extra.nextCommitment else { throw .nextSetMismatch(n) }
            validators = set
        }
        (number, timeMilliseconds) = (n, time)
        return sealed
    }

    /// Row 3 over a whole file, before any seal is looked at.
    package static func checkOrder(genesis: Header, _ headers: [Header]) throws(FollowError) {
        var follower = try ValidatorFollower(genesis: genesis)
        for header in headers { (follower.number, follower.timeMilliseconds) = (header.number, try follower.checkOrder(header).time) }
    }

    private func checkOrder(_ header: Header) throws(FollowError) -> (extra: ExtraData, time: UInt64) {
        guard header.number > number else { throw .headerOrder(header.number) }
        let (extra, time) = try ValidatorFollower.form(header)
        guard time > timeMilliseconds else { throw .headerOrder(header.number) }
        return (extra, time)
    }

    private static func form(_ header: Header) throws(FollowError) -> (ExtraData, UInt64) {
        let extra: ExtraData
        do throws(ExtraDataError) { extra = try ExtraData(decoding: header.extraData) } catch {
            throw .headerConstant(header.number, .extraData)
        }
        do throws(HeaderError) {
            try HeaderRules.checkConstants(header)
            return (extra, try HeaderRules.timeMilliseconds(of: header, extra))
        } catch {
            guard case .headerConstant(let field) = error else { throw .headerConstant(header.number, .extraData) }
            throw .headerConstant(header.number, field)
        }
    }
}
