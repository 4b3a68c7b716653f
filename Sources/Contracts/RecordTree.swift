import Ciphers
import Primitives

/// The Merkle tree that a record commits to: leaf = keccak256(0x00 ‖ author ‖ schema ‖ commitment), node = keccak256(0x01 ‖ left ‖ right); the last
/// of an odd level goes up unchanged, which is the tree of RFC 9162 §2.1. The tags keep a node from passing as a leaf; the author in the
/// leaf keeps a root that was copied from the pool from claiming anything for the copier.
package struct RecordTree: Sendable {
    package static let maximumLeaves = 1 << 32, maximumDepth = 32
    /// From leaves to root.
    private let levels: [[Hash32]]
    package var root: Hash32 { levels[levels.count - 1][0] }
    package var count: Int { levels[0].count }

    /// - Precondition: 1 … 2³² leaves. - Cost: one hash a leaf.
    package init(leaves: [Hash32]) {
        precondition((1...Self.maximumLeaves).contains(leaves.count))
        var levels = [leaves]
        while let level = levels.last, level.count > 1 {
            levels.append(
                stride(from: 0, to: level.count, by: 2).map { $0 + 1 < level.count ? Self.node(level[$0], level[$0 + 1]) : level[$0] })
        }
        self.levels = levels
    }

    package static func leaf(author: Address, schema: Hash32, commitment: Hash32) -> Hash32 {
        keccak256([0] + author.bytes + schema.bytes + commitment.bytes)
    }
    static func node(_ left: Hash32, _ right: Hash32) -> Hash32 { keccak256([1] + left.bytes + right.bytes) }
    /// What Records calls the record of this author and root.
    package static func id(author: Address, root: Hash32) -> Hash32 { keccak256(U256(author).bytes + root.bytes) }

    /// From a leaf to the root, as `Records.verify` takes it: bit k of `sides` is set where `nodes[k]` stands on the left.
    package struct Path: Sendable, Equatable {
        package var sides: UInt32
        package var nodes: [Hash32]

        package init(sides: UInt32, nodes: [Hash32]) { (self.sides, self.nodes) = (sides, nodes) }

        /// nil: longer than any tree is deep.
        package func root(from leaf: Hash32) -> Hash32? {
            guard nodes.count <= RecordTree.maximumDepth else { return nil }
            return nodes.indices.reduce(leaf) {
                sides >> UInt32($1) & 1 == 1 ? RecordTree.node(nodes[$1], $0) : RecordTree.node($0, nodes[$1])
            }
        }
    }

    package func path(of index: Int) -> Path {
        precondition(levels[0].indices.contains(index))
        var path = Path(sides: 0, nodes: []), at = index
        for level in levels.dropLast() {
            if at ^ 1 < level.count {
                path.sides |= UInt32(at & 1) << UInt32(path.nodes.count)
                path.nodes.append(level[at ^ 1])
            }
            at >>= 1
        }
        return path
    }
}
