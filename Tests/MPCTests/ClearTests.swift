import MPC
import Primitives
import Testing

@Test func clearMachineComparesAsWordsDo() async throws {
    let machine = ClearMachine()
    let x: Column = [0, 5, 7, ~0, 1 << 62, 9], y: Column = [1, 5, 3, 0, 7, 1 << 61]
    let less = try await machine.lessThan(machine.share(x, count: 6, in: Z64.self), machine.share(y, count: 6, in: Z64.self))
    let expected = (0..<6).filter { Int64(bitPattern: x[$0]) < Int64(bitPattern: y[$0]) }.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
    #expect(machine.reveal(less) == [expected])
}
