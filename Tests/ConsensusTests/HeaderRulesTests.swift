import Ciphers
import Consensus
import Primitives
import Testing

func key(_ number: UInt8) throws -> PrivateKey { try PrivateKey(Bytes(repeating: 0, count: 31) + [number]) }
/// Keys 1…n in the order of their addresses.
func keys(_ count: UInt8) throws -> [PrivateKey] { try (1...count).map(key).sorted { $0.address < $1.address } }
func validators(_ keys: [PrivateKey]) throws -> ValidatorSet { try #require(ValidatorSet(keys.map(\.address))) }

func genesisHead(_ set: ValidatorSet, timestamp: UInt64 = 1_700_000_000) throws -> Head {
    let header = ownHeader(
        number: 0, parent: .zero, beneficiary: .zero, timestamp: timestamp,
        extra: ExtraData(vanity: Hash32(1, 2, 3, 4), validators: set.addresses))
    return try Head(header: header, hash: header.hash(ExtraData(decoding: header.extraData)), validators: set, gasTarget: 30_000_000)
}
func ownHeader(
    number: UInt64, parent: Hash32, beneficiary: Address, timestamp: UInt64, gasLimit: UInt64 = 30_000_000, extra: ExtraData
) -> Header {
    Header(
        parentHash: parent, beneficiary: beneficiary, stateRoot: Header.emptyRoot, transactionsRoot: Header.emptyRoot,
        receiptsRoot: Header.emptyRoot,
        logsBloom: Bloom(), difficulty: 1, number: number, gasLimit: gasLimit, gasUsed: 0, timestamp: timestamp, extraData: extra.encoded,
        mixHash: HeaderRules.mixHash, nonce: 0, baseFeePerGas: .zero, withdrawalsRoot: Header.emptyRoot, blobGasUsed: 0, excessBlobGas: 0,
        parentBeaconBlockRoot: .zero, requestsHash: Header.noRequests)
}
/// An empty block on `head`, `after` milliseconds later.
func emptyBlock(
    on head: Head, by beneficiary: Address, after milliseconds: UInt64 = 1000, next: ValidatorSet? = nil
) throws -> UnsealedBlock {
    let time = head.timeMilliseconds + milliseconds
    let extra = ExtraData(milliseconds: UInt16(time % 1000), next: next ?? head.validators, validators: head.validators)
    return try UnsealedBlock(
        Block(
            header: ownHeader(number: head.number + 1, parent: head.hash, beneficiary: beneficiary, timestamp: time / 1000, extra: extra),
            transactions: []))
}
func seal(_ block: UnsealedBlock, by signers: [PrivateKey], round: UInt32 = 0) throws -> Header {
    var extra = block.extra, header = block.header
    extra.round = round
    extra.seals = signers.map { $0.sign(block.sealDigest(round: round)).bytes }
    header.extraData = extra.encoded
    return header
}

@Test func twoQuorumsAlwaysShareAnHonestValidatorAndHonestOnesSuffice() throws {
    for n in 1...100 {
        let set = try #require(ValidatorSet((1...n).map { Address(Bytes(repeating: 0, count: 19) + [UInt8($0)])! }))
        let f = set.maximumFaulty, q = set.quorum
        #expect(2 * q - n > f && q <= n - f)
        #expect(2 * (q - 1) - n <= f || n < 4 || 3 * (q - 1) < 2 * n)
    }
}

@Test func theProposerFollowsThePreviousOneEvenIfThatOneIsGone() throws {
    let a = (1...5).map { Address(Bytes(repeating: 0, count: 19) + [UInt8(10 * $0)])! }
    let set = try #require(ValidatorSet(a))
    #expect(
        set.proposer(after: a[1], round: 0) == a[2] && set.proposer(after: a[4], round: 0) == a[0]
            && set.proposer(after: a[3], round: 7) == a[1])
    #expect(set.proposer(after: .zero, round: 0) == a[0])  // genesis
    #expect(set.proposer(after: Address(Bytes(repeating: 0, count: 19) + [25])!, round: 0) == a[2])  // removed: the first one greater
    #expect(set.proposer(after: Address(Bytes(repeating: 0xff, count: 20))!, round: 0) == a[0])
    #expect(set.proposer(after: a[0], round: .max) == a[(1 + Int(UInt32.max)) % 5])
    #expect(
        ValidatorSet([a[1], a[0]]) == nil && ValidatorSet([a[0], a[0]]) == nil && ValidatorSet([]) == nil && ValidatorSet([.zero]) == nil)
}

@Test func theGasLimitMovesTowardsItsTargetByLessThanA1024th() {
    #expect(HeaderRules.gasLimit(after: 30_000_000, target: 30_000_000) == 30_000_000)
    #expect(HeaderRules.gasLimit(after: 30_000_000, target: 60_000_000) == 30_000_000 + 29_295)
    #expect(HeaderRules.gasLimit(after: 30_000_000, target: 0) == 30_000_000 - 29_295)
    #expect(HeaderRules.gasLimit(after: 5_000_001, target: 1) == 5_000_000)
    #expect(HeaderRules.gasLimit(after: 1_000_000_000, target: .max) == 1_000_000_000)
}

@Test func aBlockHashIsFreeOfRoundAndSealsAndASealIsNot() throws {
    let all = try keys(4), head = try genesisHead(validators(all)), block = try emptyBlock(on: head, by: all[0].address)
    let again = block.proposed(in: 3)
    #expect(again.hash == block.hash && again.header != block.header && again.proposed(in: 0) == block)
    #expect(block.sealDigest(round: 3) != block.sealDigest(round: 0) && again.sealDigest(round: 3) == block.sealDigest(round: 3))
    #expect(block.sealDigest(round: 0) == block.hash)  // nothing but the round tells them apart
    let header = try seal(block, by: Array(all[..<3]), round: 2)
    let sealed = try SealedHeader(header, ExtraData(decoding: header.extraData), by: head.validators, Secp256k1Recovery())
    #expect(sealed.hash == block.hash)
    #expect(SealedBlock(sealed, body: []).unsealed == block.proposed(in: 2))
}

@Test func onlyExactlyAQuorumOfAscendingLowSealsOfTheListCounts() throws {
    let all = try keys(4), set = try validators(all), block = try emptyBlock(on: genesisHead(set), by: all[0].address)
    func error(_ signers: [PrivateKey], _ change: (inout [Bytes]) -> Void = { _ in }) throws -> SealError? {
        var header = try seal(block, by: signers), extra = try ExtraData(decoding: header.extraData)
        change(&extra.seals)
        header.extraData = extra.encoded
        do throws(SealError) { _ = try SealedHeader(header, extra, by: set, Secp256k1Recovery()) } catch { return error }
        return nil
    }
    #expect(try error([all[0], all[1], all[3]]) == nil)
    #expect(try error([all[0], all[1]]) == .count(needed: 3, found: 2))
    #expect(try error(all) == .count(needed: 3, found: 4))
    #expect(try error([all[1], all[0], all[2]]) == .order)
    #expect(try error([all[0], all[0], all[2]]) == .order)
    #expect(try error([all[0], all[1], try key(9)]) == .foreign(try key(9).address))
    #expect(try error([all[0], all[1], all[2]]) { $0[1][64] = 27 } == .malformed)
    #expect(try error([all[0], all[1], all[2]]) { $0[1].removeLast() } == .malformed)
    #expect(
        try error([all[0], all[1], all[2]]) { seals in
            let s = Secp256k1.order &- U256(bigEndian: seals[0][32..<64])  // the malleable twin
            seals[0] = seals[0][..<32] + s.bytes + [1 - seals[0][64]]
        } == .malformed)
}

@Test func eachHeaderRuleHasItsNegative() throws {
    let all = try keys(4), head = try genesisHead(validators(all)), good = try emptyBlock(on: head, by: all[1].address)
    func error(empty: Bool = true, _ change: (inout Header) -> Void) -> HeaderError? {
        var header = good.header
        change(&header)
        do throws(HeaderError) {
            let block = try UnsealedBlock(Block(header: header, transactions: []))
            try HeaderRules.check(block.header, block.extra, isEmpty: empty, after: head)
        } catch { return error }
        return nil
    }
    func edit(_ change: (inout ExtraData) -> Void) -> (inout Header) -> Void {
        var extra = good.extra
        change(&extra)
        return { $0.extraData = extra.encoded }
    }
    #expect(error { _ in } == nil)
    #expect(error { $0.ommersHash = .zero } == .headerConstant(.ommersHash))
    #expect(error { $0.difficulty = 2 } == .headerConstant(.difficulty))
    #expect(error { $0.mixHash = .zero } == .headerConstant(.mixHash))
    #expect(error { $0.nonce = 1 } == .headerConstant(.nonce))
    #expect(error { $0.baseFeePerGas = 1 } == .headerConstant(.baseFeePerGas))
    #expect(error { $0.withdrawalsRoot = .zero } == .headerConstant(.withdrawalsRoot))
    #expect(error { $0.blobGasUsed = 1 } == .headerConstant(.blobGasUsed))
    #expect(error { $0.excessBlobGas = 1 } == .headerConstant(.excessBlobGas))
    #expect(error { $0.parentBeaconBlockRoot = Hash32(1, 0, 0, 0) } == .headerConstant(.parentBeaconBlockRoot))
    #expect(error { $0.requestsHash = .zero } == .headerConstant(.requestsHash))
    #expect(error { $0.requestsHash = nil } == .headerConstant(.requestsHash))
    #expect(error { $0.number = 2 } == .number(expected: 1, found: 2))
    #expect(error { $0.parentHash = .zero } == .parentHash(expected: head.hash, found: .zero))
    #expect(error { $0.gasLimit += 1 } == .gasLimit(expected: 30_000_000, found: 30_000_001))
    #expect(error { $0.gasUsed = 30_000_001 } == .gasUsedAboveLimit(used: 30_000_001, limit: 30_000_000))
    #expect(error { $0.timestamp -= 1 } == .timeNotRising(parent: head.timeMilliseconds, found: head.timeMilliseconds))
    #expect(error { $0.timestamp = .max } == .headerConstant(.milliseconds))
    #expect(error(edit { $0.vanity = Hash32([3, 0xe8] + $0.vanity.bytes[2...])! }) == .headerConstant(.milliseconds))
    let soon: (inout Header) -> Void = { header in
        header.timestamp -= 1
        edit { $0.vanity = Hash32([3, 0xe7] + $0.vanity.bytes[2...])! }(&header)
    }
    #expect(error(soon) == .emptyTooEarly(milliseconds: 999) && error(empty: false, soon) == nil)
    #expect(error(edit { $0.validators.removeLast() }) == .validatorsMismatch)
    #expect(error { $0.beneficiary = .zero } == .beneficiaryForeign(.zero))
    #expect(error(edit { $0.seals = [[1]] }) == .sealsPresent)
    #expect(error { $0.extraData = [1] } == .extraData(.rlp(.listExpected)))
    #expect(throws: HeaderError.nextCommitmentMismatch) { try HeaderRules.checkNext(good.extra, next: ValidatorSet([all[0].address])!) }
    try HeaderRules.checkNext(good.extra, next: head.validators)
    #expect(HeaderRules.nextValidators(after: head.validators, consortium: [.zero]) == head.validators)
}
