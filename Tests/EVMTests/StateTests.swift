import Ciphers
import EVM
import Foundation
import Primitives
import Synchronization
import Testing

/// execution-spec-tests: state root and logs of every test, on every fork that this machine knows.
@Suite struct StateTests {
    enum Verdict { case passed, failed(String) }

    static let forks: [String: Rules] = [
        "Frontier": .frontier, "Homestead": .homestead, "EIP150": .tangerineWhistle, "EIP158": .spuriousDragon, "Byzantium": .byzantium,
        "Constantinople": .constantinople, "ConstantinopleFix": .petersburg, "Istanbul": .istanbul, "Berlin": .berlin, "London": .london,
        "Paris": .paris, "Shanghai": .shanghai, "Cancun": .cancun, "Prague": .prague, "Osaka": .osaka,
    ]

    @Test func everyExecutionSpecTestGivesItsRootAndLogs() throws {
        guard let folder = try Vectors.unpack("eest-state-tests") else { return }
        let report = run(Vectors.jsonFiles(in: folder))
        #expect(report.files == 1344, "opened \(report.files) files")
        report.print("eest-state-tests")
        #expect(report.failures.isEmpty, "\(report.failures.count) failures")
        #expect(report.passed["Prague"] == 5125 && report.passed.values.reduce(0, +) == 16540)
    }

    /// The older form of the same tests, all forks up to Constantinople.
    @Test func everyLegacyStateTestGivesItsRootAndLogs() throws {
        guard let folder = try Vectors.unpack("legacy-Constantinople-GST-VMTests") else { return }
        let files = Vectors.jsonFiles(in: folder).filter { $0.path.contains("GeneralStateTests") }
        let report = run(files)
        report.print("legacy GeneralStateTests")
        #expect(report.files == files.count && report.failures.isEmpty, "\(report.failures.count) failures")
    }

    struct Report {
        var files = 0
        var passed: [String: Int] = [:]
        var failures: [String] = []

        func print(_ name: String) {
            for failure in failures.sorted().prefix(400) { Swift.print("FAILED  \(failure)") }
            let counts = passed.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            Swift.print("\(name): \(files) files; passed \(passed.values.reduce(0, +)) (\(counts)), failed \(failures.count)")
        }
    }

    func run(_ files: [URL]) -> Report {
        let report = Mutex(Report())
        DispatchQueue.concurrentPerform(iterations: files.count) { index in
            let verdicts = (try? check(files[index])) ?? [("\(files[index].lastPathComponent)", "?", .failed("unreadable"))]
            report.withLock {
                $0.files += 1
                for (name, fork, verdict) in verdicts {
                    switch verdict {
                    case .passed: $0.passed[fork, default: 0] += 1
                    case .failed(let why): $0.failures.append("\(fork) \(name): \(why)")
                    }
                }
            }
        }
        return report.withLock { $0 }
    }

    func check(_ file: URL) throws -> [(String, String, Verdict)] {
        var verdicts: [(String, String, Verdict)] = []
        for (name, test) in try Vectors.load(file).asObject ?? [:] {
            let pre = try #require(state(test["pre"]))
            for (fork, posts) in test["post"]?.asObject ?? [:] {
                guard let rules = Self.forks[fork] else {
                    verdicts.append((name, fork, .failed("unknown fork")))
                    continue
                }
                for (index, post) in (posts.asArray ?? []).enumerated() {
                    verdicts.append(("\(name)/\(index)", fork, check(test, post, pre, rules)))
                }
            }
        }
        return verdicts
    }

    func state(_ json: JSON?) -> MemoryState? {
        guard let accounts = json?.asObject else { return nil }
        var state = MemoryState()
        for (address, account) in accounts {
            guard let key = Address(hex: address), let nonce = account["nonce"]?.asQuantity, let balance = account["balance"]?.asU256,
                let code = account["code"]?.asBytes, let storage = account["storage"]?.asObject
            else { return nil }
            var slots: [U256: U256] = [:]
            for (slot, value) in storage { slots[U256(hex: slot)!] = value.asU256! }
            state.set(key, nonce: nonce, balance: balance, code: code, storage: slots)
        }
        return state
    }

    func context(_ env: JSON, _ config: JSON?, _ rules: Rules) -> BlockContext {
        let random = env["currentRandom"]?.asU256, difficulty = env["currentDifficulty"]?.asU256
        let excess = env["currentExcessBlobGas"]?.asQuantity ?? 0
        return BlockContext(
            number: env["currentNumber"]!.asQuantity!, timestamp: env["currentTimestamp"]!.asQuantity!,
            beneficiary: env["currentCoinbase"]!.asAddress!,
            gasLimit: env["currentGasLimit"]!.asU256!.asUInt64 ?? .max,
            baseFeePerGas: rules.fork >= .london ? env["currentBaseFee"]?.asU256 ?? .zero : .zero,
            prevRandao: ((rules.fork >= .paris ? random : difficulty) ?? .zero).hash, chainId: config?["chainid"]?.asU256 ?? .one,
            blobBaseFee: BlobGas.baseFee(excess: excess, rules: rules), rules: rules, blockHash: { keccak256(Bytes("\($0)".utf8)) })
    }

    /// The transaction that a post entry picks out; nil where its bytes are no transaction.
    func transaction(_ test: JSON, _ post: JSON) -> RecoveredTransaction? {
        if let bytes = post["txbytes"]?.asBytes {
            return (try? UnverifiedTransaction(encoded: bytes)).flatMap { try? RecoveredTransaction($0) }
        }
        let tx = test["transaction"]!, at = post["indexes"]!
        guard let value = tx["value"]?[at["value"]!.asInt!]?.asU256, let gasLimit = tx["gasLimit"]?[at["gas"]!.asInt!]?.asQuantity,
            let price = tx["gasPrice"]?.asU256, let nonce = tx["nonce"]?.asQuantity,
            let key = tx["secretKey"]?.asBytes.flatMap({ try? PrivateKey($0) })
        else { return nil }
        let payload = TransactionPayload(
            kind: .legacy, chainId: nil, nonce: nonce, maxPriorityFeePerGas: price, maxFeePerGas: price, gasLimit: gasLimit,
            to: tx["to"]?.asAddress, value: value, data: tx["data"]![at["data"]!.asInt!]!.asBytes!)
        return RecoveredTransaction(payload, signedBy: key)
    }

    func check(_ test: JSON, _ post: JSON, _ pre: MemoryState, _ rules: Rules) -> Verdict {
        let isRefused = post["expectException"] != nil
        let block = context(test["env"]!, test["config"], rules)
        guard let transaction = transaction(test, post) else { return isRefused ? .passed : .failed("transaction undecodable") }
        var state = pre, logs: [Log] = [], result: ExecutionResult?
        do throws(ExecutionError) {
            let (outcome, diff) = try execute(transaction, in: block, over: pre)
            state.apply(diff)
            (logs, result) = (outcome.logs, outcome)
        } catch {
            return isRefused ? .passed : .failed("refused: \(error)")
        }
        if isRefused { return .failed("should be refused: \(post["expectException"]?.asString ?? "")") }
        let encodedLogs = RLP.encodeList { list in
            for log in logs {
                list.appendList {
                    $0.append(log.address)
                    $0.appendList { inner in log.topics.forEach { inner.append($0) } }
                    $0.append(log.data)
                }
            }
        }
        if StateRoot.of(state) != post["hash"]?.asHash {
            return .failed("root; \(result!.outcome), gas \(result!.gasUsed)\(difference(state, post["state"]))")
        }
        return keccak256(encodedLogs) == post["logs"]?.asHash ? .passed : .failed("logs")
    }

    /// What a person looking for the fault wants to know.
    func difference(_ found: MemoryState, _ json: JSON?) -> String {
        guard let expected = state(json) else { return "" }
        let all = Set(found.entries.keys).union(expected.entries.keys)
        return all.filter { found.entries[$0] != expected.entries[$0] }.map { address in
            "\n          \(address): \(found.entries[address].map { "\($0)" } ?? "absent") ≠ \(expected.entries[address].map { "\($0)" } ?? "absent")"
        }.joined()
    }
}
