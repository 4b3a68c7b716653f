import Ciphers
import EVM
import Primitives
import Testing

private let sender = Address(hex: "0x1000000000000000000000000000000000000001")!
private let contract = Address(hex: "0x00000000000000000000000000000000000c0de0")!
private let other = Address(hex: "0x00000000000000000000000000000000000c0de1")!
private let beneficiary = Address(hex: "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba")!
private let block = BlockContext(number: 7, timestamp: 1000, beneficiary: beneficiary, gasLimit: 1 << 50, chainId: 1, rules: .prague)

private func world(_ code: Bytes, _ second: Bytes = [], storage: [U256: U256] = [:]) -> MemoryState {
    var state = MemoryState()
    state.set(sender, balance: 1_000_000)
    state.set(contract, nonce: 1, balance: 100, code: code, storage: storage)
    if !second.isEmpty { state.set(other, nonce: 1, balance: 50, code: second) }
    return state
}
private func call(
    _ to: Address? = contract, gas: UInt64 = 1_000_000, nonce: UInt64 = 0, value: U256 = 0, data: Bytes = []
) -> RecoveredTransaction {
    RecoveredTransaction(
        unsigned: TransactionPayload(chainId: 1, nonce: nonce, gasLimit: gas, to: to, value: value, data: data), sender: sender)
}
/// PUSH1 for each number.
private func push(_ numbers: UInt8...) -> Bytes { numbers.flatMap { [0x60, $0] } }
/// CALL of `address` with all gas and no data.
private func callCode(_ address: Address, value: UInt8 = 0) -> Bytes { push(0, 0, 0, 0, value) + [0x73] + address.bytes + [0x5a, 0xf1] }
private func store(_ value: UInt8, at slot: UInt8) -> Bytes { push(value, slot) + [0x55] }

@Test func aThousandNestedCallsUseNoNativeStack() throws {
    // Counts in slot 0, then calls itself with all gas: frames at depths 0 to 1,024.
    let code: Bytes = push(1, 0) + [0x54, 0x01] + push(0) + [0x55] + push(0, 0, 0, 0, 0) + [0x30, 0x5a, 0xf1]
    let (result, diff) = try execute(call(gas: 1 << 42), in: block, over: world(code))
    #expect(result.isSuccess)
    #expect(diff.changes[contract]?.storage == [0: 1025])
}

@Test func zeroFeesTouchNobody() throws {
    let (result, diff) = try execute(call(value: 5), in: block, over: world([0x00]))
    #expect(result.gasUsed == 21000)
    #expect(Set(diff.changes.keys) == [sender, contract])
}

@Test func feesReachTheBeneficiaryAndTheBaseFeeIsBurnt() throws {
    var context = block
    context.baseFeePerGas = 3
    let payload = TransactionPayload(chainId: 1, nonce: 0, maxPriorityFeePerGas: 2, maxFeePerGas: 10, gasLimit: 30000, to: contract)
    let (_, diff) = try execute(RecoveredTransaction(unsigned: payload, sender: sender), in: context, over: world([0x00]))
    #expect(diff.changes[beneficiary]?.account?.balance == 42000)
    #expect(diff.changes[sender]?.account?.balance == 895_000)
}

@Test func heavyDataPaysTheFloorWhereExecutionIsCheap() throws {
    let data = Bytes(repeating: 1, count: 1000)
    let (result, _) = try execute(call(data: data), in: block, over: world([0x00]))
    #expect(result.gasUsed == 21000 + 10 * 4 * 1000)  // EIP-7623, not 21000 + 16 · 1000
    #expect(throws: ExecutionError.invalid(.gasLimitTooLow(needed: 61000, found: 60999))) {
        try execute(call(gas: 60999, data: data), in: block, over: world([0x00]))
    }
}

@Test func refundsStopAtAFifth() throws {
    let code = store(0, at: 0) + store(0, at: 1) + store(0, at: 2)
    let (result, diff) = try execute(call(), in: block, over: world(code, storage: [0: 1, 1: 1, 2: 1]))
    let spent: UInt64 = 21000 + 3 * (2 * 3 + 5000)
    #expect(result.gasRefunded == spent / 5 && result.gasUsed == spent - spent / 5)
    #expect(diff.changes[contract]?.storage == [0: 0, 1: 0, 2: 0])
}

@Test func storingNeedsMoreThanTheStipend() throws {
    // The first store is dear, the second costs 100 but wants 2,301 to be left (EIP-2200).
    let before: UInt64 = 21000 + 6 + 22100 + 6, code = store(1, at: 0) + store(1, at: 0)
    #expect(try execute(call(gas: before + 2301), in: block, over: world(code)).0.isSuccess)
    #expect(try execute(call(gas: before + 2300), in: block, over: world(code)).0.outcome == .halt(.outOfGas))
}

@Test func aHaltTakesAllGasAndNoChange() throws {
    let faults: [(Bytes, HaltReason)] = [
        ([0xfe], .invalidInstruction), ([0x0c], .undefinedInstruction), ([0x50], .stackUnderflow), (push(3) + [0x56], .invalidJump),
        ([0x5b, 0x5f, 0x60, 5, 0x56], .stackOverflow), (push(1, 0, 0) + [0x3e], .returnDataOutOfBounds),
        ([0x5b] + push(5) + [0x56], .outOfGas),
    ]
    for (code, reason) in faults {
        let (result, diff) = try execute(call(gas: 200_000), in: block, over: world(store(1, at: 0) + code))
        #expect(result.outcome == .halt(reason) && result.gasUsed == 200_000)
        #expect(Set(diff.changes.keys) == [sender])
    }
}

@Test func unusableTransactionsAreRefusedWithTheirReason() {
    let state = world([0x00])
    func refusal(_ payload: TransactionPayload, _ rules: Rules = .prague) -> ExecutionError? {
        var context = block
        (context.rules, context.gasLimit, context.baseFeePerGas) = (rules, 1_000_000, 1)
        do throws(ExecutionError) {
            _ = try execute(RecoveredTransaction(unsigned: payload, sender: sender), in: context, over: state)
            return nil
        } catch { return error }
    }
    let good = TransactionPayload(chainId: 1, nonce: 0, maxFeePerGas: 1, gasLimit: 21000, to: contract)
    #expect(refusal(good) == nil)
    func changed(_ change: (inout TransactionPayload) -> Void) -> TransactionPayload {
        var payload = good
        change(&payload)
        return payload
    }
    #expect(refusal(changed { $0.nonce = 1 }) == .invalid(.nonceTooHigh(expected: 0, found: 1)))
    #expect(refusal(changed { $0.chainId = 2 }) == .invalid(.chainIdMismatch(expected: 1, found: 2)))
    #expect(refusal(changed { $0.gasLimit = 20999 }) == .invalid(.gasLimitTooLow(needed: 21000, found: 20999)))
    #expect(refusal(changed { $0.gasLimit = 1_000_001 }) == .invalid(.gasLimitAboveBlock(limit: 1_000_000, found: 1_000_001)))
    #expect(refusal(changed { $0.maxFeePerGas = 0 }) == .invalid(.feeBelowBaseFee(baseFee: 1, found: 0)))
    #expect(refusal(changed { $0.maxPriorityFeePerGas = 2 }) == .invalid(.tipAboveFee(fee: 1, tip: 2)))
    #expect(refusal(changed { $0.value = 979_001 }) == .invalid(.insufficientBalance(needed: 1_000_001, found: 1_000_000)))
    #expect(refusal(changed { $0.maxFeePerGas = .max }) == .invalid(.insufficientBalance(needed: nil, found: 1_000_000)))
    #expect(refusal(changed { $0.kind = .blob }, .alliance) == .invalid(.typeNotSupported(3)))
    #expect(refusal(changed { ($0.kind, $0.chainId) = (.legacy, nil) }) == nil)
    #expect(refusal(changed { ($0.kind, $0.chainId) = (.legacy, nil) }, .alliance) == .invalid(.replayable))
    #expect(refusal(changed { $0.kind = .setCode }) == .invalid(.authorizationsAbsent))
}

@Test func aStateThatCannotBeReadGivesNoVerdict() throws {
    struct Torn: StateReader {
        let whole: MemoryState
        func account(_ address: Address) throws(StateUnavailable) -> Account? { try whole.account(address) }
        func storage(_ address: Address, _ slot: U256) throws(StateUnavailable) -> U256 { throw .missingNode(.zero) }
        func code(_ hash: Hash32) throws(StateUnavailable) -> Bytes { try whole.code(hash) }
    }
    // Read two frames deep, so that frames are under way when the reading fails.
    let state = Torn(whole: world(callCode(other), push(0) + [0x54]))
    #expect(throws: ExecutionError.unavailable(.missingNode(.zero))) { try execute(call(), in: block, over: state) }
    #expect(try execute(call(), in: block, over: state.whole).0.isSuccess)
}

@Test func theEstimateIsTheLeastGasThatSucceeds() throws {
    let programs = [[0x00], store(1, at: 0), store(0, at: 1), callCode(other) + [0x15] + push(200) + [0x57]]
    for program in programs {
        let state = world(program, store(1, at: 9), storage: [1: 1])
        var payload = call().payload
        let (limit, _) = try estimateGas(payload, from: sender, in: block, over: state)
        payload.gasLimit = try #require(limit)
        #expect(try execute(RecoveredTransaction(unsigned: payload, sender: sender), in: block, over: state).0.isSuccess)
        payload.gasLimit -= 1
        let less = try? execute(RecoveredTransaction(unsigned: payload, sender: sender), in: block, over: state)
        #expect(less?.0.isSuccess != true)
    }
    // Who does not look whether the inner call succeeded still gets gas for it.
    let careless = world(callCode(other), store(1, at: 9)), full = try execute(call(), in: block, over: careless).0
    #expect(try estimateGas(call().payload, from: sender, in: block, over: careless).gasLimit! >= full.gasUsed)
    let (limit, result) = try estimateGas(call().payload, from: sender, in: block, over: world(push(0, 0) + [0xfd]))
    #expect(limit == nil && result.outcome == .revert(output: []))
}

@Test func aCallNeedsNeitherNonceNorFee() throws {
    let answer: Bytes = push(42, 0) + [0x52] + push(32, 0) + [0xf3]
    let payload = TransactionPayload(chainId: 1, nonce: 99, maxFeePerGas: 7, gasLimit: 100_000, to: contract)
    let (result, _) = try execute(RecoveredTransaction(unsigned: payload, sender: other), in: block, over: world(answer), mode: .call)
    #expect(U256(bigEndian: result.output) == 42)
}

@Test func theHistoryContractKeepsTheParentHash() throws {
    let code = Hex.parse(
        "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
    )!
    var state = MemoryState()
    let parent = keccak256(Bytes("parent".utf8))
    let (nothing, unchanged) = try systemCall(SystemCall.blockHashes, data: parent.bytes, in: block, over: state)
    #expect(nothing.isSuccess && unchanged == StateDiff())
    state.set(SystemCall.blockHashes, nonce: 1, code: code)
    let (result, diff) = try systemCall(SystemCall.blockHashes, data: parent.bytes, in: block, over: state)
    #expect(result.isSuccess)
    #expect(
        diff
            == StateDiff(changes: [
                SystemCall.blockHashes: .init(account: try state.account(SystemCall.blockHashes), storage: [6: U256(parent)])
            ]))
}

@Test func transactionsOverAnOverlayAddUpToTheSameState() throws {
    // Creates a contract, calls it twice, and lets the third transaction create and destroy one.
    let runtime = push(0) + [0x54] + push(1) + [0x01] + push(0) + [0x55]
    let initcode = [0x60, UInt8(runtime.count), 0x60, 12, 0x60, 0, 0x39, 0x60, UInt8(runtime.count), 0x60, 0, 0xf3] + runtime
    let base = world([0x00])
    var overlay = OverlayState(base: base), stepwise = base
    let (created, _) = try execute(call(nil, data: initcode), in: block, over: base)
    let place = try #require(created.createdAddress)
    let transactions = [
        call(nil, data: initcode), call(place, nonce: 1), call(place, nonce: 2, value: 3), call(nil, nonce: 3, data: [0x33, 0xff]),
    ]
    for transaction in transactions {
        let (result, diff) = try execute(transaction, in: block, over: overlay)
        #expect(try execute(transaction, in: block, over: stepwise) == (result, diff))
        overlay.merge(diff)
        stepwise.apply(diff)
    }
    var atOnce = base
    atOnce.apply(overlay.diff)
    #expect(atOnce == stepwise)
    #expect(try overlay.storage(place, 0) == 2 && overlay.account(place)?.balance == 3)
    #expect(overlay.diff.changes[place]?.code == runtime)
}
