import Ciphers
import Primitives

/// The terms of a listing as Market checks them (job-protocol.md §2). What is public but not checked stands in the document.
package struct Terms: Sendable, Equatable {
    package enum Kind: UInt64, Sendable { case data = 1, model, program }
    package struct Payee: Sendable, Equatable {
        package var account: Address
        package var weight: UInt32
        package init(_ account: Address, weight: UInt32 = 1) { (self.account, self.weight) = (account, weight) }
    }

    package var kind: Kind
    package var group: Hash32
    package var object: Hash32
    package var flat: U256
    package var perUnit: U256
    package var maximumUnits: U256
    /// One to four.
    package var payees: [Payee]
    /// Fewest seats: 3 is R3, 4 is R4.
    package var profile: UInt64
    package var program: Hash32
    package var requesterTopic: Hash32
    package var seatTopic: Hash32
    package var claimsSeat: Bool
    package var cap: U256
    package var accountCap: U256
    /// keccak-256 of the document.
    package var document: Hash32

    package init(
        kind: Kind = .data, group: Hash32, object: Hash32, flat: U256, payees: [Payee], profile: UInt64 = 4, claimsSeat: Bool = true,
        document: Hash32
    ) {
        (self.kind, self.group, self.object, self.flat, self.payees, self.profile) = (kind, group, object, flat, payees, profile)
        (self.claimsSeat, self.document) = (claimsSeat, document)
        (perUnit, maximumUnits, cap, accountCap) = (.zero, .zero, .zero, .zero)
        (program, requesterTopic, seatTopic) = (.zero, .zero, .zero)
    }

    package var abi: ABI.Value {
        let words =
            payees.map { ABI.Value.word(U256($0.account).shiftedLeft(96) | U256(UInt64($0.weight))) }
            + Array(repeating: 0, count: 4 - payees.count)
        return .tuple([
            .uint(kind.rawValue), .bytes32(group), .bytes32(object), .word(flat), .word(perUnit), .word(maximumUnits), .tuple(words),
            .uint(profile),
            .bytes32(program), .bytes32(requesterTopic), .bytes32(seatTopic), .bool(claimsSeat), .word(cap), .word(accountCap),
            .bytes32(document),
        ])
    }
    /// Nil for a kind that does not exist.
    package init?(abi f: ABI.Value) {
        guard let kind = Kind(rawValue: f[0].asUInt64) else { return nil }
        (self.kind, group, object, flat, perUnit, maximumUnits) = (kind, f[1].asHash, f[2].asHash, f[3].asWord, f[4].asWord, f[5].asWord)
        payees = f[6].asList.filter { !$0.asWord.isZero }.map {
            Payee(Address(last20: $0.asWord.shiftedRight(96).hash), weight: UInt32(truncatingIfNeeded: $0.asUInt64))
        }
        (profile, program, requesterTopic, seatTopic) = (f[7].asUInt64, f[8].asHash, f[9].asHash, f[10].asHash)
        (claimsSeat, cap, accountCap, document) = (f[11].asBool, f[12].asWord, f[13].asWord, f[14].asHash)
    }
    /// `keccak256(abi.encode(terms, version))`: what an order names.
    package func hash(version: UInt64) -> Hash32 { keccak256(ABI.encode([abi, .uint(version)])) }
}
