// A table, one line a case, columns aligned:
// swift-format-ignore-file
import Ciphers
import Primitives

// The loop. One function, one `switch` on the opcode, and its state in locals: `pc`, `sp`, `gas`, the frame's memory. What is
// slow or rare is a method that takes the gas and returns what is left, negative when it does not suffice, so that no local's
// address escapes and all of them stay in registers. Code is padded (`Bytecode`), so `pc` needs no bound. The static gas and both
// ends of the stack are checked once an opcode against the fork's table (`Opcode`).

extension Machine {
    /// Runs frames until the outermost has ended.
    mutating func interpret() throws(StateUnavailable) {
        let table = rules.opcodes.entries
        outer: while true {
            let frame = workspace.frames + (depth - 1)
            var pc = frame.pointee.pc, sp = frame.pointee.sp, gas = frame.pointee.gas
            let base = UnsafeRawPointer(frame.pointee.stack)
            var memory = workspace.arena + frame.pointee.memoryStart
            var memoryCount = frame.pointee.memoryCount
            var exit = Exit.success, outputOffset = 0, outputCount = 0

            inner: while true {
                let opcode = pc.pointee
                let needs = table[Int(opcode)]
                let height = UnsafeRawPointer(sp) - base
                if _slowPath(UInt(bitPattern: height &- Int(needs.required)) > UInt(needs.span)) {
                    exit = stackFault(needs, height)
                    break inner
                }
                gas &-= Int64(needs.gas)
                if _slowPath(gas < 0) { exit = HaltReason.outOfGas.rawValue; break inner }

                switch opcode {
                case 0x00: break inner                                                                   // STOP

                // MARK: arithmetic
                case 0x01: sp -= 1; sp[-1] = sp[0] &+ sp[-1]                                             // ADD
                case 0x02: sp -= 1; sp[-1] = sp[0] &* sp[-1]                                             // MUL
                case 0x03: sp -= 1; sp[-1] = sp[0] &- sp[-1]                                             // SUB
                case 0x04: sp -= 1; sp[-1] = sp[-1].isZero ? .zero : sp[0] / sp[-1]                      // DIV
                case 0x05: sp -= 1; sp[-1] = sp[0].signedQuotient(by: sp[-1])                            // SDIV
                case 0x06: sp -= 1; sp[-1] = sp[-1].isZero ? .zero : sp[0] % sp[-1]                      // MOD
                case 0x07: sp -= 1; sp[-1] = sp[0].signedRemainder(by: sp[-1])                           // SMOD
                case 0x08: sp -= 2; sp[-1] = U256.addModulo(sp[1], sp[0], sp[-1])                        // ADDMOD
                case 0x09: sp -= 2; sp[-1] = U256.multiplyModulo(sp[1], sp[0], sp[-1])                   // MULMOD
                case 0x0a:                                                                               // EXP
                    sp -= 1
                    gas &-= rules.expByteGas &* Int64((sp[-1].bitWidth &+ 7) / 8)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp[-1] = sp[0].raised(to: sp[-1])
                case 0x0b: sp -= 1; sp[-1] = sp[-1].signExtended(fromByte: sp[0])                        // SIGNEXTEND

                // MARK: comparison and bits
                case 0x10: sp -= 1; sp[-1] = word(sp[0] < sp[-1])                                        // LT
                case 0x11: sp -= 1; sp[-1] = word(sp[-1] < sp[0])                                        // GT
                case 0x12: sp -= 1; sp[-1] = word(sp[0].isLessSigned(than: sp[-1]))                      // SLT
                case 0x13: sp -= 1; sp[-1] = word(sp[-1].isLessSigned(than: sp[0]))                      // SGT
                case 0x14: sp -= 1; sp[-1] = word(sp[0].isSame(as: sp[-1]))                              // EQ
                case 0x15: sp[-1] = word(sp[-1].isZero)                                                  // ISZERO
                case 0x16: sp -= 1; sp[-1] = sp[0] & sp[-1]                                              // AND
                case 0x17: sp -= 1; sp[-1] = sp[0] | sp[-1]                                              // OR
                case 0x18: sp -= 1; sp[-1] = sp[0] ^ sp[-1]                                              // XOR
                case 0x19: sp[-1] = ~sp[-1]                                                              // NOT
                case 0x1a: sp -= 1; sp[-1] = sp[-1].byte(at: sp[0])                                      // BYTE
                case 0x1b: sp -= 1; sp[-1] = sp[0].fitsUInt64 ? sp[-1].shiftedLeft(sp[0].l0) : .zero     // SHL
                case 0x1c: sp -= 1; sp[-1] = sp[0].fitsUInt64 ? sp[-1].shiftedRight(sp[0].l0) : .zero    // SHR
                case 0x1d: sp -= 1; sp[-1] = sp[-1].shiftedRightSigned(sp[0])                            // SAR
                case 0x1e: sp[-1] = U256(UInt64(256 &- sp[-1].bitWidth))                                 // CLZ

                case 0x20:                                                                               // KECCAK256
                    gas = hash(frame, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp -= 1
                    memory = workspace.arena + frame.pointee.memoryStart
                    memoryCount = frame.pointee.memoryCount

                // MARK: environment
                case 0x30: sp.pointee = frame.pointee.address; sp += 1                                   // ADDRESS
                case 0x31, 0x3b, 0x3f:                                                                   // BALANCE, EXTCODESIZE, EXTCODEHASH
                    gas = try inspect(opcode, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                case 0x32: sp.pointee = origin; sp += 1                                                  // ORIGIN
                case 0x33: sp.pointee = frame.pointee.caller; sp += 1                                    // CALLER
                case 0x34: sp.pointee = frame.pointee.value; sp += 1                                     // CALLVALUE
                case 0x35: sp[-1] = inputWord(frame, sp[-1])                                             // CALLDATALOAD
                case 0x36: sp.pointee = U256(UInt64(frame.pointee.inputCount)); sp += 1                  // CALLDATASIZE
                case 0x37, 0x39, 0x3e:                                                                   // CALLDATACOPY, CODECOPY, RETURNDATACOPY
                    gas = copy(opcode, frame, sp, gas)
                    if gas < 0 { exit = copyFault(opcode, sp); break inner }
                    sp -= 3
                    memory = workspace.arena + frame.pointee.memoryStart
                    memoryCount = frame.pointee.memoryCount
                case 0x38: sp.pointee = U256(UInt64(codeCount(frame))); sp += 1                          // CODESIZE
                case 0x3a: sp.pointee = gasPrice; sp += 1                                                // GASPRICE
                case 0x3c:                                                                               // EXTCODECOPY
                    gas = try copyForeignCode(frame, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp -= 4
                    memory = workspace.arena + frame.pointee.memoryStart
                    memoryCount = frame.pointee.memoryCount
                case 0x3d: sp.pointee = U256(UInt64(returnCount)); sp += 1                               // RETURNDATASIZE

                case 0x40: sp[-1] = ancestor(sp[-1])                                                     // BLOCKHASH
                case 0x41...0x48, 0x4a: try pushBlockValue(opcode, frame, sp); sp += 1
                case 0x49: sp[-1] = blobHash(sp[-1])                                                     // BLOBHASH

                // MARK: stack, memory, storage, flow
                case 0x50: sp -= 1                                                                       // POP
                case 0x51:                                                                               // MLOAD
                    let offset = sp[-1]
                    if _slowPath(!offset.isWithin(memoryCount, size: 32)) {
                        gas = expand(frame, offset, 32, gas)
                        if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                        memory = workspace.arena + frame.pointee.memoryStart
                        memoryCount = frame.pointee.memoryCount
                    }
                    sp[-1] = U256(bigEndianAt: memory + Int(truncatingIfNeeded: offset.l0))
                case 0x52:                                                                               // MSTORE
                    let offset = sp[-1]
                    if _slowPath(!offset.isWithin(memoryCount, size: 32)) {
                        gas = expand(frame, offset, 32, gas)
                        if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                        memory = workspace.arena + frame.pointee.memoryStart
                        memoryCount = frame.pointee.memoryCount
                    }
                    sp -= 2
                    sp[0].storeBigEndian(at: memory + Int(truncatingIfNeeded: offset.l0))
                case 0x53:                                                                               // MSTORE8
                    let offset = sp[-1]
                    if _slowPath(!offset.isWithin(memoryCount, size: 1)) {
                        gas = expand(frame, offset, 1, gas)
                        if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                        memory = workspace.arena + frame.pointee.memoryStart
                        memoryCount = frame.pointee.memoryCount
                    }
                    sp -= 2
                    memory.storeBytes(of: UInt8(truncatingIfNeeded: sp[0].l0), toByteOffset: Int(truncatingIfNeeded: offset.l0), as: UInt8.self)
                case 0x54:                                                                               // SLOAD
                    let (value, wasWarm) = try journal.load(frame.pointee.account, sp[-1])
                    if !wasWarm {
                        gas &-= rules.coldSlotSurcharge
                        if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    }
                    sp[-1] = value
                case 0x55:                                                                               // SSTORE
                    if frame.pointee.isStatic { exit = HaltReason.writeProtection.rawValue; break inner }
                    gas = try store(frame, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp -= 2
                case 0x56:                                                                               // JUMP
                    sp -= 1
                    guard let target = destination(frame, sp[0]) else { exit = HaltReason.invalidJump.rawValue; break inner }
                    pc = target
                    continue inner
                case 0x57:                                                                               // JUMPI
                    sp -= 2
                    if !sp[0].isZero {
                        guard let target = destination(frame, sp[1]) else { exit = HaltReason.invalidJump.rawValue; break inner }
                        pc = target
                        continue inner
                    }
                case 0x58: sp.pointee = U256(UInt64(pc - codeStart(frame))); sp += 1                     // PC
                case 0x59: sp.pointee = U256(UInt64(memoryCount)); sp += 1                               // MSIZE
                case 0x5a: sp.pointee = U256(UInt64(gas)); sp += 1                                       // GAS
                case 0x5b: break                                                                         // JUMPDEST
                case 0x5c: sp[-1] = journal.loadTransient(frame.pointee.account, sp[-1])                 // TLOAD
                case 0x5d:                                                                               // TSTORE
                    if frame.pointee.isStatic { exit = HaltReason.writeProtection.rawValue; break inner }
                    sp -= 2
                    journal.storeTransient(frame.pointee.account, sp[1], sp[0])
                case 0x5e:                                                                               // MCOPY
                    gas = copyWithin(frame, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp -= 3
                    memory = workspace.arena + frame.pointee.memoryStart
                    memoryCount = frame.pointee.memoryCount

                case 0x5f: sp.pointee = .zero; sp += 1                                                   // PUSH0
                case 0x60: sp.pointee = U256(UInt64(pc[1])); sp += 1; pc += 2; continue inner            // PUSH1
                case 0x61:                                                                               // PUSH2
                    sp.pointee = U256(UInt64(UnsafeRawPointer(pc + 1).loadUnaligned(as: UInt16.self).byteSwapped))
                    sp += 1
                    pc += 3
                    continue inner
                case 0x62...0x67:                                                                        // PUSH3 … PUSH8
                    let count = Int(opcode &- 0x5f), unused = UInt64(64 &- 8 &* count)
                    sp.pointee = U256(UnsafeRawPointer(pc + 1).loadUnaligned(as: UInt64.self).byteSwapped &>> unused)
                    sp += 1
                    pc += count &+ 1
                    continue inner
                case 0x68...0x7e:                                                                        // PUSH9 … PUSH31
                    let count = Int(opcode &- 0x5f)
                    sp.pointee = U256(bigEndianAt: pc + 1).shiftedRight(UInt64(256 &- 8 &* count))
                    sp += 1
                    pc += count &+ 1
                    continue inner
                case 0x7f: sp.pointee = U256(bigEndianAt: pc + 1); sp += 1; pc += 33; continue inner     // PUSH32
                case 0x80...0x8f: sp.pointee = sp[0x7f &- Int(opcode)]; sp += 1                          // DUP1 … DUP16
                case 0x90...0x9f:                                                                        // SWAP1 … SWAP16
                    let other = sp + (0x8e &- Int(opcode)), top = sp[-1]
                    sp[-1] = other.pointee
                    other.pointee = top

                // MARK: logs, calls, ends
                case 0xa0...0xa4:
                    if frame.pointee.isStatic { exit = HaltReason.writeProtection.rawValue; break inner }
                    gas = log(topics: Int(opcode &- 0xa0), frame, sp, gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    sp -= Int(opcode &- 0xa0) &+ 2
                    memory = workspace.arena + frame.pointee.memoryStart
                    memoryCount = frame.pointee.memoryCount
                case 0xf0, 0xf1, 0xf2, 0xf4, 0xf5, 0xfa:
                    frame.pointee.pc = pc + 1
                    frame.pointee.sp = sp
                    frame.pointee.gas = gas
                    exit = try enter(opcode)
                    if exit != Exit.success { break inner }
                    continue outer
                case 0xf3, 0xfd:                                                                         // RETURN, REVERT
                    sp -= 2
                    gas = expand(frame, sp[1], sp[0], gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue; break inner }
                    exit = opcode == 0xf3 ? Exit.success : Exit.revert
                    outputCount = Int(truncatingIfNeeded: sp[0].l0)
                    outputOffset = outputCount == 0 ? 0 : Int(truncatingIfNeeded: sp[1].l0)
                    break inner
                case 0xff:                                                                               // SELFDESTRUCT
                    if frame.pointee.isStatic { exit = HaltReason.writeProtection.rawValue; break inner }
                    gas = try destroy(frame, sp[-1], gas)
                    if gas < 0 { exit = HaltReason.outOfGas.rawValue }
                    break inner
                default: exit = HaltReason.invalidInstruction.rawValue; break inner                      // INVALID: the only other one defined
                }
                pc += 1
            }
            frame.pointee.gas = gas
            if try !leave(exit, outputOffset, outputCount) { return }
        }
    }

    @inline(never) private func stackFault(_ needs: Opcode, _ height: Int) -> UInt8 {
        let reason: HaltReason = !needs.isDefined ? .undefinedInstruction : height < Int(needs.required) ? .stackUnderflow : .stackOverflow
        return reason.rawValue
    }
    @inline(never) private mutating func enter(_ opcode: UInt8) throws(StateUnavailable) -> UInt8 {
        switch opcode {
        case 0xf0: try create(salted: false)
        case 0xf5: try create(salted: true)
        case 0xf1: try call(.call)
        case 0xf2: try call(.callCode)
        case 0xf4: try call(.delegateCall)
        default: try call(.staticCall)
        }
    }

    @inline(__always) private func codeStart(_ frame: UnsafeMutablePointer<Frame>) -> UnsafePointer<UInt8> {
        frame.pointee.code._withUnsafeGuaranteedRef { $0.start }
    }
    @inline(__always) private func codeCount(_ frame: UnsafeMutablePointer<Frame>) -> Int { frame.pointee.code._withUnsafeGuaranteedRef { $0.count } }

    /// nil: no JUMPDEST there.
    @inline(__always) private func destination(_ frame: UnsafeMutablePointer<Frame>, _ target: U256) -> UnsafePointer<UInt8>? {
        frame.pointee.code._withUnsafeGuaranteedRef { code in
            guard target.fitsUInt64, target.l0 < UInt64(code.count) else { return nil }
            let at = Int(truncatingIfNeeded: target.l0)
            return code.jumps[at &>> 3] &>> UInt8(truncatingIfNeeded: at & 7) & 1 == 1 ? code.start + at : nil
        }
    }
    @inline(__always) private func word(_ flag: Bool) -> U256 { U256(flag ? 1 : 0 as UInt64) }
}
