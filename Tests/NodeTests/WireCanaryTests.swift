import Foundation
import Node
import Primitives
import Testing

private let row: Substring = "66b11cce5967de8f,48.0,1.0,21.6,87.0"

private func search(_ bytes: Bytes) throws -> [String] {
    var canary = WireCanary()
    canary.add(row: row)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-canary-\(UUID().uuidString)").path
    try Foundation.Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try canary.search([path]).hits
}
/// Bytes in which nothing of a row lies.
private let noise: Bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }
private func within(_ leak: Bytes) -> Bytes { noise[..<20_000] + leak + noise[20_000...] }
private func bytes(_ value: UInt64) -> Bytes { withUnsafeBytes(of: value.littleEndian) { Bytes($0) } }

@Test func aCleanWireTurnsNothingRed() throws { #expect(try search(noise).isEmpty) }

@Test func oneLeakedRowTurnsItRedInWhateverForm() throws {
    let id = Hex.parse("66b11cce5967de8f")!
    let leaks: [Bytes] = [
        Bytes(row.utf8), Bytes("66b11cce5967de8f".utf8), id, id.reversed(), bytes((21.6).bitPattern), bytes((21.6).bitPattern).reversed(),
        [4800, 100, 2160, 8700].flatMap { bytes($0) }, [4800, 100, 2160, 8700].flatMap { bytes($0).reversed() },
    ]
    for leak in leaks { #expect(!(try search(within(leak))).isEmpty, "\(Hex.print(leak))") }
}

@Test func amountsOfMoneyAreReadAndPrintedExactly() throws {
    for (text, cents) in [("0", 0), ("12.5", 1250), ("12.05", 1205), ("1000.00", 100_000)] as [(String, UInt64)] {
        #expect(try Desk.amount(text) == U256(cents))
        #expect(try Desk.amount(Desk.money(U256(cents))) == U256(cents))
    }
    for text in ["", "1.234", "1,5", "-1", "1.2.3", "x"] { #expect(throws: DeskError.self) { try Desk.amount(text) } }
}

@Test func aDataDirectoryKeepsItsKeysAndRefusesToBeMadeTwice() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("entente-data-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let made = try DataDirectory.create(path, Configuration(name: "north"), withNodeKey: true)
    #expect(try DataDirectory(path).key("account").address == made.key("account").address)
    #expect(try DataDirectory(path).key("node").address != made.key("account").address)
    #expect(throws: DirectoryError.self) { try DataDirectory.create(path, Configuration(name: "north"), withNodeKey: true) }
    try made.write("keystore/passphrase", Bytes("wrong".utf8))
    #expect(throws: DirectoryError.self) { try DataDirectory(path).key("account") }
    #expect(throws: DirectoryError.self) { try DataDirectory(path + "-absent").configuration() }
}
