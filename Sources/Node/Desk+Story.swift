import Compute
import Contracts
import Primitives

extension Desk {
    /// One event of a job as the chain tells it.
    package struct StoryLine: Sendable {
        package let block: UInt64
        package let event: String
        package let text: String
        package let isMoney: Bool
    }

    /// Everything the contracts said of a job, in order: the console and the demo's page use nothing else.
    package func story(of job: UInt64) async throws -> [StoryLine] {
        let names = Dictionary(uniqueKeysWithValues: try await members().map { ($0.account, $0.name) })
        func name(_ value: ABI.Value) -> String {
            let account = value.asAddress
            return names[account]
                ?? (account == ContractAddress.consortium ? "the alliance" : account == self.account ? self.name : account.description)
        }
        func purpose(_ value: ABI.Value) -> String {
            Purpose.allCases.first { UInt64($0.bit) == value.asUInt64 }?.rawValue ?? "purpose \(value.asUInt64)"
        }
        let tables = try await catalogue().listings.mapValues(\.schema.name)
        let wanted: [String: ABI.Value] = ["job": .uint(job)]
        var market = try await ledger.events(.market, Contract.market.abi.events(about: "job"), matching: wanted, from: 0)
        market += try await ledger.events(.market, ["Used"], matching: wanted, from: 0)
        let referee = try await ledger.events(.referee, Contract.referee.abi.events(about: "job"), matching: wanted, from: 0)
        guard !market.isEmpty else { throw StoryError.unknown(job) }
        var reason = ""
        if let refunded = market.first(where: { $0.name == "Refunded" }) { reason = try await refundReason(refunded) }
        return (market + referee).sorted { ($0.block, $0.index) < ($1.block, $1.index) }.map { e in
            let (text, isMoney): (String, Bool) =
                switch e.name {
                case "Opened": ("opened by \(name(e["requester"])): \(Desk.money(e["fee"].asWord)) in escrow", true)
                case "Joined":
                    ("\(name(e["member"])) joined: inputs bound\(e["seat"].asInt == 0 ? "" : ", seat \(e["seat"].asInt - 1) taken")", false)
                case "Ready": ("session \(e["session"].asHash) fixed, attempt \(e["attempt"].asInt)", false)
                case "Settled": ("settled: transcript \(e["transcript"].asHash), output \(e["output"].asHash)", false)
                case "Sealed": ("\(e["boxes"].asList.count) boxes sealed to the reader", false)
                case "Paid":
                    (
                        "paid \(name(e["payee"])) \(Desk.money(e["amount"].asWord)) \(["", "for data", "for a model", "for the program", "levy", "for a seat"][min(5, e["kind"].asInt)])",
                        true
                    )
                case "Used":
                    (
                        "\(tables[e["listing"].asUInt64] ?? "listing \(e["listing"].asInt)") used to \(purpose(e["purpose"])), \(e["rows"].asInt) rows",
                        false
                    )
                case "Refunded": ("refunded \(Desk.money(e["amount"].asWord)) to \(name(e["requester"])): \(reason)", true)
                case "Convicted": ("\(name(e["member"])) convicted, \(Desk.money(e["taken"].asWord)) of its bond taken", true)
                case "Parted": ("\(name(e["a"])) and \(name(e["b"])) parted: one of them lied, nobody can tell which; bonds kept", false)
                case "Silent": ("\(name(e["member"])) was silent, charged \(Desk.money(e["taken"].asWord))", true)
                case "AttemptEnded": ("attempt \(e["attempt"].asInt) ended", false)
                case "Complained": ("\(name(e["accuser"])) complains of \(name(e["accused"]))", false)
                case "Answered": ("\(name(e["accused"])) answered", false)
                default: (e.name, false)
                }
            return StoryLine(block: e.block, event: e.name, text: text, isMoney: isMoney)
        }
    }
}

package enum StoryError: Error, CustomStringConvertible {
    case unknown(UInt64)
    package var description: String {
        switch self {
        case .unknown(let job): "job: this chain has no job \(job)"
        }
    }
}
