import Ciphers
import EVM
import Primitives
import Testing

/// The law of the journal: a call that reverts leaves nothing behind but the gas it used.
@Test(arguments: 0..<400 as Range<UInt64>) func aRevertedCallLeavesNoTrace(seed: UInt64) throws {
    let sender = Address(hex: "0x1000000000000000000000000000000000000001")!,
        inner = Address(hex: "0x00000000000000000000000000000000000c0de1")!
    let outer = Address(hex: "0x00000000000000000000000000000000000c0de0")!
    let block = BlockContext(
        number: 7, timestamp: 1000, beneficiary: .zero, gasLimit: 1 << 40, chainId: 1,
        rules: Rules(fork: seed % 3 == 0 ? .istanbul : .prague))
    var random = Program(state: seed)
    let before = random.body(calls: [inner]), middle = random.body(calls: []), after = random.body(calls: [])
    func world(_ code: Bytes) -> MemoryState {
        var state = MemoryState()
        state.set(sender, balance: 1000)
        state.set(outer, nonce: 1, balance: 100, code: before + Program.call(inner, value: 1) + after, storage: [0: 1, 1: 2])
        state.set(inner, nonce: 1, balance: 100, code: code, storage: [0: 3, 2: 4])
        return state
    }
    let payload = TransactionPayload(kind: .legacy, chainId: 1, nonce: 0, gasLimit: 1 << 32, to: outer)
    let transaction = RecoveredTransaction(unsigned: payload, sender: sender)
    let revert: Bytes = [0x60, 0, 0x60, 0, 0xfd]
    let (full, diff) = try execute(transaction, in: block, over: world(middle + revert))
    let (bare, expected) = try execute(transaction, in: block, over: world(revert))
    #expect(diff == expected && full.logs == bare.logs && full.outcome == bare.outcome, "seed \(seed)")
}

/// Random straight-line programs of everything that changes state.
private struct Program {
    var state: UInt64
    mutating func next(_ bound: UInt64) -> UInt8 {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        return UInt8((state >> 33) % bound)
    }
    static func call(_ address: Address, value: UInt8) -> Bytes {
        [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, value, 0x73] + address.bytes + [0x5a, 0xf1, 0x50]
    }

    mutating func body(calls: [Address]) -> Bytes {
        var code: Bytes = []
        for _ in 0..<(4 + next(8)) {
            switch next(7) {
            case 0, 1: code += [0x60, next(3), 0x60, next(4), 0x55]  // SSTORE
            case 2: code += [0x60, next(4), 0x54, 0x60, next(4), 0x55]  // SLOAD, SSTORE
            case 3: code += [0x60, next(9), 0x60, next(32), 0x60, 0, 0xa1]  // LOG1
            case 4: code += Self.call(Address(U256(UInt64(0xdead00 + UInt64(next(3))))), value: next(2))  // value to a new account
            case 5:
                code += [
                    0x67, 0x60, 0x01, 0x60, 0x00, 0x55, 0x33, 0xff, 0x00, 0x60, 0x00, 0x52, 0x60, 8, 0x60, 24, 0x60, next(2), 0xf0, 0x50,
                ]  // CREATE of one that destroys itself
            default: for address in calls.prefix(Int(next(2))) { code += Self.call(address, value: 0) }
            }
        }
        return code
    }
}
