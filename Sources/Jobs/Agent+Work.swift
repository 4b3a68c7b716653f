import Catalog
import Ciphers
import Compute
import Contracts
import MPC
import P2P
import Primitives

// What a lifecycle asks for, carried out. Each ends by feeding the lifecycle its result.

extension Agent {
    /// H7, H8: would this member accept the job if all open jobs were answered?
    func evaluate(_ id: U256) async {
        guard let job = jobs[id], job.lifecycle.phase == .evaluating else { return }
        let inclusion = await inclusion()
        do throws(JobRefusal) {
            let plan = try job.facts.compile(catalogue)
            let estimate = plan.estimatedSeconds
            try job.facts.checkTime(now: settings.nowMilliseconds() / 1_000, estimate: estimate, inclusion: inclusion)
            try checkEarlierAnswers(job.facts, plan)
            try checkOverlap(id, plan)
            jobs[id]?.plan = plan
            record(id, "accepted")
            await feed(id, .accepted(silence: 2 * inclusion + estimate))
        } catch {
            note(id, error)
            await feed(id, .refused)
        }
    }

    /// Our own log says everything, the chain what may be said.
    private func note(_ id: U256, _ refusal: JobRefusal) {
        jobs[id]?.refusal = refusal
        progressBoard.withLock { $0[id, default: JobProgress(job: id)].refusal = refusal.kind }
        settings.log("job", ["job": .string(id.decimal), "refused": .string("\(refusal)")])
    }
    func decline(_ id: U256) async {
        guard let refusal = jobs[id]?.refusal else { return }
        await submit(id, "decline", [.word(id), .bytes32(refusal.reason)], document: refusal.document)
    }

    /// Δ: seconds within which a transaction is final.
    private func inclusion() async -> UInt64 {
        let value = (try? await ledger.call(.consortium, "param", [.fixedBytes(Bytes("inclusion".utf8))]))?[0].asUInt64 ?? 0
        return value == 0 ? 10 : value
    }

    /// Rule 1 of private-sql.md §8.4: the same text over the same listings was answered; the attested answer stands.
    private func checkEarlierAnswers(_ facts: JobFacts, _ plan: Plan) throws(JobRefusal) {
        for (id, earlier) in jobs where id < facts.job && earlier.facts.order.requester == facts.order.requester && earlier.counts {
            guard earlier.facts.order.program == facts.order.program, earlier.facts.order.uses.map(\.terms) == facts.order.uses.map(\.terms)
            else { continue }
            throw .answeredBefore(job: id)
        }
    }

    /// Agrees the owners' key K, reads the tables, and deals fresh components.
    func prepare(_ id: U256, attempt: UInt8) async {
        guard let job = jobs[id], let plan = job.plan, let position = job.facts.members.firstIndex(where: { $0.account == ledger.account })
        else { return }
        do {
            let secret = try await agreeSecret(job.facts, attempt: attempt, position: position)
            let key = try PrivateKey(settings.randomBytes(32)), signer = SessionSigner(key: key, domain: domain)
            var dealt: [Int: (commitment: Hash32, packages: [InputPackage])] = [:], rows = 0
            for (use, listed) in job.facts.order.uses.enumerated()
            where catalogue.listing(listed.listing, terms: listed.terms)?.owner == ledger.account {
                dealt[use] = try deal(plan, use: use, rows: job.rows[use], secret: secret, seat: job.facts.members[position].seat)
                rows += plan.uses[use].schema.rows
            }
            jobs[id]?.rows = [:]
            jobs[id]?.attempt = .init(number: attempt, signer: signer, key: key, dealt: dealt)
            progressBoard.withLock { $0[id, default: JobProgress(job: id)].rows = rows }
            await feed(id, .prepared(key: key.address))
        } catch let refusal as JobRefusal {
            // Something of ours is not as listed: our own log says what, the others learn that we withdraw.
            note(id, refusal)
            await feed(id, .failed)
            await decline(id)
        } catch {
            settings.log("job", ["job": .string(id.decimal), "problem": .string("\(error)")])
            await feed(id, .failed)
        }
    }

    private func agreeSecret(_ facts: JobFacts, attempt: UInt8, position: Int) async throws -> Bytes {
        let peers = facts.members.map(\.nodeKey).filter { $0 != settings.nodeKey }
        let session = try await network.openSession(
            sha256(SharedSecret.tag + facts.orderHash.bytes + facts.job.bytes + [attempt]), with: peers, maximumMessageBytes: 1024)
        defer { session.close() }
        return try await SharedSecret.agree(
            job: facts.job, attempt: attempt, own: settings.randomBytes(32), position: position, count: facts.members.count, over: session)
    }

    /// - Parameter rows: as read when the job was judged; nil: read again.
    private func deal(
        _ plan: Plan, use: Int, rows: [[RawValue]]?, secret: Bytes, seat: Int?
    ) throws(JobRefusal) -> (commitment: Hash32, packages: [InputPackage]) {
        let schema = plan.uses[use].schema
        let columns: [[RawValue]]
        do throws(LocalTablesError) {
            columns = if let rows { rows } else { try tables().read(schema.table, plan.uses[use].columns).columns }
        } catch { throw .table(error) }
        var random = SystemRandomNumberGenerator()
        let handed: LocalEvaluator.HandedIn
        do throws(LocalEvaluator.LocalError) {
            handed = try LocalEvaluator(plan: plan, use: use).evaluate(columns, key: Hash32(secret) ?? .zero, random: &random)
        } catch { throw .local(error) }
        return MPC.Input.deal(
            handed.table, layout: plan.uses[use].layout, schema: schema.hash, seat: seat,
            seeds: (0..<4).map { _ in settings.randomBytes(16) }, salts: (0..<4).map { _ in Hash32(settings.randomBytes(32)) ?? .zero })
    }

    /// One call binds the inputs and takes the seat, signed by the attempt's fresh key.
    func join(_ id: U256, attempt: UInt8) async {
        guard let job = jobs[id], let own = job.attempt, own.number == attempt,
            let member = job.facts.members.first(where: { $0.account == ledger.account })
        else { return }
        var inputs: [ABI.Value] = [], signatures: [ABI.Value] = []
        for use in own.dealt.keys.sorted() {
            let listed = job.facts.order.uses[use], rows = UInt64(job.plan?.uses[use].schema.rows ?? 0)
            let input = Contracts.Input(
                job: id, attempt: attempt, listing: listed.listing, commitment: own.dealt[use]!.commitment, key: own.signer.address,
                cohort: job.cohorts[use]?.commitment(secret: settings.cohorts.secret) ?? .zero, rows: rows)
            inputs.append(.tuple([.bytes32(input.commitment), .bytes32(input.cohort), .uint(rows)]))
            signatures.append(.bytes(own.signer.sign(input).contractBytes))
        }
        let coin = keccak256(settings.randomBytes(32))
        if let seat = member.seat {
            let structure = Seat(job: id, attempt: attempt, index: UInt8(seat), member: ledger.account, key: own.signer.address, coin: coin)
            signatures.append(.bytes(own.signer.sign(structure).contractBytes))
        }
        do throws(LedgerError) {
            _ = try await ledger.send(
                .market, "join",
                [.word(id), .uint(UInt64(attempt)), .address(own.signer.address), .array(inputs), .bytes32(coin), .array(signatures)],
                document: [], gasLimit: nil)
            await feed(id, .joined)
        } catch {
            settings.log("job", ["job": .string(id.decimal), "join": .string("\(error)")])
            await feed(id, .failed)
        }
    }

    /// The session, from the first package to boxes that settle.
    func compute(_ id: U256, _ digest: Hash32) async {
        guard let job = jobs[id], let plan = job.plan, let own = job.attempt,
            let seat = job.facts.members.first(where: { $0.account == ledger.account })?.seat
        else { return }
        let seats = job.facts.seats
        do {
            let keys = try seats.map { member throws(JobFailure) -> Address in
                guard let index = job.facts.members.firstIndex(of: member), let join = job.joins[index] else { throw .joinMissing }
                return join.key
            }
            let committee = SessionRun.Committee(session: digest, seat: seat, keys: keys, signer: own.signer)
            let bulk = try await network.openSession(digest, with: seats.filter { $0.seat != seat }.map(\.nodeKey))
            let link = SeatChannel(seat: seat, session: bulk), testimony = job.testimony
            jobs[id]?.link = link
            progressBoard.withLock { board in
                board[id, default: JobProgress(job: id)].plannedRounds = plan.cost.rounds
                board[id]?.seats = seats.map(\.account)
                board[id]?.channel = link
            }
            defer { progressBoard.withLock { $0[id]?.leaveChannel() } }
            var channel: any SeatLink = link
            if let misconduct = settings.misconduct { channel = misconduct(channel, committee, own.key) }
            let deadline = job.facts.order.deadline, now = settings.nowMilliseconds
            let run = SessionRun(
                committee: committee, contributions: try contributions(job, plan, own), readerKey: job.facts.order.readers[0].bytes,
                channel: channel, testimony: testimony,
                mayRelease: { [weak self] in await self?.mayRelease(id, deadline: deadline, now: now() / 1_000) ?? false },
                report: { [weak self] stage, session in self?.report(id, stage, session) })
            let inputs = plan.uses.map(\.layout)
            let settlement = try await run.run(contributions: (0..<4).map { _ in Hash32(settings.randomBytes(32)) ?? .zero }) {
                (session, components) async throws(SessionError) in
                let shares = inputs.indices.map { inputs[$0].bits(0, of: components[$0] ?? [], party: seat) }
                do throws(ExecutionError) { return try await plan.execute(shares, on: session) } catch {
                    guard case .session(let error) = error else { throw .ended }
                    throw error
                }
            }
            jobs[id]?.settlement = settlement
            await feed(id, .computed)
        } catch {
            jobs[id]?.failure = error as? SessionFailure
            record(id, "stopped: \(error)")
            await feed(id, .failed)
        }
    }

    private func contributions(_ job: ActiveJob, _ plan: Plan, _ own: ActiveJob.Attempt) throws(JobFailure) -> [SessionRun.Contribution] {
        var contributions: [SessionRun.Contribution] = [], taken = [Int](repeating: 0, count: job.facts.members.count)
        for (use, listed) in job.facts.order.uses.enumerated() {
            guard let owner = catalogue.listing(listed.listing, terms: listed.terms)?.owner,
                let position = job.facts.members.firstIndex(where: { $0.account == owner }),
                let join = job.joins[position], let seat = join.seat, taken[position] < join.commitments.count
            else { throw .joinMissing }
            let commitment = join.commitments[taken[position]]
            taken[position] += 1
            contributions.append(
                .init(
                    use: use, seat: seat, commitment: commitment, schema: plan.uses[use].schema.hash, layout: plan.uses[use].layout,
                    packages: own.dealt[use]?.packages))
        }
        return contributions
    }

    /// H4: the job's last final state is Running in this attempt, and there is time for inclusion.
    private func mayRelease(_ id: U256, deadline: UInt64, now: UInt64) async -> Bool {
        guard let state = try? await ledger.call(.market, "job", [.word(id)]) else { return false }
        let words = JobWords(state[0])
        guard let attempt = jobs[id]?.attempt?.number else { return false }
        return words.mayRelease(attempt: attempt, now: now, inclusion: await inclusion(), deadline: deadline)
    }

    nonisolated func report(_ id: U256, _ stage: SessionRun.Stage, _ session: Session?) {
        if let session { blame.watch(session) }
        progressBoard.withLock { $0[id, default: JobProgress(job: id)].enter(stage.rawValue) }
        Task { await self.record(id, stage.rawValue) }
    }

    /// Every honest seat that holds all boxes sends; the first seats first, so that one transaction usually does.
    func settle(_ id: U256) async {
        guard let job = jobs[id], let settlement = job.settlement, let own = job.attempt,
            let seat = job.facts.members.first(where: { $0.account == ledger.account })?.seat
        else { return }
        if seat > 0 {
            try? await Task.sleep(for: .milliseconds(250 * seat))
            guard case .settling? = jobs[id]?.lifecycle.phase else { return }
        }
        await submit(
            id, "settle",
            [
                .word(id), .uint(UInt64(own.number)), .bytes32(settlement.transcript), .array(settlement.boxes.map { .bytes($0) }),
                .array(settlement.attestations.map { .bytes($0.signature.contractBytes) }),
            ])
    }
}

enum JobFailure: Error, Sendable { case joinMissing }

extension JobWords {
    /// H4: a box leaves only while the job's last final state is Running in this attempt, with time for two transactions.
    package func mayRelease(attempt: UInt8, now: UInt64, inclusion: UInt64, deadline: UInt64) -> Bool {
        state == .running && self.attempt == attempt && now + 2 * inclusion < deadline
    }
}

extension Plan {
    /// Seconds that a session may take between sites: 20 ms a round, 10 MB/s for what all seats send together, one second to begin.
    package var estimatedSeconds: UInt64 {
        let bytes = (cost.bits + 3 * inputBits) / 8
        return UInt64((1_000 + 20 * cost.rounds + bytes / 10_000 + 999) / 1_000)
    }
}
