import Foundation
import P2P
import Primitives
import Testing

/// Figures for the record, not judgements: `ENTENTE_MEASURE=1`. They depend on the machine, so nothing is asserted on time.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["ENTENTE_MEASURE"] != nil), .serialized) struct Measurement {
    private static let id = Hash32(Bytes(repeating: 0x5e, count: 32))!

    @Test(arguments: [(2, 100, 20_000), (4, 100, 10_000), (4, 10_000, 4_000), (2, 1 << 20, 1_000), (4, 1 << 20, 300)])
    func rounds(_ parties: Int, _ bytes: Int, _ rounds: Int) async throws {
        try await withAlliance(parties) { nodes in
            let before = processorSeconds()
            let elapsed = try await withThrowingTaskGroup(of: Duration.self) { group in
                for node in nodes {
                    let peers = nodes.map(\.address).filter { $0 != node.address }
                    group.addTask {
                        let session = try await node.network.openSession(Self.id, with: peers)
                        let message = Bytes(repeating: 7, count: bytes)
                        let outgoing = peers.map { _ in message }
                        _ = try await session.exchange(outgoing)
                        let start = ContinuousClock.now
                        for _ in 0..<rounds { _ = try await session.exchange(outgoing) }
                        return ContinuousClock.now - start
                    }
                }
                return try await group.reduce(.zero, max)
            }
            let seconds = elapsed / .seconds(1)
            let moved = Double(parties * (parties - 1) * bytes * rounds) / 1e6
            let processor = processorSeconds() - before
            print(
                "\(parties) parties, \(bytes) B: \(Int(seconds / Double(rounds) * 1e6)) µs a round, \(Int(moved / seconds)) MB/s in all;",
                "of processor time \(Int(processor / Double(rounds * parties) * 1e6)) µs a round and party, \(Int(moved / processor)) MB/s"
            )
        }
    }

    @Test func controlFramesThereAndBack() async throws {
        try await withAlliance(2) { nodes in
            let count = 20_000
            async let _: Void = {
                for await event in nodes[1].stream {
                    if case .frame(let frame, let from) = event { nodes[1].network.send(frame, to: from) }
                }
            }()
            let start = ContinuousClock.now
            for _ in 0..<count {
                nodes[0].network.send(Frame(.commit, Bytes(repeating: 1, count: 100)), to: nodes[1].address)
                _ = await nodes[0].nextFrame()
            }
            print("control frame of 100 B there and back: \(Int((ContinuousClock.now - start) / .microseconds(1)) / count) µs")
        }
    }
}

private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
