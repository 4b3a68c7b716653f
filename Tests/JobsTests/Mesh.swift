import Ciphers
import Contracts
import Jobs
import MPC
import Primitives
import Synchronization

/// Links between four seats in one process. What a party waits for that can no longer come, because all who are left wait, ends as
/// the chain would end it: by cancelling. No clock is needed to see a silence.
final class Mesh: Sendable {
    struct State {
        var inboxes = [[Bytes]](repeating: [], count: 16)
        var waiting = [CheckedContinuation<Bool, Never>?](repeating: nil, count: 4)
        var running = 4, isOver = false
        var lost: Set<Int> = []
        /// Every frame that came to a party, with its sender.
        var delivered: [(from: Int, to: Int, frame: Bytes)] = []
    }
    let state = Mutex(State())

    func deliver(_ frame: Bytes, from: Int, to: Int) {
        state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.lost.contains(from) { return nil }
            state.inboxes[4 * from + to].append(frame)
            state.delivered.append((from, to, frame))
            defer { state.waiting[to] = nil }
            return state.waiting[to]
        }?.resume(returning: true)
    }
    /// The party's links are down: what it sent before still arrives.
    func lose(_ party: Int) { wakeAll { $0.lost.insert(party) } }
    func end(_ party: Int) {
        wakeAll { state in
            state.running -= 1
            if state.waiting.count(where: { $0 != nil }) == state.running { state.isOver = true }
        }
    }
    private func wakeAll(_ change: (inout State) -> Void) {
        let woken = state.withLock { state in
            change(&state)
            defer { state.waiting = [nil, nil, nil, nil] }
            return state.waiting.compactMap { $0 }
        }
        woken.forEach { $0.resume(returning: true) }
    }
    /// Returns when something may have changed; false: nothing ever will.
    func wait(_ party: Int, until isReady: @Sendable (State) -> Bool) async -> Bool {
        let goesOn = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            let (ready, woken) = state.withLock { state -> (Bool?, [CheckedContinuation<Bool, Never>]) in
                if isReady(state) { return (true, []) }
                if state.isOver { return (false, []) }
                state.waiting[party] = continuation
                guard state.waiting.count(where: { $0 != nil }) == state.running else { return (nil, []) }
                state.isOver = true
                defer { state.waiting = [nil, nil, nil, nil] }
                return (nil, state.waiting.compactMap { $0 })
            }
            if let ready { continuation.resume(returning: ready) }
            woken.forEach { $0.resume(returning: false) }
        }
        return goesOn
    }
}

struct MeshLink: SeatLink {
    let mesh: Mesh
    let seat: Int
    private var others: [Int] { (0..<4).filter { $0 != seat } }

    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        for p in others { mesh.deliver(frames[p], from: seat, to: p) }
        let (seat, others) = (seat, others)
        while true {
            let got = mesh.state.withLock { state -> [Bytes]? in
                guard others.allSatisfy({ !state.inboxes[4 * $0 + seat].isEmpty }) else { return nil }
                return (0..<4).map { $0 == seat ? [] : state.inboxes[4 * $0 + seat].removeFirst() }
            }
            if let got {
                if let long = others.first(where: { got[$0].count > expecting[$0] }) {
                    throw .frameTooLong(from: long, byteCount: got[long].count)
                }
                return got
            }
            if let lost = mesh.state.withLock({ state in others.first { state.lost.contains($0) && state.inboxes[4 * $0 + seat].isEmpty } })
            {
                throw .peerLost(lost)
            }
            guard
                await mesh.wait(
                    seat,
                    until: { state in
                        others.allSatisfy { !state.inboxes[4 * $0 + seat].isEmpty }
                            || others.contains { state.lost.contains($0) && state.inboxes[4 * $0 + seat].isEmpty }
                    })
            else { throw .cancelled }
        }
    }
    func post(_ frames: [Bytes]) { for p in others where !frames[p].isEmpty { mesh.deliver(frames[p], from: seat, to: p) } }
    func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
        let seat = seat
        while true {
            let (found, allLost) = mesh.state.withLock { state -> ((Int, Bytes)?, Bool) in
                guard let p = seats.first(where: { !state.inboxes[4 * $0 + seat].isEmpty }) else {
                    return (nil, seats.allSatisfy { state.lost.contains($0) })
                }
                return ((p, state.inboxes[4 * p + seat].removeFirst()), false)
            }
            if let found { return found }
            if allLost { return nil }
            guard
                await mesh.wait(
                    seat,
                    until: { state in
                        seats.contains { !state.inboxes[4 * $0 + seat].isEmpty } || seats.allSatisfy { state.lost.contains($0) }
                    })
            else { throw .cancelled }
        }
    }
    var arrived: [Bytes?] {
        let seat = seat
        return mesh.state.withLock { state in (0..<4).map { $0 == seat ? nil : state.inboxes[4 * $0 + seat].first } }
    }
}

/// A link whose frames to others are changed or dropped; nil: dropped.
final class Tampered: SeatLink {
    typealias Edit = @Sendable (_ number: Int, _ to: Int, _ frame: Bytes) -> Bytes?
    private let inner: MeshLink
    private let edit: Edit
    private let number = Mutex(0)

    init(_ inner: MeshLink, _ edit: @escaping Edit) { (self.inner, self.edit) = (inner, edit) }
    private func send(_ frames: [Bytes], skipsEmpty: Bool) {
        let number = number.withLock {
            $0 += 1; return $0
        }
        for p in 0..<4 where p != inner.seat && !(skipsEmpty && frames[p].isEmpty) {
            if let frame = edit(number, p, frames[p]) { inner.mesh.deliver(frame, from: inner.seat, to: p) }
        }
    }
    func exchange(_ frames: [Bytes], expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        send(frames, skipsEmpty: false)
        return try await receive(expecting)
    }
    private func receive(_ expecting: [Int]) async throws(MPC.ChannelError) -> [Bytes] {
        var got = [Bytes](repeating: [], count: 4)
        for p in 0..<4 where p != inner.seat {
            guard let (_, frame) = try await inner.next(of: [p], expecting: .max) else { throw .peerLost(p) }
            got[p] = frame
        }
        return got
    }
    func post(_ frames: [Bytes]) { send(frames, skipsEmpty: true) }
    func next(of seats: [Int], expecting: Int) async throws(MPC.ChannelError) -> (seat: Int, frame: Bytes)? {
        try await inner.next(of: seats, expecting: expecting)
    }
    var arrived: [Bytes?] { inner.arrived }
}

/// Four seats that square twenty shared numbers for one reader.
struct Committee: Sendable {
    static let session = keccak256(Bytes("a session".utf8)), reader = HPKE.deriveKeyPair([7])
    static let values: Column = (0..<20).map { UInt64($0) &* 0x9e37_79b9_7f4a_7c15 }
    let keys = (0..<4).map { try! PrivateKey(Bytes(repeating: UInt8($0 + 1), count: 32)) }
    let domain = MarketDomain(chainId: 7)

    struct End: Sendable {
        let seat: Int
        let result: Result<SessionRun.Settlement, SessionFailure>
        let signer: SessionSigner
        let testimony: Testimony
    }

    /// - Parameter link: what each seat has before its links.
    func run(
        over mesh: Mesh, link: @escaping @Sendable (MeshLink) -> any SeatLink = { $0 },
        mayRelease: @escaping @Sendable (Int) -> Bool = { _ in true }
    ) async -> [End] {
        let world = World(seed: 3), shared = world.share(Self.values, count: Self.values.count, in: Z64.self)
        return await withTaskGroup(of: End.self) { group in
            for seat in 0..<4 {
                group.addTask {
                    let signer = SessionSigner(key: keys[seat], domain: domain), testimony = Testimony()
                    let committee = SessionRun.Committee(session: Self.session, seat: seat, keys: keys.map(\.address), signer: signer)
                    let run = SessionRun(
                        committee: committee, contributions: [], readerKey: Self.reader.public,
                        channel: link(MeshLink(mesh: mesh, seat: seat)), testimony: testimony,
                        mayRelease: { mayRelease(seat) }, report: { _, _ in })
                    let result: Result<SessionRun.Settlement, SessionFailure>
                    do throws(SessionFailure) {
                        result = .success(
                            try await run.run(contributions: (0..<4).map { keccak256([UInt8(seat), UInt8($0)]) }) {
                                session, _ throws(SessionError) in
                                try await session.multiply(shared[seat], shared[seat])
                            })
                    } catch { result = .failure(error) }
                    mesh.end(seat)
                    return End(seat: seat, result: result, signer: signer, testimony: testimony)
                }
            }
            var ends: [End] = []
            for await end in group { ends.append(end) }
            return ends.sorted { $0.seat < $1.seat }
        }
    }
}
