import Ciphers
import Primitives

// The verdict as one page for people who judge and do not compute: HTML with its style inside, no script, nothing loaded. All that
// comes from the file is hostile text: it is made printable, then escaped.

extension Verdict {
    /// - Parameters:
    ///   - file: the evidence that was checked; the page names its SHA-256.
    ///   - name: of that file.
    package func page(of file: Bytes, named name: String) -> String {
        let title = isValid ? "This evidence holds" : "This evidence does not hold"
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(title)</title>
            <style>\(Self.style)</style></head><body>
            <header class="\(isValid ? "holds" : "fails")"><h1>\(title)</h1><p>\(HTML.text(name)) <span class="code">SHA-256 \(Hex.print(sha256(file).bytes, prefix: false))</span></p></header>
            \(claim.map(Self.proved) ?? refused)
            <h2>The steps of the check</h2>
            <table class="steps"><tbody>
            \(steps.map(\.html).joined(separator: "\n"))
            </tbody></table>
            \(claim.map { Self.validators($0.chain) } ?? "")
            \(claim.map { Self.grounds($0.chain) } ?? "")
            </body></html>

            """
    }

    private var refused: String {
        """
        <h2>What is proved</h2><p>Nothing. Step \(HTML.text(steps.last?.row ?? "")) of the check fails: <b>\(HTML.text(failure.map { "\($0)" } ?? ""))</b>.
        Whatever the file says beyond that is not supported by it: it was damaged, made wrongly, or changed.</p>
        """
    }

    private static func proved(_ claim: Claim) -> String {
        switch claim.subject {
        case .record(let record): proved(record, claim.chain)
        case .settlement(let settlement): proved(settlement, claim.chain)
        }
    }

    private static func proved(_ record: Record, _ chain: Chain) -> String {
        func people(_ list: [Address], _ verb: String) -> String {
            list.isEmpty ? "" : "<li>\(verb) by \(list.map { HTML.code("\($0)") }.joined(separator: ", "))</li>"
        }
        return """
            <h2>What is proved</h2>
            <p>Not later than <b>\(time(record.timeMilliseconds))</b>, the holder of account \(HTML.code("\(record.author)")) recorded with the alliance
            “\(HTML.text(chain.name))” (block \(record.block)) a statement whose content is fixed by the digest \(HTML.code("\(record.commitment)")).
            Any other content has another digest. That the content is <i>true</i> is not proved; who said it, and when, is.</p>
            <ul><li>record \(HTML.code("\(record.id)"))</li><li>kind of content \(HTML.code("\(record.schema)"))</li>
            \(people(record.endorsedBy, "endorsed"))\(people(record.disputedBy, "<b>disputed</b>"))
            \(record.withdrawnInBlock.map { "<li><b>withdrawn</b> by its author in block \($0)</li>" } ?? "")</ul>
            """
    }

    private static func proved(_ settlement: Settlement, _ chain: Chain) -> String {
        """
        <h2>What is proved</h2>
        <p>Job \(settlement.job) of the alliance “\(HTML.text(chain.name))” was computed and paid. At <b>\(time(settlement.timeMilliseconds))</b> (block \(settlement.block))
        its fee of <b>\(settlement.fee)</b> was divided as listed. Each of the \(settlement.seats.count) members that computed has signed one and the same
        course of the computation and one and the same result.</p>
        <ul><li>ordered by \(HTML.code("\(settlement.requester)"))</li><li>program \(HTML.code("\(settlement.program)"))</li>
        <li>result \(HTML.code("\(settlement.output)"))</li><li>course \(HTML.code("\(settlement.transcript)"))</li><li>session \(HTML.code("\(settlement.session)"))</li>
        <li>computed by \(settlement.seats.map { HTML.code("\($0)") }.joined(separator: ", "))</li></ul>
        <table><caption>Payments, in the smallest unit of the alliance’s cash</caption><thead><tr><th>to</th><th>for</th><th class="number">amount</th></tr></thead><tbody>
        \(settlement.payments.map { "<tr><td>\(HTML.code("\($0.payee)"))</td><td>\($0.purpose)</td><td class=\"number\">\($0.amount)</td></tr>" }.joined(separator: "\n"))
        </tbody><tfoot><tr><th colspan="2">fee</th><th class="number">\(settlement.fee)</th></tr></tfoot></table>
        """
    }

    private static func validators(_ chain: Chain) -> String {
        guard !chain.changes.isEmpty else {
            return "<h2>Who vouches</h2><p>The validators named in the genesis block; they were never changed.</p>"
        }
        func difference(_ a: [Address], _ b: [Address]) -> String {
            let only = a.filter { !b.contains($0) }
            return only.isEmpty ? "–" : only.map { HTML.code("\($0)") }.joined(separator: "<br>")
        }
        let rows = chain.changes.map { change in
            let token = chain.stamp(of: change).map { "\(HTML.text($0.stamp.authority)), \(time($0.stamp.timeMilliseconds))" } ?? "none"
            return
                "<tr><td>\(change.block)<br>\(time(change.timeMilliseconds))</td><td>\(change.before.count) → \(change.after.count)</td><td>\(difference(change.after, change.before))</td><td>\(difference(change.before, change.after))</td><td>\(token)</td></tr>"
        }
        return """
            <h2>Who vouches</h2>
            <p>First the validators named in the genesis block. Each later set was installed by a block that at least two thirds of the set before it signed:</p>
            <table><thead><tr><th>after block</th><th>number</th><th>came</th><th>went</th><th>time-stamp token</th></tr></thead><tbody>
            \(rows.joined(separator: "\n"))
            </tbody></table>
            """
    }

    private static func grounds(_ chain: Chain) -> String {
        let uncovered = chain.changes.filter { chain.stamp(of: $0) == nil }.count
        return """
            <h2>What this rests on</h2>
            <ul><li>The genesis hash \(HTML.code("\(chain.genesis)")) is that of the alliance “\(HTML.text(chain.name))” (chain \(chain.chainId)): \(chain.isOnOwnWord
                ? "<b>the evidence says so itself, and nobody else was asked</b>. Compare it with a copy from another source." : "given by whoever ran this check, not taken from the evidence.")</li>
            <li>Less than a third of each set of validators was dishonest while it served, and never two thirds of it afterwards.
            \(chain.changes.isEmpty ? "" : uncovered == 0 ? "Every change of validators is covered by a token of an independent clock, so that old keys cannot have forged it later."
                : "<b>\(uncovered) of \(chain.changes.count) changes of validators \(uncovered == 1 ? "is" : "are") covered by no time-stamp token</b>: there, old keys must be known not to have been misused since.")</li>
            <li>Times are those of the validators’ clocks.</li>
            <li>The digests (Keccak-256) and signatures (ECDSA, secp256k1) have not been broken.</li></ul>
            <p>Anybody can repeat this check, without a network: <span class="code">entente verify FILE --genesis \(chain.genesis)</span></p>
            """
    }

    private static let style = """
        body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}h1{margin:0;font-size:1.8rem}h2{margin:2rem 0 .5rem;font-size:1.2rem}
        header{padding:1rem 1.25rem;border-left:.6rem solid}header p{margin:.4rem 0 0}.holds{background:#eef6ee;border-color:#2c7a35}.fails{background:#fbeeee;border-color:#b3261e}
        .code{font:12.5px/1.4 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%;margin:.5rem 0}caption{text-align:left;font-style:italic}
        td,th{padding:.35rem .6rem .35rem 0;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}.number{text-align:right;white-space:nowrap}
        .steps td:first-child{white-space:nowrap;font-weight:bold;width:4.5rem}.ok{color:#2c7a35}.bad{color:#b3261e}
        .steps div{font-size:.85rem;color:#555;overflow-wrap:anywhere}.steps .bad{color:#b3261e}@media print{body{margin:0}}
        """
}

extension Verdict.Step {
    fileprivate var html: String {
        let state = holds ? "<td class=\"ok\">\(row) holds</td>" : "<td class=\"bad\">\(row) fails</td>"
        let lines = details.map { "<div>\(HTML.text($0))</div>" }.joined()
        return
            "<tr>\(state)<td>\(Self.meanings[row] ?? HTML.text(title))\(failure.map { "<div class=\"bad\">\(HTML.text("\($0)"))</div>" } ?? "")\(lines)</td></tr>"
    }

    private static let meanings = [
        "1": "The file is complete, and written in the one form that evidence has.",
        "2":
            "It belongs to one alliance: the alliance’s first block has the hash that was asked for, if one was, and names the rules that the file shows.",
        "3": "The blocks that it shows follow each other in number and in time, and have the fixed form of the alliance’s blocks.",
        "4":
            "Each of these blocks is signed by at least two thirds of the validators in charge; each change of validators was decided under the set before.",
        "5":
            "What is shown of the blocks’ contents is in these blocks: every message and every stored value leads to the hash that was signed.",
        "6a": "The digest of the statement is the one that was recorded.",
        "7a": "The original, where one was given, has this digest; endorsements, disputes and withdrawal are on the chain as told.",
        "6b": "The alliance’s market holds exactly this account of the job, and holds it to be settled.",
        "7b": "Order, inputs and members are the ones that the job was about.",
        "8b": "Every member that computed has signed the course and the result with the key of this session.",
        "9b": "The payments add up to the fee, and each was made.",
        "10": "Independent clocks: which changes of validators a time-stamp token covers.",
    ]
}

extension SettlementSection.Line {
    fileprivate var purpose: String {
        switch kind {
        case 1: "data, use \(index)"
        case 2: "model, use \(index)"
        case 3: "program, use \(index)"
        case 4: "levy of the alliance"
        default: "computing, seat \(index)"
        }
    }
}

private enum HTML {
    /// By scalars: a `<` with a combining mark behind it is one Character, and not equal to `<`.
    static func text(_ text: String) -> String {
        var out = ""
        for scalar in Verdict.printable(text).unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
    static func code(_ text: String) -> String { "<span class=\"code\">\(Self.text(text))</span>" }
}
