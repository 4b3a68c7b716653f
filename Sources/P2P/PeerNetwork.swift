import Ciphers
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Primitives
import Synchronization

/// The node's authenticated peers (chain-rules.md §13): one control and one bulk link to each member that can be reached.
///
/// `bind` opens the port, `run` dials and serves until it is cancelled. Everything else may be called from any thread at any time
/// and costs a lock and, where something is sent, one wake of an event loop. Links live on event loops and speak to this table
/// only when they come up, go down, or deliver.
///
/// Two nodes that dial each other at once keep the link dialed by the lower address; of two by the same side, the newer. Both
/// sides judge alike, so one link stays.
package final class PeerNetwork: Sendable {
    package struct Configuration: Sendable {
        package var host: String
        /// 0: any free port; see `port`.
        package var port: Int
        package var key: PrivateKey
        package var client: String
        package var peers: [Endpoint]
        package var threads = 1
        package var tap: (any NetworkTap)?
        package var log: @Sendable (NetworkFact) -> Void

        package init(
            host: String = "127.0.0.1", port: Int = 0, key: PrivateKey, client: String, peers: [Endpoint] = [],
            tap: (any NetworkTap)? = nil,
            log: @escaping @Sendable (NetworkFact) -> Void = { _ in }
        ) {
            self.host = host
            self.port = port
            self.key = key
            self.client = client
            self.peers = peers
            self.tap = tap
            self.log = log
        }
    }

    /// An entry of the dialing table, for one kind of link.
    struct DialKey: Hashable {
        var index: Int
        var kind: LinkKind
    }
    struct LinkKey: Hashable {
        var node: Address
        var kind: LinkKind
    }
    struct Dialing {
        var attempts = 0
        /// Connecting, connected, or waiting for its next turn.
        var isBusy = false
    }
    struct State {
        var view: LocalView
        var links: [LinkKey: LinkHandle] = [:]
        var scores = PeerScores()
        var door = Door()
        var endpoints: [Endpoint]
        var dials: [DialKey: Dialing] = [:]
        var streams: [(ids: [ClosedRange<FrameID>], to: AsyncStream<PeerStream.Item>.Continuation)] = []
        var isRunning = false
        var isStopping = false

        /// Where a node may be dialed: the operator's word and the chain's may differ.
        func places(of node: Address) -> [Int] { endpoints.indices.filter { endpoints[$0].node == node } }
    }

    package static let maximumPeers = 256

    package let address: Address
    package let port: Int
    let sessions = SessionTable()
    let tap: (any NetworkTap)?
    let log: @Sendable (NetworkFact) -> Void
    let client: String
    let group: MultiThreadedEventLoopGroup
    /// The first so many endpoints are the operator's: nothing replaces them.
    let configuredCount: Int
    private let listener: any Channel
    let clientTLS: [LinkKind: NIOSSLContext]
    let state: Mutex<State>

    // MARK: starting and stopping

    /// Opens the port; nobody is dialed or served before `run`.
    package static func bind(_ configuration: Configuration, view: LocalView) async throws(PeerNetworkError) -> PeerNetwork {
        let contexts = try tlsContexts(configuration.key)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        let cell = NetworkCell()
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.autoRead, value: false)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
                .childChannelOption(
                    .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 16_384, maximum: 262_144)
                )
                .childChannelInitializer { channel in
                    guard let network = cell.network.withLock({ $0 }), network.enterDoor(channel) else {
                        return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                    }
                    return channel.eventLoop.makeCompletedFuture { try network.initialize(channel, contexts.server, dial: nil) }
                }
                .bind(host: configuration.host, port: configuration.port).get()
            let network = PeerNetwork(configuration, view, group, listener, contexts.client)
            cell.network.withLock { $0 = network }
            network.log(.listening(host: configuration.host, port: network.port))
            return network
        } catch {
            // Nothing has been started on the group that could fail to stop.
            try? await group.shutdownGracefully()
            throw .cannotListen(
                host: configuration.host, port: configuration.port,
                reason: (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)")
        }
    }

    private init(
        _ configuration: Configuration, _ view: LocalView, _ group: MultiThreadedEventLoopGroup, _ listener: any Channel,
        _ clientTLS: [LinkKind: NIOSSLContext]
    ) {
        address = configuration.key.address
        port = listener.localAddress?.port ?? configuration.port
        tap = configuration.tap
        log = configuration.log
        client = configuration.client
        self.group = group
        self.listener = listener
        self.clientTLS = clientTLS
        let endpoints = configuration.peers.filter { $0.node != configuration.key.address }
        configuredCount = endpoints.count
        state = Mutex(State(view: view, endpoints: endpoints))
    }

    /// Serves until cancelled; then says goodbye, closes everything, and returns. Once only.
    package func run() async throws(PeerNetworkError) {
        let count = state.withLock { state -> Int in
            precondition(!state.isRunning, "a network runs once")
            state.isRunning = true
            return state.endpoints.count
        }
        do {
            try await listener.setOption(.autoRead, value: true).get()
            for index in 0..<count { schedule(DialKey(index: index, kind: .control), first: true) }
            await withTaskCancellationHandler {
                _ = try? await listener.closeFuture.get()  // fails never: the future of a close
            } onCancel: {
                listener.close(promise: nil)
            }
            let links = state.withLock { state in
                state.isStopping = true
                return Array(state.links.values)
            }
            links.forEach { $0.refuse(.shuttingDown) }
            for link in links { _ = try? await link.closed.get() }
            for stream in state.withLock({ $0.streams }) { stream.to.finish() }
            sessions.failAll(.stopped)
            try await group.shutdownGracefully()
        } catch { throw .stopping("\(error)") }
    }

    /// TLS 1.3 with this node's fresh certificate. The verifier of each connection judges the peer's.
    private static func tlsContexts(
        _ key: PrivateKey
    ) throws(PeerNetworkError) -> (server: NIOSSLContext, client: [LinkKind: NIOSSLContext]) {
        let own: NodeCertificate
        do throws(CertificateError) { own = try NodeCertificate(for: key) } catch { throw .certificate(error) }
        do {
            let chain = [NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: own.der, format: .der))]
            let secret = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(bytes: own.privateKeyDER, format: .der))
            var server = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: secret)
            server.minimumTLSVersion = .tlsv13
            server.certificateVerification = .noHostnameVerification
            server.trustRoots = .certificates([])
            server.applicationProtocols = LinkKind.allCases.map(\.rawValue)
            server.shutdownTimeout = .seconds(1)
            var client = TLSConfiguration.makeClientConfiguration()
            client.minimumTLSVersion = .tlsv13
            client.certificateVerification = .noHostnameVerification
            client.trustRoots = .certificates([])
            client.certificateChain = chain
            client.privateKey = secret
            client.shutdownTimeout = .seconds(1)
            var clients: [LinkKind: NIOSSLContext] = [:]
            for kind in LinkKind.allCases {
                client.applicationProtocols = [kind.rawValue]
                clients[kind] = try NIOSSLContext(configuration: client)
            }
            return (try NIOSSLContext(configuration: server), clients)
        } catch { throw .certificate(.library) }
    }

    func initialize(_ channel: any Channel, _ context: NIOSSLContext, dial: DialKey?) throws {
        let identity = NIOLoopBoundBox<PublicKey?>(nil, eventLoop: channel.eventLoop)
        let remote = channel.remoteAddress?.plain ?? "?"
        let verify: @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void = { [log] chain, verdict in
            do throws(CertificateError) {
                guard chain.count == 1, let der = try? chain[0].toDERBytes() else { throw .malformed }
                identity.value = try NodeCertificate.nodeKey(of: der)
                verdict.succeed(.certificateVerified)
            } catch {
                log(.certificateRefused(remote: remote, error))
                verdict.succeed(.failed)
            }
        }
        let tls: any ChannelHandler
        if dial == nil {
            tls = NIOSSLServerHandler(context: context, customVerificationCallback: verify)
        } else {
            tls = try NIOSSLClientHandler(context: context, serverHostname: nil, customVerificationCallback: verify)
        }
        let pipeline = channel.pipeline.syncOperations
        if let tap { try pipeline.addHandler(WireTap(tap: tap, remote: remote)) }
        try pipeline.addHandler(tls)
        try pipeline.addHandler(Link(network: self, dial: dial, identity: identity, holdsDoor: dial == nil))
    }
}

package enum PeerNetworkError: Error, Equatable, Sendable {
    /// The port is taken, or the address is not ours.
    case cannotListen(host: String, port: Int, reason: String)
    case certificate(CertificateError)
    case stopping(String)
}

extension PeerNetworkError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason):
            "peers: port \(port) of \(host) cannot be opened: \(reason); stop what holds it, or set another peerPort in config.json"
        case .certificate(let error): "peers: no certificate of the node's key: \(error)"
        case .stopping(let reason): "peers: stopping failed: \(reason)"
        }
    }
}

/// Connections may come before the network that takes them exists.
private final class NetworkCell: Sendable {
    let network = Mutex<PeerNetwork?>(nil)
}
