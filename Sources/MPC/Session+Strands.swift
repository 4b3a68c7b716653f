import Synchronization

/// Branches of a program that share rounds.
///
/// A strand runs until it has posted what its next round needs, then hands the baton to the next strand; when all have posted,
/// the last one carries the round for all and the first goes on. So strands run one at a time in a public order, which fixes
/// the numbers of steps at every party, and the state of the session needs no lock.
extension Session {
    /// Ends the round of this strand: what it posted travels, together with what the others post.
    func round() async throws(SessionError) {
        if !strands.isSplit { return try await carryRound() }
        if failure != nil { throw .ended }
        let gate = Gate()
        strands.waiting.append(gate)
        await passBaton()
        await gate.wait()
        if let failure { throw failure }
    }

    package func together<T: Sendable>(_ branches: [@Sendable () async throws(SessionError) -> T]) async throws(SessionError) -> [T] {
        if branches.count < 2 {
            guard let only = branches.first else { return [] }
            return [try await only()]
        }
        let gates = branches.map { _ in Gate() }, joint = Joint(remaining: branches.count)
        strands.depth += 1
        strands.ready.insert(contentsOf: gates, at: 0)  // the branches stand in their parent's place
        let results = await withTaskGroup(of: (Int, Result<T, SessionError>).self) { group in
            for (k, branch) in branches.enumerated() {
                group.addTask {
                    await gates[k].wait()
                    let result: Result<T, SessionError>
                    do throws(SessionError) { result = .success(try await branch()) } catch { result = .failure(error) }
                    joint.remaining -= 1
                    if joint.remaining == 0 { joint.ended.open() } else { await self.passBaton() }
                    return (k, result)
                }
            }
            await passBaton()
            await joint.ended.wait()
            var results = [Result<T, SessionError>?](repeating: nil, count: branches.count)
            for await (k, result) in group { results[k] = result }
            return results
        }
        strands.depth -= 1
        if let failure { throw failure }
        var values: [T] = []
        for result in results { values.append(try result!.get()) }
        return values
    }

    /// Lets the next strand run; with none left in this round, carries the round first. The caller touches nothing afterwards.
    private func passBaton() async {
        if strands.ready.isEmpty {
            if failure == nil {
                do throws(SessionError) { try await carryRound() } catch { /* kept in `failure`, thrown by every strand */  }
            }
            strands.ready = strands.waiting
            strands.waiting = []
        }
        if !strands.ready.isEmpty { strands.ready.removeFirst().open() }
    }
}

struct Strands {
    var depth = 0
    /// Strands that have yet to run in this round, in order, and those that have posted and wait for its end.
    var ready: [Gate] = [], waiting: [Gate] = []
    var isSplit: Bool { depth > 0 }
}

/// Unchecked: touched by the strand that holds the baton.
private final class Joint: @unchecked Sendable {
    var remaining: Int
    let ended = Gate()
    init(remaining: Int) { self.remaining = remaining }
}

/// Opens once; waiting and opening may come in either order.
final class Gate: Sendable {
    private enum State { case closed, open, awaited(UnsafeContinuation<Void, Never>) }
    private let state = Mutex(State.closed)

    func open() {
        let waiting: UnsafeContinuation<Void, Never>? = state.withLock { state in
            defer { state = .open }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        waiting?.resume()
    }
    func wait() async {
        await withUnsafeContinuation { continuation in
            let isOpen = state.withLock {
                if case .open = $0 { return true }
                $0 = .awaited(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }
}
