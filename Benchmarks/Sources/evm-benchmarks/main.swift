import Ciphers
import EVM
import Foundation
import Primitives

// The engine-neutral workloads of `../shared/bench/evm-workloads` on our machine, beside figures of revm: those kept in
// `evm-anchors.json`, or fresh ones of `run_pyrevm.py`, given as a file of JSON lines. Ratios only mean something in one sitting.
//
//     evm-benchmarks WORKLOADS ANCHORS [PYREVM-LINES] [--only NAME]
//
// Gas must equal the anchor's, or the figure is worthless and the program fails.

/// Processor time, so that neighbours on the machine disturb less.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func state(_ json: JSON) -> MemoryState {
    var state = MemoryState()
    for (address, account) in json.asObject! {
        var slots: [U256: U256] = [:]
        for (slot, value) in account["storage"]!.asObject! { slots[U256(hex: slot)!] = value.asU256! }
        state.set(Address(hex: address)!, nonce: account["nonce"]!.asQuantity!, balance: account["balance"]!.asU256!, code: account["code"]!.asBytes!, storage: slots)
    }
    return state
}

func load(_ path: String) throws -> JSON { try JSON(parsing: Bytes(Data(contentsOf: URL(fileURLWithPath: path)))) }

func measure(_ workload: JSON) throws -> (seconds: Double, gas: UInt64) {
    let env = workload["env"]!, tx = workload["tx"]!, pre = state(workload["pre"]!), sender = tx["from"]!.asAddress!
    let payload = TransactionPayload(kind: .legacy, chainId: nil, nonce: try pre.account(sender)?.nonce ?? 0, gasLimit: tx["gas"]!.asQuantity!,
                                     to: tx["to"]!.asAddress, value: tx["value"]!.asU256!, data: tx["data"]!.asBytes!)
    let block = BlockContext(number: 1, timestamp: 1000, beneficiary: env["coinbase"]!.asAddress!, gasLimit: env["gasLimit"]!.asQuantity!, chainId: .one, rules: .cancun)
    let transaction = RecoveredTransaction(unsigned: payload, sender: sender)
    var best = Double.infinity, gas: UInt64 = 0, spent = 0.0, runs = 0
    while runs < 5 || spent < 0.4 && runs < 2000 {
        var result: ExecutionResult?
        let start = processorSeconds()
        result = try execute(transaction, in: block, over: pre).0
        let seconds = processorSeconds() - start
        guard let result, result.isSuccess else { throw CocoaError(.featureUnsupported) }
        (best, gas, spent, runs) = (min(best, seconds), result.gasUsed, spent + seconds, runs + 1)
    }
    return (best, gas)
}

var arguments = Array(CommandLine.arguments.dropFirst()), only: String?
if let at = arguments.firstIndex(of: "--only") {
    only = arguments[at + 1]
    arguments.removeSubrange(at...(at + 1))
}
guard arguments.count >= 2 else {
    print("usage: evm-benchmarks WORKLOADS ANCHORS [PYREVM-LINES] [--only NAME]")
    exit(2)
}
let anchors = try load(arguments[1])
var fresh: [String: Double] = [:]
if arguments.count > 2 {
    for line in try String(contentsOfFile: arguments[2], encoding: .utf8).split(separator: "\n") {
        let row = try JSON(parsing: String(line))
        fresh[row["name"]!.asString!] = row["best_cpu_s"]!.asDouble!
    }
}
var product = 1.0, count = 0, isWrong = false
print("workload".padding(toLength: 24, withPad: " ", startingAt: 0) + "        ms   Mgas/s   revm/ours  evmone/ours")
for file in try FileManager.default.contentsOfDirectory(atPath: arguments[0]).sorted() where file.hasSuffix(".json") {
    let workload = try load("\(arguments[0])/\(file)"), name = workload["name"]!.asString!
    if let only, only != name { continue }
    let (seconds, gas) = try measure(workload), anchor = anchors[name]
    let revm = fresh[name] ?? anchor?["revm_best_cpu_s"]?.asDouble, evmone = anchor?["evmone_best_cpu_s"]?.asDouble
    let expected = anchor?["gas_used_eip"]?.asInt.map { UInt64($0) }
    func ratio(_ other: Double?) -> String { other.map { String(format: "%10.2f", $0 / seconds) } ?? "         –" }
    print(name.padding(toLength: 24, withPad: " ", startingAt: 0) + String(format: "%10.3f %8.0f", seconds * 1e3, Double(gas) / seconds / 1e6)
        + "  \(ratio(revm)) \(ratio(evmone))" + (expected == gas ? "" : "   GAS \(gas), expected \(expected.map(String.init) ?? "?")"))
    if let revm { (product, count) = (product * revm / seconds, count + 1) }
    if expected != gas { isWrong = true }
}
print(String(format: "geometric mean of revm/ours: %.2f over %d", count > 0 ? Foundation.pow(product, 1 / Double(count)) : 1, count))
exit(isWrong ? 1 : 0)
