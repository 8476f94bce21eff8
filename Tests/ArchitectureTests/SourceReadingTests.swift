import Testing

@Suite("Reading of sources")
struct SourceReadingTests {
    @Test("comments and literals are blanked, code stays")
    func blanking() {
        let text = """
            let a = "print(1) \\" // no" // print(2)
            /* print(3)
            */ let b = 1
            """
        let code = SourceTree.blanked(text)
        #expect(!CodeWords.contains("print", in: code))
        #expect(CodeWords.contains("let", in: code))
        #expect(CodeWords.contains("b", in: code))
        #expect(code.utf8.count == text.utf8.count)
        let raw = SourceTree.blanked(##"let a = #"x " print(1)"# ; print(2)"##)
        #expect(CodeWords.calls(of: "print", in: raw) == ["(2)"])
    }

    @Test("whole words only")
    func words() {
        #expect(CodeWords.contains("Task", in: "a = Task {"))
        #expect(!CodeWords.contains("Task", in: "a = TaskGroup() + myTask"))
        #expect(
            CodeWords.calls(of: "random", in: "Int.random(in: (0..<3), using: &g) random(1)")
                == ["(in: (0..<3), using: &g)", "(1)"])
        #expect(CodeWords.calls(of: "random", in: "func random(a: Int)").isEmpty)
    }
}
