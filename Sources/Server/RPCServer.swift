import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Primitives
import RPC
import Synchronization

/// JSON-RPC over HTTP/1.1 and WebSocket on one port, and `/health`.
///
/// Event loops cut bytes into requests; each connection has one child task that answers them in order. Cancelling `run` closes
/// everything.
package final class RPCServer: Sendable {
    package struct Configuration: Sendable {
        package var host = "127.0.0.1"
        /// 0: any free port; see `port`.
        package var port = 8545
        package var clientVersion: String
        /// Origins that browsers may call from; `*`: any. Empty: none, wallets' own pages and programs need no entry.
        package var origins: [String] = []
        /// Names by which the server may be called besides `localhost` and addresses (against DNS rebinding); `*`: any.
        package var hostNames: [String] = []
        /// For administrative methods; nil: they are answered to nobody.
        package var administratorToken: String?
        package var maximumConnections = 1_024
        package var maximumRequestBytes = 5 << 20

        package init(clientVersion: String) { self.clientVersion = clientVersion }
    }

    package let port: Int
    let configuration: Configuration
    let dispatcher: Dispatcher
    private let ledger: any LedgerBackend
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let state: Mutex<State>
    private let connections: AsyncStream<Connection>
    private let arrival: AsyncStream<Connection>.Continuation

    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var subscribers: [ObjectIdentifier: Subscriber] = [:]
    }

    /// One connection's requests in order; its child task answers them.
    struct Connection: Sendable {
        var requests: AsyncStream<IncomingText>
        var subscriber: Subscriber?
        /// nil: nothing to say, but the request is done.
        var reply: @Sendable (Reply) -> Void
    }
    struct IncomingText: Sendable {
        enum Kind: Sendable { case rpc, health }
        var kind: Kind
        var text: Bytes
        var isAdministrator: Bool
    }
    struct Reply: Sendable {
        var status: HTTPResponseStatus = .ok
        var body: Bytes?
    }

    /// Opens the port; nobody is answered before `run`.
    ///
    /// - Parameter methods: of other rooms, by full name (`entente_…`).
    package static func bind(
        _ configuration: Configuration, ledger: any LedgerBackend, methods: [String: Method] = [:]
    ) async throws(RPCServerError) -> RPCServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let cell = ServerCell()
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.autoRead, value: false)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 8 << 20))
                .childChannelInitializer { channel in
                    guard let server = cell.server.withLock({ $0 }), server.enter(channel) else {
                        return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                    }
                    return channel.eventLoop.makeCompletedFuture { try server.initialize(channel) }
                }
                .bind(host: configuration.host, port: configuration.port).get()
            let server = RPCServer(configuration, ledger, methods, group, listener)
            cell.server.withLock { $0 = server }
            return server
        } catch {
            // Nothing has been started on the group that could fail to stop.
            try? await group.shutdownGracefully()
            throw .cannotListen(
                host: configuration.host, port: configuration.port,
                reason: (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)")
        }
    }

    private init(
        _ configuration: Configuration, _ ledger: any LedgerBackend, _ methods: [String: Method],
        _ group: MultiThreadedEventLoopGroup, _ listener: any Channel
    ) {
        self.configuration = configuration
        self.ledger = ledger
        self.group = group
        self.listener = listener
        port = listener.localAddress?.port ?? configuration.port
        dispatcher = Dispatcher(
            ethereum: EthereumService(ledger: ledger, clientVersion: configuration.clientVersion), methods: methods)
        state = Mutex(State())
        (connections, arrival) = AsyncStream.makeStream(of: Connection.self)
    }

    /// Serves until cancelled; once only.
    package func run() async throws(RPCServerError) {
        do {
            try await listener.setOption(.autoRead, value: true).get()
            await withTaskCancellationHandler {
                await withDiscardingTaskGroup { group in
                    for events in ledger.events() { group.addTask { await self.publish(events) } }
                    for await connection in connections { group.addTask { await self.serve(connection) } }
                }
            } onCancel: {
                self.closeAll()
            }
            try await group.shutdownGracefully()
        } catch { throw .stopping("\(error)") }
    }

    private func closeAll() {
        listener.close(promise: nil)
        state.withLock { Array($0.channels.values) }.forEach { $0.close(promise: nil) }
        arrival.finish()
    }

    private func serve(_ connection: Connection) async {
        for await request in connection.requests {
            switch request.kind {
            case .health: connection.reply(await health())
            case .rpc:
                let caller = Dispatcher.Caller(isAdministrator: request.isAdministrator, subscriber: connection.subscriber)
                let (answer, begun) = await dispatcher.answer(request.text, for: caller)
                connection.reply(Reply(body: answer))
                for (id, subscription) in begun { connection.subscriber?.begin(id, subscription) }
            }
        }
    }

    private func publish(_ events: any AsyncSequence<LedgerEvent, Never> & Sendable) async {
        for await event in events {
            if case .pending(let record) = event { dispatcher.ethereum.filters.pending(record.hash) }
            for subscriber in state.withLock({ Array($0.subscribers.values) }) { subscriber.notify(event) }
        }
    }

    private func health() async -> Reply {
        let head = await ledger.snapshot().head, progress = await ledger.syncProgress()
        let body: JSON = [
            "status": .string(progress == nil ? "ok" : "syncing"), "head": .integer(Int64(clamping: head.header.number)),
            "hash": JSON(head.hash),
            "peers": .integer(Int64(await ledger.peerCount())),
        ]
        return Reply(status: progress == nil ? .ok : .serviceUnavailable, body: body.canonical)
    }

    // MARK: connections

    private func enter(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard state.channels.count < configuration.maximumConnections else { return false }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
    }
    func leave(_ channel: any Channel) {
        state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            state.subscribers[ObjectIdentifier(channel)] = nil
        }
    }
    func opened(_ connection: Connection) { arrival.yield(connection) }
    func subscribed(_ subscriber: Subscriber, on channel: any Channel) {
        state.withLock { $0.subscribers[ObjectIdentifier(channel)] = subscriber }
    }

    private func initialize(_ channel: any Channel) throws {
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: configuration.maximumRequestBytes,
            shouldUpgrade: { channel, head in
                let mayCome = self.isOurName(head.headers) && self.mayCall(head.headers)
                return channel.eventLoop.makeSucceededFuture(mayCome ? [:] : nil)
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        NIOWebSocketFrameAggregator(
                            minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1_024,
                            maxAccumulatedFrameSize: self.configuration.maximumRequestBytes))
                    try pipeline.addHandler(WebSocketConnection(server: self, isAdministrator: self.isAdministrator(head.headers)))
                }
            })
        let pipeline = channel.pipeline.syncOperations
        let http = HTTPConnection(server: self)
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: true,
            withServerUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in
                    context.pipeline.syncOperations.removeHandler(name: HTTPConnection.name, promise: nil)
                }
            ),
            withErrorHandling: true)
        try pipeline.addHandler(IdleStateHandler(readTimeout: .seconds(60)))
        try pipeline.addHandler(http, name: HTTPConnection.name)
    }

    // MARK: who may call

    /// A page that makes its own name point to this machine does not know this machine's.
    func isOurName(_ headers: HTTPHeaders) -> Bool {
        guard let host = headers.first(name: "host") else { return true }
        if configuration.hostNames.contains("*") { return true }
        var name = host[...]
        if name.hasPrefix("[") { return true }
        if let colon = name.lastIndex(of: ":") { name = name[..<colon] }
        let isAddress = name.split(separator: ".").count == 4 && name.allSatisfy { $0.isNumber || $0 == "." }
        return isAddress || name == "localhost" || configuration.hostNames.contains(String(name))
    }
    /// Only browsers send an origin, and it is theirs to obey: the check is for WebSockets, which have no other.
    func mayCall(_ headers: HTTPHeaders) -> Bool { headers.first(name: "origin").map(isAllowed) ?? true }
    func isAllowed(_ origin: String) -> Bool { configuration.origins.contains("*") || configuration.origins.contains(origin) }

    func isAdministrator(_ headers: HTTPHeaders) -> Bool {
        guard let token = configuration.administratorToken, let shown = headers.first(name: "authorization"),
            shown.hasPrefix("Bearer ")
        else { return false }
        // All bytes are compared, whatever the first difference is.
        let a = Bytes(token.utf8), b = Bytes(shown.dropFirst(7).utf8)
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

package enum RPCServerError: Error, Equatable, Sendable {
    case cannotListen(host: String, port: Int, reason: String)
    case stopping(String)
}

extension RPCServerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason):
            "rpc: port \(port) of \(host) cannot be opened: \(reason); stop what holds it, or set another rpcPort in config.json"
        case .stopping(let reason): "rpc: stopping failed: \(reason)"
        }
    }
}

/// Connections may come before the server that takes them exists.
private final class ServerCell: Sendable {
    let server = Mutex<RPCServer?>(nil)
}
