import Ciphers
import Primitives

/// Merkle-Patricia trie (yellow paper, appendix D): a map from byte keys to byte values whose root hash commits to all of it.
///
/// Shape: nodes lie in one arena and name each other by 32-bit index; paths (one nibble a byte) and values lie in two byte
/// buffers beside it. A node known only by its hash is `hashed` and is resolved in place, through a `NodeReader`, the first time
/// a path leads through it, so a block's worth of updates loads just the nodes on its paths. What an update replaces stays in
/// the buffers as garbage: a trie value lives as long as one block.
///
/// Invariants: index 0 means "nothing"; a clean node's reference is right and its encoding needs no emitting; an extension's
/// path is never empty and its child is a branch; a branch has at least two of its 17 entries.
package struct Trie: Sendable {
    enum Kind: UInt8 { case hashed, leaf, extension_, branch }
    struct Slice { var start: UInt32 = 0, count: UInt32 = 0 }
    struct Node {
        var kind: Kind
        var isClean = false
        /// How many bytes of `reference` are used: 32 is a hash, fewer are the node's own encoding, which its parent embeds.
        var referenceCount: UInt8 = 0
        var path = Slice()
        /// Empty: a branch without value.
        var value = Slice()
        /// Of an extension its child, of a branch the place of the first of 16 in `children`.
        var child: UInt32 = 0
        var reference = Hash32.zero
    }
    var nodes: [Node] = [Node(kind: .hashed, isClean: true)]
    var paths: Bytes = []
    var values: Bytes = []
    var children: [UInt32] = []
    var root: UInt32 = 0

    package init() {}

    /// The trie with this root, to be read through a reader; nothing is read yet.
    package init(root hash: Hash32) {
        if hash != Header.emptyRoot {
            nodes.append(Node(kind: .hashed, isClean: true, referenceCount: 32, reference: hash))
            root = 1
        }
    }
}

/// Where encoded nodes come from: a database, a proof, a table in memory.
package protocol NodeReader {
    /// nil: there is no node of this hash.
    func node(_ hash: Hash32) throws(TrieError) -> Bytes?
}

package enum TrieError: Error, Equatable, Sendable {
    /// The reader lacks a node that the trie needs: history was not kept, or a proof is incomplete.
    case missingNode(Hash32)
    /// These bytes are no node in canonical form.
    case malformedNode(Hash32)
    /// The reader itself failed; our own disk is at fault.
    case unavailable(errorNumber: Int32)
}

/// Encoded nodes by hash, in memory.
package struct NodeTable: NodeReader, Sendable {
    package var nodes: [Hash32: Bytes] = [:]

    package init() {}
    package func node(_ hash: Hash32) throws(TrieError) -> Bytes? { nodes[hash] }
}

// MARK: reading

extension Trie {
    /// The value under `key`, nil where there is none. Cost: one resolved node a nibble of the path not met before.
    package mutating func get(_ key: some Collection<UInt8>, from reader: borrowing some NodeReader) throws(TrieError) -> Bytes? {
        let path = Trie.nibbles(key)
        var at = root, depth = 0
        while at != 0 {
            try resolve(at, reader)
            let node = nodes[Int(at)]
            switch node.kind {
            case .branch:
                if depth == path.count { return node.value.count == 0 ? nil : value(node) }
                at = children[Int(node.child) + Int(path[depth])]
                depth += 1
            case .leaf:
                let rest = path.count - depth
                return Int(node.path.count) == rest && matched(node, path, depth) == rest ? value(node) : nil
            case .extension_:
                guard matched(node, path, depth) == Int(node.path.count) else { return nil }
                depth += Int(node.path.count)
                at = node.child
            case .hashed: preconditionFailure("a resolved node is never a hash")
            }
        }
        return nil
    }

    static func nibbles(_ key: some Collection<UInt8>) -> Bytes {
        var path = Bytes()
        path.reserveCapacity(2 * key.count)
        for byte in key {
            path.append(byte >> 4)
            path.append(byte & 15)
        }
        return path
    }

    func value(_ node: Node) -> Bytes { Bytes(values[Int(node.value.start)..<Int(node.value.start + node.value.count)]) }
    func path(_ node: Node) -> ArraySlice<UInt8> { paths[Int(node.path.start)..<Int(node.path.start + node.path.count)] }

    /// How many nibbles of the node's path agree with `path` from `depth` on.
    private func matched(_ node: Node, _ path: Bytes, _ depth: Int) -> Int {
        let most = min(Int(node.path.count), path.count - depth), start = Int(node.path.start)
        var count = 0
        while count < most, paths[start + count] == path[depth + count] { count += 1 }
        return count
    }
}

// MARK: writing

extension Trie {
    /// Stores `value` under `key`; an empty value removes the key, as everywhere in Ethereum.
    package mutating func set(
        _ key: some Collection<UInt8>, to value: some Collection<UInt8>,
        from reader: borrowing some NodeReader
    ) throws(TrieError) {
        if value.isEmpty {
            // A removal that finds nothing must leave every node clean.
            guard try get(key, from: reader) != nil else { return }
            root = try remove(root, Trie.nibbles(key), 0, reader)
        } else {
            root = try insert(root, Trie.nibbles(key), 0, store(value), reader)
        }
    }

    private mutating func store(_ value: some Collection<UInt8>) -> Slice {
        defer { values.append(contentsOf: value) }
        return Slice(start: UInt32(values.count), count: UInt32(value.count))
    }
    private mutating func store(path: some Collection<UInt8>) -> Slice {
        defer { paths.append(contentsOf: path) }
        return Slice(start: UInt32(paths.count), count: UInt32(path.count))
    }
    private mutating func add(_ node: Node) -> UInt32 {
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }
    private mutating func leaf(_ path: Slice, _ value: Slice) -> UInt32 { add(Node(kind: .leaf, path: path, value: value)) }
    /// A path of no nibble needs no extension.
    private mutating func extension_(_ path: Slice, _ child: UInt32) -> UInt32 {
        path.count == 0 ? child : add(Node(kind: .extension_, path: path, child: child))
    }
    private mutating func branch() -> UInt32 {
        children.append(contentsOf: repeatElement(0, count: 16))
        return add(Node(kind: .branch, child: UInt32(children.count - 16)))
    }

    private mutating func insert(
        _ at: UInt32, _ path: Bytes, _ depth: Int, _ value: Slice,
        _ reader: borrowing some NodeReader
    ) throws(TrieError) -> UInt32 {
        if at == 0 { return leaf(store(path: path[depth...]), value) }
        try resolve(at, reader)
        let node = nodes[Int(at)]
        if node.kind == .branch {
            if depth == path.count {
                nodes[Int(at)].value = value
            } else {
                let slot = Int(node.child) + Int(path[depth])
                children[slot] = try insert(children[slot], path, depth + 1, value, reader)
            }
            nodes[Int(at)].isClean = false
            return at
        }
        let common = matched(node, path, depth), isLeaf = node.kind == .leaf
        if common == Int(node.path.count) {
            if isLeaf, depth + common == path.count {
                nodes[Int(at)].value = value
                nodes[Int(at)].isClean = false
                return at
            }
            if !isLeaf {
                nodes[Int(at)].child = try insert(node.child, path, depth + common, value, reader)
                nodes[Int(at)].isClean = false
                return at
            }
        }
        return split(node, common, path, depth, value)
    }

    /// A leaf or extension parts from `path` after `common` nibbles: a branch takes its place.
    private mutating func split(_ node: Node, _ common: Int, _ path: Bytes, _ depth: Int, _ value: Slice) -> UInt32 {
        let fork = branch(), first = Int(nodes[Int(fork)].child)
        func tail(_ count: Int) -> Slice { Slice(start: node.path.start + UInt32(count), count: node.path.count - UInt32(count)) }
        if node.path.count == common {
            nodes[Int(fork)].value = node.value
        } else {
            let nibble = Int(paths[Int(node.path.start) + common])
            children[first + nibble] =
                node.kind == .leaf
                ? leaf(tail(common + 1), node.value)
                : extension_(
                    tail(common + 1),
                    node.child)
        }
        if path.count == depth + common {
            nodes[Int(fork)].value = value
        } else {
            children[first + Int(path[depth + common])] = leaf(store(path: path[(depth + common + 1)...]), value)
        }
        return extension_(Slice(start: node.path.start, count: UInt32(common)), fork)
    }

    /// Removes a key that is there. Returns what takes the node's place.
    private mutating func remove(
        _ at: UInt32, _ path: Bytes, _ depth: Int,
        _ reader: borrowing some NodeReader
    ) throws(TrieError) -> UInt32 {
        let node = nodes[Int(at)]
        switch node.kind {
        case .leaf: return 0
        case .extension_:
            let child = try remove(node.child, path, depth + Int(node.path.count), reader)
            return try join(Bytes(self.path(node)), child, reader)
        case .branch:
            nodes[Int(at)].isClean = false
            if depth == path.count {
                nodes[Int(at)].value = Slice()
            } else {
                let slot = Int(node.child) + Int(path[depth])
                children[slot] = try remove(children[slot], path, depth + 1, reader)
            }
            return try collapse(at, reader)
        case .hashed: preconditionFailure("the key was looked up first")
        }
    }

    /// A branch with one entry left is none.
    private mutating func collapse(_ at: UInt32, _ reader: borrowing some NodeReader) throws(TrieError) -> UInt32 {
        let node = nodes[Int(at)], first = Int(node.child)
        var last = -1, count = 0
        for nibble in 0..<16 where children[first + nibble] != 0 {
            last = nibble
            count += 1
        }
        if count == 0 { return leaf(Slice(), node.value) }
        guard count == 1, node.value.count == 0 else { return at }
        return try join([UInt8(last)], children[first + last], reader)
    }

    /// `path` before a node: leaf and extension take it into their own.
    private mutating func join(_ path: Bytes, _ at: UInt32, _ reader: borrowing some NodeReader) throws(TrieError) -> UInt32 {
        try resolve(at, reader)
        let node = nodes[Int(at)]
        switch node.kind {
        case .leaf: return leaf(store(path: path + self.path(node)), node.value)
        case .extension_: return extension_(store(path: path + self.path(node)), node.child)
        case .branch: return extension_(store(path: path), at)
        case .hashed: preconditionFailure("a resolved node is never a hash")
        }
    }
}
