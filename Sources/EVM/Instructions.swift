import Ciphers
import Primitives

// The opcodes that are slow or rare. Each takes the gas and returns what is left, negative when it does not suffice; the stack
// is as before the opcode, and the loop pops.

extension Machine {
    @inline(never) mutating func hash(_ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64) -> Int64 {
        let offset = sp[-1], count = sp[-2]
        let left = charge(wordGas: 6, count, expand(frame, offset, count, gas))
        if left < 0 { return left }
        let bytes =
            count.isZero
            ? UnsafeRawBufferPointer(start: nil, count: 0)
            : UnsafeRawBufferPointer(start: workspace.arena + frame.pointee.memoryStart + Int(offset.l0), count: Int(count.l0))
        sp[-2] = U256(Keccak256.hash(bytes))
        return left
    }

    /// Gas of `count` bytes in words; `count` has bought memory already, so it is small.
    @inline(__always) private func charge(wordGas: Int64, _ count: U256, _ gas: Int64) -> Int64 {
        gas < 0 ? gas : gas &- wordGas &* Int64((count.l0 &+ 31) / 32)
    }

    // MARK: other accounts

    /// BALANCE, EXTCODESIZE, EXTCODEHASH.
    @inline(never) mutating func inspect(_ opcode: UInt8, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64) throws(StateUnavailable) -> Int64
    {
        let account = try journal.account(sp[-1] & addressMask)
        let left = journal.warm(account) ? gas : gas - rules.coldAccountSurcharge
        if left < 0 { return left }
        switch opcode {
        case 0x31: sp[-1] = journal.balance(account)
        case 0x3b: sp[-1] = U256(UInt64(try journal.code(account)?.count ?? 0))
        default: sp[-1] = journal.isDead(account) ? .zero : U256(journal.codeHash(account))
        }
        return left
    }

    @inline(never) mutating func copyForeignCode(
        _ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>,
        _ gas: Int64
    ) throws(StateUnavailable) -> Int64 {
        let count = sp[-4]
        var left = charge(wordGas: 3, count, expand(frame, sp[-2], count, gas))
        if left < 0 { return left }
        let account = try journal.account(sp[-1] & addressMask)
        if !journal.warm(account) { left -= rules.coldAccountSurcharge }
        if left < 0 || count.isZero { return left }
        let target = workspace.arena + frame.pointee.memoryStart + Int(sp[-2].l0)
        let code = try journal.code(account)
        copy(code?.start ?? UnsafePointer(frame.pointee.pc), code?.count ?? 0, from: sp[-3], to: target, count: Int(count.l0))
        return left
    }

    // MARK: copies

    /// CALLDATACOPY, CODECOPY, RETURNDATACOPY.
    @inline(never) mutating func copy(
        _ opcode: UInt8, _ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64
    ) -> Int64 {
        let offset = sp[-2], count = sp[-3]
        if opcode == 0x3e, isBeyondReturnData(offset, count) { return -1 }
        let left = charge(wordGas: 3, count, expand(frame, sp[-1], count, gas))
        if left < 0 || count.isZero { return left }
        let target = workspace.arena + frame.pointee.memoryStart + Int(sp[-1].l0), bytes = Int(count.l0)
        switch opcode {
        case 0x37: copy(workspace.arena + frame.pointee.inputStart, frame.pointee.inputCount, from: offset, to: target, count: bytes)
        case 0x39: frame.pointee.code._withUnsafeGuaranteedRef { copy($0.start, $0.count, from: offset, to: target, count: bytes) }
        default: target.copyMemory(from: returnData + Int(offset.l0), byteCount: bytes)
        }
        return left
    }
    private func isBeyondReturnData(_ offset: U256, _ count: U256) -> Bool {
        guard offset.fitsUInt64, count.fitsUInt64 else { return true }
        let (end, overflow) = offset.l0.addingReportingOverflow(count.l0)
        return overflow || end > UInt64(returnCount)
    }
    @inline(never) func copyFault(_ opcode: UInt8, _ sp: UnsafeMutablePointer<U256>) -> UInt8 {
        let reason: HaltReason = opcode == 0x3e && isBeyondReturnData(sp[-2], sp[-3]) ? .returnDataOutOfBounds : .outOfGas
        return reason.rawValue
    }

    /// MCOPY.
    @inline(never) mutating func copyWithin(_ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64) -> Int64 {
        let target = sp[-1], source = sp[-2], count = sp[-3]
        let left = charge(wordGas: 3, count, expand(frame, max(target, source), count, gas))
        if left < 0 || count.isZero { return left }
        let memory = workspace.arena + frame.pointee.memoryStart
        (memory + Int(target.l0)).copyMemory(from: memory + Int(source.l0), byteCount: Int(count.l0))
        return left
    }

    @inline(__always) func inputWord(_ frame: UnsafeMutablePointer<Frame>, _ offset: U256) -> U256 {
        let count = frame.pointee.inputCount, input = workspace.arena + frame.pointee.inputStart
        if _fastPath(offset.isWithin(count, size: 32)) { return U256(bigEndianAt: input + Int(truncatingIfNeeded: offset.l0)) }
        return partialInputWord(input, count, offset)
    }
    @inline(never) private func partialInputWord(_ input: UnsafeMutableRawPointer, _ count: Int, _ offset: U256) -> U256 {
        var bytes = Hash32.zero
        withUnsafeMutableBytes(of: &bytes) { copy(input, count, from: offset, to: $0.baseAddress!, count: 32) }
        return U256(bytes)
    }

    // MARK: storage

    /// SSTORE: EIP-2200 with the figures of 2929 and 3529, EIP-1283 before, and the two prices of Frontier.
    @inline(never) mutating func store(
        _ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64
    ) throws(StateUnavailable) -> Int64 {
        if gas <= rules.storageSentryGas, rules.storageSentryGas > 0 { return -1 }
        let value = sp[-2]
        let (slot, original, current, wasWarm) = try journal.open(frame.pointee.account, sp[-1])
        var cost = wasWarm || rules.coldSlotSurcharge == 0 ? 0 : rules.coldSlotSurcharge + 100, refund: Int64 = 0
        switch rules.storageMetering {
        case .simple:
            cost += current.isZero && !value.isZero ? 20000 : rules.storageResetGas
            if !current.isZero, value.isZero { refund = rules.storageClearRefund }
        case .net:
            if value == current {
                cost += rules.storageNoChangeGas
            } else if current == original {
                cost += original.isZero ? 20000 : rules.storageResetGas
                if !original.isZero, value.isZero { refund = rules.storageClearRefund }
            } else {
                cost += rules.storageNoChangeGas
                if !original.isZero { refund += current.isZero ? -rules.storageClearRefund : value.isZero ? rules.storageClearRefund : 0 }
                if value == original { refund += (original.isZero ? 20000 : rules.storageResetGas) - rules.storageNoChangeGas }
            }
        }
        if gas < cost { return -1 }
        if refund != 0 { journal.addRefund(refund) }
        if value != current { journal.store(slot, value) }
        return gas - cost
    }

    // MARK: block and logs

    /// BLOCKHASH: of the 256 blocks before this one.
    @inline(never) func ancestor(_ number: U256) -> U256 {
        guard let n = number.asUInt64, n < block.number, block.number - n <= 256, let hash = block.blockHash(n) else { return .zero }
        return U256(hash)
    }
    func blobHash(_ index: U256) -> U256 {
        guard let i = index.asUInt64, i < UInt64(blobHashes.count) else { return .zero }
        return U256(blobHashes[Int(i)])
    }
    @inline(never) mutating func pushBlockValue(
        _ opcode: UInt8, _ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>
    ) throws(StateUnavailable) {
        switch opcode {
        case 0x41: sp.pointee = U256(block.beneficiary)
        case 0x42: sp.pointee = U256(block.timestamp)
        case 0x43: sp.pointee = U256(block.number)
        case 0x44: sp.pointee = U256(block.prevRandao)
        case 0x45: sp.pointee = U256(block.gasLimit)
        case 0x46: sp.pointee = block.chainId
        case 0x47: sp.pointee = journal.balance(frame.pointee.account)
        case 0x48: sp.pointee = block.baseFeePerGas
        default: sp.pointee = block.blobBaseFee
        }
    }

    @inline(never) mutating func log(
        topics: Int, _ frame: UnsafeMutablePointer<Frame>, _ sp: UnsafeMutablePointer<U256>, _ gas: Int64
    ) -> Int64 {
        let offset = sp[-1], count = sp[-2]
        var left = expand(frame, offset, count, gas)
        if left < 0 { return left }
        left -= 8 * Int64(count.l0)
        if left < 0 { return left }
        let data =
            count.isZero
            ? Bytes()
            : Bytes(UnsafeRawBufferPointer(start: workspace.arena + frame.pointee.memoryStart + Int(offset.l0), count: Int(count.l0)))
        journal.append(Log(address: Address(frame.pointee.address), topics: (0..<topics).map { sp[-3 - $0].hash }, data: data))
        return left
    }

    // MARK: SELFDESTRUCT

    @inline(never) mutating func destroy(_ frame: UnsafeMutablePointer<Frame>, _ heir: U256, _ gas: Int64) throws(StateUnavailable) -> Int64
    {
        let own = frame.pointee.account, other = try journal.account(heir & addressMask), balance = journal.balance(own)
        var left = gas
        if !journal.warm(other), rules.coldAccountSurcharge > 0 { left -= rules.coldAccountSurcharge + 100 }
        if rules.chargesDestroyToNewAccount, rules.clearsEmptyAccounts ? !balance.isZero && journal.isDead(other) : !journal.exists(other) {
            left -= 25000
        }
        if left < 0 { return left }
        let isEnd = !rules.destroysOnlyCreated || journal.isCreated(own)
        if own != other { journal.transfer(balance, from: own, to: other) } else if isEnd { journal.setBalance(own, .zero) }
        if isEnd, journal.destroy(own) { journal.addRefund(rules.destroyRefund) }
        return left
    }
}
