import Ciphers
import Primitives
import Synchronization

/// One party of a committee under profile R4: four parties, at most one of them malicious. Private, never wrong, may abort;
/// an abort by contradiction names two parties, one of which lied.
///
/// A message is a row (s, v, r, o). In one and the same round s sends the payload to r, and v, which can compute the same
/// bytes, sends r a MAC of it. r uses nothing that it has not compared. The receiver lacks the mask key, the sender lacks the
/// MAC key, the outsider lacks the salt of public digests:
///
///     s ── payload = value − stream(K_r) ──▶ r          o knows the mask too, v the whole payload
///     v ── GMAC under M_s ───────────────▶ r            MAC compared on arrival, before use
///
/// Source: reference/r4.md; between page and model the model decides. Deviations: the index shift σ is 0 and a vector is one
/// chunk, so parties 0 and 1 send two of a product's six elements, 2 and 3 one.
/// Invariants: steps rise in the order in which operations are posted, the same at all parties; a stream position is drawn
/// once; after any error nothing is sent.
///
/// Unchecked: only the strand that holds the baton touches the state (`Session+Strands.swift`), and a baton passes through the
/// lock of a `Gate`.
package final class Session: Machine, @unchecked Sendable {
    package let party: Int
    package let identity: Hash32
    let keys: SessionKeys
    private let channel: any Channel
    private let streams: Streams
    private let macs: [GMAC?]
    private(set) var step: UInt64 = 0

    /// Messages of the open round, and of the last complete one: what claims can be asked about.
    private var posted: [Message] = [], arrived: [Message] = []
    private var isRoundOpen = false
    private(set) var failure: SessionError?
    var strands = Strands()

    package private(set) var traffic = Traffic()
    private var ledger = MACLedger()

    package init(keys: SessionKeys, channel: some Channel) {
        (self.keys, self.channel, party, identity) = (keys, channel, keys.party, keys.session)
        streams = Streams(keys)
        macs = (0..<4).map { $0 == keys.party ? nil : GMAC(key: keys.macKey($0)) }
    }

    /// The digest that this party states about a disputed message: of what it sent, expected or got. Nil is "none": it is no
    /// party to it, or the message is not of an open round.
    package func claim(for slot: MessageSlot) -> Hash32? {
        guard let message = (posted + arrived).first(where: { $0.slot == slot }) else { return nil }
        return message.bytes.map { digest(slot, $0) }
    }
    /// The batch record up to now: all rounds so far, complete and compared.
    package func record() -> BatchRecord { ledger.record(lastStep: step, traffic: traffic, party: party) }

    // MARK: posting

    func nextStep() { step += 1 }

    /// A vector known to s and v becomes part of a sharing on components o and r: mask from K_r, the rest as payload.
    func join<R: Ring>(_ pending: inout Pending<R>, row number: Int, _ row: Row, _ value: () -> Column) {
        isRoundOpen = true
        pending.z.support |= 1 << UInt8(row.r) | 1 << UInt8(row.o)
        if party == row.r { return expect(&pending, row: number, row) }
        let mask = draw(row.r, use: number, pending.z)
        pending.z.gain(row.r, mask)
        if party == row.o { return }
        var payload = value()
        R.subtract(&payload, mask)
        post(
            number, row, R.encode(payload, planes: pending.z.planes, count: pending.z.count), in: R.self,
            elements: pending.z.planes * pending.z.count)
        pending.z.gain(row.o, payload)
    }
    func draw<R: Ring>(_ j: Int, use: Int, _ shape: Shared<R>) -> Column {
        streams.draw(j, step: step, use: UInt16(use), planes: shape.planes, count: shape.count, in: R.self)
    }
    /// What s sends and v vouches for.
    func post<R: Ring>(_ number: Int, _ row: Row, _ bytes: Bytes, in ring: R.Type, elements: Int) {
        isRoundOpen = true
        if party == row.s { traffic.payloadBits += elements * R.bits }
        posted.append(
            Message(slot: MessageSlot(step: step, row: UInt32(number), parties: row), byteCount: bytes.count, bytes: bytes[...]))
    }
    /// What r waits for; it joins component o.
    func expect<R: Ring>(_ pending: inout Pending<R>, row number: Int, _ row: Row) {
        isRoundOpen = true
        pending.incoming.append((posted.count, row.o))
        posted.append(
            Message(
                slot: MessageSlot(step: step, row: UInt32(number), parties: row),
                byteCount: R.byteCount(planes: pending.z.planes, count: pending.z.count), bytes: nil))
    }
    /// The others of this round know that one of the open messages is theirs to wait for.
    func openRound() { isRoundOpen = true }

    /// What arrived joins the sharing; the round is over.
    func take<R: Ring>(_ pending: Pending<R>) -> Shared<R> {
        var z = pending.z
        for (index, component) in pending.incoming {
            z.gain(component, received(index, planes: z.planes, count: z.count, in: R.self))
        }
        return z
    }
    func received<R: Ring>(_ index: Int, planes: Int, count: Int, in ring: R.Type) -> Column {
        arrived[index].bytes!.withUnsafeBytes { R.decode($0, planes: planes, count: count) }
    }

    // MARK: a round

    /// Carries everything posted; receivers compare before anyone goes on.
    func carryRound() async throws(SessionError) {
        if failure != nil { throw .ended }
        guard isRoundOpen else { return }
        let (frames, expecting) = outgoing()
        let got: [Bytes]
        do { got = try await channel.exchange(frames, expecting: expecting) } catch {
            failure = .channel(error)
            throw .channel(error)
        }
        traffic.rounds += 1
        for p in 0..<4 where p != party {
            traffic.bytesOut[p] += frames[p].count
            traffic.bytesIn[p] += got[p].count
        }
        if let error = accept(got, expecting) {
            failure = error
            throw error
        }
        (arrived, posted, isRoundOpen) = (posted, [], false)
    }

    private func outgoing() -> (frames: [Bytes], expecting: [Int]) {
        var frames: [Bytes] = [[], [], [], []], sizes = [0, 0, 0, 0], expecting = [0, 0, 0, 0]
        for m in posted {
            let row = m.slot.parties
            if row.s == party { sizes[row.r] += Message.headerCount + m.byteCount }
            if row.v == party { sizes[row.r] += Message.headerCount + MACTag.count }
            if row.r == party {
                expecting[row.s] += Message.headerCount + m.byteCount
                expecting[row.v] += Message.headerCount + MACTag.count
            }
        }
        for p in 0..<4 { frames[p].reserveCapacity(sizes[p]) }
        for m in posted {
            let row = m.slot.parties
            if row.s == party {
                m.slot.appendHeader(to: &frames[row.r], byteCount: m.byteCount)
                frames[row.r].append(contentsOf: m.bytes!)
            } else if row.v == party {
                let tag = mac(m.slot, m.bytes!)
                ledger.sent(tag, to: row.r)
                m.slot.appendHeader(to: &frames[row.r], byteCount: MACTag.count)
                frames[row.r].append(contentsOf: tag.bytes)
            }
        }
        return (frames, expecting)
    }

    /// Compares every message of the round. What is missing, of wrong length or out of place counts as not received.
    private func accept(_ frames: [Bytes], _ expecting: [Int]) -> SessionError? {
        var at = [0, 0, 0, 0], readable = [true, true, true, true], objections: [Objection] = []
        for p in 0..<4 where p != party && frames[p].count > expecting[p] {
            if expecting[p] == 0 { return .unexpectedFrame(from: p) }
            readable[p] = false
        }
        func next(from p: Int, _ slot: MessageSlot, _ byteCount: Int) -> ArraySlice<UInt8>? {
            guard readable[p], slot.isHeader(of: frames[p], at: at[p], byteCount: byteCount) else {
                readable[p] = false
                return nil
            }
            defer { at[p] += Message.headerCount + byteCount }
            return frames[p][at[p] + Message.headerCount..<at[p] + Message.headerCount + byteCount]
        }
        for i in posted.indices where posted[i].slot.parties.r == party {
            let slot = posted[i].slot
            posted[i].bytes = next(from: slot.parties.s, slot, posted[i].byteCount)
            let sent = next(from: slot.parties.v, slot, MACTag.count)
            if let bytes = posted[i].bytes, let sent {
                let tag = sent.withUnsafeBytes { MACTag(at: $0.baseAddress!) }
                if tag == mac(slot, bytes) {
                    ledger.accepted(tag, from: slot.parties.v)
                    continue
                }
            }
            objections.append(Objection(slot: slot, received: posted[i].bytes.map { digest(slot, $0) }))
        }
        return objections.isEmpty ? nil : .objection(objections)
    }

    private func mac(_ slot: MessageSlot, _ payload: ArraySlice<UInt8>) -> MACTag {
        payload.withUnsafeBytes {
            macs[slot.parties.s]!.tag(high: slot.step, low: slot.row, header: identity.bytes + slot.bytes, payload: $0)
        }
    }
    private func digest(_ slot: MessageSlot, _ payload: ArraySlice<UInt8>) -> Hash32 {
        var hash = SHA256()
        hash.update(Bytes("entente/mpc/message/v1".utf8) + keys.salt(slot.parties.o).bytes + identity.bytes + slot.bytes)
        payload.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }
}

/// What a session has carried so far.
package struct Traffic: Sendable, Equatable {
    package internal(set) var rounds = 0
    /// Payload that this party sent, without headers and MACs.
    package internal(set) var payloadBits = 0
    /// Bytes of frames by party.
    package internal(set) var bytesOut = [0, 0, 0, 0], bytesIn = [0, 0, 0, 0]
}

/// A message of an open round at one of its three parties.
struct Message {
    static let headerCount = 16
    let slot: MessageSlot
    let byteCount: Int
    /// Sent or vouched for; at the receiver what came, nil before or if nothing fitting came.
    var bytes: ArraySlice<UInt8>?
}

/// A sharing that waits for messages: (index among the round's messages, component it joins).
struct Pending<R: Ring> {
    var z: Shared<R>
    var incoming: [(Int, Int)] = []
}

extension MessageSlot {
    /// step u64 ‖ row u32 ‖ s ‖ v ‖ r ‖ o, big-endian.
    var bytes: Bytes { prefix + [UInt8(parties.s), UInt8(parties.v), UInt8(parties.r), UInt8(parties.o)] }
    private var prefix: Bytes {
        withUnsafeBytes(of: step.bigEndian) { Bytes($0) } + withUnsafeBytes(of: row.bigEndian) { Bytes($0) }
    }

    /// step u64 ‖ row u32 ‖ length u32, big-endian.
    func appendHeader(to frame: inout Bytes, byteCount: Int) {
        frame.append(contentsOf: prefix)
        withUnsafeBytes(of: UInt32(byteCount).bigEndian) { frame.append(contentsOf: $0) }
    }
    /// Whether this message's header stands there with all of its bytes behind it.
    func isHeader(of frame: Bytes, at: Int, byteCount: Int) -> Bool {
        guard frame.count - at >= Message.headerCount + byteCount else { return false }
        return frame.withUnsafeBytes { raw in
            UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)) == step
                && UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self)) == row
                && UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self)) == UInt32(byteCount)
        }
    }
}

/// The streams of the three keys that a party has.
final class Streams {
    private var s0: Stream?, s1: Stream?, s2: Stream?, s3: Stream?

    init(_ keys: SessionKeys) {
        s0 = keys.party == 0 ? nil : Stream(key: keys.keys[0])
        s1 = keys.party == 1 ? nil : Stream(key: keys.keys[1])
        s2 = keys.party == 2 ? nil : Stream(key: keys.keys[2])
        s3 = keys.party == 3 ? nil : Stream(key: keys.keys[3])
    }
    func draw<R: Ring>(_ j: Int, step: UInt64, use: UInt16, planes: Int, count: Int, in ring: R.Type) -> Column {
        switch j {
        case 0: s0!.draw(step: step, use: use, planes: planes, count: count, in: ring)
        case 1: s1!.draw(step: step, use: use, planes: planes, count: count, in: ring)
        case 2: s2!.draw(step: step, use: use, planes: planes, count: count, in: ring)
        default: s3!.draw(step: step, use: use, planes: planes, count: count, in: ring)
        }
    }
}
