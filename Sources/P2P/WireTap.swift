import NIOCore

/// Between TLS and the socket: shows the tap what leaves.
final class WireTap: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tap: any NetworkTap
    private let remote: String

    init(tap: any NetworkTap, remote: String) {
        self.tap = tap
        self.remote = remote
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        unwrapOutboundIn(data).withUnsafeReadableBytes { tap.leftTLS($0, to: remote) }
        context.write(data, promise: promise)
    }
}
