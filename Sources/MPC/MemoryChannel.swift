import Ciphers
import Primitives
import Synchronization

/// Four channels in one process: what tests and simulations run sessions over.
package final class MemoryNetwork: Sendable {
    private struct State {
        var frames = [[Bytes]](repeating: [], count: 16)
        var waiting = [UnsafeContinuation<Bytes?, Never>?](repeating: nil, count: 16)
        var closed = [false, false, false, false]
    }
    private let state = Mutex(State())

    package init() {}
    package func channel(of party: Int) -> MemoryChannel { MemoryChannel(network: self, party: party) }

    /// The party sends nothing more: whoever waits for it learns that.
    package func close(_ party: Int) {
        let waiting = state.withLock { state in
            state.closed[party] = true
            return (0..<4).compactMap { to in
                defer { state.waiting[4 * party + to] = nil }
                return state.waiting[4 * party + to]
            }
        }
        for continuation in waiting { continuation.resume(returning: nil) }
    }
    fileprivate func send(_ frame: Bytes, from: Int, to: Int) {
        let waiting = state.withLock { state in
            if let continuation = state.waiting[4 * from + to] {
                state.waiting[4 * from + to] = nil
                return Optional(continuation)
            }
            state.frames[4 * from + to].append(frame)
            return nil
        }
        waiting?.resume(returning: frame)
    }
    fileprivate func receive(from: Int, to: Int) async -> Bytes? {
        await withUnsafeContinuation { continuation in
            let ready: Bytes?? = state.withLock { state in
                if !state.frames[4 * from + to].isEmpty { return .some(state.frames[4 * from + to].removeFirst()) }
                if state.closed[from] { return .some(nil) }
                state.waiting[4 * from + to] = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}

package struct MemoryChannel: Channel {
    let network: MemoryNetwork
    let party: Int

    package func exchange(_ frames: [Bytes], expecting: [Int]) async throws(ChannelError) -> [Bytes] {
        for p in 0..<4 where p != party { network.send(frames[p], from: party, to: p) }
        var got: [Bytes] = [[], [], [], []]
        for p in 0..<4 where p != party {
            guard let frame = await network.receive(from: p, to: party) else { throw .peerStopped(p) }
            if frame.count > expecting[p] { throw .frameTooLong(from: p, byteCount: frame.count) }
            got[p] = frame
        }
        return got
    }
}

/// Four parties with agreed keys in one process, dealt values, and the sum of what they hold: the world of tests.
package struct World: Sendable {
    package let keys: [SessionKeys]
    private let seed: Hash32

    package init(seed: UInt64) {
        let seed = sha256(Bytes("entente/mpc/test-world/v1".utf8) + withUnsafeBytes(of: seed.bigEndian) { Bytes($0) })
        let secrets = (0..<4).map { j in Bytes(sha256(seed.bytes + [UInt8(j)]).bytes[0..<16]) }
        self.init(
            keys: (0..<4).map { i in SessionKeys(party: i, session: seed, keys: (0..<4).map { $0 == i ? [] : secrets[$0] }) },
            seed: seed)
    }
    package init(keys: [SessionKeys], seed: Hash32) { (self.keys, self.seed) = (keys, seed) }

    /// Shares of a matrix, by party. Calls with the same label give the same components.
    package func share<R: Ring>(_ column: Column, planes: Int = 1, count: Int, in ring: R.Type, label: UInt64 = 0) -> [Shared<R>] {
        var components: [Column] = [], rest = column
        for j in 0..<3 {
            let stream = Stream(
                key: Bytes(
                    sha256(seed.bytes + Bytes("share".utf8) + [UInt8(j)] + withUnsafeBytes(of: label) { Bytes($0) }).bytes[0..<16]))
            let c = stream.expand(step: 0, use: 0, byteCount: R.byteCount(planes: planes, count: count)) {
                R.decode($0, planes: planes, count: count)
            }
            R.subtract(&rest, c)
            components.append(c)
        }
        components.append(rest)
        return (0..<4).map { Shared(party: $0, planes: planes, count: count, components: components) }
    }
    /// The value behind the shares of all parties.
    package func reveal<R: Ring>(_ shares: [Shared<R>]) -> Column {
        var sum = shares[0].component(1)
        for j in [2, 3] { R.add(&sum, shares[0].component(j)) }
        R.add(&sum, shares[1].component(0))
        return sum
    }
    /// Runs one program at all four parties and gives each one's outcome and traffic. `wrap` may put another channel before a
    /// party's own: that is how a party misbehaves.
    package func run<T: Sendable>(
        wrap: @Sendable @escaping (Int, MemoryChannel) -> any Channel = { $1 },
        _ program: @Sendable @escaping (Session) async throws(SessionError) -> T
    ) async -> [Outcome<T>] {
        let network = MemoryNetwork()
        return await withTaskGroup(of: Outcome<T>.self) { group in
            for i in 0..<4 {
                group.addTask {
                    let session = Session(keys: keys[i], channel: wrap(i, network.channel(of: i)))
                    let result: Result<T, SessionError>
                    do throws(SessionError) { result = .success(try await program(session)) } catch { result = .failure(error) }
                    network.close(i)
                    return Outcome(session: session, result: result)
                }
            }
            var outcomes: [Outcome<T>] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.session.party < $1.session.party }
        }
    }
}

package struct Outcome<T: Sendable>: Sendable {
    package let session: Session
    package let result: Result<T, SessionError>
}

extension Shared {
    /// A party's part of four full components.
    package init(party: Int, planes: Int, count: Int, components: [Column]) {
        self.init(planes: planes, count: count, party: party)
        support = 15
        for j in 0..<4 where j != party { gain(j, components[j]) }
    }
}
