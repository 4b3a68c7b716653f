import Ciphers
import Primitives
import Synchronization

/// One call or creation under way. Frames lie in an explicit array, so 1,024 nested calls use no native stack; the interpreter
/// keeps `pc`, `sp` and `gas` in locals and writes them here only when it changes frames.
struct Frame {
    var pc: UnsafePointer<UInt8>
    /// Next free word; grows upwards. The callee's stack begins where the caller's ends.
    var sp: UnsafeMutablePointer<U256>
    var gas: Int64
    let stack: UnsafeMutablePointer<U256>
    let code: Unmanaged<Bytecode>
    /// Offset of this frame's memory in the arena, and its size in bytes, a multiple of 32.
    let memoryStart: Int
    var memoryCount = 0
    /// Input in the arena: in the caller's memory, which stands still meanwhile.
    let inputStart: Int, inputCount: Int
    /// Where the caller wants the output, in its memory.
    let outputStart: Int, outputCount: Int
    /// Whose storage and balance.
    let account: Int
    let address: U256, caller: U256, value: U256
    let checkpoint: Journal.Checkpoint
    let isStatic: Bool
    let isCreation: Bool
}

/// How a frame ended: `success`, `revert`, or the raw value of a `HaltReason`.
enum Exit {
    static let success: UInt8 = 0
    static let revert: UInt8 = 1
}

/// Buffers of a machine, kept for the next one. Owned by exactly one machine or by the pool.
struct Workspace: @unchecked Sendable {  // see above: never shared
    static let maximumDepth = 1024
    let stack = UnsafeMutablePointer<U256>.allocate(capacity: (maximumDepth + 1) * Opcode.maximumHeight)  // pages appear when used
    let frames = UnsafeMutablePointer<Frame>.allocate(capacity: maximumDepth + 1)
    var arena = UnsafeMutableRawPointer.allocate(byteCount: 1 << 16, alignment: 32)
    var arenaCount = 1 << 16
    var tables = JournalTables()

    private static let pool = Mutex<[Workspace]>([])
    private static let maximumPooled = 8

    static func take() -> Workspace { pool.withLock { $0.popLast() } ?? Workspace() }

    static func giveBack(_ workspace: Workspace) {
        let isKept =
            workspace.arenaCount <= 1 << 24
            && pool.withLock {
                if $0.count < maximumPooled { $0.append(workspace); return true }
                return false
            }
        if isKept { return }
        workspace.stack.deallocate()
        workspace.frames.deallocate()
        workspace.arena.deallocate()
        workspace.tables.deallocate()
    }
}

/// Executes one transaction: frames, memory, journal. The loop is in `Interpreter.swift`, calls in `Calls.swift`.
struct Machine: ~Copyable {
    let block: BlockContext
    let rules: Rules
    let origin: U256
    let gasPrice: U256
    let blobHashes: [Hash32]
    var journal: Journal
    var workspace: Workspace
    /// Frames under way; the top one is `workspace.frames[depth − 1]`.
    var depth = 0
    /// What the last call gave back (RETURNDATA).
    var returnData: UnsafeMutableRawPointer
    var returnCount = 0
    private var returnCapacity = 1024
    /// Of the outermost frame, once it has ended.
    var exit = Exit.success
    var gasLeft: Int64 = 0
    var createdByTransaction: U256?

    init(block: BlockContext, reader: any StateReader, sender: Address, gasPrice: U256, blobHashes: [Hash32]) {
        self.block = block
        rules = block.rules
        origin = U256(sender)
        self.gasPrice = gasPrice
        self.blobHashes = blobHashes
        workspace = Workspace.take()
        journal = Journal(over: reader, rules: block.rules, beneficiary: U256(block.beneficiary), tables: workspace.tables)
        returnData = .allocate(byteCount: returnCapacity, alignment: 32)
    }

    /// To be called once, last: gives the buffers back.
    mutating func release() {
        while depth > 0 {  // the state was unavailable in the middle
            depth -= 1
            workspace.frames[depth].code.release()
        }
        workspace.tables = journal.tables()
        Workspace.giveBack(workspace)
        returnData.deallocate()
    }

    var output: Bytes { Bytes(UnsafeRawBufferPointer(start: returnData, count: returnCount)) }
}

// MARK: memory

extension Machine {
    /// Above this no memory is given, whatever the gas: its cost would be 2⁴⁵ gas.
    static let maximumMemory = 1 << 32

    /// Makes the frame's memory reach to `offset + count`.
    ///
    /// - Returns: the gas left, negative where it does not suffice.
    @inline(never) mutating func expand(_ frame: UnsafeMutablePointer<Frame>, _ offset: U256, _ count: U256, _ gas: Int64) -> Int64 {
        if count.isZero { return gas }
        guard offset.fitsUInt64, count.fitsUInt64, offset.l0 <= Self.maximumMemory, count.l0 <= Self.maximumMemory else { return -1 }
        let end = Int(offset.l0) + Int(count.l0)
        if end <= frame.pointee.memoryCount { return gas }
        let words = (end + 31) / 32, before = frame.pointee.memoryCount / 32
        let cost = 3 * (words - before) + words * words / 512 - before * before / 512
        guard gas >= cost, end <= Self.maximumMemory else { return -1 }
        reserve(frame.pointee.memoryStart + 32 * words)
        (workspace.arena + frame.pointee.memoryStart + 32 * before).initializeMemory(
            as: UInt8.self, repeating: 0, count: 32 * (words - before))
        frame.pointee.memoryCount = 32 * words
        return gas - Int64(cost)
    }

    private mutating func reserve(_ count: Int) {
        if count <= workspace.arenaCount { return }
        let capacity = max(count, 2 * workspace.arenaCount)
        let arena = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 32)
        arena.copyMemory(from: workspace.arena, byteCount: workspace.arenaCount)
        workspace.arena.deallocate()
        workspace.arena = arena
        workspace.arenaCount = capacity
    }

    /// The first bytes of the arena: the input of the transaction.
    mutating func setInput(_ data: Bytes) {
        reserve(data.count)
        workspace.arena.copyMemory(from: data, byteCount: data.count)
    }

    mutating func setReturnData(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count > returnCapacity {
            returnData.deallocate()
            returnCapacity = max(bytes.count, 2 * returnCapacity)
            returnData = .allocate(byteCount: returnCapacity, alignment: 32)
        }
        if bytes.count > 0 { returnData.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
        returnCount = bytes.count
    }

    /// Copies from `source` to memory that is there already; what lies behind the source's end reads as zero.
    func copy(_ source: UnsafeRawPointer, _ sourceCount: Int, from offset: U256, to target: UnsafeMutableRawPointer, count: Int) {
        let start = offset.fitsUInt64 && offset.l0 < UInt64(sourceCount) ? Int(offset.l0) : sourceCount
        let present = min(count, sourceCount - start)
        if present > 0 { target.copyMemory(from: source + start, byteCount: present) }
        if present < count { (target + present).initializeMemory(as: UInt8.self, repeating: 0, count: count - present) }
    }
}
