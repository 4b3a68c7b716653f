import Primitives
import Synchronization

package enum PeerEvent: Sendable {
    /// A control link has (re)started: what was sent before may be lost.
    case up(Address, Hello)
    case down(Address)
    case frame(Frame, from: Address)
}

/// The frames that a room asked for, with the ups and downs of control links, in order. Bounded: a link whose frames lie unread
/// beyond `LinkHandle.maximumUnreadBytes` is not read until they are taken.
package struct PeerStream: AsyncSequence, Sendable {
    struct Item: Sendable {
        var event: PeerEvent
        var link: LinkHandle?
        var bytes: Int
    }
    let items: AsyncStream<Item>

    package struct Iterator: AsyncIteratorProtocol {
        var items: AsyncStream<Item>.Iterator
        package mutating func next() async -> PeerEvent? {
            guard let item = await items.next() else { return nil }
            item.link?.markRead(item.bytes)
            return item.event
        }
    }
    package func makeAsyncIterator() -> Iterator { Iterator(items: items.makeAsyncIterator()) }
}
