import Ciphers
import Primitives

package enum ExtraDataError: Error, Equatable, Sendable {
    case rlp(RLPError)
    case vanityLength(Int)
    /// Own networks vote in Consortium, never in a header.
    case votePresent
    case roundTooLarge
    case tooManyEntries(Int)
}

/// `RLP([vanity, [v₁…v_n], [], round, [seal…]])` of alliance and private mode (chain-rules §4). Decoding fixes the shape, not
/// whether list and seals are the right ones.
package struct ExtraData: Sendable, Equatable {
    /// 32 bytes: `u16 milliseconds ‖ C(V_{h+1})`; in genesis the configuration hash.
    package var vanity: Hash32
    package var validators: [Address]
    package var round: UInt32
    /// 65 bytes each where they are seals; kept raw, since a malformed one must be named as such.
    package var seals: [Bytes]

    package init(vanity: Hash32, validators: [Address], round: UInt32 = 0, seals: [Bytes] = []) {
        (self.vanity, self.validators, self.round, self.seals) = (vanity, validators, round, seals)
    }

    /// - Parameter milliseconds: below 1000.
    package init(milliseconds: UInt16, next: ValidatorSet, validators: ValidatorSet, round: UInt32 = 0) {
        precondition(milliseconds < 1000)
        self.init(
            vanity: Hash32([UInt8(milliseconds >> 8), UInt8(milliseconds & 255)] + next.commitment)!, validators: validators.addresses,
            round: round)
    }

    package var milliseconds: UInt16 { UInt16(vanity[0]) << 8 | UInt16(vanity[1]) }
    /// `C(V_{h+1})`
    package var nextCommitment: Bytes { Bytes(vanity.bytes[2...]) }

    package var encoded: Bytes { encode(round: round, seals: seals) }
    package func encode(round: UInt32, seals: [Bytes]) -> Bytes {
        RLP.encodeList { list in
            list.append(vanity)
            list.appendList { inner in validators.forEach { inner.append($0) } }
            list.appendList { _ in }
            list.append(UInt64(round))
            list.appendList { inner in seals.forEach { inner.append($0) } }
        }
    }

    package init(decoding bytes: Bytes) throws(ExtraDataError) {
        let form = try ForeignExtraData(decoding: bytes)
        guard form.vanity.count == 32, let vanity = Hash32(form.vanity) else { throw .vanityLength(form.vanity.count) }
        guard form.vote == nil else { throw .votePresent }
        self.init(vanity: vanity, validators: form.validators, round: form.round, seals: form.seals)
    }
}

/// The same five fields as other QBFT networks write them: free vanity, a vote for one validator.
package struct ForeignExtraData: Sendable, Equatable {
    package struct Vote: Sendable, Equatable {
        package var candidate: Address
        /// 0xff adds, 0 removes.
        package var adds: Bool
    }
    package var vanity: Bytes
    package var validators: [Address]
    package var vote: Vote?
    package var round: UInt32
    package var seals: [Bytes]

    package init(decoding bytes: Bytes) throws(ExtraDataError) {
        do throws(RLPError) {
            let fields = try RLP.decode(bytes).asList(count: 5), list = try fields[1].asList, seals = try fields[4].asList
            vanity = try fields[0].asBytes
            (validators, self.seals) = ([], [])
            for item in list.prefix(ValidatorSet.maximumCount + 1) { validators.append(try item.asAddress) }
            for item in seals.prefix(ValidatorSet.maximumCount + 1) { self.seals.append(try item.asBytes) }
            let vote = try fields[2].asList
            if !vote.isEmpty {
                guard vote.count == 2 else { throw RLPError.countMismatch(expected: 2, found: vote.count) }
                self.vote = Vote(candidate: try vote[0].asAddress, adds: try vote[1].asUInt64 == 0xff)
            }
            let round = try fields[3].asUInt64
            guard round <= UInt64(UInt32.max) else { throw RLPError.integer(maximumBytes: 4) }
            self.round = UInt32(round)
        } catch .integer(maximumBytes: 4) { throw .roundTooLarge } catch { throw .rlp(error) }
        let most = max(validators.count, seals.count)
        guard most <= ValidatorSet.maximumCount else { throw .tooManyEntries(most) }
    }

    package func encode(round: UInt32, seals: [Bytes]) -> Bytes {
        RLP.encodeList { list in
            list.append(vanity)
            list.appendList { inner in validators.forEach { inner.append($0) } }
            list.appendList { inner in
                guard let vote else { return }
                inner.append(vote.candidate)
                inner.append(vote.adds ? 0xff : 0 as UInt64)
            }
            list.append(UInt64(round))
            list.appendList { inner in seals.forEach { inner.append($0) } }
        }
    }
}
