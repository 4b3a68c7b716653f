import Catalog
import Ciphers
import Client
import Compute
import Contracts
import Foundation
import Jobs
import MPC
import Primitives

extension Desk {
    /// A question ready to be paid for: the plan, whose consent it needs, and what it costs line by line. Nothing is spent yet.
    package struct Prepared: Sendable {
        package let text: String
        package let plan: Plan
        package let purpose: Purpose
        package let listings: [Catalogue.Listing]
        /// By listing; 0 where the policy asks for none.
        package let grants: [UInt64]
        package let missing: [Missing]
        package let seatFee: U256
        package let levy: U256
        package let members: [Address: String]

        package struct Missing: Sendable {
            package let listing: Catalogue.Listing
            package let owner: String
            package let rule: String
        }
        package var dataFee: U256 { listings.reduce(.zero) { $0 &+ $1.terms.flat } }
        package var fee: U256 { dataFee &+ seatFee &* 4 &+ levy }
        package func name(_ account: Address) -> String { members[account] ?? account.description }
        package var owners: [Address] { listings.reduce(into: []) { if !$0.contains($1.owner) { $0.append($1.owner) } } }

        package var feeLines: [Plan.FeeLine] {
            listings.map { .init(payee: name($0.owner), what: $0.schema.name, amount: Desk.money($0.terms.flat)) }
                + owners.map { .init(payee: name($0), what: "seat", amount: Desk.money(seatFee)) }
                + (levy.isZero ? [] : [.init(payee: "alliance", what: "levy", amount: Desk.money(levy))])
        }
        package var explanation: String { plan.explain(fees: feeLines, seats: owners.map(name)) }
    }

    /// Compiles, finds the grants, adds up the fee. Refusals name rule and owner (`Prepared.missing`), at no cost.
    package func prepare(_ text: String, purpose: Purpose, seatFee: U256 = 200) async throws -> Prepared {
        let catalogue = try await catalogue(), members = try await members()
        let asker = Asker(reader: account.description, purpose: purpose, member: members.first { $0.account == account }?.name)
        let plan = try Query.compile(text, in: Scope(tables: catalogue.tables, asker: asker))
        var listings: [Catalogue.Listing] = [], grants: [UInt64] = [], missing: [Prepared.Missing] = []
        let names = Dictionary(uniqueKeysWithValues: members.map { ($0.account, $0.name) })
        let given = try await ledger.events(.grants, ["Given"], matching: ["grantee": .address(account)], from: 0)
        for use in plan.uses {
            guard let listing = catalogue.listing(named: use.schema.name) else {
                throw DeskError.listingUnknown(use.schema.name, known: catalogue.names)
            }
            listings.append(listing)
            // Newest first: a grant given again after a withdrawal is the one that counts; the reason shown is that of the newest.
            var verdict = try await allows(listing, purpose, plan.program, grant: 0), chosen: UInt64 = 0
            for grant in given.reversed()
            where !verdict.allowed && grant["owner"].asAddress == listing.owner && grant["scope"].asHash == listing.terms.object {
                let next = try await allows(listing, purpose, plan.program, grant: grant["grant"].asUInt64)
                if next.allowed || verdict.rule & 255 == 2 { verdict = next }
                if next.allowed { chosen = grant["grant"].asUInt64 }
            }
            grants.append(chosen)
            if !verdict.allowed {
                missing.append(
                    .init(
                        listing: listing, owner: names[listing.owner] ?? listing.owner.description,
                        rule: ContractRefusal.consent(U256(verdict.rule))))
            }
        }
        let rate = try await ledger.call(.consortium, "param", [nameWord("levy")])[0].asWord
        let lines = listings.reduce(U256.zero) { $0 &+ $1.terms.flat }
        return Prepared(
            text: text, plan: plan, purpose: purpose, listings: listings, grants: grants, missing: missing, seatFee: seatFee,
            levy: lines &* rate / 10_000, members: names)
    }

    private func allows(
        _ listing: Catalogue.Listing, _ purpose: Purpose, _ program: Hash32, grant: UInt64
    ) async throws -> (allowed: Bool, rule: UInt64) {
        let answer = try await ledger.call(
            .grants, "allows",
            [
                .address(listing.owner), .bytes32(listing.terms.group), .bytes32(listing.terms.object), .address(account),
                .uint(UInt64(purpose.bit)), .bytes32(program), .uint(grant),
            ])
        return (answer[0].asBool, answer[1].asUInt64)
    }

    package struct Opened: Sendable {
        package let job: UInt64
        package let order: Order
        package let plan: Plan
        package let fee: U256
        package let block: UInt64
        let readerSecret: Bytes
    }

    /// Pays the fee into escrow and opens the job, in one transaction. The reader's key is fresh: one for each job.
    package func open(
        _ prepared: Prepared, bond: U256 = 1_000, seatingSeconds: UInt32 = 10, spanSeconds: UInt64? = nil
    ) async throws -> Opened {
        guard prepared.missing.isEmpty else { throw AskError.refused(prepared.missing) }
        let secret = randomBytes(32), key = X25519.publicKey(of: secret)
        // Twice what members will want to see between joining and the deadline (H8).
        let now = try await headTime(),
            spanSeconds = spanSeconds ?? max(60, 2 * prepared.plan.estimatedSeconds + UInt64(seatingSeconds) + 40)
        let uses = zip(prepared.listings, prepared.grants).map { Use(listing: $0.id, terms: $0.hash, grant: $1) }
        let order = Order(
            requester: account, program: prepared.plan.program, plan: prepared.plan.hash, purpose: prepared.purpose.bit, profile: 4,
            uses: uses,
            readers: [Hash32(key) ?? .zero], boxBytes: UInt32(JobFacts.boxBytes(outputWords: prepared.plan.outputWords)),
            seatFee: prepared.seatFee, bond: bond,
            maximumFee: prepared.fee, seatingSeconds: seatingSeconds, keepSeconds: 3_600, deadline: now + spanSeconds,
            nonce: U256(bigEndian: randomBytes(32)))
        let document = ProgramDocument(text: prepared.text, reader: account.description).encoded
        let noQuotes = ABI.Value.array(uses.map { _ in .tuple([0, 0, .bytes([])]) })
        let permit = try await permit(amount: prepared.fee, deadline: now + spanSeconds)
        let sent = try await sender.send(
            .market, "open", [order.abi, .array(prepared.listings.map(\.terms.abi)), noQuotes, .bytes([]), permit], document: document)
        guard let opened = sent.event("Opened") else { throw AskError.notOpened }
        let result = Opened(
            job: opened["job"].asUInt64, order: order, plan: prepared.plan, fee: opened["fee"].asWord, block: sent.block,
            readerSecret: secret)
        try remember(result, text: prepared.text)
        return result
    }

    private func headTime() async throws -> UInt64 {
        let time = try await ledger.block(nil)?["timestamp"]?.asQuantity ?? 0
        return max(time, UInt64(Date().timeIntervalSince1970))
    }

    /// EIP-2612: the market may take the fee, once.
    private func permit(amount: U256, deadline: UInt64) async throws -> ABI.Value {
        let nonce = try await ledger.call(.cash, "nonces", [.address(account)])[0].asWord
        let separator = try await ledger.call(.cash, "DOMAIN_SEPARATOR")[0].asHash
        let type = keccak256(Bytes("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)".utf8))
        let content = keccak256(
            type.bytes + account.word.bytes + ContractAddress.market.word.bytes + amount.bytes + nonce.bytes + U256(deadline).bytes)
        let signature = sender.key.sign(keccak256([0x19, 0x01] + separator.bytes + content.bytes))
        return .tuple([.uint(deadline), .uint(UInt64(signature.yParity) + 27), .word(signature.r), .word(signature.s)])
    }

    /// The key that opens the answer must survive this process.
    private func remember(_ opened: Opened, text: String) throws {
        try directory.makeDirectory("jobs")
        try directory.write(
            "jobs/\(opened.job).json",
            JSON.object([
                "job": .integer(Int64(opened.job)), "secret": JSON(opened.readerSecret), "text": .string(text),
                "purpose": .integer(Int64(opened.order.purpose)),
            ]).canonical)
    }

    package enum End: Sendable {
        case answered(Answer, seconds: Double)
        case refunded(reason: String)
    }

    /// Waits until the job is settled or refunded; a settled one is opened with the reader's key, from the chain alone.
    package func wait(for opened: Opened, timeoutSeconds: Double = 90, progress: (JobState) -> Void = { _ in }) async throws -> End {
        let clock = ContinuousClock(), start = clock.now
        var last: JobState?
        while clock.now - start < .seconds(timeoutSeconds) {
            let words = JobWords(try await ledger.call(.market, "job", [.uint(opened.job)])[0])
            if let state = words.state, state != last { progress(state); last = state }
            let seconds = Double((clock.now - start).components.attoseconds) / 1e18 + Double((clock.now - start).components.seconds)
            switch words.state {
            case .settled: return .answered(try await answer(opened), seconds: seconds)
            case .refunded:
                let event = try await ledger.events(.market, ["Refunded"], matching: ["job": .uint(opened.job)], from: opened.block).first
                guard let event else { return .refunded(reason: "") }
                return .refunded(reason: try await refundReason(event))
            default: try await Task.sleep(for: .milliseconds(15))
            }
        }
        throw AskError.unfinished(job: opened.job)
    }

    /// Why a job was refunded, in one line: who declined it says so behind the arguments of its call, by whose hash the chain knows it.
    func refundReason(_ event: PlacedEvent) async throws -> String {
        switch U256(event["reason"].asHash) {
        case 1: return "the requester cancelled"
        case 2: return "not everybody took a seat in time"
        case 3: return "the deadline passed"
        case 4: return "the attempt failed and none could follow"
        default:
            guard let call = try await ledger.transaction(event.transaction) else { return "a member declined" }
            let who = try await members().first { $0.account == call.from }?.name ?? call.from.description
            guard let (_, text) = try? Contract.market.abi.decodeCall("decline", call.input), text.count <= JobRefusal.maximumTextBytes,
                keccak256(text) == event["reason"].asHash
            else { return "\(who) declined" }
            return "\(who) declined: \(String(decoding: text.filter { $0 >= 32 && $0 != 127 }, as: UTF8.self))"
        }
    }

    package func answer(_ opened: Opened) async throws -> Answer {
        guard let settled = try await ledger.events(.market, ["Settled"], matching: ["job": .uint(opened.job)], from: opened.block).first,
            let sealed = try await ledger.events(
                .market, ["Sealed"], matching: ["job": .uint(opened.job)], from: settled.block, to: settled.block
            ).first
        else { throw AskError.notOpened }
        let boxes = sealed["boxes"].asList.map(\.asBytes)
        let words = try Boxes.open(
            session: settled["session"].asHash, reader: 0, secret: opened.readerSecret, attested: boxes.map { keccak256($0) },
            copies: boxes.map { [$0] }, count: opened.plan.outputWords)
        return opened.plan.decode(words)
    }
}

package enum AskError: Error, Sendable {
    case refused([Desk.Prepared.Missing])
    case notOpened
    case unfinished(job: UInt64)
}

extension AskError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused(let missing):
            missing.map { "policy: \($0.owner) does not let you use \($0.listing.schema.name): \($0.rule); ask: entente ask --request" }
                .joined(separator: "\n")
        case .notOpened: "job: the order is not on chain; ask again"
        case .unfinished(let job): "job: \(job) is still running; see entente job \(job)"
        }
    }
}
