import Primitives

/// Where genesis puts the contracts (chain-rules.md §1). No upgrade proxies: a new version is a new address in the directory.
package enum ContractAddress {
    package static let consortium = at(1), identity = at(2), cash = at(3), records = at(4), grants = at(5), assets = at(6), market = at(7),
        referee = at(8)

    private static func at(_ last: UInt8) -> Address {
        guard let address = Address([0xe4, 0x7e, 0x47, 0xe0] + Bytes(repeating: 0, count: 15) + [last]) else { preconditionFailure() }
        return address
    }
}
