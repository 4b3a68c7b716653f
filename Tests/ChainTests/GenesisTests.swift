import Chain
import Ciphers
import Consensus
import EVM
import Foundation
import Primitives
import Testing
import Trie

@Test func theFilePrintsAndParsesToItself() throws {
    let file = try World().genesis
    let again = try GenesisFile(parsing: Bytes(file.text.utf8))
    #expect(again == file)
    #expect(again.text == file.text)
    #expect(try again.check().hash == file.check().hash)
}

@Test func theOrderOfFoundersDoesNotMatterAndSlotsNameTheValidators() throws {
    let world = try World(), network = try world.genesis.check()
    #expect(network.validators.addresses == world.keys.map(\.address))
    #expect((1 << 30..<1 << 31).contains(network.configuration.chainId))
    let storage = try #require(world.genesis.alloc.changes[Consortium.address]?.storage)
    #expect(storage[0] == 4 && storage[101] == 30_000_000 && storage.count == 6)
    // The CREATE2 deployer has its published code hash.
    let deployer = Address(hex: "0x4e59b44847b379578588920ca78fbf26c0b4956c")!
    #expect(
        world.genesis.alloc.changes[deployer]?.account?.codeHash
            == Hash32(hex: "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"))
    #expect(try world.genesis.unshipped(comparedWith: [World.consortium(world.keys.map(\.address))]) == [])
    #expect(
        try world.genesis.unshipped(comparedWith: [.init(name: "Consortium", address: Consortium.address, initcode: World.noteInitcode)])
            == ["Consortium"])
}

@Test func whatStartRefusesHasItsName() throws {
    let world = try World(), text = world.genesis.text
    func changed(_ from: String, _ to: String) -> GenesisFileError? {
        let altered = text.replacingOccurrences(of: from, with: to)
        #expect(altered != text)
        do throws(GenesisFileError) {
            _ = try GenesisFile(parsing: Bytes(altered.utf8)).check()
            return nil
        } catch { return error }
    }
    #expect(changed("\"gasLimit\"", "\"gaslimit\"") == .unknownKey("gaslimit"))
    #expect(changed("\"heartbeatSeconds\"", "\"heartbeatsSeconds\"") == .rules(.configuration(key: "entente.heartbeatsSeconds")))
    #expect(changed("\"difficulty\": \"0x1\"", "\"difficulty\": \"0x2\"") == .rules(.headerConstant(.difficulty)))
    #expect(changed("\"baseFeePerGas\": \"0x0\"", "\"baseFeePerGas\": \"0x7\"") == .rules(.headerConstant(.baseFeePerGas)))
    #expect(changed("\"extraData\": \"0xf8", "\"extraData\": \"0xf9") == .rules(.genesisExtraDataMalformed))
    if case .rules(.configurationHashMismatch)? = changed("\"heartbeatSeconds\": 60", "\"heartbeatSeconds\": 61") {
    } else {
        Issue.record("a changed rule passed")
    }
    // The last validator in Consortium's slot is somebody else.
    let last = world.keys.last!.address, other = Address(last.bytes.dropLast() + [last.bytes.last! ^ 1])!
    if case .rules(.validatorsDisagree(let header, let slots))? = changed("\"\(last)\"", "\"\(other)\"") {
        #expect(header.last == last && slots.last == other)
    } else {
        Issue.record("another list passed")
    }
    #expect(throws: GenesisFileError.missingKey("timestamp")) { try GenesisFile(parsing: Bytes("{}".utf8)) }
}

@Test func aConstructorThatRevertsIsNamed() throws {
    #expect(throws: GenesisFileError.constructorFailed(contract: "Cash", outcome: .revert(output: []))) {
        try Genesis.deploy([.init(name: "Cash", address: Consortium.address, initcode: Hex.parse("5f5ffd")!)], timestamp: 1)
    }
}

@Test func theStateRootOfAPublishedGenesisIsFound() throws {
    guard let bytes = try unpack("rpc-compat.tar.xz", "rpc-compat/genesis.json"),
        let io = try unpack("rpc-compat.tar.xz", "rpc-compat/debug_getRawHeader/get-genesis.io")
    else { return }
    let alloc = try GenesisFile.alloc(try #require(try JSON(parsing: bytes)["alloc"]?.asObject))
    let answer = try #require(String(decoding: io, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("<< ") })
    let header = try #require(try JSON(parsing: String(answer.dropFirst(3)))["result"]?.asBytes)
    #expect(alloc.changes.count > 5)
    #expect(try GenesisFile.stateRoot(of: alloc) == Header(RLP.decode(header)).stateRoot)
}

@Test func rootsOfTransactionsAreThoseOfTheSharedChain() throws {
    guard let url = vectors("qbft-chain/chain.rlp") else { return }
    let bytes = try Bytes(Data(contentsOf: url))
    var at = 0, blocks = 0, withTransactions = 0
    while at < bytes.count {
        let (item, end) = try RLP.decodeFirst(bytes, from: at), block = try Block(item)
        #expect(Trie.indexedRoot(block.transactions.map(\.encoded)) == block.header.transactionsRoot)
        (at, blocks, withTransactions) = (end, blocks + 1, withTransactions + (block.transactions.isEmpty ? 0 : 1))
    }
    #expect(blocks >= 54 && withTransactions > 5)
}
