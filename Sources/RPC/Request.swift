import Primitives

/// JSON-RPC 2.0 over any carrier: text in, requests out; results in, text out. Nothing here knows a method.
///
/// Values are `Primitives.JSON`, not `Codable`: engines see no Foundation, numbers of 256 bits must stay exact, hostile text must
/// meet bounds (depth, duplicate keys), and reflection would cost more than the call itself on blocks and logs.
package struct Request: Equatable, Sendable {
    /// nil: a notification, which gets no answer.
    package var id: JSON?
    package var method: String
    package var parameters: [JSON]

    package init(id: JSON?, method: String, parameters: [JSON]) {
        self.id = id
        self.method = method
        self.parameters = parameters
    }

    package static let maximumBatch = 1_000
    package static let maximumMethodBytes = 256

    package var json: JSON {
        var members: [String: JSON] = ["jsonrpc": "2.0", "method": .string(method), "params": .array(parameters)]
        if let id { members["id"] = id }
        return .object(members)
    }
}

/// What came in one body or message.
package enum Incoming: Sendable {
    case single(Result<Request, Fault>)
    case batch([Result<Request, Fault>])
    case nothing(RPCError)

    /// A request that cannot be served, with the id to answer to.
    package struct Fault: Error, Equatable, Sendable {
        package var id: JSON
        package var error: RPCError

        package init(id: JSON, error: RPCError) {
            self.id = id
            self.error = error
        }
    }

    package init(parsing text: some Collection<UInt8>) {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text) } catch {
            self = .nothing(.unreadable("\(error)"))
            return
        }
        guard case .array(let elements) = json else {
            self = .single(Incoming.request(json))
            return
        }
        if elements.isEmpty {
            self = .nothing(.invalidRequest("empty batch"))
        } else if elements.count > Request.maximumBatch {
            self = .nothing(.limitExceeded("batch of \(elements.count) exceeds \(Request.maximumBatch)"))
        } else {
            self = .batch(elements.map(Incoming.request))
        }
    }

    private static func request(_ json: JSON) -> Result<Request, Fault> {
        var id = json["id"] ?? .null
        switch id {
        case .null, .integer, .string, .number: break
        case .bool, .array, .object: id = .null
        }
        func fault(_ why: String) -> Result<Request, Fault> { .failure(Fault(id: id, error: .invalidRequest(why))) }
        guard case .object(let members) = json else { return fault("an object is expected") }
        guard members["jsonrpc"] == "2.0" else { return fault("jsonrpc must be \"2.0\"") }
        guard let method = members["method"]?.asString, method.utf8.count <= Request.maximumMethodBytes else {
            return fault("method missing")
        }
        switch members["params"] {
        case nil, .null?: return .success(Request(id: members["id"] == nil ? nil : id, method: method, parameters: []))
        case .array(let parameters)?:
            return .success(Request(id: members["id"] == nil ? nil : id, method: method, parameters: parameters))
        // By name: one object is the one parameter; methods of ours read it so.
        case .object(let named)?:
            return .success(Request(id: members["id"] == nil ? nil : id, method: method, parameters: [.object(named)]))
        default: return fault("params must be an array or an object")
        }
    }
}

package enum Response {
    package static func success(_ id: JSON, _ result: JSON) -> JSON { ["jsonrpc": "2.0", "id": id, "result": result] }
    package static func failure(_ id: JSON, _ error: RPCError) -> JSON { ["jsonrpc": "2.0", "id": id, "error": error.json] }
    /// What a subscription sends.
    package static func notification(_ subscription: String, _ result: JSON) -> JSON {
        ["jsonrpc": "2.0", "method": "eth_subscription", "params": ["subscription": .string(subscription), "result": result]]
    }

    /// The result in an answer to a request of ours.
    package static func result(of answer: JSON) throws(RPCError) -> JSON {
        if let error = answer["error"], error != .null {
            throw RPCError(error) ?? .internalError("an error without code or message: \(error.text)")
        }
        guard let result = answer["result"] else { throw .internalError("an answer without result") }
        return result
    }
}
