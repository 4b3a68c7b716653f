import Ciphers
import Evidence
import Foundation
import Primitives
import Testing

/// Seeded, so that a failure repeats.
struct Generator {
    var state: UInt64
    mutating func next() -> UInt64 {  // splitmix64
        state &+= 0x9e3779b97f4a7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58476d1ce4e5b9
        z = (z ^ z >> 27) &* 0x94d049bb133111eb
        return z ^ z >> 31
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// One value somewhere in the tree, changed in kind, size, number or place.
private struct Mutation {
    var random: Generator
    let donors: [JSON]

    init(seed: UInt64, _ genuine: JSON) {
        random = Generator(state: seed)
        func all(_ json: JSON) -> [JSON] {
            switch json {
            case .array(let elements): [json] + elements.flatMap(all)
            case .object(let members): [json] + members.sorted { $0.key < $1.key }.flatMap { all($0.value) }
            default: [json]
            }
        }
        donors = all(genuine)
    }

    /// - Parameter depth: how far the way leads into the tree, at most.
    mutating func apply(_ json: JSON, depth: Int) -> JSON {
        switch json {
        case .array(var elements) where depth > 0 && !elements.isEmpty && random.below(8) > 0:
            let i = random.below(elements.count)
            elements[i] = apply(elements[i], depth: depth - 1)
            return .array(elements)
        case .object(var members) where depth > 0 && !members.isEmpty && random.below(8) > 0:
            let key = members.keys.sorted()[random.below(members.count)]
            members[key] = apply(members[key]!, depth: depth - 1)
            return .object(members)
        default: return change(json)
        }
    }

    private mutating func change(_ json: JSON) -> JSON {
        switch (random.below(12), json) {
        case (0, .array(let elements)): .array(elements.reversed())
        case (1, .array(let elements)): .array(elements + elements)
        case (2, .array(let elements)): .array(elements.dropLast())
        case (3, .object(var members)):
            {
                members[members.keys.sorted()[0]] = nil; return .object(members)
            }()
        case (4, .object(let members)): .object(members.merging(["surplus": 1]) { $1 })
        case (5, .string(let text)): .string(text + text)
        case (6, .string(let text)): .string(String(text.dropLast(2)))
        case (7, _): .string("0x" + String(repeating: "f", count: 1 << random.below(14)))
        case (8, _): (0..<random.below(20)).reduce(JSON.null) { nested, _ in [nested] }
        case (9, _): [.null, true, .integer(.min), .number(1e300), "", [], .object([:])][random.below(7)]
        case (10, .string(let text)):
            {
                var bytes = Bytes(text.utf8);
                if !bytes.isEmpty { bytes[random.below(bytes.count)] = Bytes("0123456789abcdef".utf8)[random.below(16)] };
                return .string(String(decoding: bytes, as: UTF8.self))
            }()
        default: donors[random.below(donors.count)]
        }
    }
}

@Test(arguments: [false, true]) func noChangedStructureCrashesOrProvesSomethingElse(_ isSettlement: Bool) throws {
    let (world, file) = isSettlement ? try World.settlement() : try World.record(), json = file.json
    let genuine = Evidence.verify(file.encoded, expectedGenesis: world.genesisHash).claim
    var mutation = Mutation(seed: isSettlement ? 23 : 19, json), foreign = ForeignVerifier(), rows: Set<String> = []
    for i in 0..<3_000 {
        let changed = mutation.apply(json, depth: 12), found = Evidence.verify(changed.canonical, expectedGenesis: world.genesisHash)
        #expect((found.claim == nil) == (found.failure != nil) && !found.steps.isEmpty)
        rows.insert(found.steps.last?.row ?? "")
        // The claim of a file that still holds is the same, or says less: an endorsement left out is no lie.
        if case .settlement = genuine?.subject, let claim = found.claim { #expect(claim == genuine, "mutation \(i)") }
        if i % 15 == 0 { foreign.note(changed.canonical, world.genesisHash, found, "mutation \(i): \(changed.text.count) bytes") }
    }
    #expect(rows.count >= 5, "mutations reach only \(rows)")
    try foreign.compare()
}

@Test func textsOutsideTheOneFormAreRefused() throws {
    let (world, file) = try World.record(), text = String(decoding: file.encoded, as: UTF8.self)
    var foreign = ForeignVerifier()
    func refuse(_ bytes: Bytes, _ label: String, askForeign: Bool = true) {
        let found = Evidence.verify(bytes, expectedGenesis: world.genesisHash)
        #expect(found.steps.count == 1 && found.claim == nil, "\(label)")
        guard case .malformed = found.failure else { Issue.record("\(label): \(String(describing: found.failure))"); return }
        if askForeign { foreign.note(bytes, world.genesisHash, found, label) }
    }
    func config(_ value: String) -> Bytes {
        Bytes(text.replacing("\"chainId\":1337000001", with: "\"aa\":\(value),\"chainId\":1337000001").utf8)
    }
    for value in [
        "1e400", "1e+300", "0.1", "-1.5e-10", "1e+21", "-0", "1.0", "1e2", "01", "+1", ".5", "1.", "NaN", "Infinity", "9007199254740993",
        "-9223372036854775809", "1\(String(repeating: "0", count: 5000))",
        "\"\\u0061\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\/\"", "\"\\u001F\"", "\"\t\"", "'a'", "tru", "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"a\":1}", "[1,]", "[1 ,2]", "//",
    ] {
        refuse(config(value), value)
    }
    refuse(config("\"") + [0xff, 0xfe], "not UTF-8")
    refuse([0xef, 0xbb, 0xbf] + Bytes(text.utf8), "byte order mark")
    refuse([0] + Bytes(text.utf8), "NUL")
    refuse(Bytes(text.replacing("{\"anchors\":[],", with: "{\"anchors\":[],\"anchors\":[],").utf8), "a key twice")
    refuse(Bytes(repeating: UInt8(ascii: "["), count: 1 << 20), "a million brackets", askForeign: false)
    refuse(Bytes(repeating: UInt8(ascii: "["), count: EvidenceFile.maximumBytes + 1), "too large", askForeign: false)
    refuse(
        Bytes("{\"a\":".utf8) + Bytes(repeating: UInt8(ascii: "9"), count: 1 << 20) + Bytes("}".utf8), "a million digits", askForeign: false
    )
    refuse(
        Bytes("[".utf8) + Bytes(String(repeating: "{\"a\":0},", count: 200_000).utf8) + Bytes("0]".utf8), "many values", askForeign: false)
    refuse(
        Bytes("[".utf8) + Bytes(String(repeating: "0,", count: EvidenceFile.maximumValues - 1).utf8) + Bytes("0]".utf8), "too many values",
        askForeign: false)
    #expect(
        Evidence.verify(Bytes("[".utf8) + Bytes(String(repeating: "[],", count: EvidenceFile.maximumValues).utf8), expectedGenesis: nil)
            .failure
            == .malformed(path: "JSON: tooMany(maximum: \(EvidenceFile.maximumValues))"))
    refuse(config("\(String(repeating: "[", count: 15))\(String(repeating: "]", count: 15))"), "17 deep")
    // What JCS allows is read: the file then fails in row 2, since another configuration has another hash.
    for value in [
        "9007199254740992", "-9007199254740992", "\"\u{2028}é\u{1f600}\"", "\"\\u0001\\b\\\"\"", "{\"\u{1f600}\":2,\"\u{fb33}\":1}",
    ] {
        let found = Evidence.verify(config(value), expectedGenesis: world.genesisHash)
        #expect(found.steps.last?.row == "2", "\(value): \(String(describing: found.failure))")
        foreign.note(config(value), world.genesisHash, found, value)
    }
    try foreign.compare()
}

@Test func aPageTakesNoOrdersFromTheFile() throws {
    let name = "<script>alert(1)</script><\u{338}b \"'&\u{202e}\u{1b}[31m"
    let (world, file) = try World.record(.init(name: name)), verdict = Evidence.verify(file.encoded, expectedGenesis: world.genesisHash)
    #expect(verdict.isValid)
    for page in [
        verdict.page(of: file.encoded, named: name),
        Evidence.verify(Bytes("{\"\\u003cscript>\":1}".utf8), expectedGenesis: nil).page(of: [], named: name),
    ] {
        let scalars = Array(page.unicodeScalars)
        #expect(
            !page.contains("<script") && !scalars.contains("\u{202e}") && !scalars.contains("\u{1b}") && !scalars.contains("\u{338}")
                || !zip(scalars, scalars.dropFirst()).contains { $0 == "<" && $1 == "\u{338}" })
        #expect(!page.contains("http:") && !page.contains("https:") && !page.contains("src="))
    }
    let shown = verdict.steps.map(\.text).joined()
    #expect(!shown.unicodeScalars.contains("\u{1b}") && shown.contains("\\u{1b}[31m"))
}

@Test func aPageTellsWhatIsProvedAndWhatIsNot() throws {
    let (world, file) = try World.settlement(),
        page = Evidence.verify(file.encoded, expectedGenesis: nil).page(of: file.encoded, named: "job.evidence")
    for text in [
        "This evidence holds", "350", "data, use 0", "4 → 5", "2 of 2 changes", "the evidence says so itself",
        Hex.print(sha256(file.encoded).bytes, prefix: false),
    ] { #expect(page.contains(text), "\(text)") }
    let refused = Evidence.verify(file.encoded, expectedGenesis: .zero).page(of: file.encoded, named: "job.evidence")
    #expect(
        refused.contains("does not hold") && refused.contains("foreignGenesis") && !refused.contains("Who vouches")
            && world.genesisHash != .zero)
}
