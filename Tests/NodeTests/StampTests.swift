import Ciphers
import Foundation
import Node
import Primitives
import Testing

@Suite(.timeLimit(.minutes(2))) struct StampTests {
    @Test func eachChangeWithoutAnAnswerGetsAQuery() async throws {
        let world = try World.record().world,
            path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-stamp-\(UUID().uuidString)").path
        let directory = try DataDirectory.create(path, Configuration(name: "clerk"), withNodeKey: false)
        defer { _ = try? FileManager.default.removeItem(atPath: path) }
        try await withNode(HandMadeLedger(world: world)) { client in
            let desk = try await Desk.open(path, via: client.connection.url), first = try await desk.stamp()
            #expect(first.map(\.block) == [2, 4] && first.allSatisfy { $0.query != nil })
            #expect(try directory.read("tokens/\(first[0].hash).tsq") == TimeStamp.query(first[0].hash))
            try directory.write("tokens/\(first[0].hash).tsr", [1])
            let second = try await desk.stamp()
            #expect(second.map { $0.query == nil } == [true, false] && second.map(\.hash) == first.map(\.hash))
        }
    }
}
