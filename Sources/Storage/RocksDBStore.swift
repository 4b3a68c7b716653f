import CRocksDB
import Primitives
#if canImport(Glibc)
import Glibc
#endif
import Synchronization

/// A store in a directory, over RocksDB 7: log-structured, so random hash keys cost 1.7 to 10 times their bytes on disk
/// (LMDB: 30), at 150,000 durable inserts a second in batches of 2,000 (shared/SWIFT.md §4).
///
/// The write-ahead log is read back with "tolerate a torn last record": a record damaged anywhere else makes opening fail.
/// RocksDB's default would silently drop all that follows, and with it, perhaps, the record of what a validator has signed.
///
/// Sendable: RocksDB's handles are safe for any number of threads; `options` are only read after `init`; the C objects are
/// freed in `deinit`, which no use can outlive.
package final class RocksDBStore: KeyValueStore, @unchecked Sendable {
    package let path: String
    fileprivate let database: OpaquePointer
    private let reading: OpaquePointer, buffered: OpaquePointer, synced: OpaquePointer
    /// What the first write that failed was told. Held during each write: RocksDB orders them anyway, and none may follow a failed one
    /// (Debian's build aborts the process in an assertion there).
    private let failure = Mutex<StorageError?>(nil)

    package struct Limits: Sendable {
        /// Bytes of unsorted recent writes and of cached blocks, in memory.
        package var writeBufferBytes = 16 << 20
        package var cacheBytes = 64 << 20
        package var openFiles: Int32 = 256
        package init() {}
    }

    /// Opens the store, creating directory and files where there are none.
    package init(path: String, limits: Limits = Limits()) throws(StorageError) {
        self.path = path
        try RocksDBStore.makeDirectory(path)
        let options = rocksdb_options_create()!, table = rocksdb_block_based_options_create()!,
            cache = rocksdb_cache_create_lru(limits.cacheBytes)!
        defer {
            rocksdb_options_destroy(options)
            rocksdb_block_based_options_destroy(table)
            rocksdb_cache_destroy(cache)
        }
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_options_set_block_based_table_factory(options, table)
        rocksdb_options_set_create_if_missing(options, 1)
        rocksdb_options_set_paranoid_checks(options, 1)
        rocksdb_options_set_wal_recovery_mode(options, 0)
        rocksdb_options_set_compression(options, Int32(rocksdb_lz4_compression))
        rocksdb_options_set_write_buffer_size(options, limits.writeBufferBytes)
        rocksdb_options_set_max_background_jobs(options, 2)
        rocksdb_options_set_max_open_files(options, limits.openFiles)
        // A diary of the opening only (5, "header"): on a full disk its second failed line aborts the process, in an assertion of Debian's build,
        // before we are told that the disk is full.
        rocksdb_options_set_info_log_level(options, 5)
        rocksdb_options_set_keep_log_file_num(options, 2)
        var error: UnsafeMutablePointer<CChar>?
        guard let opened = rocksdb_open(options, path, &error) else { throw RocksDBStore.error(take(error), path) }
        database = opened
        reading = rocksdb_readoptions_create()
        buffered = rocksdb_writeoptions_create()
        synced = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(synced, 1)
    }

    deinit {
        rocksdb_readoptions_destroy(reading)
        rocksdb_writeoptions_destroy(buffered)
        rocksdb_writeoptions_destroy(synced)
        rocksdb_close(database)
    }

    package func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes? { try get(column.key(key), reading) }

    package func scan(
        _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
        _ visit: (Bytes, Bytes) -> Bool
    ) throws(StorageError) {
        try scan(column, lower, upper, descending, snapshot: nil, visit)
    }

    package func write(_ batch: WriteBatch, durable: Bool) throws(StorageError) {
        let writing = rocksdb_writebatch_create()!
        defer { rocksdb_writebatch_destroy(writing) }
        for operation in batch.operations {
            switch operation {
            case .put(let key, let value):
                withChars(key) {
                    k in withChars(value) { v in rocksdb_writebatch_put(writing, k, key.count, v, value.count) }
                }
            case .delete(let key): withChars(key) { rocksdb_writebatch_delete(writing, $0, key.count) }
            }
        }
        let problem = failure.withLock { failure -> StorageError? in
            guard failure == nil else { return failure }
            var error: UnsafeMutablePointer<CChar>?
            rocksdb_write(database, durable ? synced : buffered, writing, &error)
            if let error { failure = RocksDBStore.error(take(error), path) }
            return failure
        }
        if let problem { throw problem }
    }

    package func snapshot() -> any KeyValueReader { Snapshot(self) }

    /// A copy of the store at this moment in a new directory on the same file system (hard links: quick, while running).
    package func checkpoint(to directory: String) throws(StorageError) {
        var error: UnsafeMutablePointer<CChar>?
        let checkpoint = rocksdb_checkpoint_object_create(database, &error)
        guard let checkpoint else { throw RocksDBStore.error(take(error), path) }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        rocksdb_checkpoint_create(checkpoint, directory, 0, &error)
        guard error == nil else { throw RocksDBStore.error(take(error), directory) }
    }

    private final class Snapshot: KeyValueReader, @unchecked Sendable {  // as the store: handles are thread-safe, freed last
        let store: RocksDBStore, snapshot: OpaquePointer, reading: OpaquePointer
        init(_ store: RocksDBStore) {
            self.store = store
            snapshot = rocksdb_create_snapshot(store.database)
            reading = rocksdb_readoptions_create()
            rocksdb_readoptions_set_snapshot(reading, snapshot)
        }
        deinit {
            rocksdb_readoptions_destroy(reading)
            rocksdb_release_snapshot(store.database, snapshot)
        }
        func get(_ column: Column, _ key: Bytes) throws(StorageError) -> Bytes? { try store.get(column.key(key), reading) }
        func scan(
            _ column: Column, from lower: Bytes, to upper: Bytes?, descending: Bool,
            _ visit: (Bytes, Bytes) -> Bool
        ) throws(StorageError) {
            try store.scan(column, lower, upper, descending, snapshot: snapshot, visit)
        }
    }

    fileprivate func get(_ key: Bytes, _ options: OpaquePointer) throws(StorageError) -> Bytes? {
        var error: UnsafeMutablePointer<CChar>?
        let slice = withChars(key) { rocksdb_get_pinned(database, options, $0, key.count, &error) }
        guard error == nil else { throw RocksDBStore.error(take(error), path) }
        guard let slice else { return nil }
        defer { rocksdb_pinnableslice_destroy(slice) }
        var count = 0
        guard let value = rocksdb_pinnableslice_value(slice, &count) else { return [] }
        return Bytes(UnsafeRawBufferPointer(start: value, count: count))
    }

    fileprivate func scan(
        _ column: Column, _ lower: Bytes, _ upper: Bytes?, _ descending: Bool, snapshot: OpaquePointer?,
        _ visit: (Bytes, Bytes) -> Bool
    ) throws(StorageError) {
        let low = column.key(lower), high = upper.map { column.key($0) } ?? [column.prefix + 1]
        if !low.lexicographicallyPrecedes(high) { return }
        let problem = withChars(low) { lowChars in
            withChars(high) { highChars in
                let options = rocksdb_readoptions_create()!
                if let snapshot { rocksdb_readoptions_set_snapshot(options, snapshot) }
                rocksdb_readoptions_set_iterate_lower_bound(options, lowChars, low.count)
                rocksdb_readoptions_set_iterate_upper_bound(options, highChars, high.count)
                let cursor = rocksdb_create_iterator(database, options)!
                defer {
                    rocksdb_iter_destroy(cursor)
                    rocksdb_readoptions_destroy(options)
                }
                descending ? rocksdb_iter_seek_to_last(cursor) : rocksdb_iter_seek_to_first(cursor)
                while rocksdb_iter_valid(cursor) != 0 {
                    var keyCount = 0, valueCount = 0
                    let key = rocksdb_iter_key(cursor, &keyCount), value = rocksdb_iter_value(cursor, &valueCount)
                    guard
                        visit(
                            Bytes(UnsafeRawBufferPointer(start: key, count: keyCount)[1...]),
                            Bytes(UnsafeRawBufferPointer(start: value, count: valueCount)))
                    else {
                        break
                    }
                    descending ? rocksdb_iter_prev(cursor) : rocksdb_iter_next(cursor)
                }
                var error: UnsafeMutablePointer<CChar>?
                rocksdb_iter_get_error(cursor, &error)
                return error.map { take($0) }
            }
        }
        if let problem { throw RocksDBStore.error(problem, path) }
    }

    private static func makeDirectory(_ path: String) throws(StorageError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            switch errno {
            case EACCES, EROFS, EPERM: throw .readOnly(path: path)
            case ENOSPC, EDQUOT: throw .diskFull(path: path)
            default: throw .inputOutput(path: path, detail: String(cString: strerror(errno)))
            }
        }
    }

    /// RocksDB names its errors only in text: the kind, then the operating system's words.
    static func error(_ text: String, _ path: String) -> StorageError {
        if text.contains("No space left") || text.contains("quota exceeded") { return .diskFull(path: path) }
        if text.contains("While lock file") || text.contains("lock hold by current process") {
            return text.contains("Permission denied") ? .readOnly(path: path) : .locked(path: path)
        }
        if text.contains("Read-only file system") || text.contains("Permission denied") { return .readOnly(path: path) }
        if text.hasPrefix("Corruption") || text.contains("CURRENT") || text.contains("MANIFEST") {
            return .corrupt(path: path, detail: text)
        }
        return .inputOutput(path: path, detail: text)
    }
}

private func take(_ error: UnsafeMutablePointer<CChar>?) -> String {
    guard let error else { return "no reason given" }
    defer { rocksdb_free(error) }
    return String(cString: error).split(separator: "\n").joined(separator: " ")
}

private func withChars<R>(_ bytes: Bytes, _ body: (UnsafePointer<CChar>?) -> R) -> R {
    bytes.withUnsafeBytes { body($0.bindMemory(to: CChar.self).baseAddress) }
}
