import Catalog
import Compute
import Contracts
import Primitives

// Overlapping questions, judged by the owner before it joins, in the order of the chain (private-sql.md §8.4; job-protocol.md H7):
// whatever this account asked of the same listing and is settled or still open counts as answered.

extension Agent {
    func checkOverlap(_ id: U256, _ plan: Plan) throws(JobRefusal) {
        guard let facts = jobs[id]?.facts else { return }
        for (use, listed) in facts.order.uses.enumerated() where owns(listed) {
            let cohort = try reach(id, plan, use: use, keepsRows: true), schema = plan.uses[use].schema,
                isPooled = LocalEvaluator(plan: plan, use: use).isPooled
            for (earlier, job) in jobs.sorted(by: { $0.key < $1.key })
            where earlier < id && job.counts && job.facts.order.requester == facts.order.requester && schema.smallestGroup > 1 {
                for (other, earlierUse) in job.facts.order.uses.enumerated() where earlierUse.listing == listed.listing {
                    guard let answered = answered(earlier, use: other) else { continue }
                    guard !cohort.isTooClose(to: answered, smallestGroup: schema.smallestGroup, isPooled: isPooled) else {
                        throw .overlap(job: earlier, table: schema.name, smallestGroup: schema.smallestGroup)
                    }
                }
            }
            jobs[id]?.cohorts[use] = cohort
        }
        // On disk before we join: the log is what a later question is judged by, whatever becomes of this process.
        for (use, cohort) in jobs[id]?.cohorts ?? [:] {
            guard settings.cohorts.store(Self.name(id, use), cohort.encoded) else { throw .cohortNotKept }
        }
    }
    private static func name(_ id: U256, _ use: Int) -> String { "\(id.decimal)-\(use)" }
    private func owns(_ use: Use) -> Bool { catalogue.listing(use.listing, terms: use.terms)?.owner == ledger.account }

    /// Whom an earlier job reached: as judged then, or, where that is lost, as its text reaches them now.
    private func answered(_ id: U256, use: Int) -> Cohort? {
        if let known = jobs[id]?.cohorts[use] { return known }
        let cohort: Cohort
        if let stored = settings.cohorts.load(Self.name(id, use)).flatMap({ Cohort(encoded: $0) }) {
            cohort = stored
        } else {
            guard let plan = try? jobs[id]?.facts.compile(catalogue), let now = try? reach(id, plan, use: use, keepsRows: false) else {
                return nil
            }
            cohort = now
        }
        jobs[id]?.cohorts[use] = cohort
        return cohort
    }

    private func reach(_ id: U256, _ plan: Plan, use: Int, keepsRows: Bool) throws(JobRefusal) -> Cohort {
        let schema = plan.uses[use].schema, names = plan.uses[use].columns
        var columns: [[RawValue]], subjects: [RawValue]?
        do throws(LocalTablesError) {
            let isRead = schema.key.map { names.contains($0) } ?? true
            columns = try tables().read(schema.table, names + (isRead ? [] : [schema.key!])).columns
            if let key = schema.key { subjects = isRead ? columns[names.firstIndex(of: key)!] : columns.removeLast() }
        } catch { throw .table(error) }
        if keepsRows { jobs[id]?.rows[use] = columns }
        do throws(LocalEvaluator.LocalError) {
            return Cohort(try LocalEvaluator(plan: plan, use: use).cohort(columns, subjects: subjects), secret: settings.cohorts.secret)
        } catch { throw .local(error) }
    }
}

extension ActiveJob {
    /// Settled or still open.
    var counts: Bool { lifecycle.phase != .declined && lifecycle.phase != .ended(.refunded) }
}
