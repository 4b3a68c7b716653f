import Foundation
import Primitives

/// The page that a demonstration leaves behind: one file, no outside asset, drawn from what the nodes said.
struct DemoPage {
    struct Story {
        let job: UInt64
        let title: String
        let lines: [Desk.StoryLine]
    }
    var name = ""
    var chainId: UInt64 = 0
    var genesis = ""
    var members: [(name: String, roles: String, node: Address)] = []
    var question = ""
    var columns: [String] = []
    var rows: [[String]] = []
    var notice = ""
    /// By member: what `entente_jobs` said of the first job.
    var lanes: [(name: String, job: JSON)] = []
    var stories: [Story] = []
    var evidence: [(step: String, isOK: Bool)] = []
    var report: DemoReport

    init(report: DemoReport) { self.report = report }

    private func escape(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(
            of: ">", with: "&gt;"
        ).replacingOccurrences(of: "\"", with: "&quot;")
    }

    var html: String {
        """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>\(escape(name))</title><style>
        :root{color-scheme:light;--ink:#17212b;--soft:#5b6b7a;--line:#dbe2e8;--data:#2b6cb0;--money:#2f855a;--bad:#c53030;--paper:#f7f9fb}
        *{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
        main{max-width:1080px;margin:0 auto;padding:32px 24px}h1{font-size:28px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 10px}p{margin:0 0 8px;color:var(--soft)}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px}.card{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px}
        .card b{display:block}code,pre{font:12px/1.5 ui-monospace,monospace}pre{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px;white-space:pre-wrap;margin:0}
        table{border-collapse:collapse;background:#fff;border:1px solid var(--line);border-radius:8px;width:100%}td,th{padding:6px 12px;text-align:right;border-bottom:1px solid var(--line)}
        th{color:var(--soft);font-weight:600}.hash{color:var(--soft);overflow-wrap:anywhere;font-size:11px}svg{background:#fff;border:1px solid var(--line);border-radius:8px;width:100%;height:auto}
        ol.t{list-style:none;margin:0;padding:0;background:#fff;border:1px solid var(--line);border-radius:8px}ol.t li{display:grid;grid-template-columns:80px 1fr 1fr;gap:12px;padding:5px 12px;border-bottom:1px solid var(--line)}
        ol.t .m{color:var(--money)}ol.t .d{color:var(--data)}ol.t .x{color:var(--bad)}.ok{color:var(--money)}.no{color:var(--bad)}.b{color:var(--soft)}
        </style></head><body><main>
        <h1>\(escape(name))</h1><p>Chain \(chainId) · drawn from what the nodes said · \(report.checks.count) checks, \(report.checks.allSatisfy(\.isOK) ? "all hold" : "not all hold") · \(String(format: "%.1f", report.seconds)) s</p>
        <h2>Alliance</h2><div class="cards">\(members.map { "<div class=card><b>\(escape($0.name))</b>\(escape($0.roles.replacingOccurrences(of: ",", with: ", ")))<div class=hash>\($0.node)</div></div>" }.joined())</div>
        <h2>Question</h2><pre>\(escape(question))</pre>
        <h2>Answer, opened by the researcher only</h2><table><tr>\(columns.map { "<th>\(escape($0))</th>" }.joined())</tr>\(rows.map { "<tr>\($0.map { "<td>\(escape($0))</td>" }.joined())</tr>" }.joined())</table><p>\(escape(notice))</p>
        <h2>Lanes of job 1</h2>\(lanesDrawing)
        \(stories.map(timeline).joined())
        \(evidence.isEmpty ? "" : "<h2>Evidence, checked without a network</h2><ol class=t>\(evidence.map { "<li><span class=\($0.isOK ? "ok" : "no")>\($0.isOK ? "green" : "red")</span><span>\(escape($0.step))</span><span></span></li>" }.joined())</ol>")
        <h2>Checks</h2><ol class=t>\(report.checks.map { "<li><span class=\($0.isOK ? "ok" : "no")>\($0.isOK ? "ok" : "NO")</span><span>\(escape($0.name))</span><span class=hash>\(escape(String($0.seen.prefix(300))))</span></li>" }.joined())</ol>
        </main></body></html>
        """
    }

    /// One lane a member: phases between the moments that its own agent noted.
    private var lanesDrawing: String {
        let moments = lanes.flatMap { $0.job["moments"]?.asArray?.compactMap { $0["at"]?.asInt } ?? [] }
        guard let first = moments.min(), let last = moments.max(), last > first else { return "<p>no lanes were recorded</p>" }
        let width = 880.0,
            colours = [
                "delivering": "#90cdf4", "keys": "#63b3ed", "computing": "#3182ce", "segment": "#b794f4", "boxes": "#9f7aea",
                "attesting": "#805ad5", "releasing": "#68d391",
                "preparing": "#fbd38d", "joining": "#f6ad55", "seated": "#ed8936", "accepted": "#fefcbf",
            ]
        func x(_ at: Int) -> Double { 150 + width * Double(at - first) / Double(last - first) }
        var parts = ""
        for (row, lane) in lanes.enumerated() {
            let y = 24 + 46 * row,
                events =
                    lane.job["moments"]?.asArray?.compactMap { m in m["at"]?.asInt.flatMap { at in m["what"]?.asString.map { (at, $0) } } }
                    ?? []
            parts +=
                "<text x=10 y=\(y + 16) font-size=13>\(escape(lane.name))</text><text x=10 y=\(y + 30) font-size=10 fill=#5b6b7a>\((lane.job["bytesOut"]?.asInt ?? 0) / 1024) KiB up, \((lane.job["bytesIn"]?.asInt ?? 0) / 1024) down</text>"
            for (i, event) in events.enumerated() where colours[event.1] != nil {
                let end = i + 1 < events.count ? events[i + 1].0 : last
                parts +=
                    "<rect x=\(x(event.0)) y=\(y) width=\(max(1, x(end) - x(event.0))) height=26 rx=3 fill=\(colours[event.1]!)><title>\(event.1): \(end - event.0) ms</title></rect>"
            }
        }
        let legend = ["joining", "delivering", "keys", "computing", "segment", "boxes", "attesting", "releasing"].enumerated().map {
            i, name in
            "<rect x=\(150 + 108 * i) y=\(34 + 46 * lanes.count) width=12 height=12 rx=2 fill=\(colours[name]!)></rect><text x=\(167 + 108 * i) y=\(44 + 46 * lanes.count) font-size=11>\(name)</text>"
        }.joined()
        return
            "<svg viewBox='0 0 1050 \(58 + 46 * lanes.count)' role=img aria-label='phases of each member over time'>\(parts)\(legend)</svg><p>\(last - first) ms from order to settlement</p>"
    }

    private func timeline(_ story: Story) -> String {
        let items = story.lines.map { line -> String in
            let kind = ["Convicted", "Parted", "Silent"].contains(line.event) ? "x" : line.isMoney ? "m" : "d"
            let cell = "<span class=\(kind)>\(escape(line.text))</span>"
            return "<li><span class=b>block \(line.block)</span>\(line.isMoney ? "<span></span>\(cell)" : "\(cell)<span></span>")</li>"
        }.joined()
        return "<h2>Job \(story.job): \(escape(story.title))</h2><p>Data events left, money events right.</p><ol class=t>\(items)</ol>"
    }
}
