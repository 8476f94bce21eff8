import Glibc
import LinuxSystem
import Synchronization
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

    /// Several threads, all at one link and one file: each succeeds, nobody ever finds
    /// nothing there or half of something, and nothing else is left.
    @Test func aLinkAndAFileAreSetByManyAtOnce() throws {
        try withDirectory { directory in
            let (link, file) = ("\(directory)/link", "\(directory)/file")
            let failures = Mutex<[String]>([])
            try WorkerThreads.run(4) { number in
                for _ in 0..<200 {
                    do throws(SystemError) {
                        try Directory.link(link, to: "\(number)")
                        try TextFile.replace(file, with: "\(number)\n")
                        let found = [Self.target(of: link) ?? "", try TextFile.read(file)]
                        guard found.map(\.utf8.count) != [1, 2] else { continue }
                        failures.withLock { $0.append("found \(found)") }
                    } catch { failures.withLock { $0.append("\(error)") } }
                }
            }
            let seen = failures.withLock { $0 }
            #expect(seen == [])
            #expect(Directory.list(directory) == ["file", "link"])
        }
    }

    private static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(link, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
