import Catalog
import Ciphers
import Client
import Compute
import Contracts
import Foundation
import Primitives

extension Desk {
    /// All listings, with the documents that their terms name.
    package func catalogue() async throws -> Catalogue {
        var catalogue = Catalogue()
        for event in try await ledger.events(.market, ["Listed", "Delisted"], from: 0) {
            guard let transaction = try await ledger.transaction(event.transaction) else { continue }
            try? catalogue.apply(event, input: transaction.input)  // a listing without its document is nobody's to use
        }
        return catalogue
    }

    /// Lists a table: the document behind the call, its hash in the terms.
    package func list(_ schema: TableSchema, source: Source, price: U256, group: String) async throws -> UInt64 {
        // What is listed must be there: every column is read once and judged before anything is public.
        try check(schema, source)
        var tables = try LocalTables(path: directory.file("catalog/tables.json"))
        try tables.add(schema.table, source)
        let document = schema.json.canonical
        let terms = Terms(
            group: Catalogue.group(group), object: Catalogue.object(schema.name), flat: price, payees: [.init(account)],
            document: keccak256(document))
        let existing = try await catalogue().listing(named: schema.name)?.id ?? 0
        guard let listed = try await sender.send(.market, "list", [.uint(existing), terms.abi], document: document).event("Listed") else {
            throw DeskError.nothingToDecide
        }
        return listed["listing"].asUInt64
    }

    private func check(_ schema: TableSchema, _ source: Source) throws {
        let table = try source.read(schema.columns.map(\.name))
        guard table.rows <= schema.rows else { throw DataError.moreRows(table: schema.name, found: table.rows, listed: schema.rows) }
        for (column, values) in zip(schema.columns, table.columns) {
            for (row, value) in values.enumerated() {
                if let reason = column.objection(to: value) {
                    throw DataError.value(table: schema.name, row: row + 1, column: column.name, reason: reason)
                }
            }
        }
    }

    package func trust(_ member: Address, for listing: UInt64) async throws {
        _ = try await sender.send(.market, "setStance", [.uint(listing), .address(member), 1])
    }

    package enum PolicyMode: UInt64, Sendable { case closed = 1, ask = 2, open = 3 }

    /// At the level of the object: the narrowest, so it wins.
    package func setPolicy(_ table: String, _ mode: PolicyMode, purposes: [Purpose]) async throws {
        let mask = purposes.reduce(0) { $0 | UInt64($1.bit) }
        _ = try await sender.send(
            .grants, "setPolicy",
            [2, .bytes32(Catalogue.object(table)), .uint(mode.rawValue), .uint(mode == .open ? mask : 0), .bytes32(.zero)])
    }

    // MARK: grants

    package struct Request: Sendable {
        package let requester: Address
        package let table: String
        package let object: Hash32
        package let purpose: Purpose
        package let block: UInt64
        /// A grant of ours that answers it.
        package var grant: UInt64?
    }

    /// Requests to this owner, newest last; those with a live grant are marked.
    package func requests() async throws -> [Request] {
        let catalogue = try await catalogue()
        let names = Dictionary(catalogue.listings.values.map { ($0.terms.object, $0.schema.name) }) { first, _ in first }
        let given = try await ledger.events(.grants, ["Given"], matching: ["owner": .address(account)], from: 0)
        var requests: [Request] = []
        for event in try await ledger.events(.grants, ["Requested"], matching: ["owner": .address(account)], from: 0) {
            guard let purpose = Purpose.allCases.first(where: { UInt64($0.bit) == event["purpose"].asUInt64 }) else { continue }
            let object = event["object"].asHash
            if requests.contains(where: { $0.requester == event["requester"].asAddress && $0.object == object && $0.purpose == purpose }) {
                continue
            }
            var request = Request(
                requester: event["requester"].asAddress, table: names[object] ?? object.description, object: object, purpose: purpose,
                block: event.block)
            for grant in given where grant["grantee"].asAddress == request.requester && grant["scope"].asHash == object {
                if try await ledger.call(.grants, "isLive", [.word(grant["grant"].asWord)])[0].asBool {
                    request.grant = grant["grant"].asUInt64
                }
            }
            requests.append(request)
        }
        return requests
    }

    package func request(_ listing: Catalogue.Listing, purpose: Purpose) async throws {
        _ = try await sender.send(
            .grants, "request",
            [.address(listing.owner), .bytes32(listing.terms.group), .bytes32(listing.terms.object), .uint(UInt64(purpose.bit))])
    }

    /// Consent: this grantee, this table, this purpose, so many uses, until then.
    package func give(_ grantee: Address, table: String, purpose: Purpose, uses: UInt64, expires: UInt64) async throws -> UInt64 {
        let sent = try await sender.send(
            .grants, "give",
            [
                .address(grantee), 2, .bytes32(Catalogue.object(table)), .uint(UInt64(purpose.bit)), .bytes32(.zero),
                .uint(expires), .uint(uses), .bytes32(.zero), .bytes([]),
            ])
        guard let given = sent.event("Given") else { throw DeskError.nothingToDecide }
        return given["grant"].asUInt64
    }
    package func revoke(_ grant: UInt64, reason: String) async throws {
        _ = try await sender.send(.grants, "revoke", [.uint(grant), .bytes32(keccak256(Bytes(reason.utf8)))])
    }

    package struct UseEntry: Sendable {
        package let table: String, requester: Address, job: UInt64, purpose: Purpose?, amount: U256, block: UInt64
    }
    /// Who used this owner's tables, for what, for how much: the ledger's own entries.
    package func uses() async throws -> [UseEntry] {
        var entries: [UseEntry] = []
        for listing in try await catalogue().listings.values where listing.owner == account {
            entries += try await ledger.events(.market, ["Used"], matching: ["listing": .uint(listing.id)], from: 0).map { event in
                UseEntry(
                    table: listing.schema.name, requester: event["requester"].asAddress, job: event["job"].asUInt64,
                    purpose: Purpose.allCases.first { UInt64($0.bit) == event["purpose"].asUInt64 }, amount: event["amount"].asWord,
                    block: event.block)
            }
        }
        return entries.sorted { $0.block < $1.block }
    }
}

package enum DataError: Error, Sendable {
    case moreRows(table: String, found: Int, listed: Int)
    case value(table: String, row: Int, column: String, reason: String)
    case schemaFile(String, SchemaError)
}

extension DataError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .moreRows(let table, let found, let listed):
            "data: \(table) has \(found) rows, more than the \(listed) listed; list it again with --rows \(found)"
        case .value(let table, let row, let column, let reason):
            "range: \(table) row \(row), column \(column): \(reason); nothing left this machine"
        case .schemaFile(let path, let error): "\(path): \(error)"
        }
    }
}

extension ColumnSchema {
    /// Why a value of the owner's table does not fit what is listed; nil: it does.
    func objection(to value: RawValue) -> String? {
        if case .null = value { return nullable ? nil : "NULL where none may be" }
        if let range {
            let number: Number?
            switch value {
            case .integer(let integer): number = Number(unscaled: Int128(integer))
            case .real(let double): number = Number("\(double)")
            case .text(let text): number = Number(text)
            default: number = nil
            }
            guard type.isNumeric else { return nil }
            guard let scaled = number?.exactly(scale: type.scale) else { return "\(value) is no \(type.name)" }
            guard let fits = Int64(exactly: scaled), range.contains(fits) else { return "outside what is listed" }
        }
        if !values.isEmpty, case .text(let text) = value, !values.contains(text) { return "not in the list" }
        return nil
    }
}
