/// What is printed before anything is spent: each step with its place, size, rounds, bytes and who learns what; then grants, rules and,
/// in plain words, who must not collude.
extension Plan {
    /// One line of the fee, computed by whoever holds the market's terms.
    package struct FeeLine: Hashable, Sendable {
        package var payee: String
        package var what: String
        package var amount: String

        package init(payee: String, what: String, amount: String) { (self.payee, self.what, self.amount) = (payee, what, amount) }
    }
    /// What an owner must have granted: its table, for this purpose.
    package struct Grant: Hashable, Sendable {
        package var member: String
        package var table: String
        package var purpose: Purpose
    }
    package var grantsNeeded: [Grant] { uses.map { Grant(member: $0.schema.member, table: $0.schema.name, purpose: asker.purpose) } }

    package func explain(fees: [FeeLine] = [], seats: [String] = []) -> String {
        var lines = ["plan \(hash)", "program \(program)", ""]
        var table: [[String]] = [["step", "where", "rows", "rounds", "bytes", "who learns what"]]
        for use in uses {
            let bits = use.blocks.reduce(0) { $0 + $1.planes * $1.count }
            guard let step = steps.first(where: { $0.place == "\(use.schema.member), own machine" && $0.what.contains(use.schema.name) })
            else { continue }
            table.append([step.what, step.place, grouped(step.rows), "", grouped(bits / 4) + " handed in", step.learns])
        }
        for step in steps where step.place == "in shares" {
            table.append([
                step.what, step.place, grouped(step.rows), (step.lane == .after ? "" : "beside ") + grouped(step.cost.rounds),
                grouped(step.cost.bits / 8), step.learns,
            ])
        }
        lines += columns(table)
        let total = cost
        lines += [
            "",
            "in all: \(grouped(total.ands)) ANDs, \(grouped(total.products)) products, \(grouped(total.rounds)) rounds, \(grouped(total.bits / 8 + inputBits / 4)) bytes of all parties together",
        ]
        lines += ["", "grants needed: " + grantsNeeded.map { "\($0.table) for \($0.purpose.rawValue)" }.joined(separator: ", ")]
        if hidesGroups {
            lines.append(
                "smallest group \(smallestGroup) (\(smallestGroupTables.joined(separator: ", "))): smaller groups are hidden, and one more where their rows would follow from a total"
            )
        }
        let averages = query.aggregates.prefix(query.shownAggregates).filter { $0.kind == .average }
        if !averages.isEmpty {
            lines.append("\(averages.map(query.text).joined(separator: ", ")): the reader also sees count and sum of each shown group")
        }
        lines.append(
            "everybody on chain sees: the text, the plan, listed row counts \(uses.map { "\($0.schema.name) \(grouped($0.schema.rows))" }.joined(separator: ", ")), the fee"
        )
        let who = seats.isEmpty ? "the four computing members" : seats.joined(separator: ", ")
        lines.append(
            "must not collude: any two of \(who). One of them alone learns nothing and cannot change the answer; two together could see all that was handed in."
        )
        if !fees.isEmpty { lines += ["", "fee:"] + columns(fees.map { [$0.payee, $0.what, $0.amount] }) }
        return lines.joined(separator: "\n")
    }
    private func columns(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            return line
        }
    }
}
