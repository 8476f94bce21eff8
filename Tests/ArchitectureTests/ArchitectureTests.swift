import Testing

@Suite("Architecture")
struct ArchitectureTests {
    private static let loaded = Result { try SourceTree.load() }
    private var tree: SourceTree {
        get throws { try Self.loaded.get() }
    }

    @Test("the tree was read")
    func reading() throws {
        let tree = try tree
        #expect(tree.targets.contains("NetworkPrimitives"))
        #expect(tree.imports(of: "WireFormat") == ["NetworkPrimitives"])
        #expect(tree.reachable(from: "HostStack").contains("NetworkPrimitives"))
        #expect(tree.tests.contains { $0.target == "ArchitectureTests" })
    }

    @Test("imports go down the ladder only")
    func ladder() throws {
        let tree = try tree
        let targets = Set(tree.targets).union(Ladder.rows.keys)
        for file in tree.sources {
            // A target that the ladder does not know yet stands right above what it imports.
            let own = level(of: file.target, in: tree)
            for module in file.imports.map(\.module) where targets.contains(module) {
                #expect(
                    level(of: module, in: tree) < own,
                    "\(file) imports \(module), which is not below \(file.target)")
            }
        }
    }

    private func level(of target: String, in tree: SourceTree) -> Int {
        if let row = Ladder.rows[target] { return row.level }
        let below = tree.imports(of: target).compactMap { Ladder.rows[$0]?.level }
        return (below.max() ?? 0) + 1
    }

    @Test("what comes from outside comes in where the ladder says")
    func outside() throws {
        let tree = try tree
        let own = Set(tree.targets).union(Ladder.rows.keys)
        for file in tree.sources {
            guard let row = Ladder.rows[file.target] else { continue }
            for module in file.imports.map(\.module) where !own.contains(module) {
                switch row.outside {
                case .anything: continue
                case .only(let allowed):
                    #expect(
                        allowed.contains(module), "\(file) imports \(module)")
                }
            }
        }
    }

    @Test("pure targets stand on pure targets")
    func purity() throws {
        let tree = try tree
        let own = Set(tree.targets).union(Ladder.rows.keys)
        for file in tree.sources where Ladder.rows[file.target]?.isPure == true {
            for module in file.imports.map(\.module) where own.contains(module) {
                #expect(
                    Ladder.rows[module]?.isPure == true,
                    "\(file) is pure and imports \(module), which is not")
            }
        }
    }

    @Test("the analyser does not know the stack, nor the stack the analyser")
    func analyserAndStack() throws {
        let tree = try tree
        let stack: Set = ["TCP", "MPTCP", "HostStack", "CongestionControl"]
        #expect(tree.reachable(from: "TraceAnalysis").isDisjoint(with: stack))
        for target in stack {
            #expect(!tree.reachable(from: target).contains("TraceAnalysis"), "\(target)")
        }
    }

    @Test("C modules stay behind their doors")
    func doors() throws {
        for file in try tree.sources {
            for item in file.imports where item.module.hasPrefix("C") {
                if let doors = Ladder.doors[item.module] {
                    #expect(doors.contains(file.target), "\(file) imports \(item.module)")
                }
                // No C type in a signature that another target sees.
                if Ladder.rows[item.module]?.level == 0 {
                    #expect(!item.isVisibleOutside, "\(file) shows \(item.module) to others")
                }
            }
        }
    }

    @Test("pure targets have no clock, no chance, no output and no concurrency of their own")
    func forbiddenNames() throws {
        for file in try tree.sources where Ladder.rows[file.target]?.isPure == true {
            for (name, instead) in Ladder.forbiddenNames {
                #expect(
                    !CodeWords.contains(name, in: file.code), "\(file) says \(name): \(instead)")
            }
            for call in Ladder.randomCalls {
                #expect(
                    CodeWords.calls(of: call, in: file.code).allSatisfy { $0.contains("using:") },
                    "\(file) calls \(call) without using:")
            }
        }
    }

    @Test("files are short")
    func fileLengths() throws {
        for file in try tree.all {
            #expect(file.lineCount <= 700, "\(file) has \(file.lineCount) lines")
        }
    }

    @Test("nothing is forced and nothing is left for later")
    func forcedAndLeft() throws {
        // Put together here so that this file does not name itself.
        let markers = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK"]
        for file in try tree.all {
            for keyword in ["try", "as"] {
                #expect(!file.code.contains(" \(keyword)! "), "\(file) forces with \(keyword)")
            }
            for marker in markers {
                #expect(!CodeWords.contains(marker, in: file.text), "\(file) says \(marker)")
            }
        }
    }

    @Test("no test is switched off")
    func disabledTests() throws {
        for file in try tree.tests {
            #expect(CodeWords.calls(of: "disabled", in: file.code).isEmpty, "\(file)")
        }
    }

    @Test("names say what is inside")
    func names() throws {
        let vague: Set = ["Util", "Utils", "Common", "Core", "Helper", "Helpers", "Misc"]
        let tree = try tree
        for name in Set(tree.all.map(\.target) + tree.all.map(\.stem)) {
            let parts = name.split(separator: "+").map(String.init)
            #expect(vague.isDisjoint(with: parts), "\(name)")
            #expect(!["Utils", "Helpers"].contains { name.hasSuffix($0) }, "\(name)")
        }
    }

    @Test("no placeholder stands beside the sources it stood for")
    func placeholders() throws {
        let tree = try tree
        for file in tree.all where file.stem == "Placeholder" {
            #expect(
                tree.all.count { $0.target == file.target } == 1, "\(file) is not needed any more")
        }
    }
}
