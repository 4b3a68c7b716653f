import NIOCore
import Primitives
import Synchronization

/// The wire of one computing session: whole messages, in order, between this node and each other party, over the bulk links.
///
/// A message travels in fragments `session[32] ‖ u32 sequence ‖ u32 total ‖ u32 offset ‖ bytes`, so that a long one neither blocks
/// the link for others nor needs a frame of its size; its first fragment tells the length, and one longer than planned is refused
/// unread. Nothing is sent twice: a link that is lost takes its sessions with it, and a restarted node never resumes one (r4.md §12).
///
/// A round costs one wake of the event loop to send and one resumption of the caller when the last message of the round is in.
package final class BulkSession: Sendable {
    package let id: Hash32
    /// The other parties; indices of `exchange` follow this order.
    package let peers: [Address]
    package let maximumMessageBytes: Int

    fileprivate struct Inbox {
        var messages: [Bytes] = []
        var partial: Bytes = []
        var total = 0
        var sequence: UInt32 = 0
        var waitingBytes = 0
        /// Nothing more comes from this party; what came whole before is still given out.
        var failure: BulkError?
    }
    /// Who is waited for: one message of each, or the first of any.
    fileprivate struct Want {
        var parties: [Int]
        var isAny = false
    }
    fileprivate typealias Waiter = (want: Want, continuation: CheckedContinuation<Result<[(Int, Bytes)], BulkError>, Never>)
    fileprivate struct State {
        var inboxes: [Inbox]
        var sent: [UInt32]
        var waiter: Waiter?
        /// Of the whole session.
        var failure: BulkError?
        var traffic = Traffic()
    }
    private let state: Mutex<State>
    private let network: PeerNetwork

    static let headerBytes = 44
    static let fragmentBytes = 256 << 10
    /// A party may be a round ahead of us, never much more.
    static let maximumMessagesAhead = 64

    fileprivate init(id: Hash32, peers: [Address], maximumMessageBytes: Int, network: PeerNetwork) {
        self.id = id
        self.peers = peers
        self.maximumMessageBytes = maximumMessageBytes
        self.network = network
        state = Mutex(State(inboxes: peers.map { _ in Inbox() }, sent: peers.map { _ in 0 }))
    }

    // MARK: face

    /// Sends `outgoing[i]` to `peers[i]` and waits for one message from each.
    ///
    /// - Throws: `BulkError`; a party that is lost fails every round from then on, `.cancelled` and `.closed` all calls.
    package func exchange(_ outgoing: [Bytes]) async throws(BulkError) -> [Bytes] {
        precondition(outgoing.count == peers.count)
        for index in outgoing.indices { try send(outgoing[index], to: index) }
        return try await receive(0..<peers.count)
    }

    /// Queues a message for `peers[index]`; does not wait.
    package func send(_ message: Bytes, to index: Int) throws(BulkError) {
        guard message.count <= maximumMessageBytes else { throw .tooLong(bytes: message.count, maximum: maximumMessageBytes) }
        let (sequence, failure) = state.withLock { state -> (UInt32, BulkError?) in
            defer { state.sent[index] += 1 }
            state.traffic.sentFrames += 1
            state.traffic.sentBytes += message.count
            return (state.sent[index], state.failure ?? state.inboxes[index].failure)
        }
        if let failure { throw failure }
        guard let link = network.bulkLink(to: peers[index]), link.send(fragments(of: message, sequence), urgent: false) else {
            lose(peers[index], .linkLost(peers[index]))
            throw .linkLost(peers[index])
        }
    }

    package func receive(from index: Int) async throws(BulkError) -> Bytes { try await receive(index..<(index + 1))[0] }

    /// One message from each of the parties, when the last is in. One caller at a time.
    private func receive(_ parties: Range<Int>) async throws(BulkError) -> [Bytes] {
        try await receive(Want(parties: Array(parties))).map(\.1)
    }

    /// The next message of whichever of the parties comes first; those that are lost do not end the wait for the others.
    package func receiveFirst(of parties: [Int]) async throws(BulkError) -> (index: Int, message: Bytes) {
        let (index, message) = try await receive(Want(parties: parties, isAny: true))[0]
        return (index, message)
    }

    private func receive(_ want: Want) async throws(BulkError) -> [(Int, Bytes)] {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<[(Int, Bytes)], BulkError>, Never>) in
                let ready = state.withLock { state -> Result<[(Int, Bytes)], BulkError>? in
                    precondition(state.waiter == nil, "one caller waits for a session at a time")
                    if let result = state.result(want) { return result }
                    state.waiter = (want, continuation)
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            fail(.cancelled)
        }
        return try result.get()
    }

    /// Parties whose next message the caller waits for: who holds the round up.
    package var waitingFor: [Address] {
        state.withLock { state in
            guard let waiter = state.waiter else { return [] }
            return waiter.want.parties.filter { state.inboxes[$0].messages.isEmpty }.map { peers[$0] }
        }
    }
    /// The next message of each party as far as it has come: what a complaint may show of a round that does not end.
    package var arrived: [Bytes?] { state.withLock { $0.inboxes.map(\.messages.first) } }
    /// Messages and their bytes, without headers.
    package var traffic: Traffic { state.withLock { $0.traffic } }

    package func close() {
        network.sessions.close(self)
        fail(.closed)
    }

    // MARK: link side

    private func fragments(of message: Bytes, _ sequence: UInt32) -> [ByteBuffer] {
        var buffers: [ByteBuffer] = [], offset = 0
        repeat {
            let count = min(BulkSession.fragmentBytes, message.count - offset)
            var buffer = ByteBufferAllocator().buffer(capacity: Frame.headerBytes + BulkSession.headerBytes + count)
            buffer.writeMultipleIntegers(UInt32(BulkSession.headerBytes + count), FrameID.session.rawValue)
            id.withUnsafeBytes { _ = buffer.writeBytes($0) }
            buffer.writeMultipleIntegers(sequence, UInt32(message.count), UInt32(offset))
            message.withUnsafeBytes { _ = buffer.writeBytes(UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)])) }
            buffers.append(buffer)
            offset += count
        } while offset < message.count
        return buffers
    }

    /// On the event loop. A fragment out of order is no accident of the network: TLS keeps order.
    fileprivate func receive(_ fragment: BulkFragment, from peer: Address) {
        guard let index = peers.firstIndex(of: peer) else { return }  // no party of this session
        settle { state in
            if state.failure != nil || state.inboxes[index].failure != nil { return }
            if let error = state.inboxes[index].append(fragment, from: peer, maximumBytes: maximumMessageBytes) {
                state.inboxes[index].failure = error
                return
            }
            guard state.inboxes[index].partial.isEmpty, state.inboxes[index].total == 0 else { return }
            state.traffic.receivedFrames += 1
            state.traffic.receivedBytes += Int(fragment.total)
        }
    }
    fileprivate func lose(_ peer: Address, _ error: BulkError) {
        guard let index = peers.firstIndex(of: peer) else { return }
        settle { state in if state.inboxes[index].failure == nil { state.inboxes[index].failure = error } }
    }
    fileprivate func fail(_ error: BulkError) {
        settle { state in if state.failure == nil { state.failure = error } }
    }

    /// Changes the state, then lets the caller go who waits for what it brought: outside the lock that cancellation takes.
    private func settle(_ change: (inout State) -> Void) {
        let resumed = state.withLock { state -> (Waiter, Result<[(Int, Bytes)], BulkError>)? in
            change(&state)
            guard let waiter = state.waiter, let result = state.result(waiter.want) else { return nil }
            state.waiter = nil
            return (waiter, result)
        }
        resumed?.0.continuation.resume(returning: resumed!.1)
    }
}

extension BulkSession.State {
    /// Messages as wanted, or why they will not come; nil: not yet. What has arrived whole is given out even if its link is gone since.
    fileprivate mutating func result(_ want: BulkSession.Want) -> Result<[(Int, Bytes)], BulkError>? {
        let ready = want.parties.filter { !inboxes[$0].messages.isEmpty }
        if want.isAny ? !ready.isEmpty : ready.count == want.parties.count {
            return .success((want.isAny ? Array(ready.prefix(1)) : want.parties).map { ($0, take($0)) })
        }
        if let failure { return .failure(failure) }
        let lost = want.parties.filter { inboxes[$0].messages.isEmpty && inboxes[$0].failure != nil }
        guard let first = lost.first, !want.isAny || lost.count == want.parties.count else { return nil }
        return .failure(inboxes[first].failure!)
    }
    private mutating func take(_ index: Int) -> Bytes {
        let message = inboxes[index].messages.removeFirst()
        inboxes[index].waitingBytes -= message.count
        return message
    }
}

extension BulkSession.Inbox {
    fileprivate mutating func append(_ fragment: BulkFragment, from peer: Address, maximumBytes: Int) -> BulkError? {
        guard fragment.total <= maximumBytes else { return .tooLongFrom(peer, bytes: Int(fragment.total), maximum: maximumBytes) }
        guard fragment.sequence == sequence, fragment.offset == partial.count, fragment.offset == 0 || fragment.total == total,
            messages.count < BulkSession.maximumMessagesAhead, waitingBytes <= 2 * maximumBytes
        else { return .disorder(peer) }
        if fragment.offset == 0 {
            total = Int(fragment.total)
            partial.reserveCapacity(total)
        }
        fragment.bytes.withUnsafeReadableBytes { partial.append(contentsOf: $0) }
        guard partial.count <= total else { return .disorder(peer) }
        guard partial.count == total else { return fragment.bytes.readableBytes == 0 ? .disorder(peer) : nil }
        messages.append(partial)
        waitingBytes += total
        (partial, total) = ([], 0)
        sequence += 1
        return nil
    }
}

package enum BulkError: Error, Equatable, Sendable {
    /// Ours, longer than this session planned.
    case tooLong(bytes: Int, maximum: Int)
    case tooLongFrom(Address, bytes: Int, maximum: Int)
    /// Fragments that do not continue one another, or messages far ahead: the peer breaks the protocol, or was far ahead of our opening the session.
    case disorder(Address)
    case linkLost(Address)
    case cancelled
    case closed
    /// A session of this id is open already.
    case sessionExists
    case stopped
}

struct BulkFragment {
    var session: Hash32
    var sequence: UInt32
    var total: UInt32
    var offset: UInt32
    var bytes: ByteBuffer

    /// nil: not a fragment.
    init?(_ payload: ByteBuffer) {
        var payload = payload
        guard let id = payload.readSlice(length: 32), let session = Hash32(id.readableBytesView),
            let (sequence, total, offset) = payload.readMultipleIntegers(as: (UInt32, UInt32, UInt32).self)
        else { return nil }
        self.session = session
        (self.sequence, self.total, self.offset) = (sequence, total, offset)
        bytes = payload
    }
}

/// All sessions of a node, and the first messages of those that others opened before us.
final class SessionTable: Sendable {
    private struct State {
        var open: [Hash32: BulkSession] = [:]
        /// By sender, in order of arrival; kept until opened, or crowded out by the same sender.
        var early: [Address: [BulkFragment]] = [:]
        var linkWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var isStopped = false
    }
    private let state = Mutex(State())

    /// For each sender; beyond these its oldest go, and their session will fail by disorder.
    static let maximumEarlyBytes = 32 << 20, maximumEarlyFragments = 512

    /// - Returns: false if this is no fragment.
    func receive(_ payload: ByteBuffer, from peer: Address) -> Bool {
        guard let fragment = BulkFragment(payload) else { return false }
        let session = state.withLock { state -> BulkSession? in
            if let session = state.open[fragment.session] { return session }
            // A slice would keep the whole receive buffer alive.
            var copy = fragment
            copy.bytes = ByteBuffer(bytes: fragment.bytes.readableBytesView)
            var early = state.early.removeValue(forKey: peer) ?? []
            early.append(copy)
            while early.count > SessionTable.maximumEarlyFragments
                || early.reduce(0, { $0 + $1.bytes.readableBytes }) > SessionTable.maximumEarlyBytes
            {
                early.removeFirst()
            }
            state.early[peer] = early
            return nil
        }
        session?.receive(fragment, from: peer)
        return true
    }

    /// Registers the session and hands over what came early, before anything newer: the lock is held throughout.
    fileprivate func open(_ session: BulkSession) throws(BulkError) {
        let error = state.withLock { state -> BulkError? in
            if state.isStopped { return .stopped }
            if state.open[session.id] != nil { return .sessionExists }
            for (peer, fragments) in state.early {
                for fragment in fragments where fragment.session == session.id { session.receive(fragment, from: peer) }
                state.early[peer] = fragments.filter { $0.session != session.id }
            }
            state.open[session.id] = session
            return nil
        }
        if let error { throw error }
    }
    fileprivate func close(_ session: BulkSession) {
        state.withLock { if $0.open[session.id] === session { $0.open[session.id] = nil } }
    }

    func fail(_ peer: Address, _ error: BulkError) {
        let sessions = state.withLock { state in
            state.early[peer] = nil
            return state.open.values.filter { $0.peers.contains(peer) }
        }
        sessions.forEach { $0.lose(peer, error) }
    }
    func failAll(_ error: BulkError) {
        let (sessions, waiters) = state.withLock { state in
            state.isStopped = true
            defer { state.linkWaiters = [:] }
            return (Array(state.open.values), Array(state.linkWaiters.values))
        }
        sessions.forEach { $0.fail(error) }
        waiters.forEach { $0.resume() }
    }

    // MARK: waiting for links

    func linkUp(_ peer: Address) {
        let waiters = state.withLock { state in
            defer { state.linkWaiters = [:] }
            return Array(state.linkWaiters.values)
        }
        waiters.forEach { $0.resume() }
    }

    /// Returns when `isReady`, or when cancelled or stopped; the caller looks which.
    fileprivate func waitForLinks(until isReady: @Sendable () -> Bool) async {
        while !Task.isCancelled, !state.withLock({ $0.isStopped }), !isReady() {
            let ticket = state.withLock { state in
                defer { state.nextWaiter += 1 }
                return state.nextWaiter
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isLate = state.withLock { state -> Bool in
                        // Looked at again under the lock that `linkUp` takes: no wake is missed.
                        if Task.isCancelled || state.isStopped || isReady() { return true }
                        state.linkWaiters[ticket] = continuation
                        return false
                    }
                    if isLate { continuation.resume() }
                }
            } onCancel: {
                state.withLock { $0.linkWaiters.removeValue(forKey: ticket) }?.resume()
            }
        }
    }
}

extension PeerNetwork {
    /// Opens this node's side of a session with `peers`, in the order that `exchange` shall use. Waits until there is a bulk link
    /// to each; cancel the task to give up.
    package func openSession(
        _ id: Hash32, with peers: [Address], maximumMessageBytes: Int = 32 << 20
    ) async throws(BulkError) -> BulkSession {
        precondition(!peers.contains(address) && Set(peers).count == peers.count)
        await sessions.waitForLinks { peers.allSatisfy { self.bulkLink(to: $0) != nil } }
        if Task.isCancelled { throw .cancelled }
        let session = BulkSession(id: id, peers: peers, maximumMessageBytes: maximumMessageBytes, network: self)
        try sessions.open(session)
        // A link lost since then has failed the session or will fail its next send.
        return session
    }
}
