import Ciphers
import Consensus
import Primitives
import Testing

private let config: JSON = [
    "chainId": 1337000001, "londonBlock": 0,
    "entente": [
        "rules": 1, "mode": "alliance", "name": "north-south", "requestTimeoutMilliseconds": 1000, "heartbeatSeconds": 60,
        "batchMilliseconds": 2, "clockToleranceMilliseconds": 2000,
    ],
]
private func changed(_ key: String, _ value: JSON?) -> JSON {
    guard case .object(var whole) = config, case .object(var own) = whole["entente"] else { return .null }
    own[key] = value
    whole["entente"] = .object(own)
    return .object(whole)
}
private func genesis(_ set: [Address], vanity: Hash32) -> Header {
    ownHeader(number: 0, parent: .zero, beneficiary: .zero, timestamp: 1_700_000_000, extra: ExtraData(vanity: vanity, validators: set))
}

@Test func aTypoInARuleDoesNotPass() throws {
    let read = try GenesisConfiguration(config)
    #expect(read.mode == .alliance && read.requestTimeoutMilliseconds == 1000 && read.hash == keccak256(config.canonical))
    #expect(throws: GenesisError.configuration(key: "entente.hartbeatSeconds")) { try GenesisConfiguration(changed("hartbeatSeconds", 1)) }
    #expect(throws: GenesisError.configuration(key: "entente.rules")) { try GenesisConfiguration(changed("rules", 2)) }
    #expect(throws: GenesisError.configuration(key: "entente.mode")) { try GenesisConfiguration(changed("mode", "aliance")) }
    #expect(throws: GenesisError.configuration(key: "entente.pow")) { try GenesisConfiguration(changed("pow", [:])) }
    #expect(throws: GenesisError.configuration(key: "entente.batchMilliseconds")) {
        try GenesisConfiguration(changed("batchMilliseconds", nil))
    }
    #expect(throws: GenesisError.configuration(key: "entente")) { try GenesisConfiguration([:]) }
}

@Test func startRefusesAGenesisThatDisagreesWithItself() throws {
    let set = try validators(keys(4)).addresses, read = try GenesisConfiguration(config)
    let good = genesis(set, vanity: read.hash)
    let (found, hash) = try Genesis.check(good, read, consortium: set)
    #expect(try found.addresses == set && hash == good.hash(ExtraData(decoding: good.extraData)))
    #expect(throws: GenesisError.configurationHashMismatch(expected: read.hash, found: .zero)) {
        try Genesis.check(genesis(set, vanity: .zero), read, consortium: set)
    }
    #expect(throws: GenesisError.validatorsDisagree(extraData: set, consortium: [])) { try Genesis.check(good, read, consortium: []) }
    #expect(throws: GenesisError.genesisExtraDataMalformed) {
        try Genesis.check(genesis(set.reversed(), vanity: read.hash), read, consortium: set)
    }
    #expect(throws: GenesisError.genesisExtraDataMalformed) {
        try Genesis.check(good, GenesisConfiguration(changed("mode", "private")), consortium: set)
    }
    var wrong = good
    wrong.beneficiary = set[0]
    #expect(throws: GenesisError.headerConstant(.beneficiary)) { try Genesis.check(wrong, read, consortium: set) }
    wrong = good
    wrong.difficulty = 0
    #expect(throws: GenesisError.headerConstant(.difficulty)) { try Genesis.check(wrong, read, consortium: set) }
}

@Test func aChainIdFitsEveryWalletAndDependsOnFounders() throws {
    let four = try validators(keys(4)), five = try validators(keys(5))
    let id = Genesis.chainId(name: "north-south", validators: four, timestamp: 1_700_000_000)
    #expect(id >= 1 << 30 && id < 1 << 31)
    #expect(id != Genesis.chainId(name: "north-south", validators: five, timestamp: 1_700_000_000))
    #expect(id != Genesis.chainId(name: "north-south", validators: four, timestamp: 1_700_000_001))
    #expect(id != Genesis.chainId(name: "northsouth", validators: four, timestamp: 1_700_000_000))
}
