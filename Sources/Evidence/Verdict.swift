import Ciphers
import Primitives

/// What `Evidence.verify` found: one step a row of the table, up to the first failure; a claim only if every row holds.
package struct Verdict: Sendable, Equatable {
    package struct Step: Sendable, Equatable {
        /// Number in the table of §15: `1`, `6a`.
        package let row: String
        package let title: String
        /// What was seen, a line each.
        package let details: [String]
        /// nil: the row holds.
        package let failure: EvidenceFailure?

        package var holds: Bool { failure == nil }
        /// `ok  4  validators followed to block 41` and its details.
        package var text: String {
            let head = "\(holds ? "ok  " : "FAIL")  \(row.count < 2 ? row + " " : row)  \(title)\(failure.map { ": \($0)" } ?? "")"
            return ([head] + details.map { "          \($0)" }).map(Verdict.printable).joined(separator: "\n")
        }
    }
    package let steps: [Step]
    package let claim: Claim?

    package var isValid: Bool { claim != nil }
    package var failure: EvidenceFailure? { steps.last?.failure }

    /// What is proved, under the validators of which alliance.
    package struct Claim: Sendable, Equatable {
        package let chain: Chain
        package let subject: Subject
    }
    package enum Subject: Sendable, Equatable {
        case record(Record)
        case settlement(Settlement)
    }
    package struct Chain: Sendable, Equatable {
        package let name: String
        package let chainId: UInt64
        package let genesis: Hash32
        /// Nobody but the file said which genesis to expect.
        package let isOnOwnWord: Bool
        package let changes: [Change]
        /// Of tokens that were checked.
        package let stamps: [Stamp]

        /// The earliest token over this change.
        package func stamp(of change: Change) -> Stamp? {
            stamps.filter { $0.block == change.block }.min { $0.stamp.timeMilliseconds < $1.stamp.timeMilliseconds }
        }
    }
    /// A block after which other validators are in charge.
    package struct Change: Sendable, Equatable {
        package let block: UInt64
        package let timeMilliseconds: UInt64
        package let before: [Address]
        package let after: [Address]
    }
    package struct Stamp: Sendable, Equatable {
        package let block: UInt64
        package let stamp: TimeStamp
    }
    package struct Record: Sendable, Equatable {
        package let id: Hash32
        package let author: Address
        package let schema: Hash32
        package let commitment: Hash32
        package let block: UInt64
        /// Since 1970, as a quorum of validators sealed it.
        package let timeMilliseconds: UInt64
        package let endorsedBy: [Address]
        package let disputedBy: [Address]
        /// Block in which its author withdrew it, if the file says so.
        package let withdrawnInBlock: UInt64?
    }
    package struct Settlement: Sendable, Equatable {
        package let job: U256
        package let session: Hash32
        package let requester: Address
        package let program: Hash32
        package let transcript: Hash32
        package let output: Hash32
        /// Members, by seat.
        package let seats: [Address]
        package let payments: [SettlementSection.Line]
        package let fee: U256
        package let block: UInt64
        package let timeMilliseconds: UInt64
    }

    /// Text from a file as it may be shown: neither a terminal nor a reader's eye takes orders from it (controls, reversed writing).
    package static func printable(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars.prefix(maximumShown) {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
                out += "\\u{\(String(scalar.value, radix: 16))}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return text.unicodeScalars.count > maximumShown ? out + "…" : out
    }
    private static let maximumShown = 400

    /// `2023-11-14T22:13:20.000Z`.
    package static func time(_ milliseconds: UInt64) -> String {
        // Days to a date of the Gregorian calendar: eras of 400 years, years from March (Hinnant, "chrono-compatible date algorithms").
        let seconds = milliseconds / 1000, day = seconds / 86_400 + 719_468, ofDay = seconds % 86_400
        let era = day / 146_097, ofEra = day % 146_097
        let year = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100), month = (5 * ofYear + 2) / 153
        let date = ofYear - (153 * month + 2) / 5 + 1, calendarMonth = month < 10 ? month + 3 : month - 9
        func pad(_ number: UInt64, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(pad(400 * era + year + (calendarMonth <= 2 ? 1 : 0), 4))-\(pad(calendarMonth, 2))-\(pad(date, 2))T"
            + "\(pad(ofDay / 3600, 2)):\(pad(ofDay / 60 % 60, 2)):\(pad(ofDay % 60, 2)).\(pad(milliseconds % 1000, 3))Z"
    }
}
