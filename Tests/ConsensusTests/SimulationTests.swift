import Consensus
import Foundation
import Simulation
import Testing

private let environment = ProcessInfo.processInfo.environment

/// `ENTENTE_SEED=…` replays one run; `ENTENTE_SEEDS=100000` is the soak.
private func run(_ seeds: Range<UInt64>, _ control: World.Control = .none, _ each: (World) -> Void) {
    for seed in seeds {
        let world = World(seed: seed, control: control)
        world.run()
        each(world)
    }
}

@Test func noSeedBreaksAnInvariant() throws {
    if let seed = environment["ENTENTE_SEED"].flatMap(UInt64.init) {
        return run(seed..<seed + 1) { #expect($0.violations.isEmpty, "ENTENTE_SEED=\(seed)") }
    }
    let count = environment["ENTENTE_SEEDS"].flatMap(UInt64.init) ?? 10_000
    var failures = 0
    let clock = ContinuousClock(), start = clock.now
    var deliveries = 0
    run(0..<count) { world in
        deliveries += world.deliveries
        if !world.violations.isEmpty {
            failures += 1
            print("FAILED: ENTENTE_SEED=\(world.seed): \(world.violations)")
        }
    }
    print("simulator: \(count) seeds, \(deliveries) messages, \(clock.now - start), \(failures) failed")
    #expect(failures == 0, "replay one with ENTENTE_SEED=…")
}
