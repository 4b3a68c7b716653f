import Primitives
import RPC
import Synchronization

/// The subscriptions of one WebSocket connection.
final class Subscriber: Sendable {
    private let subscriptions = Mutex<[String: Subscription]>([:])
    /// Sends a message; drops the connection if it does not keep up.
    private let send: @Sendable (Bytes) -> Void

    static let maximumSubscriptions = 128

    init(send: @escaping @Sendable (Bytes) -> Void) { self.send = send }

    static func newIdentifier() -> String { U256(UInt64.random(in: 1 ... .max), UInt64.random(in: 1 ... .max), 0, 0).quantity }

    var count: Int { subscriptions.withLock { $0.count } }
    func begin(_ id: String, _ subscription: Subscription) {
        subscriptions.withLock { $0[id] = subscription }
        if subscription == .syncing { send(Response.notification(id, false).canonical) }
    }
    func cancel(_ id: String) -> Bool { subscriptions.withLock { $0.removeValue(forKey: id) != nil } }

    func notify(_ event: LedgerEvent) {
        for (id, subscription) in subscriptions.withLock({ $0 }) {
            switch (subscription, event) {
            case (.newHeads, .head(let header, let hash, _)):
                send(Response.notification(id, .object(header.json(hash: hash))).canonical)
            case (.logs(let query), .head(_, _, let logs)):
                for log in logs where query.matches(log.log) { send(Response.notification(id, log.json).canonical) }
            case (.newPendingTransactions(let full), .pending(let record)):
                send(Response.notification(id, full ? record.json : JSON(record.hash)).canonical)
            default: break
            }
        }
    }
}
