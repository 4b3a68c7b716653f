import Ciphers
import Primitives

// How frames begin and end: transactions, CALL and its kin, CREATE and CREATE2.

let addressMask = U256(.max, .max, 0xffff_ffff, 0)

enum CallKind { case call, callCode, delegateCall, staticCall }

extension Machine {
    /// Runs the message of a transaction to its end; the result is in `exit` and the output in `returnData`.
    ///
    /// - Returns: the gas left.
    mutating func runTransaction(_ payload: TransactionPayload, _ sender: Int, gas: Int64) throws(StateUnavailable) -> Int64 {
        let checkpoint = journal.checkpoint()
        if let address = createdByTransaction {
            let account = try journal.account(address)
            _ = journal.warm(account)
            guard try !isTaken(account) else { return finish(HaltReason.addressCollision.rawValue, 0) }
            beginCreation(account, sender, payload.value)
            push(
                Bytecode.copying(payload.data, hash: .zero), gas: gas, account: account, address: address, caller: origin,
                value: payload.value,
                input: (0, 0), output: (0, 0), checkpoint: checkpoint, isStatic: false, isCreation: true)
        } else {
            let target = U256(payload.to!), account = try journal.account(target)
            _ = journal.warm(account)
            journal.transfer(payload.value, from: sender, to: account)
            setInput(payload.data)
            if let precompile = Precompile(at: target, rules) {
                let (exit, left) = run(precompile, UnsafeRawBufferPointer(start: workspace.arena, count: payload.data.count), gas)
                if exit != Exit.success { journal.rollback(to: checkpoint) }
                return finish(exit, left)
            }
            var code = try journal.code(account)
            if rules.hasDelegation, let delegate = code?.delegate {
                let other = try journal.account(U256(delegate))
                _ = journal.warm(other)
                code = Precompile(at: U256(delegate), rules) == nil ? try journal.code(other) : nil
            }
            guard let code else { return finish(Exit.success, gas) }
            push(
                code, gas: gas, account: account, address: target, caller: origin, value: payload.value, input: (0, payload.data.count),
                output: (0, 0),
                checkpoint: checkpoint, isStatic: false, isCreation: false)
        }
        try interpret()
        return gasLeft
    }

    mutating func runSystemCall(_ target: Address, _ data: Bytes) throws(StateUnavailable) -> (ExecutionResult, StateDiff) {
        let account = try journal.account(U256(target))
        guard let code = try journal.code(account) else { return (result(gasUsed: 0, gasRefunded: 0), StateDiff()) }
        _ = journal.warm(account)
        setInput(data)
        push(
            code, gas: Int64(SystemCall.gasLimit), account: account, address: U256(target), caller: origin, value: .zero,
            input: (0, data.count),
            output: (0, 0), checkpoint: journal.checkpoint(), isStatic: false, isCreation: false)
        try interpret()
        return (result(gasUsed: SystemCall.gasLimit - UInt64(gasLeft), gasRefunded: 0), journal.diff())
    }

    private mutating func finish(_ exit: UInt8, _ gas: Int64) -> Int64 {
        self.exit = exit
        gasLeft = gas
        if exit != Exit.success { returnCount = 0 }
        return gas
    }

    private mutating func push(
        _ code: Bytecode, gas: Int64, account: Int, address: U256, caller: U256, value: U256, input: (start: Int, count: Int),
        output: (start: Int, count: Int), checkpoint: Journal.Checkpoint, isStatic: Bool, isCreation: Bool
    ) {
        var stack = workspace.stack, memory = (input.count + 31) & ~31  // the outermost frame's memory lies behind its input
        if depth > 0 {
            let parent = workspace.frames + (depth - 1)
            stack = parent.pointee.sp
            memory = parent.pointee.memoryStart + parent.pointee.memoryCount
        }
        (workspace.frames + depth).initialize(
            to: Frame(
                pc: code.start, sp: stack, gas: gas, stack: stack, code: Unmanaged.passRetained(code), memoryStart: memory,
                inputStart: input.start,
                inputCount: input.count, outputStart: output.start, outputCount: output.count, account: account, address: address,
                caller: caller,
                value: value, checkpoint: checkpoint, isStatic: isStatic, isCreation: isCreation))
        depth += 1
        returnCount = 0
    }

    /// Ends the top frame; `offset` and `count` say where in its memory the output lies.
    ///
    /// - Returns: false where it was the outermost.
    @inline(never) mutating func leave(_ status: UInt8, _ offset: Int, _ count: Int) throws(StateUnavailable) -> Bool {
        depth -= 1
        let frame = workspace.frames + depth
        var exit = status, gas = frame.pointee.gas
        if exit <= Exit.revert {
            setReturnData(UnsafeRawBufferPointer(start: workspace.arena + frame.pointee.memoryStart + offset, count: count))
        }
        if exit == Exit.success, frame.pointee.isCreation { exit = deposit(frame.pointee.account, &gas) }
        if exit != Exit.success { journal.rollback(to: frame.pointee.checkpoint) }
        if exit > Exit.revert {
            gas = 0
            returnCount = 0
        }
        frame.pointee.code.release()
        if depth == 0 {
            (self.exit, gasLeft) = (exit, gas)
            return false
        }
        let parent = frame - 1
        parent.pointee.gas += gas
        if frame.pointee.isCreation {
            if exit == Exit.success { returnCount = 0 }
            parent.pointee.sp[-1] = exit == Exit.success ? frame.pointee.address : .zero
        } else {
            parent.pointee.sp[-1] = exit == Exit.success ? .one : .zero
            let copied = min(returnCount, frame.pointee.outputCount)
            if copied > 0 {
                (workspace.arena + parent.pointee.memoryStart + frame.pointee.outputStart).copyMemory(from: returnData, byteCount: copied)
            }
        }
        return true
    }

    /// Gas that goes along: what was asked for, at most all but a 64th (EIP-150). nil: not enough.
    private func share(of gas: Int64, asked: U256) -> Int64? {
        if rules.retains64th {
            let most = gas - gas / 64
            return asked.fitsUInt64 && asked.l0 < UInt64(most) ? Int64(asked.l0) : most
        }
        return asked.fitsUInt64 && asked.l0 <= UInt64(gas) ? Int64(asked.l0) : nil
    }
}

// MARK: calls

extension Machine {
    /// Expects `sp` and `gas` in the frame. Afterwards either a new frame is on top, or the result is on the frame's stack.
    ///
    /// - Returns: 0, or why the frame halts.
    @inline(never) mutating func call(_ kind: CallKind) throws(StateUnavailable) -> UInt8 {
        let frame = workspace.frames + (depth - 1)
        let sp = frame.pointee.sp
        let takesValue = kind == .call || kind == .callCode
        let asked = sp[-1], target = sp[-2] & addressMask, value = takesValue ? sp[-3] : .zero
        let rest = sp - (takesValue ? 7 : 6)  // output size and offset, input size and offset
        if kind == .call, frame.pointee.isStatic, !value.isZero { return HaltReason.writeProtection.rawValue }
        var gas = expand(frame, rest[3], rest[2], frame.pointee.gas)
        if gas >= 0 { gas = expand(frame, rest[1], rest[0], gas) }
        if gas < 0 { return HaltReason.outOfGas.rawValue }
        let account = try journal.account(target)
        if !journal.warm(account) { gas -= rules.coldAccountSurcharge }
        if !value.isZero { gas -= 9000 }
        if kind == .call, rules.clearsEmptyAccounts ? !value.isZero && journal.isDead(account) : !journal.exists(account) { gas -= 25000 }
        if gas < 0 { return HaltReason.outOfGas.rawValue }
        let precompile = Precompile(at: target, rules)
        var code = precompile == nil ? try journal.code(account) : nil
        if rules.hasDelegation, let delegate = code?.delegate {
            let other = try journal.account(U256(delegate))
            gas -= 100 + (journal.warm(other) ? 0 : rules.coldAccountSurcharge)
            code = Precompile(at: U256(delegate), rules) == nil ? try journal.code(other) : nil
        }
        guard gas >= 0, var passed = share(of: gas, asked: asked) else { return HaltReason.outOfGas.rawValue }
        gas -= passed
        if !value.isZero { passed += 2300 }
        let input = (start: frame.pointee.memoryStart + Int(truncatingIfNeeded: rest[3].l0), count: Int(truncatingIfNeeded: rest[2].l0))
        let output = (start: Int(truncatingIfNeeded: rest[1].l0), count: Int(truncatingIfNeeded: rest[0].l0))
        frame.pointee.sp = rest + 1
        frame.pointee.gas = gas
        returnCount = 0
        if depth > Workspace.maximumDepth || takesValue && journal.balance(frame.pointee.account) < value {
            rest[0] = .zero
            frame.pointee.gas += passed
            return 0
        }
        let checkpoint = journal.checkpoint()
        switch kind {
        case .call: journal.transfer(value, from: frame.pointee.account, to: account)
        case .staticCall: journal.touch(account)
        case .callCode, .delegateCall: break
        }
        if let precompile { return finish(precompile, input, output, passed, checkpoint, frame) }
        guard let code else {
            rest[0] = .one
            frame.pointee.gas += passed
            return 0
        }
        let isBorrowed = kind == .callCode || kind == .delegateCall
        let caller = kind == .delegateCall ? frame.pointee.caller : frame.pointee.address
        push(
            code, gas: passed, account: isBorrowed ? frame.pointee.account : account, address: isBorrowed ? frame.pointee.address : target,
            caller: caller, value: kind == .delegateCall ? frame.pointee.value : value, input: input.count == 0 ? (0, 0) : input,
            output: output,
            checkpoint: checkpoint, isStatic: frame.pointee.isStatic || kind == .staticCall, isCreation: false)
        return 0
    }

    /// A call of a precompiled contract, at once.
    private mutating func finish(
        _ precompile: Precompile, _ input: (start: Int, count: Int), _ output: (start: Int, count: Int),
        _ gas: Int64, _ checkpoint: Journal.Checkpoint, _ frame: UnsafeMutablePointer<Frame>
    ) -> UInt8 {
        let bytes = UnsafeRawBufferPointer(start: input.count == 0 ? workspace.arena : workspace.arena + input.start, count: input.count)
        let (exit, left) = run(precompile, bytes, gas)
        frame.pointee.sp[-1] = exit == Exit.success ? .one : .zero
        if exit == Exit.success {
            frame.pointee.gas += left
            let copied = min(returnCount, output.count)
            if copied > 0 { (workspace.arena + frame.pointee.memoryStart + output.start).copyMemory(from: returnData, byteCount: copied) }
        } else {
            journal.rollback(to: checkpoint)
            returnCount = 0
        }
        return 0
    }

    private mutating func run(_ precompile: Precompile, _ input: UnsafeRawBufferPointer, _ gas: Int64) -> (exit: UInt8, gas: Int64) {
        do throws(HaltReason) {
            let (output, cost) = try precompile.run(input, gas: gas, rules)
            output.withUnsafeBytes { setReturnData($0) }
            return (Exit.success, gas - cost)
        } catch { return (error.rawValue, 0) }
    }
}

// MARK: creations

extension Machine {
    /// Nonce, code or storage at the place (EIP-684, 7610).
    private func isTaken(_ account: Int) throws(StateUnavailable) -> Bool {
        if journal.nonce(account) != 0 || journal.hasCode(account) { return true }
        return try journal.hasStorage(account)
    }
    private mutating func beginCreation(_ account: Int, _ creator: Int, _ value: U256) {
        journal.markCreated(account)
        if rules.firstContractNonce > 0 { journal.setNonce(account, rules.firstContractNonce) }
        journal.transfer(value, from: creator, to: account)
    }

    /// keccak(rlp([creator, nonce]))
    func creationAddress(of creator: Int, nonce: UInt64) -> U256 {
        let encoded = RLP.encodeList {
            $0.append(Address(journal.address(creator)))
            $0.append(nonce)
        }
        return U256(keccak256(encoded)) & addressMask
    }

    /// CREATE, and CREATE2 with its salt below the size. As `call`.
    @inline(never) mutating func create(salted: Bool) throws(StateUnavailable) -> UInt8 {
        let frame = workspace.frames + (depth - 1)
        if frame.pointee.isStatic { return HaltReason.writeProtection.rawValue }
        let sp = frame.pointee.sp, value = sp[-1], offset = sp[-2], size = sp[-3]
        var gas = expand(frame, offset, size, frame.pointee.gas)
        if gas < 0 { return HaltReason.outOfGas.rawValue }
        let count = Int(truncatingIfNeeded: size.l0), words = Int64((count + 31) / 32)
        if count > rules.maximumInitcodeCount { return HaltReason.initcodeSizeAboveLimit.rawValue }
        gas -= words * Int64(rules.initcodeWordGas) + (salted ? 6 * words : 0)
        if gas < 0 { return HaltReason.outOfGas.rawValue }
        let passed = rules.retains64th ? gas - gas / 64 : gas
        let result = sp - (salted ? 4 : 3)
        frame.pointee.sp = result + 1
        frame.pointee.gas = gas - passed
        returnCount = 0
        let creator = frame.pointee.account, nonce = journal.nonce(creator)
        if depth > Workspace.maximumDepth || journal.balance(creator) < value || nonce == .max {
            result.pointee = .zero
            frame.pointee.gas += passed
            return 0
        }
        let salt = salted ? sp[-4] : .zero
        let initcode = UnsafeRawBufferPointer(
            start: workspace.arena + frame.pointee.memoryStart + (count == 0 ? 0 : Int(offset.l0)), count: count)
        let address = salted ? saltedAddress(frame.pointee.address, salt, initcode) : creationAddress(of: creator, nonce: nonce)
        result.pointee = .zero
        journal.setNonce(creator, nonce + 1)
        let account = try journal.account(address)
        _ = journal.warm(account)
        if try isTaken(account) { return 0 }  // and the gas that was passed is gone
        let checkpoint = journal.checkpoint()
        beginCreation(account, creator, value)
        push(
            Bytecode(initcode, hash: .zero), gas: passed, account: account, address: address, caller: frame.pointee.address, value: value,
            input: (0, 0), output: (0, 0), checkpoint: checkpoint, isStatic: false, isCreation: true)
        return 0
    }

    /// keccak(0xff ‖ creator ‖ salt ‖ keccak(initcode)), EIP-1014.
    private func saltedAddress(_ creator: U256, _ salt: U256, _ initcode: UnsafeRawBufferPointer) -> U256 {
        U256(keccak256([0xff] + Address(creator).bytes + salt.bytes + Keccak256.hash(initcode).bytes)) & addressMask
    }

    /// Keeps the code that a creation returned. Returns how the creation ends then.
    private mutating func deposit(_ account: Int, _ gas: inout Int64) -> UInt8 {
        let code = UnsafeRawBufferPointer(start: returnData, count: returnCount)
        if rules.refusesCodePrefix, code.first == 0xef { return HaltReason.codePrefix.rawValue }
        if code.count > rules.maximumCodeCount { return HaltReason.codeSizeAboveLimit.rawValue }
        let cost = 200 * Int64(code.count)
        if gas < cost {
            if rules.failsOnUnpaidCode { return HaltReason.outOfGas.rawValue }
            returnCount = 0  // Frontier: an account without code
            return Exit.success
        }
        gas -= cost
        if code.count > 0 { journal.setCode(account, Bytecode(code, hash: Keccak256.hash(code))) }
        return Exit.success
    }
}
