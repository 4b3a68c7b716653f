import Foundation
import Primitives
import Storage
import Testing

private let column = Column(1), neighbour = Column(2)

/// A directory that goes when the test ends.
final class TemporaryDirectory {
    let path: String
    init() { path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-storage-\(UUID().uuidString)").path }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum Backend: CaseIterable { case memory, rocksDB }

/// The laws that every store keeps.
private func withStore(_ backend: Backend, _ body: (any KeyValueStore) throws -> Void) throws {
    switch backend {
    case .memory: try body(MemoryStore())
    case .rocksDB:
        let directory = TemporaryDirectory()
        try body(RocksDBStore(path: directory.path))
    }
}

private func contents(
    _ reader: any KeyValueReader, _ column: Column, from lower: Bytes = [], to upper: Bytes? = nil, descending: Bool = false,
    limit: Int = .max
) throws -> [Bytes] {
    var keys: [Bytes] = []
    try reader.scan(column, from: lower, to: upper, descending: descending) { key, _ in
        keys.append(key)
        return keys.count < limit
    }
    return keys
}

@Test(arguments: Backend.allCases) func laterEntriesOfABatchWinAndColumnsDoNotMix(_ backend: Backend) throws {
    try withStore(backend) { store in
        var batch = WriteBatch()
        batch.put(column, [1], [10])
        batch.put(column, [1], [11])
        batch.put(column, [2], [])
        batch.put(neighbour, [1], [99])
        batch.put(column, [3], [1])
        batch.delete(column, [3])
        try store.write(batch, durable: true)
        #expect(try store.get(column, [1]) == [11])
        #expect(try store.get(column, [2]) == [])
        #expect(try store.get(column, [3]) == nil)
        #expect(try store.get(neighbour, [1]) == [99])
        #expect(try contents(store, column) == [[1], [2]])
    }
}

@Test(arguments: Backend.allCases) func rangesAreOrderedBoundedAndStopOnRequest(_ backend: Backend) throws {
    try withStore(backend) { store in
        var batch = WriteBatch()
        for key in [[], [0], [0, 0], [1], [1, 255], [2], [255], [255, 255]] as [Bytes] { batch.put(column, key, key + [7]) }
        batch.put(neighbour, [], [1])
        try store.write(batch, durable: false)
        #expect(try contents(store, column) == [[], [0], [0, 0], [1], [1, 255], [2], [255], [255, 255]])
        #expect(try contents(store, column, from: [1], to: [2]) == [[1], [1, 255]])
        #expect(try contents(store, column, from: [1], to: [255], descending: true) == [[2], [1, 255], [1]])
        #expect(try contents(store, column, descending: true, limit: 2) == [[255, 255], [255]])
        #expect(try contents(store, column, from: [2], to: [1]) == [])
        var prefixed: [Bytes] = []
        try store.scan(column, prefix: [255]) { key, _ in
            prefixed.append(key); return true
        }
        #expect(prefixed == [[255], [255, 255]])
    }
}

@Test(arguments: Backend.allCases) func aSnapshotDoesNotMove(_ backend: Backend) throws {
    try withStore(backend) { store in
        var batch = WriteBatch()
        batch.put(column, [1], [1])
        try store.write(batch, durable: false)
        let before = store.snapshot()
        batch.put(column, [1], [2])
        batch.put(column, [5], [2])
        try store.write(batch, durable: false)
        #expect(try before.get(column, [1]) == [1])
        #expect(try contents(before, column) == [[1]])
        #expect(try contents(store, column) == [[1], [5]])
    }
}

@Test func aPowerCutLeavesAPrefixOfTheWrites() throws {
    for (survives, kept) in [(false, 0), (false, 1), (true, 0)] {
        let store = MemoryStore()
        func put(_ value: UInt8, durable: Bool) throws {
            var batch = WriteBatch()
            batch.put(column, [value], [value])
            try store.write(batch, durable: durable)
        }
        try put(1, durable: true)
        try put(2, durable: false)
        store.cutPower(at: .init(write: 1, survives: survives))
        try put(3, durable: false)
        #expect(throws: StorageError.powerLost) { try put(4, durable: true) }
        #expect(throws: StorageError.powerLost) { try store.get(column, [1]) }
        store.restart(keeping: kept)
        #expect(try contents(store, column) == (survives ? [[1], [2], [3], [4]] : kept == 1 ? [[1], [2]] : [[1]]))
    }
}

@Test func whatWasWrittenIsThereAfterReopening() throws {
    let directory = TemporaryDirectory()
    do {
        let store = try RocksDBStore(path: directory.path + "/deep/ledger")
        var batch = WriteBatch()
        for index in 0..<1000 {
            batch.put(column, [UInt8(index >> 8), UInt8(index & 255)], Bytes(repeating: UInt8(index & 255), count: 100))
        }
        try store.write(batch, durable: true)
    }
    let store = try RocksDBStore(path: directory.path + "/deep/ledger")
    #expect(try contents(store, column).count == 1000)
    try store.checkpoint(to: directory.path + "/copy")
    #expect(try contents(RocksDBStore(path: directory.path + "/copy"), column).count == 1000)
}

@Test func aSecondOwnerIsToldThatTheStoreIsLocked() throws {
    let directory = TemporaryDirectory()
    let first = try RocksDBStore(path: directory.path)
    #expect(throws: StorageError.locked(path: directory.path)) { try RocksDBStore(path: directory.path) }
    #expect(try first.get(column, [1]) == nil)
    #expect(StorageError.locked(path: "/x").description.contains("another process has /x open"))
}

@Test func damagedFilesAreNamedAndNothingIsDroppedSilently() throws {
    let directory = TemporaryDirectory()
    do {
        let store = try RocksDBStore(path: directory.path)
        for index in 0..<50 {
            var batch = WriteBatch()
            batch.put(column, [UInt8(index)], Bytes(repeating: 7, count: 1000))
            try store.write(batch, durable: true)
        }
    }
    // A flipped byte in the middle of the log, far from its end.
    let log = try #require(FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".log") }.sorted().last)
    let url = URL(fileURLWithPath: directory.path + "/" + log)
    var bytes = try Data(contentsOf: url)
    #expect(bytes.count > 50_000)
    bytes[20_000] ^= 1
    try bytes.write(to: url)
    do {
        _ = try RocksDBStore(path: directory.path)
        Issue.record("a damaged log was accepted")
    } catch {
        guard case .corrupt(let path, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(path == directory.path)
    }
}

@Test func aTornLastRecordIsNoDamage() throws {
    let directory = TemporaryDirectory()
    do {
        let store = try RocksDBStore(path: directory.path)
        for index in 0..<3 {
            var batch = WriteBatch()
            batch.put(column, [UInt8(index)], Bytes(repeating: 7, count: 1000))
            try store.write(batch, durable: true)
        }
    }
    let log = try #require(FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".log") }.sorted().last)
    let url = URL(fileURLWithPath: directory.path + "/" + log)
    try Data(contentsOf: url).dropLast(500).write(to: url)
    #expect(try contents(RocksDBStore(path: directory.path), column) == [[0], [1]])
}

@Test func aDirectoryThatCannotBeWrittenIsNamed() throws {
    #expect(throws: StorageError.readOnly(path: "/proc/entente").self) {
        do { _ = try RocksDBStore(path: "/proc/entente") } catch StorageError.inputOutput(let path, _) {
            throw StorageError.readOnly(path: path)
        }
    }
    let directory = TemporaryDirectory()
    try Data([1]).write(to: URL(fileURLWithPath: directory.path))
    #expect(throws: StorageError.self) { try RocksDBStore(path: directory.path + "/ledger") }
}

/// A disk of 2 MB fills up; the error says so, the store takes nothing more, and what was acknowledged is there afterwards.
@Test func aFullDiskIsNamedAndAcknowledgedWritesStay() throws {
    let directory = TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    func run(_ arguments: String...) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }
    guard run("mount", "-t", "tmpfs", "-o", "size=2m", "none", directory.path) == 0 else {
        print("SKIPPED: mounting a small tmpfs needs root: a full disk is not tested")
        return
    }
    defer { _ = run("umount", directory.path) }
    var acknowledged = 0
    do {
        let store = try RocksDBStore(path: directory.path + "/ledger")
        var failure: StorageError?
        for index in 0..<200 where failure == nil {
            var batch = WriteBatch()
            batch.put(column, [UInt8(index)], (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) })
            do throws(StorageError) {
                try store.write(batch, durable: true)
                acknowledged = index + 1
            } catch { failure = error }
        }
        #expect(failure == .diskFull(path: directory.path + "/ledger"))
        #expect(throws: StorageError.diskFull(path: directory.path + "/ledger")) { try store.write(WriteBatch(), durable: true) }
    }
    #expect(acknowledged > 5)
    #expect(run("mount", "-o", "remount,size=16m", directory.path) == 0)
    #expect(try contents(RocksDBStore(path: directory.path + "/ledger"), column).count >= acknowledged)
}
