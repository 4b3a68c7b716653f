import Ciphers
import Foundation
import Primitives
import Testing
import Trie

/// `ENTENTE_VECTORS`, else `../shared/vectors` beside the checkout; nil where neither exists.
func vectorDirectory(_ file: String = #filePath) -> URL? {
    if let path = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"] { return URL(fileURLWithPath: path) }
    var folder = URL(fileURLWithPath: file).deletingLastPathComponent()
    while folder.path != "/" {
        let candidate = folder.appendingPathComponent("shared/vectors")
        if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        folder.deleteLastPathComponent()
    }
    return nil
}

/// The named files of an archive, unpacked by tar into memory.
func unpack(_ archive: String, _ member: String) throws -> Bytes? {
    guard let folder = vectorDirectory() else {
        print("SKIPPED: no vectors beside the checkout and ENTENTE_VECTORS unset: \(archive) \(member)")
        return nil
    }
    let tar = Process(), pipe = Pipe()
    tar.executableURL = URL(fileURLWithPath: "/bin/tar")
    tar.arguments = ["xJOf", folder.appendingPathComponent(archive).path, member]
    tar.standardOutput = pipe
    try tar.run()
    let bytes = Bytes(pipe.fileHandleForReading.readDataToEndOfFile())
    tar.waitUntilExit()
    #expect(tar.terminationStatus == 0, "\(member) is not in \(archive)")
    return bytes
}

private func text(_ json: JSON) -> Bytes {
    guard let string = json.asString else { return [] }
    return string.hasPrefix("0x") ? Hex.parse(string)! : Bytes(string.utf8)
}

struct Sequence64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        var x = state ^ state >> 33
        x = x &* 0xff51afd7ed558ccd
        return x ^ x >> 33
    }
}

@Test(arguments: ["trietest", "trieanyorder", "trietest_secureTrie", "trieanyorder_secureTrie", "hex_encoded_securetrie_test"])
func publicVectorsGiveTheirRoot(_ name: String) throws {
    guard let bytes = try unpack("ethereum-tests-small.tar.xz", "TrieTests/\(name).json") else { return }
    let cases = try #require(try JSON(parsing: bytes).asObject)
    #expect(cases.count >= 3)
    for (label, test) in cases {
        var trie = Trie(), table = NodeTable()
        let pairs: [(Bytes, Bytes)] =
            test["in"]!.asArray?.map { (text($0[0]!), text($0[1]!)) }
            ?? test["in"]!.asObject!.map { (text(.string($0.key)), text($0.value)) }
        for (index, (key, value)) in pairs.enumerated() {
            try trie.set(name.lowercased().contains("secure") ? keccak256(key).bytes : key, to: value, from: table)
            // Half way the trie is dropped and read back from its nodes: the same root must come out.
            if index % 2 == 1 { trie = Trie(root: trie.commit(into: &table)) }
        }
        #expect(trie.commit(into: &table) == test["root"]!.asHash, "\(name) \(label)")
    }
}

/// A map, the trie built from it at once, and the trie that lived through all updates agree, whatever the order.
@Test(arguments: [1, 2, 3, 4] as [UInt64])
func historyDoesNotShowInTheRoot(_ seed: UInt64) throws {
    var random = Sequence64(state: seed), map: [Bytes: Bytes] = [:], table = NodeTable(), root = Header.emptyRoot
    for _ in 0..<60 {
        var trie = Trie(root: root)
        for _ in 0..<20 {
            // Short keys of few digits: prefixes of each other, shared paths, inline nodes.
            let length = 1 + Int(random.next() % 4)
            let key = (0..<length).map { _ in [UInt8(0), 1, 0x10, 0x11, 0xff][Int(random.next() % 5)] }
            let value =
                random.next() % 3 == 0
                ? [] : Bytes(repeating: UInt8(truncatingIfNeeded: random.next() | 1), count: 1 + Int(random.next() % 40))
            try trie.set(key, to: value, from: table)
            map[key] = value.isEmpty ? nil : value
        }
        root = trie.commit(into: &table)
        var fresh = Trie(), scratch = NodeTable()
        for (key, value) in map { try fresh.set(key, to: value, from: scratch) }
        #expect(fresh.commit(into: &scratch) == root)
        for (key, value) in map {
            var reader = Trie(root: root)
            #expect(try reader.get(key, from: table) == value)
            let proof = try Trie.prove(key, root: root, from: table)
            #expect(try Proof.verify(proof, root: root, key: key) == value)
        }
        let absent: Bytes = [0x77, UInt8(truncatingIfNeeded: random.next())]
        #expect(try Proof.verify(try Trie.prove(absent, root: root, from: table), root: root, key: absent) == nil)
    }
    var trie = Trie(root: root)
    for key in map.keys { try trie.set(key, to: [], from: table) }
    #expect(trie.commit(into: &table) == Header.emptyRoot)
}

@Test func aProofWithAnyByteChangedProvesNothing() throws {
    var trie = Trie(), table = NodeTable()
    for index in 0..<300 {
        try trie.set(keccak256(Trie.indexKey(index)).bytes, to: Bytes(repeating: UInt8(index & 0xff | 1), count: 40), from: table)
    }
    let root = trie.commit(into: &table), key = keccak256(Trie.indexKey(7)).bytes
    let proof = try Trie.prove(key, root: root, from: table)
    #expect(proof.count >= 3)
    for node in proof.indices {
        for at in proof[node].indices {
            var forged = proof
            forged[node][at] ^= 1 << UInt8(at % 8)
            #expect(throws: ProofError.self) { try Proof.verify(forged, root: root, key: key) }
        }
        var short = proof
        let gone = short.remove(at: node)
        #expect(throws: ProofError.incomplete(keccak256(gone))) { try Proof.verify(short, root: root, key: key) }
    }
    #expect(throws: ProofError.surplus(nodes: 1)) { try Proof.verify(proof + [[0xc0]], root: root, key: key) }
    #expect(throws: ProofError.surplus(nodes: 1)) { try Proof.verify([[0xc0]], root: Header.emptyRoot, key: key) }
}

/// Bytes that hash to the root and are no node: the attacker chooses the root as well.
@Test(arguments: [
    "c0", "8180", "c20080", "c22080", "c3808001", "c2407f", "c3820012", "e1a0" + String(repeating: "00", count: 32),
    "d180808080808080808080808080808080c0", "f800", "c481000180", "d0" + String(repeating: "80", count: 16),
    "d2" + String(repeating: "80", count: 18),
])
func nodesOfForeignFormAreRefused(_ hex: String) throws {
    let node = Hex.parse(hex)!, root = keccak256(node)
    #expect(throws: ProofError.malformedNode(root)) { try Proof.verify([node], root: root, key: [0x12, 0x34]) }
}

@Test func anAccountAndItsSlotsProveThemselves() throws {
    var storage = Trie(), state = Trie(), table = NodeTable()
    for slot in 1...50 { try storage.set(keccak256(U256(slot).hash).bytes, to: [UInt8(slot)], from: table) }
    let address = Address(Bytes(repeating: 9, count: 20))!, other = Address(Bytes(repeating: 8, count: 20))!
    let account = TrieAccount(nonce: 1, balance: 5, storageRoot: storage.commit(into: &table), codeHash: keccak256([1]))
    try state.set(keccak256(address).bytes, to: account.encoded, from: table)
    let root = state.commit(into: &table)
    let proof = try Trie.prove(keccak256(address).bytes, root: root, from: table)
    #expect(try TrieAccount.verify(proof, stateRoot: root, address: address) == account)
    #expect(try TrieAccount.verify(proof, stateRoot: root, address: other) == nil)
    for slot in [U256(3), U256(51)] {
        let path = try Trie.prove(keccak256(slot.hash).bytes, root: account.storageRoot, from: table)
        #expect(try account.verifySlot(slot, path) == (slot == 3 ? 3 : 0))
    }
}

@Test func listRootsAreThoseOfThePublishedChain() throws {
    // Transactions of a block of the shared QBFT chain are checked in ChainTests; here the two published constants.
    #expect(Trie.indexedRoot([]) == Header.emptyRoot)
    var table = NodeTable()
    let items = (0..<200).map { Bytes(repeating: UInt8($0), count: 33) }, root = Trie.indexedRoot(items, into: &table)
    for index in [0, 1, 127, 128, 199] {
        #expect(
            try Proof.verify(try Trie.prove(Trie.indexKey(index), root: root, from: table), root: root, key: Trie.indexKey(index))
                == items[index])
    }
}
