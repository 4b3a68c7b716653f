import NIOCore
import NIOHTTP1
import NIOPosix
import Primitives

/// JSON-RPC 2.0 over one kept-alive HTTP connection; requests queue behind each other, a lost connection is opened anew.
package actor RPCConnection {
    package static let maximumAnswerBytes = 64 << 20

    package nonisolated let url: String
    private let host: String
    private let port: Int
    private let timeout: TimeAmount
    private var channel: (any NIOCore.Channel)?
    private var nextId: Int64 = 0

    /// - Parameter url: `http://host:port` or `host:port`.
    package init(_ url: String, timeout: TimeAmount = .seconds(30)) throws(RPCFailure) {
        let authority = url.hasPrefix("http://") ? String(url.dropFirst(7)) : url
        let parts = authority.split(separator: "/")[0].split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]), (1...65535).contains(port) else { throw .malformedURL(url) }
        (host, self.port) = (String(parts[0]), port)
        self.url = "http://\(host):\(port)"
        self.timeout = timeout
    }

    /// The result of `method`, or the error that the server gave.
    package func call(_ method: String, _ parameters: [JSON] = []) async throws(RPCFailure) -> JSON {
        nextId += 1
        let id = nextId
        let request: JSON = ["jsonrpc": "2.0", "id": .integer(id), "method": .string(method), "params": .array(parameters)]
        let answer = try await exchange(request.canonical, method)
        if let error = answer["error"], error != .null {
            throw .refused(method: method, code: error["code"]?.asInt ?? 0, message: error["message"]?.asString ?? "", data: error["data"])
        }
        guard answer["id"] == .integer(id), let result = answer["result"] else { throw .notJSONRPC(url) }
        return result
    }

    package func close() async {
        try? await channel?.close()
        channel = nil
    }

    private func exchange(_ body: Bytes, _ method: String) async throws(RPCFailure) -> JSON {
        let bytes: Bytes
        do {
            let channel = try await connected()
            let promise = channel.eventLoop.makePromise(of: Bytes.self)
            let deadline = channel.eventLoop.scheduleTask(in: timeout) { promise.fail(RPCFailure.timeout(method: method)) }
            promise.futureResult.whenComplete { _ in deadline.cancel() }
            do {
                try await channel.writeAndFlush(RPCClientHandler.Request(body: body, answer: promise)).get()
            } catch { promise.fail(error) }
            bytes = try await promise.futureResult.get()
        } catch let failure as RPCFailure {
            channel = nil
            throw failure
        } catch {
            channel = nil
            throw .unreachable(url: url, reason: "\(error)")
        }
        do throws(JSONError) { return try JSON(parsing: bytes) } catch { throw .notJSONRPC(url) }
    }

    private func connected() async throws -> any NIOCore.Channel {
        if let channel, channel.isActive { return channel }
        let host = host
        let opened = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(RPCClientHandler(host: host))
                }
            }
            .connect(host: host, port: port).get()
        channel = opened
        return opened
    }
}

package enum RPCFailure: Error, Equatable, Sendable {
    case malformedURL(String)
    /// Nothing listens there, or the connection broke: the node may be down.
    case unreachable(url: String, reason: String)
    case timeout(method: String)
    /// What answers there does not speak JSON-RPC.
    case notJSONRPC(String)
    case httpStatus(UInt)
    case answerTooLong(maximum: Int)
    /// The node's own refusal.
    case refused(method: String, code: Int, message: String, data: JSON?)
}

extension RPCFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformedURL(let url): "rpc: \(url) is no address; write http://127.0.0.1:8545"
        case .unreachable(let url, _): "rpc: nothing answers at \(url); is the node up? (entente up --data DIR)"
        case .timeout(let method): "rpc: no answer to \(method) in time; see the node's log"
        case .notJSONRPC(let url): "rpc: what answers at \(url) is no Ethereum node"
        case .httpStatus(let code): "rpc: HTTP status \(code)"
        case .answerTooLong(let maximum): "rpc: the answer is longer than \(maximum) bytes; ask for less"
        case .refused(_, _, let message, _): message
        }
    }
}

/// One request at a time leaves, its answer is gathered whole.
private final class RPCClientHandler: ChannelDuplexHandler {
    struct Request: Sendable {
        let body: Bytes
        let answer: EventLoopPromise<Bytes>
    }
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Request
    typealias OutboundOut = HTTPClientRequestPart

    private let host: String
    private var waiting: CircularBuffer<Request> = []
    private var gathered: Bytes = []
    private var isBusy = false

    init(host: String) { self.host = host }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        waiting.append(unwrapOutboundIn(data))
        promise?.succeed()
        sendNext(context)
    }

    private func sendNext(_ context: ChannelHandlerContext) {
        guard !isBusy, let request = waiting.first else { return }
        isBusy = true
        gathered = []
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/")
        head.headers = ["Host": host, "Content-Type": "application/json", "Content-Length": String(request.body.count)]
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: request.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if head.status.code != 200 { fail(context, RPCFailure.httpStatus(head.status.code)) }
        case .body(let part):
            gathered += part.readableBytesView
            if gathered.count > RPCConnection.maximumAnswerBytes {
                fail(context, RPCFailure.answerTooLong(maximum: RPCConnection.maximumAnswerBytes))
            }
        case .end:
            guard isBusy, let done = waiting.popFirst() else { return }
            isBusy = false
            done.answer.succeed(gathered)
            sendNext(context)
        }
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        while let request = waiting.popFirst() { request.answer.fail(error) }
        isBusy = false
        context.close(promise: nil)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(context, error) }
    func channelInactive(context: ChannelHandlerContext) {
        fail(context, ChannelError.eof)
        context.fireChannelInactive()
    }
}
