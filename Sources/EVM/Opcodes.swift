// A table, one line a case, columns aligned:
// swift-format-ignore-file
import Primitives

/// What the loop must know of an opcode before it runs: the gas that never varies, and the stack it needs. Heights are in bytes
/// (32 a word), so that one subtraction and one unsigned comparison check both ends.
struct Opcode {
    var gas: UInt16
    /// Least height in bytes.
    var required: UInt16
    /// Greatest height minus least, in bytes.
    var span: UInt16
    var isDefined: Bool

    static let undefined = Opcode(gas: 0, required: .max, span: 0, isDefined: false)

    init(gas: Int, takes: Int, gives: Int) {
        self.gas = UInt16(gas)
        required = UInt16(32 * takes)
        span = UInt16(32 * (Self.maximumHeight - max(0, gives - takes) - takes))
        isDefined = true
    }
    private init(gas: UInt16, required: UInt16, span: UInt16, isDefined: Bool) {
        (self.gas, self.required, self.span, self.isDefined) = (gas, required, span, isDefined)
    }

    static let maximumHeight = 1024
}

/// 256 opcodes. Never freed: the handful of forks share one table each.
struct OpcodeTable {
    let entries: UnsafePointer<Opcode>

    /// Opcode, static gas, words taken, words given.
    typealias Line = (code: Int, gas: Int, takes: Int, gives: Int)

    private init(_ base: OpcodeTable?, _ lines: [Line]) {
        let table = UnsafeMutablePointer<Opcode>.allocate(capacity: 256)
        if let base { table.initialize(from: base.entries, count: 256) } else { table.initialize(repeating: .undefined, count: 256) }
        for line in lines { table[line.code] = Opcode(gas: line.gas, takes: line.takes, gives: line.gives) }
        entries = UnsafePointer(table)
    }
    private func next(_ lines: [Line]) -> OpcodeTable { OpcodeTable(self, lines) }
}

extension OpcodeTable {
    // The pointers lead to memory that nobody writes after initialisation.
    nonisolated(unsafe) static let frontier = OpcodeTable(nil, [
        (0x00, 0, 0, 0),                                                                                    // STOP
        (0x01, 3, 2, 1), (0x02, 5, 2, 1), (0x03, 3, 2, 1), (0x04, 5, 2, 1), (0x05, 5, 2, 1),                // ADD MUL SUB DIV SDIV
        (0x06, 5, 2, 1), (0x07, 5, 2, 1), (0x08, 8, 3, 1), (0x09, 8, 3, 1), (0x0a, 10, 2, 1),               // MOD SMOD ADDMOD MULMOD EXP
        (0x0b, 5, 2, 1),                                                                                    // SIGNEXTEND
        (0x10, 3, 2, 1), (0x11, 3, 2, 1), (0x12, 3, 2, 1), (0x13, 3, 2, 1), (0x14, 3, 2, 1),                // LT GT SLT SGT EQ
        (0x15, 3, 1, 1), (0x16, 3, 2, 1), (0x17, 3, 2, 1), (0x18, 3, 2, 1), (0x19, 3, 1, 1),                // ISZERO AND OR XOR NOT
        (0x1a, 3, 2, 1), (0x20, 30, 2, 1),                                                                  // BYTE KECCAK256
        (0x30, 2, 0, 1), (0x31, 20, 1, 1), (0x32, 2, 0, 1), (0x33, 2, 0, 1), (0x34, 2, 0, 1),               // ADDRESS BALANCE ORIGIN CALLER CALLVALUE
        (0x35, 3, 1, 1), (0x36, 2, 0, 1), (0x37, 3, 3, 0), (0x38, 2, 0, 1), (0x39, 3, 3, 0),                // CALLDATALOAD SIZE COPY CODESIZE CODECOPY
        (0x3a, 2, 0, 1), (0x3b, 20, 1, 1), (0x3c, 20, 4, 0),                                                // GASPRICE EXTCODESIZE EXTCODECOPY
        (0x40, 20, 1, 1), (0x41, 2, 0, 1), (0x42, 2, 0, 1), (0x43, 2, 0, 1), (0x44, 2, 0, 1), (0x45, 2, 0, 1), // BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT
        (0x50, 2, 1, 0), (0x51, 3, 1, 1), (0x52, 3, 2, 0), (0x53, 3, 2, 0), (0x54, 50, 1, 1), (0x55, 0, 2, 0), // POP MLOAD MSTORE MSTORE8 SLOAD SSTORE
        (0x56, 8, 1, 0), (0x57, 10, 2, 0), (0x58, 2, 0, 1), (0x59, 2, 0, 1), (0x5a, 2, 0, 1), (0x5b, 1, 0, 0), // JUMP JUMPI PC MSIZE GAS JUMPDEST
        (0xf0, 32000, 3, 1), (0xf1, 40, 7, 1), (0xf2, 40, 7, 1), (0xf3, 0, 2, 0), (0xfe, 0, 0, 0), (0xff, 0, 1, 0), // CREATE CALL CALLCODE RETURN INVALID SELFDESTRUCT
    ]
        + (1...32).map { (0x5f + $0, 3, 0, 1) }                 // PUSHn
        + (1...16).map { (0x7f + $0, 3, $0, $0 + 1) }           // DUPn
        + (1...16).map { (0x8f + $0, 3, $0 + 1, $0 + 1) }       // SWAPn
        + (0...4).map { (0xa0 + $0, 375 * ($0 + 1), $0 + 2, 0) }) // LOGn

    nonisolated(unsafe) static let homestead = frontier.next([(0xf4, 40, 6, 1)]) // DELEGATECALL
    nonisolated(unsafe) static let tangerineWhistle = homestead.next([
        (0x31, 400, 1, 1), (0x3b, 700, 1, 1), (0x3c, 700, 4, 0), (0x54, 200, 1, 1),
        (0xf1, 700, 7, 1), (0xf2, 700, 7, 1), (0xf4, 700, 6, 1), (0xff, 5000, 1, 0),
    ])
    nonisolated(unsafe) static let byzantium = tangerineWhistle.next([
        (0x3d, 2, 0, 1), (0x3e, 3, 3, 0), (0xfa, 700, 6, 1), (0xfd, 0, 2, 0),    // RETURNDATASIZE RETURNDATACOPY STATICCALL REVERT
    ])
    nonisolated(unsafe) static let constantinople = byzantium.next([
        (0x1b, 3, 2, 1), (0x1c, 3, 2, 1), (0x1d, 3, 2, 1), (0x3f, 400, 1, 1), (0xf5, 32000, 4, 1), // SHL SHR SAR EXTCODEHASH CREATE2
    ])
    nonisolated(unsafe) static let istanbul = constantinople.next([
        (0x31, 700, 1, 1), (0x3f, 700, 1, 1), (0x46, 2, 0, 1), (0x47, 5, 0, 1), (0x54, 800, 1, 1), // CHAINID SELFBALANCE
    ])
    /// The warm cost is static; the rest of a cold access is charged where the journal learns of it.
    nonisolated(unsafe) static let berlin = istanbul.next([
        (0x31, 100, 1, 1), (0x3b, 100, 1, 1), (0x3c, 100, 4, 0), (0x3f, 100, 1, 1), (0x54, 100, 1, 1),
        (0xf1, 100, 7, 1), (0xf2, 100, 7, 1), (0xf4, 100, 6, 1), (0xfa, 100, 6, 1),
    ])
    nonisolated(unsafe) static let london = berlin.next([(0x48, 2, 0, 1)])       // BASEFEE
    nonisolated(unsafe) static let shanghai = london.next([(0x5f, 2, 0, 1)])     // PUSH0
    nonisolated(unsafe) static let cancun = shanghai.next([
        (0x49, 3, 1, 1), (0x4a, 2, 0, 1), (0x5c, 100, 1, 1), (0x5d, 100, 2, 0), (0x5e, 3, 3, 0), // BLOBHASH BLOBBASEFEE TLOAD TSTORE MCOPY
    ])
    nonisolated(unsafe) static let osaka = cancun.next([(0x1e, 5, 1, 1)])        // CLZ
}
