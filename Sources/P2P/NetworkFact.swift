import Primitives

/// Which of the two connections between a pair of nodes.
package enum LinkKind: String, Sendable, CaseIterable {
    case control = "entente/1"
    /// Computing sessions: gigabytes of shares never delay a vote.
    case bulk = "entente-bulk/1"
}

/// What the operator's log is told.
package enum NetworkFact: Sendable, Equatable {
    case listening(host: String, port: Int)
    case dialFailed(Endpoint, String)
    /// Too many knock; closed without a word.
    case turnedAway(remote: String)
    case certificateRefused(remote: String, CertificateError)
    /// TLS failed otherwise, or the other side chose no protocol of ours.
    case handshakeFailed(remote: String, String)
    /// Another node answers where `expected` should.
    case unexpectedNode(remote: String, found: Address, expected: Address)
    case refused(remote: String, node: Address, DisconnectReason, height: UInt64)
    case refusedBy(remote: String, node: Address, DisconnectReason, height: UInt64)
    case breach(remote: String, node: Address?, FrameError)
    case up(Address, LinkKind, remote: String)
    case down(Address, LinkKind, LinkEnd)
}

package enum LinkEnd: Error, Sendable, Equatable {
    case closedByPeer
    case disconnected(DisconnectReason)
    case refusedHere(DisconnectReason)
    case silent
    case sendQueueFull
    case failed(String)
}

/// Where a node listens, and who should answer if that is known.
package struct Endpoint: Hashable, Sendable {
    package var node: Address?
    package var host: String
    package var port: Int

    package init(node: Address?, host: String, port: Int) {
        self.node = node
        self.host = host
        self.port = port
    }
}

/// Sees every byte on its way out: frames before TLS, records after it. For the demonstration's canary and for tests.
package protocol NetworkTap: Sendable {
    func handedToTLS(_ frame: UnsafeRawBufferPointer, to peer: Address?)
    func leftTLS(_ bytes: UnsafeRawBufferPointer, to remote: String)
}

/// Frames and bytes of one class on one link, headers included, TLS not.
package struct Traffic: Sendable, Equatable {
    package var sentFrames = 0, sentBytes = 0, receivedFrames = 0, receivedBytes = 0
    package init() {}
}

/// A link as others see it.
package struct LinkReport: Sendable {
    package var node: Address
    package var kind: LinkKind
    package var remote: String
    package var isDialed: Bool
    package var hello: Hello
    /// Nanoseconds, smoothed over pings; nil until the first answer.
    package var roundTrip: UInt64?
    package var queuedBytes: Int
    package var traffic: [TrafficClass: Traffic]
}
