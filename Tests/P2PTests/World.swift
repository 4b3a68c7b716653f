import Ciphers
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import P2P
import Primitives
import Synchronization
import Testing

/// Nodes in one process on free ports of the loopback interface. Tests wait for facts and events, never for time.
func key(_ index: Int) -> PrivateKey { try! PrivateKey(Bytes(repeating: UInt8(index + 1), count: 32)) }

let members = Set((0..<4).map { key($0).address })

func view(genesis: UInt8 = 1, height: UInt64 = 0, members: Set<Address> = members) -> LocalView {
    LocalView(
        chainId: 1_337_000_001, forks: ForkSchedule(genesisHash: Hash32(Bytes(repeating: genesis, count: 32))!, forks: []),
        headNumber: height, headHash: .zero,
        headTime: 1_000, members: members, validators: members)
}

/// What a node logged, waited for in order: a fact that came before the last one asked for is past.
final class Journal: Sendable {
    private let state = Mutex<(facts: [NetworkFact], waiter: CheckedContinuation<Void, Never>?)>(([], nil))

    func log(_ fact: NetworkFact) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.facts.append(fact)
            defer { state.waiter = nil }
            return state.waiter
        }?.resume()
    }
    var facts: [NetworkFact] { state.withLock { $0.facts } }

    @discardableResult
    func first(_ isWanted: (NetworkFact) -> Bool) async -> NetworkFact {
        var at = 0
        while true {
            let facts = self.facts
            if let index = facts[at...].firstIndex(where: isWanted) { return facts[index] }
            at = facts.count
            await withCheckedContinuation { continuation in
                let isLate = state.withLock { state -> Bool in
                    precondition(state.waiter == nil)
                    if state.facts.count > at { return true }
                    state.waiter = continuation
                    return false
                }
                if isLate { continuation.resume() }
            }
        }
    }
    func up(_ index: Int, _ kind: LinkKind) async {
        await first { if case .up(key(index).address, kind, _) = $0 { true } else { false } }
    }
}

final class Recorder: NetworkTap {
    let plain = Mutex<Bytes>([]), wire = Mutex<Bytes>([])
    func handedToTLS(_ frame: UnsafeRawBufferPointer, to peer: Address?) { plain.withLock { $0 += frame } }
    func leftTLS(_ bytes: UnsafeRawBufferPointer, to remote: String) { wire.withLock { $0 += bytes } }
}

struct Member: Sendable {
    let network: PeerNetwork
    let journal: Journal
    let stream: PeerStream
    var address: Address { network.address }
    var endpoint: Endpoint { Endpoint(node: address, host: "127.0.0.1", port: network.port) }

    init(_ index: Int, view: LocalView = view(), port: Int = 0, tap: (any NetworkTap)? = nil) async throws {
        let journal = Journal()
        var configuration = PeerNetwork.Configuration(
            port: port, key: key(index), client: "test/\(index)", tap: tap, log: { journal.log($0) })
        configuration.threads = ProcessInfo.processInfo.environment["ENTENTE_THREADS"].flatMap(Int.init) ?? 1
        network = try await PeerNetwork.bind(configuration, view: view)
        self.journal = journal
        stream = network.stream(.status ... .sealedHeader, .transactions ... .code)
    }

    func nextFrame() async -> (Frame, Address)? {
        for await event in stream { if case .frame(let frame, let from) = event { return (frame, from) } }
        return nil
    }
}

/// Runs the networks beside `body` and stops them after it.
func running(_ nodes: [Member], _ body: @Sendable @escaping () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for node in nodes { group.addTask { try await node.network.run() } }
        try await body()
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// The first `count` nodes, each told of all others, with all links up.
func withAlliance(
    _ count: Int = 4, taps: [Int: Recorder] = [:], _ body: @Sendable @escaping ([Member]) async throws -> Void
) async throws {
    var nodes: [Member] = []
    for index in 0..<count { nodes.append(try await Member(index, tap: taps[index])) }
    for node in nodes { for other in nodes where other.address != node.address { node.network.add(other.endpoint) } }
    let alliance = nodes
    try await running(alliance) {
        for (i, node) in alliance.enumerated() {
            for j in 0..<count where j != i {
                await node.journal.up(j, .control)
                await node.journal.up(j, .bulk)
            }
        }
        try await body(alliance)
    }
}

/// A peer that speaks TLS with any certificate and sends any bytes.
struct Stranger {
    let channel: any Channel
    let received: AsyncStream<Bytes>

    static func connect(
        to port: Int, _ certificate: NodeCertificate, kind: LinkKind = .control, group: MultiThreadedEventLoopGroup
    ) async throws -> Stranger {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        tls.certificateVerification = .noHostnameVerification
        tls.trustRoots = .certificates([])
        tls.certificateChain = [.certificate(try NIOSSLCertificate(bytes: certificate.der, format: .der))]
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: certificate.privateKeyDER, format: .der))
        tls.applicationProtocols = [kind.rawValue]
        let context = try NIOSSLContext(configuration: tls)
        let (received, continuation) = AsyncStream.makeStream(of: Bytes.self)
        let channel = try await ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let verify: @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void = {
                    $1.succeed(.certificateVerified)
                }
                try channel.pipeline.syncOperations.addHandler(
                    try NIOSSLClientHandler(context: context, serverHostname: nil, customVerificationCallback: verify))
                try channel.pipeline.syncOperations.addHandler(Listener(continuation))
            }
        }.connect(host: "127.0.0.1", port: port).get()
        return Stranger(channel: channel, received: received)
    }

    func send(_ bytes: Bytes) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    /// The reason in the Disconnect that must come before the end.
    func dismissal() async throws -> DisconnectReason? {
        var decoder = FrameDecoder()
        decoder.isAdmitted = true
        for await bytes in received {
            decoder.append(ByteBuffer(bytes: bytes))
            while let frame = try decoder.next() {
                if frame.id == .disconnect { return try Disconnect(encoded: Bytes(frame.payload.readableBytesView)).reason }
            }
        }
        return nil
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let bytes: AsyncStream<Bytes>.Continuation
        init(_ bytes: AsyncStream<Bytes>.Continuation) { self.bytes = bytes }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes.yield(Bytes(unwrapInboundIn(data).readableBytesView))
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
        func channelInactive(context: ChannelHandlerContext) { bytes.finish() }
    }
}
