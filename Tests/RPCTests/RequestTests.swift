import Primitives
import RPC
import Testing

private func single(_ text: String) -> Result<Request, Incoming.Fault>? {
    if case .single(let result) = Incoming(parsing: text.utf8) { result } else { nil }
}
private func fault(_ text: String) -> Int? {
    switch Incoming(parsing: text.utf8) {
    case .single(.failure(let fault)): fault.error.code
    case .nothing(let error): error.code
    default: nil
    }
}
private func call(_ method: String, _ parameters: JSON...) throws -> EthereumCall? {
    try EthereumCall(Request(id: 1, method: method, parameters: parameters))
}

@Test func requestsOfTheSpecificationAreRead() throws {
    #expect(
        single(#"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#)
            == .success(Request(id: 7, method: "eth_chainId", parameters: [])))
    #expect(
        single(#"{"jsonrpc":"2.0","id":"a","method":"m","params":[1,null]}"#)
            == .success(Request(id: "a", method: "m", parameters: [1, .null])))
    #expect(
        single(#"{"jsonrpc":"2.0","method":"m","params":{"x":1}}"#)
            == .success(Request(id: nil, method: "m", parameters: [["x": 1]])))
    #expect(single(#"{"jsonrpc":"2.0","id":null,"method":"m"}"#) == .success(Request(id: .null, method: "m", parameters: [])))
    guard case .batch(let batch) = Incoming(parsing: #"[{"jsonrpc":"2.0","id":1,"method":"a"},7,{"id":2}]"#.utf8) else {
        return #expect(Bool(false))
    }
    #expect(
        batch == [
            .success(Request(id: 1, method: "a", parameters: [])),
            .failure(.init(id: .null, error: .invalidRequest("an object is expected"))),
            .failure(.init(id: 2, error: .invalidRequest("jsonrpc must be \"2.0\""))),
        ])
}

@Test(arguments: [
    ("", -32700), ("{", -32700), ("[]", -32600), ("1", -32600), (#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, -32600),
    (#"{"jsonrpc":"2.0","id":1}"#, -32600),
    (#"{"jsonrpc":"2.0","id":1,"method":1}"#, -32600), (#"{"jsonrpc":"2.0","id":1,"method":"a","params":"x"}"#, -32600),
])
func malformedRequestsHaveTheStandardCodes(_ text: String, _ code: Int) { #expect(fault(text) == code) }

@Test func batchesAreBounded() {
    let one = #"{"jsonrpc":"2.0","id":1,"method":"a"}"#
    #expect(fault("[" + Array(repeating: one, count: 1_001).joined(separator: ",") + "]") == -32005)
    #expect(fault("[" + Array(repeating: one, count: 1_000).joined(separator: ",") + "]") == nil)
    #expect(fault(String(repeating: "[", count: 5_000)) == -32700)
}

@Test func randomTextNeverBreaksTheReader() {
    var state: UInt64 = 5
    let alphabet = Bytes(#"{}[]":,0123456789eE+-.\ntruefalsenull jsonrpcmethodidparams"#.utf8)
    for _ in 0..<20_000 {
        let text = (0..<40).map { _ -> UInt8 in
            state = state &* 6364136223846793005 &+ 1442695040888963407
            return alphabet[Int(state >> 33) % alphabet.count]
        }
        // Forty characters have no room for a request.
        if case .single(.success) = Incoming(parsing: text) {
            Issue.record("read a request in \(String(decoding: text, as: UTF8.self))")
        }
    }
}

@Test func parametersNameWhatIsWrong() throws {
    #expect(throws: RPCError.invalidParameters("missing value for required argument 0 (address)")) { try call("eth_getBalance") }
    #expect(throws: RPCError.invalidParameters("address: address of 20 bytes expected")) { try call("eth_getBalance", "0x12") }
    #expect(throws: RPCError.invalidParameters("block: hex number with leading zero digits")) {
        try call("eth_getBlockByNumber", "0x01", false)
    }
    #expect(throws: RPCError.invalidParameters("too many arguments, want at most 0")) { try call("eth_blockNumber", 1) }
    #expect(throws: RPCError.invalidParameters("full: true or false expected")) {
        try call("eth_getBlockByNumber", "latest", "yes")
    }
    #expect(try call("eth_noSuchMethod") == nil)
    let someone: JSON = "0x7dcd17433742f4c0ca53122ab541d0ba67fc27df"
    let address = try #require(someone.asAddress)
    #expect(try call("eth_getBalance", someone) == .balance(address, .latest))
    #expect(try call("eth_getBalance", someone, ["blockNumber": "0x7"]) == .balance(address, .number(7)))
    #expect(try call("eth_getStorageAt", someone, "0x00") == .storage(address, .zero, .latest))
    #expect(
        try call("eth_feeHistory", 5, "latest", [25, .number(75.5)])
            == .feeHistory(blocks: 5, newest: .latest, percentiles: [25, 75.5]))
    #expect(throws: RPCError.self) { try call("eth_feeHistory", "0x5", "latest", [75, 25]) }
}

@Test func callObjectsBecomePayloads() throws {
    let request = try CallRequest([
        "from": "0x7dcd17433742f4c0ca53122ab541d0ba67fc27df", "to": "0xeda8645ba6948855e3b3cd596bbb07596d59c603", "data": "0x0102",
        "gas": "0x5208",
        "value": "0x1", "gasPrice": "0x2",
        "accessList": [["address": "0xeda8645ba6948855e3b3cd596bbb07596d59c603", "storageKeys": []]],
    ])
    #expect(
        request.payload.kind == .accessList && request.payload.gasLimit == 21_000 && request.payload.data == [1, 2]
            && request.payload.maxFeePerGas == 2)
    #expect(try CallRequest(request.json) == request)
    #expect(try CallRequest([:]).payload.kind == .dynamicFee)
    #expect(throws: RPCError.self) { try CallRequest(["data": "0x01", "input": "0x02"]) }
    #expect(throws: RPCError.self) { try CallRequest(["gasPrice": "0x1", "maxFeePerGas": "0x1"]) }
    #expect(throws: RPCError.self) { try CallRequest(["maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"]) }
}

@Test func logQueriesMatchAsTopicsSay() throws {
    let a = Hash32(Bytes(repeating: 0xa, count: 32))!, b = Hash32(Bytes(repeating: 0xb, count: 32))!,
        where_ = Address(Bytes(repeating: 1, count: 20))!
    let log = Log(address: where_, topics: [a, b], data: [])
    func matches(_ topics: JSON, address: JSON = .null) throws -> Bool {
        try LogQuery(["topics": topics, "address": address]).matches(log)
    }
    #expect(
        try matches([]) && matches([JSON(a)]) && matches([.null, JSON(b)]) && matches([[JSON(b), JSON(a)]])
            && matches([[], JSON(b)]))
    #expect(
        try matches([], address: JSON(where_)) && matches([], address: [JSON(where_)]) && !matches([], address: JSON(Address.zero)))
    #expect(try !matches([JSON(b)]) && !matches([JSON(a), JSON(b), .null]) && matches([[.null, JSON(b)]]))
    #expect(throws: RPCError.self) { try LogQuery(["blockHash": JSON(a), "fromBlock": "0x1"]) }
    #expect(throws: RPCError.self) { try LogQuery(["topics": [[], [], [], [], []]]) }
}

@Test func revertReasonsAreReadOut() throws {
    // From rpc-compat's estimate-call-abi-error.
    let data = try #require(
        Hex.parse(
            "0x08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000a75736572206572726f72"
        ))
    #expect(RPCError.reverted(data) == RPCError(code: 3, message: "execution reverted: user error", data: JSON(data)))
    #expect(RPCError.reverted([1]).message == "execution reverted")
    #expect(RPCError.revertReason(Bytes(data.prefix(40))) == nil)
    var long = data
    long[36 + 24] = 0xff
    #expect(RPCError.revertReason(long) == nil)
}
