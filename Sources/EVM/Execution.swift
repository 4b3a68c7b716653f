import Ciphers
import Primitives

/// What code may ask of the block it runs in.
public struct BlockContext: Sendable {
    public var number: UInt64
    public var timestamp: UInt64
    public var beneficiary: Address
    public var gasLimit: UInt64
    public var baseFeePerGas: U256
    /// mixHash of the header; before Paris the difficulty as a word.
    public var prevRandao: Hash32
    public var chainId: U256
    public var blobBaseFee: U256
    /// Hash of one of the 256 blocks before this one; asked only for those.
    public var blockHash: @Sendable (UInt64) -> Hash32?
    public var rules: Rules

    public init(
        number: UInt64, timestamp: UInt64, beneficiary: Address, gasLimit: UInt64, baseFeePerGas: U256 = .zero, prevRandao: Hash32 = .zero,
        chainId: U256, blobBaseFee: U256 = .one, rules: Rules, blockHash: @escaping @Sendable (UInt64) -> Hash32? = { _ in nil }
    ) {
        self.number = number
        self.timestamp = timestamp
        self.beneficiary = beneficiary
        self.gasLimit = gasLimit
        self.baseFeePerGas = baseFeePerGas
        self.prevRandao = prevRandao
        self.chainId = chainId
        self.blobBaseFee = blobBaseFee
        self.blockHash = blockHash
        self.rules = rules
    }
}

/// Why the machine gave up. All gas of the frame is gone, its changes are taken back.
public enum HaltReason: UInt8, Error, Sendable, CaseIterable {
    case outOfGas = 2, stackUnderflow, stackOverflow, invalidJump
    /// The fork has no such opcode.
    case undefinedInstruction
    /// 0xfe.
    case invalidInstruction
    /// A change of state inside STATICCALL.
    case writeProtection
    case returnDataOutOfBounds
    /// A contract, or an account that was used, is at the address of the new one already.
    case addressCollision
    case codeSizeAboveLimit, initcodeSizeAboveLimit
    /// EIP-3541: new code begins with 0xEF.
    case codePrefix
    /// The precompiled contract refused its input.
    case precompileFailed
}

public struct ExecutionResult: Sendable, Equatable {
    public enum Outcome: Sendable, Equatable {
        /// Of a creation, `output` is the new code.
        case success(output: Bytes)
        case revert(output: Bytes)
        case halt(HaltReason)
    }
    public var outcome: Outcome
    /// What the sender pays for and the block counts: after refunds and the floor of EIP-7623.
    public var gasUsed: UInt64
    public var gasRefunded: UInt64
    /// Empty unless successful.
    public var logs: [Log]
    public var createdAddress: Address?

    public var isSuccess: Bool { if case .success = outcome { true } else { false } }
    public var output: Bytes {
        switch outcome {
        case .success(let output), .revert(let output): output
        case .halt: []
        }
    }
}

/// The transaction may not be in a block on this state; its author is at fault. It changes nothing.
public enum TransactionError: Error, Equatable, Sendable {
    case typeNotSupported(UInt8)
    case chainIdMismatch(expected: U256, found: U256)
    /// A legacy transaction without EIP-155, where the network refuses it.
    case replayable
    case nonceTooLow(expected: UInt64, found: UInt64)
    case nonceTooHigh(expected: UInt64, found: UInt64)
    case nonceExhausted
    case gasLimitAboveBlock(limit: UInt64, found: UInt64)
    case gasLimitAboveMaximum(limit: UInt64, found: UInt64)
    /// Below the intrinsic gas, or below the floor of EIP-7623.
    case gasLimitTooLow(needed: UInt64, found: UInt64)
    case feeBelowBaseFee(baseFee: U256, found: U256)
    case tipAboveFee(fee: U256, tip: U256)
    case insufficientBalance(needed: U256?, found: U256)
    case senderHasCode
    case initcodeTooLarge(limit: Int, found: Int)
    case blobsAbsent
    case tooManyBlobs(limit: Int, found: Int)
    case blobHashVersion(UInt8)
    case blobFeeTooLow(blobBaseFee: U256, found: U256)
    case authorizationsAbsent
    /// Types 3 and 4 cannot create.
    case recipientAbsent
}

public enum ExecutionError: Error, Equatable, Sendable {
    /// The sender is at fault: leave the transaction out.
    case invalid(TransactionError)
    /// We are: no verdict.
    case unavailable(StateUnavailable)
}

/// What is left away when nobody signed: `eth_call` and gas estimates.
public enum ExecutionMode: Sendable {
    /// A transaction of a block: every rule.
    case transaction
    /// `eth_call`, `eth_estimateGas`: nonce, fees against the base fee and the code of the sender are not looked at. Nothing is
    /// paid for gas; `value` must be there.
    case call
}

/// Runs one transaction on a state and says what it would change. Pure: the same input gives the same output everywhere.
///
/// - Returns: result and difference. A failed transaction has both too: it pays.
/// - Cost: the state is asked once for each account, slot and unseen code.
public func execute<R: StateReader>(
    _ tx: RecoveredTransaction, in block: BlockContext, over state: borrowing R,
    mode: ExecutionMode = .transaction
) throws(ExecutionError) -> (ExecutionResult, StateDiff) {
    try execute(tx, in: block, over: copy state as any StateReader, mode: mode)
}

/// Least gas limit with which the call succeeds, by bisection between what it uses when it has all gas and `block.gasLimit`: below
/// the former some inner call would fail, though the outer one might not mind.
///
/// - Returns: the limit and the result with it; nil limit: it fails even with all the gas, as the result says.
/// - Cost: about 20 executions.
public func estimateGas<R: StateReader>(
    _ payload: TransactionPayload, from sender: Address, in block: BlockContext,
    over state: borrowing R
) throws(ExecutionError) -> (gasLimit: UInt64?, ExecutionResult) {
    var payload = payload
    let state = copy state as any StateReader
    func run(_ gasLimit: UInt64) throws(ExecutionError) -> ExecutionResult? {
        payload.gasLimit = gasLimit
        do throws(ExecutionError) {
            return try execute(RecoveredTransaction(unsigned: payload, sender: sender), in: block, over: state, mode: .call).0
        } catch {
            if case .invalid(.gasLimitTooLow) = error { return nil }
            throw error
        }
    }
    let most = min(block.gasLimit, block.rules.maximumTransactionGas)
    guard var best = try run(most) else { throw .invalid(.gasLimitTooLow(needed: most, found: most)) }
    if !best.isSuccess { return (nil, best) }
    var low = best.gasUsed - 1, high = most
    while low + 1 < high {
        // The first guess is usually right: what was used and refunded, and the 64th that a last call leaves behind.
        let guess = high == most ? min(most - 1, max(low + 1, (best.gasUsed + best.gasRefunded) * 64 / 63 + 2300)) : low + (high - low) / 2
        if let result = try run(guess), result.isSuccess { (high, best) = (guess, result) } else { low = guess }
    }
    return (high, best)
}

/// A call that the protocol makes before or after the transactions of a block (EIP-2935, 4788): from 0xff…fe, with 30 million
/// gas that no block counts and nobody pays. Without code at `target` nothing happens.
public func systemCall<R: StateReader>(
    _ target: Address, data: Bytes, in block: BlockContext,
    over state: borrowing R
) throws(StateUnavailable) -> (ExecutionResult, StateDiff) {
    var machine = Machine(block: block, reader: copy state as any StateReader, sender: SystemCall.sender, gasPrice: .zero, blobHashes: [])
    defer { machine.release() }
    return try machine.runSystemCall(target, data)
}

public enum SystemCall {
    public static let sender = Address(hex: "0xfffffffffffffffffffffffffffffffffffffffe")!
    public static let gasLimit: UInt64 = 30_000_000
    /// EIP-2935: keeps the hashes of the last 8,191 blocks. Its input is the parent's hash.
    public static let blockHashes = Address(hex: "0x0000f90827f1c53a10cb7a02335b175320002935")!
}
