import NIOCore
import NIOHTTP1
import Primitives

/// One HTTP/1.1 connection: one request after another (NIO's pipelining handler sees to it), answered by the connection's task.
final class HTTPConnection: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    static let name = "entente-http"

    private let server: RPCServer
    private let requests: AsyncStream<RPCServer.IncomingText>
    private let arrival: AsyncStream<RPCServer.IncomingText>.Continuation
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isAnswering = false
    /// The request was refused before its end; what still comes of it is not looked at.
    private var isDeaf = false

    init(server: RPCServer) {
        self.server = server
        (requests, arrival) = AsyncStream.makeStream(of: RPCServer.IncomingText.self)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop), loop = context.eventLoop
        server.opened(
            .init(
                requests: requests, subscriber: nil,
                reply: { reply in loop.execute { bound.value.handler.reply(reply, bound.value.context) } }))
    }
    func handlerRemoved(context: ChannelHandlerContext) { arrival.finish() }
    func channelInactive(context: ChannelHandlerContext) {
        arrival.finish()
        server.leave(context.channel)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(let part):
            guard !isDeaf else { return }
            guard body.readableBytes + part.readableBytes <= server.configuration.maximumRequestBytes else {
                return refuse(.payloadTooLarge, context)
            }
            body.writeImmutableBuffer(part)
        case .end: if !isDeaf { finish(context) }
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.head = head
        body.clear()
        guard server.isOurName(head.headers) else { return refuse(.misdirectedRequest, context) }
        if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
            length > server.configuration.maximumRequestBytes
        {
            return refuse(.payloadTooLarge, context)
        }
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            context.writeAndFlush(wrapOutboundOut(.head(.init(version: head.version, status: .continue))), promise: nil)
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard let head else { return }
        isAnswering = true
        let path = head.uri.split(separator: "?", maxSplits: 1)[0]
        switch (head.method, path) {
        case (.GET, "/health"): arrival.yield(.init(kind: .health, text: [], isAdministrator: false))
        case (.OPTIONS, _): reply(.init(status: .noContent), context)
        case (.POST, _):
            // A form cannot be this type without asking first: no page can call us behind its visitor's back.
            guard head.headers.first(name: "content-type")?.lowercased().hasPrefix("application/json") == true else {
                return refuse(.unsupportedMediaType, context)
            }
            arrival.yield(
                .init(kind: .rpc, text: Bytes(body.readableBytesView), isAdministrator: server.isAdministrator(head.headers)))
            body.clear()
        case (.GET, _): refuse(.notFound, context)
        default: refuse(.methodNotAllowed, context)
        }
    }

    private func refuse(_ status: HTTPResponseStatus, _ context: ChannelHandlerContext) {
        isDeaf = true
        reply(.init(status: status, body: Bytes("\(status.code) \(status.reasonPhrase)\n".utf8)), context)
    }

    private func reply(_ reply: RPCServer.Reply, _ context: ChannelHandlerContext) {
        guard let head, context.channel.isActive else { return }
        let isKept = head.isKeepAlive && !isDeaf
        var headers = HTTPHeaders()
        let status = reply.body == nil && reply.status == .ok ? HTTPResponseStatus.noContent : reply.status
        if let body = reply.body {
            headers.add(name: "content-type", value: isDeaf ? "text/plain" : "application/json")
            headers.add(name: "content-length", value: String(body.count))
        }
        headers.add(name: "connection", value: isKept ? "keep-alive" : "close")
        if let origin = head.headers.first(name: "origin"), server.isAllowed(origin) {
            headers.add(name: "access-control-allow-origin", value: server.configuration.origins.contains("*") ? "*" : origin)
            headers.add(name: "vary", value: "origin")
            if head.method == .OPTIONS {
                headers.add(name: "access-control-allow-methods", value: "POST, GET, OPTIONS")
                headers.add(name: "access-control-allow-headers", value: "content-type, authorization")
                headers.add(name: "access-control-max-age", value: "600")
            }
        }
        self.head = nil
        isAnswering = false
        context.write(wrapOutboundOut(.head(.init(version: head.version, status: status, headers: headers))), promise: nil)
        if let body = reply.body { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in if !isKept { channel.close(promise: nil) } }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent, !isAnswering { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
