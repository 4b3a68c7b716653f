import NIOCore
import NIOPosix
import NIOSSL
import Primitives

/// The table of links: who is let in, which of two stays, who is dialed again.
extension PeerNetwork {
    private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    var hello: Hello { state.withLock { $0.view.hello(client: client) } }
    var height: UInt64 { state.withLock { $0.view.headNumber } }

    // MARK: the door

    func enterDoor(_ channel: any Channel) -> Bool {
        let host = channel.remoteAddress?.ipAddress ?? "?"
        let isOpen = state.withLock { !$0.isStopping && $0.door.enter(from: host, now: PeerNetwork.now) }
        if !isOpen { log(.turnedAway(remote: channel.remoteAddress?.plain ?? "?")) }
        return isOpen
    }
    func leaveDoor() { state.withLock { $0.door.leave() } }

    // MARK: coming and going

    /// Judges a Hello.
    func objection(to handle: LinkHandle) -> DisconnectReason? { state.withLock { $0.objection(to: handle, own: address) } }

    /// Both sides have accepted; nil: the link is in the table.
    func admit(_ handle: LinkHandle) -> DisconnectReason? {
        let key = LinkKey(node: handle.node, kind: handle.kind)
        let verdict = state.withLock { state -> (refusal: DisconnectReason?, replaced: LinkHandle?) in
            if let objection = state.objection(to: handle, own: address) { return (objection, nil) }
            let old = state.links[key]
            if let old {
                let preferred = min(address, handle.node)
                if old.dialer == preferred, handle.dialer != preferred { return (.duplicate, nil) }
            } else if state.links.count >= 2 * PeerNetwork.maximumPeers {
                return (.tooManyPeers, nil)
            }
            state.links[key] = handle
            if let dial = handle.dial {
                state.endpoints[dial.index].node = handle.node
                state.dials[dial]?.attempts = 0
            }
            if handle.kind == .control { state.publish(.up(handle.node, handle.hello)) }
            return (nil, old)
        }
        verdict.replaced?.refuse(.duplicate)
        return verdict.refusal
    }

    /// After `admit`, when the link can send.
    func admitted(_ handle: LinkHandle) {
        log(.up(handle.node, handle.kind, remote: handle.remote))
        switch handle.kind {
        case .bulk: sessions.linkUp(handle.node)
        case .control:
            for index in state.withLock({ $0.places(of: handle.node) }) { schedule(DialKey(index: index, kind: .bulk), first: true) }
        }
    }

    func retire(_ handle: LinkHandle, _ end: LinkEnd) {
        let key = LinkKey(node: handle.node, kind: handle.kind)
        let places = state.withLock { state -> [Int]? in
            guard state.links[key] === handle else { return nil }
            state.links[key] = nil
            if handle.kind == .control { state.publish(.down(handle.node)) }
            return state.places(of: handle.node)
        }
        guard let places else { return }
        log(.down(handle.node, handle.kind, end))
        if handle.kind == .bulk { sessions.fail(handle.node, .linkLost(handle.node)) }
        for index in places { schedule(DialKey(index: index, kind: handle.kind), first: false) }
    }

    // MARK: dialing

    func expectedNode(_ dial: DialKey) -> Address? { state.withLock { $0.endpoints[dial.index].node } }

    static func backoffMilliseconds(attempts: Int) -> Int64 { min(100 << Int64(min(attempts, 10)), 3_000) }
    /// The lower address dials first; the other waits to be dialed, so that duplicates are rare.
    static let staggerMilliseconds: Int64 = 250

    /// Plans the next attempt unless one is planned, under way, or not needed.
    func schedule(_ dial: DialKey, first: Bool) {
        let delay = state.withLock { state -> Int64? in
            guard state.isRunning, !state.isStopping, state.dials[dial]?.isBusy != true else { return nil }
            let attempts = state.dials[dial]?.attempts ?? 0
            state.dials[dial] = Dialing(attempts: attempts + 1, isBusy: true)
            let stagger = state.endpoints[dial.index].node.map { $0 < address } ?? false ? PeerNetwork.staggerMilliseconds : 0
            return stagger + (first ? 0 : PeerNetwork.backoffMilliseconds(attempts: attempts))
        }
        guard let delay else { return }
        group.any().scheduleTask(in: .milliseconds(delay)) { self.connect(dial) }
    }

    private func connect(_ dial: DialKey) {
        let endpoint = state.withLock { state -> Endpoint? in
            let endpoint = state.endpoints[dial.index]
            let isLinked = endpoint.node.map { state.links[LinkKey(node: $0, kind: dial.kind)] != nil } ?? false
            if isLinked || state.isStopping {
                state.dials[dial] = Dialing()
                return nil
            }
            return endpoint
        }
        guard let endpoint else { return }
        ClientBootstrap(group: group)
            .connectTimeout(.seconds(3))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 16_384, maximum: 262_144)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.initialize(channel, self.clientTLS[dial.kind]!, dial: dial) }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .whenFailure { error in
                self.log(.dialFailed(endpoint, "\(error)"))
                self.dialEnded(dial)
            }
    }

    /// A connection that we opened is over, or could not be opened.
    func dialEnded(_ dial: DialKey) {
        let isNeeded = state.withLock { state -> Bool in
            state.dials[dial]?.isBusy = false
            return state.endpoints[dial.index].node.map { state.links[LinkKey(node: $0, kind: dial.kind)] == nil } ?? true
        }
        if isNeeded { schedule(dial, first: false) }
    }

    // MARK: delivery

    func deliver(_ id: FrameID, _ payload: ByteBuffer, from handle: LinkHandle) {
        let stream = state.withLock { state in state.streams.first { $0.ids.contains { $0.contains(id) } }?.to }
        guard let stream else { return }  // no room serves this here: a client-only or test network
        let bytes = payload.readableBytes + Frame.headerBytes
        handle.markUnread(bytes)
        stream.yield(
            PeerStream.Item(
                event: .frame(Frame(id, Bytes(payload.readableBytesView)), from: handle.node), link: handle, bytes: bytes))
    }

    func charge(_ offence: Offence, to peer: Address) {
        let (isCut, links) = state.withLock { state -> (Bool, [LinkHandle]) in
            let isCut = state.scores.charge(
                offence, to: peer, isValidator: state.view.validators.contains(peer), now: PeerNetwork.now)
            return (isCut, LinkKind.allCases.compactMap { state.links[LinkKey(node: peer, kind: $0)] })
        }
        if isCut { links.forEach { $0.refuse(.protocolBreach) } }
    }
}

extension PeerNetwork.State {
    func objection(to handle: LinkHandle, own: Address) -> DisconnectReason? {
        if isStopping { return .shuttingDown }
        if handle.node == own { return .duplicate }
        if let objection = view.objection(to: handle.node, handle.hello) { return objection }
        return scores.isBanned(handle.node, now: NIODeadline.now().uptimeNanoseconds) ? .protocolBreach : nil
    }
    func publish(_ event: PeerEvent) {
        for stream in streams { stream.to.yield(PeerStream.Item(event: event, link: nil, bytes: 0)) }
    }
}

// MARK: the face

extension PeerNetwork {
    /// Frames with one of `ids` and the ups and downs of control links. Ask before `run`; two streams may not share an id.
    package func stream(_ ids: ClosedRange<FrameID>...) -> PeerStream {
        let (items, continuation) = AsyncStream.makeStream(of: PeerStream.Item.self, bufferingPolicy: .unbounded)
        state.withLock { state in
            precondition(!state.isRunning, "streams are asked for before run")
            precondition(
                !state.streams.contains { stream in stream.ids.contains { old in ids.contains { $0.overlaps(old) } } },
                "two rooms claim one frame")
            state.streams.append((ids, continuation))
        }
        return PeerStream(items: items)
    }

    /// - Returns: false where there is no link, or its queue is full (the link is then cut).
    @discardableResult
    package func send(_ frame: Frame, to peer: Address) -> Bool {
        guard let link = state.withLock({ $0.links[LinkKey(node: peer, kind: .control)] }) else { return false }
        return link.send(frame.buffer(ByteBufferAllocator()), urgent: frame.id.isUrgent)
    }

    /// To all linked peers, or to those of them that are named; encoded once.
    package func broadcast(_ frame: Frame, to peers: Set<Address>? = nil, except: Address? = nil) {
        let links = state.withLock { state in
            state.links.filter { $0.key.kind == .control && $0.key.node != except && peers?.contains($0.key.node) ?? true }.map(
                \.value)
        }
        let buffer = frame.buffer(ByteBufferAllocator())
        for link in links { _ = link.send(buffer, urgent: frame.id.isUrgent) }
    }

    /// A new head: what Hello says from now on, and who may stay. Links of those who may not are cut.
    package func advance(to view: LocalView) {
        let removed = state.withLock { state -> [LinkHandle] in
            let isSame = state.view.members == view.members
            state.view = view
            return isSame ? [] : state.links.values.filter { !view.members.contains($0.node) }
        }
        removed.forEach { $0.refuse(.notAdmitted) }
    }

    /// What a room found wrong with a peer's bytes. `.breach` cuts at once.
    package func report(_ offence: Offence, by peer: Address) { charge(offence, to: peer) }

    /// One more place to dial. A node that was at another place has moved, unless the operator's own configuration put it there: so
    /// the table has at most one such entry a node.
    package func add(_ endpoint: Endpoint) {
        let index = state.withLock { state -> Int? in
            guard endpoint.node != address, !state.endpoints.contains(endpoint) else { return nil }
            // The operator named the place, the chain says whose it is.
            if let known = state.endpoints.firstIndex(where: { $0.node == nil && $0.host == endpoint.host && $0.port == endpoint.port }) {
                state.endpoints[known].node = endpoint.node
                return nil
            }
            if let node = endpoint.node,
                let old = state.endpoints.indices.dropFirst(configuredCount).first(where: { state.endpoints[$0].node == node })
            {
                state.endpoints[old] = endpoint
                return nil  // whatever waits to dial it, or dials it when its link ends, goes to the new place
            }
            state.endpoints.append(endpoint)
            return state.isRunning ? state.endpoints.count - 1 : nil
        }
        if let index { schedule(DialKey(index: index, kind: .control), first: true) }
    }

    package var links: [LinkReport] { state.withLock { Array($0.links.values) }.map(\.report) }
    package var peers: Set<Address> { Set(state.withLock { $0.links.keys.filter { $0.kind == .control } }.map(\.node)) }

    /// Smoothed round trip of the control link, from pings.
    package func roundTrip(to peer: Address) -> Duration? {
        state.withLock { $0.links[LinkKey(node: peer, kind: .control)] }?.roundTrip.map { .nanoseconds(Int64($0)) }
    }

    package func hasBulkLink(to peer: Address) -> Bool { bulkLink(to: peer) != nil }
    func bulkLink(to peer: Address) -> LinkHandle? { state.withLock { $0.links[LinkKey(node: peer, kind: .bulk)] } }
}

extension FrameID {
    var isUrgent: Bool { trafficClass == .consensus || trafficClass == .link }
}
