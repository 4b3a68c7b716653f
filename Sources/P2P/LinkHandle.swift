import NIOCore
import Primitives
import Synchronization

/// An admitted link as every thread may hold it: who, how much waits, how fast.
final class LinkHandle: Sendable {
    let node: Address
    let kind: LinkKind
    let dial: PeerNetwork.DialKey?
    /// The side that opened the connection: decides between duplicates.
    let dialer: Address
    let remote: String
    let hello: Hello
    private let channel: any Channel
    private let link: NIOLoopBound<Link>

    private let waiting = Atomic<Int>(0), unread = Atomic<Int>(0)
    private let roundTripNanoseconds = Atomic<UInt64>(0)
    private let traffic = Mutex<[Traffic]>(Array(repeating: Traffic(), count: TrafficClass.allCases.count))

    /// A link that cannot keep up is cut. Two rounds of a computation may be under way on a bulk link.
    static let maximumQueuedBytes: [LinkKind: Int] = [.control: 32 << 20, .bulk: 128 << 20]
    /// One largest frame; beyond it the link is not read until its room has caught up.
    static let maximumUnreadBytes = 9 << 20

    init(
        node: Address, kind: LinkKind, dial: PeerNetwork.DialKey?, own: Address, remote: String, hello: Hello, channel: any Channel,
        link: NIOLoopBound<Link>
    ) {
        self.node = node
        self.kind = kind
        self.dial = dial
        dialer = dial == nil ? node : own
        self.remote = remote
        self.hello = hello
        self.channel = channel
        self.link = link
    }

    // MARK: sending, from any thread

    func send(_ buffers: [ByteBuffer], urgent: Bool) -> Bool {
        let bytes = buffers.reduce(0) { $0 + $1.readableBytes }
        guard waiting.add(bytes, ordering: .relaxed).newValue <= LinkHandle.maximumQueuedBytes[kind]! else {
            close(.sendQueueFull)
            return false
        }
        if channel.eventLoop.inEventLoop {
            link.value.enqueue(buffers, urgent: urgent)
        } else {
            channel.eventLoop.execute { [link] in link.value.enqueue(buffers, urgent: urgent) }
        }
        return true
    }
    func send(_ buffer: ByteBuffer, urgent: Bool) -> Bool { send([buffer], urgent: urgent) }

    func refuse(_ reason: DisconnectReason) { channel.eventLoop.execute { [link] in link.value.refuse(reason) } }
    func close(_ end: LinkEnd) { channel.eventLoop.execute { [link] in link.value.close(end) } }
    var closed: EventLoopFuture<Void> { channel.closeFuture }

    func queued(_ bytes: Int) { waiting.add(bytes, ordering: .relaxed) }
    func dequeued(_ bytes: Int) { waiting.subtract(bytes, ordering: .relaxed) }

    // MARK: reading

    var unreadBytes: Int { unread.load(ordering: .relaxed) }
    func markUnread(_ bytes: Int) { unread.add(bytes, ordering: .relaxed) }
    func markRead(_ bytes: Int) {
        let (before, after) = unread.subtract(bytes, ordering: .relaxed)
        let half = LinkHandle.maximumUnreadBytes / 2
        if before > half, after <= half { channel.eventLoop.execute { [link] in link.value.setReading(true) } }
    }

    // MARK: measuring

    func measured(_ nanoseconds: UInt64) {
        let sample = min(nanoseconds, 60 * PeerScores.second), before = roundTripNanoseconds.load(ordering: .relaxed)
        // Smoothed as TCP does (RFC 6298).
        roundTripNanoseconds.store(max(1, before == 0 ? sample : before - before / 8 + sample / 8), ordering: .relaxed)
    }
    func count(_ traffic: TrafficClass, sent: Int) {
        self.traffic.withLock {
            $0[traffic.rawValue].sentFrames += 1
            $0[traffic.rawValue].sentBytes += sent
        }
    }
    func count(_ traffic: TrafficClass, received: Int) {
        self.traffic.withLock {
            $0[traffic.rawValue].receivedFrames += 1
            $0[traffic.rawValue].receivedBytes += received
        }
    }

    var roundTrip: UInt64? {
        let value = roundTripNanoseconds.load(ordering: .relaxed)
        return value == 0 ? nil : value
    }
    var report: LinkReport {
        let table = traffic.withLock { $0 }
        return LinkReport(
            node: node, kind: kind, remote: remote, isDialed: dial != nil, hello: hello, roundTrip: roundTrip,
            queuedBytes: waiting.load(ordering: .relaxed),
            traffic: Dictionary(uniqueKeysWithValues: TrafficClass.allCases.map { ($0, table[$0.rawValue]) }))
    }
}
