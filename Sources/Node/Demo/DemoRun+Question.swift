import Ciphers
import Client
import Compute
import Contracts
import Foundation
import Jobs
import MPC
import Primitives

// Chapters 3 to 9: data, question, computation, payment, consent withdrawn, checks, cheats.

extension DemoRun {
    // MARK: 3

    func listData() async throws {
        report.begin("3. Data")
        let data = try DemoData()
        for (member, table, source) in try data.place(in: nodes, lots) {
            let schema = try data.schema("\(member).\(table)"), desk = desk(member)
            let id = try await desk.list(schema, source: source, price: 300, group: "diabetes")
            try await desk.setPolicy(schema.name, .ask, purposes: [])
            for other in Self.founders where other != member { try await desk.trust(self.desk(other).account, for: id) }
            report.say(
                "\(schema.name): \(schema.rows) rows in \(source.engine), listing \(id), 3.00 a use, asks before use, smallest group \(schema.smallestGroup)"
            )
        }
        let listed = try await caughtUp(researcher).catalogue().names
        try report.check(
            "listed", "the researcher reads four listings from chain",
            listed == ["insurer.progress", "laboratory.blood", "north.patients", "south.patients"], seen: "\(listed)")
    }

    // MARK: 4

    func ask() async throws {
        report.begin("4. Question")
        let text = try DemoData().question()
        report.say(text)
        let prepared = try await caughtUp(researcher).prepare(text, purpose: .aggregate)
        report.say(prepared.explanation)
        let before = try await researcher.balance(of: researcher.account)
        do {
            _ = try await researcher.open(prepared)
            throw DemoError.checkFailed("refused-without-grant", "it was opened")
        } catch let error as AskError {
            let after = try await researcher.balance(of: researcher.account), owners = Set(prepared.missing.map(\.owner))
            try report.check(
                "refused-without-grant",
                "asked without a grant: \("\(error)".split(separator: "\n").first ?? "") … (\(owners.count) owners), nothing spent",
                owners == Set(Self.founders) && before == after, seen: "\(error)")
        }
        for missing in prepared.missing { try await researcher.request(missing.listing, purpose: .aggregate) }
        for name in Self.founders {
            let requests = try await caughtUp(desk(name)).requests().filter { $0.grant == nil && $0.requester == researcher.account }
            guard requests.count == 1 else { throw DemoError.checkFailed("inbox", "\(name) sees \(requests.count) requests") }
            grants[name] = try await desk(name).give(
                researcher.account, table: requests[0].table, purpose: .aggregate, uses: 10,
                expires: UInt64(Date().timeIntervalSince1970) + 86_400)
        }
        report.say("each owner saw the request in its inbox and gave a grant: 10 uses, purpose aggregate")
    }

    // MARK: 5, 6

    func compute() async throws {
        report.begin("5. Computation")
        let text = try DemoData().question(), clock = ContinuousClock(), start = clock.now
        let prepared = try await caughtUp(researcher).prepare(text, purpose: .aggregate)
        let balances = try await membersBalances(), before = try await researcher.balance(of: researcher.account)
        let opened = try await researcher.open(prepared)
        report.say("job \(opened.job): \(Desk.money(opened.fee)) in escrow, block \(opened.block)")
        let watching = Task { try await self.watchLanes(of: opened.job) }
        defer { watching.cancel() }
        guard case .answered(let answer, _) = try await researcher.wait(for: opened) else {
            throw DemoError.checkFailed("paid-with-result", "the job was refunded")
        }
        questionSeconds = DemoReport.seconds(clock.now - start)
        for (lane, json) in try await watching.value {
            lanes[lane.member] = json
            report.say(lane.text)
        }
        report.say(answer.table)
        try report.check("small-groups-reported", answer.notice ?? "no group hidden", answer.hiddenGroups == 2 && answer.rows.count == 5)
        firstAnswer = (opened, answer)

        report.begin("6. Attestation and payment")
        try await payment(opened, balances, before)
        report.say(String(format: "from ask to paid and read: %.2f s", questionSeconds))
    }

    /// Draws the lanes until every member is done; the last picture. Beside `wait`, which prints nothing.
    private func watchLanes(of job: UInt64) async throws -> [(lane: JobLanes.Lane, json: JSON)] {
        let names = Dictionary(uniqueKeysWithValues: Self.founders.map { (desk($0).account, $0) })
        let watched = try JobLanes(try Self.founders.map { ($0, try nodes.rpcURL($0)) }, names: names)
        while true {
            let lanes = try await watched.lanes(of: job)
            if lanes.count == Self.founders.count, lanes.allSatisfy({ ["settled", "refunded"].contains($0.lane.phase) }) {
                await watched.close()
                return lanes
            }
            report.live(lanes.map(\.lane.text), headlines: lanes.map(\.lane.phase))
            try await Task.sleep(for: .milliseconds(25))
        }
    }

    private func membersBalances() async throws -> [Address: U256] {
        var balances: [Address: U256] = [:]
        for name in Self.founders { balances[desk(name).account] = try await researcher.balance(of: desk(name).account) }
        return balances
    }

    private func payment(_ opened: Desk.Opened, _ before: [Address: U256], _ purse: U256) async throws {
        let settled = try await researcher.ledger.events(.market, from: opened.block).filter {
            $0.event.fields["job"]?.asUInt64 == opened.job
        }
        guard let settlement = settled.first(where: { $0.name == "Settled" }) else {
            throw DemoError.checkFailed("paid-with-result", "no settlement")
        }
        let paid = settled.filter { $0.name == "Paid" }, sum = paid.reduce(U256.zero) { $0 &+ $1["amount"].asWord }
        let together =
            paid.allSatisfy { $0.transaction == settlement.transaction }
            && settled.contains { $0.name == "Sealed" && $0.transaction == settlement.transaction }
        var gains: [Address: U256] = [:]
        for line in paid {
            gains[line["payee"].asAddress, default: .zero] = gains[line["payee"].asAddress, default: .zero] &+ line["amount"].asWord
        }
        for (account, balance) in before where try await researcher.balance(of: account) != balance &+ (gains[account] ?? .zero) {
            throw DemoError.checkFailed("paid-with-result", "\(account) was not paid what its lines say")
        }
        let spent = purse &- (try await researcher.balance(of: researcher.account))
        try report.check(
            "paid-with-result",
            "one transaction carries boxes, attestations and \(paid.count) payments; their sum \(Desk.money(sum)) is the fee to the last unit",
            together && sum == opened.fee && spent == sum && paid.count == 9,
            seen: "transaction \(settlement.transaction), sum \(sum), fee \(opened.fee)")
        for name in Self.founders {
            report.say(
                "\(wide(name, 10))  +\(Desk.money(gains[desk(name).account] ?? .zero)): data and a seat"
            )
        }
        // No member's key opens a box, and all four signed before any box left.
        let boxes = settled.first { $0.name == "Sealed" }!["boxes"].asList.map(\.asBytes)
        let other = randomBytes(32)
        let opens =
            (try? Boxes.open(
                session: settlement["session"].asHash, reader: 0, secret: other, attested: boxes.map { keccak256($0) },
                copies: boxes.map { [$0] }, count: opened.plan.outputWords)) != nil
        try report.check(
            "sealed-to-reader",
            "\(boxes.count) boxes of \(boxes[0].count) bytes open with the researcher's key only; no member holds the answer",
            !opens && boxes.count == 4)
        for name in ["north"] {
            let uses = try await caughtUp(desk(name)).uses()
            report.say(
                "\(name) sees: \(uses.map { "job \($0.job) used \($0.table) to \($0.purpose?.rawValue ?? "?") for \(Desk.money($0.amount))" }.joined(separator: "; "))"
            )
        }
        try await reconcile()
    }

    // MARK: 7

    static let secondQuestion = (select: "AVG(i.target) AS progression, AVG(l.s6) AS glucose", instead: "SUM(i.target) AS progression")
    func otherQuestion(_ aggregates: String) throws -> String {
        let text = try DemoData().question()
        guard let range = text.range(of: Self.secondQuestion.select) else { throw DemoError.dataMissing("question.sql") }
        return text.replacingCharacters(in: range, with: aggregates)
    }

    func withdraw() async throws {
        report.begin("7. Consent withdrawn")
        try await desk("south").revoke(grants["south"]!, reason: "the ethics board asks again")
        let before = try await researcher.balance(of: researcher.account), head = try await researcher.ledger.blockNumber()
        let prepared = try await caughtUp(researcher).prepare(try otherQuestion("SUM(i.target) AS progression"), purpose: .aggregate)
        do {
            _ = try await researcher.open(prepared)
            throw DemoError.checkFailed("revocation-effective", "it was opened")
        } catch let error as AskError {
            let after = try await researcher.balance(of: researcher.account)
            try report.check(
                "revocation-effective", "from block \(head) on: \(error)",
                prepared.missing.map(\.owner) == ["south"] && prepared.missing[0].rule.contains("revoked") && before == after,
                seen: "\(error)")
        }
        grants["south"] = try await desk("south").give(
            researcher.account, table: "south.patients", purpose: .aggregate, uses: 10,
            expires: UInt64(Date().timeIntervalSince1970) + 86_400)
        report.say("then south grants again")
    }

    // MARK: 8

    func checks() async throws {
        report.begin("8. Checks")
        guard let (_, answer) = firstAnswer else { return }
        let pooled = try DemoData().pooledAnswer(try DemoData().question())
        // SQLite's averages are doubles; ours have PostgreSQL's digits, exact. Counts and bands are equal to the digit.
        let shown = answer.rows.map { $0.map(\.printed) },
            expected = pooled.filter { row in shown.contains { $0[0] == Self.integer(row[0]) } }
        func isClose(_ ours: String, _ theirs: String) -> Bool {
            guard let a = Double(ours), let b = Double(theirs) else { return false }
            return abs(a - b) <= 1e-9 * max(1, abs(b))
        }
        let equal =
            shown.count == expected.count
            && zip(shown, expected).allSatisfy { (ours: [String], theirs: [String]) -> Bool in
                ours[0] == Self.integer(theirs[0]) && ours[1] == theirs[1] && zip(ours[2...], theirs[2...]).allSatisfy { isClose($0, $1) }
            }
        try report.check(
            "equal-to-pooled", "the \(shown.count) shown groups equal SQLite's answer over the pooled rows", equal, seen: "\(shown)")
        let canary = try WireCanary(DemoData()),
            found = try canary.search(Self.founders.flatMap { ["\(nodes.path($0))/tap.frames", "\(nodes.path($0))/tap.wire"] })
        try report.check(
            "wire-canary",
            "\(canary.count) patterns of the rows (ids, rows as text, doubles, scaled integers, both byte orders) occur in none of \(found.bytes >> 10) KiB of frames and wire",
            found.hits.isEmpty && found.bytes > 100_000, seen: "\(found.bytes) bytes, hits \(found.hits)")
    }
    static func integer(_ text: String) -> String { text.hasSuffix(".0") ? String(text.dropLast(2)) : text }

    // MARK: 9

    func cheat() async throws {
        report.begin("9. Cheat")
        _ = try await caughtUp(researcher)
        let bonds = try await bondOf("insurer")
        let round = 8 + lots.number("wrong round", below: 40)
        try await misbehave("wrong message", [.integer(Int64(round)), .integer(Int64(lots.number("wrong bit", below: 1 << 20)))])
        let second = try await refunded("SUM(i.target) AS progression")
        let bondAfter = try await bondOf("insurer")
        let parted = try await researcher.ledger.events(.market, ["Parted"], from: second.opened.block).filter {
            $0["job"].asUInt64 == second.opened.job
        }
        let pair = parted.first.map { [$0["a"].asAddress, $0["b"].asAddress] } ?? []
        try report.check(
            "wrong-message-caught",
            "job \(second.opened.job): the insurer sent a wrong message in round \(round); the contract parted \(pair.map(name).joined(separator: " and ")), bonds kept, the researcher refunded after \(String(format: "%.1f", second.seconds)) s",
            pair.contains(desk("insurer").account) && bondAfter == bonds, seen: "\(pair.map(name))")
        try await misbehave("equivocation")
        let third = try await refunded("AVG(l.s6) AS glucose")
        let convicted = try await researcher.ledger.events(.market, ["Convicted"], from: third.opened.block).filter {
            $0["job"].asUInt64 == third.opened.job
        }
        let taken = convicted.first?["taken"].asWord ?? .zero
        try report.check(
            "equivocation-convicted",
            "job \(third.opened.job): the insurer signed two contents for one slot; convicted, \(Desk.money(taken)) of its bond shared among the harmed, refunded after \(String(format: "%.1f", third.seconds)) s",
            convicted.count == 1 && convicted[0]["member"].asAddress == desk("insurer").account && !taken.isZero,
            seen: "\(convicted.map { name($0["member"].asAddress) })")
        try await misbehave("none")
        cheated = [second.opened.job, third.opened.job]
        try await frame(third.opened)
        try await reconcile()
    }
    private func name(_ account: Address) -> String { Self.founders.first { desk($0).account == account } ?? account.description }
    private func misbehave(_ kind: String, _ details: [JSON] = []) async throws {
        _ = try await desk("insurer").ledger.connection.call("entente_misbehave", [.string(kind)] + details)
    }
    private func bondOf(_ name: String) async throws -> U256 {
        let answer = try await researcher.ledger.call(.market, "bonds", [.address(desk(name).account)])
        return answer[0].asWord &+ answer[1].asWord
    }
    private func refunded(_ aggregates: String) async throws -> (opened: Desk.Opened, seconds: Double) {
        let clock = ContinuousClock(), start = clock.now, before = try await researcher.balance(of: researcher.account)
        let opened = try await researcher.open(try await caughtUp(researcher).prepare(try otherQuestion(aggregates), purpose: .aggregate))
        guard case .refunded = try await researcher.wait(for: opened) else {
            throw DemoError.checkFailed("cheat", "job \(opened.job) settled although a party cheated")
        }
        guard try await researcher.balance(of: researcher.account) >= before else {
            throw DemoError.checkFailed("cheat", "the fee did not come back")
        }
        return (opened, DemoReport.seconds(clock.now - start))
    }

    /// An accusation made up against north: two contents, a key that is not north's.
    private func frame(_ opened: Desk.Opened) async throws {
        let session = keccak256(Bytes("made up".utf8)), key = lots.key("forger")
        let signer = SessionSigner(key: key, domain: MarketDomain(chainId: researcher.ledger.chainId))
        func made(_ index: U256) throws -> SignedClaim {
            try signer.sign(Claim(session: session, kind: .attest, index: index, content: keccak256(index.bytes)))
        }
        let (a, b) = (try made(0), try made(1))
        do {
            _ = try await researcher.sender.send(
                .referee, "equivocation", [.uint(firstAnswer!.0.job), 1, .uint(UInt64(Claim.Kind.attest.rawValue)), a.abi, b.abi])
            throw DemoError.checkFailed("framing-rejected", "the chain took it")
        } catch let failure as CallFailure {
            guard case .reverted(let refusal) = failure else { throw failure }
            try report.check(
                "framing-rejected", "a forged accusation against an honest member is refused on chain: \(refusal)", true, seen: "\(refusal)"
            )
        }
    }
}
