import ArgumentParser
import Catalog
import Compute
import Foundation
import Primitives

struct Data: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "List your tables; they stay where they are.", subcommands: [Add.self, List.self, Uses.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List a table: its schema, ranges, rules and price become public, not a value of it.")
        @OptionGroup var at: Directory
        @Option(help: "Schema file: columns with types, ranges and rules (docs/listing.md).") var schema: String
        @Option(help: "SQLite file that holds the table.") var sqlite: String?
        @Option(help: "CSV file that is the table.") var csv: String?
        @Option(help: "libpq connection string of the PostgreSQL that holds the table.") var postgres: String?
        @Option(help: "Name of the table in its engine, if not that of the listing.") var table: String?
        @Option(help: "Price of one use.") var price = "0"
        @Option(help: "Group of the object, for policies of a business group.") var group = "default"

        func run() async throws {
            guard let text = FileManager.default.contents(atPath: schema) else { throw DirectoryError.cannotRead(schema, "no such file") }
            let parsed: TableSchema
            do throws(SchemaError) { parsed = try TableSchema(parsing: Bytes(text)) } catch { throw DataError.schemaFile(schema, error) }
            let name = table ?? parsed.table
            func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }
            let source: Source =
                switch (sqlite, csv, postgres) {
                case (let path?, nil, nil): .sqlite(path: absolute(path), table: name)
                case (nil, let path?, nil): .csv(path: absolute(path))
                case (nil, nil, let conninfo?): .postgres(conninfo: conninfo, table: name)
                default: throw ValidationError("say where the table lies: one of --sqlite, --csv, --postgres")
                }
            let desk = try await at.desk()
            guard parsed.member == desk.name else {
                throw ValidationError("\(schema) is for member \(parsed.member), this is \(desk.name)")
            }
            let id = try await desk.list(parsed, source: source, price: try Desk.amount(price), group: group)
            at.say(
                "\(parsed.name) is listing \(id): \(parsed.rows) rows, \(price) a use, smallest group \(parsed.smallestGroup)",
                ["listing": .integer(Int64(id))])
        }
    }
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All tables that members list.")
        @OptionGroup var at: Directory
        func run() async throws {
            let desk = try await at.desk(), listings = try await desk.catalogue().listings.values.sorted { $0.id < $1.id }
            at.say(
                listings.map { l in
                    "\(l.id)  \(l.schema.name)  \(l.schema.rows) rows  \(Desk.money(l.terms.flat)) a use  \(l.schema.columns.map(\.name).joined(separator: ", "))"
                }.joined(separator: "\n"),
                .array(
                    listings.map { ["listing": .integer(Int64($0.id)), "schema": $0.schema.json, "price": .string($0.terms.flat.decimal)] })
            )
        }
    }
    struct Uses: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Who used your tables, for what, for how much.")
        @OptionGroup var at: Directory
        func run() async throws {
            let desk = try await at.desk(), uses = try await desk.uses()
            at.say(
                uses.isEmpty
                    ? "no use so far"
                    : uses.map {
                        "job \($0.job)  \($0.table)  \($0.requester)  \($0.purpose?.rawValue ?? "?")  \(Desk.money($0.amount))  block \($0.block)"
                    }.joined(separator: "\n"),
                .array(
                    uses.map {
                        [
                            "job": .integer(Int64($0.job)), "table": .string($0.table), "requester": JSON($0.requester),
                            "amount": .string($0.amount.decimal),
                        ]
                    }))
        }
    }
}

struct Policy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Who may use what.", subcommands: [Set.self])
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Policy of one table: closed, ask, or open for purposes.")
        @OptionGroup var at: Directory
        @Argument(help: "Table, as member.table.") var table: String
        @Argument(help: "closed, ask or open.") var mode: String
        @Option(help: "Purposes that open allows: read, aggregate, train, infer, match, audit.") var purposes = ""
        @Option(help: "Members that may claim a seat beside you, separated by commas.") var trust = ""

        func run() async throws {
            let modes: [String: Desk.PolicyMode] = ["closed": .closed, "ask": .ask, "open": .open]
            guard let mode = modes[mode] else { throw ValidationError("a policy is closed, ask or open") }
            let purposes = try purposes.split(separator: ",").map { text -> Purpose in
                guard let purpose = Purpose(rawValue: String(text)) else {
                    throw ValidationError("\(text) is no purpose: read, aggregate, train, infer, match, audit")
                }
                return purpose
            }
            let desk = try await at.desk()
            let catalogue = try await desk.catalogue()
            guard let listing = catalogue.listing(named: table) else { throw DeskError.listingUnknown(table, known: catalogue.names) }
            try await desk.setPolicy(table, mode, purposes: purposes)
            for name in trust.split(separator: ",") {
                try await desk.trust(try await desk.member(named: String(name)).account, for: listing.id)
            }
            at.say(
                "\(table): \(self.mode)\(trust.isEmpty ? "" : ", sits with \(trust)")",
                ["table": .string(table), "mode": .string(self.mode)])
        }
    }
}

struct Grant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Consent: give it, withdraw it.", subcommands: [Give.self, Revoke.self])
    struct Give: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let somebody use a table for one purpose, so many times, until then.")
        @OptionGroup var at: Directory
        @Argument(help: "Table, as member.table.") var table: String
        @Argument(help: "Account that may use it.") var grantee: String
        @Option(help: "Purpose.") var purpose = "aggregate"
        @Option(help: "Number of uses.") var uses: UInt64 = 10
        @Option(help: "Days until it expires.") var days: UInt64 = 30

        func run() async throws {
            guard let account = Address(hex: grantee) else { throw ValidationError("\(grantee) is no account: 0x and 40 digits") }
            guard let purpose = Purpose(rawValue: purpose) else {
                throw ValidationError("\(purpose) is no purpose: read, aggregate, train, infer, match, audit")
            }
            let desk = try await at.desk()
            let id = try await desk.give(
                account, table: table, purpose: purpose, uses: uses, expires: UInt64(Date().timeIntervalSince1970) + days * 86_400)
            at.say("grant \(id): \(grantee) may use \(table) \(uses) times to \(purpose.rawValue)", ["grant": .integer(Int64(id))])
        }
    }
    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Withdraw consent: it acts from the next transaction on.")
        @OptionGroup var at: Directory
        @Argument(help: "Number of the grant.") var grant: UInt64
        @Option(help: "Reason; its hash goes on chain.") var reason = ""
        func run() async throws {
            let desk = try await at.desk()
            try await desk.revoke(grant, reason: reason)
            at.say("grant \(grant) is revoked", ["grant": .integer(Int64(grant))])
        }
    }
}
