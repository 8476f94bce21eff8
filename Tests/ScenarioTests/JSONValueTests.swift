import Scenario
import Testing

@Suite("JSON")
struct JSONValueTests {
    @Test func writesInOrderAndReadsBack() throws {
        let value = JSONValue.members([
            "z": 1, "a": [nil, true, false, "x\"\\\n\u{1}é😀", .number(0.25), .integer(-7)],
            "empty": .object([]), "none": [],
        ])
        #expect(
            value.compact
                == #"{"z":1,"a":[null,true,false,"x\"\\\n\u0001é😀",0.25,-7],"empty":{},"none":[]}"#)
        #expect(try JSONValue(parsing: value.compact) == value)
        #expect(try JSONValue(parsing: value.pretty) == value)
    }

    @Test func numbersAreWrittenPlainly() {
        #expect(JSONValue.number(20).compact == "20")
        #expect(JSONValue.number(.infinity).compact == "null")
        #expect(JSONValue.number(.nan).compact == "null")
        #expect(JSONValue(rounding: 1.0 / 3).compact == "0.333333")
        #expect(JSONValue(rounding: 12.5).compact == "12.5")
        #expect(JSONValue(rounding: 2).compact == "2")
        #expect(JSONValue(rounding: nil) == .null)
    }

    @Test func flatAndShortStaysOnOneLine() {
        let value = JSONValue.members(["a": .members(["b": 1, "c": [2]]), "d": [1, 2]])
        #expect(
            value.pretty
                == "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": [2]\n  },\n  \"d\": [1, 2]\n}\n")
    }

    @Test func readsEscapesAndSurrogates() throws {
        let value = try JSONValue(parsing: #" [ "\u00e9\ud83d\ude00\/\b\f" , 1e3 , -0.5 ] "#)
        #expect(value == ["é😀/\u{8}\u{c}", .number(1_000), .number(-0.5)])
    }

    @Test(arguments: [
        "", "{", "[1,", "[1,]", "{\"a\":}", "{\"a\" 1}", "{a:1}", "tru", "\"x", "\"\\q\"", "1 2",
        "+1", ".5", "1.", "-", "\"\u{1}\"", "[1}", "\"\\u12\"", "nul", "--1",
    ])
    func refusesWhatIsNoJSON(_ text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test func deepNestingIsRefusedAndDoesNotTrap() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }
}
