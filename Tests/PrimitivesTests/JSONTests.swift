import Primitives
import Testing

@Test func canonicalFormIsThatOfRFC8785() throws {
    // RFC 8785 §3.2.2 and §3.2.3, and appendix B's numbers.
    let parsed = try JSON(
        parsing:
            #"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#
    )
    #expect(
        parsed.text
            == #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#)
    for (value, text) in [
        (Double.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992, "9007199254740992"),
        (Double("295147905179352830000")!, "295147905179352830000"), (1e21, "1e+21"), (0.000001, "0.000001"), (1e-7, "1e-7"), (-0.0, "0"),
    ] {
        #expect(JSON.number(value).text == text)
    }
}

@Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,\"a\":2}", "01", "1.", "\"\\ud800\"", "\"\u{01}\"", "nul", "[1] 2", "{a:1}", "-", "1e999", "\"\\x\"",
])
func malformedTextIsRefused(_ text: String) {
    #expect(throws: JSONError.self) { try JSON(parsing: text) }
}

@Test func depthIsBounded() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError.tooDeep(maximum: JSON.maximumDepth)) { try JSON(parsing: text) }
}
