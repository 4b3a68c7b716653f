import Ciphers
import Primitives

/// Fields whose value the rules of §2 fix.
package enum HeaderField: String, Sendable, Equatable {
    case ommersHash, difficulty, mixHash, nonce, baseFeePerGas, withdrawalsRoot, blobGasUsed, excessBlobGas, parentBeaconBlockRoot,
        requestsHash
    case extraData, milliseconds
    // genesis only
    case beneficiary, number, gasUsed, parentHash, transactionsRoot, receiptsRoot, logsBloom
}

/// Why a header is refused. All are the fault of who made it; none needs state.
package enum HeaderError: Error, Equatable, Sendable {
    case extraData(ExtraDataError)
    case headerConstant(HeaderField)
    case headerTooLarge(bytes: Int)
    case blockTooLarge(bytes: Int)
    case parentHash(expected: Hash32, found: Hash32)
    case number(expected: UInt64, found: UInt64)
    case gasLimit(expected: UInt64, found: UInt64)
    case gasUsedAboveLimit(used: UInt64, limit: UInt64)
    /// T must rise; in milliseconds since 1970.
    case timeNotRising(parent: UInt64, found: UInt64)
    /// A block without transactions comes at the earliest a second after its parent.
    case emptyTooEarly(milliseconds: UInt64)
    case validatorsMismatch
    case beneficiaryForeign(Address)
    /// A proposal's round and its message's round differ.
    case roundMismatch(header: UInt32, message: UInt32)
    case sealsPresent
    /// The vanity does not commit to the validators found after execution.
    case nextCommitmentMismatch
}

/// What the next block is judged against: the head of the chain, after its execution.
package struct Head: Sendable, Equatable {
    package let header: Header
    package let hash: Hash32
    /// `V_{h+1}`: in charge of the next block.
    package let validators: ValidatorSet
    /// Slot 101 of Consortium after this block, as stored.
    package let gasTarget: UInt64
    /// T in milliseconds since 1970.
    package let timeMilliseconds: UInt64

    package init(header: Header, hash: Hash32, validators: ValidatorSet, gasTarget: UInt64) throws(HeaderError) {
        let extra: ExtraData
        do throws(ExtraDataError) { extra = try ExtraData(decoding: header.extraData) } catch { throw .extraData(error) }
        (self.header, self.hash, self.validators, self.gasTarget) = (header, hash, validators, gasTarget)
        timeMilliseconds = try HeaderRules.timeMilliseconds(of: header, extra)
    }

    package var number: UInt64 { header.number }
    /// The exact limit of the next block (§3.2).
    package var nextGasLimit: UInt64 { HeaderRules.gasLimit(after: header.gasLimit, target: gasTarget) }
}

package enum HeaderRules {
    /// "ctical byzantine fault tolerance"
    package static let mixHash = Hash32(hex: "63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")!
    package static let minimumGasTarget: UInt64 = 5_000_000
    package static let maximumGasTarget: UInt64 = 1_000_000_000
    /// Least distance of an empty block from its parent (§3.4).
    package static let emptyBlockMilliseconds: UInt64 = 1000

    /// §3.2: the parent's limit, moved towards the target by less than a 1024th.
    package static func gasLimit(after parent: UInt64, target: UInt64) -> UInt64 {
        let step = max(parent / 1024, 1) - 1
        let target = min(max(target, minimumGasTarget), maximumGasTarget)
        return min(max(target, parent - step), parent + step)
    }

    /// T = 1000 · timestamp + milliseconds; genesis has no milliseconds.
    package static func timeMilliseconds(of header: Header, _ extra: ExtraData) throws(HeaderError) -> UInt64 {
        let milliseconds = header.number == 0 ? 0 : extra.milliseconds
        guard milliseconds < 1000, header.timestamp < UInt64.max / 1000 else { throw .headerConstant(.milliseconds) }
        return 1000 * header.timestamp + UInt64(milliseconds)
    }

    /// The fixed values of §2. First wrong field, in header order.
    package static func checkConstants(_ h: Header) throws(HeaderError) {
        func must(_ holds: Bool, _ field: HeaderField) throws(HeaderError) { if !holds { throw .headerConstant(field) } }
        try must(h.ommersHash == Header.noOmmers, .ommersHash)
        try must(h.difficulty == 1, .difficulty)
        try must(h.mixHash == mixHash, .mixHash)
        try must(h.nonce == 0, .nonce)
        try must(h.baseFeePerGas == .zero, .baseFeePerGas)
        try must(h.withdrawalsRoot == Header.emptyRoot, .withdrawalsRoot)
        try must(h.blobGasUsed == 0, .blobGasUsed)
        try must(h.excessBlobGas == 0, .excessBlobGas)
        try must(h.parentBeaconBlockRoot == .zero, .parentBeaconBlockRoot)
        try must(h.requestsHash == Header.noRequests, .requestsHash)
    }

    /// All that can be said of a header without executing its block: §2, §3.2–3.4, its list.
    package static func check(_ header: Header, _ extra: ExtraData, isEmpty: Bool, after head: Head) throws(HeaderError) {
        try checkConstants(header)
        guard header.number == head.number + 1 else { throw .number(expected: head.number + 1, found: header.number) }
        guard header.parentHash == head.hash else { throw .parentHash(expected: head.hash, found: header.parentHash) }
        guard header.gasLimit == head.nextGasLimit else { throw .gasLimit(expected: head.nextGasLimit, found: header.gasLimit) }
        guard header.gasUsed <= header.gasLimit else { throw .gasUsedAboveLimit(used: header.gasUsed, limit: header.gasLimit) }
        let time = try timeMilliseconds(of: header, extra)
        guard time > head.timeMilliseconds else { throw .timeNotRising(parent: head.timeMilliseconds, found: time) }
        if isEmpty, time - head.timeMilliseconds < emptyBlockMilliseconds {
            throw .emptyTooEarly(milliseconds: time - head.timeMilliseconds)
        }
        guard extra.validators == head.validators.addresses else { throw .validatorsMismatch }
        guard head.validators.contains(header.beneficiary) else { throw .beneficiaryForeign(header.beneficiary) }
        let bytes = header.encoded.count
        guard bytes <= Block.maximumHeaderBytes else { throw .headerTooLarge(bytes: bytes) }
    }

    /// After execution: the header must commit to the validators that the state now names.
    package static func checkNext(_ extra: ExtraData, next: ValidatorSet) throws(HeaderError) {
        guard extra.nextCommitment == next.commitment else { throw .nextCommitmentMismatch }
    }

    /// `V_{h+1}` from the list that Consortium holds after block `h`. A contract's bug must not halt the chain: a malformed list
    /// changes nothing (§7).
    package static func nextValidators(after current: ValidatorSet, consortium: [Address]) -> ValidatorSet {
        ValidatorSet(consortium) ?? current
    }
}
