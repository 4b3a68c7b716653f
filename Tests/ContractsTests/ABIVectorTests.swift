import Contracts
import Foundation
import Primitives
import Testing

/// `ENTENTE_VECTORS`, else `../shared/vectors` beside the checkout; nil where neither exists.
private func vectors() -> URL? {
    if let path = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"] { return URL(fileURLWithPath: path) }
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
        folder.deleteLastPathComponent()
        let candidate = folder.appendingPathComponent("shared/vectors")
        if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
    }
    return nil
}

private func value(_ json: JSON, _ type: ABI.TypeName) -> ABI.Value {
    switch type {
    case .array(let element): .array(json.asArray!.map { value($0, element) })
    case .address: .address(json.asAddress!)
    case .fixedBytes: .fixedBytes(Bytes(json.asString!.utf8))
    case .bytes, .string: .string(json.asString!)
    default: .uint(UInt64(json.asInt!))
    }
}

@Test func theVectorsOfEthereumAreEncodedAndDecoded() throws {
    guard let folder = vectors() else {
        return print("SKIPPED: ABITests of ethereum-tests-small.tar.xz; no vectors beside the checkout and ENTENTE_VECTORS unset")
    }
    let tar = Process(), pipe = Pipe()
    tar.executableURL = URL(fileURLWithPath: "/bin/tar")
    tar.arguments = ["xJOf", folder.appendingPathComponent("ethereum-tests-small.tar.xz").path, "ABITests/basic_abi_tests.json"]
    tar.standardOutput = pipe
    try tar.run()
    let json = try JSON(parsing: Bytes(pipe.fileHandleForReading.readDataToEndOfFile()))
    tar.waitUntilExit()
    #expect(json.asObject!.count == 3)
    for (name, vector) in json.asObject! {
        let types = try ABI.TypeName.list(vector["types"]!.asArray!.map { $0.asString! }.joined(separator: ","))
        let values = zip(vector["args"]!.asArray!, types).map { value($0, $1) }, bytes = Hex.parse(vector["result"]!.asString!)!
        #expect(ABI.encode(values) == bytes, "\(name)")
        #expect(try ABI.decode(types, bytes) == values, "\(name)")
    }
}

/// What eth-abi makes of nested values (Tests/Vectors/abi.py): both ways, and every truncation refused.
@Test func nestedValuesAreThoseOfAnIndependentCodec() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let cases = try JSON(parsing: Bytes(Data(contentsOf: folder.appendingPathComponent("Vectors/abi.json")))).asArray!
    #expect(cases.count == 40)
    for vector in cases {
        let types = try ABI.TypeName.list(vector["types"]!.asString!), bytes = vector["data"]!.asBytes!
        let values = try ABI.decode(types, bytes)
        #expect(ABI.encode(values) == bytes, "\(vector["types"]!)")
        #expect(values.map(text).joined(separator: ",") == vector["text"]!.asString!)
        for count in 0..<bytes.count where count % 7 == 0 {
            #expect(throws: ABIError.self) { try ABI.decode(types, Bytes(bytes[..<count])) }
        }
    }
}

private func text(_ value: ABI.Value) -> String {
    switch value {
    case .word(let word): word.quantity
    case .bytes(let bytes): Hex.print(bytes)
    case .tuple(let elements): "(\(elements.map(text).joined(separator: ",")))"
    case .array(let elements): "[\(elements.map(text).joined(separator: ","))]"
    }
}

@Test func bytesAreFollowedByZerosToTheNextWord() throws {
    let good = ABI.encode([.bytes([1, 2, 3])])
    #expect(try ABI.decode([.bytes], good) == [.bytes([1, 2, 3])])
    var dirty = good
    dirty[dirty.count - 1] = 1
    #expect(throws: ABIError.notCanonical(at: 67)) { try ABI.decode([.bytes], dirty) }
    #expect(throws: ABIError.outOfBounds(at: 32)) { try ABI.decode([.bytes], Bytes(good.dropLast())) }
}

@Test func selectorsAreTheCompilersOwn() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    for contract in Contract.all {
        let artifact = try JSON(
            parsing: Bytes(Data(contentsOf: folder.appendingPathComponent("contracts/artifacts/\(contract.name).json"))))
        let selectors = Set(artifact["selectors"]!.asObject!.values.map { U256(hex: $0.asString!)! })
        #expect(Set(contract.abi.functions.values.flatMap { $0 }.map { U256(bigEndian: $0.selector) }) == selectors, "\(contract.name)")
    }
}
