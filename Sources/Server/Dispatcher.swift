import Primitives
import RPC

/// A method beyond Ethereum's, supplied by the room that knows it.
package struct Method: Sendable {
    /// Only for callers who show the token of the configuration.
    package var isAdministrative: Bool
    package var answer: @Sendable ([JSON]) async throws(RPCError) -> JSON

    package init(isAdministrative: Bool = false, _ answer: @escaping @Sendable ([JSON]) async throws(RPCError) -> JSON) {
        self.isAdministrative = isAdministrative
        self.answer = answer
    }
}

/// Text in, text out, for every carrier.
struct Dispatcher: Sendable {
    let ethereum: EthereumService
    let methods: [String: Method]

    /// What a carrier may do.
    struct Caller: Sendable {
        var isAdministrator: Bool
        /// nil: the carrier cannot be notified.
        var subscriber: Subscriber?
    }

    static let maximumAnswerBytes = 64 << 20

    /// - Returns: nil where only notifications came in. `begun`: subscriptions to start once the answer is on its way.
    func answer(_ text: Bytes, for caller: Caller) async -> (answer: Bytes?, begun: [(id: String, to: Subscription)]) {
        var begun: [(String, Subscription)] = []
        switch Incoming(parsing: text) {
        case .nothing(let error): return (Response.failure(.null, error).canonical, [])
        case .single(let request): return (await answer(request, for: caller, &begun)?.canonical, begun)
        case .batch(let requests):
            // Printed one by one: a batch is no reason to hold every answer twice.
            var out: Bytes = [UInt8(ascii: "[")]
            for request in requests {
                guard out.count < Dispatcher.maximumAnswerBytes else {
                    return (
                        Response.failure(.null, .limitExceeded("batch answer larger than \(Dispatcher.maximumAnswerBytes) bytes"))
                            .canonical, begun
                    )
                }
                guard let one = await answer(request, for: caller, &begun) else { continue }
                if out.count > 1 { out.append(UInt8(ascii: ",")) }
                out += one.canonical
            }
            return (out.count == 1 ? nil : out + [UInt8(ascii: "]")], begun)
        }
    }

    private func answer(
        _ request: Result<Request, Incoming.Fault>, for caller: Caller, _ begun: inout [(String, Subscription)]
    ) async -> JSON? {
        switch request {
        case .failure(let fault): return Response.failure(fault.id, fault.error)
        case .success(let request):
            do throws(RPCError) {
                let result = try await result(of: request, for: caller, &begun)
                return request.id.map { Response.success($0, result) }
            } catch { return request.id.map { Response.failure($0, error) } }
        }
    }

    private func result(
        of request: Request, for caller: Caller, _ begun: inout [(String, Subscription)]
    ) async throws(RPCError) -> JSON {
        if let call = try EthereumCall(request) { return try await ethereum.answer(call) }
        switch request.method {
        case "eth_subscribe", "eth_unsubscribe":
            guard let subscriber = caller.subscriber else {
                throw RPCError(code: -32601, message: "notifications not supported: use a WebSocket")
            }
            if request.method == "eth_unsubscribe" {
                var parameters = Parameters(request.parameters, of: request.method)
                return .bool(subscriber.cancel(try parameters.text("subscription")))
            }
            let subscription = try Subscription(request.parameters)
            guard subscriber.count + begun.count < Subscriber.maximumSubscriptions else {
                throw .limitExceeded("more than \(Subscriber.maximumSubscriptions) subscriptions")
            }
            let id = Subscriber.newIdentifier()
            begun.append((id, subscription))
            return .string(id)
        case "rpc_modules": return ["eth": "1.0", "net": "1.0", "web3": "1.0", "txpool": "1.0", "debug": "1.0", "entente": "1.0"]
        default:
            guard let method = methods[request.method] else { throw .methodNotFound(request.method) }
            guard !method.isAdministrative || caller.isAdministrator else {
                throw RPCError(code: -32004, message: "\(request.method) needs the operator's token (Authorization: Bearer …)")
            }
            return try await method.answer(request.parameters)
        }
    }
}
