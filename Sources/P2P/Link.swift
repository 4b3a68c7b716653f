import Ciphers
import NIOCore
import NIOSSL
import NIOTLS
import Primitives
import Synchronization

/// One connection from TLS to its end, on its event loop: handshake → Hello both ways → admitted by both → closed.
///
///     TCP ── TLS (certificate proves the node key) ── Hello ⇄ Hello ── Ping ⇄ Ping ── frames ⇄ frames
///                                                       └─ refused: Disconnect(reason), then a second to read it
///
/// Who accepts a Hello sends Ping at once. The first frame after Hello therefore says that the other side has accepted ours, and
/// only then is the link up: a node that lets in a peer who refuses it would otherwise see a link that is up for a moment, again
/// and again.
///
/// Invariants: nothing but Hello or Disconnect is read before we accept; a link is in the network's table exactly while `phase`
/// is admitted.
final class Link: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshake
        case greeting(PublicKey, LinkKind)
        /// Ours to stay; whether we are the peer's is not known.
        case welcomed(LinkHandle)
        case admitted(LinkHandle)
        case leaving
    }

    static let admissionSeconds: Int64 = 5
    static let lingerSeconds: Int64 = 1
    static let pingSeconds: Int64 = 5
    static let silenceSeconds: Int64 = 15
    /// Bytes given to TLS before it is asked to send.
    static let batchBytes = 256 << 10

    private let network: PeerNetwork
    let dial: PeerNetwork.DialKey?
    /// Set by the verifier of TLS, on this loop.
    private let identity: NIOLoopBoundBox<PublicKey?>
    private var holdsDoor: Bool
    private var phase = Phase.handshake
    private var decoder = FrameDecoder()
    private var urgent = CircularBuffer<ByteBuffer>(), ordinary = CircularBuffer<ByteBuffer>()
    private var isPumping = false
    /// After a breach the bytes have no meaning.
    private var isDeaf = false
    private var context: ChannelHandlerContext!
    private var remote = "?"
    private var lastHeard = NIODeadline.now()
    private var end: LinkEnd?
    /// Of admission, later of lingering.
    private var deadline: Scheduled<Void>?
    private var pinger: Scheduled<Void>?

    init(network: PeerNetwork, dial: PeerNetwork.DialKey?, identity: NIOLoopBoundBox<PublicKey?>, holdsDoor: Bool) {
        self.network = network
        self.dial = dial
        self.identity = identity
        self.holdsDoor = holdsDoor
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        remote = context.channel.remoteAddress?.plain ?? "?"
        deadline = after(Link.admissionSeconds) { link in
            if case .admitted = link.phase { return }
            link.close(.failed("not admitted within \(Link.admissionSeconds) s"))
        }
    }

    // MARK: coming up

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard let key = identity.value, let kind = negotiated.flatMap(LinkKind.init(rawValue:)) else {
            network.log(.handshakeFailed(remote: remote, "no common protocol"))
            return close(.failed("no common protocol"))
        }
        if let expected = dial.flatMap({ network.expectedNode($0) }), expected != key.address {
            network.log(.unexpectedNode(remote: remote, found: key.address, expected: expected))
            return close(.failed("unexpected node"))
        }
        phase = .greeting(key, kind)
        write(Frame(.hello, network.hello.encoded).buffer(context.channel.allocator))
        context.flush()
    }

    private func greet(_ hello: Hello, _ key: PublicKey, _ kind: LinkKind) {
        let handle = LinkHandle(
            node: key.address, kind: kind, dial: dial, own: network.address, remote: remote, hello: hello, channel: context.channel,
            link: NIOLoopBound(self, eventLoop: context.eventLoop))
        if let reason = network.objection(to: handle) { return refuse(reason) }
        leaveDoor()
        phase = .welcomed(handle)
        decoder.isAdmitted = true
        ping()
    }

    /// - Returns: whether the link stays.
    private func comeUp(_ handle: LinkHandle) -> Bool {
        if let reason = network.admit(handle) {
            refuse(reason)
            return false
        }
        phase = .admitted(handle)
        deadline?.cancel()
        network.admitted(handle)
        pump()
        return true
    }

    private func leaveDoor() {
        if holdsDoor { network.leaveDoor() }
        holdsDoor = false
    }

    // MARK: reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        if isDeaf { return }
        decoder.append(unwrapInboundIn(data))
        do throws(FrameError) {
            while let frame = try decoder.next() { try receive(frame.id, frame.payload) }
        } catch { breach(error) }
    }

    private func receive(_ id: FrameID, _ payload: ByteBuffer) throws(FrameError) {
        switch phase {
        case .handshake: return
        // Both sides say goodbye at once: nothing is left to wait for.
        case .leaving: if id == .disconnect { context.close(promise: nil) }
        case .greeting(let key, let kind):
            if id == .disconnect { return disconnected(payload, by: key.address) }
            guard id == .hello else { throw .beforeAdmission(id) }
            let hello: Hello
            do throws(HelloError) { hello = try Hello(encoded: Bytes(payload.readableBytesView)) } catch {
                throw .malformed(.hello)
            }
            greet(hello, key, kind)
        case .welcomed(let handle):
            if id == .disconnect { return disconnected(payload, by: handle.node) }
            if comeUp(handle) { try receive(id, payload) }
        case .admitted(let handle):
            handle.count(id.trafficClass, received: Frame.headerBytes + payload.readableBytes)
            switch id {
            case .hello: throw .misplaced(id)
            case .disconnect: disconnected(payload, by: handle.node)
            case .ping:
                guard payload.readableBytes == 8 else { throw .malformed(id) }
                enqueue(frame(.pong, payload), urgent: true)
            case .pong:
                guard payload.readableBytes == 8, let sent: UInt64 = payload.getInteger(at: payload.readerIndex) else {
                    throw .malformed(id)
                }
                handle.measured(NIODeadline.now().uptimeNanoseconds &- sent)
            case .session:
                guard handle.kind == .bulk else { throw .misplaced(id) }
                guard network.sessions.receive(payload, from: handle.node) else { throw .malformed(id) }
            default:
                guard handle.kind == .control else { throw .misplaced(id) }
                network.deliver(id, payload, from: handle)
                if handle.unreadBytes > LinkHandle.maximumUnreadBytes { setReading(false) }
            }
        }
    }

    private var handle: LinkHandle? {
        switch phase {
        case .welcomed(let handle), .admitted(let handle): handle
        case .handshake, .greeting, .leaving: nil
        }
    }

    private func disconnected(_ payload: ByteBuffer, by node: Address) {
        do throws(HelloError) {
            let notice = try Disconnect(encoded: Bytes(payload.readableBytesView))
            network.log(.refusedBy(remote: remote, node: node, notice.reason, height: notice.height))
            close(.disconnected(notice.reason))
        } catch { close(.closedByPeer) }
    }

    func setReading(_ isReading: Bool) {
        guard case .admitted = phase, context != nil else { return }
        // Fails only on a channel that is closed already.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    private func breach(_ error: FrameError) {
        isDeaf = true
        network.log(.breach(remote: remote, node: handle?.node ?? identity.value?.address, error))
        if let handle { network.charge(.breach, to: handle.node) }
        refuse(.protocolBreach)
    }

    // MARK: writing

    func enqueue(_ buffer: ByteBuffer, urgent isUrgent: Bool) {
        if isUrgent { urgent.append(buffer) } else { ordinary.append(buffer) }
        pump()
    }
    /// Several at once: one wake of the loop, one flush.
    func enqueue(_ buffers: [ByteBuffer], urgent isUrgent: Bool) {
        for buffer in buffers { if isUrgent { urgent.append(buffer) } else { ordinary.append(buffer) } }
        pump()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump()
        context.fireChannelWritabilityChanged()
    }

    /// Hands frames to TLS while the socket takes them: urgent ones overtake what waits here, never what TLS holds already.
    private func pump() {
        guard let handle, !isPumping, context != nil else { return }
        isPumping = true
        var batch = 0
        while context.channel.isWritable, let buffer = urgent.popFirst() ?? ordinary.popFirst() {
            handle.dequeued(buffer.readableBytes)
            write(buffer)
            batch += buffer.readableBytes
            if batch >= Link.batchBytes {
                context.flush()
                batch = 0
            }
        }
        if batch > 0 { context.flush() }
        isPumping = false
    }

    private func write(_ buffer: ByteBuffer) {
        if let handle, let raw: UInt16 = buffer.getInteger(at: buffer.readerIndex + 4) {
            handle.count(FrameID(rawValue: raw).trafficClass, sent: buffer.readableBytes)
        }
        if let tap = network.tap { buffer.withUnsafeReadableBytes { tap.handedToTLS($0, to: identity.value?.address) } }
        context.write(wrapOutboundOut(buffer), promise: nil)
    }

    private func frame(_ id: FrameID, _ payload: ByteBuffer) -> ByteBuffer {
        var buffer = context.channel.allocator.buffer(capacity: Frame.headerBytes + payload.readableBytes)
        buffer.writeMultipleIntegers(UInt32(payload.readableBytes), id.rawValue)
        buffer.writeImmutableBuffer(payload)
        handle?.queued(buffer.readableBytes)
        return buffer
    }

    private func ping() {
        guard let handle, context != nil else { return }
        // A link that we do not read for want of credit is not silent.
        if .now() - lastHeard > .seconds(Link.silenceSeconds), handle.unreadBytes <= LinkHandle.maximumUnreadBytes {
            return close(.silent)
        }
        var time = context.channel.allocator.buffer(capacity: 8)
        time.writeInteger(NIODeadline.now().uptimeNanoseconds)
        enqueue(frame(.ping, time), urgent: true)
        pinger = after(Link.pingSeconds) { $0.ping() }
    }

    // MARK: ending

    /// Says why, stops listening, and leaves the other side a second to read it.
    func refuse(_ reason: DisconnectReason) {
        switch phase {
        case .handshake: return close(.refusedHere(reason))
        case .leaving: return
        case .greeting(let key, _): network.log(.refused(remote: remote, node: key.address, reason, height: network.height))
        case .welcomed(let handle): network.log(.refused(remote: remote, node: handle.node, reason, height: network.height))
        case .admitted(let handle): retire(handle, .refusedHere(reason))
        }
        phase = .leaving
        end = .refusedHere(reason)
        guard context != nil else { return }
        write(Frame(.disconnect, Disconnect(reason, height: network.height).encoded).buffer(context.channel.allocator))
        context.flush()
        deadline?.cancel()
        deadline = after(Link.lingerSeconds) { $0.close(.refusedHere(reason)) }
    }

    func close(_ end: LinkEnd) {
        if self.end == nil { self.end = end }
        if case .admitted(let handle) = phase { retire(handle, end) }
        phase = .leaving
        // Nil once the channel is gone: a cut by a room, or a timer, may come after that.
        context?.close(promise: nil)
    }

    private func retire(_ handle: LinkHandle, _ end: LinkEnd) {
        phase = .leaving
        urgent.removeAll()
        ordinary.removeAll()
        network.retire(handle, end)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .handshake = phase { network.log(.handshakeFailed(remote: remote, "\(error)")) }
        close(.failed("\(error)"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .admitted(let handle) = phase { retire(handle, end ?? .closedByPeer) }
        phase = .leaving
        leaveDoor()
        deadline?.cancel()
        pinger?.cancel()
        if let dial { network.dialEnded(dial) }
        context.fireChannelInactive()
    }

    private func after(_ seconds: Int64, _ action: @escaping (Link) -> Void) -> Scheduled<Void> {
        let bound = NIOLoopBound((link: self, action: action), eventLoop: context.eventLoop)
        return context.eventLoop.scheduleTask(in: .seconds(seconds)) { bound.value.action(bound.value.link) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
}

extension SocketAddress {
    /// `host:port`
    var plain: String { "\(ipAddress ?? "?"):\(port ?? 0)" }
}
