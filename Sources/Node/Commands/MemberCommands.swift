import ArgumentParser
import Foundation
import Primitives

struct Join: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Apply for membership: managers see it in their inbox.")
    @OptionGroup var at: Directory
    @Option(help: "File that says who you are; its hash goes on chain, its text to the managers.") var dossier: String
    @Option(help: "Roles asked for.") var roles = "manager,validator,data,compute"

    func run() async throws {
        guard let roles = Member.Roles(roles) else {
            throw ValidationError("roles are manager, validator, data, compute, bank, regulator, separated by commas")
        }
        guard let text = FileManager.default.contents(atPath: dossier) else { throw DirectoryError.cannotRead(dossier, "no such file") }
        let desk = try await at.desk(), configuration = try desk.directory.configuration()
        let sent = try await desk.apply(
            nodeKey: try desk.directory.key("node").address, roles: roles, dossier: Bytes(text),
            contact: configuration.peerPort == 0 ? "" : "\(configuration.host):\(configuration.peerPort)")
        at.say(
            "applied in block \(sent.block); the managers vote: entente vote DIRECTORY \(desk.name)",
            ["block": .quantity(sent.block), "transaction": JSON(sent.transaction)])
    }
}

struct Inbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "What waits for you: applications to vote on, requests for your data.")
    @OptionGroup var at: Directory

    func run() async throws {
        let desk = try await at.desk()
        let applications = try await desk.applications(), requests = try await desk.requests(),
            names = Dictionary(uniqueKeysWithValues: try await desk.members().map { ($0.account, $0.name) })
        var lines: [String] = []
        for a in applications {
            lines.append(
                "vote     \(a.name) asks to join as \(a.roles.text)\(a.proposal == nil ? "" : ", \(a.yes) yes of \(a.needed) needed"): entente vote \(at.directory) \(a.name)"
            )
            if let text = String(validating: a.dossier, as: UTF8.self), !text.isEmpty {
                lines.append("         \(text.split(whereSeparator: \.isNewline).prefix(2).joined(separator: " "))")
            }
        }
        for r in requests where r.grant == nil {
            lines.append(
                "consent  \(names[r.requester] ?? r.requester.description) asks for \(r.table), purpose \(r.purpose.rawValue): entente grant give \(at.directory) \(r.table) \(r.requester) --purpose \(r.purpose.rawValue)"
            )
        }
        at.say(
            lines.isEmpty ? "nothing waits for you" : lines.joined(separator: "\n"),
            [
                "applications": .array(
                    applications.map {
                        [
                            "name": .string($0.name), "account": JSON($0.account), "roles": .string($0.roles.text),
                            "yes": .integer(Int64($0.yes)), "needed": .integer(Int64($0.needed)),
                        ]
                    }),
                "requests": .array(
                    requests.filter { $0.grant == nil }.map {
                        ["requester": JSON($0.requester), "table": .string($0.table), "purpose": .string($0.purpose.rawValue)]
                    }),
            ])
    }
}

struct Members: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Who is in the alliance, in which roles, who validates, and where each node is reached.")
    @OptionGroup var at: Directory

    func run() async throws {
        let desk = try await at.desk(), members = try await desk.members(), validators = Swift.Set(try await desk.validators())
        at.say(
            members.map { m in
                "\(wide(m.name, 14))  \(m.account)  \(wide(validators.contains(m.nodeKey) ? "validates" : "", 9))  \(wide(m.contact.isEmpty ? "-" : m.contact, 21))  \(m.roles.text)"
            }.joined(separator: "\n"),
            .array(
                members.map {
                    [
                        "name": .string($0.name), "account": JSON($0.account), "node": JSON($0.nodeKey), "roles": .string($0.roles.text),
                        "contact": .string($0.contact),
                        "validates": .bool(validators.contains($0.nodeKey)),
                    ]
                }))
    }
}

struct Vote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Vote on an application: it is admitted when more than two thirds of the managers said yes.")
    @OptionGroup var at: Directory
    @Argument(help: "Name of the applicant.") var applicant: String
    @Flag(help: "Vote no.") var no = false

    func run() async throws {
        let desk = try await at.desk(), admitted = try await desk.vote(on: applicant, yes: !no)
        at.say(
            admitted ? "\(applicant) is admitted" : "voted \(no ? "no" : "yes"); more managers have to vote", ["admitted": .bool(admitted)])
    }
}

struct Money: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Settlement units: issue them as a bank, see balances, post a bond.", subcommands: [Issue.self, Balance.self, Bond.self])

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Issue units to an account; the bank owes them.")
        @OptionGroup var at: Directory
        @Argument(help: "Member name or account.") var to: String
        @Argument(help: "Amount, such as 100.00.") var amount: String

        func run() async throws {
            let desk = try await at.desk(), amount = try Desk.amount(amount)
            let account: Address
            if let direct = Address(hex: to) { account = direct } else { account = try await desk.member(named: to).account }
            let sent = try await desk.issue(amount, to: account, memo: "issue")
            at.say("issued \(Desk.money(amount)) to \(to) in block \(sent.block)", ["block": .quantity(sent.block)])
        }
    }
    struct Balance: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Units that an account holds.")
        @OptionGroup var at: Directory
        func run() async throws {
            let desk = try await at.desk(), balance = try await desk.balance(of: desk.account)
            at.say("\(desk.name) holds \(Desk.money(balance))", ["account": JSON(desk.account), "balance": .string(balance.decimal)])
        }
    }
    struct Bond: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Post a bond: every seat in a committee locks a part of it.")
        @OptionGroup var at: Directory
        @Argument(help: "Amount.") var amount: String
        func run() async throws {
            let desk = try await at.desk(), amount = try Desk.amount(amount)
            try await desk.postBond(amount)
            at.say("posted \(Desk.money(amount))", ["posted": .string(amount.decimal)])
        }
    }
}
