import NIOCore
import NIOWebSocket
import Primitives
import RPC

/// One WebSocket: whole messages in, answers and notifications out.
final class WebSocketConnection: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let server: RPCServer
    private let isAdministrator: Bool
    private let requests: AsyncStream<RPCServer.IncomingText>
    private let arrival: AsyncStream<RPCServer.IncomingText>.Continuation
    private var waiting = 0
    private var isClosing = false
    private var isIdle = false

    /// Unanswered messages of one connection; more means that it does not listen.
    static let maximumWaiting = 1_024

    init(server: RPCServer, isAdministrator: Bool) {
        self.server = server
        self.isAdministrator = isAdministrator
        (requests, arrival) = AsyncStream.makeStream(of: RPCServer.IncomingText.self)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop), loop = context.eventLoop
        let subscriber = Subscriber { text in loop.execute { bound.value.handler.notify(text, bound.value.context) } }
        server.subscribed(subscriber, on: context.channel)
        server.opened(
            .init(
                requests: requests, subscriber: subscriber,
                reply: { reply in loop.execute { bound.value.handler.answer(reply, bound.value.context) } }))
    }
    func channelInactive(context: ChannelHandlerContext) {
        arrival.finish()
        server.leave(context.channel)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isIdle = false
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary:
            guard !isClosing else { return }
            waiting += 1
            guard waiting <= WebSocketConnection.maximumWaiting else { return close(.policyViolation, context) }
            arrival.yield(.init(kind: .rpc, text: Bytes(frame.unmaskedData.readableBytesView), isAdministrator: isAdministrator))
        case .ping: write(.pong, frame.unmaskedData, context)
        case .connectionClose: close(.normalClosure, context)
        case .pong: break
        default: close(.protocolError, context)
        }
    }

    private func answer(_ reply: RPCServer.Reply, _ context: ChannelHandlerContext) {
        waiting -= 1
        if let body = reply.body { write(.text, ByteBuffer(bytes: body), context) }
    }

    /// Notifications come whether the reader reads or not.
    private func notify(_ text: Bytes, _ context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return context.close(promise: nil) }
        write(.text, ByteBuffer(bytes: text), context)
    }

    private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ context: ChannelHandlerContext) {
        guard !isClosing, context.channel.isActive else { return }
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: nil)
    }

    private func close(_ code: WebSocketErrorCode, _ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        isClosing = true
        var data = context.channel.allocator.buffer(capacity: 2)
        data.write(webSocketErrorCode: code)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    /// Silent for a while: asked once, dropped the next time.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        if isIdle { return context.close(promise: nil) }
        isIdle = true
        write(.ping, ByteBuffer(), context)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(.messageTooLarge, context) }
}
