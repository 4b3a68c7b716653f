import Ciphers
import Primitives

/// Why a contract said no: its error by name with its facts, or the text of a plain revert.
package struct ContractRefusal: Error, Sendable, Equatable {
    package let name: String
    package let facts: [U256]

    private static let bySelector: [Bytes: String] = Contract.all.reduce(into: [:]) { table, contract in
        table.merge(contract.abi.errors.mapValues(\.name)) { first, _ in first }
    }

    package init(name: String, facts: [U256] = []) { (self.name, self.facts) = (name, facts) }

    package init(revertData: Bytes) {
        let body = Bytes(revertData.dropFirst(4))
        if let known = Self.bySelector[Bytes(revertData.prefix(4))] {
            self.init(name: known, facts: (0..<min(4, body.count / 32)).map { U256(bigEndian: body[32 * $0..<32 * $0 + 32]) })
        } else if revertData.starts(with: [0x08, 0xc3, 0x79, 0xa0]), let text = try? ABI.decode([.string], body).first {
            self.init(name: text.asString)
        } else {
            self.init(name: revertData.isEmpty ? "reverted without a reason" : "reverted with \(Hex.print(revertData.prefix(68)))")
        }
    }
}

extension ContractRefusal: CustomStringConvertible {
    package var description: String {
        func fact(_ i: Int) -> U256 { i < facts.count ? facts[i] : .zero }
        return switch name {
        case "NoConsent": "policy: listing \(fact(0)) may not be used so: \(Self.consent(fact(1)))"
        case "TermsChanged": "policy: the terms of listing \(fact(0)) changed since you read them; ask again"
        case "FeeAbove": "fee: this job costs \(fact(0)), more than the order's maximum; raise the maximum"
        case "BondTooSmall": "bond: only \(fact(0)) is free; post more: entente bond post"
        case "NotYou": "permission: only \(fact(0).isZero ? "another account" : Address(last20: fact(0).hash).description) may do this"
        case "TooLate": "time: the moment \(fact(0)) has passed"
        case "TooEarly": "time: not before \(fact(0))"
        case "Closed": "state: the job is \(JobState(rawValue: fact(0).l0).map { "\($0)" } ?? "not open for this")"
        default: facts.isEmpty ? name : "\(name)(\(facts.map(\.decimal).joined(separator: ", ")))"
        }
    }

    /// The rule of `Grants.allows`: reason | level << 8.
    package static func consent(_ rule: U256) -> String {
        let level = ["the owner's general policy", "the group's policy", "the object's policy"]
        let where_ = level[Int(min(rule.l0 >> 8, 2))]
        return switch rule.l0 & 255 {
        case 1: "\(where_) is closed"
        case 2: "\(where_) asks before use and no grant is given; request one"
        case 3: "the grant is another owner's"
        case 4: "the grant was given to somebody else"
        case 5: "the grant is for another object"
        case 6: "the grant is wider than \(where_), which asks for a narrower one"
        case 7: "the grant does not cover this purpose"
        case 8: "the grant is for another program"
        case 9: "the grant is revoked"
        case 10: "the grant has expired"
        case 11: "the grant has no use left"
        case 12: "\(where_) is open, so no grant may be named"
        default: "not exactly one purpose is named"
        }
    }
}

/// States of a job as Market numbers them.
package enum JobState: UInt64, Sendable {
    case drawing = 1, seating, running, failing, settled, refunded
}
