import Ciphers
import Primitives

// Around the machine: what a transaction must fulfil, and what it pays before and after (yellow paper §6 and the EIPs named).

func execute(
    _ tx: RecoveredTransaction, in block: BlockContext, over state: any StateReader,
    mode: ExecutionMode
) throws(ExecutionError) -> (ExecutionResult, StateDiff) {
    let payload = tx.payload, rules = block.rules, isCall = mode == .call
    let intrinsic: IntrinsicGas
    do throws(TransactionError) { intrinsic = try validate(payload, in: block, isCall: isCall) } catch { throw .invalid(error) }
    let price = isCall ? .zero : effectiveGasPrice(payload, in: block)
    var machine = Machine(block: block, reader: state, sender: tx.sender, gasPrice: price, blobHashes: payload.blobHashes)
    defer { machine.release() }
    let fault: TransactionError
    do throws(StateUnavailable) {
        let sender = try machine.journal.account(U256(tx.sender))
        if let problem = try senderFault(payload, sender, &machine.journal, rules, isCall: isCall) {
            fault = problem
        } else {
            let blobFee = isCall ? .zero : block.blobBaseFee &* U256(BlobGas.perBlob * UInt64(payload.blobHashes.count))
            try machine.begin(payload, sender, prepaid: price &* U256(payload.gasLimit) &+ blobFee)
            let gas = try machine.runTransaction(payload, sender, gas: Int64(payload.gasLimit - intrinsic.gas))
            return try machine.settle(payload, sender, intrinsic, gasLeft: gas, price: price)
        }
    } catch { throw .unavailable(error) }
    throw .invalid(fault)
}

/// What a transaction costs before its first opcode, and what it pays at least.
public struct IntrinsicGas: Sendable, Equatable {
    public var gas: UInt64
    /// EIP-7623: used gas is never below; 0 where the fork has no floor.
    public var floor: UInt64

    public init(_ payload: TransactionPayload, rules: Rules) {
        let zeros = UInt64(payload.data.count { $0 == 0 }), nonZeros = UInt64(payload.data.count) - zeros
        gas = 21000 + 4 * zeros + rules.nonZeroDataByteGas * nonZeros
        if payload.to == nil { gas += rules.creationGas + rules.initcodeWordGas * UInt64((payload.data.count + 31) / 32) }
        for entry in payload.accessList { gas += 2400 + 1900 * UInt64(entry.storageKeys.count) }
        gas += 25000 * UInt64(payload.authorizations.count)
        floor = rules.floorTokenGas == 0 ? 0 : 21000 + rules.floorTokenGas * (zeros + 4 * nonZeros)
    }
}

/// EIP-4844's second market. Our own networks have no blobs; vectors do.
public enum BlobGas {
    public static let perBlob: UInt64 = 1 << 17

    /// `fake_exponential(1, excess, update fraction)` of EIP-4844.
    public static func baseFee(excess: UInt64, rules: Rules) -> U256 {
        guard rules.blobFeeUpdateFraction > 0 else { return .one }
        let fraction = U256(rules.blobFeeUpdateFraction)
        var index: UInt64 = 1, output = U256.zero, term = fraction
        while !term.isZero {
            output = output &+ term
            term = term &* U256(excess) / (fraction &* U256(index))
            index += 1
        }
        return output / fraction
    }
}

func effectiveGasPrice(_ payload: TransactionPayload, in block: BlockContext) -> U256 {
    guard block.rules.hasBaseFee else { return payload.maxFeePerGas }
    let (offer, overflow) = block.baseFeePerGas.addingReportingOverflow(payload.maxPriorityFeePerGas)
    return overflow ? payload.maxFeePerGas : min(payload.maxFeePerGas, offer)
}

/// What needs no state.
private func validate(_ payload: TransactionPayload, in block: BlockContext, isCall: Bool) throws(TransactionError) -> IntrinsicGas {
    let rules = block.rules
    guard payload.kind.rawValue <= rules.latestKind, payload.kind != .blob || rules.acceptsBlobTransactions else {
        throw .typeNotSupported(payload.kind.rawValue)
    }
    if let id = payload.chainId, id != block.chainId { throw .chainIdMismatch(expected: block.chainId, found: id) }
    if payload.chainId == nil, rules.requiresReplayProtection, !isCall { throw .replayable }
    if payload.nonce == .max { throw .nonceExhausted }
    if !isCall, rules.hasBaseFee {
        guard payload.maxPriorityFeePerGas <= payload.maxFeePerGas else {
            throw .tipAboveFee(fee: payload.maxFeePerGas, tip: payload.maxPriorityFeePerGas)
        }
        guard payload.maxFeePerGas >= block.baseFeePerGas else {
            throw .feeBelowBaseFee(baseFee: block.baseFeePerGas, found: payload.maxFeePerGas)
        }
    }
    let limit = isCall ? UInt64(Int64.max) : min(block.gasLimit, UInt64(Int64.max))
    guard payload.gasLimit <= limit else { throw .gasLimitAboveBlock(limit: limit, found: payload.gasLimit) }
    guard payload.gasLimit <= rules.maximumTransactionGas else {
        throw .gasLimitAboveMaximum(limit: rules.maximumTransactionGas, found: payload.gasLimit)
    }
    if payload.to == nil {
        guard payload.kind != .blob, payload.kind != .setCode else { throw .recipientAbsent }
        guard payload.data.count <= rules.maximumInitcodeCount else {
            throw .initcodeTooLarge(limit: rules.maximumInitcodeCount, found: payload.data.count)
        }
    }
    if payload.kind == .setCode, payload.authorizations.isEmpty { throw .authorizationsAbsent }
    if payload.kind == .blob { try validateBlobs(payload, in: block, isCall: isCall) }
    let intrinsic = IntrinsicGas(payload, rules: rules), needed = max(intrinsic.gas, intrinsic.floor)
    guard payload.gasLimit >= needed else { throw .gasLimitTooLow(needed: needed, found: payload.gasLimit) }
    return intrinsic
}

private func validateBlobs(_ payload: TransactionPayload, in block: BlockContext, isCall: Bool) throws(TransactionError) {
    guard !payload.blobHashes.isEmpty else { throw .blobsAbsent }
    guard payload.blobHashes.count <= block.rules.maximumBlobs else {
        throw .tooManyBlobs(limit: block.rules.maximumBlobs, found: payload.blobHashes.count)
    }
    for hash in payload.blobHashes where hash[0] != 1 { throw .blobHashVersion(hash[0]) }
    guard isCall || payload.maxFeePerBlobGas >= block.blobBaseFee else {
        throw .blobFeeTooLow(blobBaseFee: block.blobBaseFee, found: payload.maxFeePerBlobGas)
    }
}

/// What the sender's account must have; nil: all is well.
private func senderFault(
    _ payload: TransactionPayload, _ sender: Int, _ journal: inout Journal, _ rules: Rules,
    isCall: Bool
) throws(StateUnavailable) -> TransactionError? {
    let balance = journal.balance(sender), nonce = journal.nonce(sender)
    if isCall { return balance < payload.value ? .insufficientBalance(needed: payload.value, found: balance) : nil }
    if payload.nonce < nonce { return .nonceTooLow(expected: nonce, found: payload.nonce) }
    if payload.nonce > nonce { return .nonceTooHigh(expected: nonce, found: payload.nonce) }
    if rules.refusesSendersWithCode, let code = try journal.code(sender), !rules.hasDelegation || code.delegate == nil {
        return .senderHasCode
    }
    let (gas, gasHigh) = payload.maxFeePerGas.multipliedFull(by: U256(payload.gasLimit))
    let (blobs, blobsHigh) = payload.maxFeePerBlobGas.multipliedFull(by: U256(BlobGas.perBlob * UInt64(payload.blobHashes.count)))
    let (fees, overflow) = gas.addingReportingOverflow(blobs)
    let (needed, overflowToo) = fees.addingReportingOverflow(payload.value)
    guard gasHigh.isZero, blobsHigh.isZero, !overflow, !overflowToo else { return .insufficientBalance(needed: nil, found: balance) }
    return balance < needed ? .insufficientBalance(needed: needed, found: balance) : nil
}

extension Machine {
    /// Takes the fee, raises the nonce, warms what the transaction names, applies authorisations: what no rollback touches.
    mutating func begin(_ payload: TransactionPayload, _ sender: Int, prepaid: U256) throws(StateUnavailable) {
        if !prepaid.isZero { journal.setBalance(sender, journal.balance(sender) &- prepaid) }
        createdByTransaction = payload.to == nil ? creationAddress(of: sender, nonce: journal.nonce(sender)) : nil
        journal.setNonce(sender, journal.nonce(sender) &+ 1)
        _ = journal.warm(sender)
        for entry in payload.accessList {
            let account = try journal.account(U256(entry.address))
            _ = journal.warm(account)
            for key in entry.storageKeys { journal.warmSlot(account, U256(key)) }
        }
        for authorization in payload.authorizations { try apply(authorization) }
    }

    /// EIP-7702, step by step; a tuple that fails a check is skipped.
    private mutating func apply(_ authorization: Authorization) throws(StateUnavailable) {
        guard authorization.chainId.isZero || authorization.chainId == block.chainId, authorization.nonce < .max,
            let authority = authorization.authority
        else { return }
        let account = try journal.account(U256(authority))
        _ = journal.warm(account)
        if let code = try journal.code(account), code.delegate == nil { return }
        guard journal.nonce(account) == authorization.nonce else { return }
        if journal.exists(account) { journal.addRefund(25000 - 12500) }
        if authorization.address.isZero {
            journal.setDelegation(account, nil)
        } else {
            let code: Bytes = [0xef, 0x01, 0x00] + authorization.address.bytes
            journal.setDelegation(account, Bytecode.copying(code, hash: keccak256(code)))
        }
        journal.setNonce(account, authorization.nonce + 1)
    }

    /// Gives back what was not used, pays the beneficiary.
    mutating func settle(
        _ payload: TransactionPayload, _ sender: Int, _ intrinsic: IntrinsicGas, gasLeft: Int64,
        price: U256
    ) throws(StateUnavailable) -> (ExecutionResult, StateDiff) {
        let spent = payload.gasLimit - UInt64(gasLeft)
        let refunded = min(UInt64(max(0, journal.refund)), spent / rules.refundQuotient)
        let used = max(spent - refunded, intrinsic.floor)
        if !price.isZero { journal.setBalance(sender, journal.balance(sender) &+ price &* U256(payload.gasLimit - used)) }
        let tip = rules.hasBaseFee && !price.isZero ? price &- block.baseFeePerGas : price
        let beneficiary = try journal.account(U256(block.beneficiary))
        if tip.isZero {
            journal.touch(beneficiary)
        } else {
            journal.setBalance(beneficiary, journal.balance(beneficiary) &+ tip &* U256(used))
        }
        return (result(gasUsed: used, gasRefunded: refunded), journal.diff())
    }

    func result(gasUsed: UInt64, gasRefunded: UInt64) -> ExecutionResult {
        let outcome: ExecutionResult.Outcome =
            switch exit {
            case Exit.success: .success(output: output)
            case Exit.revert: .revert(output: output)
            default: .halt(HaltReason(rawValue: exit)!)
            }
        return ExecutionResult(
            outcome: outcome, gasUsed: gasUsed, gasRefunded: gasRefunded, logs: exit == Exit.success ? journal.logs : [],
            createdAddress: exit == Exit.success ? createdByTransaction.map { Address($0) } : nil)
    }
}
