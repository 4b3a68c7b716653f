import NIOCore
import Primitives

/// What a frame is about. Only its room reads the payload.
package struct FrameID: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    package var rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let hello = FrameID(rawValue: 0x00), disconnect = FrameID(rawValue: 0x01), ping = FrameID(rawValue: 0x02),
        pong = FrameID(rawValue: 0x03)
    package static let status = FrameID(rawValue: 0x10), proposal = FrameID(rawValue: 0x12), prepare = FrameID(rawValue: 0x13)
    package static let commit = FrameID(rawValue: 0x14), roundChange = FrameID(rawValue: 0x15),
        sealedHeader = FrameID(rawValue: 0x16)
    package static let transactions = FrameID(rawValue: 0x20), refused = FrameID(rawValue: 0x21)
    package static let getHeaders = FrameID(rawValue: 0x30), headers = FrameID(rawValue: 0x31), getBodies = FrameID(rawValue: 0x32)
    package static let bodies = FrameID(rawValue: 0x33), getReceipts = FrameID(rawValue: 0x34), receipts = FrameID(rawValue: 0x35)
    package static let getAccounts = FrameID(rawValue: 0x40), accounts = FrameID(rawValue: 0x41), getSlots = FrameID(rawValue: 0x42)
    package static let slots = FrameID(rawValue: 0x43), getCode = FrameID(rawValue: 0x44), code = FrameID(rawValue: 0x45)
    /// A fragment of a computing session's message; bulk links only.
    package static let session = FrameID(rawValue: 0x50)
    /// 32 identifiers for the job protocol between members.
    package static let jobs = FrameID(rawValue: 0x60)...FrameID(rawValue: 0x7f)

    package var description: String { Hex.print([UInt8(rawValue >> 8), UInt8(rawValue & 255)]) }

    /// For counters and for the order of sending.
    package var trafficClass: TrafficClass {
        switch rawValue {
        case 0x00...0x0f: .link
        case 0x10...0x1f: .consensus
        case 0x20...0x2f: .pool
        case 0x30...0x4f: .sync
        case 0x50...0x5f: .bulk
        default: .jobs
        }
    }

    /// Longest payload in bytes (chain-rules.md §13); nil: no such frame.
    package var maximumBytes: Int? {
        switch rawValue {
        case 0x00...0x03: 1_024
        case 0x12, 0x15, 0x33: 9 << 20
        case 0x31, 0x35, 0x41, 0x43, 0x45: 4 << 20
        case 0x10, 0x13, 0x14, 0x16, 0x20, 0x21, 0x30, 0x32, 0x34, 0x40, 0x42, 0x44, 0x50, 0x60...0x7f: 1 << 20
        default: nil
        }
    }
}

extension FrameID: Comparable {
    package static func < (a: FrameID, b: FrameID) -> Bool { a.rawValue < b.rawValue }
}

package enum TrafficClass: Int, CaseIterable, Sendable { case link, consensus, pool, sync, bulk, jobs }

package struct Frame: Equatable, Sendable {
    package var id: FrameID
    package var payload: Bytes

    package init(_ id: FrameID, _ payload: Bytes) {
        self.id = id
        self.payload = payload
    }

    /// `u32 length ‖ u16 id` and the payload; length counts the payload only.
    package static let headerBytes = 6

    package var encoded: Bytes {
        let count = UInt32(payload.count)
        return (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + [
            UInt8(id.rawValue >> 8), UInt8(id.rawValue & 255),
        ] + payload
    }
    func buffer(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: Frame.headerBytes + payload.count)
        buffer.writeMultipleIntegers(UInt32(payload.count), id.rawValue)
        buffer.writeBytes(payload)
        return buffer
    }
}

package enum FrameError: Error, Equatable, Sendable {
    case unknown(FrameID)
    case tooLarge(FrameID, bytes: Int, maximum: Int)
    /// A frame other than Hello or Disconnect before admission.
    case beforeAdmission(FrameID)
    /// Known, but not for this kind of link or this moment.
    case misplaced(FrameID)
    case malformed(FrameID)
}

/// Cuts a stream of bytes into frames. A frame is judged by its six first bytes: a payload that is too long is never awaited.
package struct FrameDecoder {
    /// Until set, only Hello and Disconnect pass.
    package var isAdmitted = false
    private var pending = ByteBuffer()

    package init() {}

    package mutating func append(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            pending.discardReadBytes()
            pending.writeImmutableBuffer(bytes)
        }
    }

    package mutating func next() throws(FrameError) -> (id: FrameID, payload: ByteBuffer)? {
        guard let length: UInt32 = pending.getInteger(at: pending.readerIndex),
            let raw: UInt16 = pending.getInteger(at: pending.readerIndex + 4)
        else { return nil }
        let id = FrameID(rawValue: raw)
        guard let maximum = id.maximumBytes else { throw .unknown(id) }
        guard length <= maximum else { throw .tooLarge(id, bytes: Int(length), maximum: maximum) }
        guard isAdmitted || id == .hello || id == .disconnect else { throw .beforeAdmission(id) }
        guard pending.readableBytes >= Frame.headerBytes + Int(length) else { return nil }
        pending.moveReaderIndex(forwardBy: Frame.headerBytes)
        return (id, pending.readSlice(length: Int(length))!)
    }
}
