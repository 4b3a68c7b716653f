import Primitives

/// What a JSON-RPC answer says instead of a result: the numbers are those of JSON-RPC 2.0, EIP-1474 and go-ethereum.
package struct RPCError: Error, Equatable, Sendable {
    package var code: Int
    package var message: String
    package var data: JSON?

    package init(code: Int, message: String, data: JSON? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }

    // The text could not be read, or is no request: the caller is at fault.
    package static func unreadable(_ why: String) -> RPCError { RPCError(code: -32700, message: "parse error: \(why)") }
    package static func invalidRequest(_ why: String) -> RPCError { RPCError(code: -32600, message: "invalid request: \(why)") }
    package static func methodNotFound(_ method: String) -> RPCError {
        RPCError(code: -32601, message: "the method \(method) does not exist/is not available")
    }
    package static func invalidParameters(_ why: String) -> RPCError { RPCError(code: -32602, message: why) }
    /// Our own fault; says nothing about the request.
    package static func internalError(_ why: String) -> RPCError { RPCError(code: -32603, message: "internal error: \(why)") }
    /// The transaction or call is not acceptable as things stand: nonce too low, unknown block, …
    package static func refused(_ why: String) -> RPCError { RPCError(code: -32000, message: why) }
    package static func notFound(_ what: String) -> RPCError { RPCError(code: -32001, message: "\(what) not found") }
    package static func limitExceeded(_ why: String) -> RPCError { RPCError(code: -32005, message: why) }

    /// The contract reverted; `data` is what it returned. Solidity's `Error(string)` is read out, as clients expect.
    package static func reverted(_ returned: Bytes) -> RPCError {
        let reason = revertReason(returned).map { ": \($0)" } ?? ""
        return RPCError(code: 3, message: "execution reverted\(reason)", data: JSON(returned))
    }

    /// `Error(string)`: selector 08c379a0, offset 32, length, text.
    package static func revertReason(_ returned: Bytes) -> String? {
        guard returned.count >= 68, returned.starts(with: [0x08, 0xc3, 0x79, 0xa0]), U256(bigEndian: returned[4..<36]) == 32,
            let count = U256(bigEndian: returned[36..<68]).asUInt64, count <= UInt64(returned.count - 68)
        else { return nil }
        return String(validating: returned[68..<(68 + Int(count))], as: UTF8.self)
    }

    package var json: JSON {
        var members: [String: JSON] = ["code": .integer(Int64(code)), "message": .string(message)]
        if let data { members["data"] = data }
        return .object(members)
    }
    /// The `error` member of an answer.
    package init?(_ json: JSON) {
        guard let code = json["code"]?.asInt, let message = json["message"]?.asString else { return nil }
        self.init(code: code, message: message, data: json["data"])
    }
}
