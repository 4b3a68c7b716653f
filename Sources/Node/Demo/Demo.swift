import ArgumentParser
import Foundation
import Primitives

/// The main job, end to end, on real parts: every printed line is read back from a node and asserted.
package struct Demo: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        abstract: "Show everything in a minute: four organisations, one question, no row leaves its owner.")
    package init() {}

    @Flag(help: "Keep the directories and leave the nodes' logs.") var keep = false
    @Option(help: "Number that everything is drawn from: keys, order of rows, where the cheat strikes. The same seed shows the same.")
    var seed: UInt32?
    @Option(help: "Write the report as JSON.") var report: String?
    @Flag(help: "Print the report as JSON instead of lines.") var json = false

    package func run() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(
            "entente-demo-\(ProcessInfo.processInfo.processIdentifier)"
        ).path
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let output = DemoReport(isSilent: json), nodes = DemoNodes(root: root)
        let demo = DemoRun(report: output, nodes: nodes, lots: DemoLots(seed: seed ?? .random(in: 0...UInt32.max)))
        var failure: (any Error)?
        do {
            try await untilInterrupted { try await demo.run() }
            if !demo.isComplete { throw DemoError.interrupted }
        } catch { failure = error }
        let memory = max(demo.peakMemory, nodes.residentBytes + peakMemoryBytes())
        nodes.stopAll()
        let summary = output.json(seed: demo.lots.seed, peakMemoryBytes: memory, finality: demo.finality)
        if let report { try Foundation.Data(summary.canonical).write(to: URL(fileURLWithPath: report)) }
        if json { print(summary.text) }
        if keep || failure != nil {
            FileHandle.standardError.write(
                Foundation.Data("kept: \(root); the same draws again: entente demo --seed \(demo.lots.seed)\n".utf8))
        } else {
            try? FileManager.default.removeItem(atPath: root)
        }
        if let failure { throw failure }
        if !json {
            print("\n\(output.checks.count) checks hold, \(String(format: "%.1f", output.seconds)) s, \(memory >> 20) MiB in all processes")
        }
    }
}
