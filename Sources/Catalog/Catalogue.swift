import Ciphers
import Compute
import Contracts
import Primitives

/// What is listed on chain: each listing with its terms and, by the hash that they name, its document. Every agent reads the same
/// events, so all resolve a name alike.
package struct Catalogue: Sendable {
    package struct Listing: Sendable {
        package let id: UInt64
        package let owner: Address
        package let version: UInt64
        package let terms: Terms
        /// What an order names.
        package let hash: Hash32
        package let schema: TableSchema
    }
    /// By listing, the newest version; older ones by their hash.
    package private(set) var listings: [UInt64: Listing] = [:]
    private var byHash: [Hash32: Listing] = [:]

    package init() {}

    /// - Parameter input: of the transaction that gave the event: its document lies behind the call's arguments.
    package mutating func apply(_ event: PlacedEvent, input: Bytes) throws(CatalogueError) {
        switch event.name {
        case "Delisted": listings[event["listing"].asUInt64] = nil
        case "Listed":
            let id = event["listing"].asUInt64
            guard let terms = Terms(abi: event["terms"]) else { throw .kindUnknown(listing: id) }
            guard let (_, document) = try? Contract.market.abi.decodeCall("list", input), keccak256(document) == terms.document else {
                throw .documentAbsent(listing: id)
            }
            let schema: TableSchema
            do throws(SchemaError) { schema = try TableSchema(parsing: document) } catch { throw .schema(listing: id, error) }
            let listing = Listing(
                id: id, owner: event["owner"].asAddress, version: event["version"].asUInt64, terms: terms, hash: event["hash"].asHash,
                schema: schema)
            listings[id] = listing
            byHash[listing.hash] = listing
        default: break
        }
    }

    package func listing(_ id: UInt64, terms: Hash32) -> Listing? { byHash[terms].flatMap { $0.id == id ? $0 : nil } }
    package func listing(named name: String) -> Listing? { listings.values.filter { $0.schema.name == name }.max { $0.id < $1.id } }
    package var tables: [TableSchema] { listings.values.sorted { $0.id < $1.id }.map(\.schema) }
    package var names: [String] { tables.map(\.name).sorted() }

    /// What a listing's policy and grants are about: the object of its terms.
    package static func object(_ name: String) -> Hash32 { keccak256(Bytes("entente/table/\(name)".utf8)) }
    package static func group(_ name: String) -> Hash32 { keccak256(Bytes("entente/group/\(name)".utf8)) }
}

package enum CatalogueError: Error, Equatable, Sendable {
    case kindUnknown(listing: UInt64)
    /// The document is not where the chain should hold it, or another: the owner is at fault, the listing is left out.
    case documentAbsent(listing: UInt64)
    case schema(listing: UInt64, SchemaError)
}
