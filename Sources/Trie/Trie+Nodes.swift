import Ciphers
import Primitives

// Nodes as bytes. A node is RLP: [compact path, value], [compact path, child] or [16 children, value]; a child is its hash, or
// its whole encoding where that is shorter than 32 bytes. Decoding takes hostile bytes (proofs) and accepts only what encoding
// gives.

// MARK: encoding

extension Trie {
    /// Hashes what changed, puts each changed node that has a hash into `table`, and returns the root.
    /// Cost: one keccak (about 0.6 µs for a branch) a changed node.
    package mutating func commit(into table: inout NodeTable) -> Hash32 {
        if root == 0 { return Header.emptyRoot }
        if !nodes[Int(root)].isClean { seal(root, isRoot: true, &table) }
        return nodes[Int(root)].reference
    }

    private mutating func seal(_ at: UInt32, isRoot: Bool = false, _ table: inout NodeTable) {
        let node = nodes[Int(at)]
        var payload = Bytes()
        payload.reserveCapacity(544)
        switch node.kind {
        case .branch:
            for nibble in 0..<16 {
                let child = children[Int(node.child) + nibble]
                if child != 0, !nodes[Int(child)].isClean { seal(child, &table) }
                append(reference: child, to: &payload)
            }
            appendString(values[Int(node.value.start)..<Int(node.value.start + node.value.count)], to: &payload)
        case .leaf:
            append(path: node, flag: 0x20, to: &payload)
            appendString(values[Int(node.value.start)..<Int(node.value.start + node.value.count)], to: &payload)
        case .extension_:
            if !nodes[Int(node.child)].isClean { seal(node.child, &table) }
            append(path: node, flag: 0, to: &payload)
            append(reference: node.child, to: &payload)
        case .hashed: preconditionFailure("a hash is always clean")
        }
        var encoded = Bytes()
        encoded.reserveCapacity(payload.count + 4)
        appendHeader(0xc0, payload.count, to: &encoded)
        encoded += payload
        nodes[Int(at)].isClean = true
        if encoded.count < 32, !isRoot {
            withUnsafeMutableBytes(of: &nodes[Int(at)].reference) { $0.copyBytes(from: encoded) }
            nodes[Int(at)].referenceCount = UInt8(encoded.count)
        } else {
            let hash = keccak256(encoded)
            nodes[Int(at)].reference = hash
            nodes[Int(at)].referenceCount = 32
            table.nodes[hash] = encoded
        }
    }

    private func append(reference at: UInt32, to out: inout Bytes) {
        if at == 0 { return out.append(0x80) }
        let node = nodes[Int(at)]
        if node.referenceCount == 32 { out.append(0xa0) }
        node.reference.withUnsafeBytes { out.append(contentsOf: $0[..<Int(node.referenceCount)]) }
    }

    /// Hex prefix: the flag's nibble holds "leaf" and "odd", then an odd path's first nibble.
    private func append(path node: Node, flag: UInt8, to out: inout Bytes) {
        let nibbles = path(node)
        var compact = Bytes(), rest = nibbles[...]
        compact.reserveCapacity(nibbles.count / 2 + 1)
        compact.append(nibbles.count % 2 == 0 ? flag : flag | 0x10 | rest.removeFirst())
        var i = rest.startIndex
        while i < rest.endIndex {
            compact.append(rest[i] << 4 | rest[i + 1])
            i += 2
        }
        appendString(compact[...], to: &out)
    }

    private func appendString(_ string: ArraySlice<UInt8>, to out: inout Bytes) {
        if string.count != 1 || string.first! >= 0x80 { appendHeader(0x80, string.count, to: &out) }
        out += string
    }

    private func appendHeader(_ offset: UInt8, _ count: Int, to out: inout Bytes) {
        if count < 56 { return out.append(offset + UInt8(count)) }
        let width = (71 - UInt64(count).leadingZeroBitCount) / 8
        out.append(offset + 55 + UInt8(width))
        for i in (0..<width).reversed() { out.append(UInt8(truncatingIfNeeded: count >> (8 * i))) }
    }
}

// MARK: decoding

extension Trie {
    /// One RLP item inside a buffer: where it starts, where its payload starts, where it ends.
    private struct Span {
        var isList: Bool, start: Int, payload: Int, end: Int
        var count: Int { end - payload }
    }
    private struct Malformed: Error {}

    mutating func resolve(_ at: UInt32, _ reader: borrowing some NodeReader) throws(TrieError) {
        guard nodes[Int(at)].kind == .hashed else { return }
        let hash = nodes[Int(at)].reference
        guard let bytes = try reader.node(hash) else { throw .missingNode(hash) }
        do throws(Malformed) {
            let span = try Trie.span(bytes, 0, bytes.count)
            guard span.end == bytes.count else { throw Malformed() }
            try decode(bytes, span, into: at)
        } catch { throw .malformedNode(hash) }
    }

    private mutating func decode(_ bytes: Bytes, _ list: Span, into at: UInt32) throws(Malformed) {
        guard list.isList else { throw Malformed() }
        let first = try Trie.span(bytes, list.payload, list.end), second = try Trie.span(bytes, first.end, list.end)
        if second.end == list.end { return try decodePair(bytes, first, second, into: at) }
        let slots = children.count
        children.append(contentsOf: repeatElement(0, count: 16))
        var next = list.payload
        for nibble in 0..<16 {
            let span = try Trie.span(bytes, next, list.end)
            children[slots + nibble] = try child(bytes, span)
            next = span.end
        }
        let value = try Trie.span(bytes, next, list.end)
        guard !value.isList, value.end == list.end else { throw Malformed() }
        nodes[Int(at)].kind = .branch
        nodes[Int(at)].child = UInt32(slots)
        nodes[Int(at)].value = keep(bytes, value)
    }

    private mutating func decodePair(_ bytes: Bytes, _ path: Span, _ second: Span, into at: UInt32) throws(Malformed) {
        guard !path.isList, path.count > 0, path.count <= maximumCompactPathBytes else { throw Malformed() }
        let flags = bytes[path.payload] >> 4, start = UInt32(paths.count)
        guard flags <= 3 else { throw Malformed() }
        if flags & 1 == 1 { paths.append(bytes[path.payload] & 15) } else if bytes[path.payload] & 15 != 0 { throw Malformed() }
        for byte in bytes[(path.payload + 1)..<path.end] {
            paths.append(byte >> 4)
            paths.append(byte & 15)
        }
        nodes[Int(at)].path = Slice(start: start, count: UInt32(paths.count) - start)
        if flags & 2 != 0 {
            guard !second.isList, second.count > 0 else { throw Malformed() }
            nodes[Int(at)].kind = .leaf
            nodes[Int(at)].value = keep(bytes, second)
        } else {
            let child = try child(bytes, second)
            guard child != 0, nodes[Int(at)].path.count > 0 else { throw Malformed() }
            nodes[Int(at)].kind = .extension_
            nodes[Int(at)].child = child
        }
    }

    private mutating func keep(_ bytes: Bytes, _ span: Span) -> Slice {
        defer { values += bytes[span.payload..<span.end] }
        return Slice(start: UInt32(values.count), count: UInt32(span.count))
    }

    /// A child: nothing, a hash, or a node of fewer than 32 bytes (so this recursion is at most 31 deep).
    private mutating func child(_ bytes: Bytes, _ span: Span) throws(Malformed) -> UInt32 {
        if !span.isList {
            if span.count == 0 { return 0 }
            guard span.count == 32 else { throw Malformed() }
            let hash = bytes.withUnsafeBytes { Hash32(at: $0.baseAddress! + span.payload) }
            nodes.append(Node(kind: .hashed, isClean: true, referenceCount: 32, reference: hash))
            return UInt32(nodes.count - 1)
        }
        let count = span.end - span.start
        guard count < 32 else { throw Malformed() }
        var node = Node(kind: .leaf, isClean: true, referenceCount: UInt8(count))
        withUnsafeMutableBytes(of: &node.reference) { $0.copyBytes(from: bytes[span.start..<span.end]) }
        nodes.append(node)
        let at = UInt32(nodes.count - 1)
        try decode(bytes, span, into: at)
        return at
    }

    private static func span(_ bytes: Bytes, _ at: Int, _ end: Int) throws(Malformed) -> Span {
        guard at < end else { throw Malformed() }
        let prefix = bytes[at]
        if prefix < 0x80 { return Span(isList: false, start: at, payload: at, end: at + 1) }
        let isList = prefix >= 0xc0
        var payload = at + 1, count = Int(prefix) - (isList ? 0xc0 : 0x80)
        if count > 55 {
            let width = count - 55
            guard width <= 4, width <= end - payload, bytes[payload] != 0 else { throw Malformed() }
            count = bytes[payload..<(payload + width)].reduce(0) { $0 << 8 | Int($1) }
            guard count > 55 else { throw Malformed() }
            payload += width
        }
        guard count <= end - payload else { throw Malformed() }
        if !isList, count == 1, bytes[payload] < 0x80 { throw Malformed() }
        return Span(isList: isList, start: at, payload: payload, end: payload + count)
    }
}

/// Of a key of 32 bytes: 64 nibbles and the flag; list tries have shorter ones. Longer keys are ours and in memory only.
private let maximumCompactPathBytes = 1024
