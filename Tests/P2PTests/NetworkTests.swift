import Ciphers
import NIOCore
import NIOPosix
import P2P
import Primitives
import Testing

@Suite(.timeLimit(.minutes(1)), .serialized) struct NetworkTests {
    @Test func fourNodesLinkAndTalk() async throws {
        try await withAlliance { nodes in
            for node in nodes { #expect(node.network.peers == members.subtracting([node.address])) }
            nodes[0].network.broadcast(Frame(.commit, [0xc1, 0x05]))
            for node in nodes[1...] {
                let (frame, from) = try #require(await node.nextFrame())
                #expect(frame == Frame(.commit, [0xc1, 0x05]) && from == nodes[0].address)
            }
            #expect(nodes[2].network.send(Frame(.headers, Bytes(repeating: 9, count: 4 << 20)), to: nodes[3].address))
            let (large, sender) = try #require(await nodes[3].nextFrame())
            #expect(large.payload.count == 4 << 20 && sender == nodes[2].address)
            #expect(!nodes[2].network.send(Frame(.commit, []), to: nodes[2].address), "no link to oneself")

            let report = try #require(nodes[3].network.links.first { $0.node == nodes[2].address && $0.kind == .control })
            #expect(report.traffic[.sync]?.receivedBytes == 4 << 20 | 6)
            #expect(report.traffic[.consensus]?.receivedFrames == 0)
            #expect(report.hello.client == "test/2")
        }
    }

    @Test func consensusOvertakesWhatWaits() async throws {
        try await withAlliance(2) { nodes in
            // The reader does not read: links take 9 MiB on credit, sockets some more, the rest waits in the sender's queue.
            for _ in 0..<28 {
                #expect(nodes[0].network.send(Frame(.bodies, Bytes(repeating: 1, count: 1 << 20)), to: nodes[1].address))
            }
            #expect(nodes[0].network.send(Frame(.commit, [0xc0]), to: nodes[1].address))
            var order: [FrameID] = []
            while order.count < 29, let (frame, _) = await nodes[1].nextFrame() { order.append(frame.id) }
            #expect(order.filter { $0 == .bodies }.count == 28)
            #expect(order.last == .bodies, "the commit came before the last of them")
        }
    }

    @Test func aLinkThatDoesNotKeepUpIsCut() async throws {
        try await withAlliance(2) { nodes in
            var sent = 0
            while nodes[0].network.send(Frame(.bodies, Bytes(repeating: 1, count: 4 << 20)), to: nodes[1].address) { sent += 1 }
            #expect((8..<20).contains(sent), "32 MiB here, some on credit and in sockets")
            await nodes[0].journal.first { $0 == .down(nodes[1].address, .control, .sendQueueFull) }
        }
    }

    @Test func linksSettleOnOneOfTwoConnections() async throws {
        try await withAlliance { nodes in
            for node in nodes {
                let control = node.network.links.filter { $0.kind == .control }
                #expect(control.count == 3)
                for link in control {
                    let other = try #require(
                        nodes.first { $0.address == link.node }?.network.links.first {
                            $0.kind == .control && $0.node == node.address
                        })
                    #expect(other.isDialed != link.isDialed, "both sides hold the same connection")
                }
            }
        }
    }

    @Test func whoIsNoMemberIsRefusedWithTheReasonUntilAdmitted() async throws {
        let inside = try await Member(0), bureau = try await Member(7, view: view(members: members.union([key(7).address])))
        bureau.network.add(inside.endpoint)
        try await running([inside, bureau]) {
            await inside.journal.first { if case .refused(_, key(7).address, .notAdmitted, height: 0) = $0 { true } else { false } }
            await bureau.journal.first {
                if case .refusedBy(_, key(0).address, .notAdmitted, height: 0) = $0 { true } else { false }
            }
            #expect(inside.network.peers.isEmpty && bureau.network.peers.isEmpty)
            inside.network.advance(to: view(height: 12, members: members.union([key(7).address])))
            await inside.journal.up(7, .control)
            await bureau.journal.up(0, .bulk)
            inside.network.advance(to: view(height: 13))
            await bureau.journal.first {
                if case .refusedBy(_, key(0).address, .notAdmitted, height: 13) = $0 { true } else { false }
            }
            await inside.journal.first { $0 == .down(key(7).address, .control, .refusedHere(.notAdmitted)) }
            #expect(inside.network.peers.isEmpty)
        }
    }

    @Test func anotherChainIsRefused() async throws {
        let ours = try await Member(0), foreign = try await Member(1, view: view(genesis: 2))
        ours.network.add(foreign.endpoint)
        try await running([ours, foreign]) {
            await ours.journal.first {
                switch $0 {
                case .refused(_, key(1).address, .wrongChain, _), .refusedBy(_, key(1).address, .wrongChain, _): true
                default: false
                }
            }
            #expect(ours.network.peers.isEmpty)
        }
    }

    @Test func aNodeThatAnswersForAnotherIsLeft() async throws {
        let caller = try await Member(0), impostor = try await Member(1)
        caller.network.add(Endpoint(node: key(2).address, host: "127.0.0.1", port: impostor.network.port))
        try await running([caller, impostor]) {
            await caller.journal.first { if case .unexpectedNode(_, key(1).address, key(2).address) = $0 { true } else { false } }
            #expect(caller.network.peers.isEmpty)
        }
    }

    @Test func aLinkComesBackAfterItsNodeDid() async throws {
        let stays = try await Member(0), goes = try await Member(1)
        goes.network.add(stays.endpoint)
        stays.network.add(goes.endpoint)
        try await running([stays]) {
            try await running([goes]) {
                await stays.journal.up(1, .control)
                await goes.journal.up(0, .bulk)
            }
            await stays.journal.first {
                if case .down(key(1).address, .control, .disconnected(.shuttingDown)) = $0 { true } else { false }
            }
            let back = try await Member(1, port: goes.network.port)
            try await running([back]) {
                // As consensus does: at each start of a link, what the other side may have missed.
                var ups = 0, downs = 0
                for await event in stays.stream {
                    if case .down = event { downs += 1 }
                    guard case .up(back.address, _) = event else { continue }
                    ups += 1
                    if downs == 1, ups > downs, stays.network.send(Frame(.status, [0xc0]), to: back.address) { break }
                }
                let frame = await back.nextFrame()?.0
                #expect(frame == Frame(.status, [0xc0]))
                #expect(stays.network.peers == [back.address])
            }
            await stays.journal.first { $0 == .down(back.address, .control, .disconnected(.shuttingDown)) }
        }
    }

    @Test func anOccupiedPortIsNamed() async throws {
        let first = try await Member(0)
        try await running([first]) {
            do {
                _ = try await Member(1, port: first.network.port)
                Issue.record("two listeners on one port")
            } catch let error as PeerNetworkError {
                guard case .cannotListen("127.0.0.1", first.network.port, _) = error else { throw error }
            }
        }
    }

    // MARK: hostile peers

    private func withStranger(
        _ certificate: NodeCertificate, kind: LinkKind = .control,
        _ body: @Sendable @escaping (Member, Stranger) async throws -> Void
    ) async throws {
        let node = try await Member(0)
        try await running([node]) {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            try await body(node, try await Stranger.connect(to: node.network.port, certificate, kind: kind, group: group))
            try await group.shutdownGracefully()
        }
    }
    private var hello: Bytes {
        Frame(
            .hello,
            Hello(
                chainId: 1_337_000_001, genesisHash: Hash32(Bytes(repeating: 1, count: 32))!,
                fork: ForkSchedule(genesisHash: Hash32(Bytes(repeating: 1, count: 32))!, forks: []).id(atHead: 0), headNumber: 0,
                headHash: .zero, headTime: 0, client: "stranger"
            ).encoded
        ).encoded
    }

    @Test func aForgedCertificateIsLoggedAndCut() async throws {
        let victim = key(1)
        let binding = SignedKey(publicKey: [8, 2, 18, 33] + victim.publicKey.compressed, signature: victim.signDER(.zero)).der
        try await withStranger(try NodeCertificate { _ in binding }) { node, stranger in
            await node.journal.first { if case .certificateRefused(_, .forged(victim.address)) = $0 { true } else { false } }
            for await _ in stranger.received { Issue.record("nothing may follow") }
        }
    }

    @Test func whatIsNotHelloIsABreach() async throws {
        try await withStranger(try NodeCertificate(for: key(1))) { node, stranger in
            stranger.send(Frame(.commit, [0xc0]).encoded)
            let reason = try await stranger.dismissal()
            #expect(reason == .protocolBreach)
            await node.journal.first { if case .breach(_, key(1).address, .beforeAdmission(.commit)) = $0 { true } else { false } }
        }
    }

    @Test func aLongHelloIsNeverAwaited() async throws {
        try await withStranger(try NodeCertificate(for: key(1))) { node, stranger in
            stranger.send([0, 0, 4, 1, 0, 0])
            let reason = try await stranger.dismissal()
            #expect(reason == .protocolBreach)
            await node.journal.first { if case .breach(_, _, .tooLarge(.hello, 1_025, 1_024)) = $0 { true } else { false } }
        }
    }

    @Test func anOversizeFrameCutsAMemberAndBansItsKey() async throws {
        let opening = hello
        try await withStranger(try NodeCertificate(for: key(1))) { node, stranger in
            stranger.send(opening + Frame(.ping, Bytes(repeating: 0, count: 8)).encoded)
            await node.journal.up(1, .control)
            stranger.send([0x00, 0x20, 0x00, 0x00, 0, 0x13])
            let reason = try await stranger.dismissal()
            #expect(reason == .protocolBreach)
            await node.journal.first { if case .down(key(1).address, .control, _) = $0 { true } else { false } }
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let again = try await Stranger.connect(to: node.network.port, try NodeCertificate(for: key(1)), group: group)
            again.send(opening)
            let second = try await again.dismissal()
            #expect(second == .protocolBreach)
            try await group.shutdownGracefully()
        }
    }

    @Test func sharesDoNotTravelOnTheControlLink() async throws {
        let opening = hello
        try await withStranger(try NodeCertificate(for: key(1))) { node, stranger in
            stranger.send(opening + Frame(.session, Bytes(repeating: 0, count: 44)).encoded)
            let reason = try await stranger.dismissal()
            #expect(reason == .protocolBreach)
            await node.journal.first { if case .breach(_, key(1).address, .misplaced(.session)) = $0 { true } else { false } }
        }
    }

    @Test(arguments: 0..<4) func randomBytesAfterHelloEndTheLinkOnly(_ seed: UInt64) async throws {
        let opening = hello
        try await withStranger(try NodeCertificate(for: key(1)), kind: seed & 1 == 0 ? .control : .bulk) { node, stranger in
            var random = Seeded(state: seed)
            stranger.send(opening + random.bytes(20_000))
            let reason = try await stranger.dismissal()
            #expect(reason == .protocolBreach)
            #expect(node.network.peers.isEmpty)
        }
    }

    @Test func callsBeyondTheDoorsRateAreTurnedAway() async throws {
        let node = try await Member(0)
        try await running([node]) {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let certificate = try NodeCertificate(for: key(1))
            for _ in 0..<12 { _ = try await Stranger.connect(to: node.network.port, certificate, group: group) }
            await node.journal.first { if case .turnedAway = $0 { true } else { false } }
            try await group.shutdownGracefully()
        }
    }
}
