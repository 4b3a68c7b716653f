import Ciphers
import Contracts
import Primitives

extension Verification {
    /// Rows 6b to 9b.
    mutating func checkSettlement(
        _ section: SettlementSection, _ network: Network, _ proven: Proven
    ) throws(EvidenceFailure) -> Verdict.Settlement {
        guard let opened = proven.opened(section.job), let settled = proven.settled(section.job) else {
            preconditionFailure("row 5 found them")
        }
        try step("6b", "Market holds the fact of this job, and it is settled") { details throws(EvidenceFailure) in
            let held = (proven.value(of: SettlementSection.slot(of: section.job), at: Contract.market.address) ?? .zero).hash
            guard section.fact == held else { throw .factMismatch(expected: held, found: section.fact) }
            guard section.state == SettlementSection.settled else { throw .notSettled(state: section.state) }
            details.append(
                "job \(section.job), attempt \(section.attempt), settled in block \(settled.receipt.place.block) at \(Verdict.time(settled.receipt.timeMilliseconds))"
            )
        }
        let domain = MarketDomain(chainId: network.configuration.chainId)
        try step("7b", "order and session recomputed") { details throws(EvidenceFailure) in
            try Self.checkSession(section, domain)
            details.append("session \(section.session): \(section.inputs.count) inputs, \(section.seats.count) seats")
        }
        try step("8b", "every seat attests transcript and output") { details throws(EvidenceFailure) in
            try Self.checkAttestations(section, domain)
            details += section.seats.map { "seat \($0.index): \($0.member) by session key \($0.key)" }
        }
        let fee = opened.event["fee"].asWord
        try step("9b", "lines sum to the fee, and each was paid") { details throws(EvidenceFailure) in
            try Self.checkPayments(section, fee: fee, settled.receipt.receipt)
            details += section.lines.map(SettlementSection.Line.init).map { "\($0.amount) to \($0.payee)" }
            details.append("\(fee) in all")
        }
        return Verdict.Settlement(
            job: section.job, session: section.session, requester: section.order.requester, program: section.order.program,
            transcript: section.transcript, output: section.outputHash, seats: section.seats.map(\.member),
            payments: section.lines.map(SettlementSection.Line.init), fee: fee, block: settled.receipt.place.block,
            timeMilliseconds: settled.receipt.timeMilliseconds)
    }

    private static func checkSession(_ section: SettlementSection, _ domain: MarketDomain) throws(EvidenceFailure) {
        let order = section.order.hashStruct
        guard order == section.orderHash else { throw .orderMismatch(expected: section.orderHash, found: order) }
        func must(_ holds: Bool, _ field: String) throws(EvidenceFailure) { if !holds { throw .sessionMismatch(field: field) } }
        for (i, input) in section.inputs.enumerated() {
            try must(input.job == section.job, "inputs[\(i)].job")
            try must(input.attempt == section.attempt, "inputs[\(i)].attempt")
        }
        try must(section.seats.count == Int(section.order.profile), "seats")
        for (i, seat) in section.seats.enumerated() {
            try must(seat.job == section.job, "seats[\(i)].job")
            try must(seat.attempt == section.attempt, "seats[\(i)].attempt")
            try must(Int(seat.index) == i, "seats[\(i)].index")
        }
        let session = SessionStructure(
            job: section.job, attempt: section.attempt, order: section.order, inputs: section.inputs, seats: section.seats)
        try must(session.digest(in: domain) == section.session, "session")
        try must(section.output.hashStruct == section.outputHash, "output")
    }

    private static func checkAttestations(_ section: SettlementSection, _ domain: MarketDomain) throws(EvidenceFailure) {
        let claim = Claim(
            session: section.session, kind: .attest, index: 0,
            content: Claim.attestation(transcript: section.transcript, output: section.output))
        let digest = claim.digest(in: domain)
        for (i, seat) in section.seats.enumerated() {
            guard i < section.attestations.count, !section.attestations[i].isEmpty else { throw .attestationMissing(seat: i) }
            let bytes = section.attestations[i], signer: Address
            guard bytes.count == 65, bytes[64] >= 27 else { throw .attestationForged(seat: i) }
            do throws(SignatureError) {
                signer = try Secp256k1.recover(digest, try Signature(bytes[..<64] + [bytes[64] - 27])).address
            } catch { throw .attestationForged(seat: i) }
            guard signer == seat.key else { throw .attestationForged(seat: i) }
        }
    }

    /// Market pays a line and then says so: between two `Paid` of the job lies the `Transfer`, or `Owed` where the payee could not be paid.
    private static func checkPayments(_ section: SettlementSection, fee: U256, _ receipt: Receipt) throws(EvidenceFailure) {
        let lines = section.lines.map(SettlementSection.Line.init), sum = lines.reduce(U256.zero) { $0 &+ $1.amount }
        guard sum == fee else { throw .sumMismatch(expected: fee, found: sum) }
        var next = 0, moved: (payee: Address, amount: U256)?
        for log in receipt.logs where next < lines.count {
            if let event = Proven.event(.cash, log), event.name == "Transfer", event["sender"].asAddress == Contract.market.address {
                moved = (event["receiver"].asAddress, event["amount"].asWord)
            }
            guard let event = Proven.event(.market, log) else { continue }
            if event.name == "Owed" { moved = (event["payee"].asAddress, event["amount"].asWord) }
            guard event.name == "Paid", event["job"].asWord == section.job else { continue }
            let line = lines[next]
            guard event["payee"].asAddress == line.payee, event["amount"].asWord == line.amount, event["kind"].asWord == U256(line.kind),
                let listing = section.listing(of: line), event["listing"].asWord == U256(listing),
                line.amount.isZero || (moved?.payee == line.payee && moved?.amount == line.amount)
            else { throw .paymentAbsent(line: next) }
            (next, moved) = (next + 1, nil)
        }
        guard next == lines.count else { throw .paymentAbsent(line: next) }
    }
}
