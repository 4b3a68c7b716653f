import Catalog
import Ciphers
import Compute
import Contracts
import Primitives

/// The text that an order runs, as it lies behind the arguments of `open`: canonical JSON, so that every member, and later a court,
/// reads from the chain what was asked.
package struct ProgramDocument: Sendable, Equatable {
    package static let format = "entente-program/1"
    package let text: String
    /// What the asker calls itself in column rules.
    package let reader: String

    package init(text: String, reader: String) { (self.text, self.reader) = (text, reader) }

    package var encoded: Bytes {
        JSON.object(["format": .string(Self.format), "text": .string(text), "reader": .string(reader)]).canonical
    }
    package init?(_ bytes: Bytes) {
        guard bytes.count <= 128 << 10, let json = try? JSON(parsing: bytes), json["format"]?.asString == Self.format,
            let text = json["text"]?.asString,
            let reader = json["reader"]?.asString
        else { return nil }
        self.init(text: text, reader: reader)
    }
}

/// One job as the chain opened it.
package struct JobFacts: Sendable {
    package let job: U256
    package let order: Order
    package let orderHash: Hash32
    package let program: ProgramDocument
    package let fee: U256
    package let openedAt: UInt64
    /// Data owners in order of their first use, with the seat that each claimed.
    package let members: [Member]

    package struct Member: Sendable, Equatable {
        package let account: Address
        package let nodeKey: Address
        package let seat: Int?
    }

    package init(job: U256, order: Order, program: ProgramDocument, fee: U256, openedAt: UInt64, members: [Member]) {
        (self.job, self.order, self.program, self.fee) = (job, order, program, fee)
        (self.openedAt, self.members, orderHash) = (openedAt, members, order.hashStruct)
    }

    package var number: UInt64 { job.l0 }
    /// In seat order.
    package var seats: [Member] { members.filter { $0.seat != nil }.sorted { $0.seat! < $1.seat! } }
}

/// Why this member does not join. Public as a reason's hash on chain, in words in its own log.
package enum JobRefusal: Error, Sendable {
    case listingUnknown(UInt64)
    case program(QueryError)
    case programDiffers
    case planDiffers
    case boxBytes(expected: Int, found: UInt32)
    case readerKeyMalformed
    case seatsNotClaimed(found: Int)
    case tooLittleTime
    case answeredBefore(job: U256)
    /// Fewer than `smallestGroup` subjects of one table lie between this question and an earlier one.
    case overlap(job: U256, table: String, smallestGroup: Int)
    /// Whom this question reaches could not be written down: a later one could not be judged by it.
    case cohortNotKept
    case table(LocalTablesError)
    case local(LocalEvaluator.LocalError)

    package var kind: String {
        switch self {
        case .listingUnknown: "listing"
        case .program, .programDiffers, .planDiffers: "program"
        case .boxBytes, .readerKeyMalformed: "reader"
        case .seatsNotClaimed: "seats"
        case .tooLittleTime: "time"
        case .answeredBefore, .overlap: "overlap"
        case .cohortNotKept, .table, .local: "input"
        }
    }
    /// For everybody: one line with its class in front. What is wrong with this member's own data stays in its own log.
    package var text: String {
        switch self {
        case .listingUnknown(let listing): "listing: \(listing) is not known here at the terms that the order names"
        case .program(let error): "\(error)"
        case .programDiffers, .planDiffers: "program: text and order do not agree on what is to run"
        case .boxBytes(let expected, let found): "reader: boxes take \(expected) bytes, the order says \(found)"
        case .readerKeyMalformed: "reader: one key, for one reader"
        case .seatsNotClaimed(let found): "seats: the owners claim \(found) of four"
        case .tooLittleTime: "time: too little is left before the deadline; ask with a later one"
        case .answeredBefore(let job): "overlap: job \(job) asked the same of the same data; its answer stands"
        case .overlap(let job, let table, let k):
            "overlap: this and job \(job) differ by fewer than \(k) subjects of \(table); use the groups of job \(job)"
        case .cohortNotKept, .table, .local: "input: withdrawn (see its log)"
        }
    }
    /// Travels behind the arguments of `decline`; `reason` is its hash.
    package var document: Bytes { Bytes(text.utf8.prefix(Self.maximumTextBytes)) }
    package var reason: Hash32 { keccak256(document) }
    package static let maximumTextBytes = 1_024
}

extension JobFacts {
    /// H8: recompiles text against the listings at the versions that the order names, and compares.
    package func compile(_ catalogue: Catalogue) throws(JobRefusal) -> Plan {
        var tables: [TableSchema] = []
        for use in order.uses {
            guard let listing = catalogue.listing(use.listing, terms: use.terms) else { throw .listingUnknown(use.listing) }
            tables.append(listing.schema)
        }
        guard let purpose = Purpose.allCases.first(where: { $0.bit == order.purpose }) else { throw .programDiffers }
        let plan: Plan
        do throws(QueryError) {
            plan = try Query.compile(program.text, in: Scope(tables: tables, asker: Asker(reader: program.reader, purpose: purpose)))
        } catch { throw .program(error) }
        guard plan.program == order.program, plan.uses.map(\.schema) == tables else { throw .programDiffers }
        guard plan.hash == order.plan else { throw .planDiffers }
        guard order.readers.count == 1 else { throw .readerKeyMalformed }
        let expected = JobFacts.boxBytes(outputWords: plan.outputWords)
        guard order.boxBytes == UInt32(expected) else { throw .boxBytes(expected: expected, found: order.boxBytes) }
        guard seats.count == 4 else { throw .seatsNotClaimed(found: seats.count) }
        return plan
    }
    /// H8: seconds for the session and for two transactions must be left; all of them of the chain's clock.
    package func checkTime(now: UInt64, estimate: UInt64, inclusion: UInt64) throws(JobRefusal) {
        guard now + estimate + 2 * inclusion < order.deadline else { throw .tooLittleTime }
    }
    /// HPKE: encapsulated key, words, tag.
    package static func boxBytes(outputWords: Int) -> Int { 32 + 8 * outputWords + 16 }
}
