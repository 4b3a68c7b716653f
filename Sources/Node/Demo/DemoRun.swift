import Chain
import Ciphers
import Client
import Compute
import Contracts
import Foundation
import Primitives

/// The chapters of the demonstration. They act through desks, as the commands do, over the nodes' JSON-RPC.
final class DemoRun: @unchecked Sendable {
    // Unchecked: chapters run one after the other in one task; nothing else touches the state.
    let report: DemoReport
    let nodes: DemoNodes
    static let founders = ["north", "south", "laboratory", "insurer"]
    var desks: [String: Desk] = [:]
    var researcher: Desk!
    var finality = (p50: 0.0, p95: 0.0)
    var peakMemory = 0
    /// By owner.
    var grants: [String: UInt64] = [:]
    var lanes: [String: JSON] = [:]
    var questionSeconds = 0.0
    var firstAnswer: (Desk.Opened, Answer)?
    var laterRecord: Inclusion?
    var cheated: [UInt64] = []
    private(set) var isComplete = false
    var evidenceSteps: [(step: String, isOK: Bool)] = []

    let lots: DemoLots

    init(report: DemoReport, nodes: DemoNodes, lots: DemoLots) { (self.report, self.nodes, self.lots) = (report, nodes, lots) }

    func run() async throws {
        try await alliance()
        try await money()
        try await listData()
        try await ask()
        try await compute()
        try await withdraw()
        try await checks()
        try await cheat()
        try await newcomer()
        try await fault()
        try await court()
        try await figures()
        isComplete = true
    }

    func desk(_ name: String) -> Desk { desks[name]! }

    /// Whoever acts next sees what was acknowledged at any desk before: nodes have a block within milliseconds of each other, not at once.
    func caughtUp(_ desk: Desk) async throws -> Desk {
        var newest: UInt64 = 0
        for other in desks.values { newest = max(newest, (try? await other.ledger.blockNumber()) ?? 0) }  // one may be down
        return try await wait("\(desk.name)'s node to have block \(newest)") { try await desk.ledger.blockNumber() >= newest ? desk : nil }
    }

    // MARK: 1

    func alliance() async throws {
        report.begin("1. Alliance")
        report.say("seed \(lots.seed): the same draws again with entente demo --seed \(lots.seed)")
        var cards: [Card] = []
        for name in Self.founders {
            let directory = try makeDirectory(name, withNodeKey: true)
            let roles: Member.Roles =
                name == "insurer" ? [.manager, .validator, .data, .compute, .bank] : [.manager, .validator, .data, .compute]
            cards.append(
                Card(
                    name: name, account: try directory.key("account").address, nodeKey: try directory.key("node").address, roles: roles,
                    contact: ""))
        }
        let genesis = try Founding.genesis(
            name: Misconduct.chainName, founders: cards, timestamp: UInt64(Date().timeIntervalSince1970), inclusion: 1, levyBasisPoints: 100
        )
        let file = nodes.path("genesis.json")
        try Foundation.Data(genesis.text.utf8).write(to: URL(fileURLWithPath: file))
        var peers: [String] = []
        for name in Self.founders {
            try await nodes.start(name, ["--genesis", file, "--tap", nodes.path("\(name)/tap")] + peers.flatMap { ["--peer", $0] })
            peers.append("127.0.0.1:\(try nodes.peerPort(name))")
            desks[name] = try await Desk.open(nodes.path(name))
        }
        report.say("four processes, each with its own directory, keys, RocksDB and ports")
        _ = try makeDirectory("researcher", via: try nodes.rpcURL("north"), withNodeKey: false)
        researcher = try await Desk.open(nodes.path("researcher"))

        let sent = try await desk("north").sender.send(
            .records, "record",
            [
                .bytes32(keccak256(Bytes("entente/founding/v1".utf8))), .bytes32(keccak256(randomBytes(32))),
                .array([]), .bytes32(.zero), .string(""),
            ])
        let block = try await sameBlock(1, Self.founders), later = try await sameBlock(sent.block, Self.founders)
        try report.check("same-root", "block 1 is final on 4 of 4 with state root \(block.root)", true, seen: block.root.description)
        try report.check(
            "first-transaction", "block \(sent.block) holds the first record, on 4 of 4 with state root \(later.root)", true,
            seen: later.root.description)
        report.say(
            "chain id \(desk("north").ledger.chainId); wallets connect to \(try Self.founders.map { try nodes.rpcURL($0) }.joined(separator: ", "))"
        )
        report.say("a key to try: \(Hex.print(researcher.sender.key.secretBytes)) (the researcher's, of this demonstration only)")
    }

    func makeDirectory(_ name: String, via: String? = nil, withNodeKey: Bool) throws -> DataDirectory {
        try DataDirectory.create(nodes.path(name), Configuration(name: name, via: via), withNodeKey: withNodeKey) {
            self.lots.key("\(name)/\($0)")
        }
    }

    /// The block of this number on all nodes: same hash, same state root.
    func sameBlock(_ number: UInt64, _ names: [String]) async throws -> (hash: Hash32, root: Hash32) {
        var found: (Hash32, Hash32)?
        for name in names {
            let block = try await wait("\(name) to have block \(number)") { try await self.desk(name).ledger.block(number) }
            guard let hash = block["hash"]?.asHash, let root = block["stateRoot"]?.asHash else {
                throw DemoError.timeout("a block with a hash")
            }
            if let found, found != (hash, root) {
                throw DemoError.checkFailed("same-root", "\(name) has \(root) at block \(number), others \(found.1)")
            }
            found = (hash, root)
        }
        return found!
    }
    func wait<T>(_ what: String, seconds: Double = 20, _ body: () async throws -> T?) async throws -> T {
        let clock = ContinuousClock(), deadline = clock.now + .seconds(seconds)
        while clock.now < deadline {
            if let value = try await body() { return value }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw DemoError.timeout(what)
    }

    // MARK: 2

    func money() async throws {
        report.begin("2. Money")
        let bank = desk("insurer")
        _ = try await bank.issue(100_000, to: researcher.account, memo: "study")
        for name in Self.founders {
            _ = try await bank.issue(50_000, to: desk(name).account, memo: "working capital")
            try await caughtUp(desk(name)).postBond(20_000)
        }
        report.say(
            "insurer, which has the BANK role, issued 1000.00 to the researcher and 500.00 to each member; each posted a bond of 200.00")
        try await reconcile()
    }

    /// Σ balances = Σ liabilities, over every account that ever received, read from chain.
    func reconcile() async throws {
        let ledger = try await caughtUp(desk("north")).ledger
        let holders = Set(try await ledger.events(.cash, ["Transfer"], from: 0).map { $0["receiver"].asAddress })
        var balances = U256.zero
        for holder in holders where !holder.isZero {
            balances = balances &+ (try await ledger.call(.cash, "balanceOf", [.address(holder)])[0].asWord)
        }
        var liabilities = U256.zero
        for member in try await desk("north").members() {
            liabilities = liabilities &+ (try await ledger.call(.cash, "liability", [.address(member.account)])[0].asWord)
        }
        let supply = try await ledger.call(.cash, "totalSupply")[0].asWord
        try report.check(
            "cash-reconciles", "sum of balances \(Desk.money(balances)) = sum of bank liabilities \(Desk.money(liabilities))",
            balances == liabilities && supply == balances)
    }

    // MARK: 11

    func fault() async throws {
        report.begin("11. Fault")
        let before = try await desk("south").ledger.blockNumber()
        nodes.kill("south")
        report.say("kill -9 of south at block \(before)")
        var last: UInt64 = 0
        for _ in 0..<3 { last = try await desk("north").sender.send(.cash, "transfer", [.address(desk("south").account), 1]).block }
        try report.check("blocks-go-on", "blocks go on without it: \(before) → \(last)", last > before)
        // Nobody tells it where the others are: its ledger does.
        try await nodes.start("south", ["--tap", nodes.path("south/tap-2")])
        desks["south"] = try await Desk.open(nodes.path("south"))
        let block = try await sameBlock(last, Self.founders)
        try report.check(
            "killed-node-recovers", "south is back, at block \(last) with state root \(block.root)", true, seen: block.root.description)
    }

    // MARK: 13

    func figures() async throws {
        report.begin("13. Figures")
        var times: [Double] = []
        let clock = ContinuousClock(), desk = try await caughtUp(desk("north"))
        for _ in 0..<40 {
            times.append(
                1_000 * DemoReport.seconds(try await desk.sender.timed(.cash, "transfer", [.address(self.desk("south").account), 1])))
            try await clock.sleep(for: .milliseconds(20))
        }
        times.sort()
        finality = (times[times.count / 2], times[times.count * 95 / 100])
        report.say(
            String(
                format: "a transaction is final after %.1f ms (p50), %.1f ms (p95), from sending to its receipt", finality.p50, finality.p95
            ))
        report.say(
            "bytes that the four sent for job 1, by phase: \(bytesByPhase.map { "\($0.phase) \($0.bytes >> 10) KiB" }.joined(separator: ", "))"
        )
        peakMemory = nodes.residentBytes + peakMemoryBytes()
        try report.check(
            "memory", "\(peakMemory >> 20) MiB in all \(nodes.names.count + 1) processes together, under 1 GB", peakMemory < 1_000_000_000,
            seen: "\(peakMemory)")
        let path = nodes.pagePath
        try Foundation.Data(try await page().html.utf8).write(to: URL(fileURLWithPath: path))
        report.say("everything on one page: \(path)")
    }

    /// Of job 1, as the members' own agents counted them.
    private var bytesByPhase: [(phase: String, bytes: Int)] {
        var sums: [(phase: String, bytes: Int)] = []
        for entry in Self.founders.flatMap({ lanes[$0]?["sent"]?.asArray ?? [] }) {
            guard let phase = entry["stage"]?.asString, let bytes = entry["bytes"]?.asInt else { continue }
            if let known = sums.firstIndex(where: { $0.phase == phase }) { sums[known].bytes += bytes } else { sums.append((phase, bytes)) }
        }
        return sums.filter { $0.bytes > 0 }
    }

    private func page() async throws -> DemoPage {
        var page = DemoPage(report: report)
        page.name = "North, south, laboratory and insurer"
        page.chainId = researcher.ledger.chainId
        page.members = try await researcher.members().map { ($0.name, $0.roles.text, $0.nodeKey) }
        page.question = try DemoData().text("\(try DemoData().scenario)/question.sql")
        if let (opened, answer) = firstAnswer {
            (page.columns, page.rows, page.notice) = (answer.columns, answer.rows.map { $0.map(\.printed) }, answer.notice ?? "")
            page.stories.append(.init(job: opened.job, title: "answered and paid", lines: try await researcher.story(of: opened.job)))
        }
        for (job, title) in zip(cheated, ["a wrong message", "two contents for one slot"]) {
            page.stories.append(.init(job: job, title: title, lines: try await researcher.story(of: job)))
        }
        page.evidence = evidenceSteps
        page.lanes = Self.founders.compactMap { name in lanes[name].map { (name, $0) } }
        return page
    }
}
