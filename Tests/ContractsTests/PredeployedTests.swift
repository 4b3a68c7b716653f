import Ciphers
import Contracts
import EVM
import Foundation
import Primitives
import Testing

private func golden() throws -> JSON {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try JSON(parsing: Bytes(Data(contentsOf: folder.appendingPathComponent("Vectors/predeployed.json"))))
}
private func word(_ text: String) -> Hash32 { Hash32(Bytes(text.utf8) + Bytes(repeating: 0, count: 32 - text.utf8.count))! }
/// Init code with arguments, as genesis runs it.
private func constructions(_ json: JSON) -> [(contract: Contract, code: Bytes)] {
    func list(_ value: (JSON) -> ABI.Value) -> ABI.Value { .array(json["founders"]!.asArray!.map(value)) }
    let arguments: [ABI.Value] = [
        list { .bytes32(word($0["name"]!.asString!)) }, list { .address($0["account"]!.asAddress!) },
        list { .address($0["nodeKey"]!.asAddress!) },
        list { .uint(UInt64($0["roles"]!.asInt!)) }, list { .string($0["contact"]!.asString!) },
        .array([.bytes32(word("inclusion")), .bytes32(word("gasTarget"))]), .array([1, 30_000_000]),
    ]
    return Contract.all.map { ($0, $0.initCode + ($0.name == "Consortium" ? ABI.encode(arguments) : [])) }
}

/// As genesis does it: the init code runs as the code of its own address.
private func construct(_ code: Bytes, at address: Address, over state: inout MemoryState) throws -> Bytes {
    state.set(address, nonce: 1, code: code)
    let block = BlockContext(number: 0, timestamp: 1_800_000_000, beneficiary: .zero, gasLimit: 1 << 40, chainId: 7, rules: .prague)
    let payload = TransactionPayload(chainId: 7, nonce: 0, gasLimit: 1 << 39, to: address, data: [])
    let (result, diff) = try execute(RecoveredTransaction(unsigned: payload, sender: .zero), in: block, over: state, mode: .call)
    guard case .success(let runtime) = result.outcome else { throw HaltReason.invalidInstruction }
    state.set(address, nonce: 1, code: runtime, storage: diff.changes[address]?.storage ?? [:])
    return runtime
}

@Test func genesisHoldsWhatAnIndependentMachineMakesOfTheConstructors() throws {
    let json = try golden()
    var state = MemoryState()
    for (contract, code) in constructions(json) {
        let runtime = try construct(code, at: contract.address, over: &state), expected = json["contracts"]![contract.name]!
        #expect(contract.address == expected["address"]!.asAddress)
        #expect(keccak256(runtime) == contract.runtimeHash, "\(contract.name)")
        let storage = expected["storage"]!.asObject!.map { (U256(hex: $0.key)!, $0.value.asU256!) }
        #expect(state.entries[contract.address]!.storage == Dictionary(uniqueKeysWithValues: storage), "\(contract.name)")
    }
    #expect(json["contracts"]!.asObject!.count == Contract.all.count)
    // The slots that consensus reads.
    let slots = state.entries[ContractAddress.consortium]!.storage
    let validators = json["founders"]!.asArray!.filter { $0["roles"]!.asInt! & 2 != 0 }.map { $0["nodeKey"]!.asAddress! }
    #expect(validators.count == 3 && slots[0] == 3 && slots[101] == 30_000_000)
    for (i, key) in validators.enumerated() { #expect(slots[U256(UInt64(1 + i))] == U256(key)) }
}

@Test func aFactIsOneWordThatBindsTheWholeJob() throws {
    let json = try golden()
    let accounts = json["founders"]!.asArray!.reduce(into: [String: Address]()) { $0[$1["name"]!.asString!] = $1["account"]!.asAddress! }
    let lines: [JobLine] = JobLine.Kind.allCases.prefix(4).enumerated().map { (n: Int, kind: JobLine.Kind) -> JobLine in
        let amount = U256(UInt64(1000 + n))
        return JobLine(payee: accounts["member-\(n)"]!, amount: amount, index: UInt8(n), kind: kind)
    }
    for line in lines { #expect(JobLine(line.word) == line) }
    let fact = JobFact(
        job: 7, state: .settled, attempt: 1, order: word("order"), session: word("session"), lines: lines, transcript: word("transcript"),
        output: word("output"),
        timestamp: 1_800_000_000)
    #expect(fact.hash == json["fact"]!.asHash)
    #expect(JobLine(U256(UInt64(6))) == nil)
    // H(0 ‖ job), by eth-utils.
    #expect(JobFact.slot(of: 7) == keccak256(Bytes(repeating: 0, count: 63) + [7]))
}

@Test(arguments: [1, 2, 3, 5, 8, 11])
func everyLeafOfARecordLeadsToItsRoot(_ count: Int) throws {
    let author = try golden()["founders"]![0]!["account"]!.asAddress!, schema = word("schema")
    let leaves = (0..<count).map { RecordTree.leaf(author: author, schema: schema, commitment: keccak256([UInt8($0)])) }
    let tree = RecordTree(leaves: leaves)
    for (i, leaf) in leaves.enumerated() {
        let path = tree.path(of: i)
        #expect(path.root(from: leaf) == tree.root)
        #expect(path.root(from: keccak256(leaf)) != tree.root)
        if count > 1 { #expect(path.root(from: tree.root) != tree.root) }
    }
    #expect(RecordTree.Path(sides: 0, nodes: Array(repeating: .zero, count: 33)).root(from: .zero) == nil)
}

@Test func leavesAndPathsAreThoseThatTheContractTakes() throws {
    let json = try golden()
    var state = MemoryState()
    for (contract, code) in constructions(json) where contract.name == "Records" {
        _ = try construct(code, at: contract.address, over: &state)
    }
    let author = json["founders"]!.asArray!.first { $0["name"] == "member-1" }!["account"]!.asAddress!, schema = word("schema")
    #expect(RecordTree.leaf(author: author, schema: schema, commitment: word("commitment")) == json["leaf"]!.asHash)

    let block = BlockContext(number: 1, timestamp: 1_800_000_001, beneficiary: .zero, gasLimit: 1 << 30, chainId: 7, rules: .prague)
    func send(_ function: String, _ arguments: [ABI.Value]) throws -> [ABI.Value] {
        let payload = TransactionPayload(
            chainId: 7, nonce: 0, gasLimit: 1 << 24, to: ContractAddress.records, data: Contract.records.abi.encodeCall(function, arguments)
        )
        let (result, diff) = try execute(RecoveredTransaction(unsigned: payload, sender: author), in: block, over: state, mode: .call)
        guard case .success(let output) = result.outcome else { throw HaltReason.invalidInstruction }
        state.apply(diff)
        return try Contract.records.abi.decodeResult(function, inputs: arguments.count, output)
    }
    let commitments = (0..<5).map { keccak256([UInt8($0)]) }
    let tree = RecordTree(leaves: commitments.map { RecordTree.leaf(author: author, schema: schema, commitment: $0) })
    let id = RecordTree.id(author: author, root: tree.root)
    #expect(try send("recordBatch", [.bytes32(tree.root), 5, .bytes32(schema), .array([]), .bytes32(.zero), ""]) == [.bytes32(id)])
    for (i, commitment) in commitments.enumerated() {
        let path = tree.path(of: i), nodes = ABI.Value.array(path.nodes.map { .bytes32($0) })
        func verify(_ commitment: Hash32) throws -> [ABI.Value] {
            try send("verify", [.address(author), .bytes32(schema), .bytes32(commitment), .uint(UInt64(path.sides)), nodes])
        }
        #expect(try verify(commitment) == [.bool(true), .bytes32(id)])
        #expect(try verify(keccak256(commitment))[0] == .bool(false))
    }
}
