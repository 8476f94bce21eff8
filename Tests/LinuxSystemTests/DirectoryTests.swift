import Glibc
import LinuxSystem
import Testing

@Suite struct DirectoryTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/mptcpctl-test-\(RandomBytes.suffix())"
        try Directory.make(directory)
        defer { try? Directory.remove(directory) }
        try body(directory)
    }

    @Test func aTakenNameIsSaidNotOverwritten() throws {
        try withDirectory { directory in
            let path = "\(directory)/a/b"
            let made = [try Directory.makeNew(path), try Directory.makeNew(path)]
            #expect(made == [true, false])
            let isOver = try Directory.rename(path, to: "\(directory)/a")
            #expect(!isOver && Directory.exists(path))
            let isMoved = try Directory.rename(path, to: "\(directory)/c")
            #expect(isMoved)
            #expect(Directory.list(directory) == ["a", "c"])
        }
    }

    /// What a user without privileges would not see any more when /run is another one.
    @Test func placesBelowRunAreKnown() throws {
        try withDirectory { directory in
            try #require(symlink("/run", "\(directory)/link") == 0)
            #expect(UserNamespace.covers("/run"))
            #expect(UserNamespace.covers("/run/not/there/yet"))
            #expect(UserNamespace.covers("/var/../run/x"))
            #expect(UserNamespace.covers("\(directory)/link/results"))
            #expect(!UserNamespace.covers("/running/x"))
            #expect(!UserNamespace.covers("\(directory)/results"))
            #expect(!UserNamespace.covers("results"))
        }
    }

    @Test func aLinkIsSetByManyAtOnce() throws {
        try withDirectory { directory in
            try WorkerThreads.run(4) { number in
                for _ in 0..<20 { try? Directory.link("\(directory)/\(number)", to: "target") }
            }
            #expect(Directory.list(directory) == ["0", "1", "2", "3"])
        }
    }
}
