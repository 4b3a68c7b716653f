import Ciphers
import Primitives
import Synchronization

/// Code ready to run: followed by 33 zero bytes, so that PUSH32 at the end and running off the end need no check, with a bitmap
/// of the valid jump destinations. Immutable; safe to share between threads.
final class Bytecode: @unchecked Sendable {  // the two buffers are written in `init` only
    let hash: Hash32
    let count: Int
    let start: UnsafePointer<UInt8>
    let jumps: UnsafePointer<UInt8>
    /// EIP-7702: the account whose code this one stands for.
    let delegate: Address?

    private static let padding = 33

    /// - Parameter hash: keccak-256 of `code`, or zero for init code, which nobody asks for its hash.
    init(_ code: UnsafeRawBufferPointer, hash: Hash32) {
        self.hash = hash
        count = code.count
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: count + Self.padding)
        if count > 0 { bytes.initialize(from: code.baseAddress!.assumingMemoryBound(to: UInt8.self), count: count) }
        (bytes + count).initialize(repeating: 0, count: Self.padding)
        let bitmap = UnsafeMutablePointer<UInt8>.allocate(capacity: count / 8 + 1)
        bitmap.initialize(repeating: 0, count: count / 8 + 1)
        var at = 0
        while at < count {
            let opcode = bytes[at]
            if opcode == 0x5b { bitmap[at >> 3] |= 1 << UInt8(at & 7) }
            at += opcode >= 0x60 && opcode <= 0x7f ? Int(opcode) - 0x5e : 1
        }
        (start, jumps) = (UnsafePointer(bytes), UnsafePointer(bitmap))
        delegate =
            count == 23 && bytes[0] == 0xef && bytes[1] == 0x01 && bytes[2] == 0
            ? Address(UnsafeBufferPointer(start: bytes + 3, count: 20)) : nil
    }
    static func copying(_ code: Bytes, hash: Hash32) -> Bytecode { code.withUnsafeBytes { Bytecode($0, hash: hash) } }
    deinit {
        start.deallocate()
        jumps.deallocate()
    }

    var bytes: Bytes { Bytes(UnsafeBufferPointer(start: start, count: count)) }
}

/// Analysed codes of this process by their hash. Bounded: when it is full it forgets everything and starts again, which costs
/// one reading of each code that is in use.
final class CodeCache: Sendable {
    static let shared = CodeCache()
    static let maximumBytes = 64 << 20

    private struct Contents {
        var codes: [Hash32: Bytecode] = [:]
        var bytes = 0
    }
    private let contents = Mutex(Contents())

    func load(_ hash: Hash32) -> Bytecode? { contents.withLock { $0.codes[hash] } }

    func store(_ code: Bytecode) {
        contents.withLock {
            if $0.bytes + code.count > Self.maximumBytes { $0 = Contents() }
            if $0.codes.updateValue(code, forKey: code.hash) == nil { $0.bytes += code.count + 512 }
        }
    }
}
