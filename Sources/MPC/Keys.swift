import CKernels
import Ciphers
import Primitives

/// The keys of one party in one session. K_j is known to everyone but party j; from it come the MAC key M_j, the salt L_j of
/// public digests and the key of boxes. All are bound to the session and new in every attempt.
///
/// Source: reference/r4.md §2.
package struct SessionKeys: Sendable {
    package let party: Int
    package let session: Hash32
    /// K_j, 16 bytes; empty for the own index.
    let keys: [Bytes]
    /// What was sent and got when they were agreed: what KEY claims are about. Empty where keys were dealt.
    package private(set) var contributions: [KeyContribution] = []

    package init(party: Int, session: Hash32, keys: [Bytes]) {
        precondition(keys.count == 4 && (0..<4).allSatisfy { keys[$0].count == ($0 == party ? 0 : 16) })
        (self.party, self.session, self.keys) = (party, session, keys)
    }
    func macKey(_ j: Int) -> Bytes { Bytes(sha256(Bytes("entente/mpc/mac-key/v1".utf8) + keys[j]).bytes[0..<16]) }
    func salt(_ j: Int) -> Hash32 { sha256(Bytes("entente/mpc/salt/v1".utf8) + keys[j]) }
    func boxKey(_ j: Int) -> Hash32 { sha256(Bytes("entente/mpc/box-key/v1".utf8) + keys[j]) }

    /// K_j from the contributions of its holders, in order of holders.
    static func derive(component j: Int, session: Hash32, contributions: [Hash32]) -> Bytes {
        let input = Bytes("entente/mpc/key/v1".utf8) + session.bytes + [UInt8(j)] + contributions.flatMap(\.bytes)
        return Bytes(sha256(input).bytes[0..<16])
    }

    /// Holders of each key exchange contributions, then compare a digest of what they derived before anything uses it.
    /// - Parameter contributions: four fresh random values, by component; the own index is not used.
    /// - Cost: 2 rounds; 64 bytes to each other party in each.
    /// - Throws: `keysDiffer` with the digests of what this party sent and got for that key.
    package static func agree(
        party: Int, session: Hash32, contributions: [Hash32], over channel: some Channel
    )
        async throws(SessionError) -> SessionKeys
    {
        precondition(contributions.count == 4 && (0..<4).contains(party))
        let others = (0..<4).filter { $0 != party }
        func exchange(_ entry: (Int) -> Hash32) async throws(SessionError) -> [[Int: Hash32]] {
            let frames = (0..<4).map { p in
                p == party ? Bytes() : (0..<4).filter { $0 != p && $0 != party }.flatMap { entry($0).bytes }
            }
            let got: [Bytes]
            do { got = try await channel.exchange(frames, expecting: frames.map(\.count)) } catch { throw .channel(error) }
            var entries = [[Int: Hash32]](repeating: [:], count: 4)
            for p in others {
                guard got[p].count == 64 else { throw .unexpectedFrame(from: p) }
                for (k, j) in (0..<4).filter({ $0 != p && $0 != party }).enumerated() {
                    entries[p][j] = Hash32(got[p][32 * k..<32 * k + 32])
                }
            }
            return entries
        }
        let received = try await exchange { contributions[$0] }
        let keys = (0..<4).map { j in
            j == party
                ? []
                : derive(
                    component: j, session: session,
                    contributions: (0..<4).filter { $0 != j }.map { $0 == party ? contributions[j] : received[$0][j]! })
        }
        func check(_ j: Int) -> Hash32 { sha256(Bytes("entente/mpc/key-check/v1".utf8) + session.bytes + [UInt8(j)] + keys[j]) }
        let checks = try await exchange(check)
        let digest = { (j: Int, from: Int, value: Hash32) in
            sha256(Bytes("entente/mpc/key-contribution/v1".utf8) + session.bytes + [UInt8(j), UInt8(from)] + value.bytes)
        }
        let stated = others.map { j in
            let holders = others.filter { $0 != j }
            return holders.map { KeyContribution(component: j, from: party, to: $0, side: 0, digest: digest(j, party, contributions[j])) }
                + holders.map { KeyContribution(component: j, from: $0, to: party, side: 1, digest: digest(j, $0, received[$0][j]!)) }
        }
        for (k, j) in others.enumerated() where others.contains(where: { $0 != j && checks[$0][j]! != check(j) }) {
            throw .keysDiffer(component: j, contributions: stated[k])
        }
        var agreed = SessionKeys(party: party, session: session, keys: keys)
        agreed.contributions = stated.flatMap { $0 }
        return agreed
    }
}

extension SessionKeys: CustomStringConvertible {
    package var description: String { "SessionKeys(party \(party))" }
}

/// AES-128 as a stream: block c of (step, use) is AES of step u64 ‖ use u16 ‖ c u48, big-endian.
package struct Stream: ~Copyable {
    private let schedule: UnsafeMutablePointer<UInt8>
    private var step: UInt64 = 0
    private var used: [UInt16] = []

    package init(key: Bytes) {
        precondition(key.count == 16)
        schedule = .allocate(capacity: 176)
        entente_aes128_expand(key, schedule)
    }
    deinit {
        schedule.update(repeating: 0, count: 176)
        schedule.deallocate()
    }

    /// Draws a matrix. No position may be drawn twice, since two payloads under one mask differ by a secret: steps only rise,
    /// and a use occurs once in a step.
    package mutating func draw<R: Ring>(step: UInt64, use: UInt16, planes: Int, count: Int, in ring: R.Type) -> Column {
        precondition(step > self.step || step == self.step && !used.contains(use), "a stream position must never be used twice")
        if step > self.step {
            self.step = step
            used.removeAll(keepingCapacity: true)
        }
        used.append(use)
        return expand(step: step, use: use, byteCount: R.byteCount(planes: planes, count: count)) {
            R.decode($0, planes: planes, count: count)
        }
    }
    /// `byteCount` bytes of the stream from its start.
    borrowing func expand<T>(step: UInt64, use: UInt16, byteCount: Int, _ body: (UnsafeRawBufferPointer) -> T) -> T {
        let blocks = (byteCount + 15) / 16
        return withUnsafeTemporaryAllocation(byteCount: max(16, 16 * blocks), alignment: 64) { buffer in
            entente_aes128_ctr(schedule, step, UInt64(use) << 48, buffer.bindMemory(to: UInt8.self).baseAddress!, blocks)
            return body(UnsafeRawBufferPointer(rebasing: buffer[0..<byteCount]))
        }
    }
}
