import Glibc

/// The testbed files of this repository.
enum RepositoryFiles {
    static let testbeds: String = {
        var parts = #filePath.split(separator: "/").dropLast(3)
        parts.append("testbeds")
        return "/" + parts.joined(separator: "/")
    }()

    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte >= 0 { bytes.append(UInt8(byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The names in `testbeds/`, sorted.
    static func names() -> [String] {
        guard let stream = opendir(testbeds) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".yaml") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }
}
