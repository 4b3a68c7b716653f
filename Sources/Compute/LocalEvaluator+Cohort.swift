import Primitives

// Whom a question reaches at one owner: the subjects that its own filters let in, each in the group of its own keys. What two
// questions are compared by before the owner joins (reference/private-sql.md §8.4, rule 2).

extension LocalEvaluator {
    package struct Reached: Sendable, Equatable {
        package let subject: String
        /// By this member's own group keys; empty where it has none.
        package let group: String
        package init(subject: String, group: String) { (self.subject, self.group) = (subject, group) }
    }
    /// The rows of other members stand beside ours in the answer's groups, so even a small group of ours may be shown.
    package var isPooled: Bool { item.sources.count > 1 }

    /// - Parameters:
    ///   - columns: `use.columns` as read. - subjects: the listed key of each row; nil: a row is its own subject.
    package func cohort(_ columns: [[RawValue]], subjects: [RawValue]?) throws(LocalError) -> [Reached] {
        let rows = try judged(columns)
        let keys = myInputs.filter { if case .code = $0.kind { true } else { false } }
        var reached: [Reached] = []
        for row in 0..<rows.count {
            let values = rows.values(row), origin = rows.origin[row]
            guard passes(values) else { continue }
            let group = keys.map { "\(plan.query.text($0.expression)) = \($0.expression.value(values).literal)" }.joined(separator: ", ")
            reached.append(Reached(subject: subjects.map { "\($0[origin])" } ?? "row \(origin)", group: group))
        }
        return reached
    }
}
