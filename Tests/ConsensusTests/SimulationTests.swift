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
    var deliveries = 0, heights: UInt64 = 0, rounds = 0, crashes = 0, wipes = 0, liars = 0, equivocations = 0, calm: [UInt64] = []
    run(0..<count) { world in
        let summary = world.summary
        deliveries += world.deliveries
        heights += summary.heights
        rounds += summary.highestRound > 0 ? 1 : 0
        (crashes, wipes, liars, equivocations) = (crashes + summary.crashes, wipes + summary.wipes, liars + summary.liars, equivocations + summary.equivocations)
        if let took = summary.calmMilliseconds { calm.append(took) }
        if !world.violations.isEmpty {
            failures += 1
            print("FAILED: ENTENTE_SEED=\(world.seed): \(world.violations)")
        }
    }
    print("simulator: \(count) seeds, \(deliveries) messages, \(clock.now - start), \(failures) failed")
    calm.sort()
    print("  \(heights) heights, \(rounds) seeds beyond round 0, \(crashes) crashes, \(wipes) disks wiped, \(liars) liars, \(equivocations) equivocations shown;",
          "two heights after healing: p50 \(calm[calm.count / 2]) ms, p99 \(calm[calm.count * 99 / 100]) ms, worst \(calm.last!) ms")
    #expect(failures == 0, "replay one with ENTENTE_SEED=…")
}

/// The judges and the faults are worth something only if a machine without memory, or with a quorum too small, is caught.
@Test(arguments: [World.Control.forgetsLock, .forgetsWatermark, .weakQuorum])
func aBrokenMachineForks(_ control: World.Control) {
    let count: UInt64 = control == .weakQuorum ? 50 : 600
    var forks = 0, caught = 0
    run(0..<count, control) { world in
        forks += world.violations.contains(where: \.isFork) ? 1 : 0
        caught += world.violations.isEmpty ? 0 : 1
    }
    print("control \(control.rawValue): \(forks) of \(count) seeds fork, \(caught) break an invariant")
    #expect(forks > 0)
}
