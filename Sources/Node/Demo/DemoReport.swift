import Foundation
import Primitives

/// Collects what the demonstration shows: each line with its time and `ok`, each check with what was seen. Nothing is printed as
/// true that was not asserted.
final class DemoReport {
    struct Check {
        let name: String
        let isOK: Bool
        let seen: String
    }
    private(set) var checks: [Check] = []
    private(set) var lines: [(seconds: Double, chapter: String, text: String, isOK: Bool?)] = []
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private let isSilent: Bool
    private let isTerminal = isatty(STDOUT_FILENO) != 0
    private var chapter = ""
    /// Lines on the terminal that the next picture overwrites.
    private var liveLines = 0
    private var lastPicture: [String] = []

    init(isSilent: Bool) {
        self.isSilent = isSilent
        start = clock.now
    }
    var seconds: Double { DemoReport.seconds(clock.now - start) }
    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    func begin(_ title: String) {
        chapter = title
        if !isSilent { print("\n\(title)") }
    }
    /// A fact without a verdict.
    func say(_ text: String) { add(text, nil) }
    /// - Throws: if it does not hold: what follows would rest on it.
    func check(_ name: String, _ text: String, _ isOK: Bool, seen: String = "") throws {
        checks.append(Check(name: name, isOK: isOK, seen: seen.isEmpty ? text : seen))
        add(text, isOK)
        if !isOK { throw DemoError.checkFailed(name, seen.isEmpty ? text : seen) }
    }
    private func add(_ text: String, _ isOK: Bool?) {
        lines.append((seconds, chapter, text, isOK))
        guard !isSilent else { return }
        eraseLive()
        let time = String(format: "%6.2f s", seconds), verdict = isOK == nil ? "  " : isOK! ? "ok" : "NO"
        let parts = text.split(separator: "\n", omittingEmptySubsequences: false)
        print("\(time)  \(verdict)  \(parts.joined(separator: "\n              "))")
        fflush(nil)
    }

    /// A moving picture: drawn in place on a terminal; elsewhere line by line, where `headlines` (what counts as news) changed.
    func live(_ picture: [String], headlines: [String]) {
        guard !isSilent, !picture.isEmpty else { return }
        let time = String(format: "%6.2f s", seconds)
        if isTerminal {
            eraseLive()
            for line in picture { print("\(time)  ..  \(line)") }
            liveLines = picture.count
        } else {
            for (i, line) in picture.enumerated() where i >= lastPicture.count || headlines[i] != lastPicture[i] {
                print("\(time)  ..  \(line)")
            }
            lastPicture = headlines
        }
        fflush(nil)
    }
    private func eraseLive() {
        if liveLines > 0 { print("\u{1b}[\(liveLines)A\u{1b}[J", terminator: "") }
        liveLines = 0
    }

    func json(seed: UInt32, peakMemoryBytes: Int, finality: (p50: Double, p95: Double)) -> JSON {
        [
            "checks": .array(checks.map { ["name": .string($0.name), "ok": .bool($0.isOK), "seen": .string($0.seen)] }),
            "seconds": .number(seconds), "seed": .integer(Int64(seed)),
            "peakMemoryBytes": .integer(Int64(peakMemoryBytes)),
            "finalityMilliseconds": ["p50": .number(finality.p50), "p95": .number(finality.p95)],
        ]
    }
}

enum DemoError: Error, CustomStringConvertible {
    case checkFailed(String, String)
    case nodeDied(String, log: String)
    case dataMissing(String)
    case timeout(String)
    case interrupted

    var description: String {
        switch self {
        case .checkFailed(let name, let seen): "check \(name) does not hold: \(seen)"
        case .nodeDied(let name, let log): "\(name)'s node ended; the end of its output: \(log)"
        case .dataMissing(let path): "\(path) is missing: run the demo inside the checkout, where scenarios/ is"
        case .timeout(let what): "waited too long for \(what)"
        case .interrupted: "interrupted: what follows was not shown"
        }
    }
}
