import Ciphers
import NIOCore
import P2P
import Primitives
import Testing

@Suite(.timeLimit(.minutes(1)), .serialized) struct BulkSessionTests {
    private static let id = Hash32(Bytes(repeating: 0x5e, count: 32))!

    private func others(_ node: Member, _ nodes: [Member]) -> [Address] { nodes.map(\.address).filter { $0 != node.address } }

    @Test func roundsReachEveryPartyInOrder() async throws {
        try await withAlliance { nodes in
            // Parties open one after another: what the first sends before the last listens must wait for it.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, node) in nodes.enumerated() {
                    let peers = others(node, nodes)
                    group.addTask {
                        let session = try await node.network.openSession(Self.id, with: peers)
                        for round in 0..<200 {
                            // Lengths from nothing to several fragments; content names sender, receiver and round.
                            let length = round % 50 == 49 ? 600_000 : round % 7 * 100
                            let sent = peers.map { peer in
                                Bytes(repeating: UInt8(index) ^ UInt8(round) ^ peer.bytes[0], count: length)
                            }
                            let received = try await session.exchange(sent)
                            for (peer, message) in zip(peers, received) {
                                let sender = nodes.firstIndex { $0.address == peer }!
                                guard
                                    message == Bytes(repeating: UInt8(sender) ^ UInt8(round) ^ node.address.bytes[0], count: length)
                                else {
                                    Issue.record("round \(round): party \(index) got other bytes from \(sender)")
                                    return
                                }
                            }
                        }
                        #expect(session.traffic.sentFrames == 600 && session.traffic.receivedFrames == 600)
                        session.close()
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func sessionsDoNotMix() async throws {
        try await withAlliance(2) { nodes in
            let ids = (0..<20).map { Hash32(Bytes(repeating: UInt8($0), count: 32))! }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in ids {
                    for (node, other) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
                        group.addTask {
                            let session = try await node.network.openSession(id, with: [other.address])
                            for _ in 0..<20 {
                                let received = try await session.exchange([id.bytes])
                                #expect(received == [id.bytes])
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func aLostLinkEndsTheSessionAndNamesTheParty() async throws {
        let stays = try await Member(0), goes = try await Member(1)
        stays.network.add(goes.endpoint)
        try await running([stays]) {
            try await running([goes]) {
                await stays.journal.up(1, .bulk)
                await goes.journal.up(0, .bulk)
                let session = try await stays.network.openSession(Self.id, with: [goes.address])
                let waiting = Task { try await session.receive(from: 0) }
                goes.network.advance(to: view(height: 1, members: [goes.address]))
                await #expect(throws: BulkError.linkLost(goes.address)) { try await waiting.value }
                #expect(throws: BulkError.linkLost(goes.address)) { try session.send([1], to: 0) }
            }
        }
    }

    @Test func cancellingTheCallerEndsItsWait() async throws {
        try await withAlliance(2) { nodes in
            let session = try await nodes[0].network.openSession(Self.id, with: [nodes[1].address])
            let waiting = Task { try await session.receive(from: 0) }
            waiting.cancel()
            await #expect(throws: BulkError.cancelled) { try await waiting.value }
        }
    }

    @Test func aMessageLongerThanPlannedIsRefusedUnread() async throws {
        try await withAlliance(2) { nodes in
            let careful = try await nodes[0].network.openSession(Self.id, with: [nodes[1].address], maximumMessageBytes: 1_000)
            let greedy = try await nodes[1].network.openSession(Self.id, with: [nodes[0].address])
            #expect(throws: BulkError.tooLong(bytes: 1_001, maximum: 1_000)) {
                try careful.send(Bytes(repeating: 0, count: 1_001), to: 0)
            }
            try greedy.send(Bytes(repeating: 0, count: 1_001), to: 0)
            await #expect(throws: BulkError.tooLongFrom(nodes[1].address, bytes: 1_001, maximum: 1_000)) {
                try await careful.receive(from: 0)
            }
            await #expect(throws: BulkError.sessionExists) {
                try await nodes[1].network.openSession(Self.id, with: [nodes[0].address])
            }
        }
    }

    @Test func theTapSeesFramesBeforeTLSAndNoTraceOfThemAfter() async throws {
        let recorder = Recorder()
        try await withAlliance(2, taps: [0: recorder]) { nodes in
            let secret = Bytes("patient 4711, progression 151".utf8)
            let session = try await nodes[0].network.openSession(Self.id, with: [nodes[1].address])
            let reader = try await nodes[1].network.openSession(Self.id, with: [nodes[0].address])
            try session.send(secret, to: 0)
            #expect(try await reader.receive(from: 0) == secret)
            func holds(_ bytes: Bytes) -> Bool { bytes.indices.contains { bytes[$0...].starts(with: secret) } }
            #expect(holds(recorder.plain.withLock { $0 }))
            let wire = recorder.wire.withLock { $0 }
            #expect(wire.count > 1_000 && !holds(wire))
        }
    }
}
