import Catalog
import Chain
import Ciphers
import Client
import Consensus
import Contracts
import Foundation
import Jobs
import P2P
import Primitives
import RPC
import Server
import Storage

/// One organisation's node: ledger, peers, JSON-RPC, and the agent that computes for it. Rooms are built bottom up and run in one
/// group: the first to end ends all.
package struct NodeService: Sendable {
    package struct Options: Sendable {
        package var acceptsAmnesia = false
        package var tap: (any NetworkTap)?
        /// Text of a genesis file: needed where the directory has none, else only compared.
        package var genesis: Bytes?
        package init() {}
    }

    let directory: DataDirectory
    let configuration: Configuration
    let ledger: Chain.Ledger
    let pool: PoolDriver
    let network: PeerNetwork
    let history: PeerHistory
    let consensus: ConsensusDriver
    let server: RPCServer
    let agent: Agent
    let nodeKey: PrivateKey
    let log: EventLog

    package var chainId: UInt64 { ledger.view.network.chainId }
    package var rpcPort: Int { server.port }
    package var peerPort: Int { network.port }

    package static let client = "entente/0.1"

    /// Opens everything; nothing is answered or sent before `run`.
    package static func open(_ path: String, _ options: Options = Options()) async throws -> NodeService {
        let directory = DataDirectory(path), configuration = try directory.configuration()
        let lastPorts = directory.has("ports.json") ? try? directory.readJSON("ports.json") : nil  // a hint: damaged is as good as none
        let nodeKey = try directory.key("node"), log = EventLog(path: directory.file("node.log"))
        let kept = directory.has("genesis.json") ? try directory.read("genesis.json") : nil, genesis = options.genesis ?? kept
        let file = try genesis.map { text throws(Chain.LedgerError) -> GenesisFile in
            do throws(GenesisFileError) { return try GenesisFile(parsing: text) } catch { throw .genesis(error) }
        }
        let store = try RocksDBStore(path: directory.ledgerPath)
        let ledger = try Chain.Ledger(store: store, genesis: file)
        // Only one that this ledger begins with is kept.
        if kept == nil, let genesis { try directory.write("genesis.json", genesis) }
        let pool = try PoolDriver(ledger: ledger, store: store)

        var settings = PeerNetwork.Configuration(
            host: configuration.host, port: configuration.peerPort, key: nodeKey, client: client,
            peers: configuration.peers.compactMap { Endpoint(contact: $0) }, tap: options.tap, log: { log.write($0) })
        settings.threads = 1
        let view = ledger.view, local = localView(view, try Membership(at: view))
        let network = try await listen(configuration.peerPort, last: lastPorts?["peer"]?.asInt) { [settings] port in
            var settings = settings
            settings.port = port
            return try await PeerNetwork.bind(settings, view: local)
        }
        let transport = PeerTransport(network), history = PeerHistory(network, ledger)
        let consensus = try ConsensusDriver(
            ledger: ledger, pool: pool, signer: nodeKey, transport: transport, source: history, acceptsAmnesia: options.acceptsAmnesia,
            log: { log.write($0) })
        var rpc = RPCServer.Configuration(clientVersion: client)
        rpc.host = configuration.host
        let backend = ChainBackend(ledger: ledger, pool: pool, peerCount: { network.peers.count })
        let agents = AgentMethods(
            isDemonstration: view.network.configuration.name == Misconduct.chainName,
            genesis: genesis.map { String(decoding: $0, as: UTF8.self) })
        let server = try await listen(configuration.rpcPort, last: lastPorts?["rpc"]?.asInt) { [rpc] port in
            var rpc = rpc
            rpc.port = port
            return try await RPCServer.bind(rpc, ledger: backend, methods: agents.methods)
        }
        let client = try LedgerClient(url: "http://\(configuration.host):\(server.port)", chainId: view.network.chainId)
        let account = try directory.key("account")
        let cohorts = Agent.CohortLog(
            secret: sha256(Bytes("entente/node/cohort-secret/v1".utf8) + nodeKey.secretBytes).bytes,
            load: { directory.has("cohorts/\($0)") ? try? directory.read("cohorts/\($0)") : nil },
            store: { name, bytes in
                do {
                    try directory.makeDirectory("cohorts")
                    try directory.write("cohorts/\(name)", bytes)
                    return true
                } catch {
                    log.write("cohort", ["problem": .string("\(error)")])
                    return false
                }
            })
        let agent = Agent(
            ledger: AgentLedger(client: client, sender: Sender(client, key: account), chain: ledger), network: network,
            settings: .init(
                nodeKey: nodeKey.address, log: { log.write($0, $1) }, nowMilliseconds: { SystemClock().nowMilliseconds },
                randomBytes: { randomBytes($0) }, cohorts: cohorts),
            tables: { () throws(LocalTablesError) in try LocalTables(path: directory.file("catalog/tables.json")) })
        agents.serve(agent)
        return NodeService(
            directory: directory, configuration: configuration, ledger: ledger, pool: pool, network: network, history: history,
            consensus: consensus, server: server, agent: agent, nodeKey: nodeKey, log: log)
    }

    /// Where any port will do: that of last time, so that peers and clients find the node again; if somebody else took it, a free one.
    private static func listen<Listener: Sendable>(
        _ configured: Int, last: Int?, _ bind: @Sendable (Int) async throws -> Listener
    ) async throws -> Listener {
        if configured == 0, let last, let listener = try? await bind(last) { return listener }
        return try await bind(configured)
    }
    private static func localView(_ view: LedgerView, _ membership: Membership) -> LocalView {
        LocalView(
            chainId: view.network.chainId, forks: ForkSchedule(genesisHash: view.network.genesisHash, forks: []),
            headNumber: view.head.number,
            headHash: view.head.hash, headTime: view.head.timeMilliseconds, members: membership.nodeKeys,
            validators: Set(view.head.validators.addresses))
    }

    /// Until cancelled, or until one part fails: then everything stops, in order, and the error is thrown.
    package func run() async throws {
        try directory.write(
            "ports.json",
            JSON.object([
                "rpc": .integer(Int64(server.port)), "peer": .integer(Int64(network.port)),
                "process": .integer(Int64(ProcessInfo.processInfo.processIdentifier)),
            ]).canonical)
        log.write(
            "up", ["rpc": .integer(Int64(server.port)), "peer": .integer(Int64(network.port)), "head": .quantity(ledger.view.head.number)])
        try await withThrowingTaskGroup(of: Void.self) { group in
            func part(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
                group.addTask {
                    defer { log.write("part ended", ["part": .string(name)]) }
                    try await body()
                }
            }
            part("network") { try await network.run() }
            part("history") { await history.run() }
            part("consensus") { try await consensus.run() }
            part("pool") { try await pool.run() }
            part("server") { try await server.run() }
            part("follow") { try await follow() }
            part("announce") { try await announce() }
            part("agent") { await agent.run() }
            defer { group.cancelAll() }
            try await group.next()
        }
        log.write("down")
    }

    /// Tells the network of each new head; whom it lets in is read again where Consortium spoke.
    private func follow() async throws {
        var membership = try Membership(at: ledger.view)
        membership.endpoints.forEach { network.add($0) }
        for await block in ledger.imports() {
            if block.receipts.contains(where: { $0.logs.contains { $0.address == Consortium.address } }) {
                membership = try Membership(at: block.view)
                membership.endpoints.forEach { network.add($0) }
            }
            network.advance(to: Self.localView(block.view, membership))
        }
    }

    /// What the node says for itself, with its own key, once its head has stood still beside its peers' for a while: that it may be
    /// counted (a vote admits a key, but no sleeping validator is ever added, chain-rules.md §7), and where it is reached.
    private func announce() async throws {
        var quietHead: UInt64 = .max, spokenAt: UInt64?
        let here = "\(configuration.host):\(network.port)"
        while !Task.isCancelled {
            try await Task.sleep(for: .milliseconds(400))
            let view = ledger.view, head = view.head.number
            defer { quietHead = head }
            guard head == quietHead, !network.peers.isEmpty, spokenAt.map({ head > $0 }) ?? true,
                let entry = try Membership(at: view).entries[nodeKey.address]
            else { continue }
            spokenAt = head
            var calls: [Bytes] = []
            if entry.roles.contains(.validator), !view.head.validators.addresses.contains(nodeKey.address) {
                calls.append(Contract.consortium.abi.encodeCall("activate", []))
            }
            if entry.contact != here { calls.append(Contract.consortium.abi.encodeCall("setContact", [.string(here)])) }
            for (call, nonce) in zip(calls, (try view.state.account(nodeKey.address)?.nonce ?? 0)...) {
                let payload = TransactionPayload(
                    chainId: U256(view.network.chainId), nonce: nonce, gasLimit: 3_000_000, to: Consortium.address, data: call)
                // Refused where it waits in the pool already.
                _ = try? pool.submit(RecoveredTransaction(payload, signedBy: nodeKey).transaction.encoded)
                log.write("announcing", ["head": .quantity(head), "contact": .string(here)])
            }
        }
    }
}
