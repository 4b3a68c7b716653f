import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Primitives
import RPC
import Synchronization

/// JSON-RPC over one WebSocket: calls may overlap, and subscriptions come. When it closes, calls fail and streams end; open another.
package final class RPCSocket: Sendable {
    package let url: String
    private let channel: any Channel
    private let inbox: Inbox

    static let maximumMessageBytes = 64 << 20
    static let callTimeout = TimeAmount.seconds(60)

    /// - Parameter url: `ws://host:port/path`; there is no TLS here: beyond one's own machine stands a proxy.
    package static func open(_ url: String) async throws(RPCFailure) -> RPCSocket {
        guard url.hasPrefix("ws://") else { throw .malformedURL(url) }
        let rest = url.dropFirst(5), slash = rest.firstIndex(of: "/") ?? rest.endIndex, parts = rest[..<slash].split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]), (1...65_535).contains(port) else { throw .malformedURL(url) }
        let host = String(parts[0]), path = slash == rest.endIndex ? "/" : String(rest[slash...])
        let inbox = Inbox()
        do {
            let loop = MultiThreadedEventLoopGroup.singleton.any(), ready = loop.makePromise(of: Void.self)
            let channel: any Channel
            do {
                channel = try await ClientBootstrap(group: loop).connectTimeout(.seconds(5)).channelOption(
                    .tcpOption(.tcp_nodelay), value: 1
                )
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try prepare(channel, inbox, ready, path: path, host: "\(host):\(port)")
                    }
                }
                .connect(host: host, port: port).get()
            } catch {
                ready.fail(error)
                throw error
            }
            try await ready.futureResult.get()
            return RPCSocket(url, channel, inbox)
        } catch let failure as RPCFailure { throw failure } catch { throw .unreachable(url: url, reason: "\(error)") }
    }

    private init(_ url: String, _ channel: any Channel, _ inbox: Inbox) {
        (self.url, self.channel, self.inbox) = (url, channel, inbox)
    }

    package func call(_ method: String, _ parameters: [JSON] = []) async throws(RPCFailure) -> JSON {
        try await send(method, parameters, nil)
    }

    /// The events of `eth_subscribe` with these parameters.
    package func subscribe(_ parameters: [JSON]) async throws(RPCFailure) -> AsyncStream<JSON> {
        let (stream, continuation) = AsyncStream.makeStream(of: JSON.self)
        _ = try await send("eth_subscribe", parameters, continuation)
        return stream
    }

    package func close() async { try? await channel.close() }

    private func send(
        _ method: String, _ parameters: [JSON], _ events: AsyncStream<JSON>.Continuation?
    ) async throws(RPCFailure) -> JSON {
        let promise = channel.eventLoop.makePromise(of: JSON.self)
        let id = inbox.expect(method, promise, events)
        let deadline = channel.eventLoop.scheduleTask(in: RPCSocket.callTimeout) {
            promise.fail(RPCFailure.timeout(method: method))
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        channel.writeAndFlush(ByteBuffer(bytes: Request(id: .integer(id), method: method, parameters: parameters).json.canonical))
            .cascadeFailure(to: promise)
        do { return try await promise.futureResult.get() } catch let failure as RPCFailure { throw failure } catch {
            throw .unreachable(url: url, reason: "\(error)")
        }
    }

    private static func prepare(
        _ channel: any Channel, _ inbox: Inbox, _ ready: EventLoopPromise<Void>, path: String, host: String
    ) throws {
        let upgrader = NIOWebSocketClientUpgrader(maxFrameSize: maximumMessageBytes) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(
                    NIOWebSocketFrameAggregator(
                        minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 4_096, maxAccumulatedFrameSize: maximumMessageBytes))
                try pipeline.addHandler(Carrier(inbox))
                ready.succeed()
            }
        }
        let opening = Opening(path: path, host: host, ready: ready), bound = NIOLoopBound(opening, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHTTPClientHandlers(
            withClientUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in
                    context.pipeline.syncOperations.removeHandler(bound.value, promise: nil)
                }
            ))
        try channel.pipeline.syncOperations.addHandler(opening)
    }
}

/// Calls without an answer yet, and subscriptions. A subscription is entered as its answer is read, so that none of its events can
/// come before.
private final class Inbox: Sendable {
    private struct Expected {
        var method: String
        var answer: EventLoopPromise<JSON>
        var events: AsyncStream<JSON>.Continuation?
    }
    private let state = Mutex<(last: Int64, expected: [Int64: Expected], streams: [String: AsyncStream<JSON>.Continuation])>(
        (0, [:], [:]))

    func expect(_ method: String, _ answer: EventLoopPromise<JSON>, _ events: AsyncStream<JSON>.Continuation?) -> Int64 {
        state.withLock { state in
            state.last += 1
            state.expected[state.last] = Expected(method: method, answer: answer, events: events)
            return state.last
        }
    }

    /// - Returns: false if this is no JSON-RPC.
    func receive(_ text: Bytes) -> Bool {
        guard let json = try? JSON(parsing: text) else { return false }
        if json["method"] == "eth_subscription" {
            guard let name = json["params"]?["subscription"]?.asString, let event = json["params"]?["result"] else { return false }
            _ = state.withLock { $0.streams[name] }?.yield(event)
            return true
        }
        guard let id = json["id"]?.asInt, let expected = state.withLock({ $0.expected.removeValue(forKey: Int64(id)) }) else {
            return true
        }  // too late
        do throws(RPCError) {
            let result = try Response.result(of: json)
            if let events = expected.events, let name = result.asString { state.withLock { $0.streams[name] = events } }
            expected.answer.succeed(result)
        } catch {
            expected.answer.fail(
                RPCFailure.refused(method: expected.method, code: error.code, message: error.message, data: error.data))
        }
        return true
    }

    func end() {
        let (expected, streams) = state.withLock { state in
            defer { (state.expected, state.streams) = ([:], [:]) }
            return (state.expected, state.streams)
        }
        expected.values.forEach { $0.answer.fail(ChannelError.eof) }
        streams.values.forEach { $0.finish() }
    }
}

private final class Carrier: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    private let inbox: Inbox
    init(_ inbox: Inbox) { self.inbox = inbox }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(
            wrapOutboundOut(WebSocketFrame(fin: true, opcode: .text, maskKey: .random(), data: unwrapOutboundIn(data))),
            promise: promise)
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary: if !inbox.receive(Bytes(frame.unmaskedData.readableBytesView)) { context.close(promise: nil) }
        case .ping:
            context.writeAndFlush(
                wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData)),
                promise: nil)
        case .pong: break
        default: context.close(promise: nil)
        }
    }
    func channelInactive(context: ChannelHandlerContext) { inbox.end() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Asks for the upgrade once connected; any other answer is a failure.
private final class Opening: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let path: String, host: String
    private let ready: EventLoopPromise<Void>

    init(path: String, host: String, ready: EventLoopPromise<Void>) { (self.path, self.host, self.ready) = (path, host, ready) }

    func channelActive(context: ChannelHandlerContext) {
        context.write(
            wrapOutboundOut(.head(.init(version: .http1_1, method: .GET, uri: path, headers: ["host": host]))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { ready.fail(RPCFailure.httpStatus(head.status.code)) }
        context.close(promise: nil)
    }
    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(ChannelError.eof)
        context.fireChannelInactive()
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.close(promise: nil)
    }
}
