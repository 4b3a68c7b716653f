import Ciphers
import Client
import NIOCore
import NIOPosix
import Primitives
import RPC
import Server
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
    /// A server on a free port, stopped when `body` is done.
    private func serving(
        _ ledger: FakeLedger = FakeLedger(), origins: [String] = [], token: String? = nil, requestBytes: Int = 5 << 20,
        methods: [String: Server.Method] = [:],
        _ body: @Sendable @escaping (Int) async throws -> Void
    ) async throws {
        var configuration = RPCServer.Configuration(clientVersion: "entente/test")
        configuration.port = 0
        configuration.origins = origins
        configuration.administratorToken = token
        configuration.maximumRequestBytes = requestBytes
        let server = try await RPCServer.bind(configuration, ledger: ledger, methods: methods)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await body(server.port)
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// What comes back for these bytes until the server closes or `count` answers of the text "HTTP/1.1" are in.
    private func raw(_ port: Int, _ text: String) async throws -> String {
        let (stream, continuation) = AsyncStream.makeStream(of: Bytes.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(continuation)) }
        }.connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: text.replacing("\n", with: "\r\n")))
        var all: Bytes = []
        for await bytes in stream { all += bytes }
        return String(decoding: all, as: UTF8.self)
    }
    private func post(_ body: String, _ headers: String = "") -> String {
        "POST / HTTP/1.1\nhost: localhost\ncontent-type: application/json\nconnection: close\n\(headers)content-length: \(body.utf8.count)\n\n\(body)"
    }

    @Test func ethereumCallsAreAnswered() async throws {
        let ledger = FakeLedger(), view = ledger.view, account = JSON(ledger.key.address)
        try await serving(ledger) { port in
            let node = try RPCConnection("http://127.0.0.1:\(port)")
            for (method, parameters, expected) in [
                ("eth_chainId", [], "0x539"), ("net_version", [], "1337"), ("web3_clientVersion", [], "entente/test"),
                ("eth_blockNumber", [], "0x1"), ("eth_syncing", [], false),
                ("net_peerCount", [], "0x3"), ("eth_accounts", [], []), ("eth_gasPrice", [], "0x0"),
                ("eth_maxPriorityFeePerGas", [], "0x0"),
                ("web3_sha3", ["0x"], "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
                ("eth_getBalance", [account, "latest"], "0x1388"), ("eth_getTransactionCount", [account, "earliest"], "0x0"),
                ("eth_getCode", [account], "0x"),
                ("eth_getStorageAt", [account, "0x1"], "0x0000000000000000000000000000000000000000000000000000000000000002"),
                ("eth_getBlockByNumber", ["0x1", true], view.blocks[1].json(full: true)),
                ("eth_getBlockByNumber", ["0x2", false], .null),
                ("eth_getBlockByHash", [JSON(view.blocks[0].hash), false], view.blocks[0].json(full: false)),
                ("eth_getBlockTransactionCountByNumber", ["latest"], "0x1"),
                ("eth_getTransactionByHash", [JSON(view.receiptRecord.transactionHash)], view.blocks[1].transactions[0].json),
                ("eth_getTransactionByBlockNumberAndIndex", ["0x1", "0x0"], view.blocks[1].transactions[0].json),
                ("eth_getTransactionByBlockNumberAndIndex", ["0x1", "0x1"], .null),
                ("eth_getTransactionReceipt", [JSON(view.receiptRecord.transactionHash)], view.receiptRecord.json),
                ("eth_getTransactionReceipt", [JSON(Hash32.zero)], .null),
                ("eth_getBlockReceipts", ["latest"], [view.receiptRecord.json]),
                ("debug_getRawHeader", ["0x1"], JSON(view.blocks[1].header.encoded)),
                ("eth_getLogs", [["fromBlock": "0x0"]], [view.receiptRecord.logRecords[0].json]),
                ("eth_getLogs", [["blockHash": JSON(view.blocks[0].hash)]], []),
                ("eth_call", [["to": account, "data": "0x0102"], "latest"], "0x0102"),
                ("eth_estimateGas", [["to": account]], "0x5208"),
                (
                    "eth_feeHistory", ["0x2", "latest", [50]],
                    [
                        "oldestBlock": "0x0", "baseFeePerGas": ["0x0", "0x0", "0x0"],
                        "gasUsedRatio": [.number(0), .number(0.0007)], "reward": [["0x0"], ["0x0"]],
                    ]
                ),
                ("txpool_status", [], ["pending": "0x0", "queued": "0x0"]),
            ] as [(String, [JSON], JSON)] {
                let answer = try await node.call(method, parameters)
                // Numbers travel as text: 0.0 comes back as an integer.
                #expect(answer.text == expected.text, "\(method)")
            }
            let proof = try await node.call("eth_getProof", [account, ["0x07"], "latest"])
            #expect(proof["storageProof"]?[0]?["key"] == "0x07", "keys are repeated as they were asked")
            await node.close()
        }
    }

    @Test func refusalsHaveEthereumsCodes() async throws {
        let ledger = FakeLedger(), account = JSON(ledger.key.address)
        try await serving(ledger) { port in
            let node = try RPCConnection("http://127.0.0.1:\(port)")
            for (method, parameters, code, message) in [
                ("eth_call", [["to": account, "data": "0xff"]], 3, "execution reverted"),
                ("eth_call", [["to": account, "data": "0xfe"]], -32000, "out of gas"),
                ("eth_getBalance", [account, "0x5"], -32001, "block not found"),
                ("eth_foo", [], -32601, "the method eth_foo does not exist/is not available"),
                ("eth_getLogs", [["fromBlock": "0x1", "toBlock": "0x0"]], -32602, "invalid block range params"),
                ("eth_getLogs", [["toBlock": "0x9"]], -32602, "block range extends beyond current head block"),
                ("eth_sendRawTransaction", ["0x00"], -32000, "transaction malformed"),
                ("eth_subscribe", ["newHeads"], -32601, "notifications not supported: use a WebSocket"),
                ("eth_getFilterChanges", ["0x1"], -32000, "filter not found"),
            ] as [(String, [JSON], Int, String)] {
                do throws(RPCFailure) {
                    _ = try await node.call(method, parameters)
                    Issue.record("\(method) was answered")
                } catch {
                    guard case .refused(_, code, message, _) = error else {
                        Issue.record("\(method): \(error)")
                        continue
                    }
                }
            }
            await node.close()
        }
    }

    @Test func transactionsAndFiltersAreFollowed() async throws {
        let ledger = FakeLedger()
        try await serving(ledger) { port in
            let node = try RPCConnection("http://127.0.0.1:\(port)")
            let filter = try await node.call("eth_newPendingTransactionFilter"), blocks = try await node.call("eth_newBlockFilter")
            let logs = try await node.call("eth_newFilter", [["fromBlock": "0x0"]])
            let transaction = RecoveredTransaction(
                TransactionPayload(chainId: 1_337, nonce: 1, gasLimit: 21_000, to: .zero), signedBy: ledger.key)
            let hash = try await node.call("eth_sendRawTransaction", [JSON(transaction.transaction.encoded)])
            #expect(hash == JSON(transaction.hash))
            let nonce = try await node.call("eth_getTransactionCount", [JSON(ledger.key.address), "pending"])
            #expect(nonce == "0x2")
            let waiting = try await node.call("eth_getTransactionByHash", [hash])
            #expect(waiting["blockHash"] == .null && waiting["nonce"] == "0x1")
            let content = try await node.call("txpool_content")
            #expect(content["pending"]?[ledger.key.address.description]?["1"]?["hash"] == hash)
            var pending = try await node.call("eth_getFilterChanges", [filter])
            while pending == [] { pending = try await node.call("eth_getFilterChanges", [filter]) }
            #expect(pending == [hash])
            let newBlocks = try await node.call("eth_getFilterChanges", [blocks]),
                all = try await node.call("eth_getFilterLogs", [logs])
            #expect(newBlocks == [] && all.asArray?.count == 1)
            let removed = try await node.call("eth_uninstallFilter", [filter]),
                again = try await node.call("eth_uninstallFilter", [filter])
            #expect(removed == true && again == false)
            await node.close()
        }
    }

    @Test func subscribersHearOfHeadsLogsAndTransactions() async throws {
        let ledger = FakeLedger(), view = ledger.view
        try await serving(ledger) { port in
            let node = try await RPCSocket.open("ws://127.0.0.1:\(port)")
            let version = try await node.call("net_version")
            #expect(version == "1337")
            var heads = try await node.subscribe(["newHeads"]).makeAsyncIterator()
            var logs = try await node.subscribe(["logs", ["address": JSON(ledger.key.address)]]).makeAsyncIterator()
            let others = try await node.subscribe(["logs", ["address": JSON(Address.zero)]])
            var pending = try await node.subscribe(["newPendingTransactions"]).makeAsyncIterator()
            // A call after them: the server has begun all four once it answers.
            _ = try await node.call("eth_chainId")
            ledger.stream.continuation.yield(.head(view.head.header, hash: view.head.hash, logs: view.receiptRecord.logRecords))
            let head = await heads.next(), log = await logs.next()
            #expect(head == .object(view.head.header.json(hash: view.head.hash)))
            #expect(log == view.receiptRecord.logRecords[0].json)
            let transaction = RecoveredTransaction(
                TransactionPayload(chainId: 1_337, nonce: 1, gasLimit: 21_000, to: .zero), signedBy: ledger.key)
            _ = try await node.call("eth_sendRawTransaction", [JSON(transaction.transaction.encoded)])
            let heard = await pending.next()
            #expect(heard == JSON(transaction.hash))
            await node.close()
            for await _ in others { Issue.record("a log of another address") }
        }
    }

    @Test func batchesAreAnsweredInOrderWithoutNotifications() async throws {
        try await serving { port in
            let body =
                #"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","id":"x","method":"nope"},5]"#
            let answer = try await raw(port, post(body))
            #expect(
                answer.hasSuffix(
                    #"[{"id":1,"jsonrpc":"2.0","result":"0x539"},{"error":{"code":-32601,"message":"the method nope does not exist/is not available"},"id":"x","jsonrpc":"2.0"},{"error":{"code":-32600,"message":"invalid request: an object is expected"},"id":null,"jsonrpc":"2.0"}]"#
                ))
            let silent = try await raw(port, post(#"{"jsonrpc":"2.0","method":"eth_chainId"}"#))
            #expect(silent.hasPrefix("HTTP/1.1 204"))
        }
    }

    @Test func whatIsNoRequestIsRefusedBeforeItIsRead() async throws {
        try await serving(requestBytes: 1_000) { port in
            for (request, status) in [
                (post(String(repeating: " ", count: 1_001)), "413"),
                ("POST / HTTP/1.1\nhost: localhost\ncontent-type: text/plain\ncontent-length: 2\n\n{}", "415"),
                ("POST / HTTP/1.1\nhost: evil.example\ncontent-type: application/json\ncontent-length: 2\n\n{}", "421"),
                ("GET /nothing HTTP/1.1\nhost: localhost\n\n", "404"),
                ("PUT / HTTP/1.1\nhost: localhost\ncontent-length: 0\n\n", "405"), ("nonsense\n\n", "400"),
                (
                    "POST / HTTP/1.1\nhost: localhost\ncontent-type: application/json\ntransfer-encoding: chunked\n\n7d0\n"
                        + String(repeating: " ", count: 2_000), "413"
                ),
            ] {
                let answer = try await raw(port, request)
                #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(request.prefix(40))")
            }
            let unread = try await raw(port, post("{"))
            #expect(unread.contains(#""code":-32700"#))
        }
    }

    @Test func healthTellsWhetherTheNodeIsInStep() async throws {
        let ledger = FakeLedger()
        try await serving(ledger) { port in
            let get = "GET /health HTTP/1.1\nhost: 127.0.0.1\nconnection: close\n\n"
            let well = try await raw(port, get)
            #expect(well.hasPrefix("HTTP/1.1 200") && well.contains(#""head":1"#) && well.contains(#""peers":3"#))
            ledger.isSyncing.withLock { $0 = true }
            let behind = try await raw(port, get)
            #expect(behind.hasPrefix("HTTP/1.1 503") && behind.contains("syncing"))
        }
    }

    @Test func browsersOfAllowedOriginsMayCall() async throws {
        try await serving(origins: ["https://console.example"]) { port in
            let ask = "OPTIONS / HTTP/1.1\nhost: localhost\nconnection: close\norigin: %\naccess-control-request-method: POST\n\n"
            let ours = try await raw(port, ask.replacing("%", with: "https://console.example")),
                other = try await raw(port, ask.replacing("%", with: "https://evil.example"))
            #expect(ours.hasPrefix("HTTP/1.1 204") && ours.contains("access-control-allow-origin: https://console.example"))
            #expect(!other.contains("access-control-allow-origin"))
            let upgrade =
                "GET / HTTP/1.1\nhost: localhost\norigin: https://evil.example\nconnection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\n\n"
            let refused = try await raw(port, upgrade)
            #expect(!refused.contains("101"))
        }
    }

    @Test func methodsOfOtherRoomsAreServedAndTheOperatorsNeedTheToken() async throws {
        let methods: [String: Server.Method] = [
            "entente_jobs": .init { _ in ["none"] }, "entente_stop": .init(isAdministrative: true) { _ in true },
            "entente_fail": .init { parameters throws(RPCError) in throw .invalidParameters("\(parameters.count) parameters") },
        ]
        try await serving(token: "open sesame", methods: methods) { port in
            func ask(_ method: String, _ headers: String = "") async throws -> String {
                try await raw(port, post(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":[1]}"#, headers))
            }
            let jobs = try await ask("entente_jobs"), failing = try await ask("entente_fail"),
                closed = try await ask("entente_stop")
            let wrong = try await ask("entente_stop", "authorization: Bearer open sesamE\n"),
                opened = try await ask("entente_stop", "authorization: Bearer open sesame\n")
            #expect(jobs.contains(#""result":["none"]"#) && failing.contains("1 parameters"))
            #expect(closed.contains("-32004") && wrong.contains("-32004") && opened.contains(#""result":true"#))
        }
    }

    @Test func anOccupiedPortIsNamed() async throws {
        try await serving { port in
            var configuration = RPCServer.Configuration(clientVersion: "second")
            configuration.port = port
            do throws(RPCServerError) {
                _ = try await RPCServer.bind(configuration, ledger: FakeLedger())
                Issue.record("two servers on one port")
            } catch {
                guard case .cannotListen("127.0.0.1", port, _) = error else { throw error }
            }
        }
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let bytes: AsyncStream<Bytes>.Continuation
    init(_ bytes: AsyncStream<Bytes>.Continuation) { self.bytes = bytes }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes.yield(Bytes(unwrapInboundIn(data).readableBytesView)) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    func channelInactive(context: ChannelHandlerContext) { bytes.finish() }
}
