import Primitives

/// From a (tag, word) to its dense index 0, 1, 2 … in order of insertion: accounts by address, slots by account and key. Open
/// addressing, nothing is ever removed: a rollback resets what the index stands for, not the index.
///
/// The hash folds a full product with a seed that differs in every process, so that nobody can choose keys that collide.
struct WordTable {
    private(set) var count = 0
    private var keys: UnsafeMutablePointer<U256>
    private var tags: UnsafeMutablePointer<UInt32>
    private var buckets: UnsafeMutablePointer<UInt32>  // index + 1; 0: free
    private var capacity: Int  // of buckets, a power of two; keys fill at most half

    private static let initialCapacity = 64
    private static let seed = UInt64(bitPattern: Int64(Hasher().finalize())) | 1

    init() {
        capacity = Self.initialCapacity
        keys = .allocate(capacity: capacity / 2)
        tags = .allocate(capacity: capacity / 2)
        buckets = .allocate(capacity: capacity)
        buckets.initialize(repeating: 0, count: capacity)
    }

    func deallocate() {
        keys.deallocate()
        tags.deallocate()
        buckets.deallocate()
    }

    /// Empty again; a table that grew far gives its memory back.
    mutating func removeAll() {
        if capacity > 4096 {
            deallocate()
            self = WordTable()
        } else if count > 0 {
            buckets.update(repeating: 0, count: capacity)
            count = 0
        }
    }

    @inline(__always) func key(at index: Int) -> U256 { keys[index] }
    @inline(__always) func tag(at index: Int) -> Int { Int(tags[index]) }

    /// Index of the key, and whether this call made it.
    @inline(__always) mutating func insert(_ key: U256, tag: Int = 0) -> (index: Int, isNew: Bool) {
        var at = Int(truncatingIfNeeded: Self.hash(key, tag)) & (capacity &- 1)
        while true {
            let bucket = buckets[at]
            if bucket == 0 { return (append(key, tag, at), true) }
            let index = Int(bucket) &- 1
            if keys[index] == key, tags[index] == UInt32(truncatingIfNeeded: tag) { return (index, false) }
            at = (at &+ 1) & (capacity &- 1)
        }
    }

    @inline(never) private mutating func append(_ key: U256, _ tag: Int, _ bucket: Int) -> Int {
        keys[count] = key
        tags[count] = UInt32(tag)
        count += 1
        buckets[bucket] = UInt32(count)
        if 2 * count == capacity { grow() }
        return count - 1
    }

    private mutating func grow() {
        let moreKeys = UnsafeMutablePointer<U256>.allocate(capacity: capacity)
        moreKeys.initialize(from: keys, count: count)
        let moreTags = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
        moreTags.initialize(from: tags, count: count)
        deallocate()
        (keys, tags) = (moreKeys, moreTags)
        capacity *= 2
        buckets = .allocate(capacity: capacity)
        buckets.initialize(repeating: 0, count: capacity)
        for index in 0..<count {
            var at = Int(truncatingIfNeeded: Self.hash(keys[index], Int(tags[index]))) & (capacity - 1)
            while buckets[at] != 0 { at = (at + 1) & (capacity - 1) }
            buckets[at] = UInt32(index + 1)
        }
    }

    @inline(__always) private static func hash(_ key: U256, _ tag: Int) -> UInt64 {
        let s = seed
        let a = fold(key.l0 ^ s, key.l1 ^ 0x9e3779b97f4a7c15)
        let b = fold(key.l2 ^ s.byteSwapped, key.l3 ^ 0xd6e8feb86659fd93)
        return fold(a ^ UInt64(truncatingIfNeeded: tag), b ^ s)
    }
    @inline(__always) private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let p = UInt128(a) &* UInt128(b)
        return UInt64(truncatingIfNeeded: p) ^ UInt64(truncatingIfNeeded: p >> 64)
    }
}
