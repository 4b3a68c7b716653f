import Primitives
import Testing

private func hex(_ text: String) -> Bytes { Hex.parse(text.filter { !$0.isWhitespace })! }

@Test func theExampleOfTheSpecificationEncodes() throws {
    // Solidity documentation, "Use of Dynamic Types": f(uint256,uint32[],bytes10,bytes) and g(uint256[][],string[]).
    let f: [ABI.Value] = [0x123, .array([0x456, 0x789]), .fixedBytes(Array("1234567890".utf8)), "Hello, world!"]
    let data = hex(
        """
        0000000000000000000000000000000000000000000000000000000000000123
        0000000000000000000000000000000000000000000000000000000000000080
        3132333435363738393000000000000000000000000000000000000000000000
        00000000000000000000000000000000000000000000000000000000000000e0
        0000000000000000000000000000000000000000000000000000000000000002
        0000000000000000000000000000000000000000000000000000000000000456
        0000000000000000000000000000000000000000000000000000000000000789
        000000000000000000000000000000000000000000000000000000000000000d
        48656c6c6f2c20776f726c642100000000000000000000000000000000000000
        """)
    #expect(ABI.encode(f) == data)
    #expect(try ABI.decode(ABI.TypeName.list("uint256,uint32[],bytes10,bytes"), data) == f)
    let g: [ABI.Value] = [.array([.array([1, 2]), .array([3])]), .array(["one", "two", "three"])]
    #expect(try ABI.decode(ABI.TypeName.list("uint256[][],string[]"), ABI.encode(g)) == g)
}

@Test func tuplesOfStaticFieldsLieInPlace() throws {
    let values: [ABI.Value] = [.tuple([1, .bool(true)]), .array([.tuple([2, .bytes([9])])])]
    let types = try ABI.TypeName.list("(uint8,bool),(uint64,bytes)[]")
    #expect(try ABI.decode(types, ABI.encode(values)) == values)
    #expect(ABI.encode([values[0]]).count == 64)
}

@Test(arguments: ["uint7", "uint264", "bytes33", "bytes0", "(uint8", "uint8[", "uint8[0]", "", "foo", "uint8,"])
func malformedTypesAreRefused(_ text: String) {
    #expect(throws: ABIError.self) { try ABI.TypeName(text) }
}

@Test func hostileDataIsRefusedInBoundedTime() throws {
    let types = try ABI.TypeName.list("uint8,bool,address,bytes,uint256[][],string")
    let good = ABI.encode([1, true, .address(.zero), .bytes([1, 2, 3]), .array([.array([1])]), "é"])
    #expect(throws: Never.self) { try ABI.decode(types, good) }
    var state: UInt64 = 5
    for _ in 0..<20_000 {
        state = state &* 6364136223846793005 &+ 1442695040888963407
        var bad = good
        bad[Int(state >> 33) % bad.count] = UInt8(truncatingIfNeeded: state >> 20)
        if state >> 60 == 0 { bad.removeLast(Int(state >> 40) % bad.count) }
        _ = try? ABI.decode(types, bad)  // may decode to something else; must neither trap nor run away
    }
    let empties = ABI.encode([32, 1 << 31].map { .word(U256(UInt64($0))) }) + Bytes(repeating: 0, count: 64)
    #expect(throws: ABIError.self) { try ABI.decode([.array(.array(.uint(bits: 8)))], empties) }
}
